/** Which operator runs the windows of a stream: the plain one, or one that knows more about them and gives the same. */

import type { OperatorFactory } from '../operator.ts';
import { sessionGapOf, slidingOf, type WindowAssigner } from './assigners.ts';
import { type FixedWindowDefinition, FixedWindowOperator } from './fixed-window-operator.ts';
import type { SessionTimes } from './open-sessions.ts';
import type { OwnWindowDefinition } from './own-window-operator.ts';
import { PaneWindowOperator } from './pane-operator.ts';
import { sharingOf } from './pane-sharing.ts';
import { type SessionWindowDefinition, SessionWindowOperator } from './session-window-operator.ts';
import { FixedWindowJoinOperator, type TaggedUnion, WindowJoinOperator } from './window-join.ts';
import { type WindowDefinition, WindowOperator } from './window-operator.ts';

/** How windows run. */
export interface WindowPath {
  readonly factory: OperatorFactory;
  /** What the plan says about it. */
  readonly note: string | undefined;
}

/** `isGuarded`: records may be given up with all they did, which only state by handles can take back. */
export function windowPath<In>(definition: WindowDefinition<In>, isGuarded: boolean): WindowPath {
  const { panes, note } = sharingOf(definition);
  if (panes !== undefined) return { factory: () => new PaneWindowOperator(panes), note };
  return { factory: ownPath(definition, isGuarded) ?? (() => new WindowOperator(definition)), note };
}

/** Operators that keep their windows themselves. */
function ownPath<In>(definition: WindowDefinition<In>, isGuarded: boolean): OperatorFactory | undefined {
  if (isGuarded) return undefined;
  const fixed = fixedWindowsOf(definition);
  if (fixed !== undefined) return () => new FixedWindowOperator(fixed);
  const sessions = sessionsOf(definition);
  return sessions === undefined ? undefined : () => new SessionWindowOperator(sessions);
}

/** The same for the windows of a join. */
export function windowJoinPath<A, B>(
  definition: WindowDefinition<TaggedUnion<A, B>>,
  isGuarded: boolean,
): OperatorFactory {
  const fixed = isGuarded ? undefined : fixedWindowsOf(definition);
  return fixed === undefined
    ? () => new WindowJoinOperator(definition)
    : () => new FixedWindowJoinOperator(fixed);
}

/** Windows of one length that only time fires; `undefined` for others. */
export function fixedWindowsOf<In>(definition: WindowDefinition<In>): FixedWindowDefinition<In> | undefined {
  const lying = slidingOf(definition.assigner as WindowAssigner<never>);
  if (lying === undefined || !isFiredByTime(definition)) return undefined;
  return { ...ownDefinition(definition), times: { ...lying, ...keeping(definition) } };
}

/** Sessions that only time fires; `undefined` for others. */
export function sessionsOf<In>(definition: WindowDefinition<In>): SessionWindowDefinition<In> | undefined {
  const gapOf = sessionGapOf(definition.assigner as WindowAssigner<never>);
  if (gapOf === undefined || !isFiredByTime(definition)) return undefined;
  return { ...ownDefinition(definition), times: keeping(definition), gapOf: gapOf as (value: In) => number };
}

function isFiredByTime<In>({ assigner, trigger, evictor }: WindowDefinition<In>): boolean {
  return trigger === assigner.defaultTrigger && evictor === undefined;
}

function ownDefinition<In>(definition: WindowDefinition<In>): OwnWindowDefinition<In> {
  const { assigner, fold, lateTag, function: windowFunction } = definition;
  return { name: assigner.name, time: assigner.time, fold, function: windowFunction, lateTag };
}

/** Only event time has a lateness. */
function keeping<In>({ assigner, allowedLatenessMs }: WindowDefinition<In>): SessionTimes {
  return { allowedLatenessMs: assigner.time === 'event' ? allowedLatenessMs : 0, domain: assigner.time };
}
