/**
 * What windows have in common whose operator keeps them itself: records by the batch, their function, and those that are
 * too late. It keeps the promises W1 to W3 of window-operator.ts.
 *
 * X1 A record reaches what its window holds by one lookup; the current key is set only where a function asks for it.
 */

import type { Key } from '../../base/key-groups.ts';
import { MIN_TIMESTAMP } from '../../base/time.ts';
import type { KeyedStateBackend } from '../../state/backend.ts';
import type { OwnEntry, OwnKeyedState } from '../../state/own-state.ts';
import type { TimerDomain } from '../../state/timer-domain.ts';
import { FunctionOperator } from '../function-operator.ts';
import type { OperatorContext, Output, RecordRun } from '../operator.ts';
import type { StateDeclaration } from '../process-context.ts';
import { namespaceOfWindow, type TimeWindow } from './time-window.ts';
import type { WindowFold } from './window-contents.ts';
import { type HeldFold, heldFold } from './window-folds.ts';
import { type AnyWindowFunction, declaredState, emitAt, WindowFunctionContext } from './window-function.ts';
import { LATE_RECORDS_DROPPED, noTimestamp } from './window-operator.ts';

/** What is said about such windows. */
export interface OwnWindowDefinition<In> {
  /** Of the assigner, for messages. */
  readonly name: string;
  readonly time: TimerDomain;
  readonly fold: WindowFold<In>;
  /** `undefined`: results are what was folded. */
  readonly function: AnyWindowFunction | undefined;
  /** The side output of late records; `undefined`: they are counted and dropped. */
  readonly lateTag: string | undefined;
}

/** The state of such windows. */
export interface OwnWindows<E extends OwnEntry> extends OwnKeyedState<E> {
  readonly freezesValues: boolean;
}

/** A firing: what a window of a key holds. */
export interface Firing {
  readonly key: Key;
  readonly window: TimeWindow;
  readonly held: unknown;
  /** Nothing is added to it any more. */
  readonly isLast: boolean;
}

/** One subtask of such windows. */
export abstract class OwnWindowOperator<In, E extends OwnEntry> extends FunctionOperator<unknown> {
  protected readonly isEventTime: boolean;
  protected fold!: HeldFold<In>;
  protected context!: OperatorContext;
  protected abstract readonly windows: OwnWindows<E>;
  readonly #definition: OwnWindowDefinition<In>;
  #keyed!: KeyedStateBackend;
  #output!: Output;
  #function: WindowFunctionContext<unknown, unknown> | undefined;
  #hasNamespace = false;
  /** State with a time to live is looked through a little whenever a record makes its key current. */
  #selectsKeys = false;
  /** A record has made a window fire, or it was too late. */
  #hasEmitted = false;

  constructor(definition: OwnWindowDefinition<In>) {
    super(definition.function ?? {});
    this.#definition = definition;
    this.isEventTime = definition.time === 'event';
  }

  get declaredState(): StateDeclaration {
    return declaredState(this.#definition.function);
  }

  protected start(
    context: OperatorContext,
    local: unknown,
  ): WindowFunctionContext<unknown, unknown> | undefined {
    const { fold, function: windowFunction } = this.#definition;
    this.context = context;
    this.#keyed = context.keyed;
    this.#output = context.output;
    context.keyed.own(this.windows);
    this.fold = heldFold(fold, this.windows.freezesValues);
    if (windowFunction === undefined) return undefined;
    this.#function = new WindowFunctionContext(context, windowFunction, local);
    this.#hasNamespace = windowFunction.windowState !== undefined;
    this.#selectsKeys = Object.values(this.declaredState).some(({ ttl }) => ttl !== undefined);
    return this.#function;
  }

  /** A record into the windows of its key; its time is that of the windows. Hot path. */
  protected abstract add(key: Key, value: In, time: number): boolean;

  record(input: number, value: unknown, timestamp: number): void {
    this.#take(this.#keyed.currentKey(), this.taken(input, value), timestamp);
  }

  /** X1. */
  batch(run: RecordRun): void {
    const { input, values, timestamps } = run;
    const keys = run.keys!;
    for (let end = run.stretch(); end >= 0; end = run.stretch()) {
      this.#hasEmitted = false;
      // A firing may give any number of results, and whoever takes a late record leave work behind.
      while (run.position < end && !this.#hasEmitted) {
        const index = run.position++;
        let key = keys[index];
        if (key === undefined || this.#selectsKeys) {
          run.select(index);
          key = this.#keyed.currentKey();
        }
        this.#take(key, this.taken(input, values[index]), timestamps[index]!);
      }
    }
  }

  /** What windows hold of a record. */
  protected taken(_input: number, value: unknown): unknown {
    return value;
  }

  // Hot path: once per record.
  #take(key: Key, value: unknown, timestamp: number): void {
    if (!this.isEventTime) this.add(key, value as In, this.context.clock.now());
    else if (timestamp === MIN_TIMESTAMP) throw noTimestamp(this.#definition.name);
    else if (!this.add(key, value as In, timestamp)) this.#giveUp(value, timestamp);
  }

  /** A record makes a window fire whose end is over. */
  protected fireAgain(firing: Firing): void {
    this.#hasEmitted = true;
    if (this.#function !== undefined) this.#keyed.setCurrentKey(firing.key);
    this.fire(firing);
  }

  /** W3; the key is current. */
  protected fire({ window, held, isLast }: Firing): void {
    const results = this.fold.results(held, isLast);
    if (results === undefined) return;
    const context = this.#function;
    if (context === undefined) return emitAt(results, window.maxTimestamp, this.#output);
    if (this.#hasNamespace) this.#keyed.setCurrentNamespace(namespaceOfWindow(window));
    context.moveToWindow(window);
    const made = this.#definition.function!.process(results as never[], context);
    emitAt(made, window.maxTimestamp, this.#output);
  }

  /** W1: the function forgets a window; its key is current. */
  protected clear(window: TimeWindow): void {
    const windowFunction = this.#definition.function;
    if (windowFunction?.clear === undefined) return;
    this.#keyed.setCurrentNamespace(namespaceOfWindow(window));
    this.#function!.moveToWindow(window);
    windowFunction.clear(this.#function!);
  }

  // W2.
  #giveUp(value: unknown, timestamp: number): void {
    const { lateTag } = this.#definition;
    this.#hasEmitted = true;
    if (lateTag === undefined) this.context.count(LATE_RECORDS_DROPPED);
    else this.#output.side(lateTag, value, timestamp);
  }
}
