// What a program sees of a job as a whole: who ends, who starts again, what is visible, what is refused.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  atLeastOnceSink,
  callbackSink,
  collectSink,
  collectionSource,
  generatorSource,
  job,
  type JobFunction,
  sequenceSource,
  state,
  type StreamExecutionEnvironment,
  tumbling,
  type,
} from '../../src/index.ts';
import { executeAsync } from '../../src/run.ts';
import { CRASH, Kernel, testJob } from '../../src/testing/index.ts';
import { byTime, type Event, outputOf } from './runs.ts';

const QUIET = { 'log.level': 'silent' } as const;

function counting(env: StreamExecutionEnvironment, uid: string) {
  return env
    .fromSource(collectionSource<string>([]), { uid: `${uid} in` })
    .keyBy((word) => word)
    .process({
      uid,
      state: { count: state.value(0) },
      process(word, ctx) {
        ctx.state.count.update(ctx.state.count.value() + 1);
        return [`${word}${ctx.state.count.value()}`];
      },
    });
}

describe('a job', () => {
  it('with its operators in another order finds their state by their uids', async () => {
    const orders: readonly JobFunction[] = [
      (env) => {
        for (const uid of ['one', 'two']) counting(env, uid).print('', { uid: `${uid} out` });
      },
      (env) => {
        env.fromSequence(1, 2, { uid: 'new' }).print('', { uid: 'newer' });
        for (const uid of ['two', 'one'])
          counting(env, uid)
            .map((shown) => shown)
            .print('', { uid: `${uid} out` });
      },
    ];
    let version = 0;
    const changing = job((env, args) => orders[version]!(env, args));
    const test = await testJob(changing, {
      inputs: { 'one in': type<string>(), 'two in': type<string>() },
      outputs: { 'one out': type<string>(), 'two out': type<string>() },
    });
    await test.inputs['one in'].push('a', 'a');
    await test.inputs['two in'].push('a');
    await test.checkpoint();
    test.crash();
    version = 1;
    await test.restore();
    await test.inputs['one in'].push('a');
    await test.inputs['two in'].push('a');
    await test.finish();
    assert.deepEqual(test.outputs['one out'].take(), ['a1', 'a2', 'a3']);
    assert.deepEqual(test.outputs['two out'].take(), ['a1', 'a2']);
  });

  it('is refused above the max parallelism of its state, and runs with fewer subtasks than its source has splits', async () => {
    const spread = job((env) => {
      const numbers = generatorSource((index, { split }) => split * 100 + index, {
        count: 40,
        ratePerSecond: 10,
        splits: 4,
      });
      env
        .fromSource(numbers, { uid: 'in' })
        .keyBy((n) => n)
        .process({ uid: 'keep', maxParallelism: 4, state: { seen: state.value(0) }, process: (n) => [n] })
        .sinkTo(
          callbackSink<number>(() => {}),
          { uid: 'out' },
        );
    });
    const restoredAt = async (parallelism: number) => {
      const test = await testJob(spread, {
        outputs: { out: type<number>() },
        configuration: { 'restart-strategy.type': 'none' },
        parallelism: 4,
      });
      await test.advance('2 s');
      await test.checkpoint();
      assert.ok(test.outputs.out.values.length > 4 && test.outputs.out.values.length < 40);
      test.crash();
      await test.restore({ parallelism });
      await test.finish();
      return test.outputs.out.values.toSorted((a, b) => a - b);
    };
    await assert.rejects(restoredAt(5), /parallelism 5 is more than its max parallelism 4/);
    const all = [0, 1, 2, 3].flatMap((split) =>
      Array.from({ length: 10 }, (_, index) => split * 100 + index),
    );
    assert.deepEqual(await restoredAt(1), all);
  });

  it('goes on while one of its sources does; one that has ended holds event time back no more', async () => {
    const united = job((env) => {
      const [ends, goesOn] = ['ends', 'goes on'].map((uid) =>
        env.fromSource(collectionSource<Event>([]), { uid, watermarks: byTime }),
      );
      ends!
        .union(goesOn!)
        .keyBy('key')
        .window(tumbling(10))
        .process({ uid: 'w', process: (given) => [given.map(({ at }) => at).join(' ')] })
        .print('', { uid: 'out' });
    });
    const test = await testJob(united, {
      inputs: { ends: type<Event>(), 'goes on': type<Event>() },
      outputs: { out: type<string>() },
    });
    await test.inputs.ends.push({ key: 'a', at: 1 });
    await test.inputs['goes on'].push({ key: 'a', at: 2 }, { key: 'a', at: 15 });
    await test.advance('1 s');
    assert.deepEqual(test.outputs.out.take(), []);
    await test.inputs.ends.end();
    await test.advance('1 s');
    assert.deepEqual(test.outputs.out.take(), ['1 2']);
    assert.equal(test.hasEnded, false);
    const result = await test.finish();
    assert.equal(result.status, 'FINISHED');
    assert.deepEqual(test.outputs.out.take(), ['15']);
  });

  it('shows exactly-once output when a checkpoint is complete; at-least-once output at once, and some of it again', async () => {
    const both = job((env) => {
      const numbers = env.fromSource(collectionSource<number>([]), { uid: 'in' });
      numbers.sinkTo(
        callbackSink<number>(() => {}),
        { uid: 'exact' },
      );
      numbers.sinkTo(atLeastOnceSink<number>({ write: async () => {} }), { uid: 'prompt' });
    });
    const test = await testJob(both, {
      inputs: { in: type<number>() },
      outputs: { exact: type<number>(), prompt: type<number>() },
    });
    const { exact, prompt } = test.outputs;
    await test.inputs.in.push(1, 2);
    assert.deepEqual([exact.take(), prompt.take()], [[], [1, 2]]);
    await test.checkpoint();
    assert.deepEqual([exact.take(), prompt.take()], [[1, 2], []]);
    await test.inputs.in.push(3);
    test.crash();
    await test.restore();
    await test.finish();
    assert.deepEqual([exact.take(), prompt.take()], [[3], [3, 3]]);
  });

  it('fails with its task, starts again as its strategy says, and meets a poisoned record until the strategy gives up', async () => {
    let met = 0;
    const poisoned = job((env) => {
      env
        .fromSource(collectionSource([1, 2, 3]), { uid: 'in' })
        .map((n) => {
          if (n !== 2) return n;
          met += 1;
          throw new RangeError('not 2');
        })
        .print('', { uid: 'out' });
    });
    const test = await testJob(poisoned, {
      outputs: { out: type<number>() },
      configuration: { 'restart-strategy.type': 'fixed-delay', 'restart-strategy.fixed-delay.attempts': 2 },
    });
    await assert.rejects(test.finish(), { code: 'JOB_FAILED' });
    assert.equal(met, 3);
  });

  it('counts a record once in its state and more than once in its calls when it fails in between', async () => {
    let calls = 0;
    const failing = job((env) => {
      env
        .fromSource(sequenceSource(1, 1), { uid: 'in' })
        .map((n) => {
          calls += 1;
          return n;
        })
        .keyBy(() => 'all')
        .reduce((a, b) => a + b, { uid: 'sum' })
        .sinkTo(
          callbackSink<number>(() => {}),
          { uid: 'out' },
        );
    });
    const test = await testJob(failing, {
      inputs: { in: [1, 2, CRASH, 3] },
      outputs: { out: type<number>() },
    });
    await test.finish();
    assert.deepEqual(test.outputs.out.take(), [1, 3, 6]);
    assert.equal(calls, 5);
  });

  it('that has ended cannot be stopped nor checkpointed, with the reason; a cancel of it changes nothing', async () => {
    const kernel = new Kernel({ seed: 3, shuffle: true });
    const client = await executeAsync(
      job((env) => void env.fromSequence(1, 3).sinkTo(collectSink<number>([]), { uid: 'out' })),
      {
        host: 'in-process',
        env: kernel.env('process'),
        slotEnv: (slot) => kernel.env('process', `slot-${slot}`),
        workingDirectory: '/work-folder',
        configuration: QUIET,
      },
    );
    await kernel.run({ until: () => client.status() === 'FINISHED' });
    await assert.rejects(kernel.settle(client.stop()), {
      code: 'JOB_NOT_RUNNING',
      message: /the job is FINISHED/,
    });
    await assert.rejects(kernel.settle(client.triggerCheckpoint()), {
      code: 'JOB_NOT_RUNNING',
      message: /the job is FINISHED/,
    });
    const [once, twice] = [client.cancel(), client.cancel()];
    assert.equal((await kernel.settle(once)).status, 'FINISHED');
    assert.equal((await kernel.settle(twice)).status, 'FINISHED');
  });

  it('takes no record without a key', async () => {
    for (const key of [null, undefined, Symbol('key'), { user: 'ada' }] as unknown[]) {
      const given = outputOf(
        (env) =>
          env
            .fromData(['a'])
            .keyBy(() => key as string)
            .process({ uid: 'p', process: (word) => [word] }),
        { configuration: { 'restart-strategy.type': 'none' } },
      );
      await assert.rejects(
        given,
        (error: Error & { cause?: { code?: string } }) => error.cause?.code === 'KEY_INVALID',
      );
    }
  });
});
