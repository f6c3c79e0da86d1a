/**
 * The bytes of a prepared commit in operator state: the checkpoint it was prepared for, and its handle.
 *
 * ```
 * u8 version = 1 | varint checkpoint id | handle, to the end
 * ```
 */

import { BinaryReader, BinaryWriter } from '../codecs/binary.ts';

const VERSION = 1;

/** One item of the section. */
export function encodePending(checkpointId: number, handle: Uint8Array): Uint8Array {
  const out = new BinaryWriter(handle.length + 16);
  out.u8(VERSION);
  out.varint(checkpointId);
  out.raw(handle);
  return out.finish();
}

/** All items, in any order and from any subtasks: handles by checkpoint id, ascending. */
export function decodePending(items: readonly Uint8Array[]): [number, Uint8Array[]][] {
  const byCheckpoint = new Map<number, Uint8Array[]>();
  for (const item of items) {
    const from = new BinaryReader(item);
    const version = from.u8();
    if (version !== VERSION) throw from.corrupt(`a prepared commit has the unknown version ${version}`, 0);
    const checkpointId = from.varint();
    const handles = byCheckpoint.get(checkpointId) ?? [];
    handles.push(from.raw(from.remaining));
    byCheckpoint.set(checkpointId, handles);
  }
  return [...byCheckpoint].sort(([left], [right]) => left - right);
}
