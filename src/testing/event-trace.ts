/** The last events of a simulation, kept as they come and made into text only when somebody reads them. */

/** Keeps the last `size` events. */
export class EventTrace {
  readonly #size: number;
  readonly #times: number[] = [];
  readonly #events: string[] = [];
  /** Where the next event goes once `size` are kept; the oldest is there. */
  #next = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** Something happened at `ms`. */
  note(ms: number, event: string): void {
    if (this.#size === 0) return;
    this.#times[this.#next] = ms;
    this.#events[this.#next] = event;
    this.#next = (this.#next + 1) % this.#size;
  }

  /** A line for each event, the oldest first: ms, `between`, and what happened. */
  lines(between: string): string[] {
    const kept = this.#events.length;
    const first = kept < this.#size ? 0 : this.#next;
    return Array.from({ length: kept }, (_, index) => {
      const at = (first + index) % kept;
      return `${this.#times[at]!.toFixed(3)}${between}${this.#events[at]}`;
    });
  }
}
