// What the type system promises: types travel through the whole chain without an annotation, and mistakes do not compile.
// `tsc` is the judge; the test that runs only proves that the same code describes a job.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { asyncIterableSource } from '../connectors/async-iterable.ts';
import { atLeastOnceSink } from '../connectors/at-least-once.ts';
import { callbackSink } from '../connectors/callback.ts';
import { collectionSource } from '../connectors/collection.ts';
import { files } from '../connectors/files/files.ts';
import { printSink } from '../connectors/print.ts';
import type { DeadLetter } from '../operators/dead-letter.ts';
import { type } from '../operators/process-context.ts';
import type { Sink } from '../operators/sink.ts';
import type { Source } from '../operators/source.ts';
import { watermarks } from '../operators/watermarks.ts';
import * as state from '../state/state.ts';
import type { DataStream } from './data-stream.ts';
import { describeJob } from './describe.ts';
import { job } from './job.ts';

interface Event {
  readonly address: string;
  readonly user?: string;
  readonly failed: boolean;
  readonly at: number;
}
interface Alert {
  readonly key: string;
  readonly count: number;
  readonly at: number | undefined;
}

/** Compiles only when both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
function isStreamOf<T>() {
  return <U>(_stream: DataStream<U>, _same: Same<T, U>): void => {};
}

function parse(line: string): Event[] {
  return [{ address: line, failed: true, at: 1 }];
}

it('infers every type of a job without an annotation', () => {
  const definition = job((env, args) => {
    const lines = env.fromSource(collectionSource([args.string('line', 'a')]), { uid: 'lines' });
    isStreamOf<string>()(lines, true);

    const events = lines
      .flatMap(parse)
      .assignTimestampsAndWatermarks(
        watermarks.boundedOutOfOrderness('5s').withTimestamps((event) => event.at),
      );
    isStreamOf<Event>()(events, true);

    const alerts = events
      .keyBy((event) => event.address)
      .process({
        uid: 'three-in-a-row',
        state: { failures: state.value(0), seen: state.list<Event>() },
        outputs: { late: type<Event>(), counts: type<number>() },
        process(event, ctx) {
          const count = ctx.state.failures.value() + 1;
          ctx.state.failures.update(count);
          ctx.state.seen.add(event);
          ctx.output('late', event);
          ctx.output('counts', count);
          ctx.timers.registerEventTime(event.at + 1);
          return count >= 3 ? [{ key: ctx.key, count, at: ctx.timestamp }] : [];
        },
        *onTimer(time, ctx) {
          yield { cleared: ctx.key, time };
        },
      });
    isStreamOf<{ key: string; count: number; at: number | undefined } | { cleared: string; time: number }>()(
      alerts,
      true,
    );
    isStreamOf<Event>()(alerts.sideOutput('late'), true);
    isStreamOf<number>()(alerts.sideOutput('counts'), true);
    // @ts-expect-error this side output is not declared
    assert.throws(() => alerts.sideOutput('lat'), /Did you mean 'late'/);

    const kept = alerts.filter((result) => 'count' in result);
    isStreamOf<{ key: string; count: number; at: number | undefined }>()(kept, true);
    const alertSink = callbackSink<Alert>(() => {});
    kept.sinkTo(alertSink, { uid: 'alerts' });
    // @ts-expect-error the sink takes alerts, the stream has events
    events.sinkTo(alertSink, { uid: 'wrong' });
    // @ts-expect-error a sink needs a uid
    kept.sinkTo(alertSink, {});
  });
  assert.equal(describeJob(definition).nodes.length, 8);
});

it('refuses at compile time what cannot work', () => {
  const definition = job((env) => {
    const events = env.fromData([{ address: 'a', failed: true, at: 1 } as Event]);

    // @ts-expect-error a source needs a uid
    env.fromSource(collectionSource([1]), {});
    // @ts-expect-error strategies are about the records of the source
    env.fromData([1], { watermarks: watermarks.punctuated((event: Event) => event.at) });

    assert.throws(
      () =>
        events.process({
          // @ts-expect-error keyed state needs keyBy() first
          state: { count: state.value(0) },
          process: () => [],
        }),
      /keyed state needs keyBy\(\) first/,
    );
    assert.throws(
      () =>
        events.process({
          process: () => [],
          // @ts-expect-error timers need keyBy() first
          onTimer: () => [],
        }),
      /timers need keyBy\(\) first/,
    );
    events.process({
      process(_event, ctx) {
        // @ts-expect-error there is no key
        void ctx.key;
        // @ts-expect-error there are no timers
        void ctx.timers;
        // @ts-expect-error no side output is declared
        assert.throws(() => ctx.output('late', 1));
      },
    });

    // @ts-expect-error a key cannot be missing
    events.keyBy((event) => event.user);
    // @ts-expect-error a key is no object
    events.keyBy((event) => ({ address: event.address }));
    // @ts-expect-error this field may be missing
    events.keyBy('user');
    // @ts-expect-error there is no such field
    events.keyBy('adress');
    isStreamOf<Event>()(events.keyBy('address').sum('at', { uid: 'sum' }), true);

    const keyed = events.keyBy((event) => [event.address, event.failed]);
    // @ts-expect-error an operator with state needs a uid
    keyed.process({ state: { count: state.value(0) }, process: () => [] });
    // @ts-expect-error an operator with state needs a uid
    keyed.reduce((a) => a);
    // @ts-expect-error only a number can be summed
    keyed.sum('address', { uid: 'sum-address' });
    // @ts-expect-error what has no order has no maximum
    keyed.max('failed', { uid: 'max-failed' });

    keyed.process({
      uid: 'checked',
      state: { count: state.value(0) },
      outputs: { late: type<number>() },
      process(_event, ctx) {
        const [address, failed] = ctx.key;
        const name: string = address;
        const flag: boolean = failed;
        // @ts-expect-error the state holds numbers
        ctx.state.count.update(`${name}${flag}`);
        // @ts-expect-error this state is not declared
        void ctx.state.cuont;
        // @ts-expect-error this side output is not declared
        ctx.output('lat', 1);
        // @ts-expect-error the side output takes numbers
        ctx.output('late', 'x');
      },
    });
    // @ts-expect-error results are a list
    keyed.process({ uid: 'single', process: () => 1 });
    // @ts-expect-error a text is no list of results
    keyed.process({ uid: 'text', process: () => 'abc' });
    // @ts-expect-error a process function gives its results back at once
    keyed.process({ uid: 'promise', process: async () => [1] });
    // @ts-expect-error a function that is flat-mapped gives its results back at once
    events.flatMap(async () => [1]);
    // @ts-expect-error the mapped records are no numbers but a message
    events.map(async (event) => event.at).map((at) => at * 2);

    // @ts-expect-error dead letters are there only with that policy
    assert.throws(() => events.map((event) => event.at).sideOutput('dead-letter'));
    const rescued = events.map((event) => event.at, { onError: 'dead-letter' });
    isStreamOf<DeadLetter<Event>>()(rescued.sideOutput('dead-letter'), true);
    // @ts-expect-error there is no such policy
    events.map((event) => event.at, { onError: 'ignore' });

    // @ts-expect-error a stream without an operator of its own has no uid
    assert.throws(() => events.shuffle().uid('x'));
    events.keyBy('address').process({
      uid: 'cached',
      local: () => new Map<string, number>(),
      open(ctx) {
        ctx.local.set('opened', ctx.info.subtask);
      },
      process(event, ctx) {
        ctx.local.set(event.address, 1);
      },
    });
  });
  assert.ok(describeJob(definition).nodes.length > 0);
});

it('infers what asynchronous functions give', () => {
  const definition = job((env) => {
    const numbers = env.fromData([1, 2, 3]);
    const uid = 'ask';
    isStreamOf<string>()(
      numbers.orderedWait({ uid, asyncInvoke: async (n, ctx) => `${n} ${ctx.attempt}` }),
      true,
    );
    const found = numbers.unorderedWait({
      uid: 'many',
      asyncInvoke: async (n) => (n > 1 ? [n, n] : undefined),
      retry: { maxAttempts: 2, delay: '1 s', ifResult: (results) => results.every((n) => n > 1) },
      timeout: '1 min',
      onTimeout: (n) => ({ late: n }),
      onError: 'dead-letter',
    });
    isStreamOf<number | { late: number }>()(found, true);
    isStreamOf<DeadLetter<number>>()(found.sideOutput('dead-letter'), true);
    // @ts-expect-error -- what is under way is state, and needs a uid
    numbers.keyBy((n) => n).orderedWait({ asyncInvoke: async (n: number) => n });
    // @ts-expect-error -- the function must give a promise
    numbers.orderedWait({ uid: 'now', asyncInvoke: (n: number) => n });
    found.print();
  });
  assert.ok(definition);
});

it('refuses exactlyOnce over a source that cannot go back and over a plain sink', () => {
  const uid = 'end';
  async function* ticks(): AsyncGenerator<number> {
    yield 1;
  }
  async function* numbered(): AsyncGenerator<{ value: number; position: number }> {
    yield { value: 1, position: 1 };
  }
  const positioned = asyncIterableSource<number, number>({ open: numbered, bounded: true });
  const definition = job((env) => {
    const numbers = env.fromSource(collectionSource([1]), { uid: 'numbers', exactlyOnce: true });
    env.fromSource(positioned, { uid: 'positioned', exactlyOnce: true });
    env.fromAsyncIterable<number, number>({ open: numbered }, { uid: 'iterable', exactlyOnce: true });
    // @ts-expect-error -- a function that makes an iterable starts anew
    env.fromSource(asyncIterableSource(ticks), { uid: 'ticks', exactlyOnce: true });
    // @ts-expect-error -- the same, by its short way
    env.fromAsyncIterable(ticks, { exactlyOnce: true });
    const unknown: Source<number> = positioned;
    // @ts-expect-error -- nothing says that it can go back
    env.fromSource(unknown, { uid: 'unknown', exactlyOnce: true });
    env.fromSource(unknown, { uid: 'asked for nothing', exactlyOnce: false });

    const lines = numbers.map(String);
    lines.sinkTo(files.linesSink('out'), { uid, exactlyOnce: true });
    lines.sinkTo(
      callbackSink<string>(() => {}),
      { uid: 'callback', exactlyOnce: true },
    );
    const plain = atLeastOnceSink<string>({ write: async () => {} });
    lines.sinkTo(plain, { uid: 'plain' });
    // @ts-expect-error -- what it writes is there at once
    lines.sinkTo(plain, { uid: 'written', exactlyOnce: true });
    // @ts-expect-error -- and so is what it prints, also behind keyBy
    lines.keyBy((line) => line).sinkTo(printSink<string>(), { uid: 'printed', exactlyOnce: true });
    // @ts-expect-error -- print() has no such option
    lines.print('x', { exactlyOnce: true });
    const some: Sink<string> = plain;
    // @ts-expect-error -- nothing says that it commits with checkpoints
    lines.sinkTo(some, { uid: 'some', exactlyOnce: true });
    isStreamOf<number>()(numbers, true);
  });
  const asked = describeJob(definition).nodes.filter(({ exactlyOnce }) => exactlyOnce);
  assert.ok(asked.some((node) => node.uid === 'numbers') && asked.some((node) => node.uid === uid));
});
