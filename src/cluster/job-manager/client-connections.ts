/** The clients of a JobManager: each asks what it likes, and is answered, until it or the JobManager goes. */

import type { Clock } from '../../base/env.ts';
import type { Introduced } from '../../exchange/handshake.ts';
import type { ClientRequest, HeartbeatTimes } from '../messages.ts';
import { RpcConnection } from '../rpc/rpc-connection.ts';

/** See the head of the file. */
export class ClientConnections {
  readonly #clock: Clock;
  readonly #heartbeat: HeartbeatTimes;
  readonly #answer: (request: ClientRequest) => Promise<unknown>;
  readonly #clients = new Set<RpcConnection<unknown, unknown, unknown, ClientRequest>>();

  constructor(
    { clock, heartbeat }: { readonly clock: Clock; readonly heartbeat: HeartbeatTimes },
    answer: (request: ClientRequest) => Promise<unknown>,
  ) {
    this.#clock = clock;
    this.#heartbeat = heartbeat;
    this.#answer = answer;
  }

  /** A client has proved that it may. */
  accept({ connection, rest }: Introduced): void {
    const rpc: RpcConnection<unknown, unknown, unknown, ClientRequest> = new RpcConnection({
      connection,
      rest,
      clock: this.#clock,
      heartbeat: this.#heartbeat,
      handlers: {
        message: () => {},
        request: (request) => this.#answer(request),
        lost: () => void this.#clients.delete(rpc),
      },
    });
    this.#clients.add(rpc);
  }

  /** Leaves all of them. */
  close(): void {
    for (const rpc of this.#clients) rpc.close();
    this.#clients.clear();
  }
}
