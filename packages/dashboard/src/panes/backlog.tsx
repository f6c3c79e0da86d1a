// Backlog: what each source has still to read, whether that gets less, and when it has caught up.
import type { ReactNode } from 'react';
import {
  backlogConclusion,
  type BacklogLine,
  backlogLines,
  type BacklogUnit,
  pendingAt,
} from '../conclusions/backlog.ts';
import { labelOf } from '../conclusions/names.ts';
import { useHistory } from '../live/history.ts';
import { Empty, Figure, PaneHead, Scroll, Verdict } from '../parts/basic.tsx';
import { type ReadyJob, WithJob } from '../parts/job.tsx';
import { Plot } from '../parts/plot.tsx';
import { useText } from '../settings.tsx';
import { bytes, count, duration, records } from '../text/units.ts';

/** Event time that is older than this is history that is read: how old it is says nothing of this job. */
const liveMsMax = 86_400_000;

/** The pane. */
export function BacklogPane(): ReactNode {
  return (
    <>
      <PaneHead title="backlog.title" lead="backlog.lead" />
      <WithJob>{(job) => <Sources job={job} />}</WithJob>
    </>
  );
}

function Sources({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t } = useText();
  const lines = backlogLines(job.ticks.length === 0 ? [job.figures] : job.ticks);
  const isKnown = lines.some(({ pending }) => pending !== undefined);
  return (
    <>
      {lines.map((line) => (
        <Source key={line.vertex} job={job} line={line} />
      ))}
      {!isKnown && job.figures.state === 'RUNNING' && (
        <Empty title={t('backlog.nobody-knows')}>
          <p>{t('backlog.nobody-knows.what')}</p>
          <pre>{'pending: () => ({ records: end - next })'}</pre>
        </Empty>
      )}
    </>
  );
}

interface SourceProps {
  readonly job: ReadyJob;
  readonly line: BacklogLine;
}

function Source({ job, line }: SourceProps): ReactNode {
  const { t, language } = useText();
  const { description, figures } = job;
  const { backlog, pending } = line;
  const lag = backlog.emitEventTimeLagMs;
  return (
    <section className="card" data-source={labelOf(description, line.vertex)}>
      <h2>{labelOf(description, line.vertex)}</h2>
      <Verdict conclusion={backlogConclusion(description, figures, line)} />
      {pending !== undefined && (
        <>
          <dl className="grid">
            <Figure
              name={t('backlog.pending')}
              value={pending.unit === 'bytes' ? bytes(pending.value) : records(pending.value, language)}
              title={pending.unit === 'records' ? 'pendingRecords' : 'pendingBytes'}
            />
            <Figure
              name={t('backlog.splits')}
              value={backlog.pendingSplits === null ? '–' : count(backlog.pendingSplits, language)}
              note={
                (backlog.unassignedSplits ?? 0) === 0
                  ? undefined
                  : t('backlog.unassigned', { n: { kind: 'count', value: backlog.unassignedSplits ?? 0 } })
              }
              title="numUnassignedSplits"
            />
            {lag !== null && Math.abs(lag) <= liveMsMax && (
              <Figure
                name={t('backlog.lag')}
                value={duration(lag, language)}
                note={t('backlog.lag.note')}
                title="currentEmitEventTimeLag"
              />
            )}
          </dl>
          <History job={job} line={line} unit={pending.unit} />
          <Subtasks job={job} line={line} unit={pending.unit} />
        </>
      )}
    </section>
  );
}

function History({ job, line, unit }: SourceProps & { readonly unit: BacklogUnit }): ReactNode {
  const { t, say } = useText();
  const points = useHistory(job);
  const before = points.map((point) => point[unit === 'records' ? 'pendingRecords' : 'pendingBytes']);
  return (
    <Plot
      label={t('backlog.over-time')}
      times={[...points, ...job.ticks].map(({ at }) => at)}
      series={[
        {
          name: t('backlog.pending'),
          colour: 1,
          isArea: true,
          values: [
            ...before.map((pending) => pending[line.vertex] ?? null),
            ...job.ticks.map((tick) => pendingAt(tick, line.vertex, unit) ?? null),
          ],
        },
      ]}
      format={(value) => say({ kind: unit, value })}
    />
  );
}

function Subtasks({ job, line, unit }: SourceProps & { readonly unit: BacklogUnit }): ReactNode {
  const { t, say } = useText();
  const subtasks = job.figures.vertices[line.vertex]?.subtasks ?? [];
  return (
    <Scroll label={t('word.subtasks')}>
      <table>
        <thead>
          <tr>
            <th>{t('word.subtask')}</th>
            <th className="number">{t('backlog.pending')}</th>
            <th className="number">{t('backlog.reads')}</th>
            <th className="number">{t('backlog.idle')}</th>
          </tr>
        </thead>
        <tbody>
          {subtasks.map(({ subtask, pendingRecords, pendingBytes, recordsOutPerSecond, sourceIdleMs }) => {
            const value = unit === 'records' ? pendingRecords : pendingBytes;
            return (
              <tr key={subtask}>
                <th scope="row">{subtask}</th>
                <td className="number nowrap">{value === null ? '–' : say({ kind: unit, value })}</td>
                <td className="number nowrap">{say({ kind: 'rate', value: recordsOutPerSecond })}</td>
                <td className="number nowrap">
                  {sourceIdleMs === null || sourceIdleMs < 1500
                    ? '–'
                    : say({ kind: 'duration', ms: sourceIdleMs })}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}
