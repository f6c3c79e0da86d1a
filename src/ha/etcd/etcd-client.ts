/**
 * etcd by the JSON form of its interface (its gateway: POST /v3/…, keys and values in base64, 64-bit numbers as texts).
 *
 * Owns: the endpoint of the moment, the token of its user, the watches that are open. Partners: the servers, in turn.
 *
 * EC-1 What may be asked twice goes to the next endpoint when one fails; a change does not: whether it has happened, its caller
 *      finds out by reading (MS-4).
 * EC-2 A request that was refused because of its token has not happened: it is asked again with a new one, once.
 * EC-3 A watch is a hint to look again. It is over with the first event, with the stream, or after WATCH_MS; whoever watches
 *      looks and watches again from the revision of that look, so that nothing is missed however a stream ends.
 */

import type { Env } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import type { HttpAnswer, HttpClient, TlsMaterial } from '../../base/http-client.ts';
import type { FreshFile } from '../../base/fresh-file.ts';
import type { Closeable } from '../metadata-store.ts';
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
  readonly #clock: Env['clock'];
  readonly #log: ServiceLog;
  readonly #http: HttpClient;
  readonly #connection: EtcdConnection;
  readonly #watches = new Set<Closeable>();
  #endpoint = 0;
  #token: string | undefined;
  #isClosed = false;

  constructor(env: Pick<Env, 'clock' | 'log'>, http: HttpClient, connection: EtcdConnection) {
    this.#clock = env.clock;
    this.#log = new ServiceLog(env.log, 'etcd');
    this.#http = http;
    this.#connection = connection;
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
    const clock = this.#clock;
    let stream: Closeable | undefined;
    let isOver = false;
    const close = (): void => {
      isOver = true;
      stream?.close();
      timer.cancel();
      this.#watches.delete(watch);
    };
    const end = (): void => {
      if (isOver) return;
      close();
      look();
    };
    const failed = (): void => {
      if (isOver) return;
      timer.cancel();
      timer = clock.timer(this.#connection.retryWaitMs, end, 'look at etcd again');
    };
    let timer = clock.timer(WATCH_MS, end, 'look at etcd again');
    const watch = { close };
    this.#watches.add(watch);
    const body = { create_request: { key, start_revision: String(revision) } };
    this.#request('/v3/watch', body).then((request) => {
      if (isOver) return;
      stream = this.#http.follow(request, {
        line: (text) => {
          const kind = watchLine(text);
          if (kind === 'event') end();
          else if (kind === 'over') failed();
        },
        ended: failed,
      });
    }, failed);
    return watch;
  }

  /** Ends what is open, and answers nothing any more. */
  close(): void {
    this.#isClosed = true;
    for (const watch of [...this.#watches]) watch.close();
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
  if (status !== 200) throw new Error(`${path}: status ${status}, ${reasonOf(body)}`);
  return JSON.parse(body) as Answer;
}

function reasonOf(body: string): string {
  try {
    const { error } = JSON.parse(body) as { error?: unknown };
    if (typeof error === 'string') return error;
  } catch {
    // Not from etcd itself; its beginning says more than nothing.
  }
  return body.slice(0, 200).trim();
}

function watchLine(text: string): 'event' | 'over' | 'nothing' {
  try {
    const { result } = JSON.parse(text) as { result?: { events?: unknown[]; canceled?: boolean } };
    if (result === undefined || result.canceled === true) return 'over';
    return (result.events?.length ?? 0) > 0 ? 'event' : 'nothing';
  } catch {
    return 'over';
  }
}
