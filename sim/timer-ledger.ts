// The ledger of timers (I-T1), read from checkpoints and savepoints as they lie on the disk: what an operator holds that waits
// for a timer has one, and only one. Output alone does not show it where the end of all input gives what is left.

import { Buffer } from 'node:buffer';
import { dirname } from 'node:path';
import { type CheckpointMetadata, decodeMetadata } from '../src/checkpoint/metadata.ts';
import { decodeSubtaskSnapshot } from '../src/checkpoint/snapshot-file.ts';
import type { StateHandle } from '../src/checkpoint/state-handle.ts';
import {
  decodeKeyGroup,
  type RestoredKeyGroup,
  type RestoredTimer,
} from '../src/state/memory/key-group-bytes.ts';
import { keyOf, namespaceOf } from '../src/state/memory/scoped-key.ts';
import { type StoredEntry, storedEntries } from '../src/state/memory/stored-entries.ts';
import type { Kernel } from '../src/testing/kernel.ts';
import type { Tally } from './model.ts';
import type { Keyed } from './world.ts';

/** What of an operator waits for which timer. */
interface Rule {
  readonly uid: string;
  readonly state: string;
  readonly waits: (value: unknown) => boolean;
  readonly timers: (group: RestoredKeyGroup) => readonly RestoredTimer[];
}

const RULES: Readonly<Partial<Record<Keyed['kind'], Rule>>> = {
  ticks: {
    uid: 'ticks',
    state: 'tally',
    waits: (value) => (value as Tally).count > 0,
    timers: ({ processingTimers }) => processingTimers,
  },
  evicted: {
    uid: 'windows',
    state: 'contents',
    waits: (value) => (value as readonly unknown[]).length > 0,
    timers: ({ eventTimers }) => eventTimers,
  },
};

/** See the head of the file. */
export class TimerLedger {
  readonly #kernel: Kernel;
  readonly #rule: Rule | undefined;
  readonly #seen = new Set<string>();

  constructor(kernel: Kernel, { kind }: Keyed) {
    this.#kernel = kernel;
    this.#rule = RULES[kind];
  }

  /** What waits without its timer, in complete checkpoints and savepoints that were not looked at before. */
  violations(): string[] {
    const rule = this.#rule;
    if (rule === undefined) return [];
    const disk = this.#kernel.disk.contents();
    const found: string[] = [];
    for (const [path, bytes] of disk) {
      if (!path.endsWith('/_metadata') || bytes === 'directory' || this.#seen.has(path)) continue;
      this.#seen.add(path);
      const metadata = decodeMetadata(bytes, path);
      const read = (handle: StateHandle): Uint8Array => bytesOf(disk, dirname(path), handle);
      found.push(...unmatched(rule, metadata, read).map((text) => `${path}: ${text}`));
    }
    return found;
  }
}

function unmatched(
  { uid, state, waits, timers }: Rule,
  { vertices }: CheckpointMetadata,
  read: (handle: StateHandle) => Uint8Array,
): string[] {
  const found: string[] = [];
  for (const { subtasks, operators, maxParallelism } of vertices) {
    if (!operators.some((operator) => operator.uid === uid)) continue;
    for (const handle of subtasks) {
      const snapshot = decodeSubtaskSnapshot(read(handle), handle.file ?? 'inline');
      for (const { keyGroup, bytes } of snapshot.operators.find((each) => each.uid === uid)?.keyGroups ??
        []) {
        const group = decodeKeyGroup(bytes, { operatorUid: uid, keyGroup }, maxParallelism);
        const section = group.sections.find(({ name }) => name === state);
        const waiting =
          section === undefined ? [] : storedEntries(section)!.filter(({ value }) => waits(value));
        found.push(...compared(waiting, timers(group)));
      }
    }
  }
  return found;
}

function compared(waiting: readonly StoredEntry[], timers: readonly RestoredTimer[]): string[] {
  const times = new Map<string, number[]>();
  for (const { key, time } of timers) {
    const place = placeText(keyOf(key), namespaceOf(key));
    times.set(place, [...(times.get(place) ?? []), time]);
  }
  return waiting.flatMap(({ key, namespace }) => {
    const place = placeText(key, namespace);
    const own = times.get(place) ?? [];
    return own.length === 1 ? [] : [`${place} has the timers [${own.join()}] instead of one`];
  });
}

function placeText(key: unknown, namespace: unknown): string {
  return JSON.stringify([key, namespace ?? null]);
}

function bytesOf(
  disk: ReadonlyMap<string, Uint8Array | 'directory'>,
  directory: string,
  { file, inline }: StateHandle,
): Uint8Array {
  if (file === undefined) return Buffer.from(inline ?? '', 'base64');
  const bytes = disk.get(`${directory}/${file}`);
  if (bytes === undefined || bytes === 'directory') throw new Error(`${directory}/${file} is not there`);
  return bytes;
}
