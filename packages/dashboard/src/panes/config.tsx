// Configuration: what holds for this job, and where each value comes from.
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { ConfigAnswer, ConfigEntryMessage } from '../../../../src/rest/contract.ts';
import { ask } from '../live/server.ts';
import { Badge, Empty, PaneHead, Scroll } from '../parts/basic.tsx';
import { Copy } from '../parts/copy.tsx';
import { type ReadyJob, WithJob } from '../parts/job.tsx';
import { useText } from '../settings.tsx';

const origins: Readonly<
  Record<ConfigEntryMessage['origin'], 'default' | 'job' | 'file' | 'environment' | 'flag'>
> = {
  default: 'default',
  job: 'job',
  file: 'file',
  environment: 'environment',
  'command line': 'flag',
};

/** The pane. */
export function ConfigPane(): ReactNode {
  return (
    <>
      <PaneHead title="config.title" lead="config.lead" />
      <WithJob>{(job) => <Config job={job} />}</WithJob>
    </>
  );
}

function Config({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t } = useText();
  const [search, setSearch] = useState('');
  const [onlySet, setOnlySet] = useState(false);
  const asked = useQuery({
    queryKey: ['config', job.jobId],
    queryFn: ({ signal }) => ask<ConfigAnswer>(`/x/jobs/${job.jobId}/config`, signal),
  });
  if (asked.isError) return <Empty title={t('config.none')}>{asked.error.message}</Empty>;
  const entries = asked.data?.entries ?? [];
  const shown = entries.filter(
    ({ key, description, origin }) =>
      (!onlySet || origin !== 'default') &&
      `${key} ${description}`.toLowerCase().includes(search.toLowerCase()),
  );
  return (
    <>
      <div className="row">
        <input
          type="search"
          aria-label={t('config.search')}
          placeholder={t('config.search')}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <button type="button" className="button" aria-pressed={onlySet} onClick={() => setOnlySet(!onlySet)}>
          {t('config.only-set')}
        </button>
        <span className="soft">{t('config.precedence')}</span>
      </div>
      <section className="card">
        <Scroll label={t('config.title')}>
          <table>
            <thead>
              <tr>
                <th>{t('config.key')}</th>
                <th>{t('config.value')}</th>
                <th>{t('config.origin')}</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((entry) => (
                <tr key={entry.key} data-origin={entry.origin}>
                  <th scope="row" className="config-key">
                    <code>{entry.key}</code>
                    <p className="small">{entry.description}</p>
                  </th>
                  <td className="config-value">
                    <code>{entry.value ?? '–'}</code>
                    {entry.origin !== 'default' && (
                      <>
                        <p className="soft small">
                          {t('config.default', { value: entry.defaultValue ?? '–' })}
                        </p>
                        <Copy name={t('copy.option')} text={`-D${entry.key}=${entry.value ?? ''}`} />
                      </>
                    )}
                  </td>
                  <td>
                    <Badge tone={entry.origin === 'default' ? 'plain' : 'accent'}>
                      {t(`config.origin.${origins[entry.origin]}`)}
                    </Badge>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </section>
    </>
  );
}
