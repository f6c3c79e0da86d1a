// How long it takes until a result can be seen: what each sink adds, and how far event time is behind the clock.
//
// What markers measure is in marker-latency.ts.
import type { JobDescription, JobFiguresMessage } from '../../../../src/rest/contract.ts';
import { type Saying, saying } from './conclusion.ts';
import { orderOf, watermarkLanes } from './watermark.ts';

/** Data that are older than this are history that is read again: how old they are says nothing of this job. */
const liveMsMax = 86_400_000;

/** What one sink does with a result. */
export interface SinkDelay {
  readonly name: string;
  readonly told: Saying;
}

/** How long after the fact a result can be seen, at most; ms, or at once. */
export type Freshness =
  | { readonly kind: 'event-time' | 'checkpoint'; readonly ms: number }
  | { readonly kind: 'at-once' };

/** By event time where there is one of today, else by what the slowest sink adds. */
export function freshnessOf(description: JobDescription, figures: JobFiguresMessage): Freshness {
  const lag = eventTimeLags(description, figures).findLast((each) => each !== undefined);
  if (lag !== undefined) return { kind: 'event-time', ms: Math.max(0, lag) };
  const { checkpointing } = description;
  const waits = description.vertices.some(({ operators }) =>
    operators.some(({ kind, isStateful }) => kind === 'sink' && isStateful),
  );
  return waits && checkpointing !== null
    ? { kind: 'checkpoint', ms: checkpointing.intervalMs + figures.checkpoints.averageDurationMs }
    : { kind: 'at-once' };
}

/**
 * When the results of each sink can be seen. A sink that keeps state holds what it wrote back until the checkpoint behind
 * it is complete: a result waits for the next trigger, at most an interval, and then for the checkpoint itself.
 */
export function sinkDelays(description: JobDescription, averageDurationMs: number): SinkDelay[] {
  const { checkpointing } = description;
  return description.vertices.flatMap(({ operators }) =>
    operators
      .filter(({ kind }) => kind === 'sink')
      .map((operator) => {
        const name = operator.hasExplicitUid ? operator.uid : operator.name;
        if (!operator.isStateful || checkpointing === null) {
          return { name, told: saying('latency.at-once', { sink: name }) };
        }
        return {
          name,
          told: saying('latency.with-checkpoint', {
            sink: name,
            least: { kind: 'duration', ms: averageDurationMs },
            most: { kind: 'duration', ms: checkpointing.intervalMs + averageDurationMs },
            interval: { kind: 'duration', ms: checkpointing.intervalMs },
          }),
        };
      }),
  );
}

/** How far the watermark of each vertex is behind the clock, ms; `undefined` without one, or with data of the past. */
export function eventTimeLags(
  description: JobDescription,
  figures: JobFiguresMessage,
): (number | undefined)[] {
  return watermarkLanes(description, figures)
    .filter(({ split }) => split === null)
    .map(({ watermark }) => {
      const lag = figures.at - orderOf(watermark);
      return Number.isFinite(lag) && Math.abs(lag) <= liveMsMax ? lag : undefined;
    });
}

/** True when there is event time, but of another day. */
export function isHistory(description: JobDescription, figures: JobFiguresMessage): boolean {
  const known = watermarkLanes(description, figures).filter(({ watermark }) => typeof watermark === 'number');
  return known.length > 0 && eventTimeLags(description, figures).every((lag) => lag === undefined);
}
