/**
 * The table of one state and key group as bytes, column by column; table-columns.ts writes them.
 *
 * ```
 * table  = varint n, n keys, columns          keys as scoped-key.ts draws them
 * value | reducing | aggregating: n values
 * list                          : n × varint length, then all items
 * map                           : n × varint size, then all map keys, then all values
 * column = values, one after the other by their codec; by the generic codec as one batch; stamped as stamped.ts draws them
 * ```
 */

import { BinaryReader } from '../../codecs/binary.ts';
import type { Codec } from '../../codecs/codec.ts';
import { decodeValues, GENERIC_CODEC_ID } from '../../codecs/generic.ts';
import { deepFreeze } from '../../base/freeze.ts';
import { Stamped, StampedCodec } from './stamped.ts';
import { ConvertingCodec } from './stored-codec.ts';
import type { Table } from './key-group-state.ts';
import { ListBuffer } from './list-buffer.ts';
import { canonicalMapKey, MapBuffer } from './map-buffer.ts';
import { canonicalScopedKey, decodeScopedKey, type ScopedKey } from './scoped-key.ts';
import type { StateLayout } from './state-layout.ts';

/** How a table was written, and whether what users see of it is frozen. */
export interface StoredTable extends Pick<StateLayout, 'codec' | 'keyCodec'> {
  readonly body: Uint8Array;
  readonly freezeValues: boolean;
}

/** Reads a table of a state that is laid out as `layout` now: all of the body, or it throws. */
export function decodeTable(layout: StateLayout, stored: StoredTable): Table {
  const { body, freezeValues } = stored;
  const from = new BinaryReader(body);
  const keys = decodeKeys(from, body);
  const isVisible = layout.kind !== 'aggregating';
  const values = decodeCellValues({ layout, stored, from, freeze: freezeValues && isVisible }, keys.length);
  from.end();
  const table: Table = new Map();
  keys.forEach((key, index) => {
    table.set(canonicalScopedKey(key), { key, value: values[index] });
  });
  if (table.size !== keys.length) throw from.corrupt('a key is there twice');
  return table;
}

function decodeKeys(from: BinaryReader, body: Uint8Array): ScopedKey[] {
  const count = from.length();
  const keys: ScopedKey[] = [];
  for (let index = 0; index < count; index++) keys.push(decodeScopedKey(from, body));
  return keys;
}

interface Columns {
  readonly layout: StateLayout;
  readonly stored: StoredTable;
  readonly from: BinaryReader;
  readonly freeze: boolean;
}

function decodeCellValues(columns: Columns, count: number): unknown[] {
  const { kind } = columns.layout;
  if (kind === 'list') return decodeLists(columns, count);
  if (kind === 'map') return decodeMaps(columns, count);
  return decodeColumn(columns, columns.stored.codec, count);
}

function decodeLists(columns: Columns, count: number): ListBuffer[] {
  const lengths = decodeLengths(count, columns.from);
  const items = decodeColumn(columns, columns.stored.codec, sum(lengths));
  let end = 0;
  return lengths.map((length) => {
    end += length;
    return new ListBuffer(items.slice(end - length, end));
  });
}

function decodeMaps(columns: Columns, count: number): MapBuffer[] {
  const { layout, stored, from } = columns;
  const sizes = decodeLengths(count, from);
  const keys = decodeColumn(columns, stored.keyCodec, sum(sizes));
  const values = decodeColumn(columns, stored.codec, keys.length);
  let start = 0;
  return sizes.map((size) => {
    const map = new MapBuffer();
    for (const end = start + size; start < end; start++) {
      // Keys are found by the bytes that the declared codec makes of them.
      map.set(canonicalMapKey(keys[start], layout.keyCodec), keys[start], values[start]);
    }
    if (map.size !== size) throw from.corrupt('a map key is there twice');
    return map;
  });
}

function decodeLengths(count: number, from: BinaryReader): number[] {
  return Array.from({ length: count }, () => from.varint());
}

function decodeColumn(columns: Columns, codec: Codec<unknown>, count: number): unknown[] {
  const values = decodeAll(codec, count, columns.from);
  if (columns.freeze) values.forEach(deepFreeze);
  return values;
}

function decodeAll(codec: Codec<unknown>, count: number, from: BinaryReader): unknown[] {
  if (codec instanceof ConvertingCodec) return decodeAll(codec.stored, count, from).map(codec.convert);
  if (codec instanceof StampedCodec) {
    const times = Array.from({ length: count }, () => from.f64());
    return decodeAll(codec.inner, count, from).map((value, index) => new Stamped(value, times[index]!));
  }
  if (codec.id !== GENERIC_CODEC_ID) return Array.from({ length: count }, () => codec.decode(from));
  const at = from.position;
  const values = decodeValues(from);
  if (values.length !== count) throw from.corrupt(`${count} values were expected, not ${values.length}`, at);
  return values;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
