/**
 * Makes a savepoint from data, or from another one with changes: what a job is to begin with that never had state, or had
 * it under another uid or in another shape.
 *
 * Owner: the program that uses it. Changes are collected first and carried out by `write`, which leaves the original alone.
 *
 *  SW-1 What is not changed is copied byte for byte; state that nobody declares is kept (B3 of state/memory/backend.ts).
 *  SW-2 It is complete or not there: `_metadata` comes last, and what failed is removed (savepoint.ts of the checkpoint room).
 *  SW-3 Of the original one subtask is in memory at a time; of an operator that is written anew, its whole state.
 *  SW-4 A checkpoint with records in flight is refused: where they go, only its own job knows.
 */

import type { Env } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import { operatorId, sha256Hex } from '../base/hash.ts';
import { checkKey, type Key, keyGroupRange } from '../base/key-groups.ts';
import { locationOf } from '../base/locations.ts';
import { systemEnv } from '../base/system-env.ts';
import { subtaskStateName } from '../checkpoint/job-folder.ts';
import type { CheckpointMetadata, VertexMetadata } from '../checkpoint/metadata.ts';
import { SavepointStorage } from '../checkpoint/savepoint.ts';
import { encodeSubtaskSnapshot } from '../checkpoint/snapshot-file.ts';
import type {
  OperatorSnapshot,
  OperatorStateSection,
  StateHandle as StoredState,
  SubtaskSnapshot,
} from '../checkpoint/state-handle.ts';
import { INLINE_THRESHOLD_BYTES_MAX, writeStateFile } from '../checkpoint/storage.ts';
import { storesOf } from '../checkpoint/stores.ts';
import { withStoresOfEnvironment } from '../stores/process-stores.ts';
import { BroadcastStates } from '../state/broadcast-state.ts';
import type { MapDescriptor, StateHandles } from '../state/descriptors.ts';
import { MemoryStateBackend } from '../state/memory/backend.ts';
import { canonicalKey } from '../state/memory/canonical-key.ts';
import { decodeKeyGroup } from '../state/memory/key-group-bytes.ts';
import { type OperatorListOptions, OperatorLists } from '../state/operator-lists.ts';
import {
  backendOf,
  BROADCAST_SECTION,
  handlesOf,
  keysOf,
  type OpenOptions,
  type Savepoint,
  type StateDeclaration,
  type StoredTimers,
  storedSnapshotOf,
  timersByKey,
} from './savepoint.ts';
import type { StoredSnapshot } from './stored-snapshot.ts';

/** Names of state files carry it where those of a job carry its attempt. */
const ATTEMPT = 'written';
/** State of at most so many bytes lies in the metadata. */
const INLINE_BYTES = Math.min(20 * 1024, INLINE_THRESHOLD_BYTES_MAX);
const MAX_PARALLELISM = 128;

/** Registers and deletes timers of the current key; times are ms since the epoch. */
export interface WrittenTimers {
  registerEventTime(time: number): void;
  registerProcessingTime(time: number): void;
  deleteEventTime(time: number): void;
  deleteProcessingTime(time: number): void;
}

/** The keyed state of an operator that is written anew: Flink's `KeyedStateBootstrapFunction`. */
export interface KeyedStateFromItems<T, S extends StateDeclaration> {
  /** As the job declares it. */
  readonly state: S;
  readonly items: Iterable<T> | AsyncIterable<T>;
  /** As in `keyBy`. */
  key(item: T): Key;
  /** Called for each item, with the state and the timers of its key. */
  process(
    item: T,
    context: { readonly key: Key; readonly state: StateHandles<S>; readonly timers: WrittenTimers },
  ): void;
}

/** A change of the state of every key of an operator. */
export interface KeyedStateChange<S extends StateDeclaration> {
  /** As the job declares it from now on: what was stored is read as a restore reads it. */
  readonly state: S;
  /** Called for each key that holds something in these states or has a timer. */
  process(context: {
    readonly key: Key;
    readonly state: StateHandles<S>;
    readonly timers: WrittenTimers & StoredTimers;
  }): void;
}

/** What a savepoint is made for that is made from nothing. */
export interface NewSavepointOptions extends OpenOptions {
  /** Name of the job that is to begin with it. */
  readonly jobName: string;
  /** Max parallelism of the operators, which those of the job must have. Default 128, as in a job. */
  readonly maxParallelism?: number;
  /** Files for each operator; at any number the job restores at any parallelism. Default 1. */
  readonly parallelism?: number;
}

/**
 * A savepoint made from nothing; then say what is in it, and `write`.
 *
 * ```ts
 * const { path } = await newSavepoint({ jobName: 'shop' })
 *   .withKeyedState('visits', {
 *     state: { count: state.value(0) },
 *     items: [{ user: 'ada', visits: 41 }],
 *     key: ({ user }) => user,
 *     process: ({ visits }, { state: { count } }) => count.update(visits),
 *   })
 *   .write('saved');
 * console.log(path);
 * ```
 */
export function newSavepoint(options: NewSavepointOptions): SavepointWriter {
  return new SavepointWriter({
    env: options.env ?? withStoresOfEnvironment(systemEnv({ logging: { level: 'warn' } })),
    base: undefined,
    jobName: options.jobName,
    maxParallelism: options.maxParallelism ?? MAX_PARALLELISM,
    parallelism: options.parallelism ?? 1,
  });
}

/**
 * A savepoint that begins as a copy of another one, or of a checkpoint without records in flight.
 *
 * ```ts
 * const { path } = await changedSavepoint(await openSavepoint('saved/savepoint-1f03a2-6b8e02d4c1aa'))
 *   .changeOperatorIdentifier('visits', 'visits-by-user')
 *   .removeOperator('audit')
 *   .write('saved');
 * console.log(path);
 * ```
 */
export function changedSavepoint(savepoint: Savepoint): SavepointWriter {
  const base = storedSnapshotOf(savepoint);
  const [first] = base.operators();
  return new SavepointWriter({
    env: base.env,
    base,
    jobName: base.metadata.jobName,
    maxParallelism: first?.maxParallelism ?? MAX_PARALLELISM,
    parallelism: 1,
  });
}

interface WriterParts {
  readonly env: Env;
  readonly base: StoredSnapshot | undefined;
  readonly jobName: string;
  readonly maxParallelism: number;
  readonly parallelism: number;
}

/** An operator that is written anew. */
interface Added {
  keyed: ((backend: MemoryStateBackend) => Promise<void>) | undefined;
  /** Sections of each subtask. */
  readonly sections: ((parallelism: number) => OperatorStateSection[][])[];
  broadcast: Uint8Array[];
}

type Change = (
  where: { readonly operatorUid: string; readonly keyGroup: number },
  bytes: Uint8Array,
  maxParallelism: number,
) => Uint8Array | undefined;

/**
 * A savepoint that is being made by `newSavepoint` or `changedSavepoint`; see the head of the file. Its methods give it
 * back, `write` carries them out.
 *
 * ```ts
 * const writer = newSavepoint({ jobName: 'shop', maxParallelism: 256 });
 * writer.withOperatorList('batcher', 'held', [1, 2, 3]);
 * const { path } = await writer.write('saved');
 * console.log(path);
 * ```
 */
export class SavepointWriter {
  readonly #parts: WriterParts;
  readonly #removed = new Set<string>();
  readonly #renamed = new Map<string, string>();
  readonly #changes = new Map<string, Change[]>();
  readonly #added = new Map<string, Added>();

  constructor(parts: WriterParts) {
    const { maxParallelism, parallelism } = parts;
    const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 1;
    if (!isCount(parallelism) || !isCount(maxParallelism) || parallelism > maxParallelism)
      throw invalid(`parallelism ${parallelism} with max parallelism ${maxParallelism}`);
    this.#parts = parts;
  }

  /** Adds an operator with keyed state; all of it has to fit into memory. */
  withKeyedState<T, S extends StateDeclaration>(uid: string, from: KeyedStateFromItems<T, S>): this {
    const added = this.#add(uid);
    if (added.keyed !== undefined) throw invalid(`the keyed state of "${uid}" is given twice`);
    added.keyed = async (backend) => {
      const handles = handlesOf(backend, from.state);
      const timers = writtenTimers(backend);
      for await (const item of from.items) {
        const key = checkKey(from.key(item));
        backend.setCurrentKey(key);
        from.process(item, { key, state: handles, timers });
      }
    };
    return this;
  }

  /** Adds a list of an operator: dealt evenly to its subtasks, or with `union` given to all of them. */
  withOperatorList<T>(
    uid: string,
    name: string,
    items: Iterable<T>,
    options: OperatorListOptions<T> & { readonly union?: boolean } = {},
  ): this {
    const lists = new OperatorLists({ subtask: 0, restoredNames: [], restored: () => [] });
    lists[options.union === true ? 'unionList' : 'list']<T>(name, options).update(items);
    this.#add(uid).sections.push((parallelism) => dealt(lists.encode(), parallelism));
    return this;
  }

  /** Adds a broadcast state of an operator. */
  withBroadcastState<K, V>(
    uid: string,
    name: string,
    entries: Iterable<readonly [K, V]>,
    declaration: MapDescriptor<K, V>,
  ): this {
    const states = new BroadcastStates({ [name]: declaration }, []);
    states.begin(true);
    for (const [key, value] of entries) states.handles[name]?.set(key, value);
    const added = this.#add(uid);
    added.broadcast = [...added.broadcast, ...states.encode()];
    return this;
  }

  /** Changes the keyed state of an operator, key by key. Throws SAVEPOINT_OPERATOR_UNKNOWN. */
  changeKeyedState<S extends StateDeclaration>(uid: string, change: KeyedStateChange<S>): this {
    const { timestamp } = this.#existing(uid).metadata;
    const changes = this.#changes.get(uid) ?? [];
    this.#changes.set(uid, changes);
    changes.push((where, bytes, maxParallelism) => {
      const backend = backendOf(where, maxParallelism, timestamp);
      backend.restore(where.keyGroup, bytes);
      const handles = handlesOf(backend, change.state);
      const registered = timersByKey(decodeKeyGroup(bytes, where, maxParallelism));
      const written = writtenTimers(backend);
      for (const key of keysOf(backend, change.state, registered)) {
        backend.setCurrentKey(key);
        const timers = registered.get(canonicalKey(key))?.timers ?? { eventTime: [], processingTime: [] };
        change.process({ key, state: handles, timers: { ...written, ...timers } });
      }
      return encoded(backend).find(({ keyGroup }) => keyGroup === where.keyGroup)?.bytes;
    });
    return this;
  }

  /** Leaves an operator out. Throws SAVEPOINT_OPERATOR_UNKNOWN. */
  removeOperator(uid: string): this {
    this.#existing(uid);
    this.#removed.add(uid);
    return this;
  }

  /** Gives the state of an operator to another uid. Throws SAVEPOINT_OPERATOR_UNKNOWN. */
  changeOperatorIdentifier(from: string, to: string): this {
    this.#existing(from);
    this.#renamed.set(from, to);
    return this;
  }

  /**
   * Writes the savepoint into a directory of its own in `folder`, as a job does, and says where. Throws
   * SAVEPOINT_EDIT_INVALID, STATE_IN_FLIGHT, and what reading the original throws; then nothing is left behind.
   */
  async write(folder: string): Promise<{ readonly path: string }> {
    this.#checkUids();
    const { env, base, jobName } = this.#parts;
    const jobId = base?.metadata.jobId ?? sha256Hex(jobName).slice(0, 32);
    const storage = new SavepointStorage(env, { jobId, attempt: 1 });
    const directory = await storage.claim(locationOf(folder));
    try {
      const metadata = await this.#writeInto(directory, jobId);
      const outcome = await storage.publish(directory, metadata);
      if (outcome.kind !== 'published') throw outcome.error;
      return { path: directory };
    } catch (error) {
      await storage.abandon(directory); // SW-2
      throw error;
    }
  }

  #add(uid: string): Added {
    const added = this.#added.get(uid) ?? { keyed: undefined, sections: [], broadcast: [] };
    this.#added.set(uid, added);
    return added;
  }

  #existing(uid: string): StoredSnapshot {
    const { base } = this.#parts;
    if (base === undefined) throw invalid(`there is no operator "${uid}" in a new savepoint`);
    base.operator(uid);
    return base;
  }

  #checkUids(): void {
    const kept = (this.#parts.base?.operators() ?? []).flatMap(({ uid }) => this.#uidOf(uid) ?? []);
    const uids = [...kept, ...this.#added.keys()];
    const twice = uids.find((uid, index) => uids.indexOf(uid) !== index);
    if (twice !== undefined)
      throw invalid(`there would be two operators with the uid "${twice}": remove or rename one first`);
  }

  /** What an operator is called from now on; `undefined` when it is left out. */
  #uidOf(uid: string): string | undefined {
    return this.#removed.has(uid) ? undefined : (this.#renamed.get(uid) ?? uid);
  }

  async #writeInto(directory: string, jobId: string): Promise<CheckpointMetadata> {
    const { env, base, jobName } = this.#parts;
    const vertices: VertexMetadata[] = [];
    for (const [index, vertex] of (base?.metadata.vertices ?? []).entries()) {
      const copied = await this.#copyVertex(directory, index, vertex);
      if (copied !== undefined) vertices.push(copied);
    }
    for (const [uid, added] of this.#added) vertices.push(await this.#writeAdded(directory, uid, added));
    return {
      format: 'millrace-checkpoint',
      version: 1,
      jobId,
      jobName,
      checkpointId: base?.metadata.checkpointId ?? 1,
      kind: 'savepoint',
      timestamp: env.clock.now(),
      attempt: 1,
      fingerprint: base?.metadata.fingerprint ?? '',
      vertices,
      // Edges are for records in flight, which are not there (SW-4).
      edges: [],
      enumerators: this.#enumerators(),
    };
  }

  #enumerators(): Record<string, unknown> {
    const before = Object.entries(this.#parts.base?.metadata.enumerators ?? {});
    return Object.fromEntries(
      before.flatMap(([uid, state]) => {
        const now = this.#uidOf(uid);
        return now === undefined ? [] : [[now, state]];
      }),
    );
  }

  async #copyVertex(
    directory: string,
    index: number,
    vertex: VertexMetadata,
  ): Promise<VertexMetadata | undefined> {
    const operators = vertex.operators.flatMap((operator) => {
      const uid = this.#uidOf(operator.uid);
      if (uid === undefined) return [];
      const isRenamed = uid !== operator.uid;
      return [isRenamed ? { ...operator, uid, id: operatorId(uid), explicitUid: true } : operator];
    });
    if (operators.length === 0) return undefined;
    const subtasks: StoredState[] = [];
    for (let subtask = 0; subtask < vertex.parallelism; subtask++) {
      const snapshot = await this.#parts.base!.subtask(index, subtask);
      if (snapshot.inputs.length + snapshot.outputs.length > 0) throw inFlight(vertex.name);
      const changed = snapshot.operators.flatMap((operator) => this.#changed(operator, vertex));
      const name = subtaskStateName(vertex.id, subtask, ATTEMPT);
      subtasks.push(await this.#store(directory, name, { ...snapshot, operators: changed }));
    }
    return { ...vertex, operators, subtasks };
  }

  #changed(operator: OperatorSnapshot, { maxParallelism }: VertexMetadata): OperatorSnapshot[] {
    const uid = this.#uidOf(operator.uid);
    if (uid === undefined) return [];
    const changes = this.#changes.get(operator.uid) ?? [];
    const keyGroups = operator.keyGroups.flatMap(({ keyGroup, bytes: before }) => {
      const where = { operatorUid: operator.uid, keyGroup };
      const bytes = changes.reduce<Uint8Array | undefined>(
        (found, change) => (found === undefined ? undefined : change(where, found, maxParallelism)),
        before,
      );
      return bytes === undefined ? [] : [{ keyGroup, bytes }];
    });
    return [{ ...operator, uid, keyGroups }];
  }

  async #writeAdded(directory: string, uid: string, added: Added): Promise<VertexMetadata> {
    const { maxParallelism, parallelism } = this.#parts;
    const keyGroups = await this.#keyGroupsOf(uid, added);
    const dealtSections = added.sections.map((deal) => deal(parallelism));
    const id = operatorId(uid);
    const subtasks: StoredState[] = [];
    for (let subtask = 0; subtask < parallelism; subtask++) {
      const { start, end } = keyGroupRange(subtask, parallelism, maxParallelism);
      const operator: OperatorSnapshot = {
        uid,
        sections: [...dealtSections.flatMap((sections) => sections[subtask] ?? []), ...broadcastOf(added)],
        keyGroups: keyGroups.filter(({ keyGroup }) => keyGroup >= start && keyGroup <= end),
      };
      const snapshot = { ended: false, operators: [operator], inputs: [], outputs: [] };
      subtasks.push(await this.#store(directory, subtaskStateName(id, subtask, ATTEMPT), snapshot));
    }
    const operators = [{ uid, explicitUid: true, id, name: uid, keyed: added.keyed !== undefined }];
    return { id, name: uid, parallelism, maxParallelism, operators, subtasks };
  }

  async #keyGroupsOf(operatorUid: string, { keyed }: Added): Promise<OperatorSnapshot['keyGroups']> {
    if (keyed === undefined) return [];
    const { env, maxParallelism } = this.#parts;
    const backend = new MemoryStateBackend({
      keyGroupRange: keyGroupRange(0, 1, maxParallelism),
      maxParallelism,
      freezeValues: true,
      operatorUid,
      now: () => env.clock.now(),
    });
    await keyed(backend);
    return encoded(backend);
  }

  #store(directory: string, name: string, snapshot: SubtaskSnapshot): Promise<StoredState> {
    const bytes = encodeSubtaskSnapshot(snapshot);
    return writeStateFile(storesOf(this.#parts.env), {
      directory,
      name,
      bytes,
      inlineThresholdBytes: INLINE_BYTES,
    });
  }
}

function encoded(backend: MemoryStateBackend): { readonly keyGroup: number; readonly bytes: Uint8Array }[] {
  backend.clearCurrentKey();
  const frozen = backend.freeze();
  const keyGroups = frozen.keyGroups().map((keyGroup) => ({ keyGroup, bytes: frozen.encode(keyGroup) }));
  frozen.release();
  return keyGroups;
}

/** Evenly dealt, in order; what everyone gets is with the first. */
function dealt(sections: readonly OperatorStateSection[], parallelism: number): OperatorStateSection[][] {
  return Array.from({ length: parallelism }, (_, subtask) =>
    sections.map(({ name, redistribution, items }) => {
      if (redistribution === 'union') return { name, redistribution, items: subtask === 0 ? items : [] };
      const from = Math.floor((items.length * subtask) / parallelism);
      const to = Math.floor((items.length * (subtask + 1)) / parallelism);
      return { name, redistribution, items: items.slice(from, to) };
    }),
  );
}

function broadcastOf({ broadcast }: Added): OperatorStateSection[] {
  if (broadcast.length === 0) return [];
  return [{ name: BROADCAST_SECTION, redistribution: 'broadcast', items: broadcast }];
}

function writtenTimers({ timers }: MemoryStateBackend): WrittenTimers {
  return {
    registerEventTime: (time) => timers.register('event', time),
    registerProcessingTime: (time) => timers.register('processing', time),
    deleteEventTime: (time) => timers.delete('event', time),
    deleteProcessingTime: (time) => timers.delete('processing', time),
  };
}

function invalid(what: string): MillraceError {
  return new MillraceError('SAVEPOINT_EDIT_INVALID', what);
}

function inFlight(vertex: string): MillraceError {
  return new MillraceError(
    'STATE_IN_FLIGHT',
    `the checkpoint holds records in flight to or from "${vertex}", and a savepoint holds none`,
    { remedy: 'Continue the job from it and take a savepoint, or take an aligned checkpoint.' },
  );
}
