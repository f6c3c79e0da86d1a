// State: of a key, of an operator, broadcast; what it holds, how long, and where it is after a restore.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type AggregateFunction,
  collectionSource,
  type DataStream,
  job,
  state,
  type StateHandles,
  type StateTtl,
  type,
} from '../../src/index.ts';
import {
  type Emitted,
  OperatorHarness,
  operatorOf,
  type Step,
  testJob,
  verifyOperator,
} from '../../src/testing/index.ts';

const average: AggregateFunction<number, { sum: number; count: number }, number> = {
  createAccumulator: () => ({ sum: 0, count: 0 }),
  add: (n, { sum, count }) => ({ sum: sum + n, count: count + 1 }),
  result: ({ sum, count }) => sum / count,
  merge: (a, b) => ({ sum: a.sum + b.sum, count: a.count + b.count }),
};

const every = {
  value: state.value<number | undefined>(undefined),
  list: state.list<string>(),
  map: state.map<string, number>(),
  reducing: state.reducing((a: number, b: number) => a * b),
  aggregating: state.aggregating(average),
};
type Every = StateHandles<typeof every>;
const zero = state.value(0);

/** An operator whose records are what they do to the state of key `a`, by number. */
function doing(actions: Readonly<Record<string, (all: Every) => unknown>>) {
  return operatorOf((stream: DataStream<string>) =>
    stream
      .keyBy(() => 'a')
      .process({
        uid: 'p',
        state: every,
        process(name, ctx) {
          const shown = actions[name]!(ctx.state);
          return shown === undefined ? [] : [shown];
        },
      }),
  );
}

async function shownBy(actions: Readonly<Record<string, (all: Every) => unknown>>): Promise<unknown[]> {
  const steps: Step[] = Object.keys(actions).map((record) => ({ record }));
  return recordsOf(await verifyOperator(doing(actions), steps));
}

function recordsOf(emitted: readonly Emitted[]): unknown[] {
  return emitted.flatMap((each) => ('record' in each ? [each.record] : []));
}

describe('the five kinds of keyed state', () => {
  it('a value is absent until it is set, and again after clear or an update with nothing', async () => {
    const shown = await shownBy({
      first: ({ value }) => [value.value()],
      set: ({ value }) => value.update(7),
      second: ({ value }) => [value.value()],
      nothing: ({ value }) => value.update(undefined),
      third: ({ value }) => [value.value()],
      again: ({ value }) => value.update(8),
      clear: ({ value }) => value.clear(),
      fourth: ({ value }) => [value.value()],
    });
    assert.deepEqual(shown, [[undefined], [7], [undefined], [undefined]]);
  });

  it('a list keeps the order in which items were added, and is replaced by an update', async () => {
    const shown = await shownBy({
      empty: ({ list }) => list.get(),
      one: ({ list }) => list.add('x'),
      more: ({ list }) => list.addAll(['z', 'y']),
      shown: ({ list }) => list.get(),
      replaced: ({ list }) => list.update(['w']),
      after: ({ list }) => list.get(),
      emptied: ({ list }) => list.update([]),
      last: ({ list }) => list.get(),
    });
    assert.deepEqual(shown, [[], ['x', 'z', 'y'], ['w'], []]);
  });

  it('a map has single entries, all keys, values and entries, and is empty without them', async () => {
    const shown = await shownBy({
      empty: ({ map }) => map.isEmpty(),
      put: ({ map }) => map.set('x', 1),
      putAll: ({ map }) => {
        for (const [key, n] of [
          ['y', 2],
          ['z', 3],
        ] as const)
          map.set(key, n);
      },
      get: ({ map }) => [map.get('y'), map.get('none'), map.has('x'), map.has('none'), map.isEmpty()],
      all: ({ map }) => [new Set(map.keys()), new Set(map.values()), new Map(map.entries())],
      remove: ({ map }) => map.delete('x'),
      left: ({ map }) => [...map.keys()].sort(),
      clear: ({ map }) => map.clear(),
      cleared: ({ map }) => map.isEmpty(),
    });
    assert.deepEqual(shown, [
      true,
      [2, undefined, true, false, false],
      [
        new Set(['x', 'y', 'z']),
        new Set([1, 2, 3]),
        new Map([
          ['x', 1],
          ['y', 2],
          ['z', 3],
        ]),
      ],
      ['y', 'z'],
      true,
    ]);
  });

  it('a reducing state takes the first value as it is; an aggregating one has types of its own for what it is given and tells', async () => {
    const shown = await shownBy({
      none: ({ reducing, aggregating }) => [reducing.get(), aggregating.get()],
      first: ({ reducing }) => reducing.add(3),
      alone: ({ reducing }) => reducing.get(),
      second: ({ reducing }) => reducing.add(5),
      both: ({ reducing }) => reducing.get(),
      averaged: ({ aggregating }) => {
        aggregating.add(3);
        aggregating.add(4);
      },
      average: ({ aggregating }) => aggregating.get(),
      clear: ({ reducing, aggregating }) => {
        reducing.clear();
        aggregating.clear();
      },
      cleared: ({ reducing, aggregating }) => [reducing.get(), aggregating.get()],
    });
    assert.deepEqual(shown, [[undefined, undefined], 3, 15, 3.5, [undefined, undefined]]);
  });
});

describe('keyed state', () => {
  it('is registered before the first record, and cannot be read or written while there is no key', async () => {
    const codes: (string | undefined)[] = [];
    const codeOf = (run: () => void): void => {
      try {
        run();
        codes.push(undefined);
      } catch (error) {
        codes.push((error as { code?: string }).code);
      }
    };
    const operator = operatorOf((stream: DataStream<string>) =>
      stream
        .keyBy((word) => word)
        .process({
          uid: 'p',
          state: { count: state.value(0) },
          // The type of the context of open() does not offer state at all.
          open(ctx) {
            const { count } = (ctx as unknown as { state: StateHandles<{ count: typeof zero }> }).state;
            codeOf(() => count.value());
            codeOf(() => count.update(1));
            codeOf(() => count.clear());
          },
          process: (_word, ctx) => [ctx.state.count.value()],
        }),
    );
    const harness = await OperatorHarness.open(operator);
    harness.record('a');
    assert.deepEqual(codes, ['STATE_WITHOUT_KEY', 'STATE_WITHOUT_KEY', 'STATE_WITHOUT_KEY']);
    assert.deepEqual(harness.records, [0]);
    await harness.close();
  });

  it('of one key is not seen by another, and two operators have state of their own under one name', async () => {
    const counts = job((env) => {
      const words = env.fromSource(collectionSource<string>([]), { uid: 'in' }).keyBy((word) => word);
      for (const uid of ['one', 'two']) {
        words
          .process({
            uid,
            state: { count: state.value(0) },
            process(word, ctx) {
              ctx.state.count.update(ctx.state.count.value() + 1);
              return [`${word}${ctx.state.count.value()}`];
            },
          })
          .print('', { uid: `out ${uid}` });
      }
    });
    const outputs = { 'out one': type<string>(), 'out two': type<string>() };
    const test = await testJob(counts, { inputs: { in: type<string>() }, outputs });
    await test.inputs.in.push('a', 'b', 'a');
    await test.finish();
    for (const name of ['out one', 'out two'] as const)
      assert.deepEqual(test.outputs[name].take().toSorted(), ['a1', 'a2', 'b1']);
  });
});

describe('state with a time to live', () => {
  const living = (ttl: StateTtl) =>
    operatorOf((stream: DataStream<string>) =>
      stream
        .keyBy(() => 'a')
        .process({
          uid: 'p',
          state: {
            value: state.value('none', { ttl }),
            map: state.map<string, number>({ ttl }),
            list: state.list<string>({ ttl }),
          },
          process(what, ctx) {
            const { value, map, list } = ctx.state;
            if (what === 'set') value.update('set');
            if (what === 'read') return [value.value()];
            if (what.startsWith('put ')) {
              map.set(what.slice(4), 1);
              list.add(what.slice(4));
            }
            if (what === 'entries') return [[[...map.keys()].sort(), list.get()]];
          },
        }),
    );
  const pass = (passMs: number): Step => ({ passMs });
  const say = (record: string): Step => ({ record });
  const NEVER = { incremental: false } as const;

  it('lives for its time after it was written, and not one millisecond longer', async () => {
    const steps = [say('set'), pass(999), say('read'), pass(1), say('read')];
    assert.deepEqual(recordsOf(await verifyOperator(living({ after: 1_000 }), steps)), ['set', 'none']);
  });

  it('begins to live again when it is read, only when it is told to', async () => {
    const steps = [say('set'), pass(600), say('read'), pass(600), say('read')];
    assert.deepEqual(recordsOf(await verifyOperator(living({ after: 1_000 }), steps)), ['set', 'none']);
    const refreshed = living({ after: 1_000, update: 'on-read-and-write' });
    assert.deepEqual(recordsOf(await verifyOperator(refreshed, steps)), ['set', 'set']);
  });

  it('is never given back after its time, unless it is allowed to be while nobody has cleaned it up', async () => {
    const steps = [say('set'), pass(2_000), say('read'), say('read')];
    const strict = living({ after: 1_000, cleanup: NEVER });
    assert.deepEqual(recordsOf(await verifyOperator(strict, steps)), ['none', 'none']);
    const lax = living({ after: 1_000, visibility: 'return-expired-if-not-cleaned-up', cleanup: NEVER });
    // The first read gives it a last time and cleans up.
    const harness = await OperatorHarness.open(lax);
    for (const step of steps) harness.do(step);
    assert.deepEqual(harness.records, ['set', 'none']);
    await harness.close();
  });

  it('lives by entry in a map and by item in a list', async () => {
    const steps = [say('put x'), pass(600), say('put y'), pass(600), say('entries')];
    assert.deepEqual(recordsOf(await verifyOperator(living({ after: 1_000 }), steps)), [[['y'], ['y']]]);
  });

  it('expired is its declared default when it is read', async () => {
    const steps = [say('read'), say('set'), pass(5_000), say('read')];
    assert.deepEqual(recordsOf(await verifyOperator(living({ after: 1_000 }), steps)), ['none', 'none']);
  });
});

describe('operator state', () => {
  const kept = (kind: 'list' | 'unionList') =>
    operatorOf((stream: DataStream<string>) =>
      stream.process({
        uid: 'p',
        local: ({ operatorState, isRestored, restoredCheckpointId }) => ({
          items: operatorState[kind]<string>('items'),
          told: [isRestored, restoredCheckpointId] as const,
        }),
        process(word, { local }) {
          if (word === 'show') return [[...local.items.get()]];
          if (word === 'told') return [[...local.told]];
          local.items.add(word);
        },
      }),
    );
  const snapshotOf = async (kind: 'list' | 'unionList', words: readonly string[]) => {
    const harness = await OperatorHarness.open(kept(kind));
    for (const word of words) harness.record(word);
    const snapshot = await harness.snapshot();
    await harness.close();
    return snapshot;
  };
  const restoredAt = async (kind: 'list' | 'unionList', parallelism: number) => {
    const restored = [await snapshotOf(kind, ['a', 'b', 'c', 'd']), await snapshotOf(kind, ['e', 'f', 'g'])];
    const shown: unknown[] = [];
    for (let subtask = 0; subtask < parallelism; subtask++) {
      const harness = await OperatorHarness.open({ ...kept(kind), restored, subtask, parallelism });
      harness.record('show');
      shown.push(harness.records[0]);
      await harness.close();
    }
    return shown;
  };

  it('as a list is dealt in even parts, in the order of the subtasks and of what each had added', async () => {
    assert.deepEqual(await restoredAt('list', 3), [
      ['a', 'b', 'c'],
      ['d', 'e'],
      ['f', 'g'],
    ]);
    assert.deepEqual(await restoredAt('list', 1), [['a', 'b', 'c', 'd', 'e', 'f', 'g']]);
    assert.deepEqual(await restoredAt('list', 2), [
      ['a', 'b', 'c', 'd'],
      ['e', 'f', 'g'],
    ]);
  });

  it('as a union list is whole in every subtask', async () => {
    const all = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    assert.deepEqual(await restoredAt('unionList', 3), [all, all, all]);
  });

  it('is asked for at the barrier, with the number of the checkpoint and the time when it was triggered, the same everywhere', async () => {
    const told: string[] = [];
    const watching = job((env) => {
      env
        .fromSource(collectionSource<string>([]), { uid: 'in' })
        .rebalance()
        .process({
          uid: 'p',
          process: (word) => [word],
          snapshotState: ({ checkpointId, timestamp, info }) =>
            void told.push(`${info.subtask}: ${checkpointId} at ${timestamp}`),
        })
        .print('', { uid: 'out' });
    });
    const test = await testJob(watching, {
      inputs: { in: type<string>() },
      outputs: { out: type<string>() },
      configuration: { 'execution.checkpointing.interval': '1 d' },
      parallelism: 2,
      startAt: 1_000,
    });
    await test.checkpoint();
    await test.advance('1 s');
    await test.checkpoint();
    assert.deepEqual(told.toSorted(), ['0: 1 at 1000', '0: 2 at 2000', '1: 1 at 1000', '1: 2 at 2000']);
    await test.finish();
  });

  it('says whether there was a checkpoint to go on from, and which', async () => {
    const fresh = await OperatorHarness.open(kept('list'));
    fresh.record('told');
    assert.deepEqual(fresh.records, [[false, undefined]]);
    const restored = await OperatorHarness.open({ ...kept('list'), restored: await fresh.snapshot() });
    restored.record('told');
    assert.deepEqual(restored.records, [[true, 1]]);
  });
});

describe('broadcast state', () => {
  const ruled = operatorOf((words: DataStream<string>, rules: DataStream<string>) =>
    words.connect(rules.broadcast({ rules: state.map<string, true>() })).process({
      uid: 'p',
      process: (_word, ctx) => [[...ctx.broadcast.rules.keys()].sort().join(' ')],
      processBroadcast: (rule, ctx) => ctx.broadcast.rules.set(rule, true),
    }),
  );
  const snapshotOf = async (...rules: readonly string[]) => {
    const harness = await OperatorHarness.open(ruled);
    for (const rule of rules) harness.record(rule, undefined, 1);
    const snapshot = await harness.snapshot();
    await harness.close();
    return snapshot;
  };

  it('is kept once by each subtask; at a higher parallelism the new ones read the copies in turn', async () => {
    // The copies differ only so that the test can tell them apart: a job makes the same changes everywhere.
    const restored = [await snapshotOf('first'), await snapshotOf('second')];
    const shown: unknown[] = [];
    for (let subtask = 0; subtask < 5; subtask++) {
      const harness = await OperatorHarness.open({ ...ruled, restored, subtask, parallelism: 5 });
      harness.record('word', undefined, 0);
      shown.push(harness.records[0]);
      await harness.close();
    }
    assert.deepEqual(shown, ['first', 'second', 'first', 'second', 'first']);
  });
});
