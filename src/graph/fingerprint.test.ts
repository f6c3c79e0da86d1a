import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMillraceError } from '../base/errors.ts';
import { MapOperator } from '../operators/map.ts';
import { compile } from './compile.ts';
import { assertSameGraph, firstDifference } from './fingerprint.ts';
import type { JobGraph } from './job-graph.ts';
import type { NodeSettings } from './nodes.ts';
import { StreamGraphBuilder } from './stream-graph.ts';

const factory = () => new MapOperator((value) => value);

function graphOf(
  sink: Partial<NodeSettings> = {},
  options: { name?: string; maps?: number; shuffle?: boolean } = {},
): JobGraph {
  const builder = new StreamGraphBuilder();
  let last = builder.add({ kind: 'source', name: 'log', uid: 'log', factory, inputs: [] });
  for (let map = 0; map < (options.maps ?? 1); map++) {
    const origin = { node: last, tag: undefined, partitioner: undefined, customPartitioner: undefined };
    last = builder.add({ kind: 'map', factory, inputs: [{ origins: [origin] }] });
  }
  const partitioner = options.shuffle ? ('shuffle' as const) : ('rebalance' as const);
  const origin = { node: last, tag: undefined, partitioner, customPartitioner: undefined };
  builder.add({ kind: 'sink', uid: 'out', factory, inputs: [{ origins: [origin] }], ...sink });
  return compile(builder.build(), { name: options.name ?? 'job', parallelism: 2 }).graph;
}

describe('the fingerprint', () => {
  it('is the same for the same job, and survives another order of fields', () => {
    const graph = graphOf();
    assert.equal(graphOf().fingerprint, graph.fingerprint);
    assertSameGraph(graph, graphOf());
  });

  it('changes with whatever the plan says', () => {
    const all = [
      graphOf(),
      graphOf({ parallelism: 3 }),
      graphOf({ maxParallelism: 3 }),
      graphOf({ name: 'other' }),
      graphOf({ poison: 'skip' }),
      graphOf({}, { name: 'other' }),
      graphOf({}, { maps: 2 }),
      graphOf({}, { shuffle: true }),
    ];
    assert.equal(new Set(all.map(({ fingerprint }) => fingerprint)).size, all.length);
  });
});

describe('two plans that differ', () => {
  const differences: readonly [string, JobGraph, RegExp][] = [
    ['in their name', graphOf({}, { name: 'other' }), /its name is "other", not "job"/],
    ['in a number', graphOf({ parallelism: 3 }), /operator 3, "sink" \(uid out\): parallelism is 3, not 2/],
    ['in a policy', graphOf({ poison: 'skip' }), /poison is "skip", not "fail"/],
    ['by one operator more', graphOf({}, { maps: 2 }), /operator 2, "map"/],
    ['by one operator less', graphOf({}, { maps: 0 }), /operator 1, "log" \(uid log\): chained is \[\], not/],
    [
      'in an edge',
      graphOf({}, { shuffle: true }),
      /edge 1, from .* to .*: partitioner is "shuffle", not "rebalance"/,
    ],
  ];
  for (const [what, other, message] of differences) {
    it(`${what} are told apart by the first difference`, () => {
      assert.match(firstDifference(graphOf(), other), message);
      assert.throws(
        () => assertSameGraph(graphOf(), other),
        (error) => isMillraceError(error, 'GRAPH_MISMATCH') && /usual causes/.test(error.remedy),
      );
    });
  }
});
