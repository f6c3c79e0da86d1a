/**
 * All that one key group holds: a table per state, timers, and restored bytes that nobody has read yet.
 *
 * G1 While a snapshot waits for this key group, `beforeChange` runs before anything in it changes, so that
 *    the bytes of the snapshot are those of the barrier.
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

/** Who must see a key group before it changes. */
export interface CopyBeforeChange {
  capture(group: KeyGroupState): void;
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
  /** The snapshot that has yet to see this key group. */
  awaitedBy: CopyBeforeChange | undefined = undefined;

  constructor(keyGroup: number) {
    this.keyGroup = keyGroup;
  }

  /** G1. Hot path: one comparison when no snapshot waits. */
  beforeChange(): void {
    if (this.awaitedBy !== undefined) this.awaitedBy.capture(this);
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
