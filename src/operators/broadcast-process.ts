/**
 * A stream beside a broadcast one: every subtask sees all broadcast records and keeps what they say in its copy of the
 * broadcast state, which the records of the other stream can read.
 *
 * Owner: the task. Input 0 is the stream, input 1 the broadcast one.
 */

import { MillraceError } from '../base/errors.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';
import {
  BROADCAST_SECTION,
  type BroadcastDeclaration,
  type BroadcastHandles,
  BroadcastStates,
  type ReadOnlyBroadcastHandles,
} from '../state/broadcast-state.ts';
import type { TimerDomain } from '../state/backend.ts';
import type { StateHandle } from '../state/descriptors.ts';
import { type FunctionLife, FunctionOperator } from './function-operator.ts';
import type { OperatorContext, OperatorStateWriter, Output, Pull } from './operator.ts';
import {
  KeyedRecordContext,
  type KeyedProcessContext,
  type ProcessContext,
  RecordContext,
  type StateDeclaration,
  type TimerContext,
} from './process-context.ts';
import { handOn, type Results } from './results.ts';

/** What a function gets that can read the broadcast state. */
export interface BroadcastReader<D> {
  /** The broadcast state by name; it can only be read here. */
  readonly broadcast: ReadOnlyBroadcastHandles<D>;
}

/** What `processBroadcast` gets. */
export interface BroadcastContext<D, O, L> extends ProcessContext<O, L> {
  /** The broadcast state by name. Its values are frozen: to change one, `set` another. */
  readonly broadcast: BroadcastHandles<D>;
}

/** What `processBroadcast` beside a keyed stream gets. */
export interface KeyedBroadcastContext<K, S, D, O, L> extends BroadcastContext<D, O, L> {
  /** Calls `apply` for each key of this subtask that holds something in a declared state, in no particular order. */
  readonly applyToKeyedState: <Name extends keyof S & string>(
    name: Name,
    apply: (key: K, state: StateHandle<S[Name]>) => void,
  ) => void;
}

/** A process function beside a broadcast stream. */
export interface BroadcastProcessFunction<A, B, D, O, L, R1 extends Results, R2 extends Results>
  extends FunctionLife<L> {
  /** Side outputs by name: `{ late: type<Late>() }`. */
  readonly outputs?: O;
  /** Called for each record of the stream; what it returns goes on with the record's timestamp. */
  process(value: A, ctx: ProcessContext<O, L> & BroadcastReader<D>): R1;
  /**
   * Called in every subtask for each broadcast record. It must make the same change in all of them, and the order of
   * records from different senders may differ between them.
   */
  processBroadcast(value: B, ctx: BroadcastContext<D, O, L>): R2;
}

/** A process function of a keyed stream beside a broadcast stream. */
export interface KeyedBroadcastProcessFunction<
  A,
  B,
  K,
  S,
  D,
  O,
  L,
  R1 extends Results,
  R2 extends Results,
  T extends Results,
> extends FunctionLife<L> {
  /** State of each key by name: `{ count: state.value(0) }`. */
  readonly state?: S;
  /** Side outputs by name: `{ late: type<Late>() }`. */
  readonly outputs?: O;
  /** Called for each record of the keyed stream; what it returns goes on with the record's timestamp. */
  process(value: A, ctx: KeyedProcessContext<K, S, O, L> & BroadcastReader<D>): R1;
  /**
   * Called in every subtask for each broadcast record. It must make the same change in all of them, and the order of
   * records from different senders may differ between them.
   */
  processBroadcast(value: B, ctx: KeyedBroadcastContext<K, S, D, O, L>): R2;
  /** Called when a timer is due; its results carry the timer's time in event time, and no timestamp in processing time. */
  onTimer?(time: number, ctx: TimerContext<K, S, O, L> & BroadcastReader<D>): T;
}

/** What both operators share: the broadcast state and its checkpoints. */
abstract class BroadcastOperator<D extends BroadcastDeclaration, L> extends FunctionOperator<L> {
  readonly #declaration: D;
  protected output!: Output;
  protected states!: BroadcastStates<D>;

  constructor(declaration: D, life: FunctionLife<L>) {
    super(life);
    this.#declaration = declaration;
  }

  get declaredBroadcast(): D {
    return this.#declaration;
  }

  protected prepare(context: OperatorContext): void {
    this.output = context.output;
    this.states = new BroadcastStates(this.#declaration, context.restored(BROADCAST_SECTION));
  }

  override snapshot(checkpointId: number, state: OperatorStateWriter): void {
    super.snapshot(checkpointId, state);
    // Encoded at once; what cannot become bytes fails the checkpoint, and not the task.
    state.section(BROADCAST_SECTION, 'broadcast', new Promise((resolve) => resolve(this.states.encode())));
  }

  override undo(): void {
    super.undo();
    this.states.undo();
  }
}

/** One subtask of `process` beside a broadcast stream. */
export class BroadcastProcessOperator<A, B, D extends BroadcastDeclaration, O, L> extends BroadcastOperator<
  D,
  L
> {
  readonly #function: BroadcastProcessFunction<A, B, D, O, L, Results, Results>;
  #context: WithBroadcast<D, O, L> | undefined;

  constructor(declaration: D, definition: BroadcastProcessFunction<A, B, D, O, L, Results, Results>) {
    super(declaration, definition);
    this.#function = definition;
  }

  protected start(context: OperatorContext, local: L): WithBroadcast<D, O, L> {
    this.prepare(context);
    this.#context = new WithBroadcast(context, this.#function.outputs, local, this.states.handles);
    return this.#context;
  }

  // Hot path: once per record.
  record(input: number, value: unknown, timestamp: number): void | Pull {
    const context = this.#context!;
    context.moveTo(timestamp);
    this.states.begin(input === 1);
    const results =
      input === 0
        ? this.#function.process(value as A, context)
        : this.#function.processBroadcast(value as B, context);
    return handOn(results, timestamp, this.output);
  }
}

/** One subtask of `process` of a keyed stream beside a broadcast stream. */
export class KeyedBroadcastProcessOperator<
  A,
  B,
  K,
  S extends StateDeclaration,
  D extends BroadcastDeclaration,
  O,
  L,
> extends BroadcastOperator<D, L> {
  readonly #function: KeyedBroadcastProcessFunction<A, B, K, S, D, O, L, Results, Results, Results>;
  #keyed: OperatorContext['keyed'] | undefined;
  #context: KeyedWithBroadcast<K, S, D, O, L> | undefined;
  #broadcastContext!: BroadcastSide<K, S, D, O, L>;

  constructor(
    declaration: D,
    definition: KeyedBroadcastProcessFunction<A, B, K, S, D, O, L, Results, Results, Results>,
  ) {
    super(declaration, definition);
    this.#function = definition;
  }

  get declaredState(): S | undefined {
    return this.#function.state;
  }

  protected start(context: OperatorContext, local: L): KeyedWithBroadcast<K, S, D, O, L> {
    this.prepare(context);
    const { state, outputs } = this.#function;
    const { handles } = this.states;
    this.#keyed = context.keyed;
    this.#context = new KeyedWithBroadcast({ context, state, outputs, local, handles });
    this.#broadcastContext = new BroadcastSide({ context, outputs, local, handles }, this.#context.state);
    return this.#context;
  }

  // Hot path: once per record.
  record(input: number, value: unknown, timestamp: number): void | Pull {
    if (input === 1) return this.#broadcast(value as B, timestamp);
    const context = this.#context!;
    context.moveTo(timestamp);
    this.states.begin(false);
    return handOn(this.#function.process(value as A, context), timestamp, this.output);
  }

  #broadcast(value: B, timestamp: number): void | Pull {
    const context = this.#broadcastContext;
    context.moveTo(timestamp);
    this.states.begin(true);
    this.#keyed!.clearCurrentKey();
    return handOn(this.#function.processBroadcast(value, context), timestamp, this.output);
  }

  timer(time: number, domain: TimerDomain): void | Pull {
    const context = this.#context!;
    const timestamp = domain === 'event' ? time : MIN_TIMESTAMP;
    context.domain = domain;
    context.moveTo(timestamp);
    this.states.begin(false);
    return handOn(this.#function.onTimer?.(time, context), timestamp, this.output);
  }
}

/** The same object for both sides: D1 of the broadcast state tells them apart, the types for the user. */
class WithBroadcast<D, O, L> extends RecordContext<O, L> implements BroadcastContext<D, O, L> {
  readonly broadcast: BroadcastHandles<D>;

  constructor(context: OperatorContext, outputs: O | undefined, local: L, handles: BroadcastHandles<D>) {
    super(context, outputs, local);
    this.broadcast = handles;
  }
}

interface ContextParts<D, O, L> {
  readonly context: OperatorContext;
  readonly outputs: O | undefined;
  readonly local: L;
  readonly handles: BroadcastHandles<D>;
}

class KeyedWithBroadcast<K, S extends StateDeclaration, D, O, L>
  extends KeyedRecordContext<K, S, O, L>
  implements BroadcastReader<D>
{
  readonly broadcast: ReadOnlyBroadcastHandles<D>;

  constructor(parts: ContextParts<D, O, L> & { readonly state: S | undefined }) {
    super(parts.context, parts);
    this.broadcast = parts.handles as ReadOnlyBroadcastHandles<D>;
  }
}

class BroadcastSide<K, S, D, O, L>
  extends WithBroadcast<D, O, L>
  implements KeyedBroadcastContext<K, S, D, O, L>
{
  readonly applyToKeyedState: KeyedBroadcastContext<K, S, D, O, L>['applyToKeyedState'];

  constructor(
    { context, outputs, local, handles }: ContextParts<D, O, L>,
    state: { readonly [Name in keyof S]: StateHandle<S[Name]> },
  ) {
    super(context, outputs, local, handles);
    const { keyed } = context;
    this.applyToKeyedState = (name, apply) => {
      if (!Object.hasOwn(state, name)) throw undeclaredState(name);
      for (const key of keyed.keysOf(name)) {
        keyed.setCurrentKey(key);
        apply(key as K, state[name]);
      }
      keyed.clearCurrentKey();
    };
  }
}

function undeclaredState(name: string): MillraceError {
  return new MillraceError(
    'STREAM_INVALID',
    `applyToKeyedState: the operator declares no keyed state "${name}"`,
  );
}
