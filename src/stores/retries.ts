/**
 * A request to a store, tried again when that may help, with a pause that grows; and what is then known of its effect.
 *
 * RT-1 A try that got no answer may have had its effect, or may have it later: the whole is in doubt from then on.
 * RT-2 A try that certainly did not get out, or was refused with an answer, raises no doubt.
 */

import type { Clock, Random } from '../base/env.ts';
import { type HttpAnswer, type HttpRequest, type HttpTransport, NoAnswer } from './http.ts';

/** What all tries together came to. */
export interface Exchange {
  /** The last answer; `undefined` when the last try got none. */
  readonly answer: HttpAnswer | undefined;
  readonly failure: NoAnswer | undefined;
  /** An earlier try, or the last one, may have had an effect that nobody told of (RT-1). */
  readonly inDoubt: boolean;
}

/** How requests are tried. */
export interface RetryParts {
  readonly transport: HttpTransport;
  readonly clock: Pick<Clock, 'timer'>;
  readonly random: Pick<Random, 'float'>;
  /** Tries after the first one. */
  readonly retriesMax: number;
  /** True for an answer that may be another one soon. */
  readonly mayPass: (answer: HttpAnswer) => boolean;
}

const PAUSE_MS = 100;
const PAUSE_MS_MAX = 5_000;

/** Sends what `make` makes, anew for each try. Does not throw for a store that fails. */
export async function sendWithRetries(
  parts: RetryParts,
  make: () => HttpRequest | Promise<HttpRequest>,
): Promise<Exchange> {
  let inDoubt = false;
  for (let tries = 0; ; tries++) {
    let answer: HttpAnswer | undefined;
    let failure: NoAnswer | undefined;
    try {
      answer = await parts.transport(await make());
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      failure = error;
    }
    if (failure?.wasSent === true || (answer !== undefined && answer.status >= 500)) inDoubt = true;
    const isFinal = answer !== undefined && !parts.mayPass(answer);
    if (isFinal || tries === parts.retriesMax) return { answer, failure, inDoubt };
    await pause(parts, tries);
  }
}

function pause({ clock, random }: RetryParts, tries: number): Promise<void> {
  const most = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** tries);
  return new Promise((resolve) =>
    clock.timer(most * (0.5 + random.float() / 2), resolve, 'a store is asked again'),
  );
}

/** Does `work` for each item, a few at a time; the first failure ends it. */
export async function forEachOf<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let isOver = false;
  const lane = async (): Promise<void> => {
    while (!isOver && next < items.length) {
      const index = next++;
      try {
        await work(items[index]!, index);
      } catch (error) {
        isOver = true;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  const failed = ended.find((each) => each.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
