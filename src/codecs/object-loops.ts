/**
 * Objects of one described type to columns of their fields and back: the two loops over all records of a batch.
 *
 * They are made anew for each type, from a text that holds numbers only (names and functions are arguments): so the
 * engine learns the shape of this type apart from all others. Where code generation is forbidden the plain loops do the
 * same; they are what the made ones are tested against.
 */

import { makeCode } from '../base/made-code.ts';
import { hasFields, Mismatch } from './row-format.ts';
import type { FieldShape } from './type-shape.ts';

/** Stands in a column where an optional field is absent. */
export const MISSING: unique symbol = Symbol('absent');

/** The two loops. */
export interface ObjectLoops {
  /** Fills a column for each field; throws {@link Mismatch} for what is not exactly an object with these fields. */
  split(values: readonly unknown[], columns: readonly unknown[][]): void;
  /** Fresh plain objects: own fields in the order of the type, none where there is {@link MISSING}. */
  join(columns: readonly (readonly unknown[])[], count: number): unknown[];
}

/** The loops for objects with these fields; `plain` forbids code generation as an environment may. */
export function objectLoops(fields: readonly FieldShape[], plain = false): ObjectLoops {
  const loops = plain ? undefined : madeLoops(fields);
  return loops ?? plainLoops(fields);
}

function plainLoops(fields: readonly FieldShape[]): ObjectLoops {
  return {
    split(values, columns) {
      for (let row = 0; row < values.length; row++) {
        const value = fitting(values[row], fields);
        for (let field = 0; field < fields.length; field++) {
          const { name, optional } = fields[field]!;
          const found = value[name];
          columns[field]![row] =
            optional && found === undefined && !Object.hasOwn(value, name) ? MISSING : found;
        }
      }
    },
    join(columns, count) {
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

function madeLoops(fields: readonly FieldShape[]): ObjectLoops | undefined {
  const each = (text: (index: number, optional: boolean) => string): string =>
    fields.map(({ optional }, index) => text(index, optional)).join('');
  const argumentsText = fields.map((_, index) => `a${index}`).join();
  const text = `${each((index) => `const n${index} = names[${index}];\n`)}
function Record(${argumentsText}) {
${each((index, optional) => `${optional ? `if (a${index} !== missing) ` : ''}this[n${index}] = a${index};\n`)}}
Record.prototype = Object.prototype;
return {
  split(values, columns) {
${each((index) => `const c${index} = columns[${index}];\n`)}
    for (let row = 0; row < values.length; row++) {
      const value = values[row];
      if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) fitting(value, fields);
      let key = 0, same = true;
      for (const name in value) if (name !== names[key++]) same = false;
      if (!same || key !== ${fields.length}) fitting(value, fields);
${each((index, optional) =>
  optional
    ? `const v${index} = value[n${index}];
c${index}[row] = v${index} === undefined && !Object.hasOwn(value, n${index}) ? missing : v${index};\n`
    : `c${index}[row] = value[n${index}];\n`,
)}
    }
  },
  join(columns, count) {
${each((index) => `const c${index} = columns[${index}];\n`)}
    const objects = new Array(count);
    for (let row = 0; row < count; row++) objects[row] = new Record(${fields.map((_, index) => `c${index}[row]`).join()});
    return objects;
  },
};`;
  return makeCode<ObjectLoops>(
    ['columns'],
    { names: fields.map(({ name }) => name), fields, missing: MISSING, fitting },
    text,
  );
}
