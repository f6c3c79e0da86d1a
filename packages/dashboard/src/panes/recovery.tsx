// Recovery: from a failure to the moment when the job has caught up, each on one time line.
import type { ReactNode } from 'react';
import type { Recovery } from '../../../../src/rest/contract.ts';
import type { Conclusion } from '../conclusions/conclusion.ts';
import { causeSaying, recoveryConclusion } from '../conclusions/recovery.ts';
import { subtaskLabel } from '../conclusions/names.ts';
import { Empty, PaneHead, Verdict } from '../parts/basic.tsx';
import { Moment, type ReadyJob, WithJob } from '../parts/job.tsx';
import { RecoveryLine } from '../parts/recovery-line.tsx';
import { useText } from '../settings.tsx';

/** The pane. */
export function RecoveryPane(): ReactNode {
  return (
    <>
      <PaneHead title="recovery.title" lead="recovery.lead" />
      <WithJob>{(job) => <Recoveries job={job} />}</WithJob>
    </>
  );
}

function Recoveries({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t } = useText();
  if (job.recoveries.length === 0) {
    return (
      <Empty title={t('recovery.none')}>
        <p>{t('recovery.none.what')}</p>
        <p>
          <a href="#/drill">{t('recovery.none.how')}</a>
        </p>
      </Empty>
    );
  }
  return (
    <div className="stack">
      {[...job.recoveries].reverse().map((recovery) => (
        <section className="card" key={recovery.attempt} data-attempt={recovery.attempt}>
          <header>
            <h2>{t('recovery.attempt', { attempt: String(recovery.attempt) })}</h2>
            <span className="soft small">
              <Moment at={recovery.failedAt} />
            </span>
          </header>
          <Verdict conclusion={told(job, recovery)} />
          <RecoveryLine recovery={recovery} />
          <dl className="facts-list">
            <dt>{t('recovery.cause')}</dt>
            <dd>
              {recovery.cause}
              {recovery.exceptionId !== null && (
                <>
                  {' '}
                  <a href="#/exceptions">{t('recovery.exception')}</a>
                </>
              )}
            </dd>
            <Moved job={job} recovery={recovery} />
            {recovery.restoredFromPath !== null && (
              <>
                <dt>{t('recovery.restored-from')}</dt>
                <dd>
                  <code>{recovery.restoredFromPath}</code>
                </dd>
              </>
            )}
          </dl>
        </section>
      ))}
    </div>
  );
}

/** How it ended, what had failed, and where the state came from. */
function told(job: ReadyJob, recovery: Recovery): Conclusion {
  const conclusion = recoveryConclusion(job.description, recovery);
  const cause = causeSaying(job.description, recovery, job.exceptions);
  return cause === undefined ? conclusion : { ...conclusion, more: [cause, ...conclusion.more] };
}

/** Where what had failed ran, and where it runs now; of the latest recovery, because only of now that is known. */
function Moved({ job, recovery }: { readonly job: ReadyJob; readonly recovery: Recovery }): ReactNode {
  const { t } = useText();
  const { task, workerId, slot } = recovery;
  const isLatest = recovery === job.recoveries.at(-1) && recovery.downtimeMs !== null;
  const now = task && job.figures.vertices[task.vertex]?.subtasks[task.subtask];
  if (!isLatest || task === null || workerId === null || slot === null || !now) return null;
  return (
    <>
      <dt>{t('recovery.moved')}</dt>
      <dd data-part="moved">
        {t('recovery.moved.value', {
          task: subtaskLabel(job.description, task),
          ...{ worker: workerId, slot: String(slot + 1) },
          ...{ newWorker: now.workerId, newSlot: String(now.slot + 1) },
        })}
      </dd>
    </>
  );
}
