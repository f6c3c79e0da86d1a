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

/** Reads a document; throws CHECKPOINT_CORRUPT with the name of the file when one bit is not as it was written. */
export function decodeCheckedJson(bytes: Uint8Array, file: string): object {
  const end = Math.max(0, bytes.length - CHECKSUM_LINE_BYTES);
  const checksum = CHECKSUM_LINE.exec(Buffer.from(bytes.subarray(end)).toString('latin1'))?.[1];
  if (checksum === undefined) throw corrupt(file, 'it does not end with its checksum: it was cut or edited');
  const first = bytes.subarray(0, end);
  if (sha256Hex(first) !== checksum) throw corrupt(file, 'its checksum is wrong: it was changed');
  const document: unknown = parse(Buffer.from(first).toString(), file);
  if (typeof document !== 'object' || document === null) throw corrupt(file, 'it is not a JSON object');
  return document;
}

/** CHECKPOINT_CORRUPT with the name of the file. */
export function corrupt(file: string, what: string, cause?: unknown): MillraceError {
  return new MillraceError('CHECKPOINT_CORRUPT', `the file ${file} is damaged: ${what}`, { cause });
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw corrupt(file, 'it is not JSON', cause);
  }
}
