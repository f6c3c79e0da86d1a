import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Configuration } from '../base/config.ts';
import { type ErrorCode, isMillraceError } from '../base/errors.ts';
import { callbackSink } from '../connectors/callback.ts';
import { collectionSource } from '../connectors/collection.ts';
import type { CompiledJob } from '../graph/job-graph.ts';
import { explain } from '../graph/explain.ts';
import { planJob } from '../graph/plan.ts';
import type { ProcessFunction } from '../operators/process.ts';
import { type Nothing, type } from '../operators/process-context.ts';
import { watermarks } from '../operators/watermarks.ts';
import { value } from '../state/state.ts';
import { describeJob } from './describe.ts';
import { StreamExecutionEnvironment } from './environment.ts';
import { JobArguments } from './job-arguments.ts';
import { job, type JobFunction } from './job.ts';

function plan(build: JobFunction, configuration: object = {}): CompiledJob {
  const given = Configuration.defaults.withLayer('command line', configuration);
  return planJob(describeJob(job(build)), given, 'test').compiled;
}

function failsWith(code: ErrorCode, message: RegExp) {
  return (error: unknown): boolean => isMillraceError(error, code) && message.test(error.message);
}

/** `from -> to: partitioner [tag]`, by names of operators. */
function edgesOf({ graph }: CompiledJob): string[] {
  return graph.edges.map(({ from, fromOperator, to, partitioner, tag }) => {
    const source = graph.vertices[from]!.operators[fromOperator]!.name;
    return `${source} -> ${graph.vertices[to]!.operators[0]!.name}: ${partitioner}${tag === undefined ? '' : ` ${tag}`}`;
  });
}

function operatorsOf({ graph }: CompiledJob) {
  return graph.vertices.flatMap(({ operators }) => operators);
}

describe('watermark alignment', () => {
  const aligned = watermarks.monotonous<number>().withWatermarkAlignment('shop', '90 s');

  it('is part of the plan of a source, where everybody sees it', () => {
    const compiled = plan((env) => {
      env.fromSequence(1, 3, { watermarks: aligned }).print();
      env.fromSequence(1, 3, { watermarks: watermarks.monotonous() }).print();
    });
    const plans = operatorsOf(compiled).filter(({ kind }) => kind === 'source');
    assert.deepEqual(
      plans.map(({ alignment }) => alignment),
      [{ group: 'shop', maxDriftMs: 90_000 }, undefined],
    );
    assert.match(explain(compiled.graph), /at most 90 s ahead in group "shop"/);
  });

  it('is refused where nothing can wait', () => {
    assert.throws(
      () => plan((env) => void env.fromSequence(1, 3).assignTimestampsAndWatermarks(aligned)),
      failsWith('WATERMARK_ALIGNMENT_MISPLACED', /group "shop"/),
    );
  });
});

describe('an asynchronous operator', () => {
  it('begins a chain, and holds state', () => {
    const compiled = plan((env) => {
      env
        .fromData([1])
        .map((n) => n)
        .orderedWait({ uid: 'ask', asyncInvoke: async (n) => n })
        .map((n) => n)
        .print();
    });
    assert.deepEqual(
      compiled.graph.vertices.map(({ operators }) => operators.map(({ kind }) => kind)),
      [
        ['source', 'map'],
        ['async-wait', 'map', 'sink'],
      ],
    );
    assert.equal(operatorsOf(compiled).find(({ uid }) => uid === 'ask')?.stateful, true);
  });

  it('is refused where it is described when its settings cannot work', () => {
    const refused = (more: object): void => {
      plan((env) => void env.fromData([1]).orderedWait({ uid: 'ask', asyncInvoke: async (n) => n, ...more }));
    };
    assert.throws(() => refused({ capacity: 0 }), failsWith('ASYNC_INVALID', /capacity is 0/));
    assert.throws(() => refused({ timeout: 'soon' }), failsWith('CONFIG_INVALID', /timeout/));
  });
});

describe('a described job', () => {
  it('becomes the plan that its words say', () => {
    const compiled = plan(
      (env) => {
        const sorted = env
          .fromSource(collectionSource(['a 1', 'b 2']), {
            uid: 'lines',
            watermarks: watermarks.monotonous().withTimestamps(() => 0),
          })
          .flatMap((line) => line.split(' '))
          .filter((word) => word !== '')
          .keyBy((word) => word)
          .process({
            uid: 'count',
            name: 'count words',
            onError: 'dead-letter',
            state: { count: value(0) },
            outputs: { odd: type<string>() },
            process: (word) => [word],
          });
        sorted.sinkTo(
          callbackSink<string>(() => {}),
          { uid: 'out', name: 'words' },
        );
        sorted.sideOutput('odd').print('odd');
        sorted.sideOutput('dead-letter').global().print('broken');
      },
      { 'parallelism.default': 2 },
    );
    assert.equal(
      explain(compiled.graph),
      `Job "test": 3 tasks, 2 slots

1  Source: collection -> Flat Map -> Filter
   parallelism 2, max parallelism 128
   * collection (source, uid lines, state)
   * Flat Map (flat-map, no uid)
   * Filter (filter, no uid)

2  count words -> (Sink: words, Sink: print)
   parallelism 2, max parallelism 128
   <- 1, Filter: key-group
   * count words (keyed-process, uid count, keyed, state, on error: dead-letter)
   * words (sink, uid out, state)
   * print (sink, no uid)

3  Sink: print
   parallelism 2, max parallelism 128
   <- 2, count words, side output "dead-letter": global
   * print (sink, no uid)
`,
    );
    assert.deepEqual([...compiled.sources.keys()], ['lines']);
    assert.equal(compiled.sinks.size, 3);
    assert.equal(compiled.factories.size, 7);
    const [selector] = compiled.keySelectors.get('count')!;
    assert.equal(selector?.('word'), 'word');
  });

  it('makes an operator of its own for each subtask', () => {
    const { factories } = plan((env) => void env.fromData([1]).print().uid('out'));
    for (const factory of factories.values()) assert.notEqual(factory(), factory());
  });

  it('may read a stream any number of times', () => {
    const compiled = plan((env) => {
      const numbers = env.fromData([1]);
      numbers.map((n) => n).print();
      numbers.filter(() => true).print();
    });
    assert.equal(compiled.graph.vertices[0]!.operators[0]!.chained.length, 2);
  });
});

describe('partitioners', () => {
  it('are those that were named, the last one before an operator', () => {
    const compiled = plan(
      (env) => {
        const numbers = env.fromSequence(1, 9).name('numbers');
        numbers.rebalance().map(String).name('rebalance');
        numbers.rescale().map(String).name('rescale');
        numbers.shuffle().map(String).name('shuffle');
        numbers.broadcast().map(String).name('broadcast');
        numbers.global().map(String).name('global');
        numbers.forward().map(String).name('forward').disableChaining();
        numbers.shuffle().global().map(String).name('last');
        numbers
          .keyBy((n) => n)
          .map(String)
          .name('keyed');
      },
      { 'parallelism.default': 2 },
    );
    assert.deepEqual(edgesOf(compiled), [
      'numbers -> rebalance: rebalance',
      'numbers -> rescale: rescale',
      'numbers -> shuffle: shuffle',
      'numbers -> broadcast: broadcast',
      'numbers -> global: global',
      'numbers -> forward: forward',
      'numbers -> last: global',
      'numbers -> keyed: key-group',
    ]);
    const keyed = operatorsOf(compiled).find(({ name }) => name === 'keyed')!;
    assert.equal(keyed.stateful, false);
    assert.equal(compiled.keySelectors.get(keyed.uid)?.[0]?.(7), 7);
  });

  it('of your own get the key of the record', () => {
    const compiled = plan((env) => {
      env
        .fromData([{ shop: 7 }])
        .partitionCustom(
          ({ shop }) => shop,
          (shop, subtasks) => shop % subtasks,
        )
        .print();
    });
    assert.equal(compiled.customPartitioners.get(0)?.({ shop: 7 }, 4), 3);
  });
});

describe('union', () => {
  it('reads each stream with its own partitioner, itself twice included', () => {
    const compiled = plan(
      (env) => {
        const a = env.fromSequence(1, 9).name('a').setParallelism(1);
        const b = env.fromSequence(1, 9).name('b');
        a.union(b, b.shuffle(), a).map(String).name('all');
      },
      { 'parallelism.default': 2 },
    );
    assert.deepEqual(edgesOf(compiled), [
      'a -> all: rebalance',
      'b -> all: forward',
      'b -> all: shuffle',
      'a -> all: rebalance',
    ]);
  });

  it('behind which one is partitioned partitions all', () => {
    const compiled = plan((env) => {
      const a = env.fromSequence(1, 9).name('a');
      a.union(a.shuffle())
        .keyBy((n) => n)
        .reduce((a, b) => a + b, { uid: 'sum', name: 'sum' });
    });
    assert.deepEqual(edgesOf(compiled), ['a -> sum: key-group', 'a -> sum: key-group']);
  });

  it('of two environments is refused', () => {
    const env = () => new StreamExecutionEnvironment(new JobArguments([]), () => assert.fail('never run'));
    assert.throws(
      () =>
        env()
          .fromData([1])
          .union(env().fromData([1])),
      failsWith('STREAM_INVALID', /two environments/),
    );
  });
});

describe('what is said about an operator', () => {
  it('holds however it is said', () => {
    const compiled = plan((env) => {
      env
        .fromData([1])
        .map(String, { uid: 'a', name: 'A', parallelism: 3, maxParallelism: 9, onError: 'skip' })
        .startNewChain()
        .print()
        .uid('b')
        .name('B')
        .setParallelism(4);
      const mapped = env.fromData([1]).map(String);
      mapped.uid('c').name('C').setParallelism(5).setMaxParallelism(10);
      mapped.print();
    });
    const said = compiled.graph.vertices.flatMap(({ operators, parallelism, maxParallelism }) =>
      operators.map(({ uid, name, poison, explicitUid }) =>
        explicitUid ? [uid, name, parallelism, maxParallelism, poison] : [],
      ),
    );
    assert.deepEqual(
      said.filter(({ length }) => length > 0),
      [
        ['a', 'A', 3, 9, 'skip'],
        ['b', 'B', 4, 128, 'fail'],
        ['c', 'C', 5, 10, 'fail'],
      ],
    );
  });

  it('wins over the configuration, which wins over what the job sets for all', () => {
    const build: JobFunction = (env) => {
      env.setParallelism(2).setMaxParallelism(50);
      env.fromSequence(1, 9).map(String).setParallelism(3).print().name('sink');
    };
    const numbers = (compiled: CompiledJob) => compiled.graph.vertices.map(({ parallelism }) => parallelism);
    assert.deepEqual(numbers(plan(build)), [2, 3, 2]);
    assert.deepEqual(numbers(plan(build, { 'parallelism.default': 5 })), [5, 3, 5]);
    assert.equal(plan(build).graph.vertices[0]!.maxParallelism, 50);
  });

  it('is refused where it cannot be', () => {
    assert.throws(
      () =>
        plan((env) =>
          env
            .fromData([1])
            .map(String, { onError: 'dead-letter' })
            .sideOutput('dead' as never),
        ),
      failsWith('STREAM_INVALID', /no side output "dead": the operator declares dead-letter/),
    );
    assert.throws(
      () =>
        plan((env) => env.fromData([1]).process({ outputs: { 'dead-letter': type() }, process: () => [] })),
      failsWith('STREAM_INVALID', /cannot be called "dead-letter"/),
    );
    assert.throws(
      () =>
        plan((env) =>
          env
            .fromData([1])
            .keyBy((n) => n)
            .reduce((a) => a, {} as { uid: string }),
        ),
      failsWith('GRAPH_UID_MISSING', /"Reduce" \(reduce\) keeps state but has no uid/),
    );
  });

  it('of a function without a key is needed when it keeps operator state', () => {
    const process = (): number[] => [];
    const functions: ProcessFunction<number, Nothing, unknown, number[]>[] = [
      { local: ({ operatorState }) => operatorState.list('items'), process },
      { initializeState: () => undefined, process },
      { snapshotState: () => undefined, process },
    ];
    for (const each of functions) {
      assert.throws(
        () => plan((env) => env.fromSequence(1, 2).process(each).print()),
        failsWith('GRAPH_UID_MISSING', /"Process" \(process\) keeps state but has no uid/),
      );
      plan((env) =>
        env
          .fromSequence(1, 2)
          .process({ ...each, uid: 'items' })
          .print(),
      );
    }
    plan((env) =>
      env
        .fromSequence(1, 2)
        .process({ local: () => [], process })
        .print(),
    );
  });

  it('the uid of a sink that commits is needed, that of a printing one is not', () => {
    assert.equal(operatorsOf(plan((env) => void env.fromData([1]).print())).at(-1)!.explicitUid, false);
    assert.throws(
      () =>
        plan(
          (env) =>
            void env.fromData([1]).sinkTo(
              callbackSink(() => {}),
              {} as { uid: string },
            ),
        ),
      failsWith('GRAPH_UID_MISSING', /sink/),
    );
  });
});

describe('what is said about the job', () => {
  const configurationOf = (build: JobFunction) => describeJob(job(build)).configuration;

  it('becomes options by their keys', () => {
    const configuration = configurationOf((env) => {
      env
        .enableCheckpointing('10 s', {
          mode: 'at-least-once',
          unaligned: true,
          timeout: '1 min',
          minPause: 5,
        })
        .disableOperatorChaining()
        .setBufferTimeout(0)
        .configure({ 'restart-strategy.type': 'none' });
    });
    assert.deepEqual(configuration, {
      'execution.checkpointing.interval': '10 s',
      'execution.checkpointing.mode': 'AT_LEAST_ONCE',
      'execution.checkpointing.unaligned.enabled': true,
      'execution.checkpointing.timeout': '1 min',
      'execution.checkpointing.min-pause': 5,
      'pipeline.operator-chaining.enabled': false,
      'execution.buffer-timeout.interval': 0,
      'restart-strategy.type': 'none',
    });
  });

  it('leaves out what was not said', () => {
    assert.deepEqual(
      configurationOf((env) => void env.enableCheckpointing(100)),
      {
        'execution.checkpointing.interval': 100,
        'execution.checkpointing.mode': 'EXACTLY_ONCE',
      },
    );
  });

  it('is checked where it is said', () => {
    assert.throws(
      () => configurationOf((env) => void env.configure({ 'paralelism.default': 2 } as object)),
      (error) => isMillraceError(error, 'CONFIG_UNKNOWN_KEY'),
    );
    assert.throws(
      () => configurationOf((env) => void env.setParallelism(0)),
      (error) => isMillraceError(error, 'CONFIG_INVALID'),
    );
  });
});
