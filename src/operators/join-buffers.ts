/**
 * The records of both streams that wait for their partners, as keyed state.
 *
 * Owns the records, which lie in a table (join-table.ts). Partners: the operator of the interval join; the backend, which
 * stores them as interval-join.ts draws them.
 *
 * J1 A record whose time to be forgotten has come is not there any more for whoever looks after that, and is not written;
 *    it is taken out later, with others of about its time.
 * J2 The backend knows of a key while something waits of it; of one whose records are all to be forgotten it may not know.
 * J3 What came at this very moment stays until time goes on, also when it is to be forgotten at this moment.
 * J4 At the end of time all is forgotten, also what would be so later.
 */

import { deepFreeze } from '../base/freeze.ts';
import type { Key } from '../base/key-groups.ts';
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
import { type Forgetting, JoinTable, type Moment } from './join-table.ts';

/** Keys that are looked for before their records come. */
export const AHEAD = 32;
/** A key that was not looked for, or has no records. */
export const UNKNOWN = -1;

const BUFFER: StateDescriptor = { kind: 'map' };

type StoredBuffer = readonly (readonly [time: number, values: readonly unknown[]])[];

/** A key of which there are records. */
export class JoinKey implements OwnEntry {
  readonly key: Key;
  readonly place: KeyPlace;
  /** In the table. */
  number: number;
  position = -1;

  constructor(key: Key, place: KeyPlace, number: number) {
    this.key = key;
    this.place = place;
    this.number = number;
  }
}

/** How the records of a join are kept. */
export interface JoinBufferOptions {
  readonly domain: TimerDomain;
  /** Of the left and the right stream: so long after its time a record is forgotten, ms. */
  readonly keepMs: readonly [number, number];
  /** The time that counts, which does not go back: event time so far, or that of the machine. */
  readonly now: () => number;
}

/** See the head of the file. Keys are known by their numbers until a timer fires. */
export class JoinBuffers implements OwnKeyedState<JoinKey> {
  readonly states: OwnKeyedState['states'] = [
    { name: 'left', descriptor: BUFFER },
    { name: 'right', descriptor: BUFFER },
    { name: 'forget-at', descriptor: valueState<number | undefined>(undefined) },
  ];
  readonly domain: TimerDomain;
  readonly #keepMs: readonly [number, number];
  readonly #now: () => number;
  readonly #table: JoinTable<JoinKey>;
  readonly #numbers = new Map<unknown, number>();
  /** By number. */
  readonly #entries: (JoinKey | undefined)[] = [];
  /** By number, those of the entries of which the backend knows (J2). */
  readonly #known: (KeyPlace | undefined)[] = [];
  readonly #forgetting: Forgetting = {
    before: (number) => this.#known[number]?.beforeChange(),
    emptied: (number) => this.#remove(this.#entries[number]!),
    renumbered: (from, to) => this.#renumber(from, to),
  };
  readonly #ahead = new Int32Array(AHEAD);
  #places!: OwnPlaces<JoinKey>;
  /** Of the last snapshot. */
  #frozen: Moment | undefined;
  /** What is due was handed out. */
  #isTaken = false;
  /** What was read ahead comes to this, so that it is read. */
  touched = 0;

  constructor({ domain, keepMs, now }: JoinBufferOptions) {
    this.domain = domain;
    this.#keepMs = keepMs;
    this.#now = now;
    this.#table = new JoinTable(keepMs);
  }

  // ---- for the operator ----

  /** Time has come to `now`: before records are added or looked for. */
  moveTo(now: number): void {
    this.#table.moveTo(now);
  }

  /**
   * Finds the keys whose records are next, {@link AHEAD} at most, and reads their lines: the waits for memory pass at the
   * same time, where one record after the other would wait for each. Hot path: once for some records.
   */
  lookAhead(keys: readonly (Key | undefined)[], from: number, to: number): void {
    const ahead = this.#ahead;
    let touched = 0;
    for (let index = from; index < to; index++) {
      const key = keys[index];
      ahead[index - from] = key === undefined ? UNKNOWN : (this.#numbers.get(canonicalKey(key)) ?? UNKNOWN);
    }
    for (let index = 0; index < to - from; index++) {
      if (ahead[index]! >= 0) touched += this.#table.touchKey(ahead[index]!);
    }
    this.touched = touched;
  }

  /** What `lookAhead` found for the key at `from` plus this; {@link UNKNOWN} for one without records then. */
  found(index: number): number {
    return this.#ahead[index]!;
  }

  /** The number of a key, which may have been found before. Hot path: once per record. */
  numberOf(key: Key, found: number): number {
    if (found >= 0) return found;
    const canonical = canonicalKey(key);
    return this.#numbers.get(canonical) ?? this.#add(key, canonical, this.#places.placeOf(key));
  }

  /** Adds a record, of now or later. Hot path: once per record. */
  add(number: number, side: number, time: number, value: unknown): void {
    const place = this.#known[number];
    if (place === undefined) this.#tell(number);
    else place.beforeChange();
    if (this.#places.freezesValues) deepFreeze(value);
    this.#table.add(number, side, time, value, this.#entries[number]!);
  }

  /** Takes the record that was added last, which is of this key, side and time, out again. */
  undo(number: number, side: number, time: number): void {
    this.#table.undo(number, side, time);
    if (this.#table.isEmpty(number)) this.#remove(this.#entries[number]!);
  }

  /**
   * Finds what waits on a side of a key from `low` to `high`, in the order of time, of equal times in that of arrival; how
   * many. What was found is there until the next call. Hot path: once per record.
   */
  find(number: number, side: number, low: number, high: number): number {
    return this.#table.find(number, side, low, high);
  }

  /** Of what was found. */
  timeAt(index: number): number {
    return this.#table.timeAt(index);
  }

  /** Of what was found. */
  valueAt(index: number): unknown {
    return this.#table.valueAt(index);
  }

  /** The state as of now is about to be written. */
  freeze(): void {
    this.#table.moveTo(this.#now());
    this.#frozen = this.#table.moment;
    for (const entry of this.#entries) {
      if (entry === undefined || this.#known[entry.number] === undefined) continue;
      if (this.#table.isWaiting(entry.number)) continue;
      this.#places.remove(entry);
      this.#known[entry.number] = undefined;
    }
  }

  /** A timer: forgets some of what is due. */
  fire(): void {
    if (!this.#isTaken) return; // A timer of a job that was another one.
    this.#isTaken = false;
    this.#table.moveTo(this.#now());
    this.#table.forgetSome(this.#forgetting);
    const { keysUsed } = this.#table;
    if (this.#entries.length <= keysUsed) return;
    this.#entries.length = keysUsed;
    this.#known.length = keysUsed;
  }

  // ---- for the backend ----

  start(places: OwnPlaces<JoinKey>): void {
    this.#places = places;
  }

  next(): number | undefined {
    return this.#table.nextDue();
  }

  take(): JoinKey {
    this.#isTaken = true;
    return this.#table.nextBringer();
  }

  write({ number }: JoinKey, to: OwnStateWriter): void {
    let forgetAt = Number.POSITIVE_INFINITY;
    for (const side of [0, 1]) {
      const stored = this.#storedOf(number, side);
      if (stored.length === 0) continue;
      to.value(side, undefined, stored);
      forgetAt = Math.min(forgetAt, stored[0]![0] + this.#keepMs[side]!);
    }
    if (forgetAt === Number.POSITIVE_INFINITY) return;
    forgetAt = Math.min(forgetAt, MAX_TIMESTAMP);
    to.value(2, undefined, forgetAt);
    to.timer(forgetAt, undefined);
  }

  #storedOf(number: number, side: number): StoredBuffer {
    const stored: [number, unknown[]][] = [];
    this.#table.visit(number, side, this.#frozen!, (time, value) => {
      const last = stored.at(-1);
      if (last !== undefined && last[0] === time) last[1].push(value);
      else stored.push([time, [value]]);
    });
    return stored;
  }

  restoreValue(side: number, { key, place }: RestoredOwner, value: unknown): void {
    if (side === 2) return;
    const canonical = canonicalKey(key);
    const number = this.#numbers.get(canonical) ?? this.#add(key, canonical, place);
    const entry = this.#entries[number]!;
    for (const [time, values] of value as StoredBuffer) {
      for (const each of values) this.#table.add(number, side, time, each, entry);
    }
  }

  restoreTimer(_time: number, { namespace }: RestoredOwner): boolean {
    return namespace === undefined;
  }

  // ---- keys ----

  #add(key: Key, canonical: unknown, place: KeyPlace): number {
    const number = this.#table.addKey();
    this.#numbers.set(canonical, number);
    this.#entries[number] = new JoinKey(key, place, number);
    this.#tell(number);
    return number;
  }

  #tell(number: number): void {
    const entry = this.#entries[number]!;
    this.#places.add(entry);
    this.#known[number] = entry.place;
  }

  #remove(entry: JoinKey): void {
    const { number } = entry;
    if (this.#known[number] !== undefined) this.#places.remove(entry);
    this.#known[number] = undefined;
    this.#entries[number] = undefined;
    this.#numbers.delete(canonicalKey(entry.key));
    this.#table.removeKey(number);
  }

  #renumber(from: number, to: number): void {
    const entry = this.#entries[from]!;
    entry.number = to;
    this.#entries[to] = entry;
    this.#known[to] = this.#known[from];
    this.#entries[from] = undefined;
    this.#known[from] = undefined;
    this.#numbers.set(canonicalKey(entry.key), to);
  }
}
