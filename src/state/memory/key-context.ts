/**
 * Whose turn it is: the current key, with its namespace and key group, the entry of what it has, and the journal of the
 * current record.
 *
 * Owner: the backend. Read by every handle; a handle that cached something of a key compares `generation`.
 *
 * K1 The entry of the current key is looked up once, by whoever asks first, and is that of the directory until the key
 *    changes: nobody forgets it meanwhile (I2 of idle-entries.ts).
 */

import { type Key, keyHash } from '../../base/key-groups.ts';
import { MillraceError } from '../../base/errors.ts';
import type { KeyDirectory } from './key-directory.ts';
import type { KeyEntry, KeyGroupState } from './key-group-state.ts';
import { canonicalKey, canonicalPair } from './canonical-key.ts';
import { NamespacedKey, type ScopedKey } from './scoped-key.ts';
import type { UndoJournal } from './undo-journal.ts';

/** No row was looked for yet. */
const UNKNOWN = -2;

/** What was found out of some keys together, by index; a row is as of then, and below 0 where there was none. */
export interface FoundKeys {
  /** Whether it was looked for rows at all. */
  readonly hasRows: boolean;
  readonly keys: readonly Key[];
  readonly canonicals: readonly unknown[];
  readonly hashes: readonly number[];
  readonly rows: readonly number[];
}

/** The current key of one backend. */
export class KeyContext {
  readonly operatorUid: string;
  key: Key | undefined = undefined;
  canonical: unknown = undefined;
  /** The current namespace of the key, or the key itself when there is none: what timers and namespaced state are held under. */
  scoped: ScopedKey | undefined = undefined;
  scopedCanonical: unknown = undefined;
  group: KeyGroupState | undefined = undefined;
  journal: UndoJournal | undefined = undefined;
  /** Which of the keys ahead this is (keys-ahead.ts); -1: none of them. */
  ahead = -1;
  /** Grows whenever what handles have cached is no longer true. */
  generation = 0;
  /** K1; only as far as they were asked for. */
  entry: KeyEntry | undefined = undefined;
  scopedEntry: KeyEntry | undefined = undefined;
  #isEntryKnown = false;
  #isScopedEntryKnown = false;
  /** K1. */
  #row = UNKNOWN;
  #isNamespaced = false;
  #hash: number | undefined = undefined;

  readonly #directory: KeyDirectory<KeyEntry>;

  constructor(operatorUid: string, directory: KeyDirectory<KeyEntry>) {
    this.operatorUid = operatorUid;
    this.#directory = directory;
  }

  /** A key without a namespace; without its hash where nobody may need that. */
  set(key: Key, canonical: unknown, hash: number | undefined, group: KeyGroupState): void {
    this.key = key;
    this.#hash = hash;
    this.canonical = canonical;
    this.scoped = key;
    this.scopedCanonical = canonical;
    this.group = group;
    this.ahead = -1;
    this.#isNamespaced = false;
    this.forgetEntries();
  }

  /** A key that is at this row of the directory. */
  setFound(key: Key, canonical: unknown, hash: number, row: number): void {
    const entry = this.#directory.at(row);
    this.set(key, canonical, hash, entry.group);
    this.entry = entry;
    this.#isEntryKnown = true;
    this.#row = row;
  }

  /** One of the keys ahead. */
  setAhead(
    index: number,
    { hasRows, keys, canonicals, hashes, rows }: FoundKeys,
    group: KeyGroupState,
  ): void {
    const key = keys[index]!;
    const canonical = hasRows ? canonicals[index] : canonicalKey(key);
    const row = hasRows ? rows[index]! : -1;
    // K1: entries have come and gone since.
    if (row >= 0 && this.#directory.isAt(row, canonical)) this.setFound(key, canonical, hashes[index]!, row);
    else this.set(key, canonical, hashes[index], group);
    this.ahead = index;
  }

  /** The key, and the namespace, of an entry. */
  setEntry(entry: KeyEntry): void {
    const { key: scoped, group } = entry;
    if (!(scoped instanceof NamespacedKey)) {
      this.set(scoped, canonicalKey(scoped), undefined, group);
      this.entry = entry;
      this.#isEntryKnown = true;
      this.#row = entry.row;
      return;
    }
    this.set(scoped.key, canonicalKey(scoped.key), undefined, group);
    this.scoped = scoped;
    this.scopedCanonical = canonicalPair(scoped.key, scoped.namespace);
    this.#isNamespaced = true;
    this.scopedEntry = entry;
    this.#isScopedEntryKnown = true;
  }

  /** Moves to a namespace of the current key. */
  setNamespace(namespace: Key): void {
    this.requireGroup();
    this.scoped = new NamespacedKey(this.key!, namespace);
    this.scopedCanonical = canonicalPair(this.key!, namespace);
    this.#isNamespaced = true;
    this.forgetEntries();
  }

  clear(): void {
    this.key = undefined;
    this.canonical = undefined;
    this.scoped = undefined;
    this.scopedCanonical = undefined;
    this.group = undefined;
    this.#isNamespaced = false;
    this.forgetEntries();
  }

  /** `keyHash` of the key. */
  get hash(): number {
    this.#hash ??= keyHash(this.key!);
    return this.#hash;
  }

  /** What the key has; `undefined` while it has nothing. Hot path: once per use of a state. */
  entryOfKey(): KeyEntry | undefined {
    if (this.#isEntryKnown) return this.entry;
    const row = this.rowOfKey();
    this.entry = row < 0 ? undefined : this.#directory.at(row);
    this.#isEntryKnown = true;
    return this.entry;
  }

  /** Where the entry of the key is in the directory; -1: nowhere. Hot path: once per record, or more. */
  rowOfKey(): number {
    if (this.#row !== UNKNOWN) return this.#row;
    this.requireGroup();
    this.#row = this.#directory.find(this.canonical, this.hash);
    return this.#row;
  }

  /** What the namespace of the key has, or the key itself when there is none. */
  entryOfScope(): KeyEntry | undefined {
    if (!this.#isNamespaced) return this.entryOfKey();
    if (this.#isScopedEntryKnown) return this.scopedEntry;
    this.scopedEntry = this.#directory.getNamespace(this.scopedCanonical);
    this.#isScopedEntryKnown = true;
    return this.scopedEntry;
  }

  /** The same for whoever is about to store something. */
  entryOfKeyForChange(): KeyEntry {
    const entry = this.entryOfKey();
    if (entry !== undefined) return entry;
    this.entry = this.requireGroup().addEntry(this.canonical, this.key!);
    this.#row = this.entry.row;
    return this.entry;
  }

  entryOfScopeForChange(): KeyEntry {
    if (!this.#isNamespaced) return this.entryOfKeyForChange();
    const entry = this.entryOfScope();
    if (entry !== undefined) return entry;
    this.scopedEntry = this.requireGroup().addEntry(this.scopedCanonical, this.scoped!);
    return this.scopedEntry;
  }

  /** The key group of the current key; throws STATE_WITHOUT_KEY when there is none. */
  requireGroup(): KeyGroupState {
    if (this.group !== undefined) return this.group;
    throw new MillraceError(
      'STATE_WITHOUT_KEY',
      `state or a timer of ${this.operatorUid} was used without a key`,
      {
        where: { uid: this.operatorUid },
      },
    );
  }

  /** After entries were made by somebody else. */
  forgetEntries(): void {
    this.generation++;
    this.entry = undefined;
    this.scopedEntry = undefined;
    this.#isEntryKnown = false;
    this.#isScopedEntryKnown = false;
    this.#row = UNKNOWN;
  }
}
