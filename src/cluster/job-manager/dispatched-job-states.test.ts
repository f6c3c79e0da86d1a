import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { assertSameTable } from '../../../test/cluster/state-table.ts';
import { DISPATCHED_JOB_MOVES, moveDispatchedJob } from './dispatched-job-states.ts';

test('every cell of the table of a dispatched job is what its drawing says', () => {
  const cells = assertSameTable({
    drawing: readFileSync(new URL('./dispatched-job-states.ts', import.meta.url), 'utf8'),
    moves: DISPATCHED_JOB_MOVES,
    move: moveDispatchedJob,
  });
  assert.equal(cells, 24);
});
