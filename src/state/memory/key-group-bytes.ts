/**
 * One key group of a snapshot as bytes: what they hold is read here, and written in ../written-key-group.ts.
 *
 * ```
 * key group = u32 "MRKG", u8 version 1, u32 length of all this, varint key group,
 *             varint n, n sections by name, timers of event time, timers of processing time,
 *             u32 CRC-32 of all bytes before
 * section   = u8 kind, string name, string codec, string codec of map keys ('' if no map),
 *             u32 length of the table, table                       see table-bytes.ts
 * timers    = varint n, n × (zigzag time, key)                          keys as scoped-key.ts draws them
 * ```
 *
 * Every byte has one meaning and all are read: what is missing, left over or changed is STATE_CORRUPT.
 */

import { crc32 } from 'node:zlib';
import { keyGroupOf } from '../../base/key-groups.ts';
import { isMillraceError, MillraceError } from '../../base/errors.ts';
import { BinaryReader } from '../../codecs/binary.ts';
import { CHECKSUM_BYTES, KEY_GROUP_MAGIC, KEY_GROUP_VERSION, LENGTH_OFFSET } from '../written-key-group.ts';
import { decodeScopedKey, keyOf, type ScopedKey } from './scoped-key.ts';
import type { RestoredSection, StateKind } from './state-layout.ts';

/** Magic, version, length, and the checksum: less is no key group. */
const BYTES_MIN = LENGTH_OFFSET + 4 + CHECKSUM_BYTES;
/** By number in the bytes: the order never changes. */
export const KINDS: readonly StateKind[] = ['value', 'list', 'map', 'reducing', 'aggregating'];

/** A timer of a snapshot. */
export interface RestoredTimer {
  readonly time: number;
  readonly key: ScopedKey;
}

/** What the bytes of a key group hold. */
export interface RestoredKeyGroup {
  readonly sections: readonly RestoredSection[];
  readonly eventTimers: readonly RestoredTimer[];
  readonly processingTimers: readonly RestoredTimer[];
}

/** Which key group, for messages. */
export interface KeyGroupLocation {
  readonly operatorUid: string;
  readonly keyGroup: number;
}

/** Reads the bytes of a key group; the tables stay bytes, copied from `bytes`. */
export function decodeKeyGroup(
  bytes: Uint8Array,
  where: KeyGroupLocation,
  maxParallelism: number,
): RestoredKeyGroup {
  try {
    checkEnvelope(bytes, where);
    return readKeyGroup(bytes.subarray(0, bytes.length - CHECKSUM_BYTES), where.keyGroup, maxParallelism);
  } catch (cause) {
    if (isMillraceError(cause, 'STATE_VERSION_UNKNOWN')) throw cause;
    throw corruptKeyGroup(where, 'its bytes', 0, cause);
  }
}

/** Which states a key group holds, without reading them or the checksum. */
export function storedStates(bytes: Uint8Array, where: KeyGroupLocation): readonly RestoredSection[] {
  try {
    const from = new BinaryReader(bytes);
    from.skip(LENGTH_OFFSET + 4);
    from.varint();
    return Array.from({ length: from.length() }, () => readSection(from));
  } catch (cause) {
    throw corruptKeyGroup(where, 'its bytes', 0, cause);
  }
}

/** The error of bytes that cannot be right; offsets in `cause` are relative to `offset`. */
export function corruptKeyGroup(
  { operatorUid, keyGroup }: KeyGroupLocation,
  part: string,
  offset: number,
  cause: unknown,
): MillraceError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new MillraceError(
    'STATE_CORRUPT',
    `key group ${keyGroup} of operator ${operatorUid} is damaged: ${part}, from offset ${offset} on: ${why}`,
    { where: { uid: operatorUid }, cause },
  );
}

/** The error of a codec, with the state that it was for. */
export function codecFailed(operatorUid: string, state: string, cause: unknown): MillraceError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new MillraceError(
    isMillraceError(cause) ? cause.code : 'STATE_CODEC_FAILED',
    `state "${state}" of operator ${operatorUid}: ${why}`,
    { where: { uid: operatorUid }, cause },
  );
}

// The checksum comes first: after it every byte is what was written.
function checkEnvelope(bytes: Uint8Array, { operatorUid, keyGroup }: KeyGroupLocation): void {
  const from = new BinaryReader(bytes);
  if (bytes.length < BYTES_MIN) throw from.corrupt('there are too few bytes', bytes.length);
  const end = bytes.length - CHECKSUM_BYTES;
  const stored = new BinaryReader(bytes.subarray(end)).u32();
  if (stored !== crc32(bytes.subarray(0, end))) throw from.corrupt('the checksum does not match', end);
  if (from.u32() !== KEY_GROUP_MAGIC) throw from.corrupt('this is no key group', 0);
  const version = from.u8();
  if (version !== KEY_GROUP_VERSION) {
    throw new MillraceError(
      'STATE_VERSION_UNKNOWN',
      `key group ${keyGroup} of operator ${operatorUid} has version ${version}; this Millrace knows ${KEY_GROUP_VERSION}`,
      { where: { uid: operatorUid } },
    );
  }
  if (from.u32() !== bytes.length) throw from.corrupt('the length does not match', LENGTH_OFFSET);
}

function readKeyGroup(bytes: Uint8Array, keyGroup: number, maxParallelism: number): RestoredKeyGroup {
  const from = new BinaryReader(bytes);
  from.skip(LENGTH_OFFSET + 4);
  const stored = from.varint();
  if (stored !== keyGroup) throw from.corrupt(`these are the bytes of key group ${stored}`);
  const count = from.length();
  const sections = Array.from({ length: count }, () => readSection(from));
  const names = new Set(sections.map(({ name }) => name));
  if (names.size !== count) throw from.corrupt('a state is there twice');
  const check = (key: ScopedKey): ScopedKey => {
    if (keyGroupOf(keyOf(key), maxParallelism) !== keyGroup)
      throw from.corrupt('a key belongs to another key group');
    return key;
  };
  const eventTimers = readTimers(from, bytes, check);
  const processingTimers = readTimers(from, bytes, check);
  from.end();
  return { sections, eventTimers, processingTimers };
}

function readSection(from: BinaryReader): RestoredSection {
  const kind = KINDS[from.u8()];
  if (kind === undefined) throw from.corrupt('the kind of a state is unknown', from.position - 1);
  const name = from.string();
  const codecId = from.string();
  const keyCodecId = from.string();
  const length = from.u32();
  const offset = from.position;
  const body = from.raw(length);
  const count = new BinaryReader(body).length();
  return { name, kind, codecId, keyCodecId, count, offset, body };
}

function readTimers(
  from: BinaryReader,
  bytes: Uint8Array,
  check: (key: ScopedKey) => ScopedKey,
): RestoredTimer[] {
  const count = from.length();
  return Array.from({ length: count }, () => ({
    time: from.zigzag(),
    key: check(decodeScopedKey(from, bytes)),
  }));
}
