// Alerts: what a person should know, newest first; each leads to its evidence.
import type { ReactNode } from 'react';
import type { Alert } from '../../../../src/rest/contract.ts';
import type { Saying, Tone } from '../conclusions/conclusion.ts';
import { type AlertGroup, alertGroups, alertSaying, evidenceLink } from '../conclusions/alert.ts';
import { useLive } from '../live/hooks.ts';
import { Badge, Empty, PaneHead, Said } from '../parts/basic.tsx';
import { Ago, Moment } from '../parts/job.tsx';
import { useText } from '../settings.tsx';

const tones: Readonly<Record<Alert['severity'], Tone>> = { info: 'plain', warning: 'warn', critical: 'bad' };

/** The pane. */
export function AlertsPane(): ReactNode {
  const { t } = useText();
  const { alerts, jobs } = useLive();
  return (
    <>
      <PaneHead title="alerts.title" lead="alerts.lead" />
      {alerts.length === 0 ? (
        <Empty title={t('alerts.none')}>
          <p>{t('alerts.none.what')}</p>
        </Empty>
      ) : (
        <ul className="stack">
          {alertGroups(alerts).map((group) => (
            <AlertRow
              key={group.latest.alertId}
              group={group}
              said={alertSaying(jobs.get(group.latest.jobId ?? '')?.description, group.latest)}
            />
          ))}
        </ul>
      )}
    </>
  );
}

function AlertRow({ group, said }: { readonly group: AlertGroup; readonly said: Saying }): ReactNode {
  const { t } = useText();
  const { latest: alert, count, firstAt } = group;
  const link = evidenceLink(alert);
  return (
    <li className="card alert" data-kind={alert.kind}>
      <header>
        <span className="row">
          <Badge tone={tones[alert.severity]}>{t(`alert.severity.${alert.severity}`)}</Badge>
          {alert.resolvedAt === null && <Badge tone="accent">{t('alerts.open')}</Badge>}
        </span>
        <span className="soft small">
          <Moment at={alert.at} /> (<Ago at={alert.at} />)
          {count > 1 && (
            <>
              {' · '}
              {t('alerts.times', { n: { kind: 'count', value: count } })} <Moment at={firstAt} />
            </>
          )}
        </span>
      </header>
      <p>
        <Said saying={said} />
      </p>
      <p className="small">
        <a href={link}>{t('alerts.evidence')}</a>
      </p>
    </li>
  );
}
