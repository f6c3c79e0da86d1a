// Failures that are the same one again, as one: how often, since when, when last.
import type { ExceptionMessage } from '../../../../src/rest/contract.ts';

/** Failures of one group. */
export interface FailureGroup {
  readonly group: string;
  readonly latest: ExceptionMessage;
  /** What the latest one led to that was not only a companion of another: subtasks that fail together are answered once. */
  readonly consequence: string;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
  /** How many fell into each of {@link binsOfSparkline} equal stretches of the time between the very first and `now`. */
  readonly bins: readonly number[];
}

/** Bars of the small histogram beside a group. */
export const binsOfSparkline = 24;

/** Groups, the one that happened last first. */
export function failureGroups(exceptions: readonly ExceptionMessage[], now: number): FailureGroup[] {
  const byGroup = Map.groupBy(exceptions, ({ group }) => group);
  const start = Math.min(...exceptions.map(({ at }) => at));
  const width = Math.max(1, now - start) / binsOfSparkline;
  return [...byGroup.values()]
    .flatMap((entries) => {
      const sorted = [...entries].sort((left, right) => left.at - right.at);
      const [first, latest] = [sorted[0], sorted.at(-1)];
      if (first === undefined || latest === undefined) return [];
      const bins = Array.from({ length: binsOfSparkline }, () => 0);
      for (const { at } of sorted) {
        const bin = Math.min(binsOfSparkline - 1, Math.max(0, Math.floor((at - start) / width)));
        bins[bin] = (bins[bin] ?? 0) + 1;
      }
      const { consequence } = sorted.findLast((each) => !each.consequence.startsWith('ignored')) ?? latest;
      return [
        {
          group: latest.group,
          latest,
          consequence,
          count: sorted.length,
          firstAt: first.at,
          lastAt: latest.at,
          bins,
        },
      ];
    })
    .sort((left, right) => right.lastAt - left.lastAt);
}
