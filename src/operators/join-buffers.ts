/**
 * The records of both streams that wait for their partners, sorted by time for each key.
 *
 * Owns the records. Partners: the operator of the interval join; the backend, which stores them as interval-join.ts draws
 * them.
 *
 * J1 A record whose time to be forgotten has come is not there any more for whoever looks after that: it is taken out
 *    when its key is looked at, and left out when it is written.
 * J2 Each key is due when the last of its records is to be forgotten, as known when that was said: it is looked at then, so
 *    that a key that nobody uses goes too.
 * J3 What came at this very moment stays until time goes on, also when it is to be forgotten at this moment.
 * J4 At the end of time all is forgotten, also what would be so later.
 */

import { deepFreeze } from '../base/freeze.ts';
import type { Key } from '../base/key-groups.ts';
import { TimeHeap } from '../base/time-heap.ts';
import { MAX_TIMESTAMP } from '../base/time.ts';
import type { StateDescriptor } from '../state/descriptors.ts';
import { canonicalKey } from '../state/memory/canonical-key.ts';
import type {
  KeyPlace,
  OwnEntry,
  OwnKeyedState,
  OwnPlaces,
  OwnStateWriter,
  RestoredOwner,
} from '../state/own-state.ts';
import { value as valueState } from '../state/state.ts';
import type { TimerDomain } from '../state/timer-domain.ts';

/** From one record to the next. */
export const STEP = 2;
/** So many places of records that are gone are kept at most, unless they are the smaller half: what is looked at lies close together. */
const GONE_MAX = 6 * STEP;
/** So many of the last records are looked through one by one. */
const LOOKED_THROUGH = 16 * STEP;

/** No time that is meant is further from the epoch: 71,000 years. */
const EXACT_MAX = 2 ** 51;

const BUFFER: StateDescriptor = { kind: 'map' };

type StoredBuffer = readonly (readonly [time: number, values: readonly unknown[]])[];

/**
 * Records in the order of their times, of equal times in that of their arrival. Times count from the base of the buffers,
 * so that they are small numbers, which lie in the array itself, beside their records.
 */
export class SortedRecords {
  /** Time and record by turns. */
  readonly #entries: unknown[] = [];
  /** Entries before are gone. */
  #first = 0;

  /** The last time; `-Infinity` when there is none. */
  get last(): number {
    const { length } = this.#entries;
    return this.#first === length ? Number.NEGATIVE_INFINITY : (this.#entries[length - 2] as number);
  }

  get size(): number {
    return this.#entries.length;
  }

  /** Reads the last record, which the next one is likely to be paired with. */
  touch(): number {
    const entries = this.#entries;
    return entries.length > 0 && typeof entries[entries.length - 1] === 'object' ? 1 : 0;
  }

  timeAt(index: number): number {
    return this.#entries[index] as number;
  }

  valueAt(index: number): unknown {
    return this.#entries[index + 1];
  }

  /** Where it stands now, for {@link remove}. */
  insert(time: number, value: unknown): number {
    const entries = this.#entries;
    if (this.last <= time) return entries.push(time, value) - STEP;
    const index = this.firstAfter(time);
    entries.splice(index, 0, time, value);
    return index;
  }

  remove(index: number): void {
    this.#entries.splice(index, STEP);
  }

  /**
   * The first record that is later than a time, among those before `before`; the next one is {@link STEP} behind it. It is
   * looked for from the end: what is paired came lately, and what is gone only waits to be taken out.
   */
  firstAfter(time: number, before: number = this.#entries.length): number {
    const entries = this.#entries;
    let high = before;
    const searched = Math.max(this.#first, high - LOOKED_THROUGH);
    while (high > searched && (entries[high - STEP] as number) > time) high -= STEP;
    if (high > searched) return high;
    for (let low = this.#first; low < high; ) {
      const middle = ((low + high) >> 1) & ~1;
      if ((entries[middle] as number) <= time) low = middle + STEP;
      else high = middle;
    }
    return high;
  }

  /** Whether `forget` would do anything. */
  holds(time: number): boolean {
    return this.#first < this.#entries.length && (this.#entries[this.#first] as number) <= time;
  }

  /** Takes out what is not later than a time. */
  forget(time: number): void {
    const entries = this.#entries;
    while (this.holds(time)) {
      entries[this.#first + 1] = undefined;
      this.#first += STEP;
    }
    if (this.#first <= GONE_MAX || this.#first * 2 < entries.length) return;
    moveToFront(entries, this.#first);
    this.#first = 0;
  }

  /** What is later than a time; `base` is added to the times. */
  storedAfter(time: number, base: number): StoredBuffer {
    const entries = this.#entries;
    const stored: [number, unknown[]][] = [];
    for (let index = this.firstAfter(time); index < entries.length; index += STEP) {
      const at = (entries[index] as number) + base;
      const last = stored.at(-1);
      if (last !== undefined && last[0] === at) last[1].push(entries[index + 1]);
      else stored.push([at, [entries[index + 1]]]);
    }
    return stored;
  }
}

// Without the array of what is dropped, which `splice` makes.
function moveToFront(array: unknown[], from: number): void {
  for (let index = from; index < array.length; index++) array[index - from] = array[index];
  array.length -= from;
}

/** What waits of one key. */
export class JoinKey implements OwnEntry {
  readonly key: Key;
  readonly place: KeyPlace;
  readonly left = new SortedRecords();
  readonly right = new SortedRecords();
  /** The time at which it was last looked at (J1, J3). */
  seenAt: number;
  /** J2. */
  isScheduled = false;
  position = -1;

  constructor(key: Key, place: KeyPlace, seenAt: number) {
    this.key = key;
    this.place = place;
    this.seenAt = seenAt;
  }

  /** Reads where both sides end. */
  touch(): number {
    return this.left.touch() + this.right.touch();
  }

  /** 0 is the left side, 1 the right one. */
  side(number: number): SortedRecords {
    return number === 0 ? this.left : this.right;
  }
}

/** How the records of a join are kept. */
export interface JoinBufferOptions {
  readonly domain: TimerDomain;
  /** Of the left and the right stream: so long after its time a record is forgotten, ms. */
  readonly keepMs: readonly [number, number];
  /** The time that counts: event time so far, or that of the machine. */
  readonly now: () => number;
}

/** See the head of the file. */
export class JoinBuffers implements OwnKeyedState<JoinKey> {
  readonly states: OwnKeyedState['states'] = [
    { name: 'left', descriptor: BUFFER },
    { name: 'right', descriptor: BUFFER },
    { name: 'forget-at', descriptor: valueState<number | undefined>(undefined) },
  ];
  readonly domain: TimerDomain;
  readonly #keepMs: readonly [number, number];
  readonly #now: () => number;
  readonly #byKey = new Map<unknown, JoinKey>();
  readonly #due = new TimeHeap<JoinKey>();
  #places!: OwnPlaces<JoinKey>;
  #frozenAt = 0;
  #base: number | undefined;
  #taken: JoinKey | undefined;
  readonly #ahead: (JoinKey | undefined)[] = [];
  /** What was read ahead comes to this, so that it is read. */
  touched = 0;

  constructor({ domain, keepMs, now }: JoinBufferOptions) {
    this.domain = domain;
    this.#keepMs = keepMs;
    this.#now = now;
  }

  /**
   * Finds what waits of keys whose records are next, and reads where those will go: the waits for memory pass at the same
   * time, where one record after the other would wait for each. Only timers forget a key, so that what was found is true
   * until the caller returns. Hot path: once for some records.
   */
  lookAhead(keys: readonly (Key | undefined)[], from: number, to: number): void {
    const ahead = this.#ahead;
    ahead.length = to - from;
    let touched = 0;
    for (let index = from; index < to; index++) {
      const key = keys[index];
      ahead[index - from] = key === undefined ? undefined : this.#byKey.get(canonicalKey(key));
    }
    // Each step reads what the one before has asked for.
    for (let index = 0; index < ahead.length; index++) touched += ahead[index]?.left.size ?? 0;
    for (let index = 0; index < ahead.length; index++) touched += ahead[index]?.touch() ?? 0;
    this.touched = touched;
  }

  /** What `lookAhead` found for the key at `from` plus this. */
  found(index: number): JoinKey | undefined {
    return this.#ahead[index];
  }

  /** What waits of a key now, which may have been found before. Hot path: once per record. */
  of(key: Key, known: JoinKey | undefined): JoinKey {
    const canonical = canonicalKey(key);
    const found = known ?? this.#byKey.get(canonical);
    if (found === undefined) return this.#add(key, canonical, this.#places.placeOf(key));
    const now = this.#now();
    if (found.seenAt !== now) this.#look(found, now);
    return found;
  }

  /** From where the times of records are counted: the first one that came, unless that is so far off that sums of it were not exact. */
  base(time: number): number {
    this.#base ??= Math.abs(time) <= EXACT_MAX ? time : 0;
    return this.#base;
  }

  /** Adds a record; where it stands in its side. */
  add(waiting: JoinKey, side: number, time: number, value: unknown): number {
    waiting.place.beforeChange();
    if (this.#places.freezesValues) deepFreeze(value);
    const index = waiting.side(side).insert(time - this.base(time), value);
    if (!waiting.isScheduled) this.#schedule(waiting, time + this.#keepMs[side]!);
    return index;
  }

  /** The state as of now is about to be written. */
  freeze(): void {
    this.#frozenAt = this.#now();
  }

  /** A timer: looks at the key that is due, and forgets it when nothing waits any more. */
  fire(): void {
    const waiting = this.#taken;
    if (waiting === undefined) return; // A timer of a job that was another one.
    this.#taken = undefined;
    waiting.isScheduled = false;
    this.#look(waiting, this.#now());
    const next = this.#lastForgetAt(waiting);
    if (next !== undefined) return this.#schedule(waiting, next);
    this.#places.remove(waiting);
    this.#byKey.delete(canonicalKey(waiting.key));
  }

  // ---- for the backend ----

  start(places: OwnPlaces<JoinKey>): void {
    this.#places = places;
  }

  next(): number | undefined {
    return this.#due.peek();
  }

  take(): JoinKey {
    this.#taken = this.#due.pop()!;
    return this.#taken;
  }

  write(waiting: JoinKey, to: OwnStateWriter): void {
    let forgetAt = Number.POSITIVE_INFINITY;
    for (const side of [0, 1]) {
      const keepMs = this.#keepMs[side]!;
      // J3: what was looked at then is all there.
      const gone = waiting.seenAt === this.#frozenAt ? Number.NEGATIVE_INFINITY : this.#frozenAt - keepMs;
      const base = this.#base!;
      const stored = waiting.side(side).storedAfter(gone - base, base);
      if (stored.length === 0) continue;
      to.value(side, undefined, stored);
      forgetAt = Math.min(forgetAt, stored[0]![0] + keepMs);
    }
    if (forgetAt === Number.POSITIVE_INFINITY) return;
    forgetAt = Math.min(forgetAt, MAX_TIMESTAMP);
    to.value(2, undefined, forgetAt);
    to.timer(forgetAt, undefined);
  }

  restoreValue(side: number, { key, place }: RestoredOwner, value: unknown): void {
    if (side === 2) return;
    const canonical = canonicalKey(key);
    const waiting = this.#byKey.get(canonical) ?? this.#add(key, canonical, place);
    for (const [time, values] of value as StoredBuffer) {
      for (const each of values) waiting.side(side).insert(time - this.base(time), each);
    }
    const forgetAt = this.#lastForgetAt(waiting);
    if (!waiting.isScheduled && forgetAt !== undefined) this.#schedule(waiting, forgetAt);
  }

  restoreTimer(_time: number, { namespace }: RestoredOwner): boolean {
    return namespace === undefined;
  }

  #add(key: Key, canonical: unknown, place: KeyPlace): JoinKey {
    const waiting = new JoinKey(key, place, this.#now());
    this.#places.add(waiting);
    this.#byKey.set(canonical, waiting);
    return waiting;
  }

  /** J1. */
  #look(waiting: JoinKey, now: number): void {
    const { left, right } = waiting;
    const from = this.#base ?? now;
    const leftGone = this.#goneUntil(0, now) - from;
    const rightGone = this.#goneUntil(1, now) - from;
    if (left.holds(leftGone) || right.holds(rightGone)) {
      waiting.place.beforeChange();
      left.forget(leftGone);
      right.forget(rightGone);
    }
    waiting.seenAt = now;
  }

  /** J4. */
  #goneUntil(side: 0 | 1, now: number): number {
    return now === MAX_TIMESTAMP ? MAX_TIMESTAMP : now - this.#keepMs[side];
  }

  /** J2. */
  #lastForgetAt({ left, right }: JoinKey): number | undefined {
    const last = Math.max(left.last + this.#keepMs[0], right.last + this.#keepMs[1]);
    return last === Number.NEGATIVE_INFINITY ? undefined : last + this.#base!;
  }

  #schedule(waiting: JoinKey, time: number): void {
    waiting.isScheduled = true;
    this.#due.push(Math.min(time, MAX_TIMESTAMP), waiting);
  }
}
