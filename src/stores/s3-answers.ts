/** The little XML that S3 speaks: what a list and an error hold. */

/** One page of a list. */
export interface ListPage {
  readonly keys: readonly string[];
  /** Of what has a delimiter in it, up to and with the delimiter. */
  readonly prefixes: readonly string[];
  /** `undefined` on the last page. */
  readonly continuation: string | undefined;
}

/** A `ListBucketResult`. Keys are as they are, but for what XML escapes: names of checkpoints hold nothing else. */
export function listPage(body: Uint8Array): ListPage {
  const text = textOf(body);
  const keys = [...text.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, inner]) => keyIn(inner!, 'Key'));
  const prefixes = [...text.matchAll(/<CommonPrefixes>(.*?)<\/CommonPrefixes>/gs)].map(([, inner]) =>
    keyIn(inner!, 'Prefix'),
  );
  const isTruncated = elementIn(text, 'IsTruncated') === 'true';
  return { keys, prefixes, continuation: isTruncated ? elementIn(text, 'NextContinuationToken') : undefined };
}

/** The code of an error, such as `NoSuchBucket`; `undefined` where there is none. */
export function errorCode(body: Uint8Array): string | undefined {
  const text = textOf(body.subarray(0, 64 << 10));
  const code = text.includes('<Error>') ? elementIn(text, 'Code') : undefined;
  return code !== undefined && /^\w{1,64}$/.test(code) ? code : undefined;
}

/** What an element without others in it holds. */
export function elementIn(text: string, name: string): string | undefined {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
  return found === undefined ? undefined : unescapeXml(found);
}

/** What tells S3 which parts an object is made of, in order. */
export function completion(tags: readonly string[]): Uint8Array {
  const parts = tags.map(
    (tag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escapeXml(tag)}</ETag></Part>`,
  );
  return new TextEncoder().encode(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`);
}

export function textOf(body: Uint8Array): string {
  return new TextDecoder().decode(body);
}

function keyIn(text: string, name: string): string {
  return elementIn(text, name) ?? '';
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescapeXml(text: string): string {
  return text.replaceAll(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex as string, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return ENTITIES[name as string] ?? whole;
  });
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
