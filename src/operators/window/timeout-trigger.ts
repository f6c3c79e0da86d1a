/** A trigger that fires when another one does, or when a while of processing time has passed. */

import { type Duration, parseDuration } from '../../base/duration.ts';
import type { StateHandles, ValueDescriptor, ValueState } from '../../state/descriptors.ts';
import { value } from '../../state/state.ts';
import type { StateDeclaration } from '../process-context.ts';
import type { TimeWindow } from './time-window.ts';
import type { Trigger, TriggerContext, TriggerResult } from './trigger.ts';

type Timeout = Readonly<Record<'timeoutAt', ValueDescriptor<number | undefined>>>;

const TIMEOUT: Timeout = Object.freeze({ timeoutAt: value<number | undefined>(undefined) });

/** How a timeout counts. */
export interface TimeoutOptions {
  /** Each record starts the timeout anew; default: it counts from the first record, and from the first after it was over. */
  readonly resetOnRecord?: boolean | undefined;
  /** The other trigger begins anew as well when the timeout is over; default true. */
  readonly clearOnTimeout?: boolean | undefined;
}

/** Public as `triggers.processingTimeout`. */
export function processingTimeout<T, S extends StateDeclaration>(
  nested: Trigger<T, S>,
  timeout: Duration,
  { resetOnRecord = false, clearOnTimeout = true }: TimeoutOptions = {},
): Trigger<T, S & Timeout> {
  const timeoutMs = parseDuration(timeout, 'the timeout of a trigger');
  const clear: NonNullable<Trigger<T, S & Timeout>['clear']> = (window, ctx) => {
    stopTimeout(ctx);
    nested.clear?.(window, ctx as TriggerContext<S>);
  };
  const cleared = (result: TriggerResult, window: TimeWindow, ctx: TriggerContext<S & Timeout>) => {
    if (result === 'purge' || result === 'fire-and-purge') clear(window, ctx);
    return result;
  };
  return Object.freeze({
    state: { ...nested.state, ...TIMEOUT } as S & Timeout,
    onElement(element, timestamp, window, ctx) {
      const result = nested.onElement(element, timestamp, window, ctx as TriggerContext<S>);
      if (result === 'purge' || result === 'fire-and-purge') return cleared(result, window, ctx);
      if (resetOnRecord) stopTimeout(ctx);
      startTimeout(ctx, timeoutMs);
      return result;
    },
    onEventTime: (time, window, ctx) =>
      cleared(nested.onEventTime?.(time, window, ctx as TriggerContext<S>) ?? 'continue', window, ctx),
    onProcessingTime(time, window, ctx) {
      const isOver = time === timeoutOf(ctx).value();
      const result = nested.onProcessingTime?.(time, window, ctx as TriggerContext<S>) ?? 'continue';
      if (!isOver) return cleared(result, window, ctx);
      stopTimeout(ctx);
      if (clearOnTimeout) nested.clear?.(window, ctx as TriggerContext<S>);
      return result === 'purge' || result === 'fire-and-purge' ? 'fire-and-purge' : 'fire';
    },
    clear,
  } satisfies Trigger<T, S & Timeout>);
}

function timeoutOf<S>(ctx: TriggerContext<S & Timeout>): ValueState<number | undefined> {
  return (ctx.state as StateHandles<Timeout>).timeoutAt;
}

function startTimeout<S>(ctx: TriggerContext<S & Timeout>, timeoutMs: number): void {
  const timeout = timeoutOf(ctx);
  if (timeout.value() !== undefined) return;
  const at = ctx.currentProcessingTime() + timeoutMs;
  timeout.update(at);
  ctx.registerProcessingTime(at);
}

function stopTimeout<S>(ctx: TriggerContext<S & Timeout>): void {
  const timeout = timeoutOf(ctx);
  const at = timeout.value();
  if (at !== undefined) ctx.deleteProcessingTime(at);
  timeout.clear();
}
