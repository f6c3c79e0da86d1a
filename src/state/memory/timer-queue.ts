/**
 * The timers of one domain in the order of time, then of key: a 4-ary heap.
 *
 * Times stand apart from the timers, so that a comparison reads one array and follows no reference unless
 * times are equal; with several hundred thousand timers that is what a poll waits for. Not `PriorityQueue`
 * of base, which knows nothing about times, for this reason only.
 */

import type { Timer } from './key-group-state.ts';
import { compareScopedKeys } from './scoped-key.ts';

const ARITY = 4;

/** Gives the earliest timer first; any timer can be taken out. */
export class TimerQueue {
  readonly #timers: Timer[] = [];
  readonly #times: number[] = [];

  get size(): number {
    return this.#timers.length;
  }

  /** The earliest timer, which stays. */
  peek(): Timer | undefined {
    return this.#timers[0];
  }

  push(timer: Timer): void {
    const last = this.#timers.length;
    this.#timers.push(timer);
    this.#times.push(timer.time);
    this.#moveUp(timer, last);
  }

  /** Takes out a timer that is in the queue. */
  remove(timer: Timer): void {
    const hole = timer.position;
    const last = this.#timers.pop()!;
    this.#times.pop();
    if (last === timer) return;
    const stands = this.#moveUp(last, hole);
    if (stands === hole) this.#moveDown(last, hole);
  }

  // Fills the hole at `position`, or one further up; returns where.
  #moveUp(timer: Timer, position: number): number {
    let hole = position;
    while (hole > 0) {
      const parent = (hole - 1) >> 2;
      if (!this.#isBefore(timer, parent)) break;
      this.#place(this.#timers[parent]!, hole);
      hole = parent;
    }
    this.#place(timer, hole);
    return hole;
  }

  #moveDown(timer: Timer, position: number): void {
    let hole = position;
    for (;;) {
      const child = this.#earliestChild(hole);
      if (child < 0 || this.#isBefore(timer, child)) break;
      this.#place(this.#timers[child]!, hole);
      hole = child;
    }
    this.#place(timer, hole);
  }

  #earliestChild(position: number): number {
    const first = position * ARITY + 1;
    const end = Math.min(first + ARITY, this.#timers.length);
    let earliest = first < end ? first : -1;
    for (let child = first + 1; child < end; child++) {
      const time = this.#times[child]!;
      const best = this.#times[earliest]!;
      if (time < best || (time === best && this.#isBefore(this.#timers[child]!, earliest))) earliest = child;
    }
    return earliest;
  }

  #isBefore(timer: Timer, position: number): boolean {
    const time = this.#times[position]!;
    if (timer.time !== time) return timer.time < time;
    return compareScopedKeys(timer.key, this.#timers[position]!.key) < 0;
  }

  #place(timer: Timer, position: number): void {
    this.#timers[position] = timer;
    this.#times[position] = timer.time;
    timer.position = position;
  }
}
