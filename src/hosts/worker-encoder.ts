/**
 * The thread that makes the bytes of a slot's snapshots.
 *
 * Owner: this thread. Partner: `thread-encoder.ts` at the other end of the port. It knows neither the job nor the disk: what
 * it is sent becomes columns as it comes, and pieces of a file in the end, which nobody puts together.
 *
 * Copies and columns lie in memory that the thread uses again, snapshot for snapshot, and that is mapped by itself: it goes
 * back to the system with the thread. What it had from the allocator would stay there.
 */

import { constants, getPriority, setPriority } from 'node:os';
import process from 'node:process';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { serializeError } from '../base/errors.ts';
import { sha256HexOf } from '../base/hash.ts';
import { partsOfSubtaskSnapshot } from '../checkpoint/snapshot-file.ts';
import type { KeptRun, SharedTable } from '../state/backend.ts';
import { PLACE_WORDS } from '../state/memory/number-columns.ts';
import { TableCopies } from '../state/memory/table-copies.ts';
import { BLOCK_BYTES_MAX, type MemoryBlock, SharedBlocks } from '../state/shared-blocks.ts';
import { PIECE_BYTES, type ReadSnapshot, SnapshotAssembly } from './snapshot-encoder.ts';
import type { EncoderCommand, EncoderReport } from './thread-encoder.ts';

const port = parentPort;
assert(port !== null, 'an encoder runs in a worker thread');
giveWay();
/** Of a core that two threads want, one that is so much nicer gets a tenth. */
const NICER = 10;
/** Copies of one snapshot that are not columns yet, and their memory that is used again: what is more waits. */
const COPIED_BYTES_MAX = 16 * 1024 * 1024;

/** Columns are put into blocks of so many bytes; a piece of one is far smaller. */
const COLUMN_BLOCK_BYTES = 1024 * 1024;

const blocks = new SharedBlocks();

/** A snapshot on its way, and the tables that are copied for it. */
class Assembly extends SnapshotAssembly {
  /** In the order in which they are read: those of one operator after those of another. */
  readonly copies: SharedCopies[] = [];
  readonly #columns: MemoryBlock[] = [];
  /** How much of the last one is taken. */
  #taken = COLUMN_BLOCK_BYTES;

  constructor() {
    super((bytes) => this.#keep(bytes));
  }

  /** The file, in pieces that lie in the memory of the columns, most of them. */
  parts(snapshot: ReadSnapshot): Uint8Array[] {
    return partsOfSubtaskSnapshot(this.inPieces(snapshot));
  }

  /** True when anything was copied. What is read first never waits for room that what is read later has. */
  copyOn(): boolean {
    let isMore = false;
    let room = COPIED_BYTES_MAX;
    for (const copies of this.copies) {
      if (copies.copyOn(room)) isMore = true;
      room -= copies.bytes;
    }
    return isMore;
  }

  /** Nobody looks at copies, columns or pieces any more. */
  release(): void {
    for (const copies of this.copies) copies.release();
    for (const block of this.#columns.splice(0)) blocks.give(block);
    this.#taken = COLUMN_BLOCK_BYTES;
  }

  #keep(bytes: Uint8Array): Uint8Array {
    const { length } = bytes;
    if (this.#taken + length > COLUMN_BLOCK_BYTES) {
      this.#columns.push(blocks.take(COLUMN_BLOCK_BYTES));
      this.#taken = 0;
    }
    const { buffer, byteOffset } = this.#columns.at(-1)!;
    const kept = new Uint8Array(buffer, byteOffset + this.#taken, length);
    kept.set(bytes);
    this.#taken += length;
    return kept;
  }
}

/** A file that the slot reads piece by piece, until it drops it. */
interface EncodedFile {
  readonly parts: readonly Uint8Array[];
  readonly length: number;
  readonly assembly: Assembly;
}

const assemblies = new Map<number, Assembly>();
const encoded = new Map<number, EncodedFile>();
port.on('message', (command: EncoderCommand) => obey(port, command));

/** Where there are fewer cores than threads with work, records come first. On Linux alone a thread has a priority of its own. */
function giveWay(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(Math.min(getPriority() + NICER, constants.priority.PRIORITY_LOW));
  } catch {
    // Somebody does not let it: then it takes its half.
  }
}

function obey(to: MessagePort, command: EncoderCommand): void {
  const { id } = command;
  switch (command.kind) {
    case 'pages': {
      const { memory, runs } = command;
      assemblyOf(id).add(memory, runs);
      to.postMessage({ kind: 'memory', memory } satisfies EncoderReport, [memory.buffer]);
      return;
    }
    case 'tables': {
      const assembly = assemblyOf(id);
      assembly.copies[command.sharing] = new SharedCopies(assembly, command.tables, command.progress);
      return copyOn(to, id);
    }
    case 'kept':
      assemblies.get(id)?.copies[command.sharing]?.correct(command.kept, command.settled);
      return copyOn(to, id);
    case 'rest':
      assemblies.get(id)?.copies[command.sharing]?.correctRest(command.kept, command.memories);
      return copyOn(to, id);
    case 'finish':
      return finish(to, id, command.snapshot);
    case 'read': {
      const { reading, from } = command;
      const bytes = pieceOf(encoded.get(id)!, from);
      to.postMessage({ kind: 'piece', reading, bytes } satisfies EncoderReport, [bytes.buffer]);
      return;
    }
    case 'drop':
      assemblies.get(id)?.release();
      assemblies.delete(id);
      encoded.get(id)?.assembly.release();
      encoded.delete(id);
  }
}

function copyOn(to: MessagePort, id: number): void {
  if (assemblies.get(id)?.copyOn() === true) to.postMessage({ kind: 'copied' } satisfies EncoderReport);
}

function assemblyOf(id: number): Assembly {
  let assembly = assemblies.get(id);
  if (assembly === undefined) {
    assembly = new Assembly();
    assemblies.set(id, assembly);
  }
  return assembly;
}

/** The tables of one operator of a snapshot, which are copied while they change. */
class SharedCopies {
  readonly #copies: TableCopies;
  readonly #progress: Int32Array;
  /** Where copies lie that are not columns yet. */
  readonly #blocks = new Map<Int32Array, MemoryBlock>();

  constructor(assembly: SnapshotAssembly, tables: readonly SharedTable[], progress: Int32Array) {
    this.#progress = progress;
    this.#copies = new TableCopies(tables, ({ columns, form }, copy) => {
      assembly.add(copy, [{ columns, form, places: copy.length / PLACE_WORDS[form] }]);
      const block = this.#blocks.get(copy);
      if (block === undefined) return;
      this.#blocks.delete(copy);
      blocks.give(block);
    });
  }

  /** Of copies that are not columns yet. */
  get bytes(): number {
    return this.#copies.bytes;
  }

  /** True when anything was copied; no more is begun when `room` bytes are copied. */
  copyOn(room: number): boolean {
    const copies = this.#copies;
    const from = copies.copied;
    for (let { next } = copies; next !== undefined && copies.bytes < room; { next } = copies) {
      copies.add(this.#copyOf(next.memory));
      Atomics.store(this.#progress, 0, copies.copied);
    }
    return copies.copied > from;
  }

  correct(kept: readonly KeptRun[], settled: number): void {
    this.#copies.correct(kept);
    for (const { entries } of kept) entries.buffer.transfer(0);
    this.#copies.settle(settled);
  }

  correctRest(kept: readonly KeptRun[], memories: readonly Int32Array[]): void {
    this.correct(kept, 0);
    this.#copies.settleRest(memories);
    this.release();
  }

  release(): void {
    for (const block of this.#blocks.values()) blocks.give(block);
    this.#blocks.clear();
  }

  #copyOf(memory: Int32Array): Int32Array {
    const { byteLength, length } = memory;
    if (byteLength > BLOCK_BYTES_MAX) return memory.slice();
    const block = blocks.take(byteLength);
    const copy = new Int32Array(block.buffer, block.byteOffset, length);
    copy.set(memory);
    this.#blocks.set(copy, block);
    return copy;
  }
}

function finish(to: MessagePort, id: number, snapshot: ReadSnapshot): void {
  const assembly = assemblyOf(id);
  assemblies.delete(id);
  try {
    const parts = assembly.parts(snapshot);
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const sha256 = sha256HexOf(parts);
    const file = { parts, length, assembly };
    if (length > PIECE_BYTES) {
      encoded.set(id, file);
      to.postMessage({ kind: 'encoded', id, length, sha256, bytes: undefined } satisfies EncoderReport);
      return;
    }
    const bytes = pieceOf(file, 0);
    to.postMessage({ kind: 'encoded', id, length, sha256, bytes } satisfies EncoderReport, [bytes.buffer]);
  } catch (error) {
    to.postMessage({ kind: 'failed', id, error: serializeError(error) } satisfies EncoderReport);
  }
  assembly.release();
}

/** A copy of what lies from there on, {@link PIECE_BYTES} at most. */
function pieceOf({ parts, length }: EncodedFile, from: number): Uint8Array<ArrayBuffer> {
  const piece = new Uint8Array(Math.min(PIECE_BYTES, length - from));
  // Where the part begins in the piece: before it, unless it is behind `from`.
  let at = -from;
  for (const part of parts) {
    if (at >= piece.length) break;
    const end = at + part.length;
    if (end > 0) {
      const first = Math.max(0, -at);
      piece.set(part.subarray(first, Math.min(part.length, piece.length - at)), at + first);
    }
    at = end;
  }
  return piece;
}
