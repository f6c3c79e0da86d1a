/** What may be said about an operator where it is made. */

import { MillraceError } from '../base/errors.ts';
import type { PoisonPolicy } from '../graph/job-graph.ts';
import type { NodeSettings } from '../graph/nodes.ts';
import type { WatermarkStrategy } from '../operators/watermark-strategy.ts';

/** What may be said about every operator. */
export interface NodeOptions {
  /** By it the operator's state is found again; it stays when the job changes. Unique in the job. */
  readonly uid?: string | undefined;
  /** Shown in plans, logs and metrics. */
  readonly name?: string | undefined;
  /** What the operator is for: shown in the plan. */
  readonly description?: string | undefined;
  /** Number of subtasks; default: the job's. */
  readonly parallelism?: number | undefined;
  /** Number of key groups, the upper bound of the parallelism at every later restore. */
  readonly maxParallelism?: number | undefined;
  /**
   * Operators of one group share slots, so that a slot (a thread) holds one subtask of each; those of another group get
   * slots of their own. Default: the group of the inputs when they agree, else `default`.
   */
  readonly slotSharingGroup?: string | undefined;
}

/** What may be said about an operator that runs a function of yours. */
export interface OperatorOptions<E extends PoisonPolicy = PoisonPolicy> extends NodeOptions {
  /**
   * What happens with a record for which the function throws: fail the job (default), skip the record with all its
   * effects, or hand it to the side output `dead-letter`.
   */
  readonly onError?: E | undefined;
}

/** What must be said about an operator with state. */
export interface StatefulOptions<E extends PoisonPolicy = PoisonPolicy> extends OperatorOptions<E> {
  /** An operator with state needs a uid: by it the state is found again. It stays when the job changes. Unique in the job. */
  readonly uid: string;
}

/** What may be said about `minBy` and `maxBy`. */
export interface ExtremeOptions extends StatefulOptions<'fail' | 'skip'> {
  /** Which of several records with the same value is kept; default the first. */
  readonly ties?: 'first' | 'last' | undefined;
}

/** What must be said about a source. */
export interface SourceOptions<T> extends NodeOptions {
  /** A source keeps its position in its state, which is found again by the uid. Unique in the job. */
  readonly uid: string;
  /** Timestamps and watermarks, made per split. */
  readonly watermarks?: WatermarkStrategy<T> | undefined;
}

/** What may be said about a source for trying things out. */
export interface DataOptions<T> extends NodeOptions {
  /** Timestamps and watermarks, made per split. */
  readonly watermarks?: WatermarkStrategy<T> | undefined;
}

/** What must be said about a sink. */
export interface SinkOptions extends NodeOptions {
  /** What a sink has prepared and not committed is found again by the uid. Unique in the job. */
  readonly uid: string;
  /** What happens with a record that the sink cannot write (a value that is no JSON, say): fail the job (default), or skip it. */
  readonly onError?: 'fail' | 'skip' | undefined;
}

/** Asks for exactly once, of a source that can go back or a sink that commits with checkpoints. */
export interface ExactlyOnceOption {
  /**
   * What is read by this source, or written by this sink, must be exactly once from end to end: a job whose other end,
   * or whose configuration, cannot keep that is refused before it starts, with `GUARANTEE_NOT_KEPT`.
   */
  readonly exactlyOnce?: boolean | undefined;
}

/** A source or sink that cannot be asked for exactly once, and why. */
export interface NotExactlyOnce<Why extends string> {
  readonly exactlyOnce?: false | Why | undefined;
}

/** Why a source cannot. */
export type CannotGoBack = 'this source cannot go back to a position: what it gave may be lost';
/** Why a sink cannot. */
export type ShowsAtOnce = 'this sink shows its output at once: some of it may come again';

/** The options as the graph keeps them. */
export function settingsOf(
  options: OperatorOptions & { readonly exactlyOnce?: unknown } = {},
): Partial<NodeSettings> {
  const { uid, name, description, parallelism, maxParallelism, slotSharingGroup, onError } = options;
  return {
    uid,
    description,
    parallelism,
    maxParallelism,
    slotSharingGroup: slotSharingGroup === undefined ? undefined : checkedGroup(slotSharingGroup),
    ...(name === undefined ? {} : { name }),
    ...(options.exactlyOnce === true ? { exactlyOnce: true } : {}),
    ...(onError === undefined ? {} : { poison: onError }),
  };
}

/** The name of a slot sharing group. */
export function checkedGroup(name: string): string {
  if (typeof name === 'string' && name !== '') return name;
  throw new MillraceError('STREAM_INVALID', 'a slot sharing group needs a name');
}
