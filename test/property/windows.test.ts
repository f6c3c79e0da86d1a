// Windows against the model: random records around the borders of windows, late ones too, through crashes and restores.
//
// A failure prints the seed of fast-check and the smallest case that shows it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  session,
  sliding,
  tumbling,
  triggers,
  type WindowAssigner,
  watermarks,
  job,
  files,
  type WindowContext,
} from '../../src/index.ts';
import type { AnyTriggerOf } from '../../src/operators/window/trigger-runner.ts';
import type { WindowFold } from '../../src/operators/window/window-contents.ts';
import type { AnyWindowFunction } from '../../src/operators/window/window-function.ts';
import type { OperatorFactory } from '../../src/operators/operator.ts';
import { OwnWindowOperator } from '../../src/operators/window/own-window-operator.ts';
import { PaneWindowOperator } from '../../src/operators/window/pane-operator.ts';
import { type WindowDefinition, WindowOperator } from '../../src/operators/window/window-operator.ts';
import { windowPath } from '../../src/operators/window/window-path.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import { type Emitted, OperatorHarness } from '../../src/testing/operator-harness.ts';
import { sameThroughCrashes } from './crashed-job.ts';
import { committed, SimulatedJob, type SimulatedOptions } from './simulated-job.ts';
import { type Happening, type Item, WindowModel, type WindowSpec } from './window-model.ts';

const RUNS = 3_000;
const JOB_RUNS = 60;
const SEED = 4_711;
const LIFES_MAX = 4;

type Ids = readonly number[];

const specs: fc.Arbitrary<WindowSpec> = fc
  .record({
    shape: fc.constantFrom('tumbling' as const, 'sliding' as const, 'session' as const),
    time: fc.constantFrom('event' as const, 'event' as const, 'processing' as const),
    size: fc.integer({ min: 1, max: 12 }),
    slide: fc.integer({ min: 1, max: 12 }),
    shift: fc.integer({ min: -11, max: 11 }),
    lateness: fc.constantFrom(0, 0, 1, 5, 20),
    count: fc.constantFrom(0, 0, 0, 1, 2, 3),
    purging: fc.constantFrom(false, false, false, true),
  })
  .map(({ shift, ...spec }) => ({
    ...spec,
    offset: shift % (spec.shape === 'tumbling' ? spec.size : spec.slide),
  }));

const keys = fc.constantFrom('a', 'b', '', '__proto__');
const happenings: fc.Arbitrary<Happening[]> = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.record({ key: keys, at: fc.integer({ min: -25, max: 40 }) }) },
      { weight: 2, arbitrary: fc.record({ watermark: fc.integer({ min: -30, max: 60 }) }) },
      { weight: 1, arbitrary: fc.record({ passMs: fc.integer({ min: 0, max: 9 }) }) },
    ),
    { maxLength: 40 },
  )
  .map((all) =>
    all.map((each, id) => ('key' in each ? { record: { key: each.key, at: each.at, id } } : each)),
  );

function assignerOf({ shape, size, slide, offset, time }: WindowSpec): WindowAssigner<unknown> {
  if (shape === 'session') return session(size, { time });
  return shape === 'tumbling' ? tumbling(size, { offset, time }) : sliding(size, slide, { offset, time });
}

function triggerOf(
  { count, purging }: WindowSpec,
  { defaultTrigger }: WindowAssigner<unknown>,
): AnyTriggerOf<Item> {
  const trigger = (count === 0 ? defaultTrigger : triggers.count(count)) as AnyTriggerOf<Item>;
  return purging ? triggers.purging(trigger) : trigger;
}

const line = (
  ids: Ids,
  { key, window }: Pick<WindowContext<unknown, never, never, never, never>, 'key' | 'window'>,
) => JSON.stringify(['window', key, window.start, window.end, ids.toSorted((left, right) => left - right)]);

/** Three ways to keep the same records, with a function that shows them all alike. */
const folds: Readonly<
  Record<string, { fold: WindowFold<unknown>; idsOf: (values: readonly never[]) => Ids }>
> = {
  all: { fold: { kind: 'all' }, idsOf: (values: readonly Item[]) => values.map(({ id }) => id) },
  reduce: {
    fold: { kind: 'reduce', reduce: (left, right) => ({ ids: [...idsOf(left), ...idsOf(right)] }) },
    idsOf: ([value]) => idsOf(value),
  },
  aggregate: {
    fold: {
      kind: 'aggregate',
      aggregate: {
        createAccumulator: () => [],
        // In place, as is allowed.
        add(value, ids) {
          (ids as number[]).push((value as Item).id);
          return ids;
        },
        result: (ids) => [...(ids as number[])],
        merge: (left, right) => [...(left as number[]), ...(right as number[])],
      },
    },
    idsOf: ([ids]) => ids as unknown as Ids,
  },
};

function idsOf(value: unknown): Ids {
  return 'ids' in (value as object) ? (value as { ids: Ids }).ids : [(value as Item).id];
}

/** The operator that a job would take, or the plain one. */
function operatorOf(spec: WindowSpec, how: string, isEvicting: boolean, isPlain: boolean): OperatorFactory {
  const assigner = assignerOf(spec);
  const { fold, idsOf } = folds[how]!;
  const process: AnyWindowFunction['process'] = (values, ctx) => [line(idsOf(values), ctx)];
  const definition: WindowDefinition<Item> = {
    assigner,
    trigger: triggerOf(spec, assigner),
    evictor: isEvicting ? { evictBefore: (elements) => elements } : undefined,
    allowedLatenessMs: spec.lateness,
    lateTag: 'late',
    fold: fold as WindowFold<Item>,
    function: { process },
  };
  return isPlain ? () => new WindowOperator(definition) : windowPath(definition, false).factory;
}

function linesOf(emitted: readonly Emitted[]): string[] {
  const lines = emitted.flatMap((each) => {
    if (!('record' in each)) return [];
    if (each.tag === undefined) {
      const [, , , end] = JSON.parse(each.record as string) as [string, string, number, number];
      assert.equal(each.timestamp, end - 1, 'results carry the last timestamp of their window');
      return [each.record as string];
    }
    const { key, id, at } = each.record as Item;
    assert.equal(each.timestamp, at);
    return [JSON.stringify([each.tag, key, id])];
  });
  return lines.sort();
}

test('windows of every shape give what the model gives, step by step, restored at any step', async () => {
  let fired = 0;
  let late = 0;
  let own = 0;
  let swaps = 0;
  await fc.assert(
    fc.asyncProperty(
      specs,
      happenings,
      fc.constantFrom(...Object.keys(folds)),
      fc.constantFrom(true, false, false),
      fc.array(fc.constantFrom('none', 'none', 'same', 'other'), { maxLength: 40 }),
      async (spec, steps, how, isPlain, restores) => {
        const isEvicting = isPlain && steps.length % 2 === 0;
        const operators = [isPlain, !isPlain].map((plain) => operatorOf(spec, how, isEvicting, plain));
        // Shared panes are stored as panes.
        const isSwapped = !isEvicting && !operators.some((made) => made() instanceof PaneWindowOperator);
        const options = { operator: operators[0]!, keySelectors: [(item: Item) => item.key] };
        if (options.operator() instanceof OwnWindowOperator) own++;
        let harness = await OperatorHarness.open(options);
        const model = new WindowModel(spec, harness.clock.now());
        for (const [index, step] of steps.entries()) {
          if (restores[index] !== undefined && restores[index] !== 'none') {
            const restored = await harness.snapshot();
            await harness.close();
            // What is stored does not tell which operator held it.
            if (restores[index] === 'other' && isSwapped) {
              options.operator = operators.find((other) => other !== options.operator)!;
              swaps++;
            }
            harness = await OperatorHarness.open({ ...options, restored });
          }
          harness.emitted.length = 0;
          if ('record' in step) harness.record(step.record, step.record.at);
          else harness.do(step);
          const lines = linesOf(harness.emitted);
          assert.deepEqual(lines, model.happen(step), JSON.stringify(step));
          late += lines.filter((each) => each.startsWith('["late"')).length;
          fired += lines.filter((each) => each.startsWith('["window"')).length;
        }
        await harness.close();
      },
    ),
    { numRuns: RUNS, seed: SEED },
  );
  console.log(`cases: windows ${RUNS} (minimum ${RUNS})`);
  console.log(`cases: windows that their operator keeps itself ${own} (minimum ${RUNS / 6})`);
  console.log(`cases: windows restored by another operator ${swaps} (minimum ${RUNS / 2})`);
  console.log(`cases: windows that fired ${fired} (minimum ${RUNS / 2})`);
  console.log(`cases: late records ${late} (minimum ${RUNS / 10})`);
});

const jobCases = fc.record({
  spec: specs.map((spec) => ({ ...spec, time: 'event' as const, lateness: 0 })),
  items: fc.array(fc.record({ key: keys, at: fc.integer({ min: -40, max: 60 }) }), { maxLength: 60 }),
  how: fc.constantFrom(...Object.keys(folds)),
  seed: fc.nat({ max: 1_000_000 }),
  parallelisms: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: LIFES_MAX }),
  crashes: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: LIFES_MAX - 1 }),
});

/** The spread of the timestamps: no record is late. */
const DISORDER = 101;

function windowedJob(spec: WindowSpec, items: readonly Item[], how: string): SimulatedOptions['definition'] {
  return job((env) => {
    env.setMaxParallelism(8);
    const assigner = assignerOf(spec);
    const windowed = env
      .fromData(items, {
        uid: 'items',
        watermarks: watermarks.boundedOutOfOrderness(DISORDER).withTimestamps((item) => item.at),
      })
      .keyBy('key')
      .window(assigner)
      .trigger(triggerOf(spec, assigner))
      .sideOutputLateData('late');
    const results =
      how === 'all'
        ? windowed.process({
            uid: 'windows',
            process: (values, ctx) => [
              line(
                values.map(({ id }) => id),
                ctx,
              ),
            ],
          })
        : windowed.aggregate({
            uid: 'windows',
            createAccumulator: (): number[] => [],
            add: (item, ids) => [...ids, item.id],
            result: (ids) => ids,
            merge: (left, right) => [...left, ...right],
            process: ([ids], ctx) => [line(ids!, ctx)],
          });
    results
      .union(results.sideOutput('late').map((item) => JSON.stringify(['late', item.key, item.id])))
      .sinkTo(files.linesSink('/output'), { uid: 'output' });
  });
}

test('a windowed job gives what the model gives at any parallelism, killed and continued at another one', async () => {
  let lives = 0;
  await fc.assert(
    fc.asyncProperty(jobCases, async ({ spec, items, how, seed, parallelisms, crashes }) => {
      const numbered = items.map((item, id) => ({ ...item, id }));
      const definition = windowedJob(spec, numbered, how);
      const expected = WindowModel.results(spec, numbered);
      lives += await sameThroughCrashes({ definition, seed, parallelisms, crashes }, expected);
    }),
    { numRuns: JOB_RUNS, seed: SEED },
  );
  console.log(`cases: windowed jobs ${JOB_RUNS} (minimum ${JOB_RUNS})`);
  console.log(`cases: lives of windowed jobs ${lives} (minimum ${JOB_RUNS})`);
});

test('a record that poisons one of its windows is taken back out of the others', async () => {
  let calls = 0;
  const definition = job((env) => {
    env
      .fromData([1, 4, 8, 9], {
        uid: 'numbers',
        watermarks: watermarks.monotonous<number>().withTimestamps((number) => number),
      })
      .windowAll(sliding(10, 5))
      .aggregate({
        uid: 'windows',
        onError: 'skip',
        createAccumulator: (): number[] => [],
        add(number, seen) {
          // In place, and only the second window of the record fails.
          seen.push(number);
          if (number === 8 && ++calls === 2) throw new Error('poison');
          return seen;
        },
        result: (seen) => seen.join(' '),
        process: ([seen], { window }) => [`${window.start}: ${seen}`],
      })
      .sinkTo(files.linesSink('/output'), { uid: 'output' });
  });
  const kernel = new Kernel({ seed: SEED });
  assert.equal((await new SimulatedJob(kernel, { definition, args: [] }).end()).status, 'FINISHED');
  assert.equal(calls, 2);
  assert.deepEqual(committed(kernel, '/output').sort(), ['-5: 1 4', '0: 1 4 9', '5: 9']);
});
