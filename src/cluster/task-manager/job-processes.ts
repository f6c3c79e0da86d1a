/**
 * The processes of jobs in one TaskManager: makes what is there what it is ordered to be.
 *
 * Owns: one process per order. Partners: the TaskManager above, the processes below.
 *
 * ```text
 *   state \ event  loaded     failed     exited     due        dropped
 *   LOADING        RUNNING    PAUSING    -          -          GONE
 *   RUNNING        -          -          PAUSING    -          ENDING
 *   PAUSING        -          -          -          LOADING    GONE
 *   ENDING         -          -          GONE       -          ENDING
 *   GONE           GONE       GONE       GONE       GONE       GONE
 *
 *   loaded    the bundle is here, and the process was started
 *   failed    the bundle could not be had
 *   exited    the process is gone
 *   due       the pause before another try is over
 *   dropped   it is not ordered any more
 * ```
 *
 * JP-1 One process per job, and no process for two jobs: what one job does to its process touches no other.
 * JP-2 A slot counts as taken until its process is gone (ENDING is reported).
 * JP-4 The bundle of a job is here for as long as one of its processes is ordered or ending.
 * JP-5 A job's local copies of state are there for as long as it is ordered: also when one of its processes ends and is started
 *      again, which reads them.
 * JP-3 A process that ends while it is ordered is started again, after a pause that grows while it keeps ending.
 */

import { assert } from '../../base/assert.ts';
import type { Env, Timer } from '../../base/env.ts';
import type { NetworkAddress } from '../../base/network.ts';
import type { HeldBlobs } from '../held-blobs.ts';
import type { HeartbeatTimes, JobOrder, JobProcessReport } from '../messages.ts';
import type { ChildProcessHandle, ProcessSpawner } from '../processes.ts';
import type { LocalState } from './local-state.ts';

/** See the head of the file. */
export type JobProcessState = 'LOADING' | 'RUNNING' | 'PAUSING' | 'ENDING' | 'GONE';

/** See the head of the file. */
export type JobProcessEvent = 'loaded' | 'failed' | 'exited' | 'due' | 'dropped';

type Row = Readonly<Record<JobProcessEvent, JobProcessState | undefined>>;

const IMPOSSIBLE: Row = {
  loaded: undefined,
  failed: undefined,
  exited: undefined,
  due: undefined,
  dropped: undefined,
};

/** The table of the head of this file; `undefined` = cannot happen. */
export const JOB_PROCESS_MOVES: Readonly<Record<JobProcessState, Row>> = {
  LOADING: { ...IMPOSSIBLE, loaded: 'RUNNING', failed: 'PAUSING', dropped: 'GONE' },
  RUNNING: { ...IMPOSSIBLE, exited: 'PAUSING', dropped: 'ENDING' },
  PAUSING: { ...IMPOSSIBLE, due: 'LOADING', dropped: 'GONE' },
  ENDING: { ...IMPOSSIBLE, exited: 'GONE', dropped: 'ENDING' },
  GONE: { loaded: 'GONE', failed: 'GONE', exited: 'GONE', due: 'GONE', dropped: 'GONE' },
};

/** The state after an event; an event that cannot happen is a bug. */
export function moveJobProcess(state: JobProcessState, event: JobProcessEvent): JobProcessState {
  const next = JOB_PROCESS_MOVES[state][event];
  assert(next !== undefined, `a job process that is ${state} cannot meet "${event}"`);
  return next;
}

/** What the processes are started with. */
export interface JobProcessesParts {
  readonly env: Pick<Env, 'clock' | 'log'>;
  readonly taskManager: string;
  readonly spawner: ProcessSpawner;
  readonly blobs: Pick<HeldBlobs, 'pathOf' | 'release'>;
  readonly heartbeat: HeartbeatTimes;
  /** Where job processes listen for each other. */
  readonly data: NetworkAddress;
  /** Something has changed that is reported. */
  readonly onChange: () => void;
  /** Where jobs keep copies of their state (JP-5); absent: nowhere. */
  readonly localState?: LocalState | undefined;
}

/** A pause before a process is started again, ms; it doubles each time up to the longest. */
const PAUSE_MS_FIRST = 50;
const PAUSE_MS_MAX = 10_000;
/** A process that lived so long begins with the first pause again, ms. */
const STABLE_MS = 60_000;

interface Entry {
  /** Holds its bundle (JP-4); an allocation may come again. */
  readonly owner: string;
  readonly order: JobOrder;
  state: JobProcessState;
  process: ChildProcessHandle | undefined;
  startedAt: number;
  restarts: number;
  pauseMs: number;
  timer: Timer | undefined;
}

/** See the head of the file. */
export class JobProcesses {
  readonly #parts: JobProcessesParts;
  /** By allocation. */
  readonly #entries = new Map<string, Entry>();
  #begun = 0;

  constructor(parts: JobProcessesParts) {
    this.#parts = parts;
  }

  /** Makes it so. */
  follow(orders: readonly JobOrder[]): void {
    const wanted = new Map(orders.map((order) => [order.allocation, order]));
    for (const [allocation, entry] of this.#entries) if (!wanted.has(allocation)) this.#drop(entry);
    for (const [allocation, order] of wanted) {
      const entry = this.#entries.get(allocation);
      if (entry === undefined) this.#begin(order);
      else if (entry.state !== 'ENDING') Object.assign(entry, { order });
    }
  }

  /** What there is (JP-2). */
  report(): JobProcessReport[] {
    return [...this.#entries.values()]
      .filter(({ state }) => state === 'RUNNING' || state === 'ENDING')
      .map(({ order, process, restarts }) => ({
        jobId: order.jobId,
        allocation: order.allocation,
        slots: order.slots,
        processId: process?.processId ?? 0,
        restarts,
      }));
  }

  #begin(order: JobOrder): void {
    this.#begun += 1;
    const entry: Entry = {
      owner: `${order.allocation} ${this.#begun}`,
      order,
      state: 'LOADING',
      process: undefined,
      startedAt: 0,
      restarts: 0,
      pauseMs: PAUSE_MS_FIRST,
      timer: undefined,
    };
    this.#entries.set(order.allocation, entry);
    this.#load(entry);
  }

  #load(entry: Entry): void {
    this.#parts.blobs.pathOf(entry.order.bundle, entry.owner).then(
      (bundlePath) => this.#loaded(entry, bundlePath),
      (error: unknown) => {
        this.#move(entry, 'failed');
        if (entry.state !== 'PAUSING') return;
        this.#parts.env.log.warn('the bundle of a job could not be had', { error: String(error) });
        this.#pause(entry);
      },
    );
  }

  #loaded(entry: Entry, bundlePath: string): void {
    this.#move(entry, 'loaded');
    if (entry.state !== 'RUNNING') return;
    const { taskManager, heartbeat, data, env, spawner } = this.#parts;
    const { jobId, master, secret, workingDirectory } = entry.order;
    const start = { jobId, taskManager, master, secret, heartbeat, data, bundlePath };
    const localStateDirectory = this.#parts.localState?.directoryOf(jobId);
    entry.startedAt = env.clock.monotonic();
    entry.process = spawner.spawn(
      { kind: 'job-process', start: { ...start, ...(localStateDirectory && { localStateDirectory }) } },
      { workingDirectory, onExit: (how) => this.#exited(entry, how) },
    );
    this.#parts.onChange();
  }

  #exited(entry: Entry, how: string): void {
    const { env } = this.#parts;
    const wasOrdered = entry.state === 'RUNNING';
    this.#move(entry, 'exited');
    entry.process = undefined;
    if (wasOrdered) {
      env.log.warn('the process of a job has ended', { job: entry.order.jobId, how });
      if (env.clock.monotonic() - entry.startedAt > STABLE_MS) entry.pauseMs = PAUSE_MS_FIRST;
      this.#pause(entry);
    }
    this.#parts.onChange();
  }

  /** JP-3. */
  #pause(entry: Entry): void {
    const afterMs = entry.pauseMs;
    entry.pauseMs = Math.min(PAUSE_MS_MAX, afterMs * 2);
    entry.restarts += 1;
    entry.timer = this.#parts.env.clock.timer(
      afterMs,
      () => {
        this.#move(entry, 'due');
        if (entry.state === 'LOADING') this.#load(entry);
      },
      'a job process is started again',
    );
  }

  #drop(entry: Entry): void {
    this.#move(entry, 'dropped');
    entry.timer?.cancel();
    entry.process?.kill();
  }

  /** JP-5. */
  #forgetState(jobId: string): void {
    const isOrdered = [...this.#entries.values()].some(({ order }) => order.jobId === jobId);
    if (!isOrdered) this.#parts.localState?.remove(jobId);
  }

  #move(entry: Entry, event: JobProcessEvent): void {
    entry.state = moveJobProcess(entry.state, event);
    const { allocation } = entry.order;
    if (entry.state === 'GONE') this.#parts.blobs.release(entry.owner); // JP-4
    // A JobManager that was started again counts its allocations from the beginning: another entry may be there by now.
    if (entry.state === 'GONE' && this.#entries.get(allocation) === entry) this.#entries.delete(allocation);
    if (entry.state === 'GONE') this.#forgetState(entry.order.jobId);
  }
}
