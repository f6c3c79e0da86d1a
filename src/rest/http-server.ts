/**
 * The HTTP server: limits, who may ask, and the way from a request to the answer of its route.
 *
 * Owner: the process that serves. Partners: the router; access.ts, which knows roles and tokens.
 *
 * HS-1 It listens on loopback, or elsewhere with TLS and tokens alone (REST_BIND_UNSAFE). On loopback a request whose `Host`
 *      is no name of loopback is refused (DNS rebinding; elsewhere nobody has the token of a name that is not its own).
 *      Refused too is what a page of another origin makes a browser send (`Origin`, `Sec-Fetch-Site`). No CORS header is
 *      ever sent.
 * HS-2 Everything that comes from outside has a bound: connections, headers, times, the body.
 * HS-3 Every answer carries the headers that forbid a browser to run, frame or guess anything.
 * HS-5 A server whose answers are somewhere else sends whoever asks there, with the same method and body (307), or says 503;
 *      what is about its own process it answers.
 * HS-4 An error in a route is a 500 with its message, in the log with its stack, and the server goes on.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Env } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import { isLoopback } from '../base/network.ts';
import { Access, type Tokens } from './access.ts';
import { type Answer, Refusal, refused, type Router, type Upload, type UploadedPart } from './router.ts';

/** HS-2. */
export const CONNECTIONS_MAX = 512;
export const BODY_BYTES_MAX = 1 << 20;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
/** Node looks for requests that take too long every 30 s; half of one would hold its connection as long. */
const TIMES_CHECKED_MS = 1_000;
const HEADER_BYTES_MAX = 16 << 10;
const HEADERS_MAX = 100;
const URL_LENGTH_MAX = 8_192;
/** Ports that are tried one after the other. */
const PORTS_TRIED = 32;

/** Of every answer. HS-3: the page brings all that it needs, and nothing of it is written into the text of the page. */
export const ANSWER_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; worker-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

const LOOPBACK: RestBind = { host: 'localhost' };
const LOOPBACK_NAMES: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/** What a server is made of. */
export interface HttpServerOptions {
  readonly env: Env;
  readonly router: Router;
  /** Files of the page: asked for whatever no route has. */
  readonly files: (path: string) => Promise<Answer | undefined>;
  /** Default: loopback, in the clear, and everybody on this machine may do all that is served. */
  readonly bind?: RestBind;
  /** Who is to be asked instead of this server: the URL of another one, or nobody for the moment. */
  readonly elsewhere?: () => { readonly url: string | undefined; readonly why: string } | undefined;
}

/** Where the server listens, and whom it answers. */
export interface RestBind {
  /** `localhost`: both families of loopback. */
  readonly host: string;
  /** What others call it, for its address; default: `host`. */
  readonly name?: string;
  /** PEM. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  readonly tokens?: Tokens;
}

type AnyServer = Server | TlsServer;

/** What all requests are held to. */
interface Rules {
  readonly access: Access;
  readonly isLoopback: boolean;
  readonly scheme: 'http' | 'https';
}

/** A server that listens. */
export interface Listening {
  readonly port: number;
  /** For people. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Listens at `port`, or at the next free one when `orNext`. Throws REST_UNAVAILABLE, and REST_BIND_UNSAFE where others than
 * this machine could read what is said.
 */
export async function listen(
  options: HttpServerOptions,
  port: number,
  { orNext = false } = {},
): Promise<Listening> {
  const { host, tls, tokens } = options.bind ?? LOOPBACK;
  if (!isLoopback(host) && (tls === undefined || tokens === undefined)) {
    throw new MillraceError(
      'REST_BIND_UNSAFE',
      `rest.bind-address is ${host}, which others than this machine reach`,
    );
  }
  let last: unknown;
  const tried = port === 0 || !orNext ? 1 : PORTS_TRIED;
  for (let each = 0; each < tried && port + each <= 65_535; each += 1) {
    try {
      return await listenAt(options, port + each);
    } catch (error) {
      last = error;
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') break;
    }
  }
  const ports = tried === 1 ? `port ${port}` : `the ports ${port} to ${port + tried - 1}`;
  throw new MillraceError('REST_UNAVAILABLE', `nothing can listen on ${ports} of this machine`, {
    cause: last,
  });
}

async function listenAt(options: HttpServerOptions, port: number): Promise<Listening> {
  const { host, name = host, tls, tokens } = options.bind ?? LOOPBACK;
  const rules: Rules = {
    access: new Access({ clock: options.env.clock, tokens, isLoopback: isLoopback(host) }),
    isLoopback: isLoopback(host),
    scheme: tls === undefined ? 'http' : 'https',
  };
  const first = makeServer(options, rules);
  await bind(first, port, host === 'localhost' ? '127.0.0.1' : host);
  const bound = (first.address() as { readonly port: number }).port;
  const url = `${rules.scheme}://${name.includes(':') ? `[${name}]` : name}:${bound}`;
  const servers: AnyServer[] = [first];
  if (host !== 'localhost') return { port: bound, url, close: () => closeAll(servers) };
  // Both families of loopback: `localhost` may mean either, and must not mean a stranger's server.
  const second = makeServer(options, rules);
  try {
    await bind(second, bound, '::1');
    servers.push(second);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') {
      await closeAll(servers);
      throw error;
    }
    // A machine without IPv6: `localhost` is the other one.
  }
  return { port: bound, url, close: () => closeAll(servers) };
}

function bind(server: AnyServer, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, exclusive: true }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function closeAll(servers: readonly AnyServer[]): Promise<void> {
  await Promise.all(
    servers.map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        }),
    ),
  );
}

function makeServer(options: HttpServerOptions, rules: Rules): AnyServer {
  const limits = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: TIMES_CHECKED_MS,
    maxHeaderSize: HEADER_BYTES_MAX,
  };
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    response.on('error', () => {}); // Whoever asked has gone.
    handle(options, rules, request)
      .then((found) => send(found, request, response))
      .catch((error: unknown) => {
        options.env.log.error('a request could not be answered', { error });
        response.destroy();
      });
  };
  const tls = options.bind?.tls;
  const server =
    tls === undefined
      ? createServer(limits, answer)
      : createTlsServer({ ...limits, cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.2' }, answer);
  server.maxConnections = CONNECTIONS_MAX;
  server.maxHeadersCount = HEADERS_MAX;
  return server;
}

/** From a request to its answer; rejected never but for a bug here. */
async function handle(options: HttpServerOptions, rules: Rules, request: IncomingMessage): Promise<Answer> {
  try {
    return await route(options, rules, request);
  } catch (error) {
    if (error instanceof Refusal) return refused(error.status, error.message, error.headers);
    options.env.log.error('a route failed', { url: request.url, error });
    return refused(500, `Internal server error: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function route(
  { router, files, elsewhere }: HttpServerOptions,
  rules: Rules,
  request: IncomingMessage,
): Promise<Answer> {
  checkAsker(request, rules);
  const { authorization } = request.headers;
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET');
  const raw = request.url ?? '/';
  if (raw.length > URL_LENGTH_MAX) throw new Refusal(414, 'The address is too long.');
  const question = raw.indexOf('?');
  const path = question < 0 ? raw : raw.slice(0, question);
  const found = router.find(method, path);
  const other = elsewhere?.();
  const isOwn = found.kind === 'route' && found.route.isOwn === true;
  if (other !== undefined && !isOwn) return sentElsewhere(other, raw);
  checkOrigin(request, found.kind === 'nothing');
  switch (found.kind) {
    case 'route': {
      const { route: row, params } = found;
      const isPage = isFromPage(request);
      if (row.onlyForPage === true && !isPage) throw notFromPage();
      rules.access.check(authorization, row.role);
      const mayAct = isPage && rules.access.allows(authorization, 'operate');
      const query = new URLSearchParams(question < 0 ? '' : raw.slice(question + 1));
      const max = row.uploadBytesMax;
      const body = max === undefined ? await bodyOf(request) : await uploadOf(request, max);
      return row.handle({ params, query, body, mayAct });
    }
    case 'other-method':
      throw new Refusal(405, `Method ${method} is not allowed here; allowed: ${found.allowed.join(', ')}`);
    case 'nothing': {
      rules.access.check(authorization, 'view');
      const file = method === 'GET' ? await files(path) : undefined;
      if (file === undefined) throw new Refusal(404, `Not found: ${path}`);
      return file;
    }
  }
}

/** HS-5. */
function sentElsewhere({ url, why }: { url: string | undefined; why: string }, path: string): Answer {
  if (url === undefined) throw new Refusal(503, why);
  const body = JSON.stringify({ errors: [why] });
  const type = 'application/json; charset=UTF-8';
  return { kind: 'bytes', status: 307, type, bytes: body, headers: { Location: `${url}${path}` } };
}

/** HS-1. */
function checkAsker(request: IncomingMessage, rules: Rules): void {
  const { host, origin } = request.headers;
  if (host === undefined || (rules.isLoopback && !LOOPBACK_NAMES.has(nameOf(host)))) {
    throw new Refusal(403, 'This host name is not served: use localhost.');
  }
  if (origin !== undefined && origin !== `${rules.scheme}://${host}`) {
    throw new Refusal(403, 'Requests of pages of other origins are not answered.');
  }
}

/** HS-1. A foreign page may lead to the page itself, and to nothing that answers or does something. */
function checkOrigin(request: IncomingMessage, isPage: boolean): void {
  const site = request.headers['sec-fetch-site'];
  if (site !== 'cross-site' && site !== 'same-site') return;
  if (isPage && request.headers['sec-fetch-mode'] === 'navigate') return;
  throw new Refusal(403, 'Requests of pages of other origins are not answered.');
}

/** HS-1. Only a browser says so, of a script on a page of this very server: no link, picture or form can. */
function isFromPage({ headers }: IncomingMessage): boolean {
  return headers['sec-fetch-site'] === 'same-origin' && headers['sec-fetch-mode'] === 'cors';
}

function notFromPage(): Refusal {
  return new Refusal(
    405,
    'This is for pages that this server serves; a GET of anybody else changes nothing.',
  );
}

function nameOf(host: string): string {
  const end = host.startsWith('[') ? host.indexOf(']') + 1 : host.indexOf(':');
  return (end <= 0 ? host : host.slice(0, end)).toLowerCase();
}

/** HS-2: JSON of a bounded size; `undefined` for no body. */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  if (request.method === 'GET' || request.method === 'HEAD') return undefined;
  const bytes = await bytesOf(request, BODY_BYTES_MAX);
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new Refusal(400, 'Request did not match expected format: the body is not JSON.');
  }
}

async function bytesOf(request: IncomingMessage, max: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > max) throw tooLarge(max);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > max) throw tooLarge(max);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(max: number): Refusal {
  return new Refusal(413, `The body is larger than ${max} bytes.`);
}

/** HS-2. Bodies that are being read at once; each waits in memory until it is whole. */
const UPLOADS_AT_ONCE = 4;
const PARTS_MAX = 8;
let uploads = 0;

/** HS-2: a form with files. */
async function uploadOf(request: IncomingMessage, max: number): Promise<Upload> {
  const type = request.headers['content-type'] ?? '';
  if (!type.startsWith('multipart/form-data')) {
    throw new Refusal(400, 'Request did not match expected format: the body is no multipart/form-data.');
  }
  if (uploads >= UPLOADS_AT_ONCE) throw new Refusal(429, 'Too many uploads are under way; try again.');
  uploads += 1;
  try {
    const bytes = await bytesOf(request, max);
    const form = await new Response(new Uint8Array(bytes), { headers: { 'content-type': type } })
      .formData()
      .catch(() => {
        throw new Refusal(400, 'Request did not match expected format: the body is no multipart/form-data.');
      });
    const parts = [...form.entries()];
    if (parts.length > PARTS_MAX) throw new Refusal(400, `A form has at most ${PARTS_MAX} parts.`);
    return new Map(
      await Promise.all(
        parts.map(async ([name, value]): Promise<[string, UploadedPart]> => {
          if (typeof value === 'string') return [name, { name: '', bytes: Buffer.from(value) }];
          return [name, { name: value.name, bytes: new Uint8Array(await value.arrayBuffer()) }];
        }),
      ),
    );
  } finally {
    uploads -= 1;
  }
}

function send(answer: Answer, request: IncomingMessage, response: ServerResponse): void {
  if (answer.kind === 'events') return sendEvents(answer, request, response);
  const isJson = answer.kind === 'json';
  const bytes = Buffer.from(isJson ? JSON.stringify(answer.body) : answer.bytes);
  response.writeHead(answer.status, {
    ...ANSWER_HEADERS,
    'Content-Type': isJson ? 'application/json; charset=UTF-8' : answer.type,
    'Content-Length': bytes.length,
    ...answer.headers,
    // What was not read of a refused body must not pass for the next request.
    ...(answer.status === 413 ? { Connection: 'close' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

function sendEvents(
  { start }: Answer & { kind: 'events' },
  request: IncomingMessage,
  response: ServerResponse,
): void {
  request.socket.setNoDelay(true);
  response.writeHead(200, {
    ...ANSWER_HEADERS,
    'Content-Type': 'text/event-stream; charset=utf-8',
    'X-Accel-Buffering': 'no',
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  const stop = start({
    write: (text) => {
      if (!response.writableEnded && !response.destroyed) response.write(text);
    },
    waitingBytes: () => response.writableLength,
    end: () => void response.end(),
  });
  response.on('close', stop);
}
