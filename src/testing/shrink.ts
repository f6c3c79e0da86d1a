/** Makes a failing case small: after Zeller's delta debugging, with parts left out as long as the case still fails. */

/** Runs that a search may spend on making its case smaller. */
export const SHRINK_RUNS_MAX = 400;

/** A bound on the runs of one search. */
export class RunBudget {
  #left: number;

  constructor(runs: number) {
    this.#left = runs;
  }

  /** Takes one run; false when there is none left. */
  take(): boolean {
    return this.#left-- > 0;
  }
}

/**
 * Fewer items for which `fails` holds, in the same order; without any of them alone it holds no longer, unless the
 * budget ran out before.
 */
export async function shrink<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
  budget: RunBudget,
): Promise<readonly T[]> {
  let smallest = items;
  for (let size = Math.ceil(items.length / 2); size >= 1; ) {
    const smaller = await withoutOnePart(smallest, size, fails, budget);
    if (smaller !== undefined) smallest = smaller;
    else if (size === 1) break;
    else size = Math.ceil(size / 2);
  }
  return smallest;
}

async function withoutOnePart<T>(
  items: readonly T[],
  size: number,
  fails: (items: readonly T[]) => Promise<boolean>,
  budget: RunBudget,
): Promise<readonly T[] | undefined> {
  for (let from = 0; from < items.length; from += size) {
    const rest = [...items.slice(0, from), ...items.slice(from + size)];
    if (!budget.take()) return undefined;
    if (await fails(rest)) return rest;
  }
  return undefined;
}
