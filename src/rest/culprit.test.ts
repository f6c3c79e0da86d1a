import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobGraph } from '../graph/job-graph.ts';
import { backPressureLevel, findCulprit, type VertexLoad } from './culprit.ts';

/** A row of vertices; each with the kinds of its operators. */
function row(...kinds: readonly (readonly string[])[]): JobGraph {
  return {
    name: 'row',
    vertices: kinds.map((operators) => ({ operators: operators.map((kind) => ({ kind })) })),
    edges: kinds.slice(1).map((_, from) => ({ from, to: from + 1 })),
  } as unknown as JobGraph;
}

/** By subtask: busy, back-pressured. */
function load(...subtasks: readonly (readonly [number, number])[]): VertexLoad {
  return {
    busyShareMax: Math.max(...subtasks.map(([busy]) => busy)),
    backPressuredShareMax: Math.max(...subtasks.map(([, waits]) => waits)),
    subtasks: subtasks.map(([busyShare, backPressuredShare], subtask) => ({
      subtask,
      busyShare,
      backPressuredShare,
    })),
  };
}

const GRAPH = row(['source'], ['map'], ['process'], ['sink']);

test('nobody is accused while nobody waits', () => {
  const loads = [load([0.4, 0.1]), load([0.99, 0.2]), load([0.3, 0]), load([0.1, 0])];
  assert.equal(findCulprit(GRAPH, loads), null);
});

test('the one behind those who wait is named, and they are its victims, the nearest first', () => {
  const loads = [load([0, 0.95]), load([0.1, 0.9]), load([0.97, 0], [0.95, 0]), load([0.05, 0])];
  assert.deepEqual(findCulprit(GRAPH, loads), {
    vertex: 2,
    subtask: 0,
    why: 'busy',
    busyShare: 0.97,
    victims: [1, 0],
  });
});

test('one subtask that works while its siblings do not has a hot key', () => {
  const loads = [load([0, 0.9]), load([0.1, 0.8]), load([0.1, 0], [0.99, 0], [0.05, 0]), load([0.05, 0])];
  const found = findCulprit(GRAPH, loads);
  assert.deepEqual([found?.vertex, found?.subtask, found?.why], [2, 1, 'hot-key']);
});

test('a sink that waits for something outside is a slow sink', () => {
  const loads = [load([0, 0.9]), load([0, 0.9]), load([0.1, 0.8]), load([0.02, 0.95])];
  const found = findCulprit(GRAPH, loads);
  assert.deepEqual([found?.vertex, found?.why, found?.victims], [3, 'slow-sink', [2, 1, 0]]);
});

test("the words for back pressure are Flink's", () => {
  assert.deepEqual([0, 0.1, 0.11, 0.5, 0.51, 1].map(backPressureLevel), [
    ...['ok', 'ok', 'low', 'low', 'high', 'high'],
  ]);
});
