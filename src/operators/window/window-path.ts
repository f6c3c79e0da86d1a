/** Which operator runs the windows of a stream: the plain one, or one that knows more about them and gives the same. */

import type { StateDeclaration } from '../process-context.ts';
import type { OperatorFactory } from '../operator.ts';
import { slidingOf, type WindowAssigner } from './assigners.ts';
import { type FixedWindowDefinition, FixedWindowOperator } from './fixed-window-operator.ts';
import { PaneWindowOperator } from './pane-operator.ts';
import { sharingOf } from './pane-sharing.ts';
import { declaredState } from './window-function.ts';
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
  const fixed = isGuarded ? undefined : fixedWindowsOf(definition);
  const factory =
    fixed === undefined ? () => new WindowOperator(definition) : () => new FixedWindowOperator(fixed);
  return { factory, note };
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
  const { assigner, trigger, evictor, fold, lateTag, function: call } = definition;
  const lying = slidingOf(assigner as WindowAssigner<never>);
  if (lying === undefined || trigger !== assigner.defaultTrigger || evictor !== undefined) return undefined;
  if (hasTtl(declaredState(call))) return undefined;
  // Only event time has a lateness.
  const allowedLatenessMs = assigner.time === 'event' ? definition.allowedLatenessMs : 0;
  const times = { ...lying, allowedLatenessMs, domain: assigner.time };
  return { name: assigner.name, times, fold, function: call, lateTag };
}

/** Such a state is looked through a little for each record that makes its key current. */
function hasTtl(states: StateDeclaration): boolean {
  return Object.values(states).some(({ ttl }) => ttl !== undefined);
}
