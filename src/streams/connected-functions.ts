/** What is handed to the operators of connected streams: functions together with the options of their operator. */

import { type Duration, parseDuration } from '../base/duration.ts';
import type { Key } from '../base/key-groups.ts';
import type { PoisonPolicy } from '../graph/job-graph.ts';
import type {
  BroadcastProcessFunction,
  KeyedBroadcastProcessFunction,
} from '../operators/broadcast-process.ts';
import type { CoFlatMapFunction } from '../operators/co-flat-map.ts';
import type { CoMapFunction } from '../operators/co-map.ts';
import type { CoProcessFunction, KeyedCoProcessFunction } from '../operators/co-process.ts';
import type { ProcessJoinFunction } from '../operators/interval-join.ts';
import type { Results } from '../operators/results.ts';
import type { OperatorOptions, StatefulOptions } from './options.ts';

type KindOfKey<K> = K extends string
  ? 'string'
  : K extends number
    ? 'number'
    : K extends bigint
      ? 'bigint'
      : K extends boolean
        ? 'boolean'
        : 'tuple';

/** Nothing to add when keys of both types can be equal; else a type that says why they never are. */
export type KeysThatMeet<K, Other> = [KindOfKey<K>, KindOfKey<Other>] extends [KindOfKey<Other>, KindOfKey<K>]
  ? unknown
  : 'keys of different types are never equal';

/** All keys that can be equal to one of type `K`. */
export type KeysLike<K> = K extends string
  ? string
  : K extends number
    ? number
    : K extends bigint
      ? bigint
      : K extends boolean
        ? boolean
        : readonly Key[];

/** The functions of `map` on connected streams, with the options of the operator. */
export type CoMap<A, B, R1, R2, E extends PoisonPolicy> = CoMapFunction<A, B, R1, R2> & OperatorOptions<E>;

/** The functions of `flatMap` on connected streams, with the options of the operator. */
export type CoFlatMap<
  A,
  B,
  R1 extends Results,
  R2 extends Results,
  E extends PoisonPolicy,
> = CoFlatMapFunction<A, B, R1, R2> & OperatorOptions<E>;

/** A process function for connected streams without a key, with the options of its operator. */
export type CoProcess<
  A,
  B,
  O,
  L,
  R1 extends Results,
  R2 extends Results,
  E extends PoisonPolicy,
> = CoProcessFunction<A, B, O, L, R1, R2> &
  OperatorOptions<E> & {
    readonly state?: 'keyed state needs keyBy() first';
    readonly onTimer?: 'timers need keyBy() first';
  };

/** A process function for connected streams with a key, with the options of its operator. */
export type KeyedCoProcess<
  A,
  B,
  K,
  S,
  O,
  L,
  R1 extends Results,
  R2 extends Results,
  Fired extends Results,
  E extends PoisonPolicy,
> = KeyedCoProcessFunction<A, B, K, S, O, L, R1, R2, Fired> & StatefulOptions<E>;

/** A process function beside a broadcast stream, with the options of its operator. */
export type BroadcastProcess<
  A,
  B,
  D,
  O,
  L,
  R1 extends Results,
  R2 extends Results,
  E extends PoisonPolicy,
> = BroadcastProcessFunction<A, B, D, O, L, R1, R2> &
  StatefulOptions<E> & {
    readonly state?: 'keyed state needs keyBy() first';
    readonly onTimer?: 'timers need keyBy() first';
  };

/** A process function of a keyed stream beside a broadcast stream, with the options of its operator. */
export type KeyedBroadcastProcess<
  A,
  B,
  K,
  S,
  D,
  O,
  L,
  R1 extends Results,
  R2 extends Results,
  Fired extends Results,
  E extends PoisonPolicy,
> = KeyedBroadcastProcessFunction<A, B, K, S, D, O, L, R1, R2, Fired> & StatefulOptions<E>;

/** A function for the pairs of an interval join, with the options of its operator. */
export type ProcessJoin<A, B, O, L, R extends Results, E extends PoisonPolicy> = ProcessJoinFunction<
  A,
  B,
  O,
  L,
  R
> &
  StatefulOptions<E>;

/** A distance in time, which may be negative: milliseconds (`-500`), or a text such as `'-5 s'` or `'10 min'`. */
export type SignedDuration = Duration;

/** The milliseconds of a signed duration; `what` names it in the error. */
export function signedDurationMs(value: SignedDuration, what: string): number {
  if (typeof value === 'number') return value < 0 ? -parseDuration(-value, what) : parseDuration(value, what);
  const text = value.trimStart();
  return text.startsWith('-') ? 0 - parseDuration(text.slice(1), what) : parseDuration(text, what);
}
