/**
 * A document that proves itself: one line of JSON and the checksum of that line.
 *
 * ```
 * {"format":…}\n                 `head -1 <file> | jq`
 * sha256:<64 hexadecimal digits over the bytes of the first line>\n
 * ```
 */

import { Buffer } from 'node:buffer';
import { MillraceError } from '../base/errors.ts';
import { sha256Hex } from '../base/hash.ts';

const CHECKSUM_LINE = /^\nsha256:([0-9a-f]{64})\n$/;
/** Length of the last line with the line break before it. */
const CHECKSUM_LINE_BYTES = '\nsha256:\n'.length + 64;

/** A document as bytes. */
export function encodeCheckedJson(document: object): Uint8Array {
  const text = JSON.stringify(document);
  return Buffer.from(`${text}\nsha256:${sha256Hex(Buffer.from(text))}\n`);
}

/** A document, or why there is none. */
export type CheckedJson =
  | { readonly document: object }
  | { readonly damage: string; readonly cause?: unknown };

/** Reads a document; throws CHECKPOINT_CORRUPT with the name of the file when one bit is not as it was written. */
export function decodeCheckedJson(bytes: Uint8Array, file: string): object {
  const read = readCheckedJson(bytes);
  if ('damage' in read) throw corrupt(file, read.damage, read.cause);
  return read.document;
}

/** The same for whoever names it in another way. */
export function readCheckedJson(bytes: Uint8Array): CheckedJson {
  const end = Math.max(0, bytes.length - CHECKSUM_LINE_BYTES);
  const checksum = CHECKSUM_LINE.exec(Buffer.from(bytes.subarray(end)).toString('latin1'))?.[1];
  if (checksum === undefined) return { damage: 'it does not end with its checksum: it was cut or edited' };
  const first = bytes.subarray(0, end);
  if (sha256Hex(first) !== checksum) return { damage: 'its checksum is wrong: it was changed' };
  return parsed(Buffer.from(first).toString());
}

/** CHECKPOINT_CORRUPT with the name of the file. */
export function corrupt(file: string, what: string, cause?: unknown): MillraceError {
  return new MillraceError('CHECKPOINT_CORRUPT', `the file ${file} is damaged: ${what}`, { cause });
}

function parsed(text: string): CheckedJson {
  try {
    const document: unknown = JSON.parse(text);
    if (typeof document === 'object' && document !== null) return { document };
    return { damage: 'it is not a JSON object' };
  } catch (cause) {
    return { damage: 'it is not JSON', cause };
  }
}
