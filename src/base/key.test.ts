import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isMillraceError } from './errors.ts';
import { checkKey, compareKeys, decodeKey, decodeKeyAt, encodeKey, type Key } from './key.ts';

const { key: keys } = fc.letrec<{ key: Key; tuple: readonly Key[]; leaf: Key }>((tie) => ({
  key: fc.oneof({ maxDepth: 3 }, { arbitrary: tie('leaf'), weight: 4 }, tie('tuple')),
  tuple: fc.array(tie('key'), { maxLength: 4 }),
  leaf: fc.oneof(
    fc.boolean(),
    fc.integer(),
    fc.double(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc
      .array(fc.constantFrom('\0', '\u0001', 'a', 'é', '\uffff', '😀', '\ud800', '\udc00'), { maxLength: 5 })
      .map((units) => units.join('')),
  ),
}));

function check(name: string, property: fc.IRawProperty<unknown[]>): void {
  const numRuns = 2_000;
  fc.assert(property as fc.IProperty<unknown[]>, { seed: 7, numRuns });
  console.log(`cases: ${name} ${numRuns} (minimum 1000)`);
}

test('refuses what cannot be compared by value, and says what to do', () => {
  const circle: unknown[] = [];
  circle.push(circle);
  for (const value of [
    null,
    undefined,
    {},
    new Map(),
    () => 1,
    Symbol('x'),
    [1, null],
    new Array(1),
    circle,
    2n ** 63n,
  ]) {
    assert.throws(
      () => checkKey(value),
      (error) => isMillraceError(error, 'KEY_INVALID') && error.remedy.includes('key selector'),
    );
  }
  assert.throws(() => checkKey(new Date(0)), /an object \(Date\) cannot be a key/);
});

test('makes a key canonical: one zero, frozen tuples, and no copy of what is canonical already', () => {
  assert.ok(Object.is(checkKey(-0), 0));
  const given = ['a', [-0, true]];
  const checked = checkKey(given) as readonly Key[];
  assert.deepEqual(checked, ['a', [0, true]]);
  assert.notEqual(checked, given);
  assert.ok(Object.isFrozen(checked) && Object.isFrozen(checked[1]));
  assert.equal(checkKey(checked), checked);
});

test('encodes keys as the drawing says', () => {
  const hex = (key: Key): string => Buffer.from(encodeKey(key)).toString('hex');
  assert.equal(hex(false), '10');
  assert.equal(hex(true), '11');
  assert.equal(hex(1), '20bff0000000000000');
  assert.equal(hex(-1), '20400fffffffffffff');
  assert.equal(hex(1n), '308000000000000001');
  assert.equal(hex('1'), '403100');
  assert.equal(hex('a\0\u0001'), '406101010102' + '00');
  assert.equal(hex('\ud800'), '41d801' + '01' + '00');
  assert.equal(hex(['a', []]), '50' + '406100' + '5000' + '00');
});

test('keeps 1, "1", 1n, true and [1] apart, and makes one key of every NaN and of both zeros', () => {
  const different = [1, '1', 1n, true, [1], [[1]], [], '', '\0', '\u0001', '\ufffd', '\ud800', '\ud801'];
  assert.equal(
    new Set(different.map((key) => Buffer.from(encodeKey(key)).toString('hex'))).size,
    different.length,
  );
  const otherNaN = new Float64Array(new BigUint64Array([0xfff8_0000_0000_0001n]).buffer)[0]!;
  assert.deepEqual(encodeKey(otherNaN), encodeKey(Number.NaN));
  assert.deepEqual(encodeKey(-0), encodeKey(0));
});

test('decodes what it encoded, at any offset', () => {
  check(
    'key round trip',
    fc.property(keys, fc.uint8Array({ maxLength: 3 }), (given, padding) => {
      const key = checkKey(given);
      const bytes = encodeKey(key);
      assert.deepEqual(decodeKey(bytes), key);
      const framed = Uint8Array.from([...padding, ...bytes, 0xff]);
      const { key: found, end } = decodeKeyAt(framed, padding.length);
      assert.deepEqual(found, key);
      assert.equal(end, padding.length + bytes.length);
    }),
  );
});

test('orders keys as their bytes, and no encoding begins another', () => {
  check(
    'key order',
    fc.property(keys, keys, (givenA, givenB) => {
      const a = checkKey(givenA);
      const b = checkKey(givenB);
      const bytesA = encodeKey(a);
      const bytesB = encodeKey(b);
      const order = Buffer.compare(bytesA, bytesB);
      assert.equal(Math.sign(compareKeys(a, b)), order);
      const shorter = Math.min(bytesA.length, bytesB.length);
      if (order !== 0) assert.notDeepEqual(bytesA.subarray(0, shorter), bytesB.subarray(0, shorter));
    }),
  );
});

test('takes damaged bytes for a broken invariant, never for another key', () => {
  const bytes = encodeKey(['abc', 1, 2n]);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(
      () => decodeKey(bytes.subarray(0, length)),
      (error) => isMillraceError(error, 'ASSERTION_FAILED'),
    );
  }
  assert.throws(
    () => decodeKey(Uint8Array.of(0x99)),
    (error) => isMillraceError(error, 'ASSERTION_FAILED'),
  );
});
