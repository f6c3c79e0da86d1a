/**
 * One declared state over all key groups, as its handle sees it: the cell of the current key.
 *
 * Hot path: the cell is looked up once per key and then kept; nothing is allocated for a key that has one.
 *
 * S1 Every change of a cell passes `change` first: a waiting snapshot sees the key group before it (G1 of
 *    key-group-state.ts), and the journal learns how to take it back (U1 of undo-journal.ts).
 * S2 The cached cell is that of the current key: it is dropped when the generation of the context grows.
 */

import { keyGroupOf, keyHash } from '../../base/key-groups.ts';
import { isMillraceError, MillraceError } from '../../base/errors.ts';
import type { Codec } from '../../codecs/codec.ts';
import type { StateScope } from '../backend.ts';
import type { MemoryBudget } from '../memory-budget.ts';
import { deepFreeze } from '../../base/freeze.ts';
import { codecFailed, corruptKeyGroup } from './key-group-bytes.ts';
import { checkStored } from './declared-layout.ts';
import type { KeyContext } from './key-context.ts';
import type { Cell, KeyGroupState, Table } from './key-group-state.ts';
import { PackedNumbers } from './packed-numbers.ts';
import { keyOf, NamespacedKey } from './scoped-key.ts';
import type { RestoredSection, StateLayout } from './state-layout.ts';
import { stampedCodec } from './stored-codec.ts';
import { decodeTable, type StoredTable } from './table-bytes.ts';
import type { UndoJournal } from './undo-journal.ts';

const NOTHING: Table = new Map();

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
  readonly memory: MemoryBudget;
  /** ms since the epoch; only states with a time to live ask. */
  readonly now: () => number;
}

/** The cells of one state. */
export class StateTable {
  readonly layout: StateLayout;
  readonly freezeValues: boolean;
  readonly packsNumbers: boolean;
  readonly #context: KeyContext;
  readonly #index: number;
  readonly #maxParallelism: number;
  readonly #isNamespaced: boolean;
  readonly #memory: MemoryBudget;
  readonly #now: () => number;
  #generation = -1;
  #table: Table = NOTHING;
  #cell: Cell | undefined = undefined;

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

  /** What the current key holds. */
  cell(): Cell | undefined {
    if (this.#generation !== this.#context.generation) this.#find();
    return this.#cell;
  }

  /** Stores a value for the current key. */
  store(value: unknown): void {
    const cell = this.cell();
    const journal = this.change();
    if (this.freezeValues) deepFreeze(value);
    this.#put(cell, value, journal);
  }

  /** Stores what only its owner may see, such as an accumulator, which is never frozen. */
  storeMutable(value: unknown): void {
    const cell = this.cell();
    this.#put(cell, value, this.change());
  }

  /** Forgets what the current key holds. */
  remove(): void {
    const cell = this.cell();
    if (cell === undefined) return;
    const journal = this.change();
    const canonical = this.#canonical();
    const table = this.#table;
    table.delete(canonical);
    this.#cell = undefined;
    if (journal !== undefined) journal.add(() => table.set(canonical, cell));
  }

  /** S1; to be called before a value is changed in place. Returns the journal that must learn of it. */
  change(): UndoJournal | undefined {
    const cell = this.cell();
    this.#context.requireGroup().beforeCellChange(this.#index, cell);
    return this.#context.journal;
  }

  /** S1, of any cell. */
  beforeChangeOf(group: KeyGroupState, cell: Cell): void {
    group.beforeCellChange(this.#index, cell);
  }

  /** The journal of the record, for whoever changes what is in no cell. */
  get journal(): UndoJournal | undefined {
    return this.#context.journal;
  }

  /** Adds a cell that a key has no other of. */
  addCell(group: KeyGroupState, canonical: unknown, cell: Cell): void {
    this.tableOf(group).set(canonical, cell);
    group.cellAdded(this.#index, cell);
  }

  /** Throws unless restored bytes can be read as this state is declared. */
  checkRestored(section: RestoredSection): void {
    checkStored(this.layout, section, this.#context.operatorUid);
  }

  #canonical(): unknown {
    return this.#isNamespaced ? this.#context.scopedCanonical : this.#context.canonical;
  }

  #find(): void {
    const canonical = this.#canonical();
    const group = this.#context.requireGroup();
    this.#table = this.tableOf(group);
    this.#cell = this.#table.get(canonical);
    this.#generation = this.#context.generation;
  }

  /** All cells of this state in a key group. */
  tableOf(group: KeyGroupState): Table {
    return group.tables[this.#index] ?? this.#bind(group);
  }

  /** All cells of a key group, which are not here any more. */
  takeOut(group: KeyGroupState): readonly Cell[] {
    if (!group.restored.has(this.layout.name)) return [];
    const cells = [...this.tableOf(group).values()];
    group.tables[this.#index] = undefined;
    return cells;
  }

  /** What typed tables hold of this state in a key group; `undefined` when it has none. */
  numbersOf(group: KeyGroupState): PackedNumbers | undefined {
    if (group.tables[this.#index] === undefined) this.#bind(group);
    return group.numbers[this.#index];
  }

  /** As `numbersOf`, of a key group that has been asked for; else `undefined`. */
  knownNumbersOf(group: KeyGroupState): PackedNumbers | undefined {
    return group.numbers[this.#index];
  }

  // G2: takes the place of the restored bytes, which are read only when the first key of the group comes. They stay when
  // that fails, whatever a function that catches the error does next.
  #bind(group: KeyGroupState): Table {
    const section = group.restored.get(this.layout.name);
    const table = section === undefined ? new Map<unknown, Cell>() : this.#decode(group, section);
    const numbers = this.packsNumbers ? packed(table, this.#memory) : undefined;
    group.restored.delete(this.layout.name);
    if (numbers !== undefined) group.numbers[this.#index] = numbers;
    group.tables[this.#index] = table;
    return table;
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

  #put(cell: Cell | undefined, value: unknown, journal: UndoJournal | undefined): void {
    if (cell === undefined) this.#create(value, journal);
    else {
      if (journal !== undefined) {
        const before = cell.value;
        journal.add(() => {
          cell.value = before;
        });
      }
      cell.value = value;
    }
  }

  #create(value: unknown, journal: UndoJournal | undefined): void {
    const canonical = this.#canonical();
    const table = this.#table;
    this.#cell = { key: this.#isNamespaced ? this.#context.scoped! : this.#context.key!, value };
    table.set(canonical, this.#cell);
    this.#context.requireGroup().cellAdded(this.#index, this.#cell);
    if (journal !== undefined) journal.add(() => table.delete(canonical));
  }

  #storedCodec(id: string, declared: Codec<unknown>): Codec<unknown> {
    const where = { state: `state "${this.layout.name}"`, operatorUid: this.#context.operatorUid };
    return stampedCodec(id, declared, where, this.#now);
  }
}

/** Moves what typed tables can hold out of the cells; takes no memory where it throws STATE_MEMORY_EXCEEDED. */
function packed(table: Table, memory: MemoryBudget): PackedNumbers {
  const before = memory.taken;
  try {
    const numbers = new PackedNumbers(memory);
    for (const [canonical, { key, value }] of table) {
      if (typeof value !== 'number' || key instanceof NamespacedKey) continue;
      const place = numbers.tableOf(key)?.add(key, keyHash(key), value) ?? -1;
      if (place >= 0) table.delete(canonical);
    }
    return numbers;
  } catch (error) {
    memory.give(memory.taken - before);
    throw error;
  }
}
