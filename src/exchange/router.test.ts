import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMillraceError } from '../base/errors.ts';
import { keyGroupOf, keyGroupRange } from '../base/key-groups.ts';
import { seededRandom } from '../base/random.ts';
import { consumersOf, isPointwise, producersOf, supportsUnaligned } from './partitioners.ts';
import { ALL_CHANNELS, createRouter, type Router } from './router.ts';

function routed(router: Router, values: readonly unknown[]): number[] {
  return values.map((value) => router.route(value));
}

test('forward and global always take channel 0, broadcast takes all', () => {
  assert.deepEqual(routed(createRouter('forward', { channels: 1 }), ['a', 'b']), [0, 0]);
  assert.deepEqual(routed(createRouter('global', { channels: 3 }), ['a', 'b']), [0, 0]);
  assert.deepEqual(routed(createRouter('broadcast', { channels: 3 }), ['a', 'b']), [
    ALL_CHANNELS,
    ALL_CHANNELS,
  ]);
});

test('rescale goes round from 0', () => {
  assert.deepEqual(routed(createRouter('rescale', { channels: 3 }), [1, 2, 3, 4, 5]), [0, 1, 2, 0, 1]);
  assert.deepEqual(routed(createRouter('rescale', { channels: 1 }), [1, 2]), [0, 0]);
});

test('rebalance goes round from a channel that chance chose', () => {
  const starts = new Set<number>();
  for (let seed = 0; seed < 50; seed++) {
    const router = createRouter('rebalance', { channels: 4, random: seededRandom(seed) });
    const [first, ...others] = routed(router, [1, 2, 3, 4, 5]);
    starts.add(first!);
    assert.deepEqual(
      others,
      [1, 2, 3, 4].map((step) => (first! + step) % 4),
    );
  }
  assert.deepEqual(starts, new Set([0, 1, 2, 3]));
});

test('shuffle is uniform', () => {
  const router = createRouter('shuffle', { channels: 4, random: seededRandom(1) });
  const counts = [0, 0, 0, 0];
  for (let draw = 0; draw < 4000; draw++) counts[router.route(draw)]!++;
  for (const count of counts) assert.ok(count > 900 && count < 1100, counts.join());
});

test('key-group sends a key to the owner of its key group, as Flink does', () => {
  const router = createRouter('key-group', {
    channels: 3,
    maxParallelism: 128,
    keySelector: (value) => (value as { user: string }).user,
  });
  assert.deepEqual(
    routed(
      router,
      ['user1', 'user2', 'user3'].map((user) => ({ user })),
    ),
    [2, 0, 2],
  );
});

test('custom takes what the function says, and refuses a channel that does not exist', () => {
  const router = createRouter('custom', {
    channels: 3,
    keySelector: (value) => (value as number) * 2,
    partitioner: (key, channels) => ((key as number) / 2) % (channels + 1),
  });
  assert.deepEqual(routed(router, [0, 1, 2, 4]), [0, 1, 2, 0]);
  for (const bad of [3, 0.5, -1, Number.NaN]) {
    assert.throws(
      () => router.route(bad),
      (error) => isMillraceError(error, 'PARTITIONER_INVALID'),
      `${bad}`,
    );
  }
});

test('pointwise edges are wired as Flink wires them', () => {
  const wired = (producers: number, consumers: number): number[][] =>
    Array.from({ length: producers }, (_, producer) =>
      consumersOf('rescale', producer, producers, consumers),
    );
  assert.deepEqual(wired(2, 4), [
    [0, 1],
    [2, 3],
  ]);
  assert.deepEqual(wired(4, 2), [[0], [0], [1], [1]]);
  assert.deepEqual(wired(2, 3), [[0, 1], [2]]);
  assert.deepEqual(wired(3, 3), [[0], [1], [2]]);
});

test('every consumer and every producer of an edge is wired, and both sides agree', () => {
  for (let producers = 1; producers <= 8; producers++) {
    for (let consumers = 1; consumers <= 8; consumers++) {
      for (const kind of ['rescale', 'rebalance'] as const) {
        for (let consumer = 0; consumer < consumers; consumer++) {
          const found = producersOf(kind, consumer, producers, consumers);
          assert.ok(found.length > 0);
          for (const producer of found) {
            assert.ok(consumersOf(kind, producer, producers, consumers).includes(consumer));
          }
        }
        for (let producer = 0; producer < producers; producer++) {
          assert.ok(consumersOf(kind, producer, producers, consumers).length > 0);
        }
      }
    }
  }
});

test('only edges that connect all with all, and send each record once, may be overtaken', () => {
  const all = [
    'forward',
    'rebalance',
    'rescale',
    'shuffle',
    'broadcast',
    'global',
    'key-group',
    'custom',
  ] as const;
  assert.deepEqual(all.filter(isPointwise), ['forward', 'rescale']);
  assert.deepEqual(all.filter(supportsUnaligned), ['rebalance', 'shuffle', 'global', 'key-group', 'custom']);
});

test('a key goes to the subtask whose range has its key group, for each max parallelism up to 128 and each parallelism', () => {
  let cases = 0;
  for (let maxParallelism = 1; maxParallelism <= 128; maxParallelism++) {
    // One key of each key group.
    const keys = new Map<number, number>();
    for (let key = 0; keys.size < maxParallelism; key++) keys.set(keyGroupOf(key, maxParallelism), key);
    for (let parallelism = 1; parallelism <= maxParallelism; parallelism++) {
      const options = { channels: parallelism, maxParallelism, keySelector: (key: unknown) => key };
      // The same code for each, so that one of them is enough.
      const plain = parallelism !== maxParallelism;
      const { route } = createRouter('key-group', { ...options, plain });
      let owned = 0;
      for (let subtask = 0; subtask < parallelism; subtask++) {
        const { start, end } = keyGroupRange(subtask, parallelism, maxParallelism);
        for (let group = start; group <= end; group++, owned++) {
          if (route(keys.get(group)) !== subtask)
            assert.fail(
              `${group} of ${maxParallelism} at ${parallelism} is sent to ${route(keys.get(group))}`,
            );
        }
      }
      assert.equal(owned, maxParallelism);
      cases += owned;
    }
  }
  console.log(`cases: routes of key groups ${cases} (minimum 700000)`);
});
