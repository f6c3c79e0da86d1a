// The budget of a slot: what it takes, what it refuses, and whom it tells that there is much; number-table.test.ts has tables in it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBudget } from './memory-budget.ts';

test('whoever wants to know is told once when more is taken than so much', () => {
  const memory = new MemoryBudget(1_000);
  let told = 0;
  memory.onceAbove(100, () => told++);
  memory.take(100);
  assert.equal(told, 0);
  assert.throws(() => memory.take(901), { code: 'STATE_MEMORY_EXCEEDED' });
  assert.equal(told, 0, 'what was refused is not taken');
  memory.take(1);
  assert.equal(told, 1);
  memory.give(50);
  memory.take(100);
  assert.equal(told, 1);
});
