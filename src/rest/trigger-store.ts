/**
 * Asynchronous operations by their trigger id, as Flink has them: begun by a POST, asked for by a GET.
 *
 * TS-1 The same trigger id names the same operation: asked again, it is not begun again.
 * TS-2 A result is kept for STORED_MS, at most OPERATIONS_MAX at once; the oldest that ended go first.
 */

import type { Clock, Random } from '../base/env.ts';
import { serializeError } from '../base/errors.ts';
import { type Answer, ok, Refusal } from './router.ts';
import { serializedThrowable, type ToldError } from './serialized-throwable.ts';

/** How long the result of an operation is kept (`rest.async.store-duration`). */
export const STORED_MS = 300_000;
const OPERATIONS_MAX = 1_000;

interface Operation {
  readonly key: string;
  endedAt: number | undefined;
  result: unknown;
}

/** A failed operation as Flink says it. */
export interface FailureCause {
  readonly class: string;
  readonly 'stack-trace': string;
  readonly 'serialized-throwable': string;
}

/** See the head of the file. */
export class TriggerStore {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #operations = new Map<string, Operation>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * Begins an operation, unless `triggerId` names one already (TS-1). `what` and `jobId` say which kind it is: another
   * route does not find it.
   */
  begin(
    key: { readonly what: string; readonly jobId: string },
    triggerId: unknown,
    work: () => Promise<unknown>,
    failed: (cause: FailureCause) => unknown,
  ): string {
    if (triggerId !== undefined && (typeof triggerId !== 'string' || !/^[0-9a-f]{32}$/.test(triggerId))) {
      throw new Refusal(
        400,
        'Request did not match expected format: "triggerId" is not 32 hexadecimal digits.',
      );
    }
    const id = triggerId ?? this.#random.id();
    const whole = keyOf(key);
    const known = this.#operations.get(id);
    if (known !== undefined) {
      if (known.key === whole) return id;
      throw new Refusal(409, `the trigger id ${id} names another operation`);
    }
    this.#makeRoom();
    const operation: Operation = { key: whole, endedAt: undefined, result: undefined };
    this.#operations.set(id, operation);
    const end = (result: unknown): void => {
      operation.result = result;
      operation.endedAt = this.#clock.monotonic();
    };
    work().then(end, (error: unknown) => end(failed(failureCause(error))));
    return id;
  }

  /** What became of it; 404 for an operation that nobody knows (any more). */
  look(key: { readonly what: string; readonly jobId: string }, triggerId: string): Answer {
    this.#makeRoom();
    const found = this.#operations.get(triggerId);
    if (found === undefined || found.key !== keyOf(key)) {
      throw new Refusal(404, `NotFoundException: there is no operation with the trigger id ${triggerId}`);
    }
    if (found.endedAt === undefined) return ok({ status: { id: 'IN_PROGRESS' } });
    return ok({ status: { id: 'COMPLETED' }, operation: found.result });
  }

  /** TS-2. */
  #makeRoom(): void {
    const before = this.#clock.monotonic() - STORED_MS;
    for (const [id, { endedAt }] of this.#operations) {
      if (endedAt === undefined) continue;
      if (endedAt < before || this.#operations.size >= OPERATIONS_MAX) this.#operations.delete(id);
    }
    if (this.#operations.size >= OPERATIONS_MAX) throw new Refusal(503, 'Too many operations are under way.');
  }
}

function keyOf({ what, jobId }: { readonly what: string; readonly jobId: string }): string {
  return `${what} ${jobId}`;
}

/** An error as Flink's clients read it. */
export function failureCause(error: unknown): FailureCause {
  const { code, name, message, stack } = serializeError(error);
  return causeOf({ name: code ?? name, message, stack: stack ?? `${name}: ${message}` });
}

/** The same, of an error that is known by its text. */
export function causeOf(told: ToldError): FailureCause {
  return {
    class: told.name,
    'stack-trace': told.stack,
    'serialized-throwable': serializedThrowable(told),
  };
}
