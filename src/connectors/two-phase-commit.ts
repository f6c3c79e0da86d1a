/**
 * An exactly-once sink over any system with transactions: begin, write, prepare, commit.
 *
 * T1  A transaction holds the records between two barriers of one subtask; without records there is none.
 * T2  Steps of one subtask run in order; records wait for them in a bounded queue.
 * T3  What `prepare` returned is durable before the checkpoint is; from then on only `commit` touches it.
 */

import { MillraceError } from '../base/errors.ts';
import type { OperatorContext, OperatorInfo } from '../operators/operator.ts';
import type { ExactlyOnceSink, SinkCommitter, SinkWriter } from '../operators/sink.ts';
import { wholeOption } from './options.ts';
import { StepQueue } from './step-queue.ts';

/** The steps of a transaction. They run in the subtasks and must not share mutable state. */
export interface TwoPhaseCommit<T, Transaction, Prepared> {
  /** Shown in plans; default `two-phase commit`. */
  readonly name?: string;
  /** Opens a transaction in the outside system; `info.attempt` is unique over all runs of the job. */
  begin(info: OperatorInfo): Promise<Transaction>;
  /** Writes records into it, in order. */
  write(transaction: Transaction, values: readonly T[]): Promise<void>;
  /**
   * Makes the transaction durable, so that it can be committed after a crash by another process, and tells how
   * to find it: plain JSON data.
   */
  prepare(transaction: Transaction, checkpointId: number): Promise<Prepared>;
  /**
   * Makes it visible. It may have been committed before: then this must succeed without an effect. If the outside
   * system has lost it, this must throw: the records would be missing.
   */
  commit(prepared: Prepared, checkpointId: number): Promise<void>;
  /** Gives up a transaction that was not prepared. */
  abort?(transaction: Transaction): Promise<void>;
  /**
   * Runs when a subtask starts, after what the checkpoint holds was committed: gives up what older attempts of
   * this subtask left open and did not prepare.
   */
  recover?(info: OperatorInfo): Promise<void>;
  /** Records in one call of `write`; default 500. */
  readonly batchSize?: number;
}

/** Batches that wait for a slow system before the job is held back. */
const BATCHES_WAITING_MAX = 4;
const BATCH_SIZE = 500;

/**
 * A sink whose output becomes visible exactly once, when the checkpoint behind it is durable.
 *
 * ```ts
 * const tables = new Map<string, string[]>();
 * const sink = twoPhaseCommitSink<string, string[], string[]>({
 *   begin: async () => [],
 *   write: async (rows, values) => void rows.push(...values),
 *   prepare: async (rows) => rows,
 *   commit: async (rows, checkpointId) => void tables.set(`rows-${checkpointId}`, rows),
 * });
 * ```
 */
export function twoPhaseCommitSink<T, Transaction, Prepared>(
  steps: TwoPhaseCommit<T, Transaction, Prepared>,
): ExactlyOnceSink<T> {
  const batchSize = wholeOption('batchSize of a two-phase commit sink', steps.batchSize, BATCH_SIZE);
  return {
    name: steps.name ?? 'two-phase commit',
    guarantee: 'exactly-once',
    async createWriter(context) {
      await steps.recover?.(context.info);
      return new TransactionWriter(steps, batchSize, context);
    },
    createCommitter: () => new TransactionCommitter(steps),
  };
}

class TransactionWriter<T, Transaction, Prepared> implements SinkWriter<T> {
  readonly #steps: TwoPhaseCommit<T, Transaction, Prepared>;
  readonly #batchSize: number;
  readonly #context: OperatorContext;
  readonly #queue: StepQueue;
  #batch: T[] = [];
  /** Opened by the first batch after a barrier (T1); moved only by steps (T2). */
  #transaction: { readonly open: Transaction } | undefined;

  constructor(steps: TwoPhaseCommit<T, Transaction, Prepared>, batchSize: number, context: OperatorContext) {
    this.#steps = steps;
    this.#batchSize = batchSize;
    this.#context = context;
    this.#queue = new StepQueue({
      locate: (error) => writeFailed(context, error),
      report: (error) => context.fail(error),
    });
  }

  write(value: T): void {
    this.#batch.push(value);
    if (this.#batch.length >= this.#batchSize) this.#send();
  }

  writable(): boolean {
    return this.#queue.waiting < BATCHES_WAITING_MAX;
  }

  prepareCommit(checkpointId: number): Promise<readonly Uint8Array[]> {
    this.#send();
    return this.#queue.add(() => this.#prepare(checkpointId));
  }

  /** What is open and was not prepared is given up; its records are behind the restored barrier again. */
  async close(): Promise<void> {
    this.#batch = [];
    await this.#queue.settled();
    const transaction = this.#transaction;
    this.#transaction = undefined;
    if (transaction !== undefined) await this.#steps.abort?.(transaction.open);
  }

  #send(): void {
    if (this.#batch.length === 0) return;
    const values = this.#batch;
    this.#batch = [];
    void this.#queue.add(async () => {
      this.#transaction ??= { open: await this.#steps.begin(this.#context.info) };
      await this.#steps.write(this.#transaction.open, values);
      this.#context.wakeUp();
    });
  }

  async #prepare(checkpointId: number): Promise<readonly Uint8Array[]> {
    const transaction = this.#transaction;
    if (transaction === undefined) return [];
    const prepared = await this.#steps.prepare(transaction.open, checkpointId);
    this.#transaction = undefined;
    this.#context.wakeUp();
    return [new TextEncoder().encode(JSON.stringify(prepared ?? null))];
  }
}

class TransactionCommitter<T, Transaction, Prepared> implements SinkCommitter {
  readonly #steps: TwoPhaseCommit<T, Transaction, Prepared>;

  constructor(steps: TwoPhaseCommit<T, Transaction, Prepared>) {
    this.#steps = steps;
  }

  async commit(checkpointId: number, handles: readonly Uint8Array[]): Promise<void> {
    for (const handle of handles) {
      await this.#steps.commit(JSON.parse(new TextDecoder().decode(handle)) as Prepared, checkpointId);
    }
  }
}

/** Gives the error of an outside system its place. */
export function writeFailed(context: OperatorContext, cause: unknown): MillraceError {
  const { name, uid, subtask } = context.info;
  const message = cause instanceof Error ? cause.message : String(cause);
  return new MillraceError('SINK_WRITE_FAILED', `the sink ${name} could not write: ${message}`, {
    where: { operator: name, uid, subtask },
    cause,
  });
}
