/** The handles of the five kinds of state: what a function sees of the state of the current key. */

import { BinaryReader, BinaryWriter } from '../../codecs/binary.ts';
import { deepFreeze } from '../../base/freeze.ts';
import type {
  AggregateFunction,
  AggregatingState,
  ListState,
  MapState,
  ReducingState,
  ValueState,
} from '../descriptors.ts';
import { isAbsent } from './key-group-state.ts';
import { ListBuffer } from './list-buffer.ts';
import { canonicalMapKey, type MapBuffer } from './map-buffer.ts';
import type { StateTable } from './state-table.ts';
import type { UndoJournal } from './undo-journal.ts';

const EMPTY_LIST: readonly never[] = Object.freeze([]);

/** One value. Hot path: neither call allocates for a key that has a value. */
export class MemoryValueState<T> implements ValueState<T> {
  readonly #table: StateTable;
  readonly #initial: T;

  constructor(table: StateTable, initial: T) {
    this.#table = table;
    this.#initial = table.freezeValues ? deepFreeze(initial) : initial;
  }

  value(): T {
    const held = this.#table.held();
    return isAbsent(held) ? this.#initial : (held as T);
  }

  update(value: T): void {
    if (value === undefined || value === null) this.#table.remove();
    else this.#table.store(value);
  }

  clear(): void {
    this.#table.remove();
  }
}

/** A list. */
export class MemoryListState<T> implements ListState<T> {
  readonly #table: StateTable;

  constructor(table: StateTable) {
    this.#table = table;
  }

  get(): readonly T[] {
    const held = this.#table.held();
    if (isAbsent(held)) return EMPTY_LIST;
    return (held as ListBuffer).read(this.#table.freezeValues) as readonly T[];
  }

  add(value: T): void {
    const held = this.#table.held();
    const journal = this.#table.change();
    if (this.#table.freezeValues) deepFreeze(value);
    if (isAbsent(held)) this.#table.storeMutable(new ListBuffer([value]));
    else push(held as ListBuffer, [value], journal);
  }

  addAll(values: Iterable<T>): void {
    // Taken first: the values may come from code that throws, or that uses this very state.
    const added = [...values];
    if (added.length === 0) return;
    const held = this.#table.held();
    const journal = this.#table.change();
    if (this.#table.freezeValues) added.forEach(deepFreeze);
    if (isAbsent(held)) this.#table.storeMutable(new ListBuffer(added));
    else push(held as ListBuffer, added, journal);
  }

  update(values: Iterable<T>): void {
    const items = [...values];
    if (this.#table.freezeValues) items.forEach(deepFreeze);
    if (items.length === 0) this.#table.remove();
    else this.#table.storeMutable(new ListBuffer(items));
  }

  clear(): void {
    this.#table.remove();
  }
}

/** A map. A key without entries holds nothing. */
export class MemoryMapState<K, V> implements MapState<K, V> {
  readonly #table: StateTable;

  constructor(table: StateTable) {
    this.#table = table;
  }

  get(key: K): V | undefined {
    return this.#map()?.get(this.#canonical(key)) as V | undefined;
  }

  has(key: K): boolean {
    return this.#map()?.has(this.#canonical(key)) ?? false;
  }

  // Hot path: the entry of the key is asked for once.
  set(key: K, value: V): void {
    const table = this.#table;
    const canonical = this.#canonical(key);
    if (table.freezeValues) {
      deepFreeze(key);
      deepFreeze(value);
    }
    const held = table.heldForChange();
    if (isAbsent(held)) return this.#create(canonical, key, value);
    const map = held as MapBuffer;
    const { journal } = table;
    if (journal !== undefined) journal.add(undoEntry(map, canonical));
    map.set(canonical, key, value);
  }

  delete(key: K): void {
    const map = this.#map();
    if (map === undefined) return;
    const canonical = this.#canonical(key);
    const journal = this.#table.change();
    if (journal !== undefined && map.has(canonical)) journal.add(undoEntry(map, canonical));
    if (map.delete(canonical) && map.size === 0) this.#table.removeMap(map);
  }

  entries(): IterableIterator<[K, V]> {
    return (this.#map()?.entries() ?? [].values()) as IterableIterator<[K, V]>;
  }

  keys(): IterableIterator<K> {
    return (this.#map()?.keys() ?? [].values()) as IterableIterator<K>;
  }

  values(): IterableIterator<V> {
    return (this.#map()?.values() ?? [].values()) as IterableIterator<V>;
  }

  isEmpty(): boolean {
    return this.#map() === undefined;
  }

  clear(): void {
    this.#table.remove();
  }

  #map(): MapBuffer | undefined {
    const held = this.#table.held();
    return isAbsent(held) ? undefined : (held as MapBuffer);
  }

  #create(canonical: unknown, key: K, value: V): void {
    const map = this.#table.newMap();
    map.set(canonical, key, value);
    this.#table.storeMutable(map);
  }

  #canonical(key: K): unknown {
    return canonicalMapKey(key, this.#table.layout.keyCodec);
  }
}

/** One reduced value. */
export class MemoryReducingState<T> implements ReducingState<T> {
  readonly #table: StateTable;
  readonly #reduce: (accumulated: T, value: T) => T;

  constructor(table: StateTable, reduce: (accumulated: T, value: T) => T) {
    this.#table = table;
    this.#reduce = reduce;
  }

  get(): T | undefined {
    const held = this.#table.held();
    return isAbsent(held) ? undefined : (held as T);
  }

  add(value: T): void {
    const held = this.#table.held();
    // Before the function runs: one that changes its argument, which it must not, at least harms no snapshot.
    this.#table.change();
    this.#table.store(isAbsent(held) ? value : this.#reduce(held as T, value));
  }

  clear(): void {
    this.#table.remove();
  }
}

/** One accumulator, which the function may change in place: so it is copied before, not after. */
export class MemoryAggregatingState<In, Acc, Out> implements AggregatingState<In, Out> {
  readonly #table: StateTable;
  readonly #aggregate: AggregateFunction<In, Acc, Out>;

  constructor(table: StateTable, aggregate: AggregateFunction<In, Acc, Out>) {
    this.#table = table;
    this.#aggregate = aggregate;
  }

  get(): Out | undefined {
    const held = this.#table.held();
    return isAbsent(held) ? undefined : this.#aggregate.result(held as Acc);
  }

  add(value: In): void {
    const held = this.#table.held();
    const journal = this.#table.change();
    if (!isAbsent(held) && journal !== undefined) this.#keep(held, journal);
    const before = isAbsent(held) ? this.#aggregate.createAccumulator() : (held as Acc);
    this.#table.storeMutable(this.#aggregate.add(value, before));
  }

  clear(): void {
    this.#table.remove();
  }

  // Only a copy by its codec is sure to share nothing with the accumulator.
  #keep(held: unknown, journal: UndoJournal): void {
    const { codec } = this.#table.layout;
    this.#table.keepOnce(journal, () => {
      const out = new BinaryWriter();
      codec.encode(held, out);
      return () => codec.decode(new BinaryReader(out.peek()));
    });
  }
}

function push(list: ListBuffer, values: readonly unknown[], journal: UndoJournal | undefined): void {
  if (journal !== undefined) {
    const mark = list.mark();
    journal.add(() => list.backTo(mark));
  }
  for (const value of values) list.push(value);
}

function undoEntry(map: MapBuffer, canonical: unknown): () => void {
  if (!map.has(canonical)) return () => map.delete(canonical);
  const key = map.original(canonical);
  const value = map.get(canonical);
  return () => map.set(canonical, key, value);
}
