// Event time, processing time, and the timers of both.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  collectionSource,
  type DataStream,
  job,
  type ReaderContext,
  type Source,
  type SourceReader,
  tumbling,
  type,
  type WatermarkStrategy,
  watermarks,
} from '../../src/index.ts';
import {
  type Emitted,
  OperatorHarness,
  operatorOf,
  testJob,
  verifyOperator,
} from '../../src/testing/index.ts';
import { byTime, type Event, events, outputOf } from './runs.ts';

function recordsOf(emitted: readonly Emitted[]): unknown[] {
  return emitted.flatMap((each) => ('record' in each ? [each.record] : []));
}

describe('event time', () => {
  it('is no business of a job without it: records have no timestamp, and no watermark comes before the end', async () => {
    const seen = await outputOf((env) =>
      env.fromData(['a']).process({
        process: (_word, ctx) => [[ctx.timestamp, ctx.time.currentWatermark() === Number.MIN_SAFE_INTEGER]],
      }),
    );
    assert.deepEqual(seen, [[undefined, true]]);
  });

  it('of a source is what its reader says, which a strategy may take, replace, or look at', async () => {
    type Reads<T> = T extends Source<Event, infer Split> ? SourceReader<Event, Split> : never;
    const collection = collectionSource<Event>([{ key: 'a', at: 7 }]);
    const stamped = {
      ...collection,
      createReader(context: ReaderContext): Reads<typeof collection> {
        const reader = collection.createReader(context);
        return {
          addSplit: (split) => reader.addSplit(split),
          snapshot: () => reader.snapshot(),
          poll: (max, output) =>
            reader.poll(max, {
              split: (id) => output.split(id),
              splitFinished: (id) => output.splitFinished(id),
              emit: (event) => output.emit(event, event.at * 100),
            }),
        };
      },
    };
    const seen = (strategy: WatermarkStrategy<Event>) =>
      outputOf((env) =>
        env
          .fromSource(stamped, { uid: 'in', watermarks: strategy })
          .process({ process: (_event, ctx) => [ctx.timestamp] }),
      );
    assert.deepEqual(await seen(watermarks.monotonous()), [700]);
    assert.deepEqual(await seen(byTime), [7]);
    const moved = watermarks.monotonous().withTimestamps((event: Event, given) => event.at + (given ?? 0));
    assert.deepEqual(await seen(moved), [707]);
  });

  it('comes to its end with a bounded input, and everything that waited for it fires', async () => {
    const seen = await outputOf((env) =>
      events(env, { key: 'a', at: 5 })
        .keyBy('key')
        .process({
          uid: 'p',
          process: (event, ctx) => ctx.timers.registerEventTime(event.at + 1_000_000_000),
          onTimer: (time, ctx) => [[time, ctx.time.currentWatermark() === Number.MAX_SAFE_INTEGER]],
        }),
    );
    assert.deepEqual(seen, [[1_000_000_005, true]]);
  });

  it('of results is that of their records through map, flatMap and filter', async () => {
    const seen = await outputOf((env) =>
      events(env, { key: 'a', at: 5 }, { key: 'b', at: 7 })
        .map(({ key }) => key)
        .flatMap((key) => [key, key])
        .filter(() => true)
        .process({ process: (key, ctx) => [`${key} ${ctx.timestamp}`] }),
    );
    assert.deepEqual(seen, ['a 5', 'a 5', 'b 7', 'b 7']);
  });

  it('of a window is its last timestamp, so that windows of the same size behind it are the same windows', async () => {
    const sums = await outputOf((env) => {
      const perKey = events(
        env,
        { key: 'a', at: 1 },
        { key: 'b', at: 2 },
        { key: 'a', at: 3 },
        { key: 'a', at: 12 },
      )
        .map(({ key }) => ({ key, count: 1 }))
        .keyBy('key')
        .window(tumbling(10))
        .sum('count', { uid: 'per key' });
      return perKey.windowAll(tumbling(10)).process({
        uid: 'all',
        process: (counts, { window }) => [
          `[${window.start},${window.end}) ${counts
            .map(({ key, count }) => `${key}${count}`)
            .sort()
            .join(' ')}`,
        ],
      });
    });
    assert.deepEqual(sums, ['[0,10) a2 b1', '[10,20) a1']);
  });
});

describe('a watermark generator of your own', () => {
  const moody = operatorOf((stream: DataStream<string>) =>
    stream.assignTimestampsAndWatermarks(
      watermarks
        .custom<string>(() => ({
          onEvent(word, at, output) {
            if (word === 'pause') return output.idle();
            output.active();
            output.watermark(at);
          },
          onPeriodicEmit() {},
        }))
        .withTimestamps((word) => word.length),
    ),
  );

  it('may call its stream idle and active again, and its watermarks only rise', async () => {
    const harness = await OperatorHarness.open(moody);
    for (const word of ['ab', 'a', 'pause', 'again!']) harness.record(word);
    assert.deepEqual(harness.emitted, [
      { record: 'ab', timestamp: 2 },
      { watermark: 2 },
      { record: 'a', timestamp: 1 },
      { record: 'pause', timestamp: 5 },
      { idle: true },
      { record: 'again!', timestamp: 6 },
      { idle: false },
      { watermark: 6 },
    ]);
    await harness.close();
  });

  it('may refuse a timestamp that goes back, as the ascending extractor of old did', async () => {
    const strict = operatorOf((stream: DataStream<number>) =>
      stream.assignTimestampsAndWatermarks(
        watermarks
          .custom<number>(() => {
            let last = Number.NEGATIVE_INFINITY;
            return {
              onEvent(_n, at, output) {
                if (at < last) throw new RangeError(`${at} after ${last}`);
                last = at;
                output.watermark(at - 1);
              },
              onPeriodicEmit() {},
            };
          })
          .withTimestamps((n) => n),
      ),
    );
    const harness = await OperatorHarness.open(strict);
    harness.record(5);
    assert.throws(() => harness.record(4), /4 after 5/);
    await harness.close();
  });
});

describe('timers', () => {
  const alarm = (register: (at: number, now: number, watermark: number) => readonly number[]) =>
    operatorOf((stream: DataStream<Event>) =>
      stream.keyBy('key').process({
        uid: 'alarm',
        process({ at }, ctx) {
          const { timers } = ctx;
          for (const time of register(at, timers.currentProcessingTime(), timers.currentWatermark()))
            timers.registerEventTime(time);
        },
        onTimer: (time, ctx) => [`${ctx.key} ${time}`],
      }),
    );
  const at = (timestamp: number, key = 'a') => ({ record: { key, at: timestamp }, timestamp });

  it('of one key and time are one: registered twice, it fires once; deleted, it never fires', async () => {
    const twice = alarm((time) => [time + 10, time + 10]);
    assert.deepEqual(recordsOf(await verifyOperator(twice, [at(1), { watermark: 50 }, { watermark: 60 }])), [
      'a 11',
    ]);
    const deleting = operatorOf((stream: DataStream<Event>) =>
      stream.keyBy('key').process({
        uid: 'alarm',
        process({ at: time }, { timers }) {
          timers.registerEventTime(100);
          timers.registerProcessingTime(timers.currentProcessingTime() + 100);
          if (time < 2) return;
          timers.deleteEventTime(100);
          timers.deleteProcessingTime(timers.currentProcessingTime() + 100);
        },
        onTimer: () => ['fired'],
      }),
    );
    const steps = [at(1), at(2), { watermark: 1_000 }, { passMs: 1_000 }];
    assert.deepEqual(recordsOf(await verifyOperator(deleting, steps)), []);
  });

  it('rounded to a second are one timer a second, however many records asked for it', async () => {
    const rounded = alarm((time) => [time - (time % 1_000) + 1_000]);
    const steps = [at(1), at(999), at(1_000), at(1_500), { watermark: 5_000 }];
    assert.deepEqual(recordsOf(await verifyOperator(rounded, steps)), ['a 1000', 'a 2000']);
  });

  it('at the watermark plus one fire with the next watermark, once for all records until then', async () => {
    const next = alarm((_time, _now, watermark) => [watermark + 1]);
    const steps = [{ watermark: 10 }, at(11), at(12), at(30), { watermark: 20 }, { watermark: 21 }];
    assert.deepEqual(await verifyOperator(next, steps), [
      { watermark: 10 },
      { record: 'a 11', timestamp: 11 },
      { watermark: 20 },
      { watermark: 21 },
    ]);
  });

  it('of a time that the watermark has passed wait for the next watermark', async () => {
    const past = alarm((time) => [time]);
    const steps = [{ watermark: 10 }, at(3), { watermark: 11 }];
    assert.deepEqual(await verifyOperator(past, steps), [
      { watermark: 10 },
      { record: 'a 3', timestamp: 3 },
      { watermark: 11 },
    ]);
  });

  it('that a timer registers fire with the same watermark when it has passed their time, earlier ones too', async () => {
    const chained = operatorOf((stream: DataStream<Event>) =>
      stream.keyBy('key').process({
        uid: 'alarm',
        process: (_event, { timers }) => timers.registerEventTime(10),
        onTimer(time, { timers }) {
          if (time === 10) for (const next of [5, 12, 30]) timers.registerEventTime(next);
          return [time];
        },
      }),
    );
    const steps = [at(1), { watermark: 20 }, { watermark: 29 }, { watermark: 30 }];
    assert.deepEqual(await verifyOperator(chained, steps), [
      { record: 10, timestamp: 10 },
      { record: 5, timestamp: 5 },
      { record: 12, timestamp: 12 },
      { watermark: 20 },
      { watermark: 29 },
      { record: 30, timestamp: 30 },
      { watermark: 30 },
    ]);
  });

  const clockJob = job((env) => {
    env
      .fromSource(collectionSource<Event>([]), { uid: 'in', watermarks: byTime })
      .keyBy('key')
      .process({
        uid: 'alarm',
        process: (event, ctx) => ctx.timers.registerProcessingTime(event.at),
        onTimer: (time, ctx) => [`${ctx.key} ${time} ${ctx.domain} ${ctx.timestamp}`],
      })
      .print('', { uid: 'out' });
  });
  const clockTest = () =>
    testJob(clockJob, { inputs: { in: type<Event>() }, outputs: { out: type<string>() }, startAt: 10_000 });

  it('of processing time fire at once when their time is over, by the clock otherwise, and have no timestamp', async () => {
    const test = await clockTest();
    await test.inputs.in.push({ key: 'a', at: 9_000 }, { key: 'a', at: 10_500 });
    assert.deepEqual(test.outputs.out.take(), ['a 9000 processing undefined']);
    // As in Flink a millisecond later: when it fires, its time is over.
    await test.advance(500);
    assert.deepEqual(test.outputs.out.take(), []);
    await test.advance(1);
    assert.deepEqual(test.outputs.out.take(), ['a 10500 processing undefined']);
  });

  it('of processing time that came due while the job was down fire right after the restore', async () => {
    const test = await clockTest();
    await test.inputs.in.push({ key: 'a', at: 20_000 }, { key: 'b', at: 90_000 });
    await test.checkpoint();
    test.crash();
    await test.advance('20 s');
    await test.restore({ parallelism: 2 });
    assert.deepEqual(test.outputs.out.take(), ['a 20000 processing undefined']);
  });

  it('of processing time that still wait at the end of a bounded input fire no more', async () => {
    const test = await clockTest();
    await test.inputs.in.push({ key: 'a', at: 9_000 }, { key: 'a', at: 20_000 });
    await test.finish();
    assert.deepEqual(test.outputs.out.take(), ['a 9000 processing undefined']);
  });

  it('and records of one subtask never run at the same time, and a timer has the key that it was made for', async () => {
    const steps = [at(1, 'a'), at(2, 'b'), at(3, 'a'), { watermark: 100 }];
    const both = alarm((time) => [time * 10]);
    assert.deepEqual(recordsOf(await verifyOperator(both, steps)), ['a 10', 'b 20', 'a 30']);
  });
});

describe('a record', () => {
  it('is late at the watermark itself, and not one millisecond above it', async () => {
    const windows = operatorOf((stream: DataStream<Event>) =>
      stream
        .keyBy('key')
        .window(tumbling(1))
        .sideOutputLateData('late')
        .process({ uid: 'w', process: (given) => given.map(({ at }) => at) }),
    );
    const at = (timestamp: number) => ({ record: { key: 'a', at: timestamp }, timestamp });
    const emitted = await verifyOperator(windows, [{ watermark: 5 }, at(5), at(6), { watermark: 6 }]);
    assert.deepEqual(
      emitted.flatMap((each) => ('record' in each ? [each] : [])),
      [
        { record: { key: 'a', at: 5 }, timestamp: 5, tag: 'late' },
        { record: 6, timestamp: 6 },
      ],
    );
  });
});
