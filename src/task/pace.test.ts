import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace } from './pace.ts';

test('a pace rises while work is quick, up to its bound', () => {
  const pace = new Pace(64);
  const seen: number[] = [];
  for (let look = 0; look < 8; look++) {
    seen.push(pace.units);
    pace.took(0);
  }
  assert.deepEqual(seen, [1, 2, 4, 8, 16, 32, 64, 64]);
});

test('a pace falls at once to what fits, never below one, and stays where it is right', () => {
  const pace = new Pace(64);
  for (let look = 0; look < 6; look++) pace.took(0);
  pace.took(32);
  assert.equal(pace.units, 1);
  pace.took(100);
  assert.equal(pace.units, 1);
  pace.took(0.25);
  pace.took(0.4);
  assert.equal(pace.units, 2);
  pace.atMost(1);
  assert.equal(pace.units, 1);
});
