/**
 * What two processes of a job send each other over one connection that all their channels share.
 *
 * ```
 *  0        4      5       8         12        16        20        24
 *  +--------+------+-------+---------+---------+---------+---------+---------------- - -
 *  | length | type | 0     | channel | backlog | CRC-32  | CRC-32  | payload
 *  | u32    | u8   |       | u32     | u32     | payload | 0 to 20 | `length` bytes
 *  +--------+------+-------+---------+---------+---------+---------+---------------- - -
 *
 *  type        payload
 *  1 data      whole pieces of frames, as they stood in the producer's ring (ring-layout.ts): never decoded on the way
 *  2 barrier   id f64, timestamp f64, alignedTimeoutMs f64, position f64, flags u32
 *  3 credit    bytes u32: so many more have been read; window u32: so many may be out from now on
 *  4 ask       none: what waits has no room, and less is out than brings credit by itself
 *
 *  channel     index in `channelsOf(graph)`: both processes have proved that they have the same graph
 *  backlog     data: bytes that wait in the producer's ring behind this message
 * ```
 *
 * Little-endian throughout. Both checksums are looked at before anything is done with what they cover: TCP's own is 16 bits,
 * and what a fault of memory or of a network card makes of a number would be another number. Only data takes credit. Each
 * channel has a window (channel-window.ts) of at most W bytes, the size of the producer's ring; the consumer's ring has 2 W, so
 * that a barrier that overtakes may push what stands before it through at once.
 */

import type { CheckpointBarrier } from './events.ts';
import { MillraceError } from '../base/errors.ts';
import { crc32 } from '../base/hash.ts';
import { barrierFlags, barrierOf } from './frame.ts';
import type { PriorityBarrier } from './channel.ts';

/** Bytes before the payload. */
export const LINK_HEADER_BYTES = 24;
const PAYLOAD_CHECKSUM_AT = 16;
const HEADER_CHECKSUM_AT = 20;

/** Message: pieces of frames. */
export const DATA = 1;
/** Message: a barrier that overtakes. */
export const BARRIER = 2;
/** Message: what was read. */
export const CREDIT = 3;
/** Message: the producer needs credit. */
export const ASK = 4;

/** Bytes of the payload of a barrier. */
export const BARRIER_BYTES = 36;
/** Bytes of the payload of a credit. */
export const CREDIT_BYTES = 8;

/** The header of a message. */
export interface LinkHeader {
  readonly length: number;
  readonly type: number;
  readonly channel: number;
  readonly backlog: number;
}

/** A header that came, whose own checksum was right. */
export interface ReceivedHeader extends LinkHeader {
  readonly checksum: number;
}

/** Writes a header before its payload, which is there already. */
export function writeLinkHeader(out: Uint8Array, at: number, header: LinkHeader): void {
  const view = viewOf(out);
  const payload = at + LINK_HEADER_BYTES;
  view.setUint32(at, header.length, true);
  view.setUint32(at + 4, header.type, true);
  view.setUint32(at + 8, header.channel, true);
  view.setUint32(at + 12, header.backlog, true);
  view.setUint32(at + PAYLOAD_CHECKSUM_AT, crc32(out.subarray(payload, payload + header.length)), true);
  view.setUint32(at + HEADER_CHECKSUM_AT, crc32(out.subarray(at, at + HEADER_CHECKSUM_AT)), true);
}

/** Reads a header; what it says is not checked, but that it came as it was written: else EXCHANGE_DAMAGED. */
export function readLinkHeader(bytes: Uint8Array): ReceivedHeader {
  const view = viewOf(bytes);
  if (view.getUint32(HEADER_CHECKSUM_AT, true) !== crc32(bytes.subarray(0, HEADER_CHECKSUM_AT)))
    throw damaged('the header of a message');
  return {
    checksum: view.getUint32(PAYLOAD_CHECKSUM_AT, true),
    length: view.getUint32(0, true),
    type: view.getUint32(4, true),
    channel: view.getUint32(8, true),
    backlog: view.getUint32(12, true),
  };
}

/** Writes the message of a barrier; gives the bytes that it takes. */
export function writeBarrierMessage(
  out: Uint8Array,
  at: number,
  channel: number,
  { barrier, position }: PriorityBarrier,
): number {
  const view = viewOf(out);
  const payload = at + LINK_HEADER_BYTES;
  view.setFloat64(payload, barrier.id, true);
  view.setFloat64(payload + 8, barrier.timestamp, true);
  view.setFloat64(payload + 16, barrier.alignedTimeoutMs, true);
  view.setFloat64(payload + 24, position, true);
  view.setUint32(payload + 32, barrierFlags(barrier), true);
  writeLinkHeader(out, at, { length: BARRIER_BYTES, type: BARRIER, channel, backlog: 0 });
  return LINK_HEADER_BYTES + BARRIER_BYTES;
}

/** Reads the payload of a barrier. */
export function readBarrierPayload(payload: Uint8Array): PriorityBarrier {
  const view = viewOf(payload);
  const barrier: CheckpointBarrier = barrierOf({
    id: view.getFloat64(0, true),
    timestamp: view.getFloat64(8, true),
    alignedTimeoutMs: view.getFloat64(16, true),
    flags: view.getUint32(32, true),
  });
  return { barrier, position: view.getFloat64(24, true) };
}

/** What was read, and the window from now on, bytes. */
export interface Credit {
  readonly bytes: number;
  readonly window: number;
}

/** The message that gives credit back. */
export function creditMessage(channel: number, { bytes, window }: Credit): Uint8Array {
  const message = new Uint8Array(LINK_HEADER_BYTES + CREDIT_BYTES);
  viewOf(message).setUint32(LINK_HEADER_BYTES, bytes, true);
  viewOf(message).setUint32(LINK_HEADER_BYTES + 4, window, true);
  writeLinkHeader(message, 0, { length: CREDIT_BYTES, type: CREDIT, channel, backlog: 0 });
  return message;
}

/** Reads the payload of a credit. */
export function readCreditPayload(payload: Uint8Array): Credit {
  const view = viewOf(payload);
  return { bytes: view.getUint32(0, true), window: view.getUint32(4, true) };
}

/** The message that asks for credit. */
export function askMessage(channel: number): Uint8Array {
  const message = new Uint8Array(LINK_HEADER_BYTES);
  writeLinkHeader(message, 0, { length: 0, type: ASK, channel, backlog: 0 });
  return message;
}

/** Throws EXCHANGE_DAMAGED unless the payload came as it was written. */
export function checkPayload({ checksum, channel }: ReceivedHeader, payload: Uint8Array): void {
  if (crc32(payload) !== checksum)
    throw damaged(`a message of ${payload.length} bytes for channel ${channel}`);
}

function damaged(what: string): MillraceError {
  return new MillraceError(
    'EXCHANGE_DAMAGED',
    `${what} is not what the other process sent: its checksum does not match, so that it changed on the way`,
  );
}

/** The error for what a peer must not send. */
export function protocolError(why: string): MillraceError {
  return new MillraceError('EXCHANGE_PROTOCOL', `the other process broke the protocol: ${why}`);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
