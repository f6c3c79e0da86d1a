/**
 * The life of a user's function in one subtask, which all operators with such a function share.
 *
 * ```
 * local ─▶ initializeState ─▶ open ─▶ records, timers, … ─▶ close
 *                                      ├ snapshotState at each barrier, then the operator state becomes bytes
 *                                      └ notifyCheckpointComplete, notifyCheckpointAborted
 * ```
 *
 * F1  `snapshotState` runs between two records, at the barrier: what it writes is as of the barrier.
 * F2  What it throws fails the checkpoint, as what cannot become bytes does; what the other calls throw fails the task.
 * F3  Completion is told at most once per checkpoint, may be skipped, and then a later one stands for it; after a restore
 *     nobody is told about the checkpoint that was restored.
 */

import { isMillraceError, MillraceError } from '../base/errors.ts';
import { type DeclaredLists, OperatorLists, type OperatorStateStore } from '../state/operator-lists.ts';
import type { Operator, OperatorContext, OperatorStateWriter, Pull } from './operator.ts';
import type { FunctionContext } from './process-context.ts';

/** What is known before a function begins. */
export interface Initialization extends Omit<FunctionContext<unknown>, 'local'> {
  /** Whether there is a checkpoint to go on from. */
  readonly isRestored: boolean;
  /** Which one; `undefined` for a fresh start. */
  readonly restoredCheckpointId: number | undefined;
  /** State that belongs to this subtask and to no key. */
  readonly operatorState: OperatorStateStore;
}

/** What `initializeState` gets. */
export interface InitializationContext<L> extends Initialization {
  readonly local: L;
}

/** What `snapshotState` gets. */
export interface SnapshotContext<L> extends FunctionContext<L> {
  readonly checkpointId: number;
  /** When the checkpoint was triggered, ms since the epoch: the same in all subtasks. */
  readonly timestamp: number;
  readonly operatorState: OperatorStateStore;
}

/** The life of a function in one subtask. */
export interface FunctionLife<L> {
  /**
   * Declares lists of operator state, with their codecs: what a checkpoint holds of them is compared before the job starts,
   * and `operatorState.list(name)` takes the codec from here. Others are compared when they are asked for.
   */
  readonly operatorState?: DeclaredLists | undefined;
  /**
   * Makes what this subtask keeps for itself: it is `ctx.local`. A cache or a connection is made anew at each start; lists
   * of `operatorState` come back from the checkpoint. Write it above the functions that use `ctx.local`.
   */
  readonly local?: (start: Initialization) => L;
  /** Before `open`: reads what was restored. */
  initializeState?(ctx: InitializationContext<L>): void;
  /** Before the first record, after state was restored. */
  open?(ctx: FunctionContext<L>): void | Promise<void>;
  /** At each barrier, between two records: writes what must be restored into lists of operator state. It must not wait. */
  snapshotState?(ctx: SnapshotContext<L>): void;
  /** The checkpoint is durable, and so is all that was done before its barrier. Not every checkpoint is told. */
  notifyCheckpointComplete?(checkpointId: number, ctx: FunctionContext<L>): void | Promise<void>;
  /** The checkpoint was given up; a later one will hold what was done since. Not every checkpoint is told. */
  notifyCheckpointAborted?(checkpointId: number, ctx: FunctionContext<L>): void;
  /** After the last call, also when the job fails. */
  close?(ctx: FunctionContext<L>): void | Promise<void>;
}

/** True when a function keeps state of its operator, which is found again by the uid. */
export function keepsOperatorState(life: {
  readonly local?: ((start: Initialization) => unknown) | undefined;
  readonly initializeState?: unknown;
  readonly snapshotState?: unknown;
  readonly operatorState?: unknown;
}): boolean {
  if (life.operatorState !== undefined) return true;
  if (life.initializeState !== undefined || life.snapshotState !== undefined) return true;
  // Only a `local` with a parameter can reach the state.
  return (life.local?.length ?? 0) > 0;
}

/** One subtask of an operator that runs a user's function. */
export abstract class FunctionOperator<L> implements Operator {
  readonly #life: FunctionLife<L>;
  #lists: OperatorLists | undefined;
  /** `undefined` until the function has begun. */
  #context: FunctionContext<L> | undefined;

  constructor(life: FunctionLife<L>) {
    this.#life = life;
    checkLives(life.operatorState);
  }

  get declaredLists(): DeclaredLists | undefined {
    return this.#life.operatorState;
  }

  /** Makes ready for records; returns the context of the function, if there is one. */
  protected abstract start(operator: OperatorContext, local: L): FunctionContext<L> | undefined;

  abstract record(input: number, value: unknown, timestamp: number): void | Pull;

  open(operator: OperatorContext): void | Promise<void> {
    const { info, log, runtime, restoredCheckpointId } = operator;
    const operatorState = new OperatorLists({
      subtask: info.subtask,
      restoredNames: operator.restoredNames(),
      restored: (section) => operator.restored(section),
      declared: this.#life.operatorState,
    });
    const initialization: Initialization = {
      info,
      log,
      count: (name, by = 1) => operator.count(name, by),
      runtime,
      isRestored: restoredCheckpointId !== undefined,
      restoredCheckpointId,
      operatorState,
    };
    const local = this.#life.local?.(initialization) as L;
    const context = this.start(operator, local);
    this.#lists = operatorState;
    this.#context = context;
    if (context === undefined) return;
    immediate('initializeState', this.#life.initializeState?.({ ...initialization, local }));
    return this.#life.open?.(context);
  }

  /** F1. */
  snapshot(checkpointId: number, state: OperatorStateWriter): void {
    const lists = this.#lists!;
    try {
      const checkpoint = { checkpointId, timestamp: state.timestamp };
      if (this.#context !== undefined) this.#snapshotState(checkpoint, this.#context, lists);
      for (const { name, redistribution, items } of lists.encode()) {
        state.section(name, redistribution, items);
      }
    } catch (error) {
      state.section('failed', 'split', Promise.reject(error));
    }
  }

  #snapshotState(
    checkpoint: Pick<SnapshotContext<L>, 'checkpointId' | 'timestamp'>,
    at: FunctionContext<L>,
    operatorState: OperatorStateStore,
  ): void {
    const { info, log, local, count, runtime } = at;
    try {
      immediate(
        'snapshotState',
        this.#life.snapshotState?.({ info, log, local, count, runtime, ...checkpoint, operatorState }),
      );
    } catch (error) {
      if (isMillraceError(error)) throw error;
      throw new MillraceError(
        'OPERATOR_FAILED',
        `snapshotState of checkpoint ${checkpoint.checkpointId}: ${String(error)}`,
        {
          where: { uid: info.uid, operator: info.name, subtask: info.subtask },
          cause: error,
        },
      );
    }
  }

  checkpointComplete(checkpointId: number): void | Promise<void> {
    return this.#life.notifyCheckpointComplete?.(checkpointId, this.#context!);
  }

  checkpointAborted(checkpointId: number): void {
    this.#life.notifyCheckpointAborted?.(checkpointId, this.#context!);
  }

  beginUndo(): void {
    this.#lists!.beginUndo();
  }

  undo(): void {
    this.#lists!.undo();
  }

  close(): void | Promise<void> {
    if (this.#context !== undefined) return this.#life.close?.(this.#context);
  }
}

/** Lists of operator state live as long as their operator. */
function checkLives({ lists = {}, unionLists = {} }: DeclaredLists = {}): void {
  for (const [name, { ttl }] of Object.entries({ ...lists, ...unionLists })) {
    if (ttl === undefined) continue;
    throw new MillraceError(
      'STREAM_INVALID',
      `the list "${name}" of operator state has a time to live, which only keyed state has`,
    );
  }
}

/** A function that must be done when it returns is not, when it gives back a promise. */
function immediate(name: string, result: unknown): void {
  if (typeof (result as PromiseLike<unknown> | undefined)?.then !== 'function') return;
  (result as PromiseLike<unknown>).then(undefined, () => undefined);
  throw new MillraceError(
    'STREAM_INVALID',
    `${name} gave back a promise, and state must be whole when it returns`,
    {
      remedy: `Let ${name} do its work without waiting; open may wait.`,
    },
  );
}
