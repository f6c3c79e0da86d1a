/**
 * Runs a sink in one subtask: writes, prepares a commit at each barrier, commits when the checkpoint is durable.
 *
 * Owner: the task. Partners: the writer and the committer of the sink, the coordinator (through the task).
 *
 * K1  Everything written before barrier n is in the commit prepared for n; the acknowledgement waits until that and
 *     every commit inherited from earlier barriers is durable (I-C1).
 * K2  Completion of n commits all that is pending up to n, in ascending order, one at a time (I-C3): late, repeated
 *     and skipped notifications end the same.
 * K3  What is pending leaves the state only after its commit succeeded; a commit that fails fails the task, and what
 *     restarts commits again (I-C5).
 * K4  An aborted checkpoint changes nothing: its commit rides with the next one.
 * K5  Before every external commit the fence is asked (I-C7).
 * K6  Closing touches nothing that was prepared; it waits for a commit that is under way, so that the next attempt
 *     does not meet it.
 */

import { assert } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import { failpoint } from '../base/failpoints.ts';
import type { Operator, OperatorCode, OperatorContext, OperatorStateWriter } from './operator.ts';
import { decodePending, encodePending } from './pending-commit.ts';
import type { Sink, SinkCommitter, SinkWriter } from './sink.ts';

/** The section of operator state that holds what is prepared and not committed. */
export const PENDING_SECTION = 'pending';

/** What was prepared for one checkpoint. */
interface Pending {
  readonly checkpointId: number;
  readonly prepared: Promise<readonly Uint8Array[]>;
  /** What `prepared` resolved to. */
  handles: readonly Uint8Array[] | undefined;
}

/** The operator of a sink. */
export class SinkWriterOperator<T> implements Operator {
  readonly #sink: Sink<T>;
  #context: OperatorContext | undefined;
  #writer: SinkWriter<T> | undefined;
  #committer: SinkCommitter | undefined;
  /** Ascending by checkpoint. */
  readonly #pending: Pending[] = [];
  #commits: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(sink: Sink<T>) {
    this.#sink = sink;
  }

  get code(): OperatorCode {
    return { kind: 'sink', writer: () => this.#writer! };
  }

  /** The restored checkpoint is complete: what it names is committed before anything new is written. */
  async open(context: OperatorContext): Promise<void> {
    this.#context = context;
    this.#committer = this.#sink.createCommitter?.(context);
    const restored = decodePending(context.restored(PENDING_SECTION));
    for (const [checkpointId, handles] of restored) {
      this.#pending.push({ checkpointId, prepared: Promise.resolve(handles), handles });
    }
    const last = this.#pending.at(-1);
    if (last !== undefined) {
      assert(
        last.checkpointId <= (context.restoredCheckpointId ?? -1),
        'what a checkpoint names was prepared for it or before it',
      );
      failpoint('sink.restored');
      await this.#commitUpTo(last.checkpointId);
    }
    failpoint('sink.restored-committed');
    if (this.#closed) return;
    this.#writer = await this.#sink.createWriter(context);
  }

  // Hot path, once per record.
  record(_input: number, value: unknown, timestamp: number): void {
    this.#writer!.write(value as T, timestamp);
  }

  writable(): boolean {
    return this.#writer?.writable?.() ?? true;
  }

  snapshot(checkpointId: number, state: OperatorStateWriter): void {
    this.#prepare(checkpointId);
    const items = this.#encode([...this.#pending]);
    // Whoever prepares has reported it; a checkpoint that was aborted meanwhile asks no more.
    items.catch(() => undefined);
    state.section(PENDING_SECTION, 'split', items);
  }

  /** Resolves when all up to `checkpointId` is committed; after the sink was closed it does nothing. */
  checkpointComplete(checkpointId: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#commits = this.#commits.then(() => this.#commitOrFail(checkpointId));
    return this.#commits;
  }

  cancel(): void {
    this.#closed = true;
    this.#committer?.close?.();
  }

  async close(): Promise<void> {
    if (!this.#closed) this.cancel();
    try {
      await this.#commits;
    } catch {
      // It has failed the task already (K3); closing goes on.
    }
    await this.#writer?.close?.();
  }

  #prepare(checkpointId: number): void {
    const last = this.#pending.at(-1);
    assert(
      last === undefined || last.checkpointId < checkpointId,
      'checkpoints are taken in ascending order',
    );
    const prepared = this.#writer!.prepareCommit(checkpointId);
    const pending: Pending = { checkpointId, prepared, handles: undefined };
    this.#pending.push(pending);
    prepared.then(
      (handles) => this.#onPrepared(pending, handles),
      (error: unknown) => this.#fail(error),
    );
  }

  #onPrepared(pending: Pending, handles: readonly Uint8Array[]): void {
    failpoint('sink.prepared');
    pending.handles = handles;
    if (handles.length > 0 && this.#committer === undefined) {
      this.#fail(new TypeError(`the sink ${this.#sink.name} prepares commits but has no committer`));
    }
  }

  /** As of the barrier (K1); a commit that succeeds in the meantime is named once too often, which is harmless. */
  async #encode(pending: readonly Pending[]): Promise<Uint8Array[]> {
    const items: Uint8Array[] = [];
    for (const { checkpointId, prepared } of pending) {
      for (const handle of await prepared) items.push(encodePending(checkpointId, handle));
    }
    return items;
  }

  async #commitOrFail(checkpointId: number): Promise<void> {
    try {
      await this.#commitUpTo(checkpointId);
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  async #commitUpTo(checkpointId: number): Promise<void> {
    for (let next = this.#pending[0]; next !== undefined; next = this.#pending[0]) {
      if (next.checkpointId > checkpointId) return;
      if (this.#closed)
        throw new MillraceError('SINK_CLOSED', 'the sink was closed before its commits were done');
      const { handles } = next;
      assert(handles !== undefined, 'a checkpoint completes after all that it names is prepared');
      if (handles.length > 0) {
        failpoint('sink.commit-begins');
        await this.#context!.checkFence();
        failpoint('sink.fence-checked');
        await this.#committer!.commit(next.checkpointId, handles);
      }
      assert(this.#pending[0] === next, 'commits happen one at a time');
      this.#pending.shift();
      failpoint('sink.committed');
    }
  }

  #fail(error: unknown): void {
    if (!this.#closed) this.#context!.fail(error);
  }
}
