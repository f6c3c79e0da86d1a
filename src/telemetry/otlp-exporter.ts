/**
 * Sends the messages of one signal to a collector, and bears whatever the collector does.
 *
 * Owns: the request that is under way, its repetitions, the counts. Partners: the transport; whoever collects metrics or
 * spans, and sends one message after the other.
 *
 * OE-1 Nothing of it is thrown, and nothing waits for it but its own timers: a collector that is down, slow or refuses costs
 *      what was to be sent, and that is counted.
 * OE-2 One request at a time, at most ATTEMPTS_MAX for one message, with growing pauses; only what may go better is repeated.
 * OE-3 An outage is told once, when it begins, and once when it is over; not more often than every QUIET_MS.
 */

import { gzip } from 'node:zlib';
import { promisify } from 'node:util';
import type { Env, Timer } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import type { OtlpAnswer, OtlpTransport } from './http-transport.ts';
import type { MetricsRequest, TracesRequest } from './otlp.ts';
import {
  decodePartialSuccess,
  encodeMessage,
  METRICS_REQUEST,
  type PartialSuccess,
  TRACES_REQUEST,
} from './protobuf.ts';
import type { Signal, SignalSettings } from './settings.ts';

/** OE-2. */
export const ATTEMPTS_MAX = 5;
const PAUSE_MS_FIRST = 1_000;
const PAUSE_MS_MAX = 30_000;
/** OE-3. */
export const QUIET_MS = 600_000;
const REFUSED_TEXT_MAX = 200;
/** What the protocol says may be sent again. */
const MAY_GO_BETTER: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const compress = promisify(gzip);

/** What an exporter is made of. */
export interface OtlpExporterParts {
  readonly signal: Signal;
  readonly settings: Pick<SignalSettings, 'url' | 'protocol' | 'headers' | 'isCompressed'>;
  readonly transport: OtlpTransport;
  readonly env: Pick<Env, 'clock' | 'random'>;
  readonly warn: (error: MillraceError) => void;
  readonly info: (text: string) => void;
}

/** What became of all items (data points, or spans) so far. */
export interface ExportCounts {
  readonly sent: number;
  readonly dropped: number;
  /** Requests without success, repetitions included. */
  readonly failedRequests: number;
}

type Outcome =
  | { readonly kind: 'taken'; readonly partial: PartialSuccess | undefined }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'unreached'; readonly why: string; readonly retryAfterMs: number | undefined };

/** See the head of the file. */
export class OtlpExporter {
  readonly #parts: OtlpExporterParts;
  #sent = 0;
  #dropped = 0;
  #failedRequests = 0;
  /** Items that were dropped since the outage began; `undefined` when all is well. */
  #droppedSince: number | undefined;
  #saidAt = -Infinity;
  #wasSaid = false;
  #isClosing = false;
  #pause: { readonly timer: Timer; readonly end: () => void } | undefined;

  constructor(parts: OtlpExporterParts) {
    this.#parts = parts;
  }

  get counts(): ExportCounts {
    return { sent: this.#sent, dropped: this.#dropped, failedRequests: this.#failedRequests };
  }

  /** Items that were given up before they became a message. */
  drop(items: number): void {
    this.#dropped += items;
    if (this.#droppedSince !== undefined) this.#droppedSince += items;
  }

  /** Sends a message of so many items; the next one has to wait until it has an outcome. */
  async send(message: MetricsRequest | TracesRequest, items: number): Promise<void> {
    try {
      const body = await this.#bodyOf(message);
      await this.#deliver(body, items);
    } catch (error) {
      this.#failed(items, String(error)); // OE-1
    }
  }

  /** Pauses end, and what fails now is not sent again. */
  close(): void {
    this.#isClosing = true;
    this.#pause?.timer.cancel();
    this.#pause?.end();
  }

  async #deliver(body: Uint8Array, items: number): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#attempt(body);
      if (outcome.kind === 'taken') return this.#taken(items, outcome.partial);
      this.#failedRequests += 1;
      const isOver = outcome.kind === 'refused' || attempt === ATTEMPTS_MAX || this.#isClosing;
      if (isOver) return this.#failed(items, outcome.why);
      this.#tell(outcome.why);
      await this.#wait(Math.max(outcome.retryAfterMs ?? 0, this.#pauseMs(attempt)));
    }
  }

  async #attempt(body: Uint8Array): Promise<Outcome> {
    const { protocol, headers, isCompressed } = this.#parts.settings;
    try {
      const answer = await this.#parts.transport.post(body, {
        ...headers,
        'content-type': protocol === 'http/json' ? 'application/json' : 'application/x-protobuf',
        ...(isCompressed ? { 'content-encoding': 'gzip' } : {}),
      });
      return outcomeOf(answer);
    } catch (error) {
      return { kind: 'unreached', why: messageOf(error), retryAfterMs: undefined };
    }
  }

  async #bodyOf(message: MetricsRequest | TracesRequest): Promise<Uint8Array> {
    const { signal, settings } = this.#parts;
    const bytes =
      settings.protocol === 'http/json'
        ? new TextEncoder().encode(JSON.stringify(message))
        : encodeMessage(message, signal === 'metrics' ? METRICS_REQUEST : TRACES_REQUEST);
    return settings.isCompressed ? compress(bytes) : bytes;
  }

  #taken(items: number, partial: PartialSuccess | undefined): void {
    const rejected = Math.min(items, partial?.rejected ?? 0);
    this.#sent += items - rejected;
    if (rejected > 0) return this.#failed(rejected, `it rejects some: ${partial?.message ?? ''}`);
    const dropped = this.#droppedSince;
    this.#droppedSince = undefined;
    if (dropped === undefined || !this.#wasSaid) return;
    this.#wasSaid = false;
    this.#parts.info(`${this.#parts.signal} are exported again; ${dropped} were dropped meanwhile`);
  }

  #failed(items: number, why: string): void {
    this.#dropped += items;
    this.#tell(why);
    this.#droppedSince = (this.#droppedSince ?? 0) + items;
  }

  /** OE-3. */
  #tell(why: string): void {
    const now = this.#parts.env.clock.monotonic();
    const isNew = this.#droppedSince === undefined;
    this.#droppedSince ??= 0;
    if (!isNew || now - this.#saidAt < QUIET_MS) return;
    this.#saidAt = now;
    this.#wasSaid = true;
    const { signal, settings } = this.#parts;
    // An address may hold a password.
    const place = `${settings.url.origin}${settings.url.pathname}`;
    this.#parts.warn(
      new MillraceError(
        'TELEMETRY_UNDELIVERED',
        `${signal} do not reach ${place}: ${why}. What cannot be sent is dropped`,
      ),
    );
  }

  #pauseMs(attempt: number): number {
    const most = Math.min(PAUSE_MS_MAX, PAUSE_MS_FIRST * 2 ** (attempt - 1));
    return most / 2 + this.#parts.env.random.float() * (most / 2);
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#pause = undefined;
        resolve();
      };
      this.#pause = { timer: this.#parts.env.clock.timer(ms, end, 'telemetry is sent again'), end };
    });
  }
}

function outcomeOf({ status, retryAfterMs, contentType, body }: OtlpAnswer): Outcome {
  if (status >= 200 && status < 300) return { kind: 'taken', partial: partialSuccessOf(contentType, body) };
  if (MAY_GO_BETTER.has(status)) return { kind: 'unreached', why: `it answers ${status}`, retryAfterMs };
  const text =
    contentType.startsWith('text/') || contentType.includes('json') ? Buffer.from(body).toString('utf8') : '';
  const shown = text.replaceAll(/\s+/g, ' ').trim().slice(0, REFUSED_TEXT_MAX);
  return { kind: 'refused', why: `it answers ${status}${shown === '' ? '' : ` (${shown})`}` };
}

function partialSuccessOf(contentType: string, body: Uint8Array): PartialSuccess | undefined {
  if (!contentType.includes('json')) return decodePartialSuccess(body);
  try {
    const { partialSuccess } = JSON.parse(Buffer.from(body).toString('utf8')) as {
      partialSuccess?: { rejectedDataPoints?: unknown; rejectedSpans?: unknown; errorMessage?: unknown };
    };
    if (partialSuccess === undefined) return undefined;
    const rejected = Number(partialSuccess.rejectedDataPoints ?? partialSuccess.rejectedSpans ?? 0);
    const { errorMessage } = partialSuccess;
    return {
      rejected: Number.isSafeInteger(rejected) ? rejected : 0,
      message: typeof errorMessage === 'string' ? errorMessage : '',
    };
  } catch {
    // It took the message; what it says of that does not matter.
    return undefined;
  }
}

/** Node's own errors of several addresses have no message. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
