/** The rolling aggregates as reductions; what each keeps of other fields is Flink's. */

import type { ReduceFunction } from './reduce.ts';

/** What has an order: compared with `<`. */
export type Ordered = number | string | bigint;

/** The names of the fields of `T` whose values are of type `V`. */
export type FieldOf<T, V> = { [Name in keyof T]-?: T[Name] extends V ? Name : never }[keyof T] & string;

/** The sum of a field; the other fields are those of the first record of the key. */
export function sumOf<T>(field: FieldOf<T, number | bigint>): ReduceFunction<T> {
  return (reduced, value) => withField(reduced, field, add(reduced[field], value[field]));
}

/** The least value of a field; the other fields are those of the first record of the key. */
export function minOf<T>(field: FieldOf<T, Ordered>): ReduceFunction<T> {
  return (reduced, value) =>
    value[field] < reduced[field] ? withField(reduced, field, value[field]) : reduced;
}

/** The greatest value of a field; the other fields are those of the first record of the key. */
export function maxOf<T>(field: FieldOf<T, Ordered>): ReduceFunction<T> {
  return (reduced, value) =>
    value[field] > reduced[field] ? withField(reduced, field, value[field]) : reduced;
}

/** Which of several records with the same extreme value is kept. */
export type Ties = 'first' | 'last';

/** The whole record with the least value of a field. */
export function minByOf<T>(field: FieldOf<T, Ordered>, ties: Ties): ReduceFunction<T> {
  return (reduced, value) => {
    const isBetter = ties === 'first' ? value[field] < reduced[field] : value[field] <= reduced[field];
    return isBetter ? value : reduced;
  };
}

/** The whole record with the greatest value of a field. */
export function maxByOf<T>(field: FieldOf<T, Ordered>, ties: Ties): ReduceFunction<T> {
  return (reduced, value) => {
    const isBetter = ties === 'first' ? value[field] > reduced[field] : value[field] >= reduced[field];
    return isBetter ? value : reduced;
  };
}

function withField<T, F extends keyof T>(record: T, field: F, value: unknown): T {
  return { ...record, [field]: value };
}

// Both are numbers or both are bigints: the type of the field says so.
function add(left: unknown, right: unknown): unknown {
  return (left as number) + (right as number);
}
