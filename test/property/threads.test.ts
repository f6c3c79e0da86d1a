// Random jobs on real worker threads and real files, against the model and against the same job in one thread.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import v8 from 'node:v8';
import type { ExecuteOptions } from '../../src/run.ts';
import { chance, specOf } from './job-spec.ts';
import { expectedOf } from './model.ts';
import { checkLines, replayable } from './random-run.ts';
import { ONLY, seeds } from './seeds.ts';
import { RealFolder } from './real-run.ts';

const SEEDS = Number(process.env['MILLRACE_SEEDS'] ?? 24);
const HEAP_SEEDS = 4;

/** What differs between two runs of one job and must not show. */
interface Variant {
  readonly host: 'threads' | 'in-process';
  readonly freezeRecords: boolean;
  readonly alwaysEncode: boolean;
}

function settings(seed: number, variant: Variant): ExecuteOptions {
  const draw = chance(seed ^ 0x7eed);
  const { freezeRecords, alwaysEncode } = variant;
  return {
    freezeRecords,
    alwaysEncode,
    configuration: {
      'log.level': 'silent',
      'execution.checkpointing.interval': draw(3) === 0 ? '40 ms' : '10 ms',
      'execution.checkpointing.unaligned.enabled': draw(2) === 0,
      'execution.checkpointing.tolerable-failed-checkpoints': 10,
      'execution.checkpointing.data-inline-threshold': draw(2) === 0 ? '0 b' : '20 kb',
      'restart-strategy.type': 'fixed-delay',
      'restart-strategy.fixed-delay.attempts': 3,
      'restart-strategy.fixed-delay.delay': '5 ms',
    },
  };
}

function rateOf(seed: number): string[] {
  return ['--rate', seed % 3 === 0 ? '50000' : '3000'];
}

/** Runs the job once; returns how often it restarted and how many checkpoints it took. */
async function runOnce(
  seed: number,
  variant: Variant,
  misfortune: readonly string[] = [],
): Promise<{ readonly restarts: number; readonly checkpoints: number }> {
  const folder = new RealFolder(seed);
  try {
    const failOnce =
      misfortune.length === 0 ? [] : [...misfortune, '--fail-once', join(folder.path, 'failed')];
    const client = await folder.start(variant.host, [...rateOf(seed), ...failOnce], settings(seed, variant));
    const { status, error, figures } = await client.result();
    assert.equal(status, 'FINISHED', String(error?.stack));
    const lines = { main: folder.committed('output'), side: sideOf(folder, seed) };
    const firing = figures.restarts === 0 ? 'once' : 'again';
    checkLines(lines, expectedOf(specOf(seed)), specOf(seed), firing);
    return { restarts: figures.restarts, checkpoints: figures.checkpoints.completed };
  } finally {
    folder.remove();
  }
}

/** A job without side outputs has no folder for them. */
function sideOf(folder: RealFolder, seed: number): string[] {
  const spec = specOf(seed);
  const steps = [...spec.steps, ...spec.sources.flatMap((source) => source.steps)];
  return steps.some(({ kind }) => kind === 'split-off') ? folder.committed('side') : [];
}

test('a random job gives the same in worker threads and in one thread, encoded or not, frozen or not', async () => {
  let cases = 0;
  let checkpoints = 0;
  for (const seed of seeds(60_001, SEEDS)) {
    await replayable(seed, async () => {
      const freezeRecords = seed % 2 === 0;
      const alwaysEncode = seed % 4 < 2;
      const threads = await runOnce(seed, { host: 'threads', freezeRecords, alwaysEncode });
      const other = { freezeRecords: !freezeRecords, alwaysEncode: !alwaysEncode };
      const single = await runOnce(seed, { host: 'in-process', ...other });
      assert.deepEqual([threads.restarts, single.restarts], [0, 0], 'nothing fails');
      checkpoints += threads.checkpoints;
      cases++;
    });
  }
  if (ONLY !== undefined) return;
  console.log(`cases: random jobs in threads ${cases} (minimum ${SEEDS})`);
  console.log(`cases: checkpoints in threads ${checkpoints} (minimum ${SEEDS * 2})`);
});

test('a thread that throws or ends in the middle costs a restart, and not one record', async () => {
  let cases = 0;
  let restarts = 0;
  for (const seed of seeds(70_001, SEEDS)) {
    await replayable(seed, async () => {
      const draw = chance(seed ^ 0xfa11);
      const misfortune = [
        '--fail-how',
        seed % 2 === 0 ? 'throw' : 'exit',
        '--fail-at',
        String(1 + draw(200)),
      ];
      const variant = { host: 'threads', freezeRecords: true, alwaysEncode: false } as const;
      const result = await runOnce(seed, variant, misfortune);
      restarts += result.restarts;
      cases++;
    });
  }
  if (ONLY !== undefined) return;
  console.log(`cases: jobs whose threads fail ${cases} (minimum ${SEEDS})`);
  console.log(`cases: restarts in threads ${restarts} (minimum ${SEEDS / 2})`);
});

// Last in this file: threads that are started from here on have little memory.
test('a thread whose heap is full costs a restart, and not one record', async () => {
  // A collection moves little at once then: the thread is ended at the limit, before the process would be.
  v8.setFlagsFromString('--max-semi-space-size=1');
  v8.setFlagsFromString('--max-old-space-size=64');
  let restarts = 0;
  for (const seed of seeds(80_001, HEAP_SEEDS)) {
    await replayable(seed, async () => {
      const variant = { host: 'threads', freezeRecords: false, alwaysEncode: false } as const;
      restarts += (await runOnce(seed, variant, ['--fail-how', 'heap', '--fail-at', '20'])).restarts;
    });
  }
  if (ONLY === undefined)
    console.log(`cases: threads whose heap is full ${restarts} (minimum ${HEAP_SEEDS / 2})`);
});
