import assert from 'node:assert/strict';
import { test } from 'node:test';
import { didYouMean, editDistance, nearest } from './suggest.ts';

test('counts inserted, removed, replaced and swapped letters', () => {
  const cases: [string, string, number][] = [
    ['', '', 0],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['form', 'from', 1],
    ['count', 'counts', 1],
    ['ca', 'abc', 3],
  ];
  for (const [a, b, distance] of cases) {
    assert.equal(editDistance(a, b), distance);
    assert.equal(editDistance(b, a), distance);
  }
});

test('finds the nearest name, whatever its case and although its beginning was left out', () => {
  const names = ['parallelism.default', 'execution.checkpointing.interval', 'execution.checkpointing.mode'];
  assert.equal(nearest('paralelism.default', names), 'parallelism.default');
  assert.equal(nearest('Parallelism.Default', names), 'parallelism.default');
  assert.equal(nearest('checkpointing.interval', names), 'execution.checkpointing.interval');
  assert.equal(nearest('interval', names), 'execution.checkpointing.interval');
});

test('suggests nothing when nothing is near', () => {
  assert.equal(nearest('colour', ['parallelism.default']), undefined);
  assert.equal(nearest('x', []), undefined);
  assert.equal(didYouMean('colour', ['parallelism.default']), '');
  assert.equal(didYouMean('cont', ['count', 'map']), " Did you mean 'count'?");
});
