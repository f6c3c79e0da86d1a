// A task with two inputs: which input a record came from, whose key it is, and event time over both (Flink's rule).

import { NO_DECLARATIONS } from '../graph/job-graph.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../base/time.ts';
import type { CompiledJob, JobEdge } from '../graph/job-graph.ts';
import type { Operator, OperatorContext } from '../operators/operator.ts';
import { Kernel } from '../testing/kernel.ts';
import type { TaskHost, TaskPort } from './task-host.ts';
import { StreamTask } from './task.ts';

class RecordingPort implements TaskPort {
  readonly out: unknown[] = [];

  emit(value: unknown): void {
    this.out.push(value);
  }

  emitAll(values: readonly unknown[]): void {
    this.out.push(...values);
  }

  event(event: object): void {
    this.out.push(event);
  }

  latencyMarker(marker: object): void {
    this.out.push(marker);
  }

  writable(): boolean {
    return true;
  }
}

/** Says what it sees: `<input>:<key>:<value>@<watermark>`; registers a timer at each number. */
class TellingOperator implements Operator {
  #context!: OperatorContext;

  open(context: OperatorContext): void {
    this.#context = context;
  }

  record(input: number, value: unknown, timestamp: number): void {
    const { keyed, output } = this.#context;
    keyed.timers.register('event', value as number);
    const time = this.#context.currentWatermark();
    output.emit(`${input}:${String(keyed.currentKey())}:${String(value)}@${time}`, timestamp);
  }

  timer(time: number): void {
    this.#context.output.emit(`timer ${time} at ${this.#context.currentWatermark()}`, time);
  }
}

async function twoInputs(): Promise<{ task: StreamTask; port: RecordingPort }> {
  const edge = (index: number, from: number, to: number, input: number): JobEdge => ({
    index,
    from,
    fromOperator: 0,
    tag: undefined,
    to,
    input,
    partitioner: 'key-group',
    unaligned: false,
  });
  const vertex = { parallelism: 1, maxParallelism: 128, source: false };
  const operator = {
    uid: 'both',
    explicitUid: true,
    id: 'both',
    name: 'both',
    kind: 'test',
    keyed: true,
    stateful: true,
    poison: 'fail' as const,
    chained: [],
  };
  const compiled: CompiledJob = {
    graph: {
      name: 'test',
      fingerprint: '',
      vertices: [
        { id: 'a', name: 'a', operators: [], ...vertex, source: true },
        { id: 'b', name: 'b', operators: [], ...vertex, source: true },
        { id: 'c', name: 'c', operators: [operator], ...vertex },
        { id: 'd', name: 'd', operators: [], ...vertex },
      ],
      edges: [edge(0, 0, 2, 0), edge(1, 1, 2, 1), edge(2, 2, 3, 0)],
    },
    factories: new Map([['both', () => new TellingOperator()]]),
    keySelectors: new Map([
      ['both', [(value: unknown) => `left ${String(value)}`, (value: unknown) => -(value as number)]],
    ]),
    customPartitioners: new Map(),
    sources: new Map(),
    sinks: new Map(),
    declarations: NO_DECLARATIONS,
  };
  const port = new RecordingPort();
  const host: TaskHost = {
    info: { jobId: 'j', jobName: 'test', subtask: 0, parallelism: 1, maxParallelism: 128, attempt: '1-1' },
    env: new Kernel({ seed: 1 }).env('node'),
    client: { writable: () => true, send: () => undefined },
    checkpointing: true,
    restoredCheckpointId: undefined,
    cachedFiles: {},
    autoWatermarkIntervalMs: 200,
    freezeRecords: true,
    port: () => port,
    wakeUp: () => undefined,
    fail: (error) => assert.fail(String(error)),
    ended: () => undefined,
    checkFence: () => Promise.resolve(),
  };
  const task = new StreamTask({ vertex: 2, compiled, host, restored: new Map() });
  await task.open();
  return { task, port };
}

function run(task: StreamTask): void {
  assert.equal(task.run(Number.POSITIVE_INFINITY), 'done');
}

test('a record comes with its input and the key of its input', async () => {
  const { task, port } = await twoInputs();
  for (const input of [0, 1]) {
    task.onBatch(input, { values: [7], timestamps: [1] });
    run(task);
  }
  assert.deepEqual(port.out, [`0:left 7:7@${MIN_TIMESTAMP}`, `1:-7:7@${MIN_TIMESTAMP}`]);
});

test('timers wait for the slower input, and fire before the watermark goes on', async () => {
  const { task, port } = await twoInputs();
  task.onBatch(0, { values: [3], timestamps: [1] });
  run(task);
  task.onWatermark(0, 10);
  run(task);
  task.onWatermark(1, 4);
  run(task);
  assert.deepEqual(port.out.slice(1), ['timer 3 at 4', { kind: 'watermark', timestamp: 4 }]);
});

test('the task ends when both inputs have ended', async () => {
  const { task, port } = await twoInputs();
  for (const input of [0, 1]) {
    assert.equal(task.hasEnded, false);
    task.onWatermark(input, MAX_TIMESTAMP);
    run(task);
    task.onEndOfInput(input, 2);
    run(task);
  }
  assert.ok(task.hasEnded);
  assert.deepEqual(port.out, [{ kind: 'watermark', timestamp: MAX_TIMESTAMP }, { kind: 'end-of-data' }]);
});

type Event =
  | { readonly input: number; readonly watermark: number }
  | { readonly input: number; readonly idle: boolean };

const EVENTS: readonly Event[] = [0, 1].flatMap((input): Event[] => [
  { input, watermark: 1 },
  { input, watermark: 2 },
  { input, watermark: 3 },
  { input, idle: true },
  { input, idle: false },
]);

/** What goes on, by the definition: the smallest of the active inputs that have caught up; all idle: the largest. */
function expected(events: readonly Event[]): unknown[] {
  const out: unknown[] = [];
  const inputs = [0, 1].map(() => ({ watermark: MIN_TIMESTAMP, idle: false }));
  let merged = MIN_TIMESTAMP;
  const rise = (to: number): void => {
    if (to <= merged) return;
    merged = to;
    out.push({ kind: 'watermark', timestamp: to });
  };
  for (const event of events) {
    const one = inputs[event.input]!;
    const wasIdle = inputs.every(({ idle }) => idle);
    if ('watermark' in event) {
      if (!one.idle) one.watermark = Math.max(one.watermark, event.watermark);
    } else {
      if (event.idle && !one.idle && inputs.every((each) => each === one || each.idle)) {
        if (one.watermark === merged) rise(Math.max(...inputs.map(({ watermark }) => watermark)));
      }
      one.idle = event.idle;
    }
    const counted = inputs.filter(({ idle, watermark }) => !idle && watermark >= merged);
    if (counted.length > 0) rise(Math.min(...counted.map(({ watermark }) => watermark)));
    const isIdle = inputs.every(({ idle }) => idle);
    if (isIdle !== wasIdle) out.push({ kind: 'status', idle: isIdle });
  }
  return out;
}

test('every short sequence of watermarks and statuses on two inputs gives what the definition says', async () => {
  const LENGTH = 4;
  let cases = 0;
  for (let code = 0; code < EVENTS.length ** LENGTH; code++) {
    const events = Array.from(
      { length: LENGTH },
      (_, at) => EVENTS[Math.floor(code / EVENTS.length ** at) % EVENTS.length]!,
    );
    const { task, port } = await twoInputs();
    for (const event of events) {
      if ('watermark' in event) task.onWatermark(event.input, event.watermark);
      else task.onStatus(event.input, event.idle);
      run(task);
    }
    assert.deepEqual(port.out, expected(events), JSON.stringify(events));
    cases++;
  }
  console.log(`cases: watermarks of two inputs ${cases} (minimum 10000)`);
});
