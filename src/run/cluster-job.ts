/** From a bundle that a client has submitted to a job master, and from a job master's recipe to what a thread loads. */

import { pathToFileURL } from 'node:url';
import type { Log } from '../base/env.ts';
import { serializeError } from '../base/errors.ts';
import type { JobAuthority } from '../cluster/job-manager/job-authority.ts';
import type { PlannedLoad, RunningJob } from '../cluster/job-manager/job-master-process.ts';
import { isCheckpointing, jobSettings } from '../cluster/job-manager/job-settings.ts';
import type { JobDescription } from '../cluster/messages.ts';
import type { JobMasterStart, PlanAnswer, PlanStart } from '../cluster/processes.ts';
import { guaranteeOf } from '../graph/guarantee.ts';
import type { JobGraph } from '../graph/job-graph.ts';
import type { StoreSettings } from '../stores/settings.ts';
import type { SlotProvider } from '../hosts/messages.ts';
import { checkGuarantee, executeOver, jobIdOf, planOf, servedParts } from '../run.ts';
import {
  type ConfigurationLayer,
  fromLayers,
  layersOf,
  type LoadRecipe,
  recipeForThread,
  useSourceMaps,
} from './load.ts';

/** How a job is built, as a client says it; the `load` of a submission. */
export interface SubmittedLoad {
  readonly args: readonly string[];
  /** The client's `process.argv`: a job that reads it sees the same everywhere. */
  readonly argv: readonly string[];
  readonly layers: readonly ConfigurationLayer[];
}

/** Builds the job of a submission and starts its job master over the slots of the cluster. */
export async function runSubmitted(
  { bundlePath, submission, run, goesOn, requirements }: JobMasterStart,
  slotsOf: (planned: PlannedLoad) => SlotProvider,
  log: Log,
  authority: JobAuthority | undefined,
  stores: StoreSettings | undefined,
): Promise<RunningJob> {
  const load = submission.load as SubmittedLoad;
  process.argv.splice(0, process.argv.length, ...load.argv);
  const configuration = fromLayers(load.layers);
  useSourceMaps();
  const client = await executeOver(
    pathToFileURL(bundlePath),
    {
      args: load.args,
      configuration,
      jobId: submission.jobId,
      workingDirectory: submission.workingDirectory,
      fresh: submission.fresh,
      ...(submission.restore === undefined ? {} : { restore: submission.restore }),
      allowNonRestoredState: submission.allowNonRestoredState,
      discardLaterOutput: submission.discardLaterOutput,
      alsoLogTo: log,
      ...(submission.claimMode === undefined ? {} : { claimMode: submission.claimMode }),
    },
    ({ graph, recipe, isAdaptive }) => slotsOf({ fingerprint: graph.fingerprint, load: recipe, isAdaptive }),
    { run, goesOn, requirements, authority, stores },
  );
  const { master, checkpointsDirectory, savepointsDirectory } = servedParts(client);
  const { compiled } = master;
  const checkpointing = isCheckpointing(client.configuration);
  const { mode } = jobSettings(client.configuration, true).checkpoints;
  const description: JobDescription = {
    jobId: client.jobId,
    jobName: client.jobName,
    graph: client.graph,
    jobParameters: compiled.declarations.jobParameters,
    checkpointing: master.checkpointing,
    checkpointsDirectory,
    savepointsDirectory,
    workingDirectory: submission.workingDirectory,
    targets: Object.fromEntries(client.targets),
    guarantee: guaranteeOf(compiled, { checkpointing, mode }).guarantee,
    configuration: layersOf(client.configuration),
  };
  return { master, description };
}

/** Which job a bundle is. */
export async function planBundle({
  bundlePath,
  load,
  workingDirectory,
  jobId,
}: PlanStart): Promise<PlanAnswer> {
  try {
    const { args, argv, layers } = load as SubmittedLoad;
    process.argv.splice(0, process.argv.length, ...argv);
    useSourceMaps();
    const planned = await planOf(pathToFileURL(bundlePath), {
      args,
      configuration: fromLayers(layers),
      workingDirectory,
    });
    checkGuarantee(planned.compiled, planned.configuration);
    const { graph } = planned.compiled;
    const { name, fingerprint } = graph;
    return { kind: 'planned', jobId: jobId ?? jobIdOf(name), jobName: name, fingerprint, graph };
  } catch (error) {
    return { kind: 'refused', error: serializeError(error) };
  }
}

/** What a thread of a job process loads: the recipe of the job master, from the bundle as it lies here. */
export function localLoad(load: unknown, bundlePath: string, stores: StoreSettings | undefined): LoadRecipe {
  const module = pathToFileURL(bundlePath).href;
  return { ...recipeForThread(load as LoadRecipe), module, isBundle: true, stores };
}

/** The plan that the job master has built. */
export function graphOf(load: unknown): JobGraph {
  return (load as LoadRecipe).graph;
}
