import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMillraceError } from '../base/errors.ts';
import { list, value } from '../state/state.ts';
import { OperatorHarness } from '../testing/operator-harness.ts';
import { verifyOperator } from '../testing/verify-operator.ts';
import type { Evidence, EvidenceOptions } from './evidence.ts';
import { KeyedProcessOperator, ProcessOperator } from './process.ts';
import { type Nothing, type } from './process-context.ts';

const keySelectors = [(record: string) => record[0]!];

describe('a process function without a key', () => {
  it('emits what it returns, and sends to declared side outputs with the timestamp of the record', async () => {
    const emitted = await verifyOperator(
      {
        operator: () =>
          new ProcessOperator<number, { odd: ReturnType<typeof type<number>> }, undefined>({
            outputs: { odd: type<number>() },
            process(n, ctx) {
              if (n % 2 === 0) return [n, ctx.timestamp];
              ctx.output('odd', n);
            },
          }),
      },
      [{ record: 1, timestamp: 5 }, { record: 2, timestamp: 6 }, { record: 4 }],
    );
    assert.deepEqual(emitted, [
      { record: 1, timestamp: 5, tag: 'odd' },
      { record: 2, timestamp: 6 },
      { record: 6, timestamp: 6 },
      { record: 4 },
      { record: undefined },
    ]);
  });

  it('refuses a side output that is not declared', async () => {
    const harness = await OperatorHarness.open({
      operator: () =>
        new ProcessOperator<number, Nothing, undefined>({
          process: (_n, ctx) => (ctx as { output(tag: string, value: number): void }).output('late', 1),
        }),
    });
    assert.throws(
      () => harness.record(1),
      (error) => isMillraceError(error, 'STREAM_INVALID') && /"late" is not declared/.test(error.message),
    );
  });

  it('reads both clocks', async () => {
    const emitted = await verifyOperator(
      {
        operator: () =>
          new ProcessOperator<number, Nothing, undefined>({
            process: (_n, { time }) => [time.currentWatermark(), time.currentProcessingTime()],
          }),
      },
      [{ record: 1 }, { watermark: 3 }, { passMs: 20 }, { record: 1 }],
    );
    assert.deepEqual(emitted, [
      { record: Number.MIN_SAFE_INTEGER },
      { record: 0 },
      { watermark: 3 },
      { record: 3 },
      { record: 20 },
    ]);
  });

  it('opens with what it keeps for itself, per subtask, and closes with it', async () => {
    const events: string[] = [];
    let made = 0;
    const operator = () =>
      new ProcessOperator<string, Nothing, { id: number }>({
        local: () => ({ id: made++ }),
        open: (ctx) => void events.push(`open ${ctx.local.id} in ${ctx.info.subtask}`),
        process: (text, ctx) => [`${text}${ctx.local.id}`],
        close: (ctx) => void events.push(`close ${ctx.local.id}`),
      });
    const first = await OperatorHarness.open({ operator });
    const second = await OperatorHarness.open({ operator });
    first.record('a');
    second.record('b');
    await first.close();
    assert.deepEqual([first.records, second.records], [['a0'], ['b1']]);
    assert.deepEqual(events, ['open 0 in 0', 'open 1 in 0', 'close 0']);
  });

  it('closes quietly when it was never opened', () => {
    const operator = new ProcessOperator({ process: () => [], close: () => assert.fail('not opened') });
    assert.equal(operator.close(), undefined);
  });
});

describe('a keyed process function', () => {
  it('keeps state for each key', async () => {
    const emitted = await verifyOperator(
      {
        keySelectors,
        operator: () =>
          new KeyedProcessOperator({
            state: { count: value(0), seen: list<string>() },
            process(record: string, ctx) {
              ctx.state.count.update(ctx.state.count.value() + 1);
              ctx.state.seen.add(record);
              return [`${String(ctx.key)} ${ctx.state.count.value()} ${ctx.state.seen.get().join()}`];
            },
          }),
      },
      [{ record: 'a1', timestamp: 1 }, { record: 'b1' }, { record: 'a2' }],
    );
    assert.deepEqual(emitted, [
      { record: 'a 1 a1', timestamp: 1 },
      { record: 'b 1 b1' },
      { record: 'a 2 a1,a2' },
    ]);
  });

  it('fires event-time timers in order before the watermark goes on, once each, with the time of the timer', async () => {
    const emitted = await verifyOperator(
      {
        keySelectors,
        operator: () =>
          new KeyedProcessOperator({
            process(record: string, ctx) {
              const at = Number(record.slice(1));
              ctx.timers.registerEventTime(at);
              ctx.timers.registerEventTime(at);
              if (at === 30) ctx.timers.deleteEventTime(30);
            },
            onTimer: (time, ctx) => [`${String(ctx.key)} ${time} ${ctx.timestamp} ${ctx.domain}`],
          }),
      },
      [{ record: 'a20' }, { record: 'b10' }, { record: 'c30' }, { record: 'd99' }, { watermark: 50 }],
    );
    assert.deepEqual(emitted, [
      { record: 'b 10 10 event', timestamp: 10 },
      { record: 'a 20 20 event', timestamp: 20 },
      { watermark: 50 },
    ]);
  });

  it('fires a timer that is behind the watermark with the next watermark', async () => {
    const emitted = await verifyOperator(
      {
        keySelectors,
        operator: () =>
          new KeyedProcessOperator({
            process: (_record: string, ctx) => ctx.timers.registerEventTime(5),
            onTimer: (time) => [time],
          }),
      },
      [{ watermark: 9 }, { record: 'a' }, { watermark: 9 }, { watermark: 10 }],
    );
    assert.deepEqual(emitted, [{ watermark: 9 }, { record: 5, timestamp: 5 }, { watermark: 10 }]);
  });

  it('fires processing-time timers by the clock; what they emit has no timestamp', async () => {
    const emitted = await verifyOperator(
      {
        keySelectors,
        operator: () =>
          new KeyedProcessOperator({
            process(record: string, ctx) {
              ctx.timers.registerProcessingTime(ctx.timers.currentProcessingTime() + Number(record.slice(1)));
            },
            *onTimer(time, ctx) {
              yield `${String(ctx.key)} ${time}`;
              yield ctx.timestamp;
            },
          }),
      },
      [{ record: 'a100', timestamp: 1 }, { record: 'b50' }, { passMs: 60 }, { passMs: 60 }],
    );
    assert.deepEqual(emitted, [
      { record: 'b 50' },
      { record: undefined },
      { record: 'a 100' },
      { record: undefined },
    ]);
  });

  it('pulls a generator with the key, state and timestamp of its record', async () => {
    const emitted = await verifyOperator(
      {
        keySelectors,
        operator: () =>
          new KeyedProcessOperator({
            state: { sum: value(0) },
            *process(record: string, ctx) {
              for (let n = 0; n < 2; n++) {
                ctx.state.sum.update(ctx.state.sum.value() + 1);
                yield `${record} ${String(ctx.key)} ${ctx.state.sum.value()} ${ctx.timestamp}`;
              }
            },
          }),
      },
      [
        { record: 'a1', timestamp: 1 },
        { record: 'b1', timestamp: 2 },
        { record: 'a2', timestamp: 3 },
      ],
    );
    assert.deepEqual(
      emitted.map((each) => 'record' in each && each.record),
      ['a1 a 1 1', 'a1 a 2 1', 'b1 b 1 2', 'b1 b 2 2', 'a2 a 3 3', 'a2 a 4 3'],
    );
  });

  it('counts and logs under its own name', async () => {
    const harness = await OperatorHarness.open({
      keySelectors,
      operator: () =>
        new KeyedProcessOperator({
          process(_record: string, ctx) {
            ctx.count('seen');
            ctx.count('bytes', 3);
          },
        }),
    });
    harness.record('a');
    harness.record('a');
    assert.deepEqual(Object.fromEntries(harness.counters), { seen: 2, bytes: 6 });
  });

  it('may take everything out of the context', async () => {
    const harness = await OperatorHarness.open({
      keySelectors,
      operator: () =>
        new KeyedProcessOperator({
          state: { seen: value(0) },
          outputs: { twice: type<unknown>() },
          process(record: string, { key, state: { seen }, output, timers: { registerEventTime }, count }) {
            seen.update(seen.value() + 1);
            if (seen.value() > 1) output('twice', [key, record]);
            registerEventTime(seen.value());
            count('seen');
          },
          onTimer: (time) => [time],
        }),
    });
    harness.record('a1');
    harness.record('a2');
    harness.watermark(2);
    assert.deepEqual(harness.emitted, [
      { record: ['a', 'a2'], tag: 'twice' },
      { record: 1, timestamp: 1 },
      { record: 2, timestamp: 2 },
      { watermark: 2 },
    ]);
    assert.equal(harness.counters.get('seen'), 2);
  });

  it('ignores a restored timer when the function has no onTimer any more', async () => {
    const before = await OperatorHarness.open({
      keySelectors,
      operator: () =>
        new KeyedProcessOperator({ process: (_record: string, ctx) => ctx.timers.registerEventTime(5) }),
    });
    before.record('a');
    const restored = await before.snapshot();
    const after = await OperatorHarness.open({
      keySelectors,
      operator: () => new KeyedProcessOperator({ process: () => [] }),
      restored,
    });
    after.watermark(9);
    assert.deepEqual(after.emitted, [{ watermark: 9 }]);
  });
});

describe('evidence', () => {
  const counting = (evidence?: EvidenceOptions<string>) =>
    new KeyedProcessOperator<string, string, { count: ReturnType<typeof value<number>> }, Nothing, undefined>(
      {
        state: { count: value(0) },
        ...(evidence !== undefined && { evidence }),
        process(record, ctx) {
          ctx.state.count.update(ctx.state.count.value() + 1);
          if (record.endsWith('!')) return [ctx.evidence()];
          if (record.endsWith('?')) throw new RangeError(record);
        },
        onTimer: (_time, ctx) => [ctx.evidence()],
      },
    );
  const told = ({ key, steps }: Evidence): string[] => [
    key,
    ...steps.map(
      ({ offset, record, timestamp, state }) =>
        `${offset} ${JSON.stringify(record)}@${timestamp} ${JSON.stringify(state)}`,
    ),
  ];

  it('is the last records of the key with the state behind each, also after a restore', async () => {
    const options = { steps: 3, offset: (record: string) => record.length };
    const emitted = await verifyOperator({ operator: () => counting(options), keySelectors }, [
      { record: 'a', timestamp: 1 },
      { record: 'ab', timestamp: 2 },
      { record: 'b', timestamp: 3 },
      { record: 'abc' },
      { record: 'abc!', timestamp: 4 },
    ]);
    const found = emitted.map((each) => told((each as { record: Evidence }).record));
    assert.deepEqual(found, [
      ['a', '2 "ab"@2 {"count":2}', '3 "abc"@null {"count":3}', '4 "abc!"@4 {"count":4}'],
    ]);
  });

  it('is kept of what was processed only, and refused where nothing is kept', async () => {
    const harness = await OperatorHarness.open({ operator: () => counting({ steps: 5 }), keySelectors });
    harness.record('a');
    assert.throws(() => harness.record('a?'), /a\?/);
    harness.record('a!');
    const [{ record }] = harness.emitted as [{ record: Evidence }];
    assert.deepEqual(
      record.steps.map((step) => step.record),
      ['a', 'a!'],
    );
    const without = await OperatorHarness.open({ operator: () => counting(), keySelectors });
    assert.throws(
      () => without.record('a!'),
      (error) => isMillraceError(error, 'STREAM_INVALID') && /evidence: \{ steps: 5 \}/.test(error.remedy),
    );
    assert.throws(() => counting({ steps: 0 }), /1 to 100 steps/);
  });

  it('has nothing of what is masked', async () => {
    interface Login {
      readonly user: string;
      readonly password: string;
    }
    const operator = () =>
      new KeyedProcessOperator<Login, string, Nothing, Nothing, undefined>({
        evidence: { steps: 2, mask: ['password'] },
        process: (_login, ctx) => [ctx.evidence()],
      });
    const harness = await OperatorHarness.open({ operator, keySelectors: [(login: Login) => login.user] });
    harness.record({ user: 'ada', password: 'secret' });
    assert.doesNotMatch(JSON.stringify(harness.emitted), /secret/);
  });
});
