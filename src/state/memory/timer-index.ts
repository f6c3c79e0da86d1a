/** Finds the timers of one domain and key group by key and time. */

import type { Timer, TimersByKey } from './key-group-state.ts';

/** Most keys have one timer: it stands for itself, and only further ones need a map by time. */
export class TimerIndex implements TimersByKey {
  readonly #byKey = new Map<unknown, Timer | Map<number, Timer>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  find(canonical: unknown, time: number): Timer | undefined {
    const found = this.#byKey.get(canonical);
    if (found === undefined) return undefined;
    if (found instanceof Map) return found.get(time);
    return found.time === time ? found : undefined;
  }

  add(timer: Timer): void {
    const { canonical, time } = timer;
    const found = this.#byKey.get(canonical);
    if (found === undefined) this.#byKey.set(canonical, timer);
    else if (found instanceof Map) found.set(time, timer);
    else {
      this.#byKey.set(
        canonical,
        new Map([
          [found.time, found],
          [time, timer],
        ]),
      );
    }
    this.#size++;
  }

  remove({ canonical, time }: Timer): void {
    const found = this.#byKey.get(canonical);
    if (found instanceof Map) {
      found.delete(time);
      if (found.size === 0) this.#byKey.delete(canonical);
    } else this.#byKey.delete(canonical);
    this.#size--;
  }

  *timers(): Generator<Timer> {
    for (const found of this.#byKey.values()) {
      if (found instanceof Map) yield* found.values();
      else yield found;
    }
  }
}
