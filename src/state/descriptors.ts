/** What a user declares about a piece of keyed state; the record key of the declaration is its name. */

import type { Codec } from '../codecs/codec.ts';
import type { StateTtl } from './ttl.ts';

/** One value per key, with a declared default. */
export interface ValueDescriptor<T> {
  readonly kind: 'value';
  readonly initial: T;
  readonly codec?: Codec<T>;
  readonly ttl?: StateTtl;
}

/** An append-only list per key. */
export interface ListDescriptor<T> {
  readonly kind: 'list';
  readonly codec?: Codec<T>;
  readonly ttl?: StateTtl;
}

/** A map per key. */
export interface MapDescriptor<K, V> {
  readonly kind: 'map';
  readonly keyCodec?: Codec<K>;
  readonly codec?: Codec<V>;
  readonly ttl?: StateTtl;
}

/** One value per key into which each added value is reduced. */
export interface ReducingDescriptor<T> {
  readonly kind: 'reducing';
  /** Returns a new value; must change neither argument. */
  readonly reduce: (accumulated: T, value: T) => T;
  readonly codec?: Codec<T>;
  readonly ttl?: StateTtl;
}

/** Flink's AggregateFunction. */
export interface AggregateFunction<In, Acc, Out> {
  createAccumulator(): Acc;
  /** Returns the accumulator after `value`; may change `accumulator` in place and return it. */
  add(value: In, accumulator: Acc): Acc;
  result(accumulator: Acc): Out;
  /**
   * Returns the accumulator of what both hold, and changes neither. In which order accumulators are merged is not
   * specified. Session windows need it; sliding windows that are allowed to share what they have in common use it.
   */
  merge?(left: Acc, right: Acc): Acc;
  /**
   * Returns the accumulator of what `whole` holds besides `part`, and changes neither: `subtract(merge(a, b), a)` is `b`.
   * Makes sliding windows cheaper still. Only where that is exact: for counts and whole numbers, not for fractions.
   */
  subtract?(whole: Acc, part: Acc): Acc;
}

/** One accumulator per key into which each added value is aggregated. */
export interface AggregatingDescriptor<In, Acc, Out> {
  readonly kind: 'aggregating';
  readonly aggregate: AggregateFunction<In, Acc, Out>;
  readonly codec?: Codec<Acc>;
  readonly ttl?: StateTtl;
}

// biome-ignore lint/suspicious/noExplicitAny: the types of a declaration stand in parameters and in results, so that no other type holds all declarations
type Anything = any;

/** Any declaration. */
export type StateDescriptor =
  | ValueDescriptor<Anything>
  | ListDescriptor<Anything>
  | MapDescriptor<Anything, Anything>
  | ReducingDescriptor<Anything>
  | AggregatingDescriptor<Anything, Anything, Anything>;

/** One value of the current key. What `value` returns must not be changed; only `update` stores. */
export interface ValueState<T> {
  value(): T;
  /** Stores `value`; `undefined` and `null` behave as `clear`. */
  update(value: T): void;
  clear(): void;
}

/** The list of the current key, in insertion order. */
export interface ListState<T> {
  /** The items as of now: later changes of the list do not show in it. */
  get(): readonly T[];
  add(value: T): void;
  addAll(values: Iterable<T>): void;
  update(values: Iterable<T>): void;
  clear(): void;
}

/** The map of the current key; iteration order is not specified. */
export interface MapState<K, V> {
  get(key: K): V | undefined;
  has(key: K): boolean;
  set(key: K, value: V): void;
  delete(key: K): void;
  entries(): IterableIterator<[K, V]>;
  keys(): IterableIterator<K>;
  values(): IterableIterator<V>;
  isEmpty(): boolean;
  clear(): void;
}

/** The reduced value of the current key. */
export interface ReducingState<T> {
  get(): T | undefined;
  add(value: T): void;
  clear(): void;
}

/** The aggregate of the current key. */
export interface AggregatingState<In, Out> {
  get(): Out | undefined;
  add(value: In): void;
  clear(): void;
}

/** The handle that a declaration gives to a function. */
export type StateHandle<D> =
  D extends ValueDescriptor<infer T>
    ? ValueState<T>
    : D extends ListDescriptor<infer T>
      ? ListState<T>
      : D extends MapDescriptor<infer K, infer V>
        ? MapState<K, V>
        : D extends ReducingDescriptor<infer T>
          ? ReducingState<T>
          : D extends AggregatingDescriptor<infer In, Anything, infer Out>
            ? AggregatingState<In, Out>
            : never;

/** The handles of a whole declaration. */
export type StateHandles<S> = { readonly [Name in keyof S]: StateHandle<S[Name]> };
