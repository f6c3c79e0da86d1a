/** What an operator keeps of one key group in a form of its own, as the cells and timers that are written of it. */

import type { Key } from '../../base/key-groups.ts';
import type { TimerDomain } from '../backend.ts';
import type { OwnEntry, OwnKeyedState, OwnStateWriter } from '../own-state.ts';
import type { Cell, KeyGroupState } from './key-group-state.ts';
import { ListBuffer } from './list-buffer.ts';
import type { MapBuffer } from './map-buffer.ts';
import { NamespacedKey, type ScopedKey } from './scoped-key.ts';
import type { StateLayout } from './state-layout.ts';
import type { StoredMap } from './table-columns.ts';

/** A state in a form of its own, and the layouts of the states as which it is written. */
export interface OwnedState {
  readonly state: OwnKeyedState;
  readonly layouts: readonly StateLayout[];
}

/** A timer as it is written. */
export interface WrittenTimer {
  readonly time: number;
  readonly key: ScopedKey;
}

/** See the head of the file. Made when the key group becomes bytes. */
export class OwnRows implements OwnStateWriter {
  readonly #timers: WrittenTimer[] = [];
  readonly #domain: TimerDomain;
  readonly #layouts: readonly StateLayout[];
  readonly #cells: Cell[][];
  #key!: Key;

  constructor({ state, layouts }: OwnedState, group: KeyGroupState) {
    this.#layouts = layouts;
    this.#domain = state.domain;
    this.#cells = layouts.map(() => []);
    for (const entry of group.own) this.#write(state, entry);
  }

  /** The cells of a layout; `undefined` when it is that of a declared state. */
  cellsOf(layout: StateLayout): readonly Cell[] | undefined {
    return this.#cells[this.#layouts.indexOf(layout)];
  }

  timersOf(domain: TimerDomain): readonly WrittenTimer[] {
    return domain === this.#domain ? this.#timers : [];
  }

  value(state: number, namespace: Key | undefined, value: unknown): void {
    this.#cells[state]!.push({ key: this.#scoped(namespace), value: stored(this.#layouts[state]!, value) });
  }

  timer(time: number, namespace: Key | undefined): void {
    this.#timers.push({ time, key: this.#scoped(namespace) });
  }

  #write(state: OwnKeyedState, entry: OwnEntry): void {
    this.#key = entry.key;
    state.write(entry, this);
  }

  #scoped(namespace: Key | undefined): ScopedKey {
    return namespace === undefined ? this.#key : new NamespacedKey(this.#key, namespace);
  }
}

function stored({ kind }: StateLayout, value: unknown): unknown {
  if (kind === 'list') return new ListBuffer(value as unknown[]);
  return kind === 'map' ? new WrittenMap(value as readonly (readonly [unknown, unknown])[]) : value;
}

class WrittenMap implements StoredMap {
  readonly #entries: readonly (readonly [unknown, unknown])[];

  constructor(entries: readonly (readonly [unknown, unknown])[]) {
    this.#entries = entries;
  }

  get size(): number {
    return this.#entries.length;
  }

  visit(each: (key: unknown, value: unknown) => void): void {
    for (const [key, value] of this.#entries) each(key, value);
  }
}

/** The form in which a stored value is given back. */
export function restoredValue({ kind }: StateLayout, value: unknown): unknown {
  if (kind === 'list') return [...(value as ListBuffer).peek()];
  return kind === 'map' ? [...(value as MapBuffer).entries()] : value;
}
