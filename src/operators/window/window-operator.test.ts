import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StateDeclaration } from '../process-context.ts';
import { list, value } from '../../state/state.ts';
import { type Emitted, OperatorHarness, type Step } from '../../testing/operator-harness.ts';
import { verifyOperator } from '../../testing/verify-operator.ts';
import { endOfStreamWindow, globalWindow, session, sliding, tumbling } from './assigners.ts';
import { evictors } from './evictors.ts';
import { TimeWindow } from './time-window.ts';
import type { Trigger } from './trigger.ts';
import type { AnyTriggerOf } from './trigger-runner.ts';
import { triggers } from './triggers.ts';
import type { AnyWindowFunction } from './window-function.ts';
import { windowPath } from './window-path.ts';
import { LATE_RECORDS_DROPPED, type WindowDefinition, WindowOperator } from './window-operator.ts';

interface Click {
  readonly user: string;
  readonly n: number;
}

const show: AnyWindowFunction = {
  process: (clicks, { key, window }) => [
    `${String(key)} [${window.start},${window.end}) ${(clicks as readonly Click[]).map(({ n }) => n).join(' ')}`,
  ],
};

function definitionOf(definition: Partial<WindowDefinition<Click>>): WindowDefinition<Click> {
  const assigner = definition.assigner ?? tumbling(10);
  return {
    assigner,
    trigger: assigner.defaultTrigger as AnyTriggerOf<Click>,
    evictor: undefined,
    allowedLatenessMs: 0,
    lateTag: undefined,
    fold: { kind: 'all' },
    function: show,
    ...definition,
  };
}

function optionsOf(definition: Partial<WindowDefinition<Click>>) {
  return {
    operator: () => new WindowOperator(definitionOf(definition)),
    keySelectors: [(click: Click) => click.user],
  };
}

const END: Step = { end: true };

function at(timestamp: number, n = timestamp, user = 'a'): Step {
  return { record: { user, n }, timestamp };
}

function records(emitted: readonly Emitted[]): unknown[] {
  return emitted.flatMap((each) => ('record' in each ? [each.record] : []));
}

/** In every mode (straight, restored after each step, and pulled), and by the operator that a job would take. */
async function run(definition: Partial<WindowDefinition<Click>>, steps: readonly Step[]): Promise<unknown[]> {
  const emitted = await verifyOperator(optionsOf(definition), steps);
  const { factory } = windowPath(definitionOf(definition), false);
  const chosen = await verifyOperator({ ...optionsOf(definition), operator: factory }, steps);
  assert.deepEqual(chosen, emitted, 'the operator that a job takes gives what the plain one gives');
  return records(emitted);
}

function trigger<S extends StateDeclaration>(made: Trigger<Click, S>): AnyTriggerOf<Click> {
  return made as unknown as AnyTriggerOf<Click>;
}

describe('windows of event time', () => {
  it('give their results when event time passes their end, with their last timestamp, before the watermark goes on', async () => {
    assert.deepEqual(
      await verifyOperator(optionsOf({}), [at(0), at(9), at(10), { watermark: 8 }, { watermark: 9 }]),
      [{ watermark: 8 }, { record: 'a [0,10) 0 9', timestamp: 9 }, { watermark: 9 }],
    );
  });

  it('the end is exclusive: a record at it belongs to the next window', async () => {
    assert.deepEqual(await run({}, [at(9), at(10), END]), ['a [0,10) 9', 'a [10,20) 10']);
  });

  it('a key has windows of its own', async () => {
    const steps = [at(1), at(2, 2, 'b'), at(3), { watermark: 9 }];
    assert.deepEqual(await run({}, steps), ['a [0,10) 1 3', 'b [0,10) 2']);
  });

  it('size 10, lateness 5: fires at 9, again for each late record below 14, drops at 14', async () => {
    const definition = { allowedLatenessMs: 5 };
    const steps = [at(1), { watermark: 9 }, at(2), { watermark: 13 }, at(3), { watermark: 14 }, at(4)];
    assert.deepEqual(await run(definition, steps), ['a [0,10) 1', 'a [0,10) 1 2', 'a [0,10) 1 2 3']);
    const harness = await OperatorHarness.open(optionsOf(definition));
    for (const step of steps) harness.do(step);
    assert.equal(harness.counters.get(LATE_RECORDS_DROPPED), 1);
  });

  it('allowed lateness does not delay the first firing', async () => {
    assert.deepEqual(await run({ allowedLatenessMs: 1_000 }, [at(1), { watermark: 9 }]), ['a [0,10) 1']);
  });

  it('hand records that are too late to a side output, as they came, and count nothing', async () => {
    const harness = await OperatorHarness.open(optionsOf({ lateTag: 'late' }));
    for (const step of [{ watermark: 20 }, at(3), at(25)]) harness.do(step);
    assert.deepEqual(harness.emitted.slice(1), [{ record: { user: 'a', n: 3 }, timestamp: 3, tag: 'late' }]);
    assert.equal(harness.counters.size, 0);
  });

  it('refuse a record without timestamp', async () => {
    const harness = await OperatorHarness.open(optionsOf({}));
    assert.throws(() => harness.record({ user: 'a', n: 1 }), { code: 'TIMESTAMP_MISSING' });
  });

  it('a record whose windows are late in part is not late', async () => {
    const steps = [{ watermark: 12 }, at(9), { watermark: 14 }];
    assert.deepEqual(await run({ assigner: sliding(10, 5) }, steps), ['a [5,15) 9']);
  });

  it('leave nothing behind once they are forgotten', async () => {
    const sessions = { assigner: session(5), trigger: trigger(triggers.continuousEventTime(2)) };
    for (const definition of [{}, sessions, { evictor: evictors.count<Click>(1) }]) {
      const harness = await OperatorHarness.open(optionsOf(definition));
      for (const step of [at(1), at(4), at(3), at(20), { watermark: 100 }]) harness.do(step);
      assert.equal((await harness.snapshot()).keyed.size, 0);
    }
  });
});

describe('windows of processing time', () => {
  it('fire when the clock of the machine passes their end, and not at the end of the input', async () => {
    const definition = { assigner: tumbling(10, { time: 'processing' }) };
    const clock = await OperatorHarness.open(optionsOf(definition));
    const start = Math.floor(clock.clock.now() / 10) * 10;
    clock.passMs(start + 10 - clock.clock.now());
    clock.record({ user: 'a', n: 1 });
    clock.passMs(8);
    assert.deepEqual(clock.records, []);
    clock.record({ user: 'a', n: 2 });
    clock.passMs(1);
    assert.deepEqual(clock.records, [`a [${start + 10},${start + 20}) 1 2`]);
    clock.record({ user: 'a', n: 3 });
    clock.end();
    assert.equal(clock.records.length, 1);
  });
});

describe('session windows', () => {
  it('gap 5: 1, 4 and 20 are [1,9) and [20,25); 9 touches [1,9), which becomes [1,14)', async () => {
    const definition = { assigner: session<Click>(5) };
    assert.deepEqual(await run(definition, [at(1), at(4), at(20), END]), ['a [1,9) 1 4', 'a [20,25) 20']);
    assert.deepEqual(await run(definition, [at(1), at(4), at(20), at(9), END]), [
      'a [1,14) 1 4 9',
      'a [20,25) 20',
    ]);
  });

  it('a record between two sessions makes them one, with all records', async () => {
    const steps = [at(10), at(1), at(5), END];
    assert.deepEqual(await run({ assigner: session<Click>(5) }, steps), ['a [1,15) 10 1 5']);
  });

  it('numbers that have a place in common have sessions of their own, before and after one is forgotten', async () => {
    const of = (key: number, time: number): Step => at(time, time, key as unknown as string);
    const keys = [1, 1_025, -1_023, 1.5, 2 ** 31 + 1, 2 ** 53 - 1_023, Number.NaN, 0, -0, 1_024];
    const steps: Step[] = [];
    for (const time of [1, 3, 2]) for (const key of keys) steps.push(of(key, time));
    steps.push({ watermark: 10 });
    for (const key of keys.slice(0, 3)) steps.push(of(key, 20));
    const sorted = (emitted: readonly unknown[]): string[] =>
      emitted.map(String).sort((left, right) => (left < right ? -1 : 1));
    const distinct = keys.filter((key) => !Object.is(key, -0));
    const expected = distinct.map((key) => {
      const times = key === 0 ? '1 1 3 3 2 2' : '1 3 2';
      return `${key} [1,8) ${times}`;
    });
    for (const key of keys.slice(0, 3)) expected.push(`${key} [20,25) 20`);
    assert.deepEqual(sorted(await run({ assigner: session<Click>(5) }, [...steps, END])), sorted(expected));
  });

  it('a late record bridges two sessions that have fired, and the merged one fires again', async () => {
    const steps = [at(1), at(11), { watermark: 16 }, at(6)];
    assert.deepEqual(await run({ assigner: session<Click>(5), allowedLatenessMs: 20 }, steps), [
      'a [1,6) 1',
      'a [11,16) 11',
      'a [1,16) 1 11 6',
    ]);
  });

  it('the gap may depend on the record', async () => {
    const assigner = session((click: Click) => click.n);
    const steps = [at(0, 10), at(9, 1), at(11, 1), END];
    assert.deepEqual(await run({ assigner }, steps), ['a [0,10) 10 1', 'a [11,12) 1']);
    const harness = await OperatorHarness.open(optionsOf({ assigner }));
    assert.throws(() => harness.do(at(0, 0)), { code: 'WINDOW_INVALID' });
  });
});

describe('triggers', () => {
  const global = globalWindow();

  it('count: fires at each n-th record and never for less, at the end of the input neither', async () => {
    const steps = [at(1), at(2), at(3), at(4), at(5), END];
    const purging = trigger(triggers.purging(triggers.count(3)));
    const counting = trigger(triggers.count(2));
    assert.deepEqual(await run({ assigner: global, trigger: purging }, steps), [
      'a [-Infinity,Infinity) 1 2 3',
    ]);
    assert.deepEqual(await run({ assigner: global, trigger: counting }, steps), [
      'a [-Infinity,Infinity) 1 2',
      'a [-Infinity,Infinity) 1 2 3 4',
    ]);
  });

  it('count: merged sessions add up their counts', async () => {
    const definition = { assigner: session<Click>(5), trigger: trigger(triggers.count(3)) };
    assert.deepEqual(await run(definition, [at(1), at(11), at(6)]), ['a [1,16) 1 11 6']);
  });

  it('sliding count: the last 3 at each second record', async () => {
    const definition = {
      assigner: global,
      trigger: trigger(triggers.count(2)),
      evictor: evictors.count<Click>(3),
    };
    assert.deepEqual(await run(definition, [at(1), at(2), at(3), at(4), at(5), at(6)]), [
      'a [-Infinity,Infinity) 1 2',
      'a [-Infinity,Infinity) 2 3 4',
      'a [-Infinity,Infinity) 4 5 6',
    ]);
  });

  it('purging: what has fired is dropped, and a late record fires alone', async () => {
    const definition = { trigger: trigger(triggers.purging(triggers.eventTime())), allowedLatenessMs: 5 };
    assert.deepEqual(await run(definition, [at(1), { watermark: 9 }, at(2)]), ['a [0,10) 1', 'a [0,10) 2']);
  });

  it('continuous event time: fires at each multiple of the interval, also below 0, and at the end', async () => {
    const definition = { assigner: tumbling(20), trigger: trigger(triggers.continuousEventTime(8)) };
    const steps = [at(-15), { watermark: -8 }, at(-7), { watermark: 0 }, { watermark: 30 }];
    assert.deepEqual(await run(definition, steps), ['a [-20,0) -15', 'a [-20,0) -15 -7']);
  });

  it('continuous event time: merged sessions go on from the earlier next time', async () => {
    const definition = { assigner: session<Click>(6), trigger: trigger(triggers.continuousEventTime(10)) };
    const steps = [at(2), at(12), at(7), { watermark: 10 }, { watermark: 40 }];
    assert.deepEqual(await run(definition, steps), ['a [2,18) 2 12 7', 'a [2,18) 2 12 7']);
  });

  it('continuous processing time: fires at each multiple of the interval while there is a window', async () => {
    const harness = await OperatorHarness.open(
      optionsOf({ assigner: global, trigger: trigger(triggers.continuousProcessingTime(10)) }),
    );
    harness.passMs(10 - (harness.clock.now() % 10));
    harness.do(at(1));
    harness.passMs(9);
    assert.equal(harness.records.length, 0);
    harness.passMs(11);
    assert.equal(harness.records.length, 2);
  });

  it('delta: fires when a record is farther than the threshold from the one that fired last', async () => {
    const delta = trigger(triggers.delta<Click>(10, (last, click) => click.n - last.n));
    const steps = [at(0), at(10), at(11), at(21), at(22)];
    assert.deepEqual(await run({ assigner: global, trigger: delta }, steps), [
      'a [-Infinity,Infinity) 0 10 11',
      'a [-Infinity,Infinity) 0 10 11 21 22',
    ]);
  });

  it('processing timeout: fires when the other trigger does, or so long after the first record', async () => {
    const timeout = trigger(triggers.processingTimeout(triggers.count(3), 10));
    const harness = await OperatorHarness.open(optionsOf({ assigner: global, trigger: timeout }));
    const fired = (): unknown[] =>
      harness.emitted.splice(0).map((each) => ('record' in each ? each.record : each));
    harness.do(at(1));
    harness.passMs(6);
    harness.do(at(2));
    harness.passMs(3);
    assert.deepEqual(fired(), []);
    harness.passMs(1);
    assert.deepEqual(fired(), ['a [-Infinity,Infinity) 1 2']);
    // The count has begun anew, and so does the timeout with the next record.
    for (const n of [3, 4]) harness.do(at(n));
    assert.deepEqual(fired(), []);
    harness.do(at(5));
    assert.deepEqual(fired(), ['a [-Infinity,Infinity) 1 2 3 4 5']);
    harness.passMs(10);
    assert.deepEqual(fired(), ['a [-Infinity,Infinity) 1 2 3 4 5']);
    harness.passMs(50);
    assert.deepEqual(fired(), []);
  });

  it('processing timeout: each record may start it anew, and the other trigger may go on where it was', async () => {
    const options = { resetOnRecord: true, clearOnTimeout: false };
    const timeout = trigger(triggers.processingTimeout(triggers.purging(triggers.count(3)), 10, options));
    const harness = await OperatorHarness.open(optionsOf({ assigner: global, trigger: timeout }));
    harness.do(at(1));
    harness.passMs(6);
    harness.do(at(2));
    harness.passMs(9);
    assert.deepEqual(harness.records, []);
    harness.passMs(1);
    assert.deepEqual(harness.records, ['a [-Infinity,Infinity) 1 2']);
    harness.do(at(3));
    assert.deepEqual(harness.records.slice(1), ['a [-Infinity,Infinity) 1 2 3']);
    harness.passMs(50);
    assert.equal(harness.records.length, 2, 'a purge stops the timeout');
  });

  it('processing timeout: leaves nothing behind when its window is forgotten', async () => {
    const timeout = trigger(triggers.processingTimeout(triggers.eventTime(), 10));
    const harness = await OperatorHarness.open(optionsOf({ trigger: timeout }));
    harness.do(at(1));
    harness.watermark(9);
    assert.deepEqual(harness.records, ['a [0,10) 1']);
    assert.equal((await harness.snapshot()).keyed.size, 0);
  });

  it('end of stream: fires once the input has ended, without timestamps', async () => {
    const steps: Step[] = [
      { record: { user: 'a', n: 1 } },
      { record: { user: 'b', n: 2 }, timestamp: 5 },
      { watermark: 1_000_000 },
      { record: { user: 'a', n: 3 } },
      END,
    ];
    assert.deepEqual(await verifyOperator(optionsOf({ assigner: endOfStreamWindow() }), steps), [
      { watermark: 1_000_000 },
      { record: 'a [-Infinity,Infinity) 1 3', timestamp: Number.MAX_SAFE_INTEGER },
      { record: 'b [-Infinity,Infinity) 2', timestamp: Number.MAX_SAFE_INTEGER },
      { watermark: Number.MAX_SAFE_INTEGER },
    ]);
  });

  it('never: fires not at all', async () => {
    assert.deepEqual(await run({ assigner: global }, [at(1), END]), []);
  });

  it('one of your own has state and timers of each window; purge drops the records only', async () => {
    const custom = trigger({
      state: { seen: value(0), ids: list<number>() },
      onElement(click: Click, timestamp, _window, ctx) {
        ctx.state.seen.update(ctx.state.seen.value() + 1);
        ctx.state.ids.add(click.n);
        ctx.registerEventTime(timestamp! + 1);
        return ctx.state.seen.value() === 2 ? 'purge' : 'continue';
      },
      onEventTime: (time, _window, ctx) => (ctx.state.ids.get().length === time ? 'fire' : 'continue'),
      clear(_window, { state }) {
        state.seen.clear();
        state.ids.clear();
      },
    });
    const steps = [at(0), at(1), at(2), { watermark: 3 }, { watermark: 20 }];
    assert.deepEqual(await run({ trigger: custom }, steps), ['a [0,10) 2']);
  });
});

describe('evictors', () => {
  const fireAtEnd = [at(1), at(5), at(9), at(3), { watermark: 9 }];

  it('count, time and delta drop records before the function sees them', async () => {
    assert.deepEqual(await run({ evictor: evictors.count<Click>(2) }, fireAtEnd), ['a [0,10) 9 3']);
    assert.deepEqual(await run({ evictor: evictors.time<Click>(4) }, fireAtEnd), ['a [0,10) 9']);
    assert.deepEqual(await run({ evictor: evictors.time<Click>(5) }, fireAtEnd), ['a [0,10) 5 9']);
    const delta = evictors.delta<Click>(3, (click, last) => Math.abs(click.n - last.n));
    assert.deepEqual(await run({ evictor: delta }, fireAtEnd), ['a [0,10) 1 5 3']);
  });

  it('or after it, for the next firing', async () => {
    const evictor = evictors.count<Click>(1, { when: 'after' });
    const steps = [at(1), at(2), { watermark: 9 }, at(3)];
    assert.deepEqual(await run({ evictor, allowedLatenessMs: 5 }, steps), ['a [0,10) 1 2', 'a [0,10) 2 3']);
  });

  it('a reduction is that of the records that stay; of none there is none', async () => {
    const reduce = {
      fold: { kind: 'reduce', reduce: (left: Click, right: Click) => ({ ...left, n: left.n + right.n }) },
    } as const;
    assert.deepEqual(await run({ ...reduce, evictor: evictors.count<Click>(2) }, fireAtEnd), ['a [0,10) 12']);
    assert.deepEqual(await run({ ...reduce, evictor: { evictBefore: () => [] } }, fireAtEnd), []);
  });
});

describe('window functions', () => {
  it('reduce takes the first record as it is, without calling the function', async () => {
    let calls = 0;
    const reduce = (left: Click): Click => {
      calls++;
      return left;
    };
    const steps = [at(1), { watermark: 9 }];
    assert.deepEqual(await run({ fold: { kind: 'reduce', reduce } }, steps), ['a [0,10) 1']);
    assert.equal(calls, 0);
  });

  it('have state of the window, which clear clears, and state of the key', async () => {
    const counting: AnyWindowFunction = {
      windowState: { firings: value(0) },
      globalState: { windows: value(0) },
      process(_values, { windowState, globalState, window }) {
        const { firings } = windowState as unknown as {
          firings: { value(): number; update(n: number): void };
        };
        const { windows } = globalState as unknown as {
          windows: { value(): number; update(n: number): void };
        };
        firings.update(firings.value() + 1);
        if (firings.value() === 1) windows.update(windows.value() + 1);
        return [`${window.start}: firing ${firings.value()}, window ${windows.value()}`];
      },
      clear({ windowState }) {
        (windowState as unknown as { firings: { clear(): void } }).firings.clear();
      },
    };
    const steps = [at(1), { watermark: 9 }, at(2), at(11), { watermark: 30 }];
    assert.deepEqual(await run({ function: counting, allowedLatenessMs: 5 }, steps), [
      '0: firing 1, window 1',
      '0: firing 2, window 1',
      '10: firing 1, window 2',
    ]);
  });

  it('a generator is taken at once, with the last timestamp of the window', async () => {
    const twice: AnyWindowFunction = {
      *process() {
        yield 'one';
        yield 'two';
      },
    };
    const steps = [at(1), { watermark: 9 }];
    assert.deepEqual((await verifyOperator(optionsOf({ function: twice }), steps)).slice(0, 2), [
      { record: 'one', timestamp: 9 },
      { record: 'two', timestamp: 9 },
    ]);
  });

  it('side outputs carry the last timestamp of the window', async () => {
    const aside: AnyWindowFunction = {
      outputs: { aside: { kind: 'output' } },
      process: (values, ctx) => {
        (ctx.output as (tag: string, value: unknown) => void)('aside', values.length);
      },
    };
    const emitted = await verifyOperator(optionsOf({ function: aside }), [at(1), { watermark: 9 }]);
    assert.deepEqual(emitted[0], { record: 1, timestamp: 9, tag: 'aside' });
  });
});

describe('assigners of your own', () => {
  it('may give any windows, or none', async () => {
    const assigner = {
      ...tumbling(10),
      assign: ({ n }: Click) => (n < 0 ? [] : [new TimeWindow(0, n), new TimeWindow(n, 2 * n)]),
    };
    assert.deepEqual(await run({ assigner }, [at(3), at(4, -1), END]), ['a [0,3) 3', 'a [3,6) 3']);
  });
});

describe('staggered windows', () => {
  for (const stagger of ['random', 'natural'] as const) {
    it(`hold each record once, and go on after a restore where they lay or lie anew (${stagger})`, async () => {
      const definition = { assigner: tumbling(10, { stagger }) };
      const steps = Array.from({ length: 40 }, (_, time) => at(time));
      const emitted = await run(definition, [...steps, END]);
      const spans = emitted.map((line) => /\[(-?\d+),(-?\d+)\) (.*)$/.exec(String(line))!.slice(1));
      const held = spans.flatMap(([, , numbers]) => numbers!.split(' ').map(Number));
      assert.deepEqual(
        held,
        Array.from({ length: 40 }, (_, n) => n),
      );
      for (const [start, end, numbers] of spans) {
        assert.equal(Number(end) - Number(start), 10);
        for (const n of numbers!.split(' ').map(Number)) assert.ok(n >= Number(start) && n < Number(end));
      }
    });
  }

  it('have the offset of their subtask in the job', async () => {
    const starts = new Set<string>();
    for (const subtask of [0, 1, 2, 3]) {
      const harness = await OperatorHarness.open({
        operator: windowPath(definitionOf({ assigner: tumbling(1_000, { stagger: 'random' }) }), false)
          .factory,
        keySelectors: [(click: Click) => click.user],
        subtask,
        parallelism: 4,
      });
      const users = Array.from({ length: 100 }, (_, n) => `user ${n}`);
      const user = users.find((name) => harness.owns({ user: name, n: 0 }))!;
      harness.do(at(5_000, 1, user));
      harness.do(END);
      starts.add(/\[.*\)/.exec(String(records(harness.emitted)[0]))![0]);
      await harness.close();
    }
    assert.ok(starts.size >= 3, [...starts].join(', '));
  });
});
