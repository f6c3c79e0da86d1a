/** Routes of Flink that nobody serves here, each with the reason: whoever asks is told why, not that there is no such page. */

import type { RestContext } from './context.ts';
import { Refusal, type Route } from './router.ts';

/** One route, and why it is refused. */
export interface RefusedRoute {
  readonly method: Route['method'];
  readonly path: string;
  readonly why: string;
}

const NO_JAVA =
  'a job graph of Java cannot run here: submit a job with `millrace run -d`, or its bundle by /jars/upload';
const NO_JOBS_HERE = 'this run has its one job; a cluster takes jobs';
const PLAN_RUNS_CODE = 'to plan a bundle runs its code, and a GET runs nothing: use POST';
const NO_HISTORY_SERVER = 'Flink has it in its history server only, and so nobody answers it here either';
const NO_PROFILER =
  'there is no async-profiler; POST /v1/x/taskmanagers/:taskmanagerid/profiles takes a profile';
const NO_OUTPUT = 'what processes print is not kept; read their logs';

/** What is refused everywhere. */
export const refusedRoutes: readonly RefusedRoute[] = [
  { method: 'GET', path: '/jars/:jarid/plan', why: PLAN_RUNS_CODE },
  {
    method: 'DELETE',
    path: '/cluster',
    why: 'a cluster is ended by whoever started it, with `millrace cluster stop`',
  },
  { method: 'POST', path: '/jobs', why: NO_JAVA },
  {
    method: 'PATCH',
    path: '/jobs/:jobid/rescaling',
    why: 'Flink has disabled it: PUT resource-requirements',
  },
  {
    method: 'GET',
    path: '/jobs/:jobid/rescaling/:triggerid',
    why: 'Flink has disabled it: PUT resource-requirements',
  },
  {
    method: 'PATCH',
    path: '/jobs/:jobid/clientHeartbeat',
    why: 'no job ends with the client that submitted it',
  },
  {
    method: 'POST',
    path: '/jobs/:jobid/coordinators/:operatorid',
    why: 'requests to coordinators are Java objects; results are read with sinks',
  },
  { method: 'GET', path: '/jobs/:jobid/jobmanager/log-url', why: NO_HISTORY_SERVER },
  { method: 'GET', path: '/jobs/:jobid/taskmanagers/:taskmanagerid/log-url', why: NO_HISTORY_SERVER },
  { method: 'GET', path: '/jobmanager/stdout', why: NO_OUTPUT },
  { method: 'GET', path: '/taskmanagers/:taskmanagerid/stdout', why: NO_OUTPUT },
  ...['/jobmanager', '/taskmanagers/:taskmanagerid'].flatMap((whose): RefusedRoute[] => [
    { method: 'GET', path: `${whose}/profiler`, why: NO_PROFILER },
    { method: 'POST', path: `${whose}/profiler`, why: NO_PROFILER },
    { method: 'GET', path: `${whose}/profiler/:file`, why: NO_PROFILER },
  ]),
];

/** What is refused besides by whoever takes no jobs. */
export const refusedWithoutSubmissions: readonly RefusedRoute[] = [
  { method: 'GET', path: '/jars', why: NO_JOBS_HERE },
  { method: 'POST', path: '/jars/upload', why: NO_JOBS_HERE },
  { method: 'DELETE', path: '/jars/:jarid', why: NO_JOBS_HERE },
  { method: 'POST', path: '/jars/:jarid/plan', why: NO_JOBS_HERE },
  { method: 'POST', path: '/jars/:jarid/run', why: NO_JOBS_HERE },
  { method: 'POST', path: '/jars/:jarid/run-application', why: NO_JOBS_HERE },
];

/** The rows of the table. */
export function refusingRoutes({ watch: { cluster } }: RestContext): Route[] {
  const all = [...refusedRoutes, ...(cluster.submissions === undefined ? refusedWithoutSubmissions : [])];
  return all.map(({ method, path, why }) => ({
    method,
    path,
    role: method === 'GET' ? 'view' : 'operate',
    summary: `Not served: ${why}.`,
    handle: () => {
      throw new Refusal(501, `Not served: ${why}.`);
    },
  }));
}
