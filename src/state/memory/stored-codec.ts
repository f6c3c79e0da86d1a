/** How stored values are read when the declaration of their state has changed since. */

import { MillraceError } from '../../base/errors.ts';
import type { BinaryReader } from '../../codecs/binary.ts';
import type { Codec } from '../../codecs/codec.ts';
import { GENERIC_CODEC_ID, genericCodec } from '../../codecs/generic.ts';
import { codecOfShape, shapeOfCodecId } from '../../codecs/type-codec.ts';
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

/** Whose codec is looked for, for messages. */
export interface StoredIn {
  /** Such as `state "total"`. */
  readonly state: string;
  readonly operatorUid?: string;
}

/**
 * The codec that reads values written by the codec `storedId` as `declared` gives them. Values that had no time to live
 * begin to live at `now()`; of values that had one, only the value is left. Throws STATE_CODEC_CHANGED, and
 * STATE_SCHEMA_CHANGED with the differences of two described types.
 */
export function stampedCodec(
  storedId: string,
  declared: Codec<unknown>,
  where: StoredIn,
  now: () => number,
): Codec<unknown> {
  const storedInner = innerCodecId(storedId);
  const isStamped = declared instanceof StampedCodec;
  const inner = storedCodec(storedInner ?? storedId, isStamped ? declared.inner : declared, where);
  const stored = storedInner === undefined ? inner : new StampedCodec(inner);
  if (isStamped === (storedInner !== undefined)) return stored;
  return isStamped
    ? new ConvertingCodec(stored, (value) => new Stamped(value, now()))
    : new ConvertingCodec(stored, (value) => (value as Stamped<unknown>).value);
}

/** The same for values that never have a time. What the generic codec wrote is always readable, so that a codec can be declared later. */
export function storedCodec<T>(id: string, declared: Codec<T>, where: StoredIn): Codec<T> {
  if (id === declared.id) return declared;
  if (id === GENERIC_CODEC_ID) return genericCodec as Codec<T>;
  const shape = shapeOfCodecId(id);
  if (shape !== undefined && declared.id === GENERIC_CODEC_ID) return codecOfShape<T>(shape);
  const reading = declared.reading?.(id);
  if (reading !== undefined && 'decode' in reading) return reading;
  if (reading === undefined) {
    const message = `${where.state} is declared with the codec ${declared.id}, but was written by ${id}`;
    throw refused('STATE_CODEC_CHANGED', message, where);
  }
  const message = `${where.state} does not fit what was stored:\n${reading.map((each) => `  ${each}\n`).join('')}`;
  throw refused('STATE_SCHEMA_CHANGED', message, where);
}

function refused(
  code: 'STATE_CODEC_CHANGED' | 'STATE_SCHEMA_CHANGED',
  message: string,
  { operatorUid: uid }: StoredIn,
): MillraceError {
  if (uid === undefined) return new MillraceError(code, message.trimEnd());
  return new MillraceError(code, `${message.trimEnd()} (operator ${uid})`, { where: { uid } });
}
