/** What a type description says, as plain JSON: it is part of the plan, and is kept beside bytes that were written by it. */

/** A type without parts. */
export type ScalarKind =
  | 'string'
  | 'number'
  | 'int32'
  | 'int64'
  | 'boolean'
  | 'bigint'
  | 'date'
  | 'bytes'
  | 'null'
  | 'unknown';

/** A field of an object; an optional one may be absent or `undefined`. */
export interface FieldShape {
  readonly name: string;
  readonly type: TypeShape;
  readonly optional: boolean;
}

/** A described type. */
export type TypeShape =
  | { readonly kind: ScalarKind }
  | { readonly kind: 'array'; readonly item: TypeShape }
  | { readonly kind: 'tuple'; readonly items: readonly TypeShape[] }
  | { readonly kind: 'map'; readonly key: TypeShape; readonly value: TypeShape }
  | { readonly kind: 'union'; readonly options: readonly TypeShape[] }
  | { readonly kind: 'object'; readonly fields: readonly FieldShape[] };

/** The type in words, as errors show it. */
export function describeShape(shape: TypeShape): string {
  switch (shape.kind) {
    case 'array':
      return `array of ${describeShape(shape.item)}`;
    case 'tuple':
      return `[${shape.items.map(describeShape).join(', ')}]`;
    case 'map':
      return `map of ${describeShape(shape.key)} to ${describeShape(shape.value)}`;
    case 'union':
      return shape.options.map(describeShape).join(' | ');
    default:
      return shape.kind;
  }
}

/**
 * False for names that a plain object cannot hold in the order of the description or has without a field: whole
 * numbers, which objects put first, and what every object inherits (`constructor`, `__proto__`).
 */
export function isFieldName(name: string): boolean {
  return !(name in Object.prototype) && !/^(?:0|[1-9]\d*)$/.test(name);
}
