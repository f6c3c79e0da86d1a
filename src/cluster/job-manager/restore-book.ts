/** Where subtasks have found their state after failures, as they say it themselves. */

import type { Log } from '../../base/env.ts';
import type { SlotReport } from '../../hosts/messages.ts';

/** Of all restarts of this run in which subtasks read their state themselves. */
export interface RestoreCounts {
  /** Subtasks that found it on their machine. */
  readonly local: number;
  readonly localBytes: number;
  /** Subtasks that read it where checkpoints are. */
  readonly storage: number;
  readonly storageBytes: number;
}

type RestoredReport = SlotReport & { readonly kind: 'restored' };

/** See the head of the file. */
export class RestoreBook {
  readonly #log: Log;
  #counts: RestoreCounts | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  /** `undefined`: no subtask has read its state itself. */
  counts(): RestoreCounts | undefined {
    return this.#counts;
  }

  /** What is in the metadata was read by nobody. */
  report({ source, durationMs, slot, ...task }: RestoredReport, vertexName: string): void {
    const { from, why, bytes } = source;
    if (from === 'inline') return;
    const { local, localBytes, storage, storageBytes } = this.#counts ?? NOTHING;
    const isLocal = from === 'local';
    this.#counts = {
      local: local + (isLocal ? 1 : 0),
      localBytes: localBytes + (isLocal ? bytes : 0),
      storage: storage + (isLocal ? 0 : 1),
      storageBytes: storageBytes + (isLocal ? 0 : bytes),
    };
    this.#log.info(
      isLocal ? 'state was read from its local copy' : 'state was read from the storage of checkpoints',
      {
        vertex: vertexName,
        subtask: task.subtask,
        slot,
        bytes,
        durationMs: Math.round(durationMs),
        ...(why === undefined ? {} : { why }),
      },
    );
  }
}

const NOTHING: RestoreCounts = { local: 0, localBytes: 0, storage: 0, storageBytes: 0 };
