import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { assertSameTable } from '../../../test/cluster/state-table.ts';
import { moveSlot, SLOT_MOVES } from './slot-states.ts';

test('every cell of the table of a slot is what its drawing says', () => {
  const cells = assertSameTable({
    drawing: readFileSync(new URL('./slot-states.ts', import.meta.url), 'utf8'),
    moves: SLOT_MOVES,
    move: moveSlot,
  });
  assert.equal(cells, 25);
});

test('a slot that was released is not free before its process is gone', () => {
  let state = moveSlot('FREE', 'allocate');
  state = moveSlot(state, 'reported');
  state = moveSlot(state, 'release');
  assert.equal(state, 'RELEASING');
  assert.equal(moveSlot(state, 'reported'), 'RELEASING');
  assert.equal(moveSlot(state, 'absent'), 'FREE');
});
