/**
 * What clients of services over HTTP have in common: watches, and the reason that an answer gives.
 *
 * Owns: the watches that are open. Partner: the client, which says what to ask and what a line of the answer means.
 *
 * HW-1 A watch is a hint to look again, and calls `look` once, in time: with the first event; `retryWaitMs` after its stream is over
 *      or could not begin; after `watchMs` in any case. Whoever looks and watches again from the revision of that look misses nothing,
 *      however a stream ends.
 * HW-2 A watch that was closed calls nothing.
 */

import type { Clock } from '../base/env.ts';
import type { HttpClient, HttpRequest } from '../base/http-client.ts';
import type { Closeable } from './metadata-store.ts';

/** What watches are made of. */
export interface WatchParts {
  readonly clock: Pick<Clock, 'timer'>;
  readonly http: Pick<HttpClient, 'follow'>;
  /** As timers are named. */
  readonly service: string;
  /** A stream that says nothing is opened anew after so long. */
  readonly watchMs: number;
  readonly retryWaitMs: number;
}

/** A line of a stream: there is something to look at; the stream is of no use any more; neither. */
export type WatchLine = 'event' | 'over' | 'nothing';

/** See the head of the file. */
export class Watches implements Closeable {
  readonly #parts: WatchParts;
  readonly #open = new Set<Closeable>();

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /** HW-1. */
  begin(request: Promise<HttpRequest>, meaning: (line: string) => WatchLine, look: () => void): Closeable {
    const { clock, http, service, watchMs, retryWaitMs } = this.#parts;
    let stream: Closeable | undefined;
    let isOver = false;
    const close = (): void => {
      isOver = true;
      stream?.close();
      timer.cancel();
      this.#open.delete(watch);
    };
    const end = (): void => {
      if (isOver) return;
      close();
      look();
    };
    const failed = (): void => {
      if (isOver) return;
      timer.cancel();
      timer = clock.timer(retryWaitMs, end, `look at ${service} again`);
    };
    let timer = clock.timer(watchMs, end, `look at ${service} again`);
    const watch = { close };
    this.#open.add(watch);
    request.then((asked) => {
      if (isOver) return;
      stream = http.follow(asked, {
        line: (text) => {
          const what = meaning(text);
          if (what === 'event') end();
          else if (what === 'over') failed();
        },
        ended: failed,
      });
    }, failed);
    return watch;
  }

  /** Closes all that are open. */
  close(): void {
    for (const watch of [...this.#open]) watch.close();
  }
}

/** What a service says of an answer that is none: a text of that name in its JSON, else how the answer begins. */
export function reasonIn(body: string, name: 'error' | 'message'): string {
  try {
    const reason = (JSON.parse(body) as { readonly error?: unknown; readonly message?: unknown })[name];
    if (typeof reason === 'string') return reason;
  } catch {
    // Not from the service itself; its beginning says more than nothing.
  }
  return body.slice(0, 200).trim();
}
