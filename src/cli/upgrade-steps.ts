/**
 * An upgrade of a running job, step by step, with the way back.
 *
 * ```text
 *   stop with a savepoint ─▶ start the new version from it ─▶ its first checkpoint ─▶ upgraded
 *         │ fails                  │ refused                       │ fails, or is not there in time
 *         ▼                        │                               ▼
 *   nothing has changed            │                        cancel the new version
 *                                  └───────────────┬───────────────┘
 *                                                  ▼
 *                              start the old version from the savepoint ─▶ rolled back
 * ```
 *
 *  US-1 The savepoint is never touched: both versions can be started from it at any time.
 *  US-2 The old version is started again only when nothing of the new one runs any more.
 *  US-3 Whoever cannot go back says where the savepoint is.
 */

import { MillraceError } from '../base/errors.ts';

/** What an upgrade does to the job; each step resolves when it is done. */
export interface UpgradeSteps {
  /** Stops the old version; gives the path of the savepoint. */
  stopOld(): Promise<string>;
  startNew(savepoint: string): Promise<void>;
  /** Resolves when the new version has completed its first checkpoint; rejected when it does not come to that. */
  proveNew(): Promise<void>;
  /** Resolves when nothing of the new version runs any more. */
  cancelNew(): Promise<void>;
  /** Output that the new version has committed is moved aside. */
  startOld(savepoint: string): Promise<void>;
}

/** How an upgrade ended. */
export type UpgradeOutcome =
  | { readonly kind: 'upgraded'; readonly savepoint: string }
  | { readonly kind: 'rolled-back'; readonly savepoint: string; readonly error: unknown };

/** Carries an upgrade out. Throws what keeps the old version from being stopped, and UPGRADE_STUCK (US-3). */
export async function upgrade(steps: UpgradeSteps, say: (line: string) => void): Promise<UpgradeOutcome> {
  say('Stopping the old version with a savepoint.');
  const savepoint = await steps.stopOld();
  say(`Savepoint completed. Path: ${savepoint}`);
  try {
    await forward(steps, savepoint, say);
    return { kind: 'upgraded', savepoint };
  } catch (error) {
    say('The new version did not come to its first checkpoint: going back to the old one.');
    await back(steps, savepoint, error);
    return { kind: 'rolled-back', savepoint, error };
  }
}

async function forward(steps: UpgradeSteps, savepoint: string, say: (line: string) => void): Promise<void> {
  say('Starting the new version from it.');
  await steps.startNew(savepoint);
  say('Waiting for its first checkpoint.');
  try {
    await steps.proveNew();
  } catch (error) {
    await steps.cancelNew().catch((failed: unknown) => {
      throw stuck(savepoint, 'the new version could not be canceled', failed);
    });
    throw error;
  }
}

async function back(steps: UpgradeSteps, savepoint: string, error: unknown): Promise<void> {
  if (error instanceof MillraceError && error.code === 'UPGRADE_STUCK') throw error; // US-2
  await steps.startOld(savepoint).catch((failed: unknown) => {
    throw stuck(savepoint, 'the old version could not be started again', failed);
  });
}

function stuck(savepoint: string, what: string, cause: unknown): MillraceError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `${what}: ${why}; the state of the old version is in ${savepoint}`;
  return new MillraceError('UPGRADE_STUCK', message, { cause });
}
