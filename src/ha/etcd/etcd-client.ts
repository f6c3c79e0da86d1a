/**
 * etcd by the JSON form of its interface (its gateway: POST /v3/…, keys and values in base64, 64-bit numbers as texts).
 *
 * Owns: the endpoint of the moment, the token of its user, its watches. Partners: the servers, in turn.
 *
 * EC-1 What may be asked twice goes to the next endpoint when one fails; a change does not: whether it has happened, its caller
 *      finds out by reading (MS-4).
 * EC-2 A request that was refused because of its token has not happened: it is asked again with a new one, once.
 * EC-3 A watch is a hint to look again (HW-1); it begins at the revision after that of the last look.
 */

import type { Env } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import type { HttpAnswer, HttpClient, TlsMaterial } from '../../base/http-client.ts';
import type { FreshFile } from '../../base/fresh-file.ts';
import type { Closeable } from '../metadata-store.ts';
import { reasonIn, type WatchLine, Watches } from '../http-service.ts';
import { ServiceLog } from '../service-log.ts';

/** Where etcd is, and who asks. */
export interface EtcdConnection {
  /** Origins, as `https://etcd-1:2379`. */
  readonly endpoints: readonly URL[];
  readonly user?: { readonly name: string; readonly password: string } | undefined;
  readonly tls: {
    readonly ca?: FreshFile | undefined;
    readonly certificate?: FreshFile | undefined;
    readonly key?: FreshFile | undefined;
  };
  readonly requestTimeoutMs: number;
  readonly retryWaitMs: number;
}

/** A key with its value, as etcd tells it. */
export interface EtcdEntry {
  readonly key: string;
  readonly value?: string;
  readonly create_revision: string;
  readonly mod_revision: string;
}

/** The answer of a range. */
export interface EtcdRange {
  readonly header: { readonly revision: string };
  readonly kvs?: readonly EtcdEntry[];
}

/** A stream that says nothing is opened anew after so long, ms. */
const WATCH_MS = 30_000;

/** See the head of the file. */
export class EtcdClient {
  readonly #log: ServiceLog;
  readonly #http: HttpClient;
  readonly #connection: EtcdConnection;
  readonly #watches: Watches;
  #endpoint = 0;
  #token: string | undefined;
  #isClosed = false;

  constructor(env: Pick<Env, 'clock' | 'log'>, http: HttpClient, connection: EtcdConnection) {
    this.#log = new ServiceLog(env.log, 'etcd');
    this.#http = http;
    this.#connection = connection;
    const { retryWaitMs } = connection;
    this.#watches = new Watches({ clock: env.clock, http, service: 'etcd', watchMs: WATCH_MS, retryWaitMs });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Asks what may be asked twice (EC-1). Throws HA_UNAVAILABLE. */
  async ask<Answer>(path: string, body: object): Promise<Answer> {
    let error: unknown;
    for (const _ of this.#connection.endpoints) {
      try {
        return await this.change<Answer>(path, body);
      } catch (failure) {
        error = failure;
      }
    }
    throw error;
  }

  /** Asks once. Throws HA_UNAVAILABLE: then it may have happened (MS-4). */
  async change<Answer>(path: string, body: object): Promise<Answer> {
    const endpoint = this.#endpoint;
    try {
      const answer = await this.#authorized(path, body);
      const read = answerOf<Answer>(path, answer);
      this.#log.answered();
      return read;
    } catch (cause) {
      const { endpoints } = this.#connection;
      if (this.#endpoint === endpoint) this.#endpoint = (endpoint + 1) % endpoints.length;
      const why = cause instanceof Error ? cause.message : String(cause);
      if (!this.#isClosed) this.#log.failed(why);
      throw new MillraceError('HA_UNAVAILABLE', `etcd did not answer: ${why}`, { cause });
    }
  }

  /** Calls `look` once, in time (EC-3): after a change of `key` from the revision on, or when it is time to look anyway. */
  watch(key: string, revision: bigint, look: () => void): Closeable {
    const body = { create_request: { key, start_revision: String(revision) } };
    return this.#watches.begin(this.#request('/v3/watch', body), watchLine, look);
  }

  /** Ends what is open, and answers nothing any more. */
  close(): void {
    this.#isClosed = true;
    this.#watches.close();
  }

  /** EC-2. */
  async #authorized(path: string, body: object): Promise<HttpAnswer> {
    if (this.#isClosed) throw new Error('this process has left etcd');
    const answer = await this.#http.send(await this.#request(path, body));
    if (answer.status !== 401 || this.#connection.user === undefined) return answer;
    this.#token = undefined;
    return this.#http.send(await this.#request(path, body));
  }

  async #request(path: string, body: object): Promise<Parameters<HttpClient['send']>[0]> {
    const { user } = this.#connection;
    if (user !== undefined && this.#token === undefined) {
      const answer = await this.#http.send(await this.#bare('/v3/auth/authenticate', user));
      this.#token = answerOf<{ token: string }>('/v3/auth/authenticate', answer).token;
    }
    const bare = await this.#bare(path, body);
    if (this.#token === undefined) return bare;
    return { ...bare, headers: { ...bare.headers, authorization: this.#token } };
  }

  async #bare(path: string, body: object): Promise<Parameters<HttpClient['send']>[0]> {
    const { endpoints, tls, requestTimeoutMs } = this.#connection;
    const material: TlsMaterial = {
      ca: await tls.ca?.text(),
      certificate: await tls.certificate?.text(),
      key: await tls.key?.text(),
    };
    return {
      method: 'POST',
      url: new URL(path, endpoints[this.#endpoint]),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      deadlineMs: requestTimeoutMs,
      tls: material,
    };
  }
}

function answerOf<Answer>(path: string, { status, body }: HttpAnswer): Answer {
  if (status !== 200) throw new Error(`${path}: status ${status}, ${reasonIn(body, 'error')}`);
  return JSON.parse(body) as Answer;
}

function watchLine(text: string): WatchLine {
  try {
    const { result } = JSON.parse(text) as { result?: { events?: unknown[]; canceled?: boolean } };
    if (result === undefined || result.canceled === true) return 'over';
    return (result.events?.length ?? 0) > 0 ? 'event' : 'nothing';
  } catch {
    return 'over';
  }
}
