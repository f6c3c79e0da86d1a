/**
 * Who leads, as the metadata store says: one entry, which is never removed, so that epochs only grow.
 *
 * LE-1 An epoch is led by one process, once (I-H2): it is claimed by replacing the entry of the one before, and the entry names
 *      a term that its claimer has drawn. A claim whose outcome is not known is resolved by reading (I-H4).
 */

import { MillraceError } from '../base/errors.ts';
import type { NetworkAddress } from '../base/network.ts';
import type { Closeable, MetadataStore, StoredEntry } from './metadata-store.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import { isUnavailable } from './register.ts';

/** The key of the entry. */
export const LEADER_KEY = 'leader';

/** Where a leader is. */
export interface LeaderAddresses {
  readonly rpc: NetworkAddress;
  /** URL of its REST interface. */
  readonly rest: string | undefined;
}

/** What the entry says. */
export interface LeaderRecord extends LeaderAddresses {
  readonly epoch: number;
  /** The name of the process. */
  readonly candidate: string;
  /** Drawn anew for each claim. */
  readonly term: string;
  /** ms since the epoch of the clock. */
  readonly since: number;
}

/** A claim that was successful: the record, and the revision that guards all that is written under it. */
export interface Claim {
  readonly record: LeaderRecord;
  readonly revision: string;
}

/** Others may claim so often meanwhile. */
const CLAIMS_MAX = 10;

/** Who leads, or led last; `undefined` before the first one. */
export async function readLeader(store: MetadataStore): Promise<LeaderRecord | undefined> {
  return recordOf(await store.read(LEADER_KEY));
}

/** Tells who leads, now and whenever it changes. What cannot be read is read again by the next look. */
export function watchLeader(store: MetadataStore, tell: (leader: LeaderRecord) => void): Closeable {
  let isClosed = false;
  let told = 0;
  const watch = store.watch(LEADER_KEY, () => {
    readLeader(store).then(
      (leader) => {
        if (isClosed || leader === undefined || leader.epoch <= told) return;
        told = leader.epoch;
        tell(leader);
      },
      () => undefined,
    );
  });
  return {
    close: () => {
      isClosed = true;
      watch.close();
    },
  };
}

/** LE-1. Throws HA_UNAVAILABLE. */
export async function claimLeadership(
  store: MetadataStore,
  claimer: LeaderAddresses & Pick<LeaderRecord, 'candidate' | 'term' | 'since'>,
): Promise<Claim> {
  for (let claims = 0; claims < CLAIMS_MAX; claims++) {
    const former = await store.read(LEADER_KEY);
    const record: LeaderRecord = { ...claimer, epoch: (recordOf(former)?.epoch ?? 0) + 1 };
    const revision = await tryClaim(store, former, record);
    if (revision !== undefined) return { record, revision };
  }
  throw new MillraceError('HA_UNAVAILABLE', `${CLAIMS_MAX} others claimed to lead meanwhile`);
}

async function tryClaim(
  store: MetadataStore,
  former: StoredEntry | undefined,
  record: LeaderRecord,
): Promise<string | undefined> {
  const value = encodeRecord(record);
  try {
    const outcome = await store.change({ key: LEADER_KEY, value, expected: former?.revision });
    return outcome.kind === 'changed' ? outcome.revision : undefined;
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    const found = await store.read(LEADER_KEY);
    if (found?.value === value) return found.revision;
    // It may still arrive; then it meets another revision, or the next try meets its.
    throw error;
  }
}

function recordOf(entry: StoredEntry | undefined): LeaderRecord | undefined {
  return entry && decodeRecord<LeaderRecord>(entry.value, `the entry ${LEADER_KEY}`);
}
