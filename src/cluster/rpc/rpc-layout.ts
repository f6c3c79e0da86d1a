/**
 * The pieces that two processes of a cluster send each other over an introduced connection.
 *
 * ```
 *  0          4      5      6       8          12        16        20
 *  +----------+------+------+-------+----------+---------+---------+----------------- - -
 *  | length   | kind | more | 0     | id       | CRC-32  | CRC-32  | payload: of the generic codec
 *  | u32      | u8   | u8   | u16   | u32      | payload | 0 to 16 | `length` bytes
 *  +----------+------+------+-------+----------+---------+---------+----------------- - -
 *
 *  kind   1 message   2 request   3 answer   4 failure (a SerializedError)   5 heartbeat
 *  more   1: the payload goes on in the next piece, which has the same kind and id
 *  id     of the request that is asked or answered, else 0
 * ```
 *
 * Little-endian throughout. Both checksums are looked at before anything is done with what they cover, as between the
 * processes of a job (exchange/link-layout.ts): a bit that changed in an order would be another order.
 */

import { crc32 } from '../../base/hash.ts';

/** Bytes before the payload. */
export const PIECE_HEADER_BYTES = 20;
const PAYLOAD_CHECKSUM_AT = 12;
const HEADER_CHECKSUM_AT = 16;

/** What a piece is of. */
export const MESSAGE = 1;
export const REQUEST = 2;
export const ANSWER = 3;
export const FAILURE = 4;
export const HEARTBEAT = 5;

/** What the header of a piece says of its message. */
export interface PieceHeader {
  readonly kind: number;
  readonly more: boolean;
  readonly id: number;
}

/** A header that came, whose own checksum was right. */
export interface ReceivedPiece extends PieceHeader {
  readonly length: number;
  readonly checksum: number;
}

/** A piece with its header. */
export function pieceOf({ kind, more, id }: PieceHeader, payload: Uint8Array): Uint8Array {
  const piece = new Uint8Array(PIECE_HEADER_BYTES + payload.length);
  const view = new DataView(piece.buffer);
  view.setUint32(0, payload.length, true);
  view.setUint8(4, kind);
  view.setUint8(5, more ? 1 : 0);
  view.setUint32(8, id, true);
  view.setUint32(PAYLOAD_CHECKSUM_AT, crc32(payload), true);
  view.setUint32(HEADER_CHECKSUM_AT, crc32(piece.subarray(0, HEADER_CHECKSUM_AT)), true);
  piece.set(payload, PIECE_HEADER_BYTES);
  return piece;
}

/** Reads the header at the start of bytes; `undefined` when it did not come as it was written. */
export function readPieceHeader(bytes: Uint8Array): ReceivedPiece | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, PIECE_HEADER_BYTES);
  if (view.getUint32(HEADER_CHECKSUM_AT, true) !== crc32(bytes.subarray(0, HEADER_CHECKSUM_AT)))
    return undefined;
  return {
    length: view.getUint32(0, true),
    kind: view.getUint8(4),
    more: view.getUint8(5) === 1,
    id: view.getUint32(8, true),
    checksum: view.getUint32(PAYLOAD_CHECKSUM_AT, true),
  };
}

/** Whether the payload came as it was written. */
export function isIntact({ checksum }: ReceivedPiece, payload: Uint8Array): boolean {
  return crc32(payload) === checksum;
}
