import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fingerprint } from './fingerprint.ts';
import type { JobEdge, JobGraph, JobVertex } from './job-graph.ts';
import {
  forwardGroups,
  parallelismLimits,
  parallelismOf,
  rescaleGraph,
  uniformParallelism,
} from './rescale.ts';

function vertex(name: string, over: Partial<JobVertex> = {}): JobVertex {
  return {
    ...{ id: name, name, parallelism: 2, maxParallelism: 8, operators: [], source: false },
    ...over,
  };
}

function edge(index: number, partitioner: JobEdge['partitioner'], over: Partial<JobEdge> = {}): JobEdge {
  return {
    ...{ index, from: index, fromOperator: 0, tag: undefined, to: index + 1, input: 0 },
    ...{ partitioner, unaligned: partitioner !== 'forward' },
    ...over,
  };
}

function graph(vertices: readonly JobVertex[], edges: readonly JobEdge[]): JobGraph {
  const plan = { name: 'job', vertices, edges };
  return { ...plan, fingerprint: fingerprint(plan) };
}

const LINE = graph(
  [vertex('a'), vertex('b'), vertex('c'), vertex('d')],
  [edge(0, 'key-group'), edge(1, 'forward'), edge(2, 'forward', { forced: true })],
);

test('the same numbers are the same plan', () => {
  assert.equal(rescaleGraph(LINE, undefined), LINE);
  assert.equal(rescaleGraph(LINE, [2, 2, 2, 2]), LINE);
});

test('an edge that was forward because the numbers were equal is dealt out, and forward again when they are', () => {
  const rescaled = rescaleGraph(LINE, [1, 3, 2, 2]);
  assert.deepEqual(parallelismOf(rescaled), [1, 3, 2, 2]);
  assert.deepEqual(
    rescaled.edges.map(({ partitioner, unaligned }) => [partitioner, unaligned]),
    [
      ['key-group', true],
      ['rebalance', true],
      ['forward', false],
    ],
  );
  assert.notEqual(rescaled.fingerprint, LINE.fingerprint);
  assert.deepEqual(
    rescaleGraph(LINE, [5, 5, 5, 5]).edges.map(({ partitioner }) => partitioner),
    ['key-group', 'forward', 'forward'],
  );
});

test('what forward() joins has one number, and nothing has more than it can', () => {
  const refused = { code: 'GRAPH_PARALLELISM_INVALID' };
  assert.throws(() => rescaleGraph(LINE, [2, 2, 2, 3]), refused);
  assert.throws(() => rescaleGraph(LINE, [9, 2, 2, 2]), refused);
  assert.throws(() => rescaleGraph(LINE, [0, 2, 2, 2]), refused);
  assert.throws(() => rescaleGraph(LINE, [1.5, 2, 2, 2]), refused);
  assert.throws(() => rescaleGraph(LINE, [2, 2, 2]), refused);
  assert.deepEqual(forwardGroups(LINE), [0, 1, 2, 2]);
});

test('a limit holds for all that it is joined with', () => {
  const limited = graph(
    [
      vertex('a', { parallelismLimit: 1, parallelism: 1 }),
      vertex('b'),
      vertex('c', { parallelismLimit: 3 }),
      vertex('d'),
    ],
    LINE.edges,
  );
  assert.deepEqual(parallelismLimits(limited), [1, 8, 3, 3]);
  assert.deepEqual(uniformParallelism(limited, 5), [1, 5, 3, 3]);
});

test('one number for all leaves those alone whose number the job sets, and what is joined with them', () => {
  const set = graph(
    [vertex('a'), vertex('b'), vertex('c', { parallelismSet: true }), vertex('d')],
    LINE.edges,
  );
  assert.deepEqual(uniformParallelism(set, 5), [5, 5, 2, 2]);
});
