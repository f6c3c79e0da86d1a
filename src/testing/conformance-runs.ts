/**
 * The runs of the conformance suites: a small job around a connector, on the seeded kernel, that is killed or fails at
 * events all over its run.
 */

import type { Duration } from '../base/duration.ts';
import type { Files } from '../base/env.ts';
import type { OutputType } from '../operators/process-context.ts';
import type { Sink } from '../operators/sink.ts';
import type { JobDefinition } from '../streams/job.ts';
import { type InputDeclaration, TestJob } from './test-job.ts';

/** Between two records that the target takes: checkpoints fall between them. */
export const RECORD_INTERVAL_MS = 4;
/** Crashes of one case, spread evenly over the events of a run. */
const CRASHES_MAX = 40;
/** How long a source that never ends may take for all that is expected. */
const UNBOUNDED_MAX_MS = 60_000;

/** Takes one record at a time and then none for a while, which holds the source back. */
export function slow<T>(sink: Sink<T>): Sink<T> {
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

/** A job around a connector. */
export interface Running {
  readonly test: AnyTest;
  readonly visible: () => Promise<readonly unknown[]>;
  /** Goes on until all is done. */
  readonly end: () => Promise<void>;
  /** Lets a task of the connector fail, if one runs. */
  readonly fail: () => void;
}

/** Not started yet. */
export function jobOf(definition: JobDefinition, parallelism: number): AnyTest {
  const configuration = { 'execution.checkpointing.interval': 10, 'pipeline.max-parallelism': 8 };
  return new TestJob(definition, { parallelism, configuration });
}

/** The disk of the run, for whoever is not the job. */
export function filesOf(test: AnyTest): Files {
  return test.kernel.env('reader').files;
}

/** To the end of the job. */
export async function run(test: AnyTest): Promise<void> {
  await test.finish();
}

/** Until all has come, and then for a while, in which nothing may come twice. */
export async function watch(test: AnyTest, isComplete: () => boolean, duration: Duration): Promise<void> {
  const deadline = test.now + UNBOUNDED_MAX_MS;
  await test.runUntil(() => isComplete() || test.now >= deadline);
  await test.advance(duration);
  test.crash();
}

/** A calm run: what is visible at its end. */
export async function finish({ test, visible, end }: Running): Promise<readonly unknown[]> {
  test.start();
  await end();
  return visible();
}

async function eventsOf(start: () => Promise<Running>): Promise<number> {
  const calm = await start();
  const before = calm.test.kernel.steps;
  await finish(calm);
  return calm.test.kernel.steps - before;
}

/** Lets a task fail at events of the run; the job starts again from its latest checkpoint, in the same process. */
export async function failEverywhere(
  start: () => Promise<Running>,
  check: (values: readonly unknown[]) => void,
): Promise<void> {
  const events = await eventsOf(start);
  const stride = Math.max(1, events / CRASHES_MAX);
  for (let at = 1; at < events; at += stride) {
    const running = await start();
    const { test } = running;
    const from = test.kernel.steps;
    test.start();
    await test.runUntil(() => test.kernel.steps - from >= at);
    if (!test.hasEnded) running.fail();
    await running.end();
    check(await running.visible());
  }
}

/** Kills the job at events of its run; each life after it has the next parallelism, and the last one runs to its end. */
export async function crashEverywhere(
  start: () => Promise<Running>,
  check: (values: readonly unknown[]) => void,
  parallelisms: readonly number[] = [2],
  checkPart: (values: readonly unknown[]) => void = () => undefined,
): Promise<void> {
  const events = await eventsOf(start);
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
    await running.end();
    check(await running.visible());
  }
}
