/**
 * Reads a file ahead of its reader, in a bounded number of chunks.
 *
 * F1  At most `CHUNKS_MAX` chunks exist; a chunk is read again only after it was given back.
 * F2  Bytes come in order and without gaps; `ended` is true when all of them were taken.
 */

import { assert } from '../../base/assert.ts';
import type { FileHandle } from '../../base/env.ts';

const CHUNK_BYTES = 262_144;
const CHUNKS_MAX = 4;

/** A file that is being read. */
export class FileChunks {
  readonly #wakeUp: () => void;
  readonly #ready: Uint8Array[] = [];
  readonly #free: Uint8Array[] = [];
  #allocated = 0;
  readonly #reading: Promise<void>;
  #finished = false;
  #closed = false;
  #resume: (() => void) | undefined;

  /**
   * Starts to read at `offset`; `open` gives the file when it may be read. `fail` gets what goes wrong, once.
   */
  constructor(options: {
    readonly open: () => Promise<FileHandle>;
    readonly offset: number;
    readonly wakeUp: () => void;
    readonly fail: (error: unknown) => void;
  }) {
    this.#wakeUp = options.wakeUp;
    this.#reading = this.#readAll(options.open, options.offset).catch((error: unknown) => {
      if (!this.#closed) options.fail(error);
    });
  }

  /** All bytes were taken. */
  get ended(): boolean {
    return this.#finished && this.#ready.length === 0;
  }

  /** The next chunk, or `undefined`: wait for `wakeUp`, or it has ended. */
  take(): Uint8Array | undefined {
    return this.#ready.shift();
  }

  /** Gives back a chunk of {@link take}. */
  release(chunk: Uint8Array): void {
    assert(this.#free.length < CHUNKS_MAX, 'a chunk is given back once');
    this.#free.push(new Uint8Array(chunk.buffer));
    this.#letResume();
  }

  /** Stops reading; resolves when the file is closed. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#letResume();
    await this.#reading;
  }

  async #readAll(open: () => Promise<FileHandle>, offset: number): Promise<void> {
    const file = await open();
    try {
      await this.#readFrom(file, offset);
    } finally {
      await file.close();
    }
    this.#finished = !this.#closed;
    this.#wakeUp();
  }

  /** Returns at the end of the file, or when it was closed. */
  async #readFrom(file: FileHandle, offset: number): Promise<void> {
    let position = offset;
    while (!this.#closed) {
      const chunk = this.#freeChunk();
      if (chunk === undefined) {
        await this.#room();
        continue;
      }
      const bytes = await file.read(chunk, position);
      if (bytes === 0) return;
      position += bytes;
      this.#ready.push(chunk.subarray(0, bytes));
      this.#wakeUp();
    }
  }

  #freeChunk(): Uint8Array | undefined {
    const free = this.#free.pop();
    if (free !== undefined || this.#allocated === CHUNKS_MAX) return free;
    this.#allocated++;
    return new Uint8Array(CHUNK_BYTES);
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  #letResume(): void {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }
}
