/**
 * What one subtask adds to a checkpoint, as bytes: self-delimiting, versioned, every byte under a checksum.
 *
 * All integers are little-endian; strings and byte runs are as `codecs/binary.ts` writes them.
 *
 * ```
 *  0  u32  magic "MLSN"
 *  4  u16  version = 1
 *  6  u8   flags: bit 0 = the subtask had ended
 *  7  u8   0
 *  8  f64  total length, this header included
 * 16  u32  number of sections n
 * 20  n ×  u32 kind, u32 length, u32 CRC-32 of the section             the table
 *     u32  CRC-32 of all of the above
 *     the sections, one after the other
 *
 * kind 1  operator     string uid                                     what follows belongs to it
 *      2  state        string name, u8 redistribution, varint n, n × bytes
 *      3  key group    varint key group, the rest = bytes
 *      4  input        varint edge, varint producer, varint consumer, varint n, n × bytes
 *      5  output       the same
 * ```
 *
 * A file that is shorter, longer or differs in one bit is refused with CHECKPOINT_CORRUPT and its name.
 */

import { crc32 } from 'node:zlib';
import { MillraceError } from '../base/errors.ts';
import { BinaryReader, BinaryWriter } from '../codecs/binary.ts';
import type {
  ChannelStateSection,
  OperatorSnapshot,
  OperatorStateSection,
  SubtaskSnapshot,
} from './state-handle.ts';

const MAGIC = 0x4e534c4d;
const VERSION = 1;
const HEADER_BYTES = 20;
const ENTRY_BYTES = 12;
const CRC_BYTES = 4;
const ENDED = 1;
const KIND = { operator: 1, state: 2, keyGroup: 3, input: 4, output: 5 } as const;
const REDISTRIBUTIONS = ['split', 'union', 'broadcast'] as const;

/** One row of the table, with the bytes it is about. */
interface Section {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/** A section on its way into a file: its bytes as they are, without being put together before. */
interface WrittenSection {
  readonly kind: number;
  readonly parts: readonly Uint8Array[];
}

/** A snapshot whose key groups may be in pieces that lie one after the other. */
export interface SubtaskSnapshotInPieces extends Omit<SubtaskSnapshot, 'operators'> {
  readonly operators: readonly (Omit<OperatorSnapshot, 'keyGroups'> & {
    readonly keyGroups: readonly {
      readonly keyGroup: number;
      readonly bytes: Uint8Array | readonly Uint8Array[];
    }[];
  })[];
}

/** The bytes of a snapshot; {@link decodeSubtaskSnapshot} reads them. */
export function encodeSubtaskSnapshot(snapshot: SubtaskSnapshotInPieces): Uint8Array {
  const parts = partsOfSubtaskSnapshot(snapshot);
  const out = new Uint8Array(lengthOf({ parts }));
  let at = 0;
  for (const bytes of parts) {
    out.set(bytes, at);
    at += bytes.length;
  }
  return out;
}

/** The same as pieces that lie one after the other; those of key groups are as they were given, and nobody has copied them. */
export function partsOfSubtaskSnapshot(snapshot: SubtaskSnapshotInPieces): Uint8Array[] {
  const sections = sectionsOf(snapshot);
  const tableEnd = HEADER_BYTES + sections.length * ENTRY_BYTES;
  const total = sections.reduce((sum, section) => sum + lengthOf(section), tableEnd + CRC_BYTES);
  const head = new Uint8Array(tableEnd + CRC_BYTES);
  const header = new DataView(head.buffer);
  header.setUint32(0, MAGIC, true);
  header.setUint16(4, VERSION, true);
  header.setUint8(6, snapshot.ended ? ENDED : 0);
  header.setFloat64(8, total, true);
  header.setUint32(16, sections.length, true);
  for (const [index, section] of sections.entries()) {
    const entry = HEADER_BYTES + index * ENTRY_BYTES;
    header.setUint32(entry, section.kind, true);
    header.setUint32(entry + 4, lengthOf(section), true);
    header.setUint32(
      entry + 8,
      section.parts.reduce((crc, bytes) => crc32(bytes, crc), 0),
      true,
    );
  }
  header.setUint32(tableEnd, crc32(head.subarray(0, tableEnd)), true);
  return [head, ...sections.flatMap(({ parts }) => parts)];
}

function lengthOf({ parts }: Pick<WrittenSection, 'parts'>): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/** Reads what {@link encodeSubtaskSnapshot} wrote; `file` names the bytes in errors. */
export function decodeSubtaskSnapshot(bytes: Uint8Array, file: string): SubtaskSnapshot {
  const { ended, sections } = readSections(bytes, file);
  const operators: { uid: string; sections: OperatorStateSection[]; keyGroups: KeyGroupBytes[] }[] = [];
  const inputs: ChannelStateSection[] = [];
  const outputs: ChannelStateSection[] = [];
  try {
    for (const { kind, bytes: body } of sections) {
      const reader = new BinaryReader(body);
      if (kind === KIND.operator) operators.push({ uid: reader.string(), sections: [], keyGroups: [] });
      else if (kind === KIND.input) inputs.push(readChannel(reader));
      else if (kind === KIND.output) outputs.push(readChannel(reader));
      else {
        const owner = operators.at(-1);
        if (owner === undefined) throw reader.corrupt('state without an operator');
        if (kind === KIND.state) owner.sections.push(readState(reader));
        else if (kind === KIND.keyGroup) owner.keyGroups.push(readKeyGroup(reader));
        else throw reader.corrupt(`a section of unknown kind ${kind}`);
      }
      reader.end();
    }
  } catch (cause) {
    throw corrupt(file, 'a section cannot be read', cause);
  }
  return { ended, operators, inputs, outputs };
}

type KeyGroupBytes = OperatorSnapshot['keyGroups'][number];

function sectionsOf(snapshot: SubtaskSnapshotInPieces): WrittenSection[] {
  // What is written for all sections lies in one buffer, one after the other: most are short.
  const all = new BinaryWriter();
  const written: { readonly kind: number; readonly end: number; readonly rest: readonly Uint8Array[] }[] = [];
  const add = (kind: number, write: (out: BinaryWriter) => void, ...rest: readonly Uint8Array[]): void => {
    write(all);
    written.push({ kind, end: all.length, rest });
  };
  for (const { uid, sections: states, keyGroups } of snapshot.operators) {
    add(KIND.operator, (out) => out.string(uid));
    for (const state of states) add(KIND.state, (out) => writeState(state, out));
    for (const { keyGroup, bytes } of keyGroups) {
      const pieces = bytes instanceof Uint8Array ? [bytes] : bytes;
      add(KIND.keyGroup, (out) => out.varint(keyGroup), ...pieces);
    }
  }
  for (const channel of snapshot.inputs) add(KIND.input, (out) => writeChannel(channel, out));
  for (const channel of snapshot.outputs) add(KIND.output, (out) => writeChannel(channel, out));
  const bytes = all.peek();
  let from = 0;
  return written.map(({ kind, end, rest }) => {
    const own = bytes.subarray(from, end);
    from = end;
    return { kind, parts: rest.length === 0 ? [own] : [own, ...rest] };
  });
}

function readSections(bytes: Uint8Array, file: string): { ended: boolean; sections: Section[] } {
  if (bytes.length < HEADER_BYTES + CRC_BYTES) throw corrupt(file, `it has only ${bytes.length} bytes`);
  const reader = new BinaryReader(bytes);
  if (reader.u32() !== MAGIC) throw corrupt(file, 'it does not start as a snapshot does');
  const version = reader.u16();
  const flags = reader.u16();
  const total = reader.f64();
  if (total !== bytes.length) throw corrupt(file, `it has ${bytes.length} bytes instead of ${total}`);
  const count = reader.u32();
  if (count > (bytes.length - HEADER_BYTES - CRC_BYTES) / ENTRY_BYTES)
    throw corrupt(file, 'its table is too long');
  const table = Array.from({ length: count }, () => ({
    kind: reader.u32(),
    length: reader.u32(),
    checksum: reader.u32(),
  }));
  const headerBytes = bytes.subarray(0, reader.position);
  if (reader.u32() !== crc32(headerBytes)) throw corrupt(file, 'the checksum of its header is wrong');
  if (version !== VERSION) throw unknownVersion(file, version);
  const sections = table.map(({ kind, length, checksum }) => {
    if (length > reader.remaining) throw corrupt(file, 'a section goes beyond its end');
    const body = reader.view(length);
    if (crc32(body) !== checksum) throw corrupt(file, 'the checksum of a section is wrong');
    return { kind, bytes: body };
  });
  if (reader.remaining > 0) throw corrupt(file, `${reader.remaining} bytes are left over`);
  return { ended: (flags & ENDED) !== 0, sections };
}

function writeState(state: OperatorStateSection, out: BinaryWriter): void {
  out.string(state.name);
  out.u8(REDISTRIBUTIONS.indexOf(state.redistribution));
  writeRuns(state.items, out);
}

function readState(reader: BinaryReader): OperatorStateSection {
  const name = reader.string();
  const redistribution = REDISTRIBUTIONS[reader.u8()];
  if (redistribution === undefined) throw reader.corrupt('an unknown redistribution');
  return { name, redistribution, items: readRuns(reader) };
}

function readKeyGroup(reader: BinaryReader): KeyGroupBytes {
  return { keyGroup: reader.varint(), bytes: reader.raw(reader.remaining) };
}

function writeChannel(channel: ChannelStateSection, out: BinaryWriter): void {
  out.varint(channel.edge);
  out.varint(channel.producer);
  out.varint(channel.consumer);
  writeRuns(channel.frames, out);
}

function readChannel(reader: BinaryReader): ChannelStateSection {
  const edge = reader.varint();
  const producer = reader.varint();
  const consumer = reader.varint();
  return { edge, producer, consumer, frames: readRuns(reader) };
}

function writeRuns(runs: readonly Uint8Array[], out: BinaryWriter): void {
  out.varint(runs.length);
  for (const run of runs) out.bytes(run);
}

function readRuns(reader: BinaryReader): Uint8Array[] {
  return Array.from({ length: reader.length() }, () => reader.bytes());
}

function corrupt(file: string, what: string, cause?: unknown): MillraceError {
  return new MillraceError('CHECKPOINT_CORRUPT', `the snapshot ${file} is damaged: ${what}`, { cause });
}

function unknownVersion(file: string, version: number): MillraceError {
  return new MillraceError(
    'CHECKPOINT_VERSION_UNKNOWN',
    `the snapshot ${file} has version ${version}; this program knows ${VERSION}`,
  );
}
