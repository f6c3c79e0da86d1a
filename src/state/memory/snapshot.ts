/**
 * A snapshot of keyed state whose bytes are made when they are asked for, or just before they would be too late.
 *
 * Owner: the backend. Partner: the task, which encodes one key group after the other between records.
 *
 * F1 The bytes of a key group are those of the moment of `freeze`: a key group that is about to change is
 *    encoded first. Values are immutable, so waiting costs nothing as long as the key group stays.
 * F2 The bytes of a key group are made once.
 * F3 A value that cannot become bytes fails the snapshot, not the record that came after the barrier: the
 *    error of an early encoding waits for `encode`.
 */

import { assert } from '../../base/assert.ts';
import type { FrozenKeyedState } from '../backend.ts';
import type { CopyBeforeChange, KeyGroupState } from './key-group-state.ts';

type Encoded = { readonly bytes: Uint8Array } | { readonly error: unknown };

/** The state as of one `freeze`. */
export class MemorySnapshot implements FrozenKeyedState, CopyBeforeChange {
  readonly #groups: ReadonlyMap<number, KeyGroupState>;
  readonly #encodeGroup: (group: KeyGroupState) => Uint8Array;
  readonly #onRelease: () => void;
  readonly #encoded = new Map<number, Encoded>();
  #isReleased = false;

  constructor(
    groups: readonly KeyGroupState[],
    encodeGroup: (group: KeyGroupState) => Uint8Array,
    onRelease: () => void,
  ) {
    this.#groups = new Map(groups.map((group) => [group.keyGroup, group]));
    this.#encodeGroup = encodeGroup;
    this.#onRelease = onRelease;
    for (const group of groups) group.awaitedBy = this;
  }

  keyGroups(): readonly number[] {
    return [...this.#groups.keys()];
  }

  encode(keyGroup: number): Uint8Array {
    assert(!this.#isReleased, 'a released snapshot is not read');
    const group = this.#groups.get(keyGroup);
    assert(group !== undefined, 'only key groups of the snapshot are encoded');
    if (group.awaitedBy === this) this.capture(group);
    const encoded = this.#encoded.get(keyGroup)!;
    if ('error' in encoded) throw encoded.error;
    return encoded.bytes;
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    for (const group of this.#groups.values()) group.awaitedBy = undefined;
    this.#encoded.clear();
    this.#onRelease();
  }

  /** F1, F2, F3. */
  capture(group: KeyGroupState): void {
    group.awaitedBy = undefined;
    this.#encoded.set(group.keyGroup, this.#attempt(group));
  }

  #attempt(group: KeyGroupState): Encoded {
    try {
      return { bytes: this.#encodeGroup(group) };
    } catch (error) {
      return { error };
    }
  }
}
