import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { assertSameTable } from '../../test/cluster/state-table.ts';
import { ELECTION_MOVES, moveElection } from './election-states.ts';

test('every cell of the table of an election is what its drawing says', () => {
  const cells = assertSameTable({
    drawing: readFileSync(new URL('./election-states.ts', import.meta.url), 'utf8'),
    moves: ELECTION_MOVES,
    move: moveElection,
  });
  assert.equal(cells, 42);
});
