// Damaged bytes of a key group are always found, and what is found is named.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { isMillraceError } from '../../base/errors.ts';
import { keyGroupOf } from '../../base/key-groups.ts';
import * as state from '../state.ts';
import { MemoryStateBackend } from './backend.ts';

const MAX_PARALLELISM = 16;
const KEY = 'a';
const KEY_GROUP = keyGroupOf(KEY, MAX_PARALLELISM);

function backendWith(): MemoryStateBackend {
  return new MemoryStateBackend({
    keyGroupRange: { start: 0, end: MAX_PARALLELISM - 1 },
    maxParallelism: MAX_PARALLELISM,
    freezeValues: true,
    operatorUid: 'counter',
    now: () => 0,
  });
}

function snapshotBytes(): Uint8Array {
  const backend = backendWith();
  backend.setCurrentKey(KEY);
  backend.state('count', state.value(0)).update(258);
  backend.state('list', state.list()).addAll(['x', { y: 1 }]);
  backend.state('map', state.map()).set(['k'], 2n);
  backend.timers.register('event', 1000);
  backend.timers.register('processing', -1);
  return backend.freeze().encode(KEY_GROUP);
}

function sealed(bytes: Uint8Array): Uint8Array {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(
    bytes.length - 4,
    crc32(bytes.subarray(0, -4)),
    true,
  );
  return bytes;
}

function assertCorrupt(bytes: Uint8Array, keyGroup = KEY_GROUP): void {
  assert.throws(
    () => backendWith().restore(keyGroup, bytes),
    (error) =>
      isMillraceError(error, 'STATE_CORRUPT') &&
      error.message.startsWith(`key group ${keyGroup} of operator counter is damaged: `) &&
      /at offset \d+/.test(error.message),
  );
}

test('whole bytes are read', () => {
  const backend = backendWith();
  backend.restore(KEY_GROUP, snapshotBytes());
  backend.setCurrentKey(KEY);
  assert.equal(backend.state('count', state.value(0)).value(), 258);
  assert.equal(backend.timers.next('processing'), -1);
});

test('every truncation is found', () => {
  const bytes = snapshotBytes();
  for (let length = 0; length < bytes.length; length++) assertCorrupt(bytes.subarray(0, length));
});

test('every flipped bit is found', () => {
  const bytes = snapshotBytes();
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assertCorrupt(flipped);
  }
  console.log(`cases: flipped bits of a key group ${bytes.length * 8} (minimum 800)`);
});

test('bytes that follow are found, also under a right checksum', () => {
  const bytes = snapshotBytes();
  assertCorrupt(Uint8Array.of(...bytes, 0));
  assertCorrupt(sealed(Uint8Array.of(...bytes, 0)));
});

test('the bytes of another key group are refused', () => {
  assertCorrupt(snapshotBytes(), KEY_GROUP === 0 ? 1 : 0);
});

test('a version that is not known is named', () => {
  const bytes = snapshotBytes();
  bytes[4] = 2;
  assert.throws(() => backendWith().restore(KEY_GROUP, sealed(bytes)), {
    code: 'STATE_VERSION_UNKNOWN',
    message: /has version 2; this Millrace knows 1/,
  });
});

test('the caller may reuse the memory that it restored from', () => {
  const bytes = snapshotBytes();
  const backend = backendWith();
  backend.restore(KEY_GROUP, bytes);
  bytes.fill(0xee);
  backend.setCurrentKey(KEY);
  assert.deepEqual(backend.state('list', state.list()).get(), ['x', { y: 1 }]);
});

test('the format is the one that the drawing shows', () => {
  const backend = backendWith();
  backend.setCurrentKey(KEY);
  backend.state('n', state.value(0)).update(5);
  backend.timers.register('event', 1);
  const bytes = backend.freeze().encode(KEY_GROUP);
  const name = [...Buffer.from('\tgeneric/1')];
  const key = [0x40, 0x61, 0];
  const table = [1, ...key, 1, 5];
  const section = [0, 1, 0x6e, ...name, 0, table.length, 0, 0, 0, ...table];
  const body = [KEY_GROUP, 1, ...section, 1, 2, ...key, 0];
  const golden = [0x4d, 0x52, 0x4b, 0x47, 1, 9 + body.length + 4, 0, 0, 0, ...body];
  assert.deepEqual([...bytes.subarray(0, -4)], golden);
});
