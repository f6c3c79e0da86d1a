/**
 * The seam through which processes reach each other: ordered streams of bytes between two ends, as TCP gives them.
 *
 * `tcp.ts` is the machine's; a test passes one that cuts, delays and chops. What is promised: bytes arrive in order or
 * not at all, in pieces of any size; either end may close at any moment, and the other may hear of it late or never.
 */

/** A host and a port; port 0 = any that is free. */
export interface NetworkAddress {
  readonly host: string;
  readonly port: number;
}

/** Who wants to know what happens to a connection; called in turns of their own, never within a call of the connection. */
export interface ConnectionListener {
  /** The next bytes; the listener may keep them, unless it said that it does not. */
  data(bytes: Uint8Array): void;
  /** False: `data` is done with its bytes when it returns, so that their memory may be used again at once. Default: true. */
  readonly keeps?: boolean;
  /** {@link Connection.write} said false, and now there is room again. */
  drained(): void;
  /** Nothing comes any more; once, and not after the own `close`. */
  closed(error: Error | undefined): void;
}

/** One end of a stream of bytes in both directions. */
export interface Connection {
  /** Who is at the other end, for messages. */
  readonly peer: string;
  /** Bytes that were written and have not left this process. */
  readonly waitingBytes: number;
  /**
   * Sends bytes, which must not be changed as long as `waitingBytes` are not 0. False when more wait than {@link CONNECTION_WAITING_BYTES}:
   * whoever can should pause until `drained`. Nothing is refused; after `close` nothing is sent.
   */
  write(bytes: Uint8Array): boolean;
  /** Replaces the listener. What comes before the first one waits; each is told of an end that came before it. */
  listen(listener: ConnectionListener): void;
  /** Ends both directions at once; what waits is dropped. */
  close(): void;
}

/** A place where others can connect. */
export interface NetworkListener {
  /** With the port that was chosen. */
  readonly address: NetworkAddress;
  /** Takes no new connections; those that are there stay. */
  close(): void;
}

/** How a process reaches others and is reached. */
export interface Network {
  /** Throws NETWORK_FAILED when the address cannot be had. */
  listen(address: NetworkAddress, accept: (connection: Connection) => void): Promise<NetworkListener>;
  /** Throws NETWORK_FAILED when nobody answers within `deadlineMs`. */
  dial(address: NetworkAddress, deadlineMs: number): Promise<Connection>;
}

/** Bytes that may wait in a connection before `write` says false. */
export const CONNECTION_WAITING_BYTES = 256 * 1024;

/** `host:port`, as people write it. */
export function addressText({ host, port }: NetworkAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** True for an address that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
