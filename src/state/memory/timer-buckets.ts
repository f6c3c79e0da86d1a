/**
 * The timers of one domain by their times: those of one time together, so that they are found by it, and sorted only when
 * that time has come.
 *
 * ```
 * time ─▶ timer                    alone at its time
 *      ─▶ bucket ─▶ key ─▶ timer   several
 * heap of times
 * ```
 *
 * B1 The heap holds every time that has timers. It may hold times that have none any more, at most as many as have some
 *    and {@link STALE_MAX}.
 * B2 A timer that is gone has no position: a bucket that is worked off may still hold it, and passes it over.
 * B3 While a bucket is worked off, its timers are in order from `next` on; one that is added goes where it belongs.
 */

import { sortBySomeKey } from '../../base/key-order.ts';
import { TimeHeap } from '../../base/time-heap.ts';
import type { Timer } from './key-group-state.ts';
import { compareScopedKeys } from './scoped-key.ts';

/** Times that have no timers any more and may be in the heap, besides as many as have some. */
const STALE_MAX = 1_024;
/** A map holds some 2^24 entries; so many of them are asked for a time by its low bits. */
const SHARDS = 16;

class TimerBucket {
  readonly byKey = new Map<unknown, Timer>();
  live = 0;
  /** B3; `undefined` until its time has come. */
  sorted: Timer[] | undefined = undefined;
  next = 0;

  constructor(first: Timer) {
    this.add(first);
  }

  add(timer: Timer): void {
    this.byKey.set(timer.canonical, timer);
    this.live++;
    const { sorted } = this;
    if (sorted === undefined) return;
    let index = this.next;
    while (index < sorted.length && compareTimers(sorted[index]!, timer) < 0) index++;
    sorted.splice(index, 0, timer);
  }

  /** The first timer in order; there is one. */
  first(): Timer {
    // Nothing in it is gone before it is worked off.
    this.sorted ??= sortBySomeKey([...this.byKey.values()], compareTimers);
    let timer = this.sorted[this.next]!;
    while (!isLive(timer)) timer = this.sorted[++this.next]!;
    return timer;
  }
}

/** See the head of the file. */
export class TimerBuckets {
  readonly #shards = Array.from({ length: SHARDS }, () => new Map<number, Timer | TimerBucket>());
  #times = new TimeHeap<undefined>();
  /** Times that have timers. */
  #held = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  find(canonical: unknown, time: number): Timer | undefined {
    const held = this.#shard(time).get(time);
    if (held === undefined) return undefined;
    if (!(held instanceof TimerBucket)) return Object.is(held.canonical, canonical) ? held : undefined;
    const timer = held.byKey.get(canonical);
    return timer !== undefined && isLive(timer) ? timer : undefined;
  }

  /** Adds a timer that `find` does not find, and that has a position. */
  add(timer: Timer): void {
    const { time } = timer;
    const shard = this.#shard(time);
    const held = shard.get(time);
    this.#size++;
    if (held instanceof TimerBucket) held.add(timer);
    else if (held === undefined) {
      shard.set(time, timer);
      this.#held++;
      this.#times.push(time, undefined);
      if (this.#times.size > 2 * this.#held + STALE_MAX) this.#dropStale();
    } else {
      const bucket = new TimerBucket(held);
      bucket.add(timer);
      shard.set(time, bucket);
    }
  }

  /** Removes a timer that was added; it has no position any more. */
  remove({ time, canonical }: Timer): void {
    const shard = this.#shard(time);
    const held = shard.get(time)!;
    this.#size--;
    if (held instanceof TimerBucket && --held.live > 0) {
      if (held.sorted === undefined) held.byKey.delete(canonical);
      return;
    }
    shard.delete(time);
    this.#held--;
  }

  /** The earliest time. */
  next(): number | undefined {
    for (let time = this.#times.peek(); time !== undefined; time = this.#times.peek()) {
      if (this.#shard(time).has(time)) return time;
      this.#times.pop();
    }
    return undefined;
  }

  /** The first timer of a time that `next` gave. */
  first(time: number): Timer {
    const held = this.#shard(time).get(time)!;
    return held instanceof TimerBucket ? held.first() : held;
  }

  #shard(time: number): Map<number, Timer | TimerBucket> {
    return this.#shards[time & (SHARDS - 1)]!;
  }

  // B1.
  #dropStale(): void {
    this.#times = new TimeHeap();
    for (const shard of this.#shards) for (const time of shard.keys()) this.#times.push(time, undefined);
  }
}

function isLive({ position }: Timer): boolean {
  return position >= 0;
}

function compareTimers(left: Timer, right: Timer): number {
  return compareScopedKeys(left.key, right.key);
}
