/**
 * The metadata store as a leader uses it: every write is guarded by the entry that made it leader.
 *
 * Owns: the writes of one term, one after the other. Partners: the metadata store, the election (told by `onFenced`).
 *
 * LS-1 A write is there when it resolves, and then this leader still led at the moment it happened.
 * LS-2 A write whose outcome is not known is resolved by reading, and tried again until WRITE_DEADLINE_MS: in its term a leader
 *      is the only writer, so what it reads it has written itself.
 * LS-3 After the term every write throws FENCED, without being tried.
 */

import type { Clock } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import type { Claim } from './leader.ts';
import { LEADER_KEY } from './leader.ts';
import { type MetadataStore, type StoredEntry, VALUE_BYTES_MAX } from './metadata-store.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import { isUnavailable } from './register.ts';

/** A write that did not come through by then has failed, ms. */
export const WRITE_DEADLINE_MS = 30_000;
const PAUSE_MS = 100;

/** See the head of the file. */
export class LeaderStore {
  readonly epoch: number;
  readonly #store: MetadataStore;
  readonly #clock: Pick<Clock, 'monotonic' | 'timer'>;
  readonly #claim: Claim;
  readonly #onFenced: () => void;
  #isOver = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    store: MetadataStore,
    clock: Pick<Clock, 'monotonic' | 'timer'>,
    claim: Claim,
    onFenced: () => void,
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#claim = claim;
    this.#onFenced = onFenced;
    this.epoch = claim.record.epoch;
  }

  /** The record of an entry. What came damaged is read again as what did not come (record.ts). */
  read<T extends object>(key: string): Promise<T | undefined> {
    return this.#persistently(async () => {
      const found = await this.#store.read(key);
      return found && decodeRecord<T>(found.value, `the entry ${key}`);
    });
  }

  /** The keys that begin with `prefix`. */
  list(prefix: string): Promise<string[]> {
    return this.#persistently(() => this.#store.list(prefix));
  }

  /** Writes an entry, whatever it was. Throws FENCED, HA_UNAVAILABLE. */
  put(key: string, record: object): Promise<void> {
    const value = encodeRecord(record);
    if (value.length > VALUE_BYTES_MAX) {
      const message = `the entry ${key} would have ${value.length} characters, more than ${VALUE_BYTES_MAX}`;
      return Promise.reject(new MillraceError('ASSERTION_FAILED', message));
    }
    return this.#inTurn(() => this.#write(key, value));
  }

  /** Removes an entry, if it is there. Throws FENCED, HA_UNAVAILABLE. */
  remove(key: string): Promise<void> {
    return this.#inTurn(() => this.#write(key, undefined));
  }

  /** LS-3. */
  close(): void {
    this.#isOver = true;
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const next = this.#last.then(() => this.#persistently(work));
    this.#last = next.catch(() => undefined);
    return next;
  }

  /** LS-2. */
  async #persistently<T>(work: () => Promise<T>): Promise<T> {
    const deadlineMs = this.#clock.monotonic() + WRITE_DEADLINE_MS;
    for (;;) {
      if (this.#isOver) throw this.#fenced();
      try {
        return await work();
      } catch (error) {
        if (!isUnavailable(error) || this.#clock.monotonic() > deadlineMs) throw error;
      }
      await new Promise<void>((resolve) => this.#clock.timer(PAUSE_MS, resolve, 'write again'));
    }
  }

  async #write(key: string, value: string | undefined): Promise<void> {
    const found: StoredEntry | undefined = await this.#store.read(key);
    // Also what an earlier try wrote; the guard is asked all the same (LS-1).
    if (found === undefined && value === undefined) return;
    const guard = { key: LEADER_KEY, revision: this.#claim.revision };
    const outcome = await this.#store.change({ key, value, expected: found?.revision, guard });
    if (outcome.kind === 'changed') return;
    if (outcome.kind === 'guarded') {
      this.#onFenced();
      throw this.#fenced();
    }
    // Its own earlier try came through between the look and this one.
    throw new MillraceError('HA_UNAVAILABLE', `the entry ${key} has changed meanwhile`);
  }

  #fenced(): MillraceError {
    const { candidate, epoch } = this.#claim.record;
    const message = `JobManager ${candidate} does not lead any more: its epoch ${epoch} is over`;
    return new MillraceError('FENCED', message, {
      remedy: 'Nothing is to be done: another JobManager leads, and goes on with the jobs.',
    });
  }
}
