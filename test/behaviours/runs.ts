// What the behaviour tests run: whole jobs from their description to their last record, and plans that nobody runs.

import { Configuration, type ConfigValues } from '../../src/base/config.ts';
import type { CompiledJob, JobGraph } from '../../src/graph/job-graph.ts';
import { planJob } from '../../src/graph/plan.ts';
import {
  type DataStream,
  job,
  type JobDefinition,
  type JobFunction,
  type OperatorStream,
  type StreamExecutionEnvironment,
  type,
  watermarks,
} from '../../src/index.ts';
import { describeJob } from '../../src/streams/describe.ts';
import { testJob, type TestJobOptions } from '../../src/testing/index.ts';

/** A record that says when it happened, and what it says. */
export interface Event {
  readonly key: string;
  readonly at: number;
}

/** Timestamps of events that never go back. */
export const byTime = watermarks.monotonous().withTimestamps((event: Event) => event.at);

/** Runs a job to its end and gives what it wrote, in the order in which it was written. */
export async function outputOf<T>(
  build: (env: StreamExecutionEnvironment) => DataStream<T>,
  options: Pick<TestJobOptions<never, never>, 'parallelism' | 'configuration' | 'startAt'> = {},
): Promise<T[]> {
  const test = await testJob(jobOf(build), { outputs: { out: type<T>() }, ...options });
  await test.finish();
  return test.outputs.out.take();
}

/** The job that writes a stream to the output `out`, which shows each record at once. */
export function jobOf<T>(build: (env: StreamExecutionEnvironment) => DataStream<T>): JobDefinition {
  return job((env) => void build(env).print('', { uid: 'out', parallelism: 1 }));
}

/** Events in the order in which they are given, with their timestamps. */
export function events(env: StreamExecutionEnvironment, ...given: readonly Event[]): OperatorStream<Event> {
  return env.fromData(given, { watermarks: byTime });
}

/** The plan of a job. */
export function planOf(build: JobFunction, configuration?: ConfigValues): JobGraph {
  return compiledOf(build, configuration).graph;
}

/** The plan of a job with the functions that belong to it. */
export function compiledOf(build: JobFunction, configuration: ConfigValues = {}): CompiledJob {
  const given = Configuration.defaults.withLayer('command line', configuration);
  return planJob(describeJob(job(build)), given, 'test').compiled;
}

/** `from -> to: partitioner`, by the names of operators. */
export function edgesOf(graph: JobGraph): string[] {
  return graph.edges.map(({ from, fromOperator, to, partitioner }) => {
    const producer = graph.vertices[from]!.operators[fromOperator]!.name;
    return `${producer} -> ${graph.vertices[to]!.operators[0]!.name}: ${partitioner}`;
  });
}

/** The operator of this name. */
export function operatorNamed(graph: JobGraph, name: string) {
  return graph.vertices.flatMap(({ operators }) => operators).find((operator) => operator.name === name)!;
}
