// The writer and the reader: what goes in comes out, and hostile bytes never lead outside.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isMillraceError } from '../base/errors.ts';
import { BinaryReader, BinaryWriter } from './binary.ts';

const RUNS = 300;
const SEED = 11;

type Write = readonly [kind: 'u8' | 'u16' | 'u32' | 'i32' | 'f64' | 'varint' | 'zigzag', value: number];

const number: fc.Arbitrary<Write> = fc.oneof(
  fc.tuple(fc.constant('u8' as const), fc.integer({ min: 0, max: 0xff })),
  fc.tuple(fc.constant('u16' as const), fc.integer({ min: 0, max: 0xffff })),
  fc.tuple(fc.constant('u32' as const), fc.integer({ min: 0, max: 0xffffffff })),
  fc.tuple(fc.constant('i32' as const), fc.integer()),
  fc.tuple(fc.constant('f64' as const), fc.double()),
  fc.tuple(fc.constant('varint' as const), fc.maxSafeNat()),
  fc.tuple(fc.constant('zigzag' as const), fc.maxSafeInteger()),
);

test('reads back every sequence of numbers, strings and bytes', () => {
  const item = fc.oneof(
    number,
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.uint8Array({ maxLength: 600 }),
  );
  fc.assert(
    fc.property(fc.array(item), (items) => {
      const out = new BinaryWriter(8);
      for (const one of items) {
        if (typeof one === 'string') out.string(one);
        else if (one instanceof Uint8Array) out.bytes(one);
        else out[one[0]](one[1]);
      }
      const from = new BinaryReader(out.finish());
      for (const one of items) {
        if (typeof one === 'string') assert.equal(from.string(), one);
        else if (one instanceof Uint8Array) assert.deepEqual(from.bytes(), one);
        else assert.ok(Object.is(from[one[0]](), one[1]), `${one[0]} ${one[1]}`);
      }
      from.end();
    }),
    { seed: SEED, numRuns: RUNS },
  );
  console.log(`cases: binary round trips ${RUNS} (minimum ${RUNS})`);
});

test('a text is written by its ASCII characters, or not at all', () => {
  const others = [
    '\u0080',
    '\u00ff',
    '\u0100',
    '\u07ff',
    '\u0800',
    '\ud800',
    '\udc00',
    '\uffff',
    '\u{1f600}',
    '\u00e9'.repeat(5),
  ];
  let texts = 0;
  for (let length = 0; length <= 40; length++) {
    const plain = 'az\0\u007f '.repeat(8).slice(0, length);
    const out = new BinaryWriter(8);
    out.u8(7);
    assert.equal(out.ascii(plain), true);
    out.u8(8);
    const expected = [7, ...Buffer.from(plain, 'latin1'), 8];
    assert.deepEqual([...out.finish()], expected);
    for (const other of others) {
      for (let at = 0; at <= length; at++, texts++) {
        assert.equal(out.ascii(plain.slice(0, at) + other + plain.slice(at)), false);
        // The bytes behind are those of the attempt, and are written over.
        assert.equal(out.length, expected.length);
      }
    }
    assert.deepEqual([...out.finish()], expected);
  }
  console.log(`cases: texts that are not ASCII ${texts} (minimum 8000)`);
  assert.ok(texts >= 8_000);
});

test('keeps the borders of varint and zigzag', () => {
  const borders = [
    0,
    1,
    63,
    64,
    127,
    128,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32,
    2 ** 49 - 1,
    Number.MAX_SAFE_INTEGER,
  ];
  for (const border of borders) {
    const out = new BinaryWriter(1);
    out.varint(border);
    out.zigzag(border);
    out.zigzag(-border);
    const from = new BinaryReader(out.finish());
    assert.deepEqual(
      [from.varint(), from.zigzag(), from.zigzag()],
      [border, border, border === 0 ? 0 : -border],
    );
    assert.equal(from.remaining, 0);
  }
});

test('writes the bytes that the drawing shows', () => {
  const out = new BinaryWriter();
  out.u16(0x0102);
  out.varint(300);
  out.zigzag(-1);
  out.string('é');
  out.bytes(Uint8Array.of(7));
  out.f64(Number.NaN);
  const golden = [2, 1, 0xac, 2, 1, 2, 0xc3, 0xa9, 1, 7, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f];
  assert.deepEqual([...out.finish()], golden);
});

test('keeps every string, also one that UTF-8 cannot hold', () => {
  const long = 'x'.repeat(100);
  const strings = [
    '',
    'abc',
    '\ud800',
    'a\udc00b',
    '\udc00\ud800',
    '😀',
    `${long}\ud83d`,
    long,
    '\ufffd',
    '\0',
  ];
  for (const text of strings) {
    const out = new BinaryWriter();
    out.string(text);
    assert.equal(new BinaryReader(out.finish()).string(), text);
  }
});

test('refuses bytes that no writer writes, naming the offset', () => {
  const corrupt: [name: string, bytes: number[], read: (from: BinaryReader) => unknown][] = [
    ['a length beyond the end', [5, 1], (from) => from.bytes()],
    ['a hostile length', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], (from) => from.string()],
    ['a varint without an end', [0x80, 0x80], (from) => from.varint()],
    [
      'a varint above the safe integers',
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f],
      (from) => from.varint(),
    ],
    ['a varint with a useless zero', [0x80, 0], (from) => from.varint()],
    ['a number cut short', [1, 2, 3], (from) => from.f64()],
    ['a byte that begins nothing', [1, 0xff], (from) => from.string()],
    ['an overlong character', [2, 0xc0, 0x80], (from) => from.string()],
    ['a character cut short', [2, 0xe2, 0x82], (from) => from.string()],
    ['left-over bytes', [1], (from) => from.end()],
  ];
  for (const [name, bytes, read] of corrupt) {
    assert.throws(
      () => read(new BinaryReader(Uint8Array.from(bytes))),
      (error) => isMillraceError(error, 'CODEC_CORRUPT') && / at offset \d+ of \d+$/.test(error.message),
      name,
    );
  }
});

test('refuses to write what is not an integer of its range', () => {
  const out = new BinaryWriter();
  for (const value of [-1, 1.5, Number.NaN, 2 ** 53]) assert.throws(() => out.varint(value), /varint/);
  assert.throws(() => out.zigzag(0.5), /zigzag/);
});

test('hands out copies, and starts again after a reset', () => {
  const out = new BinaryWriter();
  out.string('first');
  const first = out.finish();
  out.reset();
  out.string('other');
  assert.equal(new BinaryReader(first).string(), 'first');
  assert.equal(new BinaryReader(out.finish()).string(), 'other');

  const source = out.finish();
  const copy = new BinaryReader(source).bytes();
  source.fill(0);
  assert.equal(Buffer.from(copy).toString(), 'other');
  assert.equal(copy.byteOffset, 0);
  assert.equal(copy.buffer.byteLength, copy.length);
});

test('reads bytes that begin within a larger buffer', () => {
  const whole = Uint8Array.of(9, 9, 1, 42, 9);
  const from = new BinaryReader(whole.subarray(2, 4));
  assert.deepEqual([...from.view(2)], [1, 42]);
  assert.throws(() => from.u8(), /at offset 2 of 2/);
});
