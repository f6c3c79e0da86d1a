// Metrics that somebody has chosen, as lines of one plot; the choice stays in this browser.
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { vertexLabel } from '../conclusions/names.ts';
import { metricsEveryMs, metricsPath, readMetrics, written } from '../live/metrics.ts';
import { useText } from '../settings.tsx';
import type { ReadyJob } from './job.tsx';
import { Plot } from './plot.tsx';

/** A metric of the job, of the JobManager, or of a vertex (of which the highest subtask is drawn). */
export interface MetricPick {
  /** `job`, `jobmanager`, or the id of a vertex. */
  readonly scope: string;
  readonly id: string;
}

const storageKey = 'millrace.metrics';
/** More lines than colours cannot be told apart. */
const picksMax = 6;
/** An hour at one every three seconds. */
const pointsMax = 1200;

/** Whether a metric is chosen. */
export function isPicked(picks: readonly MetricPick[], { scope, id }: MetricPick): boolean {
  return picks.some((pick) => pick.scope === scope && pick.id === id);
}

/** What is chosen; one more drives out the oldest. */
export function usePicks(): {
  readonly picks: readonly MetricPick[];
  readonly toggle: (pick: MetricPick) => void;
} {
  const [picks, setPicks] = useState(readPicks);
  return {
    picks,
    toggle(pick) {
      const others = picks.filter(({ scope, id }) => scope !== pick.scope || id !== pick.id);
      const next = others.length < picks.length ? others : [...others, pick].slice(-picksMax);
      setPicks(next);
      try {
        localStorage.setItem(storageKey, JSON.stringify(next));
      } catch {
        // A browser that keeps nothing shows the choice until the page is closed.
      }
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
}

/** The plot; nothing before something is chosen. */
export function PickedMetrics({ job, picks }: PickedProps): ReactNode {
  const { t } = useText();
  const points = usePoints(job, picks);
  if (picks.length === 0) return null;
  return (
    <section className="card" data-part="picked-metrics">
      <header>
        <h2>{t('metrics.picked')}</h2>
        <span className="soft small">{t('metrics.picked.how')}</span>
      </header>
      <Plot
        label={t('metrics.picked')}
        times={points.map(({ at }) => at)}
        series={picks.map((pick, index) => ({
          name: nameOf(job, pick),
          colour: index + 1,
          values: points.map(({ values }) => values.get(keyOf(pick)) ?? null),
        }))}
        format={written}
      />
    </section>
  );
}

/** What was measured since the pane was opened. */
function usePoints(job: ReadyJob, picks: readonly MetricPick[]): readonly Point[] {
  const [points, setPoints] = useState<readonly Point[]>([]);
  const { data, dataUpdatedAt } = useQuery({
    queryKey: ['picked', job.jobId, ...picks.map(keyOf)],
    queryFn: ({ signal }) => readValues(job, picks, signal),
    enabled: picks.length > 0,
    refetchInterval: metricsEveryMs,
  });
  useEffect(() => {
    if (data === undefined) return;
    setPoints((before) =>
      before.at(-1)?.at === dataUpdatedAt
        ? before
        : [...before, { at: dataUpdatedAt, values: data }].slice(-pointsMax),
    );
  }, [data, dataUpdatedAt]);
  return points;
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

function readPicks(): readonly MetricPick[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(storageKey) ?? '[]');
    return Array.isArray(stored) ? stored.filter(isPick).slice(-picksMax) : [];
  } catch {
    return [];
  }
}

function isPick(value: unknown): value is MetricPick {
  if (typeof value !== 'object' || value === null || !('scope' in value) || !('id' in value)) return false;
  return typeof value.scope === 'string' && typeof value.id === 'string';
}
