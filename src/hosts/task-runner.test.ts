// One runner with a gate of its own: what it tells the job master about a checkpoint that it cannot keep.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIN_TIMESTAMP } from '../base/time.ts';
import type { CheckpointBarrier } from '../exchange/events.ts';
import { InputGate } from '../exchange/input.ts';
import { createLocalChannel } from '../exchange/local.ts';
import type { CompiledJob } from '../graph/job-graph.ts';
import { Kernel } from '../testing/kernel.ts';
import type { SlotReport } from './messages.ts';
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
};

function barrierOf(id: number): CheckpointBarrier {
  return { id, timestamp: 0, alignment: 'unaligned', alignedTimeoutMs: 0, kind: 'periodic' };
}

test('a checkpoint whose in-flight data is too much is declined at once, and the next one can succeed', async () => {
  const env = new Kernel({ seed: 1 }).env('node');
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
  const reports: SlotReport[] = [];
  const address = { slot: 0, attempt: 1, vertex: 0, subtask: 0 };
  const runner = new TaskRunner({
    ...address,
    task: { vertex: 0, compiled, restored: new Map() },
    env,
    host: {
      info: { jobId: 'j', jobName: 'test', subtask: 0, parallelism: 1, maxParallelism: 128, attempt: '1-1' },
      env,
      client: { writable: () => true, send: () => undefined },
      checkpointing: true,
      restoredCheckpointId: undefined,
      autoWatermarkIntervalMs: 0,
      freezeRecords: false,
      checkFence: () => Promise.resolve(),
    },
    ports: new Map(),
    gate,
    inputs: 1,
    store: (_checkpointId, bytes) =>
      Promise.resolve({ file: undefined, inline: '', length: bytes.length, sha256: '' }),
    report: (report) => reports.push(report),
    wakeUp: () => undefined,
  });
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
