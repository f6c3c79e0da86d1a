import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isMillraceError } from '../base/errors.ts';
import { map, value } from '../state/state.ts';
import { OperatorHarness } from '../testing/operator-harness.ts';
import { verifyOperator } from '../testing/verify-operator.ts';
import { BroadcastProcessOperator, KeyedBroadcastProcessOperator } from './broadcast-process.ts';
import { type } from './process-context.ts';

const rules = { rules: map<string, { limit: number }>() };

describe('a process function beside a broadcast stream', () => {
  it('reads what the broadcast records have left, after a restore too', async () => {
    const operator = () =>
      new BroadcastProcessOperator(rules, {
        outputs: { unknown: type<string>() },
        process(word: string, ctx) {
          const rule = ctx.broadcast.rules.get(word);
          if (rule === undefined) return ctx.output('unknown', word);
          return [`${word} ${rule.limit} @${ctx.timestamp}`];
        },
        processBroadcast({ word, limit }: { word: string; limit: number }, ctx) {
          if (limit === 0) ctx.broadcast.rules.delete(word);
          else ctx.broadcast.rules.set(word, { limit });
          return [`${[...ctx.broadcast.rules.keys()].join()} @${ctx.timestamp}`];
        },
      });
    const emitted = await verifyOperator({ operator }, [
      { record: 'a', timestamp: 1 },
      { record: { word: 'a', limit: 5 }, input: 1, timestamp: 7 },
      { record: 'a', timestamp: 2 },
      { record: { word: 'b', limit: 6 }, input: 1 },
      { record: { word: 'a', limit: 0 }, input: 1 },
      { record: 'a' },
      { watermark: 9 },
    ]);
    assert.deepEqual(emitted, [
      { record: 'a', timestamp: 1, tag: 'unknown' },
      { record: 'a @7', timestamp: 7 },
      { record: 'a 5 @2', timestamp: 2 },
      { record: 'a,b @undefined' },
      { record: 'b @undefined' },
      { record: 'a', tag: 'unknown' },
      { watermark: 9 },
    ]);
  });

  it('cannot change the broadcast state beside a record of the stream, by no way around the types', async () => {
    let kept: { set(key: string, rule: { limit: number }): void } | undefined;
    const harness = await OperatorHarness.open({
      operator: () =>
        new BroadcastProcessOperator(rules, {
          process(_word: string, ctx) {
            // @ts-expect-error the broadcast state can only be read here
            ctx.broadcast.rules.set('a', { limit: 1 });
          },
          processBroadcast(_word: string, ctx) {
            kept = ctx.broadcast.rules;
            ctx.broadcast.rules.set('a', { limit: 2 });
          },
        }),
    });
    const readOnly = (error: unknown): boolean => isMillraceError(error, 'STATE_READ_ONLY');
    assert.throws(() => harness.record('a'), readOnly);
    harness.record('a', 1, 1);
    assert.throws(() => harness.record('a'), readOnly);
    assert.throws(() => kept!.set('a', { limit: 3 }), readOnly);
  });

  it('fails the checkpoint and not the task when the state cannot become bytes', async () => {
    const harness = await OperatorHarness.open({
      operator: () =>
        new BroadcastProcessOperator(
          { functions: map<string, () => void>() },
          {
            process: () => [],
            processBroadcast: (key: string, ctx) => ctx.broadcast.functions.set(key, () => {}),
          },
        ),
    });
    harness.record('a', 1, 1);
    await assert.rejects(harness.snapshot(), (error) => isMillraceError(error));
    harness.record('a');
  });
});

describe('a process function of a keyed stream beside a broadcast stream', () => {
  const operator = () =>
    new KeyedBroadcastProcessOperator(rules, {
      state: { count: value(0) },
      process(_word: string, ctx) {
        ctx.state.count.update(ctx.state.count.value() + 1);
        ctx.timers.registerEventTime(10);
        return [
          `${String(ctx.key)} ${ctx.state.count.value()} of ${ctx.broadcast.rules.get('limit')?.limit ?? 0}`,
        ];
      },
      processBroadcast(limit: number, ctx) {
        ctx.broadcast.rules.set('limit', { limit });
        const cleared: string[] = [];
        ctx.applyToKeyedState('count', (key, count) => {
          if (count.value() < limit) return;
          cleared.push(String(key));
          count.clear();
        });
        return [`cleared ${cleared.sort((left, right) => (left < right ? -1 : 1)).join()}`];
      },
      onTimer: (time, ctx) => [
        `${time} ${String(ctx.key)} ${ctx.state.count.value()} of ${ctx.broadcast.rules.get('limit')?.limit ?? 0}`,
      ],
    });
  const keySelectors = [(word: string) => word];

  it('has state and timers of its keys, and a broadcast record reaches all of them', async () => {
    const emitted = await verifyOperator({ operator, keySelectors }, [
      { record: 'a' },
      { record: 'b' },
      { record: 'a' },
      { record: 2, input: 1, timestamp: 3 },
      { record: 'a' },
      { record: 1, input: 1 },
      { watermark: 10 },
    ]);
    assert.deepEqual(emitted, [
      { record: 'a 1 of 0' },
      { record: 'b 1 of 0' },
      { record: 'a 2 of 0' },
      { record: 'cleared a', timestamp: 3 },
      { record: 'a 1 of 2' },
      { record: 'cleared a,b' },
      { record: '10 a 0 of 1', timestamp: 10 },
      { record: '10 b 0 of 1', timestamp: 10 },
      { watermark: 10 },
    ]);
  });

  it('has no key and no state of one while a broadcast record is processed', async () => {
    const kept: { update(n: number): void }[] = [];
    const harness = await OperatorHarness.open({
      keySelectors,
      operator: () =>
        new KeyedBroadcastProcessOperator(rules, {
          state: { count: value(0) },
          process: (_word: string, ctx) => void kept.push(ctx.state.count),
          processBroadcast(_word: string, ctx) {
            // @ts-expect-error there is no key here
            assert.equal(ctx.key, undefined);
            kept[0]!.update(1);
          },
        }),
    });
    harness.record('a');
    assert.throws(
      () => harness.record('a', 1, 1),
      (error) => isMillraceError(error, 'STATE_WITHOUT_KEY'),
    );
  });

  it('refuses to apply to a state that is not declared', async () => {
    const harness = await OperatorHarness.open({
      keySelectors,
      operator: () =>
        new KeyedBroadcastProcessOperator(rules, {
          process: () => [],
          processBroadcast(_word: string, ctx) {
            (ctx.applyToKeyedState as (name: string, apply: () => void) => void)('toString', () => {});
          },
        }),
    });
    assert.throws(
      () => harness.record('a', 1, 1),
      (error) => isMillraceError(error, 'STREAM_INVALID'),
    );
  });
});
