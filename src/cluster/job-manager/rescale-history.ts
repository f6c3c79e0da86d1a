/** The last rescales of a job, newest last, as plain data: what was asked for, how far it came, and how it ended. */

import type { SerializedError } from '../../base/errors.ts';
import type { VertexParallelism } from '../../graph/rescale.ts';
import type { JobState } from './job-states.ts';
import type { ResourceRequirements } from './resource-requirements.ts';

/** Rescales that are kept. */
export const RESCALES_KEPT_MAX = 20;

/** Why a job was rescaled: somebody asked, or slots have come or gone (adaptive scheduler). Flink's words. */
export type RescaleCause = 'UPDATE_REQUIREMENT' | 'NEW_RESOURCE_AVAILABLE';

/** How a rescale ended. Flink's words. */
export type RescaleReason =
  | 'SUCCEEDED'
  | 'EXCEPTION_OCCURRED'
  | 'NO_RESOURCES_OR_PARALLELISMS_CHANGE'
  | 'JOB_FINISHED'
  | 'JOB_FAILED'
  | 'JOB_CANCELED';

/** How a rescale ended that was under way when the job did. */
export function rescaleReasonOf(state: JobState): RescaleReason {
  if (state === 'FAILED') return 'JOB_FAILED';
  return state === 'CANCELED' ? 'JOB_CANCELED' : 'JOB_FINISHED';
}

/** How far a rescale has come: see the drawing in `rescaling.ts`. */
export type RescaleStep = 'reserving' | 'checkpointing' | 'deploying';

/** A step with its times, ms since the epoch; `leftAt`: `undefined` while it is under way. */
export interface RescaleStepTimes {
  readonly step: RescaleStep;
  readonly enteredAt: number;
  readonly leftAt: number | undefined;
}

/** One rescale. */
export interface RescaleRecord {
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly cause: RescaleCause;
  readonly requirements: ResourceRequirements;
  /** Subtasks of each vertex before it. */
  readonly former: VertexParallelism;
  /** Subtasks of each vertex that the job was to come to. */
  readonly parallelism: VertexParallelism;
  /** ms since the epoch. */
  readonly startedAt: number;
  /** `undefined` while it is under way. */
  readonly endedAt: number | undefined;
  readonly reason: RescaleReason | undefined;
  readonly error: SerializedError | undefined;
  readonly steps: readonly RescaleStepTimes[];
}

/** A bounded list of rescales; each is read anew, because the last one may be under way. */
export class RescaleHistory {
  readonly #entries: { readonly record: () => RescaleRecord }[] = [];

  add(entry: { readonly record: () => RescaleRecord }): void {
    this.#entries.push(entry);
    if (this.#entries.length > RESCALES_KEPT_MAX) this.#entries.shift();
  }

  records(): readonly RescaleRecord[] {
    return this.#entries.map((entry) => entry.record());
  }
}
