// Streams: what goes where, what is kept apart, and what is lost.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  collectionSource,
  type DataStream,
  job,
  type JobFunction,
  sequenceSource,
  state,
  tumbling,
  type,
  watermarks,
} from '../../src/index.ts';
import { operatorOf, testJob, verifyOperator } from '../../src/testing/index.ts';
import { byTime, edgesOf, type Event, events, outputOf, planOf } from './runs.ts';

const wide = { parallelism: 3 };

describe('records between two subtasks', () => {
  it('keep their order, whatever is chained, rebalanced or keyed', async () => {
    const tagged = await outputOf(
      (env) =>
        env
          .fromData(Array.from({ length: 300 }, (_, n) => n))
          .rebalance()
          .process({ process: (n, ctx) => [{ from: ctx.info.subtask, n }] })
          .keyBy(({ n }) => n % 7)
          .process({
            uid: 'where',
            process: ({ from, n }, ctx) => [{ channel: `${from}-${ctx.info.subtask}`, n }],
          }),
      wide,
    );
    const channels = Map.groupBy(tagged, ({ channel }) => channel);
    assert.equal(tagged.length, 300);
    assert.ok(channels.size > 3, `${channels.size} channels carried something`);
    for (const [channel, records] of channels) {
      const numbers = records.map(({ n }) => n);
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
        channel,
      );
    }
  });

  it('are copied to each of p subtasks by broadcast()', async () => {
    const seen = await outputOf(
      (env) =>
        env
          .fromData(['a', 'b'])
          .broadcast()
          .process({ process: (word, ctx) => [`${word}${ctx.info.subtask}`] }),
      wide,
    );
    assert.deepEqual(seen.toSorted(), ['a0', 'a1', 'a2', 'b0', 'b1', 'b2']);
  });

  it('all go to the first subtask by global(), and where a partitioner of your own says by its key', async () => {
    const subtaskOf = (stream: DataStream<number>) =>
      stream.process({ process: (n: number, ctx) => [`${n} in ${ctx.info.subtask}`] });
    assert.deepEqual(await outputOf((env) => subtaskOf(env.fromData([1, 2, 3]).global()), wide), [
      '1 in 0',
      '2 in 0',
      '3 in 0',
    ]);
    const custom = await outputOf(
      (env) =>
        subtaskOf(
          env.fromData([1, 2, 3]).partitionCustom(
            (n) => n * 10,
            (key, subtasks) => (key / 10) % subtasks,
          ),
        ),
      wide,
    );
    assert.deepEqual(custom.toSorted(), ['1 in 1', '2 in 2', '3 in 0']);
  });
});

describe('union', () => {
  it('of a stream with itself gives each record twice: nothing is left out as a double', async () => {
    const twice = await outputOf((env) => {
      const words = env.fromData(['a', 'b']);
      return words.union(words);
    });
    assert.deepEqual(twice.toSorted(), ['a', 'a', 'b', 'b']);
  });

  it('has the smallest watermark of its streams, so that a slow one keeps windows open', async () => {
    const rows = job((env) => {
      const [fast, slow] = ['fast', 'slow'].map((uid) =>
        env.fromSource(collectionSource<Event>([]), { uid, watermarks: byTime }),
      );
      fast!
        .union(slow!)
        .keyBy('key')
        .window(tumbling(10))
        .process({ uid: 'windows', process: (given) => [given.map(({ at }) => at).join(' ')] })
        .print('', { uid: 'out' });
    });
    const test = await testJob(rows, {
      inputs: { fast: type<Event>(), slow: type<Event>() },
      outputs: { out: type<string>() },
    });
    await test.inputs.fast.push({ key: 'a', at: 1 }, { key: 'a', at: 30 });
    await test.advance('1 s');
    assert.deepEqual(test.outputs.out.take(), []);
    await test.inputs.slow.push({ key: 'a', at: 2 }, { key: 'a', at: 10 });
    await test.advance('1 s');
    assert.deepEqual(test.outputs.out.take(), ['1 2']);
  });

  it('keeps the types of its streams side by side, and connect() keeps them apart', async () => {
    const united: unknown = await outputOf((env) => {
      const both: DataStream<string | number> = env.fromData(['a']).union(env.fromData([1]));
      // @ts-expect-error a record of the union may be a text
      both.map((value: number) => value);
      return both;
    });
    assert.deepEqual((united as unknown[]).map(String).toSorted(), ['1', 'a']);
    const connected = await outputOf((env) =>
      env
        .fromData(['a'])
        .connect(env.fromData([1]))
        .map({ map1: (text) => text.toUpperCase(), map2: (n) => n.toFixed(1) }),
    );
    assert.deepEqual(connected.toSorted(), ['1.0', 'A']);
  });
});

describe('a keyed stream', () => {
  const again = (reinterpreted: boolean): JobFunction => {
    return (env) => {
      const counted = env
        .fromData(['a', 'b', 'a'])
        .keyBy((word) => word)
        .process({ uid: 'first', name: 'first', process: (word) => [word] });
      const keyed = reinterpreted
        ? counted.reinterpretAsKeyedStream((word) => word)
        : counted.keyBy((word) => word);
      keyed.process({ uid: 'second', name: 'second', process: (word) => [word] }).print();
    };
  };

  it('is sent again by a second keyBy of the same key, and not when it is reinterpreted as keyed', () => {
    const configuration = { 'parallelism.default': 3 };
    assert.deepEqual(edgesOf(planOf(again(false), configuration)), [
      'collection -> first: key-group',
      'first -> second: key-group',
    ]);
    const plan = planOf(again(true), configuration);
    assert.deepEqual(edgesOf(plan), ['collection -> first: key-group']);
    assert.deepEqual(
      plan.vertices[1]!.operators.map(({ name, keyed }) => [name, keyed]),
      [
        ['first', true],
        ['second', true],
        ['print', false],
      ],
    );
  });

  it('that is reinterpreted as keyed has state and timers of its keys, through a restore at another parallelism', async () => {
    const words = job((env) => {
      env
        .fromSource(collectionSource<Event>([]), { uid: 'in', watermarks: byTime })
        .keyBy('key')
        .process({ uid: 'first', process: (event) => [event] })
        .reinterpretAsKeyedStream('key')
        .process({
          uid: 'second',
          state: { count: state.value(0) },
          process({ at }, ctx) {
            ctx.state.count.update(ctx.state.count.value() + 1);
            ctx.timers.registerEventTime(at + 100);
            return [`${ctx.key} ${ctx.state.count.value()}`];
          },
          onTimer: (time, ctx) => [`${ctx.key} at ${time}`],
        })
        .print('', { uid: 'out', parallelism: 1 });
    });
    const test = await testJob(words, {
      inputs: { in: type<Event>() },
      outputs: { out: type<string>() },
      ...wide,
    });
    const keys = ['a', 'b', 'c', 'd', 'e'];
    await test.inputs.in.push(...keys.map((key) => ({ key, at: 1 })));
    await test.checkpoint();
    test.crash();
    await test.restore({ parallelism: 2 });
    await test.inputs.in.push(...keys.map((key) => ({ key, at: 2 })));
    await test.finish();
    assert.deepEqual(
      test.outputs.out.take().toSorted(),
      keys.flatMap((key) => [`${key} 1`, `${key} 2`, `${key} at 101`, `${key} at 102`]),
    );
  });

  it('fails when it is reinterpreted by keys that belong to other subtasks, and names the key', async () => {
    const wrong = outputOf(
      (env) =>
        env
          .fromData(['a', 'b', 'c', 'd', 'e'])
          .rebalance()
          .map((word) => word)
          .reinterpretAsKeyedStream((word) => word)
          .process({ uid: 'second', state: { count: state.value(0) }, process: (word) => [word] }),
      { ...wide, configuration: { 'restart-strategy.type': 'none' } },
    );
    await assert.rejects(wrong, /operator second got the key [a-e] of key group \d+, but owns/);
  });

  it('is not reinterpreted over another max parallelism: its keys would be elsewhere', () => {
    assert.throws(
      () =>
        planOf((env) => {
          env
            .fromData(['a'])
            .keyBy((word) => word)
            .process({ uid: 'first', process: (word) => [word] })
            .reinterpretAsKeyedStream((word) => word)
            .process({ uid: 'second', maxParallelism: 64, process: (word) => [word] })
            .print();
        }),
      {
        code: 'GRAPH_PARALLELISM_INVALID',
        message: /reinterpretAsKeyedStream\(\) behind operator "Process"/,
      },
    );
  });

  it('runs map, filter and flatMap in the subtask of the key, and their result has no key', async () => {
    const places = await outputOf(
      (env) =>
        env
          .fromData(['a', 'b', 'c', 'd', 'e', 'f'])
          .keyBy((word) => word)
          .filter((word) => word !== 'f')
          .process({ process: (word, ctx) => [`${word} ${ctx.info.subtask}`] })
          .union(
            env
              .fromData(['a', 'b', 'c', 'd', 'e'])
              .keyBy((word) => word)
              .process({ uid: 'keyed', process: (word, ctx) => [`${word} ${ctx.info.subtask}`] }),
          ),
      wide,
    );
    const counted = Map.groupBy(places, (place) => place);
    assert.equal(places.length, 10);
    assert.deepEqual(
      [...counted.values()].map(({ length }) => length),
      [2, 2, 2, 2, 2],
    );
  });

  it('finds state by the value of a key, not by its identity, and never sends the key itself', async () => {
    const counts = await outputOf(
      (env) =>
        env
          .fromData([{ city: ['x', 1] as const }, { city: ['x', 1] as const }])
          .keyBy(({ city }) => [...city])
          .process({
            uid: 'count',
            state: { count: state.value(0) },
            process(_record, ctx) {
              ctx.state.count.update(ctx.state.count.value() + 1);
              return [ctx.state.count.value()];
            },
          }),
      wide,
    );
    assert.deepEqual(counts, [1, 2]);
  });
});

describe('a side output', () => {
  it('that nobody reads is dropped without a word', async () => {
    const kept = await outputOf((env) =>
      env.fromSequence(1, 4).process({
        outputs: { odd: type<number>() },
        process(n, ctx) {
          if (n % 2 === 0) return [n];
          ctx.output('odd', n);
        },
      }),
    );
    assert.deepEqual(kept, [2, 4]);
  });

  it('takes only records of its declared type, and is read by its name only', () => {
    planOf((env) => {
      const numbers = env.fromSequence(1, 4).process({
        outputs: { odd: type<number>() },
        process(n, ctx) {
          ctx.output('odd', n);
          // @ts-expect-error a number was declared
          ctx.output('odd', String(n));
        },
      });
      const odd: DataStream<number> = numbers.sideOutput('odd');
      odd.print();
      // @ts-expect-error there is no output of this name
      assert.throws(() => numbers.sideOutput('even'), { code: 'STREAM_INVALID' });
    });
  });

  it('replaces split and select: one pass, any number of outputs for a record', async () => {
    const selected = await outputOf((env) => {
      const split = env.fromSequence(1, 6).process({
        outputs: { even: type<number>(), large: type<number>() },
        process(n, ctx) {
          if (n % 2 === 0) ctx.output('even', n);
          if (n > 3) ctx.output('large', n);
        },
      });
      const even = split.sideOutput('even').map((n) => `even ${n}`);
      return even.union(split.sideOutput('large').map((n) => `large ${n}`));
    });
    assert.deepEqual(selected.toSorted(), ['even 2', 'even 4', 'even 6', 'large 4', 'large 5', 'large 6']);
  });

  it('is there for every kind of process function', async () => {
    const outputs = { side: type<string>() };
    const side = (ctx: { readonly output: (tag: 'side', value: string) => void }, what: string): void =>
      ctx.output('side', what);
    const built: Record<string, (env: Parameters<JobFunction>[0]) => DataStream<string>> = {
      ProcessFunction: (env) =>
        events(env, { key: 'a', at: 1 })
          .process({ outputs, process: (_, ctx) => side(ctx, 'record') })
          .sideOutput('side'),
      KeyedProcessFunction: (env) =>
        events(env, { key: 'a', at: 1 })
          .keyBy('key')
          .process({
            uid: 'p',
            outputs,
            process: ({ at }, ctx) => ctx.timers.registerEventTime(at),
            onTimer: (_, ctx) => side(ctx, 'timer'),
          })
          .sideOutput('side'),
      CoProcessFunction: (env) =>
        events(env, { key: 'a', at: 1 })
          .connect(env.fromData([1]))
          .process({
            outputs,
            process1: (_, ctx) => side(ctx, 'first'),
            process2: (_, ctx) => side(ctx, 'second'),
          })
          .sideOutput('side'),
      KeyedCoProcessFunction: (env) =>
        events(env, { key: 'a', at: 1 })
          .keyBy('key')
          .connect(env.fromData(['a']).keyBy((key) => key))
          .process({
            uid: 'p',
            outputs,
            process1: (_, ctx) => ctx.timers.registerEventTime(1),
            process2: (_, ctx) => side(ctx, 'second'),
            onTimer: (_, ctx) => side(ctx, 'timer'),
          })
          .sideOutput('side'),
      ProcessWindowFunction: (env) =>
        events(env, { key: 'a', at: 1 })
          .keyBy('key')
          .window(tumbling(10))
          .process({ uid: 'p', outputs, process: (_, ctx) => side(ctx, 'window') })
          .sideOutput('side'),
      ProcessAllWindowFunction: (env) =>
        events(env, { key: 'a', at: 1 })
          .windowAll(tumbling(10))
          .process({ uid: 'p', outputs, process: (_, ctx) => side(ctx, 'window') })
          .sideOutput('side'),
      BroadcastProcessFunction: (env) =>
        events(env, { key: 'a', at: 1 })
          .connect(env.fromData([1]).broadcast({ seen: state.map<string, number>() }))
          .process({
            uid: 'p',
            outputs,
            process: (_, ctx) => side(ctx, 'record'),
            processBroadcast: (_, ctx) => side(ctx, 'broadcast'),
          })
          .sideOutput('side'),
      KeyedBroadcastProcessFunction: (env) =>
        events(env, { key: 'a', at: 1 })
          .keyBy('key')
          .connect(env.fromData([1]).broadcast({ seen: state.map<string, number>() }))
          .process({
            uid: 'p',
            outputs,
            process: (_, ctx) => ctx.timers.registerEventTime(1),
            processBroadcast: (_, ctx) => side(ctx, 'broadcast'),
            onTimer: (_, ctx) => side(ctx, 'timer'),
          })
          .sideOutput('side'),
      ProcessJoinFunction: (env) =>
        events(env, { key: 'a', at: 1 })
          .keyBy('key')
          .intervalJoin(events(env, { key: 'a', at: 2 }).keyBy('key'))
          .between(0, 5)
          .process({ uid: 'p', outputs, process: (_l, _r, ctx) => side(ctx, 'pair') })
          .sideOutput('side'),
    };
    const given: Record<string, readonly string[]> = {};
    for (const [name, build] of Object.entries(built)) given[name] = (await outputOf(build)).toSorted();
    assert.deepEqual(given, {
      ProcessFunction: ['record'],
      KeyedProcessFunction: ['timer'],
      CoProcessFunction: ['first', 'second'],
      KeyedCoProcessFunction: ['second', 'timer'],
      ProcessWindowFunction: ['window'],
      ProcessAllWindowFunction: ['window'],
      BroadcastProcessFunction: ['broadcast', 'record'],
      KeyedBroadcastProcessFunction: ['broadcast', 'timer'],
      ProcessJoinFunction: ['pair'],
    });
  });
});

describe('a process function without a key', () => {
  it('has neither state nor timers, by type and where nobody checks types', () => {
    planOf((env) => {
      const numbers = env.fromSequence(1, 2);
      assert.throws(
        // @ts-expect-error keyed state needs keyBy() first
        () => numbers.process({ state: { count: state.value(0) }, process: (n) => [n] }),
        { code: 'STREAM_INVALID', message: /keyed state needs keyBy\(\) first/ },
      );
      assert.throws(
        // @ts-expect-error timers need keyBy() first
        () => numbers.process({ process: (n) => [n], onTimer: () => [] }),
        { code: 'STREAM_INVALID', message: /timers need keyBy\(\) first/ },
      );
      numbers.print();
    });
  });
});

describe('an interval join', () => {
  const joined = (lower: number, upper: number, exclusive: 'lower' | 'upper' | 'none' = 'none') =>
    operatorOf((left: DataStream<Event>, right: DataStream<Event>) => {
      const bounded = left
        .keyBy('key')
        .intervalJoin(right.keyBy('key'))
        .between(lower, upper)
        .sideOutputLeftLateData('late')
        .sideOutputRightLateData('late right');
      const within =
        exclusive === 'lower'
          ? bounded.lowerBoundExclusive()
          : exclusive === 'upper'
            ? bounded.upperBoundExclusive()
            : bounded;
      return within.process({ uid: 'pairs', process: (l, r) => [`${l.at} ${r.at}`] });
    });
  const left = (at: number) => ({ record: { key: 'a', at }, timestamp: at });
  const right = (at: number) => ({ record: { key: 'a', at }, timestamp: at, input: 1 });
  const all = [left(10), right(7), right(8), right(9), right(10), right(11), right(12), right(13)];

  it('leaves out the records at a bound that is exclusive', async () => {
    const pairs = async (exclusive: 'lower' | 'upper' | 'none') =>
      (await verifyOperator(joined(-2, 2, exclusive), all)).flatMap((each) =>
        'record' in each ? [each.record] : [],
      );
    assert.deepEqual(await pairs('none'), ['10 8', '10 9', '10 10', '10 11', '10 12']);
    assert.deepEqual(await pairs('lower'), ['10 9', '10 10', '10 11', '10 12']);
    assert.deepEqual(await pairs('upper'), ['10 8', '10 9', '10 10', '10 11']);
  });

  it('takes a record at the watermark itself, and calls the one before it late', async () => {
    const steps = [{ watermark: 10 }, left(10), left(9), right(10), right(9)];
    const emitted = await verifyOperator(joined(-2, 2), steps);
    assert.deepEqual(
      emitted.flatMap((each) => ('record' in each ? [each.tag ?? each.record] : [])),
      ['late', '10 10', 'late right'],
    );
  });

  it('gives its pairs when the second record arrives, before any watermark', async () => {
    const emitted = await verifyOperator(joined(-2, 2), [left(10), right(9)]);
    assert.deepEqual(emitted, [{ record: '10 9', timestamp: 10 }]);
  });
});

describe('an asynchronous operator', () => {
  it('has a hundred calls under way when nothing else is said, and then holds its input back', async () => {
    const asked: number[] = [];
    const waiting = job((env) => {
      env
        .fromSource(sequenceSource(1, 1_000), { uid: 'in' })
        .unorderedWait({
          uid: 'ask',
          asyncInvoke(n) {
            asked.push(n);
            return new Promise<number>((resolve) => {
              setTimeout(() => resolve(n), 1_000);
            });
          },
        })
        .print('', { uid: 'out' });
    });
    const test = await testJob(waiting, { outputs: { out: type<number>() } });
    await test.advance(0);
    assert.equal(asked.length, 100);
    await test.advance(1_000);
    assert.equal(test.outputs.out.values.length, 100);
    assert.equal(asked.length, 200);
    await test.finish();
    assert.equal(test.outputs.out.values.length, 1_000);
  });

  it('without event time lets every result overtake, and with it none passes a watermark', async () => {
    const answers = async (strategy: ReturnType<typeof watermarks.punctuated<number>> | undefined) => {
      const slowFirst = (env: Parameters<JobFunction>[0]) =>
        env.fromData([3, 2, 1], strategy === undefined ? {} : { watermarks: strategy }).unorderedWait({
          uid: 'ask',
          asyncInvoke: (n) =>
            new Promise<number>((resolve) => {
              setTimeout(() => resolve(n), n * 100);
            }),
        });
      return outputOf(slowFirst);
    };
    assert.deepEqual(await answers(undefined), [1, 2, 3]);
    let time = 0;
    const eachRecord = watermarks.punctuated<number>((_, at) => at).withTimestamps(() => ++time);
    assert.deepEqual(await answers(eachRecord), [3, 2, 1]);
  });
});
