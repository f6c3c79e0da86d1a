/**
 * What every source and every sink must keep, as cases for any test runner. Each case runs a small job around the
 * connector on the seeded kernel and kills it at events of its run, so that no phase of its protocol is left out.
 *
 * ```
 * source   each record once, at every parallelism; after a crash, at another parallelism too
 * sink     each record (exactly-once: once), after a crash too; and at no moment a record that nobody wrote
 * ```
 */

import assertions from 'node:assert/strict';
import type { Files } from '../base/env.ts';
import type { OutputType } from '../operators/process-context.ts';
import type { Sink } from '../operators/sink.ts';
import type { Source } from '../operators/source.ts';
import { job, type JobDefinition } from '../streams/job.ts';
import { textOf } from './job-runs.ts';
import { type InputDeclaration, TestJob } from './test-job.ts';
import { emptyTarget, sinkOf } from './test-output.ts';
import { sourceOf } from './scripted-source.ts';

/** A case of a suite: give it to the runner, as in `it(name, run)`. */
export interface ConformanceCase {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** A source that is looked at. */
export interface SourceSubject<T> {
  /** A bounded source; called for each run. */
  readonly source: () => Source<T>;
  /** What it reads, in any order. */
  readonly expected: readonly T[];
  /** Writes what the source reads, to the files of the run. */
  readonly prepare?: (files: Files) => Promise<void>;
}

/** A sink in one run, and what a reader of its target sees. */
export interface SinkSubject<T> {
  readonly sink: Sink<T>;
  readonly visible: (files: Files) => Promise<readonly T[]>;
}

/** Crashes of one case, spread evenly over the events of a run. */
const CRASHES_MAX = 40;
/** Between two records that the target takes: checkpoints fall between them. */
const RECORD_INTERVAL_MS = 4;
const PARALLELISMS = [1, 2, 3] as const;

/**
 * The cases of a source.
 *
 * ```ts
 * const cases = sourceConformance({ source: () => collectionSource([1, 2, 3]), expected: [1, 2, 3] });
 * for (const { name, run } of cases) {
 *   await run();
 *   console.log(name);
 * }
 * ```
 */
export function sourceConformance<T>(subject: SourceSubject<T>): ConformanceCase[] {
  const start = async (parallelism: number): Promise<Running> => {
    const target = emptyTarget<T>();
    const definition = job((env) => {
      env
        .fromSource(subject.source(), { uid: 'source' })
        .sinkTo(slow(sinkOf(target, 'exactly-once', () => undefined)), { uid: 'sink' });
    });
    const test = jobOf(definition, parallelism);
    if (subject.prepare !== undefined) await test.kernel.settle(subject.prepare(filesOf(test)));
    return { test, visible: () => Promise.resolve(target.output.values) };
  };
  const check = (values: readonly unknown[]): void => assertSame(values, subject.expected);
  return [
    ...PARALLELISMS.map((parallelism) => ({
      name: `reads each record once at parallelism ${parallelism}`,
      run: async () => check(await finish(await start(parallelism))),
    })),
    {
      name: 'goes on behind the latest checkpoint after a crash at any moment',
      run: () => crashEverywhere(() => start(2), check),
    },
    {
      name: 'gives its splits to more or fewer subtasks after a crash',
      run: () => crashEverywhere(() => start(2), check, [3, 1]),
    },
  ];
}

/**
 * The cases of a sink. `open` makes a sink over a target of its own; `records` are different from each other.
 *
 * ```ts
 * const cases = sinkConformance(() => {
 *   const table = new Map<string, string>();
 *   const sink = idempotentSink<string, string>({
 *     key: (word) => word,
 *     write: async (entries) => {
 *       for (const { key, value } of entries) table.set(key, value);
 *     },
 *   });
 *   return { sink, visible: async () => [...table.values()] };
 * }, ['to', 'be', 'or']);
 * for (const { run } of cases) await run();
 * ```
 */
export function sinkConformance<T>(open: () => SinkSubject<T>, records: readonly T[]): ConformanceCase[] {
  const isExact = open().sink.guarantee === 'exactly-once';
  const start = async (parallelism: number): Promise<Running> => {
    const { sink, visible } = open();
    const items = [...records];
    const definition = job((env) => {
      env
        .fromSource(
          sourceOf<T>({ items, isEnded: true, readers: new Set(), recordIntervalMs: RECORD_INTERVAL_MS }),
          { uid: 'source' },
        )
        .rebalance()
        .sinkTo(sink, { uid: 'sink' });
    });
    const test = jobOf(definition, parallelism);
    return Promise.resolve({ test, visible: () => test.kernel.settle(visible(filesOf(test))) });
  };
  const check = (values: readonly unknown[]): void =>
    isExact ? assertSame(values, records) : assertSame(once(values), records);
  const checkPart = (values: readonly unknown[]): void => {
    const allowed = new Set(records.map(textOf));
    const texts = values.map(textOf);
    for (const text of texts) assertions.ok(allowed.has(text), `nobody wrote ${text}`);
    if (isExact) assertions.equal(new Set(texts).size, texts.length, 'a record is visible twice');
  };
  return [
    ...PARALLELISMS.map((parallelism) => ({
      name: `writes each record at parallelism ${parallelism}`,
      run: async () => check(await finish(await start(parallelism))),
    })),
    {
      name: `writes each record ${isExact ? 'once' : 'at least once'} when it crashes at any moment`,
      run: () => crashEverywhere(() => start(2), check, [2], checkPart),
    },
    {
      name: 'commits what other subtasks have prepared when their number changes',
      run: () => crashEverywhere(() => start(2), check, [3, 1], checkPart),
    },
  ];
}

/** Takes one record at a time and then none for a while, which holds the source back. */
function slow<T>(sink: Sink<T>): Sink<T> {
  return {
    ...sink,
    createWriter: async (context) => {
      const writer = await sink.createWriter(context);
      let isFull = false;
      const empty = (): void => {
        isFull = false;
        context.wakeUp();
      };
      return {
        write(value, timestamp) {
          isFull = true;
          context.clock.timer(RECORD_INTERVAL_MS, empty, 'a slow target');
          writer.write(value, timestamp);
        },
        writable: () => !isFull,
        prepareCommit: (checkpointId) => writer.prepareCommit(checkpointId),
      };
    },
  };
}

type AnyTest = TestJob<
  Readonly<Record<string, InputDeclaration>>,
  Readonly<Record<string, OutputType<unknown>>>
>;

interface Running {
  readonly test: AnyTest;
  readonly visible: () => Promise<readonly unknown[]>;
}

function jobOf(definition: JobDefinition, parallelism: number): AnyTest {
  const configuration = { 'execution.checkpointing.interval': 10, 'pipeline.max-parallelism': 8 };
  return new TestJob(definition, { parallelism, configuration });
}

function filesOf(test: AnyTest): Files {
  return test.kernel.env('reader').files;
}

async function finish({ test, visible }: Running): Promise<readonly unknown[]> {
  test.start();
  await test.finish();
  return visible();
}

/** Kills the job at events of its run; each life after it has the next parallelism, and the last one runs to its end. */
async function crashEverywhere(
  start: () => Promise<Running>,
  check: (values: readonly unknown[]) => void,
  parallelisms: readonly number[] = [2],
  checkPart: (values: readonly unknown[]) => void = () => undefined,
): Promise<void> {
  const calm = await start();
  const before = calm.test.kernel.steps;
  await finish(calm);
  const events = calm.test.kernel.steps - before;
  const stride = Math.max(1, events / CRASHES_MAX);
  for (let at = 1; at < events; at += stride) {
    const running = await start();
    const { test } = running;
    const from = test.kernel.steps;
    test.start();
    await test.runUntil(() => test.kernel.steps - from >= at);
    for (const parallelism of parallelisms) {
      if (test.hasEnded) break;
      test.crash();
      checkPart(await running.visible());
      await test.restore({ parallelism });
    }
    await test.finish();
    check(await running.visible());
  }
}

function assertSame(values: readonly unknown[], expected: readonly unknown[]): void {
  assertions.deepEqual(values.map(textOf).sort(), expected.map(textOf).sort());
}

function once(values: readonly unknown[]): unknown[] {
  return [...new Map(values.map((value) => [textOf(value), value])).values()];
}
