// Any graph, planned: what holds for every plan, and what configuration decides.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Configuration } from '../base/config.ts';
import { MapOperator } from '../operators/map.ts';
import { compile } from './compile.ts';
import type { JobGraph } from './job-graph.ts';
import type { ChainingStrategy, Origin } from './nodes.ts';
import { planJob } from './plan.ts';
import { type StreamGraph, StreamGraphBuilder } from './stream-graph.ts';

const CASES = 500;
const SEED = 20_170_328;
const factory = () => new MapOperator((value) => value);

interface Drawn {
  readonly origins: readonly {
    readonly from: number;
    readonly partitioner: Origin['partitioner'];
    readonly tag: boolean;
  }[];
  readonly chaining: ChainingStrategy;
  readonly uid: boolean;
  readonly parallelism: number | undefined;
}

const drawnNode: fc.Arbitrary<Drawn> = fc.record({
  origins: fc.array(
    fc.record({
      from: fc.nat(),
      partitioner: fc.constantFrom(undefined, undefined, 'rebalance', 'key-group', 'broadcast', 'rescale'),
      tag: fc.boolean(),
    }),
    { maxLength: 3 },
  ),
  chaining: fc.constantFrom('always', 'always', 'head', 'never'),
  uid: fc.boolean(),
  parallelism: fc.constantFrom(undefined, undefined, 1, 3),
});

function graphOf(drawn: readonly Drawn[]): StreamGraph {
  const builder = new StreamGraphBuilder();
  for (const [id, { origins, chaining, uid, parallelism }] of drawn.entries()) {
    const found = id === 0 ? [] : origins;
    builder.add({
      kind: found.length === 0 ? 'source' : 'map',
      name: `n${id}`,
      uid: uid ? `uid${id}` : undefined,
      chaining,
      parallelism,
      factory,
      inputs:
        found.length === 0
          ? []
          : [
              {
                origins: found.map(({ from, partitioner, tag }) => ({
                  node: from % id,
                  tag: tag ? 'side' : undefined,
                  partitioner,
                  customPartitioner: undefined,
                })),
              },
            ],
    });
  }
  return builder.build();
}

/** Every connection of a plan as `from>to tag`, by names, chained or not. */
function connections(graph: JobGraph): string[] {
  const chained = graph.vertices.flatMap(({ operators }) =>
    operators.flatMap((from) =>
      from.chained.map(({ to, tag }) => `${from.name}>${operators[to]!.name} ${tag}`),
    ),
  );
  const between = graph.edges.map(({ from, fromOperator, to, tag }) => {
    const source = graph.vertices[from]!.operators[fromOperator]!;
    return `${source.name}>${graph.vertices[to]!.operators[0]!.name} ${tag}`;
  });
  return [...chained, ...between].sort();
}

describe('every plan', () => {
  it('has each operator and each connection once, chains that are trees, and a topological order', () => {
    let cases = 0;
    fc.assert(
      fc.property(fc.array(drawnNode, { minLength: 1, maxLength: 12 }), fc.boolean(), (drawn, chaining) => {
        cases++;
        const described = graphOf(drawn);
        const { graph } = compile(described, { name: 'any', parallelism: 2, chaining });
        const names = graph.vertices.flatMap(({ operators }) => operators.map(({ name }) => name));
        assert.deepEqual([...names].sort(), described.nodes.map(({ name }) => name).sort());
        assert.deepEqual(
          connections(graph),
          described.edges.map(({ node, to, tag }) => `n${node}>n${to} ${tag}`).sort(),
        );
        for (const { from, to } of graph.edges) assert.ok(from < to, 'vertices are in topological order');
        for (const { operators, id } of graph.vertices) {
          const fed = operators.flatMap(({ chained }) => chained.map(({ to }) => to)).sort((a, b) => a - b);
          assert.deepEqual(
            fed,
            operators.slice(1).map((_, index) => index + 1),
            'all but the head are fed once',
          );
          assert.equal(id, operators[0]!.id);
        }
        const ids = graph.vertices.flatMap(({ operators }) => operators.map(({ id }) => id));
        assert.equal(new Set(ids).size, ids.length);
        assert.equal(
          compile(graphOf(drawn), { name: 'any', parallelism: 2, chaining }).graph.fingerprint,
          graph.fingerprint,
        );
      }),
      { numRuns: CASES, seed: SEED },
    );
    console.log(`cases: plans of any graph ${cases} (minimum ${CASES})`);
  });
});

describe('a planned job', () => {
  function describedJob(configuration: Readonly<Record<string, unknown>> = {}): StreamGraph {
    const builder = new StreamGraphBuilder();
    builder.add({ kind: 'source', factory, inputs: [] });
    for (const [key, value] of Object.entries(configuration)) builder.configure(key, value);
    return builder.build();
  }

  it('is called what the configuration says, else what the job says, else as its file', () => {
    const nameOf = (job: object, given: object) =>
      planJob(describedJob({ ...job }), Configuration.defaults.withLayer('file', given), 'file-name').compiled
        .graph.name;
    assert.equal(nameOf({}, {}), 'file-name');
    assert.equal(nameOf({ 'pipeline.name': 'job' }, {}), 'job');
    assert.equal(nameOf({ 'pipeline.name': 'job' }, { 'pipeline.name': 'given' }), 'given');
  });

  it('gives back the configuration with what the job sets below the more specific layers', () => {
    const given = Configuration.defaults.withLayer('command line', { 'parallelism.default': 4 });
    const job = describedJob({ 'parallelism.default': 2, 'pipeline.max-parallelism': 40 });
    const { compiled, configuration } = planJob(job, given, 'x');
    assert.equal(configuration.get('parallelism.default'), 4);
    assert.equal(configuration.get('pipeline.max-parallelism'), 40);
    const [{ parallelism, maxParallelism }] = compiled.graph.vertices as [JobGraph['vertices'][0]];
    assert.deepEqual([parallelism, maxParallelism], [4, 40]);
  });

  it('is chained only when the configuration lets it', () => {
    const builder = new StreamGraphBuilder();
    const node = builder.add({ kind: 'source', factory, inputs: [] });
    const origin: Origin = { node, tag: undefined, partitioner: undefined, customPartitioner: undefined };
    builder.add({ kind: 'map', factory, inputs: [{ origins: [origin] }] });
    const tasks = (given: object) =>
      planJob(builder.build(), Configuration.defaults.withLayer('file', given), 'x').compiled.graph.vertices
        .length;
    assert.equal(tasks({}), 1);
    assert.equal(tasks({ 'pipeline.operator-chaining.enabled': false }), 2);
  });
});
