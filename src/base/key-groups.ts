/**
 * Where a key lives: key → hash → key group → subtask. The arithmetic is Flink's, bit for bit.
 *
 * Placement is part of what a checkpoint promises: a change here loses state.
 */

import { assert } from './assert.ts';
import type { Key } from './key.ts';

export {
  checkKey,
  compareKeys,
  decodeKey,
  decodeKeyAt,
  encodeKey,
  type Key,
  sizeOfKey,
  writeKey,
  writePlainKey,
} from './key.ts';

/** The highest max parallelism: Flink's `UPPER_BOUND_MAX_PARALLELISM`. */
export const MAX_PARALLELISM_LIMIT = 32_768;
const DEFAULT_MAX_PARALLELISM_MIN = 128;
const NAN_HASH = 0x7ff80000;

/** Key groups from `start` to `end`, both inclusive; empty when `end < start`. */
export interface KeyGroupRange {
  readonly start: number;
  readonly end: number;
}

// Scratch that is written and read within one call; nothing survives in it.
const scratch = new DataView(new ArrayBuffer(8));

/** Java's `hashCode` of a key that `checkKey` returned, as a signed 32-bit integer. Hot path: runs once per record. */
export function keyHash(key: Key): number {
  switch (typeof key) {
    case 'string':
      return stringHash(key);
    case 'number':
      return (key | 0) === key ? key | 0 : doubleHash(key);
    case 'boolean':
      return key ? 1231 : 1237;
    case 'bigint':
      return Number(BigInt.asIntN(32, key ^ (key >> 32n)));
    default:
      return tupleHash(key);
  }
}

/** Flink's `MathUtils.murmurHash` of a 32-bit integer; never negative. */
export function murmurHash(code: number): number {
  let hash = Math.imul(code, 0xcc9e2d51);
  hash = (hash << 15) | (hash >>> 17);
  hash = Math.imul(hash, 0x1b873593);
  hash = (hash << 13) | (hash >>> 19);
  hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  hash ^= 4;
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  if (hash >= 0) return hash;
  return hash === -0x80000000 ? 0 : -hash;
}

/** The key group of a key, in `[0, maxParallelism)`. */
export function keyGroupOf(key: Key, maxParallelism: number): number {
  return keyGroupOfHash(keyHash(key), maxParallelism);
}

/** The key group of a key with this {@link keyHash}. */
export function keyGroupOfHash(hash: number, maxParallelism: number): number {
  return murmurHash(hash) % maxParallelism;
}

/** The subtask that owns a key group. */
export function subtaskOfKeyGroup(keyGroup: number, parallelism: number, maxParallelism: number): number {
  return Math.floor((keyGroup * parallelism) / maxParallelism);
}

/** The key groups that a subtask owns; {@link subtaskOfKeyGroup} agrees. */
export function keyGroupRange(subtask: number, parallelism: number, maxParallelism: number): KeyGroupRange {
  assert(
    parallelism >= 1 && parallelism <= maxParallelism && maxParallelism <= MAX_PARALLELISM_LIMIT,
    'parallelism is from 1 to max parallelism, which is at most 32768',
  );
  assert(subtask >= 0 && subtask < parallelism, 'a subtask is below the parallelism');
  return {
    start: Math.floor((subtask * maxParallelism + parallelism - 1) / parallelism),
    end: Math.floor(((subtask + 1) * maxParallelism - 1) / parallelism),
  };
}

/** The max parallelism of an operator that does not set one: room to grow by half, from 128 to 32768. */
export function defaultMaxParallelism(parallelism: number): number {
  const wanted = parallelism + Math.floor(parallelism / 2);
  const rounded = 2 ** (32 - Math.clz32(wanted - 1));
  return Math.min(Math.max(rounded, DEFAULT_MAX_PARALLELISM_MIN), MAX_PARALLELISM_LIMIT);
}

function stringHash(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index++) hash = (Math.imul(31, hash) + text.charCodeAt(index)) | 0;
  return hash;
}

function doubleHash(value: number): number {
  if (Number.isNaN(value)) return NAN_HASH;
  scratch.setFloat64(0, value);
  return scratch.getInt32(0) ^ scratch.getInt32(4);
}

function tupleHash(tuple: readonly Key[]): number {
  let hash = 1;
  for (let index = 0; index < tuple.length; index++) {
    hash = (Math.imul(31, hash) + keyHash(tuple[index]!)) | 0;
  }
  return hash;
}
