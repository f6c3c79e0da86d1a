/**
 * The two ways to the thread that called `execute`: at once, or when the checkpoint is durable.
 *
 * C1  Transactional: values travel in the checkpoint as commit handles, and are sent on commit under the checkpoint's
 *     id, the subtask that made them, and their number; the client drops what it has seen. After a rescale another subtask
 *     may send them.
 * C2  At once: a batch is sent at the latest before the barrier, and the acknowledgement follows on the same road.
 */

import { MillraceError } from '../base/errors.ts';
import { BinaryReader, BinaryWriter } from '../codecs/binary.ts';
import { decodeValues, encodeValues } from '../codecs/generic.ts';
import type { OperatorContext } from '../operators/operator.ts';
import type { SinkCommitter, SinkWriter } from '../operators/sink.ts';

/** Values that are sent together. */
const BATCH_MAX = 512;
/** Values that one commit handle holds, and that are encoded without a pause. */
const HANDLE_MAX = 1_024;
/**
 * A handle that says who made it begins with it, then subtask, number, values. Those of before jobs could be rescaled are
 * values alone, whose number is never 0.
 */
const WITH_ORIGIN = 0;
/** How often a commit looks whether the client has room again. */
const ROOM_POLL_MS = 5;

/** Sends in small batches: a full one at once, the rest as soon as the thread has had its turn. */
export class ImmediateClientWriter<T> implements SinkWriter<T> {
  readonly #context: OperatorContext;
  #batch: T[] = [];
  #sent = 0;
  #flushDue = false;

  constructor(context: OperatorContext) {
    this.#context = context;
  }

  write(value: T): void {
    this.#batch.push(value);
    if (this.#batch.length >= BATCH_MAX) this.#flush();
    else if (!this.#flushDue) {
      this.#flushDue = true;
      this.#context.clock.defer(() => this.#onDefer(), 'records for the client');
    }
  }

  writable(): boolean {
    return this.#context.client.writable();
  }

  prepareCommit(): Promise<readonly Uint8Array[]> {
    this.#flush();
    return Promise.resolve([]);
  }

  close(): void {
    this.#batch = [];
  }

  #onDefer(): void {
    this.#flushDue = false;
    try {
      this.#flush();
    } catch (error) {
      this.#context.fail(error);
    }
  }

  #flush(): void {
    if (this.#batch.length === 0) return;
    const values = this.#batch;
    this.#batch = [];
    const { client, info } = this.#context;
    client.send(info.uid, values, `${info.attempt}.${info.subtask}.${this.#sent++}`);
  }
}

/** Holds values until the barrier and turns them into commit handles there (C1). */
export class TransactionalClientWriter<T> implements SinkWriter<T> {
  readonly #context: OperatorContext;
  readonly #heldMax: number;
  #held: T[] = [];

  constructor(context: OperatorContext, heldMax: number) {
    this.#context = context;
    this.#heldMax = heldMax;
  }

  write(value: T): void {
    if (this.#held.length >= this.#heldMax) throw bufferFull(this.#context, this.#heldMax);
    this.#held.push(value);
  }

  async prepareCommit(): Promise<readonly Uint8Array[]> {
    const values = this.#held;
    this.#held = [];
    const handles: Uint8Array[] = [];
    for (let from = 0; from < values.length; from += HANDLE_MAX) {
      if (from > 0) await this.#pause();
      const out = new BinaryWriter();
      out.varint(WITH_ORIGIN);
      out.varint(this.#context.info.subtask);
      out.varint(handles.length);
      encodeValues(values.slice(from, from + HANDLE_MAX), out);
      handles.push(out.finish());
    }
    return handles;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#context.clock.defer(resolve, 'encoding of records for the client'));
  }
}

/** Sends what was committed (C1), as fast as the client takes it. */
export class ClientCommitter implements SinkCommitter {
  readonly #context: OperatorContext;
  #closed = false;

  constructor(context: OperatorContext) {
    this.#context = context;
  }

  async commit(checkpointId: number, handles: readonly Uint8Array[]): Promise<void> {
    const { client, info } = this.#context;
    for (const [index, handle] of handles.entries()) {
      while (!client.writable()) await this.#pause();
      const { origin = `${info.subtask}.${index}`, values } = decodeHandle(handle);
      client.send(info.uid, values, `${checkpointId}.${origin}`);
    }
  }

  close(): void {
    this.#closed = true;
  }

  async #pause(): Promise<void> {
    const { clock } = this.#context;
    await new Promise<void>((resolve) => clock.timer(ROOM_POLL_MS, resolve, 'room at the client'));
    if (this.#closed) {
      throw new MillraceError(
        'SINK_CLOSED',
        'the sink was closed before the client had taken all of a commit',
      );
    }
  }
}

function decodeHandle(handle: Uint8Array): {
  readonly origin: string | undefined;
  readonly values: unknown[];
} {
  const from = new BinaryReader(handle);
  let origin: string | undefined;
  if (handle[0] === WITH_ORIGIN) {
    from.varint();
    origin = `${from.varint()}.${from.varint()}`;
  }
  const values = decodeValues(from);
  from.end();
  return { origin, values };
}

function bufferFull(context: OperatorContext, heldMax: number): MillraceError {
  const { name, uid, subtask } = context.info;
  return new MillraceError(
    'SINK_BUFFER_FULL',
    `the sink ${name} holds ${heldMax} records for the calling thread and the checkpoint that releases them has not come`,
    { where: { operator: name, uid, subtask } },
  );
}
