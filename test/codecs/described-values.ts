// Arbitrary type descriptions and values of them, for property tests.
import fc from 'fast-check';
import type { TypeShape } from '../../src/codecs/type-shape.ts';

const NAMES = ['user', 'at', 'note', 'a b', '$', ''] as const;
const SCALARS = [
  'string',
  'number',
  'int32',
  'int64',
  'boolean',
  'bigint',
  'date',
  'bytes',
  'null',
  'unknown',
] as const;

/** Any description, nested a few levels. */
export const anyShape: fc.Arbitrary<TypeShape> = fc.letrec<{ shape: TypeShape }>((tie) => ({
  shape: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    { weight: 4, arbitrary: fc.constantFrom(...SCALARS).map((kind): TypeShape => ({ kind })) },
    { weight: 4, arbitrary: objectShape(tie('shape')) },
    { weight: 1, arbitrary: tie('shape').map((item): TypeShape => ({ kind: 'array', item })) },
    {
      weight: 1,
      arbitrary: fc
        .array(tie('shape'), { maxLength: 3 })
        .map((items): TypeShape => ({ kind: 'tuple', items })),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(tie('shape'), tie('shape'))
        .map(([key, value]): TypeShape => ({ kind: 'map', key, value })),
    },
    {
      weight: 2,
      arbitrary: tie('shape').map(
        (shape): TypeShape => ({ kind: 'union', options: [shape, { kind: 'null' }] }),
      ),
    },
    {
      weight: 1,
      arbitrary: fc
        .array(tie('shape'), { minLength: 2, maxLength: 3 })
        .map((options): TypeShape => ({ kind: 'union', options })),
    },
  ),
})).shape;

function objectShape(shape: fc.Arbitrary<TypeShape>): fc.Arbitrary<TypeShape> {
  const field = fc.record({ name: fc.constantFrom(...NAMES), type: shape, optional: fc.boolean() });
  return fc
    .uniqueArray(field, { selector: ({ name }) => name, maxLength: 5 })
    .map((fields): TypeShape => ({ kind: 'object', fields }));
}

/** Values that are exactly of the type: fields in order, optional ones now and then absent or `undefined`. */
export function valueOfShape(shape: TypeShape): fc.Arbitrary<unknown> {
  switch (shape.kind) {
    case 'string':
      return fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 40 }), fc.constant('\ud800'));
    case 'number':
      return fc.oneof(fc.double(), fc.integer(), fc.constant(-0));
    case 'int32':
      return fc.integer();
    case 'int64':
      return fc.maxSafeInteger();
    case 'boolean':
      return fc.boolean();
    case 'bigint':
      return fc.bigInt();
    case 'date':
      return fc.date();
    case 'bytes':
      return fc.uint8Array();
    case 'null':
      return fc.constant(null);
    case 'unknown':
      return fc.constantFrom<unknown>(undefined, null, 'x', 1, [undefined], { b: 1, a: [] }, new Set(['a']));
    case 'array':
      return fc.array(valueOfShape(shape.item), { maxLength: 4 });
    case 'tuple':
      return fc.tuple(...shape.items.map(valueOfShape)).map((items) => [...items]);
    case 'map':
      return fc
        .array(fc.tuple(valueOfShape(shape.key), valueOfShape(shape.value)), { maxLength: 3 })
        .map((entries) => new Map(entries));
    case 'union':
      return fc.oneof(...shape.options.map(valueOfShape));
    case 'object':
      return fc
        .tuple(
          ...shape.fields.map(({ type, optional }) =>
            optional ? maybe(valueOfShape(type)) : valueOfShape(type),
          ),
        )
        .map((values) => {
          const object: Record<string, unknown> = {};
          shape.fields.forEach(({ name }, index) => {
            if (values[index] !== NOTHING) object[name] = values[index];
          });
          return object;
        });
  }
}

const NOTHING = Symbol('absent');

function maybe(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 3, arbitrary: value },
    { weight: 1, arbitrary: fc.constantFrom(NOTHING, undefined) },
  );
}
