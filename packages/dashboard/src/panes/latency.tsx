// Latency: when results can be seen, and how far event time is behind the clock.
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { LatencyWatch } from '../../../../src/rest/contract.ts';
import { eventTimeLags, isHistory, sinkDelays } from '../conclusions/latency.ts';
import {
  criticalEdge,
  markerConclusion,
  type MarkerPath,
  markerPaths,
} from '../conclusions/marker-latency.ts';
import { labelOf } from '../conclusions/names.ts';
import { act } from '../live/server.ts';
import { Empty, Figure, PaneHead, Said, Scroll, Verdict } from '../parts/basic.tsx';
import { type ReadyJob, WithJob } from '../parts/job.tsx';
import { Plot } from '../parts/plot.tsx';
import { useText } from '../settings.tsx';
import { duration } from '../text/units.ts';

const linesMax = 6;
/** What the server measures ends after 30 s without a word. */
const renewMs = 10_000;

/** The pane. */
export function LatencyPane(): ReactNode {
  return (
    <>
      <PaneHead title="latency.title" lead="latency.lead" />
      <WithJob>
        {(job) => (
          <>
            <Markers job={job} />
            <Sinks job={job} />
            <EventTimeLag job={job} />
          </>
        )}
      </WithJob>
    </>
  );
}

function Markers({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t } = useText();
  const { description, figures } = job;
  const refusal = useMeasuring(job.jobId, figures.state === 'RUNNING');
  const paths = markerPaths(figures);
  return (
    <section className="card" data-part="markers">
      <h2>{t('latency.markers')}</h2>
      <Verdict conclusion={markerConclusion(description, figures)}>
        {refusal !== undefined && <p className="failed">{t('action.failed', { reason: refusal })}</p>}
      </Verdict>
      {paths.length > 0 && <MarkerTable job={job} paths={paths} />}
      {paths.length > 0 && <MarkerPlot job={job} paths={paths} />}
      <p className="soft">
        {t('latency.what')}{' '}
        {figures.latencyIntervalMs > 0 &&
          `(${t('latency.interval', { interval: { kind: 'duration', ms: figures.latencyIntervalMs } })})`}
      </p>
    </section>
  );
}

interface Measured {
  readonly job: ReadyJob;
  readonly paths: readonly MarkerPath[];
}

function MarkerTable({ job: { description, figures }, paths }: Measured): ReactNode {
  const { t, say } = useText();
  const edge = criticalEdge(description, figures);
  return (
    <Scroll label={t('latency.markers')}>
      <table>
        <thead>
          <tr>
            <th>{t('word.operator')}</th>
            <th>{t('latency.source')}</th>
            <th className="number">p50</th>
            <th className="number">p95</th>
            <th className="number">p99</th>
            <th className="number">max</th>
            <th className="number">{t('latency.slowest')}</th>
            <th className="number">{t('latency.count')}</th>
          </tr>
        </thead>
        <tbody>
          {paths.map((path) => (
            <tr key={`${path.vertex}/${path.source}`} data-critical={path.vertex === edge?.to || undefined}>
              <th scope="row">{labelOf(description, path.vertex)}</th>
              <td>{path.source === null ? t('latency.source.all') : labelOf(description, path.source)}</td>
              {[path.p50Ms, path.p95Ms, path.p99Ms, path.maxMs].map((ms, at) => (
                <td key={['p50', 'p95', 'p99', 'max'][at]} className="number nowrap">
                  {ms < 1 ? '< 1 ms' : say({ kind: 'duration', ms })}
                </td>
              ))}
              <td className="number">{path.slowestSubtask}</td>
              <td className="number">{say({ kind: 'count', value: path.markers })}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function MarkerPlot({ job: { description, ticks }, paths }: Measured): ReactNode {
  const { t, say } = useText();
  const vertices = [...new Set(paths.map(({ vertex }) => vertex))].slice(0, linesMax);
  return (
    <Plot
      label={t('latency.p95-over-time')}
      times={ticks.map(({ at }) => at)}
      series={vertices.map((vertex) => ({
        name: labelOf(description, vertex),
        colour: vertex + 1,
        values: ticks.map((tick) => {
          const known = markerPaths(tick).filter((path) => path.vertex === vertex);
          return known.length === 0 ? null : Math.max(...known.map(({ p95Ms }) => p95Ms));
        }),
      }))}
      format={(ms) => say({ kind: 'duration', ms })}
    />
  );
}

/** Has the server measure while the pane is open; why it refused. */
function useMeasuring(jobId: string, isRunning: boolean): string | undefined {
  const { error } = useQuery({
    queryKey: ['latency', jobId],
    queryFn: () => act<LatencyWatch>('POST', `/x/jobs/${jobId}/latency`, {}),
    enabled: isRunning,
    refetchInterval: renewMs,
    retry: false,
    gcTime: 0,
  });
  return error === null ? undefined : error.message;
}

function Sinks({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t } = useText();
  const delays = sinkDelays(job.description, job.figures.checkpoints.averageDurationMs);
  return (
    <section className="card" data-part="sinks">
      <h2>{t('latency.sinks')}</h2>
      {delays.length === 0 ? (
        <p className="soft">{t('latency.no-sink')}</p>
      ) : (
        <ul className="stack">
          {delays.map(({ name, told }) => (
            <li key={name}>
              <Said saying={told} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function EventTimeLag({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t, say, language } = useText();
  const { description, figures, ticks } = job;
  const lags = eventTimeLags(description, figures);
  const last = lags.findLast((lag) => lag !== undefined);
  if (last === undefined) {
    const past = isHistory(description, figures);
    return (
      <Empty title={t(past ? 'latency.history' : 'latency.no-event-time')}>
        <p>
          {t(past ? 'latency.history.why' : 'latency.no-event-time.why')}{' '}
          <a href="#/event-time">{t('event-time.title')}</a>
        </p>
      </Empty>
    );
  }
  const lines = ticks.map((tick) => eventTimeLags(description, tick));
  return (
    <section className="card">
      <h2>{t('latency.event-time')}</h2>
      <dl className="grid">
        <Figure
          name={t('latency.lag')}
          value={duration(last, language)}
          note={t('latency.lag.note', { operator: labelOf(description, lags.lastIndexOf(last)) })}
          title="currentEmitEventTimeLag"
        />
      </dl>
      <Plot
        label={t('latency.event-time')}
        times={ticks.map(({ at }) => at)}
        series={description.vertices.slice(0, linesMax).map((_vertex, vertex) => ({
          name: labelOf(description, vertex),
          colour: vertex + 1,
          values: lines.map((line) => line[vertex] ?? null),
        }))}
        format={(ms) => say({ kind: 'duration', ms })}
      />
    </section>
  );
}
