import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { assertSameTable } from '../../../test/cluster/state-table.ts';
import { ADAPTIVE_MOVES, moveAdaptive } from './adaptive-states.ts';

test('every cell of the table of an adaptive job is what its drawing says', () => {
  const cells = assertSameTable({
    drawing: readFileSync(new URL('./adaptive-states.ts', import.meta.url), 'utf8'),
    moves: ADAPTIVE_MOVES,
    move: moveAdaptive,
  });
  assert.equal(cells, 90);
});
