/**
 * Objects of one described type to the columns of their fields and back: the two loops over all records of a batch.
 *
 * They are made anew for each type, from a text that holds numbers only (names and functions are arguments): so the
 * engine learns the shape of this type apart from all others. Numbers and booleans go from the record into memory of
 * their own and from there into the record, without an array of values between, and strings that need not be looked
 * through are added to one text at once. Where code generation is forbidden the
 * plain loops do the same; they are what the made ones are tested against.
 */

import { makeCode } from '../base/made-code.ts';
import type { BinaryReader, BinaryWriter } from './binary.ts';
import { NumberMemory, readNumbersInto, writeKnownNumbers } from './number-column.ts';
import { hasFields, Mismatch } from './row-format.ts';
import type { StringWriter } from './string-column.ts';
import { describeShape, type FieldShape } from './type-shape.ts';

/** Stands in a column where an optional field is absent. */
export const MISSING: unique symbol = Symbol('absent');

/** A field of the objects, and how a column of its values is written and read. */
export interface FieldColumn extends FieldShape {
  /** Of a field of strings. */
  readonly strings: StringWriter | undefined;
  write(values: readonly unknown[], out: BinaryWriter): void;
  read(count: number, from: BinaryReader): readonly unknown[];
}

/** The two loops. */
export interface ObjectLoops {
  /** Writes a column for each field; throws {@link Mismatch} for what is not exactly an object with these fields. */
  write(values: readonly unknown[], out: BinaryWriter): void;
  /** Fresh plain objects: own fields in the order of the type, none where there is {@link MISSING}. */
  read(count: number, from: BinaryReader): unknown[];
}

/** The loops for objects with these fields; `plain` forbids code generation as an environment may. */
export function objectLoops(fields: readonly FieldColumn[], plain = false): ObjectLoops {
  const loops = plain ? undefined : madeLoops(fields);
  return loops ?? plainLoops(fields);
}

function plainLoops(fields: readonly FieldColumn[]): ObjectLoops {
  return {
    write(values, out) {
      const columns = fields.map(() => new Array<unknown>(values.length));
      for (let row = 0; row < values.length; row++) {
        const value = fitting(values[row], fields);
        for (let field = 0; field < fields.length; field++) {
          const { name, optional } = fields[field]!;
          const found = value[name];
          columns[field]![row] =
            optional && found === undefined && !Object.hasOwn(value, name) ? MISSING : found;
        }
      }
      for (let field = 0; field < fields.length; field++) fields[field]!.write(columns[field]!, out);
    },
    read(count, from) {
      const columns = fields.map((field) => field.read(count, from));
      const objects: unknown[] = [];
      for (let row = 0; row < count; row++) {
        const object: Record<string, unknown> = {};
        for (let field = 0; field < fields.length; field++) {
          const value = columns[field]![row];
          if (value !== MISSING) object[fields[field]!.name] = value;
        }
        objects.push(object);
      }
      return objects;
    },
  };
}

function fitting(value: unknown, fields: readonly FieldShape[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    throw new Mismatch('it is not a plain object');
  if (!hasFields(fields, value)) throw new Mismatch('it has other fields or another order of them');
  return value as Record<string, unknown>;
}

/** How made code keeps the values of a field while it goes over the records. */
function keptAs({ type, optional }: FieldShape): 'numbers' | 'bits' | 'strings' | 'values' {
  if (optional) return 'values';
  if (type.kind === 'string') return 'strings';
  if (type.kind === 'boolean') return 'bits';
  return type.kind === 'number' || type.kind === 'int32' || type.kind === 'int64' ? 'numbers' : 'values';
}

function madeLoops(fields: readonly FieldColumn[]): ObjectLoops | undefined {
  const each = (text: (index: number, field: FieldColumn) => string): string =>
    fields.map((field, index) => text(index, field)).join('');
  const list = (text: (index: number, field: FieldColumn) => string): string =>
    fields.map((field, index) => text(index, field)).join();
  const text = `${each((index) => `const n${index} = fields[${index}].name, k${index} = fields[${index}], m${index} = memories[${index}];\n`)}
function Record(${list((index) => `a${index}`)}) {
${each((index, { optional }) => `${optional ? `if (a${index} !== missing) ` : ''}this[n${index}] = a${index};\n`)}}
Record.prototype = Object.prototype;
const names = fields.map(({ name }) => name);
return {
  write(values, out) {
    const count = values.length;
${each((index, field) => BEFORE_WRITE[keptAs(field)](index))}
    for (let row = 0; row < count; row++) {
      const value = values[row];
      if (typeof value !== 'object' || value === null) fitting(value, fields);
${each((index) => `      const v${index} = value[n${index}];\n`)}
      if (Object.getPrototypeOf(value) !== Object.prototype) fitting(value, fields);
      let key = 0, same = true;
      for (const name in value) if (name !== names[key++]) same = false;
      if (!same || key !== ${fields.length}) fitting(value, fields);
${each((index, field) => WRITE[keptAs(field)](index, field.optional))}
    }
${each((index, field) => AFTER_WRITE[keptAs(field)](index))}
  },
  read(count, from) {
${each((index, field) => BEFORE_READ[keptAs(field)](index))}
    const objects = new Array(count);
    for (let row = 0; row < count; row++) objects[row] = new Record(${list((index, field) => READ[keptAs(field)](index))});
    return objects;
  },
};`;
  const values = {
    fields,
    memories: fields.map((field) => (keptAs(field) === 'numbers' ? new NumberMemory() : field.strings)),
    missing: MISSING,
    fitting,
    wrong,
    writeKnownNumbers,
    readNumbersInto,
    writeBits,
    readBits,
  };
  return makeCode<ObjectLoops>(['columns'], values, text);
}

const BEFORE_WRITE = {
  numbers: (index: number) =>
    `m${index}.reserve(count); const c${index} = m${index}.f64; let w${index} = true;\n`,
  bits: (index: number) => `const c${index} = new Uint8Array((count + 7) >> 3);\n`,
  strings: (index: number) => `const looks${index} = m${index}.looks(count);
const c${index} = new Array(looks${index} ? count : 0);
m${index}.reserve(count);
const l${index} = m${index}.lengths;
let t${index} = '', longest${index} = 0;\n`,
  values: (index: number) => `const c${index} = new Array(count);\n`,
};

/** Not -0, which i32 would lose. */
const WRITE = {
  numbers: (index: number) => `if (typeof v${index} !== 'number') wrong(k${index});
if (w${index} && ((v${index} | 0) !== v${index} || Object.is(v${index}, -0))) w${index} = false;
c${index}[row] = v${index};\n`,
  bits: (index: number) => `if (v${index} === true) c${index}[row >> 3] |= 1 << (row & 7);
else if (v${index} !== false) wrong(k${index});\n`,
  strings: (index: number) => `if (typeof v${index} !== 'string') wrong(k${index});
if (looks${index}) c${index}[row] = v${index};
else {
  const length = v${index}.length;
  t${index} += v${index};
  l${index}[row] = length;
  if (length > longest${index}) longest${index} = length;
}\n`,
  values: (index: number, optional: boolean) =>
    optional
      ? `c${index}[row] = v${index} === undefined && !Object.hasOwn(value, n${index}) ? missing : v${index};\n`
      : `c${index}[row] = v${index};\n`,
};

const AFTER_WRITE = {
  numbers: (index: number) => `writeKnownNumbers(c${index}, count, w${index}, out);\n`,
  bits: (index: number) => `out.raw(c${index});\n`,
  strings: (index: number) => `if (looks${index}) m${index}.write(c${index}, out);
else m${index}.writeJoined(t${index}, longest${index}, count, out);\n`,
  values: (index: number) => `k${index}.write(c${index}, out);\n`,
};

function readValues(index: number): string {
  return `const c${index} = k${index}.read(count, from);\n`;
}

const BEFORE_READ = {
  numbers: (index: number) =>
    `const w${index} = readNumbersInto(count, from, m${index}), i${index} = m${index}.i32, f${index} = m${index}.f64;\n`,
  bits: (index: number) => `const c${index} = readBits(count, from);\n`,
  strings: readValues,
  values: readValues,
};

function valueOfRow(index: number): string {
  return `c${index}[row]`;
}

const READ = {
  numbers: (index: number) => `w${index} ? i${index}[row] : f${index}[row]`,
  bits: (index: number) => `((c${index}[row >> 3] >> (row & 7)) & 1) === 1`,
  strings: valueOfRow,
  values: valueOfRow,
};

function wrong({ type }: FieldShape): never {
  throw new Mismatch(`it is no ${describeShape(type)}`);
}

/** Booleans, a bit each. */
export function writeBits(values: readonly unknown[], out: BinaryWriter): void {
  const bits = new Uint8Array((values.length + 7) >> 3);
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (value === true) bits[index >> 3]! |= 1 << (index & 7);
    else if (value !== false) throw new Mismatch('it is no boolean');
  }
  out.raw(bits);
}

/** The bits of so many booleans, in place. */
export function readBits(count: number, from: BinaryReader): Uint8Array {
  const bits = from.view(Math.ceil(count / 8));
  if (count % 8 !== 0 && bits.at(-1)! >> (count % 8) !== 0)
    throw from.corrupt('booleans have bits left over');
  return bits;
}
