/**
 * HDFS as an {@link ObjectStore}, by WebHDFS: the HTTP interface of the NameNode, or of a gateway that speaks as it does.
 *
 * The bytes of an object are written under a temporary name, by a DataNode that the NameNode names, and then renamed; a rename
 * of HDFS fails where the name is taken. What was renamed is complete, and seen by whoever asks the NameNode afterwards.
 *
 * ```
 * <directory>/.claim                the claim on a directory; not listed, like all that begins with a dot
 * <directory>/.<name>.<token>.tmp   an object that has no name yet
 * <directory>/<name>                an object
 * ```
 *
 * WH-1 A rename that got no answer, or that failed, has worked when its source is gone, which nobody else takes away. Without
 *      its source it never will: what is given up is removed, and only then known not to have worked.
 * WH-2 Absence is what the NameNode calls a file that is not found. Every other answer is an error.
 * WH-3 What an error tells has the address, the exception of HDFS and the key of the configuration, and nothing of a request:
 *      its query may hold a token.
 */

import { type Env, FilesError, type FilesErrorKind } from '../base/env.ts';
import { locationIn, nameOf, parentOf } from '../base/locations.ts';
import {
  type ObjectBytes,
  type ObjectStore,
  type Publication,
  type PublicationOutcome,
  wholeOf,
} from '../base/object-store.ts';
import type { HttpAnswer, HttpRequest, HttpTransport } from './http.ts';
import { becauseOf, publishBy } from './publication.ts';
import { type Exchange, sendWithRetries } from './retries.ts';
import type { WebHdfsSettings } from './settings.ts';

/** What a store is made of. */
export interface WebHdfsStoreParts {
  readonly env: Pick<Env, 'clock' | 'random' | 'log'>;
  readonly transport: HttpTransport;
  readonly settings: WebHdfsSettings;
}

const CLAIM_NAME = '.claim';
/** Where the HTTP server of a NameNode listens if nobody says otherwise. */
const HTTP_PORT = 9_870;
const REDIRECTS_MAX = 3;
const NOTHING = new Uint8Array();
/** What passes by itself: the NameNode starts, has handed over, or is busy. */
const PASSING = new Set([
  'RetriableException',
  // Of a temporary file: the same request came twice. The next try has another name.
  'FileAlreadyExistsException',
  'StandbyException',
  'SafeModeException',
  'ServerTooBusyException',
]);
const UNTRUSTED = new Set([
  'SecurityException',
  'InvalidToken',
  'AuthenticationException',
  'AuthorizationException',
]);

interface HdfsCall {
  readonly method: HttpRequest['method'];
  readonly operation: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Goes to the DataNode that the answer names. */
  readonly body?: Uint8Array;
}

/** See the head of the file. */
export class WebHdfsStore implements ObjectStore {
  readonly #parts: WebHdfsStoreParts;
  /** Temporary files of writes that are unknown, by what they should have become. */
  readonly #inDoubt = new Map<string, string>();

  constructor(parts: WebHdfsStoreParts) {
    this.#parts = parts;
  }

  async claim(directory: string): Promise<void> {
    await this.#write('claim', locationIn(directory, CLAIM_NAME), NOTHING);
  }

  async create(path: string, bytes: ObjectBytes): Promise<void> {
    await this.#write('create', path, await wholeOf(bytes));
  }

  publish(publication: Publication): Promise<PublicationOutcome> {
    return publishBy((path, bytes) => this.#write('publish', path, bytes), this, publication);
  }

  /** Its temporary file is removed, so that a late rename finds nothing (WH-1). */
  async settle({ directory, name }: Publication): Promise<void> {
    const path = locationIn(directory, name);
    const temporary = this.#inDoubt.get(path);
    if (temporary !== undefined) await this.remove(temporary);
    this.#inDoubt.delete(path);
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    const exchange = await this.#send(path, { method: 'GET', operation: 'OPEN' });
    if (exchange.answer?.status === 200) return exchange.answer.body;
    if (isAbsent(exchange.answer)) return undefined;
    throw this.#failed('read', path, exchange, false);
  }

  async look(path: string): Promise<'object' | 'directory' | undefined> {
    const exchange = await this.#send(path, { method: 'GET', operation: 'GETFILESTATUS' });
    const { answer } = exchange;
    if (answer?.status === 200) {
      const { FileStatus: status } = jsonOf(answer) as { FileStatus?: { type?: string } };
      return status?.type === 'DIRECTORY' ? 'directory' : 'object';
    }
    if (isAbsent(answer)) return undefined;
    throw this.#failed('look at', path, exchange, false);
  }

  async list(directory: string): Promise<string[]> {
    const names = await this.#names(directory);
    return names.filter((name) => !name.startsWith('.')).sort();
  }

  /** What was renamed is known to the NameNode for good. */
  retain(): Promise<void> {
    return Promise.resolve();
  }

  async remove(path: string): Promise<void> {
    await this.#remove(path, false);
  }

  async removeAll(directory: string, first?: string): Promise<void> {
    if (first !== undefined) await this.remove(locationIn(directory, first));
    await this.#remove(directory, true);
  }

  async prepare(directory: string): Promise<void> {
    const exchange = await this.#send(directory, { method: 'PUT', operation: 'MKDIRS' });
    if (exchange.answer?.status === 200 && booleanOf(exchange.answer)) return;
    throw this.#failed('prepare', directory, exchange, false);
  }

  // ---- writes ----

  async #write(operation: string, path: string, bytes: Uint8Array): Promise<void> {
    const temporary = await this.#writeTemporary(operation, path, bytes);
    const query = { destination: pathIn(path) };
    const exchange = await this.#send(temporary, { method: 'PUT', operation: 'RENAME', query });
    const { answer, inDoubt } = exchange;
    const isRenamed = answer?.status === 200 ? booleanOf(answer) : undefined;
    if (isRenamed === true) return;
    const unknown = (cause: unknown): FilesError => {
      this.#inDoubt.set(path, temporary);
      return new FilesError('unknown', operation, path, cause, becauseOf(cause));
    };
    let hadSource: boolean;
    try {
      const mayBeDone = inDoubt || isRenamed === false;
      if (mayBeDone && (await this.look(temporary)) === undefined) return; // WH-1
      hadSource = await this.#remove(temporary, false);
    } catch (cause) {
      throw unknown(cause);
    }
    // It may have been renamed a moment ago.
    if (inDoubt && !hadSource) throw unknown(undefined);
    if (isRenamed === false) throw new FilesError('exists', operation, path);
    throw this.#failed(operation, path, { ...exchange, inDoubt: false }, true);
  }

  /** Each try has a name of its own: a late one must not change what is renamed. Returns the name of the one that worked. */
  async #writeTemporary(operation: string, path: string, bytes: Uint8Array): Promise<string> {
    const token = this.#parts.env.random.id();
    const names: string[] = [];
    const call: HdfsCall = { method: 'PUT', operation: 'CREATE', query: { overwrite: 'false' }, body: bytes };
    const exchange = await this.#try(call, () => {
      names.push(locationIn(parentOf(path), `.${nameOf(path)}.${token}-${names.length}.tmp`));
      return names.at(-1)!;
    });
    const written = exchange.answer?.status === 201 ? names.pop() : undefined;
    for (const each of names) await this.#forget(each);
    if (written !== undefined) return written;
    // Nobody sees it: what is in doubt is only one file too many.
    throw this.#failed(operation, path, { ...exchange, inDoubt: false }, true);
  }

  async #forget(temporary: string): Promise<void> {
    try {
      await this.remove(temporary);
    } catch (error) {
      this.#parts.env.log.warn('a temporary file could not be removed', {
        path: temporary,
        error: String(error),
      });
    }
  }

  /** True when it was there. */
  async #remove(path: string, recursive: boolean): Promise<boolean> {
    const call = { method: 'DELETE', operation: 'DELETE', query: { recursive: `${recursive}` } } as const;
    const exchange = await this.#send(path, call);
    if (exchange.answer?.status === 200) return booleanOf(exchange.answer);
    if (isAbsent(exchange.answer)) return false;
    throw this.#failed('remove', path, exchange, true);
  }

  async #names(directory: string): Promise<string[]> {
    const exchange = await this.#send(directory, { method: 'GET', operation: 'LISTSTATUS' });
    if (isAbsent(exchange.answer)) return [];
    if (exchange.answer?.status !== 200) throw this.#failed('list', directory, exchange, false);
    const { FileStatuses: found } = jsonOf(exchange.answer) as {
      FileStatuses?: { FileStatus?: readonly { readonly pathSuffix: string }[] };
    };
    return (found?.FileStatus ?? []).map(({ pathSuffix }) => pathSuffix);
  }

  // ---- requests ----

  #send(location: string, call: HdfsCall): Promise<Exchange> {
    return this.#try(call, () => location);
  }

  #try(call: HdfsCall, location: () => string): Promise<Exchange> {
    const { env, transport, settings } = this.#parts;
    const { clock, random } = env;
    const mayPass = (answer: HttpAnswer): boolean =>
      answer.status === 502 ||
      answer.status === 503 ||
      answer.status === 504 ||
      PASSING.has(exceptionIn(answer) ?? '');
    const retries = {
      transport: this.#redirected(transport, call),
      clock,
      random,
      retriesMax: settings.retriesMax,
      mayPass,
    };
    return sendWithRetries(retries, () => this.#requestOf(location(), call));
  }

  #requestOf(location: string, { method, operation, query = {}, body }: HdfsCall): HttpRequest {
    const { settings } = this.#parts;
    const url = new URL(this.#addressOf(location));
    url.pathname = `/webhdfs/v1${pathIn(location).split('/').map(encodeURIComponent).join('/')}`;
    url.searchParams.set('op', operation);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    if (settings.delegationToken !== undefined) url.searchParams.set('delegation', settings.delegationToken);
    else if (settings.user !== undefined) url.searchParams.set('user.name', settings.user);
    const isWrite = body !== undefined;
    return {
      method,
      url,
      headers: isWrite ? { 'content-type': 'application/octet-stream' } : {},
      timeoutMs: settings.timeoutMs,
    };
  }

  /** The first request goes without bytes, which are for whoever it is redirected to. */
  #redirected(transport: HttpTransport, { body }: HdfsCall): HttpTransport {
    return async (first) => {
      let answer = await transport(first);
      for (let redirects = 0; redirects < REDIRECTS_MAX && answer.status === 307; redirects++) {
        const url = URL.parse(answer.headers['location'] ?? '', first.url.href);
        if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) break;
        answer = await transport({ ...first, url, ...(body === undefined ? {} : { body }) });
      }
      return answer;
    };
  }

  #addressOf(location: string): string {
    const { address } = this.#parts.settings;
    const { scheme, host, port } = authorityOf(location);
    if (scheme === 'swebhdfs') return `https://${host}:${port ?? HTTP_PORT + 1}`;
    if (scheme === 'webhdfs') return `http://${host}:${port ?? HTTP_PORT}`;
    // The port of hdfs:// is not that of the HTTP server.
    if (address === undefined) return `http://${host}:${HTTP_PORT}`;
    return /^https?:\/\//.test(address) ? address : `http://${address}`;
  }

  // ---- errors ----

  #failed(operation: string, location: string, exchange: Exchange, changes: boolean): FilesError {
    const { answer, failure, inDoubt } = exchange;
    const { scheme } = authorityOf(location);
    const key = scheme === 'hdfs' ? 'fs.webhdfs.address' : `${scheme}:// in the location`;
    const at = `${new URL(this.#addressOf(location)).origin} (${key})`;
    let kind: FilesErrorKind = 'io';
    let because: string;
    if (answer === undefined) because = `${at} did not answer: ${failure?.message ?? 'no reason is known'}`;
    else {
      const exception = exceptionIn(answer) ?? `HTTP ${answer.status}`;
      const isDenied = exception === 'AccessControlException';
      if (isDenied || answer.status === 401 || UNTRUSTED.has(exception)) {
        kind = 'denied';
        because = `${at} does not allow it (fs.webhdfs.user, fs.webhdfs.delegation-token): ${exception}`;
      } else because = `${at} refused it: ${exception}`;
      if (/QuotaExceededException/.test(exception)) kind = 'no-space';
    }
    if (changes && inDoubt) kind = 'unknown';
    return new FilesError(kind, operation, location, failure, because);
  }
}

function authorityOf(location: string): { scheme: string; host: string; port: number | undefined } {
  const [, scheme = '', host = '', port] =
    /^([a-z]+):\/\/(\[[^\]]*\]|[^:/]*)(?::(\d+))?/i.exec(location) ?? [];
  return { scheme: scheme.toLowerCase(), host, port: port === undefined ? undefined : Number(port) };
}

/** `/folder/name` of `hdfs://host:port/folder/name`. */
function pathIn(location: string): string {
  const from = location.indexOf('/', location.indexOf('://') + 3);
  return from < 0 ? '/' : location.slice(from);
}

/** WH-2. */
function isAbsent(answer: HttpAnswer | undefined): boolean {
  return answer?.status === 404 && exceptionIn(answer) === 'FileNotFoundException';
}

/** The exception that an answer names; `undefined` where it is none, or no answer of HDFS. */
function exceptionIn(answer: HttpAnswer): string | undefined {
  if (answer.status < 400) return undefined;
  const { RemoteException: found } = jsonOf(answer) as { RemoteException?: { exception?: unknown } };
  const name = found?.exception;
  return typeof name === 'string' && /^[\w.$]{1,100}$/.test(name) ? name : undefined;
}

function booleanOf(answer: HttpAnswer): boolean {
  return (jsonOf(answer) as { boolean?: unknown }).boolean === true;
}

function jsonOf({ body }: HttpAnswer): object {
  try {
    const found: unknown = JSON.parse(new TextDecoder().decode(body));
    return typeof found === 'object' && found !== null ? found : {};
  } catch {
    // A page of a proxy, or of a server that is something else: its status tells enough.
    return {};
  }
}
