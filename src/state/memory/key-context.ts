/**
 * Whose turn it is: the current key, with its namespace and key group, and the journal of the current record.
 *
 * Owner: the backend. Read by every handle; a handle that cached something of a key compares `generation`.
 */

import { type Key, keyHash } from '../../base/key-groups.ts';
import { MillraceError } from '../../base/errors.ts';
import type { KeyGroupState } from './key-group-state.ts';
import { canonicalKey, canonicalPair } from './canonical-key.ts';
import { NamespacedKey, type ScopedKey } from './scoped-key.ts';
import type { UndoJournal } from './undo-journal.ts';

/** The current key of one backend. */
export class KeyContext {
  readonly operatorUid: string;
  key: Key | undefined = undefined;
  canonical: unknown = undefined;
  /** `keyHash` of the key. */
  hash = 0;
  /** The current namespace of the key, or the key itself when there is none: what timers and namespaced state are held under. */
  scoped: ScopedKey | undefined = undefined;
  scopedCanonical: unknown = undefined;
  group: KeyGroupState | undefined = undefined;
  journal: UndoJournal | undefined = undefined;
  /** Which of the keys ahead this is (keys-ahead.ts); -1: none of them. */
  ahead = -1;
  /** Grows whenever what handles have cached is no longer true. */
  generation = 0;

  constructor(operatorUid: string) {
    this.operatorUid = operatorUid;
  }

  /** A key without a namespace. */
  set(key: Key, canonical: unknown, hash: number, group: KeyGroupState): void {
    this.key = key;
    this.hash = hash;
    this.canonical = canonical;
    this.scoped = key;
    this.scopedCanonical = canonical;
    this.group = group;
    this.ahead = -1;
    this.generation++;
  }

  /** One of the keys ahead. */
  setAhead(index: number, key: Key, canonical: unknown, hash: number, group: KeyGroupState): void {
    this.set(key, canonical, hash, group);
    this.ahead = index;
  }

  /** The key and the namespace of a timer. */
  setScoped(scoped: ScopedKey, canonical: unknown, group: KeyGroupState): void {
    if (!(scoped instanceof NamespacedKey)) return this.set(scoped, canonical, keyHash(scoped), group);
    this.set(scoped.key, canonicalKey(scoped.key), keyHash(scoped.key), group);
    this.scoped = scoped;
    this.scopedCanonical = canonical;
  }

  /** Moves to a namespace of the current key. */
  setNamespace(namespace: Key): void {
    this.requireGroup();
    this.scoped = new NamespacedKey(this.key!, namespace);
    this.scopedCanonical = canonicalPair(this.key!, namespace);
    this.generation++;
  }

  clear(): void {
    this.key = undefined;
    this.canonical = undefined;
    this.scoped = undefined;
    this.scopedCanonical = undefined;
    this.group = undefined;
    this.generation++;
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
}
