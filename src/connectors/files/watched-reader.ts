/**
 * Reads the files of directories as they appear, for as long as the job runs.
 *
 * A watched source has a fixed number of splits, its shards. A file belongs to the shard that the hash of its path
 * chooses, whichever subtask reads the shard: so nobody has to hand files out, and a shard with all that is known of its
 * files moves to another subtask as a whole.
 *
 * Owner: one subtask. Partners: a {@link LineReader} for each shard, which reads the files of the shard one by one.
 *
 * WD-1 A file is either under way in its shard's reader (with its position), or among those that the shard has done, or
 *      new: it is read once. All of it is in the snapshot.
 * WD-2 The list of files that are done holds only files that the last listing found: what is moved away or deleted is
 *      forgotten. A shard remembers at most FILES_MAX.
 * WD-3 One listing is under way at a time; the next begins an interval after it has ended.
 */

import { join } from 'node:path';
import type { Timer } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import { keyGroupOf } from '../../base/key-groups.ts';
import {
  addPending,
  type PendingInput,
  type ReaderContext,
  type ReaderOutput,
  type ReaderStatus,
  type SourceReader,
} from '../../operators/source.ts';
import { type FileSplit, isHidden, located } from './input-files.ts';
import { LineReader, type LineReaderOptions } from './line-reader.ts';

/** WD-2. */
export const FILES_MAX = 100_000;

/** One shard of a watched source. */
export interface ShardSplit {
  readonly id: string;
  readonly shard: number;
  /** How many shards the source has. */
  readonly of: number;
  /** Paths of files that were read to their end and are still there. */
  readonly done: readonly string[];
  /** Files that are being read or wait for it. */
  readonly files: readonly FileSplit[];
}

/** The shards of a source that begins. */
export function shardSplits(count: number): ShardSplit[] {
  return Array.from({ length: count }, (_, shard) => ({
    id: `shard-${shard}`,
    shard,
    of: count,
    done: [],
    files: [],
  }));
}

/** How directories are watched. */
export interface WatchedReaderOptions<Unit, T> {
  /** Absolute. */
  readonly directories: readonly string[];
  readonly intervalMs: number;
  readonly reading: LineReaderOptions<Unit, T>;
}

interface Shard<Unit, T> {
  readonly split: ShardSplit;
  readonly reader: LineReader<Unit, T>;
  readonly done: Set<string>;
  readonly underWay: Set<string>;
  isPaused: boolean;
}

/** See the head of the file. */
export class WatchedReader<Unit, T> implements SourceReader<T, ShardSplit> {
  readonly #context: ReaderContext;
  readonly #options: WatchedReaderOptions<Unit, T>;
  readonly #shards: Shard<Unit, T>[] = [];
  /** Whose turn it is. */
  #next = 0;
  #timer: Timer | undefined;
  #isListing = false;
  #isClosed = false;

  constructor(context: ReaderContext, options: WatchedReaderOptions<Unit, T>) {
    this.#context = context;
    this.#options = options;
  }

  addSplit(split: ShardSplit): void {
    const { ratePerSecond } = this.#options.reading;
    const readers = Math.min(this.#context.info.parallelism, split.of);
    const reader = new LineReader(this.#context, {
      ...this.#options.reading,
      // The reader of a file takes one share for each subtask; here each shard has one.
      ratePerSecond: ratePerSecond === undefined ? undefined : (ratePerSecond * readers) / split.of,
    });
    for (const file of split.files) reader.addSplit(file);
    const underWay = new Set(split.files.map(({ path }) => path));
    this.#shards.push({ split, reader, done: new Set(split.done), underWay, isPaused: false });
    this.#listSoon(0);
  }

  poll(maxRecords: number, output: ReaderOutput<T>): ReaderStatus {
    for (let tried = 0; tried < this.#shards.length; tried++) {
      const shard = this.#shards[this.#next]!;
      this.#next = (this.#next + 1) % this.#shards.length;
      if (shard.isPaused) continue;
      if (shard.reader.poll(maxRecords, outputOf(shard, output)) === 'more') return 'more';
    }
    return 'nothing';
  }

  /** All shards are wanted: the list of them ends. */
  wantsSplit(): boolean {
    return true;
  }

  /** Shards do not wait for each other; the files of one do. */
  pauseOrResumeSplits(pause: readonly string[], resume: readonly string[]): void {
    for (const shard of this.#shards) {
      if (pause.includes(shard.split.id)) shard.isPaused = true;
      if (resume.includes(shard.split.id)) shard.isPaused = false;
    }
  }

  snapshot(): ShardSplit[] {
    return this.#shards.map(({ split, reader, done }) => ({
      ...split,
      done: [...done],
      files: reader.snapshot(),
    }));
  }

  /** What the last listing has found and nobody has read; of files whose size is not known only how many. */
  pending(): PendingInput | undefined {
    return addPending(this.#shards.map(({ reader }) => reader.pending()));
  }

  position(): string | undefined {
    const { length } = this.#shards;
    return length === 0 ? undefined : this.#shards[(this.#next + length - 1) % length]!.reader.position();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const { reader } of this.#shards) await reader.close();
  }

  /** WD-3. */
  #listSoon(afterMs: number): void {
    if (this.#isListing || this.#isClosed) return;
    this.#timer?.cancel();
    const list = (): void => {
      this.#isListing = true;
      this.#list().then(
        (found) => this.#listed(found.paths, found.sizes),
        (error: unknown) => this.#context.fail(error),
      );
    };
    this.#timer = this.#context.clock.timer(afterMs, list, 'watched directory');
  }

  async #list(): Promise<Found> {
    const { files } = this.#context;
    const found: string[] = [];
    for (const directory of this.#options.directories) {
      for (const name of await located(directory, () => files.list(directory))) {
        if (!isHidden(name)) found.push(join(directory, name));
      }
    }
    if (found.length > FILES_MAX) throw tooMany(found.length);
    return { paths: found.sort(), sizes: await this.#sizesOf(found) };
  }

  /** Of the files that this reader will read; one that is gone again by now has none. */
  async #sizesOf(found: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const { files } = this.#context;
    const sizes = new Map<string, number>();
    for (const path of found) {
      const isNew = this.#shards.some(
        ({ split, done, underWay }) => isOwn(split, path) && !done.has(path) && !underWay.has(path),
      );
      const status = isNew ? await located(path, () => files.stat(path)) : undefined;
      if (status !== undefined) sizes.set(path, status.size);
    }
    return sizes;
  }

  #listed(found: readonly string[], sizes: ReadonlyMap<string, number>): void {
    this.#isListing = false;
    if (this.#isClosed) return;
    for (const shard of this.#shards) this.#take(shard, found, sizes);
    this.#context.wakeUp();
    this.#listSoon(this.#options.intervalMs);
  }

  /** WD-1, WD-2. */
  #take(shard: Shard<Unit, T>, found: readonly string[], sizes: ReadonlyMap<string, number>): void {
    const { split, reader, done, underWay } = shard;
    const own = new Set(found.filter((path) => isOwn(split, path)));
    for (const path of done) if (!own.has(path)) done.delete(path);
    for (const path of own) {
      if (done.has(path) || underWay.has(path)) continue;
      underWay.add(path);
      const bytes = sizes.get(path);
      reader.addSplit({
        id: path,
        path,
        of: split.of,
        ...(bytes !== undefined && { bytes }),
        offset: 0,
        line: 0,
      });
    }
  }
}

function isOwn({ shard, of }: ShardSplit, path: string): boolean {
  return keyGroupOf(path, of) === shard;
}

/** What a listing has found. */
interface Found {
  readonly paths: readonly string[];
  /** Of files that are new. */
  readonly sizes: ReadonlyMap<string, number>;
}

/** To the reader of a shard a file is a split; to the source the shard is. */
function outputOf<Unit, T>(
  { split, done, underWay }: Shard<Unit, T>,
  output: ReaderOutput<T>,
): ReaderOutput<T> {
  return {
    split: () => output.split(split.id),
    emit: (value, timestamp) => output.emit(value, timestamp),
    splitFinished: (path) => {
      underWay.delete(path);
      done.add(path);
    },
  };
}

function tooMany(count: number): MillraceError {
  return new MillraceError(
    'SOURCE_FILE_UNREADABLE',
    `the watched directories hold ${count} files, and a source remembers ${FILES_MAX}`,
    { remedy: 'Move files away, or delete them, after they were read: the source forgets them then.' },
  );
}
