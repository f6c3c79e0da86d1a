/**
 * Removes expired values that nobody reads, a few at each use of their state.
 *
 * Owner: the backend. Only states with a time to live have any of this.
 * C1 A removal is a change like any other: a waiting snapshot sees the key group before it, the journal takes it back.
 */

import { hasExpired, type TtlRules } from '../ttl.ts';
import type { KeyContext } from './key-context.ts';
import type { Cell, KeyGroupState } from './key-group-state.ts';
import type { StateTable } from './state-table.ts';
import { unexpired } from './unexpired.ts';

/** What an incremental clean-up works on. */
export interface TtlSweepParts {
  readonly groups: readonly (KeyGroupState | undefined)[];
  readonly table: StateTable;
  readonly rules: TtlRules;
  readonly context: KeyContext;
  readonly now: () => number;
}

/** Walks over all keys of one state, a few steps at a time, again and again. */
export class TtlSweep {
  readonly #parts: TtlSweepParts;
  #group = -1;
  #rest: MapIterator<[unknown, Cell]> | undefined = undefined;

  constructor(parts: TtlSweepParts) {
    this.#parts = parts;
  }

  /** Looks at the next keys; at the last one this round is over, and the next call begins another. */
  step(): void {
    const { rules } = this.#parts;
    const now = this.#parts.now();
    for (let left = rules.sweptEntries; left > 0; left--) {
      const entry = this.#next();
      if (entry === undefined) return;
      this.#clean(entry[0], entry[1], now);
    }
  }

  #next(): [unknown, Cell] | undefined {
    const { groups, table } = this.#parts;
    for (;;) {
      const next = this.#rest?.next();
      if (next !== undefined && next.done !== true) return next.value;
      this.#rest = undefined;
      if (++this.#group >= groups.length) {
        this.#group = -1;
        return undefined;
      }
      const group = groups[this.#group];
      if (group !== undefined) this.#rest = table.tableOf(group).entries();
    }
  }

  // C1.
  #clean(canonical: unknown, cell: Cell, now: number): void {
    const { table, rules, context } = this.#parts;
    const before = cell.value;
    const after = unexpired(table.layout, before, (time) => hasExpired(rules, time, now));
    if (after === before) return;
    const group = this.#parts.groups[this.#group]!;
    table.beforeChangeOf(group, cell);
    const cells = table.tableOf(group);
    if (after !== undefined) {
      cell.value = after;
      context.journal?.add(() => {
        cell.value = before;
      });
      return;
    }
    cells.delete(canonical);
    context.generation++;
    context.journal?.add(() => cells.set(canonical, cell));
  }
}
