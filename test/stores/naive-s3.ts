// S3 in memory, one bucket, as simple as it can be said.
import type { HttpAnswer, HttpRequest } from '../../src/stores/http.ts';
import { NaiveServer } from './naive-server.ts';

interface StoredObject {
  readonly bytes: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** See the head of the file. Hooks are told `PUT /bucket/key` or `LIST prefix`, `PROBE prefix` for one that asks whether there is anything. */
export class NaiveS3 extends NaiveServer {
  readonly bucket: string;
  readonly objects = new Map<string, StoredObject>();
  readonly #uploads = new Map<
    string,
    {
      readonly key: string;
      readonly headers: Record<string, string>;
      readonly parts: Map<number, Uint8Array>;
    }
  >();
  #uploadsBegun = 0;
  /** Names on a page of a list. */
  pageLength = 2;
  /** True: what is not signed is refused. */
  asksWho = false;
  /** False: a server that does not know conditional writes. */
  honoursConditions = true;

  constructor(bucket = 'bucket') {
    super();
    this.bucket = bucket;
  }

  /** Uploads that were neither completed nor given up. */
  get openUploads(): number {
    return this.#uploads.size;
  }

  /** Another one with the same objects. */
  copy(): NaiveS3 {
    const other = new NaiveS3(this.bucket);
    other.pageLength = this.pageLength;
    for (const [key, object] of this.objects) other.objects.set(key, object);
    return other;
  }

  protected describe({ method, url }: HttpRequest): string {
    const isProbe = url.searchParams.has('max-keys');
    if (url.searchParams.has('list-type'))
      return `${isProbe ? 'PROBE' : 'LIST'} ${url.searchParams.get('prefix')}`;
    const what = [...url.searchParams.keys()].map((name) => `?${name}`).join('');
    return `${method} ${decodeURIComponent(url.pathname)}${what}`;
  }

  protected inability(fault: 'unavailable' | 'failed-after'): HttpAnswer {
    return fault === 'unavailable' ? failure(503, 'SlowDown') : failure(500, 'InternalError');
  }

  protected handle(request: HttpRequest): HttpAnswer {
    const { method, url, headers, body = new Uint8Array() } = request;
    if (this.asksWho && headers['authorization'] === undefined) return failure(403, 'AccessDenied');
    const [, bucket = '', ...segments] = url.pathname.split('/').map(decodeURIComponent);
    if (bucket !== this.bucket) return method === 'HEAD' ? answer(404) : failure(404, 'NoSuchBucket');
    const key = segments.join('/');
    const query = url.searchParams;
    if (method === 'GET' && query.has('list-type')) return this.#list(query);
    if (method === 'POST' && query.has('uploads')) return this.#begin(key, headers);
    const upload = query.get('uploadId');
    if (upload !== null) return this.#ofUpload(upload, request, body);
    switch (method) {
      case 'PUT':
        return this.#put(key, headers, { bytes: body.slice(), headers: metadataOf(headers) });
      case 'DELETE':
        this.objects.delete(key);
        return answer(204);
      default: {
        const found = this.objects.get(key);
        if (found === undefined) return method === 'HEAD' ? answer(404) : failure(404, 'NoSuchKey');
        return {
          status: 200,
          headers: found.headers,
          body: method === 'HEAD' ? new Uint8Array() : found.bytes,
        };
      }
    }
  }

  /** Keys that a list shows. */
  protected listed(): Iterable<string> {
    return this.objects.keys();
  }

  #put(key: string, headers: HttpRequest['headers'], object: StoredObject): HttpAnswer {
    const isConditional = headers['if-none-match'] === '*' && this.honoursConditions;
    if (isConditional && this.objects.has(key)) return failure(412, 'PreconditionFailed');
    this.objects.set(key, object);
    return answer(200);
  }

  #begin(key: string, headers: HttpRequest['headers']): HttpAnswer {
    const id = `upload-${++this.#uploadsBegun}`;
    this.#uploads.set(id, { key, headers: metadataOf(headers), parts: new Map() });
    return answer(
      200,
      `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
    );
  }

  #ofUpload(id: string, { method, url, headers }: HttpRequest, body: Uint8Array): HttpAnswer {
    const upload = this.#uploads.get(id);
    if (upload === undefined) return failure(404, 'NoSuchUpload');
    if (method === 'DELETE') {
      this.#uploads.delete(id);
      return answer(204);
    }
    if (method === 'PUT') {
      const number = Number(url.searchParams.get('partNumber'));
      upload.parts.set(number, body.slice());
      return { status: 200, headers: { etag: `"${number}"` }, body: new Uint8Array() };
    }
    const numbers = [...new TextDecoder().decode(body).matchAll(/<PartNumber>(\d+)</g)].map(([, number]) =>
      Number(number),
    );
    const bytes = Buffer.concat(numbers.map((number) => upload.parts.get(number) ?? new Uint8Array()));
    const put = this.#put(upload.key, headers, { bytes, headers: upload.headers });
    if (put.status === 200) this.#uploads.delete(id);
    return put;
  }

  #list(query: URLSearchParams): HttpAnswer {
    const prefix = query.get('prefix') ?? '';
    const delimiter = query.get('delimiter');
    const after = query.get('continuation-token') ?? '';
    const names = new Set<string>();
    for (const key of [...this.listed()].filter((each) => each.startsWith(prefix))) {
      const end = delimiter === null ? -1 : key.indexOf(delimiter, prefix.length);
      names.add(end < 0 ? key : key.slice(0, end + 1));
    }
    const rest = [...names].sort().filter((name) => name > after);
    const page = rest.slice(0, Math.min(this.pageLength, Number(query.get('max-keys') ?? 1_000)));
    const items = page.map((name) =>
      delimiter !== null && name.endsWith(delimiter)
        ? `<CommonPrefixes><Prefix>${escaped(name)}</Prefix></CommonPrefixes>`
        : `<Contents><Key>${escaped(name)}</Key></Contents>`,
    );
    const isMore = page.length < rest.length;
    const more = isMore ? `<NextContinuationToken>${escaped(page.at(-1)!)}</NextContinuationToken>` : '';
    return answer(
      200,
      `<ListBucketResult><IsTruncated>${isMore}</IsTruncated>${more}${items.join('')}</ListBucketResult>`,
    );
  }
}

function metadataOf(headers: HttpRequest['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-')));
}

function answer(status: number, text = ''): HttpAnswer {
  return { status, headers: {}, body: new TextEncoder().encode(text) };
}

function failure(status: number, code: string): HttpAnswer {
  return answer(
    status,
    `<?xml version="1.0"?><Error><Code>${code}</Code><Message>as in S3</Message></Error>`,
  );
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
