/** Flink's routes about applications: each job is one of its own, with the id and the name of the job. */

import { isTerminal } from '../cluster/job-manager/job-states.ts';
import type { JobState } from '../cluster/job-manager/job-states.ts';
import type { RestContext } from './context.ts';
import { jobDetails } from './flink-shapes.ts';
import type { JobWatch } from './job-watch.ts';
import { ok, Refusal, type Route, type RouteRequest } from './router.ts';
import { configurationOf } from './routes-cluster.ts';
import { cancel } from './routes-jobs.ts';

/** The rows of the table. */
export function applicationRoutes(context: RestContext): Route[] {
  const { watch } = context;
  const now = (): number => watch.cluster.env.clock.now();
  const view = { method: 'GET', role: 'view' } as const;
  return [
    {
      ...view,
      path: '/applications/overview',
      summary: 'All applications: each job is one.',
      handle: () => ok({ applications: watch.watches().map((each) => summaryOf(each, now())) }),
    },
    {
      ...view,
      path: '/applications/:applicationid',
      summary: 'One application and its job.',
      handle: (request) => ok(detailsOf(applicationOf(context, request), now())),
    },
    {
      ...view,
      path: '/applications/:applicationid/exceptions',
      summary: 'What kept an application from running its job; whatever happens here happens to the job.',
      handle: (request) => ok(exceptionsOf(applicationOf(context, request))),
    },
    {
      ...view,
      path: '/applications/:applicationid/jobmanager/config',
      summary: 'The configuration of one application, without defaults.',
      handle: (request) => ok(configurationOf(applicationOf(context, request).job.configuration)),
    },
    {
      method: 'POST',
      role: 'operate',
      path: '/applications/:applicationid/cancel',
      summary: 'Cancels the job of one application.',
      handle: (request) => cancel(applicationOf(context, request)),
    },
  ];
}

function applicationOf({ watch }: RestContext, { params }: RouteRequest): JobWatch {
  const id = params['applicationid'] ?? '';
  const found = watch.watch(id);
  if (found === undefined) throw new Refusal(404, `NotFoundException: Application ${id} not found`);
  return found;
}

/** Flink's states of an application, by those of its only job. */
function stateOf(state: JobState): string {
  switch (state) {
    case 'INITIALIZING':
    case 'CREATED':
      return 'CREATED';
    case 'RUNNING':
    case 'RESTARTING':
    case 'SUSPENDED':
      return 'RUNNING';
    case 'CANCELLING':
      return 'CANCELING';
    case 'FAILING':
    case 'FAILED':
    case 'CANCELED':
    case 'FINISHED':
      return state;
  }
}

function summaryOf({ job: { source } }: JobWatch, now: number): object {
  const { jobId, compiled, state, startedAt, endedAt } = source;
  return {
    id: jobId,
    name: compiled.graph.name,
    status: stateOf(state),
    'start-time': startedAt,
    'end-time': endedAt ?? -1,
    duration: (endedAt ?? now) - startedAt,
    jobs: { [state]: 1 },
  };
}

function detailsOf(watch: JobWatch, now: number): object {
  const { stateTimes } = watch.job.source;
  const timestamps: Record<string, number> = {
    CREATED: 0,
    RUNNING: 0,
    FAILING: 0,
    FAILED: 0,
    CANCELING: 0,
    CANCELED: 0,
    FINISHED: 0,
  };
  for (const [state, at] of Object.entries(stateTimes) as [JobState, number][]) {
    const name = stateOf(state);
    // When it first came to it.
    if (timestamps[name] === 0) timestamps[name] = at;
  }
  return { ...summaryOf(watch, now), timestamps, jobs: [jobDetails(watch, now)] };
}

function exceptionsOf(watch: JobWatch): object {
  const { source } = watch.job;
  const last = watch.exceptions().at(-1);
  const isOfApplication = isTerminal(source.state) && source.state === 'FAILED' && last !== undefined;
  const entries = isOfApplication
    ? [{ exceptionName: last.code, stacktrace: last.stack, timestamp: last.at, jobId: source.jobId }]
    : [];
  return { exceptionHistory: { entries } };
}
