/**
 * `millrace cluster start|stop|status`, `list`, `cancel` and `stop`.
 *
 * CL-1 `start` has started all or nothing: it waits until every TaskManager is registered, else it stops what it started.
 * CL-2 `stop` ends exactly the processes that the files of the cluster name and that are what they say (CF-2).
 */

import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { inheritedEnv } from '../base/compile-cache.ts';
import type { Configuration } from '../base/config.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import { addressText } from '../base/network.ts';
import type { ClusterOverview, JobListing } from '../cluster/messages.ts';
import type { Request } from './arguments.ts';
import { withCluster } from './cluster-client.ts';
import { ClusterFiles, isRunning, type ProcessRecord, signalProcess } from './cluster-files.ts';
import { configurationOf } from './cluster-process.ts';
import { EXIT } from './exit.ts';
import { ownPackageFolder } from './job-file.ts';
import { isByRest, operateByRest } from './operate.ts';
import { internalTlsOf } from './internal-tls.ts';
import { restBindOf } from './rest-bind.ts';
import { isRestUrl, restClientOf } from './rest-target.ts';
import type { JobHost } from './run-job.ts';

/** One of the commands. */
export type ClusterCommand = Extract<
  Request,
  { readonly kind: 'cluster-start' | 'cluster-stop' | 'cluster-status' | 'list' | 'cancel' | 'stop' }
>;
type StartRequest = Request & { readonly kind: 'cluster-start' };

/** Slots of a TaskManager of a cluster on this machine, unless the configuration says how many. */
const SLOTS = 3;
/** Signs of life on one machine, unless the configuration says how often: a loss is noticed in seconds. */
const LOCAL_HEARTBEATS = { 'heartbeat.interval': '1s', 'heartbeat.timeout': '10s' };
/** The same for JobManagers that take turns on one machine. */
const LOCAL_LEASE = {
  'high-availability.filesystem.lease-duration': '3s',
  'high-availability.filesystem.renew-deadline': '2s',
  'high-availability.filesystem.retry-period': '300ms',
};
/** A cluster that does not stand by then does not, ms. */
const START_DEADLINE_MS = 60_000;
/** A process that has not ended by then is killed, ms. */
const STOP_DEADLINE_MS = 10_000;
const POLL_MS = 50;

/** Runs one of the commands. */
export function runClusterCommand(request: ClusterCommand, host: JobHost): Promise<number> {
  switch (request.kind) {
    case 'cluster-start':
      return start(request, host);
    case 'cluster-stop':
      return stop(new ClusterFiles(request.options.state), request.json, host);
    case 'cluster-status':
      return status(request.options.state, request.json, host);
    case 'list':
      return list(request, host);
    case 'cancel':
    case 'stop':
      return isByRest(request) ? operateByRest(request, host) : operate(request, host);
  }
}

// ---- start ----

async function start(request: StartRequest, host: JobHost): Promise<number> {
  const files = new ClusterFiles(request.options.state);
  const running = files.records().filter(isRunning);
  if (running.length > 0) {
    const who = running.map(({ id, processId }) => `${id} (process ${processId})`).join(', ');
    throw new MillraceError('CLUSTER_RUNNING', `in ${files.directory} there run already: ${who}`);
  }
  for (const record of files.records()) files.forget(record);
  // What is wrong with the configuration is said here, not in a log.
  const configuration = await configurationOf(request.options.configuration, host);
  restBindOf(configuration, files, host.workingDirectory);
  await internalTlsOf(configuration, host.workingDirectory);
  const isSaid = (
    key: 'heartbeat.interval' | 'heartbeat.timeout' | 'taskmanager.numberOfTaskSlots',
  ): boolean => configuration.origin(key) !== 'default';
  const own: Record<string, string> =
    isSaid('heartbeat.interval') || isSaid('heartbeat.timeout') ? {} : LOCAL_HEARTBEATS;
  const slots: Record<string, string> = isSaid('taskmanager.numberOfTaskSlots')
    ? {}
    : { 'taskmanager.numberOfTaskSlots': `${SLOTS}` };
  const words = {
    ...own,
    ...slots,
    ...turnsOf(request, configuration, files),
    ...request.options.configuration,
  };
  const starter = new Starter(files, words, host);
  try {
    await starter.start(request);
  } catch (error) {
    await endAll(files);
    throw error;
  }
  return status(request.options.state, request.json, host);
}

/** What JobManagers need that take turns, unless the configuration says it: on one machine a folder is enough. */
function turnsOf(
  { jobManagers }: StartRequest,
  configuration: Configuration,
  files: ClusterFiles,
): Record<string, string> {
  const type = configuration.get('high-availability.type');
  if (type === 'NONE' && jobManagers === 1) return {};
  if (type === 'NONE' && configuration.origin('high-availability.type') !== 'default') {
    throw new MillraceError(
      'CONFIG_INVALID',
      `${jobManagers} JobManagers cannot take turns with high-availability.type: NONE`,
      {
        remedy: 'Leave the key out for a folder on this machine, or name a service.',
      },
    );
  }
  const isOwn = type === 'NONE';
  const isLeaseSaid = Object.keys(LOCAL_LEASE).some(
    (key) => configuration.origin(key as keyof typeof LOCAL_LEASE) !== 'default',
  );
  return {
    ...(isOwn ? { 'high-availability.type': 'filesystem' } : {}),
    ...(configuration.get('high-availability.storageDir') === undefined
      ? { 'high-availability.storageDir': join(files.directory, 'ha') }
      : {}),
    ...(isLeaseSaid ? {} : LOCAL_LEASE),
  };
}

/** Starts processes one after the other, and waits for them. */
class Starter {
  readonly #files: ClusterFiles;
  readonly #words: Readonly<Record<string, string>>;
  readonly #host: JobHost;
  readonly #deadline: number;
  /** How processes ended that should not have. */
  readonly #ended: string[] = [];

  constructor(files: ClusterFiles, words: Readonly<Record<string, string>>, host: JobHost) {
    this.#files = files;
    this.#words = words;
    this.#host = host;
    this.#deadline = performance.now() + START_DEADLINE_MS;
  }

  async start({
    taskManagers,
    jobManagers,
  }: Pick<StartRequest, 'taskManagers' | 'jobManagers'>): Promise<void> {
    this.#spawn('jobmanager', 'jobmanager', {});
    const address = await this.#until('the JobManager does not listen', () => this.#jobManager()?.address);
    for (let number = 2; number <= jobManagers; number++) {
      const id = `jobmanager-${number}`;
      // A port that was chosen is that of the first one.
      const rest: Record<string, string> = this.#words['rest.port'] === undefined ? {} : { 'rest.port': '0' };
      this.#spawn('jobmanager', id, { 'jobmanager.resource-id': id, ...rest });
      await this.#until(`${id} does not listen`, () =>
        this.#files.records().find((record) => record.id === id),
      );
    }
    const rpc = {
      'jobmanager.rpc.address': address.host,
      'jobmanager.rpc.port': `${address.port}`,
    };
    for (let number = 1; number <= taskManagers; number++) {
      const id = `taskmanager-${number}`;
      this.#spawn('taskmanager', id, { ...rpc, 'taskmanager.resource-id': id });
    }
    const target = { state: this.#files.directory, target: undefined };
    for (;;) {
      const registered = await withCluster(target, (client) =>
        client.ask<ClusterOverview>({ kind: 'overview' }),
      ).then(({ taskManagers: all }) => all.length, noneIfNoLeader);
      if (registered >= taskManagers) return;
      await this.#wait(`${registered} of ${taskManagers} TaskManagers have registered`);
    }
  }

  #spawn(role: ProcessRecord['role'], id: string, more: Readonly<Record<string, string>>): void {
    const log = openSync(this.#files.logPath(id), 'a', 0o600);
    const options = Object.entries({ ...this.#words, ...more }).map(([key, value]) => `-D${key}=${value}`);
    const file = join(ownPackageFolder(), 'dist', 'cli', 'main.js');
    const child = spawn(process.execPath, [file, role, '--state', this.#files.directory, ...options], {
      cwd: this.#host.workingDirectory,
      env: inheritedEnv(),
      detached: true,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    child.on('error', (error) => this.#ended.push(`${id}: ${error.message}`));
    child.on('exit', (code) =>
      this.#ended.push(`${id} ended with exit code ${code}; see ${this.#files.logPath(id)}`),
    );
    child.unref();
  }

  #jobManager(): ProcessRecord | undefined {
    return this.#files.records().find(({ role }) => role === 'jobmanager');
  }

  async #until<T>(what: string, find: () => T | undefined): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      await this.#wait(what);
    }
  }

  async #wait(what: string): Promise<void> {
    const [ended] = this.#ended;
    if (ended !== undefined) throw new MillraceError('CLUSTER_UNREACHABLE', ended);
    if (performance.now() > this.#deadline) {
      throw new MillraceError('CLUSTER_UNREACHABLE', `${what} after ${START_DEADLINE_MS} ms`);
    }
    await pause();
  }
}

/** While none leads, nothing has registered. */
function noneIfNoLeader(error: unknown): number {
  if (isMillraceError(error, 'NOT_LEADER') || isMillraceError(error, 'RPC_LOST')) return 0;
  throw error;
}

// ---- stop ----

async function stop(files: ClusterFiles, json: boolean, host: JobHost): Promise<number> {
  const ended = await endAll(files);
  if (json) host.stdout.write(`${JSON.stringify({ stopped: ended.map(processJson) })}\n`);
  else if (ended.length === 0) host.stdout.write('no cluster runs\n');
  else for (const { id, processId } of ended) host.stdout.write(`stopped ${id} (process ${processId})\n`);
  return EXIT.done;
}

/** CL-2. TaskManagers first, so that none of them looks for a JobManager that is not there. */
async function endAll(files: ClusterFiles): Promise<ProcessRecord[]> {
  const records = files.records().reverse();
  const running = records.filter(isRunning);
  for (const { processId } of running) signalProcess(processId, 'SIGTERM');
  const deadline = performance.now() + STOP_DEADLINE_MS;
  while (running.some(isRunning) && performance.now() < deadline) await pause();
  for (const record of running.filter(isRunning)) signalProcess(record.processId, 'SIGKILL');
  for (const record of records) files.forget(record);
  return running;
}

// ---- status ----

async function status(state: string | undefined, json: boolean, host: JobHost): Promise<number> {
  const files = new ClusterFiles(state);
  const records = files.records();
  const running = records.filter(isRunning);
  const overview = await overviewOf(files).catch((error: unknown) => {
    if (isMillraceError(error, 'CLUSTER_UNREACHABLE') || isMillraceError(error, 'NOT_LEADER'))
      return undefined;
    throw error;
  });
  if (json) {
    host.stdout.write(`${JSON.stringify(statusJson(files, records, overview), undefined, 2)}\n`);
    return running.length === 0 ? EXIT.failed : EXIT.done;
  }
  if (running.length === 0) {
    host.stdout.write('no cluster runs\n');
    return EXIT.failed;
  }
  const hasOthers = records.filter(({ role }) => role === 'jobmanager').length > 1;
  for (const record of records) {
    const { id, processId, address, rest } = record;
    const leads = leadsOf(record, overview) === true && hasOthers ? '  leads' : '';
    const where = address === undefined ? '' : `  ${addressText(address)}  ${rest ?? ''}${leads}`;
    const slots = overview?.taskManagers.find(({ taskManager }) => taskManager === id);
    const free = slots === undefined ? '' : `  ${slots.slotsFree} of ${slots.slots} slots free`;
    host.stdout.write(`${id}  process ${processId}${where}${free}${isRunning(record) ? '' : '  gone'}\n`);
  }
  for (const job of overview?.jobs ?? []) host.stdout.write(`${jobLine(job)}\n`);
  return EXIT.done;
}

/** `undefined` for what never leads. */
function leadsOf(
  { role, processId }: ProcessRecord,
  overview: ClusterOverview | undefined,
): boolean | undefined {
  return role === 'jobmanager' ? overview?.processId === processId : undefined;
}

function overviewOf(files: ClusterFiles): Promise<ClusterOverview> {
  const target = { state: files.directory, target: undefined };
  return withCluster(target, (client) => client.ask<ClusterOverview>({ kind: 'overview' }));
}

function statusJson(
  files: ClusterFiles,
  records: readonly ProcessRecord[],
  overview: ClusterOverview | undefined,
): object {
  return {
    state: files.directory,
    reachable: overview !== undefined,
    slotsTotal: overview?.slotsTotal ?? 0,
    slotsFree: overview?.slotsFree ?? 0,
    processes: [
      ...records.map((record) => ({
        ...processJson(record),
        running: isRunning(record),
        leads: leadsOf(record, overview),
      })),
      ...(overview?.jobs ?? [])
        .filter(({ processId }) => processId !== undefined)
        .map(({ jobId, processId }) => ({ role: 'jobmaster', id: jobId, pid: processId, running: true })),
      ...(overview?.taskManagers ?? []).flatMap(({ taskManager, jobs }) =>
        jobs.map(({ jobId, processId, slots, restarts }) => ({
          role: 'jobprocess',
          id: `${taskManager}/${jobId}`,
          pid: processId,
          running: true,
          slots,
          restarts,
        })),
      ),
    ],
    taskManagers: overview?.taskManagers ?? [],
    jobs: (overview?.jobs ?? []).map(jobJson),
  };
}

function processJson({ role, id, processId, address, rest, startedAt }: ProcessRecord): object {
  return { role, id, pid: processId, address: address && addressText(address), rest, startedAt };
}

// ---- jobs ----

async function list(request: Request & { readonly kind: 'list' }, host: JobHost): Promise<number> {
  if (isRestUrl(request.cluster.target)) return listByRest(request, host);
  const jobs = await withCluster(request.cluster, (client) => client.ask<JobListing[]>({ kind: 'list' }));
  const running = jobs.filter(({ outcome }) => outcome === undefined);
  const over = jobs.filter(({ outcome }) => outcome !== undefined);
  if (request.json) {
    host.stdout.write(`${JSON.stringify((request.all ? jobs : running).map(jobJson), undefined, 2)}\n`);
    return EXIT.done;
  }
  // The lines are Flink's, which people's scripts read.
  section(host, 'Running/Restarting Jobs', 'No running jobs.', running);
  if (request.all) section(host, 'Terminated Jobs', 'No terminated jobs.', over);
  return EXIT.done;
}

/** Of a cluster elsewhere, or of a run with --ui. */
async function listByRest(request: Request & { readonly kind: 'list' }, host: JobHost): Promise<number> {
  const jobs = await restClientOf(request.cluster).jobs();
  const running = jobs.filter(({ endedAt }) => endedAt === null);
  if (request.json) {
    host.stdout.write(`${JSON.stringify(request.all ? jobs : running, undefined, 2)}\n`);
    return EXIT.done;
  }
  const lines = (chosen: typeof jobs): ListedJob[] =>
    chosen.map(({ jobId, name, state, startedAt }) => ({ jobId, jobName: name, state, startedAt }));
  section(host, 'Running/Restarting Jobs', 'No running jobs.', lines(running));
  const over = jobs.filter(({ endedAt }) => endedAt !== null);
  if (request.all) section(host, 'Terminated Jobs', 'No terminated jobs.', lines(over));
  return EXIT.done;
}

type ListedJob = Pick<JobListing, 'jobId' | 'jobName' | 'state' | 'startedAt'>;

function section(host: JobHost, title: string, nothing: string, jobs: readonly ListedJob[]): void {
  if (jobs.length === 0) return host.stdout.write(`${nothing}\n`);
  host.stdout.write(`------------------ ${title} -------------------\n`);
  for (const job of jobs) host.stdout.write(`${jobLine(job)}\n`);
  host.stdout.write('--------------------------------------------------------------\n');
}

function jobLine({ jobId, jobName, state, startedAt }: ListedJob): string {
  return `${timeText(startedAt)} : ${jobId} : ${jobName} (${state})`;
}

function timeText(ms: number): string {
  const at = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${two(at.getDate())}.${two(at.getMonth() + 1)}.${at.getFullYear()}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

function jobJson(job: JobListing): object {
  return { ...job, restarts: Math.max(0, job.attempt - 1) };
}

async function operate(
  request: Request & { readonly kind: 'cancel' | 'stop' },
  host: JobHost,
): Promise<number> {
  const { jobId, kind, cluster } = request;
  await withCluster(cluster, (client) => client.ask({ kind, jobId }));
  if (request.json) host.stdout.write(`${JSON.stringify({ jobId })}\n`);
  else host.stdout.write(kind === 'cancel' ? `Cancelled job ${jobId}.\n` : `Stopping job ${jobId}.\n`);
  return EXIT.done;
}

function pause(): Promise<void> {
  return new Promise((resolve) => systemClock().timer(POLL_MS, resolve, 'look again'));
}
