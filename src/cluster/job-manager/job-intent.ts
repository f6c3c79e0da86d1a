/** What a job is about to do when nothing of it runs any more, and what is said of it: pure. */

import { type ErrorCode, isMillraceError } from '../../base/errors.ts';
import type { Termination } from '../../checkpoint/retention.ts';
import type { JobState } from './job-states.ts';
import type { CheckpointReference } from './job-storage.ts';

/** What to do when nothing runs any more. */
export type Intent =
  /** `error`: absent where nothing failed, and the job is rescaled. */
  | { readonly kind: 'restart'; readonly at: number; readonly error: Error | undefined }
  | { readonly kind: 'fail'; readonly error: Error; readonly reason: string }
  | { readonly kind: 'cancel' }
  | {
      readonly kind: 'suspend';
      readonly error: Error | undefined;
      /** A stop with a savepoint has come to its end. */
      readonly savepoint?: CheckpointReference;
    }
  | { readonly kind: 'finish' };

/** Why a job fails whatever its restart strategy says. */
export const FATAL_REASON = 'this error cannot be helped by a restart';

/** Why something that was asked of a running job is given up. */
export const REASONS: Readonly<Record<Exclude<Intent['kind'], 'finish'>, string>> = {
  restart: 'the job restarts',
  fail: 'the job failed',
  cancel: 'the job was canceled',
  suspend: 'the job was stopped without it',
};

/** What becomes of the checkpoints, by the state that a job has ended in. */
export const TERMINATIONS: Readonly<Record<JobState, Termination>> = {
  INITIALIZING: 'suspended',
  CREATED: 'suspended',
  RUNNING: 'suspended',
  FAILING: 'suspended',
  RESTARTING: 'suspended',
  CANCELLING: 'suspended',
  FAILED: 'failed',
  CANCELED: 'canceled',
  FINISHED: 'finished',
  SUSPENDED: 'stopped',
};

/** True when the error, or one that caused it, says that the same job cannot succeed. */
export function isFatal(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isMillraceError(cause) && cause.retry === 'never') return true;
  }
  return false;
}

/** Losses that say nothing about the job: it would have started elsewhere. */
const OF_CLUSTER: readonly ErrorCode[] = [
  'EXCHANGE_DAMAGED',
  'EXCHANGE_LOST',
  'RPC_LOST',
  'SLOTS_MISSING',
  'TASK_MANAGER_LOST',
];

/** True for a loss that says nothing about the job. */
export function isOfCluster(error: Error): boolean {
  return isMillraceError(error) && OF_CLUSTER.includes(error.code);
}

/** What becomes of the job, for its list of failures. */
export function consequence(intent: Intent, now: number): string {
  switch (intent.kind) {
    case 'restart':
      return `restart in ${Math.max(0, Math.round(intent.at - now))} ms`;
    case 'fail':
      return `the job fails: ${intent.reason}`;
    case 'suspend':
      return 'the job stops at its latest checkpoint';
    case 'cancel':
    case 'finish':
      return `the job is about to ${intent.kind}`;
  }
}

/** Whatever was thrown, as an error. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
