/** How a TaskManager finds the JobManager that leads: it is always the same one, or an entry says who. */

import type { NetworkAddress } from '../../base/network.ts';
import { readLeader, watchLeader } from '../../ha/leader.ts';
import type { Closeable, MetadataStore } from '../../ha/metadata-store.ts';

/** Where a leader is, and in which epoch it leads; 0 where there is one JobManager only. */
export interface KnownLeader {
  readonly address: NetworkAddress;
  readonly epoch: number;
}

/** See the head of the file. */
export interface LeaderSource {
  /** For messages. */
  readonly description: string;
  /** Who leads, as far as is known. Throws HA_UNAVAILABLE. */
  find(): Promise<KnownLeader | undefined>;
  /** Tells of each leader that is new. */
  watch(tell: (leader: KnownLeader) => void): Closeable;
}

/** One JobManager, for ever. */
export function fixedLeader(address: NetworkAddress): LeaderSource {
  return {
    description: `${address.host}:${address.port}`,
    find: () => Promise.resolve({ address, epoch: 0 }),
    watch: () => ({ close: () => {} }),
  };
}

/** The one that the metadata store names. */
export function storedLeader(store: MetadataStore, description: string): LeaderSource {
  return {
    description,
    find: async () => {
      const leader = await readLeader(store);
      return leader && { address: leader.rpc, epoch: leader.epoch };
    },
    watch: (tell) => watchLeader(store, ({ rpc, epoch }) => tell({ address: rpc, epoch })),
  };
}
