import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../base/random.ts';
import { OWED_MAX, Turns } from './turns.ts';

/** Channels whose batches have `sizeOf(channel)` records, as many as `waiting` says. */
function read(turns: Turns, waiting: number[], sizeOf: (channel: number) => number): number {
  turns.begin();
  for (let index = turns.next(); index >= 0; index = turns.next()) {
    if (waiting[index] === 0) {
      turns.silent(index);
      continue;
    }
    waiting[index]!--;
    turns.took(index, sizeOf(index));
    return index;
  }
  return -1;
}

const ALWAYS = Number.POSITIVE_INFINITY;

test('of channels that always have something none gets ahead by more than a batch, whatever the size of each batch', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seededRandom(seed);
    const most = Array.from({ length: 2 + random.int(4) }, () => 1 + random.int([4, 300, 3_000][seed % 3]!));
    const turns = new Turns(most.length);
    const taken = most.map(() => 0);
    for (let turn = 0; turn < 3_000; turn++) {
      let size = 0;
      const channel = read(
        turns,
        most.map(() => ALWAYS),
        (index) => (size = 1 + random.int(most[index]!)),
      );
      taken[channel]! += size;
      const ahead = Math.max(...taken) - Math.min(...taken);
      assert.ok(ahead <= Math.max(...most), `seed ${seed}, turn ${turn}: ${taken.join(' ')}`);
    }
  }
});

test('channels whose batches are alike take turns in their order', () => {
  const turns = new Turns(3);
  const order = Array.from({ length: 7 }, () => read(turns, [ALWAYS, ALWAYS, ALWAYS], () => 10));
  assert.deepEqual(order, [0, 1, 2, 0, 1, 2, 0]);
});

test('whoever has something is read while the others have nothing, however much it had already', () => {
  const turns = new Turns(3);
  for (let turn = 0; turn < 1_000; turn++)
    assert.equal(
      read(turns, [0, 1, 0], () => 256),
      1,
    );
  assert.equal(
    read(turns, [0, 0, 0], () => 256),
    -1,
  );
});

test('a channel that had nothing catches up, but does not keep the others waiting for more than what is owed at most', () => {
  for (const [missed, owed] of [
    [2_560, 2_560],
    [1_000_192, OWED_MAX],
  ] as const) {
    const turns = new Turns(2);
    for (let taken = 0; taken < missed; taken += 256)
      assert.equal(
        read(turns, [ALWAYS, 0], () => 256),
        0,
      );
    let caughtUp = 0;
    while (read(turns, [ALWAYS, ALWAYS], () => 256) === 1) caughtUp += 256;
    assert.ok(Math.abs(caughtUp - owed) <= 256, `${caughtUp} of ${missed}`);
  }
});

test('an element without records takes a turn too, so that events do not keep the others waiting', () => {
  const turns = new Turns(2);
  const counts = [0, 0];
  for (let turn = 0; turn < 1_000; turn++) counts[read(turns, [ALWAYS, ALWAYS], () => 1)]!++;
  assert.deepEqual(counts, [500, 500]);
});
