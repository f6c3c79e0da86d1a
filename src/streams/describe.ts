/**
 * Describes a job without running it: what a worker, `millrace info` and the start of a run do first.
 *
 * A script describes its job by calling `env.execute()` at its top level, which then never resolves, unless this is
 * the thread that runs the job: to it belongs what stands behind the call. Its module is evaluated once per thread, so the graph is kept.
 */

import type { Clock } from '../base/env.ts';
import { MillraceError } from '../base/errors.ts';
import type { StreamGraph } from '../graph/stream-graph.ts';
import { StreamExecutionEnvironment } from './environment.ts';
import { isJobDefinition, type JobDefinition } from './job.ts';
import { JobArguments } from './job-arguments.ts';
import { type JobExecutionResult, setJobRunner } from './job-runner.ts';

/** What a description depends on; equal in every thread. */
export interface DescribeOptions {
  /** The arguments of the job. */
  readonly args?: readonly string[] | undefined;
}

/** What the thread that runs the job adds. */
export interface DescribeModuleOptions extends DescribeOptions {
  /** What `env.execute()` of a script gives back; default: a promise that never resolves. */
  readonly ended?: Promise<JobExecutionResult> | undefined;
  /** With it the module has a minute to load. */
  readonly clock?: Pick<Clock, 'timer'> | undefined;
}

const LOAD_DEADLINE_MS = 60_000;

/** Describes a job that was made by `job(…)`. Each call builds it anew. */
export function describeJob(definition: JobDefinition, { args = [] }: DescribeOptions = {}): StreamGraph {
  const jobArguments = new JobArguments(args);
  const env = new StreamExecutionEnvironment(jobArguments, () => {
    throw invalidModule('env.execute() was called inside job(…), which runs by itself', 'Remove the call.');
  });
  if (definition.name !== undefined) env.configure({ 'pipeline.name': definition.name });
  const result: unknown = definition.build(env, jobArguments);
  if (result instanceof Promise) {
    // Whatever it ends with, the error below is what the job has to hear.
    result.catch(() => {});
    throw invalidModule(
      'the function given to job(…) is asynchronous',
      'Describe the job synchronously; load what it needs at the top level of its module, before `export default`.',
    );
  }
  jobArguments.refuseUnknown();
  return env.streamGraph();
}

/**
 * Describes the job of a module: its default export, or what it executes at its top level.
 *
 * Call it once per module and thread, and not twice at a time.
 */
export function describeModule(
  load: () => Promise<unknown>,
  { args = [], ended = new Promise(() => {}), clock }: DescribeModuleOptions = {},
): Promise<StreamGraph> {
  // A script that does not wait for its job hears nothing of its failure; whoever runs the job does.
  let jobFailure: unknown;
  ended.catch((error: unknown) => {
    jobFailure = error;
  });
  return new Promise((resolve, reject) => {
    let executed = false;
    let unsettled: MillraceError | undefined;
    // It also keeps a process alive whose module waits for nothing that will ever come.
    const deadline = clock?.timer(LOAD_DEADLINE_MS, () => giveUp(), 'the module of the job has to load');
    const before = setJobRunner({
      args,
      execute(describe) {
        if (unsettled !== undefined) throw unsettled;
        if (executed) {
          throw invalidModule('env.execute() was called twice', 'Put each job into a module of its own.');
        }
        executed = true;
        deadline?.cancel();
        setJobRunner(before);
        try {
          resolve(describe());
        } catch (error) {
          jobFailure = error;
          reject(error);
          return rejected(error);
        }
        return ended;
      },
    });
    const loaded = (module: unknown): void => {
      if (executed || unsettled !== undefined) return;
      deadline?.cancel();
      setJobRunner(before);
      resolve(describeJob(definitionOf(module), { args }));
    };
    const failed = (error: unknown): void => {
      deadline?.cancel();
      if (!executed) setJobRunner(before);
      reject(error);
      // What a script throws behind its job nobody waits for: it ends the program, as it does without Millrace.
      if (executed && error !== jobFailure) clock?.timer(0, () => fail(error), 'an error behind the job');
    };
    // The runner stays: should the module come to its end later, no job of it is run.
    const giveUp = (): void => {
      unsettled = new MillraceError(
        'JOB_MODULE_UNSETTLED',
        `the module has not described its job within ${LOAD_DEADLINE_MS / 1_000} s`,
      );
      reject(unsettled);
    };
    Promise.resolve().then(load).then(loaded).catch(failed);
  });
}

/** For a script that may not wait for its job. */
function rejected(error: unknown): Promise<never> {
  const promise = Promise.reject<never>(error);
  promise.catch(() => {});
  return promise;
}

function fail(error: unknown): never {
  throw error;
}

/** The job that a module exports by default. */
export function definitionOf(module: unknown): JobDefinition {
  const exported = (module as { default?: unknown } | undefined)?.default;
  if (isJobDefinition(exported)) return exported;
  const nested = (exported as { default?: unknown } | undefined)?.default;
  if (isJobDefinition(nested)) return nested;
  if (typeof exported === 'function') {
    throw invalidModule('the default export is a plain function', 'Wrap it: `export default job(…)`.');
  }
  throw invalidModule(
    exported === undefined
      ? 'the module has no default export and does not call env.execute() at its top level'
      : 'the default export is no job',
  );
}

function invalidModule(message: string, remedy?: string): MillraceError {
  return new MillraceError('JOB_MODULE_INVALID', message, remedy === undefined ? {} : { remedy });
}
