// Rows of an older description: every safe change, every unsafe one in words, and random changes against plain objects.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isMillraceError } from '../base/errors.ts';
import { BinaryReader, BinaryWriter } from './binary.ts';
import type { TypeEvolution } from './evolution.ts';
import { codecOf } from './type-codec.ts';
import { type DataType, t } from './types.ts';

// biome-ignore lint/suspicious/noExplicitAny: a description of any type
type AnyType = DataType<any>;

/** What a value of the old type is, read as one of the new type; or the differences. */
function evolved(old: AnyType, value: unknown, now: AnyType, evolution?: TypeEvolution): unknown {
  const stored = codecOf(old);
  const declared = codecOf(now, evolution);
  const reading = declared.reading!(stored.id)!;
  if (!('decode' in reading)) return reading;
  const out = new BinaryWriter();
  stored.encode(value, out);
  const from = new BinaryReader(out.finish());
  const read = reading.decode(from);
  from.end();
  // What was read is of the declared type: it can be written again.
  declared.encode(read, new BinaryWriter());
  return read;
}

const Device = t.object({ name: t.string, seen: t.int32 });

describe('rows of an older description', () => {
  const safe: readonly [string, AnyType, unknown, AnyType, unknown, TypeEvolution?][] = [
    ['that is the same', Device, { name: 'a', seen: 1 }, Device, { name: 'a', seen: 1 }],
    ['with a field less now', Device, { name: 'a', seen: 1 }, t.object({ seen: t.int32 }), { seen: 1 }],
    [
      'with a field more now, which has a default',
      Device,
      { name: 'a', seen: 1 },
      t.object({ name: t.string, tags: t.array(t.string), seen: t.int32 }),
      { name: 'a', tags: ['new'], seen: 1 },
      { defaults: { tags: ['new'] } },
    ],
    [
      'with an optional field more now',
      t.object({ a: t.int32 }),
      { a: 1 },
      t.object({ a: t.int32, b: t.optional(t.string) }),
      { a: 1 },
    ],
    [
      'with a field that had another name',
      Device,
      { name: 'a', seen: 1 },
      t.object({ id: t.string, seen: t.int32 }),
      { id: 'a', seen: 1 },
      { renamed: { id: 'name' } },
    ],
    [
      'that has the new name of a renamed field already',
      t.object({ id: t.string }),
      { id: 'a' },
      t.object({ id: t.string }),
      { id: 'a' },
      { renamed: { id: 'name' } },
    ],
    [
      'with fields in another order',
      Device,
      { name: 'a', seen: 1 },
      t.object({ seen: t.int32, name: t.string }),
      { seen: 1, name: 'a' },
    ],
    [
      'with a whole number that is any number now',
      t.object({ n: t.int32 }),
      { n: 1 },
      t.object({ n: t.number }),
      { n: 1 },
    ],
    ['with int32 that is int64 now', t.int32, -7, t.int64, -7],
    ['with int64 that is a number now', t.int64, 2 ** 40, t.number, 2 ** 40],
    ['that may be null now', Device, { name: 'a', seen: 1 }, t.nullable(Device), { name: 'a', seen: 1 }],
    ['that may be something else now, wider', t.int32, 5, t.union(t.string, t.number), 5],
    ['of a union that has another order', t.union(t.string, t.null), null, t.union(t.null, t.string), null],
    ['that may be anything now', Device, { name: 'a', seen: 1 }, t.unknown, { name: 'a', seen: 1 }],
    [
      'with a required field that is optional now',
      t.object({ a: t.int32 }),
      { a: 1 },
      t.object({ a: t.optional(t.int32) }),
      { a: 1 },
    ],
    [
      'with an optional field that is required now and has a default',
      t.object({ a: t.optional(t.int32), b: t.optional(t.int32), c: t.optional(t.int32) }),
      { b: undefined, c: 3 },
      t.object({ a: t.int32, b: t.int32, c: t.int32 }),
      { a: 1, b: 2, c: 3 },
      { defaults: { a: 1, b: 2, c: 9 } },
    ],
    [
      'deep in arrays, tuples, maps and unions',
      t.object({
        list: t.array(t.nullable(Device)),
        pair: t.tuple(t.int32, Device),
        map: t.map(t.string, Device),
      }),
      {
        list: [{ name: 'a', seen: 1 }, null],
        pair: [1, { name: 'b', seen: 2 }],
        map: new Map([['x', { name: 'c', seen: 3 }]]),
      },
      t.object({
        list: t.array(t.nullable(t.object({ id: t.string, on: t.boolean }))),
        pair: t.tuple(t.number, t.object({ seen: t.int64 })),
        map: t.map(t.string, t.object({ seen: t.number })),
      }),
      {
        list: [{ id: 'a', on: true }, null],
        pair: [1, { seen: 2 }],
        map: new Map([['x', { seen: 3 }]]),
      },
      { renamed: { 'list.id': 'name' }, defaults: { 'list.on': true } },
    ],
    ['of nothing', t.object({}), {}, t.object({ a: t.int32 }), { a: 1 }, { defaults: { a: 1 } }],
    ['of something that is nothing now', Device, { name: 'a', seen: 1 }, t.object({}), {}],
    ['of an empty tuple', t.tuple(), [], t.tuple(), []],
  ];
  for (const [name, old, value, now, expected, evolution] of safe) {
    it(`are read: ${name}`, () => {
      const read = evolved(old, value, now, evolution);
      assert.deepStrictEqual(read, expected);
      if (!(expected instanceof Map)) assert.equal(JSON.stringify(read), JSON.stringify(expected));
    });
  }

  const unsafe: readonly [AnyType, AnyType, readonly string[], TypeEvolution?][] = [
    [
      Device,
      t.object({ name: t.int32, seen: t.string, more: t.date }),
      [
        'name was string and is int32',
        'seen was int32 and is string',
        'more is new, is not optional and has no default (date)',
      ],
    ],
    [t.number, t.int32, ['the value was number and is int32']],
    [t.nullable(t.string), t.string, ['the value was null and is string']],
    [
      t.object({ a: t.optional(t.int32) }),
      t.object({ a: t.int32 }),
      ['a was optional, is not optional and has no default (int32)'],
    ],
    [t.tuple(t.int32), t.tuple(t.int32, t.int32), ['the value was [int32] and is [int32, int32]']],
    [
      t.object({ list: t.array(Device) }),
      t.object({ list: t.array(t.object({ name: t.boolean })) }),
      ['list.name was string and is boolean'],
    ],
    [
      Device,
      t.object({ id: t.string }),
      ['id is new, is not optional and has no default (string)'],
      { renamed: { id: 'nom' } },
    ],
    [
      t.array(t.string),
      t.map(t.string, t.string),
      ['the value was array of string and is map of string to string'],
    ],
  ];
  for (const [old, now, differences, evolution] of unsafe) {
    it(`are refused: ${differences.join('; ')}`, () => {
      const declared = codecOf(now, evolution);
      assert.deepEqual(declared.reading!(codecOf(old).id), differences);
    });
  }

  it('of another codec mean nothing', () => {
    assert.equal(codecOf(Device).reading!('generic/1'), undefined);
  });

  it('get a fresh default each', () => {
    const declared = codecOf(t.object({ tags: t.array(t.string) }), { defaults: { tags: [] } });
    const reading = declared.reading!(codecOf(t.object({})).id)!;
    assert.ok('decode' in reading);
    const read = (): { tags: string[] } => reading.decode(new BinaryReader(Uint8Array.of(0)));
    read().tags.push('mine');
    assert.deepEqual(read(), { tags: [] });
  });

  it('are declared with defaults and names that fit the type', () => {
    const wrong: readonly [TypeEvolution, RegExp][] = [
      [{ defaults: { nam: 'x' } }, /'nam', which it does not have/],
      [{ renamed: { 'name.first': 'x' } }, /'name.first', which it does not have/],
      [{ defaults: { seen: 'never' } }, /default of 'seen' is not of its type/],
    ];
    for (const [evolution, message] of wrong) {
      assert.throws(
        () => codecOf(Device, evolution),
        (error) => isMillraceError(error, 'TYPE_INVALID') && message.test(error.message),
      );
    }
  });
});

describe('rows after random changes of their description', () => {
  interface Field {
    readonly name: string;
    readonly type: 'int32' | 'string' | 'nested';
    readonly optional: boolean;
  }
  type Fate = 'stays' | 'removed' | 'renamed' | 'nullable' | 'optional' | 'wider';
  const base: Record<Field['type'], AnyType> = {
    int32: t.int32,
    string: t.string,
    nested: t.object({ x: t.int32, y: t.string }),
  };
  const field = (index: number): fc.Arbitrary<Field> =>
    fc.record({
      name: fc.constant(`f${index}`),
      type: fc.constantFrom('int32', 'string', 'nested' as const),
      optional: fc.boolean(),
    });
  const fates = fc.array(
    fc.constantFrom<Fate>('stays', 'removed', 'renamed', 'nullable', 'optional', 'wider'),
    { minLength: 6, maxLength: 6 },
  );
  const spec = fc.record({
    fields: fc.tuple(...[0, 1, 2, 3, 4, 5].map(field)),
    present: fc.array(fc.constantFrom('value', 'absent', 'undefined' as const), {
      minLength: 6,
      maxLength: 6,
    }),
    numbers: fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 6, maxLength: 6 }),
    fates,
    added: fc.array(fc.boolean(), { maxLength: 3 }),
    order: fc.infiniteStream(fc.nat(99)),
  });

  it('are what plain objects are after the same changes', () => {
    let cases = 0;
    fc.assert(
      fc.property(spec, ({ fields, present, numbers, fates: chosen, added, order }) => {
        cases++;
        const old: Record<string, AnyType | { optional: AnyType }> = {};
        const value: Record<string, unknown> = {};
        const now: [string, AnyType | { optional: AnyType }][] = [];
        const expected: Record<string, unknown> = {};
        const renamed: Record<string, string> = {};
        const defaults: Record<string, unknown> = {};
        for (const [index, { name, type, optional }] of fields.entries()) {
          old[name] = optional ? t.optional(base[type]) : base[type];
          const n = numbers[index]!;
          const one = type === 'int32' ? n : type === 'string' ? `${n}` : { x: n, y: `${n}` };
          const state = optional ? present[index]! : 'value';
          if (state !== 'absent') value[name] = state === 'value' ? one : undefined;
          const fate = chosen[index]!;
          if (fate === 'removed') continue;
          const target = fate === 'renamed' ? `new${index}` : name;
          if (fate === 'renamed') renamed[target] = name;
          const wide =
            type === 'int32'
              ? t.number
              : type === 'nested'
                ? t.object({ y: t.string, x: t.int64 })
                : t.unknown;
          const declared =
            fate === 'nullable' ? t.nullable(base[type]) : fate === 'wider' ? wide : base[type];
          now.push([target, optional || fate === 'optional' ? t.optional(declared) : declared]);
          if (state !== 'absent') {
            const turned = fate === 'wider' && type === 'nested' ? { y: `${n}`, x: n } : one;
            expected[target] = state === 'value' ? turned : undefined;
          }
        }
        for (const [index, optional] of added.entries()) {
          now.push([`added${index}`, optional ? t.optional(t.int32) : t.int32]);
          if (!optional) expected[`added${index}`] = defaults[`added${index}`] = index;
        }
        const keyed = now.map((each) => [order.next().value as number, each] as const);
        const shuffled = keyed.sort(([one], [other]) => one - other).map(([, each]) => each);
        const read = evolved(t.object(old), value, t.object(Object.fromEntries(shuffled)), {
          renamed,
          defaults,
        }) as Record<string, unknown>;
        assert.deepStrictEqual(read, expected);
        assert.deepEqual(
          Object.keys(read),
          shuffled.map(([name]) => name).filter((name) => Object.hasOwn(expected, name)),
        );
      }),
      { numRuns: 2000, seed: 11 },
    );
    console.log(`cases: rows of changed descriptions ${cases} (minimum 2000)`);
  });
});
