/**
 * One declared state over all key groups, as its handle sees it: what the entry of the current key holds of it.
 *
 * Hot path: nothing is allocated for a key that has a value.
 *
 * S1 Every change passes `change` first: a waiting snapshot sees the entry before it (G1 of key-group-state.ts), and the
 *    journal learns how to take it back (U1 of undo-journal.ts).
 */

import { keyGroupOf, keyHash } from '../../base/key-groups.ts';
import { isMillraceError, MillraceError } from '../../base/errors.ts';
import type { Codec } from '../../codecs/codec.ts';
import type { StateScope } from '../backend.ts';
import { deepFreeze } from '../../base/freeze.ts';
import { codecFailed, corruptKeyGroup } from './key-group-bytes.ts';
import { checkStored } from './declared-layout.ts';
import type { KeyContext } from './key-context.ts';
import {
  ABSENT,
  isAbsent,
  type Cell,
  type KeyEntry,
  type KeyGroupState,
  type Table,
} from './key-group-state.ts';
import { MapBuffer } from './map-buffer.ts';
import { PackedNumbers } from './packed-numbers.ts';
import { keyOf, NamespacedKey } from './scoped-key.ts';
import type { RestoredSection, StateLayout } from './state-layout.ts';
import { stampedCodec } from './stored-codec.ts';
import { decodeTable, type StoredTable } from './table-bytes.ts';
import type { TableMemory } from './table-memory.ts';
import type { UndoJournal } from './undo-journal.ts';

/** What a state table is made of. */
export interface StateTableParts {
  readonly layout: StateLayout;
  /** Where the tables of this state are in each key group. */
  readonly index: number;
  readonly context: KeyContext;
  readonly maxParallelism: number;
  readonly freezeValues: boolean;
  /** Whether each key holds one value, or each namespace of it. */
  readonly scope: StateScope;
  /** Numbers are held in typed tables where they can be. */
  readonly packsNumbers: boolean;
  /** What typed tables take their memory from. */
  readonly memory: TableMemory;
  /** ms since the epoch; only states with a time to live ask. */
  readonly now: () => number;
}

/** What keys hold in one state. */
export class StateTable {
  readonly layout: StateLayout;
  readonly freezeValues: boolean;
  readonly packsNumbers: boolean;
  readonly #context: KeyContext;
  readonly #index: number;
  readonly #maxParallelism: number;
  readonly #isNamespaced: boolean;
  readonly #memory: TableMemory;
  readonly #now: () => number;

  constructor(parts: StateTableParts) {
    this.layout = parts.layout;
    this.freezeValues = parts.freezeValues;
    this.#context = parts.context;
    this.#index = parts.index;
    this.#maxParallelism = parts.maxParallelism;
    this.#isNamespaced = parts.scope === 'namespace';
    this.packsNumbers = parts.packsNumbers;
    this.#memory = parts.memory;
    this.#now = parts.now;
  }

  /** What the current key holds; `ABSENT`: nothing. */
  held(): unknown {
    const entry = this.#entry();
    return entry === undefined ? ABSENT : entry.at(this.#index);
  }

  /** Stores a value for the current key. */
  store(value: unknown): void {
    const journal = this.change();
    if (this.freezeValues) deepFreeze(value);
    this.#put(value, journal);
  }

  /** Stores what only its owner may see, such as an accumulator, which is never frozen. */
  storeMutable(value: unknown): void {
    this.#put(value, this.change());
  }

  /** Forgets what the current key holds. */
  remove(): void {
    if (isAbsent(this.held())) return;
    this.#put(ABSENT, this.change());
  }

  /** S1; to be called before a value is changed in place. Returns the journal that must learn of it. */
  change(): UndoJournal | undefined {
    const entry = this.#entry();
    if (entry !== undefined) entry.group.beforeEntryChange(entry);
    return this.#context.journal;
  }

  /** What the current key holds is given back as it was copied, once per record and key; `copy` gives what reads the copy. */
  keepOnce(journal: UndoJournal, copy: () => () => unknown): void {
    const entry = this.#entry()!;
    if (!journal.keepOnce(entry, this.#index)) return;
    const read = copy();
    journal.add(() => entry.put(this.#index, read()));
  }

  /** A map for the current key, which has none. */
  newMap(): MapBuffer {
    const entry = this.#entryForChange();
    const spare = entry.spareMap;
    if (spare === undefined) return new MapBuffer();
    entry.spareMap = undefined;
    return spare;
  }

  /** Forgets the map of the current key, which is empty. */
  removeMap(map: MapBuffer): void {
    // What the journal takes back fills this very map again.
    if (this.#context.journal === undefined && map.isSmall) this.#entry()!.spareMap = map;
    this.remove();
  }

  /** What the current key holds, which is about to be changed in place (S1). */
  heldForChange(): unknown {
    const entry = this.#entry();
    if (entry === undefined) return ABSENT;
    entry.group.beforeEntryChange(entry);
    return entry.at(this.#index);
  }

  /** What any key holds; the key group was asked for before. */
  heldBy(entry: KeyEntry): unknown {
    return entry.at(this.#index);
  }

  /** S1, of any key: stores a value, or `ABSENT`. */
  putOf(entry: KeyEntry, value: unknown): void {
    entry.group.beforeEntryChange(entry);
    this.#putInto(entry, value, this.#context.journal);
  }

  /** As the journal gives it back, without a step of its own. */
  giveBack(group: KeyGroupState, cell: Cell): void {
    const entry = group.entryOf(cell.key);
    group.beforeEntryChange(entry);
    entry.put(this.#index, cell.value);
  }

  /** The journal of the record, for whoever changes what is in no entry. */
  get journal(): UndoJournal | undefined {
    return this.#context.journal;
  }

  /** Throws unless restored bytes can be read as this state is declared. */
  checkRestored(section: RestoredSection): void {
    checkStored(this.layout, section, this.#context.operatorUid);
  }

  #entry(): KeyEntry | undefined {
    const group = this.#context.requireGroup();
    if (group.restored.size > 0) this.bind(group);
    return this.#isNamespaced ? this.#context.entryOfScope() : this.#context.entryOfKey();
  }

  #entryForChange(): KeyEntry {
    return this.#isNamespaced ? this.#context.entryOfScopeForChange() : this.#context.entryOfKeyForChange();
  }

  /** All restored cells of a key group, which are not here any more. */
  takeOut(group: KeyGroupState): readonly Cell[] {
    const section = group.restored.get(this.layout.name);
    if (section === undefined) return [];
    const cells = [...this.#decode(group, section).values()];
    group.restored.delete(this.layout.name);
    return cells;
  }

  /** What typed tables hold of this state in a key group; `undefined` when it has none. */
  numbersOf(group: KeyGroupState): PackedNumbers | undefined {
    if (this.packsNumbers && group.numbers[this.#index] === undefined) this.bind(group);
    return group.numbers[this.#index];
  }

  /** As `numbersOf`, of a key group that has been asked for; else `undefined`. */
  knownNumbersOf(group: KeyGroupState): PackedNumbers | undefined {
    return group.numbers[this.#index];
  }

  // G2: values take the place of the restored bytes, which are read only when the first key of the group comes. They stay
  // when that fails, whatever a function that catches the error does next.
  bind(group: KeyGroupState): void {
    const section = group.restored.get(this.layout.name);
    if (section === undefined && (!this.packsNumbers || group.numbers[this.#index] !== undefined)) return;
    const table: Table = section === undefined ? new Map() : this.#decode(group, section);
    const numbers = this.packsNumbers ? packed(table, this.#memory) : undefined;
    group.restored.delete(this.layout.name);
    if (numbers !== undefined) group.numbers[this.#index] = numbers;
    // A snapshot that waits writes the restored bytes.
    for (const { key, value } of table.values()) group.entryOf(key).put(this.#index, value);
    this.#context.forgetEntries();
  }

  /** What restored bytes hold, for whoever only looks. */
  read(group: KeyGroupState, section: RestoredSection): Table {
    return this.#decode(group, section);
  }

  #decode(group: KeyGroupState, section: RestoredSection): Table {
    const where = { operatorUid: this.#context.operatorUid, keyGroup: group.keyGroup };
    const { keyCodec } = this.layout;
    const stored: StoredTable = {
      codec: this.#storedCodec(section.codecId, this.layout.codec),
      keyCodec: section.keyCodecId === '' ? keyCodec : this.#storedCodec(section.keyCodecId, keyCodec),
      body: section.body,
      freezeValues: this.freezeValues,
    };
    try {
      const table = decodeTable(this.layout, stored);
      for (const { key } of table.values()) {
        if (keyGroupOf(keyOf(key), this.#maxParallelism) === group.keyGroup) continue;
        throw new MillraceError('CODEC_CORRUPT', 'a key belongs to another key group');
      }
      return table;
    } catch (cause) {
      if (!isMillraceError(cause)) throw codecFailed(where.operatorUid, this.layout.name, cause);
      throw corruptKeyGroup(where, `state "${this.layout.name}"`, section.offset, cause);
    }
  }

  #put(value: unknown, journal: UndoJournal | undefined): void {
    this.#putInto(this.#entryForChange(), value, journal);
  }

  #putInto(entry: KeyEntry, value: unknown, journal: UndoJournal | undefined): void {
    if (journal !== undefined) {
      const before = entry.at(this.#index);
      journal.add(() => entry.put(this.#index, before));
    }
    entry.put(this.#index, value);
  }

  #storedCodec(id: string, declared: Codec<unknown>): Codec<unknown> {
    const where = { state: `state "${this.layout.name}"`, operatorUid: this.#context.operatorUid };
    return stampedCodec(id, declared, where, this.#now);
  }
}

/** Moves what typed tables can hold out of the cells; takes no memory where it throws STATE_MEMORY_EXCEEDED. */
function packed(table: Table, memory: TableMemory): PackedNumbers {
  const numbers = new PackedNumbers(memory);
  try {
    for (const [canonical, { key, value }] of table) {
      if (typeof value !== 'number' || key instanceof NamespacedKey) continue;
      const place = numbers.tableOf(key)?.add(key, keyHash(key), value) ?? -1;
      if (place >= 0) table.delete(canonical);
    }
    return numbers;
  } catch (error) {
    numbers.release();
    throw error;
  }
}
