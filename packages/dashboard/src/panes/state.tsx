// State browser: what each keyed operator keeps, how it is spread, and everything under one key.
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { StateAnswer, StateEntry, StateOverview } from '../../../../src/rest/contract.ts';
import { labelOf } from '../conclusions/names.ts';
import { addressValue } from '../live/address.ts';
import { useLive } from '../live/hooks.ts';
import { downloadLines } from '../live/download.ts';
import { ask } from '../live/server.ts';
import { Action } from '../parts/action.tsx';
import { Badge, Empty, PaneHead, Scroll } from '../parts/basic.tsx';
import { Ago, Moment, type ReadyJob, WithJob } from '../parts/job.tsx';
import { HotKeyCount } from '../parts/hot-keys.tsx';
import { KeyLens } from '../parts/key-lens.tsx';
import { useText } from '../settings.tsx';
import { bytes, count, joined } from '../text/units.ts';

const entriesShown = 50;
/** Keys that are downloaded at once: what the server gives at most. */
const exportedMax = 200;

/** The pane. */
export function StatePane(): ReactNode {
  return (
    <>
      <PaneHead title="state.title" lead="state.lead" />
      <WithJob>{(job) => <State job={job} />}</WithJob>
    </>
  );
}

function State({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t } = useText();
  const { hello } = useLive();
  const isOffered = hello?.features.stateBrowser === true;
  const [looked, setLooked] = useState(() => ({
    uid: addressValue('uid'),
    keyText: addressValue('key') ?? '',
  }));
  // What is shown is of a checkpoint: the next one brings something new, and nothing else does.
  const last = job.checkpoints.findLast(({ status }) => status === 'COMPLETED')?.checkpointId;
  const overview = useQuery({
    queryKey: ['state', job.jobId, last],
    queryFn: ({ signal }) => ask<StateOverview>(`/x/jobs/${job.jobId}/state`, signal),
    enabled: isOffered && last !== undefined,
    placeholderData: keepPreviousData,
  });
  if (!isOffered) {
    return (
      <Empty title={t('state.off')}>
        <p>{t('state.off.why')}</p>
      </Empty>
    );
  }
  if (overview.isError) return <Empty title={t('state.none')}>{overview.error.message}</Empty>;
  const operators = overview.data?.operators ?? [];
  if (operators.length === 0) {
    return (
      <Empty title={t('state.none')}>
        <p>{t('state.none.what')}</p>
        <pre>{'state: { failures: state.value(0) }'}</pre>
      </Empty>
    );
  }
  const uid = looked.uid ?? operators[0]?.uid ?? '';
  return (
    <>
      {overview.data !== undefined && (
        <p className="soft">
          {t('state.as-of', { id: String(overview.data.checkpointId) })}{' '}
          <Ago at={overview.data.checkpointAt} />
        </p>
      )}
      {operators.map((operator) => (
        <section className="card" key={operator.uid} data-state-of={operator.uid}>
          <header>
            <h2>
              <button
                type="button"
                className="link"
                onClick={() => setLooked({ uid: operator.uid, keyText: '' })}
              >
                {operator.uid}
              </button>
            </h2>
            <span className="soft small">
              {labelOf(job.description, operator.vertex)}
              {operator.stateBytes !== null && `, ${joined(bytes(operator.stateBytes))}`}
            </span>
          </header>
          <States states={operator.states} />
          <Largest
            keys={operator.largestKeys}
            choose={(keyText) => setLooked({ uid: operator.uid, keyText })}
          />
        </section>
      ))}
      <HotKeyCount key={`hot ${uid}`} job={job} uid={uid} choose={(keyText) => setLooked({ uid, keyText })} />
      <Keys key={`${uid} ${looked.keyText}`} job={job} uid={uid} last={last} first={looked.keyText} />
    </>
  );
}

function States({ states }: { readonly states: StateOverview['operators'][number]['states'] }): ReactNode {
  const { t, language } = useText();
  return (
    <Scroll label={t('state.states')}>
      <table>
        <thead>
          <tr>
            <th>{t('state.name')}</th>
            <th>{t('detail.kind')}</th>
            <th className="number">{t('state.keys')}</th>
            <th className="number">{t('state.size')}</th>
            <th>{t('state.by-subtask')}</th>
          </tr>
        </thead>
        <tbody>
          {states.map(({ name, kind, keys, keysBySubtask, bytesBySubtask }) => (
            <tr key={name}>
              <th scope="row">{isOfEngine(name) ? t('state.evidence') : <code>{name}</code>}</th>
              <td>{kind}</td>
              <td className="number">{count(keys, language)}</td>
              <td className="number nowrap">
                {joined(bytes(bytesBySubtask.reduce((sum, own) => sum + own, 0)))}
              </td>
              <td>
                <span className="row">
                  {keysBySubtask.map((own, subtask) => (
                    // biome-ignore lint/suspicious/noArrayIndexKey: the index is the subtask
                    <Badge key={subtask} tone={own === 0 ? 'warn' : 'plain'}>
                      [{subtask}] {count(own, language)}
                      {own > 0 && ` · ${joined(bytes(bytesBySubtask[subtask] ?? 0))}`}
                    </Badge>
                  ))}
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

/** The keys that take most: one that grows without end is seen here first. */
function Largest({
  keys,
  choose,
}: {
  readonly keys: StateOverview['operators'][number]['largestKeys'];
  readonly choose: (keyText: string) => void;
}): ReactNode {
  const { t } = useText();
  if (keys.length === 0) return null;
  return (
    <div data-part="largest-keys">
      <h3>{t('state.largest')}</h3>
      <ul className="row">
        {keys.map(({ keyText, subtask, bytes: size }) => (
          <li key={keyText}>
            <button type="button" className="link" onClick={() => choose(keyText)}>
              <code>{keyText}</code>
            </button>{' '}
            <span className="soft small">
              {t('state.largest.value', {
                size: { kind: 'bytes', value: size },
                subtask: String(subtask),
              })}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Keys({
  job,
  uid,
  last,
  first,
}: {
  readonly job: ReadyJob;
  readonly uid: string;
  readonly last: number | undefined;
  /** The key that is looked up at first; empty: none. */
  readonly first: string;
}): ReactNode {
  const { t } = useText();
  const [text, setText] = useState(first);
  const [key, setKey] = useState(first);
  const path = `/x/jobs/${job.jobId}/state/${encodeURIComponent(uid)}`;
  const found = useQuery({
    queryKey: ['state', job.jobId, uid, key, last],
    queryFn: ({ signal }) =>
      ask<StateAnswer>(
        key === '' ? `${path}?limit=${entriesShown}` : `${path}?key=${encodeURIComponent(asJson(key))}`,
        signal,
      ),
    placeholderData: keepPreviousData,
  });
  const entries = found.data?.entries ?? [];
  const [only] = entries;
  const look = (wanted: string): void => {
    setText(wanted);
    setKey(wanted);
  };
  return (
    <>
      <section className="card" data-part="keys">
        <header>
          <h2>{t('state.keys-of', { operator: uid })}</h2>
          <form
            className="row"
            onSubmit={(event) => {
              event.preventDefault();
              look(text);
            }}
          >
            <input
              type="search"
              aria-label={t('state.key')}
              placeholder={t('state.key')}
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
            <button type="submit" className="button">
              {t('state.look')}
            </button>
          </form>
        </header>
        {found.isError && <p className="failed">{found.error.message}</p>}
        {found.isSuccess && entries.length === 0 ? (
          <p className="soft">{t(key === '' ? 'state.no-key' : 'state.unknown-key', { key })}</p>
        ) : (
          <Entries entries={entries} choose={look} />
        )}
        {found.data?.hasMore === true && <p className="soft">{t('state.more')}</p>}
        {entries.length > 0 && (
          <div className="row">
            <Action
              name={t('state.download')}
              run={async () => {
                const all = key === '' ? await ask<StateAnswer>(`${path}?limit=${exportedMax}`) : found.data;
                downloadLines(`millrace-state-${uid}.jsonl`, all?.entries ?? []);
              }}
            />
            <span className="soft small">{t('state.download.how', { n: String(exportedMax) })}</span>
          </div>
        )}
      </section>
      {key !== '' && only !== undefined && entries.length === 1 && last !== undefined && (
        <KeyLens key={only.keyText} job={job} uid={uid} entry={only} checkpointId={last} />
      )}
    </>
  );
}

interface EntriesProps {
  readonly entries: readonly StateEntry[];
  readonly choose: (key: string) => void;
}

function Entries({ entries, choose }: EntriesProps): ReactNode {
  const { t } = useText();
  return (
    <Scroll label={t('state.title')}>
      <table>
        <thead>
          <tr>
            <th>{t('state.key')}</th>
            <th>{t('state.place')}</th>
            <th>{t('state.values')}</th>
            <th>{t('state.timers')}</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <tr key={`${entry.keyGroup}/${entry.keyText}`}>
              <th scope="row">
                <button type="button" className="link" onClick={() => choose(entry.keyText)}>
                  <code>{entry.keyText}</code>
                </button>
              </th>
              <td className="soft nowrap">
                {t('state.place.value', { group: String(entry.keyGroup), subtask: String(entry.subtask) })}
              </td>
              <td>
                {ownValues(entry).map(([name, value]) => (
                  <div key={name}>
                    <code>
                      {name}: {JSON.stringify(value)}
                    </code>
                  </div>
                ))}
              </td>
              <td>
                {entry.timers.map(({ domain, at }) => (
                  <div key={`${domain}/${at}`} className="nowrap">
                    {t(`state.timer.${domain}`)} <Moment at={at} />
                  </div>
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

/** Without what the engine keeps besides: evidence is shown by the key lens, and where an alert has it. */
function ownValues({ values }: StateEntry): [string, unknown][] {
  return Object.entries(values).filter(([name]) => !isOfEngine(name));
}

function isOfEngine(name: string): boolean {
  return name.startsWith('$');
}

/** What a person types is JSON, or else a text without its quotes. */
function asJson(text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify(text);
  }
}
