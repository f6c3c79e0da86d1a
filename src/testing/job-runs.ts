/** Runs of one job that a search compares: the same inputs in some order, and what came out at the end. */

import { inspect } from 'node:util';
import type { OutputType } from '../operators/process-context.ts';
import type { JobDefinition } from '../streams/job.ts';
import { TestJob, type TestJobOptions } from './test-job.ts';

/** Records by input. */
export type RecordsByInput = Readonly<Record<string, readonly unknown[]>>;

/** Records by output, in the order in which they became visible. */
export type Results<O> = {
  readonly [Name in keyof O]: readonly (O[Name] extends OutputType<infer T> ? T : never)[];
};

/** What every search needs to know. */
export interface SearchOptions<
  I extends RecordsByInput,
  O extends Readonly<Record<string, OutputType<unknown>>>,
> extends Pick<TestJobOptions<I, O>, 'args' | 'parallelism' | 'configuration' | 'state' | 'startAt'> {
  /** All records of the sources that the test stands in for, by uid. */
  readonly inputs: I;
  /** The sinks that are looked at, by uid. */
  readonly outputs: O;
  /** What of the results must be equal; default: the records of each output, in any order. */
  readonly result?: (results: Results<O>) => unknown;
}

/** A record of one of the inputs. */
export interface Entry {
  readonly input: string;
  readonly record: unknown;
}

/** All records of all inputs, input after input. */
export function entriesOf(inputs: RecordsByInput): Entry[] {
  return Object.entries(inputs).flatMap(([input, records]) => records.map((record) => ({ input, record })));
}

/** A job of some entries, not started yet. */
export function jobOf<I extends RecordsByInput, O extends Readonly<Record<string, OutputType<unknown>>>>(
  definition: JobDefinition,
  options: SearchOptions<I, O>,
  entries: readonly Entry[],
  more: Partial<TestJobOptions<I, O>>,
): TestJob<I, O> {
  const inputs: Record<string, unknown[]> = {};
  for (const name of Object.keys(options.inputs)) inputs[name] = [];
  for (const { input, record } of entries) inputs[input]!.push(record);
  const { result: _result, ...given } = options;
  const configuration = { ...more.configuration, ...options.configuration };
  return new TestJob(definition, { ...given, ...more, configuration, inputs: inputs as unknown as I });
}

/** What the job of `run` gives, as text that is equal when the results are; a failure of the job is a result too. */
export async function outcomeOf<
  I extends RecordsByInput,
  O extends Readonly<Record<string, OutputType<unknown>>>,
>(
  test: TestJob<I, O>,
  options: SearchOptions<I, O>,
  run: (test: TestJob<I, O>) => Promise<unknown>,
): Promise<string> {
  try {
    await run(test);
  } catch (error) {
    return `the job failed: ${error instanceof Error ? error.message : String(error)}`;
  }
  const results = Object.fromEntries(
    Object.entries<{ readonly values: readonly unknown[] }>(test.outputs).map(([name, { values }]) => [
      name,
      values,
    ]),
  ) as unknown as Results<O>;
  if (options.result !== undefined) return textOf(options.result(results));
  return Object.entries<readonly unknown[]>(results)
    .map(([name, values]) => `${name}: ${values.map(textOf).sort().join(', ') || 'nothing'}`)
    .join('\n');
}

/** One line. */
export function textOf(value: unknown): string {
  return inspect(value, {
    depth: Number.POSITIVE_INFINITY,
    sorted: true,
    breakLength: Number.POSITIVE_INFINITY,
    compact: true,
    maxArrayLength: null,
    maxStringLength: null,
  });
}

/** The records of a case, one line an input. */
export function describeEntries(entries: readonly Entry[]): string {
  const inputs = [...new Set(entries.map(({ input }) => input))];
  if (inputs.length === 0) return 'no record';
  return inputs
    .map((input) => {
      const own = entries.filter((entry) => entry.input === input);
      return `${input}: ${own.map(({ record }) => textOf(record)).join(', ')}`;
    })
    .join('\n');
}

/** Lines of a text, each moved to the right. */
export function indented(text: string): string {
  return text.replaceAll(/^/gm, '    ');
}
