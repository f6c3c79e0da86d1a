import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Random } from './env.ts';
import { seededRandom, systemRandom } from './random.ts';

function draw(random: Random, count = 8): number[] {
  return Array.from({ length: count }, () => random.u32());
}

test('gives the same stream for the same seed, another one for another', () => {
  assert.deepEqual(draw(seededRandom(1)), draw(seededRandom(1)));
  assert.notDeepEqual(draw(seededRandom(1)), draw(seededRandom(2)));
  // Seeds that are written down anywhere must keep their meaning.
  assert.deepEqual(draw(seededRandom(42), 3), [809_264_555, 2_464_597_318, 1_134_197_759]);
});

test('forks a stream that neither moves nor follows its parent', () => {
  const parent = seededRandom('x');
  const before = draw(parent.fork('network'));
  const drawn = draw(parent);
  assert.deepEqual(drawn, draw(seededRandom('x')));
  assert.deepEqual(draw(parent.fork('network')), before);
  assert.notDeepEqual(draw(parent.fork('disk')), before);
  assert.notDeepEqual(draw(parent.fork('network').fork('network')), before);
});

test('draws evenly within the bound', () => {
  const random = seededRandom(3);
  for (const bound of [1, 2, 7, 10]) {
    const counts = new Array<number>(bound).fill(0);
    for (let index = 0; index < 10_000; index++) counts[random.int(bound)]!++;
    for (const count of counts)
      assert.ok(Math.abs(count - 10_000 / bound) < 400, `${bound}: ${counts.join(' ')}`);
  }
  assert.ok(draw(random, 100).every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32));
  assert.ok(random.int(2 ** 32) < 2 ** 32);
  for (const bound of [0, -1, 1.5, 2 ** 32 + 1]) assert.throws(() => random.int(bound));
});

test('draws numbers in [0, 1) around one half', () => {
  const random = seededRandom(4);
  const numbers = Array.from({ length: 10_000 }, () => random.float());
  assert.ok(numbers.every((number) => number >= 0 && number < 1));
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  assert.ok(Math.abs(mean - 0.5) < 0.02, String(mean));
});

test('takes a new seed from the machine each time, and makes ids of 32 hexadecimal digits', () => {
  const ids = new Set(Array.from({ length: 100 }, () => systemRandom().id()));
  assert.equal(ids.size, 100);
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
});
