/**
 * The thread that makes the bytes of a slot's snapshots.
 *
 * Owner: this thread. Partner: `thread-encoder.ts` at the other end of the port. It knows neither the job nor the disk: what
 * it is sent becomes columns as it comes, and bytes in the end.
 */

import { type MessagePort, parentPort } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { serializeError } from '../base/errors.ts';
import type { SharedTable } from '../state/backend.ts';
import { giveBack } from '../state/memory/kept-places.ts';
import { PLACE_WORDS } from '../state/memory/number-columns.ts';
import { type ReadSnapshot, SnapshotAssembly } from './snapshot-encoder.ts';
import type { EncoderCommand, EncoderReport } from './thread-encoder.ts';

const port = parentPort;
assert(port !== null, 'an encoder runs in a worker thread');
/** Copies of one snapshot that are not columns yet, and their memory that is used again: what is more waits. */
const COPIED_BYTES_MAX = 16 * 1024 * 1024;

/** A snapshot on its way, and the tables that are copied for it. */
class Assembly extends SnapshotAssembly {
  copies: SharedCopies | undefined;
}

const assemblies = new Map<number, Assembly>();
port.on('message', (command: EncoderCommand) => obey(port, command));

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
      assemblies.get(id)?.copies?.encode(command.kept);
      return copyOn(to, id);
    case 'rest':
      assemblies.get(id)?.copies?.encodeRest(command.memories);
      return;
    case 'finish':
      return finish(to, id, command.snapshot);
    case 'drop':
      assemblies.delete(id);
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

/** Copies of tables that change meanwhile, until it is known what they held. */
class SharedCopies {
  readonly #assembly: SnapshotAssembly;
  readonly #tables: readonly SharedTable[];
  readonly #progress: Int32Array;
  /** Of those that are copied and not encoded. */
  readonly #copies: Int32Array[] = [];
  /** Memory of those that are. */
  readonly #free: Int32Array[] = [];
  #bytes = 0;
  #copied = 0;
  #encoded = 0;

  constructor(assembly: SnapshotAssembly, tables: readonly SharedTable[], progress: Int32Array) {
    this.#assembly = assembly;
    this.#tables = tables;
    this.#progress = progress;
  }

  /** True when anything was copied. */
  copyOn(): boolean {
    const from = this.#copied;
    while (this.#copied < this.#tables.length && this.#bytes < COPIED_BYTES_MAX) {
      const copy = this.#copyOf(this.#tables[this.#copied]!.memory);
      this.#copies.push(copy);
      this.#bytes += copy.byteLength;
      Atomics.store(this.#progress, 0, ++this.#copied);
    }
    return this.#copied > from;
  }

  encode(kept: readonly Int32Array[]): void {
    for (const entries of kept) {
      const copy = this.#copies.shift()!;
      this.#bytes -= copy.byteLength;
      const stride = PLACE_WORDS[this.#tables[this.#encoded]!.form];
      giveBack(entries, stride, { words: copy, at: 0, first: 0, places: copy.length / stride });
      this.#encodeNext(copy);
      this.#free.push(copy);
    }
  }

  encodeRest(memories: readonly Int32Array[]): void {
    this.#copies.length = 0;
    this.#free.length = 0;
    this.#bytes = 0;
    for (const memory of memories) this.#encodeNext(memory);
    this.#copied = this.#tables.length;
  }

  #copyOf(memory: Int32Array): Int32Array {
    const last = this.#free.pop();
    if (last?.length !== memory.length) return memory.slice();
    last.set(memory);
    return last;
  }

  #encodeNext(memory: Int32Array): void {
    const { columns, form } = this.#tables[this.#encoded++]!;
    this.#assembly.add(memory, [{ columns, form, places: memory.length / PLACE_WORDS[form] }]);
  }
}

function finish(to: MessagePort, id: number, snapshot: ReadSnapshot): void {
  const assembly = assemblyOf(id);
  assemblies.delete(id);
  try {
    const { bytes, sha256 } = assembly.encode(snapshot);
    to.postMessage({ kind: 'encoded', id, bytes, sha256 } satisfies EncoderReport, [
      bytes.buffer as ArrayBuffer,
    ]);
  } catch (error) {
    to.postMessage({ kind: 'failed', id, error: serializeError(error) } satisfies EncoderReport);
  }
}
