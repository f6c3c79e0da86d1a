// Sliding windows that share panes against the plain path and against the model: random records, late ones too, restored
// at any step and split over two subtasks, for aggregations that subtract and for those that only merge.
//
// A failure prints the seed of fast-check and the smallest case that shows it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { files, job, sliding, watermarks } from '../../src/index.ts';
import { PaneWindowOperator } from '../../src/operators/window/pane-operator.ts';
import { sharingOf } from '../../src/operators/window/pane-sharing.ts';
import type { AnyTriggerOf } from '../../src/operators/window/trigger-runner.ts';
import type { AnyWindowFunction } from '../../src/operators/window/window-function.ts';
import { type WindowDefinition, WindowOperator } from '../../src/operators/window/window-operator.ts';
import { state } from '../../src/index.ts';
import type { AggregateFunction } from '../../src/state/descriptors.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import { OperatorHarness } from '../../src/testing/operator-harness.ts';
import { KEYS } from './awkward-keys.ts';
import { sameThroughCrashes } from './crashed-job.ts';
import { committed, SimulatedJob, type SimulatedOptions } from './simulated-job.ts';
import { type Item, WindowModel, type WindowSpec } from './window-model.ts';

const RUNS = 3_000;
const JOB_RUNS = 60;
const SEED = 2_718;

interface Keyed extends Item {
  readonly k: number;
}

type Step = { readonly record: Keyed } | { readonly watermark: number };
type Aggregate = AggregateFunction<Keyed, unknown, readonly number[]>;

function keyOf({ k }: Keyed): string | number {
  return KEYS[k]!.key;
}

const sorted = (ids: Iterable<number>): number[] => [...ids].sort((left, right) => left - right);

/** Each tells exactly which records it holds. */
const aggregates: Readonly<Record<string, Aggregate>> = {
  // In place, as is allowed for `add`.
  merging: {
    createAccumulator: () => [],
    add(item, ids) {
      (ids as number[]).push(item.id);
      return ids;
    },
    result: (ids) => sorted(ids as number[]),
    merge: (left, right) => [...(left as number[]), ...(right as number[])],
  },
  // The set of ids as the bits of one number: a second copy would carry over, a missing one be seen.
  subtracting: {
    createAccumulator: () => 0n,
    add: ({ id }, bits) => (bits as bigint) + (1n << BigInt(2 * id)),
    result(bits) {
      const ids: number[] = [];
      for (let id = 0, rest = bits as bigint; rest > 0n; id++, rest >>= 2n) {
        for (let copies = rest & 3n; copies > 0n; copies--) ids.push(id);
      }
      return ids;
    },
    merge: (left, right) => (left as bigint) + (right as bigint),
    subtract: (whole, part) => (whole as bigint) - (part as bigint),
  },
  // Gives back one of its arguments, which a window then shares with a pane.
  latest: {
    createAccumulator: () => ({ id: -1 }),
    add: ({ id }, best) => (id > (best as { id: number }).id ? { id } : best),
    result: (best) => [(best as { id: number }).id],
    merge: (left, right) => ((left as { id: number }).id >= (right as { id: number }).id ? left : right),
  },
};

const specs: fc.Arbitrary<WindowSpec> = fc
  .record({
    slide: fc.integer({ min: 1, max: 12 }),
    more: fc.integer({ min: 1, max: 40 }),
    shift: fc.integer({ min: -11, max: 11 }),
  })
  .map(({ slide, more, shift }) => ({
    shape: 'sliding' as const,
    time: 'event' as const,
    size: slide + more,
    slide,
    offset: shift % slide,
    lateness: 0,
    count: 0,
    purging: false,
  }));

const record = fc
  .record({ k: fc.nat({ max: KEYS.length - 1 }), at: fc.integer({ min: -40, max: 80 }) })
  .map(({ k, at }) => ({ k, at, key: KEYS[k]!.name }));

const steps: fc.Arbitrary<Step[]> = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: record },
      { weight: 2, arbitrary: fc.record({ watermark: fc.integer({ min: -50, max: 130 }) }) },
    ),
    { maxLength: 50 },
  )
  .map((all) => all.map((each, id) => ('watermark' in each ? each : { record: { ...each, id } })));

/** Shows the result, and state of the window and of the key that only the function touches. */
const show: AnyWindowFunction = {
  windowState: { firings: state.value(0) },
  globalState: { windows: state.value(0) },
  process: ([ids], { key, window, windowState, globalState }) => {
    const firings = (windowState['firings'] as { value(): number; update(n: number): void })!;
    const windows = (globalState['windows'] as { value(): number; update(n: number): void })!;
    firings.update(firings.value() + 1);
    windows.update(windows.value() + 1);
    return [
      { key, start: window.start, end: window.end, ids, firings: firings.value(), windows: windows.value() },
    ];
  },
  clear: ({ windowState }) => (windowState['firings'] as { clear(): void }).clear(),
};

function definitionOf(
  { size, slide, offset }: WindowSpec,
  how: string,
  isShown: boolean,
): WindowDefinition<Keyed> {
  const assigner = sliding(size, slide, { offset });
  return {
    assigner,
    trigger: assigner.defaultTrigger as AnyTriggerOf<Keyed>,
    evictor: undefined,
    allowedLatenessMs: 0,
    lateTag: 'late',
    fold: { kind: 'aggregate', aggregate: aggregates[how]! },
    function: isShown ? show : undefined,
  };
}

test('shared panes give what the plain path gives, step by step and in the same order, restored at any step', async () => {
  let fired = 0;
  let late = 0;
  let restored = 0;
  await fc.assert(
    fc.asyncProperty(
      specs,
      steps,
      fc.constantFrom(...Object.keys(aggregates)),
      fc.boolean(),
      fc.array(fc.boolean(), { maxLength: 50 }),
      async (spec, given, how, isShown, restores) => {
        const definition = definitionOf(spec, how, isShown);
        const { panes } = sharingOf(definition);
        assert.ok(panes !== undefined);
        const keySelectors = [keyOf];
        const options = { operator: () => new PaneWindowOperator(panes), keySelectors };
        const plain = await OperatorHarness.open({
          operator: () => new WindowOperator(definition),
          keySelectors,
        });
        let shared = await OperatorHarness.open(options);
        for (const [index, step] of given.entries()) {
          if (restores[index] === true) {
            const snapshot = await shared.snapshot();
            await shared.close();
            shared = await OperatorHarness.open({ ...options, restored: snapshot });
            restored++;
          }
          for (const harness of [plain, shared]) {
            harness.emitted.length = 0;
            if ('record' in step) harness.record(step.record, step.record.at);
            else harness.do(step);
          }
          assert.deepEqual(shared.emitted, plain.emitted, JSON.stringify(step));
          fired += shared.records.length;
          late += shared.emitted.filter((each) => 'tag' in each).length;
        }
        for (const harness of [plain, shared]) harness.end();
        assert.deepEqual(shared.emitted, plain.emitted);
        if (!isShown) assert.equal((await shared.snapshot()).keyed.size, 0, 'nothing is left behind');
      },
    ),
    { numRuns: RUNS, seed: SEED },
  );
  console.log(`cases: sliding windows with shared panes ${RUNS} (minimum ${RUNS})`);
  console.log(`cases: results from shared panes ${fired} (minimum ${RUNS})`);
  console.log(`cases: late records for shared panes ${late} (minimum ${RUNS / 10})`);
  console.log(`cases: restores of shared panes ${restored} (minimum ${RUNS})`);
});

/** Fails once for each record that it is told to, after it has changed the accumulator in place. */
test('a record that poisons its pane is taken back out of all windows', async () => {
  const failures = new Set([8, 14]);
  const definition = job((env) => {
    env
      .fromData([1, 4, 8, 9, 12, 14, 2, 21], {
        uid: 'numbers',
        watermarks: watermarks
          .punctuated<number>((_number, timestamp) => timestamp - 3)
          .withTimestamps((number) => number),
      })
      .windowAll(sliding(15, 5))
      .aggregate({
        uid: 'windows',
        onError: 'skip',
        createAccumulator: (): number[] => [],
        add(number, seen) {
          seen.push(number);
          if (failures.has(number)) throw new Error('poison');
          return seen;
        },
        result: (seen) => sorted(seen).join(' '),
        merge: (left, right) => [...left, ...right],
        process: ([seen], { window }) => [`${window.start}: ${seen}`],
      })
      .sinkTo(files.linesSink('/output'), { uid: 'output' });
  });
  const kernel = new Kernel({ seed: SEED });
  assert.equal((await new SimulatedJob(kernel, { definition, args: [] }).end()).status, 'FINISHED');
  assert.deepEqual(
    committed(kernel, '/output').sort(),
    ['-10: 1 4', '-5: 1 4 9', '0: 1 2 4 9 12', '10: 12 21', '15: 21', '20: 21', '5: 9 12'].sort(),
  );
});

const jobCases = fc.record({
  spec: specs,
  items: fc.array(record, { maxLength: 60 }),
  how: fc.constantFrom('merging', 'subtracting'),
  seed: fc.nat({ max: 1_000_000 }),
  parallelisms: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
  crashes: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }),
});

function slidingJob(
  { size, slide, offset }: WindowSpec,
  items: readonly Keyed[],
  how: string,
): SimulatedOptions['definition'] {
  const aggregate = aggregates[how]!;
  return job((env) => {
    env.setMaxParallelism(8);
    env
      .fromData(items, {
        uid: 'items',
        // The spread of the timestamps: no record is late.
        watermarks: watermarks.boundedOutOfOrderness(121).withTimestamps((item: Keyed) => item.at),
      })
      .keyBy(keyOf)
      .window(sliding(size, slide, { offset }))
      .aggregate({
        ...aggregate,
        uid: 'windows',
        process: ([ids], { key, window }) => [
          JSON.stringify([
            'window',
            KEYS.find((each) => Object.is(each.key, key) || each.key === key)!.name,
            window.start,
            window.end,
            ids,
          ]),
        ],
      })
      .sinkTo(files.linesSink('/output'), { uid: 'output' });
  });
}

test('a job with shared panes gives what the model gives at any parallelism, killed and continued at another one', async () => {
  let lives = 0;
  await fc.assert(
    fc.asyncProperty(jobCases, async ({ spec, items, how, seed, parallelisms, crashes }) => {
      const numbered = items.map((item, id) => ({ ...item, id }));
      const definition = slidingJob(spec, numbered, how);
      const expected = WindowModel.results(spec, numbered);
      lives += await sameThroughCrashes({ definition, seed, parallelisms, crashes }, expected);
    }),
    { numRuns: JOB_RUNS, seed: SEED },
  );
  console.log(`cases: jobs with shared panes ${JOB_RUNS} (minimum ${JOB_RUNS})`);
  console.log(`cases: lives of jobs with shared panes ${lives} (minimum ${JOB_RUNS})`);
});
