/** The contract of everything that turns values into bytes and back. */

import type { BinaryReader, BinaryWriter } from './binary.ts';

/**
 * Turns values of one type into bytes and back.
 *
 * `decode(encode(v))` equals `v`; a codec reads exactly the bytes that it wrote.
 */
export interface Codec<T> {
  /** Stored beside the bytes, so that a reader knows what it reads. */
  readonly id: string;
  encode(value: T, out: BinaryWriter): void;
  decode(from: BinaryReader): T;
  /**
   * A codec that reads what the codec of another id wrote, as values of this type; or the differences that forbid it.
   * `undefined`, as without it: that id means nothing to this codec.
   */
  readonly reading?: (id: string) => Codec<T> | readonly string[] | undefined;
}
