// Exceptions: failures that are the same one as one entry, with code, remedy, place, and how often it came.
import type { ReactNode } from 'react';
import { type FailureGroup, failureGroups } from '../conclusions/failures.ts';
import { useNow } from '../live/hooks.ts';
import { Badge, Empty, PaneHead } from '../parts/basic.tsx';
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
  const groups = failureGroups(job.exceptions, now);
  if (groups.length === 0) {
    return (
      <Empty title={t('exceptions.none')}>
        <p>{t('exceptions.none.what')}</p>
      </Empty>
    );
  }
  return (
    <div className="stack">
      {groups.map((group) => (
        <Group key={group.group} group={group} />
      ))}
    </div>
  );
}

function Group({ group }: { readonly group: FailureGroup }): ReactNode {
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
          <Badge tone="bad">{t('exceptions.times', { n: { kind: 'count', value: group.count } })}</Badge>
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
