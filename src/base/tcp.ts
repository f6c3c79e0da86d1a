/** The network of the machine: TCP, without a delay for small writes. */

import { Buffer } from 'node:buffer';
import { connect, createServer, type Server, Socket } from 'node:net';
import { MillraceError } from './errors.ts';
import {
  addressText,
  type Connection,
  CONNECTION_WAITING_BYTES,
  type ConnectionListener,
  type Network,
  type NetworkAddress,
  type NetworkListener,
} from './network.ts';

/** Connections that wait to be accepted. */
const BACKLOG = 128;

/** A peer that was silent for so long is asked whether it is still there. */
const KEEP_ALIVE_MS = 10_000;

/** What one read takes at most. */
const READ_BYTES = 256 * 1024;
/** Into this all sockets of a thread read, one after the other: what a read brought is handed on before the next one. */
let readInto: Buffer | undefined;

/** How a socket reads into memory that is used again, and who gets what it read. */
class Reading {
  readonly onread: { readonly buffer: Buffer; readonly callback: (bytes: number) => boolean };
  take: ((bytes: Uint8Array) => void) | undefined;

  constructor() {
    readInto ??= Buffer.allocUnsafeSlow(READ_BYTES);
    const buffer = readInto;
    const callback = (bytes: number): boolean => {
      this.take?.(buffer.subarray(0, bytes));
      return true;
    };
    this.onread = { buffer, callback };
  }
}

/** TCP of this machine. Connections and listeners keep the process alive. */
export function tcpNetwork(): Network {
  return { listen, dial };
}

function listen(address: NetworkAddress, accept: (connection: Connection) => void): Promise<NetworkListener> {
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
    const reading = new Reading();
    const taken = takenOver(socket, reading);
    accept(taken === undefined ? new TcpConnection(socket) : new TcpConnection(taken, { reading }));
  });
  return listening(server, address);
}

/**
 * A server gives sockets that make new memory for each read, most of whose cost that is; how a socket reads is said when it
 * is made. So another one takes over what is connected, as a process does to which a connection is handed. `undefined`
 * where Node does not show what it would take.
 */
function takenOver(socket: Socket, { onread }: Reading): Socket | undefined {
  const holder = socket as unknown as { _handle: { readonly useUserBuffer?: unknown } | null };
  const handle = holder._handle;
  if (typeof handle?.useUserBuffer !== 'function') return undefined;
  holder._handle = null;
  const options = { handle, onread, readable: true, writable: true, manualStart: true };
  return new Socket(options as unknown as ConstructorParameters<typeof Socket>[0]);
}

/** Resolves when the server listens. Throws NETWORK_FAILED. */
export function listening(server: Server, address: NetworkAddress): Promise<NetworkListener> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const text = `cannot listen on ${addressText(address)}: ${cause.message}`;
      reject(new MillraceError('NETWORK_FAILED', text, { cause }));
    });
    server.listen({ host: address.host, port: address.port, backlog: BACKLOG }, () => {
      const bound = server.address();
      const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
      // A socket that fails before it is accepted is not the end of the listener.
      server.on('error', () => undefined);
      resolve({ address: { host: address.host, port }, close: () => void server.close() });
    });
  });
}

function dial(address: NetworkAddress, deadlineMs: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const reading = new Reading();
    const { onread } = reading;
    const socket = connect({ host: address.host, port: address.port, noDelay: true, onread });
    socket.pause(); // Until somebody listens.
    const fail = (why: string, cause?: unknown): void => {
      socket.destroy();
      reject(new MillraceError('NETWORK_FAILED', `cannot reach ${addressText(address)}: ${why}`, { cause }));
    };
    const refused = (cause: Error): void => fail(cause.message, cause);
    socket.once('error', refused);
    socket.setTimeout(deadlineMs, () => fail(`no answer within ${deadlineMs} ms`));
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.removeAllListeners('timeout');
      socket.off('error', refused);
      resolve(new TcpConnection(socket, { reading }));
    });
  });
}

/** A socket; what it reads before somebody listens stays in the socket. */
export class TcpConnection implements Connection {
  readonly peer: string;
  readonly #socket: Socket;
  readonly #reading: Reading | undefined;
  readonly #unheard: ((error: Error | undefined) => Error) | undefined;
  #hasHeard = false;
  #listener: ConnectionListener | undefined;
  #error: Error | undefined;
  #closed: 'no' | 'by-peer' | 'by-us' = 'no';

  /**
   * `unheard`: why a peer closes that has never said anything, where that means something. Without `reading` each read is in
   * memory of its own.
   */
  constructor(
    socket: Socket,
    options: {
      readonly reading?: Reading;
      readonly unheard?: (error: Error | undefined) => Error;
    } = {},
  ) {
    this.#socket = socket;
    this.#reading = options.reading;
    this.#unheard = options.unheard;
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.peer = addressText({ host: socket.remoteAddress ?? '?', port: socket.remotePort ?? 0 });
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('drain', () => this.#listener?.drained());
    // The peer does not send any more: nothing here uses one direction alone.
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.#ended());
  }

  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed !== 'no') return true;
    this.#socket.write(bytes);
    return this.#socket.writableLength <= CONNECTION_WAITING_BYTES;
  }

  listen(listener: ConnectionListener): void {
    const isFirst = this.#listener === undefined;
    this.#listener = listener;
    if (isFirst) this.#read();
    if (this.#closed === 'by-peer') setImmediate(() => this.#tell());
  }

  #read(): void {
    if (this.#reading === undefined) {
      this.#socket.on('data', (bytes: Uint8Array) => {
        this.#hasHeard = true;
        this.#listener?.data(bytes);
      });
    } else {
      this.#reading.take = (bytes) => {
        this.#hasHeard = true;
        const listener = this.#listener!;
        if (this.#closed !== 'by-us') listener.data(listener.keeps === false ? bytes : new Uint8Array(bytes));
      };
    }
    this.#socket.resume();
  }

  close(): void {
    if (this.#closed !== 'no') return;
    this.#closed = 'by-us';
    this.#socket.destroy();
  }

  #ended(): void {
    if (this.#closed !== 'no') return;
    this.#closed = 'by-peer';
    this.#tell();
  }

  #tell(): void {
    if (this.#closed !== 'by-peer') return;
    const unheard = this.#hasHeard ? undefined : this.#unheard;
    this.#listener?.closed(unheard === undefined ? this.#error : unheard(this.#error));
  }
}
