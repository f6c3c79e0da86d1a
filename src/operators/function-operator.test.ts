// The life of a function: the order of its calls, its operator state through checkpoints, and how it is dealt anew.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isMillraceError } from '../base/errors.ts';
import { BinaryReader } from '../codecs/binary.ts';
import { numberCodec } from '../codecs/primitives.ts';
import type { ListState } from '../state/descriptors.ts';
import { list } from '../state/state.ts';
import { type HarnessSnapshot, OperatorHarness } from '../testing/operator-harness.ts';
import { AsyncWaitOperator } from './async-wait.ts';
import { BroadcastProcessOperator, KeyedBroadcastProcessOperator } from './broadcast-process.ts';
import { CoProcessOperator, KeyedCoProcessOperator } from './co-process.ts';
import { type FunctionLife, keepsOperatorState } from './function-operator.ts';
import { IntervalJoinOperator } from './interval-join.ts';
import type { Operator } from './operator.ts';
import { KeyedProcessOperator, ProcessOperator } from './process.ts';
import type { Nothing } from './process-context.ts';
import { tumbling } from './window/assigners.ts';
import { WindowOperator } from './window/window-operator.ts';

const keySelectors = [() => 'key', () => 'key'];

interface Lists {
  readonly even: ListState<unknown>;
  readonly all: ListState<unknown>;
}

/** Every operator around a function, by name. */
function operators(life: FunctionLife<Lists>): readonly [string, () => Operator][] {
  const one = { ...life, process: () => [] };
  const two = { ...life, process1: () => [], process2: () => [] };
  const broadcast = { ...life, process: () => [], processBroadcast: () => [] };
  const interval = { lower: 0, upper: 0, time: 'event', lateLeft: undefined, lateRight: undefined } as const;
  const assigner = tumbling('1 s');
  const trigger = assigner.defaultTrigger;
  return [
    ['process', () => new ProcessOperator<unknown, Nothing, Lists>(one)],
    ['process with a key', () => new KeyedProcessOperator(one)],
    ['process of two', () => new CoProcessOperator<unknown, unknown, Nothing, Lists>(two)],
    ['process of two with a key', () => new KeyedCoProcessOperator(two)],
    ['process beside a broadcast', () => new BroadcastProcessOperator({}, broadcast)],
    ['process with a key beside a broadcast', () => new KeyedBroadcastProcessOperator({}, broadcast)],
    ['interval join', () => new IntervalJoinOperator(interval, one)],
    [
      'asynchronous calls',
      () =>
        new AsyncWaitOperator(
          { ...life, asyncInvoke: () => Promise.resolve() },
          { mode: 'ordered', onError: 'fail' },
        ),
    ],
    [
      'window',
      () =>
        new WindowOperator({
          assigner,
          trigger: trigger as never,
          evictor: undefined,
          allowedLatenessMs: 0,
          lateTag: undefined,
          fold: { kind: 'all' },
          function: one as never,
        }),
    ],
  ];
}

const lists: NonNullable<FunctionLife<Lists>['local']> = ({ operatorState }) => ({
  even: operatorState.list('even'),
  all: operatorState.unionList('all'),
});

describe('the life of a function', () => {
  const called: unknown[][] = [];
  const life: FunctionLife<Lists> = {
    local(start) {
      called.push(['local', start.isRestored, start.restoredCheckpointId]);
      return lists(start);
    },
    initializeState({ isRestored, local }) {
      called.push(['initializeState', isRestored, [...local.even.get()], [...local.all.get()]]);
    },
    open: () => void called.push(['open']),
    snapshotState({ checkpointId, local, operatorState }) {
      called.push(['snapshotState', checkpointId]);
      assert.equal(operatorState.list('even'), local.even);
      local.even.update([checkpointId]);
      local.all.add(`checkpoint ${checkpointId}`);
    },
    notifyCheckpointComplete: (checkpointId) => void called.push(['complete', checkpointId]),
    notifyCheckpointAborted: (checkpointId) => void called.push(['aborted', checkpointId]),
    close: () => void called.push(['close']),
  };
  for (const [name, operator] of operators(life)) {
    it(`has all its calls, in order, in: ${name}`, async () => {
      called.length = 0;
      let made: Operator | undefined;
      const make = (): Operator => (made = operator());
      const harness = await OperatorHarness.open({ operator: make, keySelectors });
      const snapshot = await harness.snapshot(7);
      await made!.checkpointComplete!(7);
      made!.checkpointAborted!(8);
      await harness.close();
      assert.deepEqual(called, [
        ['local', false, undefined],
        ['initializeState', false, [], []],
        ['open'],
        ['snapshotState', 7],
        ['complete', 7],
        ['aborted', 8],
        ['close'],
      ]);
      called.length = 0;
      await OperatorHarness.open({ operator: make, keySelectors, restored: snapshot });
      assert.deepEqual(called, [
        ['local', true, 1],
        ['initializeState', true, [7], ['checkpoint 7']],
        ['open'],
      ]);
    });
  }

  it('is over at once when it has none of its calls', async () => {
    for (const [, operator] of operators({})) {
      const harness = await OperatorHarness.open({ operator, keySelectors });
      const { sections } = await harness.snapshot();
      assert.deepEqual(
        [...sections.keys()].filter((name) => name.includes('/')),
        [],
      );
      await harness.close();
    }
  });
});

const process = (life: FunctionLife<Lists>) => () =>
  new ProcessOperator<unknown, Nothing, Lists>({ ...life, process: () => [] });

describe('a snapshot of operator state', () => {
  it('is as of the barrier, whatever comes while it is stored', async () => {
    let local!: Lists;
    const operator = process({ local: (start) => (local = lists(start)) });
    const harness = await OperatorHarness.open({ operator });
    local.even.addAll([1, 2]);
    const given = local.even.get();
    const snapshot = harness.snapshot();
    local.even.add(3);
    local.even.clear();
    assert.deepEqual(given, [1, 2]);
    await OperatorHarness.open({ operator, restored: await snapshot });
    assert.deepEqual(local.even.get(), [1, 2]);
  });

  it('fails with what snapshotState throws or cannot become bytes, and not the task', async () => {
    const broken: readonly FunctionLife<Lists>[] = [
      {
        snapshotState: () => {
          throw new Error('no');
        },
      },
      { local: lists, snapshotState: ({ local }) => local.even.add(() => {}) },
    ];
    for (const life of broken) {
      const harness = await OperatorHarness.open({ operator: process(life) });
      await assert.rejects(harness.snapshot(), (error) => isMillraceError(error));
      harness.record(1);
    }
  });

  it('refuses a function that would wait', async () => {
    const waits = process({ local: lists, snapshotState: () => Promise.resolve() as never });
    const harness = await OperatorHarness.open({ operator: waits });
    const refused = (error: unknown): boolean =>
      isMillraceError(error, 'STREAM_INVALID') && /gave back a promise/.test(error.message);
    await assert.rejects(harness.snapshot(), refused);
    const opens = process({
      local: lists,
      initializeState: () => Promise.reject(new Error('late')) as never,
    });
    await assert.rejects(OperatorHarness.open({ operator: opens }), refused);
  });

  it('refuses another kind and another codec under the same name, and reads generic bytes with a later codec', async () => {
    const first = await OperatorHarness.open({
      operator: process({ local: lists, open: ({ local }) => local.even.add(1) }),
    });
    const restored = await first.snapshot();
    const open = (life: FunctionLife<Lists>): Promise<OperatorHarness> =>
      OperatorHarness.open({ operator: process(life), restored });
    const swap = ({ operatorState: { list, unionList } }: Parameters<typeof lists>[0]): Lists => ({
      even: unionList('even'),
      all: list('all'),
    });
    await assert.rejects(open({ local: swap }), (error) => isMillraceError(error, 'STATE_TYPE_CHANGED'));
    const seen: unknown[] = [];
    const declare = (codec: typeof numberCodec): FunctionLife<Lists> => ({
      local: ({ operatorState: { list, unionList } }) => {
        const even = list<number>('even', { codec });
        seen.push(...even.get());
        return { even: even as ListState<unknown>, all: unionList('all') };
      },
    });
    const next = await open(declare(numberCodec));
    assert.deepEqual(seen, [1]);
    const own = await next.snapshot();
    await assert.rejects(
      OperatorHarness.open({ operator: process(declare({ ...numberCodec, id: 'mine' })), restored: own }),
      (error) => isMillraceError(error, 'STATE_CODEC_CHANGED'),
    );
  });

  it('is written again when nobody declares it', async () => {
    const operator = process({ local: lists, open: ({ local }) => local.even.addAll(['a', 'b']) });
    const first = await OperatorHarness.open({ operator });
    const without = await OperatorHarness.open({ operator: process({}), restored: await first.snapshot() });
    let local!: Lists;
    const last = process({ local: (start) => (local = lists(start)) });
    await OperatorHarness.open({ operator: last, restored: await without.snapshot() });
    assert.deepEqual(local.even.get(), ['a', 'b']);
  });
});

describe('operator state of a record that is given up', () => {
  it('is what it was before', () => {
    const item = fc.integer({ min: 0, max: 9 });
    const change = fc.oneof(
      fc.record({ kind: fc.constant('addAll' as const), items: fc.array(item, { maxLength: 3 }) }),
      fc.record({ kind: fc.constant('update' as const), items: fc.array(item, { maxLength: 3 }) }),
      fc.record({ kind: fc.constantFrom('clear', 'get' as const), items: fc.constant([]) }),
    );
    const record = fc.record({ isGivenUp: fc.boolean(), changes: fc.array(change, { maxLength: 5 }) });
    let cases = 0;
    return fc
      .assert(
        fc.asyncProperty(fc.array(record, { maxLength: 8 }), async (records) => {
          cases++;
          let operator!: Operator;
          let list!: ListState<unknown>;
          const make = process({
            local(start) {
              const made = lists(start);
              list = made.even;
              return made;
            },
          });
          await OperatorHarness.open({ operator: () => (operator = make()) });
          let expected: unknown[] = [];
          for (const { isGivenUp, changes } of records) {
            const before = expected;
            operator.beginUndo!();
            for (const { kind, items } of changes) {
              if (kind === 'addAll') list.addAll(items);
              else if (kind === 'update') list.update(items);
              else if (kind === 'clear') list.clear();
              else assert.deepEqual(list.get(), expected);
              if (kind !== 'get') expected = kind === 'addAll' ? [...expected, ...items] : [...items];
            }
            if (isGivenUp) {
              operator.undo!();
              expected = before;
            }
            assert.deepEqual(list.get(), expected);
          }
        }),
        { numRuns: 1000, seed: 8 },
      )
      .then(() => console.log(`cases: operator state taken back ${cases} (minimum 1000)`));
  });
});

describe('operator state at another parallelism', () => {
  /** One generation of subtasks: what each holds after it was restored, and what it adds. */
  async function run(
    old: readonly HarnessSnapshot[],
    parallelism: number,
    add: (subtask: number) => readonly number[],
  ): Promise<{ held: { even: unknown[]; all: unknown[] }[]; snapshots: HarnessSnapshot[] }> {
    const held: { even: unknown[]; all: unknown[] }[] = [];
    const snapshots: HarnessSnapshot[] = [];
    for (let subtask = 0; subtask < parallelism; subtask++) {
      const operator = process({
        local: lists,
        initializeState({ local: { even, all } }) {
          held.push({ even: [...even.get()], all: [...all.get()] });
          even.addAll(add(subtask));
          // What a union list gives belongs to somebody else as well: each keeps its own part only.
          all.update(add(subtask));
        },
      });
      const restored = old.length === 0 ? {} : { restored: old };
      const harness = await OperatorHarness.open({ operator, subtask, parallelism, ...restored });
      snapshots.push(await harness.snapshot());
    }
    return { held, snapshots };
  }

  it('is a permutation of what there was: even parts of a list, all of a union list', async () => {
    let cases = 0;
    const generation = fc.record({
      parallelism: fc.integer({ min: 1, max: 7 }),
      added: fc.array(fc.nat(5), { minLength: 7, maxLength: 7 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(generation, { minLength: 2, maxLength: 5 }), async (generations) => {
        cases++;
        let snapshots: HarnessSnapshot[] = [];
        let before: { even: unknown[]; own: number[] }[] = [];
        let next = 0;
        for (const { parallelism, added } of generations) {
          const own = Array.from({ length: parallelism }, (_, subtask) =>
            Array.from({ length: added[subtask]! }, () => next++),
          );
          const isSame = before.length === parallelism;
          const { held, snapshots: taken } = await run(snapshots, parallelism, (subtask) => own[subtask]!);
          const even = held.map((each) => each.even);
          assert.deepEqual(even.flat().sort(byNumber), before.flatMap((each) => each.even).sort(byNumber));
          const sizes = even.map((each) => each.length);
          if (!isSame) assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `dealt ${sizes.join(', ')}`);
          else
            assert.deepEqual(
              even,
              before.map((each) => each.even),
            );
          for (const { all } of held)
            assert.deepEqual(
              all,
              before.flatMap((each) => each.own),
            );
          before = held.map((each, subtask) => ({
            even: [...each.even, ...own[subtask]!],
            own: own[subtask]!,
          }));
          snapshots = taken;
        }
      }),
      { numRuns: 400, seed: 77 },
    );
    console.log(`cases: operator state dealt anew ${cases} (minimum 400)`);
  });

  it('of a union list that nobody declares does not grow', async () => {
    const { snapshots } = await run([], 2, (subtask) => [subtask]);
    const parallelism = 3;
    let items = 0;
    for (let subtask = 0; subtask < parallelism; subtask++) {
      const operator = process({});
      const harness = await OperatorHarness.open({ operator, subtask, parallelism, restored: snapshots });
      items += (await harness.snapshot()).sections.get('union/all')!.items.length;
    }
    assert.equal(items, 2);
  });
});

const byNumber = (one: unknown, other: unknown): number => (one as number) - (other as number);

it('takes the codec of a declared list, keeps the state of whoever declares one, and refuses a time to live', async () => {
  const items = list({ codec: numberCodec });
  const life: FunctionLife<Lists> = {
    operatorState: { lists: { even: items }, unionLists: { all: items } },
    local: ({ operatorState }) => ({
      even: operatorState.list('even'),
      all: operatorState.unionList('all'),
    }),
    open({ local }) {
      local.even.add(1);
    },
  };
  assert.equal(keepsOperatorState({ operatorState: {} }), true);
  for (const [name, operator] of operators(life)) {
    const harness = await OperatorHarness.open({ operator, keySelectors });
    const { sections } = await harness.snapshot();
    const [item] = sections.get('list/even')!.items;
    assert.equal(new BinaryReader(item!).string(), numberCodec.id, name);
    await harness.close();
  }
  const swapped: FunctionLife<Lists> = { ...life, operatorState: { unionLists: { even: items } } };
  for (const [name, operator] of operators(swapped)) {
    await assert.rejects(
      OperatorHarness.open({ operator, keySelectors }),
      (error) => isMillraceError(error, 'STATE_TYPE_CHANGED'),
      name,
    );
  }
  const short = { operatorState: { lists: { even: list({ ttl: { after: '1 h' } }) } } };
  for (const [name, operator] of operators({ ...life, ...short })) {
    assert.throws(operator, (error) => isMillraceError(error, 'STREAM_INVALID'), name);
  }
});
