// What happens to the thread of a job once, however often the job restarts: an exception, the end of the thread, a full heap.

import { existsSync, writeFileSync } from 'node:fs';
import type { JobArguments } from '../../src/index.ts';

export const MISFORTUNES = ['throw', 'exit', 'heap'] as const;

/** Strikes at a record of this thread. */
export interface Misfortune {
  meet(id: string): void;
}

/** From `--fail-how`, `--fail-at` (a record of the thread) and `--fail-once` (a file that says that it has happened). */
export function misfortuneOf(args: JobArguments): Misfortune | undefined {
  if (!args.has('fail-how')) return undefined;
  const how = args.oneOf('fail-how', MISFORTUNES);
  const memory = args.string('fail-once');
  let left = args.number('fail-at');
  return {
    meet: (id) => {
      if (--left !== 0 || existsSync(memory)) return;
      writeFileSync(memory, how);
      strike(how, id);
    },
  };
}

function strike(how: (typeof MISFORTUNES)[number], id: string): void {
  if (how === 'throw') throw new Error(`failed on purpose at ${id}`);
  if (how === 'exit') process.exit(7);
  for (const hoard: unknown[] = []; ; ) hoard.push(Array.from({ length: 1_000 }, (_, index) => ({ index })));
}
