/** A task whose links are made into code does what a task does whose links run one by one. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { MillraceError } from '../base/errors.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';
import { splitRange } from '../connectors/range.ts';
import { sequenceSource } from '../connectors/sequence.ts';
import { type CompiledJob, NO_DECLARATIONS, type PlannedOperator } from '../graph/job-graph.ts';
import { FilterOperator } from '../operators/filter.ts';
import { MapOperator } from '../operators/map.ts';
import type { Operator, OperatorContext, SourceStatus } from '../operators/operator.ts';
import { KeyedProcessOperator, ProcessOperator } from '../operators/process.ts';
import { ReduceOperator } from '../operators/reduce.ts';
import { SinkWriterOperator } from '../operators/sink-operator.ts';
import { encodeSplit, SourceReaderOperator, type SourceTime } from '../operators/source-operator.ts';
import { watermarks } from '../operators/watermarks.ts';
import type { ValueDescriptor } from '../state/descriptors.ts';
import { Kernel } from '../testing/kernel.ts';
import { StreamTask } from './task.ts';
import type { TaskHost, TaskPort } from './task-host.ts';

const RUNS = 1_000;
const SEED = 44;
/** Some values make some functions throw. */
const VALUE_MAX = 600;

type Kind = 'map' | 'filter' | 'process' | 'plain';

interface Step {
  readonly kind: Kind;
  readonly amount: number;
  readonly throwsAt: number;
}

interface Case {
  /** What the first operator is: a source that is polled, or one that is fed by batches, which may be of a keyed stream. */
  readonly head: 'source' | 'keyed' | 'reduce' | 'selected' | 'none';
  readonly steps: readonly Step[];
  readonly end: 'sink' | 'port';
  readonly endThrowsAt: number;
  readonly keyless: number;
  readonly values: readonly number[];
  readonly credits: readonly number[];
}

const cases = fc.record<Case>({
  head: fc.constantFrom('source', 'keyed', 'reduce', 'selected', 'none'),
  steps: fc.array(
    fc.record<Step>({
      kind: fc.constantFrom('map', 'map', 'filter', 'process', 'plain'),
      amount: fc.integer({ min: -3, max: 9 }),
      throwsAt: fc.integer({ min: 0, max: 300 }),
    }),
    { minLength: 1, maxLength: 5 },
  ),
  end: fc.constantFrom('sink', 'port'),
  endThrowsAt: fc.integer({ min: 0, max: 300 }),
  keyless: fc.integer({ min: 0, max: 900 }),
  values: fc.array(fc.integer({ min: 0, max: VALUE_MAX }), { minLength: 1, maxLength: 60, size: 'max' }),
  credits: fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 }),
});

function refuse(value: number, throwsAt: number): void {
  if (value % 251 === throwsAt) throw new RangeError(`not ${value}`);
}

/** Nothing, one result, several, or a generator: the value decides. */
function results(value: number, amount: number): number[] | Generator<number> | undefined {
  const next = value + amount;
  switch (next % 7) {
    case 0:
      return undefined;
    case 1:
      return [];
    case 2:
      return [next, next + 1, next + 2];
    case 3:
      return (function* () {
        yield next;
        yield next + 3;
      })();
    default:
      return [next];
  }
}

class PlainOperator implements Operator {
  readonly #step: Step;
  #context!: OperatorContext;

  constructor(step: Step) {
    this.#step = step;
  }

  open(context: OperatorContext): void {
    this.#context = context;
  }

  record(_input: number, value: unknown, timestamp: number): void {
    refuse(value as number, this.#step.throwsAt);
    this.#context.output.emit(value, timestamp);
    if ((value as number) % 3 === 0)
      this.#context.output.emit((value as number) + this.#step.amount, timestamp);
  }
}

function operatorOf(step: Step): Operator {
  const { kind, amount, throwsAt } = step;
  if (kind === 'plain') return new PlainOperator(step);
  if (kind === 'map') {
    return new MapOperator((value: number) => {
      refuse(value, throwsAt);
      return value + amount;
    });
  }
  if (kind === 'filter') {
    return new FilterOperator((value: number) => {
      refuse(value, throwsAt);
      return (value + amount) % 3 !== 0;
    });
  }
  return new ProcessOperator<number, Record<never, never>, undefined>({
    process(value, ctx) {
      refuse(value, throwsAt);
      // Its time is that of the record.
      const back = results(value + (ctx.timestamp ?? 0) * 7, amount);
      return back as Iterable<number>;
    },
  });
}

/** Emits what it is given, as a source does: many records in one call. */
class GivenSource implements Operator {
  readonly #values: readonly number[];
  #next = 0;
  #emit!: (value: unknown, timestamp?: number) => void;

  constructor(values: readonly number[]) {
    this.#values = values;
  }

  #context!: OperatorContext;

  open(context: OperatorContext): void {
    this.#context = context;
    this.outputChanged();
  }

  outputChanged(): void {
    const { output } = this.#context;
    this.#emit = output.made ?? ((value, timestamp = MIN_TIMESTAMP) => output.emit(value, timestamp));
  }

  record(): void {}

  poll(maxRecords: number): SourceStatus {
    const end = Math.min(this.#values.length, this.#next + maxRecords);
    while (this.#next < end) {
      const index = this.#next++;
      if (index % 3 === 0) this.#emit(this.#values[index]);
      else this.#emit(this.#values[index], index);
    }
    return this.#next < this.#values.length ? 'more' : 'nothing';
  }
}

function headOf(one: Case): Operator[] {
  if (one.head === 'source') return [new GivenSource(one.values)];
  if (one.head === 'reduce') return [new ReduceOperator<number>((sum, value) => (sum + value) % VALUE_MAX)];
  if (one.head === 'none' || one.head === 'selected') return [];
  const count: ValueDescriptor<number> = { kind: 'value', initial: 0 };
  return [
    new KeyedProcessOperator<number, number, { count: typeof count }, Record<never, never>, undefined>({
      state: { count },
      process(value, { state }) {
        state.count.update(state.count.value() + 1);
        return results(value, state.count.value()) as Iterable<number>;
      },
    }),
  ];
}

class RecordingPort implements TaskPort {
  readonly out: unknown[] = [];
  credits = 0;
  readonly #throwsAt: number;

  constructor(throwsAt: number) {
    this.#throwsAt = throwsAt;
  }

  emit(value: unknown, timestamp: number): void {
    refuse(value as number, this.#throwsAt);
    this.credits--;
    this.out.push([value, timestamp]);
  }

  emitAll(values: readonly unknown[], timestamp: number): void {
    for (const value of values) this.emit(value, timestamp);
  }

  event(event: object): void {
    this.out.push(event);
  }

  latencyMarker(marker: object): void {
    this.out.push(marker);
  }

  writable(): boolean {
    return this.credits > 0;
  }
}

function jobOf(operators: readonly Operator[], one: Case): CompiledJob {
  const last = operators.length - 1;
  const planned = operators.map(
    (_, index): PlannedOperator => ({
      uid: `op${index}`,
      explicitUid: true,
      id: `op${index}`,
      name: `op${index}`,
      kind: 'test',
      keyed: index === 0 && one.head !== 'source' && one.head !== 'none',
      stateful: false,
      poison: 'fail',
      chained: index === last ? [] : [{ to: index + 1, tag: undefined }],
    }),
  );
  const select = (value: unknown): number => {
    if ((value as number) % 451 === one.keyless) throw new RangeError(`no key of ${String(value)}`);
    return (value as number) % 4;
  };
  return {
    graph: {
      name: 'test',
      fingerprint: '',
      vertices: [
        {
          id: 'v',
          name: 'v',
          parallelism: 1,
          maxParallelism: 128,
          operators: planned,
          source: one.head === 'source',
        },
        { id: 'w', name: 'w', parallelism: 1, maxParallelism: 128, operators: [], source: false },
      ],
      edges:
        one.end === 'sink'
          ? []
          : [
              {
                index: 0,
                from: 0,
                fromOperator: last,
                tag: undefined,
                to: 1,
                input: 0,
                partitioner: 'forward',
                unaligned: false,
              },
            ],
    },
    factories: new Map(operators.map((operator, index) => [`op${index}`, () => operator])),
    keySelectors: planned[0]!.keyed ? new Map([['op0', [select]]]) : new Map(),
    customPartitioners: new Map(),
    sources: new Map(),
    sinks: new Map(),
    declarations: NO_DECLARATIONS,
  };
}

/** All that can be seen of a task that takes these values. Frozen records forbid made code. */
async function outcome(
  one: Case,
  plain: boolean,
  lookAt?: (task: StreamTask, turn: number) => void,
  given: readonly Operator[] = [...headOf(one), ...one.steps.map(operatorOf)],
) {
  const port = new RecordingPort(one.endThrowsAt);
  const written = new RecordingPort(one.endThrowsAt);
  const sink = new SinkWriterOperator<number>({
    name: 'written',
    guarantee: 'at-least-once',
    createWriter: () => ({
      write: (value, timestamp) => written.emit(value, timestamp),
      writable: () => written.writable(),
      prepareCommit: () => Promise.resolve([]),
    }),
  });
  const operators = [...given, ...(one.end === 'sink' ? [sink] : [])];
  const host: TaskHost = {
    info: { jobId: 'j', jobName: 'test', subtask: 0, parallelism: 1, maxParallelism: 128, attempt: '1-1' },
    env: new Kernel({ seed: 1 }).env('node'),
    client: { writable: () => true, send: () => undefined },
    checkpointing: true,
    restoredCheckpointId: undefined,
    cachedFiles: {},
    autoWatermarkIntervalMs: 200,
    freezeRecords: plain,
    port: () => port,
    wakeUp: () => undefined,
    fail: (error) => assert.fail(String(error)),
    ended: () => undefined,
    checkFence: () => Promise.resolve(),
  };
  const task = new StreamTask({ vertex: 0, compiled: jobOf(operators, one), host, restored: new Map() });
  await task.open();
  let thrown: unknown[] = [];
  try {
    if (one.head !== 'source') {
      const timestamps = one.values.map((_, index) => (index % 3 === 0 ? MIN_TIMESTAMP : index));
      task.onBatch(0, { values: one.values, timestamps });
    }
    for (let turn = 0, more = true; more; turn++) {
      lookAt?.(task, turn);
      port.credits = written.credits = one.credits[turn % one.credits.length]!;
      more = one.head === 'source' && !task.busy() && task.poll() === 'more';
      task.run(Number.POSITIVE_INFINITY);
      more ||= task.busy();
    }
  } catch (error) {
    const { message, where } = error as Partial<MillraceError>;
    thrown = [message, where?.uid];
  }
  const counts = task.chain.links.map((link) => [link.recordsIn, link.output.recordsOut]);
  await task.close();
  return { out: port.out, written: written.out, thrown, counts };
}

test('links made into code give what plain links give: records, times, counts, errors and their places', async () => {
  let errors = 0;
  await fc.assert(
    fc.asyncProperty(cases, async (one) => {
      const made = await outcome(one, false);
      assert.deepEqual(made, await outcome(one, true));
      errors += made.thrown.length > 0 ? 1 : 0;
    }),
    { seed: SEED, numRuns: RUNS },
  );
  assert.ok(errors > RUNS / 10 && errors < RUNS * 0.9, `${errors} of ${RUNS} ended in an error`);
  console.log(`cases: links made into code ${RUNS} (minimum ${RUNS})`);
});

test('whoever looks at what operators hand on, from any moment to any other, changes nothing', async () => {
  let seen = 0;
  await fc.assert(
    fc.asyncProperty(cases, fc.array(fc.nat(), { minLength: 1, maxLength: 5 }), async (one, choices) => {
      const ends: (() => void)[] = [];
      const looked = await outcome(one, false, (task, turn) => {
        const choice = choices[turn % choices.length]!;
        if (choice % 3 === 0) ends.shift()?.();
        const operator = choice % task.chain.links.length;
        const see = (): void => {
          seen += 1;
        };
        if (choice % 2 === 0) ends.push(task.chain.tap(operator, see));
      });
      assert.deepEqual(looked, await outcome(one, true));
    }),
    { seed: SEED, numRuns: RUNS },
  );
  assert.ok(seen > RUNS, `${seen} records were seen`);
  console.log(`cases: chains that were looked at ${RUNS} (minimum ${RUNS})`);
});

test('a tap sees each record that an operator hands on, with its time, and nothing else', async () => {
  const one: Case = {
    head: 'none',
    steps: [
      { kind: 'map', amount: 1, throwsAt: -1 },
      { kind: 'filter', amount: 0, throwsAt: -1 },
      { kind: 'map', amount: 5, throwsAt: -1 },
    ],
    end: 'sink',
    endThrowsAt: -1,
    keyless: -1,
    values: Array.from({ length: 40 }, (_, index) => index),
    credits: [7],
  };
  const seen: (readonly [number, unknown, number])[] = [];
  const { counts, written } = await outcome(one, false, (task, turn) => {
    if (turn > 0) return;
    for (const [operator] of task.chain.links.entries()) {
      task.chain.tap(operator, (value, timestamp) => seen.push([operator, value, timestamp]));
    }
  });
  const of = (operator: number): unknown[] =>
    seen.filter(([at]) => at === operator).map(([, value, timestamp]) => [value, timestamp]);
  assert.deepEqual(
    one.steps.map((_, operator) => of(operator).length),
    one.steps.map((_, operator) => counts[operator]![1]),
  );
  assert.deepEqual(of(2), written);
  assert.deepEqual(of(3), [], 'a sink hands nothing on');
});

test('a tap of a source that stands alone sees each record from the first poll to the last, and none before or after', async () => {
  const one: Case = {
    head: 'source',
    steps: [],
    end: 'port',
    endThrowsAt: -1,
    keyless: -1,
    values: [],
    credits: [1_000],
  };
  const count = 600;
  const times: readonly SourceTime<number>[] = [
    { kind: 'none' },
    { kind: 'ingestion' },
    { kind: 'event', strategy: watermarks.monotonous<number>().withTimestamps((value) => value * 10) },
  ];
  for (const time of times) {
    const seen: (readonly [unknown, number])[] = [];
    /** Records that were out when the tap began and when it ended. */
    const bounds: number[] = [];
    let end: (() => void) | undefined;
    const given = (): Operator[] => [new SourceReaderOperator(sequenceSource(0, count - 1), time)];
    const feed = ({ source }: StreamTask, turn: number): void => {
      if (turn === 0) source.addSplits(splitRange(0, count, 1).map(encodeSplit));
    };
    const look = (task: StreamTask, turn: number): void => {
      feed(task, turn);
      // The polls give 1, 2, 4, … records.
      if (turn !== 3 && turn !== 6) return;
      bounds.push(task.chain.head.output.recordsOut);
      if (turn === 3) end = task.chain.tap(0, (value, timestamp) => seen.push([value, timestamp]));
      else end?.();
    };
    const looked = await outcome(one, false, look, given());
    assert.deepEqual(looked, await outcome(one, true, feed, given()), time.kind);
    const records = looked.out.filter((each) => Array.isArray(each));
    assert.equal(records.length, count);
    const [from, to] = bounds;
    assert.ok(from! > 0 && from! < to! && to! < count, `${from} to ${to}`);
    assert.deepEqual(seen, records.slice(from, to), time.kind);
  }
});

const SELECTED: Case = {
  head: 'selected',
  steps: [{ kind: 'map', amount: 1, throwsAt: -1 }],
  end: 'port',
  endThrowsAt: -1,
  keyless: 5,
  values: [1, 2, 5, 6],
  credits: [9],
};

test('a record of a keyed stream must have a key, also where no state asks for it', async () => {
  for (const plain of [true, false]) {
    const { thrown, out } = await outcome(SELECTED, plain);
    assert.deepEqual(thrown, ['RangeError: no key of 5', 'op0']);
    assert.equal(out.length, 2);
  }
});

test('whether a link behind a row can be made is asked once, not with every record', async () => {
  let asked = 0;
  class Asked extends PlainOperator {
    get code(): undefined {
      asked++;
      return undefined;
    }
  }
  const step: Step = { kind: 'plain', amount: 0, throwsAt: -1 };
  const one: Case = { ...SELECTED, head: 'none', values: Array.from({ length: 500 }, (_, at) => at) };
  const { out } = await outcome(one, false, undefined, [new MapOperator((value) => value), new Asked(step)]);
  assert.ok(out.length > 500);
  assert.ok(asked < 20, `${asked} times`);
});

test('what was made of a link is named in stack traces after its job and operator', async () => {
  const one: Case = {
    head: 'none',
    steps: [{ kind: 'map', amount: 1, throwsAt: 5 }],
    end: 'port',
    endThrowsAt: -1,
    keyless: -1,
    values: [5],
    credits: [1],
  };
  const operators = [
    new MapOperator(() => {
      throw new RangeError('within');
    }),
  ];
  const compiled = jobOf(operators, one);
  const host = { freezeRecords: false } as Partial<TaskHost> as TaskHost;
  const port = new RecordingPort(-1);
  port.credits = 1;
  const task = new StreamTask({
    vertex: 0,
    compiled,
    host: {
      ...host,
      info: { jobId: 'j', jobName: 'a job', subtask: 0, parallelism: 1, maxParallelism: 128, attempt: '1-1' },
      env: new Kernel({ seed: 1 }).env('node'),
      port: () => port,
    },
    restored: new Map(),
  });
  await task.open();
  task.onBatch(0, { values: [5], timestamps: [0] });
  let cause: unknown;
  try {
    task.run(Number.POSITIVE_INFINITY);
  } catch (error) {
    cause = (error as Error).cause;
  }
  assert.match((cause as Error).stack ?? '', /millrace\/a%20job\/op0\/\d+/);
});
