import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isPlain, isSamePlain, shapeDifference } from './plain-json.ts';

describe('plain JSON', () => {
  it('is what JSON gives back as it was', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const written = JSON.parse(JSON.stringify(value)) as unknown;
        assert.ok(isPlain(written));
        assert.ok(isSamePlain(written, JSON.parse(JSON.stringify(written))));
        assert.equal(shapeDifference(written, written), shapeDifference(written, structuredClone(written)));
      }),
    );
    const others = [undefined, Number.NaN, -0, 1n, new Date(0), new Map(), [undefined], { a: new Set() }];
    for (const value of others) assert.equal(isPlain(value), false);
  });

  it('is not what contains itself', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    assert.equal(isPlain(circle), false);
  });

  it('is equal whatever the order of fields, and not with a field more', () => {
    assert.ok(isSamePlain({ a: 1, b: [2] }, { b: [2], a: 1 }));
    for (const other of [{ a: 1 }, { a: 1, b: [2], c: 3 }, { a: 1, b: [3] }, { a: 1, b: { 0: 2 } }, null]) {
      assert.equal(isSamePlain({ a: 1, b: [2] }, other), false, JSON.stringify(other));
    }
  });

  it('says where two shapes differ, and that nothing may become anything', () => {
    assert.equal(shapeDifference(1, 2), undefined);
    assert.equal(shapeDifference(null, { any: 1 }), undefined);
    assert.equal(shapeDifference([], ['x']), undefined);
    assert.equal(shapeDifference([1], [2, 3]), undefined);
    assert.equal(shapeDifference(1, '1'), 'it is a string, and was a number');
    assert.equal(
      shapeDifference([{ n: 1 }], [{ n: 1 }, { n: '2' }]),
      '"[1].n" is a string, and was a number',
    );
    assert.equal(shapeDifference({ a: { b: 1 } }, { a: {} }), 'the field "a.b" is missing');
    assert.equal(shapeDifference({ a: 1 }, { a: 1, b: 2 }), 'the field "b" was not there before');
    assert.equal(shapeDifference({ a: 1 }, [1]), 'it is a list, and was an object');
  });
});
