import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type JobEdge, type JobGraph, type JobVertex, requiredSlots } from '../../graph/job-graph.ts';
import { forwardGroups, parallelismLimits, rescaleGraph } from '../../graph/rescale.ts';
import {
  checkRequirements,
  fitParallelism,
  requirementsFor,
  requirementsOf,
  type ResourceRequirements,
} from './resource-requirements.ts';

function graphOf(groups: readonly (string | undefined)[], forced: readonly boolean[]): JobGraph {
  const vertices = groups.map(
    (slotSharingGroup, index): JobVertex => ({
      ...{ id: `id${index}`, name: `n${index}`, parallelism: 1, maxParallelism: 6, source: index === 0 },
      operators: [{ uid: `uid${index}` } as JobVertex['operators'][number]],
      ...(slotSharingGroup === undefined ? {} : { slotSharingGroup }),
    }),
  );
  const edges = groups.slice(1).map(
    (_, index): JobEdge => ({
      ...{ index, from: index, fromOperator: 0, tag: undefined, to: index + 1, input: 0, unaligned: true },
      ...(forced[index] === true ? { partitioner: 'forward', forced: true } : { partitioner: 'key-group' }),
    }),
  );
  return { name: 'job', vertices, edges, fingerprint: 'f' };
}

const drawn = fc.record({
  groups: fc.array(fc.constantFrom(undefined, 'x', 'y'), { minLength: 1, maxLength: 5 }),
  forced: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
  bounds: fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 })), {
    minLength: 5,
    maxLength: 5,
  }),
  slots: fc.integer({ min: 0, max: 20 }),
});

test('what fits is within its bounds and within the slots, and takes no slot less than it could', () => {
  fc.assert(
    fc.property(drawn, ({ groups, forced, bounds, slots }) => {
      const graph = graphOf(groups, forced);
      const joined = forwardGroups(graph);
      // What is joined asks for the same.
      const requirements: ResourceRequirements = graph.vertices.map((_, index) => {
        const [a, b] = bounds[joined[index]!]!;
        return { lowerBound: Math.min(a, b), upperBound: Math.max(a, b) };
      });
      const fit = fitParallelism(graph, requirements, slots);
      const least = requiredSlots(
        rescaleGraph(
          graph,
          requirements.map(({ lowerBound }) => lowerBound),
        ),
      );
      if (fit === undefined) return assert.ok(slots < least, 'the least does not fit');
      const rescaled = rescaleGraph(graph, fit);
      assert.ok(requiredSlots(rescaled) <= slots);
      for (const [index, count] of fit.entries()) {
        assert.ok(requirements[index]!.lowerBound <= count && count <= requirements[index]!.upperBound);
      }
      const most = requiredSlots(
        rescaleGraph(
          graph,
          requirements.map(({ upperBound }) => upperBound),
        ),
      );
      if (slots >= most)
        assert.deepEqual(
          fit,
          requirements.map(({ upperBound }) => upperBound),
        );
    }),
    { numRuns: 2_000, seed: 7 },
  );
});

test('bounds are a range within what a vertex can have; -1 stands for the ends of it', () => {
  const graph = graphOf([undefined, undefined], [false]);
  const two = (lowerBound: number, upperBound: number): ResourceRequirements => [
    { lowerBound, upperBound },
    { lowerBound: 1, upperBound: 1 },
  ];
  assert.deepEqual(checkRequirements(graph, two(-1, -1))[0], { lowerBound: 1, upperBound: 6 });
  assert.deepEqual(checkRequirements(graph, two(2, 5))[0], { lowerBound: 2, upperBound: 5 });
  for (const wrong of [two(0, 1), two(3, 2), two(1, 7), two(1.5, 2), [{ lowerBound: 1, upperBound: 1 }]]) {
    assert.throws(() => checkRequirements(graph, wrong), { code: 'GRAPH_PARALLELISM_INVALID' });
  }
  assert.deepEqual(parallelismLimits(graph), [6, 6]);
});

test('vertices are asked for by id, by name, or by the uid of an operator; what forward() joins goes along', () => {
  const graph = graphOf([undefined, undefined, undefined], [false, true]);
  const now = requirementsOf([1, 1, 1]);
  assert.deepEqual(requirementsFor(graph, now, 4), requirementsOf([4, 4, 4]));
  assert.deepEqual(requirementsFor(graph, now, { id0: 2 }), requirementsOf([2, 1, 1]));
  assert.deepEqual(requirementsFor(graph, now, { n1: 3 }), requirementsOf([1, 3, 3]));
  assert.deepEqual(requirementsFor(graph, now, { uid2: 5, n0: 2 }), requirementsOf([2, 5, 5]));
  assert.throws(() => requirementsFor(graph, now, { nobody: 1 }), {
    code: 'GRAPH_PARALLELISM_INVALID',
    message: /no vertex "nobody"; it has "n0", "n1", "n2"/,
  });
});
