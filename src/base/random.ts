/** Chance: xoshiro128** streams from a seed that is given, or from the machine. */

import { webcrypto } from 'node:crypto';
import { assert } from './assert.ts';
import type { Random } from './env.ts';
import { murmur3x128 } from './hash.ts';

const RANGE = 2 ** 32;
const utf8 = new TextEncoder();

/**
 * A stream that the seed determines.
 *
 * A fork depends on the seed and its tag only, not on what was drawn before,
 * so that one more draw in one place changes nothing elsewhere; the same tag gives the same stream.
 */
export function seededRandom(seed: number | string): Random {
  return new Xoshiro(String(seed));
}

/** A stream that no one can foresee. */
export function systemRandom(): Random {
  return new Xoshiro(webcrypto.getRandomValues(new Uint32Array(8)).join('-'));
}

/** 256 bits that no one can foresee, as 64 hexadecimal digits: a secret, or a token. */
export function secretText(): string {
  const words = webcrypto.getRandomValues(new Uint8Array(32));
  return Array.from(words, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

class Xoshiro implements Random {
  readonly #seed: string;
  /** Made with the first draw: of most streams that are forked nobody ever draws. */
  #state: Uint32Array | undefined;

  constructor(seed: string) {
    this.#seed = seed;
  }

  u32(): number {
    this.#state ??= stateOf(this.#seed);
    const state = this.#state;
    const result = Math.imul(rotate(Math.imul(state[1]!, 5), 7), 9) >>> 0;
    const shifted = state[1]! << 9;
    state[2]! ^= state[0]!;
    state[3]! ^= state[1]!;
    state[1]! ^= state[2]!;
    state[0]! ^= state[3]!;
    state[2]! ^= shifted;
    state[3] = rotate(state[3]!, 11);
    return result;
  }

  int(bound: number): number {
    assert(Number.isInteger(bound) && bound >= 1 && bound <= RANGE, 'the bound is from 1 to 2^32');
    // Draws from the last, incomplete round would favour small results.
    const fair = RANGE - (RANGE % bound);
    let drawn = this.u32();
    while (drawn >= fair) drawn = this.u32();
    return drawn % bound;
  }

  float(): number {
    return ((this.u32() >>> 5) * 2 ** 26 + (this.u32() >>> 6)) / 2 ** 53;
  }

  fork(tag: string): Random {
    return new Xoshiro(`${this.#seed}/${tag}`);
  }

  id(): string {
    let digits = '';
    for (let word = 0; word < 4; word++) digits += this.u32().toString(16).padStart(8, '0');
    return digits;
  }
}

function stateOf(seed: string): Uint32Array {
  const hash = murmur3x128(utf8.encode(`xoshiro128**/${seed}`));
  const state = new Uint32Array(4);
  const view = new DataView(hash.buffer);
  for (let word = 0; word < 4; word++) state[word] = view.getUint32(word * 4, true);
  if (state.every((word) => word === 0)) state[0] = 1;
  return state;
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}
