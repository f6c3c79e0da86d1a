// Random jobs against the naive model: without faults, with crashes of the process, and with failing functions.
//
// A failure prints the seed; `MILLRACE_SEED=<n> node --test test/property/random-jobs.test.ts` runs it alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kernel } from '../../src/testing/kernel.ts';
import type { JobResult } from '../../src/cluster/job-manager/job-master.ts';
import type { Env } from '../../src/base/env.ts';
import { chance, itemsOf, type JobSpec, specOf } from './job-spec.ts';
import { type Expected, expectedOf } from './model.ts';
import randomJob, { failure } from './random-job.ts';
import { committed, kill, SimulatedJob, type SimulatedOptions } from './simulated-job.ts';

const ONLY = process.env['MILLRACE_SEED'];
/** `MILLRACE_SEEDS=2000` looks longer. */
const SEEDS = Number(process.env['MILLRACE_SEEDS'] ?? 150);
const CALM_SEEDS = SEEDS;
const CRASH_SEEDS = SEEDS;
const FAULT_SEEDS = SEEDS;
const STARTS_MAX = 200;

function seeds(first: number, count: number): number[] {
  return ONLY === undefined ? Array.from({ length: count }, (_, index) => first + index) : [Number(ONLY)];
}

/** `life` numbers the starts of one job: with `rescaled` each has another parallelism of the keyed operator. */
function optionsOf(seed: number, life = 0, rescaled = false): SimulatedOptions {
  const draw = chance(seed ^ 0x5eed);
  const unaligned = draw(2) === 0;
  return {
    definition: randomJob,
    args: [
      '--seed',
      String(seed),
      ...(seed % 3 === 0 ? [] : ['--rate', seed % 3 === 1 ? '20000' : '5000']),
      ...(rescaled ? ['--keyed-parallelism', String(1 + (((seed % 4) + life * 3) % 4))] : []),
    ],
    alwaysEncode: draw(2) === 0,
    channelElements: 1 + draw(4),
    inlineThresholdBytes: [0, 200, 20_000][draw(3)]!,
    checkpoints: {
      intervalMs: 10 + draw(2) * draw(20),
      unaligned,
      alignedTimeoutMs: unaligned ? [0, 0, 5][draw(3)]! : 0,
      maxConcurrent: unaligned ? 1 : 1 + draw(2),
      minPauseMs: draw(2) * draw(10),
    },
  };
}

/** Partial results of one key and bucket are added up: records that come late after a restore fire a bucket again. */
function addUp(lines: readonly string[]): string[] {
  const totals = new Map<string, [number, number]>();
  const others: string[] = [];
  for (const line of lines) {
    const fields = JSON.parse(line) as [string, string, number, number, number];
    if (fields[0] !== 'bucket') {
      others.push(line);
      continue;
    }
    const id = JSON.stringify(fields.slice(0, 3));
    const [count, sum] = totals.get(id) ?? [0, 0];
    totals.set(id, [count + fields[3], sum + fields[4]]);
  }
  return [
    ...others,
    ...[...totals].map(([id, [count, sum]]) => JSON.stringify([...(JSON.parse(id) as []), count, sum])),
  ];
}

function check(kernel: Kernel, expected: Expected, spec: JobSpec): void {
  const main = committed(kernel, '/output');
  assert.deepEqual(addUp(main).sort(), [...expected.main].sort(), 'main output');
  assert.deepEqual(committed(kernel, '/side').sort(), [...expected.side].sort(), 'side output');
  if (expected.sequences === undefined) return;
  for (const [key, lines] of expected.sequences) {
    const own = main.filter((line) => (JSON.parse(line) as string[])[1] === key);
    assert.deepEqual(own, lines, `the order of key ${JSON.stringify(key)}, seed ${spec.seed}`);
  }
}

async function replayable(seed: number, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    const spec = JSON.stringify(specOf(seed));
    throw new Error(`seed ${seed} of ${spec}: replay with MILLRACE_SEED=${seed}`, { cause: error });
  }
}

test('a random job gives what the model gives, and the same seed gives the same run', async () => {
  let cases = 0;
  for (const seed of seeds(1, CALM_SEEDS)) {
    await replayable(seed, async () => {
      const hashes: string[] = [];
      for (let repeat = 0; repeat < (seed % 10 === 0 ? 2 : 1); repeat++) {
        const kernel = await kernelOf({ seed });
        const result = await new SimulatedJob(kernel, optionsOf(seed)).end();
        assert.equal(result.status, 'FINISHED', String(result.error?.stack));
        assert.equal(result.exceptions.length, 0, JSON.stringify(result.exceptions));
        check(kernel, expectedOf(specOf(seed)), specOf(seed));
        hashes.push(kernel.hash);
      }
      assert.equal(new Set(hashes).size, 1, 'the run is deterministic');
      cases++;
    });
  }
  if (ONLY === undefined) console.log(`cases: random jobs ${cases} (minimum ${CALM_SEEDS})`);
});

/** How many events the job of a seed takes when nothing happens to it. */
async function calmSteps(seed: number): Promise<number> {
  const kernel = await kernelOf({ seed });
  await new SimulatedJob(kernel, optionsOf(seed)).end();
  return kernel.steps;
}

/** A kernel whose disk holds the input of the job. */
async function kernelOf(options: ConstructorParameters<typeof Kernel>[0]): Promise<Kernel> {
  const kernel = new Kernel({ shuffle: true, ...options });
  for (const [index, source] of specOf(options.seed).sources.entries()) {
    const lines = itemsOf(source, index).map((item) => `${JSON.stringify(item)}\n`);
    await kernel.settle(write(kernel.env('operator'), `/input/${source.name}.jsonl`, lines.join('')));
  }
  return kernel;
}

async function write({ files }: Env, path: string, text: string): Promise<void> {
  await files.makeDirectory('/input');
  const file = await files.open(path, 'create');
  await file.write(new TextEncoder().encode(text));
  await file.sync();
  await file.close();
  await files.syncDirectory('/input');
  await files.syncDirectory('/');
}

function countsOf(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}

test('a process that is killed at any moment and started again, rescaled or not, commits the same output', async () => {
  let cases = 0;
  let kills = 0;
  let continued = 0;
  for (const seed of seeds(10_001, CRASH_SEEDS)) {
    await replayable(seed, async () => {
      const draw = chance(seed);
      const steps = await calmSteps(seed);
      const kernel = await kernelOf({ seed });
      const expected = expectedOf(specOf(seed));
      const allowed = countsOf(expected.side);
      const crashes = 1 + draw(4);
      const rescaled = draw(2) === 0;
      let job = new SimulatedJob(kernel, optionsOf(seed, 0, rescaled));
      for (let crash = 0; crash < crashes; crash++) {
        await job.some(1 + draw(steps));
        if (job.result !== undefined) break;
        kill(kernel, draw(2) === 0 ? 'kill' : 'power');
        kills++;
        assertWithin(committed(kernel, '/side'), allowed);
        job = new SimulatedJob(kernel, optionsOf(seed, crash + 1, rescaled));
      }
      const result = await job.end();
      assert.ok(
        result.status === 'FINISHED' || result.status === 'ALREADY_FINISHED',
        String(result.error?.stack),
      );
      if (result.restoredFrom !== undefined) continued++;
      check(kernel, expected, specOf(seed));
      cases++;
    });
  }
  if (ONLY !== undefined) return;
  console.log(`cases: killed processes ${cases} (minimum ${CRASH_SEEDS})`);
  console.log(`cases: kills ${kills} (minimum ${CRASH_SEEDS})`);
  console.log(`cases: starts from a checkpoint ${continued} (minimum ${CRASH_SEEDS / 5})`);
});

test('failing functions and a failing disk cost restarts, and not one record', async () => {
  let cases = 0;
  let restarts = 0;
  for (const seed of seeds(20_001, FAULT_SEEDS)) {
    await replayable(seed, async () => {
      const draw = chance(seed + 1);
      // One in so many operations of the disk fails; the disk heals a little with every start.
      let oneIn = [100_000, 500, 100, 20][draw(4)]!;
      const faults = ['io', 'unknown-with-effect', 'unknown-without-effect', 'no-space'] as const;
      let armed = false;
      const kernel = await kernelOf({
        seed,
        faults: {
          shortRead: 0.1,
          onOperation: () => (armed && draw(oneIn) === 0 ? faults[draw(faults.length)] : undefined),
        },
      });
      armed = true;
      failure.atRecord = draw(3) === 0 ? Number.POSITIVE_INFINITY : 1 + draw(200);
      let result: JobResult | undefined;
      for (let start = 0; result?.status !== 'FINISHED' && result?.status !== 'ALREADY_FINISHED'; start++) {
        assert.ok(start < STARTS_MAX, `the job still fails: ${String(result?.error?.stack)}`);
        oneIn += 20;
        result = await new SimulatedJob(kernel, optionsOf(seed)).end();
        restarts += result.exceptions.length;
      }
      failure.atRecord = Number.POSITIVE_INFINITY;
      check(kernel, expectedOf(specOf(seed)), specOf(seed));
      cases++;
    });
  }
  if (ONLY !== undefined) return;
  console.log(`cases: jobs under faults ${cases} (minimum ${FAULT_SEEDS})`);
  console.log(`cases: failures ${restarts} (minimum ${FAULT_SEEDS})`);
});

/** I-C4: at any moment what is committed is a part of what a run without failures gives. */
function assertWithin(lines: readonly string[], allowed: ReadonlyMap<string, number>): void {
  for (const [line, count] of countsOf(lines))
    assert.ok(count <= (allowed.get(line) ?? 0), `${line} is committed ${count} times`);
}
