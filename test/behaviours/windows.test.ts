// Windows: what belongs to which, when they give their results, and how often.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  collectionSource,
  type DataStream,
  type Duration,
  endOfStreamWindow,
  evictors,
  globalWindow,
  job,
  session,
  sliding,
  state,
  triggers,
  tumbling,
  type,
  type WindowAssigner,
} from '../../src/index.ts';
import {
  type Emitted,
  OperatorHarness,
  operatorOf,
  type Step,
  testJob,
  verifyOperator,
} from '../../src/testing/index.ts';
import { byTime, type Event, events, outputOf } from './runs.ts';

const HOUR = 3_600_000;

/** The times of the records of each window that fires. */
function windows(assigner: WindowAssigner<Event>) {
  return operatorOf((stream: DataStream<Event>) =>
    stream
      .keyBy('key')
      .window(assigner)
      .process({ uid: 'w', process: (given, { window }) => [shown(window, given)] }),
  );
}

function shown({ start, end }: { start: number; end: number }, given: readonly Event[]): string {
  return `[${start},${end}) ${given.map(({ at }) => at).join(' ')}`;
}

const at = (timestamp: number, key = 'a'): Step => ({ record: { key, at: timestamp }, timestamp });
const END: Step = { end: true };

function recordsOf(emitted: readonly Emitted[]): unknown[] {
  return emitted.flatMap((each) => ('record' in each ? [each.record] : []));
}

async function fired(operator: ReturnType<typeof windows>, ...steps: readonly Step[]): Promise<unknown[]> {
  return recordsOf(await verifyOperator(operator, steps));
}

describe('a window assigner', () => {
  it('with the offset of a time zone cuts days at its midnight', async () => {
    const days = windows(tumbling('1 d', { offset: '-8 h' }));
    const midnight = 16 * HOUR;
    assert.deepEqual(await fired(days, at(midnight - 1), at(midnight), END), [
      `[${midnight - 24 * HOUR},${midnight}) ${midnight - 1}`,
      `[${midnight},${midnight + 24 * HOUR}) ${midnight}`,
    ]);
  });

  it('of size 10 and slide 3 puts a record into four windows or three', async () => {
    assert.deepEqual(await fired(windows(sliding(10, 3)), at(9), END), [
      '[0,10) 9',
      '[3,13) 9',
      '[6,16) 9',
      '[9,19) 9',
    ]);
    assert.deepEqual(await fired(windows(sliding(10, 3)), at(10), END), [
      '[3,13) 10',
      '[6,16) 10',
      '[9,19) 10',
    ]);
  });

  it('of sessions refuses a gap of 0, fixed or told by a record', async () => {
    assert.throws(() => session(0), { code: 'WINDOW_INVALID' });
    const dynamic = session<Event>(({ at: gap }) => gap);
    assert.deepEqual(await fired(windows(dynamic), at(5), END), ['[5,10) 5']);
    await assert.rejects(fired(windows(dynamic), at(0)), { code: 'WINDOW_INVALID' });
  });

  it('refuses sizes, slides and offsets that make no windows', () => {
    const wrong: readonly (() => unknown)[] = [
      () => tumbling(0),
      () => sliding(10, 0),
      () => tumbling(10, { offset: 10 }),
      () => tumbling(10, { offset: '-10 ms' as Duration }),
      () => sliding(10, 5, { offset: 5 }),
    ];
    for (const make of wrong) assert.throws(make, { code: 'WINDOW_INVALID' });
  });

  it('of the end of the stream has one window a key, which fires when the input is over', async () => {
    const all = windows(endOfStreamWindow());
    assert.deepEqual((await fired(all, at(1), at(1_000_000), { watermark: 2_000_000 })).length, 0);
    assert.match(String((await fired(all, at(1), at(1_000_000), END))[0]), /1 1000000$/);
  });
});

describe('a windowed stream', () => {
  const sale = (at: number, cents: number) => ({ item: 'tea', at, cents, note: `n${at}` });
  const sales = [sale(1, 5), sale(2, 3), sale(3, 5), sale(4, 3)];

  it('sums and finds extremes of a field; minBy and maxBy keep the whole record, the first or the last of equal ones', async () => {
    const rolled = async (
      roll: (stream: ReturnType<typeof windowed>) => DataStream<ReturnType<typeof sale>>,
    ): Promise<unknown> => {
      const operator = operatorOf((stream: DataStream<ReturnType<typeof sale>>) => roll(windowed(stream)));
      const steps = sales.map((record) => ({ record, timestamp: record.at }));
      const [given] = recordsOf(await verifyOperator(operator, [...steps, END]));
      return Object.values(given as object).slice(2);
    };
    const windowed = (stream: DataStream<ReturnType<typeof sale>>) =>
      stream.keyBy('item').window(tumbling(10));
    assert.deepEqual(await rolled((w) => w.sum('cents', { uid: 'w' })), [16, 'n1']);
    assert.deepEqual(await rolled((w) => w.min('cents', { uid: 'w' })), [3, 'n1']);
    assert.deepEqual(await rolled((w) => w.max('cents', { uid: 'w' })), [5, 'n1']);
    assert.deepEqual(await rolled((w) => w.minBy('cents', { uid: 'w' })), [3, 'n2']);
    assert.deepEqual(await rolled((w) => w.minBy('cents', { uid: 'w', ties: 'last' })), [3, 'n4']);
    assert.deepEqual(await rolled((w) => w.maxBy('cents', { uid: 'w' })), [5, 'n1']);
    assert.deepEqual(await rolled((w) => w.maxBy('cents', { uid: 'w', ties: 'last' })), [5, 'n3']);
  });

  it('shows the function beside a reduction or an aggregation exactly one value', async () => {
    const reduced = operatorOf((stream: DataStream<Event>) =>
      stream
        .keyBy('key')
        .window(tumbling(10))
        .reduce((a, b) => ({ key: a.key, at: a.at + b.at }), {
          uid: 'w',
          process: (given, { window }) => [shown(window, given)],
        }),
    );
    assert.deepEqual(await fired(reduced, at(1), at(2), at(3), END), ['[0,10) 6']);
    const aggregated = operatorOf((stream: DataStream<Event>) =>
      stream
        .keyBy('key')
        .window(tumbling(10))
        .aggregate({
          uid: 'w',
          createAccumulator: () => 0,
          add: ({ at: time }: Event, sum: number) => sum + time,
          result: (sum) => `sum ${sum}`,
          process: (given, { key }) => [`${key} ${given.length} ${given[0]}`],
        }),
    );
    assert.deepEqual(await fired(aggregated, at(1), at(2), at(3), END), ['a 1 sum 6']);
  });

  it('hands its window, all records and the key to apply()', async () => {
    const applied = operatorOf((stream: DataStream<Event>) =>
      stream
        .keyBy('key')
        .window(tumbling(10))
        .apply((window, given, key) => [`${key} ${shown(window, given)}`], { uid: 'w' }),
    );
    assert.deepEqual(await fired(applied, at(1), at(2, 'b'), at(3), END), ['a [0,10) 1 3', 'b [0,10) 2']);
  });

  it('replaces the trigger of its assigner when it is given one', async () => {
    const counted = operatorOf((stream: DataStream<Event>) =>
      stream
        .keyBy('key')
        .window(tumbling(10))
        .trigger(triggers.count(2))
        .process({ uid: 'w', process: (given, { window }) => [shown(window, given)] }),
    );
    assert.deepEqual(await fired(counted, at(1), at(2), at(3), END), ['[0,10) 1 2']);
  });

  it('exists from its first record on, for each key by itself, and fires for no key without records', async () => {
    const steps = [at(25, 'a'), at(3, 'b'), { watermark: 9 }, END];
    assert.deepEqual(await fired(windows(tumbling(10)), ...steps), ['[0,10) 3', '[20,30) 25']);
  });

  it('of processing time ignores timestamps and lateness, and what waits at the end of the input is not given', async () => {
    const clocked = job((env) => {
      env
        .fromSource(collectionSource<Event>([]), { uid: 'in', watermarks: byTime })
        .keyBy('key')
        .window(tumbling('10 s', { time: 'processing' }))
        .allowedLateness('1 h')
        .process({ uid: 'w', process: (given) => [given.map((event) => event.at).join(' ')] })
        .print('', { uid: 'out' });
    });
    const test = await testJob(clocked, {
      inputs: { in: type<Event>() },
      outputs: { out: type<string>() },
      startAt: 0,
    });
    await test.inputs.in.push({ key: 'a', at: 1_000_000 }, { key: 'a', at: 1 });
    await test.advance('10 s');
    assert.deepEqual(test.outputs.out.take(), ['1000000 1']);
    await test.inputs.in.push({ key: 'a', at: 2 });
    await test.finish();
    assert.deepEqual(test.outputs.out.take(), []);
  });

  it('of processing time slides, and follows gaps, by the clock of the machine', async () => {
    const clocked = async (
      assigner: WindowAssigner<Event>,
      ...steps: readonly Step[]
    ): Promise<unknown[]> => {
      const harness = await OperatorHarness.open(windows(assigner));
      const start = harness.clock.now();
      for (const step of steps) harness.do(step);
      await harness.close();
      return harness.records.map((record) =>
        String(record).replace(
          /^\[(\d+),(\d+)\)/,
          (_, from, to) => `[${Number(from) - start},${Number(to) - start})`,
        ),
      );
    };
    const pass = (passMs: number): Step => ({ passMs });
    // The clock of a harness begins at a multiple of 10 ms.
    const overlapping = await clocked(
      sliding(20, 10, { time: 'processing' }),
      pass(5),
      at(1),
      pass(10),
      at(2),
      pass(30),
    );
    assert.deepEqual(overlapping, ['[-10,10) 1', '[0,20) 1 2', '[10,30) 2']);
    const fixed = session<Event>(10, { time: 'processing' });
    assert.deepEqual(await clocked(fixed, at(1), pass(8), at(2), pass(12), at(3), pass(20)), [
      '[0,18) 1 2',
      '[20,30) 3',
    ]);
    const told = session<Event>(({ at: gap }) => gap, { time: 'processing' });
    assert.deepEqual(await clocked(told, at(5), pass(3), at(20), pass(50)), ['[0,23) 5 20']);
  });

  it('of event time fires at the end of a bounded input, a count window of fewer records does not', async () => {
    const given = [1, 2, 3, 4].map((time) => ({ key: 'a', at: time }));
    const timed = await outputOf((env) =>
      events(env, ...given)
        .keyBy('key')
        .window(tumbling('1 h'))
        .process({ uid: 'w', process: (seen) => [seen.length] }),
    );
    assert.deepEqual(timed, [4]);
    const counted = await outputOf((env) =>
      events(env, ...given)
        .keyBy('key')
        .countWindow(3)
        .process({ uid: 'w', process: (seen) => [seen.map((event) => event.at).join(' ')] }),
    );
    assert.deepEqual(counted, ['1 2 3']);
  });

  it('counts records of a key: every n, or the last n at each s-th', async () => {
    const counting = (size: number, slide?: number) =>
      operatorOf((stream: DataStream<Event>) =>
        stream
          .keyBy('key')
          .countWindow(size, slide)
          .process({ uid: 'w', process: (given) => [given.map((event) => event.at).join(' ')] }),
      );
    const steps = [1, 2, 3, 4, 5, 6, 7].map((time) => at(time));
    assert.deepEqual(await fired(counting(3), ...steps), ['1 2 3', '4 5 6']);
    assert.deepEqual(await fired(counting(3, 2), ...steps), ['1 2', '2 3 4', '4 5 6']);
  });

  it('with a lateness up to the end of time is never forgotten', async () => {
    const kept = operatorOf((stream: DataStream<Event>) =>
      stream
        .keyBy('key')
        .window(tumbling(10))
        .allowedLateness(Number.MAX_SAFE_INTEGER)
        .process({ uid: 'w', process: (given, { window }) => [shown(window, given)] }),
    );
    const steps = [at(1), { watermark: 9 }, { watermark: 1_000_000_000 }, at(2)];
    assert.deepEqual(await fired(kept, ...steps), ['[0,10) 1', '[0,10) 1 2']);
  });

  it('within the allowed lateness gives its results again for each late record, and takes none of them back', async () => {
    const late = operatorOf((stream: DataStream<Event>) =>
      stream
        .keyBy('key')
        .window(session(5))
        .allowedLateness(100)
        .process({ uid: 'w', process: (given, { window }) => [shown(window, given)] }),
    );
    const steps = [at(1), at(12), { watermark: 20 }, at(7)];
    assert.deepEqual(await fired(late, ...steps), ['[1,6) 1', '[12,17) 12', '[7,17) 12 7']);
  });

  it('knows both clocks, and has state of the window that clear clears and state of the key that stays', async () => {
    const counted = operatorOf((stream: DataStream<Event>) =>
      stream
        .keyBy('key')
        .window(tumbling(10))
        .allowedLateness(5)
        .process({
          uid: 'w',
          windowState: { firings: state.value(0) },
          globalState: { windows: state.value(0) },
          process(given, ctx) {
            const firings = ctx.windowState.firings.value() + 1;
            ctx.windowState.firings.update(firings);
            if (firings === 1) ctx.globalState.windows.update(ctx.globalState.windows.value() + 1);
            const { currentWatermark } = ctx.time;
            return [
              `firing ${firings} of window ${ctx.globalState.windows.value()} at ${currentWatermark()}, ${given.length}`,
            ];
          },
          clear: (ctx) => ctx.windowState.firings.clear(),
        }),
    );
    const steps = [at(1), { watermark: 9 }, at(2), { watermark: 20 }, at(25), { watermark: 29 }];
    assert.deepEqual(await fired(counted, ...steps), [
      'firing 1 of window 1 at 9, 1',
      'firing 2 of window 1 at 9, 2',
      'firing 1 of window 2 at 29, 1',
    ]);
  });
});

describe('a trigger', () => {
  it('of a distance fires when a record is farther away than the threshold from the one that fired last', async () => {
    const far = operatorOf((stream: DataStream<Event>) =>
      stream
        .keyBy('key')
        .window(globalWindow())
        .trigger(triggers.delta<Event>(10, (last, event) => event.at - last.at))
        .process({ uid: 'w', process: (given) => [given.map((event) => event.at).join(' ')] }),
    );
    const steps = [0, 10, 11, 20, 22].map((time) => at(time));
    assert.deepEqual(await fired(far, ...steps), ['0 10 11', '0 10 11 20 22']);
  });

  it('that purges drops the records and keeps the window: its end still comes', async () => {
    const purging = operatorOf((stream: DataStream<Event>) =>
      stream
        .keyBy('key')
        .window(tumbling(10))
        .trigger(triggers.purging(triggers.count(2)))
        .process({
          uid: 'w',
          windowState: { firings: state.value(0) },
          process(given, ctx) {
            ctx.windowState.firings.update(ctx.windowState.firings.value() + 1);
            return [`${ctx.windowState.firings.value()}: ${given.map((event) => event.at).join(' ')}`];
          },
          clear: (ctx) => ctx.windowState.firings.clear(),
        }),
    );
    const harness = await OperatorHarness.open(purging);
    for (const step of [at(1), at(2), at(3), at(4), { watermark: 20 }]) harness.do(step);
    assert.deepEqual(harness.records, ['1: 1 2', '2: 3 4']);
    assert.equal((await harness.snapshot()).keyed.size, 0, 'the window was forgotten at its end');
    await harness.close();
  });

  it('by default is that of the clock of the assigner, and of a global window none', () => {
    assert.equal(tumbling(10).defaultTrigger, triggers.eventTime());
    assert.notEqual(tumbling(10, { time: 'processing' }).defaultTrigger, triggers.eventTime());
    const never = globalWindow().defaultTrigger;
    assert.equal(never.onElement(undefined as never, 0, undefined as never, undefined as never), 'continue');
    assert.equal('onEventTime' in never, false);
  });
});

describe('an evictor', () => {
  const evicting = (evictor: Parameters<ReturnType<typeof keyed>['evictor']>[0]) =>
    operatorOf((stream: DataStream<Event>) =>
      keyed(stream)
        .evictor(evictor)
        .process({ uid: 'w', process: (given) => [given.map((event) => event.at).join(' ')] }),
    );
  const keyed = (stream: DataStream<Event>) =>
    stream.keyBy('key').window(globalWindow()).trigger(triggers.count(4));
  const steps = [at(20), at(10), at(11), at(19)];

  it('of a count keeps the last n in the order of their arrival', async () => {
    assert.deepEqual(await fired(evicting(evictors.count(3)), ...steps), ['10 11 19']);
  });

  it('of a time keeps what is less than that older than the youngest', async () => {
    assert.deepEqual(await fired(evicting(evictors.time(10)), ...steps), ['20 11 19']);
  });

  it('of a distance drops what is that far or farther from the last', async () => {
    const distance = (event: Event, last: Event) => Math.abs(event.at - last.at);
    assert.deepEqual(await fired(evicting(evictors.delta(8, distance)), ...steps), ['20 19']);
    assert.deepEqual(await fired(evicting(evictors.delta(8.5, distance)), ...steps), ['20 11 19']);
  });

  it('that leaves nothing has the function called with nothing, and a reduction give nothing', async () => {
    const nothing = evictors.delta<Event>(0, () => 0);
    const counted = operatorOf((stream: DataStream<Event>) =>
      keyed(stream)
        .evictor(nothing)
        .process({ uid: 'w', process: (given) => [given.length] }),
    );
    assert.deepEqual(await fired(counted, ...steps), [0]);
    const reduced = operatorOf((stream: DataStream<Event>) =>
      keyed(stream)
        .evictor(nothing)
        .reduce((first) => first, { uid: 'w' }),
    );
    assert.deepEqual(await fired(reduced, ...steps), []);
  });

  it('after the function leaves the records for the next firing', async () => {
    const eight = [...steps, at(30), at(31), at(32), at(33)];
    const after = evicting(evictors.count(1, { when: 'after' }));
    assert.deepEqual(await fired(after, ...eight), ['20 10 11 19', '19 30 31 32 33']);
  });
});
