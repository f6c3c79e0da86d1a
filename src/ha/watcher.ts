/** Looks at an entry again and again, and tells what differs from the last look; the first look tells what is there (MS-5). */

import type { Clock } from '../base/env.ts';
import type { Closeable } from './metadata-store.ts';

/** How a watcher looks, and what lies between two looks. */
export interface WatcherParts<Position> {
  /** The revision of the entry, and where in the life of the service that was seen. Rejected: nobody answers now. */
  readonly look: () => Promise<{ readonly revision: string | undefined; readonly position: Position }>;
  /**
   * Calls `again` once, in a turn of its own, when there may be something new since `position`, or when it is time to look
   * anyway; after a look that failed (`undefined`) after a pause: who depends on the answer has a deadline of its own.
   */
  readonly wait: (position: Position | undefined, again: () => void) => Closeable;
  readonly changed: () => void;
}

/** See the head of the file. */
export class Watcher<Position> implements Closeable {
  readonly #parts: WatcherParts<Position>;
  #seen: { readonly revision: string | undefined } | undefined;
  #waiting: Closeable | undefined;
  #isClosed = false;

  constructor(parts: WatcherParts<Position>) {
    this.#parts = parts;
    this.#look();
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting?.close();
  }

  #look(): void {
    const again = (): void => this.#look();
    this.#parts.look().then(
      ({ revision, position }) => {
        if (this.#isClosed) return;
        const isNews = this.#seen === undefined || this.#seen.revision !== revision;
        this.#seen = { revision };
        this.#waiting = this.#parts.wait(position, again);
        if (isNews) this.#parts.changed();
      },
      () => {
        if (!this.#isClosed) this.#waiting = this.#parts.wait(undefined, again);
      },
    );
  }
}

/** Waits a while, whatever was seen. */
export function pausing(clock: Pick<Clock, 'timer'>, pauseMs: number): WatcherParts<unknown>['wait'] {
  return (_, again) => {
    const timer = clock.timer(pauseMs, again, 'look at an entry again');
    return { close: () => timer.cancel() };
  };
}
