import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { assertSameTable } from '../../../test/cluster/state-table.ts';
import { moveRegistration, REGISTRATION_MOVES } from './registration.ts';

test('every cell of the table of a registration is what its drawing says', () => {
  const cells = assertSameTable({
    drawing: readFileSync(new URL('./registration.ts', import.meta.url), 'utf8'),
    moves: REGISTRATION_MOVES,
    move: moveRegistration,
  });
  assert.equal(cells, 28);
});
