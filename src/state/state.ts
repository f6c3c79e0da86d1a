/** How a keyed function declares its state; public as the namespace `state`. */

import type { Codec } from '../codecs/codec.ts';
import { deepFreeze } from '../base/freeze.ts';
import type {
  AggregateFunction,
  AggregatingDescriptor,
  ListDescriptor,
  MapDescriptor,
  ReducingDescriptor,
  ValueDescriptor,
} from './descriptors.ts';
import { type StateTtl, ttlRules } from './ttl.ts';

/** How the values of a state become bytes (the generic codec when nothing is said), and how long they live. */
export interface StateOptions<T> {
  readonly codec?: Codec<T>;
  /** When values expire; without it they stay until they are cleared. Items of a list and entries of a map expire one by one. */
  readonly ttl?: StateTtl;
}

/** How the keys and values of a map state become bytes; the generic codec when nothing is said. */
export interface MapStateOptions<K, V> extends StateOptions<V> {
  readonly keyCodec?: Codec<K>;
}

/**
 * Declares one value per key, which is `initial` until the first `update` and after `clear`.
 *
 * `initial` is shared by all keys and frozen: what `value()` returns must not be changed, only `update` stores.
 *
 * @example
 * ```ts
 * const declared = {
 *   count: state.value(0),
 *   phase: state.value<'idle' | 'busy'>('idle'),
 * };
 * ```
 */
export function value<T>(initial: T, options: StateOptions<T> = {}): ValueDescriptor<T> {
  return Object.freeze({ ...checked(options), kind: 'value' as const, initial: deepFreeze(initial) });
}

/**
 * Declares a list per key, in insertion order.
 *
 * @example
 * ```ts
 * const declared = { lastOrders: state.list<{ item: string; price: number }>() };
 * ```
 */
export function list<T>(options: StateOptions<T> = {}): ListDescriptor<T> {
  return Object.freeze({ ...checked(options), kind: 'list' as const });
}

/**
 * Declares a map per key. Keys that are objects or arrays are compared by what is in them.
 *
 * @example
 * ```ts
 * const declared = { visitsByPage: state.map<string, number>() };
 * ```
 */
export function map<K, V>(options: MapStateOptions<K, V> = {}): MapDescriptor<K, V> {
  return Object.freeze({ ...checked(options), kind: 'map' as const });
}

/**
 * Declares one value per key into which each added value is reduced; the first one is stored as it is.
 *
 * @example
 * ```ts
 * const declared = { highest: state.reducing((left: number, right: number) => Math.max(left, right)) };
 * ```
 */
export function reducing<T>(
  reduce: (accumulated: T, value: T) => T,
  options: StateOptions<T> = {},
): ReducingDescriptor<T> {
  return Object.freeze({ ...checked(options), kind: 'reducing' as const, reduce });
}

/**
 * Declares one accumulator per key; what is added, kept and read may have three types.
 *
 * @example
 * ```ts
 * const declared = {
 *   average: state.aggregating({
 *     createAccumulator: () => ({ sum: 0, count: 0 }),
 *     add: (value: number, { sum, count }) => ({ sum: sum + value, count: count + 1 }),
 *     result: ({ sum, count }) => sum / count,
 *   }),
 * };
 * ```
 */
export function aggregating<In, Acc, Out>(
  aggregate: AggregateFunction<In, Acc, Out>,
  options: StateOptions<Acc> = {},
): AggregatingDescriptor<In, Acc, Out> {
  return Object.freeze({ ...checked(options), kind: 'aggregating' as const, aggregate });
}

/** Bad rules are refused where they are written. */
function checked<O extends { readonly ttl?: StateTtl }>(options: O): O {
  if (options.ttl !== undefined) ttlRules(options.ttl);
  return options;
}
