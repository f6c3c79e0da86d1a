/**
 * What every source and every sink must keep, as cases for any test runner. Each case runs a small job around the
 * connector on the seeded kernel and kills it at events of its run, so that no phase of its protocol is left out.
 *
 * ```
 * source   each record once, at every parallelism; after a crash, at another parallelism too
 * sink     each record (exactly-once: once), after a crash too; and at no moment a record that nobody wrote
 * ```
 *
 * A source that never ends is read until all has come, and then for a while longer: nothing comes twice. A sink into the
 * process that runs the job is exact while that lives: its task fails at events of the run; when the process is killed
 * instead, nothing is lost.
 */

import assertions from 'node:assert/strict';
import type { Duration } from '../base/duration.ts';
import type { Files } from '../base/env.ts';
import type { OperatorContext } from '../operators/operator.ts';
import type { Sink } from '../operators/sink.ts';
import type { Source } from '../operators/source.ts';
import { job } from '../streams/job.ts';
import {
  crashEverywhere,
  failEverywhere,
  filesOf,
  finish,
  jobOf,
  RECORD_INTERVAL_MS,
  run,
  type Running,
  slow,
  watch,
} from './conformance-runs.ts';
import { textOf } from './job-runs.ts';
import { emptyTarget, sinkOf } from './test-output.ts';
import { sourceOf } from './scripted-source.ts';

/** A case of a suite: give it to the runner, as in `it(name, run)`. */
export interface ConformanceCase {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** A source that is looked at. */
export interface SourceSubject<T> {
  /** Called for each run. */
  readonly source: () => Source<T>;
  /**
   * It never ends: when all that is expected has come it is watched for so long, in which nothing else may come. Default:
   * it ends.
   */
  readonly watchFor?: Duration;
  /** What it reads, in any order. */
  readonly expected: readonly T[];
  /** Writes what the source reads, to the files of the run. */
  readonly prepare?: (files: Files) => Promise<void>;
}

/** A sink in one run, and what a reader of its target sees. */
export interface SinkSubject<T> {
  readonly sink: Sink<T>;
  readonly visible: (files: Files) => Promise<readonly T[]>;
  /** The target is in the process that runs the job, and ends with it. Default false. */
  readonly isInProcess?: boolean;
}

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
    const { values } = target.output;
    const { watchFor } = subject;
    const isComplete = (): boolean => values.length >= subject.expected.length;
    return {
      test,
      visible: () => Promise.resolve(values),
      end: () => (watchFor === undefined ? run(test) : watch(test, isComplete, watchFor)),
      fail: () => undefined,
    };
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
  const { sink: first, isInProcess = false } = open();
  const isExact = first.guarantee === 'exactly-once';
  const start = async (parallelism: number): Promise<Running> => {
    const { sink, visible } = open();
    let latest: OperatorContext | undefined;
    const failing: Sink<T> = {
      ...sink,
      createWriter(context) {
        latest = context;
        return sink.createWriter(context);
      },
    };
    const items = [...records];
    const definition = job((env) => {
      env
        .fromSource(
          sourceOf<T>({ items, isEnded: true, readers: new Set(), recordIntervalMs: RECORD_INTERVAL_MS }),
          { uid: 'source' },
        )
        .rebalance()
        .sinkTo(failing, { uid: 'sink' });
    });
    const test = jobOf(definition, parallelism);
    return Promise.resolve({
      test,
      visible: () => test.kernel.settle(visible(filesOf(test))),
      end: () => run(test),
      fail: () => latest?.fail(new Error('the suite lets this task fail')),
    });
  };
  const checkAny = (values: readonly unknown[]): void => assertSame(once(values), records);
  const check = isExact ? (values: readonly unknown[]): void => assertSame(values, records) : checkAny;
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
    ...(isInProcess
      ? [
          {
            name: `writes each record ${isExact ? 'once' : 'at least once'} when its task fails at any moment`,
            run: () => failEverywhere(() => start(2), check),
          },
          {
            name: 'writes each record at least once when its process crashes at any moment',
            run: () => crashEverywhere(() => start(2), checkAny, [3, 1]),
          },
        ]
      : [
          {
            name: `writes each record ${isExact ? 'once' : 'at least once'} when it crashes at any moment`,
            run: () => crashEverywhere(() => start(2), check, [2], checkPart),
          },
          {
            name: 'commits what other subtasks have prepared when their number changes',
            run: () => crashEverywhere(() => start(2), check, [3, 1], checkPart),
          },
        ]),
  ];
}

function assertSame(values: readonly unknown[], expected: readonly unknown[]): void {
  assertions.deepEqual(values.map(textOf).sort(), expected.map(textOf).sort());
}

function once(values: readonly unknown[]): unknown[] {
  return [...new Map(values.map((value) => [textOf(value), value])).values()];
}
