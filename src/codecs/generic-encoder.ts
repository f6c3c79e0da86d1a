/**
 * Turns plain data into the bytes of `generic-format.ts`; one instance per call.
 *
 * Hot path: runs per value of a batch between threads. Objects of a shape seen before in the call cost
 * one comparison per key.
 */

import { Buffer } from 'node:buffer';
import { MillraceError } from '../base/errors.ts';
import { writeBigInt } from './bigints.ts';
import type { BinaryWriter } from './binary.ts';
import * as format from './generic-format.ts';
import { Unsupported, whereUnsupported } from './generic-unsupported.ts';

/** Writes values to one writer; what it wrote is read by one `GenericDecoder`. */
export class GenericEncoder {
  readonly #out: BinaryWriter;
  readonly #shapes: string[][] = [];
  #lastShape = 0;

  constructor(out: BinaryWriter) {
    this.#out = out;
  }

  /** Writes one value, or throws GENERIC_CODEC_UNSUPPORTED naming the path; `index` is its place in a batch. */
  root(value: unknown, index?: number): void {
    try {
      this.#value(value, 0);
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      const path = whereUnsupported(value) ?? '';
      const record = index === undefined ? '' : ` of value ${index}`;
      throw new MillraceError(
        'GENERIC_CODEC_UNSUPPORTED',
        `${error.message} cannot be turned into bytes${path === '' ? '' : `, at ${path}`}${record}`,
      );
    }
  }

  #value(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'string':
        this.#out.u8(format.STRING);
        this.#out.string(value);
        break;
      case 'number':
        this.#number(value);
        break;
      case 'boolean':
        this.#out.u8(value ? format.TRUE : format.FALSE);
        break;
      case 'undefined':
        this.#out.u8(format.UNDEFINED);
        break;
      case 'bigint':
        this.#out.u8(format.BIGINT);
        writeBigInt(value, this.#out);
        break;
      case 'object':
        if (value === null) this.#out.u8(format.NULL);
        else this.#object(value, depth);
        break;
      default:
        throw new Unsupported(`a ${typeof value}`);
    }
  }

  #number(value: number): void {
    const out = this.#out;
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      out.u8(format.NUMBER);
      out.f64(value);
    } else if (value < 0) {
      out.u8(format.INTEGER_NEGATIVE);
      out.varint(-value);
    } else if (value <= format.INTEGER_SMALL_MAX) out.u8(value);
    else {
      out.u8(format.INTEGER);
      out.varint(value);
    }
  }

  #object(value: object, depth: number): void {
    if (depth >= format.DEPTH_MAX) throw Unsupported.tooDeep();
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype) this.#plain(value as Record<string, unknown>, depth + 1);
    else if (prototype === Array.prototype) this.#array(value as unknown[], depth + 1);
    else if (prototype === null) this.#spelled(value as Record<string, unknown>, depth + 1, true);
    else if (prototype === Map.prototype) this.#map(value as Map<unknown, unknown>, depth + 1);
    else if (prototype === Set.prototype) this.#set(value as Set<unknown>, depth + 1);
    else if (prototype === Date.prototype) this.#date(value as Date);
    else this.#binary(value, prototype as object);
  }

  #plain(value: Record<string, unknown>, depth: number): void {
    const keys = Object.keys(value);
    const shape = this.#shapeOf(keys);
    if (shape >= 0) this.#out.u8(format.SHAPED + shape);
    else if (this.#shapes.length < format.SHAPES_MAX) this.#newShape(keys);
    else {
      this.#spelled(value, depth, false);
      return;
    }
    for (let index = 0; index < keys.length; index++) this.#value(value[keys[index]!], depth);
  }

  // The shape of the object before is tried first: batches are mostly of one shape.
  #shapeOf(keys: readonly string[]): number {
    const shapes = this.#shapes;
    if (this.#lastShape < shapes.length && equal(shapes[this.#lastShape]!, keys)) return this.#lastShape;
    for (let shape = 0; shape < shapes.length; shape++) {
      if (equal(shapes[shape]!, keys)) {
        this.#lastShape = shape;
        return shape;
      }
    }
    return -1;
  }

  #newShape(keys: string[]): void {
    this.#out.u8(format.OBJECT_NEW_SHAPE);
    this.#out.varint(keys.length);
    for (const key of keys) this.#out.string(key);
    this.#lastShape = this.#shapes.push(keys) - 1;
  }

  #spelled(value: Record<string, unknown>, depth: number, withoutPrototype: boolean): void {
    const keys = Object.keys(value);
    this.#out.u8(withoutPrototype ? format.OBJECT_WITHOUT_PROTOTYPE : format.OBJECT);
    this.#out.varint(keys.length);
    for (const key of keys) {
      this.#out.string(key);
      this.#value(value[key], depth);
    }
  }

  #array(value: readonly unknown[], depth: number): void {
    // The result of a match carries `index` and `groups` beside its elements; they would be lost.
    if ((value as { index?: unknown }).index !== undefined) throw Unsupported.extraProperties();
    this.#out.u8(format.ARRAY);
    this.#out.varint(value.length);
    for (let index = 0; index < value.length; index++) {
      const element = value[index];
      if (element === undefined && !(index in value)) index += this.#hole(value, index) - 1;
      else this.#value(element, depth);
    }
  }

  #hole(array: readonly unknown[], from: number): number {
    let end = from + 1;
    while (end < array.length && !(end in array)) end++;
    this.#out.u8(format.HOLE);
    this.#out.varint(end - from);
    return end - from;
  }

  #map(value: ReadonlyMap<unknown, unknown>, depth: number): void {
    this.#out.u8(format.MAP);
    this.#out.varint(value.size);
    for (const [key, item] of value) {
      this.#value(key, depth);
      this.#value(item, depth);
    }
  }

  #set(value: ReadonlySet<unknown>, depth: number): void {
    this.#out.u8(format.SET);
    this.#out.varint(value.size);
    for (const item of value) this.#value(item, depth);
  }

  #date(value: Date): void {
    this.#out.u8(format.DATE);
    this.#out.f64(value.getTime());
  }

  #binary(value: object, prototype: object): void {
    const kind = format.BINARY_KINDS.get(prototype);
    if (kind === undefined) throw Unsupported.instance(value);
    this.#out.u8(format.BINARY);
    this.#out.u8(kind);
    if (value instanceof ArrayBuffer) this.#out.bytes(new Uint8Array(value));
    else {
      const { buffer, byteOffset, byteLength } = value as Uint8Array;
      this.#out.bytes(Buffer.from(buffer, byteOffset, byteLength));
    }
  }
}

function equal(left: readonly string[], right: readonly string[]): boolean {
  if (left.length !== right.length) return false;
  for (let index = 0; index < left.length; index++) if (left[index] !== right[index]) return false;
  return true;
}
