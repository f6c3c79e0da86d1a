// What a table has outgrown is used again, unless another thread may still read it; and the budget counts what is in use.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBudget } from '../memory-budget.ts';
import { BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, type MemoryBlock } from '../shared-blocks.ts';
import { TableMemory } from './table-memory.ts';

const placeOf = ({ buffer, byteOffset }: MemoryBlock): readonly unknown[] => [buffer, byteOffset];

test('a block that is given back while blocks are held is used again when nobody holds any', () => {
  const memory = new TableMemory(new MemoryBudget());
  const first = memory.take(BLOCK_BYTES_MIN);
  const ends = [memory.hold(), memory.hold()];
  memory.give(first);
  const second = memory.take(BLOCK_BYTES_MIN);
  assert.notDeepEqual(placeOf(second), placeOf(first));
  // Ended twice is ended once.
  ends[0]!();
  ends[0]!();
  const third = memory.take(BLOCK_BYTES_MIN);
  assert.notDeepEqual(placeOf(third), placeOf(first));
  ends[1]!();
  assert.deepEqual(placeOf(memory.take(BLOCK_BYTES_MIN)), placeOf(first));
  assert.equal(memory.budget.taken, BLOCK_BYTES_MIN * 3);
});

test('the tables of one slot use what others of it have given back', () => {
  const budget = new MemoryBudget();
  const [one, other] = [new TableMemory(budget), new TableMemory(budget)];
  const block = one.take(BLOCK_BYTES_MAX);
  one.give(block);
  assert.deepEqual(placeOf(other.take(BLOCK_BYTES_MAX)), placeOf(block));
});

test('blocks of all sizes are counted, and what does not fit is refused', () => {
  const budget = new MemoryBudget(BLOCK_BYTES_MAX * 3);
  const memory = new TableMemory(budget);
  const blocks = [128, BLOCK_BYTES_MIN, BLOCK_BYTES_MAX * 2].map((bytes) => memory.take(bytes));
  assert.equal(budget.taken, 128 + BLOCK_BYTES_MIN + BLOCK_BYTES_MAX * 2);
  assert.throws(() => memory.take(BLOCK_BYTES_MAX), { code: 'STATE_MEMORY_EXCEEDED' });
  for (const block of blocks) memory.give(block);
  assert.equal(budget.taken, 0);
});
