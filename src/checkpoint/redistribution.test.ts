// State that is dealt to another number of subtasks: a permutation, for every pair of parallelisms up to five (I-K2).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyGroupRange } from '../base/key-groups.ts';
import { holdsState, type OldSubtasks, redistribute } from './redistribution.ts';
import type { OperatorSnapshot, OperatorStateSection } from './state-handle.ts';

const MAX_PARALLELISM = 16;
const SCALES = [1, 2, 3, 4, 5];

const items = (...values: number[]): Uint8Array[] => values.map((value) => new Uint8Array([value]));
const values = (section: OperatorStateSection | undefined): number[] =>
  (section?.items ?? []).map((item) => item[0]!);

function operator(
  redistribution: OperatorStateSection['redistribution'],
  name: string,
  ...own: number[]
): OperatorSnapshot {
  return { uid: 'u', sections: [{ name, redistribution, items: items(...own) }], keyGroups: [] };
}

function dealt(old: OldSubtasks, parallelism: number, state = 0): number[][] {
  const scale = { parallelism, maxParallelism: MAX_PARALLELISM };
  return redistribute('u', old, scale).map(({ sections }) => values(sections[state]));
}

test('split deals contiguous chunks, the longer ones first', () => {
  const old = [operator('split', 's', 1, 2, 3), operator('split', 's', 4), operator('split', 's', 5, 6, 7)];
  assert.deepEqual(dealt(old, 2), [
    [1, 2, 3, 4],
    [5, 6, 7],
  ]);
  assert.deepEqual(
    dealt(old, 3),
    [[1, 2, 3], [4], [5, 6, 7]],
    'unchanged parallelism gives back what was there',
  );
});

test('the rest of the next state goes to the subtasks after those that got the rest of this one', () => {
  const both = (first: number, second: number): OperatorSnapshot => ({
    uid: 'u',
    sections: [
      { name: 'a', redistribution: 'split', items: items(first) },
      { name: 'b', redistribution: 'split', items: items(second) },
    ],
    keyGroups: [],
  });
  const old = [both(1, 2)];
  assert.deepEqual(dealt(old, 3, 0), [[1], [], []]);
  assert.deepEqual(dealt(old, 3, 1), [[], [2], []]);
});

test('union gives everybody everything, broadcast one copy each', () => {
  const union = [operator('union', 's', 1), operator('union', 's', 2)];
  assert.deepEqual(dealt(union, 3), [
    [1, 2],
    [1, 2],
    [1, 2],
  ]);
  const broadcast = [operator('broadcast', 's', 1), operator('broadcast', 's', 2)];
  assert.deepEqual(dealt(broadcast, 5), [[1], [2], [1], [2], [1]]);
});

test('a key group that two subtasks wrote is damage, and so is a state of two kinds', () => {
  const group = { uid: 'u', sections: [], keyGroups: [{ keyGroup: 3, bytes: new Uint8Array(1) }] };
  const scale = { parallelism: 1, maxParallelism: 8 };
  assert.throws(() => redistribute('u', [group, group], scale), { code: 'CHECKPOINT_CORRUPT' });
  const mixed = [operator('union', 's', 1), operator('split', 's', 1)];
  assert.throws(() => redistribute('u', mixed, scale), { code: 'CHECKPOINT_CORRUPT' });
});

test('state is what holds an item or a key group', () => {
  assert.equal(holdsState([undefined, operator('split', 's')]), false);
  assert.equal(holdsState([operator('split', 's', 1)]), true);
  assert.equal(
    holdsState([{ uid: 'u', sections: [], keyGroups: [{ keyGroup: 0, bytes: items(1)[0]! }] }]),
    true,
  );
});

test('nothing is lost or doubled between any two parallelisms', () => {
  let cases = 0;
  const counts = fc.array(fc.nat({ max: 4 }), { minLength: 5, maxLength: 5 });
  const groups = fc.uniqueArray(fc.nat({ max: MAX_PARALLELISM - 1 }));
  const isThere = fc.array(fc.boolean(), { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(
      fc.constantFrom(...SCALES),
      fc.constantFrom(...SCALES),
      counts,
      groups,
      isThere,
      (p, q, sizes, keyed, there) => {
        cases++;
        let next = 0;
        const old = Array.from({ length: p }, (_, subtask): OperatorSnapshot | undefined => {
          const own = Array.from({ length: sizes[subtask]! }, () => next++);
          const { start, end } = keyGroupRange(subtask, p, MAX_PARALLELISM);
          const keyGroups = keyed.filter((group) => group >= start && group <= end).sort((a, b) => a - b);
          return {
            uid: 'u',
            sections: [
              { name: 'split', redistribution: 'split', items: items(...own) },
              { name: 'union', redistribution: 'union', items: items(...own) },
              // A subtask that ended early may hold no copy.
              ...(subtask === 0 || there[subtask]
                ? [{ name: 'broadcast', redistribution: 'broadcast' as const, items: items(7, 8) }]
                : []),
            ],
            keyGroups: keyGroups.map((keyGroup) => ({ keyGroup, bytes: new Uint8Array([keyGroup]) })),
          };
        });
        const all = Array.from({ length: next }, (_, index) => index);
        const found = redistribute('u', old, { parallelism: q, maxParallelism: MAX_PARALLELISM });
        const section = (subtask: OperatorSnapshot, name: string): number[] =>
          values(subtask.sections.find((candidate) => candidate.name === name));
        assert.deepEqual(
          found.flatMap((subtask) => section(subtask, 'split')).sort((a, b) => a - b),
          all,
        );
        for (const [subtask, snapshot] of found.entries()) {
          assert.deepEqual(section(snapshot, 'union'), all);
          if (q !== p || subtask === 0) assert.deepEqual(section(snapshot, 'broadcast'), [7, 8]);
          const { start, end } = keyGroupRange(subtask, q, MAX_PARALLELISM);
          const expected = keyed.filter((group) => group >= start && group <= end).sort((a, b) => a - b);
          assert.deepEqual(
            snapshot.keyGroups.map(({ keyGroup, bytes }) => [keyGroup, bytes[0]]),
            expected.map((group) => [group, group]),
          );
          if (p === q) assert.deepEqual(section(snapshot, 'split'), values(old[subtask]?.sections[0]));
        }
        if (q !== p) {
          const lengths = found.map((subtask) => section(subtask, 'split').length);
          assert.ok(Math.max(...lengths) - Math.min(...lengths) <= 1, 'even shares');
        }
      },
    ),
    { numRuns: 1000, seed: 11 },
  );
  console.log(`cases: redistribution ${cases} (minimum 1000)`);
});
