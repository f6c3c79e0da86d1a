/**
 * The keys of records that follow, and what can be known of them together: hashes, key groups, and where a state would
 * have them.
 *
 * A lookup among a million keys waits for memory, and the work on one record is too long for the processor to begin with
 * the lookup of the next. A short loop over the keys of a batch lets many of these waits pass at the same time: it reads
 * where each key lies best, and that memory is near when the record comes to be worked off. It looks no further and
 * compares nothing, because a branch that is guessed wrong would stop all that waits behind it.
 *
 * Owner: the backend. Partners: the handles of states that lie in typed tables.
 *
 * A1 What is kept here depends on the keys alone (a key group keeps its typed tables), so that it stays true whatever
 *    happens between two records. Nothing is decided by what was read ahead.
 * A2 No memory of a table is held here between two batches: a block that is replaced is given back (P4 of number-table.ts).
 */

import { type Key, keyGroupOfHash, keyHash } from '../../base/key-groups.ts';
import { canonicalKey } from './canonical-key.ts';
import type { KeyDirectory } from './key-directory.ts';
import type { FoundKeys } from './key-context.ts';
import type { KeyEntry, KeyGroupState } from './key-group-state.ts';
import type { NumberTable } from './number-table.ts';
import type { StateTable } from './state-table.ts';

const NO_MEMORY = new Int32Array(1);

/** The keys of a batch. */
export class KeysAhead implements FoundKeys {
  keys: readonly Key[] = [];
  /** Where all that keys have is in typed tables there is no row to look for. */
  hasRows = false;
  readonly canonicals: unknown[] = [];
  readonly hashes: number[] = [];
  /** `undefined` outside the own range. */
  readonly groups: (KeyGroupState | undefined)[] = [];
  /** Where the entry of each key was in the directory; -1: nowhere. Another one may be there since (A1). */
  readonly rows: number[] = [];
  readonly #directory: KeyDirectory<KeyEntry>;
  /** As `touched` of {@link TablesAhead}. */
  touched = 0;

  constructor(directory: KeyDirectory<KeyEntry>) {
    this.#directory = directory;
  }

  // Hot path: once for each batch, the loops once per record.
  prepare(
    keys: readonly Key[],
    maxParallelism: number,
    groupOf: (keyGroup: number) => KeyGroupState | undefined,
  ): void {
    this.keys = keys;
    this.hasRows = !this.#directory.isEmpty;
    if (this.hasRows) return this.#prepareKnown(maxParallelism, groupOf);
    const { hashes, groups } = this;
    for (let index = 0; index < keys.length; index++) {
      const hash = keyHash(keys[index]!);
      hashes[index] = hash;
      groups[index] = groupOf(keyGroupOfHash(hash, maxParallelism));
    }
  }

  #prepareKnown(maxParallelism: number, groupOf: (keyGroup: number) => KeyGroupState | undefined): void {
    const { keys, canonicals, hashes, groups, rows } = this;
    const directory = this.#directory;
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index]!;
      const hash = keyHash(key);
      const canonical = canonicalKey(key);
      canonicals[index] = canonical;
      hashes[index] = hash;
      const row = directory.find(canonical, hash);
      rows[index] = row;
      // An entry knows its key group, which costs more to compute than to read.
      groups[index] = row < 0 ? groupOf(keyGroupOfHash(hash, maxParallelism)) : directory.at(row).group;
    }
    let touched = 0;
    for (let index = 0; index < keys.length; index++) {
      const row = rows[index]!;
      if (row >= 0) touched ^= directory.at(row).touchValue();
    }
    this.touched = touched;
  }
}

/** The typed tables of one state that the keys of a batch belong to. */
export class TablesAhead {
  /** By index of the key; `undefined` where there is none yet. */
  readonly tables: (NumberTable | undefined)[] = [];
  readonly #memories: Int32Array[] = [];
  readonly #homes: number[] = [];
  /** What was read: a reading whose result nobody gets could be left out by the engine. */
  touched = 0;

  // Hot path: once for each batch, the loops once per record.
  touch({ keys, hashes, groups }: KeysAhead, state: StateTable): void {
    const { tables } = this;
    const memories = this.#memories;
    const homes = this.#homes;
    for (let index = 0; index < keys.length; index++) {
      const group = groups[index];
      const table = group === undefined ? undefined : state.knownNumbersOf(group)?.tableOf(keys[index]!);
      tables[index] = table;
      memories[index] = table === undefined ? NO_MEMORY : table.memory;
      homes[index] = table === undefined ? 0 : table.homeOf(hashes[index]!);
    }
    // As short as it can be: so many readings are under way at a time.
    let touched = 0;
    for (let index = 0; index < keys.length; index++) touched ^= memories[index]![homes[index]!]!;
    this.touched = touched;
    // A2.
    memories.fill(NO_MEMORY);
  }
}
