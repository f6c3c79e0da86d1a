/**
 * The thread that makes the bytes of a slot's snapshots.
 *
 * Owner: this thread. Partner: `thread-encoder.ts` at the other end of the port. It knows neither the job nor the disk: what
 * it is sent becomes columns as it comes, and bytes in the end.
 */

import { constants, getPriority, setPriority } from 'node:os';
import process from 'node:process';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { serializeError } from '../base/errors.ts';
import type { KeptRun, SharedTable } from '../state/backend.ts';
import { PLACE_WORDS } from '../state/memory/number-columns.ts';
import { TableCopies } from '../state/memory/table-copies.ts';
import { PIECE_BYTES, type ReadSnapshot, SnapshotAssembly } from './snapshot-encoder.ts';
import type { EncoderCommand, EncoderReport } from './thread-encoder.ts';

const port = parentPort;
assert(port !== null, 'an encoder runs in a worker thread');
giveWay();
/** Of a core that two threads want, one that is so much nicer gets a tenth. */
const NICER = 10;
/** Copies of one snapshot that are not columns yet, and their memory that is used again: what is more waits. */
const COPIED_BYTES_MAX = 16 * 1024 * 1024;

/** A snapshot on its way, and the tables that are copied for it. */
class Assembly extends SnapshotAssembly {
  copies: SharedCopies | undefined;
}

const assemblies = new Map<number, Assembly>();
/** Bytes that the slot reads piece by piece, until it drops them. */
const encoded = new Map<number, Uint8Array<ArrayBuffer>>();
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
    case 'tables':
      assemblyOf(id).copies = new SharedCopies(assemblyOf(id), command.tables, command.progress);
      return copyOn(to, id);
    case 'kept':
      assemblies.get(id)?.copies?.correct(command.kept, command.settled);
      return copyOn(to, id);
    case 'rest':
      assemblies.get(id)?.copies?.correctRest(command.kept, command.memories);
      return;
    case 'finish':
      return finish(to, id, command.snapshot);
    case 'read': {
      const { reading, from } = command;
      const bytes = encoded.get(id)!.slice(from, from + PIECE_BYTES);
      to.postMessage({ kind: 'piece', reading, bytes } satisfies EncoderReport, [bytes.buffer]);
      return;
    }
    case 'drop':
      assemblies.delete(id);
      encoded.get(id)?.buffer.transfer(0);
      encoded.delete(id);
  }
}

function copyOn(to: MessagePort, id: number): void {
  if (assemblies.get(id)?.copies?.copyOn() === true)
    to.postMessage({ kind: 'copied' } satisfies EncoderReport);
}

function assemblyOf(id: number): Assembly {
  let assembly = assemblies.get(id);
  if (assembly === undefined) {
    assembly = new Assembly();
    assemblies.set(id, assembly);
  }
  return assembly;
}

/** The tables of a snapshot, which are copied while they change. */
class SharedCopies {
  readonly #copies: TableCopies;
  readonly #progress: Int32Array;
  /** Memory of copies that have become columns. */
  readonly #free: Int32Array[] = [];

  constructor(assembly: SnapshotAssembly, tables: readonly SharedTable[], progress: Int32Array) {
    this.#progress = progress;
    this.#copies = new TableCopies(tables, ({ columns, form }, copy) => {
      assembly.add(copy, [{ columns, form, places: copy.length / PLACE_WORDS[form] }]);
      this.#free.push(copy);
    });
  }

  /** True when anything was copied. */
  copyOn(): boolean {
    const copies = this.#copies;
    const from = copies.copied;
    for (let { next } = copies; next !== undefined && copies.bytes < COPIED_BYTES_MAX; { next } = copies) {
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
    this.#free.length = 0;
  }

  #copyOf(memory: Int32Array): Int32Array {
    const last = this.#free.pop();
    if (last?.length !== memory.length) return memory.slice();
    last.set(memory);
    return last;
  }
}

function finish(to: MessagePort, id: number, snapshot: ReadSnapshot): void {
  const assembly = assemblyOf(id);
  assemblies.delete(id);
  try {
    const { bytes, sha256 } = assembly.encode(snapshot);
    const { length } = bytes;
    if (length > PIECE_BYTES) {
      encoded.set(id, bytes as Uint8Array<ArrayBuffer>);
      to.postMessage({ kind: 'encoded', id, length, sha256, bytes: undefined } satisfies EncoderReport);
      return;
    }
    to.postMessage({ kind: 'encoded', id, length, sha256, bytes } satisfies EncoderReport, [
      bytes.buffer as ArrayBuffer,
    ]);
  } catch (error) {
    to.postMessage({ kind: 'failed', id, error: serializeError(error) } satisfies EncoderReport);
  }
}
