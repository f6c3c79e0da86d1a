/**
 * Values with the time of their last update, which is how a state with a time to live keeps them.
 *
 * ```
 * column of stamped values = n × f64 ms since the epoch, then the values as a column of the codec within
 * id of its codec          = "ttl/1 " and the id of the codec within
 * ```
 */

import type { BinaryReader, BinaryWriter } from '../../codecs/binary.ts';
import type { Codec } from '../../codecs/codec.ts';

const PREFIX = 'ttl/1 ';

/** A value and when it was created or updated, ms since the epoch. */
export class Stamped<T> {
  readonly value: T;
  readonly time: number;

  constructor(value: T, time: number) {
    this.value = value;
    this.time = time;
  }
}

/** The codec of stamped values around that of the values. */
export class StampedCodec implements Codec<unknown> {
  readonly id: string;
  readonly inner: Codec<unknown>;

  constructor(inner: Codec<unknown>) {
    this.id = PREFIX + inner.id;
    this.inner = inner;
  }

  encode(value: unknown, out: BinaryWriter): void {
    const stamped = value as Stamped<unknown>;
    out.f64(stamped.time);
    this.inner.encode(stamped.value, out);
  }

  decode(from: BinaryReader): unknown {
    const time = from.f64();
    return new Stamped(this.inner.decode(from), time);
  }
}

/** The id of the codec within; `undefined` when values were stored without a time. */
export function innerCodecId(id: string): string | undefined {
  return id.startsWith(PREFIX) ? id.slice(PREFIX.length) : undefined;
}
