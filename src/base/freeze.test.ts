// Freezing reaches what a value holds, and leaves alone what cannot be frozen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deepFreeze } from './freeze.ts';

test('arrays and objects are frozen all the way down, and what cannot be frozen stays', () => {
  const bytes = new Uint8Array(2);
  const value = { list: [{ a: 1 }], bytes, when: new Date(0), nothing: null };
  assert.equal(deepFreeze(value), value);
  assert.throws(() => {
    value.list[0]!.a = 2;
  }, TypeError);
  assert.throws(() => value.list.push({ a: 3 }), TypeError);
  bytes[0] = 1;
  assert.equal(deepFreeze('text'), 'text');
});

test('what maps and sets hold is frozen, also below what is frozen already', () => {
  const held = Array.from({ length: 4 }, () => ({ a: 1 }));
  deepFreeze([
    Object.freeze([held[0]]),
    { x: { y: held[1] } },
    new Map([['k', held[2]]]),
    new Set([held[3]]),
  ]);
  assert.ok(held.every(Object.isFrozen));
});

test('a value that contains itself is frozen once', () => {
  const value: { self?: unknown } = {};
  value.self = value;
  assert.ok(Object.isFrozen(deepFreeze(value)));
});
