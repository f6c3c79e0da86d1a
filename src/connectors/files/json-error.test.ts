import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { jsonErrorColumn } from './json-error.ts';

const SEED = 42;
const RUNS = 3_000;

describe('the column of a JSON error', () => {
  it('is where the text stops being JSON', () => {
    const cases: [string, number][] = [
      ['', 1],
      ['  ', 3],
      ['{', 2],
      ['{"a":1,}', 8],
      ['[1,]', 4],
      ['[1 2]', 4],
      ['{"a" 1}', 6],
      ['{a:1}', 2],
      ['"open', 6],
      ['"bad \\x"', 6],
      ['"tab\there"', 5],
      ['nul', 1],
      ['[1]]', 4],
      ['{"a":1]', 7],
      ['01', 2],
      ['"\\u12g4"', 2],
      ['{"a":{"b":[1,{"c":tru}]}}', 19],
    ];
    for (const [text, column] of cases) assert.equal(jsonErrorColumn(text), column, text);
  });

  it('is not there exactly when the engine takes the text', () => {
    const damaged = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom('', '"', '{', ']', ',', ':', '\\', 'x', '0', ' ', '\u0001'))
      .map(([text, at, piece]) => {
        const place = at % (text.length + 1);
        return text.slice(0, place) + piece + text.slice(place + (at % 2));
      });
    fc.assert(
      fc.property(fc.oneof(damaged, fc.string({ unit: 'binary' }), fc.json()), (text) => {
        const column = jsonErrorColumn(text);
        assert.equal(column === undefined, isJson(text));
        if (column === undefined) return;
        assert.ok(column >= 1 && column <= text.length + 1);
      }),
      { seed: SEED, numRuns: RUNS },
    );
    console.log(`cases: JSON error column ${RUNS} (minimum ${RUNS})`);
  });

  it('is found in long strings and deep nesting', () => {
    assert.equal(jsonErrorColumn(`"${'x'.repeat(9_000_000)}`), 9_000_002);
    assert.equal(jsonErrorColumn('['.repeat(200_000)), 200_001);
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
