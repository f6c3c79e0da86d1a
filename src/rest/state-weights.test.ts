import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredEntry } from '../savepoints/key-group-contents.ts';
import { keyWeights, weightOf } from './state-weights.ts';

const entry = (key: string, value: unknown): StoredEntry => ({ key, namespace: undefined, value });

test('deals the bytes of a key group out to its keys, all of them and no more', () => {
  const counts = [entry('a', 1), entry('b', 2)];
  const texts = [entry('a', 'x'.repeat(1000)), entry('c', 'x')];
  const states = [
    { name: 'count', kind: 'value', bytes: 20, entries: counts },
    { name: 'text', kind: 'value', bytes: 1040, entries: texts },
  ] as const;
  const weights = keyWeights({ keyGroup: 7, states }, (key) => key);
  const bytes = new Map(weights.map((each) => [each.key, each.bytes]));
  assert.deepEqual([...bytes.keys()], ['a', 'b', 'c']);
  assert.equal(Math.round([...bytes.values()].reduce((sum, each) => sum + each, 0)), 1060);
  assert.equal(bytes.get('b'), 10);
  assert.ok(bytes.get('a')! > 1000 && bytes.get('c')! < 30, JSON.stringify([...bytes]));
});

test('weighs what keys hold: texts by their length, lists and maps by what is in them', () => {
  assert.ok(weightOf(new Map([['a', [1, 2, 3]]])) > weightOf(new Map([['a', [1]]])));
  assert.ok(weightOf({ name: 'x'.repeat(50) }) > weightOf({ name: 'x' }) + 40);
  assert.equal(weightOf(new Uint8Array(100)), 101);
  const circle: unknown[] = [];
  circle.push(circle);
  assert.ok(weightOf(circle) < 100, 'a value that holds itself comes to an end');
});
