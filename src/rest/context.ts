/** What the routes share: the watches of all jobs, asynchronous operations, and the look-ups that refuse. */

import type { Execution } from '../cluster/job-manager/execution-graph.ts';
import type { JobVertex } from '../graph/job-graph.ts';
import type { ClusterWatch } from './cluster-watch.ts';
import type { SubtaskFiguresMessage, VertexFiguresMessage } from './contract.ts';
import type { JobWatch } from './job-watch.ts';
import { Refusal, type RouteRequest } from './router.ts';
import type { TriggerStore } from './trigger-store.ts';

/** What the routes are made of. */
export interface RestContext {
  readonly watch: ClusterWatch;
  readonly triggers: TriggerStore;
}

/** A vertex that a path names. */
export interface NamedVertex {
  readonly watch: JobWatch;
  readonly index: number;
  readonly vertex: JobVertex;
  readonly figures: VertexFiguresMessage;
  readonly executions: readonly Execution[];
}

/** The job of `:jobid`; 404 without. */
export function jobOf({ watch }: RestContext, { params }: RouteRequest): JobWatch {
  const jobId = params['jobid'] ?? '';
  const found = watch.watch(jobId);
  if (found === undefined) throw new Refusal(404, `NotFoundException: Job ${jobId} not found`);
  return found;
}

/** The vertex of `:vertexid`; 404 without. */
export function vertexOf(context: RestContext, request: RouteRequest): NamedVertex {
  const watch = jobOf(context, request);
  const vertexId = request.params['vertexid'] ?? '';
  const { vertices } = watch.job.source.compiled.graph;
  const index = vertices.findIndex(({ id }) => id === vertexId);
  if (index < 0) throw new Refusal(404, `NotFoundException: JobVertex ${vertexId} not found`);
  return namedVertex(watch, index);
}

/** By its index in the plan. */
export function namedVertex(watch: JobWatch, index: number): NamedVertex {
  const { source } = watch.job;
  return {
    watch,
    index,
    vertex: source.compiled.graph.vertices[index]!,
    figures: watch.figures().vertices[index]!,
    executions: source.executions().filter((execution) => execution.vertex === index),
  };
}

/** The subtask of `:subtaskindex`; 404 without. */
export function subtaskOf(vertex: NamedVertex, { params }: RouteRequest): SubtaskFiguresMessage {
  const subtask = Number(params['subtaskindex']);
  const found = vertex.figures.subtasks[subtask];
  if (found === undefined || !/^\d+$/.test(params['subtaskindex'] ?? '')) {
    throw new Refusal(404, `NotFoundException: subtask ${params['subtaskindex'] ?? ''} not found`);
  }
  return found;
}

/** A field of a JSON body; `undefined` when it is not there. Refuses bodies that are no objects. */
export function field(body: unknown, name: string): unknown {
  if (body === undefined || body === null) return undefined;
  if (typeof body !== 'object' || Array.isArray(body)) throw badRequest('the body is not a JSON object');
  return Object.hasOwn(body, name) ? (body as Record<string, unknown>)[name] : undefined;
}

/** 400 in Flink's words. */
export function badRequest(why: string): Refusal {
  return new Refusal(400, `Request did not match expected format: ${why}.`);
}

/** Words that a query lists, separated by commas. */
export function listOf(query: URLSearchParams, name: string): readonly string[] | undefined {
  const text = query.get(name);
  return text === null ? undefined : text.split(',').filter((each) => each !== '');
}

/** A whole number of the query. */
export function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^-?\d{1,15}$/.test(text)) throw badRequest(`"${name}" is not a whole number`);
  return Number(text);
}
