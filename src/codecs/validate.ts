/**
 * Checks a value against a described type.
 *
 * What comes back has own data properties in the order of the description; fields that are not described are left out.
 * A value that is so already comes back as it is, without a copy.
 */

import type { SchemaIssue, SchemaResult } from './standard-schema.ts';
import { describeShape, type FieldShape, type TypeShape } from './type-shape.ts';

/** More issues of one value say nothing new. */
const ISSUES_MAX = 8;
/** It also stops a value that contains itself. */
const DEPTH_MAX = 256;

type Path = readonly PropertyKey[];

/** The value, or what is wrong with it. */
export function validate<T>(shape: TypeShape, value: unknown): SchemaResult<T> {
  const issues: SchemaIssue[] = [];
  const found = check(shape, value, [], issues);
  return issues.length > 0 ? { issues } : { value: found as T };
}

function check(shape: TypeShape, value: unknown, path: Path, issues: SchemaIssue[]): unknown {
  if (path.length > DEPTH_MAX) return refuse(`is nested deeper than ${DEPTH_MAX} levels`, path, issues);
  switch (shape.kind) {
    case 'object':
      return checkObject(shape, value, path, issues);
    case 'array':
      if (!Array.isArray(value)) return mismatch(shape, value, path, issues);
      return checkItems(value, () => shape.item, path, issues);
    case 'tuple':
      if (!Array.isArray(value) || value.length !== shape.items.length)
        return mismatch(shape, value, path, issues);
      return checkItems(value, (index) => shape.items[index]!, path, issues);
    case 'map':
      return checkMap(shape, value, path, issues);
    case 'union':
      return checkUnion(shape, value, path, issues);
    default:
      return isScalar(shape.kind, value) ? value : mismatch(shape, value, path, issues);
  }
}

/** True when the value is of the type without parts. */
export function isScalar(kind: TypeShape['kind'], value: unknown): boolean {
  switch (kind) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'bigint':
      return typeof value === kind;
    case 'int32':
      return typeof value === 'number' && (value | 0) === value && !Object.is(value, -0);
    case 'int64':
      return Number.isSafeInteger(value) && !Object.is(value, -0);
    case 'date':
      return value instanceof Date;
    case 'bytes':
      return value instanceof Uint8Array;
    case 'null':
      return value === null;
    default:
      return kind === 'unknown';
  }
}

function checkObject(
  shape: Extract<TypeShape, { kind: 'object' }>,
  value: unknown,
  path: Path,
  issues: SchemaIssue[],
): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return mismatch(shape, value, path, issues);
  const given = value as Record<string, unknown>;
  const object: Record<string, unknown> = {};
  let same = Object.getPrototypeOf(value) === Object.prototype;
  for (const field of shape.fields) {
    if (!isPresent(field, given)) continue;
    const found = given[field.name];
    const checked =
      field.optional && found === undefined
        ? undefined
        : check(field.type, found, [...path, field.name], issues);
    object[field.name] = checked;
    same &&= Object.is(checked, found);
  }
  return same && haveSameKeys(object, given) ? value : object;
}

function isPresent(field: FieldShape, given: object): boolean {
  return !field.optional || Object.hasOwn(given, field.name);
}

function haveSameKeys(one: object, other: object): boolean {
  const keys = Object.keys(other);
  return (
    Object.keys(one).every((key, index) => key === keys[index]) && keys.length === Object.keys(one).length
  );
}

function checkItems(
  value: readonly unknown[],
  typeOf: (index: number) => TypeShape,
  path: Path,
  issues: SchemaIssue[],
): unknown {
  const items: unknown[] = [];
  let same = true;
  for (let index = 0; index < value.length; index++) {
    const checked = check(typeOf(index), value[index], [...path, index], issues);
    same &&= Object.is(checked, value[index]);
    items.push(checked);
  }
  return same ? value : items;
}

function checkMap(
  shape: Extract<TypeShape, { kind: 'map' }>,
  value: unknown,
  path: Path,
  issues: SchemaIssue[],
): unknown {
  if (!(value instanceof Map)) return mismatch(shape, value, path, issues);
  const map = new Map<unknown, unknown>();
  let index = 0;
  for (const [key, item] of value as Map<unknown, unknown>) {
    const at = [...path, `entry(${index++})`];
    map.set(check(shape.key, key, at, issues), check(shape.value, item, at, issues));
  }
  return map;
}

function checkUnion(
  shape: Extract<TypeShape, { kind: 'union' }>,
  value: unknown,
  path: Path,
  issues: SchemaIssue[],
): unknown {
  let closest: SchemaIssue[] | undefined;
  for (const option of shape.options) {
    const own: SchemaIssue[] = [];
    const checked = check(option, value, path, own);
    if (own.length === 0) return checked;
    // An option that fits outside and not inside is what was meant.
    if (own.some((issue) => issue.path!.length > path.length)) closest ??= own;
  }
  if (closest === undefined) return mismatch(shape, value, path, issues);
  issues.push(...closest.slice(0, ISSUES_MAX - issues.length));
  return undefined;
}

function mismatch(shape: TypeShape, value: unknown, path: Path, issues: SchemaIssue[]): undefined {
  return refuse(`${describeValue(value)}, expected ${describeShape(shape)}`, path, issues);
}

function refuse(message: string, path: Path, issues: SchemaIssue[]): undefined {
  if (issues.length < ISSUES_MAX) issues.push({ message, path });
}

function describeValue(value: unknown): string {
  if (value === undefined) return 'is missing';
  if (value === null) return 'is null';
  if (typeof value === 'number') return `is ${Object.is(value, -0) ? '-0' : value}`;
  if (Array.isArray(value)) return `is an array of ${value.length}`;
  if (typeof value === 'object') return 'is an object';
  return `is a ${typeof value}`;
}
