/**
 * What two processes of a cluster say to each other over one introduced connection: messages, requests and heartbeats.
 * Their form is in rpc-layout.ts.
 *
 * Owns: the connection, the requests that wait, the clockwork of heartbeats. Partner: the same at the other end.
 *
 * RC-1 FIFO in both directions: messages, requests and answers arrive in the order in which they were sent.
 * RC-2 Both sides send a heartbeat with their whole truth each interval. Who hears nothing for the timeout takes the other
 *      for lost, and closes: the other one hears nothing either, and comes to the same end by itself.
 * RC-3 A loss is told once; every request that waits is rejected with it. After `close` nothing is told.
 * RC-4 Bounded: a piece by PIECE_BYTES_MAX, a message by `messageBytesMax` (what comes from others is held until it is
 *      whole), what waits to be sent by WAITING_BYTES_MAX, requests by REQUESTS_MAX; whoever exceeds them is cut off.
 * RC-5 An unknown outcome is its own: a request whose connection broke is rejected with RPC_LOST, and may have had its effect.
 * RC-6 What is asked does not end this process: a handler that throws, and an answer that cannot become bytes, are told to
 *      whoever asked. A request that cannot become bytes waits for nothing.
 * RC-7 Checksums, lengths and kinds are checked before anything is done with what they are of; what is wrong ends the connection.
 */

import type { Clock, Timer } from '../../base/env.ts';
import {
  deserializeError,
  isMillraceError,
  MillraceError,
  type SerializedError,
  serializeError,
} from '../../base/errors.ts';
import type { Connection } from '../../base/network.ts';
import { BinaryReader, BinaryWriter } from '../../codecs/binary.ts';
import { genericCodec } from '../../codecs/generic.ts';
import {
  ANSWER,
  FAILURE,
  HEARTBEAT,
  isIntact,
  MESSAGE,
  PIECE_HEADER_BYTES,
  type PieceHeader,
  pieceOf,
  readPieceHeader,
  REQUEST,
} from './rpc-layout.ts';

/** What happens at this end; `In` and `Asked` are what the other end sends. */
export interface RpcHandlers<In, Asked> {
  message(body: In): void;
  /** What it throws, or rejects with, is told to whoever asked. */
  request?(body: Asked): Promise<unknown>;
  heartbeat?(report: unknown): void;
  /** RC-3; RPC_LOST. */
  lost(error: MillraceError): void;
}

/** How an end is made. */
export interface RpcOptions<In, Asked> {
  readonly connection: Connection;
  /** Bytes that came with the handshake. */
  readonly rest: Uint8Array;
  readonly clock: Clock;
  readonly heartbeat: HeartbeatOptions;
  readonly handlers: RpcHandlers<In, Asked>;
  /** Bytes of one message, in both directions; default {@link MESSAGE_BYTES_MAX}. */
  readonly messageBytesMax?: number;
}

/** RC-2, ms. */
export interface HeartbeatOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** The whole truth of this end; plain data. */
  readonly report?: () => unknown;
}

/** Bytes of one piece. */
export const PIECE_BYTES_MAX = 1024 * 1024;
/** Bytes of one message, unless somebody says otherwise: a bundle of 64 MiB, with all that is said of it. */
export const MESSAGE_BYTES_MAX = 96 * 1024 * 1024;
/** Bytes of one message between a job master and the processes of its job: the state of a slot that is restored. */
export const STATE_MESSAGE_BYTES_MAX = 1024 * 1024 * 1024;
/** Bytes that wait to be sent. */
export const WAITING_BYTES_MAX = 1.5 * 1024 * 1024 * 1024;
/** Requests that wait for their answer. */
export const REQUESTS_MAX = 1_024;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: Timer;
}

/** See the head of the file. */
export class RpcConnection<Out = unknown, In = unknown, Ask = unknown, Asked = unknown> {
  readonly #options: RpcOptions<In, Asked>;
  readonly #messageBytesMax: number;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #isOver = false;
  #heardAt: number;
  #heartbeats: Timer | undefined;
  // What is coming.
  #buffer: Uint8Array = new Uint8Array(0);
  #pieces: Uint8Array[] = [];
  #piecesBytes = 0;

  constructor(options: RpcOptions<In, Asked>) {
    this.#options = options;
    this.#messageBytesMax = options.messageBytesMax ?? MESSAGE_BYTES_MAX;
    this.#heardAt = options.clock.monotonic();
    options.connection.listen({
      data: (bytes) => this.#receive(bytes),
      drained: () => {},
      closed: (error) => this.#lose(error?.message ?? 'it closed the connection'),
    });
    this.#beat();
    if (options.rest.length > 0) this.#receive(options.rest);
  }

  /** Who is at the other end, for messages. */
  get peer(): string {
    return this.#options.connection.peer;
  }

  /** True until it is closed or lost. */
  get isOpen(): boolean {
    return !this.#isOver;
  }

  /** Sends a message; nothing after the end. */
  send(body: Out): void {
    this.#send(MESSAGE, 0, body);
  }

  /** Asks; throws what the other end throws, RPC_LOST (RC-5), or RPC_TIMEOUT. */
  request<Answer>(body: Ask, deadlineMs: number): Promise<Answer> {
    return new Promise<unknown>((resolve, reject) => {
      if (this.#isOver) return reject(lost(this.peer, 'it is gone'));
      if (this.#waiting.size >= REQUESTS_MAX)
        return reject(timeout(this.peer, `${REQUESTS_MAX} requests wait`));
      const id = this.#nextId;
      this.#nextId = id === 0xffff_ffff ? 1 : id + 1;
      const timer = this.#options.clock.timer(
        deadlineMs,
        () => {
          this.#waiting.delete(id);
          reject(timeout(this.peer, `no answer within ${deadlineMs} ms`));
        },
        'a request has to be answered',
      );
      this.#waiting.set(id, { resolve, reject, timer });
      try {
        this.#send(REQUEST, id, body);
      } catch (error) {
        this.#settle(id, ({ reject: refuse }) => refuse(error as Error)); // RC-6
      }
    }) as Promise<Answer>;
  }

  /** Sends a heartbeat out of turn: something has changed that the other end should know at once. */
  report(): void {
    this.#sendHeartbeat();
  }

  /** Ends it without a word; requests that wait are rejected. */
  close(): void {
    this.#end('it was closed here');
  }

  // ---- heartbeats (RC-2) ----

  #beat(): void {
    const { clock, heartbeat } = this.#options;
    this.#heartbeats = clock.timer(
      heartbeat.intervalMs,
      () => {
        const silentMs = clock.monotonic() - this.#heardAt;
        if (silentMs > heartbeat.timeoutMs)
          return this.#lose(`no sign of life for ${Math.round(silentMs)} ms`);
        this.#sendHeartbeat();
        this.#beat();
      },
      'heartbeat',
    );
  }

  #sendHeartbeat(): void {
    this.#send(HEARTBEAT, 0, this.#options.heartbeat.report?.());
  }

  // ---- out ----

  #send(kind: number, id: number, body: unknown): void {
    if (this.#isOver) return;
    const out = new BinaryWriter();
    genericCodec.encode(body, out);
    const bytes = out.finish();
    if (bytes.length > this.#messageBytesMax) throw tooLarge(bytes.length, this.#messageBytesMax);
    let at = 0;
    do {
      const piece = bytes.subarray(at, at + PIECE_BYTES_MAX);
      at += piece.length;
      this.#options.connection.write(pieceOf({ kind, id, more: at < bytes.length }, piece));
    } while (at < bytes.length);
    if (this.#options.connection.waitingBytes > WAITING_BYTES_MAX)
      this.#lose('it does not take what it is sent');
  }

  // ---- in ----

  #receive(bytes: Uint8Array): void {
    this.#heardAt = this.#options.clock.monotonic();
    this.#buffer = this.#buffer.length === 0 ? bytes : joined([this.#buffer, bytes]);
    while (!this.#isOver && this.#buffer.length >= PIECE_HEADER_BYTES) {
      const head = readPieceHeader(this.#buffer); // RC-7
      if (head === undefined) return this.#lose(changed('the header of a message'));
      if (head.length > PIECE_BYTES_MAX) return this.#lose(`it sent a piece of ${head.length} bytes`);
      const end = PIECE_HEADER_BYTES + head.length;
      if (this.#buffer.length < end) return;
      const piece = this.#buffer.subarray(PIECE_HEADER_BYTES, end);
      if (!isIntact(head, piece)) return this.#lose(changed(`a message of ${head.length} bytes`));
      this.#buffer = this.#buffer.subarray(end);
      this.#takePiece(head, piece);
    }
  }

  #takePiece(head: PieceHeader, piece: Uint8Array): void {
    if (head.more || this.#pieces.length > 0) {
      this.#piecesBytes += piece.length;
      if (this.#piecesBytes > this.#messageBytesMax) return this.#lose('it sent a message without an end');
      this.#pieces.push(piece.slice());
      if (head.more) return;
    }
    const bytes = this.#pieces.length > 0 ? joined(this.#pieces) : piece;
    this.#pieces = [];
    this.#piecesBytes = 0;
    let body: unknown;
    try {
      const reader = new BinaryReader(bytes);
      body = genericCodec.decode(reader);
      reader.end();
    } catch (error) {
      return this.#lose(`what it sent cannot be read: ${String(error)}`);
    }
    this.#obey(head, body);
  }

  #obey({ kind, id }: PieceHeader, body: unknown): void {
    const { handlers } = this.#options;
    switch (kind) {
      case MESSAGE:
        return handlers.message(body as In);
      case REQUEST:
        return this.#answer(id, body as Asked);
      case ANSWER:
        return this.#settle(id, ({ resolve }) => resolve(body));
      case FAILURE:
        return this.#settle(id, ({ reject }) => reject(deserializeError(body as SerializedError)));
      case HEARTBEAT:
        return handlers.heartbeat?.(body);
      default:
        return this.#lose(`it sent a message of kind ${kind}`);
    }
  }

  #answer(id: number, body: Asked): void {
    this.#ask(body).then(
      (value) => this.#sendAnswer(id, value),
      (error: unknown) => this.#send(FAILURE, id, serializeError(error)),
    );
  }

  #ask(body: Asked): Promise<unknown> {
    try {
      return this.#options.handlers.request?.(body) ?? Promise.reject(notAnswered());
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** RC-6. */
  #sendAnswer(id: number, value: unknown): void {
    try {
      this.#send(ANSWER, id, value);
    } catch (error) {
      this.#send(FAILURE, id, serializeError(error));
    }
  }

  #settle(id: number, how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return; // Its deadline was over.
    this.#waiting.delete(id);
    waiting.timer.cancel();
    how(waiting);
  }

  // ---- the end (RC-3) ----

  #lose(why: string): void {
    if (this.#isOver) return;
    this.#end(why);
    this.#options.handlers.lost(lost(this.peer, why));
  }

  #end(why: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#heartbeats?.cancel();
    this.#options.connection.close();
    for (const { reject, timer } of this.#waiting.values()) {
      timer.cancel();
      reject(lost(this.peer, why));
    }
    this.#waiting.clear();
  }
}

/** True for the error of a connection that broke: what was asked may have happened or not. */
export function isLost(error: unknown): boolean {
  return isMillraceError(error, 'RPC_LOST');
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function lost(peer: string, why: string): MillraceError {
  return new MillraceError('RPC_LOST', `the connection to ${peer} broke: ${why}`);
}

function changed(what: string): string {
  return `${what} is not what it sent: its checksum does not match, so that it changed on the way`;
}

function timeout(peer: string, why: string): MillraceError {
  return new MillraceError('RPC_TIMEOUT', `${peer} was asked in vain: ${why}`);
}

function tooLarge(bytes: number, most: number): MillraceError {
  return new MillraceError('RPC_TOO_LARGE', `a message of ${bytes} bytes is over ${most}`);
}

function notAnswered(): MillraceError {
  return new MillraceError('ASSERTION_FAILED', 'this end answers no requests');
}
