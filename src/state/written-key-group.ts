/**
 * One key group of a snapshot before it is bytes, as plain data: what is in typed tables is named and not there, because
 * another thread makes columns of it meanwhile. The bytes are drawn in memory/key-group-bytes.ts.
 */

import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.ts';
import { BinaryWriter } from '../codecs/binary.ts';
import type { NumberColumns } from './memory/number-columns.ts';

export const KEY_GROUP_MAGIC = 0x474b524d;
export const KEY_GROUP_VERSION = 1;
export const LENGTH_OFFSET = 5;
export const CHECKSUM_BYTES = 4;

/** See the head of the file. */
export interface WrittenKeyGroup {
  readonly keyGroup: number;
  /** By name. */
  readonly sections: readonly WrittenSection[];
  /** Those of event time, then those of processing time. */
  readonly timers: Uint8Array;
}

/** One state of a key group. */
export interface WrittenSection {
  readonly name: string;
  /** Its number in the bytes. */
  readonly kind: number;
  readonly codecId: string;
  /** '' if it is no map. */
  readonly keyCodecId: string;
  readonly table: WrittenTable;
}

/** The bytes of a table, or numbers and what is behind them. `isOwn`: nobody else has these bytes. */
export type WrittenTable =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly isOwn: boolean }
  | {
      readonly kind: 'numbers';
      /** The name of two columns, or they themselves. */
      readonly columns: number | PlainColumns;
      /** How many numbers there are in them. */
      readonly count: number;
      /** As the generic codec writes them. */
      readonly isGeneric: boolean;
      /** The cells behind them. */
      readonly cells: PlainColumns;
    };

/** Keys and values, as many of each. */
export interface PlainColumns {
  readonly count: number;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
}

/** The bytes of a key group; `columnsOf` gives the columns of a name. */
export function encodeWrittenKeyGroup(
  group: WrittenKeyGroup,
  columnsOf: (name: number) => NumberColumns,
): Uint8Array {
  return joined(partsOfKeyGroup(group, columnsOf));
}

/** The same as pieces that lie one after the other; the large ones are those of the columns, which nobody has copied. */
export function partsOfKeyGroup(
  { keyGroup, sections, timers }: WrittenKeyGroup,
  columnsOf: (name: number) => NumberColumns,
): readonly Uint8Array[] {
  const head = new BinaryWriter();
  head.u32(KEY_GROUP_MAGIC);
  head.u8(KEY_GROUP_VERSION);
  head.u32(0);
  head.varint(keyGroup);
  head.varint(sections.length);
  const parts: Uint8Array[] = [];
  for (const { name, kind, codecId, keyCodecId, table } of sections) {
    const ofTable = partsOf(table, columnsOf);
    const out = parts.length === 0 ? head : new BinaryWriter();
    out.u8(kind);
    out.string(name);
    out.string(codecId);
    out.string(keyCodecId);
    out.u32(lengthOf(ofTable));
    parts.push(out.peek(), ...ofTable);
  }
  if (parts.length === 0) parts.push(head.peek());
  parts.push(timers);
  head.patchU32(LENGTH_OFFSET, lengthOf(parts) + CHECKSUM_BYTES);
  const checksum = new BinaryWriter();
  checksum.u32(parts.reduce((crc, part) => crc32(part, crc), 0));
  return [...parts, checksum.peek()];
}

function partsOf(table: WrittenTable, columnsOf: (name: number) => NumberColumns): readonly Uint8Array[] {
  if (table.kind === 'bytes') return [table.bytes];
  const { cells, isGeneric } = table;
  const numbers = typeof table.columns === 'number' ? columnsOf(table.columns) : inOnePiece(table.columns);
  assert(numbers.count === table.count, 'a snapshot has as many numbers as there were at its barrier');
  const count = varint(numbers.count + cells.count);
  return [count, ...numbers.keys, cells.keys, ...(isGeneric ? [count] : []), ...numbers.values, cells.values];
}

/** What was made of the places that were given to `columns`. */
export function plainColumns({ count, keys, values }: NumberColumns): PlainColumns {
  return { count, keys: joined(keys), values: joined(values) };
}

function inOnePiece({ count, keys, values }: PlainColumns): Pick<NumberColumns, 'count' | 'keys' | 'values'> {
  return { count, keys: [keys], values: [values] };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(lengthOf(parts));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function varint(value: number): Uint8Array {
  const out = new BinaryWriter();
  out.varint(value);
  return out.peek();
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}
