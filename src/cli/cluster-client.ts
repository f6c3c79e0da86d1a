/** The command line as a client of a JobManager: finds it, proves that it may, and asks. */

import { isMillraceError, MillraceError } from '../base/errors.ts';
import { addressText, type NetworkAddress } from '../base/network.ts';
import { systemEnv } from '../base/system-env.ts';
import { internalNetwork, type TlsPaths } from '../base/tls-network.ts';
import { CLIENT_SUBJECT } from '../cluster/job-manager/dispatcher.ts';
import type { ClientRequest } from '../cluster/messages.ts';
import { dialPeer } from '../cluster/rpc/peers.ts';
import { RpcConnection } from '../cluster/rpc/rpc-connection.ts';
import type { LeaderRecord } from '../ha/leader.ts';
import { ClusterFiles, isRunning, type ProcessRecord } from './cluster-files.ts';
import type { ClusterOptions } from './arguments.ts';

/** An answer that did not come by then will not, ms: Flink's `client.timeout`. */
const ANSWER_DEADLINE_MS = 60_000;

/** Reasons that say more than that nobody answers. */
const SAYS_ENOUGH = ['HANDSHAKE_REFUSED', 'TLS_REFUSED', 'TLS_UNUSABLE'] as const;

/** A connection to a JobManager; to be closed. */
export class ClusterClient {
  readonly #rpc: RpcConnection<unknown, unknown, ClientRequest>;

  private constructor(rpc: RpcConnection<unknown, unknown, ClientRequest>) {
    this.#rpc = rpc;
  }

  /** Throws CLUSTER_UNREACHABLE, HANDSHAKE_REFUSED when the token is another one, TLS_REFUSED and TLS_UNUSABLE. */
  static async connect(options: ClusterOptions): Promise<ClusterClient> {
    const files = new ClusterFiles(options.state);
    const record = recordOf(files);
    const address = options.target === undefined ? addressOf(record, files) : parseTarget(options.target);
    const known = { token: files.token(), tls: record?.tls };
    const client = await ClusterClient.#at(address, known);
    // One that does not lead says who does.
    const leader = await client.ask<LeaderRecord | undefined>({ kind: 'leader' });
    if (leader === undefined || addressText(leader.rpc) === addressText(address)) return client;
    client.close();
    return ClusterClient.#at(leader.rpc, known);
  }

  static async #at(
    address: NetworkAddress,
    { token, tls }: { readonly token: string; readonly tls: TlsPaths | undefined },
  ): Promise<ClusterClient> {
    const env = systemEnv({ logging: { level: 'error' } });
    const peer = await dialPeer(
      { env, network: internalNetwork(env, tls) },
      { address, subject: CLIENT_SUBJECT, secret: token },
    ).catch((error: unknown) => {
      if (SAYS_ENOUGH.some((code) => isMillraceError(error, code))) throw error;
      throw unreachable(`nobody answers at ${addressText(address)}`, error);
    });
    const rpc: RpcConnection<unknown, unknown, ClientRequest> = new RpcConnection({
      ...peer,
      clock: env.clock,
      heartbeat: { intervalMs: 5_000, timeoutMs: ANSWER_DEADLINE_MS },
      handlers: { message: () => {}, lost: () => {} },
    });
    return new ClusterClient(rpc);
  }

  /** Asks; throws what the JobManager throws. */
  ask<Answer>(request: ClientRequest): Promise<Answer> {
    return this.#rpc.request<Answer>(request, ANSWER_DEADLINE_MS);
  }

  close(): void {
    this.#rpc.close();
  }
}

/** Asks one cluster for something, and leaves it. */
export async function withCluster<T>(
  options: ClusterOptions,
  work: (client: ClusterClient) => Promise<T>,
): Promise<T> {
  const client = await ClusterClient.connect(options);
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** Of the JobManager that is asked, or the first one: those of a cluster have the same certificates. */
function recordOf(files: ClusterFiles): ProcessRecord | undefined {
  const records = files.records().filter(({ role }) => role === 'jobmanager');
  return records.find(isRunning) ?? records[0];
}

function addressOf(record: ProcessRecord | undefined, files: ClusterFiles): NetworkAddress {
  if (record?.address === undefined) throw unreachable(`no JobManager is recorded in ${files.directory}`);
  return record.address;
}

/** `host:port`, also as a URL. */
export function parseTarget(target: string): NetworkAddress {
  const match = /^(?:\w+:\/\/)?\[?([^\]/]+?)\]?:(\d{1,5})\/?$/.exec(target);
  const port = Number(match?.[2]);
  if (match?.[1] !== undefined && port >= 1 && port <= 65_535) return { host: match[1], port };
  throw new MillraceError('CONFIG_INVALID', `--target ${target} is no address`, {
    remedy:
      'Write it as host:port, for example 127.0.0.1:6123, or leave it out for the cluster of this machine.',
  });
}

function unreachable(why: string, cause?: unknown): MillraceError {
  return new MillraceError('CLUSTER_UNREACHABLE', why, { cause });
}
