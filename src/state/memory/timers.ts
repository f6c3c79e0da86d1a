/**
 * The timers of one keyed operator: buckets per domain over all its key groups, a list per key group.
 *
 * T1 A timer is in the buckets of its domain exactly when it is in the list of its key group, and then it has a position.
 * T2 Timers fire in the order of time, then of key bytes and namespace, which timer-buckets.ts keeps: the same before and
 *    after a restore (I-T1).
 * T3 What an operator keeps in a form of its own is due in the same order of time; of equal times it comes last.
 */

import { assert } from '../../base/assert.ts';
import { keyHash } from '../../base/key-groups.ts';
import { MillraceError } from '../../base/errors.ts';
import type { KeyedTimers, TimerDomain } from '../backend.ts';
import type { OwnKeyedState } from '../own-state.ts';
import { canonicalKey } from './canonical-key.ts';
import type { KeyContext } from './key-context.ts';
import type { KeyGroupState, Timer } from './key-group-state.ts';
import { canonicalScopedKey, keyOf, namespaceOf, type ScopedKey } from './scoped-key.ts';
import { TimerBuckets } from './timer-buckets.ts';

/** Timers whose keys live in the same backend. */
export class MemoryTimers implements KeyedTimers {
  readonly #context: KeyContext;
  readonly #event = new TimerBuckets();
  readonly #processing = new TimerBuckets();

  /** T3. */
  #own: OwnKeyedState | undefined;

  constructor(context: KeyContext) {
    this.#context = context;
  }

  register(domain: TimerDomain, time: number): void {
    const group = this.#context.requireGroup();
    if (!Number.isSafeInteger(time)) throw this.#invalid(time);
    const { scoped, scopedCanonical: canonical, journal } = this.#context;
    if (this.#buckets(domain).find(canonical, time) !== undefined) return;
    group.beforeTimerChange();
    // -0 would make another timer of the same time once it is bytes.
    const timer: Timer = { time: time === 0 ? 0 : time, key: scoped!, canonical, group, position: -1 };
    this.#add(domain, timer);
    if (journal !== undefined) journal.add(() => this.#remove(domain, timer));
  }

  delete(domain: TimerDomain, time: number): void {
    this.#context.requireGroup();
    const timer = this.#buckets(domain).find(this.#context.scopedCanonical, time);
    if (timer !== undefined) this.#take(domain, timer);
  }

  next(domain: TimerDomain): number | undefined {
    const time = this.#buckets(domain).next();
    const own = this.#own?.domain === domain ? this.#own.next() : undefined;
    return own === undefined || (time !== undefined && time <= own) ? time : own;
  }

  poll(domain: TimerDomain, upTo: number): number | undefined {
    const buckets = this.#buckets(domain);
    const time = buckets.next();
    const own = this.#own;
    if (own?.domain === domain) {
      const ownTime = own.next();
      if (ownTime !== undefined && ownTime <= upTo && (time === undefined || ownTime < time)) {
        this.#enter(own);
        return ownTime;
      }
    }
    if (time === undefined || time > upTo) return undefined;
    const timer = buckets.first(time);
    this.#take(domain, timer);
    this.#context.setScoped(timer.key, timer.canonical, timer.group);
    return time;
  }

  /** Those that were registered; what an operator keeps in a form of its own is not counted among them. */
  size(domain: TimerDomain): number {
    return this.#buckets(domain).size;
  }

  #enter(own: OwnKeyedState): void {
    const { key, place } = own.take();
    this.#context.set(key, canonicalKey(key), keyHash(key), place as KeyGroupState);
  }

  /** T3: hands over what of the restored timers is its own. */
  attach(own: OwnKeyedState, groups: readonly (KeyGroupState | undefined)[]): void {
    this.#own = own;
    for (const place of groups) {
      if (place === undefined) continue;
      for (const timer of [...timersOf(place, own.domain)]) {
        const owner = { key: keyOf(timer.key), namespace: namespaceOf(timer.key), place };
        if (own.restoreTimer(timer.time, owner)) this.#remove(own.domain, timer);
      }
    }
  }

  /** Adds a timer of a snapshot, which holds each once. */
  restore(domain: TimerDomain, time: number, key: ScopedKey, group: KeyGroupState): void {
    const canonical = canonicalScopedKey(key);
    const isNew = this.#buckets(domain).find(canonical, time) === undefined;
    assert(isNew, 'T1: a snapshot holds a timer once');
    this.#add(domain, { time, key, canonical, group, position: -1 });
  }

  #take(domain: TimerDomain, timer: Timer): void {
    timer.group.beforeTimerChange();
    this.#remove(domain, timer);
    const { journal } = this.#context;
    if (journal !== undefined) journal.add(() => this.#add(domain, timer));
  }

  // T1: these two are the only ones that touch buckets or lists.
  #add(domain: TimerDomain, timer: Timer): void {
    const timers = timersOf(timer.group, domain);
    timer.position = timers.length;
    timers.push(timer);
    this.#buckets(domain).add(timer);
  }

  #remove(domain: TimerDomain, timer: Timer): void {
    const timers = timersOf(timer.group, domain);
    const last = timers.pop()!;
    if (last !== timer) {
      timers[timer.position] = last;
      last.position = timer.position;
    }
    timer.position = -1;
    this.#buckets(domain).remove(timer);
  }

  #buckets(domain: TimerDomain): TimerBuckets {
    return domain === 'event' ? this.#event : this.#processing;
  }

  #invalid(time: number): MillraceError {
    return new MillraceError('TIMER_TIME_INVALID', `a timer was registered for ${String(time)}`, {
      where: { uid: this.#context.operatorUid },
    });
  }
}

function timersOf(group: KeyGroupState, domain: TimerDomain): Timer[] {
  return domain === 'event' ? group.eventTimers : group.processingTimers;
}
