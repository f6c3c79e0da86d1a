/**
 * One key group of a snapshot as bytes.
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
import { BinaryReader, type BinaryWriter } from '../../codecs/binary.ts';
import type { KeyGroupState } from './key-group-state.ts';
import { decodeScopedKey, encodeScopedKey, keyOf, type ScopedKey } from './scoped-key.ts';
import type { OwnRows, WrittenTimer } from './own-rows.ts';
import type { RestoredSection, StateKind, StateLayout } from './state-layout.ts';
import { type Cells, encodeTable } from './table-bytes.ts';
import { writtenTable } from './unexpired.ts';

const MAGIC = 0x474b524d;
const VERSION = 1;
const LENGTH_OFFSET = 5;
const CHECKSUM_BYTES = 4;
/** Magic, version, length, and the checksum: less is no key group. */
const BYTES_MIN = LENGTH_OFFSET + 4 + CHECKSUM_BYTES;
const NO_TIMERS: readonly WrittenTimer[] = [];
/** By number in the bytes: the order never changes. */
const KINDS: readonly StateKind[] = ['value', 'list', 'map', 'reducing', 'aggregating'];

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

/** Whose tables are written, and how, index by index. */
export interface Writing {
  readonly operatorUid: string;
  readonly layouts: readonly StateLayout[];
  /** What the operator keeps in a form of its own. */
  readonly own: OwnRows | undefined;
  /** ms since the epoch: what has expired then may be left out. */
  readonly frozenAt: number;
}

/** Writes a key group with a writer that is reused. */
export function encodeKeyGroup(group: KeyGroupState, writing: Writing, out: BinaryWriter): Uint8Array {
  out.reset();
  out.u32(MAGIC);
  out.u8(VERSION);
  out.u32(0);
  out.varint(group.keyGroup);
  const sections = sectionsOf(group, writing);
  out.varint(sections.length);
  for (const section of sections) section.write(out);
  encodeTimers(group.eventTimers, writing.own?.timersOf('event') ?? NO_TIMERS, out);
  encodeTimers(group.processingTimers, writing.own?.timersOf('processing') ?? NO_TIMERS, out);
  out.patchU32(LENGTH_OFFSET, out.length + CHECKSUM_BYTES);
  out.u32(crc32(out.peek()));
  return out.finish();
}

/** Reads what {@link encodeKeyGroup} wrote; the tables stay bytes, copied from `bytes`. */
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

interface Section {
  readonly name: string;
  readonly write: (out: BinaryWriter) => void;
}

// Tables and bytes that nobody has read, by name: the order does not depend on who declared what first.
function sectionsOf(group: KeyGroupState, writing: Writing): Section[] {
  const { operatorUid, layouts } = writing;
  const sections: Section[] = [];
  for (const [index, layout] of layouts.entries()) {
    const numbers = group.numbers[index];
    const table = writing.own?.cellsOf(layout) ?? heldCells(group, index, writing);
    if (table === undefined || table.size + (numbers?.size ?? 0) === 0) continue;
    const keyCodecId = layout.kind === 'map' ? layout.keyCodec.id : '';
    const header = { name: layout.name, kind: layout.kind, codecId: layout.codec.id, keyCodecId };
    const write = (out: BinaryWriter): void => {
      try {
        writeSection(header, out, () => encodeTable(layout, table, numbers, out));
      } catch (cause) {
        throw codecFailed(operatorUid, layout.name, cause);
      }
    };
    sections.push({ name: layout.name, write });
  }
  for (const section of group.restored.values()) {
    const write = (out: BinaryWriter): void => writeSection(section, out, () => out.raw(section.body));
    sections.push({ name: section.name, write });
  }
  return sections.sort((left, right) => (left.name < right.name ? -1 : 1));
}

function heldCells(group: KeyGroupState, index: number, { layouts, frozenAt }: Writing): Cells | undefined {
  const held = group.tables[index];
  return held === undefined ? undefined : writtenTable(layouts[index]!, held, frozenAt);
}

function writeSection(
  header: Pick<RestoredSection, 'name' | 'kind' | 'codecId' | 'keyCodecId'>,
  out: BinaryWriter,
  writeBody: () => void,
): void {
  out.u8(KINDS.indexOf(header.kind));
  out.string(header.name);
  out.string(header.codecId);
  out.string(header.keyCodecId);
  const at = out.length;
  out.u32(0);
  writeBody();
  out.patchU32(at, out.length - at - 4);
}

function encodeTimers(
  timers: readonly WrittenTimer[],
  own: readonly WrittenTimer[],
  out: BinaryWriter,
): void {
  out.varint(timers.length + own.length);
  for (const timer of timers) encodeTimer(timer, out);
  for (const timer of own) encodeTimer(timer, out);
}

function encodeTimer({ time, key }: WrittenTimer, out: BinaryWriter): void {
  out.zigzag(time);
  encodeScopedKey(key, out);
}

// The checksum comes first: after it every byte is what was written.
function checkEnvelope(bytes: Uint8Array, { operatorUid, keyGroup }: KeyGroupLocation): void {
  const from = new BinaryReader(bytes);
  if (bytes.length < BYTES_MIN) throw from.corrupt('there are too few bytes', bytes.length);
  const end = bytes.length - CHECKSUM_BYTES;
  const stored = new BinaryReader(bytes.subarray(end)).u32();
  if (stored !== crc32(bytes.subarray(0, end))) throw from.corrupt('the checksum does not match', end);
  if (from.u32() !== MAGIC) throw from.corrupt('this is no key group', 0);
  const version = from.u8();
  if (version !== VERSION) {
    throw new MillraceError(
      'STATE_VERSION_UNKNOWN',
      `key group ${keyGroup} of operator ${operatorUid} has version ${version}; this Millrace knows ${VERSION}`,
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
