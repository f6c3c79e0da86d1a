import assert from 'node:assert/strict';
import { it } from 'node:test';
import { thinned } from './thinned.ts';

const minute = 60_000;

it('keeps a day of points that come every three seconds in a few hundred', () => {
  let points: readonly { readonly at: number }[] = [];
  let most = 0;
  const start = 1_800_000_000_000;
  const days = 1.5;
  for (let passed = 0; passed < days * 24 * 60 * minute; passed += 3000) {
    points = thinned([...points, { at: start + passed }], start + passed);
    most = Math.max(most, points.length);
  }
  assert.ok(most < 600, `${most} points`);
  const now = points.at(-1)!.at;
  const reach = now - points[0]!.at;
  assert.ok(reach > 23.5 * 60 * minute && reach <= 24 * 60 * minute, `${reach / minute} min`);
  const gaps = points.slice(1).map(({ at }, index) => ({ age: now - at, gap: at - points[index]!.at }));
  for (const { age, gap } of gaps) {
    const allowed = age < 14 * minute ? 3000 : age < 118 * minute ? 2 * minute : 20 * minute;
    assert.ok(gap > 0 && gap <= allowed, `${gap} ms between two points that are ${age} ms old`);
  }
});

it('changes nothing that is new', () => {
  const points = [1, 2, 3].map((second) => ({ at: second * 1000 }));
  assert.deepEqual(thinned(points, 4000), points);
});
