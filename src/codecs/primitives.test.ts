// The codecs of the primitives read what they wrote, and no more.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BinaryReader, BinaryWriter } from './binary.ts';
import type { Codec } from './codec.ts';
import { bigintCodec, booleanCodec, bytesCodec, numberCodec, stringCodec } from './primitives.ts';

function roundTrip<T>(codec: Codec<T>, value: T): T {
  const out = new BinaryWriter();
  codec.encode(value, out);
  out.u8(0xee);
  const from = new BinaryReader(out.finish());
  const decoded = codec.decode(from);
  assert.equal(from.remaining, 1, 'a codec reads exactly the bytes that it wrote');
  return decoded;
}

test('primitives come back as they were', () => {
  for (const text of ['', 'abc', '\ud800', 'ü'.repeat(99)]) assert.equal(roundTrip(stringCodec, text), text);
  for (const value of [0, -0, 1.5, Number.NaN, Infinity, -Infinity]) {
    assert.ok(Object.is(roundTrip(numberCodec, value), value));
  }
  for (const value of [true, false]) assert.equal(roundTrip(booleanCodec, value), value);
  for (const value of [0n, -1n, 255n, 256n, 2n ** 64n, -(2n ** 521n) + 1n]) {
    assert.equal(roundTrip(bigintCodec, value), value);
  }
});

test('decoded bytes share no memory with what was read', () => {
  const value = Uint8Array.of(1, 2, 3);
  const decoded = roundTrip(bytesCodec, value);
  assert.deepEqual(decoded, value);
  assert.equal(decoded.buffer.byteLength, 3);
});

test('a boolean that is neither is corrupt', () => {
  assert.throws(
    () => booleanCodec.decode(new BinaryReader(Uint8Array.of(2))),
    /a boolean is 2, at offset 0 of 1/,
  );
});

test('minus zero is no bigint', () => {
  assert.throws(() => bigintCodec.decode(new BinaryReader(Uint8Array.of(1))), /minus zero/);
});
