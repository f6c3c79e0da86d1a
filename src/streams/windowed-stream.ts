/** What a windowed stream consists of before its function is known, and the checks when it is. */

import { type Duration, parseDuration } from '../base/duration.ts';
import { MillraceError } from '../base/errors.ts';
import type { PoisonPolicy } from '../graph/job-graph.ts';
import type { NewNode } from '../graph/stream-graph.ts';
import { DEAD_LETTER_TAG } from '../operators/operator.ts';
import type { Results } from '../operators/results.ts';
import type { WindowAssigner } from '../operators/window/assigners.ts';
import type { Evictor } from '../operators/window/evictors.ts';
import type { TimeWindow } from '../operators/window/time-window.ts';
import type { AnyTriggerOf } from '../operators/window/trigger-runner.ts';
import type { WindowFold } from '../operators/window/window-contents.ts';
import type { AnyWindowFunction, ProcessWindowFunction } from '../operators/window/window-function.ts';
import {
  type ApplyJoin,
  coGroupFunction,
  joinFunction,
  type TaggedUnion,
} from '../operators/window/window-join.ts';
import type { WindowDefinition } from '../operators/window/window-operator.ts';
import { windowJoinPath, windowPath } from '../operators/window/window-path.ts';
import type { AggregateFunction } from '../state/descriptors.ts';
import type { StatefulOptions } from './options.ts';

/** The function of a window, with the options of its operator. */
export type WindowProcess<
  In,
  K,
  S,
  G,
  O,
  L,
  R extends Results,
  E extends PoisonPolicy,
> = ProcessWindowFunction<In, K, S, G, O, L, R> & StatefulOptions<E>;

/** An aggregation of each window, with the options of its operator. */
export type WindowAggregate<In, Acc, Out, E extends PoisonPolicy> = AggregateFunction<In, Acc, Out> &
  StatefulOptions<E>;

/** A plain function of a window. */
export type WindowFunction<In, K, R extends Results> = (
  window: TimeWindow,
  values: readonly In[],
  key: K,
) => R;

/** The side output of late records. */
export type LateOutput<Late extends string, T> = { readonly [Tag in Late]: T };

/** What has been said about a windowed stream so far. */
export interface WindowSettings<T> {
  readonly assigner: WindowAssigner<T>;
  readonly trigger?: AnyTriggerOf<T>;
  readonly evictor?: Evictor<T>;
  readonly allowedLatenessMs?: number;
  readonly lateTag?: string;
  /** One subtask for all records. */
  readonly isGlobal: boolean;
}

/** The settings with a lateness; only event time has one, and others ignore it. */
export function withLateness<T>(settings: WindowSettings<T>, lateness: Duration): WindowSettings<T> {
  return { ...settings, allowedLatenessMs: parseDuration(lateness, 'the allowed lateness of a window') };
}

type WindowNode = Omit<NewNode, 'inputs'>;

/** The operator of a windowed stream; throws WINDOW_INVALID when its parts do not go together. */
export function windowNode<T>(
  settings: WindowSettings<T>,
  fold: WindowFold<T>,
  windowFunction?: AnyWindowFunction,
  poison: PoisonPolicy = 'fail',
): WindowNode {
  const definition = definitionOf(settings, fold, windowFunction);
  return {
    kind: 'window',
    name: `Window (${settings.assigner.name})`,
    ...windowPath(definition, poison !== 'fail'),
    stateful: true,
    needsUid: true,
    sideTypes: settings.lateTag === undefined ? {} : { [settings.lateTag]: { kind: 'input', input: 0 } },
    ...(settings.isGlobal ? { parallelismLimit: 1 } : {}),
  };
}

/** A function for each pair of a window, or for both sides of it at once. */
export type WindowJoin = 'join' | 'co-group';

/** The operator of a window join; throws as {@link windowNode} does. */
export function windowJoinNode<A, B, K>(
  settings: WindowSettings<TaggedUnion<A, B>>,
  join: WindowJoin,
  apply: ApplyJoin<never, never, K, Results>,
  poison: PoisonPolicy = 'fail',
): WindowNode {
  const windowFunction =
    join === 'join'
      ? joinFunction(apply)
      : coGroupFunction(apply as ApplyJoin<readonly never[], readonly never[], K, Results>);
  const definition = definitionOf(settings, { kind: 'all' }, windowFunction);
  return {
    kind: `window-${join}`,
    name: `${join === 'join' ? 'Window Join' : 'Co-Group'} (${settings.assigner.name})`,
    factory: windowJoinPath(definition, poison !== 'fail'),
    stateful: true,
    needsUid: true,
  };
}

function definitionOf<T>(
  settings: WindowSettings<T>,
  fold: WindowFold<T>,
  windowFunction: AnyWindowFunction | undefined,
): WindowDefinition<T> {
  const { assigner, evictor, allowedLatenessMs = 0, lateTag } = settings;
  const trigger = settings.trigger ?? (assigner.defaultTrigger as AnyTriggerOf<T>);
  if (assigner.merging === true) checkMerging(trigger, fold, windowFunction);
  return { assigner, trigger, evictor, allowedLatenessMs, lateTag, fold, function: windowFunction };
}

/** The tags of a windowed stream: those of its function, and that of late records. */
export function windowTags(tags: readonly string[], lateTag: string | undefined): readonly string[] {
  if (lateTag === undefined) return tags;
  if (lateTag !== DEAD_LETTER_TAG && !tags.includes(lateTag)) return [...tags, lateTag];
  throw new MillraceError(
    'STREAM_INVALID',
    `the side output of late records cannot be called "${lateTag}": another one has this name`,
  );
}

function checkMerging<T>(
  trigger: AnyTriggerOf<T>,
  fold: WindowFold<T>,
  windowFunction: AnyWindowFunction | undefined,
): void {
  if (trigger.onMerge === undefined) {
    throw cannotMerge('their trigger has no onMerge', 'Use another trigger, or give yours an onMerge.');
  }
  if (fold.kind === 'aggregate' && fold.aggregate.merge === undefined) {
    throw cannotMerge(
      'the aggregation has no merge',
      'Add merge(left, right), which makes one accumulator of two.',
    );
  }
  if (Object.keys(windowFunction?.windowState ?? {}).length > 0) {
    throw cannotMerge('state of one window cannot be merged', 'Use globalState, which belongs to the key.');
  }
}

function cannotMerge(why: string, remedy: string): MillraceError {
  return new MillraceError('WINDOW_INVALID', `windows that merge, such as sessions: ${why}`, { remedy });
}
