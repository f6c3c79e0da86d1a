import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Configuration } from '../base/config.ts';
import { type ErrorCode, isMillraceError } from '../base/errors.ts';
import type { CompiledJob } from '../graph/job-graph.ts';
import { planJob } from '../graph/plan.ts';
import type { DeadLetter } from '../operators/dead-letter.ts';
import { type } from '../operators/process-context.ts';
import * as state from '../state/state.ts';
import type { DataStream } from './data-stream.ts';
import { describeJob } from './describe.ts';
import { StreamExecutionEnvironment } from './environment.ts';
import { JobArguments } from './job-arguments.ts';
import { job, type JobFunction } from './job.ts';

/** Compiles only when both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
function isStreamOf<T>() {
  return <U>(_stream: DataStream<U>, _same: Same<T, U>): void => {};
}

function plan(build: JobFunction): CompiledJob {
  return planJob(describeJob(job(build)), Configuration.defaults, 'test').compiled;
}

function failsWith(code: ErrorCode, message: RegExp) {
  return (error: unknown): boolean => isMillraceError(error, code) && message.test(error.message);
}

/** `<from> -> <to>.<input>: <partitioner>` */
function edgesOf({ graph }: CompiledJob): string[] {
  return graph.edges.map(
    ({ from, to, input, partitioner }) =>
      `${graph.vertices[from]!.name} -> ${graph.vertices[to]!.name}.${input}: ${partitioner}`,
  );
}

describe('connected streams', () => {
  it('are read by one operator with two inputs, which begins a chain', () => {
    const compiled = plan((env) => {
      env.setParallelism(2);
      const numbers = env.fromSequence(1, 2).map((n) => n);
      const words = env.fromData(['a']).rebalance();
      numbers
        .connect(words.union(words))
        .map({ map1: (n) => n, map2: (word) => word.length, name: 'both' })
        .map((n) => n)
        .print();
    });
    const both = compiled.graph.vertices.find(({ name }) => name.startsWith('both'));
    assert.match(both?.name ?? '', /^both -> Map -> Sink/);
    assert.deepEqual(
      edgesOf(compiled).map((edge) => edge.replace(/^.* -> (?=both)/, '').replace(/ ->.*\./, '.')),
      ['both.0: forward', 'both.1: rebalance', 'both.1: rebalance'],
    );
  });

  it('with keys are partitioned by the key of each', () => {
    const compiled = plan((env) => {
      const orders = env.fromData([{ item: 'tea', amount: 2 }]).keyBy('item');
      const prices = env.fromData(['tea']).keyBy((item) => item);
      orders
        .connect(prices)
        .process({ uid: 'both', name: 'both', process1: () => [], process2: () => [] })
        .print();
    });
    assert.ok(edgesOf(compiled).every((edge) => edge.endsWith('key-group')));
    const selectors = compiled.keySelectors.get('both')!;
    assert.deepEqual([selectors[0]!({ item: 'tea' }), selectors[1]!('tea')], ['tea', 'tea']);
    const [planned] = compiled.graph.vertices
      .flatMap(({ operators }) => operators)
      .filter(({ uid }) => uid === 'both');
    assert.deepEqual([planned!.keyed, planned!.stateful], [true, true]);
  });

  it('of which one is keyed and one is not are refused, also where nobody checks types', () => {
    plan((env) => {
      const numbers = env.fromSequence(1, 2);
      const keyed = numbers.keyBy((n) => n);
      const mixed: (() => unknown)[] = [
        // @ts-expect-error a keyed stream goes with a keyed one
        () => numbers.connect(keyed),
        // @ts-expect-error a keyed stream goes with a keyed one
        () => keyed.connect(numbers),
      ];
      assert.throws(mixed[0]!, failsWith('STREAM_INVALID', /without a key and a keyed one/));
      assert.throws(mixed[1]!, failsWith('STREAM_INVALID', /keyed stream and one without a key/));
      // @ts-expect-error keys of different types are never equal
      keyed.connect(numbers.keyBy((n) => `${n}`));
      numbers.print();
    });
  });

  it('of two environments are refused', () => {
    const environments = [1, 2].map(
      () => new StreamExecutionEnvironment(new JobArguments([]), () => assert.fail('never run')),
    );
    const [one, other] = environments.map((env) => env.fromSequence(1, 2));
    assert.throws(() => one!.connect(other!), failsWith('STREAM_INVALID', /connect\(\).*two environments/));
  });

  it('with state need a uid, by type and in the plan; without a key they have no state', () => {
    assert.throws(
      () =>
        plan((env) => {
          const keyed = env.fromSequence(1, 2).keyBy((n) => n);
          // @ts-expect-error an operator with state needs a uid
          keyed.connect(keyed).process({ process1: () => [], process2: () => [] });
        }),
      failsWith('GRAPH_UID_MISSING', /Co-Process/),
    );
    plan((env) => {
      const numbers = env.fromSequence(1, 2);
      numbers.print();
      assert.throws(
        // @ts-expect-error state needs a key
        () => numbers.connect(numbers).process({ state: {}, process1: () => [], process2: () => [] }),
        failsWith('STREAM_INVALID', /keyBy/),
      );
    });
  });

  it('infer every type without an annotation', () => {
    plan((env) => {
      const numbers = env.fromSequence(1, 2);
      const words = env.fromData(['a']);
      isStreamOf<number | string>()(
        numbers.connect(words).map({ map1: (n) => n + 1, map2: (word) => word.toUpperCase() }),
        true,
      );
      isStreamOf<boolean | number>()(
        numbers.connect(words).flatMap({
          *flatMap1(n) {
            yield n > 1;
          },
          flatMap2: (word) => [word.length],
        }),
        true,
      );
      const both = numbers
        .keyBy((n) => `${n}`)
        .connect(words.keyBy((word) => word))
        .process({
          uid: 'both',
          onError: 'dead-letter',
          state: { seen: state.value(0), words: state.list<string>() },
          outputs: { odd: type<number>() },
          process1(n, ctx) {
            ctx.state.seen.update(n);
            ctx.output('odd', n);
            return [{ n, key: ctx.key }];
          },
          process2(word, ctx) {
            ctx.state.words.add(word);
            // @ts-expect-error nothing like that is declared
            void ctx.state.letters;
          },
          onTimer: (time) => [time],
        });
      isStreamOf<number | { n: number; key: string }>()(both, true);
      isStreamOf<number>()(both.sideOutput('odd'), true);
      isStreamOf<DeadLetter<number | string>>()(both.sideOutput('dead-letter'), true);
      both.print();
    });
  });
});

describe('a stream connected with a broadcast one', () => {
  const limits = { limits: state.map<string, number>() };

  it('is partitioned as it was, and the other reaches every subtask, aligned', () => {
    const compiled = plan((env) => {
      env.setParallelism(2);
      const rules = env.fromData([1]).broadcast(limits);
      const words = env.fromData(['a']);
      const functions = { process: () => [], processBroadcast: () => [] };
      words.connect(rules).process({ uid: 'plain', name: 'plain', ...functions });
      words
        .keyBy((word) => word)
        .connect(rules)
        .process({ uid: 'keyed', name: 'keyed', ...functions });
    });
    const edges = compiled.graph.edges.map(
      ({ to, input, partitioner, unaligned }) =>
        `${compiled.graph.vertices[to]!.name}.${input} ${partitioner} ${unaligned ? 'unaligned' : 'aligned'}`,
    );
    assert.deepEqual(edges.sort(), [
      'keyed.0 key-group unaligned',
      'keyed.1 broadcast aligned',
      'plain.0 forward aligned',
      'plain.1 broadcast aligned',
    ]);
  });

  it('needs a uid and maps, by type and in the plan', () => {
    assert.throws(
      () =>
        plan((env) => {
          const words = env.fromData(['a']);
          // @ts-expect-error an operator with state needs a uid
          words.connect(words.broadcast(limits)).process({ process: () => [], processBroadcast: () => [] });
        }),
      failsWith('GRAPH_UID_MISSING', /Broadcast Process/),
    );
    plan((env) => {
      const words = env.fromData(['a']);
      words.print();
      const declare = () =>
        // @ts-expect-error broadcast state is a map
        words.broadcast({ all: state.value(0) });
      assert.throws(declare, failsWith('STREAM_INVALID', /"all".*map/));
    });
  });

  it('refuses a time to live, which broadcast state has not', () => {
    assert.throws(
      () =>
        plan((env) => {
          env.fromData(['a']).broadcast({ limits: state.map<string, number>({ ttl: { after: '1 h' } }) });
        }),
      failsWith('STREAM_INVALID', /"limits" has a ttl/),
    );
  });

  it('infers every type without an annotation', () => {
    plan((env) => {
      const words = env.fromData(['a']);
      const rules = env.fromData([{ word: 'a', limit: 1 }]).broadcast(limits);
      const plain = words.connect(rules).process({
        uid: 'plain',
        outputs: { odd: type<string>() },
        process(word, ctx) {
          // @ts-expect-error it can only be read here
          if (word === '') ctx.broadcast.limits.set(word, 1);
          return [ctx.broadcast.limits.get(word)];
        },
        processBroadcast(rule, ctx) {
          ctx.broadcast.limits.set(rule.word, rule.limit);
          ctx.output('odd', rule.word);
        },
      });
      isStreamOf<number | undefined>()(plain, true);
      isStreamOf<string>()(plain.sideOutput('odd'), true);
      const keyed = words
        .keyBy((word) => word.length)
        .connect(rules)
        .process({
          uid: 'keyed',
          state: { seen: state.value(0) },
          process: (_word, ctx) => [ctx.key + ctx.state.seen.value()],
          processBroadcast: ({ word }, ctx) => {
            ctx.applyToKeyedState('seen', (key, seen) => seen.update(key));
            return [word];
          },
          onTimer: (_time, ctx) => [ctx.broadcast.limits.has('a')],
        });
      isStreamOf<number | string | boolean>()(keyed, true);
      plain.print();
      keyed.print();
    });
  });
});

describe('an interval join', () => {
  it('has two inputs by key, late outputs with types, and infers what the function gives', () => {
    const compiled = plan((env) => {
      const orders = env.fromData([{ id: 1, at: 5 }]).keyBy('id');
      const payments = env.fromData([{ order: 1, sum: 3 }]).keyBy((payment) => payment.order);
      const joined = orders
        .intervalJoin(payments)
        .between('-5 s', '1 min')
        .lowerBoundExclusive()
        .upperBoundExclusive()
        .sideOutputLeftLateData('late orders')
        .sideOutputRightLateData('late payments')
        .process({
          uid: 'paid',
          name: 'paid',
          outputs: { small: type<number>() },
          process(order, payment, ctx) {
            if (payment.sum < 1) ctx.output('small', payment.sum);
            return [{ ...order, after: ctx.rightTimestamp - ctx.leftTimestamp }];
          },
        });
      isStreamOf<{ after: number; id: number; at: number }>()(joined, true);
      isStreamOf<number>()(joined.sideOutput('small'), true);
      isStreamOf<{ id: number; at: number }>()(joined.sideOutput('late orders'), true);
      isStreamOf<{ order: number; sum: number }>()(joined.sideOutput('late payments'), true);
      joined.print();
    });
    const edges = edgesOf(compiled).filter((edge) => edge.includes('paid'));
    assert.deepEqual(
      edges.map((edge) => edge.replace(/^.*\./, '')),
      ['0: key-group', '1: key-group'],
    );
  });

  it('refuses bounds without a time between them, streams without key, tags that are taken, and no uid', () => {
    plan((env) => {
      const keyed = env.fromSequence(1, 2).keyBy((n) => n);
      const functions = { uid: 'join', process: () => [] };
      const join = keyed.intervalJoin(keyed);
      for (const bounded of [
        join.between(1, 0),
        join.between(-1, '-1 s'),
        join.between(0, 0).lowerBoundExclusive(),
        join.between('1 ms', 2).lowerBoundExclusive().upperBoundExclusive(),
      ]) {
        assert.throws(() => bounded.process(functions), failsWith('STREAM_INVALID', /no time is from/));
      }
      assert.throws(() => join.between(0, 'soon'), failsWith('CONFIG_INVALID', /upper bound/));
      assert.throws(
        () =>
          join
            .between(0, 1)
            .sideOutputLeftLateData('late')
            .process({ ...functions, outputs: { late: type<number>() } }),
        failsWith('STREAM_INVALID', /"late"/),
      );
      const unkeyed = () =>
        // @ts-expect-error a join needs keys on both sides
        keyed.intervalJoin(env.fromSequence(1, 2));
      assert.throws(unkeyed, failsWith('STREAM_INVALID', /without a key/));
      keyed.print();
    });
    assert.throws(
      () =>
        plan((env) => {
          const keyed = env.fromSequence(1, 2).keyBy((n) => n);
          const join = keyed.intervalJoin(keyed).between(0, 1);
          // @ts-expect-error an operator with state needs a uid
          join.process({ process: () => [] });
        }),
      failsWith('GRAPH_UID_MISSING', /Interval Join/),
    );
  });
});
