// State with a time to live in a whole job that is killed and continued at other parallelisms: the committed lines say when
// each record came and whether its key was still known, and a naive reading of them must come to the same answers.
//
// A failure prints the seed; `MILLRACE_SEED=<n> node --test test/property/ttl.test.ts` runs it alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { files, generatorSource, job, type JobDefinition, state, type StateTtl } from '../../src/index.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import { chance } from './job-spec.ts';
import { ONLY, replayable, seeds } from './seeds.ts';
import { committed, kill, SimulatedJob } from './simulated-job.ts';

const SEEDS = 80;
const KEYS = 5;
const AFTER_MS = 12;

interface Spec {
  readonly records: number;
  readonly refreshes: boolean;
  readonly ttl: StateTtl;
  readonly unaligned: boolean;
}

function specOf(seed: number): Spec {
  const draw = chance(seed ^ 0x77);
  const refreshes = draw(2) === 0;
  const incremental = draw(2) === 0 ? false : { entries: 1 + draw(3), everyRecord: draw(2) === 0 };
  return {
    records: 40 + draw(60),
    refreshes,
    unaligned: draw(2) === 0,
    ttl: {
      after: AFTER_MS,
      update: refreshes ? 'on-read-and-write' : 'on-create-and-write',
      cleanup: { inFullSnapshot: draw(2) === 0, incremental },
    },
  };
}

function deduplication({ records, ttl }: Spec, parallelism: number): JobDefinition {
  return job({
    name: 'known',
    build: (env) => {
      env.setParallelism(2).setMaxParallelism(8);
      env
        .fromSource(
          generatorSource((index) => index, { count: records, ratePerSecond: 500, splits: 1 }),
          { uid: 'numbers' },
        )
        .keyBy((n) => (n * n) % KEYS)
        .process({
          uid: 'known',
          parallelism,
          state: { known: state.value(false, { ttl }) },
          process(n, { key, time, state: { known } }) {
            const wasKnown = known.value();
            if (!wasKnown) known.update(true);
            return [`${key} ${n} ${time.currentProcessingTime()} ${wasKnown}`];
          },
        })
        // Records in flight to the sink keep their channel at every parallelism.
        .disableChaining()
        .sinkTo(files.linesSink('/output'), { uid: 'output' });
    },
  });
}

/** Whether each key was known, by the times of its records alone; returns how many records found their key expired. */
function check(lines: readonly string[], { records, refreshes }: Spec): number {
  assert.equal(lines.length, records);
  const parsed = lines.map((line) => line.split(' ') as [string, string, string, string]);
  parsed.sort(([, one], [, other]) => Number(one) - Number(other));
  const since = new Map<string, number>();
  let expired = 0;
  for (const [key, n, at, wasKnown] of parsed) {
    const now = Number(at);
    const start = since.get(key);
    const isKnown = start !== undefined && now - start < AFTER_MS;
    assert.equal(wasKnown, String(isKnown), `record ${n} at ${now}, its key since ${start}`);
    if (!isKnown || refreshes) since.set(key, now);
    if (start !== undefined && !isKnown) expired++;
  }
  return expired;
}

test('killed at any moment and continued at another parallelism, state lives as long as it should', async () => {
  let continued = 0;
  let expired = 0;
  for (const seed of seeds(1, SEEDS)) {
    await replayable(seed, async () => {
      const spec = specOf(seed);
      const draw = chance(seed);
      const start = (kernel: Kernel): SimulatedJob =>
        new SimulatedJob(kernel, {
          definition: deduplication(spec, 1 + draw(4)),
          args: [],
          channelElements: 1 + (seed % 3),
          checkpoints: { intervalMs: 10, unaligned: spec.unaligned },
        });
      const calm = new Kernel({ seed, shuffle: true });
      await start(calm).end();
      const kernel = new Kernel({ seed, shuffle: true });
      let running = start(kernel);
      for (let crash = 0; crash < 4; crash++) {
        await running.some(1 + draw(calm.steps));
        if (running.result !== undefined) break;
        kill(kernel, draw(2) === 0 ? 'kill' : 'power');
        running = start(kernel);
      }
      const result = await running.end();
      assert.match(result.status, /FINISHED$/, String(result.error?.stack));
      if (result.restoredFrom !== undefined) continued++;
      expired += check(committed(kernel, '/output'), spec);
    });
  }
  if (ONLY !== undefined) return;
  console.log(`cases: killed jobs with a time to live ${SEEDS} (minimum ${SEEDS})`);
  console.log(`cases: of them continued from a checkpoint ${continued} (minimum ${SEEDS / 5})`);
  console.log(`cases: keys that were found expired ${expired} (minimum ${SEEDS})`);
  assert.ok(continued >= SEEDS / 5 && expired >= SEEDS);
});
