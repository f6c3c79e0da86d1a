/** A job as the default export of a module. */

import { StreamExecutionEnvironment } from './environment.ts';
import { JobArguments } from './job-arguments.ts';
import { jobRunner } from './job-runner.ts';

/** Shared by all copies of Millrace in one thread, so that a job of one is known to the other. */
const JOB: unique symbol = Symbol.for('millrace.job');

/** Describes a job on an environment. It is called once per thread and must describe the same job each time. */
export type JobFunction = (env: StreamExecutionEnvironment, args: JobArguments) => void;

/** What {@link job} makes. */
export interface JobDefinition {
  readonly [JOB]: true;
  readonly name: string | undefined;
  readonly build: JobFunction;
}

/** A job with a name. */
export interface JobOptions {
  /** Its id and its folder derive from it; default: the name of the file. */
  readonly name?: string | undefined;
  readonly build: JobFunction;
}

/**
 * Defines a job: the default export of a module of its own.
 *
 * ```ts
 * export default job((env, args) => {
 *   env
 *     .fromData(['Accepted', 'Failed', 'Failed'])
 *     .filter((line) => line === args.string('keep', 'Failed'))
 *     .print();
 * });
 * ```
 */
export function job(definition: JobFunction | JobOptions): JobDefinition {
  const { name, build } = typeof definition === 'function' ? { build: definition } : definition;
  return Object.freeze({ [JOB]: true as const, name, build });
}

/** Whether a value was made by {@link job}, of this or another copy of Millrace. */
export function isJobDefinition(value: unknown): value is JobDefinition {
  return typeof value === 'object' && value !== null && (value as Partial<JobDefinition>)[JOB] === true;
}

/**
 * The environment of a script that runs its job itself, with `await env.execute()` at its top level.
 *
 * ```ts
 * const env = executionEnvironment();
 * env.fromSequence(1, 3).print();
 * await env.execute('three numbers');
 * ```
 */
export function executionEnvironment(): StreamExecutionEnvironment {
  const runner = jobRunner();
  return new StreamExecutionEnvironment(new JobArguments(runner.args), (describe) =>
    runner.execute(describe),
  );
}
