/**
 * Keyed state in memory: one per keyed operator and subtask, used by one thread.
 *
 * Owns the key groups of its range and the timers in them. Called by the operator (through handles), by the
 * chain (current key, undo) and by the task (freeze, restore).
 *
 * B1 Nothing outside the range is held or touched (I-K1).
 * B2 At most one snapshot is unreleased; what it gives is the state at `freeze` (F1 of snapshot.ts).
 * B3 What was restored is held, fired or written again, whether or not anybody declares it.
 * B4 Between `beginUndo` and `rollback` every change is taken back exactly; no snapshot is taken in between.
 */

import { assert } from '../../base/assert.ts';
import { MillraceError } from '../../base/errors.ts';
import {
  checkKey,
  type Key,
  type KeyGroupRange,
  keyGroupOf,
  keyGroupOfHash,
  keyHash,
} from '../../base/key-groups.ts';
import type { FrozenKeyedState, KeyedStateBackend, NumberEncoder, StateScope } from '../backend.ts';
import type { StateDescriptor, StateHandle } from '../descriptors.ts';
import type { HeldChange, HeldState } from '../held-state.ts';
import { MemoryBudget } from '../memory-budget.ts';
import type { OwnEntry, OwnKeyedState, OwnPlaces } from '../own-state.ts';
import { canonicalKey } from './canonical-key.ts';
import {
  MemoryAggregatingState,
  MemoryListState,
  MemoryMapState,
  MemoryReducingState,
  MemoryValueState,
} from './handles.ts';
import { layoutOf } from './declared-layout.ts';
import { KeyContext } from './key-context.ts';
import { changeHeld, heldState, type InspectedState } from './key-inspection.ts';
import { KeyDirectory } from './key-directory.ts';
import { decodeKeyGroup } from './key-group-bytes.ts';
import { IdleEntries } from './idle-entries.ts';
import { isAbsent, type KeyEntry, KeyGroupState } from './key-group-state.ts';
import { KeysAhead } from './keys-ahead.ts';
import { MemoryNumberState } from './number-state.ts';
import { type OwnedState, OwnRows, restoredValue } from './own-rows.ts';
import { MemorySnapshot } from './snapshot.ts';
import { keyOf, namespaceOf } from './scoped-key.ts';
import type { StateLayout } from './state-layout.ts';
import { StateTable } from './state-table.ts';
import { TableMemory } from './table-memory.ts';
import { TtlSweep } from './ttl-cleanup.ts';
import { TtlAccess, ttlHandleOf } from './ttl-handles.ts';
import { MemoryTimers } from './timers.ts';
import { UndoJournal } from './undo-journal.ts';

/** What a backend must know. */
export interface MemoryStateBackendOptions {
  /** Both inclusive. */
  readonly keyGroupRange: KeyGroupRange;
  readonly maxParallelism: number;
  /** Tests: stored values are frozen, so that code that changes them fails where it does. */
  readonly freezeValues: boolean;
  /** For messages. */
  readonly operatorUid: string;
  /** That of the slot; by default one of its own. */
  readonly memory?: MemoryBudget | undefined;
  /** ms since the epoch: the time by which state with a time to live expires. */
  readonly now: () => number;
  /** Entries of keys that hold nothing any more and are kept for a while; tests keep few. */
  readonly idleEntriesMax?: number;
}

/** Keys that a processor has near it, about. */
const NEAR_MAX = 65_536;
/** How many keys there are is looked at once in so many batches. */
const BATCHES_PER_COUNT = 16;

interface DeclaredState extends InspectedState {
  readonly scope: StateScope;
}

/** The keyed state of one operator of one subtask, in memory. */
export class MemoryStateBackend implements KeyedStateBackend {
  readonly timers: MemoryTimers;
  gainsFromBatches = false;
  readonly #options: MemoryStateBackendOptions;
  readonly #directory = new KeyDirectory<KeyEntry>();
  readonly #context: KeyContext;
  readonly #idle: IdleEntries;
  readonly #memory: TableMemory;
  /** By key group minus start of the range; a hole holds nothing. */
  readonly #groups: (KeyGroupState | undefined)[];
  readonly #states = new Map<string, DeclaredState>();
  readonly #layouts: StateLayout[] = [];
  readonly #ahead: KeysAhead;
  readonly #groupOf = (keyGroup: number): KeyGroupState | undefined => this.#group(keyGroup);
  /** Those that ask for memory ahead. */
  readonly #numbers: MemoryNumberState<unknown>[] = [];
  /** Clean-ups that take a step for each record. */
  readonly #sweeps: TtlSweep[] = [];
  #snapshot: MemorySnapshot | undefined = undefined;
  #isInUse = false;
  #batches = 0;
  #own: OwnedState | undefined = undefined;

  constructor(options: MemoryStateBackendOptions) {
    const { start, end } = options.keyGroupRange;
    this.#options = options;
    this.#memory = new TableMemory(options.memory ?? new MemoryBudget());
    this.#context = new KeyContext(options.operatorUid, this.#directory);
    this.#ahead = new KeysAhead(this.#directory);
    this.#idle = new IdleEntries(this.#context, options.idleEntriesMax);
    this.#groups = new Array<KeyGroupState | undefined>(Math.max(0, end - start + 1)).fill(undefined);
    this.timers = new MemoryTimers(this.#context);
  }

  /** Hot path: runs once per record; a repeated key costs a comparison. */
  setCurrentKey(key: Key): void {
    if (this.#sweeps.length > 0) for (const sweep of this.#sweeps) sweep.step();
    const checked = typeof key === 'string' ? key : checkKey(key);
    const context = this.#context;
    if (checked === context.scoped) return;
    const hash = keyHash(checked);
    const canonical = canonicalKey(checked);
    // Whoever has an entry is of the own range, and the entry knows the key group.
    const row = this.#directory.find(canonical, hash);
    if (row < 0) return this.#setNewKey(checked, canonical, hash);
    this.#isInUse = true;
    context.setFound(checked, canonical, hash, row);
  }

  prepareKeys(keys: readonly Key[]): void {
    const { maxParallelism } = this.#options;
    const ahead = this.#ahead;
    // What was prepared before is gone.
    this.#context.ahead = -1;
    if (this.#own !== undefined) {
      // Its entries are found by the key alone: few of these keys become current.
      ahead.keys = keys;
      return;
    }
    if (this.#batches++ % BATCHES_PER_COUNT === 0) this.gainsFromBatches = this.size() > NEAR_MAX;
    ahead.prepare(keys, maxParallelism, this.#groupOf);
    for (const state of this.#numbers) state.prepare(ahead);
  }

  /** Hot path: runs once per record; a repeated key costs a comparison. */
  setPreparedKey(index: number): void {
    if (this.#own !== undefined) return this.setCurrentKey(this.#ahead.keys[index]!);
    if (this.#sweeps.length > 0) for (const sweep of this.#sweeps) sweep.step();
    const ahead = this.#ahead;
    const key = ahead.keys[index]!;
    const context = this.#context;
    if (key === context.scoped) return;
    const group = ahead.groups[index];
    if (group === undefined) throw this.#outOfRange(key);
    this.#isInUse = true;
    context.setAhead(index, ahead, group);
  }

  currentKey(): Key {
    this.#context.requireGroup();
    return this.#context.key!;
  }

  clearCurrentKey(): void {
    this.#context.clear();
  }

  setCurrentNamespace(namespace: Key): void {
    this.#context.setNamespace(namespace);
  }

  currentNamespace(): Key | undefined {
    this.#context.requireGroup();
    return namespaceOf(this.#context.scoped!);
  }

  state<D extends StateDescriptor>(name: string, descriptor: D, scope: StateScope = 'key'): StateHandle<D> {
    const declared = this.#states.get(name) ?? this.#declare(name, descriptor, scope);
    const { kind } = declared.table.layout;
    if (kind !== descriptor.kind) {
      throw new MillraceError(
        'STATE_TYPE_CHANGED',
        `state "${name}" of operator ${this.#options.operatorUid} is declared as ${descriptor.kind} and as ${kind}`,
        { where: { uid: this.#options.operatorUid } },
      );
    }
    return declared.handle as StateHandle<D>;
  }

  own<E extends OwnEntry>(state: OwnKeyedState<E>): void {
    assert(this.#own === undefined, 'an operator keeps one state in a form of its own');
    assert(!this.#isInUse, 'it is taken on before the first record');
    const declared = state.states.map(({ name, descriptor }) => this.#declare(name, descriptor, 'namespace'));
    this.#own = { state, layouts: declared.map(({ table }) => table.layout) };
    state.start(new MemoryPlaces(this.#options.freezeValues, (key) => this.#placeOf(key)));
    for (const group of this.#groups) {
      if (group === undefined) continue;
      for (const [index, { table }] of declared.entries()) {
        for (const { key, value } of table.takeOut(group)) {
          const owner = { key: keyOf(key), namespace: namespaceOf(key), place: group };
          state.restoreValue(index, owner, restoredValue(table.layout, value));
        }
      }
    }
    this.timers.attach(state, this.#groups);
  }

  keysOf(name: string): readonly Key[] {
    const table = this.#states.get(name)?.table;
    assert(table !== undefined, 'a state is declared before its keys are asked for');
    const keys: Key[] = [];
    for (const group of this.#groups) {
      if (group === undefined) continue;
      table.bind(group);
      for (const entry of group.entries.values()) {
        if (!isAbsent(table.heldBy(entry))) keys.push(keyOf(entry.key));
      }
      table.numbersOf(group)?.visit((key) => keys.push(key));
    }
    return keys;
  }

  held(key: Key): readonly HeldState[] {
    this.setCurrentKey(key);
    const found = [...this.#states.values()].filter(({ scope }) => scope === 'key').map(heldState);
    this.clearCurrentKey();
    return found;
  }

  change(key: Key, change: HeldChange): void {
    const { operatorUid } = this.#options;
    const declared = this.#states.get(change.state);
    if (declared === undefined || declared.scope !== 'key' || change.state.startsWith('$')) {
      throw new MillraceError(
        'STATE_CHANGE_REFUSED',
        `operator ${operatorUid} declares no state "${change.state}" of its keys`,
        { where: { uid: operatorUid } },
      );
    }
    this.setCurrentKey(key);
    try {
      changeHeld(declared, change, operatorUid);
    } finally {
      this.clearCurrentKey();
    }
  }

  freeze(encoder?: NumberEncoder): FrozenKeyedState {
    assert(this.#snapshot === undefined, 'B2: a snapshot is released before the next one is taken');
    assert(this.#context.journal === undefined, 'B4: no snapshot is taken within a record');
    const own = this.#own;
    this.#snapshot = new MemorySnapshot({
      groups: this.#groups.filter((group) => group !== undefined && !group.isEmpty()) as KeyGroupState[],
      writing: {
        operatorUid: this.#options.operatorUid,
        layouts: this.#layouts.slice(),
        ownRows: own === undefined ? undefined : (group) => new OwnRows(own, group),
        read: (group, section) => this.#states.get(section.name)!.table.read(group, section),
        frozenAt: this.#options.now(),
      },
      encoder,
      memory: this.#memory,
      onRelease: () => {
        this.#snapshot = undefined;
      },
    });
    return this.#snapshot;
  }

  restore(keyGroup: number, bytes: Uint8Array): void {
    assert(!this.#isInUse, 'state is restored before the first record');
    const group = this.#group(keyGroup);
    assert(group !== undefined, 'B1: only key groups of the own range are restored');
    assert(group.isEmpty(), 'a key group is restored once');
    const where = { operatorUid: this.#options.operatorUid, keyGroup };
    const restored = decodeKeyGroup(bytes, where, this.#options.maxParallelism);
    for (const section of restored.sections) {
      this.#states.get(section.name)?.table.checkRestored(section);
      group.restored.set(section.name, section);
    }
    for (const { time, key } of restored.eventTimers) this.timers.restore('event', time, key, group);
    for (const { time, key } of restored.processingTimers)
      this.timers.restore('processing', time, key, group);
  }

  beginUndo(): void {
    assert(this.#context.journal === undefined, 'one record at a time can be undone');
    this.#context.journal = new UndoJournal();
  }

  commit(): void {
    assert(this.#context.journal !== undefined, 'commit follows beginUndo');
    this.#context.journal = undefined;
    this.#idle.settle();
  }

  rollback(): void {
    const { journal } = this.#context;
    assert(journal !== undefined, 'rollback follows beginUndo');
    try {
      journal.rollback();
    } finally {
      // Not before: no entry that a step gives something back to is forgotten meanwhile (I1 of idle-entries.ts).
      this.#context.journal = undefined;
      this.#context.forgetEntries();
      this.#idle.settle();
    }
  }

  size(): number {
    let size = 0;
    for (const group of this.#groups) size += group?.size() ?? 0;
    return size;
  }

  #placeOf(key: Key): KeyGroupState {
    const group = this.#group(keyGroupOf(key, this.#options.maxParallelism));
    if (group === undefined) throw this.#outOfRange(key);
    this.#isInUse = true;
    return group;
  }

  /** A key without an entry. */
  #setNewKey(key: Key, canonical: unknown, hash: number): void {
    const group = this.#group(keyGroupOfHash(hash, this.#options.maxParallelism));
    if (group === undefined) throw this.#outOfRange(key);
    this.#isInUse = true;
    this.#context.set(key, canonical, hash, group);
  }

  /** `undefined` outside the range (B1). */
  #group(keyGroup: number): KeyGroupState | undefined {
    const index = keyGroup - this.#options.keyGroupRange.start;
    if (index < 0 || index >= this.#groups.length) return undefined;
    let group = this.#groups[index];
    if (group === undefined) {
      group = new KeyGroupState(keyGroup, this.#directory, this.#idle);
      this.#groups[index] = group;
    }
    return group;
  }

  #declare(name: string, descriptor: StateDescriptor, scope: StateScope): DeclaredState {
    const layout = layoutOf(name, descriptor);
    const { maxParallelism, freezeValues, now } = this.#options;
    const index = this.#layouts.length;
    const table = new StateTable({
      layout,
      index,
      context: this.#context,
      maxParallelism,
      freezeValues,
      scope,
      packsNumbers:
        descriptor.kind === 'value' &&
        typeof descriptor.initial === 'number' &&
        scope === 'key' &&
        layout.ttl === undefined,
      memory: this.#memory,
      now,
    });
    for (const group of this.#groups) {
      const section = group?.restored.get(name);
      if (section !== undefined) table.checkRestored(section);
    }
    const declared = { descriptor, scope, table, handle: this.#handleOf(descriptor, table) };
    this.#layouts.push(layout);
    if (declared.handle instanceof MemoryNumberState) this.#numbers.push(declared.handle);
    this.#states.set(name, declared);
    return declared;
  }

  #handleOf(descriptor: StateDescriptor, table: StateTable): unknown {
    const { ttl: rules } = table.layout;
    if (rules === undefined) return handleOf(descriptor, table, this.#context);
    const { now } = this.#options;
    const parts = { groups: this.#groups, table, rules, now };
    const sweep = rules.sweptEntries > 0 ? new TtlSweep(parts) : undefined;
    if (sweep !== undefined && rules.sweepsEveryRecord) this.#sweeps.push(sweep);
    return ttlHandleOf(descriptor, table, new TtlAccess(rules, now, sweep));
  }

  #outOfRange(key: Key): MillraceError {
    const { keyGroupRange, maxParallelism, operatorUid } = this.#options;
    const keyGroup = keyGroupOf(key, maxParallelism);
    return new MillraceError(
      'KEY_GROUP_OUT_OF_RANGE',
      `operator ${operatorUid} got the key ${String(key)} of key group ${keyGroup}, but owns ` +
        `${keyGroupRange.start} to ${keyGroupRange.end}`,
      { where: { uid: operatorUid } },
    );
  }
}

/** E1 and E2 of own-state.ts. */
class MemoryPlaces<E extends OwnEntry> implements OwnPlaces<E> {
  readonly freezesValues: boolean;
  readonly placeOf: (key: Key) => KeyGroupState;

  constructor(freezesValues: boolean, placeOf: (key: Key) => KeyGroupState) {
    this.freezesValues = freezesValues;
    this.placeOf = placeOf;
  }

  add(entry: E): void {
    const group = entry.place as KeyGroupState;
    group.beforeChange();
    entry.position = group.own.length;
    group.own.push(entry);
  }

  remove(entry: E): void {
    const group = entry.place as KeyGroupState;
    group.beforeChange();
    const last = group.own.pop()!;
    if (last === entry) return;
    group.own[entry.position] = last;
    last.position = entry.position;
  }
}

function handleOf(descriptor: StateDescriptor, table: StateTable, context: KeyContext): unknown {
  switch (descriptor.kind) {
    case 'value':
      if (table.packsNumbers) return new MemoryNumberState(table, context, descriptor.initial);
      return new MemoryValueState(table, descriptor.initial);
    case 'list':
      return new MemoryListState(table);
    case 'map':
      return new MemoryMapState(table);
    case 'reducing':
      return new MemoryReducingState(table, descriptor.reduce);
    case 'aggregating':
      return new MemoryAggregatingState(table, descriptor.aggregate);
  }
}
