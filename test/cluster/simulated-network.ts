// A network between the nodes of a kernel: latency by chance, FIFO per direction, partitions, and what a crash leaves.

import { MillraceError } from '../../src/base/errors.ts';
import type { Random } from '../../src/base/env.ts';
import {
  addressText,
  type Connection,
  type ConnectionListener,
  type Network,
  type NetworkAddress,
  type NetworkListener,
} from '../../src/base/network.ts';
import type { Kernel } from '../../src/testing/kernel.ts';

const LATENCY_MS_MAX = 3;
const RESET_MS_MAX = 5;
/** The smallest step of the kernel's time. */
const TICK_MS = 0.001;

/** One end; its events happen at its node. */
class End implements Connection {
  readonly peer: string;
  readonly node: string;
  readonly #network: SimulatedNetwork;
  other: End | undefined;
  #listener: ConnectionListener | undefined;
  /** What came before somebody listened. */
  #early: Uint8Array[] = [];
  state: 'open' | 'closed' | 'gone' = 'open';
  #lastArrivalMs = 0;

  constructor(network: SimulatedNetwork, node: string, peer: string) {
    this.#network = network;
    this.node = node;
    this.peer = peer;
  }

  get waitingBytes(): number {
    return 0;
  }

  write(bytes: Uint8Array): boolean {
    if (this.state === 'open') this.#network.carry(this, bytes.slice());
    return true;
  }

  listen(listener: ConnectionListener): void {
    this.#listener = listener;
    for (const bytes of this.#early.splice(0)) listener.data(bytes);
    if (this.state === 'closed') this.#network.tellEnd(this);
  }

  /** Also to a listener that came after it. */
  tellEnd(): void {
    if (this.state === 'closed') this.#listener?.closed(undefined);
  }

  close(): void {
    if (this.state !== 'open') return;
    this.state = 'gone';
    this.#network.carry(this, undefined);
  }

  /** When bytes that are sent now arrive at the other end: after what was sent earlier, as chance orders what is at one time. */
  arrivalMs(now: number, latencyMs: number): number {
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs + TICK_MS, now + latencyMs);
    return this.#lastArrivalMs - now;
  }

  /** Bytes, or the end of the connection. */
  arrive(bytes: Uint8Array | undefined): void {
    if (this.state !== 'open') return;
    if (bytes === undefined) {
      this.state = 'closed';
      this.tellEnd();
    } else if (this.#listener === undefined) this.#early.push(bytes);
    else this.#listener.data(bytes);
  }
}

/** See the head of the file. */
export class SimulatedNetwork {
  readonly #kernel: Kernel;
  readonly #random: Random;
  readonly #listeners = new Map<
    number,
    { readonly node: string; readonly accept: (c: Connection) => void }
  >();
  readonly #ends = new Set<End>();
  readonly #held: { readonly from: End; readonly bytes: Uint8Array | undefined }[] = [];
  readonly #cutOff = new Set<string>();
  #nextPort = 1;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#random = kernel.random.fork('network');
  }

  /** The network as a node sees it. */
  of(node: string): Network {
    return {
      listen: (address, accept) => this.#listen(node, address, accept),
      dial: (address) => this.#dial(node, address),
    };
  }

  /** What a node sends and is sent waits, until {@link heal}. */
  cutOff(node: string): void {
    this.#cutOff.add(node);
  }

  isCutOff(node: string): boolean {
    return this.#cutOff.has(node);
  }

  heal(): void {
    this.#cutOff.clear();
    for (const { from, bytes } of this.#held.splice(0)) this.#send(from, bytes);
  }

  /** The machine of a node closes what it had open. */
  crashed(node: string): void {
    for (const [port, listener] of this.#listeners) if (listener.node === node) this.#listeners.delete(port);
    for (const end of this.#ends) {
      if (end.node !== node) continue;
      this.#ends.delete(end);
      if (end.state === 'open') {
        end.state = 'gone';
        this.carry(end, undefined);
      }
    }
  }

  carry(from: End, bytes: Uint8Array | undefined): void {
    const isHeld = this.#cutOff.has(from.node) || this.#cutOff.has(from.other!.node);
    if (isHeld) this.#held.push({ from, bytes });
    else this.#send(from, bytes);
  }

  /** In a turn of its own. */
  tellEnd(end: End): void {
    this.#kernel.schedule({
      node: end.node,
      afterMs: 0,
      why: 'a connection is over',
      run: () => end.tellEnd(),
    });
  }

  #send(from: End, bytes: Uint8Array | undefined): void {
    const to = from.other!;
    if (!this.#ends.has(to)) return;
    const latencyMs = this.#chance(bytes === undefined ? RESET_MS_MAX : LATENCY_MS_MAX);
    this.#kernel.schedule({
      node: to.node,
      afterMs: from.arrivalMs(this.#kernel.now, latencyMs),
      why: bytes === undefined ? `${from.node} has closed` : `bytes from ${from.node}`,
      run: () => to.arrive(bytes),
    });
  }

  #listen(
    node: string,
    address: NetworkAddress,
    accept: (connection: Connection) => void,
  ): Promise<NetworkListener> {
    const port = address.port === 0 ? 10_000 + this.#nextPort++ : address.port;
    this.#listeners.set(port, { node, accept });
    const close = (): void => void this.#listeners.delete(port);
    return Promise.resolve({ address: { host: address.host, port }, close });
  }

  #dial(node: string, address: NetworkAddress): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const afterMs = this.#chance(LATENCY_MS_MAX);
      const answer = (): void => {
        const found = this.#listeners.get(address.port);
        const isReached = found !== undefined && !this.#cutOff.has(node) && !this.#cutOff.has(found.node);
        if (!isReached) {
          return reject(new MillraceError('NETWORK_FAILED', `nobody at ${addressText(address)}`));
        }
        const near = new End(this, node, found.node);
        const far = new End(this, found.node, node);
        [near.other, far.other] = [far, near];
        this.#ends.add(near).add(far);
        this.#kernel.schedule({
          node: found.node,
          afterMs: this.#chance(LATENCY_MS_MAX),
          why: `${node} connects`,
          run: () => found.accept(far),
        });
        resolve(near);
      };
      this.#kernel.schedule({ node, afterMs, why: `dials ${addressText(address)}`, run: answer });
    });
  }

  #chance(maxMs: number): number {
    return (1 + this.#random.int(maxMs * 1_000)) / 1_000;
  }
}
