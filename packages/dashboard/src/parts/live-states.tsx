// What a key holds now, asked of its task: values with the time that they have left, and writing or removing them by hand.
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { LiveState, LiveStateValue, StateChange } from '../../../../src/rest/contract.ts';
import { useNow } from '../live/hooks.ts';
import { act, ask } from '../live/server.ts';
import { useText } from '../settings.tsx';
import { Action } from './action.tsx';
import { Scroll } from './basic.tsx';
import { Ago } from './job.tsx';

/** How often a task is asked while somebody looks. */
const askedEveryMs = 3000;

interface LiveProps {
  readonly jobId: string;
  readonly uid: string;
  readonly keyText: string;
  /** No task can be asked while the job does not run. */
  readonly isRunning: boolean;
}

/** See the head of the file. */
export function LiveStates({ jobId, uid, keyText, isRunning }: LiveProps): ReactNode {
  const { t } = useText();
  const path = `/x/jobs/${jobId}/state/${encodeURIComponent(uid)}/live`;
  const live = useQuery({
    queryKey: ['live-state', jobId, uid, keyText],
    queryFn: ({ signal }) => ask<LiveState>(`${path}?key=${encodeURIComponent(keyText)}`, signal),
    refetchInterval: askedEveryMs,
    enabled: isRunning,
  });
  if (!isRunning) return null;
  const change = async (wish: StateChange): Promise<void> => {
    await act<LiveState>('POST', path, wish);
    await live.refetch();
  };
  return (
    <div className="stack" data-part="live-state">
      <h3>{t('live.title')}</h3>
      {live.isError && <p className="failed">{live.error.message}</p>}
      {live.data !== undefined && (
        <>
          <Scroll label={t('live.title')}>
            <table>
              <thead>
                <tr>
                  <th>{t('state.name')}</th>
                  <th>{t('live.value')}</th>
                  <th>{t('live.left')}</th>
                  <th>{t('live.change')}</th>
                </tr>
              </thead>
              <tbody>
                {live.data.states.map((held) => (
                  <Row
                    key={held.name}
                    held={held}
                    change={(wish) =>
                      change({ ...wish, key: JSON.parse(keyText) as unknown, state: held.name })
                    }
                  />
                ))}
              </tbody>
            </table>
          </Scroll>
          <p className="soft small">{t('live.how')}</p>
        </>
      )}
    </div>
  );
}

type Wish = { readonly kind: 'remove' } | { readonly kind: 'write'; readonly value: unknown };

interface RowProps {
  readonly held: LiveStateValue;
  readonly change: (wish: Wish) => Promise<void>;
}

function Row({ held, change }: RowProps): ReactNode {
  const { t } = useText();
  const [text, setText] = useState<string>();
  const value = JSON.stringify(held.value);
  return (
    <tr data-state={held.name}>
      <th scope="row">
        <code>{held.name}</code>
        <div className="soft small">{held.kind}</div>
      </th>
      <td className="live-value">
        {text === undefined ? (
          <>
            <code>{value ?? '–'}</code>
            {!held.isHeld && <div className="soft small">{t('live.nothing')}</div>}
          </>
        ) : (
          <textarea
            aria-label={t('live.new-value', { state: held.name })}
            rows={Math.min(8, text.split('\n').length)}
            spellCheck={false}
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        )}
      </td>
      <td>
        <Left held={held} />
      </td>
      <td>
        {text !== undefined ? (
          <span className="row">
            <Action
              name={t('live.write')}
              kind="main"
              confirm={t('live.write.sure')}
              run={async () => {
                await change({ kind: 'write', value: parsed(text, t('live.no-json')) });
                setText(undefined);
              }}
            />
            <button type="button" className="button" onClick={() => setText(undefined)}>
              {t('live.leave')}
            </button>
          </span>
        ) : (
          <span className="row">
            {held.fixed === null ? (
              <button
                type="button"
                className="button"
                aria-label={t('live.edit.state', { state: held.name })}
                onClick={() => setText(JSON.stringify(held.value ?? null, undefined, 2))}
              >
                {t('live.edit')}
              </button>
            ) : (
              <span className="soft small">{t(`live.fixed.${held.fixed}`)}</span>
            )}
            {held.isHeld && (
              <Action
                name={t('live.remove')}
                confirm={t('live.remove.sure')}
                run={() => change({ kind: 'remove' })}
              />
            )}
          </span>
        )}
      </td>
    </tr>
  );
}

function Left({ held: { changedAt, expiresAt, isHeld } }: { readonly held: LiveStateValue }): ReactNode {
  const { t } = useText();
  const now = useNow();
  if (expiresAt === null) return <span className="soft">{isHeld ? t('live.no-ttl') : '–'}</span>;
  const leftMs = expiresAt - now;
  return (
    <>
      <div data-part="ttl-left">
        {leftMs <= 0
          ? t('live.expired')
          : t('live.expires', { left: { kind: 'duration', ms: Math.round(leftMs / 1000) * 1000 } })}
      </div>
      {changedAt !== null && (
        <div className="soft small">
          {t('live.changed')} <Ago at={changedAt} />
        </div>
      )}
    </>
  );
}

function parsed(text: string, complaint: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(complaint);
  }
}
