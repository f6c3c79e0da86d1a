/** Golden files: what a whole job gave when somebody looked at it, kept beside the test and compared from then on. */

import assertions from 'node:assert/strict';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Files } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import { nodeFiles } from '../base/files.ts';
import { textOf } from './job-runs.ts';
import type { TestOutput } from './test-output.ts';

/** How a golden file is compared. */
export interface GoldenOptions {
  /** Write the file instead: when a change is meant. Default false. */
  readonly update?: boolean;
  /** Default: the disk of the machine. */
  readonly files?: Files;
}

/**
 * Compares the outputs of a job with a golden file: a heading for each output, and its records below it, one a line,
 * sorted, because subtasks write side by side. Throws an `AssertionError` with the difference, and TEST_KIT_MISUSED when
 * there is no file yet.
 *
 * ```ts
 * const test = await testJob(job((env) => void env.fromSequence(1, 3).sinkTo(files.jsonLinesSink('/n'), { uid: 'n' })), {
 *   outputs: { n: type<number>() },
 * });
 * await test.finish();
 * const golden = new URL('file:///golden/numbers.txt');
 * const disk = memoryFiles(); // without it, the disk of the machine
 * await matchGoldenFile(golden, test.outputs, { files: disk, update: true });
 * await matchGoldenFile(golden, test.outputs, { files: disk });
 * ```
 */
export async function matchGoldenFile(
  file: URL,
  outputs: Readonly<Record<string, Pick<TestOutput<unknown>, 'values'>>>,
  { update = false, files = nodeFiles() }: GoldenOptions = {},
): Promise<void> {
  const path = fileURLToPath(file);
  const text = Object.entries(outputs)
    .map(([name, { values }]) => [`== ${name}`, ...values.map(textOf).sort(), ''].join('\n'))
    .join('');
  if (update) return write(files, path, text);
  if ((await files.stat(path)) === undefined) {
    throw new MillraceError('TEST_KIT_MISUSED', `there is no golden file ${path}`, {
      remedy: 'Look at the outputs, and run once with { update: true } to keep them.',
    });
  }
  const expected = new TextDecoder().decode(await files.read(path));
  assertions.deepEqual(text.split('\n'), expected.split('\n'), `the outputs differ from ${path}`);
}

async function write(files: Files, path: string, text: string): Promise<void> {
  await files.makeDirectory(dirname(path));
  await files.remove(path);
  const handle = await files.open(path, 'create');
  await handle.write(new TextEncoder().encode(text));
  await handle.close();
}
