/** How processes of a cluster find each other: a listener that introduces whoever dials, and a dialer. */

import type { Env } from '../../base/env.ts';
import type { Network, NetworkAddress, NetworkListener } from '../../base/network.ts';
import { type Introduced, introduce, receive } from '../../exchange/handshake.ts';

/** Seams of a process that reaches others. */
export interface PeerSeams {
  readonly env: Pick<Env, 'clock' | 'random' | 'log'>;
  readonly network: Network;
}

/** A peer that was not reached by then is not there, ms. */
const DIAL_DEADLINE_MS = 5_000;
/** Peers that may be in the middle of their handshake. */
const HANDSHAKES_MAX = 256;

/** Listens; `accept` gets whoever has proved that it knows the secret of its subject. */
export function listenForPeers(
  { env, network }: PeerSeams,
  options: {
    readonly address: NetworkAddress;
    readonly secretOf: (subject: string) => string | undefined;
    readonly accept: (peer: Introduced) => void;
  },
): Promise<NetworkListener> {
  let handshakes = 0;
  return network.listen(options.address, (connection) => {
    if (handshakes >= HANDSHAKES_MAX) return connection.close();
    handshakes++;
    receive(connection, { ...env, secretOf: options.secretOf })
      .finally(() => {
        handshakes--;
      })
      .then(options.accept)
      .catch((error: unknown) => env.log.warn('a peer was refused', { error: String(error) }));
  });
}

/** Reaches a peer and proves itself to it. Throws NETWORK_FAILED and HANDSHAKE_REFUSED. */
export async function dialPeer(
  { env, network }: PeerSeams,
  options: { readonly address: NetworkAddress; readonly subject: string; readonly secret: string },
): Promise<Introduced> {
  const connection = await network.dial(options.address, DIAL_DEADLINE_MS);
  return introduce(connection, { ...env, ...options });
}
