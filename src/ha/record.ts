/**
 * How what JobManagers have in common is written: one line of JSON with its format, and the checksum of that line, whatever
 * the service does for its entries. A pointer of which one digit changed would be the pointer of another checkpoint.
 *
 * ```
 * {"format":1,…}\n
 * sha256:<64 hexadecimal digits over the bytes of the first line>\n
 * ```
 */

import { Buffer } from 'node:buffer';
import { MillraceError } from '../base/errors.ts';
import { encodeCheckedJson, readCheckedJson } from '../checkpoint/checked-json.ts';

/** The format that is written, and the only one that is read; its golden bytes are in `test/golden/records/`. */
export const RECORD_FORMAT = 1;

/** A record as a text. */
export function encodeRecord(record: object): string {
  return Buffer.from(encodeCheckedJson({ format: RECORD_FORMAT, ...record })).toString();
}

/**
 * The record of a text; `name` says which one it is. Throws HA_UNAVAILABLE when one bit is not as it was written: what changed
 * on its way from the service comes whole with the next look.
 */
export function decodeRecord<T extends object>(text: string, name: string): T {
  const read = readCheckedJson(Buffer.from(text));
  if ('damage' in read) {
    throw new MillraceError('HA_UNAVAILABLE', `${name} is damaged: ${read.damage}`, {
      cause: read.cause,
      remedy:
        'If the next looks say so, too, it is damaged in the service: restore it there from a backup, or remove it, and submit what it was about again from its latest checkpoint.',
    });
  }
  const { format, ...record } = read.document as { readonly format?: unknown };
  if (format !== RECORD_FORMAT) {
    throw new MillraceError(
      'HA_UNAVAILABLE',
      `${name} has the format ${String(format)}, and this version of Millrace reads ${RECORD_FORMAT}`,
      { remedy: 'Run the version of Millrace that wrote it, or begin with an empty store of metadata.' },
    );
  }
  return record as T;
}
