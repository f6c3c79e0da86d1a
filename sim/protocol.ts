// What a process that runs worlds tells the one that shares them out: a line of JSON each.

import type { Figures, Outcome } from './life.ts';

/** Totals of a range of seeds, or of many. */
export interface Totals extends Figures {
  readonly worlds: number;
  readonly violations: number;
}

/** A world that broke something. */
export interface Failure {
  readonly seed: number;
  readonly check: string;
  readonly message: string;
}

/** Told after each world that failed, and now and then. */
export interface Progress {
  /** The seed of the last world that ended. */
  readonly lastSeed: number;
  readonly totals: Totals;
  readonly failures: readonly Failure[];
  /** Marks that were first hit, by the seed that hit them. */
  readonly marks: Readonly<Record<string, number>>;
  /** CPU time of each world that ended, ms. */
  readonly cpuMs: readonly number[];
}

/**
 * Of a process that runs a range. As many processes as cores: threads beside each of them would take from the others. Where
 * an error comes from is told by `--seed N --trace`; to find it out costs time, and worlds are full of errors.
 */
export const RANGE_FLAGS = ['--single-threaded-gc', '--stack-trace-limit=0'] as const;

export const NOTHING: Totals = {
  worlds: 0,
  violations: 0,
  lives: 0,
  starts: 0,
  restarts: 0,
  faults: 0,
  kills: 0,
  checkpoints: 0,
  restores: 0,
  events: 0,
  virtualMs: 0,
};

/** Both together. */
export function addTotals(left: Totals, right: Totals): Totals {
  const names = Object.keys(NOTHING) as (keyof Totals)[];
  return Object.fromEntries(names.map((name) => [name, left[name] + right[name]])) as unknown as Totals;
}

/** The totals of one world. */
export function totalsOf({ figures, violation }: Outcome): Totals {
  return { ...figures, worlds: 1, violations: violation === undefined ? 0 : 1 };
}
