/**
 * The thread that makes the bytes of a slot's snapshots.
 *
 * Owner: this thread. Partner: `thread-encoder.ts` at the other end of the port. It knows neither the job nor the disk: what
 * it is sent becomes columns as it comes, and bytes in the end.
 */

import { type MessagePort, parentPort } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { serializeError } from '../base/errors.ts';
import { type ReadSnapshot, SnapshotAssembly } from './snapshot-encoder.ts';
import type { EncoderCommand, EncoderReport } from './thread-encoder.ts';

const port = parentPort;
assert(port !== null, 'an encoder runs in a worker thread');
const assemblies = new Map<number, SnapshotAssembly>();
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
    case 'finish':
      return finish(to, id, command.snapshot);
    case 'drop':
      assemblies.delete(id);
  }
}

function assemblyOf(id: number): SnapshotAssembly {
  let assembly = assemblies.get(id);
  if (assembly === undefined) {
    assembly = new SnapshotAssembly();
    assemblies.set(id, assembly);
  }
  return assembly;
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
