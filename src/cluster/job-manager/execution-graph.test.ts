import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobGraph } from '../../graph/job-graph.ts';
import { EXECUTION_MOVES, ExecutionGraph, type ExecutionState } from './execution-graph.ts';

const graph = {
  name: 'two vertices',
  vertices: [{ parallelism: 1 }, { parallelism: 2 }],
  edges: [],
} as unknown as JobGraph;

test('subtask i of every vertex runs in slot i', () => {
  const executions = new ExecutionGraph(graph, 1);
  assert.deepEqual(
    executions.inSlot(0).map(({ vertex, subtask }) => [vertex, subtask]),
    [
      [0, 0],
      [1, 0],
    ],
  );
  assert.deepEqual(
    executions.inSlot(1).map(({ vertex, subtask }) => [vertex, subtask]),
    [[1, 1]],
  );
});

test('an execution moves along the table only', () => {
  const executions = new ExecutionGraph(graph, 1);
  for (const state of ['SCHEDULED', 'DEPLOYING', 'RUNNING'] as const)
    executions.move({ vertex: 0, subtask: 0 }, state);
  assert.equal(executions.get({ vertex: 0, subtask: 0 }).state, 'RUNNING');
  assert.throws(() => executions.move({ vertex: 0, subtask: 0 }, 'DEPLOYING'), { code: 'ASSERTION_FAILED' });
  assert.throws(() => executions.get({ vertex: 0, subtask: 1 }), { code: 'ASSERTION_FAILED' });
});

test('every execution that is not over can fail', () => {
  for (const state of Object.keys(EXECUTION_MOVES) as ExecutionState[]) {
    const over = EXECUTION_MOVES[state].length === 0;
    assert.equal(EXECUTION_MOVES[state].includes('FAILED'), !over, state);
  }
});

test('moving all leaves what is over alone', () => {
  const executions = new ExecutionGraph(graph, 1);
  executions.move({ vertex: 0, subtask: 0 }, 'FAILED');
  executions.moveAll('CANCELED');
  assert.deepEqual(
    executions.all().map(({ state }) => state),
    ['FAILED', 'CANCELED', 'CANCELED'],
  );
});

test('the end of all input and the commits of a checkpoint are known only when every subtask said so', () => {
  const executions = new ExecutionGraph(graph, 1);
  const [first, ...others] = executions.all();
  for (const other of others) {
    executions.ended(other);
    executions.committed(other, 7);
  }
  assert.equal(executions.allEnded(), false);
  assert.equal(executions.allCommitted(7), false);
  assert.ok(first);
  executions.ended(first);
  executions.committed(first, 8);
  executions.committed(first, 6);
  assert.equal(executions.allEnded(), true);
  assert.equal(executions.allCommitted(7), true);
  assert.equal(executions.allCommitted(8), false);
});

test('every move is told, with the time of each state so far', () => {
  let now = 100;
  const told: string[] = [];
  const executions = new ExecutionGraph(graph, 3, {
    now: () => now,
    moved: ({ vertex, subtask, state, times }) =>
      told.push(`${vertex}/${subtask} ${state} ${JSON.stringify(times)}`),
  });
  now = 107;
  executions.move({ vertex: 1, subtask: 1 }, 'SCHEDULED');
  assert.deepEqual(told, ['1/1 SCHEDULED {"CREATED":100,"SCHEDULED":107}']);
});
