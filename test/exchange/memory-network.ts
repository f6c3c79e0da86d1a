// A network within one thread: bytes move when the test says so, in pieces by chance, and connections can be cut.

import { MillraceError } from '../../src/base/errors.ts';
import type { Random } from '../../src/base/env.ts';
import type {
  Connection,
  ConnectionListener,
  Network,
  NetworkAddress,
  NetworkListener,
} from '../../src/base/network.ts';

/** One direction of bytes, and who gets them. */
class End implements Connection {
  readonly peer: string;
  readonly #network: MemoryNetwork;
  other: End | undefined;
  listener: ConnectionListener | undefined;
  /** Bytes on their way to the other end. */
  readonly out: Uint8Array[] = [];
  state: 'open' | 'closed' | 'told' = 'open';
  error: Error | undefined;
  /** The end was told, and not by the own `close`: who listens later is told, too. */
  hasHeardEnd = false;
  needsDrain = false;

  constructor(network: MemoryNetwork, peer: string) {
    this.#network = network;
    this.peer = peer;
  }

  get waitingBytes(): number {
    return this.out.reduce((sum, { length }) => sum + length, 0);
  }

  write(bytes: Uint8Array): boolean {
    if (this.state !== 'open' || bytes.length === 0) return true;
    // Not a copy: whoever changes what waits is found out.
    this.out.push(bytes);
    this.needsDrain = this.waitingBytes > this.#network.waitingBytesMax;
    return !this.needsDrain;
  }

  listen(listener: ConnectionListener): void {
    this.listener = listener;
    if (this.hasHeardEnd) this.state = 'closed';
  }

  close(): void {
    if (this.state !== 'open') return;
    this.state = 'told';
    this.out.length = 0;
    const { other } = this;
    if (other?.state === 'open') other.state = 'closed';
  }
}

/** See the head of the file. */
export class MemoryNetwork implements Network {
  readonly #random: Random;
  readonly #ends: End[] = [];
  readonly #listeners = new Map<number, (connection: Connection) => void>();
  readonly waitingBytesMax: number;
  #nextPort = 1;
  /** Bytes that were delivered at once, at most; 1 = byte by byte. */
  chunkBytesMax = 1 << 20;

  constructor(random: Random, waitingBytesMax = 1 << 18) {
    this.#random = random;
    this.waitingBytesMax = waitingBytesMax;
  }

  /** Two ends of a new connection. */
  pair(): [Connection, Connection] {
    const ends: [End, End] = [new End(this, 'b'), new End(this, 'a')];
    [ends[0].other, ends[1].other] = [ends[1], ends[0]];
    this.#ends.push(...ends);
    return ends;
  }

  listen(address: NetworkAddress, accept: (connection: Connection) => void): Promise<NetworkListener> {
    const port = address.port === 0 ? this.#nextPort++ : address.port;
    this.#listeners.set(port, accept);
    return Promise.resolve({
      address: { host: address.host, port },
      close: () => this.#listeners.delete(port),
    });
  }

  dial({ port }: NetworkAddress): Promise<Connection> {
    const accept = this.#listeners.get(port);
    if (accept === undefined)
      return Promise.reject(new MillraceError('NETWORK_FAILED', `nobody listens on ${port}`));
    const [near, far] = this.pair();
    accept(far);
    return Promise.resolve(near);
  }

  /** Moves some bytes, or tells of an end; false when nothing is to be done. */
  step(): boolean {
    const busy = this.#ends.filter((end) => this.#hasWork(end));
    if (busy.length === 0) return false;
    this.#serve(busy[this.#random.int(busy.length)]!);
    return true;
  }

  /** Moves all there is. */
  settle(): void {
    for (let steps = 0; this.step(); steps++)
      if (steps > 1_000_000) throw new Error('the network never rests');
  }

  /** Breaks everything: what is on its way is lost from a place by chance on. */
  cut(error?: Error): void {
    for (const end of this.#ends) {
      if (end.state !== 'open') continue;
      const kept = this.#random.int(end.waitingBytes + 1);
      let at = 0;
      const parts = end.out.splice(0);
      for (const part of parts) {
        if (at < kept) end.out.push(part.subarray(0, kept - at));
        at += part.length;
      }
    }
    for (const end of this.#ends) if (end.state === 'open') [end.state, end.error] = ['closed', error];
  }

  #hasWork(end: End): boolean {
    const { other, listener } = end;
    if (listener === undefined || end.state === 'told') return false;
    return (other?.out.length ?? 0) > 0 || end.state === 'closed';
  }

  #serve(end: End): void {
    const { other, listener } = end;
    const next = other!.out[0];
    if (next === undefined) {
      end.state = 'told';
      end.hasHeardEnd = true;
      listener!.closed(end.error);
      return;
    }
    const count = 1 + this.#random.int(Math.min(next.length, this.chunkBytesMax));
    other!.out[0] = next.subarray(count);
    if (count === next.length) other!.out.shift();
    const part = new Uint8Array(next.subarray(0, count));
    listener!.data(part);
    // Whoever keeps what it said it does not is found out.
    if (listener!.keeps === false) part.fill(0xdd);
    if (other!.needsDrain && other!.state === 'open' && other!.waitingBytes <= this.waitingBytesMax / 2) {
      other!.needsDrain = false;
      other!.listener?.drained();
    }
  }
}
