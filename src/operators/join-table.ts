/**
 * Records of the two streams of an interval join, by key and side in the order of their times.
 *
 * ```
 * key      64 bytes, for each side   newest time f64 · block i32 · mask i32 · first i32 · count i32 · hint i32
 * block    a ring of 2^n entries     time f64 · record i32 · moment i32
 * record   in the order of coming    value · owner i32 · next of its span i32
 * ```
 *
 * All that one record asks for lies together: the line of its key, which says whether there can be partners, and some
 * neighbouring entries of a block. Records themselves lie one behind the other as they come, whatever their keys.
 *
 * Each record belongs to a span: those of one side whose times are near each other. What is over is forgotten span by
 * span: each record that goes takes the first entry of its key with it, without looking for its own.
 *
 * Owner: join-buffers.ts. Times are those of one clock that does not go back.
 *
 * B1 The entries of a block are sorted by time, of equal times the one that came last is the last.
 * B2 `gone` of a side is the time up to which records are over. A record of that very time which came since `gone` was
 *    moved there is not over: its entry has the number of this moment.
 * B3 Only spans whose times are all before `gone` are forgotten. Until a span is forgotten to its end, entries before `gone`
 *    may be of records that went, and records that did not go may have none; such entries are never followed.
 * B4 A key has as many entries as records, so that it has no entry when its last record went.
 */

import { assert } from '../base/assert.ts';
import { TimeHeap } from '../base/time-heap.ts';
import { MAX_TIMESTAMP } from '../base/time.ts';

const NONE = -1;
const NEVER = Number.NEGATIVE_INFINITY;
const SIDES = [0, 1] as const;

// A key: doubles, and words behind those, each by side.
const KEY_DOUBLES = 8;
const KEY_WORDS = 16;
const NEWEST = 0;
const BLOCK = 4;
const MASK = 6;
const FIRST = 8;
const COUNT = 10;
const HINT = 12;
/** -1: in use; else what was free before, plus 1. */
const FREE = 14;

// An entry.
const ENTRY_DOUBLES = 2;
const ENTRY_WORDS = 4;
const RECORD = 2;
const MOMENT = 3;

// A record.
const RECORD_WORDS = 2;
const OWNER = 0;
const NEXT = 1;

/** Entries of the smallest block. */
const BLOCK_MIN = 4;
/** Blocks of 2^31 entries and more there are none. */
const BLOCK_CLASSES = 31;
/** Keys, entries and records for which a table has room at first. */
const PLACES_MIN = 1_024;
/** A table of which less than one place in so many is used becomes smaller, and so does a block. */
const SPARSE = 8;
/** Entries that are looked through one by one, before the others are halved. */
const LOOKED_THROUGH = 16;
/** Records that are forgotten at once. */
const FORGOTTEN_MAX = 1_024;

/** Spans of each side while records are kept for as long as they are. */
const SPANS = 8;
/** Shorter spans would hold few records each, ms. */
const SPAN_MS_MIN = 64;

/** Records of one side whose times are near each other. */
interface Span<T> {
  readonly side: number;
  readonly number: number;
  /** Inclusive. */
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** Who brought its first record. */
  readonly bringer: T;
  /** The record that came last; the others follow by NEXT. */
  last: number;
}

/** What the owner is told while records are forgotten. */
export interface Forgetting {
  /** A record of this key will go; nothing has gone yet. */
  before(key: number): void;
  /** The key has no record any more. */
  emptied(key: number): void;
  /** After all else: the key has another number. */
  renumbered(from: number, to: number): void;
}

/** A moment: what was over in it, and what came in it (B2). */
export interface Moment {
  readonly number: number;
  /** By side. */
  readonly gone: readonly [number, number];
}

/** See the head of the file. Keys are known by numbers; `T` is what the owner has of a key. */
export class JoinTable<T> {
  readonly #keepMs: readonly [number, number];
  readonly #spanMs: number;
  #keyDoubles = new Float64Array(PLACES_MIN * KEY_DOUBLES);
  #keyWords = new Int32Array(this.#keyDoubles.buffer);
  #keyCount = 0;
  #keysUsed = 0;
  #freeKey = NONE;
  #doubles = new Float64Array(PLACES_MIN * ENTRY_DOUBLES);
  #words = new Int32Array(this.#doubles.buffer);
  /** Entries of all blocks that were cut so far, and of those that are in use. */
  #cut = 0;
  #inUse = 0;
  /** By class: a block that is free; its first record is the next one. */
  readonly #freeBlocks = new Int32Array(BLOCK_CLASSES).fill(NONE);
  #records = new Int32Array(PLACES_MIN * RECORD_WORDS);
  #values: unknown[] = [];
  #size = 0;
  #freeRecord = NONE;
  readonly #spans: readonly [Map<number, Span<T>>, Map<number, Span<T>>] = [new Map(), new Map()];
  readonly #due = new TimeHeap<Span<T>>();
  /** By side: the span that the last record went to. */
  readonly #lastSpans: [Span<T> | undefined, Span<T> | undefined] = [undefined, undefined];
  #now = NEVER;
  #moment = 0;
  /** By side (B2). */
  readonly #gone = new Float64Array(2).fill(NEVER);
  /** What was read ahead comes to this, so that it is read. */
  touched = 0;
  /** What was found: in a block, so much behind its first entry. */
  #foundBlock = 0;
  #foundMask = 0;
  #foundAt = 0;

  /** `keepMs`: of each side, so long after its time a record is over. */
  constructor(keepMs: readonly [number, number]) {
    this.#keepMs = keepMs;
    this.#spanMs = Math.max(SPAN_MS_MIN, Math.ceil(Math.max(...keepMs) / SPANS));
  }

  /** Records that are not forgotten. */
  get size(): number {
    return this.#size;
  }

  /** The numbers of all keys are below this. */
  get keysUsed(): number {
    return this.#keysUsed;
  }

  /** Of all tables, without the records themselves. */
  get placesBytes(): number {
    return this.#keyDoubles.byteLength + this.#doubles.byteLength + this.#records.byteLength;
  }

  // ---- time ----

  /** Time has come to `now`. */
  moveTo(now: number): void {
    if (now === this.#now) return;
    this.#now = now;
    this.#moment = (this.#moment + 1) | 0;
    // At the end of time all is over, also what would be so later.
    for (const side of SIDES) this.#gone[side] = now === MAX_TIMESTAMP ? now : now - this.#keepMs[side]!;
  }

  get moment(): Moment {
    return { number: this.#moment, gone: [this.#gone[0]!, this.#gone[1]!] };
  }

  // ---- keys ----

  addKey(): number {
    let key = this.#freeKey;
    if (key === NONE) {
      key = this.#keysUsed++;
      if (key * KEY_DOUBLES === this.#keyDoubles.length) this.#setKeys(grown(this.#keyDoubles));
    } else this.#freeKey = this.#keyWords[key * KEY_WORDS + FREE]! - 1;
    this.#keyWords[key * KEY_WORDS + FREE] = NONE;
    this.#keyCount++;
    for (const side of SIDES) this.#setEmpty(key, side);
    return key;
  }

  /** Of a key without records. */
  removeKey(key: number): void {
    assert(this.isEmpty(key), 'B4: a key is removed when its records went');
    this.#keyWords[key * KEY_WORDS + FREE] = this.#freeKey + 1;
    this.#freeKey = key;
    this.#keyCount--;
  }

  #setEmpty(key: number, side: number): void {
    const words = key * KEY_WORDS + side;
    this.#keyDoubles[key * KEY_DOUBLES + NEWEST + side] = NEVER;
    this.#keyWords[words + BLOCK] = NONE;
    this.#keyWords[words + MASK] = -1;
    this.#keyWords[words + FIRST] = 0;
    this.#keyWords[words + COUNT] = 0;
    this.#keyWords[words + HINT] = 0;
  }

  isEmpty(key: number): boolean {
    const at = key * KEY_WORDS + COUNT;
    return this.#keyWords[at] === 0 && this.#keyWords[at + 1] === 0;
  }

  /** Something of the key is not over. */
  isWaiting(key: number): boolean {
    return this.#waitsOn(key, 0) || this.#waitsOn(key, 1);
  }

  #waitsOn(key: number, side: number): boolean {
    const newest = this.#keyDoubles[key * KEY_DOUBLES + NEWEST + side]!;
    if (newest !== this.#gone[side]!) return newest > this.#gone[side]!;
    const last = this.#entryAt(key, side, this.#keyWords[key * KEY_WORDS + COUNT + side]! - 1);
    return this.#words[last * ENTRY_WORDS + MOMENT] === this.#moment;
  }

  #entryAt(key: number, side: number, index: number): number {
    const at = key * KEY_WORDS + side;
    const words = this.#keyWords;
    return words[at + BLOCK]! + ((words[at + FIRST]! + index) & words[at + MASK]!);
  }

  // ---- what is asked for ahead ----

  /** Reads the line of a key. */
  touchKey(key: number): number {
    return this.#keyWords[key * KEY_WORDS + COUNT]!;
  }

  // ---- records ----

  /** Adds a record, of a time to which nothing was forgotten. Hot path: once per record. */
  add(key: number, side: number, time: number, value: unknown, bringer: T): void {
    const at = key * KEY_WORDS + side;
    const count = this.#keyWords[at + COUNT]!;
    if (count > this.#keyWords[at + MASK]!) this.#resize(key, side, Math.max(BLOCK_MIN, count * 2));
    const entry =
      time >= this.#keyDoubles[key * KEY_DOUBLES + NEWEST + side]!
        ? this.#appended(key, side, time)
        : this.#inserted(key, side, time);
    this.#keyWords[at + COUNT] = count + 1;
    // -0 would be another time once it is bytes.
    this.#doubles[entry * ENTRY_DOUBLES] = time + 0;
    this.#words[entry * ENTRY_WORDS + RECORD] = this.#record(
      key * 2 + side,
      this.#spanAt(side, time, bringer),
      value,
    );
    this.#words[entry * ENTRY_WORDS + MOMENT] = this.#moment;
  }

  #appended(key: number, side: number, time: number): number {
    this.#keyDoubles[key * KEY_DOUBLES + NEWEST + side] = time;
    return this.#entryAt(key, side, this.#keyWords[key * KEY_WORDS + COUNT + side]!);
  }

  /** Makes room among the entries, behind those of this time. */
  #inserted(key: number, side: number, time: number): number {
    const count = this.#keyWords[key * KEY_WORDS + COUNT + side]!;
    const index = this.#upTo(key, side, time, count);
    for (let each = count; each > index; each--) {
      this.#move(this.#entryAt(key, side, each - 1), this.#entryAt(key, side, each));
    }
    return this.#entryAt(key, side, index);
  }

  #move(from: number, to: number): void {
    this.#doubles[to * ENTRY_DOUBLES] = this.#doubles[from * ENTRY_DOUBLES]!;
    this.#doubles[to * ENTRY_DOUBLES + 1] = this.#doubles[from * ENTRY_DOUBLES + 1]!;
  }

  #record(owner: number, span: Span<T>, value: unknown): number {
    let record = this.#freeRecord;
    if (record === NONE) {
      record = this.#values.length;
      if (record * RECORD_WORDS === this.#records.length) this.#records = grownWords(this.#records);
      this.#values.push(value);
    } else {
      this.#freeRecord = this.#records[record * RECORD_WORDS + NEXT]!;
      this.#values[record] = value;
    }
    this.#records[record * RECORD_WORDS + OWNER] = owner;
    this.#records[record * RECORD_WORDS + NEXT] = span.last;
    span.last = record;
    this.#size++;
    return record;
  }

  #freeRecordAt(record: number): void {
    this.#values[record] = undefined;
    this.#records[record * RECORD_WORDS + NEXT] = this.#freeRecord;
    this.#freeRecord = record;
    this.#size--;
  }

  /** Takes the record that was added last, which is of this key, side and time, out again. */
  undo(key: number, side: number, time: number): void {
    const at = key * KEY_WORDS + side;
    const count = this.#keyWords[at + COUNT]!;
    const index = this.#upTo(key, side, time, count) - 1;
    const record = this.#words[this.#entryAt(key, side, index) * ENTRY_WORDS + RECORD]!;
    const span = this.#spans[side]!.get(this.#spanNumber(time))!;
    assert(span.last === record, 'only the record that was added last is taken back');
    span.last = this.#records[record * RECORD_WORDS + NEXT]!;
    this.#freeRecordAt(record);
    for (let each = index + 1; each < count; each++) {
      this.#move(this.#entryAt(key, side, each), this.#entryAt(key, side, each - 1));
    }
    this.#keyWords[at + COUNT] = count - 1;
    if (count === 1) return this.#emptySide(key, side);
    const newest = this.#entryAt(key, side, count - 2);
    this.#keyDoubles[key * KEY_DOUBLES + NEWEST + side] = this.#doubles[newest * ENTRY_DOUBLES]!;
  }

  // ---- partners ----

  /**
   * Finds what waits on a side of a key from `low` to `high`; how many. What was found is there until the next call.
   * Hot path: once per record.
   */
  find(key: number, side: number, low: number, high: number): number {
    const newest = this.#keyDoubles[key * KEY_DOUBLES + NEWEST + side]!;
    if (newest < low) return 0;
    const at = key * KEY_WORDS + side;
    const end = newest <= high ? this.#keyWords[at + COUNT]! : this.#upToHinted(key, side, high);
    const gone = this.#gone[side]!;
    let begin = this.#upTo(key, side, Math.max(low, gone) - 1, end);
    if (low <= gone) begin = this.#notGone(key, side, { begin, end, gone, moment: this.#moment });
    this.#foundBlock = this.#keyWords[at + BLOCK]!;
    this.#foundMask = this.#keyWords[at + MASK]!;
    this.#foundAt = this.#keyWords[at + FIRST]! + begin;
    return end - begin;
  }

  /** Of what was found, in order. */
  timeAt(index: number): number {
    return this.#doubles[this.#foundEntry(index) * ENTRY_DOUBLES]!;
  }

  /** Of what was found, in order. */
  valueAt(index: number): unknown {
    return this.#values[this.#words[this.#foundEntry(index) * ENTRY_WORDS + RECORD]!];
  }

  #foundEntry(index: number): number {
    return this.#foundBlock + ((this.#foundAt + index) & this.#foundMask);
  }

  /** How many of the first `end` entries are not later than a time: most often the last ones are looked for. */
  #upTo(key: number, side: number, time: number, end: number): number {
    const at = key * KEY_WORDS + side;
    const block = this.#keyWords[at + BLOCK]!;
    const mask = this.#keyWords[at + MASK]!;
    const first = this.#keyWords[at + FIRST]!;
    const doubles = this.#doubles;
    const searched = Math.max(0, end - LOOKED_THROUGH);
    let high = end;
    while (high > searched && doubles[(block + ((first + high - 1) & mask)) * ENTRY_DOUBLES]! > time) high--;
    return high > searched ? high : this.#halved(key, side, time, { low: 0, high });
  }

  /** As `upTo` of all, beginning where the last one of this side ended: records of one stream have rising times. */
  #upToHinted(key: number, side: number, time: number): number {
    const at = key * KEY_WORDS + side;
    const block = this.#keyWords[at + BLOCK]!;
    const mask = this.#keyWords[at + MASK]!;
    const first = this.#keyWords[at + FIRST]!;
    const count = this.#keyWords[at + COUNT]!;
    const doubles = this.#doubles;
    const hinted = Math.min((this.#keyWords[at + HINT]! - first) & mask, count);
    let low = hinted;
    const searched = Math.min(count, hinted + LOOKED_THROUGH);
    while (low < searched && doubles[(block + ((first + low) & mask)) * ENTRY_DOUBLES]! <= time) low++;
    if (low === hinted) low = this.#upTo(key, side, time, hinted);
    else if (low === searched) low = this.#halved(key, side, time, { low, high: count });
    this.#keyWords[at + HINT] = (first + low) & mask;
    return low;
  }

  /** As `upTo`, where it is known to be from `low` to `high`. */
  #halved(
    key: number,
    side: number,
    time: number,
    range: { readonly low: number; readonly high: number },
  ): number {
    let { low, high } = range;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#doubles[this.#entryAt(key, side, middle) * ENTRY_DOUBLES]! <= time) low = middle + 1;
      else high = middle;
    }
    return high;
  }

  /** B2: where those from `begin` on that are gone, which are of one time, end. */
  #notGone(key: number, side: number, from: NotGone): number {
    let { begin } = from;
    for (; begin < from.end; begin++) {
      const entry = this.#entryAt(key, side, begin);
      if (this.#doubles[entry * ENTRY_DOUBLES] !== from.gone) break;
      if (this.#words[entry * ENTRY_WORDS + MOMENT] === from.moment) break;
    }
    return begin;
  }

  /** What waited on a side of a key in a moment, in order. Nothing of the key may have changed since. */
  visit(key: number, side: number, moment: Moment, each: (time: number, value: unknown) => void): void {
    const end = this.#keyWords[key * KEY_WORDS + COUNT + side]!;
    const gone = moment.gone[side]!;
    const begin = this.#upTo(key, side, gone - 1, end);
    const from = this.#notGone(key, side, { begin, end, gone, moment: moment.number });
    // All are read before the work on the first begins, so that the waits for memory pass at the same time.
    const values: unknown[] = [];
    for (let index = from; index < end; index++) {
      const entry = this.#entryAt(key, side, index);
      values.push(this.#values[this.#words[entry * ENTRY_WORDS + RECORD]!]);
    }
    let touched = 0;
    for (let index = 0; index < values.length; index++) if (typeof values[index] === 'object') touched++;
    this.touched = touched;
    for (let index = 0; index < values.length; index++) {
      each(this.#doubles[this.#entryAt(key, side, from + index) * ENTRY_DOUBLES]!, values[index]);
    }
  }

  // ---- spans ----

  #spanNumber(time: number): number {
    return Math.floor(time / this.#spanMs);
  }

  #spanAt(side: number, time: number, bringer: T): Span<T> {
    const last = this.#lastSpans[side];
    return last !== undefined && time >= last.start && time < last.end
      ? last
      : this.#spanOf(side, time, bringer);
  }

  #spanOf(side: number, time: number, bringer: T): Span<T> {
    const number = this.#spanNumber(time);
    const spans = this.#spans[side]!;
    let span = spans.get(number);
    if (span === undefined) {
      const start = number * this.#spanMs;
      span = { side, number, start, end: start + this.#spanMs, bringer, last: NONE };
      spans.set(number, span);
      this.#due.push(span.end + this.#keepMs[side]!, span);
    }
    this.#lastSpans[side] = span;
    return span;
  }

  /** When a span is to be forgotten next (B3): all are at the end of time. */
  nextDue(): number | undefined {
    // Whose only record was taken back.
    while (this.#due.first?.last === NONE) this.#close(this.#due.pop()!);
    const due = this.#due.peek();
    return due === undefined ? undefined : Math.min(due, MAX_TIMESTAMP);
  }

  /** Who brought the first record of that span. */
  nextBringer(): T {
    return this.#due.first!.bringer;
  }

  /** Forgets a piece of that span. */
  forgetSome(forgetting: Forgetting): void {
    const span = this.#due.first!;
    const records = this.#records;
    let count = 0;
    for (let record = span.last; record !== NONE && count < FORGOTTEN_MAX; count++) {
      forgetting.before(records[record * RECORD_WORDS + OWNER]! >> 1);
      record = records[record * RECORD_WORDS + NEXT]!;
    }
    for (; count > 0; count--) {
      const record = span.last;
      const key = records[record * RECORD_WORDS + OWNER]! >> 1;
      span.last = records[record * RECORD_WORDS + NEXT]!;
      this.#freeRecordAt(record);
      this.#dropFirst(key, span.side);
      if (this.isEmpty(key)) forgetting.emptied(key);
    }
    if (span.last !== NONE) return;
    this.#close(this.#due.pop()!);
    this.#tighten(forgetting);
  }

  #dropFirst(key: number, side: number): void {
    const at = key * KEY_WORDS + side;
    const count = this.#keyWords[at + COUNT]! - 1;
    const mask = this.#keyWords[at + MASK]!;
    this.#keyWords[at + COUNT] = count;
    this.#keyWords[at + FIRST] = (this.#keyWords[at + FIRST]! + 1) & mask;
    if (count === 0) this.#emptySide(key, side);
    else if (mask >= BLOCK_MIN && count < (mask + 1) / SPARSE) this.#resize(key, side, (mask + 1) / 2);
  }

  #close(span: Span<T>): void {
    this.#spans[span.side]!.delete(span.number);
    if (this.#lastSpans[span.side] === span) this.#lastSpans[span.side] = undefined;
  }

  // ---- blocks ----

  #emptySide(key: number, side: number): void {
    const at = key * KEY_WORDS + side;
    this.#giveBack(this.#keyWords[at + BLOCK]!, this.#keyWords[at + MASK]! + 1);
    this.#setEmpty(key, side);
  }

  /** Gives a side of a key a block of another size. */
  #resize(key: number, side: number, entries: number): void {
    const at = key * KEY_WORDS + side;
    const to = this.#cutBlock(entries);
    const count = this.#keyWords[at + COUNT]!;
    for (let index = 0; index < count; index++) this.#move(this.#entryAt(key, side, index), to + index);
    if (this.#keyWords[at + BLOCK]! !== NONE) {
      this.#giveBack(this.#keyWords[at + BLOCK]!, this.#keyWords[at + MASK]! + 1);
    }
    this.#keyWords[at + BLOCK] = to;
    this.#keyWords[at + HINT] = (this.#keyWords[at + HINT]! - this.#keyWords[at + FIRST]!) & (entries - 1);
    this.#keyWords[at + MASK] = entries - 1;
    this.#keyWords[at + FIRST] = 0;
  }

  #cutBlock(entries: number): number {
    const free = this.#freeBlocks[classOf(entries)]!;
    this.#inUse += entries;
    if (free !== NONE) {
      this.#freeBlocks[classOf(entries)] = this.#words[free * ENTRY_WORDS + RECORD]!;
      return free;
    }
    const block = this.#cut;
    this.#cut += entries;
    while (this.#cut * ENTRY_DOUBLES > this.#doubles.length) this.#setEntries(grown(this.#doubles));
    return block;
  }

  #giveBack(block: number, entries: number): void {
    this.#words[block * ENTRY_WORDS + RECORD] = this.#freeBlocks[classOf(entries)]!;
    this.#freeBlocks[classOf(entries)] = block;
    this.#inUse -= entries;
  }

  // ---- tables ----

  /** After there was much more. */
  #tighten(forgetting: Forgetting): void {
    if (isSparse(this.#values.length, this.#size)) this.#tightenRecords();
    if (isSparse(this.#cut, this.#inUse)) this.#tightenEntries();
    if (isSparse(this.#keysUsed, this.#keyCount)) this.#tightenKeys(forgetting);
  }

  /** Puts the records that are left one behind the other. Entries of those that went are before `gone` (B3). */
  #tightenRecords(): void {
    const [records, values] = [this.#records, this.#values];
    const moved = new Int32Array(values.length).fill(NONE);
    this.#records = new Int32Array(placesFor(this.#size) * RECORD_WORDS);
    this.#values = [];
    for (const spans of this.#spans) {
      for (const span of spans.values()) {
        let last = NONE;
        for (let record = span.last; record !== NONE; record = records[record * RECORD_WORDS + NEXT]!) {
          const to = this.#values.push(values[record]) - 1;
          moved[record] = to;
          this.#records[to * RECORD_WORDS + OWNER] = records[record * RECORD_WORDS + OWNER]!;
          this.#records[to * RECORD_WORDS + NEXT] = NONE;
          if (last === NONE) span.last = to;
          else this.#records[last * RECORD_WORDS + NEXT] = to;
          last = to;
        }
      }
    }
    this.#freeRecord = NONE;
    this.#eachSide((key, side) => {
      const count = this.#keyWords[key * KEY_WORDS + COUNT + side]!;
      for (let index = 0; index < count; index++) {
        const at = this.#entryAt(key, side, index) * ENTRY_WORDS + RECORD;
        this.#words[at] = moved[this.#words[at]!]!;
      }
    });
  }

  /** Puts the blocks that are in use one behind the other. */
  #tightenEntries(): void {
    const doubles = this.#doubles;
    this.#setEntries(new Float64Array(placesFor(this.#inUse) * ENTRY_DOUBLES));
    this.#freeBlocks.fill(NONE);
    this.#cut = 0;
    this.#eachSide((key, side) => {
      const at = key * KEY_WORDS + side;
      const block = this.#keyWords[at + BLOCK]!;
      if (block === NONE) return;
      const entries = this.#keyWords[at + MASK]! + 1;
      this.#doubles.set(
        doubles.subarray(block * ENTRY_DOUBLES, (block + entries) * ENTRY_DOUBLES),
        this.#cut * ENTRY_DOUBLES,
      );
      this.#keyWords[at + BLOCK] = this.#cut;
      this.#cut += entries;
    });
  }

  /** Gives the keys that are left the lowest numbers. */
  #tightenKeys(forgetting: Forgetting): void {
    const doubles = this.#keyDoubles;
    const moved = new Int32Array(this.#keysUsed).fill(NONE);
    const used = this.#keysUsed;
    const words = this.#keyWords;
    this.#setKeys(new Float64Array(placesFor(this.#keyCount) * KEY_DOUBLES));
    this.#keysUsed = 0;
    for (let key = 0; key < used; key++) {
      if (words[key * KEY_WORDS + FREE] !== NONE) continue;
      const to = this.#keysUsed++;
      this.#keyDoubles.set(doubles.subarray(key * KEY_DOUBLES, (key + 1) * KEY_DOUBLES), to * KEY_DOUBLES);
      moved[key] = to;
      if (to !== key) forgetting.renumbered(key, to);
    }
    this.#freeKey = NONE;
    for (const spans of this.#spans) {
      for (const { last } of spans.values()) {
        for (let record = last; record !== NONE; record = this.#records[record * RECORD_WORDS + NEXT]!) {
          const at = record * RECORD_WORDS + OWNER;
          const owner = this.#records[at]!;
          this.#records[at] = moved[owner >> 1]! * 2 + (owner & 1);
        }
      }
    }
  }

  #eachSide(each: (key: number, side: number) => void): void {
    for (let key = 0; key < this.#keysUsed; key++) {
      if (this.#keyWords[key * KEY_WORDS + FREE] === NONE) for (const side of SIDES) each(key, side);
    }
  }

  #setKeys(doubles: Float64Array<ArrayBuffer>): void {
    this.#keyDoubles = doubles;
    this.#keyWords = new Int32Array(doubles.buffer);
  }

  #setEntries(doubles: Float64Array<ArrayBuffer>): void {
    this.#doubles = doubles;
    this.#words = new Int32Array(doubles.buffer);
  }
}

/** See `#notGone`. */
interface NotGone {
  readonly begin: number;
  readonly end: number;
  readonly gone: number;
  readonly moment: number;
}

/** Blocks of 2^n entries are of class n. */
function classOf(entries: number): number {
  return 31 - Math.clz32(entries);
}

function isSparse(places: number, used: number): boolean {
  return places > PLACES_MIN && used < places / SPARSE;
}

/** A power of two. */
function placesFor(count: number): number {
  let places = PLACES_MIN;
  while (places < count) places *= 2;
  return places;
}

function grown(doubles: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const twice = new Float64Array(doubles.length * 2);
  twice.set(doubles);
  return twice;
}

function grownWords(words: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const twice = new Int32Array(words.length * 2);
  twice.set(words);
  return twice;
}
