// Logs, live: what the job and the engine write, with filters that the server need not know.
import { type ReactNode, useMemo, useState } from 'react';
import type { LogLine } from '../../../../src/rest/contract.ts';
import { addressValue } from '../live/address.ts';
import { downloadLines } from '../live/download.ts';
import { useLive, useTopics } from '../live/hooks.ts';
import { Empty, PaneHead, Scroll } from '../parts/basic.tsx';
import { Moment } from '../parts/job.tsx';
import { useText } from '../settings.tsx';

const levels = ['debug', 'info', 'warn', 'error'] as const;
const rowsMax = 400;

/** The pane. */
export function LogsPane(): ReactNode {
  useTopics(['logs']);
  const { t } = useText();
  const { logs } = useLive();
  const [level, setLevel] = useState<LogLine['level']>('debug');
  const [search, setSearch] = useState(() => addressValue('text') ?? '');
  const [vertex, setVertex] = useState(() => addressValue('vertex') ?? '');
  const [worker, setWorker] = useState('');
  const [paused, setPaused] = useState<readonly LogLine[]>();
  const shown = paused ?? logs;
  const vertices = useMemo(() => {
    const named = logs.flatMap((line) => (line.vertex === null ? [] : [line.vertex]));
    return [...new Set([...named, ...(vertex === '' ? [] : [vertex])])].sort();
  }, [logs, vertex]);
  const workerOf = ({ workerId, slot }: LogLine): string =>
    workerId === null
      ? ''
      : t('logs.worker.value', { worker: workerId, slot: slot === null ? '–' : String(slot + 1) });
  const workers = [...new Set(logs.map(workerOf))].filter((name) => name !== '').sort();
  const fitting = shown.filter(
    (line) =>
      levels.indexOf(line.level) >= levels.indexOf(level) &&
      (vertex === '' || line.vertex === vertex) &&
      (worker === '' || workerOf(line) === worker) &&
      (search === '' || textOf(line).toLowerCase().includes(search.toLowerCase())),
  );
  return (
    <>
      <PaneHead title="logs.title" lead="logs.lead" />
      <div className="row">
        <select
          aria-label={t('logs.level')}
          value={level}
          onChange={(event) => setLevel(event.target.value as LogLine['level'])}
        >
          {levels.map((name) => (
            <option key={name} value={name}>
              {t(`logs.level.${name}`)}
            </option>
          ))}
        </select>
        <select
          aria-label={t('logs.vertex')}
          value={vertex}
          onChange={(event) => setVertex(event.target.value)}
        >
          <option value="">{t('logs.vertex.all')}</option>
          {vertices.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <select
          aria-label={t('logs.worker')}
          value={worker}
          onChange={(event) => setWorker(event.target.value)}
        >
          <option value="">{t('logs.worker.all')}</option>
          {workers.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <input
          type="search"
          placeholder={t('logs.search')}
          aria-label={t('logs.search')}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <button
          type="button"
          className="button"
          aria-pressed={paused !== undefined}
          onClick={() => setPaused(paused === undefined ? logs : undefined)}
        >
          {t(paused === undefined ? 'logs.pause' : 'logs.resume')}
        </button>
        <button type="button" className="button" onClick={() => downloadLines('millrace-log.jsonl', fitting)}>
          {t('logs.download')}
        </button>
        <span className="soft number">
          {t('logs.count', {
            n: { kind: 'count', value: fitting.length },
            total: { kind: 'count', value: shown.length },
          })}
        </span>
      </div>
      {fitting.length === 0 ? (
        <Empty title={t(shown.length === 0 ? 'logs.none' : 'logs.none-fits')}>
          <p>{t('logs.none.what')}</p>
        </Empty>
      ) : (
        <section className="card">
          <Scroll label={t('logs.title')} className="log-scroll">
            <ol className="log" aria-live="off">
              {fitting
                .slice(-rowsMax)
                .reverse()
                .map((line) => (
                  <li key={line.logId} data-level={line.level}>
                    <Moment at={line.at} />
                    <b className="log-level">{line.level}</b>
                    <span className="soft log-where">
                      {line.vertex !== null && `${line.uid ?? line.vertex}[${line.subtask ?? ''}]`}
                    </span>
                    <span className="log-text">
                      {line.code !== null && <code>{line.code} </code>}
                      {line.message}
                      <LogFields fields={line.fields} />
                    </span>
                  </li>
                ))}
            </ol>
          </Scroll>
        </section>
      )}
    </>
  );
}

function LogFields({ fields }: { readonly fields: LogLine['fields'] }): ReactNode {
  return Object.entries(fields).map(([name, value]) => (
    <span key={name} className="log-field soft">
      {' '}
      {name}={shownField(value)}
    </span>
  ));
}

/** An error is told by its message; its stack is with the exceptions, and in what is downloaded. */
function shownField(value: unknown): string {
  if (typeof value === 'string') return value;
  const isError = typeof value === 'object' && value !== null && 'message' in value && 'stack' in value;
  return isError ? String(value.message) : JSON.stringify(value);
}

function textOf(line: LogLine): string {
  return `${line.message} ${line.code ?? ''} ${line.vertex ?? ''} ${line.uid ?? ''} ${JSON.stringify(line.fields)}`;
}
