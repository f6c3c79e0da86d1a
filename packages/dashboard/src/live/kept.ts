// What this browser keeps of what somebody chose: a value under a name, which all parts of the page see change at once.
import { useSyncExternalStore } from 'react';

/** A value that is kept; in a browser that keeps nothing, until the page is closed. */
export class Kept<Value> {
  readonly #name: string;
  readonly #listeners = new Set<() => void>();
  #value: Value;

  /** `read` makes a value of whatever was stored, also by an older page; of `undefined` where nothing was. */
  constructor(name: string, read: (stored: unknown) => Value) {
    this.#name = `millrace.${name}`;
    this.#value = read(storedAs(this.#name));
  }

  readonly current = (): Value => this.#value;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  change(value: Value): void {
    this.#value = value;
    try {
      localStorage.setItem(this.#name, JSON.stringify(value));
    } catch {
      // A browser that keeps nothing: see above.
    }
    for (const listener of this.#listeners) listener();
  }
}

/** The value, now and whenever it changes. */
export function useKept<Value>({ subscribe, current }: Kept<Value>): Value {
  return useSyncExternalStore(subscribe, current);
}

/** For `read`: the entries of a stored list that are what they should be. */
export function listOf<Entry>(
  stored: unknown,
  isEntry: (entry: unknown) => entry is Entry,
): readonly Entry[] {
  return Array.isArray(stored) ? stored.filter(isEntry) : [];
}

/** Whether an entry is a text. */
export function isText(entry: unknown): entry is string {
  return typeof entry === 'string';
}

function storedAs(name: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(name) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}
