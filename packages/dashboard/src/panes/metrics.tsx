// Metrics: many series on one plot, and every metric by Flink's name with its value and how to ask Prometheus for it.
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { HistoryPoint, JobFiguresMessage } from '../../../../src/rest/contract.ts';
import { labelOf, vertexLabel } from '../conclusions/names.ts';
import { useHistory } from '../live/history.ts';
import { metricsEveryMs, metricsPath, readMetrics } from '../live/metrics.ts';
import { PaneHead, Scroll } from '../parts/basic.tsx';
import { Choices } from '../parts/choices.tsx';
import { Copy } from '../parts/copy.tsx';
import { type ReadyJob, WithJob } from '../parts/job.tsx';
import { isPicked, type MetricPick, PickedMetrics, usePicks } from '../parts/picked-metrics.tsx';
import { Plot } from '../parts/plot.tsx';
import { useText } from '../settings.tsx';
import { compact, joined, share } from '../text/units.ts';

const measures = ['in', 'out', 'busy', 'pressure'] as const;
type Measure = (typeof measures)[number];
const linesMax = 6;

/** The pane. */
export function MetricsPane(): ReactNode {
  return (
    <>
      <PaneHead title="metrics.title" lead="metrics.lead" />
      <WithJob>
        {(job) => (
          <>
            <Lines job={job} />
            <Chosen job={job} />
          </>
        )}
      </WithJob>
    </>
  );
}

function Lines({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t, say } = useText();
  const [measure, setMeasure] = useState<Measure>('in');
  const points = useHistory(job);
  const isShare = measure === 'busy' || measure === 'pressure';
  const format = (value: number): string => say({ kind: isShare ? 'share' : 'rate', value });
  return (
    <section className="card">
      <Choices
        label={t('heat.measure')}
        of={measures}
        chosen={measure}
        choose={setMeasure}
        nameOf={(name) => t(`metrics.measure.${name}`)}
      />
      <Plot
        label={t(`metrics.measure.${measure}`)}
        times={[...points, ...job.ticks].map(({ at }) => at)}
        series={job.description.vertices.slice(0, linesMax).map((_vertex, vertex) => ({
          name: labelOf(job.description, vertex),
          colour: vertex + 1,
          values: [
            ...points.map((point) => ofPoint(measure, point, vertex)),
            ...job.ticks.map((tick) => ofTick(measure, tick, vertex)),
          ],
        }))}
        height={260}
        format={format}
        formatAxis={isShare ? (value) => joined(share(value)) : compact}
        {...(isShare && { max: 1 })}
      />
    </section>
  );
}

function ofPoint(measure: Measure, point: HistoryPoint, vertex: number): number | null {
  const values = {
    in: point.recordsInPerSecond,
    out: point.recordsOutPerSecond,
    busy: point.busyShareMax,
    pressure: point.backPressuredShareMax,
  }[measure];
  return values[vertex] ?? null;
}

function ofTick(measure: Measure, tick: JobFiguresMessage, vertex: number): number | null {
  const figures = tick.vertices[vertex];
  if (figures === undefined) return null;
  return {
    in: figures.recordsInPerSecond,
    out: figures.recordsOutPerSecond,
    busy: figures.busyShareMax,
    pressure: figures.backPressuredShareMax,
  }[measure];
}

/** The metrics that somebody has chosen, as lines, and all of them to choose from. */
function Chosen({ job }: { readonly job: ReadyJob }): ReactNode {
  const { picks, toggle } = usePicks();
  return (
    <>
      <PickedMetrics job={job} picks={picks} />
      <Table job={job} picks={picks} toggle={toggle} />
    </>
  );
}

interface TableProps {
  readonly job: ReadyJob;
  readonly picks: readonly MetricPick[];
  readonly toggle: (pick: MetricPick) => void;
}

function Table({ job, picks, toggle }: TableProps): ReactNode {
  const { t } = useText();
  const [scope, setScope] = useState('job');
  const [search, setSearch] = useState('');
  const vertex = job.description.vertices.find(({ vertexId }) => vertexId === scope);
  const rows = useQuery({
    queryKey: ['metrics', job.jobId, scope],
    queryFn: ({ signal }) =>
      readMetrics(metricsPath(job.jobId, scope), { isAggregated: vertex !== undefined }, signal),
    refetchInterval: metricsEveryMs,
  });
  const shown = (rows.data ?? []).filter(({ id }) => id.toLowerCase().includes(search.toLowerCase()));
  const columns = vertex === undefined ? (['value'] as const) : (['min', 'avg', 'max', 'sum'] as const);
  return (
    <section className="card">
      <div className="row">
        <select
          aria-label={t('metrics.scope')}
          value={scope}
          onChange={(event) => setScope(event.target.value)}
        >
          <option value="job">{t('metrics.scope.job')}</option>
          <option value="jobmanager">{t('metrics.scope.jobmanager')}</option>
          {job.description.vertices.map((each) => (
            <option key={each.vertexId} value={each.vertexId}>
              {vertexLabel(each)}
            </option>
          ))}
        </select>
        <input
          type="search"
          aria-label={t('metrics.search')}
          placeholder={t('metrics.search')}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <a href="./metrics">{t('metrics.prometheus')}</a>
      </div>
      {rows.isError && <p className="failed">{rows.error.message}</p>}
      <Scroll label={t('metrics.title')} className="metric-scroll">
        <table>
          <thead>
            <tr>
              <th>{t('metrics.name')}</th>
              {columns.map((column) => (
                <th key={column} className="number">
                  {t(`metrics.column.${column}`)}
                </th>
              ))}
              <th>
                <span className="unseen">{t('metrics.pick')}</span>
              </th>
              <th>
                <span className="unseen">{t('metrics.copy')}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map(({ id, values }) => (
              <tr key={id}>
                <th scope="row">
                  <code>{id}</code>
                </th>
                {values.map((value, column) => (
                  <td key={columns[column]} className="number metric-value" title={value}>
                    {value}
                  </td>
                ))}
                <td className="nowrap">
                  <button
                    type="button"
                    className="link small"
                    aria-pressed={isPicked(picks, { scope, id })}
                    onClick={() => toggle({ scope, id })}
                  >
                    {t(isPicked(picks, { scope, id }) ? 'metrics.drop' : 'metrics.pick')}
                  </button>
                </td>
                <td className="nowrap">
                  <Copy name={t('metrics.copy')} text={promqlOf(job, scope, vertex?.name, id)} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}

/** What asks Prometheus for the same: its names are Flink's with the prefix of this engine. */
function promqlOf(job: ReadyJob, scope: string, taskName: string | undefined, id: string): string {
  const name = id.replaceAll(/\W/g, '_');
  if (scope === 'jobmanager') return `millrace_jobmanager_${name}`;
  const labels = `job_id="${job.jobId}"`;
  return taskName === undefined
    ? `millrace_jobmanager_job_${name}{${labels}}`
    : `millrace_taskmanager_job_task_${name}{${labels},task_name=${JSON.stringify(taskName)}}`;
}
