/**
 * Tells the JobManager what happens to a job, from the process of its job master: the other half of `job-mirror.ts`.
 *
 * Owns: what has happened and is not told yet. Partners: the job master, which it watches; the connection.
 *
 * JR-1 What happens within {@link GATHER_MS} is told in one message, in its order, with the picture as of its sending.
 * JR-2 At most EVENTS_MAX wait; then lines of logs and what taps have seen are left out first, and after them the oldest events.
 * JR-3 What a user's accumulator came to may be no plain data: then its error is told in its place.
 */

import type { Clock, Timer } from '../../base/env.ts';
import { serializeError } from '../../base/errors.ts';
import type { LogEntry } from '../../base/log.ts';
import { BinaryWriter } from '../../codecs/binary.ts';
import { genericCodec } from '../../codecs/generic.ts';
import { parallelismOf } from '../../graph/rescale.ts';
import type { JobChange, JobEvent, JobPicture } from '../messages.ts';
import type { JobMaster } from './job-master.ts';

const GATHER_MS = 25;
const EVENTS_MAX = 10_000;

/** See the head of the file. */
export class JobReporter {
  readonly #master: JobMaster;
  readonly #clock: Pick<Clock, 'timer'>;
  readonly #send: (change: JobChange) => void;
  readonly #unobserve: () => void;
  #events: JobEvent[] = [];
  #timer: Timer | undefined;
  #isClosed = false;
  #latestCheckpoint: string | undefined;

  constructor(master: JobMaster, clock: Pick<Clock, 'timer'>, send: (change: JobChange) => void) {
    this.#master = master;
    this.#clock = clock;
    this.#send = send;
    this.#unobserve = master.observe({
      onState: (state) => this.#add({ kind: 'state', state }),
      onFailure: (failure) => this.#add({ kind: 'failure', failure }),
      onCheckpoint: (checkpoint) => {
        this.#latestCheckpoint = checkpoint.path;
        this.#add({ kind: 'checkpoint', checkpoint });
      },
      onSavepoint: (savepoint) => this.#add({ kind: 'savepoint', savepoint }),
      onRestore: (checkpoint) => {
        this.#latestCheckpoint = checkpoint?.path;
        this.#add({ kind: 'restore', checkpoint });
      },
      onExecution: (execution) => this.#add({ kind: 'execution', execution }),
      onCheckpointProgress: (progress) => this.#add({ kind: 'progress', progress }),
      onLog: (slot, entry) => this.#add({ kind: 'log', slot, entry }),
      onAlert: (alert) => this.#add({ kind: 'alert', alert }),
      onTapped: (tapId, records) => this.#add({ kind: 'tapped', tapId, records }),
    });
  }

  /** What there is to see now. */
  picture(): JobPicture {
    const master = this.#master;
    const accumulators: Record<string, unknown> = {};
    const failedAccumulators: JobPicture['failedAccumulators'] = {};
    for (const [name, value] of Object.entries(master.accumulators())) {
      const error = value instanceof Error ? value : errorOfCrossing(value);
      if (error === undefined) accumulators[name] = value;
      else failedAccumulators[name] = serializeError(error);
    }
    return {
      state: master.state,
      stateTimes: master.stateTimes,
      startedAt: master.startedAt,
      attempt: master.attempt,
      parallelism: parallelismOf(master.compiled.graph),
      requirements: master.requirements,
      restoredCheckpointId: master.restoredCheckpointId,
      executions: master.executions(),
      threads: new Map(master.threads()),
      figures: master.figures(),
      accumulators,
      failedAccumulators,
      exceptions: master.exceptions(),
      rescales: master.rescales(),
      heldSnapshot: master.heldSnapshot,
      latestCheckpoint: this.#latestCheckpoint,
    };
  }

  /** A line of the job master's own log. */
  log(entry: LogEntry): void {
    this.#add({ kind: 'log', slot: undefined, entry });
  }

  /** Tells what waits, now. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const events = this.#events.splice(0);
    this.#send({ picture: this.picture(), events });
  }

  /** Nothing more is told. */
  close(): void {
    this.#isClosed = true;
    this.#unobserve();
    this.#timer?.cancel();
  }

  #add(event: JobEvent): void {
    if (this.#isClosed) return;
    this.#events.push(event);
    if (this.#events.length > EVENTS_MAX) this.#leaveOut();
    this.#timer ??= this.#clock.timer(GATHER_MS, () => this.flush(), 'the JobManager is told');
  }

  /** JR-2. */
  #leaveOut(): void {
    this.#events = this.#events
      .filter(({ kind }) => kind !== 'log' && kind !== 'tapped')
      .slice(-EVENTS_MAX / 2);
  }
}

/** Why a value cannot cross to another process; `undefined` when it can. */
function errorOfCrossing(value: unknown): Error | undefined {
  try {
    genericCodec.encode(value, new BinaryWriter());
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
