// Home: is it well, what does it do, how much goes through, what runs where; the demo's cluster overview.
import type { ReactNode } from 'react';
import type { Overview } from '../../../../src/rest/contract.ts';
import { identityOf } from '../conclusions/conclusion.ts';
import { costSaying } from '../conclusions/checkpoint.ts';
import { freshnessOf } from '../conclusions/latency.ts';
import { causeSaying, recoveryConclusion } from '../conclusions/recovery.ts';
import { healthOf } from '../conclusions/health.ts';
import { idleConclusions } from '../conclusions/balance.ts';
import { pipelineSayings } from '../conclusions/pipeline.ts';
import { useHistory } from '../live/history.ts';
import { useLive } from '../live/hooks.ts';
import { useViews } from '../live/metric-views.ts';
import { reaches, reachOf } from '../live/reach.ts';
import { act } from '../live/server.ts';
import type { LiveState } from '../live/state.ts';
import { Action } from '../parts/action.tsx';
import { Badge, Figure, PaneHead, Said, Scroll, Verdict } from '../parts/basic.tsx';
import { Ago, type ReadyJob, StateBadge, WithJob } from '../parts/job.tsx';
import { useSilenced } from '../live/silenced.ts';
import { PickedMetrics } from '../parts/picked-metrics.tsx';
import { Plot } from '../parts/plot.tsx';
import { SubmitJob } from '../parts/submit-job.tsx';
import { useText } from '../settings.tsx';
import { bytes, compact, count, duration, rate } from '../text/units.ts';

/** The pane. */
export function HomePane(): ReactNode {
  const live = useLive();
  return (
    <>
      <PaneHead title="home.title" lead="home.lead" />
      <WithJob>
        {(job) => (
          <>
            <Verdict conclusion={healthOf(job)} />
            <ClusterFigures job={job} live={live} />
            <JobActions job={job} />
            <Pinned job={job} />
            <div className="columns">
              <div className="stack">
                <Throughput job={job} />
                <Lately job={job} live={live} />
              </div>
              <WhatItDoes job={job} />
            </div>
          </>
        )}
      </WithJob>
      {live.overview !== undefined && <Jobs overview={live.overview} />}
      <SubmitJob />
    </>
  );
}

/** Views of metrics that somebody wants to see here. */
function Pinned({ job }: { readonly job: ReadyJob }): ReactNode {
  const { views } = useViews();
  const pinned = views.filter(({ isOnOverview, picks }) => isOnOverview && picks.length > 0);
  return pinned.map(({ name, picks, reach }) => (
    <PickedMetrics key={name} job={job} picks={picks} reachMs={reaches[reachOf(reach)]} title={name} />
  ));
}

function ClusterFigures({ job, live }: { readonly job: ReadyJob; readonly live: LiveState }): ReactNode {
  const { t, language } = useText();
  const { overview } = live;
  const summary = overview?.jobs.find(({ jobId }) => jobId === job.jobId);
  const last = job.checkpoints.findLast(({ status }) => status === 'COMPLETED');
  const { silenceOf } = useSilenced();
  const open = live.alerts.filter(
    (alert) => alert.resolvedAt === null && silenceOf(alert) === undefined,
  ).length;
  return (
    <dl className="grid" data-part="cluster">
      <Figure
        name={t('home.workers')}
        value={String(overview?.workers.length ?? 0)}
        note={t('home.workers.note')}
      />
      <Figure
        name={t('home.slots')}
        value={`${(overview?.slotsTotal ?? 0) - (overview?.slotsFree ?? 0)} / ${overview?.slotsTotal ?? 0}`}
        note={t('home.slots.note')}
        title="taskSlotsAvailable, taskSlotsTotal"
      />
      <Figure
        name={t('home.running')}
        value={count(overview?.jobsRunning ?? 0, language)}
        note={t('home.running.note', {
          finished: String(overview?.jobsFinished ?? 0),
          failed: String(overview?.jobsFailed ?? 0),
        })}
      />
      <Fresh job={job} />
      <Figure
        name={t('home.read')}
        value={rate(summary?.recordsReadPerSecond ?? 0, language)}
        note={t('home.read.note')}
        title="numRecordsOutPerSecond (source)"
      />
      <Figure
        name={t('home.written')}
        value={rate(summary?.recordsWrittenPerSecond ?? 0, language)}
        note={t('home.written.note')}
        title="numRecordsInPerSecond (sink)"
      />
      <Figure
        name={t('home.last-checkpoint')}
        value={last === undefined ? '–' : duration(last.durationMs, language)}
        title="lastCheckpointDuration, lastCheckpointSize"
        note={
          last === undefined ? (
            t('home.no-checkpoint')
          ) : (
            <>
              {`#${last.checkpointId}, ${bytes(last.stateBytes).number} ${bytes(last.stateBytes).unit}, `}
              <Ago at={last.triggeredAt + last.durationMs} />
            </>
          )
        }
      />
      <Figure
        name={t('home.alerts')}
        value={count(open, language)}
        note={<a href="#/alerts">{t('home.alerts.note')}</a>}
      />
    </dl>
  );
}

function Fresh({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t, language } = useText();
  const fresh = freshnessOf(job.description, job.figures);
  return (
    <Figure
      name={t('home.fresh')}
      value={fresh.kind === 'at-once' ? t('home.fresh.at-once') : duration(fresh.ms, language)}
      note={t(`home.fresh.${fresh.kind}.note`)}
      title="currentEmitEventTimeLag, lastCheckpointDuration"
    />
  );
}

/** What the last checkpoint has cost, how the last failure ended, what the job has alerted of. */
function Lately({ job, live }: { readonly job: ReadyJob; readonly live: LiveState }): ReactNode {
  const { t } = useText();
  const last = job.checkpoints.findLast(({ status }) => status === 'COMPLETED');
  const recovery = job.recoveries.at(-1);
  const cause = recovery && causeSaying(job.description, recovery, job.exceptions);
  const told = recovery && recoveryConclusion(job.description, recovery);
  const alert = live.alerts.findLast(({ kind, jobId }) => kind === 'job-alert' && jobId === job.jobId);
  return (
    <section className="card" data-part="lately">
      <h2>{t('home.lately')}</h2>
      <ul className="stack">
        {last !== undefined && (
          <li>
            <Said saying={costSaying(last, job.details.get(last.checkpointId))} />{' '}
            <a href={`#/checkpoints?checkpoint=${last.checkpointId}`}>{t('home.lately.details')}</a>
          </li>
        )}
        <li>
          {told === undefined ? (
            <>
              {t('home.lately.no-failure')} <a href="#/drill">{t('recovery.none.how')}</a>
            </>
          ) : (
            <>
              {[...(cause === undefined ? [] : [cause]), told, ...told.more].map((each) => (
                <span key={each.key}>
                  <Said saying={each} />{' '}
                </span>
              ))}
              <a href="#/recovery">{t('home.lately.details')}</a>
            </>
          )}
        </li>
        {alert !== undefined && (
          <li>
            <Badge tone="warn">{t('lens.alert')}</Badge> {alert.message} (<Ago at={alert.at} />){' '}
            <a href="#/alerts">{t('home.lately.details')}</a>
          </li>
        )}
      </ul>
    </section>
  );
}

function JobActions({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t } = useText();
  const { hello } = useLive();
  if (job.figures.state !== 'RUNNING' || hello === undefined) return null;
  const { stop, cancel } = hello.features;
  return (
    <div className="row">
      {stop && (
        <Action
          name={t('home.stop')}
          confirm={t('home.confirm')}
          run={() => act('POST', `/x/jobs/${job.jobId}/stop`)}
          done={t('home.asked')}
        />
      )}
      {cancel && (
        <Action
          name={t('home.cancel')}
          confirm={t('home.confirm')}
          run={() => act('PATCH', `/jobs/${job.jobId}?mode=cancel`)}
          done={t('home.asked')}
        />
      )}
    </div>
  );
}

function Throughput({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t, say, language } = useText();
  const { ticks, description } = job;
  const points = useHistory(job);
  const sourceIndexes = description.vertices.flatMap(({ isSource }, index) => (isSource ? [index] : []));
  const sinkIndexes = description.vertices.flatMap(({ isSink }, index) => (isSink ? [index] : []));
  const read = ticks.map(({ vertices }) =>
    sum(sourceIndexes.map((index) => vertices[index]?.operators[0]?.recordsOutPerSecond ?? 0)),
  );
  const written = ticks.map(({ vertices }) =>
    sum(
      sinkIndexes.flatMap((index) =>
        (description.vertices[index]?.operators ?? []).map((operator, at) =>
          operator.kind === 'sink' ? (vertices[index]?.operators[at]?.recordsInPerSecond ?? 0) : 0,
        ),
      ),
    ),
  );
  return (
    <section className="card">
      <header>
        <h2>{t('home.throughput')}</h2>
        <span className="soft small">{rate(0, language).unit}</span>
      </header>
      <Plot
        label={t('home.throughput')}
        times={[...points, ...ticks].map(({ at }) => at)}
        series={[
          {
            name: t('home.read'),
            values: [...points.map((point) => point.recordsReadPerSecond), ...read],
            colour: 1,
            isArea: true,
          },
          {
            name: t('home.written'),
            values: [...points.map((point) => point.recordsWrittenPerSecond), ...written],
            colour: 2,
          },
        ]}
        format={(value) => say({ kind: 'rate', value })}
        formatAxis={compact}
      />
    </section>
  );
}

function WhatItDoes({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t } = useText();
  return (
    <section className="card" data-part="pipeline">
      <h2>{t('home.what')}</h2>
      <ol className="stack steps">
        {pipelineSayings(job.description).map((saying, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the order of the plan is the identity
          <li key={index}>
            <Said saying={saying} />
          </li>
        ))}
      </ol>
      {idleConclusions(job.description, job.figures).map((idle) => (
        <p key={identityOf(idle)} className="soft" data-part="idle">
          {[idle, ...idle.more].map((each) => (
            <span key={each.key}>
              <Said saying={each} />{' '}
            </span>
          ))}
          <a href="#/heat">{t('heat.title')}</a>
        </p>
      ))}
    </section>
  );
}

function Jobs({ overview }: { readonly overview: Overview }): ReactNode {
  const { t, language, say } = useText();
  return (
    <section className="card">
      <h2>{t('home.jobs')}</h2>
      <Scroll label={t('home.jobs')}>
        <table>
          <thead>
            <tr>
              <th>{t('word.job')}</th>
              <th>{t('word.state')}</th>
              <th className="number">{t('word.duration')}</th>
              <th className="number">{t('word.subtasks')}</th>
              <th className="number">{t('home.read')}</th>
              <th className="number">{t('home.restarts')}</th>
              <th>{t('home.job-id')}</th>
            </tr>
          </thead>
          <tbody>
            {overview.jobs.map((job) => (
              <tr key={job.jobId}>
                <th scope="row">
                  <a href={`#/home?job=${job.jobId}`}>{job.name}</a>
                </th>
                <td>
                  <StateBadge state={job.state} />
                </td>
                <td className="number">{say({ kind: 'duration', ms: job.durationMs })}</td>
                <td className="number">{count(sum(Object.values(job.tasks)), language)}</td>
                <td className="number">{say({ kind: 'rate', value: job.recordsReadPerSecond })}</td>
                <td className="number">{count(job.restarts, language)}</td>
                <td className="nowrap">
                  <code>{job.jobId}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
