// What the job that counts by a million keys has to commit, and whether what it has committed is right as far as it goes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../architecture/read.ts';
import { committedFiles } from '../e2e/committed.ts';

const KEYS = 1_000_000;
/** Records after the first round over all keys. */
const STEADY = 1_500_000;
/** The counts of each key whose number it divides are committed. */
const REPORTED = 50;

/** The job, and what it is told besides its rate and its output. */
export const millionKeysJob = join(root, 'bench', 'jobs', 'recovery.ts');
export const millionKeys = ['--keys', KEYS, '--steady', STEADY, '--reported', REPORTED].map(String);

/** How often a key is met in the end. */
function timesOf(index: number): number {
  return 1 + Math.floor(STEADY / KEYS) + (index < STEADY % KEYS ? 1 : 0);
}

/** Reads what was committed, each file once: a committed file does not change. */
export class MillionKeys {
  readonly #output: string;
  readonly #read = new Set<string>();
  /** By number of the key: the counts that were committed, as bits. */
  readonly #counts = new Map<number, number>();
  committed = 0;

  constructor(output: string) {
    this.#output = output;
  }

  /** Of each key exactly its first counts, each once; how many in all. */
  assertPrefix(): number {
    for (const path of committedFiles(this.#output)) {
      if (this.#read.has(path)) continue;
      this.#read.add(path);
      const text = readFileSync(path, 'utf8');
      assert.ok(text === '' || text.endsWith('\n'), `${path} ends in the middle of a line`);
      for (const line of text.split('\n').slice(0, -1)) this.#add(line, path);
    }
    for (const [index, counts] of this.#counts)
      assert.equal(counts & (counts + 1), 0, `user-${index} has a gap in its counts`);
    return this.committed;
  }

  assertComplete(): void {
    this.assertPrefix();
    assert.equal(this.#counts.size, KEYS / REPORTED);
    for (const [index, counts] of this.#counts)
      assert.equal(counts, 2 ** timesOf(index) - 1, `user-${index} was counted to its end`);
  }

  /** The first round over all keys is in what was committed. */
  get isFilled(): boolean {
    this.assertPrefix();
    return this.#counts.size === KEYS / REPORTED;
  }

  #add(line: string, path: string): void {
    const { key, count } = JSON.parse(line) as { readonly key: string; readonly count: number };
    const index = Number(key.slice('user-'.length));
    assert.ok(index % REPORTED === 0 && count >= 1 && count <= timesOf(index), `${path}: ${line}`);
    const bit = 2 ** (count - 1);
    const known = this.#counts.get(index) ?? 0;
    assert.equal(known & bit, 0, `${path}: ${line} was committed twice`);
    this.#counts.set(index, known | bit);
    this.committed++;
  }
}
