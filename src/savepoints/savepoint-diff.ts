/**
 * What differs between two savepoints, operator by operator and key by key.
 *
 * Owner: whoever asks. Both are walked in the order of their key groups: of each, one subtask and one key group are in
 * memory at a time (SV-1 in savepoint.ts). State is compared by value where its codec is known, else by its bytes.
 */

import { isDeepStrictEqual } from 'node:util';
import type { Key } from '../base/key-groups.ts';
import type { OperatorSnapshot } from '../checkpoint/state-handle.ts';
import { decodeKeyGroup } from '../state/memory/key-group-bytes.ts';
import { canonicalScopedKey, NamespacedKey } from '../state/memory/scoped-key.ts';
import type { RestoredSection } from '../state/memory/state-layout.ts';
import { type StoredEntry, storedEntries } from '../state/memory/stored-entries.ts';
import { type Savepoint, storedSnapshotOf } from './savepoint.ts';
import type { SavepointOperator, StoredSnapshot } from './stored-snapshot.ts';

/** Examples of each kind for each state. */
const EXAMPLES_MAX = 5;

/** The differences of one operator; an operator without any is left out. */
export interface OperatorDiff {
  readonly uid: string;
  /** In which of the two it is. */
  readonly in: 'left' | 'right' | 'both';
  /** Of an operator that is in both. */
  readonly states: readonly StateDiff[];
  /** Names of sections of operator state (lists, broadcast state, splits) that differ. */
  readonly sections: readonly string[];
  /** Key groups whose timers differ. */
  readonly timers: number;
  /** Why its keyed state was not compared. */
  readonly notCompared?: string;
}

/** The differences of one keyed state. */
export interface StateDiff {
  readonly name: string;
  /** Keys (or namespaces of keys) that are only in the right one, only in the left one, or in both with other values. */
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  /** The first few of them. */
  readonly examples: readonly EntryDiff[];
}

/** One key whose state differs. */
export interface EntryDiff {
  readonly key: Key;
  readonly namespace: Key | undefined;
  /** `undefined`: it is not there. */
  readonly left: unknown;
  readonly right: unknown;
}

/**
 * The differences from one savepoint to another; empty when both hold the same.
 *
 * ```ts
 * const before = await openSavepoint('saved/savepoint-1f03a2-6b8e02d4c1aa');
 * const after = await openSavepoint('saved/savepoint-1f03a2-77aa02d4c100');
 * for (const { uid, states } of await diffSavepoints(before, after)) console.log(uid, states);
 * ```
 */
export async function diffSavepoints(left: Savepoint, right: Savepoint): Promise<OperatorDiff[]> {
  const both = { left: storedSnapshotOf(left), right: storedSnapshotOf(right) };
  const uids = new Set([...left.operators(), ...right.operators()].map(({ uid }) => uid));
  const diffs: OperatorDiff[] = [];
  for (const uid of uids) {
    const diff = await diffOperator(uid, both);
    if (!isEmpty(diff)) diffs.push(diff);
  }
  return diffs;
}

interface Both<T> {
  readonly left: T;
  readonly right: T;
}

async function diffOperator(uid: string, both: Both<StoredSnapshot>): Promise<OperatorDiff> {
  const left = operatorIn(both.left, uid);
  const right = operatorIn(both.right, uid);
  const nothing = { uid, states: [], sections: [], timers: 0 };
  if (left === undefined || right === undefined)
    return { ...nothing, in: left === undefined ? 'right' : 'left' };
  const sections = await diffSections(uid, both);
  if (left.maxParallelism !== right.maxParallelism) {
    const notCompared = `max parallelism ${left.maxParallelism} and ${right.maxParallelism}: keys are in other key groups`;
    return { ...nothing, in: 'both', sections, ...(left.keyed ? { notCompared } : {}) };
  }
  const walker = new Walker(uid, left.maxParallelism);
  const groups = { left: both.left.keyGroupsOf(uid), right: both.right.keyGroupsOf(uid) };
  await walker.walk(groups);
  return { uid, in: 'both', states: walker.states(), sections, timers: walker.timers };
}

function operatorIn(stored: StoredSnapshot, uid: string): SavepointOperator | undefined {
  return stored.operators().find((operator) => operator.uid === uid);
}

function isEmpty(diff: OperatorDiff): boolean {
  return (
    diff.in === 'both' &&
    diff.notCompared === undefined &&
    diff.states.length + diff.sections.length + diff.timers === 0
  );
}

type KeyGroups = AsyncGenerator<OperatorSnapshot['keyGroups'][number], void>;

/** Compares the key groups of one operator, which both sides give in ascending order. */
class Walker {
  readonly #uid: string;
  readonly #maxParallelism: number;
  readonly #states = new Map<
    string,
    { added: number; removed: number; changed: number; examples: EntryDiff[] }
  >();
  timers = 0;

  constructor(uid: string, maxParallelism: number) {
    this.#uid = uid;
    this.#maxParallelism = maxParallelism;
  }

  async walk(groups: Both<KeyGroups>): Promise<void> {
    let left = await groups.left.next();
    let right = await groups.right.next();
    while (left.done !== true || right.done !== true) {
      const leftAt = left.done === true ? Number.POSITIVE_INFINITY : left.value.keyGroup;
      const rightAt = right.done === true ? Number.POSITIVE_INFINITY : right.value.keyGroup;
      const keyGroup = Math.min(leftAt, rightAt);
      const leftBytes = leftAt === keyGroup && left.done !== true ? left.value.bytes : undefined;
      const rightBytes = rightAt === keyGroup && right.done !== true ? right.value.bytes : undefined;
      this.#compare(keyGroup, { left: leftBytes, right: rightBytes });
      if (leftBytes !== undefined) left = await groups.left.next();
      if (rightBytes !== undefined) right = await groups.right.next();
    }
  }

  states(): StateDiff[] {
    return [...this.#states].map(([name, state]) => ({ name, ...state }));
  }

  #compare(keyGroup: number, bytes: Both<Uint8Array | undefined>): void {
    const where = { operatorUid: this.#uid, keyGroup };
    const read = (side: Uint8Array | undefined) =>
      side === undefined ? EMPTY : decodeKeyGroup(side, where, this.#maxParallelism);
    const [left, right] = [read(bytes.left), read(bytes.right)];
    if (
      !isDeepStrictEqual(timesOf(left.eventTimers), timesOf(right.eventTimers)) ||
      !isDeepStrictEqual(timesOf(left.processingTimers), timesOf(right.processingTimers))
    )
      this.timers++;
    const names = new Set([...left.sections, ...right.sections].map(({ name }) => name));
    for (const name of names) {
      const of = (sections: readonly RestoredSection[]) => sections.find((section) => section.name === name);
      this.#compareState(name, { left: of(left.sections), right: of(right.sections) });
    }
  }

  #compareState(name: string, { left, right }: Both<RestoredSection | undefined>): void {
    const isSameKind = left === undefined || right === undefined || left.kind === right.kind;
    const entries = {
      left: left === undefined ? [] : storedEntries(left),
      right: right === undefined ? [] : storedEntries(right),
    };
    if (entries.left === undefined || entries.right === undefined || !isSameKind) {
      if (left !== undefined && right !== undefined && isDeepStrictEqual(left.body, right.body)) return;
      this.#state(name).changed += Math.max(left?.count ?? 0, right?.count ?? 0);
      return;
    }
    const before = byKey(entries.left);
    for (const [canonical, { key, namespace, value }] of byKey(entries.right)) {
      const old = before.get(canonical);
      before.delete(canonical);
      if (old === undefined) this.#add(name, 'added', { key, namespace, left: undefined, right: value });
      else if (!isDeepStrictEqual(old.value, value))
        this.#add(name, 'changed', { key, namespace, left: old.value, right: value });
    }
    for (const { key, namespace, value } of before.values())
      this.#add(name, 'removed', { key, namespace, left: value, right: undefined });
  }

  #add(name: string, what: 'added' | 'removed' | 'changed', example: EntryDiff): void {
    const state = this.#state(name);
    state[what]++;
    if (state.examples.length < EXAMPLES_MAX) state.examples.push(example);
  }

  #state(name: string): { added: number; removed: number; changed: number; examples: EntryDiff[] } {
    const state = this.#states.get(name) ?? { added: 0, removed: 0, changed: 0, examples: [] };
    this.#states.set(name, state);
    return state;
  }
}

const EMPTY: ReturnType<typeof decodeKeyGroup> = { sections: [], eventTimers: [], processingTimers: [] };

/** In an order that does not depend on who was registered first. */
function timesOf(timers: ReturnType<typeof decodeKeyGroup>['eventTimers']): string[] {
  return timers.map(({ time, key }) => `${time} ${String(canonicalScopedKey(key))}`).sort();
}

function byKey(entries: readonly StoredEntry[]): Map<unknown, StoredEntry> {
  return new Map(
    entries.map((entry) => {
      const { key, namespace } = entry;
      return [canonicalScopedKey(namespace === undefined ? key : new NamespacedKey(key, namespace)), entry];
    }),
  );
}

/** Sections whose items are not the same, in whatever order and subtask they are. */
async function diffSections(uid: string, both: Both<StoredSnapshot>): Promise<string[]> {
  const left = await sectionsOf(uid, both.left);
  const right = await sectionsOf(uid, both.right);
  const names = [...new Set([...left.keys(), ...right.keys()])];
  return names.filter(
    (name) => !isDeepStrictEqual((left.get(name) ?? []).sort(), (right.get(name) ?? []).sort()),
  );
}

async function sectionsOf(uid: string, stored: StoredSnapshot): Promise<Map<string, string[]>> {
  const sections = new Map<string, string[]>();
  for await (const snapshot of stored.snapshotsOf(uid)) {
    for (const { name, redistribution, items } of snapshot.sections) {
      const known = sections.get(name);
      if (redistribution === 'broadcast' && known !== undefined) continue;
      const texts = items.map((item) => Buffer.from(item).toString('latin1'));
      sections.set(name, [...(known ?? []), ...texts]);
    }
  }
  return sections;
}
