// One runner with a gate of its own: what it tells the job master about its checkpoints.

import { NO_DECLARATIONS } from '../graph/job-graph.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIN_TIMESTAMP } from '../base/time.ts';
import type { Env } from '../base/env.ts';
import type { ChannelWriter } from '../exchange/channel.ts';
import type { CheckpointBarrier } from '../exchange/events.ts';
import { InputGate } from '../exchange/input.ts';
import { createLocalChannel } from '../exchange/local.ts';
import type { CompiledJob } from '../graph/job-graph.ts';
import type { Operator } from '../operators/operator.ts';
import { Kernel } from '../testing/kernel.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import type { SlotReport } from './messages.ts';
import { encodingHere, type SnapshotEncoder } from './snapshot-encoder.ts';
import { TaskRunner } from './task-runner.ts';

const compiled: CompiledJob = {
  graph: {
    name: 'test',
    fingerprint: '',
    vertices: [
      {
        id: 'v',
        name: 'v',
        parallelism: 1,
        maxParallelism: 128,
        source: false,
        operators: [
          {
            uid: 'nothing',
            explicitUid: true,
            id: 'nothing',
            name: 'nothing',
            kind: 'test',
            keyed: false,
            stateful: false,
            poison: 'fail',
            chained: [],
          },
        ],
      },
    ],
    edges: [],
  },
  factories: new Map([['nothing', () => ({ open: () => undefined, record: () => undefined })]]),
  keySelectors: new Map(),
  customPartitioners: new Map(),
  sources: new Map(),
  sinks: new Map(),
  declarations: NO_DECLARATIONS,
};

function barrierOf(id: number): CheckpointBarrier {
  return { id, timestamp: 0, alignment: 'unaligned', alignedTimeoutMs: 0, kind: 'periodic' };
}

interface Rig {
  readonly runner: TaskRunner;
  readonly reports: SlotReport[];
}

const ignoring: Operator = { open: () => undefined, record: () => undefined };

function rig(
  gate: InputGate,
  operator: Operator = ignoring,
  env: Env = new Kernel({ seed: 1 }).env('node'),
  encoder: SnapshotEncoder = encodingHere,
): Rig {
  const reports: SlotReport[] = [];
  const address = { slot: 0, attempt: 1, vertex: 0, subtask: 0 };
  const runner = new TaskRunner({
    ...address,
    task: {
      vertex: 0,
      compiled: { ...compiled, factories: new Map([['nothing', () => operator]]) },
      restored: new Map(),
    },
    env,
    host: {
      info: { jobId: 'j', jobName: 'test', subtask: 0, parallelism: 1, maxParallelism: 128, attempt: '1-1' },
      env,
      client: { writable: () => true, send: () => undefined },
      checkpointing: true,
      restoredCheckpointId: undefined,
      cachedFiles: {},
      autoWatermarkIntervalMs: 0,
      freezeRecords: false,
      checkFence: () => Promise.resolve(),
    },
    ports: new Map(),
    gate,
    inputs: 1,
    encoder,
    store: (_checkpointId, { bytes }) =>
      Promise.resolve({ file: undefined, inline: '', length: bytes.length, sha256: '' }),
    report: (report) => reports.push(report),
    wakeUp: () => undefined,
  });
  return { runner, reports };
}

interface Single extends Rig {
  readonly clock: ManualClock;
  readonly writer: ChannelWriter;
  /** What the operator got. */
  readonly done: unknown[];
  readonly give: (values: readonly string[]) => void;
}

/** A task that runs, with one input channel; within each record so much time passes. */
async function single({
  recordMs = 0,
  encoder,
}: {
  readonly recordMs?: number;
  readonly encoder?: SnapshotEncoder;
} = {}): Promise<Single> {
  const clock = new ManualClock();
  const { reader, writer } = createLocalChannel();
  const gate = new InputGate({
    consumer: 0,
    channels: [{ edge: 0, input: 0, unaligned: true, producer: 0, reader }],
  });
  const done: unknown[] = [];
  const operator: Operator = {
    open: () => undefined,
    record: (_input, value) => {
      clock.skip(recordMs);
      done.push(value);
    },
  };
  const { runner, reports } = rig(gate, operator, { ...new Kernel({ seed: 1 }).env('node'), clock }, encoder);
  await runner.open();
  const give = (values: readonly string[]): void => {
    const timestamps = values.map(() => MIN_TIMESTAMP);
    writer.tryWrite({ kind: 'batch', batch: { values: [...values], timestamps } });
  };
  return { runner, reports, clock, writer, done, give };
}

test('a checkpoint whose in-flight data is too much is declined at once, and the next one can succeed', async () => {
  const [fast, slow] = [createLocalChannel(), createLocalChannel()];
  const channel = { edge: 0, input: 0, unaligned: true };
  const gate = new InputGate({
    consumer: 0,
    channels: [
      { ...channel, producer: 0, reader: fast.reader },
      { ...channel, producer: 1, reader: slow.reader },
    ],
    inFlightBytesMax: 100,
  });
  const { runner, reports } = rig(gate);
  await runner.open();
  const work = async (): Promise<void> => {
    while (runner.step(Number.POSITIVE_INFINITY) === 'more');
    await new Promise(setImmediate);
  };
  slow.writer.writePriority(barrierOf(1));
  await work();
  fast.writer.tryWrite({
    kind: 'batch',
    batch: { values: ['x'.repeat(200)], timestamps: [MIN_TIMESTAMP] },
  });
  await work();
  const kinds = reports.map((report) => report.kind);
  assert.deepEqual(kinds, ['running', 'decline']);
  assert.match(JSON.stringify(reports.at(-1)), /CHECKPOINT_IN_FLIGHT_TOO_LARGE/);
  for (const { writer } of [fast, slow]) writer.writePriority(barrierOf(2));
  await work();
  const last = reports.at(-1);
  assert.ok(last?.kind === 'acknowledge' && last.checkpointId === 2);
  await runner.close();
});

test('an unaligned barrier does not wait for the batch that a slow function has before it', async () => {
  const { runner, reports, clock, writer, done, give } = await single({ recordMs: 10 });
  give(['a', 'b', 'c', 'd']);
  runner.step(clock.monotonic() + 2);
  writer.writePriority(barrierOf(1));
  runner.step(clock.monotonic() + 2);
  await new Promise(setImmediate);
  assert.ok(done.length < 4, `the function has done ${done.join(' ')}`);
  const acknowledged = reports.find((report) => report.kind === 'acknowledge');
  assert.ok(acknowledged?.kind === 'acknowledge' && acknowledged.checkpointId === 1);
  assert.ok((acknowledged.figures.inFlightBytes ?? 0) > 0, 'the rest of the batch is in the checkpoint');
  await runner.close();
});

test('the times of a checkpoint lie one after the other: no part of it is counted twice', async () => {
  const clock = new ManualClock();
  const [first, second] = [createLocalChannel(), createLocalChannel()];
  const channel = { edge: 0, input: 0, unaligned: false };
  const gate = new InputGate({
    consumer: 0,
    channels: [
      { ...channel, producer: 0, reader: first.reader },
      { ...channel, producer: 1, reader: second.reader },
    ],
  });
  const standing: Operator = { ...ignoring, snapshot: () => clock.skip(7) };
  const { runner, reports } = rig(gate, standing, { ...new Kernel({ seed: 1 }).env('node'), clock });
  await runner.open();
  const barrier: CheckpointBarrier = { ...barrierOf(1), alignment: 'aligned' };
  clock.skip(10);
  first.writer.tryWrite({ kind: 'event', event: { kind: 'barrier', barrier } });
  runner.step(clock.monotonic() + 1);
  clock.skip(20);
  second.writer.tryWrite({ kind: 'event', event: { kind: 'barrier', barrier } });
  while (runner.step(Number.POSITIVE_INFINITY) === 'more');
  await new Promise(setImmediate);
  const told = reports.find((report) => report.kind === 'acknowledge');
  assert.ok(told?.kind === 'acknowledge');
  const { startDelayMs, alignmentMs, syncMs, asyncMs } = told.figures;
  assert.deepEqual(
    { startDelayMs, alignmentMs, syncMs, asyncMs },
    {
      ...{ startDelayMs: 10, alignmentMs: 20, syncMs: 7, asyncMs: 0 },
    },
  );
  await runner.close();
});

test('a task that a drill slows down does one record after the other, as work or as a wait, and is itself again', async () => {
  // The first step takes the batch, the second its first record.
  for (const [as, busyMs, blockedMs] of [
    ['work', 99, 0],
    ['wait', 0, 99],
  ] as const) {
    const { runner, clock, done, give } = await single();
    runner.disturb({ kind: 'slow', recordMs: 20, forMs: 100, as });
    give(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']);
    const step = (): void => void runner.step(clock.monotonic() + 2);
    for (let ms = 0; ms < 100; ms += 1) {
      step();
      assert.ok(done.length <= Math.floor(ms / 20) + 2, `${done.length} records after ${ms} ms`);
      clock.advance(1);
    }
    assert.ok(done.length >= 4 && done.length < 8, `${done.length} records while it lasts`);
    const figures = runner.figures();
    assert.deepEqual([figures.busyMs, figures.backPressuredMs], [busyMs, blockedMs]);
    while (runner.step(Number.POSITIVE_INFINITY) === 'more');
    assert.deepEqual(done, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], 'each once, in order');
    clock.advance(1000);
    assert.deepEqual([runner.figures().busyMs, runner.figures().backPressuredMs], [busyMs, blockedMs]);
    await runner.close();
  }
});

test('a part of a checkpoint that a drill drops is declined and given up, and the next one is not', async () => {
  const ends: string[] = [];
  const encoder: SnapshotEncoder = {
    ...encodingHere,
    begin(onRoom) {
      const encoding = encodingHere.begin(onRoom);
      return {
        ...encoding,
        finish(snapshot) {
          ends.push('finished');
          return encoding.finish(snapshot);
        },
        drop: () => ends.push('dropped'),
      };
    },
  };
  const { runner, reports, writer } = await single({ encoder });
  runner.disturb({ kind: 'decline-checkpoint' });
  for (const id of [1, 2]) {
    writer.writePriority(barrierOf(id));
    while (runner.step(Number.POSITIVE_INFINITY) === 'more');
    await new Promise(setImmediate);
  }
  const answers = reports.filter(({ kind }) => kind === 'decline' || kind === 'acknowledge');
  assert.deepEqual(
    answers.map((report) => [report.kind, 'checkpointId' in report && report.checkpointId]),
    [
      ['decline', 1],
      ['acknowledge', 2],
    ],
  );
  assert.match(JSON.stringify(answers[0]), /DRILL_FAILURE/);
  assert.deepEqual(ends, ['dropped', 'finished']);
  await runner.close();
});
