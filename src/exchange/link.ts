/**
 * One connection between two processes of a job, shared by all channels between them.
 *
 * Owns: the connection, the outlets and inlets of its channels. Partners: the peer's link; the threads at the rings; the
 * endpoint (`tcp.ts`), which calls `poll` when a thread rings.
 *
 * LI-1 Barriers that overtake go first, with what stands before them in their own channel; data goes in turns.
 * LI-2 What waits in this process for the connection is bounded: data is pulled from a ring only while the connection takes
 *      it. Credits are small and few: one for each half of a window, and one for each piece that had no room.
 * LI-3 A channel whose consumer rests has no credit, and stops nobody else.
 * LI-4 Checksums, lengths, types and channels are checked before anything is kept; what is wrong ends the link.
 * LI-5 The end of a link is told once, unless it was closed here.
 * LI-6 The memory of a chunk is used again only when the connection holds nothing of it any more, and what was received is
 *      looked at within the call that brings it: neither side makes memory for each write or read.
 */

import { Buffer } from 'node:buffer';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import type { Connection } from '../base/network.ts';
import {
  ASK,
  askMessage,
  BARRIER,
  BARRIER_BYTES,
  checkPayload,
  CREDIT,
  CREDIT_BYTES,
  creditMessage,
  DATA,
  LINK_HEADER_BYTES,
  protocolError,
  readBarrierPayload,
  readCreditPayload,
  readLinkHeader,
  type ReceivedHeader,
} from './link-layout.ts';
import type { RingInlet } from './ring-inlet.ts';
import type { RingOutlet } from './ring-outlet.ts';

const NOTHING = new Uint8Array(0);
/** Less is copied for the connection, so that the memory of a whole chunk does not wait with it. */
const COPIED_BYTES_MAX = 16 * 1024;

/** What a link is made of; channels by their index. */
export interface LinkParts {
  readonly connection: Connection;
  /** Bytes that came with the handshake. */
  readonly rest: Uint8Array;
  readonly outlets: ReadonlyMap<number, RingOutlet>;
  readonly inlets: ReadonlyMap<number, RingInlet>;
  /** The largest payload that the peer may send: a window. */
  readonly payloadBytesMax: number;
  /** Writes of fewer bytes are copied; default {@link COPIED_BYTES_MAX}. */
  readonly copiedBytesMax?: number;
  /** LI-5; EXCHANGE_LOST, EXCHANGE_DAMAGED or EXCHANGE_PROTOCOL. */
  readonly onLost: (error: MillraceError) => void;
}

/** Bytes that are put together for one write. */
const CHUNK_BYTES = 256 * 1024;
/** A message ends with the piece that reaches so many bytes: the consumer reads the first ones while the others come. */
const MESSAGE_BYTES = 64 * 1024;

/** See the head of the file. */
export class Link {
  readonly #parts: LinkParts;
  readonly #outlets: readonly RingOutlet[];
  readonly #inlets: readonly (readonly [number, RingInlet])[];
  /** What goes out in one write; messages are written behind each other up to {@link CHUNK_BYTES}. */
  #chunk: Uint8Array;
  #at = 0;
  #first = 0;
  #isWritable = true;
  #isOver = false;
  // The message that is coming.
  readonly #head = new Uint8Array(LINK_HEADER_BYTES);
  #headLength = 0;
  #header: ReceivedHeader | undefined;
  #payload: Uint8Array | undefined;
  #payloadLength = 0;

  constructor(parts: LinkParts) {
    this.#parts = parts;
    this.#outlets = [...parts.outlets.values()];
    this.#inlets = [...parts.inlets];
    const messageMax = this.#outlets.reduce((max, outlet) => Math.max(max, outlet.messageBytesMax), 0);
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES + messageMax);
    parts.connection.listen({
      data: (bytes) => this.#receive(bytes),
      keeps: false,
      drained: () => {
        this.#isWritable = true;
        this.#pump();
      },
      closed: (error) => this.#end(lost(parts.connection.peer, error?.message ?? 'it closed the connection')),
    });
    if (parts.rest.length > 0) this.#receive(parts.rest);
  }

  /** Sends what can be sent, data and credit; to be called when a thread rang. */
  poll(): void {
    if (this.#isOver) return;
    for (const [channel, inlet] of this.#inlets) this.#giveCredit(channel, inlet);
    this.#pump();
  }

  /** Ends the connection without a word. */
  close(): void {
    this.#isOver = true;
    this.#parts.connection.close();
  }

  #end(error: MillraceError): void {
    if (this.#isOver) return;
    this.close();
    this.#parts.onLost(error);
  }

  // ---- out ----

  #pump(): void {
    if (!this.#isWritable || this.#isOver) return;
    for (const outlet of this.#outlets) {
      // LI-1: what stands before the barrier, and the barrier, as far as they have room.
      while (this.#isWritable && outlet.hasBarrier() && this.#pull(outlet));
    }
    for (let sent = true; sent && this.#isWritable; ) sent = this.#round();
    this.#flush();
    for (const outlet of this.#outlets)
      if (outlet.mustAsk()) this.#parts.connection.write(askMessage(outlet.channel));
  }

  /** One message of each channel; true when there was any. */
  #round(): boolean {
    const count = this.#outlets.length;
    let sent = false;
    for (let each = 0; each < count && this.#isWritable; each++) {
      if (this.#pull(this.#outlets[(this.#first + each) % count]!)) sent = true;
    }
    this.#first = (this.#first + 1) % Math.max(1, count);
    return sent;
  }

  #pull(outlet: RingOutlet): boolean {
    const bytes = outlet.pull(this.#chunk, this.#at, MESSAGE_BYTES);
    this.#at += bytes;
    if (this.#at >= CHUNK_BYTES) this.#flush();
    return bytes > 0;
  }

  #flush(): void {
    if (this.#at === 0) return;
    const { connection, copiedBytesMax = COPIED_BYTES_MAX } = this.#parts;
    const isSmall = this.#at < copiedBytesMax || connection.waitingBytes > 0;
    const bytes = isSmall ? copyOf(this.#chunk, this.#at) : this.#chunk.subarray(0, this.#at);
    this.#isWritable = connection.write(bytes); // LI-2
    this.#at = 0;
    // LI-6: what has left is written over, what waits is not.
    if (!isSmall && connection.waitingBytes > 0) this.#chunk = Buffer.allocUnsafeSlow(this.#chunk.length);
  }

  #giveCredit(channel: number, inlet: RingInlet): void {
    const freed = inlet.takeFreed();
    if (freed === 0) return;
    this.#parts.connection.write(creditMessage(channel, { bytes: freed, window: inlet.windowBytes }));
  }

  // ---- in ----

  #receive(bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.length && !this.#isOver; ) {
        at +=
          this.#header === undefined ? this.#takeHead(bytes, at) : this.#takePayload(this.#header, bytes, at);
      }
    } catch (error) {
      this.#end(isMillraceError(error) ? error : protocolError(String(error)));
    }
    for (const [, inlet] of this.#inlets) inlet.settle();
    // Credit that came lets more go.
    this.#pump();
  }

  #takeHead(bytes: Uint8Array, at: number): number {
    const taken = Math.min(LINK_HEADER_BYTES - this.#headLength, bytes.length - at);
    this.#head.set(bytes.subarray(at, at + taken), this.#headLength);
    this.#headLength += taken;
    if (this.#headLength < LINK_HEADER_BYTES) return taken;
    this.#headLength = 0;
    this.#header = this.#checked(readLinkHeader(this.#head));
    if (this.#header.length === 0) this.#obey(this.#header, NOTHING);
    return taken;
  }

  /** LI-4. */
  #checked(header: ReceivedHeader): ReceivedHeader {
    const { type, length, channel } = header;
    const { inlets, outlets, payloadBytesMax } = this.#parts;
    const isKnown = type === CREDIT ? outlets.has(channel) : inlets.has(channel);
    if (!isKnown) throw protocolError(`it names channel ${channel}`);
    const fits =
      (type === DATA && length > 0 && length <= payloadBytesMax) ||
      (type === BARRIER && length === BARRIER_BYTES) ||
      (type === CREDIT && length === CREDIT_BYTES) ||
      (type === ASK && length === 0);
    if (!fits) throw protocolError(`a message of type ${type} has ${length} bytes`);
    return header;
  }

  #takePayload(header: ReceivedHeader, bytes: Uint8Array, at: number): number {
    const left = header.length - this.#payloadLength;
    const taken = Math.min(left, bytes.length - at);
    const part = bytes.subarray(at, at + taken);
    if (taken === header.length) {
      this.#obey(header, part);
    } else {
      this.#payload ??= new Uint8Array(header.length);
      this.#payload.set(part, this.#payloadLength);
      this.#payloadLength += taken;
      if (taken === left) this.#obey(header, this.#payload);
    }
    return taken;
  }

  #obey(header: ReceivedHeader, payload: Uint8Array): void {
    const { type, channel } = header;
    checkPayload(header, payload);
    this.#header = undefined;
    this.#payload = undefined;
    this.#payloadLength = 0;
    const inlet = this.#parts.inlets.get(channel);
    switch (type) {
      case DATA:
        inlet!.accept(payload);
        return this.#giveCredit(channel, inlet!);
      case BARRIER:
        return inlet!.overtake(readBarrierPayload(payload));
      case ASK:
        inlet!.ask();
        return this.#giveCredit(channel, inlet!);
      default:
        return this.#parts.outlets.get(channel)!.credit(readCreditPayload(payload));
    }
  }
}

function copyOf(chunk: Uint8Array, length: number): Uint8Array {
  const copy = Buffer.allocUnsafeSlow(length);
  copy.set(chunk.subarray(0, length));
  return copy;
}

function lost(peer: string, why: string): MillraceError {
  return new MillraceError('EXCHANGE_LOST', `the connection to ${peer} broke: ${why}`);
}
