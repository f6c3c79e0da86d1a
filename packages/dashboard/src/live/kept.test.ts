// What a browser keeps, what it may have stored instead, and a browser that keeps nothing.
import assert from 'node:assert/strict';
import { afterEach, it } from 'node:test';
import { isText, Kept, listOf } from './kept.ts';

const readTexts = (stored: unknown): readonly string[] => listOf(stored, isText);

function storing(items: Map<string, string>): void {
  const storage: Pick<Storage, 'getItem' | 'setItem'> = {
    getItem: (name) => items.get(name) ?? null,
    setItem: (name, value) => void items.set(name, value),
  };
  Object.defineProperty(globalThis, 'localStorage', { value: storage, configurable: true });
}

afterEach(() => {
  Reflect.deleteProperty(globalThis, 'localStorage');
});

it('is there for the next page, and whoever listens is told', () => {
  storing(new Map());
  const kept = new Kept('words', readTexts);
  let told = 0;
  const leave = kept.subscribe(() => {
    told += 1;
  });
  kept.change(['one', 'two']);
  leave();
  kept.change(['three']);
  assert.equal(told, 1);
  assert.deepEqual(new Kept('words', readTexts).current(), ['three']);
  assert.deepEqual(new Kept('others', readTexts).current(), []);
});

it('takes nothing that it cannot use from what was stored', () => {
  for (const [stored, expected] of [
    ['["one",2,null,"two"]', ['one', 'two']],
    ['{"one":1}', []],
    ['"one"', []],
    ['["one"', []],
    ['', []],
  ] as const) {
    storing(new Map([['millrace.words', stored]]));
    assert.deepEqual(new Kept('words', readTexts).current(), expected, stored);
  }
});

it('is known until the page is closed where the browser keeps nothing', () => {
  Object.defineProperty(globalThis, 'localStorage', {
    get: () => {
      throw new Error('access is denied');
    },
    configurable: true,
  });
  const kept = new Kept('words', readTexts);
  kept.change(['one']);
  assert.deepEqual(kept.current(), ['one']);
});
