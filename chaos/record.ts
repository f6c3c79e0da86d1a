// Runs on real processes that add up: each leaves its figures in a file of its own.

import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { commitNow } from '../sim/record.ts';

/**
 * Of each kind of run: counts up when what must hold changes, so that a run before proves less than one after; sums are over one
 * version. What happens is no part of it: a run before something new could happen counts that it did not.
 *
 * `soak` 4: what is alive in the memory of a process must be flat. Until then what was resident had to be, which grows without
 * a leak while a heap fills up (flat.ts).
 */
export const PROTOCOLS = { chaos: 3, soak: 4, load: 3 } as const;

/** Writes the file of a run. */
export function recordRun(
  folder: string,
  kind: keyof typeof PROTOCOLS,
  figures: { readonly seed: number; readonly seconds: number; readonly [figure: string]: unknown },
): void {
  const now = new Date().toISOString();
  const recorded = {
    kind,
    protocol: PROTOCOLS[kind],
    commit: commitNow('src', 'chaos', 'test'),
    node: process.version,
    day: now.slice(0, 10),
    cores: availableParallelism(),
    load: Number(loadavg()[2]!.toFixed(1)),
    ...figures,
  };
  mkdirSync(folder, { recursive: true });
  // Two runs may have one seed, and end at one time in two processes.
  const name = `${kind}-${PROTOCOLS[kind]}-${figures.seed}-${now.replaceAll(/\D/g, '')}-${process.pid}.json`;
  writeFileSync(join(folder, name), `${JSON.stringify(recorded, null, 2)}\n`, { flag: 'wx' });
}
