// Metrics that somebody has chosen, as lines of one plot; the choice stays in this browser.
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { vertexLabel } from '../conclusions/names.ts';
import { Kept, listOf, useKept } from '../live/kept.ts';
import { isPick, type MetricPick } from '../live/metric-views.ts';
import { metricsEveryMs, metricsPath, readMetrics, written } from '../live/metrics.ts';
import { thinned } from '../live/thinned.ts';
import { useText } from '../settings.tsx';
import type { ReadyJob } from './job.tsx';
import { Plot } from './plot.tsx';

/** More lines than colours cannot be told apart. */
const picksMax = 6;

const known = new Kept<readonly MetricPick[]>('metrics', (stored) => listOf(stored, isPick).slice(-picksMax));

/** Whether a metric is chosen. */
export function isPicked(picks: readonly MetricPick[], { scope, id }: MetricPick): boolean {
  return picks.some((pick) => pick.scope === scope && pick.id === id);
}

/** What is chosen; one more drives out the oldest. */
export function usePicks(): {
  readonly picks: readonly MetricPick[];
  readonly toggle: (pick: MetricPick) => void;
  readonly take: (picks: readonly MetricPick[]) => void;
} {
  const picks = useKept(known);
  return {
    picks,
    take: (next) => known.change(next),
    toggle(pick) {
      const others = picks.filter(({ scope, id }) => scope !== pick.scope || id !== pick.id);
      known.change(others.length < picks.length ? others : [...others, pick].slice(-picksMax));
    },
  };
}

interface Point {
  readonly at: number;
  /** By scope and name. */
  readonly values: ReadonlyMap<string, number>;
}

interface PickedProps {
  readonly job: ReadyJob;
  readonly picks: readonly MetricPick[];
  readonly reachMs: number;
  /** Default: that they were chosen. */
  readonly title?: string;
}

/** The plot; nothing before something is chosen. */
export function PickedMetrics({ job, picks, reachMs, title }: PickedProps): ReactNode {
  const { t } = useText();
  const points = usePoints(job, picks, reachMs);
  if (picks.length === 0) return null;
  return (
    <section className="card" data-part="picked-metrics">
      <header>
        <h2>{title ?? t('metrics.picked')}</h2>
        <span className="soft small">{t('metrics.picked.how')}</span>
      </header>
      <Plot
        label={title ?? t('metrics.picked')}
        times={points.map(({ at }) => at)}
        series={picks.map((pick, index) => ({
          name: nameOf(job, pick),
          colour: index + 1,
          values: points.map(({ values }) => values.get(keyOf(pick)) ?? null),
        }))}
        format={written}
        spansGaps
      />
    </section>
  );
}

/** By job: what was measured while somebody looked, a day of it at most; until the page is closed. */
const measured = new Map<string, readonly Point[]>();

function usePoints(job: ReadyJob, picks: readonly MetricPick[], reachMs: number): readonly Point[] {
  const { jobId } = job;
  const [points, setPoints] = useState(() => measured.get(jobId) ?? []);
  const { data, dataUpdatedAt } = useQuery({
    queryKey: ['picked', jobId, ...picks.map(keyOf)],
    queryFn: ({ signal }) => readValues(job, picks, signal),
    enabled: picks.length > 0,
    refetchInterval: metricsEveryMs,
  });
  useEffect(() => {
    if (data === undefined) return;
    const before = measured.get(jobId) ?? [];
    if (dataUpdatedAt > (before.at(-1)?.at ?? 0)) {
      measured.set(jobId, thinned([...before, { at: dataUpdatedAt, values: data }], dataUpdatedAt));
    }
    setPoints(measured.get(jobId) ?? []);
  }, [jobId, data, dataUpdatedAt]);
  const from = (points.at(-1)?.at ?? 0) - reachMs;
  // Another view measures other metrics at its own times.
  return points.filter(({ at, values }) => at >= from && picks.some((pick) => values.has(keyOf(pick))));
}

async function readValues(
  { jobId, description }: ReadyJob,
  picks: readonly MetricPick[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const scopes = Map.groupBy(picks, ({ scope }) => scope);
  const read = await Promise.all(
    [...scopes].map(async ([scope, own]) => {
      const isAggregated = description.vertices.some(({ vertexId }) => vertexId === scope);
      // What was chosen in another job may not be here.
      if (!isAggregated && scope !== 'job' && scope !== 'jobmanager') return [];
      const ids = own.map(({ id }) => id);
      const rows = await readMetrics(metricsPath(jobId, scope), { isAggregated, ids }, signal);
      return rows.flatMap(({ id, number }): [string, number][] =>
        number === undefined ? [] : [[keyOf({ scope, id }), number]],
      );
    }),
  );
  return new Map(read.flat());
}

function keyOf({ scope, id }: MetricPick): string {
  return `${scope} ${id}`;
}

function nameOf({ description }: ReadyJob, { scope, id }: MetricPick): string {
  const vertex = description.vertices.find(({ vertexId }) => vertexId === scope);
  return vertex === undefined ? id : `${vertexLabel(vertex)}: ${id}`;
}
