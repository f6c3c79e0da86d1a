// The figures that the documents promise follow from the log itself.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { authentications, bundledLog, knownAnswer } from './known-answer.ts';

it('the bundled log holds 1,268 events, 814 alerts from 103 addresses and 975 by user', () => {
  assert.equal(authentications(readFileSync(bundledLog, 'utf8')).length, 1268);
  const byAddress = knownAnswer('address');
  assert.equal(byAddress.length, 814);
  assert.equal(new Set(byAddress.map(({ key }) => key)).size, 103);
  assert.equal(knownAnswer('user').length, 975);
});
