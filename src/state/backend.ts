/** The contract of a keyed state backend: one per keyed operator and subtask, used by one thread. */

import type { Key } from '../base/key-groups.ts';
import type { StateDescriptor, StateHandle } from './descriptors.ts';
import type { HeldChange, HeldState } from './held-state.ts';
import type { OwnEntry, OwnKeyedState } from './own-state.ts';
import type { NamedRun, PlaceForm } from './memory/number-columns.ts';
import type { TimerDomain } from './timer-domain.ts';
import type { WrittenKeyGroup } from './written-key-group.ts';

export type { TimerDomain } from './timer-domain.ts';

/** The keyed state of one operator of one subtask. */
export interface KeyedStateBackend {
  /** Makes `key` current; every handle then speaks of it. Throws KEY_GROUP_OUT_OF_RANGE outside the own range (I-K1). */
  setCurrentKey(key: Key): void;
  /** The keys of records that follow, in their order: what a lookup of each costs is paid together. They must not change until the next call. */
  prepareKeys(keys: readonly Key[]): void;
  /** It holds so many keys that each one waits for memory: records whose keys are prepared together are worth a batch. */
  readonly gainsFromBatches: boolean;
  /** As `setCurrentKey` with the key at `index` of those that were prepared. */
  setPreparedKey(index: number): void;
  /** The current key; throws STATE_WITHOUT_KEY when there is none. */
  currentKey(): Key;
  clearCurrentKey(): void;
  /** Moves to a namespace (such as a window) of the current key, until the next key or namespace. */
  setCurrentNamespace(namespace: Key): void;
  /** The namespace of the current key; `undefined` when there is none. */
  currentNamespace(): Key | undefined;
  /** The handle of a declared state (of each key unless said otherwise); the same name gives the same handle. Throws STATE_TYPE_CHANGED when restored bytes have another kind. */
  state<D extends StateDescriptor>(name: string, descriptor: D, scope?: StateScope): StateHandle<D>;
  /** Takes on the state that the operator keeps in a form of its own, with what was restored of it; once, before the first record. */
  own<E extends OwnEntry>(state: OwnKeyedState<E>): void;
  /** The keys that hold something in a declared state of each key, as of now; all of the own range are looked at. */
  keysOf(name: string): readonly Key[];
  /** What a key holds in the states of each key, for people; between two records. Throws KEY_GROUP_OUT_OF_RANGE. */
  held(key: Key): readonly HeldState[];
  /** Changes what a key holds, for a person; between two records. Throws STATE_CHANGE_REFUSED and KEY_GROUP_OUT_OF_RANGE. */
  change(key: Key, change: HeldChange): void;
  /** The timers of this operator, kept beside the keys so that both move together. */
  readonly timers: KeyedTimers;

  /**
   * The state as of now, to be read later: what changes after this call is copied before it does, so that what is read is
   * what was there at the barrier. At most one unreleased snapshot exists. With an encoder, what is in typed tables is
   * handed to it; without, the snapshot makes its bytes itself.
   */
  freeze(encoder?: NumberEncoder): FrozenKeyedState;
  /** Adds the bytes of one key group; only before the first record. */
  restore(keyGroup: number, bytes: Uint8Array): void;

  /** Starts to remember how to undo; until `commit` or `rollback`. Costs nothing when it is not called. */
  beginUndo(): void;
  commit(): void;
  rollback(): void;

  /** Number of keys that hold state, over all names; for metrics. */
  size(): number;
}

/** Whether there is more of a snapshot to read, or it must wait until its encoder has room, or all is read. */
export type SnapshotProgress = 'more' | 'waiting' | 'done';

/** A snapshot that is read in small pieces, between records. */
export interface FrozenKeyedState {
  /** Key groups of the range that hold anything, ascending. */
  keyGroups(): readonly number[];
  /** Reads a small piece. */
  advance(): SnapshotProgress;
  /** Reads all that is left, whether or not the encoder has room. */
  finish(): void;
  /** What was read, after the last piece; throws when a value could not become bytes. */
  written(): readonly WrittenKeyGroup[];
  /** Of a snapshot without an encoder: self-delimiting, versioned, checksummed bytes; the same bytes at each call. */
  encode(keyGroup: number): Uint8Array;
  release(): void;
}

/** Makes columns of numbers that were copied out of typed tables: here, or in another thread. */
export interface NumberEncoder {
  /** So many bytes will be copied; before the first `claim`. */
  expect(bytes: number): void;
  /** A name for two columns of this snapshot. */
  columns(): number;
  /** Memory for a page at least; `undefined` while too much of it is on its way, unless it must be. */
  claim(must: boolean): Int32Array | undefined;
  /** Gives claimed memory back with runs that lie one after the other in it. */
  add(memory: Int32Array, runs: readonly NamedRun[]): void;
  /** Has the memory of tables copied while they change; `undefined`: the caller copies. */
  share?(tables: readonly SharedTable[]): SharedCopying | undefined;
}

/** A typed table whose memory threads can share. */
export interface SharedTable {
  readonly columns: number;
  readonly form: PlaceForm;
  readonly memory: Int32Array;
  /** The number of its first place: those of all tables of a form are numbered one after the other, in their order. */
  readonly first: number;
}

/** What places of a form held before they changed; as `KeptPlaces` has it. */
export interface KeptRun {
  readonly form: PlaceForm;
  readonly entries: Int32Array<ArrayBuffer>;
}

/** Tables that are being copied, one after the other. */
export interface SharedCopying {
  /** How many of them are copied: whatever changes from now on is not in the copies. */
  copied(): number;
  /** What places held before they changed, of whichever table; of the first `settled` tables, nothing more will come. */
  give(kept: readonly KeptRun[], settled: number): void;
  /** The same, and copies that the caller made of all tables that are not settled: nothing more will come of any. */
  giveRest(kept: readonly KeptRun[], memories: readonly Int32Array[]): void;
}

/** What holds a value of its own: each key, or each namespace of a key. */
export type StateScope = 'key' | 'namespace';

/** The timers of one keyed operator; identity is (key, namespace if there is one, time, domain), so a second registration changes nothing. */
export interface KeyedTimers {
  /** For the current key and namespace. */
  register(domain: TimerDomain, time: number): void;
  delete(domain: TimerDomain, time: number): void;
  /** The earliest time of a domain, or `undefined`. */
  next(domain: TimerDomain): number | undefined;
  /**
   * Takes the earliest timer that is due (`time <= upTo`), makes its key and namespace current and returns its time;
   * `undefined` when none is due. Order: time, then key bytes, then namespace.
   */
  poll(domain: TimerDomain, upTo: number): number | undefined;
}
