// What the records of an interval join leave behind when all of them are forgotten.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { OwnPlaces } from '../state/own-state.ts';
import { JoinBuffers, type JoinKey, UNKNOWN } from './join-buffers.ts';

const KEYS = 400_000;
/** A number and two places of each key would be 6.4 MB. */
const HEAP_BYTES_MAX = 2 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const places: OwnPlaces<JoinKey> = {
  freezesValues: false,
  placeOf: () => ({ beforeChange: () => undefined }),
  add: () => undefined,
  remove: () => undefined,
};

function heapBytes(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

test('many keys of one moment leave nothing behind when they are forgotten', () => {
  let now = 0;
  const buffers = new JoinBuffers({ domain: 'event', keepMs: [10, 10], now: () => now });
  buffers.start(places);
  const add = (key: string, time: number): void => {
    buffers.moveTo(now);
    buffers.add(buffers.numberOf(key, UNKNOWN), 0, time, key);
  };
  const forget = (until: number): void => {
    now = until;
    for (let due = buffers.next(); due !== undefined && due <= now; due = buffers.next()) {
      buffers.take();
      buffers.fire();
    }
  };
  add('first', 0);
  forget(1_000);
  const before = heapBytes();
  for (let key = 0; key < KEYS; key++) add(`key ${key}`, 1_000);
  const held = heapBytes() - before;
  forget(2_000);
  const left = heapBytes() - before;
  assert.ok(held > 10 * HEAP_BYTES_MAX, `${held} bytes while they wait`);
  assert.ok(left < HEAP_BYTES_MAX, `${left} bytes are left`);
  // What comes then finds its partners as before.
  add('key 7', 2_000);
  assert.equal(buffers.find(buffers.numberOf('key 7', UNKNOWN), 0, 1_990, 2_010), 1);
});
