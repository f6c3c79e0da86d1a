/**
 * A value of a described type as bytes, one field behind the other.
 *
 * ```
 * string, bytes    varint length, bytes       array   varint n, n values
 * number, date     f64                        tuple   values
 * int32, int64     zigzag                     map     varint n, n × (key value)
 * boolean          u8                         union   u8 index of the option, value
 * bigint           see bigints.ts             object  per field: optional ? u8 presence, value where it is present
 * null             u8 0                       unknown see generic-format.ts
 *
 * An object or a tuple without parts is one byte 0, so that a count never exceeds the bytes that follow it.
 * presence         0 present, 1 absent, 2 present and `undefined`
 * ```
 *
 * A value that is not exactly of the type (another type, a field more, another order of fields, an instance of a class)
 * is refused by {@link Mismatch}: bytes never hold less than the value.
 */

import type { BinaryReader, BinaryWriter } from './binary.ts';
import { readBigInt, writeBigInt } from './bigints.ts';
import { genericCodec } from './generic.ts';
import { describeShape, type FieldShape, type TypeShape } from './type-shape.ts';
import { isScalar } from './validate.ts';

export const PRESENT = 0;
export const ABSENT = 1;
export const UNDEFINED = 2;

const DEPTH_MAX = 256;

/** Thrown where a value was met that is not of its type; whoever encodes makes of it what the user sees. */
export class Mismatch extends Error {}

/** Writes a value of the type, or throws {@link Mismatch} and leaves what it wrote behind. */
export function writeRow(shape: TypeShape, value: unknown, out: BinaryWriter, depth: number = 0): void {
  if (depth > DEPTH_MAX) throw new Mismatch(`it is nested deeper than ${DEPTH_MAX} levels`);
  switch (shape.kind) {
    case 'object':
      return writeObject(shape.fields, value, out, depth);
    case 'array':
      return writeArray(plainArray(shape, value), () => shape.item, out, depth);
    case 'tuple': {
      const items = plainArray(shape, value);
      if (items.length !== shape.items.length) throw mismatch(shape);
      if (items.length === 0) out.u8(0);
      return writeItems(items, (index) => shape.items[index]!, out, depth);
    }
    case 'map':
      return writeMap(shape, value, out, depth);
    case 'union':
      return writeUnion(shape, value, out, depth);
    case 'unknown':
      return genericCodec.encode(value, out);
    default:
      return writeScalar(shape, value, out);
  }
}

/** Reads what {@link writeRow} wrote; every object, array and buffer is a fresh one. */
export function readRow(shape: TypeShape, from: BinaryReader): unknown {
  switch (shape.kind) {
    case 'object':
      return readObject(shape.fields, from);
    case 'array':
      return readItems(from.length(), () => shape.item, from);
    case 'tuple':
      if (shape.items.length === 0) readNothing(from);
      return readItems(shape.items.length, (index) => shape.items[index]!, from);
    case 'map': {
      const map = new Map<unknown, unknown>();
      for (let count = from.length(); count > 0; count--)
        map.set(readRow(shape.key, from), readRow(shape.value, from));
      return map;
    }
    case 'union': {
      const index = from.u8();
      const option = shape.options[index];
      if (option === undefined) throw from.corrupt(`a union has no option ${index}`, from.position - 1);
      return readRow(option, from);
    }
    case 'unknown':
      return genericCodec.decode(from);
    default:
      return readScalar(shape.kind, from);
  }
}

function writeScalar(shape: TypeShape, value: unknown, out: BinaryWriter): void {
  if (!isScalar(shape.kind, value)) throw mismatch(shape);
  switch (shape.kind) {
    case 'string':
      return out.string(value as string);
    case 'number':
      return out.f64(value as number);
    case 'int32':
    case 'int64':
      return out.zigzag(value as number);
    case 'boolean':
      return out.u8(value === true ? 1 : 0);
    case 'bigint':
      return writeBigInt(value as bigint, out);
    case 'date':
      if (Object.getPrototypeOf(value) !== Date.prototype) throw mismatch(shape);
      return out.f64((value as Date).getTime());
    case 'bytes':
      if (Object.getPrototypeOf(value) !== Uint8Array.prototype) throw mismatch(shape);
      return out.bytes(value as Uint8Array);
    default:
      return out.u8(0);
  }
}

function readScalar(kind: TypeShape['kind'], from: BinaryReader): unknown {
  switch (kind) {
    case 'string':
      return from.string();
    case 'number':
      return from.f64();
    case 'int32':
    case 'int64':
      return from.zigzag();
    case 'boolean':
      return readFlag(from);
    case 'bigint':
      return readBigInt(from);
    case 'date':
      return new Date(from.f64());
    case 'bytes':
      return from.bytes();
    default:
      readNothing(from);
      return null;
  }
}

function readFlag(from: BinaryReader): boolean {
  const byte = from.u8();
  if (byte > 1) throw from.corrupt(`a boolean is ${byte}`, from.position - 1);
  return byte === 1;
}

function readNothing(from: BinaryReader): void {
  if (from.u8() !== 0) throw from.corrupt('what has no parts is not 0', from.position - 1);
}

function writeObject(fields: readonly FieldShape[], value: unknown, out: BinaryWriter, depth: number): void {
  const object = plainObject(value);
  if (!hasFields(fields, object)) throw new Mismatch('it has other fields or another order of them');
  if (fields.length === 0) out.u8(0);
  for (const { name, type, optional } of fields) {
    const found = object[name];
    if (optional) {
      const presence = found !== undefined ? PRESENT : Object.hasOwn(object, name) ? UNDEFINED : ABSENT;
      out.u8(presence);
      if (presence !== PRESENT) continue;
    }
    try {
      writeRow(type, found, out, depth + 1);
    } catch (error) {
      throw error instanceof Mismatch ? new Mismatch(`.${name}: ${error.message}`) : error;
    }
  }
}

function readObject(fields: readonly FieldShape[], from: BinaryReader): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  if (fields.length === 0) readNothing(from);
  for (const { name, type, optional } of fields) {
    const presence = optional ? from.u8() : PRESENT;
    if (presence > UNDEFINED) throw from.corrupt(`the presence of a field is ${presence}`, from.position - 1);
    if (presence !== ABSENT) object[name] = presence === PRESENT ? readRow(type, from) : undefined;
  }
  return object;
}

function writeArray(
  items: readonly unknown[],
  typeOf: (index: number) => TypeShape,
  out: BinaryWriter,
  depth: number,
): void {
  out.varint(items.length);
  writeItems(items, typeOf, out, depth);
}

function writeItems(
  items: readonly unknown[],
  typeOf: (index: number) => TypeShape,
  out: BinaryWriter,
  depth: number,
): void {
  for (let index = 0; index < items.length; index++) {
    const item = items[index];
    if (item === undefined && !(index in items)) throw new Mismatch('an array has a hole');
    writeRow(typeOf(index), item, out, depth + 1);
  }
}

function readItems(count: number, typeOf: (index: number) => TypeShape, from: BinaryReader): unknown[] {
  const items: unknown[] = [];
  for (let index = 0; index < count; index++) items.push(readRow(typeOf(index), from));
  return items;
}

function writeMap(
  shape: Extract<TypeShape, { kind: 'map' }>,
  value: unknown,
  out: BinaryWriter,
  depth: number,
): void {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Map.prototype)
    throw mismatch(shape);
  const map = value as Map<unknown, unknown>;
  out.varint(map.size);
  for (const [key, item] of map) {
    writeRow(shape.key, key, out, depth + 1);
    writeRow(shape.value, item, out, depth + 1);
  }
}

// The first option that takes the value: a reader that knows the index needs no guess.
function writeUnion(
  shape: Extract<TypeShape, { kind: 'union' }>,
  value: unknown,
  out: BinaryWriter,
  depth: number,
): void {
  const start = out.length;
  for (let index = 0; index < shape.options.length; index++) {
    const option = shape.options[index]!;
    if (isScalarShape(option) && !isScalar(option.kind, value)) continue;
    try {
      out.u8(index);
      return writeRow(option, value, out, depth + 1);
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      out.truncate(start);
    }
  }
  throw mismatch(shape);
}

/** True for a type without parts. */
export function isScalarShape({ kind }: TypeShape): boolean {
  return kind !== 'object' && kind !== 'array' && kind !== 'tuple' && kind !== 'map' && kind !== 'union';
}

/**
 * True when the object's own fields are those of the type, in its order; optional ones may be absent. Hot path: the
 * enumeration of a shape that the engine has seen costs next to nothing.
 */
export function hasFields(fields: readonly FieldShape[], object: object): boolean {
  let at = 0;
  for (const key in object) {
    while (at < fields.length && fields[at]!.name !== key) {
      if (!fields[at]!.optional) return false;
      at++;
    }
    if (at === fields.length) return false;
    at++;
  }
  for (; at < fields.length; at++) if (!fields[at]!.optional) return false;
  return true;
}

function plainObject(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype)
    return value as Record<string, unknown>;
  throw new Mismatch('it is not a plain object');
}

function plainArray(shape: TypeShape, value: unknown): readonly unknown[] {
  if (!Array.isArray(value) || Object.getPrototypeOf(value) !== Array.prototype) throw mismatch(shape);
  // The result of a match carries `index` and `groups` beside its elements; they would be lost.
  if ((value as { index?: unknown }).index !== undefined) throw mismatch(shape);
  return value;
}

function mismatch(shape: TypeShape): Mismatch {
  return new Mismatch(`it is no ${describeShape(shape)}`);
}
