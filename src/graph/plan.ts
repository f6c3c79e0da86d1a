/** From a described job and the configuration of its run to the plan. */

import type { Configuration } from '../base/config.ts';
import { compile } from './compile.ts';
import type { CompiledJob } from './job-graph.ts';
import type { StreamGraph } from './stream-graph.ts';

/** A job that is ready to run. */
export interface PlannedJob {
  readonly compiled: CompiledJob;
  /** What was given, with what the job sets in code below the more specific layers. */
  readonly configuration: Configuration;
}

/** Plans a job. `name` is what it is called when neither it nor the configuration says: the name of its file. */
export function planJob(graph: StreamGraph, given: Configuration, name: string): PlannedJob {
  const configuration = given.withLayer('job', graph.configuration);
  const compiled = compile(graph, {
    name: configuration.get('pipeline.name') ?? name,
    parallelism: configuration.get('parallelism.default'),
    maxParallelism: configuration.get('pipeline.max-parallelism'),
    chaining: configuration.get('pipeline.operator-chaining.enabled'),
    chainDifferentMaxParallelism: configuration.get(
      'pipeline.operator-chaining.chain-operators-with-different-max-parallelism',
    ),
    generateUids: configuration.get('pipeline.auto-generate-uids'),
    genericTypes: configuration.get('pipeline.generic-types'),
  });
  return { compiled, configuration };
}
