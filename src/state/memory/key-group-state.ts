/**
 * All that one key group holds: a table per state, timers, and restored bytes that nobody has read yet.
 *
 * G1 While a snapshot waits for this key group, one of `before…` runs before anything in it changes, so that what the
 *    snapshot reads is that of the barrier. Typed tables look after themselves (P5 of number-table.ts).
 * G2 Restored bytes of a state stay until its table takes their place; a state that no operator declares
 *    keeps them, and each snapshot writes them again.
 */

import type { PackedNumbers } from './packed-numbers.ts';
import type { OwnEntry } from '../own-state.ts';
import type { ScopedKey } from './scoped-key.ts';
import type { RestoredSection } from './state-layout.ts';

/** What one key holds in one state. */
export interface Cell {
  readonly key: ScopedKey;
  value: unknown;
}

/** One state of one key group, by canonical key. */
export type Table = Map<unknown, Cell>;

/** A registered timer. */
export interface Timer {
  readonly time: number;
  readonly key: ScopedKey;
  readonly canonical: unknown;
  readonly group: KeyGroupState;
  /** Where it is in the list of its key group; -1: it is not registered. Only MemoryTimers writes it. */
  position: number;
}

/** Who must see a part of a key group before it changes. */
export interface CopyBeforeChange {
  /** What an operator keeps in a form of its own. */
  own(): void;
  timers(): void;
  cell(state: number, cell: Cell): void;
  /** A cell is added that was not there. */
  added(state: number, cell: Cell): void;
}

/** One key group of one operator. */
export class KeyGroupState {
  readonly keyGroup: number;
  /** By index of the state; a hole is a state that was not touched here. */
  readonly tables: (Table | undefined)[] = [];
  /** By index of the state: what is in typed tables, and not in `tables`. */
  readonly numbers: (PackedNumbers | undefined)[] = [];
  /** What an operator keeps in a form of its own; see own-state.ts. */
  readonly own: OwnEntry[] = [];
  readonly restored = new Map<string, RestoredSection>();
  /** In no order. */
  readonly eventTimers: Timer[] = [];
  readonly processingTimers: Timer[] = [];
  /** The snapshot that has yet to see some of this key group. */
  awaitedBy: CopyBeforeChange | undefined = undefined;

  constructor(keyGroup: number) {
    this.keyGroup = keyGroup;
  }

  /** G1, before an entry of an operator's own changes. Hot path: one comparison when no snapshot waits. */
  beforeChange(): void {
    if (this.awaitedBy !== undefined) this.awaitedBy.own();
  }

  /** G1. */
  beforeTimerChange(): void {
    if (this.awaitedBy !== undefined) this.awaitedBy.timers();
  }

  /** G1, before the value of a cell changes, or the cell goes. Hot path: one comparison when no snapshot waits. */
  beforeCellChange(state: number, cell: Cell | undefined): void {
    if (this.awaitedBy !== undefined && cell !== undefined) this.awaitedBy.cell(state, cell);
  }

  /** G1, after a cell was added. */
  cellAdded(state: number, cell: Cell): void {
    if (this.awaitedBy !== undefined) this.awaitedBy.added(state, cell);
  }

  /** Entries over all states. */
  size(): number {
    let size = 0;
    for (const table of this.tables) size += table?.size ?? 0;
    for (const numbers of this.numbers) size += numbers?.size ?? 0;
    for (const section of this.restored.values()) size += section.count;
    return size + this.own.length;
  }

  isEmpty(): boolean {
    return this.size() === 0 && this.eventTimers.length === 0 && this.processingTimers.length === 0;
  }
}
