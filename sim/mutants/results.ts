// What hunts of mutants gave, as `npm run sim:mutants -- --json FILE` writes it and the documents tell it.

import type { ShapeName } from '../shapes.ts';

/** How one mutant was found, or not. */
export interface Hunt {
  readonly mutant: string;
  /** Of worlds: a seed of another one means something else. */
  readonly protocol: number;
  /** The seed that it began with. */
  readonly fromSeed: number;
  /** It began with the seed that the catalogue names. */
  readonly isRare: boolean;
  readonly shape?: ShapeName;
  /** Worlds until the first that failed, that one included. */
  readonly worlds: number;
  /** `undefined`: not found. */
  readonly found?: { readonly seed: number; readonly check: string; readonly message: string };
  /** Time of a processor, with the start of the process. */
  readonly cpuMs: number;
}

/** A run of the whole catalogue. */
export interface WholeRun {
  readonly day: string;
  readonly commit: string;
  readonly node: string;
  readonly jobs: number;
  readonly seconds: number;
}

/** The file. */
export interface Results {
  readonly kind: 'mutants';
  /** The last run of the whole catalogue; hunts of some mutants alone replace theirs and leave it. */
  readonly whole?: WholeRun;
  /** By the names of their mutants. */
  readonly hunts: readonly Hunt[];
}

/** The results with these hunts in the place of those of the same mutants. */
export function withHunts(before: Results | undefined, hunts: readonly Hunt[], whole?: WholeRun): Results {
  const own = new Set(hunts.map(({ mutant }) => mutant));
  const kept = whole === undefined ? (before?.hunts ?? []).filter(({ mutant }) => !own.has(mutant)) : [];
  const last = whole ?? before?.whole;
  return {
    kind: 'mutants',
    ...(last === undefined ? {} : { whole: last }),
    hunts: [...kept, ...hunts].toSorted((left, right) => (left.mutant < right.mutant ? -1 : 1)),
  };
}
