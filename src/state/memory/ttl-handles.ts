/**
 * The handles of states with a time to live: each stores its values with the time of their last update, by way of the
 * handles without one.
 *
 * L1 What has expired is as if it had been cleared, and a read that finds it removes it. With
 *    `return-expired-if-not-cleaned-up` that read still gives it, and what is added is added to it.
 * L2 Every item of a list and every entry of a map lives on its own; a read in `on-read-and-write` renews what it gives.
 * L3 A read may write. It passes the same handles as any write, and with them the waiting snapshot and the journal.
 */

import type {
  AggregateFunction,
  AggregatingState,
  ListState,
  MapState,
  ReducingState,
  StateDescriptor,
  ValueState,
} from '../descriptors.ts';
import { hasExpired, type TtlRules } from '../ttl.ts';
import { MemoryAggregatingState, MemoryListState, MemoryMapState, MemoryValueState } from './handles.ts';
import { Stamped } from './stamped.ts';
import type { StateTable } from './state-table.ts';
import type { TtlSweep } from './ttl-cleanup.ts';

/** What the handles of one state share. */
export class TtlAccess {
  readonly rules: TtlRules;
  readonly #now: () => number;
  readonly #sweep: TtlSweep | undefined;

  constructor(rules: TtlRules, now: () => number, sweep: TtlSweep | undefined) {
    this.rules = rules;
    this.#now = now;
    this.#sweep = sweep;
  }

  /** At the begin of each use: cleans up a little, and tells the time. */
  begin(): number {
    this.#sweep?.step();
    return this.#now();
  }

  isOver({ time }: Stamped<unknown>, now: number): boolean {
    return hasExpired(this.rules, time, now);
  }

  /** Whether a read may give it, or an addition build on it (L1). */
  isVisible(stamped: Stamped<unknown>, now: number): boolean {
    return this.rules.returnsExpired || !this.isOver(stamped, now);
  }
}

/** The handle of a declared state with a time to live. */
export function ttlHandleOf(descriptor: StateDescriptor, table: StateTable, access: TtlAccess): unknown {
  switch (descriptor.kind) {
    case 'value':
      return new TtlValueState(table, descriptor.initial, access);
    case 'list':
      return new TtlListState(table, access);
    case 'map':
      return new TtlMapState(table, access);
    case 'reducing':
      return new TtlReducingState(table, descriptor.reduce, access);
    case 'aggregating':
      return new TtlAggregatingState(table, descriptor.aggregate, access);
  }
}

/** One stamped value, as value and reducing state read it. */
class StampedValue<T> {
  readonly #table: StateTable;
  readonly #stored: ValueState<Stamped<T> | undefined>;
  readonly #access: TtlAccess;

  constructor(table: StateTable, access: TtlAccess) {
    this.#table = table;
    this.#stored = new MemoryValueState<Stamped<T> | undefined>(table, undefined);
    this.#access = access;
  }

  /** What a read gives; `undefined`: nothing. */
  read(): Stamped<T> | undefined {
    const now = this.#access.begin();
    const stamped = this.#stored.value();
    if (stamped === undefined) return undefined;
    if (this.#access.isOver(stamped, now)) this.#stored.update(undefined);
    else if (this.#access.rules.refreshesOnRead) this.#stored.update(new Stamped(stamped.value, now));
    return this.#access.isVisible(stamped, now) ? stamped : undefined;
  }

  /** Stores what `next` makes of what is there; it may change its argument, as far as the snapshot is concerned. */
  replace(next: (stamped: Stamped<T> | undefined) => T): void {
    const now = this.#access.begin();
    const stamped = this.#stored.value();
    this.#table.change();
    const isKept = stamped !== undefined && this.#access.isVisible(stamped, now);
    this.#stored.update(new Stamped(next(isKept ? stamped : undefined), now));
  }

  clear(): void {
    this.#access.begin();
    this.#stored.clear();
  }
}

class TtlValueState<T> implements ValueState<T> {
  readonly #stored: StampedValue<T>;
  readonly #initial: T;

  constructor(table: StateTable, initial: T, access: TtlAccess) {
    this.#stored = new StampedValue(table, access);
    this.#initial = initial;
  }

  value(): T {
    const stamped = this.#stored.read();
    return stamped === undefined ? this.#initial : stamped.value;
  }

  update(value: T): void {
    if (value === undefined || value === null) this.#stored.clear();
    else this.#stored.replace(() => value);
  }

  clear(): void {
    this.#stored.clear();
  }
}

class TtlReducingState<T> implements ReducingState<T> {
  readonly #stored: StampedValue<T>;
  readonly #reduce: (accumulated: T, value: T) => T;

  constructor(table: StateTable, reduce: (accumulated: T, value: T) => T, access: TtlAccess) {
    this.#stored = new StampedValue(table, access);
    this.#reduce = reduce;
  }

  get(): T | undefined {
    return this.#stored.read()?.value;
  }

  add(value: T): void {
    this.#stored.replace((stamped) => (stamped === undefined ? value : this.#reduce(stamped.value, value)));
  }

  clear(): void {
    this.#stored.clear();
  }
}

/** Added to an aggregate, it renews the accumulator and changes nothing in it. */
const RENEWAL = Symbol('renewal');

class TtlAggregatingState<In, Acc, Out> implements AggregatingState<In, Out> {
  readonly #stored: AggregatingState<In | typeof RENEWAL, Stamped<Acc>>;
  readonly #aggregate: AggregateFunction<In, Acc, Out>;
  readonly #access: TtlAccess;
  /** Of the use at hand. */
  #now = 0;

  constructor(table: StateTable, aggregate: AggregateFunction<In, Acc, Out>, access: TtlAccess) {
    this.#aggregate = aggregate;
    this.#access = access;
    this.#stored = new MemoryAggregatingState<In | typeof RENEWAL, Stamped<Acc>, Stamped<Acc>>(table, {
      createAccumulator: () => new Stamped(aggregate.createAccumulator(), this.#now),
      add: (value, stamped) => new Stamped(this.#added(value, stamped), this.#now),
      result: (stamped) => stamped,
    });
  }

  #added(value: In | typeof RENEWAL, stamped: Stamped<Acc>): Acc {
    if (value === RENEWAL) return stamped.value;
    const isKept = this.#access.isVisible(stamped, this.#now);
    return this.#aggregate.add(value, isKept ? stamped.value : this.#aggregate.createAccumulator());
  }

  get(): Out | undefined {
    this.#now = this.#access.begin();
    const stamped = this.#stored.get();
    if (stamped === undefined) return undefined;
    const result = this.#access.isVisible(stamped, this.#now)
      ? this.#aggregate.result(stamped.value)
      : undefined;
    if (this.#access.isOver(stamped, this.#now)) this.#stored.clear();
    else if (this.#access.rules.refreshesOnRead) this.#stored.add(RENEWAL);
    return result;
  }

  add(value: In): void {
    this.#now = this.#access.begin();
    this.#stored.add(value);
  }

  clear(): void {
    this.#access.begin();
    this.#stored.clear();
  }
}

class TtlListState<T> implements ListState<T> {
  readonly #stored: ListState<Stamped<T>>;
  readonly #access: TtlAccess;
  readonly #freezes: boolean;

  constructor(table: StateTable, access: TtlAccess) {
    this.#stored = new MemoryListState<Stamped<T>>(table);
    this.#access = access;
    this.#freezes = table.freezeValues;
  }

  get(): readonly T[] {
    const { rules } = this.#access;
    const now = this.#access.begin();
    const stored = this.#stored.get();
    const live = stored.filter((stamped) => !this.#access.isOver(stamped, now));
    if (rules.refreshesOnRead && live.length > 0) {
      this.#stored.update(live.map(({ value }) => new Stamped(value, now)));
    } else if (live.length < stored.length) this.#stored.update(live);
    const values = (rules.returnsExpired ? stored : live).map(({ value }) => value);
    return this.#freezes ? Object.freeze(values) : values;
  }

  add(value: T): void {
    this.#stored.add(new Stamped(value, this.#access.begin()));
  }

  addAll(values: Iterable<T>): void {
    const added = [...values];
    const now = this.#access.begin();
    this.#stored.addAll(added.map((value) => new Stamped(value, now)));
  }

  update(values: Iterable<T>): void {
    const items = [...values];
    const now = this.#access.begin();
    this.#stored.update(items.map((value) => new Stamped(value, now)));
  }

  clear(): void {
    this.#access.begin();
    this.#stored.clear();
  }
}

class TtlMapState<K, V> implements MapState<K, V> {
  readonly #stored: MapState<K, Stamped<V>>;
  readonly #access: TtlAccess;

  constructor(table: StateTable, access: TtlAccess) {
    this.#stored = new MemoryMapState<K, Stamped<V>>(table);
    this.#access = access;
  }

  get(key: K): V | undefined {
    const now = this.#access.begin();
    return this.#read(key, this.#stored.get(key), now)?.value;
  }

  has(key: K): boolean {
    const now = this.#access.begin();
    return this.#read(key, this.#stored.get(key), now) !== undefined;
  }

  set(key: K, value: V): void {
    this.#stored.set(key, new Stamped(value, this.#access.begin()));
  }

  delete(key: K): void {
    this.#access.begin();
    this.#stored.delete(key);
  }

  /** As of now, unlike the entries of a map without a time to live: reading one may remove or renew it. */
  entries(): IterableIterator<[K, V]> {
    return this.#visible().values();
  }

  keys(): IterableIterator<K> {
    return this.#visible()
      .map(([key]) => key)
      .values();
  }

  values(): IterableIterator<V> {
    return this.#visible()
      .map(([, value]) => value)
      .values();
  }

  isEmpty(): boolean {
    const now = this.#access.begin();
    for (const stamped of this.#stored.values()) if (this.#access.isVisible(stamped, now)) return false;
    return true;
  }

  clear(): void {
    this.#access.begin();
    this.#stored.clear();
  }

  #visible(): [K, V][] {
    const now = this.#access.begin();
    const visible: [K, V][] = [];
    for (const [key, stamped] of [...this.#stored.entries()]) {
      if (this.#read(key, stamped, now) !== undefined) visible.push([key, stamped.value]);
    }
    return visible;
  }

  #read(key: K, stamped: Stamped<V> | undefined, now: number): Stamped<V> | undefined {
    if (stamped === undefined) return undefined;
    if (this.#access.isOver(stamped, now)) this.#stored.delete(key);
    else if (this.#access.rules.refreshesOnRead) this.#stored.set(key, new Stamped(stamped.value, now));
    return this.#access.isVisible(stamped, now) ? stamped : undefined;
  }
}
