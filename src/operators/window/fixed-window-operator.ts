/**
 * Windows of one length that nothing but time fires: what window-operator.ts gives with the default trigger and no
 * evictor, for a fraction of its cost. Its numbered promises (W1 to W3) are kept here too.
 *
 * Owns the function and the folding. Partner: open-windows.ts, which finds, hands out and stores what windows hold.
 *
 * X1 A record reaches the cell of its key by one lookup; the current key is set only where a function or state asks for it.
 * X2 The window that was found last stays found until a window is forgotten.
 */

import { MIN_TIMESTAMP } from '../../base/time.ts';
import type { Key } from '../../base/key-groups.ts';
import { deepFreeze } from '../../base/freeze.ts';
import type { KeyedStateBackend } from '../../state/backend.ts';
import type { StateDescriptor } from '../../state/descriptors.ts';
import { canonicalKey } from '../../state/memory/canonical-key.ts';
import { aggregating, list, reducing } from '../../state/state.ts';
import { FunctionOperator } from '../function-operator.ts';
import type { OperatorContext, Output, RecordRun } from '../operator.ts';
import type { StateDeclaration } from '../process-context.ts';
import {
  NO_WINDOW,
  type OpenWindow,
  OpenWindows,
  type WindowCell,
  type WindowTimes,
} from './open-windows.ts';
import { namespaceOfWindow } from './time-window.ts';
import type { WindowFold } from './window-contents.ts';
import { type AnyWindowFunction, declaredState, emitAt, WindowFunctionContext } from './window-function.ts';
import { LATE_RECORDS_DROPPED, noTimestamp } from './window-operator.ts';

/** What is said about windows of one length. */
export interface FixedWindowDefinition<In> {
  /** Of the assigner, for messages. */
  readonly name: string;
  readonly times: WindowTimes;
  readonly fold: WindowFold<In>;
  /** `undefined`: results are what was folded. */
  readonly function: AnyWindowFunction | undefined;
  /** The side output of late records; `undefined`: they are counted and dropped. */
  readonly lateTag: string | undefined;
}

/** One subtask of windows of one length. */
export class FixedWindowOperator<In> extends FunctionOperator<unknown> {
  readonly #definition: FixedWindowDefinition<In>;
  readonly #windows: OpenWindows;
  readonly #isEventTime: boolean;
  readonly #overlap: boolean;
  #fold!: Fold<In>;
  #context!: OperatorContext;
  #keyed!: KeyedStateBackend;
  #output!: Output;
  #function: WindowFunctionContext<unknown, unknown> | undefined;
  #hasNamespace = false;
  /** A record of a batch has made a window fire. */
  #hasFired = false;
  /** X2. */
  #last: OpenWindow = NO_WINDOW;

  constructor(definition: FixedWindowDefinition<In>) {
    super(definition.function ?? {});
    const { times, fold } = definition;
    this.#definition = definition;
    this.#windows = new OpenWindows(contentsOf(fold), times);
    this.#isEventTime = times.domain === 'event';
    this.#overlap = times.sizeMs !== times.slideMs;
  }

  get declaredState(): StateDeclaration {
    return declaredState(this.#definition.function);
  }

  protected start(
    context: OperatorContext,
    local: unknown,
  ): WindowFunctionContext<unknown, unknown> | undefined {
    const { fold, function: windowFunction } = this.#definition;
    this.#context = context;
    this.#keyed = context.keyed;
    this.#output = context.output;
    context.keyed.own(this.#windows);
    this.#fold = foldOf(fold, this.#windows.freezesValues);
    if (windowFunction === undefined) return undefined;
    this.#function = new WindowFunctionContext(context, windowFunction, local);
    this.#hasNamespace = windowFunction.windowState !== undefined;
    return this.#function;
  }

  record(input: number, value: unknown, timestamp: number): void {
    this.#take(this.#keyed.currentKey(), this.taken(input, value), timestamp);
  }

  /** X1. */
  batch(run: RecordRun): void {
    const { input, values, timestamps } = run;
    const keys = run.keys!;
    for (let end = run.stretch(); end >= 0; end = run.stretch()) {
      this.#hasFired = false;
      // A firing may give any number of results.
      while (run.position < end && !this.#hasFired) {
        const index = run.position++;
        if (index >= keys.length) run.select(index);
        this.#take(keys[index]!, this.taken(input, values[index]), timestamps[index]!);
      }
    }
  }

  /** What windows hold of a record. */
  protected taken(_input: number, value: unknown): unknown {
    return value;
  }

  // Hot path: once per record.
  #take(key: Key, value: unknown, timestamp: number): void {
    if (this.#isEventTime && timestamp === MIN_TIMESTAMP) throw noTimestamp(this.#definition.name);
    const time = this.#isEventTime ? timestamp : this.#context.clock.now();
    if (this.#overlap) return this.#takeInto(key, value, time, timestamp);
    let window = this.#last;
    if (!(time >= window.start && time < window.end)) {
      const start = this.#windows.startOf(time);
      const found = this.#windows.find(start) ?? this.#openWindow(start);
      if (found === undefined) return this.#giveUp(value, timestamp);
      this.#last = found;
      window = found;
    }
    this.#add(window, key, value);
  }

  /** Windows that overlap, or leave gaps. */
  #takeInto(key: Key, value: unknown, time: number, timestamp: number): void {
    const { sizeMs, slideMs, allowedLatenessMs } = this.#definition.times;
    let isSkipped = true;
    for (let start = this.#windows.startOf(time); start > time - sizeMs; start -= slideMs) {
      const window = this.#windows.find(start) ?? this.#openWindow(start);
      if (window === undefined) continue;
      isSkipped = false;
      this.#add(window, key, value);
    }
    // W2: one that is in no window is late only when event time is past it.
    const isLate = this.#isEventTime && timestamp + allowedLatenessMs <= this.#context.currentWatermark();
    if (isSkipped && isLate) this.#giveUp(value, timestamp);
  }

  /** `undefined`: it is over. A window that is open is not, or it would have been forgotten. */
  #openWindow(start: number): OpenWindow | undefined {
    const isLate = this.#isEventTime && this.#windows.cleanupTime(start) <= this.#context.currentWatermark();
    return isLate ? undefined : this.#windows.openWindow(start);
  }

  // X1.
  #add(window: OpenWindow, key: Key, value: unknown): void {
    const canonical = canonicalKey(key);
    let cell = window.cells.get(canonical);
    if (cell === undefined) cell = this.#windows.add(window, key, canonical);
    else cell.place.beforeChange();
    const held = cell.value;
    cell.value = held === undefined ? this.#fold.first(value as In) : this.#fold.next(held, value as In);
    if (!cell.awaitsEnd) this.#again(cell);
  }

  /** The first record of a cell, or one after its firing. */
  #again(cell: WindowCell): void {
    const isOver = this.#isEventTime && cell.window.maxTimestamp <= this.#context.currentWatermark();
    if (!isOver) return this.#windows.awaitEnd(cell);
    this.#hasFired = true;
    this.#fire(cell, true);
  }

  timer(): void {
    const cell = this.#windows.taken();
    if (cell === undefined) return; // A timer of a job that was another one.
    const { window } = cell;
    cell.place.beforeChange();
    const isLast = window.isClosed;
    if (cell.awaitsEnd) {
      cell.awaitsEnd = false;
      this.#fire(cell, false);
    }
    if (isLast) this.#forget(cell);
  }

  /** W3. */
  #fire(cell: WindowCell, setsKey: boolean): void {
    const results = this.#fold.results(cell.value, cell.window.isClosed);
    if (results === undefined) return;
    const { maxTimestamp, window } = cell.window;
    const context = this.#function;
    if (context === undefined) return emitAt(results, maxTimestamp, this.#output);
    if (setsKey) this.#keyed.setCurrentKey(cell.key);
    if (this.#hasNamespace) this.#keyed.setCurrentNamespace(namespaceOfWindow(window));
    context.moveToWindow(window);
    emitAt(this.#definition.function!.process(results as never[], context), maxTimestamp, this.#output);
  }

  /** W1. */
  #forget(cell: WindowCell): void {
    this.#last = NO_WINDOW;
    this.#windows.forget(cell);
    const context = this.#function;
    const windowFunction = this.#definition.function;
    if (context === undefined || windowFunction?.clear === undefined) return;
    this.#keyed.setCurrentNamespace(namespaceOfWindow(cell.window.window));
    context.moveToWindow(cell.window.window);
    windowFunction.clear(context);
  }

  // W2.
  #giveUp(value: unknown, timestamp: number): void {
    const { lateTag } = this.#definition;
    if (lateTag === undefined) this.#context.count(LATE_RECORDS_DROPPED);
    else this.#output.side(lateTag, value, timestamp);
  }
}

/** How records become what a cell holds, which is never `undefined`. */
interface Fold<In> {
  first(value: In): unknown;
  next(held: unknown, value: In): unknown;
  /** What the function sees; `undefined`: nothing. `isLast`: what is held is not changed any more. */
  results(held: unknown, isLast: boolean): readonly unknown[] | undefined;
}

function contentsOf<In>(fold: WindowFold<In>): StateDescriptor {
  switch (fold.kind) {
    case 'all':
      return list<In>();
    case 'reduce':
      return reducing(fold.reduce);
    case 'aggregate':
      return aggregating(fold.aggregate);
  }
}

function foldOf<In>(fold: WindowFold<In>, freezes: boolean): Fold<In> {
  switch (fold.kind) {
    case 'all':
      return new Listing(freezes);
    case 'reduce':
      return new Reducing(fold, freezes);
    case 'aggregate':
      return new Aggregating(fold.aggregate);
  }
}

class Listing<In> implements Fold<In> {
  readonly #freezes: boolean;

  constructor(freezes: boolean) {
    this.#freezes = freezes;
  }

  first(value: In): unknown {
    if (this.#freezes) deepFreeze(value);
    return [value];
  }

  next(held: unknown, value: In): unknown {
    if (this.#freezes) deepFreeze(value);
    (held as In[]).push(value);
    return held;
  }

  results(held: unknown, isLast: boolean): readonly unknown[] | undefined {
    if (held === undefined) return undefined;
    const values = isLast ? (held as In[]) : [...(held as In[])];
    return this.#freezes ? deepFreeze(values) : values;
  }
}

class Reducing<In> implements Fold<In> {
  readonly #fold: Extract<WindowFold<In>, { kind: 'reduce' }>;
  readonly #freezes: boolean;

  constructor(fold: Extract<WindowFold<In>, { kind: 'reduce' }>, freezes: boolean) {
    this.#fold = fold;
    this.#freezes = freezes;
  }

  first(value: In): unknown {
    if (this.#freezes) deepFreeze(value);
    return value;
  }

  next(held: unknown, value: In): unknown {
    const reduced = this.#fold.reduce(held as In, value);
    if (this.#freezes) deepFreeze(reduced);
    return reduced;
  }

  results(held: unknown): readonly unknown[] | undefined {
    return held === undefined ? undefined : [held];
  }
}

type Aggregate<In> = Extract<WindowFold<In>, { kind: 'aggregate' }>['aggregate'];

class Aggregating<In> implements Fold<In> {
  readonly #aggregate: Aggregate<In>;

  constructor(aggregate: Aggregate<In>) {
    this.#aggregate = aggregate;
  }

  first(value: In): unknown {
    return this.#aggregate.add(value, this.#aggregate.createAccumulator());
  }

  next(held: unknown, value: In): unknown {
    return this.#aggregate.add(value, held);
  }

  results(held: unknown): readonly unknown[] | undefined {
    return held === undefined ? undefined : [this.#aggregate.result(held)];
  }
}
