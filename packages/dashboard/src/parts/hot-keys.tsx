// Hot keys: which keys most records have that come to an operator, counted for a while when somebody says so.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { HotKeys, HotKeysAnswer } from '../../../../src/rest/contract.ts';
import { countedConclusion } from '../conclusions/keys.ts';
import { act, ask } from '../live/server.ts';
import { useText } from '../settings.tsx';
import { Action } from './action.tsx';
import { Scroll, Verdict, widthOf } from './basic.tsx';
import type { ReadyJob } from './job.tsx';

const countMs = 5000;
const pollMs = 1000;
const rowsMax = 10;

interface CountProps {
  readonly job: ReadyJob;
  readonly uid: string;
  /** Looks a key up. */
  readonly choose: (keyText: string) => void;
}

/** See the head of the file; nothing where no records are handed on to the operator by key. */
export function HotKeyCount({ job, uid, choose }: CountProps): ReactNode {
  const { t } = useText();
  const queries = useQueryClient();
  const { vertices, edges } = job.description;
  const vertex = vertices.findIndex(({ operators }) => operators.some((operator) => operator.uid === uid));
  const isKeyed = edges.some(({ to, partitioner }) => to === vertex && /key|hash/.test(partitioner));
  const path = `/x/jobs/${job.jobId}/state/${encodeURIComponent(uid)}/hot-keys`;
  const queryKey = ['hot-keys', job.jobId, uid];
  const { data: counted } = useQuery({
    queryKey,
    queryFn: async ({ signal }) => (await ask<HotKeysAnswer>(path, signal)).counted,
    refetchInterval: ({ state }) => (state.data?.status === 'IN_PROGRESS' ? pollMs : false),
    enabled: isKeyed,
  });
  if (!isKeyed) return null;
  return (
    <section className="card" data-part="hot-keys" data-status={counted?.status}>
      <header>
        <h2>{t('hot-keys.title')}</h2>
        <Action
          name={t('hot-keys.count', { time: { kind: 'duration', ms: countMs } })}
          run={async () => {
            queries.setQueryData(queryKey, await act<HotKeys>('POST', path, { durationMs: countMs }));
          }}
          disabled={job.figures.state !== 'RUNNING' || counted?.status === 'IN_PROGRESS'}
        />
      </header>
      {counted === undefined || counted === null ? (
        <p className="soft">{t('hot-keys.what', { operator: uid })}</p>
      ) : (
        <Counted counted={counted} choose={choose} />
      )}
    </section>
  );
}

function Counted({
  counted,
  choose,
}: {
  readonly counted: HotKeys;
  readonly choose: (keyText: string) => void;
}): ReactNode {
  const { t, say } = useText();
  return (
    <>
      <Verdict conclusion={countedConclusion(counted)} />
      {counted.keys.length > 0 && (
        <Scroll label={t('hot-keys.title')}>
          <table>
            <thead>
              <tr>
                <th>{t('state.key')}</th>
                <th>{t('state.place')}</th>
                <th className="number">{t('keys.records')}</th>
                <th className="number">{t('keys.share')}</th>
              </tr>
            </thead>
            <tbody>
              {counted.keys.slice(0, rowsMax).map(({ keyText, keyGroup, subtask, records }) => (
                <tr key={keyText}>
                  <th scope="row">
                    <button type="button" className="link" onClick={() => choose(keyText)}>
                      <code>{keyText}</code>
                    </button>
                  </th>
                  <td className="soft nowrap">
                    {t('state.place.value', { group: String(keyGroup), subtask: String(subtask) })}
                  </td>
                  <td className="number">{say({ kind: 'count', value: records })}</td>
                  <td className="number nowrap">
                    <span className="meter" aria-hidden="true">
                      <i style={widthOf(records / counted.records)} />
                    </span>{' '}
                    {say({ kind: 'share', value: records / counted.records })}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {counted.missedMax > 0 && (
        <p className="soft small">
          {t('hot-keys.missed', { n: { kind: 'count', value: counted.missedMax } })}
        </p>
      )}
    </>
  );
}
