/**
 * A batch of values of one described type as columns: all values of a field lie together.
 *
 * ```
 * column    = [presence] values of those that are present
 * presence  = u8 0                    all are, or
 *             u8 1, 2 bits a value    0 present, 1 absent, 2 null, 3 `undefined`; low bits first, the rest 0
 *             only where the field is optional or the type is a union with null
 * values    by type
 *   number, int32, int64   u8 0 f64 each | u8 1 i32 each | u8 2 f64 of all | u8 3 f64 of the smallest, u32 above it each
 *   date                   f64 each
 *   boolean                1 bit each; low bits first, the rest 0
 *   string                 text: u8 1 | 2 | 4 bytes of a length, u8 bytes of a character (1: ASCII, 2: UTF-16),
 *                          the lengths, u32 length of all, all strings as one; or
 *                          u8 0, u16 number of different strings, their text, which it is: u8 each, none of one
 *   object                 a column for each field, down to {@link FLAT_DEPTH_MAX} levels
 *   any other              row-format.ts, one behind the other
 * ```
 *
 * The number of values is known outside. A value that is not exactly of its type is refused by `Mismatch`, before the
 * batch is whole: then the bytes are dropped.
 */

import type { BinaryReader, BinaryWriter } from './binary.ts';
import { readNumbers, writeNumbers } from './number-column.ts';
import {
  type FieldColumn,
  MISSING,
  type ObjectLoops,
  objectLoops,
  readBits,
  writeBits,
} from './object-loops.ts';
import { Mismatch, readRow, writeRow } from './row-format.ts';
import { readStrings, StringWriter } from './string-column.ts';
import type { FieldShape, TypeShape } from './type-shape.ts';

/** Objects within objects within objects become columns; what is deeper goes as rows. */
export const FLAT_DEPTH_MAX = 3;

const PRESENT = 0;
const ABSENT = 1;
const NULL = 2;
const UNDEFINED = 3;

/** A described type, prepared for columns. */
export interface Column {
  readonly shape: TypeShape;
  readonly optional: boolean;
  readonly nullable: boolean;
  /** Of an object that lies flat. */
  readonly loops: ObjectLoops | undefined;
  /** Of strings. */
  readonly strings: StringWriter | undefined;
}

/** Prepares a type; `plain` forbids code generation. */
export function columnOf(shape: TypeShape, plain = false, optional = false, depth = 0): Column {
  const inner = withoutNull(shape);
  // Each value takes some of the bytes, so that a count cannot exceed them: an object without fields goes as a row.
  const flat = inner.kind === 'object' && inner.fields.length > 0 && depth < FLAT_DEPTH_MAX;
  return {
    shape: inner,
    optional,
    nullable: inner !== shape,
    loops: flat
      ? objectLoops(
          inner.fields.map((field) => fieldColumn(field, plain, depth + 1)),
          plain,
        )
      : undefined,
    strings: inner.kind === 'string' ? new StringWriter() : undefined,
  };
}

function fieldColumn(field: FieldShape, plain: boolean, depth: number): FieldColumn {
  const column = columnOf(field.type, plain, field.optional, depth);
  return {
    ...field,
    strings: column.strings,
    write: (values, out) => writeColumn(column, values, out),
    read: (count, from) => readColumn(column, count, from),
  };
}

// `X | null` becomes X with a presence, unless X holds null by itself.
function withoutNull(shape: TypeShape): TypeShape {
  if (shape.kind !== 'union' || shape.options.length !== 2) return shape;
  const [one, other] = shape.options as readonly [TypeShape, TypeShape];
  const rest = one.kind === 'null' ? other : other.kind === 'null' ? one : shape;
  const takesNull = rest.kind === 'null' || rest.kind === 'unknown' || rest.kind === 'union';
  return takesNull ? shape : rest;
}

/** Writes the values, or throws `Mismatch` and leaves what it wrote behind. */
export function writeColumn(column: Column, given: readonly unknown[], out: BinaryWriter): void {
  const values = column.optional || column.nullable ? writePresence(column, given, out) : given;
  switch (column.shape.kind) {
    case 'number':
    case 'int32':
    case 'int64':
      return writeNumbers(column.shape, values, out);
    case 'date':
      return out.f64s(values.map((value) => timeOf(value)));
    case 'boolean':
      return writeBits(values, out);
    case 'string':
      return column.strings!.write(values, out);
    default:
  }
  if (column.loops !== undefined) return column.loops.write(values, out);
  for (let index = 0; index < values.length; index++) writeRow(column.shape, values[index], out);
}

/** Reads `count` values; every object is a fresh one, and no string refers to the bytes of another. */
export function readColumn(column: Column, count: number, from: BinaryReader): readonly unknown[] {
  const presence = column.optional || column.nullable ? readPresence(column, count, from) : undefined;
  const present =
    presence === undefined ? count : presence.reduce((sum, each) => sum + (each === PRESENT ? 1 : 0), 0);
  const values = readValues(column, present, from);
  return presence === undefined ? values : spread(values, presence);
}

function readValues(column: Column, count: number, from: BinaryReader): readonly unknown[] {
  switch (column.shape.kind) {
    case 'number':
    case 'int32':
    case 'int64':
      return readNumbers(count, from);
    case 'date':
      return readDates(count, from);
    case 'boolean':
      return readBooleans(count, from);
    case 'string':
      return readStrings(count, from);
    default:
  }
  if (column.loops !== undefined) return column.loops.read(count, from);
  const values: unknown[] = [];
  for (let index = 0; index < count; index++) values.push(readRow(column.shape, from));
  return values;
}

function presenceOf(value: unknown, column: Column): number {
  if (value === MISSING) return ABSENT;
  if (value === null && column.nullable) return NULL;
  return value === undefined && column.optional ? UNDEFINED : PRESENT;
}

// The values that are present.
function writePresence(column: Column, values: readonly unknown[], out: BinaryWriter): readonly unknown[] {
  let first = 0;
  while (first < values.length && presenceOf(values[first], column) === PRESENT) first++;
  if (first === values.length) {
    out.u8(0);
    return values;
  }
  out.u8(1);
  const present: unknown[] = [];
  for (let index = 0, bits = 0; index < values.length; index++) {
    const presence = presenceOf(values[index], column);
    if (presence === PRESENT) present.push(values[index]);
    bits |= presence << ((index & 3) * 2);
    if ((index & 3) === 3 || index === values.length - 1) {
      out.u8(bits);
      bits = 0;
    }
  }
  return present;
}

function readPresence(column: Column, count: number, from: BinaryReader): readonly number[] | undefined {
  const form = from.u8();
  if (form === 0) return undefined;
  if (form !== 1) throw from.corrupt(`a presence begins with ${form}`, from.position - 1);
  const bytes = from.view(Math.ceil(count / 4));
  if (count % 4 !== 0 && bytes.at(-1)! >> ((count % 4) * 2) !== 0)
    throw from.corrupt('a presence has bits left over');
  const presence: number[] = [];
  for (let index = 0; index < count; index++) {
    const each = (bytes[index >> 2]! >> ((index & 3) * 2)) & 3;
    if (each !== PRESENT && !(each === NULL ? column.nullable : column.optional))
      throw from.corrupt('a value is absent that cannot be');
    presence.push(each);
  }
  return presence;
}

function spread(values: readonly unknown[], presence: readonly number[]): unknown[] {
  let next = 0;
  return presence.map((each) => {
    if (each === PRESENT) return values[next++];
    return each === NULL ? null : each === ABSENT ? MISSING : undefined;
  });
}

function readBooleans(count: number, from: BinaryReader): boolean[] {
  const bits = readBits(count, from);
  const values: boolean[] = [];
  for (let index = 0; index < count; index++) values.push(((bits[index >> 3]! >> (index & 7)) & 1) === 1);
  return values;
}

function readDates(count: number, from: BinaryReader): Date[] {
  const dates: Date[] = [];
  for (let index = 0; index < count; index++) dates.push(new Date(from.f64()));
  return dates;
}

function timeOf(value: unknown): number {
  if (value instanceof Date && Object.getPrototypeOf(value) === Date.prototype) return value.getTime();
  throw new Mismatch('it is no date');
}
