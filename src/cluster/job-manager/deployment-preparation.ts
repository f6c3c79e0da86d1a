/**
 * Everything that has to be there before the tasks of a job can start: checked sinks, started sources, assigned
 * state, slots. Asynchronous and without effect on the job master: it hands back a value.
 */

import { assert } from '../../base/assert.ts';
import type { Env } from '../../base/env.ts';
import { hasUnion } from '../../checkpoint/in-place.ts';
import { fencedFirst } from '../../checkpoint/ownership.ts';
import type { RestoreAssignment } from '../../checkpoint/restore.ts';
import type { StoredRestore, SubtaskRestore } from '../../checkpoint/state-handle.ts';
import { type CompiledJob, type JobGraph, slotOf } from '../../graph/job-graph.ts';
import type { SlotProvider, SlotReport, SlotSettings, TaskDeployment } from '../../hosts/messages.ts';
import type { DeploymentParts, StartedSlots } from './deployment.ts';
import { startSourceCoordinators } from './source-coordinator.ts';

/** The state of a job, dealt out or to be found by its subtasks. */
export type RestoredState = RestoreAssignment<SubtaskRestore | StoredRestore>;

/** What a deployment is prepared from. */
export interface PreparationOptions {
  readonly attempt: number;
  readonly compiled: CompiledJob;
  readonly settings: SlotSettings;
  readonly env: Env;
  readonly provider: SlotProvider;
  readonly state: RestoredState | undefined;
  readonly discardLaterOutput: boolean;
  /** Some of its slots may begin anew alone. */
  readonly hasRegions: boolean;
  /** Makes the choice of the checkpoint final, once nothing refuses it any more. */
  readonly commit: () => Promise<void>;
  /** Throws FENCED when a newer start of the job exists. */
  readonly checkFence: () => Promise<void>;
  readonly onReport: (report: SlotReport) => void;
  readonly onLost: (slot: number, error: Error) => void;
  /** Aborts when nobody wants the deployment any more. */
  readonly signal: AbortSignal;
}

/**
 * Prepares a deployment. First whatever may refuse the start without having changed anything, then the choice is made
 * final; output is moved aside only after that, so that a crash in between leaves no gap in what is there. The slots
 * come last, so that an error before them leaves nothing to clean up.
 */
export async function prepareDeployment(options: PreparationOptions): Promise<DeploymentParts> {
  const { attempt, compiled, settings, env, provider, state, discardLaterOutput } = options;
  const { graph } = compiled;
  const restored = state?.enumerators ?? new Map<string, unknown>();
  // Where somebody else has the job by now, systems outside refuse its tasks in words of their own, again and again.
  if (attempt > 1) await options.checkFence();
  const sources = await startSourceCoordinators({
    graph,
    sources: compiled.sources,
    attempt,
    env,
    restored,
    restoredCheckpointId: state?.checkpointId,
    remembers: options.hasRegions,
  });
  const prepare = (): Promise<void> => fencedFirst(options.checkFence, () => prepareSinks(options));
  if (!discardLaterOutput) await prepare();
  await options.commit();
  if (discardLaterOutput) await prepare();
  const gateways = await provider.start(settings, options.onReport, options.onLost, options.signal);
  const tasks = Array.from({ length: settings.slots }, (_, slot) => tasksOfSlot(graph, slot, state));
  return { attempt, graph, gateways, sources, tasks, restoredCheckpointId: state?.checkpointId };
}

/** What a restart of some slots is prepared from. */
export interface RegionOptions
  extends Pick<
    PreparationOptions,
    | 'attempt'
    | 'compiled'
    | 'settings'
    | 'provider'
    | 'state'
    | 'commit'
    | 'checkFence'
    | 'onReport'
    | 'onLost'
    | 'signal'
  > {
  readonly slots: ReadonlySet<number>;
}

/**
 * Prepares some slots beside others that run. Sinks were checked when the deployment began, and what was committed since then
 * belongs to checkpoints that are not higher than the one that is restored: it is not looked at again.
 */
export async function prepareRegion(options: RegionOptions): Promise<StartedSlots> {
  const { attempt, compiled, settings, provider, state, slots, onReport, onLost, signal } = options;
  assert(provider.restart !== undefined, 'some slots alone are started by a provider that can do it');
  await options.checkFence();
  await options.commit();
  const gateways = await provider.restart(settings, [...slots], onReport, onLost, signal);
  const tasks = Array.from({ length: settings.slots }, (_, slot) =>
    slots.has(slot) ? tasksOfSlot(compiled.graph, slot, state) : [],
  );
  return { attempt, gateways, tasks, restoredCheckpointId: state?.checkpointId };
}

/** True when an operator in one of the slots is restored with union state. */
export function hasUnionState(
  graph: JobGraph,
  slots: ReadonlySet<number>,
  state: RestoredState | undefined,
): boolean {
  return [...slots].some((slot) =>
    tasksOfSlot(graph, slot, state).some(
      ({ restore }) =>
        // What a subtask finds itself is its own alone.
        restore !== undefined && 'operators' in restore && hasUnion(restore.operators),
    ),
  );
}

async function prepareSinks({
  attempt,
  compiled,
  settings,
  env,
  state,
  discardLaterOutput,
  checkFence,
}: PreparationOptions): Promise<void> {
  for (const [uid, sink] of compiled.sinks) {
    await sink.prepareJob?.({
      jobId: settings.jobId,
      jobName: settings.jobName,
      uid,
      files: env.files,
      clock: env.clock,
      log: env.log.child({ operator: uid }),
      restoredCheckpointId: state?.checkpointId,
      discardLaterOutput,
      attempt: `${settings.processAttempt}-${attempt}`,
      checkFence,
    });
  }
}

function tasksOfSlot(graph: JobGraph, slot: number, state: RestoredState | undefined): TaskDeployment[] {
  return graph.vertices.flatMap(({ parallelism }, vertex) => {
    const subtask = slot - slotOf(graph, vertex, 0);
    const isHere = subtask >= 0 && subtask < parallelism;
    return isHere ? [{ vertex, subtask, restore: state?.vertices[vertex]?.[subtask] }] : [];
  });
}
