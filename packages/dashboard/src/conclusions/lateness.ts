// What another bound of out-of-orderness would do: which share of records would be late, and what it costs in delay.
import type { Lateness } from '../../../../src/rest/contract.ts';

/** The share that is aimed at when nobody says otherwise: one record in a thousand. */
export const lateShareWanted = 0.001;

/**
 * The share of records that would come behind the watermark with this bound, 0 to 1. Between two measured bounds the
 * truth lies between their shares; the larger one is given, so that a promise is kept.
 */
export function lateShareAt(lateness: Lateness, boundMs: number): number {
  if (lateness.records === 0) return 0;
  if (boundMs >= lateness.behindMsMax) return 0;
  const measured = [...lateness.bounds]
    .filter((bound) => bound.boundMs <= boundMs)
    .sort((left, right) => right.boundMs - left.boundMs)[0];
  return (measured?.late ?? lateness.records) / lateness.records;
}

/** The smallest measured bound that keeps the late share at `wanted` or below. */
export function suggestedBoundMs(lateness: Lateness, wanted = lateShareWanted): number {
  const enough = [...lateness.bounds]
    .sort((left, right) => left.boundMs - right.boundMs)
    .find(({ late }) => lateness.records > 0 && late / lateness.records <= wanted);
  return Math.min(enough?.boundMs ?? lateness.behindMsMax, lateness.behindMsMax);
}

/** How many records lie between one bound and the next: the bars of the histogram. */
export function latenessBars(lateness: Lateness): { fromMs: number; toMs: number; records: number }[] {
  const bounds = [...lateness.bounds].sort((left, right) => left.boundMs - right.boundMs);
  const bars: { fromMs: number; toMs: number; records: number }[] = [];
  let before = { boundMs: -1, late: lateness.records };
  for (const bound of bounds) {
    bars.push({
      fromMs: before.boundMs,
      toMs: bound.boundMs,
      records: Math.max(0, before.late - bound.late),
    });
    before = bound;
  }
  if (before.late > 0)
    bars.push({ fromMs: before.boundMs, toMs: lateness.behindMsMax, records: before.late });
  const last = bars.findLastIndex(({ records }) => records > 0);
  return bars.slice(0, last + 1);
}
