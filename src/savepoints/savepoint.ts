/**
 * A savepoint, or a checkpoint, as it lies on the disk: what is in it, read without the job that wrote it.
 *
 * Owner: whoever opened it. Nothing is written, and nothing is kept but the metadata: each reading goes through the files
 * of the subtasks one after the other, and through their key groups one after the other.
 *
 * SV-1 At most one subtask's file and one key group of it are in memory, whatever the size of the whole.
 * SV-2 Every byte that is read was verified first; what is damaged is an error with the name of the file.
 * SV-3 State with a time to live is shown as of the moment of the savepoint.
 */

import type { Env } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import { locationOf } from '../base/locations.ts';
import { systemEnv } from '../base/system-env.ts';
import type { Key } from '../base/key-groups.ts';
import { directoryOfPath, requireMetadata } from '../checkpoint/load.ts';
import type { OperatorSnapshot } from '../checkpoint/state-handle.ts';
import { storesOf } from '../checkpoint/stores.ts';
import { withStoresOfEnvironment } from '../stores/process-stores.ts';
import { BroadcastStates } from '../state/broadcast-state.ts';
import type { MapDescriptor, StateDescriptor, StateHandle, StateHandles } from '../state/descriptors.ts';
import { MemoryStateBackend } from '../state/memory/backend.ts';
import { canonicalKey } from '../state/memory/canonical-key.ts';
import {
  decodeKeyGroup,
  type KeyGroupLocation,
  type RestoredKeyGroup,
} from '../state/memory/key-group-bytes.ts';
import { namespaceOf, keyOf } from '../state/memory/scoped-key.ts';
import { type StoredEntry, storedEntries } from '../state/memory/stored-entries.ts';
import { storedItem } from './stored-items.ts';
import { OperatorLists, type OperatorListOptions } from '../state/operator-lists.ts';
import { type SavepointOperator, StoredSnapshot } from './stored-snapshot.ts';

export type { SavepointOperator } from './stored-snapshot.ts';

/** The section in which operators keep broadcast state. */
export const BROADCAST_SECTION = 'broadcast';

/** Keyed state by name, as in the `state` of a process function. */
export type StateDeclaration = Readonly<Record<string, StateDescriptor>>;

/** The times of the timers of a key, ms since the epoch, ascending. */
export interface StoredTimers {
  readonly eventTime: readonly number[];
  readonly processingTime: readonly number[];
}

/** A key with its state. */
export interface KeyedEntry<S extends StateDeclaration> {
  readonly key: Key;
  /** As in the job; until the next entry. */
  readonly state: StateHandles<S>;
  readonly timers: StoredTimers;
}

/** What a key, or a namespace of it (such as a window), holds in one state, read by the codec that wrote it. */
export interface StateEntry extends StoredEntry {
  /** Name of the state. */
  readonly state: string;
  readonly kind: StateDescriptor['kind'];
}

/** One item of operator state. */
export interface OperatorItem {
  /** For example `list/<name>`, `union/<name>`, `broadcast`, `splits`. */
  readonly section: string;
  readonly redistribution: 'split' | 'union' | 'broadcast';
  readonly value: unknown;
}

/** What one operator holds, in figures. */
export interface OperatorContents extends SavepointOperator {
  readonly bytes: number;
  readonly states: readonly StateContents[];
  readonly eventTimers: number;
  readonly processingTimers: number;
  /** Operator state: lists, broadcast state, splits of sources, pending commits of sinks. */
  readonly sections: readonly SectionContents[];
}

/** One keyed state, in figures. */
export interface StateContents {
  readonly name: string;
  readonly kind: StateDescriptor['kind'];
  /** Which codec wrote it. */
  readonly codecs: readonly string[];
  /** Keys, or namespaces of keys. */
  readonly entries: number;
  readonly bytes: number;
}

/** One section of operator state, in figures. */
export interface SectionContents {
  readonly name: string;
  readonly redistribution: 'split' | 'union' | 'broadcast';
  /** Over all subtasks; of broadcast state those of one. */
  readonly items: number;
  readonly bytes: number;
}

/** How a savepoint is opened. */
export interface OpenOptions {
  /** The seams of this process; for tests. */
  readonly env?: Env;
}

/**
 * Opens the savepoint or checkpoint at a path: its directory, or its `_metadata`. Throws CHECKPOINT_NOT_FOUND,
 * CHECKPOINT_CORRUPT or CHECKPOINT_VERSION_UNKNOWN.
 *
 * ```ts
 * const savepoint = await openSavepoint('saved/savepoint-1f03a2-6b8e02d4c1aa');
 * for (const { uid, states } of await savepoint.contents()) console.log(uid, states);
 * ```
 */
export async function openSavepoint(path: string, options: OpenOptions = {}): Promise<Savepoint> {
  const env = options.env ?? withStoresOfEnvironment(systemEnv({ logging: { level: 'warn' } }));
  const directory = directoryOfPath(locationOf(path));
  return new Savepoint(new StoredSnapshot(env, directory, await requireMetadata(storesOf(env), directory)));
}

let storedOf: (savepoint: Savepoint) => StoredSnapshot;

/**
 * A savepoint or checkpoint that was opened by `openSavepoint`; see the head of the file.
 *
 * ```ts
 * const savepoint = await openSavepoint('saved/savepoint-1f03a2-6b8e02d4c1aa');
 * console.log(savepoint.jobName, new Date(savepoint.timestamp), savepoint.operators());
 * ```
 */
export class Savepoint {
  readonly #stored: StoredSnapshot;

  constructor(stored: StoredSnapshot) {
    this.#stored = stored;
  }

  static {
    storedOf = (savepoint) => savepoint.#stored;
  }

  /** Its directory, absolute. */
  get path(): string {
    return this.#stored.directory;
  }

  get jobId(): string {
    return this.#stored.metadata.jobId;
  }

  get jobName(): string {
    return this.#stored.metadata.jobName;
  }

  get checkpointId(): number {
    return this.#stored.metadata.checkpointId;
  }

  /** When it was triggered, ms since the epoch. */
  get timestamp(): number {
    return this.#stored.metadata.timestamp;
  }

  /** It belongs to people; false: it is a checkpoint of a job. */
  get isSavepoint(): boolean {
    return this.#stored.metadata.savepoint === true;
  }

  /** Its operators, in the order of the job. */
  operators(): SavepointOperator[] {
    return this.#stored.operators();
  }

  /** What each operator holds, in figures; reads everything once. */
  async contents(): Promise<OperatorContents[]> {
    const found: OperatorContents[] = [];
    for (const operator of this.operators()) {
      const counter = new ContentsCounter(operator);
      for await (const snapshot of this.#stored.snapshotsOf(operator.uid)) counter.add(snapshot);
      found.push(counter.contents());
    }
    return found;
  }

  /**
   * The keys of an operator with what they hold in the declared states, and their timers. The declaration may be that of a
   * later version of the job, as for a restore. Throws SAVEPOINT_OPERATOR_UNKNOWN, and STATE_TYPE_CHANGED,
   * STATE_CODEC_CHANGED or STATE_SCHEMA_CHANGED as a restore does.
   *
   * ```ts
   * const savepoint = await openSavepoint('saved/savepoint-1f03a2-6b8e02d4c1aa');
   * for await (const { key, state: visits } of savepoint.keyedState('visits', { count: state.value(0) })) {
   *   console.log(key, visits.count.value());
   * }
   * ```
   */
  async *keyedState<S extends StateDeclaration>(
    uid: string,
    declaration: S,
  ): AsyncGenerator<KeyedEntry<S>, void> {
    const { maxParallelism } = this.#stored.operator(uid);
    for await (const { keyGroup, bytes } of this.#stored.keyGroupsOf(uid)) {
      const where = { operatorUid: uid, keyGroup };
      const backend = backendOf(where, maxParallelism, this.timestamp);
      backend.restore(keyGroup, bytes);
      const handles = handlesOf(backend, declaration);
      const timers = timersByKey(decodeKeyGroup(bytes, where, maxParallelism));
      for (const key of keysOf(backend, declaration, timers)) {
        backend.setCurrentKey(key);
        yield { key, state: handles, timers: timers.get(canonicalKey(key))?.timers ?? NO_TIMERS };
      }
    }
  }

  /**
   * All keyed state of an operator as it was written, without a declaration: also that of windows, whose namespace is
   * `[start, end]`. Throws SAVEPOINT_OPERATOR_UNKNOWN, and STATE_CODEC_CHANGED for a state that was written by a codec
   * which only its job knows.
   *
   * ```ts
   * const savepoint = await openSavepoint('saved/savepoint-1f03a2-6b8e02d4c1aa');
   * for await (const { state: name, key, namespace, value } of savepoint.entries('per-minute')) {
   *   console.log(name, key, namespace, value);
   * }
   * ```
   */
  async *entries(uid: string): AsyncGenerator<StateEntry, void> {
    const { maxParallelism } = this.#stored.operator(uid);
    for await (const { keyGroup, bytes } of this.#stored.keyGroupsOf(uid)) {
      const { sections } = decodeKeyGroup(bytes, { operatorUid: uid, keyGroup }, maxParallelism);
      for (const section of sections) {
        const { name: state, kind, codecId } = section;
        const entries = storedEntries(section);
        if (entries === undefined) throw unreadable(uid, state, codecId);
        for (const entry of entries) yield { state, kind, ...entry };
      }
    }
  }

  /**
   * All operator state of an operator without a declaration: items of lists, broadcast entries, splits of sources; as bytes
   * what only the operator itself can read. Throws SAVEPOINT_OPERATOR_UNKNOWN.
   *
   * ```ts
   * const savepoint = await openSavepoint('saved/savepoint-1f03a2-6b8e02d4c1aa');
   * for await (const { section, value } of savepoint.operatorItems('batcher')) console.log(section, value);
   * ```
   */
  async *operatorItems(uid: string): AsyncGenerator<OperatorItem, void> {
    let subtask = 0;
    for await (const { sections } of this.#stored.snapshotsOf(uid)) {
      for (const { name: section, redistribution, items } of sections) {
        if (redistribution === 'broadcast' && subtask > 0) continue; // every subtask has all of it
        for (const item of items) yield { section, redistribution, value: storedItem(section, item) };
      }
      subtask++;
    }
  }

  /**
   * The items of an operator's list (`list`, or `union: true` for a union list), of all subtasks. Throws
   * SAVEPOINT_OPERATOR_UNKNOWN and STATE_CODEC_CHANGED.
   *
   * ```ts
   * const savepoint = await openSavepoint('saved/savepoint-1f03a2-6b8e02d4c1aa');
   * console.log(await savepoint.operatorList<number>('batcher', 'held'));
   * ```
   */
  async operatorList<T>(
    uid: string,
    name: string,
    options: OperatorListOptions<T> & { readonly union?: boolean } = {},
  ): Promise<readonly T[]> {
    const kind = options.union === true ? 'unionList' : 'list';
    const section = `${options.union === true ? 'union' : 'list'}/${name}`;
    const items = await this.#stored.sectionOf(uid, section, 'all');
    const lists = new OperatorLists({ subtask: 0, restoredNames: [section], restored: () => items });
    return lists[kind]<T>(name, options).get();
  }

  /**
   * The broadcast state of an operator. Throws SAVEPOINT_OPERATOR_UNKNOWN and STATE_CODEC_CHANGED.
   *
   * ```ts
   * const savepoint = await openSavepoint('saved/savepoint-1f03a2-6b8e02d4c1aa');
   * const rules = await savepoint.broadcastState('alerts', 'rules', state.map<string, number>());
   * console.log(rules.get('limit'));
   * ```
   */
  async broadcastState<K, V>(
    uid: string,
    name: string,
    declaration: MapDescriptor<K, V>,
  ): Promise<ReadonlyMap<K, V>> {
    const items = await this.#stored.sectionOf(uid, BROADCAST_SECTION, 'first');
    const { handles } = new BroadcastStates({ [name]: declaration }, items);
    return new Map(handles[name]?.entries() as Iterable<[K, V]>);
  }
}

/** For the other half of this room: the files of a savepoint. */
export const storedSnapshotOf = (savepoint: Savepoint): StoredSnapshot => storedOf(savepoint);

/** A backend for one key group, empty; `now` as SV-3 says. */
export function backendOf(
  { operatorUid, keyGroup }: KeyGroupLocation,
  maxParallelism: number,
  now: number,
): MemoryStateBackend {
  return new MemoryStateBackend({
    keyGroupRange: { start: keyGroup, end: keyGroup },
    maxParallelism,
    freezeValues: true,
    operatorUid,
    now: () => now,
  });
}

const NO_TIMERS: StoredTimers = { eventTime: [], processingTime: [] };

/** The handles of a declaration. */
export function handlesOf<S extends StateDeclaration>(
  backend: MemoryStateBackend,
  declaration: S,
): StateHandles<S> {
  const handles: Record<string, StateHandle<StateDescriptor>> = {};
  for (const [name, descriptor] of Object.entries(declaration))
    handles[name] = backend.state(name, descriptor);
  return handles as StateHandles<S>;
}

interface KeyTimers {
  readonly key: Key;
  readonly timers: { eventTime: number[]; processingTime: number[] };
}

/** The timers of the keys themselves, by canonical key; those of namespaces belong to windows. */
export function timersByKey({ eventTimers, processingTimers }: RestoredKeyGroup): Map<unknown, KeyTimers> {
  const byKey = new Map<unknown, KeyTimers>();
  for (const [domain, timers] of [
    ['eventTime', eventTimers],
    ['processingTime', processingTimers],
  ] as const) {
    for (const { key: scoped, time } of timers) {
      if (namespaceOf(scoped) !== undefined) continue;
      const key = keyOf(scoped);
      const canonical = canonicalKey(key);
      const found = byKey.get(canonical) ?? { key, timers: { eventTime: [], processingTime: [] } };
      found.timers[domain].push(time);
      byKey.set(canonical, found);
    }
  }
  for (const { timers } of byKey.values()) {
    timers.eventTime.sort((left, right) => left - right);
    timers.processingTime.sort((left, right) => left - right);
  }
  return byKey;
}

/** Keys that hold something in a declared state or have a timer, each once. */
export function keysOf(
  backend: MemoryStateBackend,
  declaration: StateDeclaration,
  timers: ReadonlyMap<unknown, { readonly key: Key }>,
): Key[] {
  const keys = new Map<unknown, Key>();
  for (const name of Object.keys(declaration)) {
    for (const key of backend.keysOf(name)) keys.set(canonicalKey(key), key);
  }
  for (const [canonical, { key }] of timers) keys.set(canonical, key);
  return [...keys.values()];
}

/** The error of a state that only its own program can read. */
export function unreadable(uid: string, state: string, codecId: string): MillraceError {
  return new MillraceError(
    'STATE_CODEC_CHANGED',
    `state "${state}" of operator ${uid} was written by the codec ${codecId}, which only the program that wrote it has`,
    { where: { uid }, remedy: 'Read it in a program, with a declaration that has this codec.' },
  );
}

/** Adds up what the subtasks of one operator hold. */
class ContentsCounter {
  readonly #operator: SavepointOperator;
  readonly #states = new Map<
    string,
    { kind: StateContents['kind']; codecs: Set<string>; entries: number; bytes: number }
  >();
  readonly #sections = new Map<
    string,
    { redistribution: SectionContents['redistribution']; items: number; bytes: number }
  >();
  #bytes = 0;
  #eventTimers = 0;
  #processingTimers = 0;

  constructor(operator: SavepointOperator) {
    this.#operator = operator;
  }

  add({ sections, keyGroups }: OperatorSnapshot): void {
    for (const { keyGroup, bytes } of keyGroups) this.#addKeyGroup(keyGroup, bytes);
    for (const { name, redistribution, items } of sections) {
      const bytes = items.reduce((sum, item) => sum + item.length, 0);
      this.#bytes += bytes;
      const known = this.#sections.get(name);
      // Every subtask has all of it.
      if (redistribution === 'broadcast' && known !== undefined) continue;
      const before = known ?? { redistribution, items: 0, bytes: 0 };
      this.#sections.set(name, {
        redistribution,
        items: before.items + items.length,
        bytes: before.bytes + bytes,
      });
    }
  }

  #addKeyGroup(keyGroup: number, bytes: Uint8Array): void {
    const { uid: operatorUid, maxParallelism } = this.#operator;
    const group = decodeKeyGroup(bytes, { operatorUid, keyGroup }, maxParallelism);
    this.#bytes += bytes.length;
    this.#eventTimers += group.eventTimers.length;
    this.#processingTimers += group.processingTimers.length;
    for (const { name, kind, codecId, count, body } of group.sections) {
      const known = this.#states.get(name) ?? { kind, codecs: new Set(), entries: 0, bytes: 0 };
      known.codecs.add(codecId);
      known.entries += count;
      known.bytes += body.length;
      this.#states.set(name, known);
    }
  }

  contents(): OperatorContents {
    return {
      ...this.#operator,
      bytes: this.#bytes,
      states: [...this.#states].map(([name, { kind, codecs, entries, bytes }]) => {
        return { name, kind, codecs: [...codecs], entries, bytes };
      }),
      eventTimers: this.#eventTimers,
      processingTimers: this.#processingTimers,
      sections: [...this.#sections].map(([name, section]) => ({ name, ...section })),
    };
  }
}
