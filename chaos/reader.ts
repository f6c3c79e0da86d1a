// Reads what is committed, all the time, as anybody outside could: no record twice, none gone, and at the end all there.
//
// 1. A committed file never changes and never goes.
// 2. A record is committed once; the counts of a key are each number from 1 on, once. Where only one of so many records leaves,
//    the others are in the counts of their windows.
// 3. A window is committed once, with the count that its records have.

import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { committedFiles } from '../test/e2e/committed.ts';
import { KEYS, keyOf, SPLITS, STEP_MS } from './records.ts';

/** What is committed is not what it must be. */
export class Violation extends Error {}

/** What the job makes. */
export interface Expected {
  /** Records of each split. */
  readonly perSplit: number;
  /** One of so many leaves. */
  readonly sampled: number;
  /** Records of each split in a window. */
  readonly perWindow: number;
}

/** See the head of the file. */
export class Reader {
  readonly #folder: string;
  readonly #expected: Expected;
  /** Records of each split that leave. */
  readonly #leaving: number;
  /** What the files held when they were read, as a digest, by path. */
  readonly #files = new Map<string, string>();
  readonly #seen: Uint8Array;
  readonly #counts = new Map<string, Set<number>>();
  readonly #windows = new Set<string>();
  #records = 0;

  constructor(folder: string, expected: Expected) {
    this.#folder = folder;
    this.#expected = expected;
    this.#leaving = Math.ceil(expected.perSplit / expected.sampled);
    this.#seen = new Uint8Array(this.#leaving * SPLITS);
  }

  /** Where the records are committed. */
  get recordsFolder(): string {
    return join(this.#folder, 'each');
  }

  /** Records that are committed. */
  get records(): number {
    return this.#records;
  }

  get windows(): number {
    return this.#windows.size;
  }

  /** Reads what has come; throws {@link Violation}. */
  look(): void {
    const present = new Set<string>();
    for (const kind of ['each', 'windows'] as const) {
      for (const path of committedFiles(join(this.#folder, kind))) {
        present.add(path);
        if (!this.#files.has(path)) this.#read(path, kind);
      }
    }
    for (const path of this.#files.keys()) {
      if (!present.has(path))
        throw new Violation(`${relative(this.#folder, path)} was committed and is gone`);
    }
  }

  /** The job has finished: everything is there, and no file has changed. */
  complete(): void {
    this.look();
    this.#unchanged();
    const total = this.#leaving * SPLITS;
    if (this.#records !== total) {
      const missing = this.#seen.indexOf(0);
      throw new Violation(
        `${this.#records} of ${total} records; the first that is missing is ${this.#nameOf(missing)}`,
      );
    }
    if (this.#expected.sampled === 1) this.#everyCount();
    this.#everyWindow(this.#expected);
  }

  /**
   * The job was stopped with a last checkpoint: of each split everything up to one record is there, and every window that ends
   * so many records before all of these, because watermarks come behind them; no file has changed.
   */
  upToStop(behind: number): void {
    this.look();
    this.#unchanged();
    let first = Number.POSITIVE_INFINITY;
    for (let split = 0; split < SPLITS; split++) {
      const own = this.#seen.subarray(split * this.#leaving, (split + 1) * this.#leaving);
      const end = own.lastIndexOf(1) + 1;
      const missing = own.subarray(0, end).indexOf(0);
      if (missing >= 0)
        throw new Violation(
          `${this.#nameOf(split * this.#leaving + missing)} is missing, and later ones are there`,
        );
      first = Math.min(first, Math.max(0, end - 1) * this.#expected.sampled);
    }
    const { perWindow } = this.#expected;
    const perSplit = Math.floor(Math.max(0, first - behind) / perWindow) * perWindow;
    this.#everyWindow({ ...this.#expected, perSplit });
  }

  #everyWindow(expected: Expected): void {
    for (const window of expectedWindows(expected)) {
      if (!this.#windows.has(window)) throw new Violation(`window ${window} is missing`);
    }
  }

  #unchanged(): void {
    for (const [path, digest] of this.#files) {
      if (digestOf(readFileSync(path, 'utf8')) !== digest)
        throw new Violation(`${relative(this.#folder, path)} has changed after it was committed`);
    }
  }

  #everyCount(): void {
    for (const [key, counts] of this.#counts) {
      for (let count = 1; count <= counts.size; count++) {
        if (!counts.has(count)) throw new Violation(`${key} was never counted to ${count} of ${counts.size}`);
      }
    }
  }

  #read(path: string, kind: 'each' | 'windows'): void {
    const text = readFileSync(path, 'utf8');
    if (text !== '' && !text.endsWith('\n'))
      throw new Violation(`${relative(this.#folder, path)} ends in the middle of a line`);
    this.#files.set(path, digestOf(text));
    for (const line of text.split('\n').slice(0, -1)) {
      const values = valuesOf(line);
      if (values === undefined) throw new Violation(`${relative(this.#folder, path)} holds ${line}`);
      if (kind === 'each') this.#takeRecord(values as [string, number, number, number], path);
      else this.#takeWindow(values as [string, number, number], path);
    }
  }

  #takeRecord([key, count, split, index]: [string, number, number, number], path: string): void {
    const at = split * this.#leaving + index / this.#expected.sampled;
    if (this.#seen[at] === undefined)
      throw new Violation(`${relative(this.#folder, path)} holds a record that nobody made: ${key}, ${at}`);
    const where = `${this.#nameOf(at)} in ${relative(this.#folder, path)}`;
    if (key !== keyOf(split, index)) throw new Violation(`${where} has the key ${key}`);
    if (this.#seen[at] !== 0) throw new Violation(`${where} is committed a second time`);
    this.#seen[at] = 1;
    this.#records++;
    const counts = this.#counts.get(key) ?? new Set();
    if (counts.has(count)) throw new Violation(`${where}: ${key} is counted to ${count} a second time`);
    this.#counts.set(key, counts.add(count));
  }

  #takeWindow([key, start, count]: [string, number, number], path: string): void {
    const window = `${key} at ${start}`;
    const where = `window ${window} in ${relative(this.#folder, path)}`;
    if (this.#windows.has(window)) throw new Violation(`${where} is committed a second time`);
    this.#windows.add(window);
    const expected = countOf(key, start, this.#expected);
    if (count !== expected) throw new Violation(`${where} holds ${count} records, not ${expected}`);
  }

  #nameOf(at: number): string {
    const index = (at % this.#leaving) * this.#expected.sampled;
    return `record ${index} of split ${Math.floor(at / this.#leaving)}`;
  }
}

/** What broke off, and where. */
export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function digestOf(text: string): string {
  return hash('sha1', text);
}

/** The values of a line, if that is what it holds. */
function valuesOf(line: string): readonly unknown[] | undefined {
  try {
    const values: unknown = JSON.parse(line);
    return Array.isArray(values) ? values : undefined;
  } catch {
    return undefined;
  }
}

/** Records of a key in a window: its keys come again after {@link KEYS} records of a split. */
function countOf(key: string, start: number, { perSplit, perWindow }: Expected): number {
  const from = start / STEP_MS;
  const end = Math.min(perSplit, from + perWindow);
  let count = 0;
  for (let split = 0; split < SPLITS; split++) {
    for (let index = from; index < Math.min(end, from + KEYS); index++) {
      if (keyOf(split, index) === key) count += Math.ceil((end - index) / KEYS);
    }
  }
  return count;
}

function expectedWindows({ perSplit, perWindow }: Expected): Set<string> {
  const windows = new Set<string>();
  for (let from = 0; from < perSplit; from += perWindow) {
    for (let split = 0; split < SPLITS; split++) {
      for (let index = from; index < Math.min(perSplit, from + perWindow, from + KEYS); index++)
        windows.add(`${keyOf(split, index)} at ${from * STEP_MS}`);
    }
  }
  return windows;
}
