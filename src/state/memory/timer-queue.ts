/**
 * In which order the timers of one domain come: those of one time together, sorted only when that time has come.
 *
 * ```
 * heap of times ─▶ entry of a key                  a timer alone, as far as is known
 *               ─▶ bucket ─▶ entries of keys       several of one time
 * ```
 *
 * What is registered, the entries of the keys know (key-times.ts); here is only when to ask them.
 *
 * Q1 For each time of a key, deleted or not, there is one reference here: in the heap, in a bucket of it, or in a level.
 *    Which have been deleted shows when they come, or when too many have been.
 * Q2 A time may have several places in the heap: which bucket takes it is remembered for the last times only, so that
 *    nothing has to be looked up for a time that no other timer has.
 * Q3 A level is a time that is being worked off: it has all references of that time, from `next` on in the order of their
 *    keys. The last level is the earliest: one that was registered behind event time goes before those at work.
 * Q4 The memory of the next entries of a level, which may lie anywhere, is asked for before the first of them fires, so that
 *    the waits pass at the same time. Nothing is decided by what was read ahead.
 */

import { assert } from '../../base/assert.ts';
import { sortBySomeKey } from '../../base/key-order.ts';
import { TimeHeap } from '../../base/time-heap.ts';
import type { TimerDomain } from '../timer-domain.ts';
import type { KeyEntry } from './key-group-state.ts';
import { compareScopedKeys } from './scoped-key.ts';

/** Deleted timers that may be queued, besides as many as are registered. */
const DELETED_MAX = 1_024;
/** Times whose buckets are remembered (Q2); a power of two. */
const RECENT = 256;
/** Q4: so many entries at a time. */
const AHEAD = 16;

/** Several timers of one time, in no order. */
class TimerBucket {
  readonly entries: KeyEntry[] = [];
}

interface Level {
  readonly time: number;
  entries: KeyEntry[];
  next: number;
  /** Q4: so far memory was asked for. */
  touched: number;
}

/** See the head of the file. */
export class TimerQueue {
  readonly #domain: TimerDomain;
  #heap = new TimeHeap<KeyEntry | TimerBucket>();
  readonly #recentTimes = new Float64Array(RECENT).fill(Number.NaN);
  readonly #recentBuckets: (TimerBucket | undefined)[] = new Array<TimerBucket | undefined>(RECENT).fill(
    undefined,
  );
  readonly #levels: Level[] = [];
  /** What `first` gave was in no level, and is in the heap no more. */
  #isAlone = false;
  /** What was read ahead: a reading whose result nobody gets could be left out by the engine. */
  touched = 0;
  #live = 0;
  #deleted = 0;

  constructor(domain: TimerDomain) {
    this.#domain = domain;
  }

  /** Registered timers. */
  get size(): number {
    return this.#live;
  }

  /** Registers a timer; false when it is registered already. Hot path: once per timer. */
  add(entry: KeyEntry, time: number): boolean {
    const times = entry.timesFor(this.#domain);
    const state = times.state(time);
    if (state === 'live') return false;
    this.#live++;
    entry.timerAdded();
    if (state === 'none') {
      times.add(time);
      this.#push(entry, time);
      return true;
    }
    this.#deleted--;
    times.revive(time);
    return true;
  }

  /** Deletes a timer that is registered. */
  delete(entry: KeyEntry, time: number): void {
    entry.timesFor(this.#domain).delete(time);
    this.#live--;
    entry.timerRemoved();
    this.#deleted++;
    if (this.#deleted > this.#live + DELETED_MAX) this.#dropDeleted();
  }

  /** The earliest time. */
  next(): number | undefined {
    const level = this.#level();
    const time = this.#firstOfHeap();
    if (level === undefined) return time;
    return time !== undefined && time < level.time ? time : level.time;
  }

  /** Whose timer of the time that `next` gave comes first; it stays registered, and `takeFirst` follows. */
  first(time: number): KeyEntry {
    const level = this.#levels.at(-1);
    if (level?.time === time) {
      this.#touchAhead(level);
      return level.entries[level.next]!;
    }
    const heap = this.#heap;
    const entries: KeyEntry[] = [];
    if (!(heap.first instanceof TimerBucket)) {
      const entry = heap.first!;
      heap.pop();
      if (heap.peek() !== time) {
        // Alone at its time: nothing is to be sorted.
        this.#isAlone = true;
        return entry;
      }
      entries.push(entry);
    }
    const opened = this.#open(time, entries);
    this.#levels.push(opened);
    return opened.entries[opened.next]!;
  }

  /** Q4. Hot path: once per timer, the loops for some of them. */
  #touchAhead(level: Level): void {
    const { entries, next } = level;
    if (next < level.touched) return;
    const end = Math.min(next + AHEAD, entries.length);
    level.touched = end;
    let touched = 0;
    for (let index = next; index < end; index++) touched ^= entries[index]!.touch(this.#domain);
    for (let index = next; index < end; index++) touched ^= entries[index]!.touchFurther(this.#domain);
    this.touched = touched;
  }

  /** Takes out the timer that `first` gave. */
  takeFirst(entry: KeyEntry, time: number): void {
    if (this.#isAlone) this.#isAlone = false;
    else this.#levels.at(-1)!.next++;
    entry.timesFor(this.#domain).take(time);
    this.#live--;
    entry.timerRemoved();
  }

  // Q1, Q2.
  #push(entry: KeyEntry, time: number): void {
    if (this.#levels.length > 0 && this.#intoLevel(entry, time)) return;
    const index = recentIndex(time);
    if (this.#recentTimes[index] !== time) {
      this.#recentTimes[index] = time;
      this.#recentBuckets[index] = undefined;
      this.#heap.push(time, entry);
      return;
    }
    let bucket = this.#recentBuckets[index];
    if (bucket === undefined) {
      bucket = new TimerBucket();
      this.#recentBuckets[index] = bucket;
      this.#heap.push(time, bucket);
    }
    bucket.entries.push(entry);
  }

  /** Q3. */
  #intoLevel(entry: KeyEntry, time: number): boolean {
    const level = this.#levels.find((each) => each.time === time);
    if (level === undefined) return false;
    const { entries } = level;
    let [from, to] = [level.next, entries.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (compareScopedKeys(entries[middle]!.key, entry.key) < 0) from = middle + 1;
      else to = middle;
    }
    // That of the key that has just fired needs nothing moved.
    if (from === level.next && from > 0) entries[--level.next] = entry;
    else entries.splice(from, 0, entry);
    return true;
  }

  /** The level at work, with a live timer at its `next`. */
  #level(): Level | undefined {
    for (let level = this.#levels.at(-1); level !== undefined; level = this.#levels.at(-1)) {
      const { entries, time } = level;
      while (level.next < entries.length) {
        if (this.#deleted === 0 || !this.#drops(entries[level.next]!, time)) return level;
        level.next++;
      }
      this.#levels.pop();
    }
    return undefined;
  }

  #firstOfHeap(): number | undefined {
    const heap = this.#heap;
    for (let time = heap.peek(); time !== undefined; time = heap.peek()) {
      if (this.#deleted === 0) return time;
      const first = heap.first!;
      if (first instanceof TimerBucket) {
        const { entries } = first;
        while (entries.length > 0 && this.#drops(entries.at(-1)!, time)) entries.pop();
        if (entries.length > 0) return time;
        this.#forget(time);
      } else if (!this.#drops(first, time)) return time;
      heap.pop();
    }
    return undefined;
  }

  /** Q1: what was deleted is gone with its reference. */
  #drops(entry: KeyEntry, time: number): boolean {
    const times = entry.timesFor(this.#domain);
    if (times.isLive(time)) return false;
    times.take(time);
    this.#deleted--;
    return true;
  }

  /** Q3: all of a time that the heap has, and those that are taken out of it already. */
  #open(time: number, first: KeyEntry[]): Level {
    const heap = this.#heap;
    let entries = first;
    while (heap.peek() === time) {
      const taken = heap.pop()!;
      if (!(taken instanceof TimerBucket)) entries.push(taken);
      else if (entries.length < taken.entries.length) {
        for (const entry of entries) taken.entries.push(entry);
        entries = taken.entries;
      } else for (const entry of taken.entries) entries.push(entry);
    }
    this.#forget(time);
    const left = this.#deleted === 0 ? entries : entries.filter((entry) => !this.#drops(entry, time));
    assert(left.length > 0, 'next gives times that have timers');
    return {
      time,
      entries: sortBySomeKey(left, (one, other) => compareScopedKeys(one.key, other.key)),
      next: 0,
      touched: 0,
    };
  }

  /** The buckets of this time are not in the heap any more. */
  #forget(time: number): void {
    const index = recentIndex(time);
    if (this.#recentTimes[index] !== time) return;
    this.#recentTimes[index] = Number.NaN;
    this.#recentBuckets[index] = undefined;
  }

  /** Q1. Levels have theirs dropped as they come. */
  #dropDeleted(): void {
    const before = this.#heap;
    this.#heap = new TimeHeap();
    this.#recentTimes.fill(Number.NaN);
    this.#recentBuckets.fill(undefined);
    before.visit((time, held) => {
      if (!(held instanceof TimerBucket)) {
        if (!this.#drops(held, time)) this.#push(held, time);
      } else for (const entry of held.entries) if (!this.#drops(entry, time)) this.#push(entry, time);
    });
    for (const level of this.#levels) {
      level.entries = level.entries.filter(
        (entry, index) => index >= level.next && !this.#drops(entry, level.time),
      );
      level.next = level.touched = 0;
    }
  }
}

function recentIndex(time: number): number {
  return (Math.imul(time | 0, 0x9e3779b9) >>> 16) & (RECENT - 1);
}
