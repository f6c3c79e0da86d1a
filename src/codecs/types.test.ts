// Type descriptions: inference, validation by the rules of Standard Schema, and the codec that follows from them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isMillraceError } from '../base/errors.ts';
import { BinaryReader, BinaryWriter } from './binary.ts';
import { shapeOfSchema } from './schema-shape.ts';
import type { StandardSchema } from './standard-schema.ts';
import { anyShape, valueOfShape } from '../../test/codecs/described-values.ts';
import { codecOf } from './type-codec.ts';
import { type DataType, t, type TypeOf } from './types.ts';
import { validatorOf } from './validator.ts';

const RUNS = 300;

const Login = t.object({
  user: t.string,
  at: t.int64,
  tags: t.array(t.string),
  device: t.nullable(t.object({ name: t.string, seen: t.date })),
  note: t.optional(t.union(t.string, t.int32)),
});
type Login = TypeOf<typeof Login>;

const login: Login = { user: 'ada', at: 1, tags: ['a'], device: null };

function asType(shape: DataType<unknown>['shape']): DataType<unknown> {
  return { ...t.unknown, shape };
}

function roundTrip<T>(type: DataType<T>, value: T): T {
  const out = new BinaryWriter();
  codecOf(type).encode(value, out);
  const from = new BinaryReader(out.finish());
  const decoded = codecOf(type).decode(from);
  from.end();
  return decoded;
}

function issuesOf(type: DataType<unknown>, value: unknown): string[] {
  const { issues = [] } = type['~standard'].validate(value);
  return issues.map(({ path = [], message }) => `${path.map(String).join('.')} ${message}`);
}

test('a value that is as described comes back itself, and another one in the order of the description', () => {
  assert.equal(validatorOf(Login)(login), login);
  const found = validatorOf(Login)({ more: 1, device: null, tags: ['a'], at: 1, user: 'ada' });
  assert.deepEqual(found, login);
  assert.deepEqual(Object.keys(found), ['user', 'at', 'tags', 'device']);
});

test('an issue names its place and what was expected', () => {
  assert.deepEqual(issuesOf(Login, { user: 7, at: 1.5, tags: ['a', null], device: { name: 'x' } }), [
    'user is 7, expected string',
    'at is 1.5, expected int64',
    'tags.1 is null, expected string',
    'device.seen is missing, expected date',
  ]);
  assert.deepEqual(issuesOf(t.int32, 2 ** 31), ['  is 2147483648, expected int32'.slice(1)]);
  assert.deepEqual(issuesOf(t.tuple(t.string), []), [' is an array of 0, expected [string]']);
});

test('a record that is refused is an error with a code, and an asynchronous schema is one too', () => {
  assert.throws(
    () => validatorOf(Login)({ ...login, user: 1 }),
    (error) =>
      isMillraceError(error, 'RECORD_INVALID') && error.message.includes('.user: is 1, expected string'),
  );
  const later: StandardSchema = {
    '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(new Error('no')) },
  };
  assert.throws(
    () => validatorOf(later)(1),
    (error) => isMillraceError(error, 'SCHEMA_ASYNC'),
  );
});

test('names without an order of their own are refused', () => {
  for (const name of ['1', '__proto__', 'constructor']) {
    const given = Object.fromEntries([[name, t.string]]);
    assert.throws(
      () => t.object(given),
      (error) => isMillraceError(error, 'TYPE_INVALID'),
    );
  }
});

test('the shape of another library comes from its JSON Schema', () => {
  const schemaOf = (output: Record<string, unknown>): StandardSchema => ({
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => ({ value }),
      jsonSchema: { output: () => output },
    },
  });
  const found = shapeOfSchema(
    schemaOf({
      type: 'object',
      properties: {
        user: { type: 'string', minLength: 1 },
        at: { type: 'integer' },
        note: { anyOf: [{ type: 'string' }, { type: 'null' }] },
        tags: { type: 'array', items: { type: 'string' } },
        rest: { $ref: '#/$defs/rest' },
      },
      required: ['user', 'at', 'note', 'rest'],
      additionalProperties: false,
    }),
  );
  const same = t.object({
    user: t.string,
    at: t.int64,
    note: t.nullable(t.string),
    tags: t.optional(t.array(t.string)),
    rest: t.unknown,
  });
  assert.deepEqual(found, same.shape);
  assert.equal(shapeOfSchema(schemaOf({ type: 'object', additionalProperties: {} }))?.kind, 'unknown');
  assert.equal(shapeOfSchema(same), same.shape);
  const silent: StandardSchema = {
    '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) },
  };
  assert.equal(shapeOfSchema(silent), undefined);
});

test('what the codec of a type reads is what was written, with its keys in order', () => {
  fc.assert(
    fc.property(
      anyShape.chain((shape) => fc.tuple(fc.constant(shape), valueOfShape(shape))),
      ([shape, value]) => {
        const decoded = roundTrip(asType(shape), value);
        assert.deepEqual(decoded, value);
        assert.equal(json(decoded), json(value));
      },
    ),
    { seed: 31, numRuns: RUNS },
  );
  console.log(`cases: row codec round trips ${RUNS} (minimum ${RUNS})`);
});

test('cut or flipped bytes are refused or give another value, and never more than was there', () => {
  let refused = 0;
  const out = new BinaryWriter();
  const codec = codecOf(Login);
  codec.encode({ ...login, note: 'a', device: { name: 'x', seen: new Date(5) } }, out);
  const bytes = out.finish();
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(
      () => codec.decode(new BinaryReader(bytes.subarray(0, length))),
      (error) => isMillraceError(error, 'CODEC_CORRUPT'),
    );
    refused++;
  }
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    try {
      codec.decode(new BinaryReader(flipped));
    } catch (error) {
      assert.ok(isMillraceError(error, 'CODEC_CORRUPT'), String(error));
      refused++;
    }
  }
  assert.ok(refused > bytes.length);
});

test('a value that is not exactly of the type is refused with its place, and leaves no bytes', () => {
  const out = new BinaryWriter();
  class Special {
    user = 'ada';
  }
  const refused: readonly [DataType<unknown>, unknown][] = [
    [t.object({ user: t.string }), { user: 1 }],
    [t.object({ user: t.string }), { user: 'ada', more: 1 }],
    [t.object({ a: t.string, b: t.string }), { b: '', a: '' }],
    [t.object({ user: t.string }), new Special()],
    [t.int32, 2 ** 31],
    [t.int64, -0],
    [t.bytes, Buffer.from('a')],
    [t.array(t.unknown), 'aa'.match(/a/)],
    [t.array(t.unknown), new Array(2)],
    [t.union(t.string, t.object({ a: t.string })), { a: 1 }],
    [t.tuple(t.string), ['a', 'b']],
    [t.map(t.string, t.string), new Map([['a', 1]])],
  ];
  for (const [type, value] of refused) {
    assert.throws(
      () => codecOf(type).encode(value, out),
      (error) => isMillraceError(error, 'CODEC_VALUE_MISMATCH'),
      JSON.stringify(type.shape),
    );
    assert.equal(out.length, 0);
  }
});

function json(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? `${inner}n` : inner));
}
