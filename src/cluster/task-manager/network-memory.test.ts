import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NETWORK_BYTES, WINDOW_BYTES_MAX, WINDOW_BYTES_MIN, windowBytesOf } from './network-memory.ts';

/** All to all between so many slots, dealt to so many processes. */
function channels(slots: number): { fromSlot: number; toSlot: number }[] {
  return Array.from({ length: slots * slots }, (_, at) => ({
    fromSlot: Math.floor(at / slots),
    toSlot: at % slots,
  }));
}

test('few channels have large windows, many share the budget', () => {
  let before = Number.POSITIVE_INFINITY;
  for (const slots of [2, 9, 30, 90, 300]) {
    const processOfSlot = Array.from({ length: slots }, (_, slot) => slot % 3);
    const window = windowBytesOf(channels(slots), processOfSlot);
    assert.ok(window <= before && window >= WINDOW_BYTES_MIN && window <= WINDOW_BYTES_MAX);
    assert.equal(Math.log2(window) % 1, 0, 'a ring has a power of two of bytes');
    before = window;
    const remote = channels(slots).filter(
      ({ fromSlot, toSlot }) => (processOfSlot[fromSlot] === 0) !== (processOfSlot[toSlot] === 0),
    ).length;
    if (window > WINDOW_BYTES_MIN) assert.ok(remote * 2 * window <= NETWORK_BYTES, `${slots} slots`);
  }
  assert.equal(before, WINDOW_BYTES_MIN);
});

test('channels within a process take nothing of it', () => {
  assert.equal(
    windowBytesOf(
      channels(100),
      Array.from({ length: 100 }, () => 0),
    ),
    WINDOW_BYTES_MAX,
  );
});
