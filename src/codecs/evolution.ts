/**
 * Reads rows of an older description as rows of the one that is declared now, where that is safe.
 *
 * ```
 * safe        a field that was removed, that has another place, that became optional, or that is new and optional
 *             a field that is new, or was optional, and has a default; a field that was renamed and says so
 *             int32 -> int64 -> number; T -> T | U; anything -> unknown; within arrays, tuples, maps and unions too
 * not safe    everything else: the difference is told in words
 * ```
 *
 * A path is the names of fields with dots between them; arrays, maps and unions add nothing to it: `device.name`.
 */

import { MillraceError } from '../base/errors.ts';
import { BinaryReader, BinaryWriter } from './binary.ts';
import { Mismatch, PRESENT, readRow, UNDEFINED, writeRow } from './row-format.ts';
import { describeShape, type FieldShape, type TypeShape } from './type-shape.ts';

/** What is declared about rows that were written by an older description. */
export interface TypeEvolution {
  /** By path: what a field has in rows that have no such field. */
  readonly defaults?: Readonly<Record<string, unknown>>;
  /** By path: what the field was called before. */
  readonly renamed?: Readonly<Record<string, string>>;
}

/** Reads one value of the older description as one of the declared type. */
export type RowReader = (from: BinaryReader) => unknown;

type ObjectShape = Extract<TypeShape, { kind: 'object' }>;

/** Makes readers of older rows. Throws TYPE_INVALID for defaults and names that do not fit the declared type. */
export class RowEvolution {
  readonly #declared: TypeShape;
  readonly #defaults = new Map<string, Uint8Array>();
  readonly #renamed: ReadonlyMap<string, string>;

  constructor(declared: TypeShape, { defaults = {}, renamed = {} }: TypeEvolution) {
    this.#declared = declared;
    this.#renamed = new Map(Object.entries(renamed));
    const fields = new Map<string, TypeShape>();
    collectFields(declared, '', fields);
    for (const path of [...Object.keys(defaults), ...this.#renamed.keys()]) {
      if (!fields.has(path))
        throw invalid(`its evolution is about a field '${path}', which it does not have`);
    }
    for (const [path, value] of Object.entries(defaults)) {
      this.#defaults.set(path, encodeDefault(path, fields.get(path)!, value));
    }
  }

  /** The reader of rows that `stored` describes, or every difference that is not safe. */
  readerOf(stored: TypeShape): RowReader | readonly string[] {
    const differences: string[] = [];
    const reader = this.#reader(stored, this.#declared, '', differences);
    return differences.length === 0 ? reader : differences;
  }

  #reader(stored: TypeShape, declared: TypeShape, path: string, differences: string[]): RowReader {
    if (declared.kind === 'unknown') return (from) => readRow(stored, from);
    if (stored.kind === 'union') return this.#unionReader(stored.options, declared, path, differences);
    if (declared.kind === 'union') return this.#intoUnion(stored, declared, path, differences);
    if (stored.kind === 'object' && declared.kind === 'object')
      return this.#objectReader(stored, declared, path, differences);
    if (stored.kind === 'array' && declared.kind === 'array') {
      const item = this.#reader(stored.item, declared.item, path, differences);
      return (from) => readTimes(from.length(), () => item(from));
    }
    if (stored.kind === 'map' && declared.kind === 'map') {
      const key = this.#reader(stored.key, declared.key, path, differences);
      const value = this.#reader(stored.value, declared.value, path, differences);
      return (from) => new Map(readTimes(from.length(), () => [key(from), value(from)] as const));
    }
    if (
      stored.kind === 'tuple' &&
      declared.kind === 'tuple' &&
      stored.items.length === declared.items.length
    ) {
      if (stored.items.length === 0) return (from) => readRow(stored, from);
      const items = stored.items.map((item, at) =>
        this.#reader(item, declared.items[at]!, path, differences),
      );
      return (from) => items.map((item) => item(from));
    }
    if (!isWidened(stored, declared)) differences.push(differs(path, stored, declared));
    return (from) => readRow(stored, from);
  }

  /** Each option that was possible must fit. */
  #unionReader(
    options: readonly TypeShape[],
    declared: TypeShape,
    path: string,
    differences: string[],
  ): RowReader {
    const readers = options.map((option) => this.#reader(option, declared, path, differences));
    return (from) => {
      const index = from.u8();
      const reader = readers[index];
      if (reader === undefined) throw from.corrupt(`a union has no option ${index}`, from.position - 1);
      return reader(from);
    };
  }

  /** The first option that takes it as it is, else the first one that it can become. */
  #intoUnion(
    stored: TypeShape,
    declared: Extract<TypeShape, { kind: 'union' }>,
    path: string,
    differences: string[],
  ): RowReader {
    const same = JSON.stringify(stored);
    if (declared.options.some((option) => JSON.stringify(option) === same))
      return (from) => readRow(stored, from);
    for (const option of declared.options) {
      const found: string[] = [];
      const reader = this.#reader(stored, option, path, found);
      if (found.length === 0) return reader;
    }
    differences.push(differs(path, stored, declared));
    return (from) => readRow(stored, from);
  }

  #objectReader(stored: ObjectShape, declared: ObjectShape, path: string, differences: string[]): RowReader {
    const targets = declared.fields.map((field) => this.#target(field, stored, path, differences));
    const bySource = new Map(targets.map((target) => [target.source, target]));
    return (from) => {
      const found = new Map<string, unknown>();
      if (stored.fields.length === 0) readRow(stored, from);
      for (const { name, type, optional } of stored.fields) {
        const presence = optional ? from.u8() : PRESENT;
        if (presence > UNDEFINED)
          throw from.corrupt(`the presence of a field is ${presence}`, from.position - 1);
        const read = bySource.get(name)?.read;
        if (presence === PRESENT) found.set(name, read === undefined ? readRow(type, from) : read(from));
        else if (presence === UNDEFINED) found.set(name, undefined);
      }
      const object: Record<string, unknown> = {};
      for (const { name, source, wasOptional, isOptional, initial } of targets) {
        const value = found.get(source);
        const isMissing = !found.has(source) || (wasOptional && value === undefined);
        if (isMissing && initial !== undefined) object[name] = initial();
        else if (!isOptional || found.has(source)) object[name] = value;
      }
      return object;
    };
  }

  /** Where a field comes from. */
  #target(field: FieldShape, stored: ObjectShape, path: string, differences: string[]): Target {
    const own = path === '' ? field.name : `${path}.${field.name}`;
    const renamed = this.#renamed.get(own);
    const isThere = (name: string): boolean => stored.fields.some((each) => each.name === name);
    // A state that was written after the renaming has the new name.
    const source = renamed !== undefined && !isThere(field.name) ? renamed : field.name;
    const before = stored.fields.find((each) => each.name === source);
    const bytes = this.#defaults.get(own);
    const initial = bytes === undefined ? undefined : () => readRow(field.type, new BinaryReader(bytes));
    const isMissing = before === undefined || before.optional;
    if (isMissing && !field.optional && initial === undefined) {
      const what = before === undefined ? 'is new' : 'was optional';
      differences.push(`${own} ${what}, is not optional and has no default (${describeShape(field.type)})`);
    }
    const read = before && this.#reader(before.type, field.type, own, differences);
    // An optional field that was absent stays so.
    const fills = before === undefined || !field.optional;
    return {
      name: field.name,
      source,
      read,
      wasOptional: before?.optional === true,
      isOptional: field.optional,
      initial: fills ? initial : undefined,
    };
  }
}

interface Target {
  readonly name: string;
  /** Its name in the stored row. */
  readonly source: string;
  readonly read: RowReader | undefined;
  readonly wasOptional: boolean;
  readonly isOptional: boolean;
  /** Makes the default, where one is to be filled in. */
  readonly initial: (() => unknown) | undefined;
}

const WIDENED: Readonly<Record<string, readonly string[]>> = {
  int32: ['int64', 'number'],
  int64: ['number'],
};

function isWidened(stored: TypeShape, declared: TypeShape): boolean {
  const isScalar = stored.kind !== 'tuple' && stored.kind !== 'object';
  return (
    (stored.kind === declared.kind && isScalar) || (WIDENED[stored.kind]?.includes(declared.kind) ?? false)
  );
}

function differs(path: string, stored: TypeShape, declared: TypeShape): string {
  const where = path === '' ? 'the value' : path;
  return `${where} was ${describeShape(stored)} and is ${describeShape(declared)}`;
}

function readTimes<T>(count: number, read: () => T): T[] {
  const items: T[] = [];
  for (let index = 0; index < count; index++) items.push(read());
  return items;
}

function collectFields(shape: TypeShape, path: string, into: Map<string, TypeShape>): void {
  switch (shape.kind) {
    case 'object':
      for (const { name, type } of shape.fields) {
        const own = path === '' ? name : `${path}.${name}`;
        into.set(own, type);
        collectFields(type, own, into);
      }
      return;
    case 'array':
      return collectFields(shape.item, path, into);
    case 'tuple':
      for (const item of shape.items) collectFields(item, path, into);
      return;
    case 'map':
      collectFields(shape.key, path, into);
      return collectFields(shape.value, path, into);
    case 'union':
      for (const option of shape.options) collectFields(option, path, into);
      return;
    default:
  }
}

function encodeDefault(path: string, shape: TypeShape, value: unknown): Uint8Array {
  const out = new BinaryWriter();
  try {
    writeRow(shape, value, out);
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error;
    throw invalid(`the default of '${path}' is not of its type: ${error.message}`);
  }
  return out.finish();
}

function invalid(why: string): MillraceError {
  return new MillraceError('TYPE_INVALID', `a described type cannot evolve like this: ${why}`);
}
