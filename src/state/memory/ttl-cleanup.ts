/**
 * Removes expired values that nobody reads, a few at each use of their state.
 *
 * Owner: the backend. Only states with a time to live have any of this.
 * C1 A removal is a change like any other: a waiting snapshot sees the key group before it, the journal takes it back.
 */

import { hasExpired, type TtlRules } from '../ttl.ts';
import type { EntryCursor } from './entry-list.ts';
import { ABSENT, isAbsent, type KeyEntry, type KeyGroupState } from './key-group-state.ts';
import type { StateTable } from './state-table.ts';
import { unexpired } from './unexpired.ts';

/** What an incremental clean-up works on. */
export interface TtlSweepParts {
  readonly groups: readonly (KeyGroupState | undefined)[];
  readonly table: StateTable;
  readonly rules: TtlRules;
  readonly now: () => number;
}

/** So many entries that hold nothing in this state are passed over for each that does. */
const PASSED_MAX = 16;

/** Walks over all keys of one state, a few steps at a time, again and again. */
export class TtlSweep {
  readonly #parts: TtlSweepParts;
  #group = -1;
  #rest: EntryCursor<KeyEntry> | undefined = undefined;

  constructor(parts: TtlSweepParts) {
    this.#parts = parts;
  }

  /** Looks at the next keys; at the last one this round is over, and the next call begins another. */
  step(): void {
    const { rules, table } = this.#parts;
    const now = this.#parts.now();
    let passed = rules.sweptEntries * PASSED_MAX;
    for (let left = rules.sweptEntries; left > 0 && passed > 0; ) {
      const entry = this.#next();
      if (entry === undefined) return;
      const held = table.heldBy(entry);
      if (isAbsent(held)) passed--;
      else {
        this.#clean(entry, held, now);
        left--;
      }
    }
  }

  #next(): KeyEntry | undefined {
    const { groups, table } = this.#parts;
    for (;;) {
      const next = this.#rest?.next();
      if (next !== undefined) return next;
      this.#rest = undefined;
      if (++this.#group >= groups.length) {
        this.#group = -1;
        return undefined;
      }
      const group = groups[this.#group];
      if (group === undefined) continue;
      table.bind(group);
      this.#rest = group.entries.cursor();
    }
  }

  // C1.
  #clean(entry: KeyEntry, before: unknown, now: number): void {
    const { table, rules } = this.#parts;
    const after = unexpired(table.layout, before, (time) => hasExpired(rules, time, now));
    if (after !== before) table.putOf(entry, after === undefined ? ABSENT : after);
  }
}
