/**
 * All that one key group holds: what each key has, typed tables, and restored bytes that nobody has read yet.
 *
 * A key, or a namespace of one, has one entry: the values of all its states and the times of its timers. It is found once
 * for each record, by whoever asks first (key-context.ts).
 *
 * G1 While a snapshot waits for this key group, `beforeEntryChange` or `beforeChange` runs before anything in it changes,
 *    so that what the snapshot reads is that of the barrier. Typed tables look after themselves (P5 of number-table.ts).
 * G2 Restored bytes of a state stay until its values take their place; a state that no operator declares
 *    keeps them, and each snapshot writes them again.
 * G3 An entry that holds nothing stays for a while (idle-entries.ts): many keys get something again soon.
 */

import type { OwnEntry } from '../own-state.ts';
import type { TimerDomain } from '../timer-domain.ts';
import type { IdleEntries, IdleEntry } from './idle-entries.ts';
import { KeyTimes } from './key-times.ts';
import { MapBuffer } from './map-buffer.ts';
import type { PackedNumbers } from './packed-numbers.ts';
import { keyHash } from '../../base/key-groups.ts';
import { EntryList, type ListedEntry } from './entry-list.ts';
import type { DirectoryEntry, KeyDirectory } from './key-directory.ts';
import { canonicalScopedKey, NamespacedKey, type ScopedKey } from './scoped-key.ts';
import type { RestoredSection } from './state-layout.ts';

/** What one key holds in one state, as it is read and written. */
export interface Cell {
  readonly key: ScopedKey;
  readonly value: unknown;
}

/** One state of one key group as it was stored, by canonical key. */
export type Table = Map<unknown, Cell>;

/** Stands for a value that is not there. */
export const ABSENT = Symbol('absent');

/**
 * Whether a value is not there. Hot path: a comparison with the symbol alone, of values of all types, is a call for each where
 * the engine does not know that it is one symbol; it was a tenth of the time of some runs and none of others.
 */
export function isAbsent(value: unknown): boolean {
  return typeof value === 'symbol' && value === ABSENT;
}

/** Who must see a part of a key group before it changes. */
export interface CopyBeforeChange {
  /** What an operator keeps in a form of its own. */
  own(): void;
  entry(entry: KeyEntry): void;
  /** An entry that was not there. */
  added(entry: KeyEntry): void;
}

/** What one key, or one namespace of a key, has. */
export class KeyEntry implements DirectoryEntry, IdleEntry, ListedEntry {
  readonly key: ScopedKey;
  readonly group: KeyGroupState;
  row = -1;
  position = -1;
  /** Values of states that are there, and timers. */
  #held = 0;
  /** Of the state with the index 0, which most often is the only one. */
  #first: unknown = ABSENT;
  #others: unknown[] | undefined = undefined;
  #event: KeyTimes | undefined = undefined;
  #processing: KeyTimes | undefined = undefined;
  /** An empty map that the next one of this key can be. */
  spareMap: MapBuffer | undefined = undefined;
  /** The last snapshot that this entry is over for; only key-group-copy.ts knows what that means. */
  seen = 0;
  /** Only idle-entries.ts writes it. */
  isIdle = false;

  constructor(key: ScopedKey, group: KeyGroupState) {
    this.key = key;
    this.group = group;
  }

  get isEmpty(): boolean {
    return this.#held === 0;
  }

  /** What it holds in a state; `ABSENT`: nothing. Hot path: once per use of a state. */
  at(state: number): unknown {
    if (state === 0) return this.#first;
    const others = this.#others;
    return others === undefined || state > others.length ? ABSENT : others[state - 1];
  }

  /** Stores a value, or `ABSENT`; G1 comes before. */
  put(state: number, value: unknown): void {
    const wasAbsent = isAbsent(this.at(state));
    if (state === 0) this.#first = value;
    else {
      this.#others ??= [];
      const others = this.#others;
      while (others.length < state) others.push(ABSENT);
      others[state - 1] = value;
    }
    if (wasAbsent === isAbsent(value)) return;
    if (wasAbsent) this.#hold();
    else this.#release();
  }

  /** Its timers of a domain; `undefined` when it never had any. */
  times(domain: TimerDomain): KeyTimes | undefined {
    return domain === 'event' ? this.#event : this.#processing;
  }

  timesFor(domain: TimerDomain): KeyTimes {
    if (domain === 'event') {
      this.#event ??= new KeyTimes();
      return this.#event;
    }
    this.#processing ??= new KeyTimes();
    return this.#processing;
  }

  /** Reads where the value of its first state is; what it returns means nothing. */
  touchValue(): number {
    const held = this.#first;
    return held instanceof MapBuffer ? held.touch() : 0;
  }

  /** Reads what is asked for when a timer fires; `touchFurther` what that refers to. */
  touch(domain: TimerDomain): number {
    const held = this.#first;
    const times = this.times(domain);
    return (times === undefined ? 0 : times.live) ^ (held instanceof MapBuffer ? held.touch() : 0);
  }

  touchFurther(domain: TimerDomain): number {
    const held = this.#first;
    const times = this.times(domain);
    return (times === undefined ? 0 : times.touch()) ^ (held instanceof MapBuffer ? held.touchOldest() : 0);
  }

  /** Only timer-queue.ts calls these two. */
  timerAdded(): void {
    this.#held++;
    this.group.timers++;
  }

  timerRemoved(): void {
    this.group.timers--;
    if (--this.#held === 0) this.group.idle.add(this);
  }

  /** G3. */
  drop(): void {
    this.group.directory.remove(canonicalScopedKey(this.key), this);
    this.group.entries.remove(this);
  }

  #hold(): void {
    this.#held++;
    this.group.values++;
  }

  #release(): void {
    this.group.values--;
    if (--this.#held === 0) this.group.idle.add(this);
  }
}

/** One key group of one operator. */
export class KeyGroupState {
  readonly keyGroup: number;
  readonly entries = new EntryList<KeyEntry>();
  /** By index of the state: what is in typed tables, and not in `entries`. */
  readonly numbers: (PackedNumbers | undefined)[] = [];
  /** What an operator keeps in a form of its own; see own-state.ts. */
  readonly own: OwnEntry[] = [];
  readonly restored = new Map<string, RestoredSection>();
  /** That of all key groups. */
  readonly directory: KeyDirectory<KeyEntry>;
  readonly idle: IdleEntries;
  /** In all entries. */
  values = 0;
  timers = 0;
  /** The snapshot that has yet to see some of this key group. */
  awaitedBy: CopyBeforeChange | undefined = undefined;

  constructor(keyGroup: number, directory: KeyDirectory<KeyEntry>, idle: IdleEntries) {
    this.keyGroup = keyGroup;
    this.directory = directory;
    this.idle = idle;
  }

  /** The entry of a key, which has none yet. */
  addEntry(canonical: unknown, key: ScopedKey): KeyEntry {
    const entry = new KeyEntry(key, this);
    this.directory.add(canonical, entry);
    this.entries.add(entry);
    if (this.awaitedBy !== undefined) this.awaitedBy.added(entry);
    return entry;
  }

  /** The entry of a key, which may have one. */
  entryOf(key: ScopedKey): KeyEntry {
    const canonical = canonicalScopedKey(key);
    return this.#entry(canonical, key) ?? this.addEntry(canonical, key);
  }

  /** The entry of a key; `undefined` when it has none. */
  knownEntryOf(key: ScopedKey): KeyEntry | undefined {
    return this.#entry(canonicalScopedKey(key), key);
  }

  #entry(canonical: unknown, key: ScopedKey): KeyEntry | undefined {
    return key instanceof NamespacedKey
      ? this.directory.getNamespace(canonical)
      : this.directory.get(canonical, keyHash(key));
  }

  /** G1, before an entry of an operator's own changes. Hot path: one comparison when no snapshot waits. */
  beforeChange(): void {
    if (this.awaitedBy !== undefined) this.awaitedBy.own();
  }

  /** G1, before anything that a key has changes. Hot path: one comparison when no snapshot waits. */
  beforeEntryChange(entry: KeyEntry): void {
    if (this.awaitedBy !== undefined) this.awaitedBy.entry(entry);
  }

  /** Values over all states. */
  size(): number {
    let size = this.values;
    for (const numbers of this.numbers) size += numbers?.size ?? 0;
    for (const section of this.restored.values()) size += section.count;
    return size + this.own.length;
  }

  isEmpty(): boolean {
    return this.timers === 0 && this.size() === 0;
  }
}
