// Operator state in a whole job that is killed and continued at other parallelisms: what a list holds is emitted exactly
// once, what a union list counts is counted exactly once, and the functions are told about checkpoints in order.
//
// A failure prints the seed; `MILLRACE_SEED=<n> node --test test/property/operator-state.test.ts` runs it alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { files, generatorSource, job, type JobDefinition } from '../../src/index.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import { chance } from './job-spec.ts';
import { ONLY, replayable, seeds } from './seeds.ts';
import { committed, kill, SimulatedJob } from './simulated-job.ts';

const SEEDS = 80;
const BATCH = 3;

/** What one subtask put into one checkpoint. */
interface Held {
  readonly waiting: readonly number[];
  readonly seen: number;
}

/** What the functions of all lives saw. */
class Witness {
  /** Checkpoints of the last life that took any, by subtask. */
  readonly checkpoints = new Map<number, Map<number, Held>>();
  #life = -1;
  restored = 0;
  told = 0;

  snapshot(life: number, checkpointId: number, subtask: number, held: Held): void {
    if (life !== this.#life) this.checkpoints.clear();
    this.#life = life;
    const subtasks = this.checkpoints.get(checkpointId) ?? new Map<number, Held>();
    this.checkpoints.set(checkpointId, subtasks.set(subtask, held));
  }

  /** Of the checkpoint with which the job ended. */
  last(): Held[] {
    const last = Math.max(...this.checkpoints.keys());
    return [...this.checkpoints.get(last)!.values()];
  }
}

/** Numbers, dealt to subtasks that hand them on in batches and count them. */
function batches(records: number, parallelism: number, life: number, witness: Witness): JobDefinition {
  return job({
    name: 'batches',
    build: (env) => {
      env.setParallelism(2).setMaxParallelism(8);
      env
        .fromSource(
          generatorSource((index) => index, { count: records, ratePerSecond: 500, splits: 1 }),
          { uid: 'numbers' },
        )
        .rebalance()
        .process({
          uid: 'batch',
          parallelism,
          local: ({ operatorState }) => ({
            waiting: operatorState.list<number>('waiting'),
            counts: operatorState.unionList<number>('counts'),
            seen: 0,
            told: 0,
          }),
          initializeState({ local, info, isRestored }) {
            if (!isRestored) return assert.deepEqual(local.counts.get(), []);
            witness.restored++;
            if (info.subtask === 0) local.seen = local.counts.get().reduce((sum, count) => sum + count, 0);
          },
          process(n, { local }) {
            local.seen++;
            local.waiting.add(n);
            const batch = local.waiting.get();
            if (batch.length < BATCH) return;
            local.waiting.clear();
            return batch.map(String);
          },
          snapshotState({ local, info, checkpointId }) {
            local.counts.update([local.seen]);
            const held = { waiting: local.waiting.get(), seen: local.seen };
            witness.snapshot(life, checkpointId, info.subtask, held);
          },
          notifyCheckpointComplete(checkpointId, { local }) {
            assert.ok(checkpointId > local.told, `${checkpointId} after ${local.told}`);
            local.told = checkpointId;
            witness.told++;
          },
        })
        // Records in flight to the sink keep their channel at every parallelism.
        .disableChaining()
        .sinkTo(files.linesSink('/output'), { uid: 'output' });
    },
  });
}

test('killed at any moment and continued at another parallelism, lists hold everything once', async () => {
  let continued = 0;
  let restored = 0;
  let told = 0;
  for (const seed of seeds(1, SEEDS)) {
    await replayable(seed, async () => {
      const draw = chance(seed);
      const records = 30 + draw(60);
      const unaligned = draw(2) === 0;
      const witness = new Witness();
      const start = (kernel: Kernel, life: number, seen: Witness): SimulatedJob =>
        new SimulatedJob(kernel, {
          definition: batches(records, 1 + draw(4), life, seen),
          args: [],
          channelElements: 1 + (seed % 3),
          checkpoints: { intervalMs: 10, unaligned },
        });
      const calm = new Kernel({ seed, shuffle: true });
      await start(calm, 0, new Witness()).end();
      const kernel = new Kernel({ seed, shuffle: true });
      let running = start(kernel, 0, witness);
      for (let crash = 0; crash < 4; crash++) {
        await running.some(1 + draw(calm.steps));
        if (running.result !== undefined) break;
        kill(kernel, draw(2) === 0 ? 'kill' : 'power');
        running = start(kernel, crash + 1, witness);
      }
      const result = await running.end();
      assert.match(result.status, /FINISHED$/, String(result.error?.stack));
      if (result.restoredFrom !== undefined) continued++;
      const held = witness.last();
      const waiting = held.flatMap((each) => each.waiting);
      const all = [...committed(kernel, '/output').map(Number), ...waiting].sort((one, other) => one - other);
      assert.deepEqual(
        all,
        Array.from({ length: records }, (_, index) => index),
      );
      assert.equal(
        held.reduce((sum, { seen }) => sum + seen, 0),
        records,
      );
      restored += witness.restored;
      told += witness.told;
    });
  }
  if (ONLY !== undefined) return;
  console.log(`cases: killed jobs with operator state ${SEEDS} (minimum ${SEEDS})`);
  console.log(`cases: of them continued from a checkpoint ${continued} (minimum ${SEEDS / 5})`);
  assert.ok(continued >= SEEDS / 5 && restored > continued && told > SEEDS);
});

test('a checkpoint that snapshotState fails is aborted for all, and the next one holds everything', async () => {
  const failed: number[] = [];
  const aborted = new Set<number>();
  const completed = new Set<number>();
  const kernel = new Kernel({ seed: 5, shuffle: true });
  const definition = job({
    name: 'failing',
    build: (env) => {
      env.setParallelism(2);
      env
        .fromSource(
          generatorSource((index) => index, { count: 100, ratePerSecond: 500, splits: 1 }),
          { uid: 'numbers' },
        )
        .rebalance()
        .process({
          uid: 'some',
          process: (n) => [String(n)],
          snapshotState({ checkpointId, info }) {
            if (info.subtask !== 1 || failed.length >= 2) return;
            failed.push(checkpointId);
            throw new Error('not now');
          },
          notifyCheckpointAborted: (checkpointId) => void aborted.add(checkpointId),
          notifyCheckpointComplete: (checkpointId) => void completed.add(checkpointId),
        })
        .sinkTo(files.linesSink('/output'), { uid: 'output' });
    },
  });
  const running = new SimulatedJob(kernel, { definition, args: [], checkpoints: { intervalMs: 10 } });
  const result = await running.end();
  assert.equal(result.status, 'FINISHED', String(result.error?.stack));
  assert.equal(failed.length, 2);
  for (const checkpointId of failed) {
    assert.ok(aborted.has(checkpointId) && !completed.has(checkpointId), `checkpoint ${checkpointId}`);
  }
  assert.ok(completed.size > 0);
  assert.deepEqual(
    committed(kernel, '/output')
      .map(Number)
      .sort((one, other) => one - other),
    Array.from({ length: 100 }, (_, index) => index),
  );
});
