/**
 * One key group as it was when a snapshot was taken, read piece by piece.
 *
 * Owner: the snapshot. Partners: the key group, which calls before it changes (G1 of key-group-state.ts), and typed tables,
 * whose numbers the snapshot copies itself.
 *
 * C1 A cell is written once: when its turn comes, or before it changes. While a table is being read, the cells that are
 *    not to be written any more are known; before, those that have changed since.
 * C2 What cannot be changed in place (the values of a value state, timers) is kept as it is and becomes bytes later;
 *    everything else becomes bytes before it changes.
 * C3 What had not been read of restored bytes when the snapshot was taken is written as it was restored.
 * C4 A value that cannot become bytes fails the snapshot, not the record that came after the barrier.
 */

import { BinaryWriter } from '../../codecs/binary.ts';
import { GENERIC_CODEC_ID } from '../../codecs/generic.ts';
import type { TimerDomain } from '../backend.ts';
import type { PlainColumns, WrittenKeyGroup, WrittenSection } from '../written-key-group.ts';
import { codecFailed, KINDS } from './key-group-bytes.ts';
import type { Cell, CopyBeforeChange, KeyGroupState, Table, Timer } from './key-group-state.ts';
import type { OwnRows, WrittenTimer } from './own-rows.ts';
import { encodeScopedKey, type ScopedKey } from './scoped-key.ts';
import type { RestoredSection, StateLayout } from './state-layout.ts';
import { TableColumns } from './table-columns.ts';
import { writtenValue } from './unexpired.ts';

/** Cells in one piece at most. */
const CELLS_PER_PIECE = 128;
/** Bytes after which a piece ends. */
const BYTES_PER_PIECE = 65_536;

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
  /** By index of the state. */
  readonly #tables: (TableCopy | undefined)[];
  readonly #restored: readonly RestoredSection[];
  readonly #numbers: readonly (CopiedNumbers | undefined)[];
  #timers: Readonly<Record<TimerDomain, readonly Timer[]>> | undefined;
  #ownSections: WrittenSection[] | undefined;
  #ownTimers: Readonly<Record<TimerDomain, readonly WrittenTimer[]>> = { event: [], processing: [] };
  #failure: { readonly error: unknown } | undefined;
  #written: WrittenKeyGroup | undefined;
  #next = 0;

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
    this.#tables = writing.layouts.map((layout, index) => {
      const table = group.tables[index];
      return table === undefined || table.size === 0
        ? undefined
        : new TableCopy(layout, table, { first: numbers[index]?.count ?? 0, frozenAt: writing.frozenAt });
    });
    group.awaitedBy = this;
  }

  // ---- before a change (C1) ----

  own(): void {
    this.#attempt('', () => this.#writeOwn());
  }

  timers(): void {
    this.#timers ??= {
      event: this.group.eventTimers.slice(),
      processing: this.group.processingTimers.slice(),
    };
  }

  cell(state: number, cell: Cell): void {
    const table = this.#tables[state];
    if (table !== undefined) this.#attempt(table.layout.name, () => table.before(cell));
  }

  added(state: number, cell: Cell): void {
    this.#tables[state]?.leaveOut(cell);
  }

  // ---- its turn ----

  /** Reads a piece; false when nothing is left. */
  advance(): boolean {
    if (this.#written !== undefined || this.#failure !== undefined) return false;
    const table = this.#tables[this.#next];
    if (this.#next < this.#tables.length) {
      if (table === undefined || !this.#attempt(table.layout.name, () => table.advance())) this.#next++;
      return true;
    }
    this.own();
    this.timers();
    this.#attempt('', () => {
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
  #attempt(state: string, work: () => boolean | void): boolean {
    if (this.#failure !== undefined) return false;
    try {
      return work() === true;
    } catch (cause) {
      const error = state === '' ? cause : codecFailed(this.#writing.operatorUid, state, cause);
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
    this.#ownTimers = { event: rows.timersOf('event'), processing: rows.timersOf('processing') };
  }

  #result(): WrittenKeyGroup {
    const { layouts } = this.#writing;
    const sections = [...this.#ownSections!, ...this.#restored.flatMap((section) => this.#again(section))];
    for (const [index, layout] of layouts.entries()) {
      const columns = this.#tables[index]?.columns;
      const numbers = this.#numbers[index];
      if (numbers !== undefined) sections.push(numbersSection(layout, numbers, columns));
      else if (columns !== undefined && columns.count > 0) sections.push(tableSection(layout, columns));
    }
    sections.sort((left, right) => (left.name < right.name ? -1 : 1));
    const out = new BinaryWriter();
    for (const domain of ['event', 'processing'] as const) {
      encodeTimers(this.#timers![domain], this.#ownTimers[domain], out);
    }
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
    const copy = new TableCopy(layout, read(this.group, section), { first: 0, frozenAt });
    while (copy.advance());
    return copy.columns.count === 0 ? [] : [tableSection(layout, copy.columns)];
  }
}

/** The cells of one state of a key group (C1). */
class TableCopy {
  readonly layout: StateLayout;
  readonly columns: TableColumns;
  readonly #table: Table;
  readonly #frozenAt: number;
  /** C2. */
  readonly #keeps: boolean;
  /** Written, kept, or added since. */
  readonly #over = new Set<Cell>();
  /** They lie behind all that were there, so that reading ends at the first of them, however many come meanwhile. */
  readonly #added = new Set<Cell>();
  /** Keys and values by turns. */
  readonly #kept: unknown[] = [];
  #rest: Iterator<Cell> | undefined;
  #isRead = false;

  constructor(layout: StateLayout, table: Table, { first, frozenAt }: { first: number; frozenAt: number }) {
    this.layout = layout;
    this.columns = new TableColumns(layout, first);
    this.#table = table;
    this.#frozenAt = frozenAt;
    this.#keeps = layout.kind === 'value' && layout.ttl === undefined;
  }

  before(cell: Cell): void {
    if (this.#isRead || this.#over.has(cell)) return;
    this.#over.add(cell);
    if (this.#keeps) this.#kept.push(cell.key, cell.value);
    else this.#write(cell.key, cell.value);
  }

  leaveOut(cell: Cell): void {
    if (this.#isRead) return;
    this.#over.add(cell);
    this.#added.add(cell);
  }

  /** False when all is written. */
  advance(): boolean {
    const until = this.columns.bytes + BYTES_PER_PIECE;
    for (let cells = 0; cells < CELLS_PER_PIECE && this.columns.bytes < until; cells++) {
      if (!this.#next()) return false;
    }
    return true;
  }

  #next(): boolean {
    if (!this.#isRead) {
      this.#rest ??= this.#table.values();
      const next = this.#rest.next();
      if (next.done !== true && !this.#added.has(next.value)) {
        const cell = next.value;
        if (this.#over.has(cell)) return true;
        this.#over.add(cell);
        this.#write(cell.key, cell.value);
        return true;
      }
      this.#isRead = true;
      this.#rest = undefined;
      this.#over.clear();
      this.#added.clear();
    }
    if (this.#kept.length === 0) return false;
    const value = this.#kept.pop();
    this.#write(this.#kept.pop() as ScopedKey, value);
    return true;
  }

  #write(key: ScopedKey, value: unknown): void {
    const written = writtenValue(this.layout, value, this.#frozenAt);
    if (written !== undefined) this.columns.add(key, written);
  }
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

function encodeTimers(
  timers: readonly WrittenTimer[],
  own: readonly WrittenTimer[],
  out: BinaryWriter,
): void {
  out.varint(timers.length + own.length);
  for (const timer of timers) encodeTimer(timer, out);
  for (const timer of own) encodeTimer(timer, out);
}

function encodeTimer({ time, key }: WrittenTimer, out: BinaryWriter): void {
  out.zigzag(time);
  encodeScopedKey(key, out);
}
