// Alerts: what a person should know, newest first; each leads to its evidence.
import type { ReactNode } from 'react';
import type { Alert } from '../../../../src/rest/contract.ts';
import type { Saying, Tone } from '../conclusions/conclusion.ts';
import { alertSaying, evidenceLink } from '../conclusions/alert.ts';
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
          {[...alerts].reverse().map((alert) => (
            <AlertRow
              key={alert.alertId}
              alert={alert}
              said={alertSaying(jobs.get(alert.jobId ?? '')?.description, alert)}
            />
          ))}
        </ul>
      )}
    </>
  );
}

function AlertRow({ alert, said }: { readonly alert: Alert; readonly said: Saying }): ReactNode {
  const { t } = useText();
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
