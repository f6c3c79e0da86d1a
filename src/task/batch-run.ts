/**
 * The batch that a task works off, as its first operator sees it: which record is next, and whether it may be taken now.
 *
 * Owner: the task, which gives it a batch when the last one is done. Partner: the first link, whose operator takes records
 * out of it (`Operator.batch`) or is given them one by one.
 *
 * B1  The records before `position` are taken, all others are in-flight data when a barrier overtakes them: it moves before
 *     the work on a record begins.
 * B2  A record is handed out only when the one before it left no work behind, the slice of the task is not over and the
 *     outputs have room; for the first one of a call the task has asked that itself.
 * B3  Keys are selected ahead, as far as the selector goes without an error; where it threw it is asked again when it is
 *     that record's turn, so that the error is that of this record and comes after the work on those before it.
 */

import { assert } from '../base/assert.ts';
import { checkKey, type Key } from '../base/key-groups.ts';
import type { RecordBatch } from '../exchange/batch.ts';
import type { RecordRun } from '../operators/operator.ts';
import type { KeyedStateBackend } from '../state/backend.ts';
import type { Slice } from './slice.ts';

const NOTHING: readonly never[] = [];

/** What is asked between two records (B2). */
export interface BetweenRecords {
  readonly slice: Slice;
  /** Nothing waits that comes before the next record. */
  isClear(): boolean;
  /** The outputs have room. */
  writable(): boolean;
}

/** See the head of the file. */
export class BatchRun implements RecordRun {
  input = 0;
  values: readonly unknown[] = NOTHING;
  timestamps: readonly number[] = NOTHING;
  position = 0;
  end = 0;
  keys: readonly Key[] | undefined = undefined;
  readonly #between: BetweenRecords;
  readonly #slice: Slice;
  readonly #keys: Key[] = [];
  #selector: ((value: unknown) => unknown) | undefined;
  #backend: KeyedStateBackend | undefined;
  /** The records from here to `position` are not accounted for; none: the task has asked for the next one (B2). */
  #accounted = 0;

  constructor(between: BetweenRecords) {
    this.#between = between;
    this.#slice = between.slice;
  }

  /** Takes a batch; the one before it is done. */
  load(input: number, batch: RecordBatch): void {
    assert(this.isDone(), 'a batch is done before the next one');
    this.input = input;
    this.values = batch.values;
    this.timestamps = batch.timestamps;
    this.position = 0;
    this.#accounted = 0;
    this.end = batch.values.length;
    this.keys = undefined;
    this.#selector = undefined;
  }

  isDone(): boolean {
    return this.position >= this.end;
  }

  /** Forgets a batch that is done, so that nothing of it is kept alive. */
  clear(): void {
    this.values = NOTHING;
    this.timestamps = NOTHING;
    this.keys = undefined;
    // An array that becomes empty gives its memory back, and the next batch needs as much.
    const keys = this.#keys;
    for (let index = 0; index < keys.length; index++) keys[index] = 0;
    this.position = 0;
    this.#accounted = 0;
    this.end = 0;
  }

  /** What is not taken yet. */
  remainder(): RecordBatch | undefined {
    const { values, timestamps, position } = this;
    if (this.isDone()) return undefined;
    if (position === 0) return { values, timestamps };
    return { values: values.slice(position), timestamps: timestamps.slice(position) };
  }

  /** After a call: the slice learns of the records that it took. */
  settle(): void {
    const taken = this.position - this.#accounted;
    this.#accounted = this.position;
    if (taken > 0) this.#slice.spend(taken);
  }

  /** B3; the records are taken with these keys from now on. */
  selectKeys(selector: (value: unknown) => unknown, backend: KeyedStateBackend): void {
    if (this.#selector !== undefined) return;
    assert(this.position === 0, 'the keys of a batch are selected before its first record');
    const { values, end } = this;
    const keys = this.#keys;
    let known = 0;
    this.#selector = selector;
    this.#backend = backend;
    this.keys = keys;
    try {
      for (; known < end; known++) keys[known] = checkKey(selector(values[known]));
    } catch {
      // It throws again when it is that record's turn.
    }
    if (keys.length !== known) keys.length = known;
    backend.prepareKeys(keys);
  }

  // Hot path: once per record.
  next(): number {
    const index = this.position;
    if (index >= this.end || !this.#mayGoOn()) return -1;
    this.position = index + 1;
    if (this.#selector !== undefined) this.select(index);
    return index;
  }

  // Hot path: once for each few records.
  stretch(): number {
    const first = this.position;
    if (first >= this.end || !this.#mayGoOn()) return -1;
    return first + Math.min(this.end - first, Math.max(1, this.#slice.units));
  }

  // B2.
  #mayGoOn(): boolean {
    const taken = this.position - this.#accounted;
    if (taken === 0) return true;
    this.#accounted = this.position;
    return !this.#slice.spend(taken) && this.#between.isClear() && this.#between.writable();
  }

  select(index: number): void {
    if (index < this.#keys.length) this.#backend!.setPreparedKey(index);
    else this.#backend!.setCurrentKey(checkKey(this.#selector!(this.values[index])));
  }
}
