/**
 * The API server of Kubernetes: objects that are read, made and replaced by their resource version, and watches.
 *
 * Owns: nothing but its watches. Partner: the API server, which knows this process by the token of its service account.
 *
 * KC-1 An object is replaced only under the `resourceVersion` (and `uid`) that was read; 409 says that there is another one. What
 *      has no answer may have happened (MS-4).
 * KC-2 401 is asked once more with the token as it is in the file now: kubelet replaces it every hour. A request that was refused
 *      has not happened.
 * KC-3 A watch is a hint to look again (HW-1). Every line is an event, 410 too (the revision is too old to say what came after it):
 *      what there is, is asked for.
 */

import type { Env } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import type { HttpAnswer, HttpClient, HttpRequest } from '../../base/http-client.ts';
import type { FreshFile } from '../../base/fresh-file.ts';
import type { Closeable } from '../metadata-store.ts';
import { reasonIn, Watches } from '../http-service.ts';
import { ServiceLog } from '../service-log.ts';

/** Where the API server is, and who asks. */
export interface KubernetesConnection {
  readonly server: URL;
  readonly token: FreshFile;
  readonly ca: FreshFile | undefined;
  /** Default: what the file says. */
  readonly namespace: string | FreshFile;
  readonly requestTimeoutMs: number;
  readonly retryWaitMs: number;
}

/** What all objects have. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

/** A kind of objects, as paths have it. */
export interface KubernetesKind {
  /** `api/v1`, `apis/coordination.k8s.io/v1`. */
  readonly group: string;
  readonly plural: string;
}

const SERVICE = 'the API server of Kubernetes';
const WATCH_MS = 60_000;

/** See the head of the file. */
export class KubernetesClient {
  readonly #http: HttpClient;
  readonly #connection: KubernetesConnection;
  readonly #log: ServiceLog;
  readonly #watches: Watches;
  #isClosed = false;

  constructor(env: Pick<Env, 'clock' | 'log'>, http: HttpClient, connection: KubernetesConnection) {
    this.#http = http;
    this.#connection = connection;
    this.#log = new ServiceLog(env.log, SERVICE);
    const { retryWaitMs } = connection;
    this.#watches = new Watches({ clock: env.clock, http, service: SERVICE, watchMs: WATCH_MS, retryWaitMs });
  }

  /** Throws HA_UNAVAILABLE. */
  async get<T extends KubernetesObject>(kind: KubernetesKind, name: string): Promise<T | undefined> {
    return this.#ask<T>('GET', kind, `/${name}`).then(({ status, object }) =>
      status === 404 ? undefined : object,
    );
  }

  /** KC-1: makes an object, or replaces the one whose resource version it has. Throws HA_UNAVAILABLE. */
  async put<T extends KubernetesObject>(kind: KubernetesKind, object: T): Promise<T | 'conflict'> {
    const { name, resourceVersion } = object.metadata;
    const isNew = resourceVersion === undefined;
    const { status, object: made } = isNew
      ? await this.#ask<T>('POST', kind, '', object)
      : await this.#ask<T>('PUT', kind, `/${name}`, object);
    return status === 409 || status === 404 ? 'conflict' : made!;
  }

  /** Calls `again` once, in time (KC-3). */
  watch(kind: KubernetesKind, name: string, revision: string, again: () => void): Closeable {
    const words = new URLSearchParams({
      watch: 'true',
      fieldSelector: `metadata.name=${name}`,
      resourceVersion: revision,
      timeoutSeconds: String(WATCH_MS / 1_000),
    });
    const request = this.#request('GET', kind, `?${words.toString()}`);
    return this.#watches.begin(request, () => 'event', again);
  }

  /** Ends what is open, and answers nothing any more. */
  close(): void {
    this.#isClosed = true;
    this.#watches.close();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  async #ask<T>(
    method: HttpRequest['method'],
    kind: KubernetesKind,
    rest: string,
    body?: object,
  ): Promise<{ readonly status: number; readonly object: T | undefined }> {
    try {
      const { status, body: text } = await this.#authorized(method, kind, rest, body);
      // Where something is made, 404 is of its namespace.
      const isAnswer = status === 409 || (status === 404 && method !== 'POST');
      if (isAnswer) return { status, object: undefined };
      if (status !== 200 && status !== 201) {
        throw new Error(`${method} ${kind.plural}${rest}: status ${status}, ${reasonIn(text, 'message')}`);
      }
      const object = JSON.parse(text) as T;
      this.#log.answered();
      return { status, object };
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      if (!this.#isClosed) this.#log.failed(why);
      throw new MillraceError('HA_UNAVAILABLE', `${SERVICE}: ${why}`, { cause });
    }
  }

  /** KC-2. */
  async #authorized(
    method: HttpRequest['method'],
    kind: KubernetesKind,
    rest: string,
    body: object | undefined,
  ): Promise<HttpAnswer> {
    if (this.#isClosed) throw new Error('this process has left it');
    const answer = await this.#http.send(await this.#request(method, kind, rest, body));
    if (answer.status !== 401) return answer;
    this.#connection.token.forget();
    return this.#http.send(await this.#request(method, kind, rest, body));
  }

  async #request(
    method: HttpRequest['method'],
    { group, plural }: KubernetesKind,
    rest: string,
    body?: object,
  ): Promise<HttpRequest> {
    const { server, token, ca, namespace, requestTimeoutMs } = this.#connection;
    const where = typeof namespace === 'string' ? namespace : (await namespace.text()).trim();
    return {
      method,
      url: new URL(`/${group}/namespaces/${encodeURIComponent(where)}/${plural}${rest}`, server),
      headers: {
        accept: 'application/json',
        authorization: `Bearer ${(await token.text()).trim()}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body && JSON.stringify(body),
      deadlineMs: requestTimeoutMs,
      tls: { ca: await ca?.text() },
    };
  }
}
