// Alerts: what a person should know, newest first; each leads to its evidence.
import { type ReactNode, useState } from 'react';
import type { Alert, AlertKind, EvidenceTrail } from '../../../../src/rest/contract.ts';
import type { Saying } from '../conclusions/conclusion.ts';
import { type AlertGroup, alertGroups, alertSaying, evidenceLink } from '../conclusions/alert.ts';
import { keyMoments } from '../conclusions/keys.ts';
import { addressValue } from '../live/address.ts';
import { useAcknowledged } from '../live/acknowledged.ts';
import { useLive } from '../live/hooks.ts';
import { useSilenced } from '../live/silenced.ts';
import { AlertRules, Severity } from '../parts/alert-rules.tsx';
import { Badge, Empty, PaneHead, Said } from '../parts/basic.tsx';
import { Ago, Moment } from '../parts/job.tsx';
import { TrailTable } from '../parts/trail.tsx';
import { useText } from '../settings.tsx';

/** Rows at once: more nobody reads. */
const shownMax = 100;
/** For how long a kind of alert may be silenced. */
const silences = [15, 60, 8 * 60, 24 * 60].map((minutes) => minutes * 60_000);
const origins = ['all', 'open', 'job', 'system'] as const;
type Origin = (typeof origins)[number];

/** The pane. */
export function AlertsPane(): ReactNode {
  const { t } = useText();
  const { alerts, jobs } = useLive();
  const { isAcknowledged } = useAcknowledged();
  const { silenceOf } = useSilenced();
  const [origin, setOrigin] = useState<Origin>('all');
  const [rule, setRule] = useState(() => addressValue('rule') as AlertKind | undefined);
  const fitting = alertGroups(alerts).filter(({ latest }) => {
    if (origin === 'open') return !isAcknowledged(latest);
    return origin === 'all' || (latest.kind === 'job-alert') === (origin === 'job');
  });
  const silent = fitting.filter(({ latest }) => silenceOf(latest) !== undefined).slice(0, shownMax);
  const shown = fitting.filter(({ latest }) => silenceOf(latest) === undefined).slice(0, shownMax);
  const rowOf = (group: AlertGroup): ReactNode => (
    <AlertRow
      key={group.latest.alertId}
      group={group}
      said={alertSaying(jobs.get(group.latest.jobId ?? '')?.description, group.latest)}
      showRule={setRule}
    />
  );
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
      {shown.length === 0 && silent.length === 0 && (
        <Empty title={t(alerts.length === 0 ? 'alerts.none' : 'alerts.none.of-kind')}>
          <p>{t('alerts.none.what')}</p>
          <p>{t('alerts.none.own')}</p>
          <pre>{'stream.sinkTo(alertSink({ message: (record) => … }), { uid: … })'}</pre>
        </Empty>
      )}
      {shown.length === 0 && silent.length > 0 && <p className="soft">{t('alerts.all-silenced')}</p>}
      {shown.length > 0 && <ul className="stack">{shown.map(rowOf)}</ul>}
      <Silences />
      {silent.length > 0 && (
        <details className="card" data-part="silenced">
          <summary>{t('alerts.silenced', { n: { kind: 'count', value: silent.length } })}</summary>
          <ul className="stack">{silent.map(rowOf)}</ul>
        </details>
      )}
      <AlertRules chosen={rule} />
    </>
  );
}

/** What is silent, and until when. */
function Silences(): ReactNode {
  const { t } = useText();
  const { silences: silent, end } = useSilenced();
  const { jobs } = useLive();
  if (silent.length === 0) return null;
  return (
    <section className="card" data-part="silences">
      <h2>{t('alerts.silences')}</h2>
      <p className="soft small">{t('alerts.silences.how')}</p>
      <ul className="stack">
        {silent.map((silence) => (
          <li key={`${silence.jobId}/${silence.kind}/${silence.about}`} className="row">
            <span>
              {t(`alert-kind.${silence.kind}`)}
              {silence.about !== '' && ` (${silence.about})`}
              {silence.jobId !== null && (
                <span className="soft">
                  {' · '}
                  {jobs.get(silence.jobId)?.description?.name ?? silence.jobId}
                </span>
              )}
            </span>
            <span className="soft small">
              {t('alerts.silences.until')} <Moment at={silence.until} />
            </span>
            <button type="button" className="button" onClick={() => end(silence)}>
              {t('alerts.silences.end')}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

interface AlertRowProps {
  readonly group: AlertGroup;
  readonly said: Saying;
  readonly showRule: (kind: AlertKind) => void;
}

function AlertRow({ group, said, showRule }: AlertRowProps): ReactNode {
  const { t } = useText();
  const { latest: alert, count, firstAt } = group;
  const { isAcknowledged, acknowledge } = useAcknowledged();
  const { silenceOf } = useSilenced();
  const [isSilencing, setSilencing] = useState(false);
  const isKnown = isAcknowledged(alert);
  const silence = silenceOf(alert);
  return (
    <li
      className="card alert"
      data-kind={alert.kind}
      data-acknowledged={isKnown}
      data-silenced={silence !== undefined}
    >
      <header>
        <span className="row">
          <Severity of={alert.severity} />
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
        </span>
      </header>
      <p>
        <Said saying={said} />
      </p>
      {alert.kind === 'job-alert' && <Raised alert={alert} />}
      <p className="small links">
        <a href={evidenceLink(alert)}>
          {t(alert.kind === 'job-alert' ? 'alerts.operator' : 'alerts.evidence')}
        </a>
        <a href={`#/alerts?rule=${alert.kind}`} onClick={() => showRule(alert.kind)}>
          {t('alerts.rule')}
        </a>
        {!isKnown && (
          <button type="button" className="link" onClick={() => acknowledge(alert)}>
            {t('alerts.acknowledge')}
          </button>
        )}
        {silence === undefined && (
          <button
            type="button"
            className="link"
            aria-expanded={isSilencing}
            onClick={() => setSilencing(!isSilencing)}
          >
            {t('alerts.silence')}
          </button>
        )}
      </p>
      {isSilencing && silence === undefined && <SilenceFor alert={alert} />}
    </li>
  );
}

/** For how long its kind is to be silent. */
function SilenceFor({ alert }: { readonly alert: Alert }): ReactNode {
  const { t, say } = useText();
  const { silence } = useSilenced();
  return (
    <fieldset className="row small" aria-label={t('alerts.silence')}>
      <span>{t('alerts.silence.for', { kind: t(`alert-kind.${alert.kind}`) })}</span>
      {silences.map((ms) => (
        <button key={ms} type="button" className="button" onClick={() => silence(alert, ms)}>
          {say({ kind: 'duration', ms })}
        </button>
      ))}
    </fieldset>
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
