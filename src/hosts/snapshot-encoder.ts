/**
 * What makes the bytes of a subtask's snapshot of what its task has read: numbers that were copied out of typed tables, and
 * all the rest.
 *
 * Owner: the slot. Partners: the task runner, and the keyed state of its operators, which hands over copies.
 *
 * E1 What was handed over belongs to the encoding: nobody else changes it.
 * E2 An encoding ends once, by `finish` or by `drop`; after that nothing is handed over.
 */

import { sha256Hex } from '../base/hash.ts';
import type { ObjectBytes } from '../base/object-store.ts';
import { encodeSubtaskSnapshot, type SubtaskSnapshotInPieces } from '../checkpoint/snapshot-file.ts';
import type { SubtaskSnapshot } from '../checkpoint/state-handle.ts';
import type { NumberEncoder } from '../state/backend.ts';
import { type KeepBytes, NumberAssembly, type NamedRun } from '../state/memory/number-columns.ts';
import { partsOfKeyGroup } from '../state/written-key-group.ts';
import { encoderHere } from '../state/memory/snapshot.ts';
import type { OperatorPart } from '../task/snapshot.ts';

/** Of typed tables, and of what else was read: the bytes of a snapshot of up to so many are made in the thread of the slot. */
export const LARGE_BYTES = 1024 * 1024;
/** What goes from one thread to the other of a file at a time. */
export const PIECE_BYTES = 1024 * 1024;

/** What a subtask adds to a checkpoint, before any of it is a file. */
export interface ReadSnapshot extends Omit<SubtaskSnapshot, 'operators'> {
  readonly operators: readonly OperatorPart[];
}

/** The file, and its checksum. */
export interface EncodedSnapshot {
  readonly bytes: ObjectBytes;
  readonly sha256: string;
  /** See `StateHandle.alone`. */
  readonly alone?: boolean;
  /** To be called when nobody looks at the bytes any more, stored or not: their memory is given back at once. */
  readonly release?: () => void;
}

/** One snapshot on its way to bytes. */
export interface SnapshotEncoding extends NumberEncoder {
  finish(snapshot: ReadSnapshot): Promise<EncodedSnapshot>;
  drop(): void;
}

/** See the head of the file. */
export interface SnapshotEncoder {
  /** A snapshot of {@link LARGE_BYTES} or more is to be expected. */
  prepare?(): void;
  /** `onRoom` is called when a `claim` that was refused would be granted. */
  begin(onRoom: () => void): SnapshotEncoding;
  close(): Promise<void>;
}

/** What is known of one snapshot, in whichever thread it is put together. */
export class SnapshotAssembly {
  readonly numbers: NumberAssembly;

  constructor(keep?: KeepBytes) {
    this.numbers = new NumberAssembly(keep);
  }

  add(memory: Int32Array, runs: readonly NamedRun[]): void {
    this.numbers.add(memory, runs);
  }

  encode(snapshot: ReadSnapshot): { readonly bytes: Uint8Array; readonly sha256: string } {
    const bytes = encodeSubtaskSnapshot(this.inPieces(snapshot));
    return { bytes, sha256: sha256Hex(bytes) };
  }

  /** The snapshot with the columns that are known here. */
  protected inPieces({ operators, ...rest }: ReadSnapshot): SubtaskSnapshotInPieces {
    return {
      ...rest,
      operators: operators.map(({ keyGroups, ...operator }) => ({
        ...operator,
        keyGroups: keyGroups.map((group) => ({
          keyGroup: group.keyGroup,
          bytes: partsOfKeyGroup(group, (name) => this.numbers.of(name)),
        })),
      })),
    };
  }
}

/** Makes the bytes in the calling thread. */
export const encodingHere: SnapshotEncoder = {
  begin() {
    const assembly = new SnapshotAssembly();
    return {
      ...encoderHere(assembly.numbers),
      finish: (snapshot) => Promise.resolve(assembly.encode(snapshot)),
      drop: () => {},
    };
  },
  close: () => Promise.resolve(),
};
