/**
 * A windowed stream: collects the records of each key and window, and runs a function when a trigger fires.
 *
 * Owns nothing but its keyed state. Partners: the assigner (which windows), the trigger (when), the contents (what),
 * the function (what comes out). Contents are kept under the state window, all else under the window itself.
 *
 * W1 A window is there from its first record until its clean-up time; then nothing of it is left but its results.
 * W2 A record that came too late for all its windows goes to the late output, or is counted and dropped.
 * W3 Results carry the last timestamp of their window.
 * W4 A window that fires at its end and is forgotten then has one timer, from its first record on.
 * W5 When the firing at its clean-up time is given up (a poison policy), the window is forgotten all the same: nobody would
 *    come for it again.
 */

import { MillraceError } from '../../base/errors.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../base/time.ts';
import type { KeyedStateBackend, TimerDomain } from '../../state/backend.ts';
import { FunctionOperator } from '../function-operator.ts';
import type { OperatorContext, Output } from '../operator.ts';
import type { WindowAssigner } from './assigners.ts';
import type { Evictor } from './evictors.ts';
import { type Merge, MergingWindows } from './merging-windows.ts';
import { namespaceOfWindow, type TimeWindow, windowOfNamespace } from './time-window.ts';
import type { TriggerResult } from './trigger.ts';
import { type AnyTriggerOf, TriggerRunner } from './trigger-runner.ts';
import { triggers } from './triggers.ts';
import { windowContents, type WindowContents, type WindowFold } from './window-contents.ts';
import type { StateDeclaration } from '../process-context.ts';
import { type AnyWindowFunction, declaredState, emitAt, WindowFunctionContext } from './window-function.ts';

/** The counter of records that were too late for all their windows. */
export const LATE_RECORDS_DROPPED = 'numLateRecordsDropped';

/** All that is said about a windowed stream. */
export interface WindowDefinition<In> {
  readonly assigner: WindowAssigner<In>;
  readonly trigger: AnyTriggerOf<In>;
  readonly evictor: Evictor<In> | undefined;
  readonly allowedLatenessMs: number;
  /** The side output of late records; `undefined`: they are counted and dropped. */
  readonly lateTag: string | undefined;
  readonly fold: WindowFold<In>;
  /** `undefined`: results are what was folded. */
  readonly function: AnyWindowFunction | undefined;
}

/** One subtask of a windowed stream. */
export class WindowOperator<In> extends FunctionOperator<unknown> {
  readonly #definition: WindowDefinition<In>;
  #context!: OperatorContext;
  #keyed!: KeyedStateBackend;
  #output!: Output;
  #contents!: WindowContents<In>;
  #trigger!: TriggerRunner;
  #merging: MergingWindows | undefined;
  #assigner!: Pick<WindowAssigner<In>, 'assign'>;
  #function: WindowFunctionContext<unknown, unknown> | undefined;
  /** W4. */
  readonly #firesOnce: boolean;
  /** W5: what fires now and is to be forgotten then. */
  #closing: TimeWindow | undefined;

  constructor(definition: WindowDefinition<In>) {
    super(definition.function ?? {});
    const { assigner, trigger, allowedLatenessMs } = definition;
    this.#definition = definition;
    this.#firesOnce =
      assigner.time === 'event' && trigger === triggers.eventTime() && allowedLatenessMs === 0;
  }

  get declaredState(): StateDeclaration {
    return declaredState(this.#definition.function);
  }

  protected start(
    context: OperatorContext,
    local: unknown,
  ): WindowFunctionContext<unknown, unknown> | undefined {
    const { fold, evictor, trigger, assigner, function: windowFunction } = this.#definition;
    this.#context = context;
    this.#keyed = context.keyed;
    this.#output = context.output;
    const { uid, subtask } = context.info;
    const now = (): number => context.clock.now();
    this.#assigner = assigner.forSubtask?.({ uid, subtask, now }) ?? assigner;
    this.#contents = windowContents(context.keyed, fold, evictor);
    this.#trigger = new TriggerRunner(context, trigger.state);
    if (assigner.merging === true) this.#merging = new MergingWindows(context.keyed);
    if (windowFunction !== undefined) {
      this.#function = new WindowFunctionContext(context, windowFunction, local);
    }
    return this.#function;
  }

  record(_input: number, value: unknown, timestamp: number): void {
    const { assigner } = this.#definition;
    const isEventTime = assigner.time === 'event';
    if (isEventTime && timestamp === MIN_TIMESTAMP) throw noTimestamp(assigner.name);
    const windows = this.#assigner.assign(value as In, isEventTime ? timestamp : this.#context.clock.now());
    let isSkipped = true;
    for (const assigned of windows) {
      const window = this.#merging?.add(assigned, (merge) => this.#merge(merge)) ?? assigned;
      if (this.#isLate(window)) this.#merging?.retire(window);
      else {
        isSkipped = false;
        this.#add(window, value as In, timestamp);
      }
    }
    if (isSkipped && this.#isElementLate(timestamp)) this.#giveUp(value, timestamp);
  }

  timer(time: number, domain: TimerDomain): void {
    const { trigger, assigner } = this.#definition;
    const window = windowOfNamespace(this.#keyed.currentNamespace()!);
    // A window that was merged is gone; what its trigger has not deleted has nobody to call.
    if (this.#stateWindow(window) === undefined) return;
    const isLast = domain === assigner.time && time === this.#cleanupTime(window);
    this.#closing = isLast ? window : undefined;
    const result =
      domain === 'event'
        ? trigger.onEventTime?.(time, window, this.#trigger)
        : trigger.onProcessingTime?.(time, window, this.#trigger);
    this.#apply(result ?? 'continue', window);
    this.#closing = undefined;
    if (isLast) this.#forget(window);
  }

  // W5.
  override undo(): void {
    super.undo();
    const window = this.#closing;
    this.#closing = undefined;
    if (window !== undefined) this.#forget(window);
  }

  #add(window: TimeWindow, value: In, timestamp: number): void {
    const known = timestamp === MIN_TIMESTAMP ? undefined : timestamp;
    this.#moveTo(this.#stateWindow(window)!);
    const isHeld = this.#contents.add(value, known);
    if (isHeld && this.#firesOnce) return; // W4.
    this.#moveTo(window);
    this.#apply(this.#definition.trigger.onElement(value, known, window, this.#trigger), window);
    const cleanupTime = this.#cleanupTime(window);
    if (cleanupTime === MAX_TIMESTAMP) return;
    this.#moveTo(window);
    this.#keyed.timers.register(this.#definition.assigner.time, cleanupTime);
  }

  #apply(result: TriggerResult, window: TimeWindow): void {
    if (result === 'continue') return;
    this.#moveTo(this.#stateWindow(window)!);
    if (result !== 'purge') this.#fire(window);
    if (result !== 'fire') this.#contents.clear();
  }

  #fire(window: TimeWindow): void {
    const { currentWatermark, currentProcessingTime } = this.#trigger;
    this.#contents.fire({ window, currentWatermark, currentProcessingTime }, (values) => {
      const context = this.#function;
      context?.moveToWindow(window);
      const results =
        context === undefined ? values : this.#definition.function!.process(values as never[], context);
      emitAt(results, window.maxTimestamp, this.#output); // W3.
    });
  }

  #merge({ window, merged, stateWindow, stateWindows }: Merge): void {
    this.#trigger.merge(this.#definition.trigger as AnyTriggerOf<never>, window, merged);
    for (const each of merged) {
      this.#moveTo(each);
      this.#keyed.timers.delete(this.#definition.assigner.time, this.#cleanupTime(each));
    }
    this.#contents.merge(namespaceOfWindow(stateWindow), stateWindows.map(namespaceOfWindow));
  }

  // W1.
  #forget(window: TimeWindow): void {
    this.#moveTo(this.#stateWindow(window)!);
    this.#contents.clear();
    this.#moveTo(window);
    this.#definition.trigger.clear?.(window, this.#trigger);
    if (this.#function !== undefined) {
      this.#function.moveToWindow(window);
      this.#definition.function?.clear?.(this.#function);
    }
    this.#merging?.retire(window);
  }

  // W2.
  #giveUp(value: unknown, timestamp: number): void {
    const { lateTag } = this.#definition;
    if (lateTag === undefined) this.#context.count(LATE_RECORDS_DROPPED);
    else this.#output.side(lateTag, value, timestamp);
  }

  #stateWindow(window: TimeWindow): TimeWindow | undefined {
    return this.#merging === undefined ? window : this.#merging.stateWindow(window);
  }

  #moveTo(window: TimeWindow): void {
    this.#keyed.setCurrentNamespace(namespaceOfWindow(window));
  }

  /** `MAX_TIMESTAMP`: never. */
  #cleanupTime({ maxTimestamp }: TimeWindow): number {
    if (this.#definition.assigner.time === 'processing') return maxTimestamp;
    return Math.min(maxTimestamp + this.#definition.allowedLatenessMs, MAX_TIMESTAMP);
  }

  #isLate(window: TimeWindow): boolean {
    return (
      this.#definition.assigner.time === 'event' &&
      this.#cleanupTime(window) <= this.#context.currentWatermark()
    );
  }

  #isElementLate(timestamp: number): boolean {
    const { assigner, allowedLatenessMs } = this.#definition;
    return assigner.time === 'event' && timestamp + allowedLatenessMs <= this.#context.currentWatermark();
  }
}

/** A record of event time that has none. */
export function noTimestamp(assigner: string): MillraceError {
  return new MillraceError(
    'TIMESTAMP_MISSING',
    `a record without timestamp reached a ${assigner} window of event time`,
  );
}
