// Alerts: what a person should know, newest first; each leads to its evidence.
import { type ReactNode, useState } from 'react';
import type { Alert, EvidenceTrail } from '../../../../src/rest/contract.ts';
import type { Saying, Tone } from '../conclusions/conclusion.ts';
import { type AlertGroup, alertGroups, alertSaying, evidenceLink } from '../conclusions/alert.ts';
import { keyMoments } from '../conclusions/keys.ts';
import { useAcknowledged } from '../live/acknowledged.ts';
import { useLive } from '../live/hooks.ts';
import { Badge, Empty, PaneHead, Said } from '../parts/basic.tsx';
import { Ago, Moment } from '../parts/job.tsx';
import { TrailTable } from '../parts/trail.tsx';
import { useText } from '../settings.tsx';

const tones: Readonly<Record<Alert['severity'], Tone>> = { info: 'plain', warning: 'warn', critical: 'bad' };

/** Rows at once: more nobody reads. */
const shownMax = 100;
const origins = ['all', 'open', 'job', 'system'] as const;
type Origin = (typeof origins)[number];

/** The pane. */
export function AlertsPane(): ReactNode {
  const { t } = useText();
  const { alerts, jobs } = useLive();
  const { isAcknowledged } = useAcknowledged();
  const [origin, setOrigin] = useState<Origin>('all');
  const shown = alertGroups(alerts)
    .filter(({ latest }) => {
      if (origin === 'open') return !isAcknowledged(latest);
      return origin === 'all' || (latest.kind === 'job-alert') === (origin === 'job');
    })
    .slice(0, shownMax);
  return (
    <>
      <PaneHead title="alerts.title" lead="alerts.lead" />
      {alerts.length > 0 && (
        <section className="card">
          <label className="row">
            {t('alerts.of')}
            <select value={origin} onChange={(event) => setOrigin(event.target.value as Origin)}>
              {origins.map((each) => (
                <option key={each} value={each}>
                  {t(`alerts.of.${each}`)}
                </option>
              ))}
            </select>
          </label>
        </section>
      )}
      {shown.length === 0 ? (
        <Empty title={t(alerts.length === 0 ? 'alerts.none' : 'alerts.none.of-kind')}>
          <p>{t('alerts.none.what')}</p>
          <p>{t('alerts.none.own')}</p>
          <pre>{'stream.sinkTo(alertSink({ message: (record) => … }), { uid: … })'}</pre>
        </Empty>
      ) : (
        <ul className="stack">
          {shown.map((group) => (
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
  const { isAcknowledged, acknowledge } = useAcknowledged();
  const isKnown = isAcknowledged(alert);
  return (
    <li className="card alert" data-kind={alert.kind} data-acknowledged={isKnown}>
      <header>
        <span className="row">
          <Badge tone={tones[alert.severity]}>{t(`alert.severity.${alert.severity}`)}</Badge>
          {alert.resolvedAt === null && <Badge tone="accent">{t('alerts.open')}</Badge>}
          {isKnown && <Badge>✓ {t('alerts.acknowledged')}</Badge>}
        </span>
        <span className="soft small">
          <Moment at={alert.at} /> (<Ago at={alert.at} />)
          {count > 1 && (
            <>
              {' · '}
              {t('alerts.times', { n: { kind: 'count', value: count } })} <Moment at={firstAt} />
            </>
          )}
          {!isKnown && (
            <>
              {' · '}
              <button type="button" className="link" onClick={() => acknowledge(alert)}>
                {t('alerts.acknowledge')}
              </button>
            </>
          )}
        </span>
      </header>
      <p>
        <Said saying={said} />
      </p>
      {alert.kind === 'job-alert' ? (
        <Raised alert={alert} />
      ) : (
        <p className="small">
          <a href={link}>{t('alerts.evidence')}</a>
        </p>
      )}
    </li>
  );
}

/** Who raised it, and what led to it. */
function Raised({ alert }: { readonly alert: Alert }): ReactNode {
  const { t } = useText();
  const { trail, vertexName } = alert.evidence;
  return (
    <>
      <p className="soft small">{t('alerts.by', { operator: vertexName ?? '' })}</p>
      {trail === null ? <p className="soft small">{t('alerts.no-trail')}</p> : <Trail trail={trail} />}
    </>
  );
}

function Trail({ trail }: { readonly trail: EvidenceTrail }): ReactNode {
  const { t } = useText();
  const title = t('alerts.trail', {
    n: { kind: 'count', value: trail.steps.length },
    key: trail.key,
  });
  const state = `#/state?uid=${encodeURIComponent(trail.uid)}&key=${encodeURIComponent(trail.key)}`;
  return (
    <details data-part="trail">
      <summary>{title}</summary>
      <TrailTable title={title} moments={keyMoments(trail, [])} />
      <p className="soft small">
        {t('alerts.trail.place', { operator: trail.uid, subtask: String(trail.subtask) })}{' '}
        <a href={state}>{t('alerts.trail.state')}</a>
      </p>
    </details>
  );
}
