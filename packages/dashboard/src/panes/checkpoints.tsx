// Checkpoints: the four figures of the demo, a strip of all that are kept, and one of them in detail.
import { type ReactNode, useState } from 'react';
import type { CheckpointSummary } from '../../../../src/rest/contract.ts';
import { averagesOf, checkpointConclusion } from '../conclusions/checkpoint.ts';
import { addressNumber } from '../live/address.ts';
import { useCheckpoint } from '../live/checkpoint.ts';
import { useLive } from '../live/hooks.ts';
import { act } from '../live/server.ts';
import { Action } from '../parts/action.tsx';
import { Badge, Empty, Figure, PaneHead, Scroll, Verdict } from '../parts/basic.tsx';
import { CheckpointComparison } from '../parts/checkpoint-comparison.tsx';
import { CheckpointStrip } from '../parts/checkpoint-strip.tsx';
import { RestoreFrom } from '../parts/restore-from.tsx';
import { CheckpointTimes } from '../parts/checkpoint-times.tsx';
import { Copy } from '../parts/copy.tsx';
import { Moment, type ReadyJob, WithJob } from '../parts/job.tsx';
import { useText } from '../settings.tsx';
import { bytes, count, duration, joined } from '../text/units.ts';

const rowsShown = 12;

/** The pane. */
export function CheckpointsPane(): ReactNode {
  return (
    <>
      <PaneHead title="checkpoints.title" lead="checkpoints.lead" />
      <WithJob>{(job) => <Checkpoints job={job} />}</WithJob>
    </>
  );
}

function Checkpoints({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t, language } = useText();
  const [chosen, setChosen] = useState(() => addressNumber('checkpoint'));
  const { checkpoints } = job.figures;
  const last = job.checkpoints.findLast(({ status }) => status !== 'IN_PROGRESS');
  const shown = chosen ?? last?.checkpointId;
  if (job.description.checkpointing === null) {
    return (
      <Empty title={t('checkpoints.off')}>
        <p>{t('checkpoints.off.why')}</p>
        <pre>env.enableCheckpointing('10 s')</pre>
      </Empty>
    );
  }
  const averages =
    checkpoints.completed > 0
      ? { bytes: checkpoints.averageBytes, durationMs: checkpoints.averageDurationMs }
      : averagesOf(job.checkpoints);
  return (
    <>
      <dl className="grid" data-part="four-figures">
        <Figure
          name={t('checkpoints.total')}
          value={count(checkpoints.total, language)}
          note={t('checkpoints.total.note', { n: { kind: 'count', value: checkpoints.inProgress } })}
        />
        <Figure
          name={t('checkpoints.completed')}
          value={count(checkpoints.completed, language)}
          title="numberOfCompletedCheckpoints"
          note={t('checkpoints.completed.note', { n: { kind: 'count', value: checkpoints.failed } })}
        />
        <Figure
          name={t('checkpoints.size')}
          value={bytes(averages.bytes)}
          title="lastCheckpointSize"
          note={t('checkpoints.size.note')}
        />
        <Figure
          name={t('checkpoints.time')}
          value={duration(averages.durationMs, language)}
          title="lastCheckpointDuration"
          note={t('checkpoints.time.note')}
        />
      </dl>
      <Plan job={job} />
      {shown === undefined ? (
        <Empty title={t('checkpoints.none')}>
          <p>
            {t('checkpoints.none.when', {
              interval: { kind: 'duration', ms: job.description.checkpointing.intervalMs },
            })}
          </p>
        </Empty>
      ) : (
        <>
          <section className="card">
            <header>
              <h2>{t('checkpoints.strip')}</h2>
              <span className="soft small">{t('checkpoints.strip.how')}</span>
            </header>
            <CheckpointStrip checkpoints={job.checkpoints} chosen={shown} choose={setChosen} />
          </section>
          <Detail job={job} id={shown} />
          <History checkpoints={job.checkpoints} chosen={shown} choose={setChosen} />
        </>
      )}
    </>
  );
}

function Plan({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t } = useText();
  const { hello } = useLive();
  const plan = job.description.checkpointing;
  if (plan === null) return null;
  const isRunning = job.figures.state === 'RUNNING';
  return (
    <div className="row">
      <span className="soft">
        {t(plan.mode === 'exactly-once' ? 'checkpoints.plan.exactly' : 'checkpoints.plan.least', {
          interval: { kind: 'duration', ms: plan.intervalMs },
        })}
        {plan.isUnaligned && ` ${t('checkpoints.plan.unaligned')}`}
        {plan.directory !== null && (
          <>
            {' '}
            {t('checkpoints.plan.where')} <code>{plan.directory}</code>
          </>
        )}
      </span>
      {hello?.features.triggerCheckpoint === true && isRunning && (
        <Action
          name={t('checkpoints.trigger')}
          run={() => act('POST', `/jobs/${job.jobId}/checkpoints`, { checkpointType: 'FULL' })}
          done={t('checkpoints.triggered')}
        />
      )}
      {hello?.features.savepoint === true && isRunning && (
        <Action
          name={t('checkpoints.savepoint')}
          run={() => act('POST', `/jobs/${job.jobId}/savepoints`, { 'cancel-job': false })}
          done={t('checkpoints.triggered')}
        />
      )}
    </div>
  );
}

function Detail({ job, id }: { readonly job: ReadyJob; readonly id: number }): ReactNode {
  const { t } = useText();
  const { checkpoint, failure } = useCheckpoint(job, id);
  return (
    <section className="card" data-part="checkpoint-detail">
      <header>
        <h2>{t('checkpoints.detail', { id: String(id) })}</h2>
        {checkpoint !== undefined && <Kind checkpoint={checkpoint} />}
      </header>
      {checkpoint === undefined ? (
        <p className="soft">{failure ?? t('action.working')}</p>
      ) : (
        <>
          <Verdict conclusion={checkpointConclusion(job.description, checkpoint)} />
          <CheckpointTimes description={job.description} checkpoint={checkpoint} />
          <CheckpointComparison job={job} checkpoint={checkpoint} />
          {checkpoint.path !== null && (
            <p className="soft">
              {t('checkpoints.stored')} <code>{checkpoint.path}</code>{' '}
              <Copy name={t('copy.path')} text={checkpoint.path} />
            </p>
          )}
          <RestoreFrom job={job} checkpoint={checkpoint} />
        </>
      )}
    </section>
  );
}

function Kind({ checkpoint }: { readonly checkpoint: CheckpointSummary }): ReactNode {
  const { t } = useText();
  return (
    <span className="row">
      <Badge
        tone={checkpoint.status === 'COMPLETED' ? 'good' : checkpoint.status === 'FAILED' ? 'bad' : 'accent'}
      >
        {t(`checkpoint.status.${checkpoint.status}`)}
      </Badge>
      <Badge>{t(`checkpoint.kind.${checkpoint.kind}`)}</Badge>
      <Badge>{t(`checkpoint.alignment.${checkpoint.alignment}`)}</Badge>
    </span>
  );
}

function History({
  checkpoints,
  chosen,
  choose,
}: {
  readonly checkpoints: readonly CheckpointSummary[];
  readonly chosen: number;
  readonly choose: (id: number) => void;
}): ReactNode {
  const { t, say } = useText();
  const newest = checkpoints.slice(-rowsShown).reverse();
  return (
    <section className="card">
      <h2>{t('checkpoints.history')}</h2>
      <Scroll label={t('checkpoints.history')}>
        <table>
          <thead>
            <tr>
              <th>{t('checkpoints.id')}</th>
              <th>{t('word.state')}</th>
              <th>{t('checkpoints.triggered-at')}</th>
              <th className="number">{t('word.duration')}</th>
              <th className="number">{t('checkpoints.state-size')}</th>
              <th className="number">{t('checkpoints.in-flight')}</th>
              <th className="number">{t('checkpoints.acknowledged')}</th>
            </tr>
          </thead>
          <tbody>
            {newest.map((checkpoint) => (
              <tr key={checkpoint.checkpointId} data-chosen={checkpoint.checkpointId === chosen}>
                <th scope="row">
                  <button type="button" className="link" onClick={() => choose(checkpoint.checkpointId)}>
                    #{checkpoint.checkpointId}
                  </button>
                </th>
                <td className="nowrap">
                  <Kind checkpoint={checkpoint} />
                </td>
                <td>
                  <Moment at={checkpoint.triggeredAt} />
                </td>
                <td className="number">{say({ kind: 'duration', ms: checkpoint.durationMs })}</td>
                <td className="number">{joined(bytes(checkpoint.stateBytes))}</td>
                <td className="number">{joined(bytes(checkpoint.inFlightBytes))}</td>
                <td className="number">
                  {checkpoint.subtasksAcknowledged} / {checkpoint.subtasksTotal}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}
