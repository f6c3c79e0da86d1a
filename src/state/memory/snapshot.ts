/**
 * A snapshot of keyed state that is read in small pieces, between records.
 *
 * Owner: the backend. Partners: the task, which has it read on; typed tables and key groups, which see to it that what is
 * read is what was there at the barrier (P5 of number-table.ts, C1 of key-group-copy.ts); the encoder, to which copies of
 * the pages of typed tables go.
 *
 * F1 Everything that is read is as of the moment of `freeze`, which itself reads nothing: it only goes through the tables.
 * F2 A table that is about to get another block has the rest of its pages copied first, whether or not the encoder has
 *    room.
 * F3 A value that cannot become bytes fails the snapshot, not the record that came after the barrier: the error waits for
 *    `written` or `encode`.
 * F4 Numbers that a codec of the user writes become bytes here, because a function cannot go to another thread.
 * F5 Where the encoder can copy memory that threads share, it copies tables whole, while they change. What places of a table
 *    held is kept until it was seen, between two records, that the table is copied: what was kept corrects the copy, and
 *    everything else did not change. It does not matter what the other thread read of a place that changed.
 * F6 What is kept goes to the encoder piece by piece: this thread never has much of it, as memory that comes and goes outside
 *    of the heap has the collector look through all of the heap.
 * F7 A block that a table outgrows is not used again before it was seen to be copied, or copied here.
 */

import { assert } from '../../base/assert.ts';
import type { BinaryWriter } from '../../codecs/binary.ts';
import { GENERIC_CODEC_ID } from '../../codecs/generic.ts';
import type {
  FrozenKeyedState,
  KeptRun,
  NumberEncoder,
  SharedCopying,
  SharedTable,
  SnapshotProgress,
} from '../backend.ts';
import { encodeWrittenKeyGroup, plainColumns, type WrittenKeyGroup } from '../written-key-group.ts';
import { type CopiedNumbers, KeyGroupCopy, type KeyGroupWriting } from './key-group-copy.ts';
import { codecFailed } from './key-group-bytes.ts';
import type { KeyGroupState } from './key-group-state.ts';
import { KeptPlaces } from './kept-places.ts';
import {
  type NamedRun,
  NumberAssembly,
  NumberColumns,
  PLACE_WORDS,
  type PlaceForm,
} from './number-columns.ts';
import { type NumberTable, PAGE_WORDS } from './number-table.ts';
import type { StateLayout } from './state-layout.ts';
import type { TableMemory } from './table-memory.ts';

/** A typed table, and the columns that its numbers go to. */
interface TableToCopy {
  readonly keyGroup: number;
  readonly table: NumberTable;
  readonly columns: number | NumberColumns;
}

/** F5: a table that the encoder copies. */
class SharedCopy {
  readonly #table: NumberTable;
  /** As of the barrier; a table that got other memory changes it no more. */
  readonly memory: Int32Array;
  #isOver = false;

  constructor(table: NumberTable, kept: KeptPlaces, first: number) {
    this.#table = table;
    this.memory = table.memory;
    table.beginCopy(kept, first, () => this.end());
  }

  /** Nothing more is kept for it. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#table.endCopy();
  }
}

/** Places of all shared tables of a form have numbers of 31 bits: tables of more than 32 GiB are copied here. */
const SHARED_PLACES_MAX = 2 ** 31 - 1;

/** The state as of one `freeze`. */
export class MemorySnapshot implements FrozenKeyedState {
  readonly #copies: ReadonlyMap<number, KeyGroupCopy>;
  readonly #waiting: KeyGroupCopy[];
  /** Those that are copied here, the first one last. */
  #tables: TableToCopy[] = [];
  /** F5. Those that were not seen to be copied yet, the first one last. */
  readonly #shared: SharedCopy[] = [];
  readonly #kept: Partial<Record<PlaceForm, KeptPlaces>> = {};
  readonly #copying: SharedCopying | undefined;
  /** F7. */
  #endHold: () => void = () => {};
  #settled = 0;
  readonly #onRelease: () => void;
  readonly #encoder: NumberEncoder;
  /** Of a snapshot without an encoder. */
  readonly #assembly: NumberAssembly | undefined;
  readonly #encoded = new Map<number, Uint8Array>();
  /** Claimed from the encoder, and how much of it is taken. */
  #memory: Int32Array | undefined;
  #words = 0;
  #runs: NamedRun[] = [];
  #isReleased = false;

  constructor(parts: {
    readonly groups: readonly KeyGroupState[];
    readonly writing: KeyGroupWriting;
    readonly encoder: NumberEncoder | undefined;
    readonly memory: TableMemory;
    readonly onRelease: () => void;
  }) {
    const { groups, writing, encoder, memory } = parts;
    this.#onRelease = parts.onRelease;
    this.#assembly = encoder === undefined ? new NumberAssembly() : undefined;
    this.#encoder = encoder ?? encoderHere(this.#assembly!);
    this.#copies = new Map(
      groups.map((group) => [group.keyGroup, new KeyGroupCopy(group, writing, this.#mark(group, writing))]),
    );
    this.#waiting = [...this.#copies.values()].reverse();
    this.#encoder.expect(this.#tables.reduce((bytes, { table }) => bytes + table.memory.byteLength, 0));
    this.#copying = this.#share(memory);
    for (const toCopy of this.#tables) {
      const { table } = toCopy;
      const kept = new KeptPlaces(table.places, PLACE_WORDS[table.form]);
      table.beginCopy(kept, 0, () => this.#copyWhole(toCopy));
    }
    this.#tables.reverse();
  }

  #mark(group: KeyGroupState, { layouts, operatorUid }: KeyGroupWriting): (CopiedNumbers | undefined)[] {
    return layouts.map((layout, index) => {
      const tables = group.numbers[index]?.tables() ?? [];
      if (tables.length === 0) return undefined;
      const isGeneric = layout.codec.id === GENERIC_CODEC_ID;
      const writer = new CodecWriter(layout);
      const columns = isGeneric
        ? this.#encoder.columns()
        : new NumberColumns((value, out) => writer.write(value, out));
      for (const table of tables) this.#tables.push({ keyGroup: group.keyGroup, table, columns });
      return {
        columns: () => {
          if (writer.failure !== undefined) throw codecFailed(operatorUid, layout.name, writer.failure.error);
          return typeof columns === 'number' ? columns : plainColumns(columns);
        },
        count: tables.reduce((sum, { size }) => sum + size, 0),
      };
    });
  }

  keyGroups(): readonly number[] {
    return [...this.#copies.keys()];
  }

  advance(): SnapshotProgress {
    if (this.#isReleased) return 'done';
    if (this.#shared.length > 0) return this.#giveKept() ? 'more' : 'waiting';
    for (let next = this.#tables.at(-1); next !== undefined; next = this.#tables.at(-1)) {
      if (next.table.isCopied) this.#tables.pop();
      else return this.#copyPage(next, false) ? 'more' : 'waiting';
    }
    this.#hand();
    for (let next = this.#waiting.at(-1); next !== undefined; next = this.#waiting.at(-1)) {
      if (next.advance()) return 'more';
      this.#waiting.pop();
      if (this.#waiting.length > 0) return 'more';
    }
    return 'done';
  }

  finish(): void {
    if (this.#isReleased) return;
    this.#giveRest();
    for (const toCopy of this.#tables.splice(0)) this.#copyWhole(toCopy);
    while (this.advance() !== 'done');
  }

  written(): readonly WrittenKeyGroup[] {
    assert(!this.#isReleased, 'a released snapshot is not read');
    return Array.from(this.#copies.values(), (copy) => copy.written());
  }

  encode(keyGroup: number): Uint8Array {
    assert(!this.#isReleased, 'a released snapshot is not read');
    const copy = this.#copies.get(keyGroup);
    assert(copy !== undefined, 'only key groups of the snapshot are encoded');
    assert(this.#assembly !== undefined, 'whoever gave an encoder has it make the bytes');
    let bytes = this.#encoded.get(keyGroup);
    if (bytes === undefined) {
      for (const toCopy of this.#tables) if (toCopy.keyGroup === keyGroup) this.#copyWhole(toCopy);
      this.#hand();
      while (copy.advance());
      bytes = encodeWrittenKeyGroup(copy.written(), (name) => this.#assembly!.of(name));
      this.#encoded.set(keyGroup, bytes);
    }
    return bytes;
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    for (const { table } of this.#tables) table.endCopy();
    for (const copy of this.#shared.splice(0)) copy.end();
    this.#endHold();
    for (const copy of this.#copies.values()) copy.release();
    this.#tables.length = 0;
    this.#waiting.length = 0;
    this.#encoded.clear();
    this.#memory = undefined;
    this.#onRelease();
  }

  /** F5: hands to the encoder what it can copy; the rest stays. */
  #share(memory: TableMemory): SharedCopying | undefined {
    const places: Record<PlaceForm, number> = { number: 0, text: 0 };
    const tables: SharedTable[] = [];
    const shared = new Map<TableToCopy, number>();
    for (const toCopy of this.#tables) {
      const { columns, table } = toCopy;
      const { form } = table;
      const first = places[form];
      if (typeof columns !== 'number' || !(table.memory.buffer instanceof SharedArrayBuffer)) continue;
      if (first + table.places > SHARED_PLACES_MAX) continue;
      places[form] += table.places;
      tables.push({ columns, form, memory: table.memory, first });
      shared.set(toCopy, first);
    }
    if (tables.length === 0) return undefined;
    const copying = this.#encoder.share?.(tables);
    if (copying === undefined) return undefined;
    this.#endHold = memory.hold();
    for (const form of ['number', 'text'] as const)
      this.#kept[form] = new KeptPlaces(places[form], PLACE_WORDS[form]);
    for (const [{ table }, first] of shared) {
      this.#shared.push(new SharedCopy(table, this.#kept[table.form]!, first));
    }
    this.#shared.reverse();
    this.#tables = this.#tables.filter((toCopy) => !shared.has(toCopy));
    return copying;
  }

  /** F5 and F6; false when there is nothing to give. */
  #giveKept(): boolean {
    const copying = this.#copying!;
    const copied = copying.copied();
    const isMore = copied > this.#settled;
    for (; this.#settled < copied; this.#settled++) this.#shared.pop()!.end();
    if (this.#shared.length === 0) this.#endHold();
    if (!isMore && !Object.values(this.#kept).some(({ hasFull }) => hasFull)) return false;
    copying.give(this.#takeKept(), copied);
    return isMore;
  }

  #takeKept(): KeptRun[] {
    return Object.entries(this.#kept).flatMap(([form, kept]) =>
      kept.take().map((entries) => ({ form: form as PlaceForm, entries })),
    );
  }

  /** F5: what cannot wait any longer is copied here. */
  #giveRest(): void {
    if (this.#shared.length === 0) return;
    const memories = this.#shared
      .splice(0)
      .reverse()
      .map((copy) => {
        copy.end();
        return copy.memory.slice();
      });
    this.#endHold();
    this.#copying!.giveRest(this.#takeKept(), memories);
  }

  /** F2. */
  #copyWhole(toCopy: TableToCopy): void {
    while (!toCopy.table.isCopied) this.#copyPage(toCopy, true);
  }

  /** False when the encoder has no room. */
  #copyPage({ table, columns }: TableToCopy, must: boolean): boolean {
    const { form, pageWords } = table;
    if (typeof columns !== 'number') {
      // F4.
      const memory = new Int32Array(pageWords);
      columns.add(memory, 0, { form, places: table.copyPage(memory, 0) });
      return true;
    }
    if (this.#memory !== undefined && this.#words + pageWords > this.#memory.length) this.#hand();
    this.#memory ??= this.#encoder.claim(must);
    if (this.#memory === undefined) return false;
    const places = table.copyPage(this.#memory, this.#words);
    this.#words += pageWords;
    this.#runs.push({ columns, form, places });
    return true;
  }

  /** What was copied goes to the encoder. */
  #hand(): void {
    const memory = this.#memory;
    if (memory === undefined) return;
    const runs = this.#runs;
    this.#memory = undefined;
    this.#words = 0;
    this.#runs = [];
    this.#encoder.add(memory, runs);
  }
}

/** F3 and F4: nothing is thrown where a record may be at work. */
class CodecWriter {
  failure: { readonly error: unknown } | undefined;
  readonly #codec: StateLayout['codec'];

  constructor({ codec }: StateLayout) {
    this.#codec = codec;
  }

  write(value: number, out: BinaryWriter): void {
    if (this.failure !== undefined) return;
    try {
      this.#codec.encode(value, out);
    } catch (error) {
      this.failure = { error };
    }
  }
}

/** An encoder that encodes at once. */
export function encoderHere(assembly: NumberAssembly): NumberEncoder {
  let free: Int32Array | undefined;
  return {
    expect: () => {},
    columns: () => assembly.name(),
    claim: () => {
      const memory = free ?? new Int32Array(PAGE_WORDS);
      free = undefined;
      return memory;
    },
    add: (memory, runs) => {
      assembly.add(memory, runs);
      free = memory;
    },
  };
}
