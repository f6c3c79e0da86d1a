// Record tap: some of the records that an operator hands on, with time and lateness; nothing is taken unless this is open.
import { type ReactNode, useEffect, useRef, useState } from 'react';
import type { SampledRecord, Tap, TapRequest } from '../../../../src/rest/contract.ts';
import { frequentKeys, keysConclusion, type SampledKey } from '../conclusions/keys.ts';
import { vertexLabel } from '../conclusions/names.ts';
import { testOf } from '../conclusions/sampled-test.ts';
import { fieldsOf, type SampledField, shapeConclusion } from '../conclusions/shape.ts';
import { addressValue } from '../live/address.ts';
import { download } from '../live/download.ts';
import { useLive, useTopics } from '../live/hooks.ts';
import { act } from '../live/server.ts';
import { Action } from '../parts/action.tsx';
import { Badge, Empty, PaneHead, Scroll, Verdict } from '../parts/basic.tsx';
import { Copy } from '../parts/copy.tsx';
import { Moment, type ReadyJob, WithJob } from '../parts/job.tsx';
import { useText } from '../settings.tsx';

const rowsMax = 100;
const keysMax = 8;

/** The pane. */
export function TapPane(): ReactNode {
  useTopics(['samples']);
  return (
    <>
      <PaneHead title="tap.title" lead="tap.lead" />
      <WithJob>{(job) => <Taps job={job} />}</WithJob>
    </>
  );
}

function Taps({ job }: { readonly job: ReadyJob }): ReactNode {
  const { t } = useText();
  const { hello, samples } = useLive();
  const [place, setPlace] = useState(() => addressValue('behind') ?? '0/0');
  const [mask, setMask] = useState('');
  const [search, setSearch] = useState(() => addressValue('text') ?? '');
  const [tap, setTap] = useState<Tap>();
  /** The one key whose records are shown, as JSON. */
  const [pinned, setPinned] = useState<string>();
  useEndWithPane(tap);
  if (hello?.features.tap !== true) {
    return (
      <Empty title={t('tap.off')}>
        <p>{t('tap.off.why')}</p>
      </Empty>
    );
  }
  const all = tap === undefined ? [] : (samples.get(tap.tapId) ?? []);
  const keys = frequentKeys(all);
  const told = keysConclusion(keys);
  const fields = fieldsOf(all);
  const shape = shapeConclusion(fields, all.length);
  const records = all.filter(
    ({ value, keyText }) =>
      (pinned === undefined || keyText === pinned) &&
      `${keyText ?? ''} ${JSON.stringify(value)}`.toLowerCase().includes(search.toLowerCase()),
  );
  const start = async (): Promise<void> => {
    if (tap !== undefined) await end(tap);
    const [vertex = 0, operator = 0] = place.split('/').map(Number);
    const names = mask.split(/[\s,]+/).filter((name) => name !== '');
    const request: TapRequest = { vertex, operator, perSecond: 10, ...(names.length > 0 && { mask: names }) };
    setPinned(undefined);
    setTap(await act<Tap>('POST', `/x/jobs/${job.jobId}/taps`, request));
  };
  return (
    <>
      <section className="card">
        <div className="row">
          <label className="row">
            {t('tap.behind')}
            <select value={place} onChange={(event) => setPlace(event.target.value)}>
              {job.description.vertices.flatMap((vertex, index) =>
                vertex.operators
                  .map((operator, at) => ({ operator, at }))
                  .filter(({ operator }) => operator.kind !== 'sink')
                  .map(({ operator, at }) => (
                    <option key={operator.operatorId} value={`${index}/${at}`}>
                      {vertexLabel(vertex)}: {operator.hasExplicitUid ? operator.uid : operator.name}
                    </option>
                  )),
              )}
            </select>
          </label>
          <input
            type="text"
            aria-label={t('tap.mask')}
            placeholder={t('tap.mask')}
            value={mask}
            onChange={(event) => setMask(event.target.value)}
          />
          <Action name={t('tap.start')} kind="main" run={start} />
          {tap !== undefined && (
            <button
              type="button"
              className="button"
              onClick={() => void end(tap).then(() => setTap(undefined))}
            >
              {t('tap.stop')}
            </button>
          )}
          <input
            type="search"
            aria-label={t('logs.search')}
            placeholder={t('logs.search')}
            value={search}
            onChange={(event) => setSearch(event.target.value)}
          />
        </div>
      </section>
      {told !== undefined && <Verdict conclusion={told} />}
      {shape !== undefined && <Verdict conclusion={shape} />}
      {pinned !== undefined && (
        <p className="row" data-part="pinned">
          <span>{t('tap.pinned', { key: pinned })}</span>
          <button type="button" className="link small" onClick={() => setPinned(undefined)}>
            {t('tap.unpin')}
          </button>
        </p>
      )}
      {records.length === 0 ? (
        <Empty title={t(tap === undefined ? 'tap.none' : 'tap.waiting')}>
          <p>{t('tap.none.what')}</p>
        </Empty>
      ) : (
        <Records records={records} test={tap && testOf(job.description, tap, records)} />
      )}
      {keys.length > 0 && <Keys keys={keys} pinned={pinned} pin={setPinned} />}
      {fields.length > 0 && <Fields fields={fields} />}
    </>
  );
}

/** Which keys the sample has: where one of them has most of the work, it is here. */
function Keys({
  keys,
  pinned,
  pin,
}: {
  readonly keys: readonly SampledKey[];
  readonly pinned: string | undefined;
  readonly pin: (keyText: string | undefined) => void;
}): ReactNode {
  const { t, say } = useText();
  return (
    <section className="card" data-part="sampled-keys">
      <h2>{t('keys.title')}</h2>
      <Scroll label={t('keys.title')}>
        <table>
          <thead>
            <tr>
              <th>{t('state.key')}</th>
              <th className="number">{t('keys.records')}</th>
              <th className="number">{t('keys.share')}</th>
            </tr>
          </thead>
          <tbody>
            {keys.slice(0, keysMax).map(({ keyText, records: n, share }) => (
              <tr key={keyText}>
                <th scope="row">
                  <button
                    type="button"
                    className="link"
                    title={t('tap.pin')}
                    aria-pressed={keyText === pinned}
                    onClick={() => pin(keyText === pinned ? undefined : keyText)}
                  >
                    <code>{keyText}</code>
                  </button>
                </th>
                <td className="number">{say({ kind: 'count', value: n })}</td>
                <td className="number">{say({ kind: 'share', value: share })}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}

/** What the records look like, field by field. */
function Fields({ fields }: { readonly fields: readonly SampledField[] }): ReactNode {
  const { t, say } = useText();
  return (
    <section className="card" data-part="sampled-fields">
      <h2>{t('shape.title')}</h2>
      <Scroll label={t('shape.title')}>
        <table>
          <thead>
            <tr>
              <th>{t('shape.field')}</th>
              <th>{t('shape.types')}</th>
              <th className="number">{t('shape.share')}</th>
            </tr>
          </thead>
          <tbody>
            {fields.map(({ path, types, share }) => (
              <tr key={path}>
                <th scope="row">
                  <code>{path === '' ? t('tap.record') : path}</code>
                </th>
                <td>{types.join(', ')}</td>
                <td className="number">{say({ kind: 'share', value: share })}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}

function Records({
  records,
  test,
}: {
  readonly records: readonly SampledRecord[];
  readonly test: string | undefined;
}): ReactNode {
  const { t, say } = useText();
  return (
    <section className="card">
      <p className="small row">
        <Copy name={t('tap.copy')} text={records.map(({ value }) => `${JSON.stringify(value)}\n`).join('')} />
        {test !== undefined && (
          <button
            type="button"
            className="link small"
            onClick={() => download('sampled.test.ts', test, 'text/plain')}
          >
            {t('tap.test')}
          </button>
        )}
      </p>
      <Scroll label={t('tap.title')} className="tap-scroll">
        <table>
          <thead>
            <tr>
              <th>{t('tap.at')}</th>
              <th className="number">{t('word.subtask')}</th>
              <th>{t('tap.timestamp')}</th>
              <th>{t('tap.lateness')}</th>
              <th>{t('state.key')}</th>
              <th>{t('tap.record')}</th>
            </tr>
          </thead>
          <tbody>
            {[...records]
              .sort((left, right) => left.at - right.at)
              .slice(-rowsMax)
              .reverse()
              .map((record, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: records have no identity
                <tr key={index}>
                  <td>
                    <Moment at={record.at} />
                  </td>
                  <td className="number">{record.subtask}</td>
                  <td>{record.timestamp === null ? '–' : <Moment at={record.timestamp} />}</td>
                  <td className="nowrap">
                    {isLate(record) ? (
                      <Badge tone="warn">
                        {t('tap.late', { by: { kind: 'duration', ms: lateBy(record) } })}
                      </Badge>
                    ) : (
                      <span className="soft">{record.timestamp === null ? '' : say(t('tap.in-time'))}</span>
                    )}
                  </td>
                  <td className="nowrap">
                    {record.keyText === null ? (
                      <span className="soft">–</span>
                    ) : (
                      <code>{record.keyText}</code>
                    )}
                  </td>
                  <td>
                    <code>{JSON.stringify(record.value)}</code>
                    {record.isCut && <Badge>{t('tap.cut')}</Badge>}
                  </td>
                </tr>
              ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}

function lateBy({ timestamp, watermark }: SampledRecord): number {
  return typeof watermark === 'number' && timestamp !== null ? watermark - timestamp : 0;
}

function isLate(record: SampledRecord): boolean {
  return lateBy(record) > 0;
}

function end(tap: Tap): Promise<unknown> {
  return act('DELETE', `/x/jobs/${tap.jobId}/taps/${tap.tapId}`);
}

// Whoever leaves the pane watches no more. A tap that this cannot reach ends by itself.
function useEndWithPane(tap: Tap | undefined): void {
  const latest = useRef(tap);
  latest.current = tap;
  useEffect(
    () => () => {
      if (latest.current !== undefined) end(latest.current).catch(() => undefined);
    },
    [],
  );
}
