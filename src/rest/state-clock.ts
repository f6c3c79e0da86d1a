/** How long something has been in each of its states: now, and altogether. */

/** See the head of the file; one state at a time. */
export class StateClock<State extends string> {
  readonly #totals = new Map<State, number>();
  #state: State;
  #since: number;

  /** `since`: when it came to the state that it is in, ms since the epoch. */
  constructor(state: State, since: number) {
    this.#state = state;
    this.#since = since;
  }

  /** It is in another state from now on; the same one changes nothing. */
  to(state: State, at: number): void {
    if (state === this.#state) return;
    this.#totals.set(this.#state, this.total(this.#state, at));
    this.#state = state;
    this.#since = at;
  }

  is(state: State): boolean {
    return state === this.#state;
  }

  /** Since it came to this state; 0 when it is in another one. */
  time(state: State, now: number): number {
    return this.is(state) ? Math.max(0, now - this.#since) : 0;
  }

  /** Altogether. */
  total(state: State, now: number): number {
    return (this.#totals.get(state) ?? 0) + this.time(state, now);
  }
}
