/** Flink's routes about the cluster as a whole, its coordinator and its workers. */

import type { Configuration } from '../base/config.ts';
import { type RestContext, numberOf } from './context.ts';
import { type Answer, ok, Refusal, type Route, type RouteRequest } from './router.ts';
import type { ServedProcess, ServedWorker } from './served.ts';
import { metricsAnswer, aggregatedAnswer } from './metric-answers.ts';
import { coordinatorMetrics, workerMetrics } from './metric-table.ts';

const REFRESH_MS = 3_000;
/** What is told of values whose key says that they are secret. */
const MASK = '******';
const SECRET = /password|secret|token|apikey|api-key|auth-params|credential|private|access.key/i;

/** The rows of the table. */
export function clusterRoutes(context: RestContext): Route[] {
  const { watch } = context;
  const { cluster } = watch;
  const view = { method: 'GET', role: 'view' } as const;
  return [
    {
      ...view,
      path: '/config',
      summary: 'What the dashboard has to know.',
      handle: () => ok(dashboardConfiguration(context)),
    },
    {
      ...view,
      path: '/overview',
      summary: 'TaskManagers, slots and jobs.',
      handle: () => ok(clusterOverview(context)),
    },
    {
      ...view,
      path: '/datasets',
      summary: 'Cached data sets; there are none.',
      handle: () => ok({ dataSets: [] }),
    },
    {
      method: 'DELETE',
      role: 'operate',
      path: '/datasets/:datasetid',
      summary: 'Removes a cached data set; there are none.',
      handle: ({ params }) => {
        throw new Refusal(404, `NotFoundException: there is no data set ${params['datasetid'] ?? ''}`);
      },
    },
    {
      ...view,
      path: '/datasets/delete/:triggerid',
      summary: 'What became of a removal; there are none.',
      handle: ({ params }) => {
        throw new Refusal(404, `NotFoundException: there is no operation ${params['triggerid'] ?? ''}`);
      },
    },
    {
      ...view,
      path: '/jobmanager/config',
      summary: 'The configuration of the process that serves.',
      handle: () => ok(configurationOf(cluster.configuration)),
    },
    {
      ...view,
      path: '/jobmanager/metrics',
      summary: 'Metrics of the process that coordinates.',
      query: ['get'],
      handle: ({ query }) => metricsAnswer(coordinatorMetrics(watch), query),
    },
    {
      ...view,
      path: '/jobmanager/environment',
      summary: 'What the process that serves runs on.',
      handle: () => ok(environment()),
    },
    {
      ...view,
      path: '/jobmanager/logs',
      summary: 'The logs that are kept.',
      handle: () => ok({ logs: [logFile(context)] }),
    },
    {
      ...view,
      path: '/jobmanager/logs/:file',
      summary: 'A log as text, one JSON object a line.',
      handle: ({ params }) => logText(context, params['file'], undefined),
    },
    {
      ...view,
      path: '/jobmanager/log',
      summary: 'The log as text, one JSON object a line.',
      handle: () => logText(context, LOG_FILE, undefined),
    },
    {
      ...view,
      path: '/jobmanager/thread-dump',
      summary: 'The threads of the process that serves, without their stacks.',
      handle: () => ok({ threadInfos: [threadInfo('main', cluster.process().thread, [])] }),
    },
    {
      ...view,
      path: '/taskmanagers',
      summary: 'All TaskManagers.',
      handle: () => ok({ taskmanagers: cluster.workers().map((worker) => taskManager(context, worker)) }),
    },
    {
      ...view,
      path: '/taskmanagers/metrics',
      summary: 'Metrics of TaskManagers, aggregated.',
      query: ['get', 'agg', 'taskmanagers'],
      handle: ({ query }) => {
        const asked = query.get('taskmanagers')?.split(',');
        const workers = cluster.workers().filter(({ workerId }) => asked?.includes(workerId) ?? true);
        return aggregatedAnswer(
          workers.map((worker) => workerMetrics(watch, worker)),
          query,
        );
      },
    },
    {
      ...view,
      path: '/taskmanagers/:taskmanagerid',
      summary: 'One TaskManager.',
      handle: (request) => ok(taskManagerDetails(context, workerOf(context, request))),
    },
    {
      ...view,
      path: '/taskmanagers/:taskmanagerid/metrics',
      summary: 'Metrics of one TaskManager.',
      query: ['get'],
      handle: (request) => metricsAnswer(workerMetrics(watch, workerOf(context, request)), request.query),
    },
    {
      ...view,
      path: '/taskmanagers/:taskmanagerid/thread-dump',
      summary: 'The threads of one TaskManager and what runs in them, without their stacks.',
      handle: (request) => ok({ threadInfos: threadsOf(context, workerOf(context, request)) }),
    },
    {
      ...view,
      path: '/taskmanagers/:taskmanagerid/logs',
      summary: 'The logs that are kept of one TaskManager.',
      handle: (request) => {
        workerOf(context, request);
        return ok({ logs: [logFile(context)] });
      },
    },
    {
      ...view,
      path: '/taskmanagers/:taskmanagerid/logs/:file',
      summary: 'A log of one TaskManager as text.',
      handle: (request) => logText(context, request.params['file'], workerOf(context, request).workerId),
    },
    {
      ...view,
      path: '/taskmanagers/:taskmanagerid/log',
      summary: 'The log of one TaskManager as text.',
      handle: (request) => logText(context, LOG_FILE, workerOf(context, request).workerId),
    },
    {
      ...view,
      path: '/x/logs',
      summary: 'Lines of all logs, filtered.',
      query: ['level', 'job', 'vertex', 'uid', 'subtask', 'worker', 'text', 'before', 'limit'],
      handle: ({ query }) => {
        const level = query.get('level') ?? undefined;
        if (level !== undefined && !isLevel(level)) throw new Refusal(400, `"${level}" is no level`);
        return ok(
          watch.logs.find({
            level,
            jobId: query.get('job') ?? undefined,
            vertex: query.get('vertex') ?? undefined,
            uid: query.get('uid') ?? undefined,
            subtask: numberOf(query, 'subtask'),
            workerId: query.get('worker') ?? undefined,
            text: query.get('text') ?? undefined,
            before: numberOf(query, 'before'),
            limit: numberOf(query, 'limit'),
          }),
        );
      },
    },
  ];
}

function isLevel(text: string): text is 'debug' | 'info' | 'warn' | 'error' {
  return ['debug', 'info', 'warn', 'error'].includes(text);
}

function dashboardConfiguration({ watch: { cluster } }: RestContext): unknown {
  return {
    'refresh-interval': REFRESH_MS,
    'timezone-name': 'Coordinated Universal Time',
    'timezone-offset': 0,
    'flink-version': cluster.version,
    'flink-revision': 'millrace',
    features: {
      'web-submit': cluster.submissions !== undefined,
      'web-cancel': cluster.features.cancel,
      'web-rescale': cluster.features.triggerCheckpoint, // A job is rescaled from one.
      'web-history': false,
    },
  };
}

function clusterOverview({ watch }: RestContext): unknown {
  const overview = watch.overview();
  return {
    taskmanagers: overview.workers.length,
    'slots-total': overview.slotsTotal,
    'slots-available': overview.slotsFree,
    'jobs-running': overview.jobsRunning,
    'jobs-finished': overview.jobsFinished,
    'jobs-cancelled': overview.jobsCanceled,
    'jobs-failed': overview.jobsFailed,
    'flink-version': watch.cluster.version,
    'flink-commit': 'millrace',
  };
}

/** All that somebody has set, secrets hidden. */
export function configurationOf(configuration: Configuration): unknown {
  return configuration
    .entries()
    .filter(({ value, origin }) => value !== undefined && origin !== 'default')
    .map(({ key, value }) => ({ key, value: masked(key, String(value)) }));
}

/** Secrets are told apart by the name of their key, as in Flink. */
export function masked(key: string, value: string): string {
  return SECRET.test(key) ? MASK : value;
}

/** What Flink says of a virtual machine, of Node. */
export function environment(): unknown {
  const { node, v8 } = process.versions;
  return { jvm: { version: `Node.js ${node} (V8 ${v8})`, arch: process.arch, options: [] }, classpath: [] };
}

function workerOf({ watch }: RestContext, { params }: RouteRequest): ServedWorker {
  const workerId = params['taskmanagerid'] ?? '';
  const found = watch.cluster.workers().find((worker) => worker.workerId === workerId);
  if (found === undefined) throw new Refusal(404, `NotFoundException: TaskManager ${workerId} not found`);
  return found;
}

function taskManager({ watch }: RestContext, worker: ServedWorker): object {
  const shown = watch.overview().workers.find(({ workerId }) => workerId === worker.workerId);
  const slots = shown?.slots ?? [];
  const { process: own } = worker;
  return {
    id: worker.workerId,
    path: `millrace://${worker.address}/taskmanager`,
    dataPort: worker.dataPort,
    jmxPort: -1,
    timeSinceLastHeartbeat: worker.heartbeatAt,
    slotsNumber: worker.slots,
    freeSlots: slots.filter(({ state }) => state === 'free').length,
    assignedTasks: slots.reduce((sum, { tasks }) => sum + tasks.length, 0),
    totalResource: resource(own),
    freeResource: resource(own),
    hardware: {
      cpuCores: own.machineCores,
      physicalMemory: own.machineMemoryBytes,
      freeMemory: own.thread.heapLimitBytes,
      managedMemory: 0,
    },
    memoryConfiguration: memoryConfiguration(own),
  };
}

/** Nothing is divided into pools: what a process has is its heap. */
function resource({ machineCores, thread }: ServedProcess): unknown {
  return {
    cpuCores: machineCores,
    taskHeapMemory: Math.round(thread.heapLimitBytes / 2 ** 20),
    taskOffHeapMemory: 0,
    managedMemory: 0,
    networkMemory: 0,
    extendedResources: {},
  };
}

function memoryConfiguration({ thread, residentBytes }: ServedProcess): unknown {
  return {
    frameworkHeap: 0,
    taskHeap: thread.heapLimitBytes,
    frameworkOffHeap: 0,
    taskOffHeap: thread.externalBytes,
    networkMemory: 0,
    managedMemory: 0,
    jvmMetaspace: 0,
    jvmOverhead: 0,
    totalFlinkMemory: thread.heapLimitBytes,
    totalProcessMemory: residentBytes,
  };
}

function taskManagerDetails(context: RestContext, worker: ServedWorker): unknown {
  const shown = context.watch.overview().workers.find(({ workerId }) => workerId === worker.workerId);
  const threads = [worker.process.thread, ...(shown?.slots ?? []).flatMap(({ thread }) => thread ?? [])];
  const sum = (of: (thread: ServedProcess['thread']) => number): number =>
    threads.reduce((total, thread) => total + of(thread), 0);
  return {
    ...taskManager(context, worker),
    allocatedSlots: (shown?.slots ?? [])
      .filter(({ jobId }) => jobId !== null)
      .map(({ jobId, tasks }) => ({
        jobId,
        resource: resource(worker.process),
        assignedTasks: tasks.length,
      })),
    metrics: {
      heapUsed: sum((thread) => thread.heapUsedBytes),
      heapCommitted: sum((thread) => thread.heapTotalBytes),
      heapMax: sum((thread) => thread.heapLimitBytes),
      nonHeapUsed: 0,
      nonHeapCommitted: 0,
      nonHeapMax: -1,
      directCount: threads.length,
      directUsed: sum((thread) => thread.externalBytes),
      directMax: sum((thread) => thread.externalBytes),
      mappedCount: 0,
      mappedUsed: 0,
      mappedMax: 0,
      nettyShuffleMemorySegmentsAvailable: 0,
      nettyShuffleMemorySegmentsUsed: 0,
      nettyShuffleMemorySegmentsTotal: 0,
      nettyShuffleMemoryAvailable: 0,
      nettyShuffleMemoryUsed: 0,
      nettyShuffleMemoryTotal: 0,
      garbageCollectors: [
        {
          name: 'V8',
          count: sum((thread) => thread.collections),
          time: Math.round(sum((thread) => thread.collectionMs)),
        },
      ],
    },
  };
}

function threadsOf(context: RestContext, worker: ServedWorker): unknown[] {
  const shown = context.watch.overview().workers.find(({ workerId }) => workerId === worker.workerId);
  const own = threadInfo('main', worker.process.thread, []);
  const ofSlots = (shown?.slots ?? []).flatMap(({ slot, thread, jobId, tasks }) => {
    if (thread === null || jobId === null) return [];
    const { vertices } = context.watch.watch(jobId)!.job.source.compiled.graph;
    const names = tasks.map(({ vertex, subtask }) => {
      const { name, parallelism } = vertices[vertex]!;
      return `${name} (${subtask + 1}/${parallelism})`;
    });
    return [threadInfo(`slot ${slot} of job ${jobId}`, thread, names)];
  });
  return [own, ...ofSlots];
}

/** V8 tells no stack of a thread that runs: a profile does. */
function threadInfo(name: string, thread: ServedProcess['thread'], tasks: readonly string[]): unknown {
  const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  const lines = [
    `"${name}"`,
    `heap ${mib(thread.heapUsedBytes)} used of ${mib(thread.heapLimitBytes)}, outside of it ${mib(thread.externalBytes)}`,
    `${thread.collections} garbage collections, ${Math.round(thread.collectionMs)} ms`,
    ...tasks.map((task) => `runs ${task}`),
    'no stack: V8 tells none of a running thread; a profile or a flame graph of a vertex shows where time goes',
  ];
  return { threadName: name, stringifiedThreadInfo: `${lines.join('\n\t')}\n` };
}

const LOG_FILE = 'millrace.log';

function logFile({ watch }: RestContext): unknown {
  const lines = watch.logs.last(Number.MAX_SAFE_INTEGER);
  const size = lines.reduce((sum, line) => sum + JSON.stringify(line).length + 1, 0);
  return { name: LOG_FILE, size, mtime: lines.at(-1)?.at ?? watch.cluster.startedAt };
}

/** The name is looked up in the list of names, which has one entry: nothing of it becomes a path. */
function logText({ watch }: RestContext, file: string | undefined, workerId: string | undefined): Answer {
  if (file !== LOG_FILE) throw new Refusal(404, `NotFoundException: there is no log "${file ?? ''}"`);
  const lines = watch.logs.find({ workerId }).entries;
  return {
    kind: 'bytes',
    status: 200,
    type: 'text/plain; charset=utf-8',
    bytes: lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
  };
}
