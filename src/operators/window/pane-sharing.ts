/** Whether sliding windows may share panes, and what the plan says about it. */

import { type Sliding, slidingOf, type WindowAssigner } from './assigners.ts';
import type { PaneDefinition } from './pane-operator.ts';
import type { MergingAggregate } from './panes.ts';
import type { WindowFold } from './window-contents.ts';
import type { WindowDefinition } from './window-operator.ts';

/** How windows run. */
export interface Sharing<In> {
  /** `undefined`: each window keeps its contents for itself. */
  readonly panes: PaneDefinition<In> | undefined;
  /** For windows that overlap. */
  readonly note: string | undefined;
}

/** Panes where they give what the plain path gives; else the reason. */
export function sharingOf<In>(definition: WindowDefinition<In>): Sharing<In> {
  const sliding = slidingOf(definition.assigner as WindowAssigner<never>);
  if (sliding === undefined || sliding.sizeMs <= sliding.slideMs)
    return { panes: undefined, note: undefined };
  const obstacle = obstacleOf(definition);
  if (obstacle !== undefined) return { panes: undefined, note: `no shared panes: ${obstacle}` };
  return { panes: panesOf(definition, sliding), note: 'shared panes' };
}

function obstacleOf<In>(definition: WindowDefinition<In>): string | undefined {
  const { assigner, trigger, evictor, allowedLatenessMs, fold } = definition;
  if (assigner.time === 'processing') return 'windows of processing time';
  if (trigger !== assigner.defaultTrigger) return 'a trigger';
  if (evictor !== undefined) return 'an evictor';
  if (allowedLatenessMs > 0) return 'allowed lateness';
  return foldObstacleOf(fold);
}

function foldObstacleOf<In>(fold: WindowFold<In>): string | undefined {
  switch (fold.kind) {
    case 'all':
      return 'the function sees all records';
    case 'reduce':
      return 'a reduction may depend on the order of its records';
    case 'aggregate':
      return fold.aggregate.merge === undefined ? 'the aggregation has no merge' : undefined;
  }
}

function panesOf<In>(definition: WindowDefinition<In>, sliding: Sliding): PaneDefinition<In> {
  const { fold, lateTag, function: windowFunction } = definition;
  const { aggregate } = fold as Extract<WindowFold<In>, { kind: 'aggregate' }>;
  return {
    sliding,
    aggregate: aggregate as MergingAggregate<In, unknown, unknown>,
    function: windowFunction,
    lateTag,
  };
}
