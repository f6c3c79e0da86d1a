import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ErrorCode, isMillraceError } from '../base/errors.ts';
import { operatorId } from '../base/hash.ts';
import { MapOperator } from '../operators/map.ts';
import { compile, type CompileSettings } from './compile.ts';
import { type JobGraph, requiredSlots, slotOf, slotSharingGroups } from './job-graph.ts';
import type { NodeSettings, Origin } from './nodes.ts';
import { type NewNode, StreamGraphBuilder } from './stream-graph.ts';

const factory = () => new MapOperator((value) => value);

/** A few lines to describe a graph with; origins are node ids unless more is said. */
class Sketch {
  readonly builder = new StreamGraphBuilder();

  add(kind: string, from: readonly (number | Partial<Origin>)[] = [], rest: Partial<NewNode> = {}): number {
    const origins = from.map((each) => ({
      node: 0,
      tag: undefined,
      partitioner: undefined,
      customPartitioner: undefined,
      ...(typeof each === 'number' ? { node: each } : each),
    }));
    return this.builder.add({ kind, factory, inputs: from.length === 0 ? [] : [{ origins }], ...rest });
  }

  set(node: number, settings: Partial<NodeSettings>): this {
    this.builder.set(node, settings);
    return this;
  }

  plan(settings: Partial<CompileSettings> = {}): JobGraph {
    return compile(this.builder.build(), { name: 'test', parallelism: 2, ...settings }).graph;
  }
}

function names(graph: JobGraph): string[] {
  return graph.vertices.map(({ name }) => name);
}

function failsWith(code: ErrorCode, message: RegExp) {
  return (error: unknown): boolean => isMillraceError(error, code) && message.test(error.message);
}

describe('chaining', () => {
  it('puts operators with one forward input of equal parallelism into one chain', () => {
    const sketch = new Sketch();
    const source = sketch.add('source', [], { name: 'log' });
    const map = sketch.add('map', [source]);
    sketch.add('sink', [map], { name: 'out' });
    const graph = sketch.plan();
    assert.deepEqual(names(graph), ['Source: log -> map -> Sink: out']);
    assert.deepEqual(graph.edges, []);
    assert.deepEqual(
      graph.vertices[0]!.operators.map(({ chained }) => chained),
      [[{ to: 1, tag: undefined }], [{ to: 2, tag: undefined }], []],
    );
  });

  it('lets a chain branch, side outputs included', () => {
    const sketch = new Sketch();
    const source = sketch.add('source');
    const process = sketch.add('process', [source]);
    sketch.add('a', [process]);
    sketch.add('b', [{ node: process, tag: 'late' }]);
    const graph = sketch.plan();
    assert.deepEqual(names(graph), ['Source: source -> process -> (a, b)']);
    assert.deepEqual(graph.vertices[0]!.operators[1]!.chained, [
      { to: 2, tag: undefined },
      { to: 3, tag: 'late' },
    ]);
  });

  it('begins a new chain behind every partitioner but forward', () => {
    for (const partitioner of [
      'rebalance',
      'rescale',
      'shuffle',
      'broadcast',
      'global',
      'key-group',
      'custom',
    ] as const) {
      const sketch = new Sketch();
      const source = sketch.add('source');
      sketch.add('map', [{ node: source, partitioner }]);
      const graph = sketch.plan();
      assert.deepEqual(names(graph), ['Source: source', 'map']);
      assert.equal(graph.edges[0]!.partitioner, partitioner);
    }
  });

  it('begins a new chain where parallelism changes, and rebalances there', () => {
    const sketch = new Sketch();
    const source = sketch.add('source', [], { parallelism: 1 });
    sketch.add('map', [source]);
    const graph = sketch.plan();
    assert.deepEqual(
      graph.vertices.map(({ parallelism }) => parallelism),
      [1, 2],
    );
    assert.equal(graph.edges[0]!.partitioner, 'rebalance');
  });

  it('begins a new chain at an operator that reads several streams, itself twice included', () => {
    const sketch = new Sketch();
    const source = sketch.add('source');
    sketch.add('map', [source, source]);
    const graph = sketch.plan();
    assert.deepEqual(names(graph), ['Source: source', 'map']);
    assert.deepEqual(
      graph.edges.map(({ index, from, to, input, partitioner }) => ({ index, from, to, input, partitioner })),
      [
        { index: 0, from: 0, to: 1, input: 0, partitioner: 'forward' },
        { index: 1, from: 0, to: 1, input: 0, partitioner: 'forward' },
      ],
    );
  });

  it('obeys startNewChain, disableChaining and the job-wide switch', () => {
    const chain = () => {
      const sketch = new Sketch();
      const [a] = [sketch.add('source')];
      const b = sketch.add('b', [a]);
      sketch.add('c', [b]);
      return sketch;
    };
    assert.deepEqual(names(chain().set(1, { chaining: 'head' }).plan()), ['Source: source', 'b -> c']);
    assert.deepEqual(names(chain().set(1, { chaining: 'never' }).plan()), ['Source: source', 'b', 'c']);
    assert.deepEqual(names(chain().plan({ chaining: false })), ['Source: source', 'b', 'c']);
  });

  it('separates operators with different max parallelism only when told to', () => {
    const sketch = new Sketch();
    const source = sketch.add('source');
    sketch.add('map', [source], { maxParallelism: 64 });
    assert.equal(sketch.plan().vertices.length, 1);
    assert.equal(sketch.plan({ chainDifferentMaxParallelism: false }).vertices.length, 2);
  });
});

describe('slot sharing groups', () => {
  // source (p 2) -> a (p 2, own group) -> b (p 3) and source -> c -> d over b and c
  const plan = (group?: string): JobGraph => {
    const builder = new StreamGraphBuilder();
    const add = (name: string, inputs: number[], settings: object = {}): number =>
      builder.add({
        kind: 'map',
        name,
        factory,
        inputs: inputs.map((node) => ({
          origins: [{ node, tag: undefined, partitioner: undefined, customPartitioner: undefined }],
        })),
        ...settings,
      });
    const source = add('source', [], { kind: 'source' });
    const a = add('a', [source], { slotSharingGroup: group });
    const b = add('b', [a], { parallelism: 3 });
    const c = add('c', [source]);
    add('d', [b, c]);
    return compile(builder.build(), { name: 'job', parallelism: 2 }).graph;
  };

  it('are inherited where the inputs agree, break chains and have slots of their own', () => {
    const graph = plan('heavy');
    const groups = graph.vertices.map(({ name, slotSharingGroup }) => [name, slotSharingGroup]);
    assert.deepEqual(groups, [
      ['Source: source -> c', undefined],
      ['a', 'heavy'],
      ['b', 'heavy'],
      ['d', undefined],
    ]);
    assert.deepEqual(slotSharingGroups(graph), [
      { name: 'default', slots: 2 },
      { name: 'heavy', slots: 3 },
    ]);
    assert.equal(requiredSlots(graph), 5);
    assert.deepEqual(
      graph.vertices.map(({ parallelism }, vertex) =>
        Array.from({ length: parallelism }, (_, subtask) => slotOf(graph, vertex, subtask)),
      ),
      [
        [0, 1],
        [2, 3],
        [2, 3, 4],
        [0, 1],
      ],
    );
  });

  it('are one without a word, and when all say the default', () => {
    for (const graph of [plan(), plan('default')]) {
      assert.equal(requiredSlots(graph), 3);
      assert.deepEqual(names(graph), ['Source: source -> (a, c)', 'b', 'd']);
      assert.ok(graph.vertices.every(({ slotSharingGroup }) => slotSharingGroup === undefined));
    }
  });
});

describe('the plan', () => {
  it('has vertices in topological order, also where chains cross', () => {
    const sketch = new Sketch();
    const left = sketch.add('source', [], { name: 'left' });
    const right = sketch.add('source', [], { name: 'right' });
    const mapped = sketch.add('map', [{ node: right, partitioner: 'key-group' }]);
    sketch.add('sink', [left, { node: mapped, tag: 'x' }], { name: 'out' });
    const graph = sketch.plan();
    assert.deepEqual(names(graph), ['Source: left', 'Source: right', 'map', 'Sink: out']);
    for (const edge of graph.edges) assert.ok(edge.from < edge.to);
    assert.deepEqual(graph.edges.at(-1), {
      index: 2,
      from: 2,
      fromOperator: 0,
      tag: 'x',
      to: 3,
      input: 0,
      partitioner: 'forward',
      unaligned: false,
    });
  });

  it('lets what an operator sets win over the defaults', () => {
    const sketch = new Sketch();
    const source = sketch.add('source');
    sketch.add('map', [source], { parallelism: 3, maxParallelism: 9 });
    const graph = sketch.plan({ parallelism: 200, maxParallelism: 500 });
    assert.deepEqual(
      graph.vertices.map(({ parallelism, maxParallelism }) => [parallelism, maxParallelism]),
      [
        [200, 500],
        [3, 9],
      ],
    );
  });

  it('takes the max parallelism from the parallelism by the formula of Flink', () => {
    const sketch = new Sketch();
    sketch.add('source');
    const maxOf = (parallelism: number) => sketch.plan({ parallelism }).vertices[0]!.maxParallelism;
    assert.deepEqual([1, 85, 86, 200, 32768].map(maxOf), [128, 128, 256, 512, 32768]);
  });

  it('leaves a source that cannot be split at its limit', () => {
    const sketch = new Sketch();
    sketch.add('source', [], { parallelismLimit: 1 });
    assert.equal(sketch.plan({ parallelism: 4 }).vertices[0]!.parallelism, 1);
  });

  it('marks the edges that unaligned checkpoints may overtake', () => {
    const sketch = new Sketch();
    const source = sketch.add('source');
    for (const partitioner of ['key-group', 'broadcast', 'rescale'] as const) {
      sketch.add('map', [{ node: source, partitioner }]);
    }
    assert.deepEqual(
      sketch.plan().edges.map(({ unaligned }) => unaligned),
      [true, false, false],
    );
  });

  it('says which operators are keyed and keep state', () => {
    const sketch = new Sketch();
    const source = sketch.add('source', [], { uid: 's' });
    const keySelector = (value: unknown) => value;
    const origins = [
      { node: source, tag: undefined, partitioner: 'key-group', customPartitioner: undefined } as const,
    ];
    sketch.builder.add({
      kind: 'count',
      uid: 'c',
      factory,
      stateful: true,
      inputs: [{ origins, keySelector }],
    });
    const compiled = compile(sketch.builder.build(), { name: 'test', parallelism: 1 });
    assert.deepEqual(
      compiled.graph.vertices.map(({ operators: [head] }) => [head!.keyed, head!.stateful]),
      [
        [false, false],
        [true, true],
      ],
    );
    assert.deepEqual([...compiled.keySelectors], [['c', [keySelector]]]);
    assert.deepEqual([...compiled.factories.keys()], ['s', 'c']);
  });

  it('keeps the functions of custom partitioners by edge', () => {
    const sketch = new Sketch();
    const source = sketch.add('source');
    const customPartitioner = () => 0;
    sketch.add('a', [{ node: source, partitioner: 'global' }]);
    sketch.add('b', [{ node: source, partitioner: 'custom', customPartitioner }]);
    const compiled = compile(sketch.builder.build(), { name: 'test', parallelism: 1 });
    assert.deepEqual([...compiled.customPartitioners], [[1, customPartitioner]]);
  });

  it('survives JSON', () => {
    const sketch = new Sketch();
    const source = sketch.add('source');
    sketch.add('map', [{ node: source, tag: 'x', partitioner: 'shuffle' }]);
    const graph = sketch.plan();
    assert.deepEqual(JSON.parse(JSON.stringify(graph)).fingerprint, graph.fingerprint);
  });
});

describe('what cannot work', () => {
  const cases: readonly [string, ErrorCode, RegExp, (sketch: Sketch) => void][] = [
    ['an empty job', 'GRAPH_EMPTY', /no operator/, () => {}],
    [
      'forward between different parallelisms',
      'GRAPH_PARALLELISM_INVALID',
      /forward\(\) from operator "source" \(parallelism 2\).*it has 3/,
      (sketch) => {
        sketch.add('source');
        sketch.add('map', [{ node: 0, partitioner: 'forward' }], { parallelism: 3 });
      },
    ],
    [
      'more parallelism than max parallelism',
      'GRAPH_PARALLELISM_INVALID',
      /"source" \(uid "s"\): parallelism 5 is more than its max parallelism 4/,
      (sketch) => sketch.add('source', [], { uid: 's', parallelism: 5, maxParallelism: 4 }),
    ],
    [
      'more parallelism than a source can have',
      'GRAPH_PARALLELISM_INVALID',
      /parallelism 5 is more than the 1 that this source can have/,
      (sketch) => sketch.add('source', [], { parallelism: 5, parallelismLimit: 1 }),
    ],
    [
      'a parallelism of 0',
      'GRAPH_PARALLELISM_INVALID',
      /parallelism 0 is not a whole number/,
      (sketch) => sketch.add('source', [], { parallelism: 0 }),
    ],
    [
      'a max parallelism that is too large',
      'GRAPH_PARALLELISM_INVALID',
      /max parallelism 32769 is not/,
      (sketch) => sketch.add('source', [], { maxParallelism: 32769 }),
    ],
    [
      'the same uid twice',
      'GRAPH_UID_DUPLICATE',
      /the uid "x" is given to two operators: "source" \(source\) and "map" \(map\)/,
      (sketch) => {
        sketch.add('source', [], { uid: 'x' });
        sketch.add('map', [0], { uid: 'x' });
      },
    ],
    [
      'state without a uid',
      'GRAPH_UID_MISSING',
      /"source" \(source\) keeps state but has no uid/,
      (sketch) => sketch.add('source', [], { needsUid: true }),
    ],
    [
      'an empty uid',
      'GRAPH_UID_MISSING',
      /has an empty uid/,
      (sketch) => sketch.add('source', [], { uid: '' }),
    ],
  ];
  for (const [what, code, message, describeGraph] of cases) {
    it(`refuses ${what}`, () => {
      const sketch = new Sketch();
      describeGraph(sketch);
      assert.throws(() => sketch.plan(), failsWith(code, message));
    });
  }
});

describe('the identity of operators', () => {
  it('is the hash of the uid, whatever stands around it', () => {
    const sketch = new Sketch();
    const source = sketch.add('source', [], { uid: 'my-source' });
    sketch.add('map', [source], { uid: 'my-map' });
    const [vertex] = sketch.plan().vertices;
    assert.equal(vertex!.id, operatorId('my-source'));
    assert.deepEqual(
      vertex!.operators.map(({ uid, id, explicitUid }) => ({ uid, id, explicitUid })),
      ['my-source', 'my-map'].map((uid) => ({ uid, id: operatorId(uid), explicitUid: true })),
    );
  });

  it('without a uid is the hash of the position that Flink gives it', () => {
    const sketch = new Sketch();
    const source = sketch.add('source', [], { parallelism: 1 });
    sketch.add('map', [source]);
    // murmur3_128 over int 0, and over int 1 mixed with the first; values known from Flink's savepoints.
    assert.equal(sketch.plan().vertices[0]!.id, 'bc764cd8ddf7a0cff126f51c16239658');
    assert.equal(sketch.plan().vertices[1]!.id, '0a448493b4782967b150582570326227');
  });

  it('without a uid does not depend on names, functions or numbers, but on what is chained', () => {
    const idOf = (rest: Partial<NewNode>, settings: Partial<CompileSettings> = {}) => {
      const sketch = new Sketch();
      const source = sketch.add('source');
      sketch.add('map', [source], rest);
      return sketch.plan(settings).vertices[0]!.operators.at(-1)!.id;
    };
    const plain = idOf({});
    assert.equal(idOf({ name: 'other', maxParallelism: 7 }), plain);
    assert.equal(idOf({}, { parallelism: 7 }), plain);
    assert.notEqual(idOf({}, { chaining: false }), plain);
  });

  it('gives every operator of a wide graph an id of its own, wherever some have uids', () => {
    const sketch = new Sketch();
    const ends: number[] = [];
    for (let branch = 0; branch < 8; branch++) {
      const source = sketch.add('source', [], branch % 2 === 0 ? { uid: `s${branch}` } : {});
      ends.push(sketch.add('map', [{ node: source, partitioner: 'rebalance' }]));
    }
    const union = sketch.add('sink', ends);
    sketch.add('map', [union, ...ends]);
    const ids = sketch.plan().vertices.flatMap(({ operators }) => operators.map(({ id }) => id));
    assert.equal(new Set(ids).size, ids.length);
    for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
  });
});
