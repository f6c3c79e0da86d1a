import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Key, keyHash } from '../../base/key-groups.ts';
import { IdleEntries } from './idle-entries.ts';
import { KeyDirectory } from './key-directory.ts';
import { KeyEntry, KeyGroupState } from './key-group-state.ts';
import { canonicalScopedKey, NamespacedKey, type ScopedKey } from './scoped-key.ts';

const RUNS = 150;

/** Strings of one hash, which anybody can make. */
const ofOneHash = Array.from({ length: 256 }, (_, index) =>
  Array.from({ length: 8 }, (_digit, bit) => ((index >> bit) & 1 ? 'Aa' : 'BB')).join(''),
);
const plain: Key[] = Array.from({ length: 300 }, (_, index) => (index % 3 === 0 ? index : `user-${index}`));
const odd: Key[] = [
  Number.NaN,
  0,
  '',
  true,
  false,
  7n,
  -(2n ** 63n),
  0.5,
  -1,
  2 ** 53,
  '\0',
  ['a', 1],
  ['a', [1]],
];
const all: ScopedKey[] = [
  ...odd,
  ...plain,
  ...ofOneHash,
  ...odd.map((key) => new NamespacedKey(key, 'window')),
  new NamespacedKey(Number.NaN, Number.NaN),
];
/** How many different keys a run uses: few, some, those of one hash, all. */
const ranges = fc.constantFrom([0, odd.length], [0, 40], [0, 313], [313, 313 + 256], [0, all.length]);
const steps = fc.array(
  fc.record({ adds: fc.integer({ min: 0, max: 9 }).map((n) => n < 6), at: fc.nat({ max: all.length - 1 }) }),
  { minLength: 100, maxLength: 1_500, size: 'max' },
);

function group(directory: KeyDirectory<KeyEntry>): KeyGroupState {
  const nothing = { journal: undefined, entry: undefined, scopedEntry: undefined };
  return new KeyGroupState(0, directory, new IdleEntries(nothing));
}

function found(directory: KeyDirectory<KeyEntry>, key: ScopedKey): KeyEntry | undefined {
  const canonical = canonicalScopedKey(key);
  if (key instanceof NamespacedKey) return directory.getNamespace(canonical);
  return directory.get(canonical, keyHash(key));
}

test('keys of one hash have one hash', () => {
  assert.equal(new Set(ofOneHash.map((key) => keyHash(key))).size, 1);
  assert.equal(new Set(ofOneHash).size, 256);
});

test('a directory is a Map of entries by key, also for chosen keys, while keys come and go', () => {
  let most = 0;
  fc.assert(
    fc.property(steps, ranges, fc.boolean(), (made, [from, to], empties) => {
      const directory = new KeyDirectory<KeyEntry>();
      const owner = group(directory);
      const model = new Map<unknown, KeyEntry>();
      const check = (key: ScopedKey): void =>
        assert.equal(found(directory, key), model.get(canonicalScopedKey(key)));
      const remove = (key: ScopedKey): void => {
        const canonical = canonicalScopedKey(key);
        directory.remove(canonical, model.get(canonical)!);
        model.delete(canonical);
      };
      for (const { adds, at } of made) {
        const key = all[from! + (at % (to! - from!))]!;
        const canonical = canonicalScopedKey(key);
        check(key);
        if (adds && !model.has(canonical)) {
          const entry = new KeyEntry(key, owner);
          directory.add(canonical, entry);
          model.set(canonical, entry);
        } else if (!adds && model.has(canonical)) remove(key);
        check(key);
        most = Math.max(most, model.size);
      }
      for (const key of all) check(key);
      const rows = [...model.values()]
        .filter(({ key }) => !(key instanceof NamespacedKey))
        .map(({ row }) => row);
      assert.equal(new Set(rows).size, rows.length, 'a row is that of one entry (D2)');
      for (const entry of model.values()) if (entry.row >= 0) assert.equal(directory.at(entry.row), entry);
      if (!empties) return;
      for (const { key } of [...model.values()]) remove(key);
      for (const key of all) check(key);
      const first = new KeyEntry('again', owner);
      directory.add('again', first);
      assert.equal(first.row, 0, 'none is free behind the last row that is taken (D2)');
    }),
    { seed: 11, numRuns: RUNS },
  );
  assert.ok(most > 300, `${most}`);
  console.log(`cases: directories of keys ${RUNS} (minimum ${RUNS})`);
});

test('a directory of many keys finds each of them, and the one that is left', () => {
  const directory = new KeyDirectory<KeyEntry>();
  const owner = group(directory);
  const entries = Array.from({ length: 20_000 }, (_, key) => new KeyEntry(key * 7_919, owner));
  for (const entry of entries) directory.add(entry.key, entry);
  for (const entry of entries) assert.equal(found(directory, entry.key), entry);
  for (const entry of entries.slice(1)) directory.remove(entry.key, entry);
  assert.equal(found(directory, entries[0]!.key), entries[0]);
  assert.equal(found(directory, entries[1]!.key), undefined);
});
