import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordingLog } from '../../base/log.ts';
import type { JobGraph } from '../../graph/job-graph.ts';
import type { VertexParallelism } from '../../graph/rescale.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { AdaptiveScheduler } from './adaptive-scheduler.ts';
import type { ResourceRequirements } from './resource-requirements.ts';

const GRAPH: JobGraph = {
  name: 'job',
  vertices: [
    { id: 'a', name: 'a', parallelism: 4, maxParallelism: 8, operators: [], source: true },
    { id: 'b', name: 'b', parallelism: 4, maxParallelism: 8, operators: [], source: false },
  ],
  edges: [],
  fingerprint: 'f',
};
const SETTINGS = { waitMs: 1_000, stabilizationMs: 100, cooldownMs: 300, executingStabilizationMs: 500 };
const upTo = (upperBound: number, lowerBound = 1): ResourceRequirements => [
  { lowerBound, upperBound },
  { lowerBound, upperBound },
];

class Bench {
  readonly clock = new ManualClock();
  readonly rescales: VertexParallelism[] = [];
  readonly scheduler: AdaptiveScheduler;
  #slots = 0;
  #changed: () => void = () => {};

  constructor(requirements = upTo(4), settings = SETTINGS) {
    this.scheduler = new AdaptiveScheduler({
      clock: this.clock,
      log: recordingLog(),
      settings,
      graph: GRAPH,
      requirements,
      offer: {
        count: () => this.#slots,
        observe: (changed) => {
          this.#changed = changed;
          return () => (this.#changed = () => {});
        },
      },
      rescale: (parallelism) => this.rescales.push(parallelism),
    });
  }

  offer(slots: number): void {
    this.#slots = slots;
    this.#changed();
  }

  /** Begins to wait; what came of it so far is in the object that comes back. */
  wait(wanted?: VertexParallelism): { outcome: unknown; readonly abort: AbortController } {
    const abort = new AbortController();
    const found: { outcome: unknown; readonly abort: AbortController } = { outcome: undefined, abort };
    this.scheduler.waitForSlots(wanted, abort.signal).then(
      (parallelism) => (found.outcome = parallelism),
      (error: unknown) => (found.outcome = error),
    );
    return found;
  }

  /** Runs with `count` subtasks of each. */
  execute(count: number): void {
    this.offer(count);
    this.scheduler.on('start');
    this.scheduler.on('enough');
    this.scheduler.useParallelism([count, count]);
    this.scheduler.on('prepared');
    this.scheduler.running();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test('a job begins at once when all that it asks for is there', async () => {
  const bench = new Bench();
  bench.offer(4);
  const waiting = bench.wait();
  await turn();
  assert.deepEqual(waiting.outcome, [4, 4]);
});

test('with less it waits until nothing has changed for a while', async () => {
  const bench = new Bench();
  const waiting = bench.wait();
  bench.offer(2);
  bench.clock.advance(99);
  bench.offer(3);
  bench.clock.advance(99);
  await turn();
  assert.equal(waiting.outcome, undefined);
  bench.clock.advance(1);
  await turn();
  assert.deepEqual(waiting.outcome, [3, 3]);
});

test('it waits no longer than it may, and fails when the least is not there', async () => {
  const bench = new Bench(upTo(4, 2), { ...SETTINGS, stabilizationMs: 10_000 });
  const waiting = bench.wait();
  bench.offer(3);
  bench.clock.advance(1_000);
  await turn();
  assert.deepEqual(waiting.outcome, [3, 3]);
  const again = bench.wait();
  bench.offer(1);
  bench.clock.advance(1_000);
  await turn();
  assert.equal((again.outcome as { code: string }).code, 'SLOTS_MISSING');
  assert.match((again.outcome as Error).message, /needs 2 slots at least, and after 1000 ms there are 1/);
});

test('it has again at once what it ran with, if that is there, and not what is no longer asked for', async () => {
  const bench = new Bench();
  bench.offer(3);
  const waiting = bench.wait([2, 2]);
  await turn();
  assert.deepEqual(waiting.outcome, [2, 2]);
  bench.scheduler.useRequirements(upTo(1));
  const other = bench.wait([2, 2]);
  await turn();
  assert.deepEqual(other.outcome, [1, 1]);
});

test('whoever waits is told when it is not wanted any more, and leaves no timer', async () => {
  const bench = new Bench();
  const waiting = bench.wait();
  bench.offer(2);
  waiting.abort.abort(new Error('canceled'));
  await turn();
  assert.equal((waiting.outcome as Error).message, 'canceled');
  bench.clock.advance(10_000);
  assert.deepEqual(bench.rescales, []);
});

test('a running job is rescaled after its cooldown: at once to all that it asks for, to less when that is stable', () => {
  const bench = new Bench();
  bench.execute(1);
  bench.offer(4);
  bench.clock.advance(299);
  assert.deepEqual(bench.rescales, []);
  bench.clock.advance(1);
  assert.deepEqual(bench.rescales, [[4, 4]]);
  const other = new Bench();
  other.execute(1);
  other.clock.advance(300);
  other.offer(2);
  other.clock.advance(400);
  other.offer(3);
  other.clock.advance(499);
  assert.deepEqual(other.rescales, []);
  other.clock.advance(1);
  assert.deepEqual(other.rescales, [[3, 3]]);
  other.clock.advance(10_000);
  assert.deepEqual(other.rescales, [[3, 3]], 'it is asked for once');
});

test('what was refused is decided again after a while; what is not running decides nothing', () => {
  const bench = new Bench();
  bench.execute(1);
  bench.clock.advance(300);
  bench.offer(4);
  bench.scheduler.refused();
  bench.clock.advance(999);
  assert.equal(bench.rescales.length, 1);
  bench.clock.advance(1);
  assert.equal(bench.rescales.length, 2);
  bench.scheduler.on('restart');
  bench.offer(3);
  bench.scheduler.refused();
  bench.clock.advance(10_000);
  assert.equal(bench.rescales.length, 2);
});

test('slots that come and go again before they are stable change nothing', () => {
  const bench = new Bench();
  bench.execute(2);
  bench.clock.advance(300);
  bench.offer(3);
  bench.clock.advance(400);
  bench.offer(2);
  bench.clock.advance(10_000);
  assert.deepEqual(bench.rescales, []);
});

test('slots that were gone when the deployment was begun are not taken for granted again', async () => {
  const bench = new Bench();
  bench.offer(4);
  bench.scheduler.on('start');
  bench.scheduler.on('enough');
  bench.scheduler.on('short');
  const waiting = bench.wait();
  bench.clock.advance(999);
  await turn();
  assert.equal(waiting.outcome, undefined);
  bench.offer(5);
  await turn();
  assert.deepEqual(waiting.outcome, [4, 4], 'something has changed');
});
