/** How stored values are read when the declaration of their state has changed since. */

import type { BinaryReader } from '../../codecs/binary.ts';
import type { Codec } from '../../codecs/codec.ts';
import { GENERIC_CODEC_ID, genericCodec } from '../../codecs/generic.ts';
import { innerCodecId, Stamped, StampedCodec } from './stamped.ts';

/** Reads values as they were stored, and makes of each what is declared now. */
export class ConvertingCodec implements Codec<unknown> {
  readonly id: string;
  readonly stored: Codec<unknown>;
  readonly convert: (value: unknown) => unknown;

  constructor(stored: Codec<unknown>, convert: (value: unknown) => unknown) {
    this.id = stored.id;
    this.stored = stored;
    this.convert = convert;
  }

  encode(): never {
    throw new TypeError('what is stored from now on has the declared codec');
  }

  decode(from: BinaryReader): unknown {
    return this.convert(this.stored.decode(from));
  }
}

/**
 * The codec that reads values written by the codec `storedId` as `declared` gives them; `undefined` when they cannot be
 * read. Values that had no time to live begin to live at `now()`; of values that had one, only the value is left.
 */
export function storedCodec(
  storedId: string,
  declared: Codec<unknown>,
  now: () => number,
): Codec<unknown> | undefined {
  const storedInner = innerCodecId(storedId);
  const isStamped = declared instanceof StampedCodec;
  const inner = plainCodec(storedInner ?? storedId, isStamped ? declared.inner : declared);
  if (inner === undefined) return undefined;
  const stored = storedInner === undefined ? inner : new StampedCodec(inner);
  if (isStamped === (storedInner !== undefined)) return stored;
  return isStamped
    ? new ConvertingCodec(stored, (value) => new Stamped(value, now()))
    : new ConvertingCodec(stored, (value) => (value as Stamped<unknown>).value);
}

// Bytes of the generic codec are always readable, so that a codec can be declared later.
function plainCodec(id: string, declared: Codec<unknown>): Codec<unknown> | undefined {
  if (id === declared.id) return declared;
  return id === GENERIC_CODEC_ID ? genericCodec : undefined;
}
