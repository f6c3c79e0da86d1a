/**
 * Sinks that call an asynchronous function with batches: at least once, and by key.
 *
 * B1  A barrier waits until every record before it was written; an error of any batch fails the task (I-C1).
 * B2  At most `maxInFlight` calls run at once; with 1 the batches of a subtask arrive in order.
 * B3  A full batch goes at once, the rest after `lingerMs`.
 * B4  `close` waits for the calls that run: a late one could undo what the next attempt writes.
 */

import { assert } from '../base/assert.ts';
import type { Timer } from '../base/env.ts';
import type { OperatorContext } from '../operators/operator.ts';
import type { Sink, SinkWriter } from '../operators/sink.ts';
import { wholeOption } from './options.ts';
import { writeFailed } from './two-phase-commit.ts';

/** How records are batched. */
export interface BatchOptions {
  /** Shown in plans. */
  readonly name?: string;
  /** Records in one call; default 100. */
  readonly batchSize?: number;
  /** Calls that run at the same time; above 1 batches may overtake each other. Default 1. */
  readonly maxInFlight?: number;
  /** How long a record waits for others, ms; default 100. */
  readonly lingerMs?: number;
}

/** What is written, and how. */
export interface AtLeastOnceOptions<T> extends BatchOptions {
  /** Resolves when the outside system holds all of `values` for good. It gets some of them again after a failure. */
  write(values: readonly T[]): Promise<void>;
}

/** What is written under which key. */
export interface IdempotentOptions<T, K> extends Omit<BatchOptions, 'maxInFlight'> {
  /** What identifies a record in the outside system. */
  key(value: T): K;
  /** Writes each value under its key, replacing what is there; a key stands once in a batch, with its last value. */
  write(entries: readonly { readonly key: K; readonly value: T }[]): Promise<void>;
}

const BATCH_SIZE = 100;
const LINGER_MS = 100;

/**
 * Hands batches of records to `write`; after a failure some records come again.
 *
 * ```ts
 * const sink = atLeastOnceSink<string>({
 *   write: async (lines) => console.log(lines.length),
 *   batchSize: 50,
 * });
 * ```
 */
export function atLeastOnceSink<T>(options: AtLeastOnceOptions<T>): Sink<T> {
  const bounds = boundsOf(options, options.maxInFlight);
  return {
    name: options.name ?? 'at least once',
    guarantee: 'at-least-once',
    createWriter: (context) => new BatchWriter<T>((values) => options.write(values), bounds, context),
  };
}

/**
 * Writes records under a key that the record itself determines, so that a repeated write changes nothing: the
 * effect is that of exactly once when the job makes the same records again.
 *
 * ```ts
 * const table = new Map<string, { user: string; total: number }>();
 * const sink = idempotentSink({
 *   key: (row: { user: string; total: number }) => row.user,
 *   write: async (entries) => {
 *     for (const { key, value } of entries) table.set(key, value);
 *   },
 * });
 * ```
 */
export function idempotentSink<T, K>(options: IdempotentOptions<T, K>): Sink<T> {
  const bounds = boundsOf(options, 1);
  const write = (values: readonly T[]): Promise<void> =>
    options.write(lastByKey(values, (value) => options.key(value)));
  return {
    name: options.name ?? 'idempotent',
    guarantee: 'at-least-once',
    createWriter: (context) => new BatchWriter<T>(write, bounds, context),
  };
}

interface Bounds {
  readonly batchSize: number;
  readonly maxInFlight: number;
  readonly lingerMs: number;
}

function boundsOf(options: BatchOptions, maxInFlight: number | undefined): Bounds {
  return {
    batchSize: wholeOption('batchSize of a sink', options.batchSize, BATCH_SIZE),
    maxInFlight: wholeOption('maxInFlight of a sink', maxInFlight, 1),
    lingerMs: wholeOption('lingerMs of a sink', options.lingerMs, LINGER_MS, 0),
  };
}

function lastByKey<T, K>(values: readonly T[], keyOf: (value: T) => K): { key: K; value: T }[] {
  const last = new Map<K, T>();
  for (const value of values) {
    const key = keyOf(value);
    // Deleted first, so that the order is that of the last values.
    last.delete(key);
    last.set(key, value);
  }
  return Array.from(last, ([key, value]) => ({ key, value }));
}

/** The batches between two barriers. */
interface Generation {
  unfinished: number;
  /** The barrier came: done when nothing is unfinished. */
  flush: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | undefined;
}

interface Batch<T> {
  readonly values: readonly T[];
  readonly generation: Generation;
}

/** Collects records and keeps a bounded number of calls in flight. */
class BatchWriter<T> implements SinkWriter<T> {
  readonly #call: (values: readonly T[]) => Promise<void>;
  readonly #bounds: Bounds;
  readonly #context: OperatorContext;
  #values: T[] = [];
  /** Full batches that wait for a free call: one, or those of the record that was being written. */
  readonly #waiting: Batch<T>[] = [];
  #inFlight = 0;
  /** The current one, and those whose barrier came and whose batches are not all written. */
  #generation: Generation = { unfinished: 0, flush: undefined };
  readonly #flushing = new Set<Generation>();
  #failure: { readonly error: unknown } | undefined;
  #linger: Timer | undefined;
  #whenIdle: (() => void) | undefined;

  constructor(call: (values: readonly T[]) => Promise<void>, bounds: Bounds, context: OperatorContext) {
    this.#call = call;
    this.#bounds = bounds;
    this.#context = context;
  }

  write(value: T): void {
    this.#values.push(value);
    if (this.#values.length >= this.#bounds.batchSize) this.#send();
    else if (this.#linger === undefined) this.#startLinger();
  }

  writable(): boolean {
    return this.#waiting.length === 0;
  }

  /** Resolves when everything between the last barrier and this one is written (B1). */
  prepareCommit(): Promise<readonly Uint8Array[]> {
    this.#send();
    const generation = this.#generation;
    this.#generation = { unfinished: 0, flush: undefined };
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    if (generation.unfinished === 0) return Promise.resolve([]);
    this.#flushing.add(generation);
    return new Promise((resolve, reject) => {
      generation.flush = { resolve: () => resolve([]), reject };
    });
  }

  close(): void | Promise<void> {
    this.#linger?.cancel();
    this.#values = [];
    this.#waiting.length = 0;
    if (this.#inFlight === 0) return;
    return new Promise((resolve) => {
      this.#whenIdle = resolve;
    });
  }

  #startLinger(): void {
    this.#linger = this.#context.clock.timer(this.#bounds.lingerMs, () => this.#send(), 'linger of a sink');
  }

  #send(): void {
    this.#linger?.cancel();
    this.#linger = undefined;
    if (this.#values.length === 0) return;
    this.#waiting.push({ values: this.#values, generation: this.#generation });
    this.#generation.unfinished++;
    this.#values = [];
    this.#startCalls();
  }

  #startCalls(): void {
    while (this.#inFlight < this.#bounds.maxInFlight && this.#failure === undefined) {
      const batch = this.#waiting.shift();
      if (batch === undefined) return;
      this.#inFlight++;
      this.#attempt(batch.values).then(
        () => this.#onDone(batch.generation),
        (error: unknown) => this.#onFailure(error),
      );
    }
  }

  /** Also what `call` throws before it returns a promise is a rejection. */
  async #attempt(values: readonly T[]): Promise<void> {
    await this.#call(values);
  }

  #onDone(generation: Generation): void {
    this.#left();
    generation.unfinished--;
    assert(generation.unfinished >= 0, 'a batch is written once');
    if (generation.unfinished === 0 && generation.flush !== undefined && this.#flushing.delete(generation)) {
      generation.flush.resolve();
    }
    this.#startCalls();
    this.#context.wakeUp();
  }

  #left(): void {
    this.#inFlight--;
    assert(this.#inFlight >= 0, 'a call ends once');
    if (this.#inFlight === 0) this.#whenIdle?.();
  }

  #onFailure(error: unknown): void {
    this.#left();
    if (this.#failure !== undefined) return;
    this.#failure = { error: writeFailed(this.#context, error) };
    for (const { flush } of this.#flushing) flush?.reject(this.#failure.error);
    this.#flushing.clear();
    this.#context.fail(this.#failure.error);
  }
}
