// Exceptions: failures that are the same one as one entry, with code, remedy, place, and how often it came.
import type { ReactNode } from 'react';
import { type FailureGroup, failureGroups } from '../conclusions/failures.ts';
import { givenUpConclusion, givingUp } from '../conclusions/given-up.ts';
import { useNow } from '../live/hooks.ts';
import { useMuted } from '../live/muted.ts';
import { Badge, Empty, PaneHead, Scroll, Verdict } from '../parts/basic.tsx';
import { Ago, Moment, type ReadyJob, WithJob } from '../parts/job.tsx';
import { useText } from '../settings.tsx';

/** The pane. */
export function ExceptionsPane(): ReactNode {
  return (
    <>
      <PaneHead title="exceptions.title" lead="exceptions.lead" />
      <WithJob>{(job) => <Exceptions job={job} />}</WithJob>
    </>
  );
}

function Exceptions({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t } = useText();
  const now = useNow();
  const { isMuted, toggle } = useMuted(job.jobId);
  const groups = failureGroups(job.exceptions, now);
  const loud = groups.filter(({ group }) => !isMuted(group));
  const muted = groups.filter(({ group }) => isMuted(group));
  return (
    <div className="stack">
      <GivenUp job={job} />
      {groups.length === 0 && (
        <Empty title={t('exceptions.none')}>
          <p>{t('exceptions.none.what')}</p>
        </Empty>
      )}
      {groups.length > 0 && loud.length === 0 && <p className="soft">{t('exceptions.all-muted')}</p>}
      {loud.map((group) => (
        <Group key={group.group} group={group} mute={() => toggle(group.group)} isMuted={false} />
      ))}
      {muted.length > 0 && (
        <details className="card" data-part="muted">
          <summary>{t('exceptions.muted', { n: { kind: 'count', value: muted.length } })}</summary>
          <p className="soft small">{t('exceptions.muted.how')}</p>
          <div className="stack">
            {muted.map((group) => (
              <Group key={group.group} group={group} mute={() => toggle(group.group)} isMuted />
            ))}
          </div>
        </details>
      )}
    </div>
  );
}

/** Records on which a function failed, where that does not fail the job. */
function GivenUp({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t } = useText();
  const conclusion = givenUpConclusion(job.description, job.figures);
  if (conclusion === undefined) return null;
  return (
    <section className="card" data-part="given-up">
      <h2>{t('given-up.title')}</h2>
      <Verdict conclusion={conclusion} />
      <Scroll label={t('given-up.title')}>
        <table>
          <thead>
            <tr>
              <th>{t('given-up.operator')}</th>
              <th>{t('given-up.policy')}</th>
              <th>{t('given-up.readers')}</th>
            </tr>
          </thead>
          <tbody>
            {givingUp(job.description).map(({ uid, policy, readers }) => (
              <tr key={uid}>
                <th scope="row">
                  <code>{uid}</code>
                </th>
                <td>{t(`given-up.policy.${policy}`)}</td>
                <td>
                  {readers.length > 0
                    ? readers.join(', ')
                    : t(policy === 'skip' ? 'given-up.readers.skip' : 'given-up.readers.none')}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <p className="small">
        <a href={`#/logs?text=${encodeURIComponent('a record was given up')}`}>{t('given-up.logs')}</a>
      </p>
    </section>
  );
}

interface GroupProps {
  readonly group: FailureGroup;
  readonly isMuted: boolean;
  readonly mute: () => void;
}

function Group({ group, isMuted, mute }: GroupProps): ReactNode {
  const { t } = useText();
  const { latest } = group;
  const most = Math.max(...group.bins);
  return (
    <article className="card" data-code={latest.code}>
      <header>
        <h2>
          <code>{latest.code}</code>
        </h2>
        <div className="row">
          <svg
            className="sparkline"
            width={24 * 5}
            height={26}
            role="img"
            aria-label={t('exceptions.sparkline')}
          >
            {group.bins.map((count, bin) => (
              <rect
                // biome-ignore lint/suspicious/noArrayIndexKey: a bin is its place in time
                key={bin}
                x={bin * 5}
                width={4}
                y={count === 0 ? 24 : 24 - (count / most) * 22}
                height={count === 0 ? 2 : 2 + (count / most) * 22}
                data-empty={count === 0}
              />
            ))}
          </svg>
          <Badge tone={isMuted ? 'plain' : 'bad'}>
            {t('exceptions.times', { n: { kind: 'count', value: group.count } })}
          </Badge>
          <button type="button" className="button" onClick={mute}>
            {t(isMuted ? 'exceptions.unmute' : 'exceptions.mute')}
          </button>
        </div>
      </header>
      <p className="failure-message">{latest.message}</p>
      {latest.remedy !== '' && (
        <p>
          <b>{t('exceptions.remedy')}</b> {latest.remedy}
        </p>
      )}
      <dl className="facts-list">
        <dt>{t('exceptions.where')}</dt>
        <dd>
          {latest.task === null
            ? t('exceptions.where.job')
            : t('exceptions.where.task', {
                task: latest.taskName ?? '',
                subtask: String(latest.task.subtask),
                slot: latest.slot === null ? '–' : String(latest.slot + 1),
              })}
        </dd>
        <dt>{t('exceptions.first')}</dt>
        <dd>
          <Moment at={group.firstAt} />
        </dd>
        <dt>{t('exceptions.last')}</dt>
        <dd>
          <Moment at={group.lastAt} /> (<Ago at={group.lastAt} />)
        </dd>
        <dt>{t('exceptions.consequence')}</dt>
        <dd>{group.consequence}</dd>
      </dl>
      <details>
        <summary>{t('exceptions.stack')}</summary>
        <pre className="code">{latest.stack}</pre>
      </details>
    </article>
  );
}
