import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MASKED, SHOWN_BOUNDS, shownValue } from './shown-value.ts';

test('shows what JSON cannot say as text, and the rest as it is', () => {
  const value = {
    n: 1,
    big: 12n,
    nan: Number.NaN,
    nothing: undefined,
    at: new Date(0),
    bytes: new Uint8Array(3),
    set: new Set([1]),
    named: new Map([['a', 1]]),
    keyed: new Map([[1, 'x']]),
    list: [null, true],
  };
  const { value: shown, isCut } = shownValue(value);
  assert.deepEqual(JSON.parse(JSON.stringify(shown)), {
    n: 1,
    big: '12n',
    nan: 'NaN',
    nothing: 'undefined',
    at: '1970-01-01T00:00:00.000Z',
    bytes: '[3 bytes]',
    set: [1],
    named: { a: 1 },
    keyed: [[1, 'x']],
    list: [null, true],
  });
  assert.equal(isCut, false);
});

test('masks fields by name at any depth', () => {
  const { value } = shownValue(
    { user: { password: 'p', name: 'n' }, all: [{ password: 1 }] },
    new Set(['password']),
  );
  assert.deepEqual(JSON.parse(JSON.stringify(value)), {
    user: { password: MASKED, name: 'n' },
    all: [{ password: MASKED }],
  });
});

test('is bounded whatever comes, and says that it cut', () => {
  const circle: Record<string, unknown> = {};
  circle['self'] = circle;
  const wide = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, n) => [`f${n}`, Array(1_000).fill('x'.repeat(9_999))]),
  );
  const throwing = {
    get broken(): never {
      throw new Error('no');
    },
  };
  const nameless = {
    get broken(): never {
      throw Object.create(null);
    },
  };
  const unnamed = () => {};
  Object.defineProperty(unnamed, 'name', { value: Symbol('no text') });
  const long = 'x'.repeat(1e6);
  const texts = [long, Symbol(long), new Error(long), 10n ** 9_999n];
  for (const value of [circle, wide, throwing, nameless, unnamed, ...texts, Array(1e6).fill(0)]) {
    const { value: shown, isCut } = shownValue(value);
    const length = JSON.stringify(shown).length;
    assert.ok(length <= SHOWN_BOUNDS.values * (SHOWN_BOUNDS.textLength + 10), `${length}`);
    assert.ok(isCut);
  }
});

test('names of fields that are properties of every object are fields like others', () => {
  const hostile = JSON.parse('{"__proto__":{"polluted":1},"constructor":2,"toString":3}') as object;
  const { value } = shownValue(hostile);
  assert.equal(JSON.stringify(value), '{"__proto__":{"polluted":1},"constructor":2,"toString":3}');
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});
