import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { list, value } from '../state/state.ts';
import { OperatorHarness } from '../testing/operator-harness.ts';
import { verifyOperator } from '../testing/verify-operator.ts';
import { CoFlatMapOperator } from './co-flat-map.ts';
import { CoMapOperator } from './co-map.ts';
import { CoProcessOperator, KeyedCoProcessOperator } from './co-process.ts';
import { type } from './process-context.ts';

describe('functions of connected streams', () => {
  it('map1 gets the records of the first stream and map2 those of the second', async () => {
    const operator = () =>
      new CoMapOperator({ map1: (n: number) => n + 1, map2: (text: string) => text.toUpperCase() });
    const emitted = await verifyOperator({ operator }, [
      { record: 1, timestamp: 5 },
      { record: 'a', input: 1 },
      { record: 2, input: 0 },
    ]);
    assert.deepEqual(emitted, [{ record: 2, timestamp: 5 }, { record: 'A' }, { record: 3 }]);
  });

  it('flatMap1 and flatMap2 give any number of records, a generator when it is pulled', async () => {
    const operator = () =>
      new CoFlatMapOperator({
        *flatMap1(n: number) {
          for (let i = 0; i < n; i++) yield i;
        },
        flatMap2: (text: string) => (text === '' ? undefined : text.split('')),
      });
    const emitted = await verifyOperator({ operator }, [
      { record: 2, timestamp: 5 },
      { record: 'ab', input: 1, timestamp: 6 },
      { record: '', input: 1 },
    ]);
    assert.deepEqual(emitted, [
      { record: 0, timestamp: 5 },
      { record: 1, timestamp: 5 },
      { record: 'a', timestamp: 6 },
      { record: 'b', timestamp: 6 },
    ]);
  });

  it('process1 and process2 share their side outputs and what the subtask keeps', async () => {
    const operator = () =>
      new CoProcessOperator({
        outputs: { odd: type<number>() },
        local: () => ({ length: 'abc'.length }),
        process1(n: number, ctx) {
          if (n % 2 === 1) ctx.output('odd', n);
          else return [n + ctx.local.length];
        },
        process2: (text: string, ctx) => [`${text}${ctx.timestamp}`],
      });
    const emitted = await verifyOperator({ operator }, [
      { record: 1, timestamp: 5 },
      { record: 2, timestamp: 6 },
      { record: 'a', input: 1, timestamp: 7 },
    ]);
    assert.deepEqual(emitted, [
      { record: 1, timestamp: 5, tag: 'odd' },
      { record: 5, timestamp: 6 },
      { record: 'a7', timestamp: 7 },
    ]);
  });

  it('opens and closes once', async () => {
    const events: string[] = [];
    const harness = await OperatorHarness.open({
      operator: () =>
        new CoProcessOperator({
          open: (ctx) => void events.push(`open ${ctx.info.subtask}`),
          process1: () => [],
          process2: () => [],
          close: () => void events.push('close'),
        }),
    });
    await harness.close();
    assert.deepEqual(events, ['open 0', 'close']);
  });
});

describe('functions of connected keyed streams', () => {
  const keySelectors = [(text: string) => text[0], (n: number) => (n < 0 ? 'b' : 'a')];
  const operator = () =>
    new KeyedCoProcessOperator({
      state: { sum: value(0), waiting: list<string>() },
      process1(text: string, ctx) {
        ctx.state.waiting.add(text);
        ctx.timers.registerEventTime(Number(text.slice(1)));
        return [`${String(ctx.key)} ${ctx.state.sum.value()}`];
      },
      process2(n: number, ctx) {
        ctx.state.sum.update(ctx.state.sum.value() + n);
        ctx.timers.registerProcessingTime(ctx.time.currentProcessingTime() + 10);
      },
      onTimer: (time, ctx) => [`${ctx.domain} ${time} ${String(ctx.key)} ${ctx.state.waiting.get().join()}`],
    });

  it('share state and timers of a key, whichever stream the key came from', async () => {
    const emitted = await verifyOperator({ operator, keySelectors }, [
      { record: 'a7', timestamp: 1 },
      { record: 5, input: 1 },
      { record: 'a3', timestamp: 2 },
      { record: 'b9' },
      { record: -2, input: 1 },
      { record: 'b9', timestamp: 3 },
      { watermark: 8 },
      { passMs: 10 },
      { watermark: 9 },
    ]);
    assert.deepEqual(emitted, [
      { record: 'a 0', timestamp: 1 },
      { record: 'a 5', timestamp: 2 },
      { record: 'b 0' },
      { record: 'b -2', timestamp: 3 },
      { record: 'event 3 a a7,a3', timestamp: 3 },
      { record: 'event 7 a a7,a3', timestamp: 7 },
      { watermark: 8 },
      { record: 'processing 10 a a7,a3' },
      { record: 'processing 10 b b9,b9' },
      { record: 'event 9 b b9,b9', timestamp: 9 },
      { watermark: 9 },
    ]);
  });
});
