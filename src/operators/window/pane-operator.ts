/**
 * Sliding windows of event time that share what they have in common: a record is added to one pane, and a window is put
 * together from its panes.
 *
 * ```
 * windows  [----------)          panes are cut where a window begins or ends, so that each lies in a window whole
 *             [----------)       or not at all; a record costs one addition however many windows it is in
 *                [----------)
 * panes    |--|--|--||--|--|     (here size is no multiple of slide)
 *
 * state `contents`   start of pane -> true, for each key: which panes there are
 * state `pane`       accumulator, for each key and start of a pane
 * timer              for each key the next window: at its last timestamp, under the window
 * ```
 *
 * Partners: LivePanes, one for each key that has panes; panes.ts says what it holds and how it is made again.
 * It gives what window-operator.ts gives with the default trigger, no evictor and no lateness:
 *
 * P1 A record is added to its pane when one of its windows is not over; else it is late.
 * P2 A pane has a timer for the first of its windows that is not over, and when that fires, for the next one.
 * P3 A pane is forgotten with its last window.
 *
 * The state has other kinds under the names of the plain path, so that neither reads the state of the other.
 */

import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../base/time.ts';
import type { KeyedStateBackend } from '../../state/backend.ts';
import type { AggregatingState, MapState } from '../../state/descriptors.ts';
import { canonicalKey } from '../../state/memory/canonical-key.ts';
import { aggregating, map } from '../../state/state.ts';
import { FunctionOperator } from '../function-operator.ts';
import type { OperatorContext } from '../operator.ts';
import type { Sliding } from './assigners.ts';
import { LivePanes, type MergingAggregate, type PaneTotal, paneTotals } from './panes.ts';
import { namespaceOfWindow, TimeWindow, windowOfNamespace, windowStart } from './time-window.ts';
import type { StateDeclaration } from '../process-context.ts';
import { type AnyWindowFunction, declaredState, emitAt, WindowFunctionContext } from './window-function.ts';
import { LATE_RECORDS_DROPPED, noTimestamp } from './window-operator.ts';

/** What is said about sliding windows that share panes. */
export interface PaneDefinition<In> {
  readonly sliding: Sliding;
  readonly aggregate: MergingAggregate<In, unknown, unknown>;
  /** `undefined`: results are the aggregates. */
  readonly function: AnyWindowFunction | undefined;
  /** The side output of late records; `undefined`: they are counted and dropped. */
  readonly lateTag: string | undefined;
}

/** One subtask of sliding windows that share panes. */
export class PaneWindowOperator<In> extends FunctionOperator<unknown> {
  readonly #definition: PaneDefinition<In>;
  #context!: OperatorContext;
  #keyed!: KeyedStateBackend;
  #starts!: MapState<number, true>;
  #accumulator!: AggregatingState<In, unknown>;
  #function: WindowFunctionContext<unknown, unknown> | undefined;
  readonly #live = new Map<unknown, LivePanes<unknown>>();
  readonly #newTotal: () => PaneTotal<unknown>;
  readonly #accumulatorOf: (start: number) => unknown;
  /** Of the last call: for `undo`. */
  #calledFor: unknown;

  constructor(definition: PaneDefinition<In>) {
    super(definition.function ?? {});
    this.#definition = definition;
    this.#newTotal = paneTotals(definition.aggregate);
    this.#accumulatorOf = (start) => {
      this.#keyed.setCurrentNamespace(start);
      return this.#accumulator.get();
    };
  }

  get declaredState(): StateDeclaration {
    return declaredState(this.#definition.function);
  }

  protected start(
    context: OperatorContext,
    local: unknown,
  ): WindowFunctionContext<unknown, unknown> | undefined {
    const { aggregate, function: windowFunction } = this.#definition;
    this.#context = context;
    this.#keyed = context.keyed;
    this.#starts = context.keyed.state('contents', map<number, true>());
    const accumulating = aggregating<In, unknown, unknown>({
      createAccumulator: () => aggregate.createAccumulator(),
      add: (value, accumulator) => aggregate.add(value, accumulator),
      result: (accumulator) => accumulator,
    });
    this.#accumulator = context.keyed.state('pane', accumulating, 'namespace');
    if (windowFunction !== undefined) {
      this.#function = new WindowFunctionContext(context, windowFunction, local);
    }
    return this.#function;
  }

  // Hot path: once per record.
  record(_input: number, value: unknown, timestamp: number): void {
    if (timestamp === MIN_TIMESTAMP) throw noTimestamp('sliding');
    const watermark = this.#context.currentWatermark();
    const end = this.#firstEndAfter(Math.max(timestamp, watermark + 1));
    // P1.
    if (end - this.#definition.sliding.sizeMs > timestamp || watermark === MAX_TIMESTAMP)
      return this.#giveUp(value, timestamp);
    const start = this.#paneStart(timestamp);
    this.#keyed.setCurrentNamespace(start);
    if (this.#accumulator.get() === undefined) this.#addPane(start, end);
    // Only a pane of a window that is over can be in a total.
    else if (timestamp <= watermark) this.#livePanes().beforeChange(start);
    this.#accumulator.add(value as In);
  }

  timer(): void {
    const window = windowOfNamespace(this.#keyed.currentNamespace()!);
    const live = this.#livePanes();
    this.#forgetBefore(window.start, live);
    const total = live.totalBefore(window.end);
    if (total !== undefined) this.#fire(window, total);
    // P3, P2.
    const { slideMs } = this.#definition.sliding;
    this.#forgetBefore(window.start + slideMs, live);
    if (live.oldest === undefined) this.#live.delete(this.#calledFor);
    else if (live.oldest < window.end) this.#registerWindow(window.end + slideMs);
  }

  /** What is kept beside the state may hold what the call did: it is made again. */
  override undo(): void {
    super.undo();
    this.#live.delete(this.#calledFor);
  }

  #addPane(start: number, end: number): void {
    this.#livePanes().add(start);
    this.#starts.set(start, true);
    this.#registerWindow(end);
    this.#keyed.setCurrentNamespace(start);
  }

  #registerWindow(end: number): void {
    const window = new TimeWindow(end - this.#definition.sliding.sizeMs, end);
    this.#keyed.setCurrentNamespace(namespaceOfWindow(window));
    this.#keyed.timers.register('event', window.maxTimestamp);
  }

  #fire(window: TimeWindow, total: unknown): void {
    const { aggregate, function: windowFunction } = this.#definition;
    const result = aggregate.result(total);
    const context = this.#function;
    if (context === undefined) return this.#context.output.emit(result, window.maxTimestamp);
    this.#keyed.setCurrentNamespace(namespaceOfWindow(window));
    context.moveToWindow(window);
    emitAt(windowFunction!.process([result] as never[], context), window.maxTimestamp, this.#context.output);
    this.#keyed.setCurrentNamespace(namespaceOfWindow(window));
    windowFunction!.clear?.(context);
  }

  #forgetBefore(time: number, live: LivePanes<unknown>): void {
    for (let start = live.oldest; start !== undefined && start < time; start = live.oldest) {
      live.removeOldest();
      this.#starts.delete(start);
      this.#keyed.setCurrentNamespace(start);
      this.#accumulator.clear();
    }
  }

  #livePanes(): LivePanes<unknown> {
    this.#calledFor = canonicalKey(this.#keyed.currentKey());
    let live = this.#live.get(this.#calledFor);
    if (live === undefined) {
      live = new LivePanes(this.#starts.keys(), this.#newTotal(), this.#accumulatorOf);
      this.#live.set(this.#calledFor, live);
    }
    return live;
  }

  #giveUp(value: unknown, timestamp: number): void {
    const { lateTag } = this.#definition;
    if (lateTag === undefined) this.#context.count(LATE_RECORDS_DROPPED);
    else this.#context.output.side(lateTag, value, timestamp);
  }

  #firstEndAfter(time: number): number {
    const { sizeMs, slideMs, offsetMs } = this.#definition.sliding;
    return windowStart(time, offsetMs + sizeMs, slideMs) + slideMs;
  }

  #paneStart(timestamp: number): number {
    const { sizeMs, slideMs, offsetMs } = this.#definition.sliding;
    const begun = windowStart(timestamp, offsetMs, slideMs);
    return sizeMs % slideMs === 0
      ? begun
      : Math.max(begun, windowStart(timestamp, offsetMs + sizeMs, slideMs));
  }
}
