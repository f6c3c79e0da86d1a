// Metrics: many series on one plot, and every metric by Flink's name with its value and how to ask Prometheus for it.
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { HistoryPoint, JobFiguresMessage } from '../../../../src/rest/contract.ts';
import { labelOf, vertexLabel } from '../conclusions/names.ts';
import { useHistory } from '../live/history.ts';
import { type MetricPick, type MetricView, useViews } from '../live/metric-views.ts';
import { metricsEveryMs, metricsPath, readMetrics } from '../live/metrics.ts';
import { type Reach, reaches, reachNames, reachOf } from '../live/reach.ts';
import { PaneHead, Scroll } from '../parts/basic.tsx';
import { Choices } from '../parts/choices.tsx';
import { Copy } from '../parts/copy.tsx';
import { type ReadyJob, WithJob } from '../parts/job.tsx';
import { isPicked, PickedMetrics, usePicks } from '../parts/picked-metrics.tsx';
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
      <WithJob>{(job) => <Metrics job={job} />}</WithJob>
    </>
  );
}

function Metrics({ job }: { readonly job: ReadyJob }): ReactNode {
  const [measure, setMeasure] = useState<Measure>('in');
  const [reach, setReach] = useState<Reach>('15m');
  const { picks, toggle, take } = usePicks();
  return (
    <>
      <Views
        shown={{ measure, reach, picks }}
        take={(view) => {
          setMeasure(measures.find((each) => each === view.measure) ?? 'in');
          setReach(reachOf(view.reach));
          take(view.picks);
        }}
      />
      <Lines job={job} measure={measure} setMeasure={setMeasure} reach={reach} setReach={setReach} />
      <PickedMetrics job={job} picks={picks} reachMs={reaches[reach]} />
      <Table job={job} picks={picks} toggle={toggle} />
    </>
  );
}

interface ViewsProps {
  readonly shown: Pick<MetricView, 'measure' | 'reach' | 'picks'>;
  readonly take: (view: MetricView) => void;
}

function Views({ shown, take }: ViewsProps): ReactNode {
  const { t } = useText();
  const { views, save, remove } = useViews();
  const [chosen, setChosen] = useState('');
  const [name, setName] = useState('');
  const view = views.find((each) => each.name === chosen);
  return (
    <section className="card" data-part="views">
      <div className="row">
        <label className="row">
          {t('metrics.view')}
          <select
            value={view === undefined ? '' : chosen}
            onChange={({ target: { value } }) => {
              setChosen(value);
              const found = views.find((each) => each.name === value);
              if (found !== undefined) take(found);
            }}
          >
            <option value="">
              {t(views.length === 0 ? 'metrics.view.none-saved' : 'metrics.view.none')}
            </option>
            {views.map((each) => (
              <option key={each.name}>{each.name}</option>
            ))}
          </select>
        </label>
        {view !== undefined && (
          <>
            <button
              type="button"
              className="button"
              aria-pressed={view.isOnOverview}
              onClick={() => save({ ...view, isOnOverview: !view.isOnOverview })}
            >
              {t('metrics.view.pin')}
            </button>
            <button type="button" className="button" onClick={() => remove(view.name)}>
              {t('metrics.view.remove')}
            </button>
          </>
        )}
        <form
          className="row"
          onSubmit={(event) => {
            event.preventDefault();
            const wanted = name.trim();
            if (wanted === '') return;
            const before = views.find((each) => each.name === wanted);
            save({ ...shown, name: wanted, isOnOverview: before?.isOnOverview ?? false });
            setChosen(wanted);
            setName('');
          }}
        >
          <input
            type="text"
            aria-label={t('metrics.view.name')}
            placeholder={t('metrics.view.name')}
            maxLength={60}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <button type="submit" className="button" disabled={name.trim() === ''}>
            {t('metrics.view.save')}
          </button>
        </form>
      </div>
    </section>
  );
}

interface LinesProps {
  readonly job: ReadyJob;
  readonly measure: Measure;
  readonly setMeasure: (measure: Measure) => void;
  readonly reach: Reach;
  readonly setReach: (reach: Reach) => void;
}

function Lines({ job, measure, setMeasure, reach, setReach }: LinesProps): ReactNode {
  const { t, say } = useText();
  const points = useHistory(job, reaches[reach]);
  const from = (job.ticks.at(-1)?.at ?? 0) - reaches[reach];
  const ticks = job.ticks.filter(({ at }) => at >= from);
  const isShare = measure === 'busy' || measure === 'pressure';
  const format = (value: number): string => say({ kind: isShare ? 'share' : 'rate', value });
  return (
    <section className="card" data-part="lines" data-points={points.length}>
      <div className="row spread">
        <Choices
          label={t('heat.measure')}
          of={measures}
          chosen={measure}
          choose={setMeasure}
          nameOf={(name) => t(`metrics.measure.${name}`)}
        />
        <Choices
          label={t('metrics.reach')}
          of={reachNames}
          chosen={reach}
          choose={setReach}
          nameOf={(name) => t(`metrics.reach.${name}`)}
        />
      </div>
      <Plot
        label={t(`metrics.measure.${measure}`)}
        times={[...points, ...ticks].map(({ at }) => at)}
        series={job.description.vertices.slice(0, linesMax).map((_vertex, vertex) => ({
          name: labelOf(job.description, vertex),
          colour: vertex + 1,
          values: [
            ...points.map((point) => ofPoint(measure, point, vertex)),
            ...ticks.map((tick) => ofTick(measure, tick, vertex)),
          ],
        }))}
        height={260}
        format={format}
        formatAxis={isShare ? (value) => joined(share(value)) : compact}
        {...(isShare && { max: 1 })}
      />
      {reach !== '15m' && <p className="soft small">{t('metrics.reach.how')}</p>}
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
