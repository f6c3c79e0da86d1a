import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as state from '../state.ts';
import { MemoryStateBackend } from './backend.ts';
import { KeyEntry } from './key-group-state.ts';
import { IdleEntries, type EntriesInUse, type IdleEntry } from './idle-entries.ts';

/** An entry that counts among `kept` until it is forgotten. */
class Entry implements IdleEntry {
  readonly #kept: Set<Entry>;
  isEmpty = true;
  isIdle = false;

  constructor(kept: Set<Entry>) {
    this.#kept = kept;
    kept.add(this);
  }

  drop(): void {
    this.#kept.delete(this);
  }
}

const MAX = 100;

test('entries that the journals of many records kept are forgotten when each is over', () => {
  const context = { journal: undefined as object | undefined, entry: undefined, scopedEntry: undefined };
  const idle = new IdleEntries(context, MAX);
  const kept = new Set<Entry>();
  for (let record = 0; record < 10 * MAX; record++) {
    context.journal = {};
    for (let entries = 0; entries < 5; entries++) idle.add(new Entry(kept));
    assert.ok(kept.size <= MAX + 5);
    context.journal = undefined;
    idle.settle();
    assert.ok(kept.size <= MAX, `${kept.size} after record ${record}`);
  }
});

test('the entries of the current key and one that holds something again stay, however few may be kept', () => {
  const kept = new Set<Entry>();
  for (const max of [0, 1, 2]) {
    kept.clear();
    const [entry, scopedEntry, again, other] = [0, 1, 2, 3].map(() => new Entry(kept));
    const context: EntriesInUse = { journal: undefined, entry, scopedEntry };
    const idle = new IdleEntries(context, max);
    again!.isEmpty = false;
    for (const each of [entry, scopedEntry, again, other]) idle.add(each!);
    for (let times = 0; times < 10; times++) {
      idle.settle();
      idle.add(new Entry(kept));
    }
    for (const each of [entry, scopedEntry, again]) assert.ok(kept.has(each!));
    assert.ok(kept.size <= 6, `${kept.size}`);
  }
});

test('a job that can take records back keeps no more entries of empty keys than any other', (t) => {
  const backend = new MemoryStateBackend({
    keyGroupRange: { start: 0, end: 0 },
    maxParallelism: 1,
    freezeValues: true,
    operatorUid: 'poison',
    now: () => 0,
    idleEntriesMax: 2,
  });
  const text = backend.state('text', state.value(''));
  const dropped = t.mock.method(KeyEntry.prototype, 'drop');
  for (let key = 0; key < 2 * MAX; key++) {
    backend.setCurrentKey(key);
    backend.beginUndo();
    text.update('there');
    text.clear();
    if (key % 2 === 0) backend.commit();
    else backend.rollback();
  }
  assert.ok(dropped.mock.callCount() >= 2 * MAX - 3, `${dropped.mock.callCount()}`);
});
