/**
 * The timers of one keyed operator: which there are, the entries of the keys know; a queue per domain knows when.
 *
 * T1 Timers fire in the order of time, then of key bytes and namespace, which timer-queue.ts keeps: the same before and
 *    after a restore (I-T1).
 * T2 Every change of the timers of a key passes `beforeEntryChange` first (G1 of key-group-state.ts).
 * T3 What an operator keeps in a form of its own is due in the same order of time; of equal times it comes last.
 */

import { assert } from '../../base/assert.ts';
import { keyHash } from '../../base/key-groups.ts';
import { MillraceError } from '../../base/errors.ts';
import type { KeyedTimers, TimerDomain } from '../backend.ts';
import type { OwnKeyedState } from '../own-state.ts';
import { canonicalKey } from './canonical-key.ts';
import type { KeyContext } from './key-context.ts';
import type { KeyEntry, KeyGroupState } from './key-group-state.ts';
import { keyOf, namespaceOf, type ScopedKey } from './scoped-key.ts';
import { TimerQueue } from './timer-queue.ts';

/** Timers whose keys live in the same backend. */
export class MemoryTimers implements KeyedTimers {
  readonly #context: KeyContext;
  readonly #event = new TimerQueue('event');
  readonly #processing = new TimerQueue('processing');

  /** T3. */
  #own: OwnKeyedState | undefined;

  constructor(context: KeyContext) {
    this.#context = context;
  }

  // Hot path: once per timer; a second registration costs a comparison or two.
  register(domain: TimerDomain, time: number): void {
    const context = this.#context;
    const known = context.entryOfScope();
    if (!Number.isSafeInteger(time)) throw this.#invalid(time);
    if (known?.times(domain)?.isLive(time) === true) return;
    const entry = context.entryOfScopeForChange();
    entry.group.beforeEntryChange(entry);
    // -0 would make another timer of the same time once it is bytes.
    this.#queue(domain).add(entry, time === 0 ? 0 : time);
    const { journal } = context;
    if (journal !== undefined) journal.add(() => this.#queue(domain).delete(entry, time));
  }

  delete(domain: TimerDomain, time: number): void {
    const entry = this.#context.entryOfScope();
    if (entry?.times(domain)?.isLive(time) !== true) return;
    entry.group.beforeEntryChange(entry);
    this.#queue(domain).delete(entry, time);
    const { journal } = this.#context;
    if (journal !== undefined) journal.add(() => this.#queue(domain).add(entry, time));
  }

  next(domain: TimerDomain): number | undefined {
    const time = this.#queue(domain).next();
    const own = this.#own?.domain === domain ? this.#own.next() : undefined;
    return own === undefined || (time !== undefined && time <= own) ? time : own;
  }

  poll(domain: TimerDomain, upTo: number): number | undefined {
    const queue = this.#queue(domain);
    const time = queue.next();
    const own = this.#own;
    if (own?.domain === domain) {
      const ownTime = own.next();
      if (ownTime !== undefined && ownTime <= upTo && (time === undefined || ownTime < time)) {
        this.#enter(own);
        return ownTime;
      }
    }
    if (time === undefined || time > upTo) return undefined;
    const entry = queue.first(time);
    entry.group.beforeEntryChange(entry);
    this.#context.setEntry(entry);
    queue.takeFirst(entry, time);
    const { journal } = this.#context;
    if (journal !== undefined) journal.add(() => queue.add(entry, time));
    return time;
  }

  /** Those that were registered; what an operator keeps in a form of its own is not counted among them. */
  size(domain: TimerDomain): number {
    return this.#queue(domain).size;
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
      for (const entry of place.entries.values()) this.#handOver(own, entry);
    }
  }

  #handOver(own: OwnKeyedState, entry: KeyEntry): void {
    const times: number[] = [];
    entry.times(own.domain)?.visit((time) => times.push(time));
    const owner = { key: keyOf(entry.key), namespace: namespaceOf(entry.key), place: entry.group };
    for (const time of times) if (own.restoreTimer(time, owner)) this.#queue(own.domain).delete(entry, time);
  }

  /** Adds a timer of a snapshot, which holds each once. */
  restore(domain: TimerDomain, time: number, key: ScopedKey, group: KeyGroupState): void {
    const isNew = this.#queue(domain).add(group.entryOf(key), time);
    assert(isNew, 'a snapshot holds a timer once');
  }

  #queue(domain: TimerDomain): TimerQueue {
    return domain === 'event' ? this.#event : this.#processing;
  }

  #invalid(time: number): MillraceError {
    return new MillraceError('TIMER_TIME_INVALID', `a timer was registered for ${String(time)}`, {
      where: { uid: this.#context.operatorUid },
    });
  }
}
