// The frame of the page: navigation, the head with the job and the connection, and the pane that the address names.
import { type ReactNode, useEffect, useRef, useState } from 'react';
import type { Alert, Features } from '../../../src/rest/contract.ts';
import { useAcknowledged } from './live/acknowledged.ts';
import { useMuted } from './live/muted.ts';
import { ChosenJobContext, useJob, useLive, useNow, useTopics } from './live/hooks.ts';
import { useSilenced } from './live/silenced.ts';
import { Badge } from './parts/basic.tsx';
import { StateBadge } from './parts/job.tsx';
import { paneGroups, paneOf } from './panes.ts';
import { useSettings, useText } from './settings.tsx';
import type { Language } from './text/catalogue.ts';

/** The page. */
export function App(): ReactNode {
  const address = useAddress();
  const pane = paneOf(address.pane);
  const [isMenuOpen, setMenuOpen] = useState(false);
  const main = useRef<HTMLElement>(null);
  const { t } = useText();
  // biome-ignore lint/correctness/useExhaustiveDependencies: another pane begins at its top, with the menu closed
  useEffect(() => {
    setMenuOpen(false);
    window.scrollTo(0, 0);
  }, [address.pane]);
  useEffect(() => {
    document.title = `${t(pane.title)} · Millrace`;
  }, [pane, t]);
  return (
    <ChosenJobContext value={address.job}>
      <div className="page">
        <button type="button" className="skip" onClick={() => main.current?.focus()}>
          {t('page.skip')}
        </button>
        <Side current={pane.path} isOpen={isMenuOpen} close={() => setMenuOpen(false)} />
        <div className="content">
          <Head openMenu={() => setMenuOpen(true)} />
          <main id="main" ref={main} tabIndex={-1} data-pane={pane.path}>
            <pane.Pane key={pane.path} />
          </main>
        </div>
      </div>
    </ChosenJobContext>
  );
}

function Side({
  current,
  isOpen,
  close,
}: {
  readonly current: string;
  readonly isOpen: boolean;
  readonly close: () => void;
}): ReactNode {
  const { t } = useText();
  const { alerts, hello } = useLive();
  const { isAcknowledged } = useAcknowledged();
  const { silenceOf } = useSilenced();
  const isLoud = (alert: Alert): boolean => !isAcknowledged(alert) && silenceOf(alert) === undefined;
  const isOffered = (feature: keyof Features | undefined): boolean =>
    feature === undefined || hello === undefined || hello.features[feature];
  const job = useJob();
  const { isMuted } = useMuted(job?.jobId ?? '');
  const { settings, choose } = useSettings();
  const counts: Readonly<Record<string, number>> = {
    alerts: alerts.filter((alert) => alert.resolvedAt === null && isLoud(alert)).length,
    exceptions: job?.exceptions.filter(({ group }) => !isMuted(group)).length ?? 0,
  };
  return (
    <div className="side" data-open={isOpen}>
      <div className="side-inner">
        <div className="brand">
          <img src="./icon.svg" alt="" />
          <span>Millrace</span>
          <button type="button" className="button menu-button" onClick={close}>
            {t('page.close-menu')}
          </button>
        </div>
        <nav aria-label={t('page.panes')}>
          {paneGroups.map(({ title, panes }) => (
            <div key={title}>
              <h2>{t(title)}</h2>
              <ul>
                {panes
                  .filter(({ feature }) => isOffered(feature))
                  .map((pane) => (
                    <li key={pane.path}>
                      <a href={`#/${pane.path}`} aria-current={pane.path === current ? 'page' : undefined}>
                        <span>{t(pane.title)}</span>
                        {(counts[pane.path] ?? 0) > 0 && <Badge tone="bad">{counts[pane.path]}</Badge>}
                      </a>
                    </li>
                  ))}
              </ul>
            </div>
          ))}
        </nav>
        <div className="settings">
          <label>
            {t('settings.language')}
            <select
              value={settings.language}
              onChange={(event) => choose({ language: event.target.value as Language })}
            >
              <option value="en">English</option>
              <option value="ko">한국어</option>
            </select>
          </label>
          <label>
            {t('settings.scheme')}
            <select
              value={settings.scheme}
              onChange={(event) => choose({ scheme: event.target.value as 'auto' | 'light' | 'dark' })}
            >
              <option value="auto">{t('settings.scheme.auto')}</option>
              <option value="light">{t('settings.scheme.light')}</option>
              <option value="dark">{t('settings.scheme.dark')}</option>
            </select>
          </label>
          <label>
            {t('settings.zone')}
            <select
              value={settings.zone}
              onChange={(event) => choose({ zone: event.target.value as 'local' | 'UTC' })}
            >
              <option value="local">{t('settings.zone.local')}</option>
              <option value="UTC">UTC</option>
            </select>
          </label>
        </div>
      </div>
    </div>
  );
}

function Head({ openMenu }: { readonly openMenu: () => void }): ReactNode {
  const { t } = useText();
  const { hello } = useLive();
  const job = useJob();
  useTopics([]);
  return (
    <header className="head">
      <button type="button" className="button menu-button" onClick={openMenu}>
        {t('page.menu')}
      </button>
      {job?.figures !== undefined && (
        <>
          <span className="job-name">{job.description?.name ?? job.jobId}</span>
          <StateBadge state={job.figures.state} />
        </>
      )}
      <span className="facts small">
        {job?.figures !== undefined && (
          <span className="number">
            {t('page.running-for', { time: { kind: 'duration', ms: job.figures.durationMs } })}
          </span>
        )}
        {hello !== undefined && <span className="number">{hello.millraceVersion}</span>}
        <Connected />
      </span>
    </header>
  );
}

function Connected(): ReactNode {
  const { t } = useText();
  const { connection, clockAheadMs } = useLive();
  const now = useNow();
  switch (connection.kind) {
    case 'live':
      return <Badge tone="good">● {t('connection.live')}</Badge>;
    case 'connecting':
      return <Badge>{t('connection.connecting')}</Badge>;
    case 'ended':
      return <Badge tone="accent">■ {t('connection.ended')}</Badge>;
    case 'incompatible':
      return <Badge tone="bad">✕ {t('connection.incompatible')}</Badge>;
    case 'lost':
      return (
        <Badge tone="warn">
          ○{' '}
          {t('connection.lost', {
            time: { kind: 'duration', ms: Math.max(0, now - clockAheadMs - connection.since) },
          })}
        </Badge>
      );
  }
}

interface Address {
  readonly pane: string;
  readonly job: string | undefined;
}

function useAddress(): Address {
  const [address, setAddress] = useState(() => addressAfter(undefined));
  useEffect(() => {
    const read = (): void => setAddress(addressAfter);
    window.addEventListener('hashchange', read);
    return () => window.removeEventListener('hashchange', read);
  }, []);
  return address;
}

// Who follows a link without a job stays with the one that was chosen.
function addressAfter(before: Address | undefined): Address {
  const [pane = '', query = ''] = window.location.hash.replace(/^#\/?/, '').split('?');
  return { pane, job: new URLSearchParams(query).get('job') ?? before?.job };
}
