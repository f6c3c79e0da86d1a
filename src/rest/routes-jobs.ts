/** Flink's routes about jobs: what they are, how they fare, and what can be done with them. */

import { isTerminal } from '../cluster/job-manager/job-states.ts';
import { badRequest, field, jobOf, listOf, namedVertex, numberOf, type RestContext } from './context.ts';
import type { ExceptionMessage } from './contract.ts';
import { jobDetails, jobDetailsInfo, plan } from './flink-shapes.ts';
import type { JobWatch } from './job-watch.ts';
import { aggregatedAnswer, metricsAnswer } from './metric-answers.ts';
import type { Metric } from './metric.ts';
import { jobMetrics, latencyMetrics } from './metric-table.ts';
import { accepted, type Answer, ok, Refusal, type Route } from './router.ts';
import { configurationOf, environment, masked } from './routes-cluster.ts';
import { causeOf } from './trigger-store.ts';

const EXCEPTIONS_DEFAULT = 20;

/** The rows of the table. */
export function jobRoutes(context: RestContext): Route[] {
  const { watch } = context;
  const now = (): number => watch.cluster.env.clock.now();
  const metricsOf = (each: JobWatch): Metric[] => [...jobMetrics(each, now()), ...latencyMetrics(each)];
  const view = { method: 'GET', role: 'view' } as const;
  return [
    {
      ...view,
      path: '/jobs',
      summary: 'All jobs with their states.',
      handle: () =>
        ok({
          jobs: watch.watches().map(({ job: { source } }) => ({ id: source.jobId, status: source.state })),
        }),
    },
    {
      ...view,
      path: '/jobs/overview',
      summary: 'All jobs with their subtasks by state.',
      handle: () => ok({ jobs: watch.watches().map((each) => jobDetails(each, now())) }),
    },
    {
      ...view,
      path: '/jobs/metrics',
      summary: 'Metrics of jobs, aggregated.',
      query: ['get', 'agg', 'jobs'],
      handle: ({ query }) => {
        const asked = listOf(query, 'jobs');
        const watches = watch.watches().filter(({ jobId }) => asked?.includes(jobId) ?? true);
        return aggregatedAnswer(watches.map(metricsOf), query);
      },
    },
    {
      ...view,
      path: '/jobs/:jobid',
      summary: 'One job: its vertices, their states and figures, its plan.',
      handle: (request) => {
        const job = jobOf(context, request);
        const vertices = job.job.source.compiled.graph.vertices.map((_, index) => namedVertex(job, index));
        return ok(jobDetailsInfo(job, vertices, now()));
      },
    },
    {
      ...view,
      path: '/jobs/:jobid/status',
      summary: 'The state of one job.',
      handle: (request) => ok({ status: jobOf(context, request).job.source.state }),
    },
    {
      ...view,
      path: '/jobs/:jobid/plan',
      summary: 'The plan of one job.',
      handle: (request) => {
        const { source } = jobOf(context, request).job;
        return ok({ plan: plan(source.jobId, source.compiled.graph) });
      },
    },
    {
      ...view,
      path: '/jobs/:jobid/config',
      summary: 'Restart strategy, parallelism and parameters of one job.',
      handle: (request) => ok(executionConfig(jobOf(context, request))),
    },
    {
      ...view,
      path: '/jobs/:jobid/jobmanager/config',
      summary: 'The configuration of one job, without defaults.',
      handle: (request) => ok(configurationOf(jobOf(context, request).job.configuration)),
    },
    {
      ...view,
      path: '/jobs/:jobid/jobmanager/environment',
      summary: 'What the process that serves runs on.',
      handle: (request) => {
        jobOf(context, request);
        return ok(environment());
      },
    },
    {
      ...view,
      path: '/jobs/:jobid/exceptions',
      summary:
        'The failures of one job, the newest first. No failure has labels: a filter by label finds none.',
      query: ['maxExceptions', 'failureLabelFilter'],
      handle: (request) => {
        const max = numberOf(request.query, 'maxExceptions') ?? EXCEPTIONS_DEFAULT;
        if (max < 0) throw badRequest('"maxExceptions" is negative');
        const isFiltered = (request.query.get('failureLabelFilter') ?? '') !== '';
        return ok(exceptions(jobOf(context, request), isFiltered ? 0 : max));
      },
    },
    {
      ...view,
      path: '/jobs/:jobid/accumulators',
      summary: 'What functions of one job have accumulated.',
      query: ['includeSerializedValue'],
      handle: (request) =>
        ok({
          'job-accumulators': [],
          'user-task-accumulators': accumulatorList(jobOf(context, request)),
          'serialized-user-task-accumulators': {},
        }),
    },
    {
      ...view,
      path: '/jobs/:jobid/metrics',
      summary: 'Metrics of one job.',
      query: ['get'],
      handle: (request) => metricsAnswer(metricsOf(jobOf(context, request)), request.query),
    },
    {
      ...view,
      path: '/jobs/:jobid/execution-result',
      summary: 'How one job ended, once it has.',
      handle: (request) => executionResult(jobOf(context, request)),
    },
    {
      method: 'PATCH',
      role: 'operate',
      path: '/jobs/:jobid',
      summary: 'Cancels one job.',
      query: ['mode'],
      handle: (request) => {
        const mode = request.query.get('mode') ?? 'cancel';
        if (mode !== 'cancel') throw badRequest(`"${mode}" is no mode of termination, "cancel" is`);
        return cancel(jobOf(context, request));
      },
    },
    {
      ...view,
      role: 'operate',
      onlyForPage: true,
      path: '/jobs/:jobid/yarn-cancel',
      summary: "What Flink's page cancels a job with; refused to everybody else.",
      handle: (request) => cancel(jobOf(context, request)),
    },
    {
      ...view,
      role: 'operate',
      onlyForPage: true,
      path: '/jobs/:jobid/yarn-stop',
      summary: "What Flink's page once stopped a job with; refused to everybody else.",
      handle: (request) => {
        const { source } = jobOf(context, request).job;
        if (isTerminal(source.state)) {
          throw new Refusal(409, `Job ${source.jobId} cannot be stopped: it is ${source.state}.`);
        }
        source.stop();
        return accepted();
      },
    },
  ];
}

/** Cancels a job that is not over; refuses with 409 otherwise. */
export function cancel(watch: JobWatch): Answer {
  const { source } = watch.job;
  // As in Flink: a job that is over cannot be canceled, one that is being canceled can.
  if (isTerminal(source.state) && source.state !== 'CANCELED') {
    throw new Refusal(409, `Job ${source.jobId} cannot be cancelled: it is ${source.state}.`);
  }
  source.cancel();
  return accepted();
}

function executionConfig({ job }: JobWatch): unknown {
  const { source, configuration } = job;
  const strategy = configuration.get('restart-strategy.type');
  return {
    jid: source.jobId,
    name: source.compiled.graph.name,
    'execution-config': {
      'restart-strategy': strategy ?? 'Cluster level default restart strategy',
      'job-parallelism': configuration.get('parallelism.default'),
      'object-reuse-mode': false,
      'user-config': Object.fromEntries(
        Object.entries(source.compiled.declarations.jobParameters).map(([key, value]) => [
          key,
          masked(key, value),
        ]),
      ),
    },
  };
}

/** Failures that came while the job left belong to the one that made it leave. */
function exceptions(watch: JobWatch, max: number): unknown {
  const roots: { readonly root: ExceptionMessage; readonly concurrent: ExceptionMessage[] }[] = [];
  for (const entry of watch.exceptions()) {
    const last = roots.at(-1);
    if (entry.consequence.startsWith('ignored') && last !== undefined) last.concurrent.push(entry);
    else roots.push({ root: entry, concurrent: [] });
  }
  const newest = roots.toReversed();
  const shown = newest.slice(0, max);
  const root = newest[0]?.root;
  return {
    'root-exception': root?.stack ?? null,
    timestamp: root?.at ?? null,
    'all-exceptions': [],
    truncated: newest.length > shown.length,
    exceptionHistory: {
      entries: shown.map((each) => ({
        ...exceptionInfo(watch, each.root),
        concurrentExceptions: each.concurrent.map((other) => exceptionInfo(watch, other)),
      })),
      truncated: newest.length > shown.length,
    },
  };
}

function exceptionInfo(watch: JobWatch, entry: ExceptionMessage): object {
  return {
    exceptionName: entry.code,
    stacktrace: entry.stack,
    timestamp: entry.at,
    failureLabels: {},
    taskName: entry.taskName,
    endpoint: entry.workerId === null ? null : watch.addressOf(entry.workerId),
    taskManagerId: entry.workerId,
  };
}

/** By name, as Flink lists them. */
export function accumulatorList(watch: JobWatch): unknown[] {
  const { accumulators } = watch.figures();
  return Object.entries(accumulators).map(([name, value]) => ({ name, type: 'Accumulator', value }));
}

const RESULTS: Readonly<Record<string, string>> = {
  FINISHED: 'SUCCEEDED',
  FAILED: 'FAILED',
  CANCELED: 'CANCELED',
};

function executionResult(watch: JobWatch): Answer {
  const { source } = watch.job;
  if (!isTerminal(source.state)) return ok({ status: { id: 'IN_PROGRESS' } });
  const failure = watch.exceptions().at(-1);
  const endedAt = source.endedAt ?? source.startedAt;
  return ok({
    status: { id: 'COMPLETED' },
    'job-execution-result': {
      id: source.jobId,
      'application-status': RESULTS[source.state] ?? 'UNKNOWN',
      'accumulator-results': {},
      'net-runtime': endedAt - source.startedAt,
      name: source.compiled.graph.name,
      'start-time': source.startedAt,
      'end-time': endedAt,
      ...(source.state === 'FAILED' && failure !== undefined
        ? {
            'failure-cause': causeOf({ name: failure.code, message: failure.message, stack: failure.stack }),
          }
        : {}),
    },
  });
}

/** The text of a field of a body that may be left out. */
export function textField(body: unknown, name: string): string | undefined {
  const value = field(body, name);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw badRequest(`"${name}" is no text`);
  return value;
}
