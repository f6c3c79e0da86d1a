/**
 * Crash-proof: a crash after every record, and in every phase of every commit, must give equal committed output.
 *
 * The points of a run without a crash are counted; then the job runs once for each, is killed there, and goes on from
 * its latest checkpoint. The same seed makes all runs equal up to their crash.
 */

import { MillraceError } from '../base/errors.ts';
import type { OutputType } from '../operators/process-context.ts';
import type { JobDefinition } from '../streams/job.ts';
import {
  describeEntries,
  entriesOf,
  type Entry,
  indented,
  jobOf,
  outcomeOf,
  type RecordsByInput,
  type SearchOptions,
} from './job-runs.ts';
import { RunBudget, shrink, SHRINK_RUNS_MAX } from './shrink.ts';

/** What is run, and where it crashes. */
export interface CrashOptions<
  I extends RecordsByInput,
  O extends Readonly<Record<string, OutputType<unknown>>>,
> extends SearchOptions<I, O> {
  /** Only at this point, as a failure names it; default: at each. */
  readonly at?: number;
  /** Default 1. */
  readonly seed?: number;
}

/** A checkpoint after every third record or so, the shortest interval there is. */
const RECORD_INTERVAL_MS = 4;
const CHECKPOINT_INTERVAL_MS = 10;

/**
 * Runs the job without a crash, and then once for each point: after each record and in each phase of each commit it is
 * killed, and goes on from its latest checkpoint. Throws TEST_CRASH_DIFFERS with the smallest case that it finds and the
 * call that replays it; resolves to the number of crashes.
 *
 * ```ts
 * const squares = job((env) => {
 *   env
 *     .fromSource(files.jsonLines<number>('/numbers'), { uid: 'numbers' })
 *     .map((n) => n * n)
 *     .sinkTo(files.jsonLinesSink('/squares'), { uid: 'squares' });
 * });
 * await sameUnderCrash(squares, { inputs: { numbers: [1, 2, 3] }, outputs: { squares: type<number>() } });
 * ```
 */
export async function sameUnderCrash<
  I extends RecordsByInput,
  O extends Readonly<Record<string, OutputType<unknown>>>,
>(definition: JobDefinition, options: CrashOptions<I, O>): Promise<number> {
  const search = new CrashSearch(definition, options);
  const entries = entriesOf(options.inputs);
  const { crashes, differing } = await search.differing(entries, options.at);
  if (differing !== undefined) throw await search.failure(entries, differing.at);
  return crashes;
}

/** A crash that changed the output. */
interface Differing {
  readonly at: number;
  readonly point: string;
  readonly expected: string;
  readonly actual: string;
}

class CrashSearch<I extends RecordsByInput, O extends Readonly<Record<string, OutputType<unknown>>>> {
  readonly #definition: JobDefinition;
  readonly #options: SearchOptions<I, O>;
  readonly #seed: number;

  constructor(definition: JobDefinition, { at: _at, seed = 1, ...options }: CrashOptions<I, O>) {
    this.#definition = definition;
    this.#options = options;
    this.#seed = seed;
  }

  /** The first point at which a crash changes the output. */
  async differing(
    entries: readonly Entry[],
    only?: number,
  ): Promise<{ readonly crashes: number; readonly differing: Differing | undefined }> {
    const points: string[] = [];
    const expected = await this.#run(entries, points, undefined);
    const wanted = only === undefined ? points.map((_, index) => index) : [only];
    for (const at of wanted) {
      if (points[at] === undefined)
        throw new MillraceError('TEST_KIT_MISUSED', `the run has ${points.length} points, and none at ${at}`);
      const actual = await this.#run(entries, [], at);
      if (actual === expected) continue;
      return { crashes: at + 1, differing: { at, point: points[at], expected, actual } };
    }
    return { crashes: wanted.length, differing: undefined };
  }

  async failure(entries: readonly Entry[], at: number): Promise<MillraceError> {
    const fails = async (fewer: readonly Entry[]): Promise<boolean> =>
      (await this.differing(fewer)).differing !== undefined;
    const smallest = await shrink(entries, fails, new RunBudget(SHRINK_RUNS_MAX));
    const { point, expected, actual } = (await this.differing(smallest)).differing!;
    return new MillraceError(
      'TEST_CRASH_DIFFERS',
      [
        `a crash changes what the job commits; smallest case: ${smallest.length} records, a crash ${point}`,
        '  the input:',
        indented(describeEntries(smallest)),
        '  gives without a crash:',
        indented(expected),
        '  and with it:',
        indented(actual),
        `  replay: sameUnderCrash(job, { ...options, seed: ${this.#seed}, at: ${at} })`,
      ].join('\n'),
    );
  }

  #run(entries: readonly Entry[], points: string[], crashAt: number | undefined): Promise<string> {
    const test = jobOf(this.#definition, this.#options, entries, {
      seed: this.#seed,
      recordInterval: RECORD_INTERVAL_MS,
      configuration: { 'execution.checkpointing.interval': CHECKPOINT_INTERVAL_MS },
      onPoint: (point) => void points.push(point),
    });
    return outcomeOf(test, this.#options, async () => {
      test.start();
      if (crashAt !== undefined) {
        await test.runUntil(() => points.length > crashAt);
        if (!test.hasEnded) {
          test.crash();
          await test.restore();
        }
      }
      await test.finish();
    });
  }
}
