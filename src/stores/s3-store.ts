/**
 * S3, and whatever speaks as it does, as an {@link ObjectStore}.
 *
 * A directory is a beginning of keys. What makes a claim or a publication exclusive is a conditional write
 * (`If-None-Match: *`), which the store has to honour; and its lists have to show what was written before.
 *
 * ```
 * <directory>/.claim        the claim on a directory; not listed
 * <directory>/<name>        an object
 * ```
 *
 * S3-1 Every write carries a token of its own. A write that is refused because the name is taken was nevertheless this one
 *      when the object has its token: an earlier try, or the same request sent twice by something on the way.
 * S3-2 A write that got no answer is `unknown` until the object is seen with its token; for as long as the request may still
 *      arrive, its absence proves nothing. `settle` writes the object itself: what arrives later is refused.
 * S3-3 Absence is a 404 for the key. One for the bucket, and every other answer, is an error.
 * S3-4 An object longer than a part is uploaded in parts, of which UPLOADS_MAX are under way: no bytes are copied.
 * S3-5 What an error tells has the endpoint, the code of S3 and the key of the configuration, and nothing of a request.
 */

import { AwsV4Signer } from 'aws4fetch';
import { type Env, FilesError, type FilesErrorKind } from '../base/env.ts';
import { sha256Hex } from '../base/hash.ts';
import { locationIn } from '../base/locations.ts';
import {
  type ObjectBytes,
  type ObjectStore,
  type Publication,
  type PublicationOutcome,
  wholeOf,
} from '../base/object-store.ts';
import { CredentialsGiver, NoCredentials } from './given-credentials.ts';
import type { HttpAnswer, HttpRequest, HttpTransport } from './http.ts';
import { becauseOf, publishBy } from './publication.ts';
import { type Exchange, forEachOf, sendWithRetries } from './retries.ts';
import { completion, elementIn, errorCode, listPage, type ListPage, textOf } from './s3-answers.ts';
import type { S3Access, S3Credentials } from './settings.ts';

/** What a store is made of. */
export interface S3StoreParts {
  readonly env: Pick<Env, 'clock' | 'random' | 'log' | 'files'>;
  readonly transport: HttpTransport;
  readonly access: S3Access;
}

/** The object that is the claim on a directory. */
export const CLAIM_NAME = '.claim';
const TOKEN_HEADER = 'x-amz-meta-millrace-write';
/** Parts of one object, and removals, that are under way at the same time. */
const UPLOADS_MAX = 4;
const PARTS_MAX = 10_000;
const NOTHING = new Uint8Array();

/** What S3 says where nothing of the request was wrong. */
const PASSING = new Set(['SlowDown', 'RequestTimeout', 'ConditionalRequestConflict', 'OperationAborted']);
const UNTRUSTED = new Set([
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'ExpiredToken',
  'InvalidToken',
  'AuthFailure',
]);

interface S3Call {
  readonly method: HttpRequest['method'];
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** A bucket and a key, which is empty for the bucket itself. */
interface S3Place {
  readonly uri: string;
  readonly bucket: string;
  readonly key: string;
}

/** See the head of the file. */
export class S3Store implements ObjectStore {
  readonly #parts: S3StoreParts;
  /** Of the signer: keys that hold for a day. */
  readonly #signing = new Map<string, ArrayBuffer>();

  /** Where credentials are given for a while. */
  readonly #giver: CredentialsGiver | undefined;

  constructor(parts: S3StoreParts) {
    this.#parts = parts;
    const { env, transport, access } = parts;
    const { credentials } = access;
    this.#giver =
      credentials !== undefined && 'kind' in credentials
        ? new CredentialsGiver(env, transport, credentials)
        : undefined;
  }

  async claim(directory: string): Promise<void> {
    await this.#write('claim', placeOf(locationIn(directory, CLAIM_NAME)), NOTHING);
  }

  async create(path: string, bytes: ObjectBytes): Promise<void> {
    await this.#write('create', placeOf(path), await wholeOf(bytes));
  }

  publish(publication: Publication): Promise<PublicationOutcome> {
    return publishBy((path, bytes) => this.#write('publish', placeOf(path), bytes), this, publication);
  }

  async settle({ directory, name, bytes }: Publication): Promise<void> {
    try {
      await this.#write('publish', placeOf(locationIn(directory, name)), bytes); // S3-2
    } catch (error) {
      if (!(error instanceof FilesError && error.kind === 'exists')) throw error;
    }
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    const place = placeOf(path);
    const exchange = await this.#send(place, { method: 'GET' });
    if (exchange.answer?.status === 200) return exchange.answer.body;
    if (isAbsent(exchange)) return undefined;
    throw this.#failed('read', place, exchange, false);
  }

  async look(path: string): Promise<'object' | 'directory' | undefined> {
    const place = placeOf(path);
    if (place.key !== '') {
      // Unlike HEAD, it is told what is absent: the object or its bucket.
      const exchange = await this.#send(place, { method: 'GET', headers: { range: 'bytes=0-0' } });
      const status = exchange.answer?.status;
      if (status === 200 || status === 206 || status === 416) return 'object';
      if (!isAbsent(exchange)) throw this.#failed('look at', place, exchange, false);
    }
    const { keys } = await this.#page(place, { 'max-keys': '1' });
    return keys.length > 0 ? 'directory' : undefined;
  }

  async list(directory: string): Promise<string[]> {
    const place = placeOf(directory);
    const names: string[] = [];
    for await (const { keys, prefixes } of this.#pages(place, { delimiter: '/' })) {
      const from = prefixOf(place).length;
      names.push(...keys.map((key) => key.slice(from)));
      names.push(...prefixes.map((prefix) => prefix.slice(from, -1)));
    }
    return names.filter((name) => name !== '' && name !== CLAIM_NAME).sort();
  }

  /** What was read is durable. */
  retain(): Promise<void> {
    return Promise.resolve();
  }

  async remove(path: string): Promise<void> {
    const place = placeOf(path);
    const exchange = await this.#send(place, { method: 'DELETE' });
    const { status = 0 } = exchange.answer ?? {};
    if ((status >= 200 && status < 300) || isAbsent(exchange)) return;
    throw this.#failed('remove', place, exchange, true);
  }

  async removeAll(directory: string, first?: string): Promise<void> {
    if (first !== undefined) await this.remove(locationIn(directory, first));
    const place = placeOf(directory);
    for await (const { keys } of this.#pages(place, {})) {
      const uris = keys.map((key) => `${schemeAndBucket(place)}/${key}`);
      await forEachOf(uris, UPLOADS_MAX, (uri) => this.remove(uri));
    }
  }

  /** Needs nothing but a bucket, and who may use it. */
  async prepare(directory: string): Promise<void> {
    await this.#page(placeOf(directory), { 'max-keys': '1' });
  }

  // ---- lists ----

  async *#pages(place: S3Place, query: Readonly<Record<string, string>>): AsyncGenerator<ListPage, void> {
    let continuation: string | undefined;
    do {
      const page: ListPage = await this.#page(
        place,
        continuation === undefined ? query : { ...query, 'continuation-token': continuation },
      );
      yield page;
      continuation = page.continuation;
    } while (continuation !== undefined);
  }

  async #page(place: S3Place, query: Readonly<Record<string, string>>): Promise<ListPage> {
    const asked = { 'list-type': '2', prefix: prefixOf(place), ...query };
    const exchange = await this.#send({ ...place, key: '' }, { method: 'GET', query: asked });
    if (exchange.answer?.status === 200) return listPage(exchange.answer.body);
    throw this.#failed('list', place, exchange, false);
  }

  // ---- writes ----

  async #write(operation: string, place: S3Place, bytes: Uint8Array): Promise<void> {
    const token = this.#parts.env.random.id(); // S3-1
    const exchange =
      bytes.length > this.#parts.access.partBytes
        ? await this.#upload(operation, place, bytes, token)
        : await this.#send(place, {
            method: 'PUT',
            headers: { 'if-none-match': '*', [TOKEN_HEADER]: token },
            body: bytes,
          });
    const { answer, inDoubt } = exchange;
    if (isDone(answer)) return;
    const isTaken = answer?.status === 412;
    if (!isTaken && !inDoubt) throw this.#failed(operation, place, exchange, true);
    if ((await this.#tokenSeen(operation, place)) === token) return;
    if (isTaken) throw new FilesError('exists', operation, place.uri);
    throw this.#failed(operation, place, exchange, true);
  }

  async #tokenSeen(operation: string, place: S3Place): Promise<string | undefined> {
    try {
      return await this.#tokenAt(place);
    } catch (cause) {
      throw new FilesError('unknown', operation, place.uri, cause, becauseOf(cause));
    }
  }

  /** Of the write that made an object. */
  async #tokenAt(place: S3Place): Promise<string | undefined> {
    const exchange = await this.#send(place, { method: 'HEAD' });
    const { answer } = exchange;
    if (answer?.status === 200) return answer.headers[TOKEN_HEADER] ?? '';
    if (answer?.status === 404) return undefined;
    throw this.#failed('look at', place, exchange, false);
  }

  /** S3-4. Returns what came of its completion, or of the step that failed. */
  async #upload(operation: string, place: S3Place, bytes: Uint8Array, token: string): Promise<Exchange> {
    const begun = await this.#send(place, {
      method: 'POST',
      query: { uploads: '' },
      headers: { [TOKEN_HEADER]: token },
    });
    const uploadId =
      begun.answer?.status === 200 ? elementIn(textOf(begun.answer.body), 'UploadId') : undefined;
    // Nothing is there before the completion.
    if (uploadId === undefined) throw this.#failed(operation, place, { ...begun, inDoubt: false }, true);
    try {
      const tags = await this.#uploadParts(operation, place, bytes, uploadId);
      const completed = await this.#send(place, {
        method: 'POST',
        query: { uploadId },
        headers: { 'if-none-match': '*' },
        body: completion(tags),
      });
      if (!isDone(completed.answer)) await this.#abandon(place, uploadId);
      // A completion that was tried again may find no upload any more, because it has worked.
      const isGone = completed.answer !== undefined && errorCode(completed.answer.body) === 'NoSuchUpload';
      return isGone ? { ...completed, inDoubt: true } : completed;
    } catch (error) {
      await this.#abandon(place, uploadId);
      throw error;
    }
  }

  async #uploadParts(
    operation: string,
    place: S3Place,
    bytes: Uint8Array,
    uploadId: string,
  ): Promise<string[]> {
    const partBytes = Math.max(this.#parts.access.partBytes, Math.ceil(bytes.length / PARTS_MAX));
    const tags: string[] = Array.from({ length: Math.ceil(bytes.length / partBytes) }, () => '');
    await forEachOf(tags, UPLOADS_MAX, async (_none, index) => {
      const body = bytes.subarray(index * partBytes, (index + 1) * partBytes);
      const query = { partNumber: `${index + 1}`, uploadId };
      const exchange = await this.#send(place, { method: 'PUT', query, body });
      const tag = exchange.answer?.status === 200 ? exchange.answer.headers['etag'] : undefined;
      if (tag === undefined) throw this.#failed(operation, place, { ...exchange, inDoubt: false }, true);
      tags[index] = tag;
    });
    return tags;
  }

  /** Parts that stay are invisible, and paid for. */
  async #abandon(place: S3Place, uploadId: string): Promise<void> {
    const exchange = await this.#send(place, { method: 'DELETE', query: { uploadId } });
    const { status = 0 } = exchange.answer ?? {};
    if (status === 204 || status === 404) return;
    this.#parts.env.log.warn('parts of an upload that failed could not be removed', {
      path: place.uri,
      status,
    });
  }

  // ---- requests ----

  #send(place: S3Place, call: S3Call): Promise<Exchange> {
    const { env, transport, access } = this.#parts;
    let renewals = 0;
    let used: S3Credentials | undefined;
    const mayPass = ({ status, body }: HttpAnswer): boolean => {
      if (status >= 500 || status === 429) return true;
      const code = status < 400 ? undefined : errorCode(body);
      if (code === undefined) return false;
      if (PASSING.has(code)) return true;
      // Credentials of the machine may be over before it was said (GC-2): others are asked for, once.
      if (this.#giver === undefined || !UNTRUSTED.has(code)) return false;
      this.#giver.refused(used);
      return ++renewals === 1;
    };
    const { clock, random } = env;
    const retries = { transport, clock, random, retriesMax: access.retriesMax, mayPass };
    return sendWithRetries(retries, async () => {
      used = await this.#credentials();
      return this.#signed(place, call, used);
    });
  }

  async #signed(
    place: S3Place,
    { method, query = {}, headers = {}, body }: S3Call,
    credentials: S3Credentials | undefined,
  ): Promise<HttpRequest> {
    const { env, access } = this.#parts;
    const url = this.#urlOf(place);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    // The signer and the server read "+" in a query as what it is.
    url.search = url.search.replaceAll('+', '%20');
    const { timeoutMs } = access;
    const withBody = body === undefined ? {} : { body };
    if (credentials === undefined) return { method, url, headers, timeoutMs, ...withBody };
    const signer = new AwsV4Signer({
      method,
      url: url.href,
      headers: { ...headers, 'x-amz-content-sha256': sha256Hex(body ?? NOTHING) },
      accessKeyId: credentials.accessKey,
      secretAccessKey: credentials.secretKey,
      ...(credentials.sessionToken === undefined ? {} : { sessionToken: credentials.sessionToken }),
      service: 's3',
      region: access.region,
      cache: this.#signing,
      datetime: new Date(env.clock.now()).toISOString().replaceAll(/[:-]|\.\d{3}/g, ''),
    });
    const signed = await signer.sign();
    return {
      method,
      url,
      headers: Object.fromEntries(signed.headers),
      timeoutMs,
      ...withBody,
    };
  }

  async #credentials(): Promise<S3Credentials | undefined> {
    const { credentials } = this.#parts.access;
    return credentials !== undefined && 'kind' in credentials ? this.#giver!.current() : credentials;
  }

  #urlOf({ bucket, key }: S3Place): URL {
    const { endpoint, isPathStyle } = this.#parts.access;
    const url = new URL(endpoint);
    const path = key.split('/').map(encoded).join('/');
    if (isPathStyle || bucket.includes('.')) {
      url.pathname = `${url.pathname.replace(/\/$/, '')}/${encoded(bucket)}/${path}`;
    } else {
      url.hostname = `${bucket}.${url.hostname}`;
      url.pathname = `/${path}`;
    }
    return url;
  }

  // ---- errors ----

  /** `changes`: the operation would have changed something. */
  #failed(operation: string, { uri, bucket }: S3Place, exchange: Exchange, changes: boolean): FilesError {
    const { answer, failure, inDoubt } = exchange;
    const { endpoint, region } = this.#parts.access;
    const at = `${new URL(endpoint).origin} (s3.endpoint)`;
    const code = answer === undefined ? undefined : (errorCode(answer.body) ?? `HTTP ${answer.status}`);
    const provider = this.#giver && 's3.credentials-provider';
    let kind: FilesErrorKind = 'io';
    let because: string;
    if (failure instanceof NoCredentials) because = failure.message;
    else if (answer === undefined)
      because = `${at} did not answer: ${failure?.message ?? 'no reason is known'}`;
    else if (code === 'NoSuchBucket') because = `there is no bucket "${bucket}" at ${at}`;
    else if (code !== undefined && UNTRUSTED.has(code)) {
      kind = 'denied';
      because = `${at} does not accept the credentials (${provider ?? 's3.access-key, s3.secret-key'}): ${code}`;
    } else if (answer.status === 403 && code !== 'RequestTimeTooSkewed') {
      kind = 'denied';
      because = `${at} does not allow it to these credentials (${provider ?? 's3.access-key'}): ${code}`;
    } else if (code === 'AuthorizationHeaderMalformed' || answer.status === 301 || answer.status === 307)
      because = `the bucket "${bucket}" is in another region than ${region} (s3.region), or not at ${at}: ${code}`;
    else because = `${at} refused it: ${code}`;
    if (changes && inDoubt) kind = 'unknown';
    return new FilesError(kind, operation, uri, failure, because);
  }
}

/** `s3://bucket/key`. */
function placeOf(uri: string): S3Place {
  const rest = uri.slice(uri.indexOf('://') + 3);
  const slash = rest.indexOf('/');
  const bucket = slash < 0 ? rest : rest.slice(0, slash);
  return { uri, bucket, key: slash < 0 ? '' : rest.slice(slash + 1) };
}

function schemeAndBucket({ uri, bucket }: S3Place): string {
  return `${uri.slice(0, uri.indexOf('://') + 3)}${bucket}`;
}

function prefixOf({ key }: S3Place): string {
  return key === '' ? '' : `${key}/`;
}

/** A completion may fail with the status 200. */
function isDone(answer: HttpAnswer | undefined): boolean {
  return answer?.status === 200 && errorCode(answer.body) === undefined;
}

/** S3-3. */
function isAbsent({ answer }: Exchange): boolean {
  return answer?.status === 404 && errorCode(answer.body) === 'NoSuchKey';
}

/** As S3 reads it, and signs it: `!'()*` too. */
function encoded(segment: string): string {
  return encodeURIComponent(segment).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
