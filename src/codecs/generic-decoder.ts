/**
 * Reads the bytes of `generic-format.ts`; one instance per call.
 *
 * It trusts nothing: counts are checked against what is left, nesting is bounded, an unknown tag is
 * CODEC_CORRUPT. Every object, array and buffer is a fresh one.
 */

import { Buffer } from 'node:buffer';
import { readBigInt } from './bigints.ts';
import type { BinaryReader } from './binary.ts';
import * as format from './generic-format.ts';

interface Shape {
  readonly keys: readonly string[];
  /** No key is special, so that a plain assignment makes an own property. */
  readonly plain: boolean;
}

/** Reads the values that one `GenericEncoder` wrote. */
export class GenericDecoder {
  readonly #from: BinaryReader;
  readonly #shapes: Shape[] = [];
  #depth = 0;

  constructor(from: BinaryReader) {
    this.#from = from;
  }

  /** The next value. */
  value(): unknown {
    const from = this.#from;
    const tag = from.u8();
    if (tag <= format.INTEGER_SMALL_MAX) return tag;
    if (tag >= format.SHAPED) return this.#nested(tag);
    switch (tag) {
      case format.STRING:
        return from.string();
      case format.INTEGER:
        return from.varint();
      case format.NUMBER:
        return from.f64();
      case format.UNDEFINED:
        return undefined;
      case format.NULL:
        return null;
      case format.FALSE:
        return false;
      case format.TRUE:
        return true;
      case format.INTEGER_NEGATIVE:
        return -from.varint();
      case format.BIGINT:
        return readBigInt(from);
      case format.DATE:
        return new Date(from.f64());
      case format.BINARY:
        return this.#binary();
      default:
        return this.#nested(tag);
    }
  }

  #nested(tag: number): unknown {
    if (++this.#depth > format.DEPTH_MAX) throw this.#from.corrupt('values are nested too deep');
    const value = tag >= format.SHAPED ? this.#shaped(tag - format.SHAPED) : this.#container(tag);
    this.#depth--;
    return value;
  }

  #container(tag: number): unknown {
    switch (tag) {
      case format.OBJECT_NEW_SHAPE:
        return this.#newShape();
      case format.ARRAY:
        return this.#array();
      case format.OBJECT:
        return this.#spelled({});
      case format.OBJECT_WITHOUT_PROTOTYPE:
        return this.#spelled(Object.create(null) as Record<string, unknown>);
      case format.MAP:
        return this.#map();
      case format.SET:
        return this.#set();
      default:
        throw this.#from.corrupt(`no value begins with the tag ${tag}`, this.#from.position - 1);
    }
  }

  #newShape(): object {
    const keys: string[] = [];
    const count = this.#from.length();
    for (let index = 0; index < count; index++) keys.push(this.#from.string());
    if (this.#shapes.length >= format.SHAPES_MAX) throw this.#from.corrupt('there are too many shapes');
    const shape = { keys, plain: !keys.includes('__proto__') };
    this.#shapes.push(shape);
    return this.#fields(shape);
  }

  #shaped(index: number): object {
    const shape = this.#shapes[index];
    if (shape === undefined) throw this.#from.corrupt(`shape ${index} was not named before`);
    return this.#fields(shape);
  }

  // Hot path. Compiling a literal per shape would be faster, but keys come from the input, and input is never code.
  #fields({ keys, plain }: Shape): object {
    const object: Record<string, unknown> = {};
    if (plain) for (const key of keys) object[key] = this.value();
    else for (const key of keys) setOwn(object, key, this.value());
    return object;
  }

  #spelled(object: Record<string, unknown>): object {
    const count = this.#from.length();
    for (let index = 0; index < count; index++) {
      const key = this.#from.string();
      setOwn(object, key, this.value());
    }
    return object;
  }

  #array(): unknown[] {
    const start = this.#from.position;
    // Not checked against what is left: a hole is short however long it is. Nothing is allocated for it either.
    const length = this.#from.varint();
    if (length > 0xffff_ffff) throw this.#from.corrupt('an array is too long', start);
    const array: unknown[] = [];
    while (array.length < length) {
      const at = this.#from.position;
      const hole = this.#hole();
      if (hole > length - array.length) throw this.#from.corrupt('a hole is longer than its array', at);
      if (hole > 0) array.length += hole;
      else array.push(this.value());
    }
    return array;
  }

  #hole(): number {
    if (this.#from.peekU8() !== format.HOLE) return 0;
    this.#from.u8();
    const length = this.#from.varint();
    if (length === 0) throw this.#from.corrupt('a hole is empty');
    return length;
  }

  #map(): Map<unknown, unknown> {
    const count = this.#from.length();
    const map = new Map<unknown, unknown>();
    for (let index = 0; index < count; index++) {
      const key = this.value();
      map.set(key, this.value());
    }
    return map;
  }

  #set(): Set<unknown> {
    const count = this.#from.length();
    const set = new Set<unknown>();
    for (let index = 0; index < count; index++) set.add(this.value());
    return set;
  }

  #binary(): unknown {
    const at = this.#from.position;
    const type = format.BINARY_TYPES[this.#from.u8()];
    if (type === undefined) throw this.#from.corrupt('the kind of a typed array is unknown', at);
    const copy = this.#from.bytes();
    const memory = copy.buffer as ArrayBuffer;
    if (type === Uint8Array) return copy;
    if (type === ArrayBuffer) return memory;
    if (type === Buffer) return Buffer.from(memory);
    const elements = type as unknown as {
      new (buffer: ArrayBuffer): ArrayBufferView;
      readonly BYTES_PER_ELEMENT: number;
    };
    if (memory.byteLength % elements.BYTES_PER_ELEMENT !== 0) {
      throw this.#from.corrupt('a typed array ends within an element', at);
    }
    return new elements(memory);
  }
}

// `object.__proto__ = value` would set the prototype instead of a property.
function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}
