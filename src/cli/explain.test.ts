// The error table for a person.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { codeList, codes, errorCodeOf, explanationOf } from './explain.ts';
import { styleOf } from './terminal.ts';

it('an error code is found whatever its case', () => {
  assert.equal(errorCodeOf('config_unknown_key'), 'CONFIG_UNKNOWN_KEY');
  assert.equal(errorCodeOf('nonsense'), undefined);
});

it('every code has an explanation', () => {
  for (const code of codes()) {
    assert.match(explanationOf(code, styleOf(false)), new RegExp(`^${code} {2}.+\n(?: {2}.+\n){3}$`));
  }
  assert.equal(codeList().trimEnd().split('\n').length, codes().length);
});
