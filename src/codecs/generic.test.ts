// The generic codec returns exactly what it was given, or refuses it by name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isMillraceError } from '../base/errors.ts';
import { BinaryReader, BinaryWriter } from './binary.ts';
import { createGenericCodec, decodeValues, encodeValues, genericCodec } from './generic.ts';
import { DEPTH_MAX } from './generic-format.ts';

const RUNS = 400;
const SEED = 12;

function bytesOf(value: unknown): Uint8Array {
  const out = new BinaryWriter();
  genericCodec.encode(value, out);
  return out.finish();
}

function roundTrip(value: unknown): unknown {
  const from = new BinaryReader(bytesOf(value));
  const decoded = genericCodec.decode(from);
  from.end();
  return decoded;
}

// `deepEqual` does not look at the order of keys; the order is part of the promise.
function assertSame(actual: unknown, expected: unknown): void {
  assert.deepEqual(actual, expected);
  assert.deepEqual(keysOf(actual), keysOf(expected));
}

function keysOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return undefined;
  if (value instanceof Map) return [...value].flat().map(keysOf);
  if (value instanceof Set) return [...value].map(keysOf);
  return Object.entries(value).map(([key, item]) => [key, keysOf(item)]);
}

function withHoles(length: number, elements: Record<number, unknown>): unknown[] {
  return Object.assign(new Array<unknown>(length), elements);
}

const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withNullPrototype: true,
  withSparseArray: true,
  withTypedArray: true,
  key: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'constructor', '1', 'a', 'b')),
});

test('every plain value comes back equal, with its keys in order, and the bytes repeat', () => {
  fc.assert(
    fc.property(anything, (value) => {
      const bytes = bytesOf(value);
      const from = new BinaryReader(bytes);
      assertSame(genericCodec.decode(from), value);
      from.end();
      assert.deepEqual(bytesOf(value), bytes);
    }),
    { seed: SEED, numRuns: RUNS },
  );
  console.log(`cases: generic round trips ${RUNS} (minimum ${RUNS})`);
});

test('every batch comes back equal', () => {
  const record = fc.record(
    { id: fc.nat(), user: fc.string(), tags: fc.array(fc.string()) },
    { requiredKeys: ['id'] },
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 4, arbitrary: record }, { weight: 1, arbitrary: anything })),
      (values) => {
        const out = new BinaryWriter();
        encodeValues(values, out);
        const from = new BinaryReader(out.finish());
        assertSame(decodeValues(from), values);
        from.end();
      },
    ),
    { seed: SEED, numRuns: RUNS },
  );
  console.log(`cases: generic batches ${RUNS} (minimum ${RUNS})`);
});

test('keeps what other formats lose', () => {
  const values = [
    undefined,
    { a: undefined, b: null },
    -0,
    Number.NaN,
    -Infinity,
    2 ** 53,
    -(2 ** 53 - 1),
    2n ** 200n,
    -(2n ** 63n),
    new Date(-1),
    '\ud800\ud800',
    withHoles(5, { 1: 1, 3: undefined }),
    new Map<unknown, unknown>([[{ a: 1 }, new Set([Number.NaN])]]),
    Float32Array.of(1.5, -0),
    BigInt64Array.of(-1n),
    Buffer.from('bytes'),
    new ArrayBuffer(3),
    'match'.match(/(?<all>.*)/)!.groups,
    { 2: 'b', 1: 'a', z: 0, y: 1 },
  ];
  for (const value of values) assertSame(roundTrip(value), value);
  assert.ok(Object.is(roundTrip(-0), -0));
  assert.ok(
    Number.isNaN((roundTrip(new Date(Number.NaN)) as Date).getTime()),
    'Node 22 does not compare these',
  );
});

test('a key `__proto__` is a property and pollutes nothing', () => {
  const value: unknown = JSON.parse('{"__proto__": {"polluted": true}, "a": 1}');
  const out = new BinaryWriter();
  encodeValues([value, value, value, value], out);
  for (const decoded of decodeValues(new BinaryReader(out.finish()))) {
    assert.equal(Object.getPrototypeOf(decoded), Object.prototype);
    assert.deepEqual(Object.keys(decoded as object), ['__proto__', 'a']);
    assert.equal((decoded as { polluted?: unknown }).polluted, undefined);
  }
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

test('typed arrays come back as copies that share no memory, also from a part of a buffer', () => {
  const whole = Float64Array.of(1, 2, 3, 4);
  const decoded = roundTrip(whole.subarray(1, 3)) as Float64Array;
  assert.deepEqual(decoded, Float64Array.of(2, 3));
  assert.equal(decoded.buffer.byteLength, 16);
});

test('refuses what it would change silently, and names the path', () => {
  class Money {
    readonly cents = 1;
  }
  const circle: Record<string, unknown> = { name: 'x' };
  circle['self'] = circle;
  const refused: [value: unknown, message: RegExp][] = [
    [() => 1, /^a function cannot be turned into bytes$/],
    [{ user: { tags: [1, Symbol('s')] } }, /a symbol .* at \.user\.tags\[1\]$/],
    [{ 'the price': new Money() }, /an instance of Money.* at \["the price"\]$/],
    [new Map([['k', new Money()]]), /at \.entry\(0\)$/],
    [new Set([1, new WeakMap()]), /an instance of WeakMap.* at \.item\(1\)$/],
    [new (class Words extends Array {})(), /an instance of Words/],
    [[new Error('e')], /an instance of Error.* at \[0\]$/],
    [{ m: 'ab'.match(/a/) }, /a RegExp match.* at \.m$/],
    [circle, new RegExp(`contains itself or is nested deeper than ${DEPTH_MAX} levels.*\\.self…$`)],
  ];
  for (const [value, message] of refused) {
    assert.throws(
      () => bytesOf(value),
      (error) => isMillraceError(error, 'GENERIC_CODEC_UNSUPPORTED') && message.test(error.message),
      String(message),
    );
  }
});

test('names the value of a batch that it refuses', () => {
  assert.throws(() => encodeValues([1, { f() {} }], new BinaryWriter()), /at \.f of value 1$/);
});

test('keeps more shapes than it has numbers for, and long dictionaries', () => {
  const values: unknown[] = Array.from({ length: 200 }, (_, index) => ({ [`key${index}`]: index, same: 1 }));
  values.push(...values, Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`k${index}`, index])));
  values.push(values.at(-1), values.at(-1), values.at(-1));
  const out = new BinaryWriter();
  encodeValues(values, out);
  assertSame(decodeValues(new BinaryReader(out.finish())), values);
});

test('one call needs nothing from another', () => {
  const codec = createGenericCodec<{ a: number }>();
  const out = new BinaryWriter();
  codec.encode({ a: 1 }, out);
  const first = out.length;
  codec.encode({ a: 2 }, out);
  const second = out.finish().slice(first);
  assert.deepEqual(codec.decode(new BinaryReader(second)), { a: 2 });
});

test('damaged bytes give CODEC_CORRUPT or another value, never a crash or a runaway', () => {
  const value = {
    a: withHoles(5, { 0: 1, 1: 'two', 3: new Date(3), 4: 4n }),
    b: new Map([[1, Uint16Array.of(5)]]),
    c: [{ d: 1 }, { d: 2 }],
  };
  const bytes = bytesOf(value);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => genericCodec.decode(new BinaryReader(bytes.subarray(0, length))), {
      code: 'CODEC_CORRUPT',
    });
  }
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    try {
      const from = new BinaryReader(flipped);
      genericCodec.decode(from);
    } catch (error) {
      assert.ok(isMillraceError(error, 'CODEC_CORRUPT'), String(error));
    }
  }
});

test('deep nesting in bytes is corrupt, not a stack overflow', () => {
  const bytes = new Uint8Array(100_000).fill(0x8a);
  for (let index = 1; index < bytes.length; index += 2) bytes[index] = 1;
  assert.throws(() => genericCodec.decode(new BinaryReader(bytes)), /nested too deep/);
});

test('writes the bytes that the drawing shows', () => {
  const value = withHoles(7, { 0: 5, 1: 128, 2: -1, 3: 'a', 4: { x: true }, 5: { x: false } });
  const golden = [
    0x8a, 7, 0x05, 0x84, 0x80, 0x01, 0x85, 0x01, 0x87, 1, 0x61, 0x90, 1, 1, 0x78, 0x83, 0xc0, 0x82, 0x91, 1,
  ];
  assert.deepEqual([...bytesOf(value)], golden);
});
