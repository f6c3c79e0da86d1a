/**
 * The one frame format for whatever leaves a thread or is kept in a checkpoint.
 *
 * ```
 *  0          4      5       6       8            16
 *  +----------+------+-------+-------+------------+----------------- - -
 *  | length   | type | flags | port  | argument   | payload
 *  | u32      | u8   | u8    | u16   | f64        | `length` bytes
 *  +----------+------+-------+-------+------------+----------------- - -
 *
 *  type          flags                 argument        payload
 *  1 batch       timestamps (0-1),     records         timestamps, values by the layout:
 *                layout (2-3)                          0 codecs/generic, 1 rows, 2 columns
 *  2 watermark   0                     timestamp       -
 *  3 status      0                     1 idle, 0 not   -
 *  4 barrier     alignment (0-1),      checkpoint id   timestamp f64, alignedTimeoutMs f64
 *                kind (2-3),
 *                savepoint (4)
 *  5 end-of-data 0                     0               -
 *  6 latency     0                     made at         vertex u32, subtask u32 (never kept in a checkpoint)
 *
 *  flags bit 7   the payload goes on in the next frame (only within a ring, see ring-layout.ts)
 *  timestamps    see timestamp-column.ts
 *  layout        1 and 2 are of the declared type of the stream (codecs/row-format.ts, columns.ts) and stay
 *                between the threads of one job; what a checkpoint keeps has layout 0, which every job reads.
 * ```
 *
 * Little-endian throughout. `port` is 0 until several ports share one connection. There is no
 * checksum: inside a process memory is trusted, between processes the message has one (link-layout.ts), and a checkpoint
 * file has its own.
 */

import { assert } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import { BinaryReader, BinaryWriter } from '../codecs/binary.ts';
import { type BatchCodec, BatchLayout, GENERIC } from '../codecs/batch-codec.ts';
import type { RecordBatch } from './batch.ts';
import type { ChannelElement } from './channel.ts';
import type { AlignmentMode, CheckpointBarrier, LatencyMarker } from './events.ts';
import { readTimestamps, timestampBytes, timestampLayout, writeTimestamps } from './timestamp-column.ts';

/** Bytes before the payload. */
export const FRAME_HEADER_BYTES = 16;
/** The largest frame that crosses between threads: Flink has no limit, but memory has. */
export const FRAME_BYTES_MAX = 8 * 1024 * 1024;
/** The flag of a piece that is not the last one of its frame. */
export const MORE_PIECES = 0x80;

/** Byte of the header that has the flags. */
export const FLAGS_AT = 5;
const TYPE_AT = 4;
/** The bits of the timestamps lie below those of the layout. */
const LAYOUT_SHIFT = 2;

const BATCH = 1;
const WATERMARK = 2;
const STATUS = 3;
const BARRIER = 4;
const END_OF_DATA = 5;
const LATENCY_MARKER = 6;

const ALIGNMENTS: readonly AlignmentMode[] = ['aligned', 'unaligned', 'at-least-once'];
const BARRIER_KINDS: readonly CheckpointBarrier['kind'][] = ['periodic', 'stop', 'final', 'savepoint'];
const SAVEPOINT_FLAG = 1 << 4;
const NO_PAYLOAD = new Uint8Array(0);

/** The frame of an element as a checkpoint keeps it. The values of a batch must be what the generic codec takes. */
export function encodeElement(element: ChannelElement): Uint8Array {
  const out = new BinaryWriter();
  writeElement(element, out, GENERIC);
  return out.finish();
}

/** Writes the frame of an element into a writer that is empty. */
export function writeElement(element: ChannelElement, out: BinaryWriter, codec: BatchCodec): void {
  assert(out.length === 0, 'a frame starts at the start of its bytes');
  if (element.kind === 'batch') {
    writeBatch(element.batch, out, codec);
    return;
  }
  const event = element.event;
  switch (event.kind) {
    case 'watermark':
      return writeHeader(out, WATERMARK, 0, event.timestamp);
    case 'status':
      return writeHeader(out, STATUS, 0, event.idle ? 1 : 0);
    case 'barrier':
      return writeBarrier(event.barrier, out);
    case 'end-of-data':
      return writeHeader(out, END_OF_DATA, 0, 0);
    case 'latency-marker':
      return writeMarker(event.marker, out);
  }
}

/** True for the frame of a latency marker: no checkpoint keeps it, whose time would be over. */
export function isMarkerFrame(frame: Uint8Array): boolean {
  return frame[TYPE_AT] === LATENCY_MARKER;
}

/** The error for a frame over {@link FRAME_BYTES_MAX}; a batch of several records may be divided. */
export function frameTooLarge(bytes: number): MillraceError {
  return new MillraceError(
    'EXCHANGE_RECORD_TOO_LARGE',
    `a frame of ${bytes} bytes is larger than the ${FRAME_BYTES_MAX} that may cross between threads`,
  );
}

/**
 * The frame as a checkpoint keeps it: with values that are read without the type of the stream, because the next job
 * may declare another one.
 */
export function frameToKeep(frame: Uint8Array, codec: BatchCodec): Uint8Array {
  if (frame[TYPE_AT] !== BATCH || frame[FLAGS_AT]! >> LAYOUT_SHIFT === BatchLayout.GENERIC) return frame;
  return encodeElement(decodeElement(frame, codec));
}

/** The element of a frame; anything else than exactly one whole frame is EXCHANGE_FRAME_INVALID. */
export function decodeElement(bytes: Uint8Array, codec: BatchCodec = GENERIC): ChannelElement {
  const length = readHeader(bytes);
  const type = header.getUint8(TYPE_AT);
  const flags = header.getUint8(FLAGS_AT);
  const argument = header.getFloat64(8, true);
  const payload = length === 0 ? NO_PAYLOAD : bytes.subarray(FRAME_HEADER_BYTES);
  if (header.getUint16(6, true) !== 0) throw invalid('its port is not 0');
  switch (type) {
    case BATCH:
      return { kind: 'batch', batch: readBatch(flags, argument, payload, codec) };
    case WATERMARK:
      expect(flags === 0 && length === 0 && Number.isSafeInteger(argument), 'a watermark');
      return { kind: 'event', event: { kind: 'watermark', timestamp: argument } };
    case STATUS:
      expect(flags === 0 && length === 0 && (argument === 0 || argument === 1), 'a status');
      return { kind: 'event', event: { kind: 'status', idle: argument === 1 } };
    case BARRIER:
      return { kind: 'event', event: { kind: 'barrier', barrier: readBarrier(flags, argument, payload) } };
    case END_OF_DATA:
      expect(flags === 0 && length === 0 && argument === 0, 'an end of data');
      return { kind: 'event', event: { kind: 'end-of-data' } };
    case LATENCY_MARKER:
      expect(flags === 0 && Number.isSafeInteger(argument), 'a latency marker');
      return { kind: 'event', event: { kind: 'latency-marker', marker: readMarker(argument, payload) } };
    default:
      throw invalid(`its type is ${type}`);
  }
}

function writeBatch(batch: RecordBatch, out: BinaryWriter, codec: BatchCodec): void {
  const timestamps = batch.timestamps;
  assert(batch.values.length === timestamps.length, 'every record of a batch has a timestamp');
  const layout = timestampLayout(timestamps);
  writeHeader(out, BATCH, layout, timestamps.length);
  writeTimestamps(timestamps, layout, out);
  const values = codec.write(batch.values, out);
  out.patchU8(FLAGS_AT, layout | (values << LAYOUT_SHIFT));
  out.patchU32(0, out.length - FRAME_HEADER_BYTES);
}

function readBatch(flags: number, count: number, payload: Uint8Array, codec: BatchCodec): RecordBatch {
  expect(flags < 1 << (2 * LAYOUT_SHIFT) && Number.isSafeInteger(count) && count >= 0, 'a batch');
  const timestamps = flags & ((1 << LAYOUT_SHIFT) - 1);
  const columnBytes = timestampBytes(timestamps, count);
  expect(columnBytes <= payload.length, 'a batch with its timestamps');
  const reader = new BinaryReader(payload.subarray(columnBytes));
  const values = codec.read(flags >> LAYOUT_SHIFT, count, reader);
  reader.end();
  return { values, timestamps: readTimestamps(viewOf(payload), timestamps, count) };
}

function writeMarker({ at, vertex, subtask }: LatencyMarker, out: BinaryWriter): void {
  writeHeader(out, LATENCY_MARKER, 0, at);
  out.u32(vertex);
  out.u32(subtask);
  out.patchU32(0, out.length - FRAME_HEADER_BYTES);
}

function readMarker(at: number, payload: Uint8Array): LatencyMarker {
  expect(payload.length === 8, 'a latency marker');
  const view = viewOf(payload);
  return { at, vertex: view.getUint32(0, true), subtask: view.getUint32(4, true) };
}

function writeBarrier(barrier: CheckpointBarrier, out: BinaryWriter): void {
  writeHeader(out, BARRIER, barrierFlags(barrier), barrier.id);
  out.f64(barrier.timestamp);
  out.f64(barrier.alignedTimeoutMs);
  out.patchU32(0, out.length - FRAME_HEADER_BYTES);
}

function readBarrier(flags: number, id: number, payload: Uint8Array): CheckpointBarrier {
  expect(payload.length === 16, 'a barrier');
  const view = viewOf(payload);
  return barrierOf({
    flags,
    id,
    timestamp: view.getFloat64(0, true),
    alignedTimeoutMs: view.getFloat64(8, true),
  });
}

/** The alignment and the kind of a barrier in one byte. */
export function barrierFlags(barrier: CheckpointBarrier): number {
  const savepoint = barrier.savepoint === true ? SAVEPOINT_FLAG : 0;
  return ALIGNMENTS.indexOf(barrier.alignment) | (BARRIER_KINDS.indexOf(barrier.kind) << 2) | savepoint;
}

/** The barrier of which {@link barrierFlags} made one byte. */
export function barrierOf(parts: {
  flags: number;
  id: number;
  timestamp: number;
  alignedTimeoutMs: number;
}): CheckpointBarrier {
  const alignment = ALIGNMENTS[parts.flags & 3];
  const kind = BARRIER_KINDS[(parts.flags >> 2) & 3];
  const isKnown = parts.flags < SAVEPOINT_FLAG << 1 && alignment !== undefined && kind !== undefined;
  if (!isKnown) throw invalid('its barrier flags are unknown');
  return {
    id: parts.id,
    timestamp: parts.timestamp,
    alignment,
    alignedTimeoutMs: parts.alignedTimeoutMs,
    kind,
    ...((parts.flags & SAVEPOINT_FLAG) === 0 ? {} : { savepoint: true }),
  };
}

// The length is patched when the payload is there.
function writeHeader(out: BinaryWriter, type: number, flags: number, argument: number): void {
  out.u32(0);
  out.u8(type);
  out.u8(flags);
  out.u16(0);
  out.f64(argument);
}

/**
 * The header of the frame that is decoded, by the last `readHeader`. A copy: short arrays of bytes lie in the heap, and a view
 * of one would move it into memory of its own.
 */
const header = new DataView(new ArrayBuffer(FRAME_HEADER_BYTES));
const headerBytes = new Uint8Array(header.buffer);

/** Copies the header, and gives back the length of what follows it. */
function readHeader(bytes: Uint8Array): number {
  if (bytes.length < FRAME_HEADER_BYTES) throw invalid(`it has ${bytes.length} bytes`);
  for (let at = 0; at < FRAME_HEADER_BYTES; at++) headerBytes[at] = bytes[at]!;
  const length = header.getUint32(0, true);
  const found = bytes.length - FRAME_HEADER_BYTES;
  if (length !== found) throw invalid(`its length is ${length}, but ${found} bytes follow its header`);
  return length;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function expect(condition: boolean, what: string): void {
  if (!condition) throw invalid(`it is not ${what}`);
}

function invalid(why: string): MillraceError {
  return new MillraceError('EXCHANGE_FRAME_INVALID', `these bytes are not a frame: ${why}`);
}
