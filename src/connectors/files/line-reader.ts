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
import type { ReaderContext, ReaderOutput, ReaderStatus, SourceReader } from '../../operators/source.ts';
import { RateLimiter } from '../rate-limiter.ts';
import { FileChunks } from './file-chunks.ts';
import { type FileSplit, inputError, located, openInput } from './input-files.ts';
import { LineSplitter } from './line-splitter.ts';

/** In place of a record: the line is left out. */
export const NO_RECORD: unique symbol = Symbol('no record');

/** Turns a line into a record; `file` is absolute, `line` counts from 1. */
export type LineDecoder<T> = (text: string, file: string, line: number) => T | typeof NO_RECORD;

/** How lines become records. */
export interface LineReaderOptions<T> {
  /** Makes the decoder of one subtask. */
  readonly createDecoder: (context: ReaderContext) => LineDecoder<T>;
  readonly maxLineBytes: number;
  readonly invalid: 'fail' | 'replace';
  /** Over the whole source; `undefined` = as fast as possible. */
  readonly ratePerSecond: number | undefined;
}

interface OpenFile {
  readonly split: FileSplit;
  readonly chunks: FileChunks;
  readonly lines: LineSplitter;
  /** The chunk whose lines are being read. */
  chunk: Uint8Array | undefined;
}

/** The reader of every source of lines. */
export class LineReader<T> implements SourceReader<T, FileSplit> {
  readonly #context: ReaderContext;
  readonly #options: LineReaderOptions<T>;
  readonly #decode: LineDecoder<T>;
  readonly #waiting: FileSplit[] = [];
  #open: OpenFile | undefined;
  #limiter: RateLimiter | undefined;
  #pause: Timer | undefined;
  #position: string | undefined;

  constructor(context: ReaderContext, options: LineReaderOptions<T>) {
    this.#context = context;
    this.#options = options;
    this.#decode = options.createDecoder(context);
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
    const { offset, line } = file.lines;
    return [{ ...file.split, offset, line }, ...this.#waiting];
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
  #emitLines(file: OpenFile, allowed: number, output: ReaderOutput<T>): number {
    const { lines, chunks, split } = file;
    const decode = this.#decode;
    let emitted = 0;
    while (emitted < allowed) {
      let text = lines.next();
      if (text === undefined) {
        if (this.#nextChunk(file)) continue;
        if (chunks.ended) text = lines.end();
        if (text === undefined) return emitted;
      }
      const value = decode(text, split.path, lines.line);
      if (value === NO_RECORD) continue;
      output.emit(value);
      emitted++;
    }
    return emitted;
  }

  #nextChunk(file: OpenFile): boolean {
    if (file.chunk !== undefined) file.chunks.release(file.chunk);
    file.chunk = file.chunks.take();
    if (file.chunk === undefined) return false;
    file.lines.push(file.chunk);
    return true;
  }

  #finish(file: OpenFile, output: ReaderOutput<T>): void {
    this.#position = positionOf(file);
    this.#open = undefined;
    output.splitFinished(file.split.id);
    this.#open = this.#openNext();
  }

  #openNext(): OpenFile | undefined {
    const split = this.#waiting.shift();
    if (split === undefined) return undefined;
    const { maxLineBytes, invalid } = this.#options;
    const lines = new LineSplitter({ file: split.path, maxLineBytes, invalid }, split.offset, split.line);
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

function positionOf({ split, lines }: OpenFile): string {
  return `${basename(split.path)}:${lines.line}`;
}

function changed(path: string, why: string): MillraceError {
  return new MillraceError(
    'SOURCE_FILE_CHANGED',
    `the input ${path} has changed since the checkpoint: ${why}`,
  );
}
