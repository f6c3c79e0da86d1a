import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KeyTimes } from './key-times.ts';

const RUNS = 200;
const HIGH = 2 ** 32;

/** Times that all have one home, however large the table is: both halves are equal, so that they cancel out. */
const ofOneHome = Array.from({ length: 200 }, (_, index) => (index + 1) * HIGH + (index + 1));
const plain = Array.from({ length: 200 }, (_, index) => 1_700_000_000_000 + index * 60_000);
const extreme = [0, 1, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, -HIGH, HIGH];
const all = [...extreme, ...plain, ...ofOneHome];

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom(
      'add',
      'add',
      'add',
      'add',
      'add',
      'add',
      'add',
      'delete',
      'take',
      'oldest',
      'newest',
    ),
    at: fc.nat({ max: all.length - 1 }),
  }),
  { minLength: 100, maxLength: 700, size: 'max' },
);
/** How many different times a run uses: few, some, all. */
const ranges = fc.constantFrom([0, 7], [7, 30], [7, 207], [207, 407], [0, 407]);

test('the times of a key are a Map of what is registered and what is deleted and still queued', () => {
  let most = 0;
  fc.assert(
    fc.property(steps, ranges, (made, [from, to]) => {
      const times = new KeyTimes();
      const model = new Map<number, 'live' | 'deleted'>();
      for (const { kind, at } of made) {
        const time = chosen(kind, model, all[from! + (at % (to! - from!))]!);
        const before = model.get(time) ?? 'none';
        assert.equal(times.state(time), before);
        assert.equal(times.isLive(time), before === 'live');
        if (kind === 'add') {
          if (before === 'none') times.add(time);
          else if (before === 'deleted') times.revive(time);
          model.set(time, 'live');
        } else if (kind === 'delete') {
          if (before !== 'live') continue;
          times.delete(time);
          model.set(time, 'deleted');
        } else if (before !== 'none') {
          assert.equal(times.take(time), before === 'live');
          model.delete(time);
        }
        assert.equal(times.live, [...model.values()].filter((each) => each === 'live').length);
        most = Math.max(most, model.size);
      }
      check(times, model);
    }),
    { seed: 12, numRuns: RUNS },
  );
  assert.ok(most > 150, 'some keys have many');
  console.log(`cases: times of a key against a Map ${RUNS} (minimum ${RUNS})`);
});

function chosen(kind: string, model: ReadonlyMap<number, unknown>, other: number): number {
  const there = [...model.keys()];
  if (kind === 'oldest') return there[0] ?? other;
  return kind === 'newest' ? (there.at(-1) ?? other) : other;
}

function check(times: KeyTimes, model: ReadonlyMap<number, 'live' | 'deleted'>): void {
  const live = [...model].filter(([, state]) => state === 'live').map(([time]) => time);
  const inOrder = (list: readonly number[]): number[] => list.toSorted((one, other) => one - other);
  assert.equal(times.live, live.length);
  assert.deepEqual(inOrder([...times.toArray()]), inOrder(live));
}

test('times that are gone are not among those that are left, however many there were', () => {
  const times = new KeyTimes();
  for (const time of all) times.add(time);
  for (const time of all.slice(3)) assert.ok(times.take(time));
  assert.deepEqual(
    all.map((time) => times.state(time)),
    all.map((_, index) => (index < 3 ? 'live' : 'none')),
  );
});
