/**
 * The network of the machine, encrypted: both ends show a certificate of the cluster's own issuer, over TLS 1.3.
 *
 * Owns: the certificate, the key and the issuer as the files had them lately. Partners: TCP, whoever listens and dials.
 *
 * TL-1 Nothing is said to, and nothing heard from, an end whose certificate is not of the issuer, or is over. Names in it are not
 *      looked at: the issuer is of this cluster alone, and addresses of processes come and go. What a peer may do, its secret
 *      says (exchange/handshake.ts).
 * TL-2 Files that are replaced are read again; connections that are there stay.
 * TL-3 Whoever dials hears of a failure as TLS_REFUSED, whichever end it was that refused; here the log tells it. Neither ends a
 *      listener or a process.
 * TL-4 Bounded: how many connections may be in the middle of their handshake, and how long one may (`ShakeLimits`).
 */

import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, createSecureContext, connect, type TLSSocket } from 'node:tls';
import type { Clock, Env, Log } from './env.ts';
import { MillraceError } from './errors.ts';
import { FreshFile } from './fresh-file.ts';
import {
  addressText,
  type Connection,
  CONNECTION_WAITING_BYTES,
  type Network,
  type NetworkAddress,
  type NetworkListener,
} from './network.ts';
import { listening, TcpConnection, tcpNetwork } from './tcp.ts';

/** Absolute paths of files in PEM. */
export interface TlsPaths {
  readonly certificate: string;
  readonly key: string;
  /** The issuer of all certificates of the cluster. */
  readonly ca: string;
}

/** TL-4. */
export interface ShakeLimits {
  readonly shakingMax: number;
  readonly shakeDeadlineMs: number;
}

const LIMITS: ShakeLimits = { shakingMax: 256, shakeDeadlineMs: 5_000 };
const TLS = { minVersion: 'TLSv1.3', noDelay: true } as const;

/** How processes of a cluster reach each other: encrypted where there are files for it. */
export function internalNetwork(
  env: Pick<Env, 'clock' | 'files' | 'log'>,
  paths: TlsPaths | undefined,
): Network {
  return paths === undefined ? tcpNetwork() : tlsNetwork(env, paths);
}

/** See the head of the file. `listen` and `dial` throw TLS_UNUSABLE when the own files are no good, `dial` TLS_REFUSED. */
export function tlsNetwork(
  env: Pick<Env, 'clock' | 'files' | 'log'>,
  paths: TlsPaths,
  limits: ShakeLimits = LIMITS,
): Network {
  const material = new Material(env, paths);
  return {
    listen: (address, accept) => listen({ material, log: env.log, limits }, address, accept),
    dial: (address, deadlineMs) => dial(material, address, deadlineMs),
  };
}

/** Throws TLS_UNUSABLE, so that a process says so when it starts, not to whoever dials it. */
export async function checkTlsFiles(env: Pick<Env, 'clock' | 'files'>, paths: TlsPaths): Promise<void> {
  await new Material(env, paths).read();
}

// ---- what this end shows and believes ----

interface Pem {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

class Material {
  readonly #clock: Clock;
  readonly #files: { readonly cert: FreshFile; readonly key: FreshFile; readonly ca: FreshFile };
  #last: Pem | undefined;

  constructor(env: Pick<Env, 'clock' | 'files'>, { certificate, key, ca }: TlsPaths) {
    this.#clock = env.clock;
    const file = (path: string): FreshFile => new FreshFile(env, path);
    this.#files = { cert: file(certificate), key: file(key), ca: file(ca) };
  }

  /** TL-2: the same object while the files are the same. */
  async read(): Promise<Pem> {
    const { cert, key, ca } = this.#files;
    const now = { cert: await textOf(cert), key: await textOf(key), ca: await textOf(ca) };
    const last = this.#last;
    if (last === undefined || last.cert !== now.cert || last.key !== now.key || last.ca !== now.ca) {
      this.#check(now);
      this.#last = now;
    }
    this.#checkDates(this.#last!);
    return this.#last!;
  }

  #check(pem: Pem): void {
    try {
      createSecureContext(pem);
    } catch (cause) {
      const { path } = this.#files.cert;
      throw unusable(`the certificate ${path}, its key and its issuer do not fit: ${reasonOf(cause)}`, cause);
    }
    if (!pem.ca.includes('-----BEGIN')) throw unusable(`${this.#files.ca.path} holds no certificate in PEM`);
  }

  #checkDates({ cert }: Pem): void {
    const { validFromDate, validToDate } = new X509Certificate(cert);
    const now = this.#clock.now();
    const { path } = this.#files.cert;
    if (validToDate.getTime() < now)
      throw unusable(`the certificate ${path} was over on ${validToDate.toISOString()}`);
    if (validFromDate.getTime() > now)
      throw unusable(`the certificate ${path} begins on ${validFromDate.toISOString()}`);
  }
}

async function textOf(file: FreshFile): Promise<string> {
  try {
    return await file.text();
  } catch (cause) {
    throw unusable(`${file.path} cannot be read`, cause);
  }
}

function unusable(message: string, cause?: unknown): MillraceError {
  return new MillraceError('TLS_UNUSABLE', message, { cause });
}

function refused(message: string, cause?: unknown): MillraceError {
  return new MillraceError('TLS_REFUSED', message, { cause });
}

/** OpenSSL's own words, without its places in C. */
function reasonOf(error: unknown): string {
  const { reason, message } = error as { reason?: unknown; message?: unknown };
  return typeof reason === 'string' ? reason : String(message ?? error);
}

// ---- both ends ----

async function listen(
  { material, log, limits }: { material: Material; log: Log; limits: ShakeLimits },
  address: NetworkAddress,
  accept: (connection: Connection) => void,
): Promise<NetworkListener> {
  let pem = await material.read();
  const shaking = new Set<string>();
  const server = createServer(
    {
      ...TLS,
      ...pem,
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: limits.shakeDeadlineMs,
      highWaterMark: CONNECTION_WAITING_BYTES,
    },
    (socket) => {
      shaking.delete(remoteOf(socket));
      accept(new TcpConnection(socket));
    },
  );
  server.on('connection', (socket: Socket) => {
    const remote = remoteOf(socket);
    if (shaking.size >= limits.shakingMax) return void socket.destroy(); // TL-4
    shaking.add(remote);
    socket.once('close', () => shaking.delete(remote));
    // TL-2: whoever comes next meets what the files say now.
    material.read().then(
      (now) => {
        if (now === pem) return;
        pem = now;
        server.setSecureContext({ ...TLS, ...now });
      },
      (error: unknown) => log.warn('the files of TLS cannot be used any more', { error: String(error) }),
    );
  });
  server.on('tlsClientError', (error, socket) => {
    const why = socket.authorizationError ?? reasonOf(error);
    log.warn('a peer was refused', { code: 'TLS_REFUSED', why: String(why) });
    socket.destroy();
  });
  return listening(server, address);
}

async function dial(material: Material, address: NetworkAddress, deadlineMs: number): Promise<Connection> {
  const pem = await material.read();
  return new Promise((resolve, reject) => {
    const { host, port } = address;
    // TL-1: no name is looked for.
    const socket = connect({ ...TLS, ...pem, host, port, checkServerIdentity: () => undefined });
    socket.setNoDelay(true);
    const name = addressText(address);
    let isReached = false;
    socket.once('connect', () => {
      isReached = true;
    });
    const failed = (cause: Error): void => {
      socket.destroy();
      if (isReached)
        return reject(refused(`no encrypted connection with ${name}: ${reasonOf(cause)}`, cause));
      reject(new MillraceError('NETWORK_FAILED', `cannot reach ${name}: ${cause.message}`, { cause }));
    };
    socket.once('error', failed);
    socket.setTimeout(deadlineMs, () => failed(new Error(`no answer within ${deadlineMs} ms`)));
    socket.once('secureConnect', () => {
      socket.setTimeout(0);
      socket.removeAllListeners('timeout');
      socket.off('error', failed);
      resolve(new TcpConnection(socket, { unheard: (error) => refusedLate(name, error) }));
    });
  });
}

/** TL-3: with TLS 1.3 this end has shown its certificate, and is connected, before the other one has looked at it. */
function refusedLate(name: string, error: Error | undefined): MillraceError {
  const why = error === undefined ? 'it may be of another issuer, or over' : reasonOf(error);
  return refused(`${name} closed the connection when it saw the certificate of this process: ${why}`, error);
}

function remoteOf({ remoteAddress, remotePort }: Socket | TLSSocket): string {
  return `${remoteAddress} ${remotePort}`;
}
