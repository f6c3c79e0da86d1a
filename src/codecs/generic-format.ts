/**
 * The format of the generic codec: one tag, then what the tag says.
 *
 * ```
 * value = 0x00..0x7f                        integer 0..127
 *       | 0x80 | 0x81 | 0x82 | 0x83         undefined | null | false | true
 *       | 0x84 varint | 0x85 varint         integer n | integer -n, up to 2^53-1
 *       | 0x86 f64                          any other number
 *       | 0x87 string
 *       | 0x88 bigint                       see bigints.ts
 *       | 0x89 f64                          Date
 *       | 0x8a varint n, n values           array
 *       | 0x8b varint n, n × (value value)  Map
 *       | 0x8c varint n, n values           Set
 *       | 0x8d kind bytes                   typed array or buffer; kind = index in BINARY_TYPES
 *       | 0x8e varint n, n × (string value) object
 *       | 0x8f varint n, n × (string value) object without a prototype
 *       | 0x90 varint n, n × string, values object; its keys become the next shape, from 0 on
 *       | 0xc0+s values                     object whose keys are shape s, in the order of the keys
 * hole  = 0x91 varint                       inside an array: so many elements that are not there
 * ```
 *
 * Shapes live as long as one call: nothing outside the bytes is needed to read them.
 */

import { Buffer } from 'node:buffer';

export const INTEGER_SMALL_MAX = 0x7f;
export const UNDEFINED = 0x80;
export const NULL = 0x81;
export const FALSE = 0x82;
export const TRUE = 0x83;
export const INTEGER = 0x84;
export const INTEGER_NEGATIVE = 0x85;
export const NUMBER = 0x86;
export const STRING = 0x87;
export const BIGINT = 0x88;
export const DATE = 0x89;
export const ARRAY = 0x8a;
export const MAP = 0x8b;
export const SET = 0x8c;
export const BINARY = 0x8d;
export const OBJECT = 0x8e;
export const OBJECT_WITHOUT_PROTOTYPE = 0x8f;
export const OBJECT_NEW_SHAPE = 0x90;
export const HOLE = 0x91;
export const SHAPED = 0xc0;

/** How many shapes one call may name; further objects spell their keys out. */
export const SHAPES_MAX = 0x100 - SHAPED;
/** How deep values may be nested; it also stops a value that contains itself. */
export const DEPTH_MAX = 256;

/** What has elements in raw memory, by its kind in the bytes: the order never changes. */
export const BINARY_TYPES = [
  Uint8Array,
  Buffer,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  ArrayBuffer,
] as const;

/** Kind by prototype: a subclass is not in it and is refused. */
export const BINARY_KINDS: ReadonlyMap<object, number> = new Map(
  BINARY_TYPES.map((type, kind) => [type.prototype, kind]),
);
