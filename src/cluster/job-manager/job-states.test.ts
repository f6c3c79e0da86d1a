import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTerminal, JOB_MOVES, type JobState, moveJob } from './job-states.ts';

const STATES = Object.keys(JOB_MOVES) as JobState[];

test('exactly FAILED, CANCELED, FINISHED and SUSPENDED are terminal', () => {
  assert.deepEqual(STATES.filter(isTerminal).sort(), ['CANCELED', 'FAILED', 'FINISHED', 'SUSPENDED']);
});

test('every state is reached from INITIALIZING and leads to a terminal one', () => {
  const reachable = new Set<JobState>(['INITIALIZING']);
  for (const state of reachable) for (const next of JOB_MOVES[state]) reachable.add(next);
  assert.deepEqual([...reachable].sort(), [...STATES].sort());
  const endsFrom = (state: JobState): boolean => {
    const seen = new Set([state]);
    for (const one of seen) for (const next of JOB_MOVES[one]) seen.add(next);
    return [...seen].some(isTerminal);
  };
  assert.ok(STATES.every(endsFrom));
});

test('a job can be canceled from every state that is not terminal', () => {
  for (const state of STATES) {
    const canCancel = state === 'CANCELLING' || JOB_MOVES[state].includes('CANCELLING');
    assert.equal(canCancel, !isTerminal(state), state);
  }
});

test('a move that is not in the table is refused', () => {
  for (const from of STATES) {
    for (const to of STATES) {
      if (JOB_MOVES[from].includes(to)) assert.equal(moveJob(from, to), to);
      else assert.throws(() => moveJob(from, to), { code: 'ASSERTION_FAILED' });
    }
  }
});
