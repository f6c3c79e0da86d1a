/**
 * Who wants to see what happens to a job, at once: the command line, the REST interface, an application.
 *
 * LI-1 Listeners are called in the turn in which it happens, in the order in which they came. They must not block, and
 *      must not change the job in the call; what they throw is logged and changes nothing.
 */

import type { Env } from '../../base/env.ts';
import type { LogEntry } from '../../base/log.ts';
import type { CheckpointProgress } from './checkpoint-progress.ts';
import type { TappedRecord } from '../../hosts/inspection.ts';
import type { JobAlert } from '../../operators/sink.ts';
import type { ExceptionEntry } from './exception-history.ts';
import type { Execution } from './execution-graph.ts';
import type { JobState } from './job-states.ts';
import type { CheckpointReference } from './job-storage.ts';

/** An alert of the job, and the sink that it came to. */
export interface RaisedAlert extends JobAlert {
  readonly uid: string;
  readonly vertex: number;
  readonly subtask: number;
}

/** See the head of the file; what is not there is not called. */
export interface JobListener {
  onState?(state: JobState): void;
  onFailure?(failure: ExceptionEntry): void;
  onCheckpoint?(checkpoint: CheckpointReference): void;
  /** A savepoint is complete. */
  onSavepoint?(savepoint: CheckpointReference): void;
  /** What the job continues from; `undefined` = from the beginning. Again after each restart. */
  onRestore?(checkpoint: CheckpointReference | undefined): void;
  /** A subtask of the current deployment has moved to another state. */
  onExecution?(execution: Execution): void;
  /** How far a checkpoint has come; of one that has ended nothing more is told. */
  onCheckpointProgress?(progress: CheckpointProgress): void;
  /** The job itself says that a person should know something. */
  onAlert?(alert: RaisedAlert): void;
  /** What a tap has seen; see `JobMaster.inspect`. */
  onTapped?(tapId: string, records: readonly TappedRecord[]): void;
  /** What a slot's thread has written to its log; `undefined`: the job master, where it has a process of its own. */
  onLog?(slot: number | undefined, entry: LogEntry): void;
}

/** The listeners of one job. */
export class JobListeners {
  readonly #env: Env;
  readonly #listeners = new Set<JobListener>();

  constructor(env: Env, first: JobListener | undefined) {
    this.#env = env;
    if (first !== undefined) this.#listeners.add(first);
  }

  /** Adds one; the function that comes back takes it away again. */
  add(listener: JobListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** LI-1. */
  tell(call: (listener: JobListener) => void): void {
    for (const listener of this.#listeners) this.tellOne(listener, call);
  }

  /** LI-1, of one of them. */
  tellOne(listener: JobListener, call: (listener: JobListener) => void): void {
    try {
      call(listener);
    } catch (error) {
      this.#env.log.error('a listener of the job failed', { error });
    }
  }
}
