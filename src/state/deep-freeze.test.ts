// Freezing reaches what a value holds, and leaves alone what cannot be frozen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deepFreeze } from './deep-freeze.ts';

test('freezes what objects, arrays, maps and sets hold, also below what is frozen already', () => {
  const held = Array.from({ length: 4 }, () => ({ a: 1 }));
  deepFreeze([
    Object.freeze([held[0]]),
    { x: { y: held[1] } },
    new Map([['k', held[2]]]),
    new Set([held[3]]),
  ]);
  assert.ok(held.every(Object.isFrozen));
});

test('stops at cycles and typed arrays, and takes primitives', () => {
  const circle: Record<string, unknown> = { bytes: Uint8Array.of(1) };
  circle['self'] = circle;
  assert.equal(deepFreeze(circle), circle);
  assert.ok(!Object.isFrozen(circle['bytes']));
  assert.equal(deepFreeze(1), 1);
});
