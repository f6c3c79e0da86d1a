/**
 * Whose turn it is: the current key, with its key group, and the journal of the current record.
 *
 * Owner: the backend. Read by every handle; a handle that cached something of a key compares `generation`.
 */

import type { Key } from '../../base/key-groups.ts';
import { MillraceError } from '../../base/errors.ts';
import type { KeyGroupState } from './key-group-state.ts';
import type { UndoJournal } from './undo-journal.ts';

/** The current key of one backend. */
export class KeyContext {
  readonly operatorUid: string;
  key: Key | undefined = undefined;
  canonical: unknown = undefined;
  group: KeyGroupState | undefined = undefined;
  journal: UndoJournal | undefined = undefined;
  /** Grows whenever what handles have cached is no longer true. */
  generation = 0;

  constructor(operatorUid: string) {
    this.operatorUid = operatorUid;
  }

  set(key: Key, canonical: unknown, group: KeyGroupState): void {
    this.key = key;
    this.canonical = canonical;
    this.group = group;
    this.generation++;
  }

  clear(): void {
    this.key = undefined;
    this.canonical = undefined;
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
