/**
 * The timers of one keyed operator: a queue per domain over all its key groups, an index per key group.
 *
 * T1 A timer is in the queue of its domain exactly when it is in the index of its key group.
 * T2 Timers fire in the order of time, then of key bytes: the same before and after a restore (I-T1).
 */

import { compareKeys, type Key } from '../../base/key-groups.ts';
import { MillraceError } from '../../base/errors.ts';
import { PriorityQueue } from '../../base/priority-queue.ts';
import type { KeyedTimers, TimerDomain } from '../backend.ts';
import { canonicalKey } from './canonical-key.ts';
import type { KeyContext } from './key-context.ts';
import type { KeyGroupState } from './key-group-state.ts';
import type { Timer, TimerIndex } from './timer-index.ts';

/** Timers whose keys live in the same backend. */
export class MemoryTimers implements KeyedTimers {
  readonly #context: KeyContext;
  readonly #queues: Readonly<Record<TimerDomain, PriorityQueue<Timer>>> = {
    event: new PriorityQueue(compareTimers),
    processing: new PriorityQueue(compareTimers),
  };

  constructor(context: KeyContext) {
    this.#context = context;
  }

  register(domain: TimerDomain, time: number): void {
    const group = this.#context.requireGroup();
    if (!Number.isSafeInteger(time)) throw this.#invalid(time);
    const { key, canonical, journal } = this.#context;
    if (indexOf(group, domain).find(canonical, time) !== undefined) return;
    group.beforeChange();
    // -0 would make another timer of the same time once it is bytes.
    const timer: Timer = { time: time === 0 ? 0 : time, key: key!, canonical, group };
    this.#add(domain, timer);
    if (journal !== undefined) journal.add(() => this.#remove(domain, timer));
  }

  delete(domain: TimerDomain, time: number): void {
    const group = this.#context.requireGroup();
    const entry = indexOf(group, domain).find(this.#context.canonical, time);
    if (entry !== undefined) this.#take(domain, entry.value);
  }

  next(domain: TimerDomain): number | undefined {
    return this.#queues[domain].peek()?.time;
  }

  poll(domain: TimerDomain, upTo: number): number | undefined {
    const timer = this.#queues[domain].peek();
    if (timer === undefined || timer.time > upTo) return undefined;
    this.#take(domain, timer);
    this.#context.set(timer.key, timer.canonical, timer.group);
    return timer.time;
  }

  size(domain: TimerDomain): number {
    return this.#queues[domain].size;
  }

  /** Adds a timer of a snapshot; false when it is there already. */
  restore(domain: TimerDomain, time: number, key: Key, group: KeyGroupState): boolean {
    const canonical = canonicalKey(key);
    if (indexOf(group, domain).find(canonical, time) !== undefined) return false;
    this.#add(domain, { time, key, canonical, group });
    return true;
  }

  #take(domain: TimerDomain, timer: Timer): void {
    timer.group.beforeChange();
    this.#remove(domain, timer);
    const { journal } = this.#context;
    if (journal !== undefined) journal.add(() => this.#add(domain, timer));
  }

  // T1: these two are the only ones that touch queue or index.
  #add(domain: TimerDomain, timer: Timer): void {
    indexOf(timer.group, domain).add(this.#queues[domain].push(timer));
  }

  #remove(domain: TimerDomain, timer: Timer): void {
    const index = indexOf(timer.group, domain);
    const entry = index.find(timer.canonical, timer.time)!;
    this.#queues[domain].remove(entry);
    index.remove(timer);
  }

  #invalid(time: number): MillraceError {
    return new MillraceError('TIMER_TIME_INVALID', `a timer was registered for ${String(time)}`, {
      where: { uid: this.#context.operatorUid },
    });
  }
}

function indexOf(group: KeyGroupState, domain: TimerDomain): TimerIndex {
  return domain === 'event' ? group.eventTimers : group.processingTimers;
}

// T2
function compareTimers(left: Timer, right: Timer): number {
  return left.time - right.time || compareKeys(left.key, right.key);
}
