// A service of high availability beside the nodes of a kernel: reached through a network, slow, silent at times, and never wrong.

import assert from 'node:assert/strict';
import { MillraceError } from '../../src/base/errors.ts';
import type { Random } from '../../src/base/env.ts';
import type { LeaderRecord } from '../../src/ha/leader.ts';
import type { Register, RegisterContent } from '../../src/ha/register.ts';
import { decodeRecord } from '../../src/ha/record.ts';
import type { Kernel } from '../../src/testing/kernel.ts';

const LATENCY_MS_MAX = 4;
/** Whoever asked has no answer by then, and takes it for lost. */
const SILENCE_MS = 60;

/** See the head of the file. */
export class SimulatedRegister {
  readonly #kernel: Kernel;
  readonly #random: Random;
  readonly #isCutOff: (node: string) => boolean;
  #content: RegisterContent | undefined;
  #replacements = 0;
  /** Of a hundred requests so many are lost, half of them after they had their effect. */
  lossPercent = 0;
  /** It answers nobody. */
  isDown = false;
  /** Called with each text that has become the content, and the one before. */
  onReplaced: (text: string, former: string | undefined) => void = () => {};

  constructor(kernel: Kernel, isCutOff: (node: string) => boolean) {
    this.#kernel = kernel;
    this.#random = kernel.random.fork('register');
    this.#isCutOff = isCutOff;
  }

  /** As a node reaches it. */
  of(node: string): Register {
    return {
      read: () => this.#ask(node, () => this.#content),
      replace: (expected, text) => this.#ask(node, () => this.#replace(expected, text)),
    };
  }

  #replace(expected: string | undefined, text: string): { revision: string } | 'conflict' {
    if (this.#content?.revision !== expected) return 'conflict';
    const former = this.#content?.text;
    this.#content = { revision: String(++this.#replacements), text };
    this.onReplaced(text, former);
    return { revision: this.#content.revision };
  }

  #ask<T>(node: string, effect: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const isLost = (): boolean =>
        this.isDown || this.#isCutOff(node) || this.#random.int(100) < this.lossPercent;
      const silence = (): void => {
        const run = (): void => reject(new MillraceError('HA_UNAVAILABLE', 'the service does not answer'));
        this.#kernel.schedule({ node, afterMs: SILENCE_MS, why: 'the service is silent', run });
      };
      if (isLost()) return silence();
      const arrive = (): void => {
        const answer = effect();
        // The node may be gone by now; then nobody hears the answer.
        if (isLost()) return silence();
        const run = (): void => resolve(answer);
        this.#kernel.schedule({ node, afterMs: this.#latency(), why: 'the service answers', run });
      };
      this.#kernel.schedule({ afterMs: this.#latency(), why: `${node} asks the service`, run: arrive });
    });
  }

  #latency(): number {
    return (1 + this.#random.int(LATENCY_MS_MAX * 1_000)) / 1_000;
  }
}

interface Document {
  readonly entries: Readonly<Record<string, { readonly value: string; readonly revision: number }>>;
}

interface Pointer {
  readonly epoch: number;
  readonly checkpointId: number;
}

/** Holds what is written to the rules of leadership; returns how many writes there were so far. */
export function watchRules(register: SimulatedRegister): () => number {
  let writes = 0;
  register.onReplaced = (text, former) => {
    writes++;
    const now = decodeRecord<Document>(text, 'the text');
    const before = former === undefined ? { entries: {} } : decodeRecord<Document>(former, 'the former text');
    const epochOf = ({ entries }: Document): number =>
      entries['leader'] === undefined
        ? 0
        : decodeRecord<LeaderRecord>(entries['leader'].value, 'leader').epoch;
    const changed = Object.keys(now.entries).filter(
      (key) => now.entries[key]!.revision !== before.entries[key]?.revision,
    );
    if (changed.includes('leader')) {
      assert.equal(epochOf(now), epochOf(before) + 1, 'an epoch follows the one before');
      assert.deepEqual(changed, ['leader']);
    }
    for (const key of changed.filter((name) => name.startsWith('checkpoints/'))) {
      const pointer = decodeRecord<Pointer>(now.entries[key]!.value, key);
      const old = before.entries[key];
      const oldId = old === undefined ? 0 : decodeRecord<Pointer>(old.value, key).checkpointId;
      assert.equal(pointer.epoch, epochOf(now), 'the pointer is moved by the leader of the moment alone');
      assert.ok(pointer.checkpointId >= oldId, 'the pointer only grows');
    }
  };
  return () => writes;
}
