/**
 * Batches of records of one described type: rows while they are few, else columns.
 *
 * Whatever is in the batch crosses exactly. One that holds a record which is not exactly of the type (a field more, an
 * instance of a class) is written by the generic codec instead, and `mismatched` tells the first time.
 */

import type { BinaryReader, BinaryWriter } from './binary.ts';
import { columnOf, readColumn, writeColumn } from './columns.ts';
import { decodeValues, encodeValues } from './generic.ts';
import { Mismatch, readRow, writeRow } from './row-format.ts';
import type { TypeShape } from './type-shape.ts';

/** From so many records on a batch goes as columns. */
export const COLUMNS_FROM = 8;

/** How the records of a batch are written; part of each frame. */
export const BatchLayout = Object.freeze({ GENERIC: 0, ROWS: 1, COLUMNS: 2 });

/** Writes and reads batches. */
export interface BatchCodec {
  /** Writes the values and returns the layout that was taken. */
  write(values: readonly unknown[], out: BinaryWriter): number;
  /** Reads so many values of a layout that {@link BatchCodec.write} returned. */
  read(layout: number, count: number, from: BinaryReader): readonly unknown[];
}

/** The codec of a type; without one all goes by the generic codec. `plain` forbids code generation. */
export function createBatchCodec(
  shape: TypeShape | undefined,
  { plain = false, mismatched }: { plain?: boolean; mismatched?: (why: string) => void } = {},
): BatchCodec {
  if (shape === undefined || shape.kind === 'unknown') return GENERIC;
  const column = columnOf(shape, plain);
  let told = false;
  return {
    write(values, out) {
      const start = out.length;
      try {
        if (values.length >= COLUMNS_FROM) writeColumn(column, values, out);
        else for (let index = 0; index < values.length; index++) writeRow(shape, values[index], out);
        return values.length >= COLUMNS_FROM ? BatchLayout.COLUMNS : BatchLayout.ROWS;
      } catch (error) {
        if (!(error instanceof Mismatch)) throw error;
        if (!told) mismatched?.(error.message);
        told = true;
        out.truncate(start);
        encodeValues(values, out);
        return BatchLayout.GENERIC;
      }
    },
    read(layout, count, from) {
      if (layout === BatchLayout.COLUMNS) return readColumn(column, count, from);
      if (layout === BatchLayout.GENERIC) return readGeneric(count, from);
      if (layout !== BatchLayout.ROWS) throw from.corrupt(`a batch has the layout ${layout}`);
      const values: unknown[] = [];
      for (let index = 0; index < count; index++) values.push(readRow(shape, from));
      return values;
    },
  };
}

/** What a stream without a declared type is written by. */
export const GENERIC: BatchCodec = Object.freeze({
  write(values: readonly unknown[], out: BinaryWriter): number {
    encodeValues(values, out);
    return BatchLayout.GENERIC;
  },
  read(layout: number, count: number, from: BinaryReader): readonly unknown[] {
    if (layout !== BatchLayout.GENERIC) throw from.corrupt(`a batch without a type has the layout ${layout}`);
    return readGeneric(count, from);
  },
});

function readGeneric(count: number, from: BinaryReader): readonly unknown[] {
  const values = decodeValues(from);
  if (values.length !== count) throw from.corrupt(`a batch of ${count} records holds ${values.length}`);
  return values;
}
