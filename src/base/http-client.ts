/**
 * The seam through which services that speak HTTP are asked: a request with a deadline and a bound, or an answer that is
 * followed line by line for as long as it goes on.
 *
 * `httpClient` is the machine's; a test passes one that loses answers. What is promised: each request ends, with an answer or with
 * NETWORK_FAILED, and then it may have been carried out.
 */

import {
  Agent as PlainAgent,
  type ClientRequest,
  type IncomingHttpHeaders,
  request as plainRequest,
} from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import type { Clock } from './env.ts';
import { MillraceError } from './errors.ts';

/** PEM, by which a service is believed and a client is known; what is missing is Node's default, or nothing. */
export interface TlsMaterial {
  readonly ca?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

/** What is asked. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** Until the whole answer is there; of an answer that is followed, until it begins. */
  readonly deadlineMs: number;
  readonly tls?: TlsMaterial | undefined;
}

/** What was answered. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** Who follows an answer; nothing is called after {@link HttpFollower.ended}, or after it was closed. */
export interface HttpFollower {
  /** A line of an answer with status 200. */
  line(text: string): void;
  /** Once: the answer is over, or is none; another status is told with what was said. */
  ended(answer: HttpAnswer | undefined): void;
}

/** See the head of the file. */
export interface HttpClient {
  /** Throws NETWORK_FAILED. */
  send(request: HttpRequest): Promise<HttpAnswer>;
  /** Returns how to end it. */
  follow(request: HttpRequest, follower: HttpFollower): { close(): void };
}

/** Bytes of an answer at most, and characters of one line of an answer that is followed. */
const ANSWER_LENGTH_MAX = 4 * 1024 * 1024;
const CONNECTIONS_MAX = 16;
/** A connection nobody needs is closed, ms; while it is open it keeps no process alive. */
const IDLE_MS = 30_000;

/** The network of the machine. */
export function httpClient(clock: Pick<Clock, 'timer'>): HttpClient {
  const options = { keepAlive: true, maxSockets: CONNECTIONS_MAX, timeout: IDLE_MS };
  const [plain, secure] = [new PlainAgent(options), new SecureAgent(options)];
  const open = ({ method, url, headers, body, tls }: HttpRequest): ClientRequest => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const common = { method, headers: { ...headers, ...length } };
    const request =
      url.protocol === 'https:'
        ? secureRequest(url, { ...common, agent: secure, ...pemOf(tls) })
        : plainRequest(url, { ...common, agent: plain });
    // An idle connection of the agent is closed; a request has a deadline of its own.
    request.setTimeout(0);
    request.end(body);
    return request;
  };
  return {
    send: (request) => send(open(request), request, clock),
    follow: (request, follower) => follow(open(request), request, clock, follower),
  };
}

async function send(
  sent: ClientRequest,
  { url, deadlineMs }: HttpRequest,
  clock: Pick<Clock, 'timer'>,
): Promise<HttpAnswer> {
  try {
    const { status, body } = await wholeAnswer(sent, { deadlineMs, bytesMax: ANSWER_LENGTH_MAX }, clock);
    return { status, body: body.toString() };
  } catch (cause) {
    throw new MillraceError('NETWORK_FAILED', `${url.origin}: ${(cause as Error).message}`, { cause });
  }
}

/** An answer as it came. */
export interface WholeAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** All of the answer to a request that was made just now. Throws an Error of Node's, or one that names the bound. */
export function wholeAnswer(
  sent: ClientRequest,
  { deadlineMs, bytesMax }: { readonly deadlineMs: number; readonly bytesMax: number },
  clock: Pick<Clock, 'timer'>,
): Promise<WholeAnswer> {
  return new Promise((resolve, reject) => {
    const late = (): void => void sent.destroy(new Error(`no answer within ${deadlineMs} ms`));
    const timer = clock.timer(deadlineMs, late, 'a service has to answer');
    const failed = (cause: Error): void => {
      timer.cancel();
      reject(cause);
    };
    sent.on('error', failed);
    sent.once('response', (response) => {
      const parts: Buffer[] = [];
      let length = 0;
      response.on('error', failed);
      response.on('data', (part: Buffer) => {
        parts.push(part);
        length += part.length;
        if (length > bytesMax) response.destroy(new Error('the answer is too long'));
      });
      response.once('end', () => {
        timer.cancel();
        const { statusCode: status = 0, headers } = response;
        // Of one part, as most answers are, nothing is copied.
        resolve({ status, headers, body: parts.length === 1 ? parts[0]! : Buffer.concat(parts) });
      });
    });
  });
}

function follow(
  sent: ClientRequest,
  { deadlineMs }: HttpRequest,
  clock: Pick<Clock, 'timer'>,
  follower: HttpFollower,
): { close(): void } {
  let isOver = false;
  const end = (answer: HttpAnswer | undefined): void => {
    timer.cancel();
    if (isOver) return;
    isOver = true;
    sent.destroy();
    follower.ended(answer);
  };
  const timer = clock.timer(deadlineMs, () => end(undefined), 'an answer has to begin');
  sent.on('error', () => end(undefined));
  sent.once('response', (response) => {
    timer.cancel();
    const status = response.statusCode ?? 0;
    let rest = '';
    response.setEncoding('utf8');
    response.on('error', () => end(undefined));
    response.on('data', (text: string) => {
      rest += text;
      if (status === 200) {
        const lines = rest.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (!isOver && line !== '') follower.line(line);
      }
      if (rest.length > ANSWER_LENGTH_MAX) end(undefined);
    });
    response.once('end', () => end(status === 200 ? undefined : { status, body: rest }));
    response.once('close', () => end(undefined));
  });
  return {
    close: () => {
      timer.cancel();
      isOver = true;
      sent.destroy();
    },
  };
}

function pemOf(tls: TlsMaterial | undefined): { ca?: string; cert?: string; key?: string } {
  return {
    ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls?.certificate === undefined ? {} : { cert: tls.certificate }),
    ...(tls?.key === undefined ? {} : { key: tls.key }),
  };
}
