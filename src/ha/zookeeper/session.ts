/**
 * A session with ZooKeeper, over whatever connections it takes.
 *
 * Owns: the connection, the requests under way, the clockwork of pings. Partners: the servers of the quorum, in turn.
 *
 * ZS-1 A session outlives its connections for as long as the servers say; it is over when a server says so, when it is closed,
 *      or when nothing was heard for its timeout: then the servers are as far, and it is not waited for what they say.
 * ZS-2 Requests are answered in order. With the connection every request that waits is rejected (HA_UNAVAILABLE): it may have
 *      been carried out. A request also ends at REQUEST_DEADLINE_MS, and takes the connection with it, because answers have no
 *      other order than that of requests.
 * ZS-3 Who watches a node is told of the first change after its look, or that the connection is gone; then it looks again.
 * ZS-4 Those who depend on it hear of each loss of the connection at once: whether that is the end, they decide.
 */

import type { Clock, Timer } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import { addressText, type Connection, type Network, type NetworkAddress } from '../../base/network.ts';
import { ERROR, JuteReader, JuteWriter, OP, takePacket } from './jute.ts';

/** How a session is made. */
export interface SessionParts {
  readonly clock: Pick<Clock, 'monotonic' | 'timer'>;
  readonly network: Network;
  readonly servers: readonly NetworkAddress[];
  readonly sessionTimeoutMs: number;
  readonly connectionTimeoutMs: number;
  readonly retryWaitMs: number;
}

/** Who depends on a session; told until it is over. */
export interface SessionListener {
  /** ZS-4. */
  suspended(): void;
  /** It is over: nothing that belonged to it is there any more, or will not be soon. */
  expired(why: string): void;
}

interface Waiting {
  readonly xid: number;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  readonly timer: Timer;
}

/** An answer. */
export interface Reply {
  /** Of the last change that the server had seen; of the own one for a request that changed something. */
  readonly zxid: bigint;
  readonly error: number;
  readonly body: JuteReader;
}

/** A request that was not answered by then is lost, ms. */
const REQUEST_DEADLINE_MS = 10_000;
/** Requests under way, and waiting for a connection, at most. */
const REQUESTS_MAX = 1_024;
const XID_EVENT = -1;
const XID_PING = -2;

/** See the head of the file. */
export class ZooKeeperSession {
  readonly #parts: SessionParts;
  readonly #listeners = new Set<SessionListener>();
  readonly #watchers = new Map<string, Set<() => void>>();
  #state: 'connecting' | 'connected' | 'over' = 'connecting';
  #why = '';
  #connection: Connection | undefined;
  #session = { id: 0n, password: new Uint8Array(16) as Uint8Array };
  #timeoutMs: number;
  #heardMs: number;
  #nextServer = 0;
  #xid = 1;
  #buffer: Uint8Array = new Uint8Array(0);
  #waiting: Waiting[] = [];
  /** Who waits until there is a connection. */
  #blocked: { readonly go: () => void; readonly reject: (error: Error) => void; readonly timer: Timer }[] =
    [];
  #beat: Timer | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#timeoutMs = parts.sessionTimeoutMs;
    this.#heardMs = parts.clock.monotonic();
    this.#dial();
  }

  get isOver(): boolean {
    return this.#state === 'over';
  }

  /** Tells from now on; returns how to end that. */
  listen(listener: SessionListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Sends a request when there is a connection. Throws HA_UNAVAILABLE. */
  async request(type: number, body: Uint8Array): Promise<Reply> {
    await this.#connected();
    return new Promise((resolve, reject) => {
      if (this.#connection === undefined) return reject(this.#unavailable('the connection is gone'));
      const xid = this.#xid++;
      const late = (): void => this.#disconnected(`no answer within ${REQUEST_DEADLINE_MS} ms`);
      const timer = this.#parts.clock.timer(REQUEST_DEADLINE_MS, late, 'ZooKeeper has to answer');
      this.#waiting.push({ xid, resolve, reject, timer });
      this.#write(new JuteWriter().int(xid).int(type).raw(body).finish());
    });
  }

  /** ZS-3: called once, at the next change of the node at `path`, when a request has asked for it. */
  watch(path: string, changed: () => void): () => void {
    const watchers = this.#watchers.get(path) ?? new Set();
    this.#watchers.set(path, watchers.add(changed));
    return () => void watchers.delete(changed);
  }

  /** Says goodbye, so that what belongs to it goes at once. */
  close(): void {
    if (this.#connection !== undefined)
      this.#write(
        new JuteWriter()
          .int(this.#xid++)
          .int(OP.close)
          .finish(),
      );
    const connection = this.#connection;
    this.#connection = undefined;
    this.#end('it was closed');
    // What was written has to leave first.
    this.#parts.clock.timer(GOODBYE_MS, () => connection?.close(), 'ZooKeeper hears the goodbye');
  }

  // ---- connections ----

  #dial(): void {
    if (this.#state === 'over') return;
    const { network, servers, connectionTimeoutMs, clock, retryWaitMs } = this.#parts;
    this.#state = 'connecting';
    this.#watchSession();
    const server = servers[this.#nextServer++ % servers.length]!;
    network.dial(server, connectionTimeoutMs).then(
      (connection) => this.#dialed(connection),
      () => clock.timer(retryWaitMs, () => this.#dial(), `dial ${addressText(server)} or another one again`),
    );
  }

  #dialed(connection: Connection): void {
    if (this.#isOver()) return connection.close();
    this.#connection = connection;
    this.#buffer = new Uint8Array(0);
    connection.listen({
      data: (bytes) => this.#connection === connection && this.#receive(bytes),
      drained: () => {},
      closed: () => this.#connection === connection && this.#disconnected('it closed the connection'),
    });
    // A server that is not ready yet may take a connection, and never say anything.
    const silent = (): void => {
      if (this.#connection === connection && this.#state === 'connecting')
        this.#disconnected('it says nothing');
    };
    this.#parts.clock.timer(this.#parts.connectionTimeoutMs, silent, 'a session has to be there');
    const { id, password } = this.#session;
    const hello = new JuteWriter().int(0).long(0n).int(this.#parts.sessionTimeoutMs);
    this.#write(hello.long(id).buffer(password).boolean(false).finish());
  }

  #disconnected(why: string): void {
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.close();
    this.#beat?.cancel();
    const error = this.#unavailable(why);
    for (const { reject, timer } of this.#waiting.splice(0)) {
      timer.cancel();
      reject(error);
    }
    const wasConnected = this.#state === 'connected';
    this.#state = 'connecting';
    for (const path of [...this.#watchers.keys()]) this.#fire(path);
    if (wasConnected) for (const listener of [...this.#listeners]) listener.suspended();
    this.#parts.clock.timer(this.#parts.retryWaitMs, () => this.#dial(), 'connect again');
  }

  #connected(): Promise<void> {
    if (this.#state === 'connected') return Promise.resolve();
    if (this.#state === 'over') return Promise.reject(this.#unavailable(this.#why));
    if (this.#blocked.length >= REQUESTS_MAX)
      return Promise.reject(this.#unavailable('too many requests wait'));
    return new Promise((resolve, reject) => {
      const timer = this.#parts.clock.timer(
        REQUEST_DEADLINE_MS,
        () => {
          this.#blocked = this.#blocked.filter((blocked) => blocked.timer !== timer);
          reject(this.#unavailable('there is no connection'));
        },
        'a connection has to be there',
      );
      this.#blocked.push({ go: resolve, reject, timer });
    });
  }

  // ---- signs of life (ZS-1) ----

  /** Without a connection nothing is heard; the session may run out meanwhile. */
  #watchSession(): void {
    this.#beat?.cancel();
    const leftMs = Math.max(0, this.#heardMs + this.#timeoutMs - this.#parts.clock.monotonic());
    const over = (): void => this.#end(`nothing was heard of it for ${this.#timeoutMs} ms`);
    // A session that never was cannot run out.
    if (this.#session.id !== 0n) this.#beat = this.#parts.clock.timer(leftMs, over, 'a session runs out');
  }

  #ping(): void {
    const { clock } = this.#parts;
    this.#beat = clock.timer(
      Math.floor(this.#timeoutMs / 3),
      () => {
        if (clock.monotonic() - this.#heardMs > (this.#timeoutMs * 2) / 3)
          return this.#disconnected('it is silent');
        this.#write(new JuteWriter().int(XID_PING).int(OP.ping).finish());
        this.#ping();
      },
      'ping ZooKeeper',
    );
  }

  // ---- in ----

  #receive(bytes: Uint8Array): void {
    this.#heardMs = this.#parts.clock.monotonic();
    const buffer = new Uint8Array(this.#buffer.length + bytes.length);
    buffer.set(this.#buffer);
    buffer.set(bytes, this.#buffer.length);
    this.#buffer = buffer;
    try {
      const { connection } = { connection: this.#connection };
      for (let taken = takePacket(this.#buffer); taken !== undefined; taken = takePacket(this.#buffer)) {
        this.#buffer = taken.rest;
        this.#take(new JuteReader(taken.packet));
        if (this.#connection !== connection) return;
      }
    } catch (error) {
      this.#disconnected(error instanceof Error ? error.message : String(error));
    }
  }

  #take(reader: JuteReader): void {
    if (this.#state === 'connecting') return this.#welcomed(reader);
    const xid = reader.int();
    const zxid = reader.long();
    const error = reader.int();
    if (xid === XID_PING) return;
    if (xid === XID_EVENT) {
      reader.int();
      reader.int();
      return this.#fire(reader.string());
    }
    const waiting = this.#waiting.shift();
    if (waiting?.xid !== xid) {
      return this.#disconnected(`it answered request ${xid} in the place of ${waiting?.xid}`);
    }
    waiting.timer.cancel();
    if (error === ERROR.sessionExpired) {
      waiting.reject(this.#unavailable('the session is over'));
      return this.#end('the server says so');
    }
    waiting.resolve({ zxid, error, body: reader });
  }

  #welcomed(reader: JuteReader): void {
    reader.int();
    const timeoutMs = reader.int();
    const id = reader.long();
    const password = reader.buffer();
    if (id === 0n || timeoutMs <= 0) return this.#end('the server does not know it any more');
    this.#session = { id, password };
    this.#timeoutMs = timeoutMs;
    this.#state = 'connected';
    this.#beat?.cancel();
    this.#ping();
    for (const { go, timer } of this.#blocked.splice(0)) {
      timer.cancel();
      go();
    }
  }

  /** ZS-3. */
  #fire(path: string): void {
    const watchers = this.#watchers.get(path);
    this.#watchers.delete(path);
    for (const changed of watchers ?? []) changed();
  }

  // ---- out ----

  #write(record: Uint8Array): void {
    this.#connection?.write(new JuteWriter().buffer(record).finish());
  }

  // ---- the end ----

  #end(why: string): void {
    if (this.#isOver()) return;
    this.#why = why;
    if (this.#connection !== undefined || this.#waiting.length > 0) this.#disconnected(why);
    this.#state = 'over';
    this.#beat?.cancel();
    const error = this.#unavailable(why);
    for (const { reject, timer } of this.#blocked.splice(0)) {
      timer.cancel();
      reject(error);
    }
    for (const path of [...this.#watchers.keys()]) this.#fire(path);
    for (const listener of [...this.#listeners]) listener.expired(why);
    this.#listeners.clear();
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }

  #unavailable(why: string): MillraceError {
    const servers = this.#parts.servers.map(addressText).join(',');
    return new MillraceError('HA_UNAVAILABLE', `ZooKeeper at ${servers} could not be asked: ${why}`);
  }
}

const GOODBYE_MS = 200;
