// Blocks of all sizes come and go: none overlaps another, and what comes back is used again, as large as it was.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, type MemoryBlock, SharedBlocks } from './shared-blocks.ts';

const SIZES = 10;

const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ take: fc.nat({ max: SIZES - 1 }) }) },
    { weight: 2, arbitrary: fc.record({ give: fc.nat({ max: 999 }) }) },
  ),
  { maxLength: 120, size: 'max' },
);

test('blocks that are in use do not overlap, and what was given back becomes whole again', () => {
  assert.equal(BLOCK_BYTES_MIN << (SIZES - 1), BLOCK_BYTES_MAX);
  fc.assert(
    fc.property(steps, (all) => {
      const blocks = new SharedBlocks();
      const used: MemoryBlock[] = [];
      for (const step of all) {
        if ('take' in step) {
          const block = blocks.take(BLOCK_BYTES_MIN << step.take);
          assert.equal(block.byteLength, BLOCK_BYTES_MIN << step.take);
          assert.equal(block.byteOffset % block.byteLength, 0);
          for (const other of used) assert.ok(areApart(block, other));
          used.push(block);
        } else if (used.length > 0) {
          blocks.give(used.splice(step.give % used.length, 1)[0]!);
        }
      }
      for (const block of used.splice(0)) blocks.give(block);
      const { bytes } = blocks;
      for (let taken = 0; taken < bytes; taken += BLOCK_BYTES_MAX) blocks.take(BLOCK_BYTES_MAX);
      assert.equal(blocks.bytes, bytes, 'M1: all chunks are whole');
    }),
    { numRuns: 200, seed: 3 },
  );
});

test('tables that grow one after the other take what the others have outgrown', () => {
  const blocks = new SharedBlocks();
  const tables = Array.from({ length: 64 }, () => blocks.take(BLOCK_BYTES_MIN));
  for (let bytes = BLOCK_BYTES_MIN * 2; bytes <= BLOCK_BYTES_MIN * 16; bytes *= 2) {
    for (const [index, outgrown] of tables.entries()) {
      tables[index] = blocks.take(bytes);
      blocks.give(outgrown);
    }
  }
  // 16 MiB in use, and one block that was there beside the one that took its place.
  assert.ok(blocks.bytes <= 3 * BLOCK_BYTES_MAX, `${blocks.bytes} bytes`);
});

test('a block that was not taken here, or is given back twice, is a fault', () => {
  const blocks = new SharedBlocks();
  const block = blocks.take(BLOCK_BYTES_MIN);
  blocks.give(block);
  assert.throws(() => blocks.give(block), /M1/);
  assert.throws(() => new SharedBlocks().give(block), /M1/);
  assert.throws(() => blocks.take(BLOCK_BYTES_MIN * 3), /M1/);
});

function areApart(one: MemoryBlock, other: MemoryBlock): boolean {
  return (
    one.buffer !== other.buffer ||
    one.byteOffset + one.byteLength <= other.byteOffset ||
    other.byteOffset + other.byteLength <= one.byteOffset
  );
}
