/**
 * How to take back what one record did to the state.
 *
 * Owner: the backend, from `beginUndo` to `commit` or `rollback`; only in jobs that skip poisoned records.
 * U1 Every change of state or timers, while there is a journal, adds the step that takes exactly it back.
 * U2 Steps run last first, so each finds what its change left.
 */

/** The steps of one record. */
export class UndoJournal {
  readonly #steps: (() => void)[] = [];
  readonly #kept = new Map<object, Set<number>>();

  /** Adds the step that takes the next change back. */
  add(step: () => void): void {
    this.#steps.push(step);
  }

  /** True once per object and part of it: what is copied whole need not be copied again. */
  keepOnce(object: object, part: number): boolean {
    const parts = this.#kept.get(object) ?? new Set();
    if (parts.has(part)) return false;
    this.#kept.set(object, parts.add(part));
    return true;
  }

  /** Takes all changes back (U2). */
  rollback(): void {
    for (let index = this.#steps.length - 1; index >= 0; index--) this.#steps[index]!();
  }
}
