/** Sinks that bring records to the program that runs the job: a callback, or an array. */

import type { ExactlyOnceSink } from '../operators/sink.ts';
import { ClientCommitter, ImmediateClientWriter, TransactionalClientWriter } from './client-writer.ts';
import { wholeOption } from './options.ts';

/** Where a record came from. */
export interface ReceivedFrom {
  readonly subtask: number;
  readonly parallelism: number;
}

/** Bounds of a sink into the calling thread. */
export interface CallbackOptions {
  /** Records that one subtask may hold between two checkpoints; default 1,000,000. Beyond it the job fails. */
  readonly maxHeld?: number;
}

const HELD_MAX = 1_000_000;

/**
 * Calls `receive` for each record in the thread that called `execute`. With checkpointing a record arrives
 * when the checkpoint behind it is durable, exactly once while this process lives; without, at once.
 * A promise holds the job back; what `receive` throws fails the job.
 *
 * ```ts
 * const seen: string[] = [];
 * const sink = callbackSink<string>((word) => {
 *   seen.push(word);
 * });
 * ```
 */
export function callbackSink<T>(
  receive: (value: T, from: ReceivedFrom) => void | Promise<void>,
  options: CallbackOptions = {},
): ExactlyOnceSink<T> {
  const heldMax = wholeOption('maxHeld of a callback sink', options.maxHeld, HELD_MAX);
  return {
    name: 'callback',
    guarantee: 'exactly-once',
    createWriter: (context) =>
      context.checkpointing
        ? new TransactionalClientWriter<T>(context, heldMax)
        : new ImmediateClientWriter<T>(context),
    createCommitter: (context) => new ClientCommitter(context),
    receive: (values, from) => receiveAll(receive, values, from),
  };
}

/**
 * Appends each record to `into`, an array of the thread that called `execute`.
 *
 * ```ts
 * const words: string[] = [];
 * const sink = collectSink(words);
 * ```
 */
export function collectSink<T>(into: T[], options: CallbackOptions = {}): ExactlyOnceSink<T> {
  const append = (value: T): void => {
    into.push(value);
  };
  return { ...callbackSink(append, options), name: 'collect' };
}

/** Waits only where the callback gave a promise. */
async function receiveAll<T>(
  receive: (value: T, from: ReceivedFrom) => void | Promise<void>,
  values: readonly T[],
  from: ReceivedFrom,
): Promise<void> {
  for (const value of values) {
    const received = receive(value, from);
    if (received !== undefined) await received;
  }
}
