// Functions: who they are, what they are told, and what they give back.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  accumulators,
  callbackSink,
  type DataStream,
  job,
  sequenceSource,
  state,
  type,
} from '../../src/index.ts';
import { CRASH, OperatorHarness, operatorOf, testJob } from '../../src/testing/index.ts';
import { type Event, outputOf } from './runs.ts';

describe('a function', () => {
  it('knows its job, its operator, its subtask, the parallelism of today and the highest possible, and which attempt this is', async () => {
    const told = job((env) => {
      env
        .fromSource(sequenceSource(1, 1), { uid: 'in' })
        .rebalance()
        .process({
          name: 'tell',
          uid: 'tell',
          maxParallelism: 7,
          process: (_n, { info }) => [
            `${info.jobName} ${info.uid} ${info.name} ${info.subtask}/${info.parallelism}/${info.maxParallelism} ${info.attempt}`,
          ],
        })
        .sinkTo(
          callbackSink<string>(() => {}),
          { uid: 'out' },
        );
    });
    const inputs = { in: type<number>() };
    const test = await testJob(told, { inputs, outputs: { out: type<string>() } });
    await test.inputs.in.push(1);
    await test.checkpoint();
    await test.inputs.in.push(CRASH, 2);
    await test.finish();
    assert.deepEqual(test.outputs.out.take(), ['test tell tell 0/1/7 1-1', 'test tell tell 0/1/7 1-2']);
  });

  it('that fails to open fails its task before any record, and is closed', async () => {
    const calls: string[] = [];
    const broken = outputOf(
      (env) =>
        env.fromData(['a']).process({
          open() {
            calls.push('open');
            throw new RangeError('no');
          },
          process(word) {
            calls.push('process');
            return [word];
          },
          close: () => void calls.push('close'),
        }),
      { configuration: { 'restart-strategy.type': 'none' } },
    );
    await assert.rejects(broken, { code: 'JOB_FAILED' });
    assert.deepEqual(calls, ['open', 'close']);
  });

  it('opens when its state is there again, and before the first record', async () => {
    const calls: string[] = [];
    const operator = operatorOf((stream: DataStream<string>) =>
      stream.process({
        uid: 'p',
        local: ({ operatorState }) => operatorState.list<string>('seen'),
        initializeState: ({ local }) => void calls.push(`initialize ${local.get().join(' ')}`),
        open: ({ local }) => void calls.push(`open ${local.get().join(' ')}`),
        process(word, { local }) {
          calls.push(`record ${word}`);
          local.add(word);
          return [word];
        },
        close: () => void calls.push('close'),
      }),
    );
    const first = await OperatorHarness.open(operator);
    first.record('a');
    const restored = await first.snapshot();
    await first.close();
    calls.length = 0;
    const second = await OperatorHarness.open({ ...operator, restored });
    second.record('b');
    second.end();
    await second.close();
    assert.deepEqual(calls, ['initialize a', 'open a', 'record b', 'close']);
  });

  it('gives back any number of records: an array, any iterable, a generator that is pulled, or nothing', async () => {
    const given = await outputOf((env) =>
      env.fromData(['array', 'set', 'generator', 'nothing']).flatMap((how): Iterable<string> | undefined => {
        if (how === 'array') return ['a1', 'a2'];
        if (how === 'set') return new Set(['s']);
        if (how === 'generator')
          return (function* () {
            yield 'g1';
            yield 'g2';
          })();
        return undefined;
      }),
    );
    assert.deepEqual(given, ['a1', 'a2', 's', 'g1', 'g2']);
  });

  it('of a timer is told the time, the domain and the key, and what it gives has the time of the timer', async () => {
    const operator = operatorOf((stream: DataStream<Event>) =>
      stream.keyBy('key').process({
        uid: 'p',
        process({ at }, { timers }) {
          timers.registerEventTime(at + 1);
          timers.registerProcessingTime(timers.currentProcessingTime() + 5);
        },
        onTimer: (_time, ctx) => [`${ctx.domain} ${ctx.key} ${ctx.timestamp}`],
      }),
    );
    const harness = await OperatorHarness.open(operator);
    harness.record({ key: 'a', at: 10 }, 10);
    harness.watermark(20);
    harness.passMs(5);
    assert.deepEqual(harness.emitted, [
      { record: 'event a 11', timestamp: 11 },
      { watermark: 20 },
      { record: 'processing a undefined' },
    ]);
    await harness.close();
  });

  it('counts into accumulators of the job, also one of your own, over all subtasks', async () => {
    const counted = job((env) => {
      const words = env.addAccumulator('words', accumulators.intCounter());
      const longest = env.addAccumulator('longest', {
        createAccumulator: () => '',
        add: (word: string, so: string) => (word.length > so.length ? word : so),
        result: (word) => word,
        merge: (a, b) => (a.length >= b.length ? a : b),
      });
      env
        .fromData(['to', 'be', 'question', 'or'])
        .rebalance()
        .process({
          process(word, { runtime }) {
            runtime.accumulator(words).add(1);
            runtime.accumulator(longest).add(word);
            return [word];
          },
        })
        .print('', { uid: 'out' });
    });
    const test = await testJob(counted, { outputs: { out: type<string>() }, parallelism: 3 });
    const result = await test.finish();
    assert.deepEqual(result.accumulators, { words: 4, longest: 'question' });
  });

  it('beside a broadcast stream changes the state of every key from the broadcast side, without timers there', async () => {
    const operator = operatorOf((words: DataStream<string>, resets: DataStream<number>) =>
      words
        .keyBy((word) => word)
        .connect(resets.broadcast({ resets: state.map<string, number>() }))
        .process({
          uid: 'p',
          state: { count: state.value(0) },
          process(word, ctx) {
            ctx.state.count.update(ctx.state.count.value() + 1);
            return [`${word}${ctx.state.count.value()}`];
          },
          processBroadcast(to, ctx) {
            assert.equal('timers' in ctx, false);
            ctx.applyToKeyedState('count', (_key, count) => count.update(to));
          },
        }),
    );
    const harness = await OperatorHarness.open(operator);
    for (const word of ['a', 'b', 'a']) harness.record(word);
    harness.record(10, undefined, 1);
    for (const word of ['a', 'b']) harness.record(word);
    assert.deepEqual(harness.records, ['a1', 'b1', 'a2', 'a11', 'b11']);
    await harness.close();
  });
});
