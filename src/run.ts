/**
 * Runs a job in this process: reads its module, checks what can be known before the start, and starts an embedded
 * cluster. The command line, scripts that call `env.execute()`, and applications all come through here.
 */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { assert } from './base/assert.ts';
import { callOrigin } from './base/call-origin.ts';
import { systemClock } from './base/clock.ts';
import { Configuration, type ConfigValues } from './base/config.ts';
import type { Env, Log } from './base/env.ts';
import { MillraceError } from './base/errors.ts';
import { sha256Hex } from './base/hash.ts';
import { locationIn, locationOf } from './base/locations.ts';
import { teeLog } from './base/log.ts';
import { ownModule } from './base/own-package.ts';
import { systemEnv } from './base/system-env.ts';
import type { ExceptionEntry } from './cluster/job-manager/exception-history.ts';
import type { JobAuthority } from './cluster/job-manager/job-authority.ts';
import type { JobFigures } from './cluster/job-manager/job-figures.ts';
import type { JobListener } from './cluster/job-manager/job-listener.ts';
import type { JobMaster } from './cluster/job-manager/job-master.ts';
import type { JobResult } from './cluster/job-manager/job-result.ts';
import { isCheckpointing, jobSettings } from './cluster/job-manager/job-settings.ts';
import { isTerminal, type JobState } from './cluster/job-manager/job-states.ts';
import type { CheckpointReference } from './cluster/job-manager/job-storage.ts';
import { requirementsFor, type ResourceRequirements } from './cluster/job-manager/resource-requirements.ts';
import { LocalCluster, type LocalHost, type LocalSubmission } from './cluster/local.ts';
import { checkExactlyOnce } from './graph/guarantee.ts';
import type { CompiledJob, JobGraph } from './graph/job-graph.ts';
import type { StreamGraph } from './graph/stream-graph.ts';
import type { SlotProvider } from './hosts/messages.ts';
import {
  type JobInputs,
  layersOf,
  loggingOf,
  recipeForThread,
  type LoadedJob,
  loadDefinition,
  loadGraph,
  loadModule,
  type LoadRecipe,
  nameOfModule,
} from './run/load.ts';
import type { JobDefinition } from './streams/job.ts';
import { fillJobRunner, type JobExecutionResult } from './streams/job-runner.ts';
import { storeSettings, type StoreSettings } from './stores/settings.ts';
import { withStores } from './stores/stores.ts';

export type { JobFigures, VertexFigures } from './cluster/job-manager/job-figures.ts';
export type { JobListener } from './cluster/job-manager/job-listener.ts';
export type { JobResult, JobStatus } from './cluster/job-manager/job-result.ts';
export type { JobState } from './cluster/job-manager/job-states.ts';
export type { CheckpointReference } from './cluster/job-manager/job-storage.ts';

/** How a job is run. */
export interface ExecuteOptions {
  /** The arguments of the job. */
  readonly args?: readonly string[];
  /** What is said outside of the job; it goes before what the job sets in code. */
  readonly configuration?: Configuration | ConfigValues;
  /** The parallelism of operators that do not set their own. */
  readonly parallelism?: number;
  /** Default: made from the name of the job. */
  readonly jobId?: string;
  /** What to continue from: `latest`, or the path of a checkpoint. */
  readonly restore?: string;
  /** Begin again: checkpoints of earlier runs are left behind, and their output is moved aside. */
  readonly fresh?: boolean;
  /**
   * Whose the checkpoint or savepoint is that `restore` names by its path. `CLAIM`: the job's, which removes it when newer
   * checkpoints have replaced it. `NO_CLAIM` (default): it is never touched, and may be removed at any time.
   */
  readonly claimMode?: 'CLAIM' | 'NO_CLAIM';
  /** Drop state that no operator of the job takes. */
  readonly allowNonRestoredState?: boolean;
  /** Move output aside that was committed after the restored checkpoint, instead of refusing. */
  readonly discardLaterOutput?: boolean;
  /** Where subtasks run: in worker threads (default), or all in this thread, for tests. */
  readonly host?: 'threads' | 'in-process';
  /** Relative paths begin here, and `.millrace` is made here. Default: the folder that the process runs in. */
  readonly workingDirectory?: string;
  /** Called at once when something happens; must not throw. */
  readonly listener?: JobListener;
  /** Lines of the log of this thread go here too. */
  readonly alsoLogTo?: Log;
  /** The seams of this thread; for tests. */
  readonly env?: Env;
  /** The seams of a slot when it runs in this thread; for tests. */
  readonly slotEnv?: (slot: number) => Env;
  /** For tests: freeze records at operator boundaries. */
  readonly freezeRecords?: boolean;
  /** For tests: encode records also where they stay within a thread. */
  readonly alwaysEncode?: boolean;
}

/** What can be run: the file of a job, or, in this thread only, its definition. */
export type RunnableJob = URL | JobDefinition;

/** A job that was started. */
export interface JobClient {
  readonly jobId: string;
  readonly jobName: string;
  readonly graph: JobGraph;
  /** All layers, the job's own included. */
  readonly configuration: Configuration;
  /** Where sinks write to, by their uid; those that say so. */
  readonly targets: ReadonlyMap<string, string>;
  status(): JobState;
  figures(): JobFigures;
  /** What functions have accumulated so far, by name; about half a second old. */
  accumulators(): Readonly<Record<string, unknown>>;
  /** The last failures. */
  exceptions(): readonly ExceptionEntry[];
  /** Resolved when the job has ended, however it did; never rejected. */
  result(): Promise<JobResult>;
  /**
   * Stops without drain: a last checkpoint, its commits, and the end. The job can be continued from there. Rejects with
   * `JOB_NOT_RUNNING` when the job has ended already.
   */
  stop(): Promise<JobResult>;
  /** Cancels; what is committed stays. A second call does not wait for busy threads. */
  cancel(): Promise<JobResult>;
  /** Takes a checkpoint now. */
  triggerCheckpoint(): Promise<CheckpointReference>;
  /**
   * Takes a savepoint: all state in a directory of its own, which the job never removes. It is made in `folder` (default:
   * `execution.checkpointing.savepoint-dir`). Rejected with JOB_NOT_RUNNING, SAVEPOINT_DIRECTORY_MISSING or
   * SAVEPOINT_FAILED.
   *
   * ```ts
   * const client = await executeAsync(new URL('./job.ts', import.meta.url));
   * const { path } = await client.triggerSavepoint('savepoints');
   * console.log(`continue with: millrace run job.ts -s ${path}`);
   * ```
   */
  triggerSavepoint(folder?: string): Promise<CheckpointReference>;
  /**
   * Stops with a savepoint; resolved when the job has ended. With `drain`, all input ends first: event time goes to its
   * end, timers fire and windows emit, and the job has finished. Rejected as `triggerSavepoint`, and with
   * SAVEPOINT_STOP_FAILED; the job then goes on.
   */
  stopWithSavepoint(folder?: string, options?: { readonly drain?: boolean }): Promise<CheckpointReference>;
  /**
   * Goes on with other numbers of subtasks, from a checkpoint that is taken for it; resolved when all of them run. A number is
   * for all vertices that do not set their own, as `-p` is; a vertex is named by its id, its name, or the uid of one of its
   * operators. Rejected with JOB_NOT_RUNNING, GRAPH_PARALLELISM_INVALID, RESCALE_REFUSED, SLOTS_MISSING or RESCALE_FAILED;
   * the job then goes on as it was.
   *
   * ```ts
   * const client = await executeAsync(new URL('./job.ts', import.meta.url), { parallelism: 1 });
   * await client.rescale(3);
   * await client.rescale({ count: 2 });
   * ```
   */
  rescale(parallelism: number | Readonly<Record<string, number>>): Promise<void>;
}

/**
 * Runs a job to its end. Throws what made it fail.
 *
 * ```ts
 * const result = await execute(new URL('./job.ts', import.meta.url), { restore: 'latest' });
 * console.log(result.status);
 * ```
 */
export async function execute(job: RunnableJob, options: ExecuteOptions = {}): Promise<JobResult> {
  const client = await executeAsync(job, options);
  return orThrow(await client.result());
}

/**
 * Starts a job and resolves when it was accepted.
 *
 * ```ts
 * const client = await executeAsync(new URL('./job.ts', import.meta.url), { args: ['--rate', '300'] });
 * const result = await client.result();
 * ```
 */
export async function executeAsync(job: RunnableJob, options: ExecuteOptions = {}): Promise<JobClient> {
  return followed(await executeOver(job, options, undefined));
}

/** Follows a run from its start; `close` is called behind its end, before the program hears of it. */
export type FollowRun = (client: JobClient) => Promise<{ close(): Promise<void> } | undefined>;

let followRun: FollowRun | undefined;

/**
 * Has every run followed that a program begins. Those who run the jobs of others, the command line and the processes of a
 * cluster, see to that themselves.
 */
export function followRuns(follow: FollowRun): void {
  followRun = follow;
}

async function followed(client: JobClient): Promise<JobClient> {
  const following = await followRun?.(client);
  if (following === undefined) return client;
  const ended = client.result().then(async (result) => {
    await following.close();
    return result;
  });
  const told: JobClient = {
    ...client,
    result: () => ended,
    stop: () => client.stop().then(() => ended),
    cancel: () => client.cancel().then(() => ended),
  };
  served.set(told, servedParts(client));
  return told;
}

/** A job that was planned, for whoever makes its slots; `recipe` tells a thread how to build it. */
export interface PlannedSlots {
  readonly graph: JobGraph;
  readonly recipe: LoadRecipe;
  /** It waits for slots itself. */
  readonly isAdaptive: boolean;
}

/** A run that several processes are a part of, one after the other. */
export interface ContinuedRun {
  /** Its name: what to continue from is chosen by the first of them. */
  readonly run?: string | undefined;
  /** One of them has had the job before. */
  readonly goesOn?: boolean | undefined;
  /** What the job was rescaled to by one of them. */
  readonly requirements?: ResourceRequirements | undefined;
  /** Who leads where several JobManagers take turns. */
  readonly authority?: JobAuthority | undefined;
  /** How the process that runs the job master reaches checkpoints elsewhere. Default: as the job says. */
  readonly stores?: StoreSettings | undefined;
}

/**
 * As {@link executeAsync}, over slots that `slotsOf` makes: those of a cluster.
 */
export async function executeOver(
  job: RunnableJob,
  options: ExecuteOptions,
  slotsOf: ((planned: PlannedSlots) => SlotProvider) | undefined,
  continued: ContinuedRun = {},
): Promise<JobClient> {
  // A script waits for its job inside its own module, which is loaded before the job starts.
  const ended = Promise.withResolvers<JobExecutionResult>();
  // Only a script hears of it here; everybody else asks the client.
  ended.promise.catch(() => {});
  const loaded = await load(job, options, ended.promise);
  const client = start(loaded, job instanceof URL ? job : undefined, { ...options, slotsOf, ...continued });
  client
    .result()
    .then((result) => executionResult(orThrow(result)))
    .then(ended.resolve, ended.reject);
  return client;
}

/** Plans a job without running it. */
export async function planOf(
  job: RunnableJob,
  options: ExecuteOptions = {},
): Promise<{ readonly compiled: CompiledJob; readonly configuration: Configuration }> {
  const { compiled, configuration } = await load(job, options);
  configuration.checkConsistency();
  return { compiled, configuration };
}

/** The id of a job with this name: 32 hexadecimal digits. */
export function jobIdOf(name: string): string {
  return sha256Hex(name).slice(0, 32);
}

async function load(
  job: RunnableJob,
  options: ExecuteOptions,
  ended?: Promise<JobExecutionResult>,
): Promise<LoadedJob> {
  const inputs = inputsOf(options);
  if (job instanceof URL) return loadModule(job, { ...inputs, ended, clock: systemClock() });
  if ((options.host ?? 'threads') === 'threads') throw notAModule('a job(…) that is not the default export');
  return loadDefinition(job, inputs);
}

function start(
  job: LoadedJob,
  module: URL | undefined,
  options: ExecuteOptions & Pick<HostOptions, 'slotsOf' | keyof ContinuedRun>,
  isScript = false,
): JobClient {
  const { compiled, configuration } = job;
  configuration.checkConsistency();
  checkGuarantee(compiled, configuration);
  const { graph } = compiled;
  const workingDirectory = options.workingDirectory ?? process.cwd();
  const jobId = checkedId(options.jobId ?? jobIdOf(graph.name));
  const env = envOf(options, configuration, { name: graph.name, jobId });
  const directory = checkpointsDirectory(configuration, workingDirectory, graph.name);
  const master = new LocalCluster(env).submit({
    jobId,
    compiled,
    configuration,
    host: hostOf(job, module, { ...options, env, isScript }),
    checkpointsDirectory: directory,
    savepointDirectory: savepointDirectory(configuration, workingDirectory),
    choice: choiceOf(options, configuration, workingDirectory),
    run: options.run,
    goesOn: options.goesOn,
    authority: options.authority,
    restoresInPlace: options.host !== 'in-process',
    requirements: options.requirements,
    allowNonRestored:
      options.allowNonRestoredState ?? configuration.get('execution.state-recovery.ignore-unclaimed-state'),
    workingDirectory,
    discardLaterOutput: options.discardLaterOutput ?? false,
    listener: options.listener,
    freezeRecords: options.freezeRecords,
    alwaysEncode: options.alwaysEncode,
  });
  if (options.host === 'in-process') guardProcess(master.ended);
  const targets = new Map(
    [...compiled.sinks].flatMap(([uid, { target }]) =>
      target === undefined ? [] : [[uid, target] as const],
    ),
  );
  const about = { jobId, jobName: graph.name, graph, configuration, targets };
  const client = clientOf(master, about, workingDirectory);
  const isStored = isCheckpointing(configuration);
  served.set(client, {
    master,
    checkpointsDirectory: isStored ? locationIn(directory, jobId) : undefined,
    savepointsDirectory: savepointDirectory(configuration, workingDirectory),
  });
  return client;
}

/** What of a run is shown by its dashboard. */
export interface ServedParts {
  readonly master: JobMaster;
  /** Absolute; `undefined` when no checkpoints are taken. */
  readonly checkpointsDirectory: string | undefined;
  readonly savepointsDirectory: string | undefined;
}

const served = new WeakMap<JobClient, ServedParts>();

/** What stands behind a client of this process. */
export function servedParts(client: JobClient): ServedParts {
  const parts = served.get(client);
  assert(parts !== undefined, 'the client was made here');
  return parts;
}

/** Those of the process where it is of a cluster, else as the configuration says. */
function storesOf({ stores }: Pick<ContinuedRun, 'stores'>, configuration: Configuration): StoreSettings {
  return stores ?? storeSettings(configuration, process.env);
}

/** Every line says whose it is. */
function envOf(
  options: ExecuteOptions & Pick<ContinuedRun, 'stores'>,
  configuration: Configuration,
  { name, jobId }: { readonly name: string; readonly jobId: string },
): Env {
  const env =
    options.env ??
    withStores(systemEnv({ logging: loggingOf(configuration) }), storesOf(options, configuration));
  const log = options.alsoLogTo === undefined ? env.log : teeLog(env.log, options.alsoLogTo);
  return { ...env, log: log.child({ job: name, jobId }) };
}

/** Jobs that run in this thread. */
let guarded = 0;

/**
 * While a job runs in this thread, what a function of it left behind (a promise, a timer) fails its task and not the process.
 * What belongs to no task is left to other listeners, and ends the process where there are none, as ever.
 */
function guardProcess(ended: Promise<unknown>): void {
  const release = (): void => {
    if (--guarded > 0) return;
    unguardProcess();
  };
  if (guarded++ === 0) {
    process.on('uncaughtException', takeThrown);
    process.on('unhandledRejection', takeRejected);
  }
  ended.then(release, release);
}

function unguardProcess(): void {
  process.off('uncaughtException', takeThrown);
  process.off('unhandledRejection', takeRejected);
}

function takeRejected(error: unknown): void {
  const origin = callOrigin();
  if (origin !== undefined) origin.failedLater(error);
  // Node makes an exception of it where nobody listens, and so does this.
  else if (process.listenerCount('unhandledRejection') === 1) throw error;
}

function takeThrown(error: unknown): void {
  const origin = callOrigin();
  if (origin !== undefined) return origin.failedLater(error);
  if (process.listenerCount('uncaughtException') > 1) return;
  unguardProcess();
  const fail = (): never => {
    throw error;
  };
  systemClock().timer(0, fail, 'an error that belongs to no task');
}

function clientOf(
  master: JobMaster,
  about: Pick<JobClient, 'jobId' | 'jobName' | 'graph' | 'configuration' | 'targets'>,
  workingDirectory: string,
): JobClient {
  const inFolder = (folder: string | undefined): { target: string | undefined } => ({
    target: folder === undefined ? undefined : locationOf(folder, workingDirectory),
  });
  return {
    ...about,
    status: () => master.state,
    figures: () => master.figures(),
    accumulators: () => master.accumulators(),
    exceptions: () => master.exceptions(),
    result: () => master.ended,
    stop: () => {
      if (isTerminal(master.state)) return Promise.reject(hasEnded(master.state));
      master.stop();
      return master.ended;
    },
    cancel: () => {
      master.cancel();
      return master.ended;
    },
    triggerCheckpoint: () => master.triggerCheckpoint(),
    triggerSavepoint: (folder) => master.triggerSavepoint(inFolder(folder)),
    stopWithSavepoint: (folder, { drain = false } = {}) =>
      master.stopWithSavepoint({ ...inFolder(folder), drain }),
    rescale: async (parallelism) =>
      master.rescale(requirementsFor(about.graph, master.requirements, parallelism)).done,
  };
}

function hasEnded(state: JobState): MillraceError {
  return new MillraceError('JOB_NOT_RUNNING', `there is nothing to stop: the job is ${state}`);
}

function inputsOf(options: ExecuteOptions): JobInputs {
  const given = options.configuration ?? {};
  const configuration =
    given instanceof Configuration ? given : Configuration.defaults.withLayer('command line', given);
  return {
    args: options.args ?? [],
    configuration: configuration.withLayer('command line', { 'parallelism.default': options.parallelism }),
  };
}

interface HostOptions extends ExecuteOptions, ContinuedRun {
  readonly env: Env;
  readonly isScript: boolean;
  readonly slotsOf?: ((planned: PlannedSlots) => SlotProvider) | undefined;
}

function hostOf(job: LoadedJob, module: URL | undefined, options: HostOptions): LocalHost {
  const { env, host = 'threads', slotEnv = () => env, slotsOf } = options;
  if (host === 'in-process') return { kind: 'in-process', build: job.build, slotEnv };
  if (module === undefined) throw notAModule('a job that was described here');
  const recipe = recipeOf(job, module, options);
  const isAdaptive = jobSettings(job.configuration, true).adaptive !== undefined;
  if (slotsOf === undefined)
    return {
      kind: 'threads',
      entry: WORKER,
      load: { ...recipeForThread(recipe), stores: storesOf(options, job.configuration) },
    };
  return { kind: 'elsewhere', provider: slotsOf({ graph: job.compiled.graph, recipe, isAdaptive }) };
}

function recipeOf({ compiled, configuration }: LoadedJob, module: URL, options: HostOptions): LoadRecipe {
  return {
    module: module.href,
    isScript: options.isScript,
    args: options.args ?? [],
    argv: process.argv,
    layers: layersOf(inputsOf(options).configuration),
    graph: compiled.graph,
    logging: loggingOf(configuration),
    stores: undefined,
  };
}

/** What the thread of a slot starts with. */
export const WORKER = ownModule('run/worker');

function choiceOf(
  options: ExecuteOptions,
  configuration: Configuration,
  workingDirectory: string,
): LocalSubmission['choice'] {
  const named = options.restore ?? configuration.get('execution.state-recovery.path');
  if (options.fresh === true) {
    if (options.restore === undefined) return { kind: 'fresh' };
    throw new MillraceError('CONFIG_INVALID', `"fresh" begins again, and "${options.restore}" continues`, {
      remedy: 'Say one of them.',
    });
  }
  if (named === undefined) return { kind: 'none' };
  if (named === 'latest') return { kind: 'latest' };
  const claimMode = options.claimMode ?? configuration.get('execution.state-recovery.claim-mode');
  return { kind: 'path', path: locationOf(named, workingDirectory), claim: claimMode === 'CLAIM' };
}

function checkpointsDirectory(
  configuration: Configuration,
  workingDirectory: string,
  jobName: string,
): string {
  const configured = configuration.get('execution.checkpointing.dir');
  if (configured !== undefined) return locationOf(configured, workingDirectory);
  return join(workingDirectory, '.millrace', folderOf(jobName), 'checkpoints');
}

function savepointDirectory(configuration: Configuration, workingDirectory: string): string | undefined {
  const configured = configuration.get('execution.checkpointing.savepoint-dir');
  return configured === undefined ? undefined : locationOf(configured, workingDirectory);
}

/** A name that can be the name of a folder. */
function folderOf(jobName: string): string {
  const name = jobName.replaceAll(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^\.+/, '');
  return name === '' ? jobIdOf(jobName) : name;
}

function checkedId(jobId: string): string {
  if (/^\w[\w.-]{0,127}$/.test(jobId)) return jobId;
  throw new MillraceError('CONFIG_INVALID', `"${jobId}" cannot be the id of a job`, {
    remedy: 'Use letters, digits, "-", "_" and ".", at most 128, neither "-" nor "." first.',
  });
}

/**
 * Throws GUARANTEE_NEEDS_CHECKPOINTS for a job whose output would never appear, and GUARANTEE_NOT_KEPT for one that is
 * not exactly once where it says it must be.
 */
export function checkGuarantee(compiled: CompiledJob, configuration: Configuration): void {
  const { sinks, sources } = compiled;
  const { mode } = jobSettings(configuration, true).checkpoints;
  checkExactlyOnce(compiled, { checkpointing: isCheckpointing(configuration), mode });
  if (isCheckpointing(configuration)) return;
  const source = [...sources].find(([, candidate]) => !candidate.bounded);
  // What goes to this thread needs no checkpoint: without one it is handed over at once.
  const sink = [...sinks].find(
    ([, candidate]) => candidate.guarantee === 'exactly-once' && candidate.receive === undefined,
  );
  if (source === undefined || sink === undefined) return;
  throw new MillraceError(
    'GUARANTEE_NEEDS_CHECKPOINTS',
    `the source "${source[0]}" never ends, and the sink "${sink[0]}" writes only when a checkpoint completes, but checkpointing is off`,
    { where: { uid: sink[0] } },
  );
}

function notAModule(what: string): MillraceError {
  return new MillraceError('JOB_NOT_A_MODULE', `no worker thread can import ${what}`);
}

function orThrow(result: JobResult): JobResult {
  if (result.status === 'FAILED' && result.error !== undefined) throw result.error;
  return result;
}

/** Runs the graph of a script that was started by itself: `node job.ts`. */
async function executeScript(describe: () => StreamGraph): Promise<JobExecutionResult> {
  const graph = describe();
  const script = process.argv[1];
  if (script === undefined) throw notAModule('a program that is in no file');
  const module = pathToFileURL(script);
  const options: ExecuteOptions = { args: process.argv.slice(2) };
  const job = loadGraph(graph, inputsOf(options), nameOfModule(module));
  const client = await followed(start(job, module, options, true));
  return executionResult(orThrow(await client.result()));
}

function executionResult({ jobId, jobName, status, figures, accumulators }: JobResult): JobExecutionResult {
  assert(status !== 'FAILED', 'a job that failed was thrown');
  const { triggered, completed, failed, averageBytes, averageDurationMs } = figures.checkpoints;
  return {
    jobId,
    jobName,
    status,
    runtimeMs: figures.elapsedMs,
    accumulators,
    checkpoints: { total: triggered, completed, failed, averageBytes, averageDurationMs },
  };
}

fillJobRunner({ args: process.argv.slice(2), execute: executeScript });
