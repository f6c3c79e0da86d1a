/**
 * Reads files line by line, one after the other, in one subtask.
 *
 * I1  One file is read at a time; its lines come in order.
 * I2  A split's position is behind the last line that was emitted or thrown about: nothing is read twice, nothing is left out.
 * I3  Nothing is read into memory beyond the chunks ahead and one line.
 */

import { basename } from 'node:path';
import { assert } from '../../base/assert.ts';
import type { FileHandle, Timer } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import {
  addPending,
  type PendingInput,
  type ReaderContext,
  type ReaderOutput,
  type ReaderStatus,
  type SourceReader,
} from '../../operators/source.ts';
import { RateLimiter } from '../rate-limiter.ts';
import { FileChunks } from './file-chunks.ts';
import { type FileSplit, inputError, located, openInput, pendingOfFile } from './input-files.ts';
import type { LineOptions } from './line-splitter.ts';

/** In place of a record: the line is left out. */
export const NO_RECORD: unique symbol = Symbol('no record');

/** Turns a unit into a record; `file` is absolute, `line` (of its end) counts from 1. */
export type UnitDecoder<Unit, T> = (unit: Unit, file: string, line: number) => T | typeof NO_RECORD;

/** Turns a line into a record. */
export type LineDecoder<T> = UnitDecoder<string, T>;

/** Cuts the bytes of one file into what becomes records: lines, or rows of several lines. */
export interface Splitter<Unit> {
  /** Lines that were read. */
  readonly line: number;
  /** Where reading can begin again: behind the last unit that was given out or thrown about. */
  state(): Pick<FileSplit, 'offset' | 'line' | 'header'>;
  /** The next bytes; they must not change until `next` has returned `undefined`. */
  push(chunk: Uint8Array): void;
  /** The next whole unit, or `undefined`: push more. Throws about one unit, and goes on behind it. */
  next(): Unit | undefined;
  /** At the end of the file: the unit that nothing ended, or `undefined`. */
  end(): Unit | undefined;
}

/** What a file consists of, and what becomes of it. */
export interface FileFormat<Unit, T> {
  readonly createSplitter: (options: LineOptions, split: FileSplit) => Splitter<Unit>;
  /** Makes the decoder of one subtask. */
  readonly createDecoder: (context: ReaderContext) => UnitDecoder<Unit, T>;
}

/** How lines become records. */
export interface LineReaderOptions<Unit, T> {
  readonly format: FileFormat<Unit, T>;
  readonly maxLineBytes: number;
  readonly invalid: 'fail' | 'replace';
  /** Over the whole source; `undefined` = as fast as possible. */
  readonly ratePerSecond: number | undefined;
}

interface OpenFile<Unit> {
  readonly split: FileSplit;
  readonly chunks: FileChunks;
  readonly lines: Splitter<Unit>;
  /** The chunk whose lines are being read. */
  chunk: Uint8Array | undefined;
}

const NO_FILE: PendingInput = { bytes: 0, splits: 0 };

/** The reader of every source of lines. */
export class LineReader<Unit, T> implements SourceReader<T, FileSplit> {
  readonly #context: ReaderContext;
  readonly #options: LineReaderOptions<Unit, T>;
  readonly #decode: UnitDecoder<Unit, T>;
  readonly #waiting: FileSplit[] = [];
  #open: OpenFile<Unit> | undefined;
  #limiter: RateLimiter | undefined;
  #pause: Timer | undefined;
  #position: string | undefined;

  constructor(context: ReaderContext, options: LineReaderOptions<Unit, T>) {
    this.#context = context;
    this.#options = options;
    this.#decode = options.format.createDecoder(context);
  }

  addSplit(split: FileSplit): void {
    const { ratePerSecond } = this.#options;
    if (ratePerSecond !== undefined && this.#limiter === undefined) {
      // As many subtasks read as there are files, at most.
      const readers = Math.min(this.#context.info.parallelism, split.of);
      this.#limiter = new RateLimiter(this.#context.clock, ratePerSecond / readers);
    }
    this.#waiting.push(split);
    this.#open ??= this.#openNext();
  }

  poll(maxRecords: number, output: ReaderOutput<T>): ReaderStatus {
    const file = this.#open;
    if (file === undefined) return 'nothing';
    const allowed = this.#limiter === undefined ? maxRecords : this.#limiter.take(maxRecords);
    if (allowed === 0) return this.#sleep();
    output.split(file.split.id);
    const emitted = this.#emitLines(file, allowed, output);
    this.#limiter?.giveBack(allowed - emitted);
    if (emitted === allowed) return 'more';
    if (!file.chunks.ended) return 'nothing';
    this.#finish(file, output);
    return this.#open === undefined ? 'nothing' : 'more';
  }

  snapshot(): FileSplit[] {
    const file = this.#open;
    if (file === undefined) return [...this.#waiting];
    return [{ ...file.split, ...file.lines.state() }, ...this.#waiting];
  }

  pending(): PendingInput | undefined {
    return addPending([NO_FILE, ...this.snapshot().map(pendingOfFile)]);
  }

  /** The last line that was read: `auth.log:1234`. */
  position(): string | undefined {
    const file = this.#open;
    return file === undefined ? this.#position : positionOf(file);
  }

  async close(): Promise<void> {
    this.#pause?.cancel();
    await this.#open?.chunks.close();
  }

  // Hot path: the loop runs once per line. Stops when no line is there, and after the last line of the file.
  #emitLines(file: OpenFile<Unit>, allowed: number, output: ReaderOutput<T>): number {
    const { lines, chunks, split } = file;
    const decode = this.#decode;
    let emitted = 0;
    while (emitted < allowed) {
      let unit = lines.next();
      if (unit === undefined) {
        if (this.#nextChunk(file)) continue;
        if (chunks.ended) unit = lines.end();
        if (unit === undefined) return emitted;
      }
      const value = decode(unit, split.path, lines.line);
      if (value === NO_RECORD) continue;
      output.emit(value);
      emitted++;
    }
    return emitted;
  }

  #nextChunk(file: OpenFile<Unit>): boolean {
    if (file.chunk !== undefined) file.chunks.release(file.chunk);
    file.chunk = file.chunks.take();
    if (file.chunk === undefined) return false;
    file.lines.push(file.chunk);
    return true;
  }

  #finish(file: OpenFile<Unit>, output: ReaderOutput<T>): void {
    this.#position = positionOf(file);
    this.#open = undefined;
    output.splitFinished(file.split.id);
    this.#open = this.#openNext();
  }

  #openNext(): OpenFile<Unit> | undefined {
    const split = this.#waiting.shift();
    if (split === undefined) return undefined;
    const { maxLineBytes, invalid, format } = this.#options;
    const lines = format.createSplitter({ file: split.path, maxLineBytes, invalid }, split);
    const chunks = new FileChunks({
      open: () => this.#openAt(split),
      offset: split.offset,
      wakeUp: () => this.#context.wakeUp(),
      fail: (error) => this.#context.fail(inputError(split.path, error)),
    });
    return { split, chunks, lines, chunk: undefined };
  }

  /** Opens the file and checks that it can be the one that was being read. */
  async #openAt(split: FileSplit): Promise<FileHandle> {
    const { files } = this.#context;
    const { path, offset } = split;
    const file = await openInput(files, path);
    if (offset === 0) return file;
    const size = (await located(path, () => files.stat(path)))?.size ?? 0;
    if (size >= offset && (size === offset || (await followsLineFeed(file, path, offset)))) return file;
    await file.close();
    throw changed(
      path,
      size < offset
        ? `it has ${size} bytes, and ${offset} were read already`
        : `no line begins at byte ${offset}, where reading has to go on`,
    );
  }

  #sleep(): 'nothing' {
    const pauseMs = this.#limiter?.pauseMs();
    assert(pauseMs !== undefined, 'only a rate makes a reader pause');
    this.#pause?.cancel();
    this.#pause = this.#context.clock.timer(pauseMs, () => this.#context.wakeUp(), 'rate of a source');
    return 'nothing';
  }
}

async function followsLineFeed(file: FileHandle, path: string, offset: number): Promise<boolean> {
  const before = new Uint8Array(1);
  await located(path, () => file.read(before, offset - 1));
  return before[0] === 10;
}

function positionOf({ split, lines }: OpenFile<unknown>): string {
  return `${basename(split.path)}:${lines.line}`;
}

function changed(path: string, why: string): MillraceError {
  return new MillraceError(
    'SOURCE_FILE_CHANGED',
    `the input ${path} has changed since the checkpoint: ${why}`,
  );
}
