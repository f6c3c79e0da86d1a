/**
 * Runs asynchronous steps one after the other: what a writer that must not wait hands to something slow.
 *
 * Q1  Steps run in the order in which they were added, one at a time.
 * Q2  After a step failed none runs any more: its error is given its place and reported once, and every step that waits
 *     rejects with it.
 */

/** A queue of steps with one failure. */
export class StepQueue {
  readonly #locate: (error: unknown) => Error;
  readonly #report: (error: Error) => void;
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;
  #failure: Error | undefined;

  constructor(options: {
    readonly locate: (error: unknown) => Error;
    readonly report: (error: Error) => void;
  }) {
    this.#locate = options.locate;
    this.#report = options.report;
  }

  /** Steps that are not done. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Adds a step. Nobody has to look at the result: a failure is reported (Q2). */
  add<R>(step: () => Promise<R> | R): Promise<R> {
    this.#waiting++;
    const done = this.#tail.then(step).catch((error: unknown) => {
      throw this.#fail(error);
    });
    this.#tail = done.then(
      () => this.#left(),
      (error: unknown) => {
        this.#left();
        throw error;
      },
    );
    this.#tail.catch(ignoreReported);
    return done;
  }

  /** Resolves when everything that was added so far is done or has failed. */
  async settled(): Promise<void> {
    await this.#tail.catch(ignoreReported);
  }

  #left(): void {
    this.#waiting--;
  }

  #fail(error: unknown): Error {
    if (this.#failure === undefined) {
      this.#failure = this.#locate(error);
      this.#report(this.#failure);
    }
    return this.#failure;
  }
}

function ignoreReported(): void {
  // `#fail` has reported it.
}
