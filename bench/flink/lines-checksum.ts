// Compares what both sides wrote: a checksum over the lines of all finished files, whatever their order.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What lines come to. */
export interface LinesChecksum {
  readonly records: number;
  /** Of the 32-bit FNV-1a hash of each line the sum, modulo 2^48. */
  readonly checksum: number;
}

const NEWLINE = 10;
const FNV_START = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const SUM_LIMIT = 2 ** 48;

/** Of the files in a folder; names that begin with a dot or an underscore are of files that are not finished. */
export function linesChecksum(folder: string): LinesChecksum {
  let [records, checksum] = [0, 0];
  const parts = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && !/^[._]/.test(entry.name))
    .map(({ name }) => join(folder, name));
  for (const part of parts) {
    const bytes = readFileSync(part);
    if (bytes.length > 0 && bytes.at(-1) !== NEWLINE) throw new Error(`${part} ends in the middle of a line`);
    let hash = FNV_START;
    for (const byte of bytes) {
      if (byte !== NEWLINE) {
        hash = Math.imul(hash ^ byte, FNV_PRIME);
        continue;
      }
      records++;
      checksum = (checksum + (hash >>> 0)) % SUM_LIMIT;
      hash = FNV_START;
    }
  }
  return { records, checksum };
}
