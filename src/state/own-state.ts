/**
 * Keyed state that an operator keeps in a form of its own, because handles would cost it more than its work.
 *
 * The operator finds its entries itself; the backend knows in which key group each lies, writes and restores them as the
 * declared states and timers that the same operator would have by handles, and asks the operator for due timers. What is
 * stored therefore does not tell in which form it was held.
 *
 * E1 An entry is in the list of its key group from `add` to `remove`.
 * E2 `beforeChange` of its place comes before every change of an entry, and `add` and `remove` call it themselves: a
 *    waiting snapshot sees the key group as it was at the barrier.
 * E3 The backend undoes nothing of it: under a poison policy the operator takes its changes back (`Operator.undo`), or
 *    keeps its state by handles.
 */

import type { Key } from '../base/key-groups.ts';
import type { StateDescriptor } from './descriptors.ts';
import type { TimerDomain } from './timer-domain.ts';

/** The key group of a key, as an entry sees it. */
export interface KeyPlace {
  /** E2. */
  beforeChange(): void;
}

/** What an operator keeps of one key, or of one key for one purpose. */
export interface OwnEntry {
  readonly key: Key;
  readonly place: KeyPlace;
  /** Where it is in the list of its key group; only the backend writes it. */
  position: number;
}

/** Takes what an entry holds. Namespaces are of the key of the entry; `undefined`: the key itself. */
export interface OwnStateWriter {
  /** Of a value, reducing or aggregating state the value, of a list an array, of a map an array of entries. */
  value(state: number, namespace: Key | undefined, value: unknown): void;
  timer(time: number, namespace: Key | undefined): void;
}

/** Gives what was stored, of one key. */
export interface RestoredOwner {
  readonly key: Key;
  readonly namespace: Key | undefined;
  readonly place: KeyPlace;
}

/** The state of one operator in a form of its own. */
export interface OwnKeyedState<E extends OwnEntry = OwnEntry> {
  /** The states as which it is stored, by number below. None has a time to live. */
  readonly states: readonly { readonly name: string; readonly descriptor: StateDescriptor }[];
  /** The clock of its timers. */
  readonly domain: TimerDomain;
  /** Before anything else: what the backend does for it. */
  start(places: OwnPlaces<E>): void;
  /** Writes an entry; nothing else happens meanwhile. */
  write(entry: E, to: OwnStateWriter): void;
  /** One stored value, as `write` gave it; state by state in the order of `states`, before the first record. */
  restoreValue(state: number, owner: RestoredOwner, value: unknown): void;
  /** One stored timer, after all values of its key group. False: it belongs to nothing that is held here. */
  restoreTimer(time: number, owner: RestoredOwner): boolean;
  /** The earliest time at which something is due; `undefined` when nothing ever will be. */
  next(): number | undefined;
  /** Takes what is due at `next()`: its key becomes current, and `timer` of the operator is called. */
  take(): E;
}

/** What the backend does for such a state. */
export interface OwnPlaces<E extends OwnEntry = OwnEntry> {
  /** Stored values are to be frozen, so that code that changes them fails where it does (tests). */
  readonly freezesValues: boolean;
  /** The key group of a key; throws KEY_GROUP_OUT_OF_RANGE outside the own range (I-K1). */
  placeOf(key: Key): KeyPlace;
  add(entry: E): void;
  remove(entry: E): void;
}
