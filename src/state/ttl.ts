/** How long the values of a state live: what a declaration says about it, and the rules that follow. */

import { type Duration, parseDuration } from '../base/duration.ts';
import { MillraceError } from '../base/errors.ts';

/** When a value starts to live anew: when it is written, or also when it is read. */
export type TtlUpdate = 'on-create-and-write' | 'on-read-and-write';

/** Whether a read gives a value whose time is over while it is still there. */
export type TtlVisibility = 'never-return-expired' | 'return-expired-if-not-cleaned-up';

/** What removes expired values that nobody reads. A read always removes what it finds expired. */
export interface TtlCleanup {
  /** Leaves what has expired out of checkpoints; the state itself stays as it is. Default `false`. */
  readonly inFullSnapshot?: boolean;
  /**
   * Looks at a few keys each time the state is used, one after the other, and removes what has expired. `entries` is how
   * many (default 5); with `everyRecord` also for each record of the operator. `false`: never. Default `{ entries: 5 }`.
   */
  readonly incremental?: false | { readonly entries?: number; readonly everyRecord?: boolean };
}

/** How long the values of a state live, by the clock of the machine: Flink's StateTtlConfig. */
export interface StateTtl {
  /** A value expires this long after it was created or updated: ms, or a text such as `'7 d'`. */
  readonly after: Duration;
  /** Default `'on-create-and-write'`. */
  readonly update?: TtlUpdate;
  /** Default `'never-return-expired'`. */
  readonly visibility?: TtlVisibility;
  readonly cleanup?: TtlCleanup;
}

/** A {@link StateTtl} with its defaults. */
export interface TtlRules {
  readonly afterMs: number;
  readonly refreshesOnRead: boolean;
  readonly returnsExpired: boolean;
  readonly inFullSnapshot: boolean;
  /** Keys that are looked at per use; 0: none. */
  readonly sweptEntries: number;
  readonly sweepsEveryRecord: boolean;
}

/** Keys that are looked at per use unless said otherwise (Flink's `cleanupIncrementally(5, false)`). */
const SWEPT_ENTRIES = 5;
const UPDATES: readonly TtlUpdate[] = ['on-create-and-write', 'on-read-and-write'];
const VISIBILITIES: readonly TtlVisibility[] = ['never-return-expired', 'return-expired-if-not-cleaned-up'];

/** The rules of a declaration. Throws CONFIG_INVALID. */
export function ttlRules(ttl: StateTtl): TtlRules {
  const { update = UPDATES[0]!, visibility = VISIBILITIES[0]!, cleanup = {} } = ttl;
  const afterMs = parseDuration(ttl.after, 'after of a state TTL');
  if (afterMs === 0) throw invalid('after of a state TTL is 0: the state would never hold anything');
  if (!UPDATES.includes(update)) throw unknown('update', update, UPDATES);
  if (!VISIBILITIES.includes(visibility)) throw unknown('visibility', visibility, VISIBILITIES);
  const { incremental = {} } = cleanup;
  const { entries = SWEPT_ENTRIES, everyRecord = false } =
    incremental === false ? { entries: 0 } : incremental;
  if (!Number.isSafeInteger(entries) || (incremental !== false && entries < 1)) {
    throw invalid(`incremental.entries of a state TTL is ${entries}; it is a whole number from 1`);
  }
  return {
    afterMs,
    refreshesOnRead: update === 'on-read-and-write',
    returnsExpired: visibility === 'return-expired-if-not-cleaned-up',
    inFullSnapshot: cleanup.inFullSnapshot === true,
    sweptEntries: entries,
    sweepsEveryRecord: everyRecord && entries > 0,
  };
}

/** True when what was written at `time` is over at `now`. */
export function hasExpired({ afterMs }: TtlRules, time: number, now: number): boolean {
  return now - time >= afterMs;
}

function unknown(what: string, value: string, known: readonly string[]): MillraceError {
  return invalid(
    `${what} of a state TTL is '${value}'; it is ${known.map((each) => `'${each}'`).join(' or ')}`,
  );
}

function invalid(message: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', message);
}
