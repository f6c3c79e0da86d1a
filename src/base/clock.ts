/** The clock of the machine. */

import type { Clock, Timer } from './env.ts';

/** The longest delay that a timer of the host takes; a longer one would fire at once. */
const HOST_TIMER_MS_MAX = 2 ** 31 - 1;

/** Time as this process has it. Timers and deferred calls keep the process alive. */
export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    timer: (afterMs, run) => new SystemTimer(afterMs, run),
    defer: (run) => void setImmediate(run),
  };
}

class SystemTimer implements Timer {
  readonly #dueMs: number;
  readonly #run: () => void;
  #handle: NodeJS.Timeout;

  constructor(afterMs: number, run: () => void) {
    this.#dueMs = performance.now() + afterMs;
    this.#run = run;
    this.#handle = this.#wait(afterMs);
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }

  #wait(remainingMs: number): NodeJS.Timeout {
    // The host counts whole milliseconds and may fire up to one early.
    const delayMs = Math.min(Math.ceil(Math.max(remainingMs, 0)), HOST_TIMER_MS_MAX);
    return setTimeout(() => {
      const leftMs = this.#dueMs - performance.now();
      if (leftMs > 0) this.#handle = this.#wait(leftMs);
      else this.#run();
    }, delayMs);
  }
}
