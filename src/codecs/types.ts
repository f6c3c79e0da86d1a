/**
 * Small descriptions of types: what records consist of, said once, for TypeScript, for validation and for the codecs.
 *
 * A description is frozen, is a Standard Schema, and carries its {@link TypeShape}.
 */

import { MillraceError } from '../base/errors.ts';
import type { SchemaResult, StandardSchema } from './standard-schema.ts';
import { type FieldShape, isFieldName, type ScalarKind, type TypeShape } from './type-shape.ts';
import { validate } from './validate.ts';

/** A described type; made by {@link t}. Any library that takes a Standard Schema takes it. */
export interface DataType<T> extends StandardSchema<T, T> {
  /** The description as plain JSON. */
  readonly shape: TypeShape;
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: 'millrace';
    readonly validate: (value: unknown) => SchemaResult<T>;
    readonly types?: { readonly input: T; readonly output: T } | undefined;
  };
}

/** A field that may be absent; made by `t.optional`, used in `t.object`. */
export interface OptionalField<T> {
  readonly optional: DataType<T>;
}

/**
 * The TypeScript type of a description.
 *
 * ```ts
 * const Login = t.object({ user: t.string, at: t.int64 });
 * const login: TypeOf<typeof Login> = { user: 'ada', at: 0 };
 * console.log(Object.keys(login));
 * ```
 */
export type TypeOf<D> =
  D extends OptionalField<infer T> ? T | undefined : D extends DataType<infer T> ? T : never;

// biome-ignore lint/suspicious/noExplicitAny: a description of any type; `unknown` would not take all of them
type AnyType = DataType<any>;
// biome-ignore lint/suspicious/noExplicitAny: as above
type AnyField = AnyType | OptionalField<any>;
type Fields = Readonly<Record<string, AnyField>>;

type OptionalNames<F extends Fields> = {
  // biome-ignore lint/suspicious/noExplicitAny: any optional field
  [Name in keyof F]: F[Name] extends OptionalField<any> ? Name : never;
}[keyof F];

/** The type of an object with these fields. */
export type ObjectOf<F extends Fields> = {
  [Name in keyof (Omit<F, OptionalNames<F>> & { [Each in OptionalNames<F>]?: unknown })]: TypeOf<F[Name]>;
} extends infer Whole
  ? Whole
  : never;

function describe<T>(shape: TypeShape): DataType<T> {
  return Object.freeze({
    shape: Object.freeze(shape),
    '~standard': Object.freeze({
      version: 1 as const,
      vendor: 'millrace' as const,
      validate: (value: unknown) => validate<T>(shape, value),
    }),
  });
}

function scalar<T>(kind: ScalarKind): DataType<T> {
  return describe<T>({ kind });
}

function object<const F extends Fields>(fields: F): DataType<ObjectOf<F>> {
  const described = Object.entries(fields).map(([name, field]): FieldShape => {
    if (!isFieldName(name)) throw invalidName(name);
    const optional = 'optional' in field;
    return Object.freeze({ name, type: (optional ? field.optional : field).shape, optional });
  });
  if (Object.hasOwn(fields, '__proto__')) throw invalidName('__proto__');
  return describe({ kind: 'object', fields: Object.freeze(described) });
}

function invalidName(name: string): MillraceError {
  return new MillraceError(
    'TYPE_INVALID',
    `a described object has a field "${name}": whole numbers, and names that every object inherits, cannot be fields`,
  );
}

function union<const Options extends readonly AnyType[]>(
  ...options: Options
): DataType<TypeOf<Options[number]>> {
  if (options.length < 2) throw new MillraceError('TYPE_INVALID', 't.union() of fewer than two types');
  return describe({ kind: 'union', options: options.map(({ shape }) => shape) });
}

/**
 * Describes types. `int32` and `int64` are whole numbers (`int64` up to 2^53 - 1, as numbers have it; beyond it is
 * `bigint`), `-0` is none; `date` is a `Date`, `bytes` a `Uint8Array`, `unknown` whatever the generic codec takes.
 * Throws `TYPE_INVALID` for a description that cannot be.
 *
 * ```ts
 * const Login = t.object({
 *   user: t.string,
 *   at: t.int64,
 *   tags: t.array(t.string),
 *   device: t.nullable(t.object({ name: t.string, seen: t.date })),
 *   note: t.optional(t.string),
 * });
 * type Login = TypeOf<typeof Login>;
 * const login: Login = { user: 'ada', at: 1_700_000_000_000, tags: [], device: null };
 * console.log(Login['~standard'].validate(login).issues);
 * ```
 */
export const t = Object.freeze({
  string: scalar<string>('string'),
  number: scalar<number>('number'),
  int32: scalar<number>('int32'),
  int64: scalar<number>('int64'),
  boolean: scalar<boolean>('boolean'),
  bigint: scalar<bigint>('bigint'),
  date: scalar<Date>('date'),
  bytes: scalar<Uint8Array>('bytes'),
  null: scalar<null>('null'),
  unknown: scalar<unknown>('unknown'),
  object,
  union,
  array: <T>(item: DataType<T>): DataType<T[]> => describe({ kind: 'array', item: item.shape }),
  tuple: <const Items extends readonly AnyType[]>(
    ...items: Items
  ): DataType<{ -readonly [Index in keyof Items]: TypeOf<Items[Index]> }> =>
    describe({ kind: 'tuple', items: items.map(({ shape }) => shape) }),
  map: <K, V>(key: DataType<K>, value: DataType<V>): DataType<Map<K, V>> =>
    describe({ kind: 'map', key: key.shape, value: value.shape }),
  nullable: <T>(type: DataType<T>): DataType<T | null> =>
    describe({ kind: 'union', options: [type.shape, { kind: 'null' }] }),
  optional: <T>(type: DataType<T>): OptionalField<T> => Object.freeze({ optional: type }),
});
