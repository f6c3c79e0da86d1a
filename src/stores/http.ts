/**
 * HTTP to a store: bytes both ways, connections that are kept, a deadline and a bound for every answer. What the `HttpClient` of the
 * base does not tell is the point here: the headers of an answer, and whether a request got out at all.
 */

import { Agent as PlainAgent, request as plainRequest } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import type { Socket } from 'node:net';
import type { Clock } from '../base/env.ts';
import { wholeAnswer } from '../base/http-client.ts';

/** One request. A redirect is an answer like any other. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** By then the whole answer is there, ms. */
  readonly timeoutMs: number;
}

/** What came back. */
export interface HttpAnswer {
  readonly status: number;
  /** Names are in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
}

/** Throws {@link NoAnswer} and nothing else. */
export type HttpTransport = (request: HttpRequest) => Promise<HttpAnswer>;

/** There was no answer, or not all of it. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  /** False: the request had no effect and will have none. True: nobody knows. */
  readonly wasSent: boolean;

  constructor(reason: string, wasSent: boolean) {
    super(reason);
    this.wasSent = wasSent;
  }
}

/** Connections to one server. */
const CONNECTIONS_MAX = 16;
/** More than an object of a checkpoint can have. */
const ANSWER_BYTES_MAX = 2 ** 32;

/** Over the network of this machine. Connections that wait for work do not keep the process alive. */
export function httpTransport(clock: Pick<Clock, 'timer'>): HttpTransport {
  const options = { keepAlive: true, maxSockets: CONNECTIONS_MAX };
  const plain = new PlainAgent(options);
  let secure: SecureAgent | undefined;
  return (request) => {
    if (request.url.protocol !== 'https:') return exchange(request, plain, clock);
    secure ??= new SecureAgent(options);
    return exchange(request, secure, clock);
  };
}

async function exchange(
  { method, url, headers, body, timeoutMs }: HttpRequest,
  agent: PlainAgent | SecureAgent,
  clock: Pick<Clock, 'timer'>,
): Promise<HttpAnswer> {
  let wasSent = false;
  const send = url.protocol === 'https:' ? secureRequest : plainRequest;
  const length =
    body === undefined && method !== 'PUT' && method !== 'POST'
      ? {}
      : { 'content-length': body?.length ?? 0 };
  const request = send(url, { method, agent, headers: { ...headers, ...length } });
  request.once('socket', (socket: Socket) => {
    // One that was used before: nothing more is heard of its connecting.
    if (!socket.connecting) {
      wasSent = true;
      return;
    }
    const connected = url.protocol === 'https:' ? 'secureConnect' : 'connect';
    socket.once(connected, () => {
      wasSent = true;
    });
  });
  request.end(body);
  try {
    const bounds = { deadlineMs: timeoutMs, bytesMax: ANSWER_BYTES_MAX };
    const answer = await wholeAnswer(request, bounds, clock);
    return { ...answer, headers: answer.headers as HttpAnswer['headers'] };
  } catch (error) {
    const { code, message } = error as Error & { readonly code?: string };
    throw new NoAnswer(code ?? message, wasSent);
  }
}
