/**
 * `millrace jobmanager` and `millrace taskmanager`: a process of a cluster, from its start to a signal.
 *
 * Owns: its record in the files of the cluster. Talks to: the dispatcher or the TaskManager, which it starts and stops.
 */

import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Configuration } from '../base/config.ts';
import { systemClock } from '../base/clock.ts';
import type { Env } from '../base/env.ts';
import { consoleLog, teeLog } from '../base/log.ts';
import { MillraceError } from '../base/errors.ts';
import { httpClient } from '../base/http-client.ts';
import { addressText, type NetworkAddress } from '../base/network.ts';
import { ownModule } from '../base/own-package.ts';
import { systemEnv } from '../base/system-env.ts';
import { tcpNetwork } from '../base/tcp.ts';
import { internalNetwork, type TlsPaths } from '../base/tls-network.ts';
import { JobManager } from '../cluster/job-manager/job-manager.ts';
import type { HeartbeatTimes } from '../cluster/messages.ts';
import { fixedLeader, storedLeader } from '../cluster/rpc/leader-source.ts';
import type { ProcessSpawner } from '../cluster/processes.ts';
import { localSpawner } from '../cluster/spawner.ts';
import { TaskManager } from '../cluster/task-manager/task-manager.ts';
import { highAvailabilityOf } from '../ha/high-availability.ts';
import { LogRing } from '../rest/log-ring.ts';
import { ProcessMeter } from '../rest/process-meter.ts';
import { loggingOf } from '../run/load.ts';
import { storeSettings } from '../stores/settings.ts';
import { withStores } from '../stores/stores.ts';
import { type ApplicationRequest, prepareApplication, runApplication } from './application.ts';
import { exportTelemetry } from '../watched/telemetry.ts';
import type { Request } from './arguments.ts';
import { linkMillrace } from './bundle.ts';
import { ClusterFiles, isRunning } from './cluster-files.ts';
import { serveCluster } from './cluster-rest.ts';
import { clusterSubmissions } from './cluster-submissions.ts';
import { readConfiguration } from './configuration.ts';
import { EXIT } from './exit.ts';
import { checkBind, internalTlsOf } from './internal-tls.ts';
import { restBindOf, restCertificatePath } from './rest-bind.ts';
import type { JobHost } from './run-job.ts';

/** A process of a cluster. */
export type ProcessRequest = Request & { readonly kind: 'jobmanager' | 'taskmanager' };

/** What processes start with that run code of users. */
const ENTRY = ownModule('run/cluster-process');

/** Runs a JobManager or a TaskManager until it is stopped. */
export async function runClusterProcess(request: ProcessRequest, host: JobHost): Promise<number> {
  const configuration = await configurationOf(request.options.configuration, host);
  const files = new ClusterFiles(request.options.state);
  return request.kind === 'jobmanager'
    ? runJobManager(configuration, files, host, request.application)
    : runTaskManager(configuration, files, host);
}

/** All layers for the processes of a cluster. */
export function configurationOf(
  commandLine: Readonly<Record<string, string>>,
  host: JobHost,
): Promise<Configuration> {
  const { environment, workingDirectory } = host;
  return readConfiguration({ commandLine, environment, workingDirectory });
}

/** Where the JobManager is. */
export function jobManagerAddress(configuration: Configuration): NetworkAddress {
  return {
    host: configuration.get('jobmanager.rpc.address'),
    port: configuration.get('jobmanager.rpc.port'),
  };
}

/** How often processes give signs of life. Throws CONFIG_INVALID when they would be taken for dead between two. */
export function heartbeatOf(configuration: Configuration): HeartbeatTimes {
  const intervalMs = configuration.get('heartbeat.interval');
  const timeoutMs = configuration.get('heartbeat.timeout');
  if (timeoutMs > intervalMs) return { intervalMs, timeoutMs };
  throw new MillraceError(
    'CONFIG_INVALID',
    `heartbeat.timeout (${timeoutMs} ms) is not longer than heartbeat.interval (${intervalMs} ms)`,
    { remedy: 'Make the timeout several times the interval.' },
  );
}

async function runJobManager(
  configuration: Configuration,
  files: ClusterFiles,
  host: JobHost,
  application: ApplicationRequest | undefined,
): Promise<number> {
  const own = jobManagerAddress(configuration);
  const tls = await internalTlsOf(configuration, host.workingDirectory);
  checkBind('jobmanager.rpc.address', own.host, tls);
  const bind = restBindOf(configuration, files, host.workingDirectory);
  const stopped = untilSignal();
  const logs = new LogRing();
  const env = environmentOf(configuration, logs);
  const network = internalNetwork(env, tls);
  const spawner = spawnerOf(configuration, tls);
  const shared = highAvailabilityOf(configuration, {
    env,
    network: tcpNetwork(),
    http: httpClient(env.clock),
    environment: host.environment,
    workingDirectory: host.workingDirectory,
  });
  const id = jobManagerId(configuration, files, shared !== undefined);
  const blobDirectory = files.blobDirectory(id);
  linkMillrace(blobDirectory);
  const address =
    shared === undefined ? own : { ...own, port: configuration.get('high-availability.jobmanager.port') };
  const jobManager = new JobManager({
    env,
    network,
    spawner,
    processId: process.pid,
    address,
    secret: files.secret(),
    token: files.token(),
    heartbeat: heartbeatOf(configuration),
    slotRequestTimeoutMs: configuration.get('slot.request.timeout'),
    blobDirectory,
    turns: shared && { ...shared, candidate: id },
  });
  const submissions = clusterSubmissions({
    env,
    spawner,
    blobDirectory,
    configuration,
    workingDirectory: host.workingDirectory,
    submit: (submission, bundle) => leading(jobManager).submit(submission, bundle),
  });
  const prepared = application && (await prepareApplication(application, submissions, host));
  const bound = await jobManager.listen();
  const rest = await serveCluster({
    dispatcherNow: () => jobManager.dispatcher,
    elsewhere: () => elsewhere(jobManager),
    env,
    logs,
    configuration,
    version: host.version,
    bind,
    // A JobManager of one job takes no others.
    submissions: prepared === undefined ? submissions : undefined,
  }).catch((error: unknown) => {
    // Whoever waits for the end of this process shall not wait for who dials it.
    void jobManager.stop();
    throw error;
  });
  jobManager.lead(rest.url);
  const { environment, workingDirectory } = host;
  const telemetry = await exportTelemetry({
    watch: rest.watch,
    environment,
    workingDirectory,
    warn: (text, error) => env.log.warn(text, error === undefined ? {} : { code: error.code }),
    info: (text) => env.log.info(text),
  });
  const certificate = restCertificatePath(configuration, host.workingDirectory);
  const record = {
    role: 'jobmanager',
    id,
    processId: process.pid,
    address: bound,
    rest: rest.url,
    ...(certificate === undefined ? {} : { restCertificate: certificate }),
    ...(tls === undefined ? {} : { tls }),
    startedAt: Date.now(),
  } as const;
  files.record(record);
  host.stderr.write(`the JobManager listens on ${addressText(bound)}; REST and dashboard: ${rest.url}\n`);
  let isStopped = false;
  void stopped.then(() => (isStopped = true));
  const ran =
    prepared === undefined
      ? stopped.then(() => EXIT.done)
      : runApplication(prepared, { jobManager, clock: env.clock, host }, () => isStopped);
  const code = await ran.catch((error: unknown) => {
    host.stderr.write(host.describe(error));
    return EXIT.failed;
  });
  await jobManager.stop();
  await telemetry?.close();
  await rest.close();
  files.forget(record);
  // Its children end with their pipes.
  process.exit(code);
}

/** Only a leader takes jobs; who does not lead has sent the request elsewhere before (HS-5). */
function leading({ dispatcher }: JobManager): NonNullable<JobManager['dispatcher']> {
  if (dispatcher !== undefined) return dispatcher;
  throw new MillraceError('CLUSTER_UNREACHABLE', 'this JobManager does not lead any more', {
    remedy: 'Submit the job again: the next leader takes it.',
  });
}

/** HS-5: what a JobManager that does not lead says over HTTP. */
function elsewhere({
  dispatcher,
  leader,
}: JobManager): { readonly url: string | undefined; readonly why: string } | undefined {
  if (dispatcher !== undefined) return undefined;
  const why =
    leader === undefined
      ? 'No JobManager leads at the moment.'
      : `JobManager ${leader.candidate} leads, at ${leader.rest ?? addressText(leader.rpc)}.`;
  return { url: leader?.rest, why };
}

/** The name of a JobManager; those that stand by have other ones. */
function jobManagerId(configuration: Configuration, files: ClusterFiles, takesTurns: boolean): string {
  const chosen = configuration.get('jobmanager.resource-id');
  if (chosen !== undefined) return plainId(chosen, 'jobmanager.resource-id');
  const isTaken = files.records().some((record) => record.id === 'jobmanager' && isRunning(record));
  return takesTurns && isTaken
    ? plainId(`jobmanager-${process.pid}`, 'jobmanager.resource-id')
    : 'jobmanager';
}

async function runTaskManager(
  configuration: Configuration,
  files: ClusterFiles,
  host: JobHost,
): Promise<number> {
  const ownHost = configuration.get('taskmanager.host');
  const tls = await internalTlsOf(configuration, host.workingDirectory);
  checkBind('taskmanager.host', ownHost, tls);
  const id = plainId(
    configuration.get('taskmanager.resource-id') ?? `${hostname()}-${process.pid}`,
    'taskmanager.resource-id',
  );
  const slots = configuration.get('taskmanager.numberOfTaskSlots') ?? 1;
  const localState =
    configuration.get('execution.checkpointing.local-backup.dirs') ??
    configuration.get('process.taskmanager.working-dir') ??
    files.directory;
  const localStateDirectory = join(resolve(host.workingDirectory, localState), `tm_${id}`, 'localState');
  const blobDirectory = files.blobDirectory(id);
  linkMillrace(blobDirectory);
  const record = {
    role: 'taskmanager',
    id,
    processId: process.pid,
    address: undefined,
    startedAt: Date.now(),
  } as const;
  const meter = new ProcessMeter();
  const env = environmentOf(configuration, undefined);
  const network = internalNetwork(env, tls);
  const shared = highAvailabilityOf(configuration, {
    env,
    network: tcpNetwork(),
    http: httpClient(env.clock),
    environment: host.environment,
    workingDirectory: host.workingDirectory,
  });
  const ended = Promise.withResolvers<Error | undefined>();
  const taskManager = new TaskManager({
    env,
    network,
    spawner: spawnerOf(configuration, tls),
    taskManager: id,
    host: ownHost,
    processId: process.pid,
    slots,
    leader:
      shared === undefined
        ? fixedLeader(jobManagerAddress(configuration))
        : storedLeader(shared.services.store, shared.description),
    secret: files.secret(),
    heartbeat: heartbeatOf(configuration),
    registrationTimeoutMs: configuration.get('taskmanager.registration.timeout'),
    data: { host: ownHost, port: configuration.get('taskmanager.data.port') },
    blobDirectory,
    processFigures: () => meter.figures(),
    localStateDirectory,
    onStopped: ended.resolve,
  });
  void untilSignal().then(() => taskManager.stop());
  files.record(record);
  host.stderr.write(`TaskManager ${id} offers ${slots} slots\n`);
  taskManager.start();
  const error = await ended.promise;
  files.forget(record);
  await env.files.removeTree(dirname(localStateDirectory)).catch(() => undefined);
  if (error !== undefined) host.stderr.write(host.describe(error));
  process.exit(error === undefined ? EXIT.done : EXIT.failed);
}

/** Processes with the log, the stores and the certificate of this one. */
function spawnerOf(configuration: Configuration, tls: TlsPaths | undefined): ProcessSpawner {
  const stores = storeSettings(configuration, process.env);
  return localSpawner({ entry: ENTRY, logging: loggingOf(configuration), stores, tls });
}

function environmentOf(configuration: Configuration, logs: LogRing | undefined): Env {
  const clock = systemClock();
  const log = consoleLog(loggingOf(configuration));
  const env = systemEnv({ log: logs === undefined ? log : teeLog(log, logs.log(clock)) });
  return withStores(env, storeSettings(configuration, process.env));
}

/** An id becomes the name of files. */
function plainId(id: string, key: string): string {
  if (/^\w[\w.-]{0,99}$/.test(id)) return id;
  throw new MillraceError('CONFIG_INVALID', `"${id}" cannot be the id of a process`, {
    remedy: `Use letters, digits, "-", "_" and ".", at most 100, in ${key}.`,
  });
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve());
  });
}
