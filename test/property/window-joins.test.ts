// Window joins and co-groups against the model of windows: which records meet is its answer, what becomes of them is a
// cross product here. Records of both sides out of order and late, around the borders of windows, restored at any step.
//
// A failure prints the seed of fast-check and the smallest case that shows it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type DataStream,
  files,
  job,
  session,
  sliding,
  type TaggedUnion,
  tumbling,
  type WindowAssigner,
  watermarks,
} from '../../src/index.ts';
import type { AnyTriggerOf } from '../../src/operators/window/trigger-runner.ts';
import {
  coGroupFunction,
  joinFunction,
  type JoinWindow,
  WindowJoinOperator,
} from '../../src/operators/window/window-join.ts';
import { OperatorHarness } from '../../src/testing/operator-harness.ts';
import { KEYS } from './awkward-keys.ts';
import { sameThroughCrashes } from './crashed-job.ts';
import type { SimulatedOptions } from './simulated-job.ts';
import { type Item, WindowModel, type WindowSpec } from './window-model.ts';

const RUNS = 4_000;
const JOB_RUNS = 60;
const SEED = 815;

interface Sided extends Item {
  readonly isLeft: boolean;
  /** Index into {@link KEYS}. */
  readonly k: number;
}

function keyOf({ k }: Sided): string | number {
  return KEYS[k]!.key;
}

const specs: fc.Arbitrary<WindowSpec> = fc
  .record({
    shape: fc.constantFrom('tumbling' as const, 'sliding' as const, 'session' as const),
    size: fc.integer({ min: 1, max: 12 }),
    slide: fc.integer({ min: 1, max: 12 }),
    lateness: fc.constantFrom(0, 0, 1, 5, 20),
  })
  .map((spec) => ({ ...spec, time: 'event' as const, offset: 0, count: 0, purging: false }));

const record = fc
  .record({
    k: fc.nat({ max: KEYS.length - 1 }),
    isLeft: fc.boolean(),
    at: fc.oneof(fc.integer({ min: -25, max: 40 }), fc.constantFrom(-13, -12, -11, -1, 0, 11, 12, 13)),
  })
  .map(({ k, isLeft, at }) => ({ k, isLeft, at, key: KEYS[k]!.name }));

type Step = { readonly record: Sided } | { readonly watermark: number };

const happenings: fc.Arbitrary<Step[]> = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: record },
      { weight: 2, arbitrary: fc.record({ watermark: fc.integer({ min: -30, max: 60 }) }) },
    ),
    { maxLength: 40 },
  )
  .map((all) => all.map((each, id) => ('watermark' in each ? each : { record: { ...each, id } })));

function assignerOf({ shape, size, slide }: WindowSpec): WindowAssigner<unknown> {
  if (shape === 'session') return session(size);
  return shape === 'tumbling' ? tumbling(size) : sliding(size, slide);
}

type How = 'join' | 'coGroup';

/** What the model says of a window, as a join or a co-group says it. */
function expectedOf(lines: readonly string[], items: readonly Sided[], how: How): string[] {
  const byId = new Map(items.map((item) => [item.id, item]));
  const result = lines.flatMap((line) => {
    const [what, key, ...rest] = JSON.parse(line) as [string, string, ...never[]];
    if (what === 'late') return [line];
    const [start, end, ids] = rest as unknown as [number, number, number[]];
    const left = ids.filter((id) => byId.get(id)!.isLeft);
    const right = ids.filter((id) => !byId.get(id)!.isLeft);
    const at = [key, start, end];
    if (how === 'coGroup') return [JSON.stringify([...at, left, right])];
    return left.flatMap((one) => right.map((other) => JSON.stringify([...at, one, other])));
  });
  return result.sort();
}

function placeOf(item: Sided, { key, window }: JoinWindow<unknown>): unknown[] {
  assert.ok(Object.is(key, keyOf(item)) || key === keyOf(item), 'the key is that of the records');
  return [item.key, window.start, window.end];
}

const pair = (left: Sided, right: Sided, at: JoinWindow<unknown>): string[] => [
  JSON.stringify([...placeOf(left, at), left.id, right.id]),
];
const group = (left: readonly Sided[], right: readonly Sided[], at: JoinWindow<unknown>): string[] => {
  const idsOf = (side: readonly Sided[]): number[] => side.map(({ id }) => id).sort((a, b) => a - b);
  return [JSON.stringify([...placeOf((left[0] ?? right[0])!, at), idsOf(left), idsOf(right)])];
};

function lateLine({ value: { key, id } }: TaggedUnion<Sided, Sided>): string {
  return JSON.stringify(['late', key, id]);
}

test('window joins and co-groups give what the model gives, step by step, restored at any step', async () => {
  let fired = 0;
  let late = 0;
  await fc.assert(
    fc.asyncProperty(
      specs,
      happenings,
      fc.constantFrom<How>('join', 'coGroup'),
      fc.array(fc.boolean(), { maxLength: 40 }),
      async (spec, steps, how, restores) => {
        const assigner = assignerOf(spec);
        const options = {
          operator: () =>
            new WindowJoinOperator<Sided, Sided>({
              assigner,
              trigger: assigner.defaultTrigger as AnyTriggerOf<TaggedUnion<Sided, Sided>>,
              evictor: undefined,
              allowedLatenessMs: spec.lateness,
              lateTag: 'late',
              fold: { kind: 'all' },
              function: how === 'join' ? joinFunction(pair) : coGroupFunction(group),
            }),
          keySelectors: [keyOf, keyOf],
        };
        const items = steps.flatMap((step) => ('record' in step ? [step.record] : []));
        let harness = await OperatorHarness.open(options);
        const model = new WindowModel(spec, harness.clock.now());
        for (const [index, step] of steps.entries()) {
          if (restores[index] === true) {
            const restored = await harness.snapshot();
            await harness.close();
            harness = await OperatorHarness.open({ ...options, restored });
          }
          harness.emitted.length = 0;
          if ('record' in step) harness.record(step.record, step.record.at, step.record.isLeft ? 0 : 1);
          else harness.do(step);
          const lines = harness.emitted.flatMap((each) => {
            if (!('record' in each)) return [];
            if (each.tag === 'late') return [lateLine(each.record as TaggedUnion<Sided, Sided>)];
            const [, , end] = JSON.parse(each.record as string) as [string, number, number];
            assert.equal(each.timestamp, end - 1, 'results carry the last timestamp of their window');
            return [each.record as string];
          });
          assert.deepEqual(lines.sort(), expectedOf(model.happen(step), items, how), JSON.stringify(step));
          const tooLate = lines.filter((each) => each.startsWith('["late"')).length;
          late += tooLate;
          fired += lines.length - tooLate;
        }
        await harness.close();
      },
    ),
    { numRuns: RUNS, seed: SEED },
  );
  console.log(`cases: window joins ${RUNS} (minimum ${RUNS})`);
  console.log(`cases: results of window joins ${fired} (minimum ${RUNS / 2})`);
  console.log(`cases: late records of window joins ${late} (minimum ${RUNS / 10})`);
});

const jobCases = fc.record({
  spec: specs.map((spec) => ({ ...spec, lateness: 0 })),
  items: fc.array(record, { maxLength: 50 }),
  how: fc.constantFrom<How>('join', 'coGroup'),
  isIdle: fc.boolean(),
  seed: fc.nat({ max: 1_000_000 }),
  parallelisms: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
  crashes: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }),
});

/** The spread of the timestamps: no record is late. */
const DISORDER = 101;

function joinedJob(spec: WindowSpec, items: readonly Sided[], how: How): SimulatedOptions['definition'] {
  return job((env) => {
    env.setMaxParallelism(8);
    const side = (isLeft: boolean): DataStream<Sided> =>
      env.fromData(
        items.filter((item) => item.isLeft === isLeft),
        {
          uid: isLeft ? 'left' : 'right',
          watermarks: watermarks
            .boundedOutOfOrderness(DISORDER)
            .withTimestamps((item: Sided) => item.at)
            .withIdleness(5),
        },
      );
    const assigner = assignerOf(spec);
    const [left, right] = [side(true), side(false)];
    const results =
      how === 'join'
        ? left.join(right).where(keyOf).equalTo(keyOf).window(assigner).apply(pair, { uid: 'join' })
        : left.coGroup(right).where(keyOf).equalTo(keyOf).window(assigner).apply(group, { uid: 'join' });
    results.sinkTo(files.linesSink('/output'), { uid: 'output' });
  });
}

test('a joined job gives what the model gives at any parallelism, with an idle side, killed and continued at another one', async () => {
  let lives = 0;
  await fc.assert(
    fc.asyncProperty(jobCases, async ({ spec, items, how, isIdle, seed, parallelisms, crashes }) => {
      const numbered = items.filter(({ isLeft }) => isLeft || !isIdle).map((item, id) => ({ ...item, id }));
      const definition = joinedJob(spec, numbered, how);
      const expected = expectedOf(WindowModel.results(spec, numbered), numbered, how);
      lives += await sameThroughCrashes({ definition, seed, parallelisms, crashes }, expected);
    }),
    { numRuns: JOB_RUNS, seed: SEED },
  );
  console.log(`cases: joined jobs ${JOB_RUNS} (minimum ${JOB_RUNS})`);
  console.log(`cases: lives of joined jobs ${lives} (minimum ${JOB_RUNS})`);
});
