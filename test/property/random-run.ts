// What the tests of random jobs share: options from a seed, the disk with its input, the comparison with the model.

import assert from 'node:assert/strict';
import type { Env } from '../../src/base/env.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import { chance, itemsOf, type JobSpec, specOf } from './job-spec.ts';
import type { Expected } from './model.ts';
import randomJob from './random-job.ts';
import { replayable as replayableSeed } from './seeds.ts';
import { committed, SimulatedJob, type SimulatedOptions } from './simulated-job.ts';

/** `life` numbers the starts of one job: with `rescaled` each has another parallelism of the keyed operator. */
export function optionsOf(seed: number, life = 0, rescaled = false): SimulatedOptions {
  const draw = chance(seed ^ 0x5eed);
  const unaligned = draw(2) === 0;
  return {
    definition: randomJob,
    args: [
      '--seed',
      String(seed),
      ...(seed % 3 === 0 ? [] : ['--rate', seed % 3 === 1 ? '20000' : '5000']),
      // Slow sinks: channels are full, and barriers find batches that are half done.
      ...(seed % 2 === 0 ? ['--throttle', String([2, 4, 8, 30][(seed >> 1) % 4])] : []),
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

/** How often a bucket may fire: again for records that come late after a restore, or once when there was none. */
export type Firing = 'once' | 'again';

/** Compares what is committed with the model. */
export function check(kernel: Kernel, expected: Expected, spec: JobSpec, firing: Firing = 'again'): void {
  const lines = { main: committed(kernel, '/output'), side: committed(kernel, '/side') };
  checkLines(lines, expected, spec, firing);
}

/** The lines of both outputs, in the order of their checkpoints, are what the model gives. */
export function checkLines(
  { main, side }: { readonly main: readonly string[]; readonly side: readonly string[] },
  expected: Expected,
  spec: JobSpec,
  firing: Firing,
): void {
  assert.deepEqual(
    (firing === 'once' ? [...main] : addUp(main)).sort(),
    [...expected.main].sort(),
    'main output',
  );
  assert.deepEqual([...side].sort(), [...expected.side].sort(), 'side output');
  if (expected.sequences === undefined) return;
  for (const [key, lines] of expected.sequences) {
    const own = main.filter((line) => (JSON.parse(line) as string[])[1] === key);
    assert.deepEqual(own, lines, `the order of key ${JSON.stringify(key)}, seed ${spec.seed}`);
  }
}

/** A failure names the seed that shows it again, and its job. */
export function replayable(seed: number, run: () => Promise<void>): Promise<void> {
  return replayableSeed(seed, run, () => JSON.stringify(specOf(seed)));
}

/** How many events the job of a seed takes when nothing happens to it. */
export async function calmSteps(seed: number): Promise<number> {
  const kernel = await kernelOf({ seed });
  await new SimulatedJob(kernel, optionsOf(seed)).end();
  return kernel.steps;
}

/** A kernel whose disk holds the input of the job. */
export async function kernelOf(options: ConstructorParameters<typeof Kernel>[0]): Promise<Kernel> {
  const kernel = new Kernel({ shuffle: true, ...options });
  for (const [index, source] of specOf(options.seed).sources.entries()) {
    const lines = itemsOf(source, index).map((item) => `${JSON.stringify(item)}\n`);
    await kernel.settle(write(kernel.env('operator'), `/input/${source.name}.jsonl`, lines.join('')));
  }
  return kernel;
}

/** I-C4: at any moment what is committed is a part of what a run without failures gives. */
export function assertWithin(lines: readonly string[], allowed: ReadonlyMap<string, number>): void {
  for (const [line, count] of countsOf(lines))
    assert.ok(count <= (allowed.get(line) ?? 0), `${line} is committed ${count} times`);
}

/** How often each line is there. */
export function countsOf(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
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
