/** State whose keys were prepared in batches is the state whose keys came one by one. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { collectGarbage } from '../../../test/garbage.ts';
import { checkKey, type Key, keyHash } from '../../base/key-groups.ts';
import type { ValueState } from '../descriptors.ts';
import { MemoryBudget } from '../memory-budget.ts';
import { MemoryStateBackend } from './backend.ts';
import { IdleEntries } from './idle-entries.ts';
import { KeyDirectory } from './key-directory.ts';
import { type KeyEntry, KeyGroupState } from './key-group-state.ts';
import { KeysAhead, TablesAhead } from './keys-ahead.ts';
import { NumbersByNumber } from './number-table.ts';
import { TableMemory } from './table-memory.ts';
import type { StateTable } from './state-table.ts';

const RUNS = 400;
const SEED = 71;

const keys: readonly Key[] = [
  ...Array.from({ length: 40 }, (_, index) => index * 7_919),
  ...Array.from({ length: 20 }, (_, index) => `user-${index}`),
  ...['x'.repeat(30), '\u6f22', '\0', true, 7n, 0.5, -1, Number.NaN, Number.NEGATIVE_INFINITY],
  ...[['a', 1] as const, [] as const],
].map(checkKey);

type Work = 'count' | 'text' | 'clear' | 'read' | 'other' | 'namespace' | 'undone';

interface Step {
  readonly key: number;
  readonly work: Work;
}

const batches = fc.array(
  fc.array(
    fc.record<Step>({
      key: fc.nat({ max: keys.length - 1 }),
      work: fc.constantFrom(
        'count',
        'count',
        'count',
        'text',
        'clear',
        'read',
        'other',
        'namespace',
        'undone',
      ),
    }),
    { maxLength: 40, size: 'max' },
  ),
  { maxLength: 8, size: 'max' },
);

/** What every step saw, and the bytes of each key group at the end. */
function outcome(all: readonly (readonly Step[])[], ahead: boolean) {
  const backend = new MemoryStateBackend({
    keyGroupRange: { start: 0, end: 99 },
    maxParallelism: 128,
    freezeValues: false,
    operatorUid: 'counted',
    now: () => 0,
    // Entries go while others that were prepared with them come.
    idleEntriesMax: 1,
  });
  const count = backend.state('count', { kind: 'value', initial: 0 as unknown });
  const other = backend.state('other', { kind: 'value', initial: 5 });
  const seen: unknown[] = [];
  for (const [number, batch] of all.entries()) {
    // The last one may have failed: its key is selected when it is its turn.
    const known = batch.slice(0, Math.max(0, batch.length - (number % 2)));
    if (ahead) backend.prepareKeys(known.map(({ key }) => keys[key]!));
    for (const [index, { key, work }] of batch.entries()) {
      try {
        if (ahead && index < known.length) backend.setPreparedKey(index);
        else backend.setCurrentKey(keys[key]!);
        seen.push(backend.currentKey(), step(backend, count, other, work));
      } catch (error) {
        seen.push(String(error));
      }
    }
  }
  const frozen = backend.freeze();
  return { seen, bytes: frozen.keyGroups().map((keyGroup) => [keyGroup, frozen.encode(keyGroup)]) };
}

function step(
  backend: MemoryStateBackend,
  count: ValueState<unknown>,
  other: ValueState<number>,
  work: Work,
): unknown {
  const before = count.value();
  if (work === 'count') count.update(typeof before === 'number' ? before + 1 : 1);
  else if (work === 'text') count.update('text');
  else if (work === 'clear') count.clear();
  else if (work === 'other') other.update(other.value() * 2);
  else if (work === 'namespace') {
    backend.setCurrentNamespace('window');
    count.update(3);
  } else if (work === 'undone') {
    backend.beginUndo();
    count.update(1_000);
    other.clear();
    backend.rollback();
  }
  return [before, count.value(), other.value()];
}

test('keys that are prepared together see and leave what keys see and leave one by one', () => {
  let errors = 0;
  fc.assert(
    fc.property(batches, (all) => {
      const prepared = outcome(all, true);
      assert.deepEqual(prepared, outcome(all, false));
      errors += prepared.seen.filter((each) => typeof each === 'string' && each.includes('but owns')).length;
    }),
    { seed: SEED, numRuns: RUNS },
  );
  assert.ok(errors > RUNS / 10, 'keys of other subtasks are among them');
  console.log(`cases: prepared keys ${RUNS} (minimum ${RUNS})`);
});

test('the memory of a table that has got another is not held by keys that were prepared before', async () => {
  const table = new NumbersByNumber(new TableMemory(new MemoryBudget()));
  const all = Array.from({ length: 3_000 }, (_, key) => key);
  const keysAhead = new KeysAhead(new KeyDirectory<KeyEntry>());
  keysAhead.prepare(
    all.slice(0, 10),
    1,
    () =>
      new KeyGroupState(
        0,
        new KeyDirectory<KeyEntry>(),
        new IdleEntries({ journal: undefined, entry: undefined, scopedEntry: undefined }),
      ),
  );
  const tables = new TablesAhead();
  tables.touch(keysAhead, { knownNumbersOf: () => ({ tableOf: () => table }) } as unknown as StateTable);
  assert.equal(tables.tables[9], table);
  const before = new WeakRef(table.memory);
  for (const key of all) table.add(key, keyHash(key), 1);
  await collectGarbage();
  assert.equal(before.deref(), undefined);
});
