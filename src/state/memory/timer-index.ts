/** The timers of one domain and key group, found by key and time: registering one twice changes nothing. */

import type { Key } from '../../base/key-groups.ts';
import type { QueueEntry } from '../../base/priority-queue.ts';
import type { KeyGroupState } from './key-group-state.ts';

/** A registered timer. */
export interface Timer {
  readonly time: number;
  readonly key: Key;
  readonly canonical: unknown;
  readonly group: KeyGroupState;
}

type Entry = QueueEntry<Timer>;

/** Most keys have one timer: it stands for itself, and only further ones need a map by time. */
export class TimerIndex {
  readonly #byKey = new Map<unknown, Entry | Map<number, Entry>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  find(canonical: unknown, time: number): Entry | undefined {
    const found = this.#byKey.get(canonical);
    if (found === undefined) return undefined;
    if (found instanceof Map) return found.get(time);
    return found.value.time === time ? found : undefined;
  }

  /** Adds a timer that {@link find} does not find. */
  add(entry: Entry): void {
    const { canonical, time } = entry.value;
    const found = this.#byKey.get(canonical);
    if (found === undefined) this.#byKey.set(canonical, entry);
    else if (found instanceof Map) found.set(time, entry);
    else {
      this.#byKey.set(
        canonical,
        new Map([
          [found.value.time, found],
          [time, entry],
        ]),
      );
    }
    this.#size++;
  }

  /** Removes a timer that {@link find} finds. */
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
      if (found instanceof Map) for (const entry of found.values()) yield entry.value;
      else yield found.value;
    }
  }
}
