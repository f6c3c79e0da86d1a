/** The function of a window: what a user writes, what it sees, and how the operator runs it. */

import type { KeyedStateBackend } from '../../state/backend.ts';
import type { StateHandles } from '../../state/descriptors.ts';
import type { OperatorContext, Output } from '../operator.ts';
import type { FunctionLife } from '../function-operator.ts';
import {
  type FunctionContext,
  type ProcessContext,
  RecordContext,
  type StateDeclaration,
  type Time,
} from '../process-context.ts';
import { handOn, type Results } from '../results.ts';
import { GLOBAL_WINDOW, type TimeWindow } from './time-window.ts';

/** What the function of a window sees besides the records. */
export interface WindowContext<K, S, G, O, L> extends FunctionContext<L> {
  readonly key: K;
  readonly window: TimeWindow;
  readonly time: Time;
  /** State of the key and this window; `clear` of the function must clear it when the window is forgotten. */
  readonly windowState: StateHandles<S>;
  /** State of the key, for all its windows. */
  readonly globalState: StateHandles<G>;
  /** Hands a record to a declared side output, with the timestamp of the results. */
  readonly output: ProcessContext<O, L>['output'];
}

/** A function that sees all records of a window, or after `reduce` and `aggregate` the one result of them. */
export interface ProcessWindowFunction<In, K, S, G, O, L, R extends Results> extends FunctionLife<L> {
  /** State of each key and window by name; not for windows that merge. */
  readonly windowState?: S;
  /** State of each key by name. */
  readonly globalState?: G;
  /** Side outputs by name: `{ empty: type<string>() }`. */
  readonly outputs?: O;
  /**
   * Called each time the window fires, with the records in the order of their arrival. What it returns (an array, an
   * iterable, or nothing) is taken at once and goes on with the last timestamp of the window.
   */
  process(values: readonly In[], ctx: WindowContext<K, S, G, O, L>): R;
  /** The window is forgotten: clears `windowState`. */
  clear?(ctx: WindowContext<K, S, G, O, L>): void;
}

/** What the operator runs; `undefined` where results are what was reduced or aggregated. */
export type AnyWindowFunction = ProcessWindowFunction<
  never,
  unknown,
  StateDeclaration,
  StateDeclaration,
  unknown,
  unknown,
  Results
>;

/** The context of a window function; its window is moved by the operator before each call. */
export class WindowFunctionContext<O, L>
  extends RecordContext<O, L>
  implements WindowContext<unknown, StateDeclaration, StateDeclaration, O, L>
{
  readonly windowState: StateHandles<StateDeclaration>;
  readonly globalState: StateHandles<StateDeclaration>;
  readonly #keyed: KeyedStateBackend;
  #window: TimeWindow = GLOBAL_WINDOW;

  constructor(
    context: OperatorContext,
    declared: Pick<AnyWindowFunction, 'windowState' | 'globalState' | 'outputs'>,
    local: L,
  ) {
    super(context, declared.outputs as O | undefined, local);
    const { keyed } = context;
    this.#keyed = keyed;
    this.windowState = declareStates(declared.windowState, (name, descriptor) =>
      keyed.state(`window/${name}`, descriptor, 'namespace'),
    );
    this.globalState = declareStates(declared.globalState, (name, descriptor) =>
      keyed.state(`global/${name}`, descriptor),
    );
  }

  get key(): unknown {
    return this.#keyed.currentKey();
  }

  get window(): TimeWindow {
    return this.#window;
  }

  /** For the operator only. */
  moveToWindow(window: TimeWindow): void {
    this.#window = window;
    this.moveTo(window.maxTimestamp);
  }
}

/** Hands results on, all at once: the window may be purged, or another one fire, before a receiver has room. */
export function emitAt(results: Results, timestamp: number, output: Output): void {
  const pull = handOn(results, timestamp, output);
  if (pull === undefined) return;
  for (let next = pull.next(); next.done !== true; next = pull.next()) output.emit(next.value, timestamp);
}

/** The state that a window function declares, under the names by which it is stored. */
export function declaredState(
  declared: Pick<AnyWindowFunction, 'windowState' | 'globalState'> = {},
): StateDeclaration {
  const { windowState = {}, globalState = {} } = declared;
  return Object.fromEntries([
    ...Object.entries(windowState).map(([name, descriptor]) => [`window/${name}`, descriptor]),
    ...Object.entries(globalState).map(([name, descriptor]) => [`global/${name}`, descriptor]),
  ]) as StateDeclaration;
}

/** The handles of declared states. */
export function declareStates<S extends StateDeclaration>(
  states: S | undefined,
  declare: (name: string, descriptor: S[keyof S & string]) => unknown,
): StateHandles<S> {
  return Object.fromEntries(
    Object.entries(states ?? {}).map(([name, descriptor]) => [
      name,
      declare(name, descriptor as S[keyof S & string]),
    ]),
  ) as StateHandles<S>;
}
