/**
 * The records of ZooKeeper's protocol, as far as they are needed here.
 *
 * ```text
 *   int, long   4, 8 bytes, big endian          vector   int (count), elements
 *   boolean     1 byte                          buffer   int (bytes; -1 = none), bytes
 *   string      a buffer in UTF-8
 *
 *   packet   int (bytes that follow), record
 *   connect  ▶ int 0, long last zxid, int timeout, long session, buffer password, boolean read-only
 *            ◀ int 0, int timeout, long session, buffer password, boolean read-only
 *   request  ▶ int xid, int type, body
 *   reply    ◀ int xid, long zxid, int error, body
 *   event    ◀ int -1, long -1, int 0, int type, int state, string path
 *   multi    ▶ per operation: int type, boolean false, int -1, body     end: int -1, boolean true, int -1
 *            ◀ per operation: int type, boolean false, int error, body (of an error: type -1, int error)     end: as above
 *   stat       long czxid, long mzxid, long ctime, long mtime, int version, int cversion, int aversion, long owner,
 *              int bytes, int children, long pzxid
 * ```
 */

import { MillraceError } from '../../base/errors.ts';

/** Types of requests. */
export const OP = {
  create: 1,
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  ping: 11,
  getChildren: 8,
  check: 13,
  multi: 14,
  close: -11,
} as const;

/** Errors of requests that are answers here. */
export const ERROR = {
  none: 0,
  noNode: -101,
  badVersion: -103,
  nodeExists: -110,
  sessionExpired: -112,
} as const;

/** What a node is made of, besides its data. */
export interface Stat {
  /** Of the change that made it. */
  readonly czxid: bigint;
  readonly version: number;
}

/** Bytes of a packet, at most; ZooKeeper's own bound of a node is 1 MiB. */
export const PACKET_BYTES_MAX = 4 * 1024 * 1024;

const utf8 = new TextEncoder();
const readUtf8 = new TextDecoder('utf-8', { fatal: true });

/** Writes records. */
export class JuteWriter {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  int(value: number): this {
    this.#reserve(4);
    this.#view.setInt32(this.#length, value);
    this.#length += 4;
    return this;
  }

  long(value: bigint): this {
    this.#reserve(8);
    this.#view.setBigInt64(this.#length, value);
    this.#length += 8;
    return this;
  }

  boolean(value: boolean): this {
    this.#reserve(1);
    this.#view.setUint8(this.#length++, value ? 1 : 0);
    return this;
  }

  buffer(value: Uint8Array): this {
    this.int(value.length);
    return this.raw(value);
  }

  string(value: string): this {
    return this.buffer(utf8.encode(value));
  }

  raw(value: Uint8Array): this {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Reads records; throws HA_UNAVAILABLE for bytes that are none. */
export class JuteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  int(): number {
    return this.#view.getInt32(this.#take(4));
  }

  long(): bigint {
    return this.#view.getBigInt64(this.#take(8));
  }

  boolean(): boolean {
    return this.#view.getUint8(this.#take(1)) !== 0;
  }

  buffer(): Uint8Array {
    const length = this.int();
    if (length <= 0) return new Uint8Array(0);
    const at = this.#take(length);
    return this.#bytes.slice(at, at + length);
  }

  string(): string {
    return readUtf8.decode(this.buffer());
  }

  strings(): string[] {
    const count = this.int();
    return Array.from({ length: Math.max(0, count) }, () => this.string());
  }

  stat(): Stat {
    const czxid = this.long();
    for (let skipped = 0; skipped < 3; skipped++) this.long();
    const version = this.int();
    this.int();
    this.int();
    this.long();
    this.int();
    this.int();
    this.long();
    return { czxid, version };
  }

  #take(length: number): number {
    const at = this.#at;
    if (length < 0 || at + length > this.#bytes.length) {
      throw new MillraceError('HA_UNAVAILABLE', 'ZooKeeper sent a packet that is cut off');
    }
    this.#at += length;
    return at;
  }
}

/** One packet from the bytes that have come, and what is behind it; `undefined` while it is not whole. */
export function takePacket(bytes: Uint8Array): { packet: Uint8Array; rest: Uint8Array } | undefined {
  if (bytes.length < 4) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getInt32(0);
  if (length < 0 || length > PACKET_BYTES_MAX) {
    throw new MillraceError('HA_UNAVAILABLE', `ZooKeeper sent a packet of ${length} bytes`);
  }
  if (bytes.length < 4 + length) return undefined;
  return { packet: bytes.subarray(4, 4 + length), rest: bytes.subarray(4 + length) };
}
