// Workers and slots: every TaskManager with its slots, and in each slot the subtasks that really run there.
import type { ReactNode } from 'react';
import type { ProcessFigures, Slot, ThreadFigures, Worker } from '../../../../src/rest/contract.ts';
import { labelOf } from '../conclusions/names.ts';
import { useLive } from '../live/hooks.ts';
import type { LiveState } from '../live/state.ts';
import { act } from '../live/server.ts';
import { Action } from '../parts/action.tsx';
import { Badge, Empty, PaneHead } from '../parts/basic.tsx';
import { Ago } from '../parts/job.tsx';
import { useText } from '../settings.tsx';

/** The pane. */
export function WorkersPane(): ReactNode {
  const live = useLive();
  const { t } = useText();
  const { overview } = live;
  return (
    <>
      <PaneHead title="workers.title" lead="workers.lead" />
      {overview === undefined || overview.workers.length === 0 ? (
        <Empty title={t('workers.none')}>
          <p>{t('workers.none.how')}</p>
        </Empty>
      ) : (
        <>
          <section className="card coordinator">
            <header>
              <h2>JobManager</h2>
              <Badge tone="accent">{t(`workers.mode.${live.hello?.mode ?? 'embedded'}`)}</Badge>
            </header>
            <ul className="duties">
              {(['scheduling', 'checkpoints', 'recovery'] as const).map((duty) => (
                <li key={duty}>{t(`workers.duty.${duty}`)}</li>
              ))}
            </ul>
            <ProcessFacts process={overview.coordinator} />
          </section>
          <div className="stack">
            {overview.workers.map((worker) => (
              <WorkerCard key={worker.workerId} worker={worker} live={live} />
            ))}
          </div>
        </>
      )}
    </>
  );
}

function WorkerCard({ worker, live }: { readonly worker: Worker; readonly live: LiveState }): ReactNode {
  const { t } = useText();
  const isEmpty = worker.slots.every(({ state }) => state === 'free');
  return (
    <section className="card" data-worker={worker.workerId} data-draining={worker.isDraining}>
      <header>
        <span className="row">
          <h2>TaskManager {worker.workerId}</h2>
          {worker.isDraining && (
            <Badge tone={isEmpty ? 'accent' : 'warn'}>
              {t(isEmpty ? 'workers.drained' : 'workers.draining')}
            </Badge>
          )}
        </span>
        <span className="soft small">
          {t('workers.facts', { address: worker.address, process: String(worker.processId) })}{' '}
          <Ago at={worker.heartbeatAt} />
        </span>
      </header>
      <ul className="slots" data-columns={columnsFor(worker.slots.length)}>
        {worker.slots.map((slot) => (
          <SlotBox key={slot.slot} slot={slot} live={live} />
        ))}
      </ul>
      {live.hello?.mode === 'cluster' && <ProcessFacts process={worker.process} />}
      {live.hello?.features.drainWorker === true && <Drain worker={worker} isEmpty={isEmpty} />}
    </section>
  );
}

/** Empties a worker before it is stopped, with nothing lost; or takes it back. */
function Drain({ worker, isEmpty }: { readonly worker: Worker; readonly isEmpty: boolean }): ReactNode {
  const { t } = useText();
  const ask = (drain: boolean): Promise<unknown> =>
    act('POST', `/x/taskmanagers/${encodeURIComponent(worker.workerId)}/drain`, { drain });
  const told = worker.isDraining ? (isEmpty ? 'workers.drained.how' : 'workers.draining.how') : undefined;
  return (
    <div className="row" data-part="drain">
      {worker.isDraining ? (
        <Action key="back" name={t('workers.take-back')} run={() => ask(false)} />
      ) : (
        <Action
          key="drain"
          name={t('workers.drain')}
          confirm={t('workers.drain.sure')}
          run={() => ask(true)}
        />
      )}
      <span className="soft small">{t(told ?? 'workers.drain.how')}</span>
    </div>
  );
}

// Nine slots are three rows of three, as they are drawn in every picture of a cluster.
function columnsFor(slots: number): number {
  if (slots < 4) return slots;
  return slots % 3 === 0 && slots % 4 !== 0 ? 3 : 4;
}

function SlotBox({ slot, live }: { readonly slot: Slot; readonly live: LiveState }): ReactNode {
  const { t } = useText();
  const job = slot.jobId === null ? undefined : live.jobs.get(slot.jobId);
  return (
    <li className="slot" data-state={slot.state}>
      <div className="row slot-head">
        <b>{t('workers.slot', { slot: String(slot.slot + 1) })}</b>
        <Badge tone={slot.state === 'busy' ? 'good' : slot.state === 'lost' ? 'bad' : 'plain'}>
          {t(`workers.slot.${slot.state}`)}
        </Badge>
      </div>
      <ol className="slot-tasks">
        {slot.tasks.map(({ vertex, subtask }) => (
          <li key={`${vertex}/${subtask}`} data-source={job?.description?.vertices[vertex]?.isSource}>
            <span>{labelOf(job?.description, vertex)}</span>
            <span className="number soft">[{subtask}]</span>
          </li>
        ))}
        {slot.tasks.length === 0 && <li className="soft">{t('workers.slot.nothing')}</li>}
      </ol>
      {slot.thread !== null && <ThreadFacts thread={slot.thread} />}
    </li>
  );
}

function ProcessFacts({ process }: { readonly process: ProcessFigures }): ReactNode {
  const { t, say } = useText();
  return (
    <div className="row soft small number facts-row">
      <span>{t('workers.cpu', { share: { kind: 'share', value: process.cpuShare } })}</span>
      <span>{t('workers.resident', { size: { kind: 'bytes', value: process.residentBytes } })}</span>
      <span>{t('workers.uptime', { time: say({ kind: 'duration', ms: process.uptimeMs }) })}</span>
      <ThreadFacts thread={process.thread} />
    </div>
  );
}

function ThreadFacts({ thread }: { readonly thread: ThreadFigures }): ReactNode {
  const { t, say } = useText();
  return (
    <dl className="thread small number">
      <div>
        <dt>{t('thread.busy')}</dt>
        <dd>
          <Share value={thread.eventLoopBusyShare} />
        </dd>
      </div>
      <div>
        <dt>{t('thread.heap')}</dt>
        <dd>
          <Share
            value={thread.heapLimitBytes === 0 ? 0 : thread.heapUsedBytes / thread.heapLimitBytes}
            text={{ kind: 'bytes', value: thread.heapUsedBytes }}
          />
        </dd>
      </div>
      <div>
        <dt>{t('thread.delay')}</dt>
        <dd>{say({ kind: 'duration', ms: thread.eventLoopDelayMsP99 })}</dd>
      </div>
      <div>
        <dt>{t('thread.collector')}</dt>
        <dd>{say({ kind: 'duration', ms: thread.collectionMs })}</dd>
      </div>
    </dl>
  );
}

function Share({
  value,
  text,
}: {
  readonly value: number;
  readonly text?: { readonly kind: 'bytes'; readonly value: number };
}): ReactNode {
  const { say } = useText();
  return (
    <>
      <span className="meter" aria-hidden="true">
        <i style={{ width: `${Math.min(1, Math.max(0, value)) * 100}%` }} />
      </span>
      {say(text ?? { kind: 'share', value })}
    </>
  );
}
