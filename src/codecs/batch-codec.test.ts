// Batches of described records: with and without columns, with made and plain loops, damaged, and kept in part.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { anyShape, valueOfShape } from '../../test/codecs/described-values.ts';
import { isMillraceError } from '../base/errors.ts';
import { type BatchCodec, BatchLayout, COLUMNS_FROM, createBatchCodec } from './batch-codec.ts';
import { BinaryReader, BinaryWriter } from './binary.ts';
import type { TypeShape } from './type-shape.ts';
import { t } from './types.ts';

const RUNS = 400;
const BATCHES = 10_000;
/** A slice would keep 48 characters of each of 256 records alive: 120 MB. */
const HEAP_BYTES_MAX = 8 * 1024 * 1024;

const Login = t.object({
  user: t.string,
  at: t.int64,
  status: t.int32,
  share: t.number,
  ok: t.boolean,
  seen: t.date,
  note: t.optional(t.string),
  device: t.nullable(
    t.object({ name: t.string, inner: t.object({ deep: t.object({ tags: t.array(t.string) }) }) }),
  ),
});

function loginOf(index: number): Record<string, unknown> {
  const deep = { tags: [`t${index}`] };
  return {
    user: index % 5 === 0 ? `\u00fcser-${index}-\ud800` : `user-${index}-with-a-long-name`,
    at: 1.7e12 + index,
    status: index - 9,
    share: index / 7,
    ok: index % 3 === 0,
    seen: new Date(index),
    ...(index % 4 === 0 ? {} : { note: index % 4 === 1 ? undefined : 'n' }),
    device: index % 2 === 0 ? null : { name: 'd', inner: { deep } },
  };
}

function written(codec: BatchCodec, values: readonly unknown[]): { layout: number; bytes: Uint8Array } {
  const out = new BinaryWriter();
  const layout = codec.write(values, out);
  return { layout, bytes: out.finish() };
}

function roundTrip(codec: BatchCodec, values: readonly unknown[]): readonly unknown[] {
  const { layout, bytes } = written(codec, values);
  const from = new BinaryReader(bytes);
  const read = codec.read(layout, values.length, from);
  from.end();
  return read;
}

// `deepEqual` does not look at the order of keys; `Object.keys` at every level and JSON do.
function assertSame(actual: unknown, expected: unknown): void {
  assert.deepEqual(actual, expected);
  assert.deepEqual(keysOf(actual), keysOf(expected));
  assert.equal(json(actual), json(expected));
}

function keysOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return undefined;
  if (value instanceof Map) return [...value].flat().map(keysOf);
  if (value instanceof Set) return [...value].map(keysOf);
  return [
    Object.getPrototypeOf(value) === Object.prototype,
    Object.entries(value).map(([key, item]) => [key, keysOf(item)]),
  ];
}

function json(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? `${inner}n` : inner));
}

test('a batch comes back equal, by rows and by columns, by made and by plain loops', () => {
  const laidOut = new Set<number>();
  const batch = anyShape.chain((shape) =>
    fc.tuple(fc.constant(shape), fc.array(valueOfShape(shape), { maxLength: 3 * COLUMNS_FROM })),
  );
  fc.assert(
    fc.property(batch, ([shape, values]) => {
      const made = createBatchCodec(shape);
      const plain = createBatchCodec(shape, { plain: true });
      const one = written(made, values);
      assert.deepEqual(one, written(plain, values));
      laidOut.add(one.layout);
      assertSame(roundTrip(made, values), values);
      assertSame(roundTrip(plain, values), values);
    }),
    { seed: 47, numRuns: RUNS },
  );
  assert.deepEqual(
    [...laidOut].sort((one, other) => one - other),
    [BatchLayout.GENERIC, BatchLayout.ROWS, BatchLayout.COLUMNS],
  );
  console.log(`cases: typed batches ${RUNS} (minimum ${RUNS})`);
});

test('rows below eight records, columns from eight', () => {
  const codec = createBatchCodec(Login.shape);
  for (let count = 0; count <= 20; count++) {
    const values = Array.from({ length: count }, (_, index) => loginOf(index));
    assert.equal(written(codec, values).layout, count < 8 ? BatchLayout.ROWS : BatchLayout.COLUMNS);
    assertSame(roundTrip(codec, values), values);
  }
});

test('what a record has that its type has not crosses too, and is told once', () => {
  class Special {
    user = 'ada';
  }
  const type = t.object({ user: t.string }).shape;
  const good = Array.from({ length: 10 }, () => ({ user: 'ada' }));
  const odd: unknown[] = [{ user: 'ada', more: 1 }, {}, { user: 1 }, null, 7, ['a'], Object.create(null)];
  const told: string[] = [];
  const codec = createBatchCodec(type, { mismatched: (why) => told.push(why) });
  for (const one of odd) {
    for (const values of [[one], [...good, one]]) {
      assert.equal(written(codec, values).layout, BatchLayout.GENERIC);
      assertSame(roundTrip(codec, values), values);
    }
  }
  assert.equal(told.length, 1);
  assert.throws(
    () => written(codec, [...good, new Special()]),
    (error) => isMillraceError(error, 'GENERIC_CODEC_UNSUPPORTED'),
  );
});

/** Columns of numbers, and of strings, in each of their forms, and those that are nearly so. */
const FORMS: Readonly<Record<string, (index: number) => { n: number; s: string }>> = {
  'equal ones': () => ({ n: 200, s: 'GET' }),
  'equal ones that are no i32': () => ({ n: 1.7e12, s: '' }),
  'minus zeros': () => ({ n: -0, s: '\ud800' }),
  'zeros of both signs': (index) => ({ n: index % 2 === 0 ? 0 : -0, s: 'a'.repeat(300) }),
  'NaN throughout': () => ({ n: Number.NaN, s: 'GET' }),
  'infinite ones': () => ({ n: Number.POSITIVE_INFINITY, s: 'GET' }),
  'i32, and few strings': (index) => ({ n: index - 9, s: `/page/${index % 7}` }),
  'times, and long strings that repeat': (index) => ({
    n: 1.7e12 + index * 1_000,
    s: `a path that is long: ${index % 3}`,
  }),
  'times with a fraction, and all strings different': (index) => ({ n: 1.7e12 + index / 2, s: `u${index}` }),
  'far from each other, and strings of one hash': (index) => ({ n: index * 1e12, s: `x${index + 10}yzyz` }),
  'beyond what is safe': (index) => ({ n: 2 ** 60 + index * 2 ** 10, s: `\u00fc${index % 5}` }),
  'one that is not like the others': (index) => ({
    n: index === 40 ? 0.5 : 7,
    s: index === 40 ? 'other' : 'GET',
  }),
  'a character that is not ASCII in the last': (index) => ({
    n: 1,
    s: index === 7 ? `${index}\u00e9` : `${index}`,
  }),
  'one that is long among short ones': (index) => ({
    n: 2,
    s: `${index}`.padEnd(index === 5 ? 256 : 2, 'ab'),
  }),
  'one that is very long, put together of parts': (index) => ({
    n: 3,
    s: index === 5 ? `${'left'.repeat(9_000)}${'right'.repeat(9_000)}` : `${index}`,
  }),
  'integers and a minus zero': (index) => ({ n: index === 40 ? -0 : 1e10 + index, s: `${index >> 1}` }),
};

test('numbers and strings come back from each form of their columns, batch after batch', () => {
  const shape = t.object({ n: t.number, s: t.string }).shape;
  const sizes = new Map<string, number>();
  const made = createBatchCodec(shape);
  const plain = createBatchCodec(shape, { plain: true });
  for (const count of [8, 16, 17, 64, 256, 1_000]) {
    for (const [name, recordOf] of Object.entries(FORMS)) {
      const values = Array.from({ length: count }, (_, index) => recordOf(index));
      for (let again = 0; again < 3; again++) {
        const one = written(made, values);
        assert.deepEqual(one, written(plain, values), name);
        assert.equal(one.layout, BatchLayout.COLUMNS);
        assertSame(roundTrip(made, values), values);
        assertSame(roundTrip(plain, values), values);
        // The first of a codec of its own: it looks for what repeats.
        sizes.set(name, written(createBatchCodec(shape), values).bytes.length / count);
      }
      // One that does not fit ends its batch, and changes nothing in those behind.
      const odd = values.with(count >> 1, { n: 1, s: 2 } as never);
      assert.deepEqual(written(made, odd), written(plain, odd));
    }
  }
  assert.ok(sizes.get('equal ones')! < 0.1, 'of equal ones there is one');
  assert.ok(sizes.get('i32, and few strings')! < 5.2, 'strings that repeat take a byte each');
  assert.ok(sizes.get('times, and long strings that repeat')! < 5.2, 'times take four bytes each');
  assert.ok(sizes.get('far from each other, and strings of one hash')! > 12);
});

test('where code generation is forbidden the plain loops run', () => {
  const script = `
    import { createBatchCodec } from ${JSON.stringify(new URL('./batch-codec.ts', import.meta.url).href)};
    import { BinaryReader, BinaryWriter } from ${JSON.stringify(new URL('./binary.ts', import.meta.url).href)};
    const shape = { kind: 'object', fields: [{ name: 'a', type: { kind: 'int32' }, optional: false }] };
    const codec = createBatchCodec(shape);
    const out = new BinaryWriter();
    const values = Array.from({ length: 9 }, (_, a) => ({ a }));
    const layout = codec.write(values, out);
    let refusal;
    try { new Function(''); } catch (error) { refusal = error.name; }
    console.log(layout, refusal, JSON.stringify(codec.read(layout, 9, new BinaryReader(out.peek()))));
  `;
  const args = ['--disallow-code-generation-from-strings', '--input-type=module', '--eval', script];
  const printed = execFileSync(process.execPath, args, { encoding: 'utf8' });
  const values = Array.from({ length: 9 }, (_, a) => ({ a }));
  assert.equal(printed, `${BatchLayout.COLUMNS} EvalError ${JSON.stringify(values)}\n`);
});

test('every object is a fresh plain one', () => {
  const codec = createBatchCodec(Login.shape);
  const values = Array.from({ length: 9 }, (_, index) => loginOf(index));
  const read = roundTrip(codec, values) as Record<string, unknown>[];
  assert.equal(Object.getPrototypeOf(read[1]), Object.prototype);
  assert.deepEqual({ ...read[1] }, values[1]);
  read[1]!['user'] = 'changed';
  read[1]!['more'] = 1;
  assert.deepEqual(read[2], values[2]);
});

test('cut bytes are refused, flipped ones are refused or make another value', () => {
  const codec = createBatchCodec(Login.shape);
  let cut = 0;
  let refused = 0;
  let others = 0;
  for (const { count, repeat } of [
    { count: 5, repeat: 5 },
    { count: 13, repeat: 13 },
    { count: 20, repeat: 4 },
    { count: 20, repeat: 1 },
  ]) {
    const values = Array.from({ length: count }, (_, index) => loginOf(index % repeat));
    const { layout, bytes } = written(codec, values);
    for (let length = 0; length < bytes.length; length++, cut++) {
      assert.throws(
        () => codec.read(layout, count, new BinaryReader(bytes.subarray(0, length))),
        (error) => isMillraceError(error, 'CODEC_CORRUPT'),
      );
    }
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      try {
        const from = new BinaryReader(flipped);
        codec.read(layout, count, from);
        from.end();
        others++;
      } catch (error) {
        assert.ok(isMillraceError(error, 'CODEC_CORRUPT'), String(error));
        refused++;
      }
    }
  }
  assert.ok(refused > 100 && others > 100, `${refused} refused, ${others} others`);
  console.log(`cases: damaged typed batches ${cut + refused + others} (minimum 1000)`);
});

test('a layout that the type has not is refused', () => {
  const shapes: readonly (TypeShape | undefined)[] = [undefined, Login.shape];
  for (const shape of shapes) {
    assert.throws(
      () => createBatchCodec(shape).read(3, 1, new BinaryReader(new Uint8Array(64))),
      (error) => isMillraceError(error, 'CODEC_CORRUPT'),
    );
  }
});

test('one field kept of each of 10,000 batches keeps no batch alive', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const codec = createBatchCodec(t.object({ user: t.string, path: t.string }).shape);
  const pad = 'x'.repeat(24);
  const texts = [`user-${pad}`, `us\u00e9r-${pad}`].map((user) => {
    const values = Array.from({ length: 256 }, (_, index) => ({
      user: `${user}-${index}`,
      path: 'p'.repeat(12),
    }));
    return written(codec, values);
  });
  const kept: unknown[] = [];
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let batch = 0; batch < BATCHES; batch++) {
    const { layout, bytes } = texts[batch % 2]!;
    const records = codec.read(layout, 256, new BinaryReader(bytes)) as { user: string; path: string }[];
    kept.push(records[batch % 256]!.user, records[batch % 256]!.path);
  }
  collect();
  const grown = process.memoryUsage().heapUsed - before;
  assert.equal(kept.length, 2 * BATCHES);
  assert.ok(grown < HEAP_BYTES_MAX, `the heap grew by ${grown} bytes`);
});
