/**
 * The described type of any Standard Schema: of Millrace's own as it is, of another library from its JSON Schema.
 *
 * What JSON Schema says and a shape does not (lengths, patterns, values of an enumeration) matters to validation
 * only. Where a part cannot be known it is `unknown`, which the generic codec writes.
 */

import type { StandardSchema } from './standard-schema.ts';
import { isFieldName, type TypeShape } from './type-shape.ts';

/** It also stops a schema that refers to itself. */
const DEPTH_MAX = 32;
const UNKNOWN: TypeShape = Object.freeze({ kind: 'unknown' });

/** The described type of what a schema lets through; `undefined` when its library does not tell. */
export function shapeOfSchema(schema: StandardSchema): TypeShape | undefined {
  if ('shape' in schema && schema['~standard'].vendor === 'millrace') return schema.shape as TypeShape;
  const { jsonSchema } = schema['~standard'];
  if (jsonSchema === undefined) return undefined;
  const described = describedBy(jsonSchema);
  return described === undefined ? undefined : shapeOf(described, 0);
}

// A library throws for a type that JSON Schema cannot describe, such as a Date: then nobody told.
function describedBy(
  jsonSchema: NonNullable<StandardSchema['~standard']['jsonSchema']>,
): Record<string, unknown> | undefined {
  try {
    return jsonSchema.output({ target: 'draft-2020-12' });
  } catch {
    return undefined;
  }
}

function shapeOf(schema: unknown, depth: number): TypeShape {
  if (typeof schema !== 'object' || schema === null || depth > DEPTH_MAX) return UNKNOWN;
  const { type, anyOf, oneOf, items } = schema as Record<string, unknown>;
  const options = anyOf ?? oneOf;
  if (Array.isArray(options)) return unionOf(options.map((option) => shapeOf(option, depth + 1)));
  if (Array.isArray(type)) return unionOf(type.map((each) => shapeOf({ ...schema, type: each }, depth + 1)));
  switch (type) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'null':
      return { kind: type };
    case 'integer':
      return { kind: 'int64' };
    case 'array':
      return arrayOf(schema as Record<string, unknown>, items, depth);
    case 'object':
      return objectOf(schema as Record<string, unknown>, depth);
    default:
      return UNKNOWN;
  }
}

function arrayOf(schema: Record<string, unknown>, items: unknown, depth: number): TypeShape {
  if (schema['prefixItems'] !== undefined) return UNKNOWN;
  return { kind: 'array', item: shapeOf(items, depth + 1) };
}

function objectOf(schema: Record<string, unknown>, depth: number): TypeShape {
  const { properties, required = [], additionalProperties } = schema;
  const open = typeof additionalProperties === 'object' || additionalProperties === true;
  if (typeof properties !== 'object' || properties === null || open) return UNKNOWN;
  const names = Object.keys(properties);
  if (!names.every(isFieldName)) return UNKNOWN;
  const fields = names.map((name) => ({
    name,
    type: shapeOf((properties as Record<string, unknown>)[name], depth + 1),
    optional: !(required as readonly unknown[]).includes(name),
  }));
  return { kind: 'object', fields };
}

function unionOf(options: readonly TypeShape[]): TypeShape {
  if (options.length === 1) return options[0]!;
  if (options.length === 0 || options.some(({ kind }) => kind === 'unknown')) return UNKNOWN;
  return { kind: 'union', options };
}
