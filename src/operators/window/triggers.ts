/** The triggers that are there; public as the namespace `triggers`. */

import { type Duration, parseDuration } from '../../base/duration.ts';
import { MillraceError } from '../../base/errors.ts';
import { reducing, value } from '../../state/state.ts';
import type { ReducingDescriptor, ValueDescriptor } from '../../state/descriptors.ts';
import type { StateDeclaration } from '../process-context.ts';
import { windowStart } from './time-window.ts';
import { processingTimeout } from './timeout-trigger.ts';
import type { Trigger, TriggerResult } from './trigger.ts';

/** A trigger that does not look at records. */
export type AnyTrigger<S extends StateDeclaration = StateDeclaration> = Trigger<unknown, S>;

type NextFire = Readonly<Record<'nextFire', ReducingDescriptor<number>>>;

const NEXT_FIRE: NextFire = Object.freeze({
  nextFire: reducing((left: number, right: number) => Math.min(left, right)),
});

const EVENT_TIME = endOfEventTime();

/** One for all, so that it is known when it is met again. */
function eventTime(): AnyTrigger {
  return EVENT_TIME;
}

function endOfEventTime(): AnyTrigger {
  const trigger: AnyTrigger = {
    onElement: (_value, _timestamp, window, ctx) => {
      if (window.maxTimestamp <= ctx.currentWatermark()) return 'fire';
      ctx.registerEventTime(window.maxTimestamp);
      return 'continue';
    },
    onEventTime: (time, window) => (time === window.maxTimestamp ? 'fire' : 'continue'),
    onMerge: (window, ctx) => {
      if (window.maxTimestamp > ctx.currentWatermark()) ctx.registerEventTime(window.maxTimestamp);
    },
    clear: (window, ctx) => ctx.deleteEventTime(window.maxTimestamp),
  };
  return Object.freeze(trigger);
}

function processingTime(): AnyTrigger {
  const trigger: AnyTrigger = {
    onElement: (_value, _timestamp, window, ctx) => {
      ctx.registerProcessingTime(window.maxTimestamp);
      return 'continue';
    },
    onProcessingTime: () => 'fire',
    onMerge: (window, ctx) => {
      if (window.maxTimestamp > ctx.currentProcessingTime()) ctx.registerProcessingTime(window.maxTimestamp);
    },
    clear: (window, ctx) => ctx.deleteProcessingTime(window.maxTimestamp),
  };
  return Object.freeze(trigger);
}

function count(records: number): AnyTrigger<{ readonly count: ReducingDescriptor<number> }> {
  if (!Number.isSafeInteger(records) || records < 1) throw notACount(records);
  const trigger: AnyTrigger<{ readonly count: ReducingDescriptor<number> }> = {
    state: { count: reducing((left: number, right: number) => left + right) },
    onElement: (_value, _timestamp, _window, { state }) => {
      state.count.add(1);
      if (state.count.get()! < records) return 'continue';
      state.count.clear();
      return 'fire';
    },
    onMerge: (_window, ctx) => ctx.mergeState('count'),
    clear: (_window, { state }) => state.count.clear(),
  };
  return Object.freeze(trigger);
}

function continuousEventTime(interval: Duration): AnyTrigger<NextFire> {
  const intervalMs = intervalOf(interval);
  const trigger: AnyTrigger<NextFire> = {
    state: NEXT_FIRE,
    onElement: (_value, timestamp, window, ctx) => {
      if (window.maxTimestamp <= ctx.currentWatermark()) return 'fire';
      ctx.registerEventTime(window.maxTimestamp);
      if (ctx.state.nextFire.get() === undefined && timestamp !== undefined) {
        const next = Math.min(windowStart(timestamp, 0, intervalMs) + intervalMs, window.maxTimestamp);
        ctx.state.nextFire.add(next);
        ctx.registerEventTime(next);
      }
      return 'continue';
    },
    onEventTime: (time, window, ctx) => {
      if (time === window.maxTimestamp) return 'fire';
      if (ctx.state.nextFire.get() !== time) return 'continue';
      const next = Math.min(time + intervalMs, window.maxTimestamp);
      ctx.state.nextFire.clear();
      ctx.state.nextFire.add(next);
      ctx.registerEventTime(next);
      return 'fire';
    },
    onMerge: (window, ctx) => {
      ctx.mergeState('nextFire');
      ctx.registerEventTime(window.maxTimestamp);
      const next = ctx.state.nextFire.get();
      if (next !== undefined) ctx.registerEventTime(next);
    },
    clear: (window, ctx) => {
      const next = ctx.state.nextFire.get();
      if (next !== undefined) ctx.deleteEventTime(next);
      ctx.deleteEventTime(window.maxTimestamp);
      ctx.state.nextFire.clear();
    },
  };
  return Object.freeze(trigger);
}

function continuousProcessingTime(interval: Duration): AnyTrigger<NextFire> {
  const intervalMs = intervalOf(interval);
  const trigger: AnyTrigger<NextFire> = {
    state: NEXT_FIRE,
    onElement: (_value, _timestamp, window, ctx) => {
      if (ctx.state.nextFire.get() !== undefined) return 'continue';
      const now = ctx.currentProcessingTime();
      const next = Math.min(windowStart(now, 0, intervalMs) + intervalMs, window.maxTimestamp);
      ctx.state.nextFire.add(next);
      ctx.registerProcessingTime(next);
      return 'continue';
    },
    onProcessingTime: (time, window, ctx) => {
      if (ctx.state.nextFire.get() !== time) return 'continue';
      ctx.state.nextFire.clear();
      const next = Math.min(time + intervalMs, window.maxTimestamp);
      // A window of event time may outlive its end on the clock of the machine; it fires no more by this trigger.
      if (next <= time) return 'fire';
      ctx.state.nextFire.add(next);
      ctx.registerProcessingTime(next);
      return 'fire';
    },
    onMerge: (_window, ctx) => {
      ctx.mergeState('nextFire');
      const next = ctx.state.nextFire.get();
      if (next !== undefined) ctx.registerProcessingTime(next);
    },
    clear: (_window, ctx) => {
      const next = ctx.state.nextFire.get();
      if (next !== undefined) ctx.deleteProcessingTime(next);
      ctx.state.nextFire.clear();
    },
  };
  return Object.freeze(trigger);
}

type LastFired<T> = Readonly<Record<'last', ValueDescriptor<{ readonly value: T } | undefined>>>;

function delta<T>(threshold: number, distance: (last: T, value: T) => number): Trigger<T, LastFired<T>> {
  return Object.freeze({
    state: { last: value<{ readonly value: T } | undefined>(undefined) },
    onElement: (element, _timestamp, _window, { state }) => {
      const last = state.last.value();
      if (last !== undefined && !(distance(last.value, element) > threshold)) return 'continue';
      state.last.update({ value: element });
      return last === undefined ? 'continue' : 'fire';
    },
    clear: (_window, { state }) => state.last.clear(),
  } satisfies Trigger<T, LastFired<T>>);
}

function purging<T, S extends StateDeclaration>(nested: Trigger<T, S>): Trigger<T, S> {
  const trigger: Trigger<T, S> = {
    ...(nested.state === undefined ? {} : { state: nested.state }),
    onElement: (element, timestamp, window, ctx) => purged(nested.onElement(element, timestamp, window, ctx)),
    onEventTime: (time, window, ctx) => purged(nested.onEventTime?.(time, window, ctx)),
    onProcessingTime: (time, window, ctx) => purged(nested.onProcessingTime?.(time, window, ctx)),
    ...(nested.onMerge === undefined ? {} : { onMerge: (window, ctx) => nested.onMerge?.(window, ctx) }),
    clear: (window, ctx) => nested.clear?.(window, ctx),
  };
  return Object.freeze(trigger);
}

function never(): AnyTrigger {
  return Object.freeze({ onElement: (): TriggerResult => 'continue', onMerge: () => {} });
}

/**
 * When a window gives its results:
 *
 * - `eventTime`, `processingTime`: at its end, and for each record that comes later (the default of time windows);
 * - `count(n)`: at each n-th record;
 * - `continuousEventTime(interval)`, `continuousProcessingTime(interval)`: at each multiple of the interval and at the end;
 * - `delta(threshold, distance)`: when a record is farther than that from the one that fired last;
 * - `purging(trigger)`: when the other trigger says so, and then the records are dropped;
 * - `processingTimeout(trigger, timeout, { resetOnRecord, clearOnTimeout })`: when the other trigger says so, and when
 *   that time has passed on the clock of the machine since the first record (or since the last one);
 * - `never`: not at all (the default of `globalWindow()`).
 *
 * ```ts
 * export default job((env) => {
 *   env
 *     .fromData([{ car: 'a', speed: 90, meters: 0 }, { car: 'a', speed: 95, meters: 60 }])
 *     .keyBy('car')
 *     .window(globalWindow())
 *     .trigger(triggers.delta(50, (last, event) => event.meters - last.meters))
 *     .maxBy('speed', { uid: 'top speed each 50 m' })
 *     .print();
 * });
 * ```
 */
export const triggers = Object.freeze({
  eventTime,
  processingTime,
  count,
  continuousEventTime,
  continuousProcessingTime,
  delta,
  purging,
  processingTimeout,
  never,
});

function purged(result: TriggerResult = 'continue'): TriggerResult {
  return result === 'fire' ? 'fire-and-purge' : result;
}

function intervalOf(interval: Duration): number {
  const ms = parseDuration(interval, 'the interval of a trigger');
  if (ms > 0) return ms;
  throw new MillraceError(
    'WINDOW_INVALID',
    'the interval of a trigger is 0 ms: it must be longer than nothing',
  );
}

function notACount(records: number): MillraceError {
  return new MillraceError(
    'WINDOW_INVALID',
    `a window was to be counted in ${records} records: it must be a whole number above 0`,
  );
}
