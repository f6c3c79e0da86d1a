// The first worlds of `npm run sim`, which CI runs; that their checks can fail; and that every mutant still fits its file.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Outcome, runWorld } from '../../sim/life.ts';
import { MUTANTS, REGION_MUTANTS, mutated } from '../../sim/mutants/catalogue.ts';
import { NOTHING, addTotals, totalsOf } from '../../sim/protocol.ts';
import { SHAPES, shaped } from '../../sim/shapes.ts';
import { shrink } from '../../sim/shrink.ts';
import { NO_FAULTS, type World, worldOf } from '../../sim/world.ts';

const WORLDS = Number(process.env['MILLRACE_SEEDS'] ?? 150);
const TWICE_EVERY = 25;
const SEEDS_OF_SHAPE = 2_000;
/** Bugs of which a few worlds suffice to show that whoever makes them is caught. */
const QUICK_MUTANTS = [
  'pending-not-in-state',
  'key-group-off-by-one',
  'complete-before-published',
  'store-first-page-is-all',
];

const root = new URL('../../', import.meta.url);

test('random worlds lose no record and double none, and happen the same way twice', async () => {
  let totals = NOTHING;
  for (let seed = 1; seed <= WORLDS; seed++) {
    const outcome = await runWorld(worldOf(seed));
    assert.equal(
      outcome.violation,
      undefined,
      `npm run sim -- --seed ${seed} --trace: ${String(outcome.violation)}`,
    );
    totals = addTotals(totals, totalsOf(outcome));
    if (seed % TWICE_EVERY === 0)
      assert.equal((await runWorld(worldOf(seed))).hash, outcome.hash, `seed ${seed}`);
  }
  console.log(`cases: worlds ${totals.worlds} (minimum ${WORLDS})`);
  console.log(`cases: lives ${totals.lives} (minimum ${WORLDS})`);
  console.log(`cases: checkpoints ${totals.checkpoints} (minimum ${WORLDS})`);
});

test('every mutant changes one place of one file', () => {
  const all = [...MUTANTS, ...REGION_MUTANTS];
  for (const mutant of all) {
    const text = readFileSync(new URL(mutant.file, root), 'utf8');
    assert.notEqual(mutated(mutant, text), text, mutant.name);
  }
  assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
});

test('every shape is that of some worlds, the same for the same seed, and needed by a mutant', () => {
  for (const name of Object.keys(SHAPES)) {
    assert.ok(
      MUTANTS.some(({ shape }) => shape === name),
      `no mutant is hunted in worlds of the shape ${name}`,
    );
    const seeds = Array.from({ length: SEEDS_OF_SHAPE }, (_, index) => index + 1);
    const found = seeds.filter((seed) => shaped(worldOf(seed), name) !== undefined);
    assert.ok(found.length > 0, `no world of the first ${SEEDS_OF_SHAPE} has the shape ${name}`);
    const [seed] = found as [number];
    assert.deepEqual(shaped(worldOf(seed), name), shaped(worldOf(seed), name));
  }
  assert.throws(() => shaped(worldOf(1), 'round'), /there is no shape round/);
});

for (const name of QUICK_MUTANTS) {
  test(`the bug ${name} is found`, () => {
    const path = (file: string): string => fileURLToPath(new URL(file, root));
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', path('sim/mutants/mutate.ts'), path('sim/range.ts'), '1', '30'],
      { env: { ...process.env, MILLRACE_MUTANT: name }, encoding: 'utf8' },
    );
    assert.match(stdout, /"check":"(?:output|I-C4|liveness|unhandled rejection)"/, stderr);
  });
}

test('a world that fails is made smaller as long as it fails the same way', async () => {
  const { violation: _, ...calm } = await runWorld({
    ...worldOf(3),
    plan: [],
    throwsAt: [],
    rates: NO_FAULTS,
  });
  // What fails is made up: worlds with records of a source that has more than one split.
  const run = async (world: World): Promise<Outcome> => {
    const fails = world.job.sources.some(({ count, splits }) => count > 2 && splits > 1);
    return { ...calm, world, violation: fails ? ({ check: 'made up' } as Outcome['violation']) : undefined };
  };
  const seed = 3;
  const found = await run(worldOf(seed));
  assert.notEqual(found.violation, undefined, 'the world of the seed fails');
  const { outcome } = await shrink(found, run);
  const { plan, job, rates, throwsAt } = outcome.world;
  assert.deepEqual([plan.length, throwsAt.length, job.sources.length], [0, 0, 1]);
  assert.deepEqual(rates, NO_FAULTS);
  assert.deepEqual([job.sources[0]!.splits, job.sources[0]!.steps.length], [2, 0]);
});
