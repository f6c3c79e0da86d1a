/**
 * Writes the records of one subtask into part files, and prepares them for the commit.
 *
 * W1  A part is in progress until a barrier: every barrier ends it (its size or its age may have ended it before).
 * W2  When `prepareCommit` resolves, the bytes and the names of its parts survive a loss of power (I-D1).
 * W3  Parts without records are not made.
 * W4  After any error the parts are dropped and the task fails; nothing is written to a file after a failed sync.
 * W5  `close` removes only parts that no `prepareCommit` was asked for: no checkpoint can name them.
 */

import { Buffer } from 'node:buffer';
import { join } from 'node:path';
import type { FileHandle, Timer } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoints.ts';
import type { OperatorContext } from '../../operators/operator.ts';
import type { SinkWriter } from '../../operators/sink.ts';
import { StepQueue } from '../step-queue.ts';
import { encodePart } from './part-committer.ts';
import { committedName, inProgressName, type PartPlace } from './part-names.ts';
import { sinkDirectoryError } from './sink-directory.ts';

/** Characters that are written together, unless a part is smaller. */
const FLUSH_LENGTH_MAX = 65_536;
/** Bytes that wait for the disk before the job is held back. */
const WAITING_BYTES_MAX = 1_048_576;

/** How a value becomes a line, and what the file is called. */
export interface LineFormat<T> {
  readonly name: string;
  /** Of the file name. */
  readonly suffix: string;
  /** What each part begins with. */
  readonly head?: string | undefined;
  /** The line without its end; throws what the format cannot express. */
  readonly encode: (value: T) => string;
}

/** When a part ends before the barrier. */
export interface Rolling {
  readonly maxPartBytes: number;
  readonly rolloverIntervalMs: number | undefined;
}

interface Part {
  readonly place: PartPlace;
  readonly path: string;
  bytes: number;
  /** Moved by steps only. */
  file: FileHandle | undefined;
}

/** The writer of the exactly-once file sink. */
export class PartWriter<T> implements SinkWriter<T> {
  readonly #context: OperatorContext;
  readonly #directory: string;
  readonly #format: LineFormat<T>;
  readonly #rolling: Rolling;
  readonly #flushLength: number;
  readonly #steps: StepQueue;
  #text = '';
  #waitingBytes = 0;
  #number = 0;
  #part: Part | undefined;
  /** Ended before the barrier. */
  #ended: Part[] = [];
  /** Parts whose file is open. */
  readonly #open = new Set<Part>();
  #rollover: Timer | undefined;

  constructor(context: OperatorContext, directory: string, format: LineFormat<T>, rolling: Rolling) {
    this.#context = context;
    this.#directory = directory;
    this.#format = format;
    this.#rolling = rolling;
    this.#flushLength = Math.min(FLUSH_LENGTH_MAX, rolling.maxPartBytes);
    this.#steps = new StepQueue({
      locate: (error) => this.#located(error),
      report: (error) => context.fail(error),
    });
  }

  // Hot path, once per record.
  write(value: T): void {
    this.#text += `${this.#format.encode(value)}\n`;
    if (this.#text.length >= this.#flushLength) this.#flush();
  }

  writable(): boolean {
    return this.#waitingBytes < WAITING_BYTES_MAX;
  }

  prepareCommit(checkpointId: number): Promise<readonly Uint8Array[]> {
    this.#endPart();
    const parts = this.#ended;
    this.#ended = [];
    return this.#steps.add(async () => {
      if (parts.length === 0) return [];
      await this.#context.files.syncDirectory(this.#directory);
      failpoint('parts.durable');
      return parts.map(({ place }) =>
        encodePart({
          from: inProgressName(place),
          to: committedName(place, checkpointId, this.#format.suffix),
        }),
      );
    });
  }

  async close(): Promise<void> {
    this.#rollover?.cancel();
    this.#text = '';
    await this.#steps.settled();
    for (const part of [...this.#open]) await this.#attempt(part, () => this.#closeFile(part));
    const unprepared = this.#part === undefined ? this.#ended : [...this.#ended, this.#part];
    for (const part of unprepared) await this.#attempt(part, () => this.#context.files.remove(part.path));
  }

  #flush(): void {
    if (this.#text === '') return;
    const head = this.#part === undefined ? (this.#format.head ?? '') : '';
    const bytes = Buffer.from(head + this.#text, 'utf8');
    this.#text = '';
    const part = this.#currentPart();
    part.bytes += bytes.length;
    this.#waitingBytes += bytes.length;
    void this.#steps.add(() => this.#append(part, bytes));
    if (part.bytes >= this.#rolling.maxPartBytes) this.#endPart();
  }

  #currentPart(): Part {
    if (this.#part !== undefined) return this.#part;
    const { subtask, attempt } = this.#context.info;
    const place = { subtask, attempt, number: this.#number++ };
    this.#part = { place, path: join(this.#directory, inProgressName(place)), bytes: 0, file: undefined };
    const { rolloverIntervalMs } = this.#rolling;
    if (rolloverIntervalMs !== undefined) {
      this.#rollover = this.#context.clock.timer(
        rolloverIntervalMs,
        () => this.#endPart(),
        'rollover of a part',
      );
    }
    return this.#part;
  }

  async #append(part: Part, bytes: Uint8Array): Promise<void> {
    if (part.file === undefined) {
      part.file = await this.#context.files.open(part.path, 'create');
      this.#open.add(part);
      failpoint('part.opened');
    }
    await part.file.write(bytes);
    failpoint('part.written');
    this.#waitingBytes -= bytes.length;
    this.#context.wakeUp();
  }

  #endPart(): void {
    this.#flush();
    const part = this.#part;
    if (part === undefined) return;
    this.#part = undefined;
    this.#rollover?.cancel();
    this.#ended.push(part);
    void this.#steps.add(() => this.#finish(part));
  }

  async #finish(part: Part): Promise<void> {
    await part.file?.sync();
    failpoint('part.synced');
    await this.#closeFile(part);
  }

  async #closeFile(part: Part): Promise<void> {
    const { file } = part;
    part.file = undefined;
    this.#open.delete(part);
    await file?.close();
  }

  /** A file that cannot be removed stays as an orphan (W5). */
  async #attempt(part: Part, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#context.log.warn('a part in progress could not be given up', {
        path: part.path,
        error: String(error),
      });
    }
  }

  #located(error: unknown): MillraceError {
    const { name, uid, subtask } = this.#context.info;
    const located = sinkDirectoryError(this.#directory, error);
    const message = located instanceof Error ? located.message : String(located);
    return new MillraceError('SINK_WRITE_FAILED', message, {
      where: { operator: name, uid, subtask },
      cause: error,
    });
  }
}
