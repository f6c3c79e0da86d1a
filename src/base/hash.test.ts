import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32, murmur3x128, operatorId, sha256Hex } from './hash.ts';

test('hashes as Guava does', () => {
  assert.equal(operatorId(''), '0'.repeat(32));
  assert.equal(operatorId('hello'), '029bbd41b3a7d8cb191dae486a901e5b');
  // The reference implementation prints the halves big-endian: e34bbc7bbc071b6c 7a433ca9c49a9347.
  assert.equal(operatorId('The quick brown fox jumps over the lazy dog'), '6c1b07bc7bbc4be347939ac4a93c437a');
});

test('gives the ids that Flink shows for the first vertex of countless jobs', () => {
  // Flink hashes the position of a node without a uid as an int, once for itself and once per chained output.
  const hex = (length: number): string => Buffer.from(murmur3x128(new Uint8Array(length))).toString('hex');
  assert.equal(hex(4), 'bc764cd8ddf7a0cff126f51c16239658');
  assert.equal(hex(8), 'cbc357ccb763df2852fee8c4fc7d55f2');
});

test('gives another hash for every length and every changed byte', () => {
  const hashes = new Set<string>();
  for (let length = 0; length < 40; length++) {
    const text = 'x'.repeat(length);
    hashes.add(operatorId(text));
    for (let at = 0; at < length; at++) hashes.add(operatorId(`${text.slice(0, at)}y${text.slice(at + 1)}`));
  }
  assert.equal(hashes.size, 40 + (39 * 40) / 2);
});

test('knows the standard answers of CRC-32 and SHA-256', () => {
  const bytes = new TextEncoder().encode('123456789');
  assert.equal(crc32(bytes), 0xcbf43926);
  assert.equal(crc32(bytes.subarray(4), crc32(bytes.subarray(0, 4))), 0xcbf43926);
  assert.equal(sha256Hex('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});
