/** Sends requests to a collector over HTTP: one address, connections that are kept, and a bound for everything. */

import {
  Agent as PlainAgent,
  type ClientRequest,
  type IncomingMessage,
  request as plainRequest,
} from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import type { Clock } from '../base/env.ts';

/** An answer; what is longer than {@link ANSWER_BYTES_MAX} is cut. */
export interface OtlpAnswer {
  readonly status: number;
  /** How long the collector asks to be left alone. */
  readonly retryAfterMs: number | undefined;
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** The way to a collector. */
export interface OtlpTransport {
  /** Rejected when there is no answer in time, or none at all. */
  post(body: Uint8Array, headers: Readonly<Record<string, string>>): Promise<OtlpAnswer>;
  /** Gives up what is under way, and whatever comes later. */
  close(): void;
}

/** Where requests go. */
export interface TransportSettings {
  readonly url: URL;
  readonly timeoutMs: number;
  /** PEM; default: those that Node trusts. */
  readonly certificate?: Uint8Array | undefined;
  readonly clientKey?: Uint8Array | undefined;
  readonly clientCertificate?: Uint8Array | undefined;
}

/** Bytes of an answer that are read. */
export const ANSWER_BYTES_MAX = 64 << 10;
const CONNECTIONS_MAX = 2;
/** A collector cannot ask for a longer pause. */
const RETRY_AFTER_MS_MAX = 300_000;

/** Over the network of the machine. */
export function httpTransport(settings: TransportSettings, clock: Pick<Clock, 'timer'>): OtlpTransport {
  const { url } = settings;
  const isSecure = url.protocol === 'https:';
  const agent = isSecure
    ? new SecureAgent({
        keepAlive: true,
        maxSockets: CONNECTIONS_MAX,
        ...pem('ca', settings.certificate),
        ...pem('key', settings.clientKey),
        ...pem('cert', settings.clientCertificate),
      })
    : new PlainAgent({ keepAlive: true, maxSockets: CONNECTIONS_MAX });
  const open = new Set<ClientRequest>();
  let isClosed = false;
  return {
    post: (body, headers) =>
      new Promise<OtlpAnswer>((resolve, reject) => {
        if (isClosed) throw new Error('given up');
        const request = (isSecure ? secureRequest : plainRequest)(url, {
          method: 'POST',
          agent,
          headers: { ...headers, 'content-length': body.length },
        });
        open.add(request);
        const { timeoutMs } = settings;
        const tooLate = (): void => void request.destroy(new Error(`no answer within ${timeoutMs} ms`));
        const timer = clock.timer(timeoutMs, tooLate, 'a collector has to answer');
        const over = (): void => {
          timer.cancel();
          open.delete(request);
        };
        request.once('error', (error) => {
          over();
          reject(error);
        });
        request.once('response', (response) => {
          readAnswer(response).then(
            (answer) => {
              over();
              resolve(answer);
            },
            (error: unknown) => {
              over();
              reject(error);
            },
          );
        });
        request.end(body);
      }),
    close: () => {
      isClosed = true;
      for (const request of open) request.destroy(new Error('given up'));
      agent.destroy();
    },
  };
}

async function readAnswer(response: IncomingMessage): Promise<OtlpAnswer> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Uint8Array>) {
    parts.push(part);
    length += part.length;
    if (length > ANSWER_BYTES_MAX) break; // Which ends the connection.
  }
  return {
    status: response.statusCode ?? 0,
    retryAfterMs: retryAfterOf(response.headers['retry-after']),
    contentType: response.headers['content-type'] ?? '',
    body: Buffer.concat(parts).subarray(0, ANSWER_BYTES_MAX),
  };
}

/** Seconds; a date is for browsers. */
function retryAfterOf(text: string | undefined): number | undefined {
  const seconds = Number(text);
  return text !== undefined && seconds >= 0 ? Math.min(RETRY_AFTER_MS_MAX, seconds * 1_000) : undefined;
}

function pem(name: string, bytes: Uint8Array | undefined): Readonly<Record<string, Buffer>> {
  return bytes === undefined ? {} : { [name]: Buffer.from(bytes) };
}
