// The page of mutants says what the last hunts gave, and a hunt that is out of date, or found nothing, would be said.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Mutant } from '../sim/mutants/catalogue.ts';
import { type Hunt, type Results, withHunts, type WholeRun } from '../sim/mutants/results.ts';
import { PROTOCOL } from '../sim/record.ts';
import { mutantsPhrase, staleHunts } from './mutants.ts';

const mutant = (name: string, more: Partial<Mutant> = {}): Mutant => ({
  name,
  teaches: 'a rule',
  file: 'src/room/file.ts',
  from: 'a',
  to: 'b',
  ...more,
});

const hunt = (name: string, more: Partial<Hunt> = {}): Hunt => ({
  mutant: name,
  protocol: PROTOCOL,
  fromSeed: 1,
  isRare: false,
  worlds: 3,
  found: { seed: 3, check: 'I-C4', message: 'too much' },
  cpuMs: 500,
  ...more,
});

const results = (...hunts: Hunt[]): Results => ({ kind: 'mutants', hunts });

describe('mutants', () => {
  it('that were hunted as the catalogue says are up to date', () => {
    const rare = mutant('b', { shape: 'cluster', rare: { fromSeed: 70 } });
    const huntOfRare = hunt('b', { shape: 'cluster', isRare: true, fromSeed: 70 });
    assert.deepEqual(staleHunts(results(hunt('a'), huntOfRare), [mutant('a'), rare]), []);
  });

  const stale: readonly (readonly [string, Mutant, Hunt | undefined, RegExp])[] = [
    [
      'that were never hunted',
      mutant('a'),
      undefined,
      /^a was never hunted: npm run sim:mutants -- --json .* --only a$/,
    ],
    ['that were not found', mutant('a'), hunt('a', { found: undefined! }), /^a was not found/],
    [
      'of other worlds',
      mutant('a'),
      hunt('a', { protocol: PROTOCOL - 1 }),
      /^a was hunted in worlds of protocol/,
    ],
    [
      'of another shape',
      mutant('a', { shape: 'cluster' }),
      hunt('a'),
      /^a was hunted in worlds of another shape/,
    ],
    [
      'that are rare by now',
      mutant('a', { rare: { fromSeed: 9 } }),
      hunt('a'),
      /^a was hunted from another seed on/,
    ],
    ['that became harmless', mutant('a', { harmless: 'a guard' }), hunt('a'), /^a is not hunted any more/],
  ];
  for (const [which, listed, had, text] of stale) {
    it(`${which} are said to be out of date`, () => {
      const found = staleHunts(had === undefined ? results() : results(had), [listed]);
      assert.equal(found.length, 1);
      assert.match(found[0]!, text);
    });
  }

  it('that were not found are told', () => {
    assert.match(
      mutantsPhrase(results(hunt('a'), hunt('b'))),
      /^2 bugs put into the sources on purpose, all found/,
    );
    const { found: _, ...missed } = hunt('b');
    assert.match(mutantsPhrase(results(hunt('a'), missed)), /^2 bugs put .*, 1 of them found/);
  });

  it('that are hunted alone replace their own results, and the whole catalogue replaces all', () => {
    const whole: WholeRun = { day: '2026-12-01', commit: 'abc', node: 'v24', jobs: 2, seconds: 400 };
    const first = withHunts(undefined, [hunt('b'), hunt('a')], whole);
    assert.deepEqual(
      first.hunts.map(({ mutant: name }) => name),
      ['a', 'b'],
    );
    const again = withHunts(first, [hunt('b', { worlds: 8 }), hunt('c')]);
    assert.equal(again.whole, whole);
    assert.deepEqual(
      again.hunts.map(({ mutant: name, worlds }) => [name, worlds]),
      [
        ['a', 3],
        ['b', 8],
        ['c', 3],
      ],
    );
    assert.deepEqual(
      withHunts(again, [hunt('d')], whole).hunts.map(({ mutant: name }) => name),
      ['d'],
    );
  });
});
