/**
 * One key group as it was when a snapshot was taken, read piece by piece.
 *
 * Owner: the snapshot. Partners: the key group, which calls before it changes (G1 of key-group-state.ts), and typed tables,
 * whose numbers the snapshot copies itself.
 *
 * C1 What a key has is written once, all of it: when its turn comes, or before it changes. An entry bears the mark of the
 *    snapshot that it is over for; entries that were added since bear it from the start.
 * C2 What cannot be changed in place (the values of a value state, times of timers) is kept as it is and becomes bytes
 *    later; everything else becomes bytes before it changes.
 * C3 What had not been read of restored bytes when the snapshot was taken is written as it was restored, whatever entries
 *    hold of that state by then.
 * C4 A value that cannot become bytes fails the snapshot, not the record that came after the barrier.
 */

import { BinaryWriter } from '../../codecs/binary.ts';
import { GENERIC_CODEC_ID } from '../../codecs/generic.ts';
import type { PlainColumns, WrittenKeyGroup, WrittenSection } from '../written-key-group.ts';
import { codecFailed, KINDS } from './key-group-bytes.ts';
import {
  isAbsent,
  type CopyBeforeChange,
  type KeyEntry,
  type KeyGroupState,
  type Table,
} from './key-group-state.ts';
import type { EntryCursor } from './entry-list.ts';
import type { KeyTimes } from './key-times.ts';
import type { OwnRows, WrittenTimer } from './own-rows.ts';
import { encodeScopedKey, type ScopedKey } from './scoped-key.ts';
import type { RestoredSection, StateLayout } from './state-layout.ts';
import { TableColumns } from './table-columns.ts';
import { writtenValue } from './unexpired.ts';

/** Entries in one piece at most. */
const ENTRIES_PER_PIECE = 128;
/** Bytes after which a piece ends. */
const BYTES_PER_PIECE = 65_536;

/** Of the last key group that was copied: each copy has marks of its own (C1). */
let lastMark = 0;

/** How key groups are written. */
export interface KeyGroupWriting {
  readonly operatorUid: string;
  readonly layouts: readonly StateLayout[];
  /** What the operator keeps of a key group in a form of its own. */
  readonly ownRows: ((group: KeyGroupState) => OwnRows) | undefined;
  /** What restored bytes hold of a declared state. */
  readonly read: (group: KeyGroupState, section: RestoredSection) => Table;
  /** ms since the epoch: what has expired then may be left out. */
  readonly frozenAt: number;
}

/** What the snapshot copies of typed tables: the columns of their numbers, and how many there are. */
export interface CopiedNumbers {
  readonly columns: () => number | PlainColumns;
  readonly count: number;
}

/** See the head of the file. */
export class KeyGroupCopy implements CopyBeforeChange {
  readonly group: KeyGroupState;
  readonly #writing: KeyGroupWriting;
  readonly #restored: readonly RestoredSection[];
  readonly #numbers: readonly (CopiedNumbers | undefined)[];
  readonly #entries: EntriesCopy;
  #ownSections: WrittenSection[] | undefined;
  #ownTimers: readonly [readonly WrittenTimer[], readonly WrittenTimer[]] = [[], []];
  #failure: { readonly error: unknown } | undefined;
  #written: WrittenKeyGroup | undefined;

  /** `numbers`: by index of the state. */
  constructor(
    group: KeyGroupState,
    writing: KeyGroupWriting,
    numbers: readonly (CopiedNumbers | undefined)[],
  ) {
    this.group = group;
    this.#writing = writing;
    this.#numbers = numbers;
    this.#restored = [...group.restored.values()];
    this.#entries = new EntriesCopy(group, writing, numbers);
    group.awaitedBy = this;
  }

  // ---- before a change (C1) ----

  own(): void {
    this.#attempt(() => this.#writeOwn());
  }

  entry(entry: KeyEntry): void {
    if (this.#entries.isOver(entry)) return;
    this.#attempt(() => this.#entries.before(entry));
  }

  added(entry: KeyEntry): void {
    this.#entries.leaveOut(entry);
  }

  // ---- its turn ----

  /** Reads a piece; false when nothing is left. */
  advance(): boolean {
    if (this.#written !== undefined || this.#failure !== undefined) return false;
    if (this.#attempt(() => this.#entries.advance())) return true;
    this.own();
    this.#attempt(() => {
      this.#written = this.#result();
    });
    this.release();
    return false;
  }

  /** What was read, after all was; throws what could not become bytes (C4). */
  written(): WrittenKeyGroup {
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#written!;
  }

  release(): void {
    if (this.group.awaitedBy === this) this.group.awaitedBy = undefined;
  }

  /** C4. What `work` returns; false after a failure. */
  #attempt(work: () => boolean | void): boolean {
    if (this.#failure !== undefined) return false;
    try {
      return work() === true;
    } catch (error) {
      this.#failure = { error };
      this.release();
      return false;
    }
  }

  #writeOwn(): void {
    if (this.#ownSections !== undefined) return;
    this.#ownSections = [];
    const { ownRows, layouts, operatorUid } = this.#writing;
    const rows = ownRows?.(this.group);
    if (rows === undefined) return;
    for (const layout of layouts) {
      const cells = rows.cellsOf(layout) ?? [];
      if (cells.length === 0) continue;
      const columns = new TableColumns(layout);
      try {
        for (const { key, value } of cells) columns.add(key, value);
      } catch (cause) {
        throw codecFailed(operatorUid, layout.name, cause);
      }
      this.#ownSections.push(tableSection(layout, columns));
    }
    this.#ownTimers = [rows.timersOf('event'), rows.timersOf('processing')];
  }

  #result(): WrittenKeyGroup {
    const { layouts } = this.#writing;
    const sections = [...this.#ownSections!, ...this.#restored.flatMap((section) => this.#again(section))];
    for (const [index, layout] of layouts.entries()) {
      const columns = this.#entries.columns[index];
      const numbers = this.#numbers[index];
      if (numbers !== undefined) sections.push(numbersSection(layout, numbers, columns));
      else if (columns !== undefined && columns.count > 0) sections.push(tableSection(layout, columns));
    }
    sections.sort((left, right) => (left.name < right.name ? -1 : 1));
    const out = new BinaryWriter();
    const { event, processing } = this.#entries;
    event.writeTo(out, this.#ownTimers[0]);
    processing.writeTo(out, this.#ownTimers[1]);
    return { keyGroup: this.group.keyGroup, sections, timers: out.finish() };
  }

  /** C3; without what has expired, where that is to be left out. */
  #again(section: RestoredSection): WrittenSection[] {
    const { layouts, read, frozenAt } = this.#writing;
    const layout = layouts.find(({ name }) => name === section.name);
    if (layout?.ttl?.inFullSnapshot !== true) {
      const { name, kind, codecId, keyCodecId, body } = section;
      const table = { kind: 'bytes', bytes: body, isOwn: false } as const;
      return [{ name, kind: KINDS.indexOf(kind), codecId, keyCodecId, table }];
    }
    const columns = new TableColumns(layout);
    for (const { key, value } of read(this.group, section).values()) {
      const written = writtenValue(layout, value, frozenAt);
      if (written !== undefined) columns.add(key, written);
    }
    return columns.count === 0 ? [] : [tableSection(layout, columns)];
  }
}

/** What was kept of one key (C2). */
type Kept =
  | { readonly kind: 'value'; readonly key: ScopedKey; readonly state: number; readonly value: unknown }
  | {
      readonly kind: 'times';
      readonly key: ScopedKey;
      readonly to: TimerColumn;
      readonly times: Float64Array;
    };

/** What the keys of a key group have (C1). */
class EntriesCopy {
  /** By index of the state; a hole is one of which nothing was written. */
  readonly columns: (TableColumns | undefined)[] = [];
  readonly event = new TimerColumn();
  readonly processing = new TimerColumn();
  readonly #group: KeyGroupState;
  readonly #writing: KeyGroupWriting;
  readonly #numbers: readonly (CopiedNumbers | undefined)[];
  readonly #mark = ++lastMark;
  /** By index of the state: what entries hold of it is written (C3). */
  readonly #writes: readonly boolean[];
  /** By index of the state (C2). */
  readonly #keeps: readonly boolean[];
  readonly #kept: Kept[] = [];
  #rest: EntryCursor<KeyEntry> | undefined;
  #isRead = false;

  constructor(
    group: KeyGroupState,
    writing: KeyGroupWriting,
    numbers: readonly (CopiedNumbers | undefined)[],
  ) {
    this.#group = group;
    this.#writing = writing;
    this.#keeps = writing.layouts.map(({ kind, ttl }) => kind === 'value' && ttl === undefined);
    this.#numbers = numbers;
    this.#writes = writing.layouts.map(({ name }) => !group.restored.has(name));
  }

  isOver({ seen }: KeyEntry): boolean {
    return seen === this.#mark || seen === -this.#mark;
  }

  before(entry: KeyEntry): void {
    entry.seen = this.#mark;
    this.#write(entry, true);
  }

  leaveOut(entry: KeyEntry): void {
    entry.seen = -this.#mark;
  }

  /** False when all is written. */
  advance(): boolean {
    const until = this.#bytes() + BYTES_PER_PIECE;
    for (let entries = 0; entries < ENTRIES_PER_PIECE && this.#bytes() < until; entries++) {
      if (!this.#next()) return false;
    }
    return true;
  }

  #bytes(): number {
    let bytes = this.event.bytes + this.processing.bytes;
    for (const columns of this.columns) bytes += columns?.bytes ?? 0;
    return bytes;
  }

  #next(): boolean {
    if (this.#isRead) return this.#nextKept();
    this.#rest ??= this.#group.entries.cursor();
    const entry = this.#rest.next();
    if (entry === undefined) {
      this.#isRead = true;
      this.#rest = undefined;
      return this.#nextKept();
    }
    if (this.isOver(entry)) return true;
    entry.seen = this.#mark;
    this.#write(entry, false);
    return true;
  }

  #nextKept(): boolean {
    const kept = this.#kept.pop();
    if (kept === undefined) return false;
    if (kept.kind === 'value') this.#writeValue(kept.state, kept.key, kept.value);
    else for (const time of kept.times) kept.to.add(time, kept.key);
    return true;
  }

  #write(entry: KeyEntry, isLater: boolean): void {
    const { key } = entry;
    if (entry.isEmpty) return;
    const writes = this.#writes;
    for (let state = 0; state < writes.length; state++) {
      if (writes[state] !== true) continue;
      const value = entry.at(state);
      if (isAbsent(value)) continue;
      if (isLater && this.#keeps[state] === true) this.#kept.push({ kind: 'value', key, state, value });
      else this.#writeValue(state, key, value);
    }
    this.#writeTimes(entry.times('event'), key, isLater, this.event);
    this.#writeTimes(entry.times('processing'), key, isLater, this.processing);
  }

  #writeTimes(times: KeyTimes | undefined, key: ScopedKey, isLater: boolean, to: TimerColumn): void {
    if (times === undefined || times.live === 0) return;
    if (isLater && times.live >= KEPT_TIMES_MIN) {
      this.#kept.push({ kind: 'times', key, to, times: times.toArray() });
    } else times.visit((time) => to.add(time, key));
  }

  #writeValue(state: number, key: ScopedKey, value: unknown): void {
    const { layouts, frozenAt, operatorUid } = this.#writing;
    const layout = layouts[state]!;
    try {
      const written = writtenValue(layout, value, frozenAt);
      if (written === undefined) return;
      this.columns[state] ??= new TableColumns(layout, this.#numbers[state]?.count ?? 0);
      this.columns[state].add(key, written);
    } catch (cause) {
      throw codecFailed(operatorUid, layout.name, cause);
    }
  }
}

/** So many times of a key are kept before one changes (C2). */
const KEPT_TIMES_MIN = 16;

/** Timers of one domain as they are written. */
class TimerColumn {
  readonly #out = new BinaryWriter(16);
  #count = 0;

  get bytes(): number {
    return this.#out.length;
  }

  add(time: number, key: ScopedKey): void {
    encodeTimer(time, key, this.#out);
    this.#count++;
  }

  /** All of them, and those that an operator keeps in a form of its own. */
  writeTo(out: BinaryWriter, own: readonly WrittenTimer[]): void {
    out.varint(this.#count + own.length);
    out.raw(this.#out.peek());
    for (const { time, key } of own) encodeTimer(time, key, out);
  }
}

function encodeTimer(time: number, key: ScopedKey, out: BinaryWriter): void {
  out.zigzag(time);
  encodeScopedKey(key, out);
}

function headerOf({ name, kind, codec, keyCodec }: StateLayout): Omit<WrittenSection, 'table'> {
  const keyCodecId = kind === 'map' ? keyCodec.id : '';
  return { name, kind: KINDS.indexOf(kind), codecId: codec.id, keyCodecId };
}

function tableSection(layout: StateLayout, columns: TableColumns): WrittenSection {
  return { ...headerOf(layout), table: { kind: 'bytes', bytes: columns.body(), isOwn: true } };
}

function numbersSection(
  layout: StateLayout,
  { columns, count }: CopiedNumbers,
  behind: TableColumns | undefined,
): WrittenSection {
  const cells = {
    count: behind?.count ?? 0,
    keys: behind?.keys.finish() ?? NOTHING,
    values: behind?.plainValues() ?? NOTHING,
  };
  const isGeneric = layout.codec.id === GENERIC_CODEC_ID;
  return { ...headerOf(layout), table: { kind: 'numbers', columns: columns(), count, isGeneric, cells } };
}

const NOTHING = new Uint8Array();
