/** The keyed state of an operator, key group by key group, with the bytes that it takes: for whoever counts. */

import { decodeKeyGroup } from '../state/memory/key-group-bytes.ts';
import { type StoredEntry, storedEntries } from '../state/memory/stored-entries.ts';
import { type Savepoint, type StateContents, storedSnapshotOf, unreadable } from './savepoint.ts';

export type { StoredEntry } from '../state/memory/stored-entries.ts';

/** What one state has in one key group. */
export interface KeyGroupState {
  readonly name: string;
  readonly kind: StateContents['kind'];
  readonly bytes: number;
  readonly entries: readonly StoredEntry[];
}

/** The states of one key group. */
export interface KeyGroupContents {
  readonly keyGroup: number;
  readonly states: readonly KeyGroupState[];
}

/** Ascending; throws as `Savepoint.entries` does. */
export async function* keyGroupContents(
  savepoint: Savepoint,
  uid: string,
): AsyncGenerator<KeyGroupContents, void> {
  const stored = storedSnapshotOf(savepoint);
  const { maxParallelism } = stored.operator(uid);
  for await (const { keyGroup, bytes } of stored.keyGroupsOf(uid)) {
    const { sections } = decodeKeyGroup(bytes, { operatorUid: uid, keyGroup }, maxParallelism);
    const states = sections.map((section): KeyGroupState => {
      const { name, kind, codecId, body } = section;
      const entries = storedEntries(section);
      if (entries === undefined) throw unreadable(uid, name, codecId);
      return { name, kind, bytes: body.length, entries };
    });
    yield { keyGroup, states };
  }
}
