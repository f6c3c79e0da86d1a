/** How many subtasks a job may have: Flink's resource requirements, and a rescale that says how it went. */

import { isMillraceError } from '../base/errors.ts';
import {
  requirementsFor,
  type ResourceRequirements,
  type VertexBounds,
} from '../cluster/job-manager/resource-requirements.ts';
import { badRequest, field, jobOf, type RestContext } from './context.ts';
import { accepted, type Answer, ok, Refusal, type Route, type RouteRequest } from './router.ts';
import type { JobSource } from './served.ts';

const REQUIREMENTS = '/jobs/:jobid/resource-requirements';
const RESCALES = '/x/jobs/:jobid/rescales';

/** The rows of the table. */
export function rescaleRoutes(context: RestContext): Route[] {
  const sourceOf = (request: RouteRequest): JobSource => jobOf(context, request).job.source;
  return [
    {
      method: 'GET',
      role: 'view',
      path: REQUIREMENTS,
      summary: 'How many subtasks each vertex may have.',
      handle: (request) => ok(shown(sourceOf(request))),
    },
    {
      method: 'PUT',
      role: 'operate',
      path: REQUIREMENTS,
      summary: 'Changes how many subtasks each vertex may have; answered when that is accepted.',
      handle: async (request) => {
        const source = sourceOf(request);
        await heeded(async () => source.rescale(requirementsOfBody(source, request.body)).accepted);
        return ok({});
      },
    },
    {
      method: 'POST',
      role: 'operate',
      path: RESCALES,
      summary: 'Rescales one job: "parallelism" is a number, or numbers by vertex.',
      handle: (request) => rescale(context, request),
    },
    {
      method: 'GET',
      role: 'view',
      path: `${RESCALES}/:triggerid`,
      summary: 'What became of a rescale that was asked for.',
      handle: (request) => {
        const { jobId } = sourceOf(request);
        return context.triggers.look({ what: 'rescale', jobId }, request.params['triggerid'] ?? '');
      },
    },
  ];
}

function rescale(context: RestContext, request: RouteRequest): Answer {
  const { source } = jobOf(context, request).job;
  const asked = parallelismOfBody(request.body);
  const id = context.triggers.begin(
    { what: 'rescale', jobId: source.jobId },
    field(request.body, 'triggerId') ?? undefined,
    async () => {
      await source.rescale(requirementsFor(source.compiled.graph, source.requirements, asked)).done;
      return { parallelism: source.compiled.graph.vertices.map(({ parallelism }) => parallelism) };
    },
    (cause) => ({ 'failure-cause': cause }),
  );
  return accepted({ 'request-id': id });
}

function shown({ compiled, requirements }: JobSource): unknown {
  return Object.fromEntries(
    compiled.graph.vertices.map(({ id }, vertex) => [id, { parallelism: requirements[vertex] }]),
  );
}

/** As Flink has it, all vertices have to be named. */
function requirementsOfBody({ compiled }: JobSource, body: unknown): ResourceRequirements {
  if (!isObject(body)) throw badRequest('the body is no object of vertices');
  const { vertices } = compiled.graph;
  const unknown = Object.keys(body).find((name) => !vertices.some(({ id }) => id === name));
  if (unknown !== undefined) throw badRequest(`the job vertex [${unknown}] does not exist in the job graph`);
  return vertices.map(({ id }) => {
    const bounds = field(field(body, id), 'parallelism');
    if (bounds === undefined) {
      throw badRequest(`the request is incomplete, missing job vertex [${id}] resource requirements`);
    }
    return boundsOf(bounds, id);
  });
}

function boundsOf(bounds: unknown, id: string): VertexBounds {
  const lowerBound = field(bounds, 'lowerBound');
  const upperBound = field(bounds, 'upperBound');
  if (typeof lowerBound === 'number' && typeof upperBound === 'number') return { lowerBound, upperBound };
  throw badRequest(`job vertex [${id}] needs a "lowerBound" and an "upperBound"`);
}

function parallelismOfBody(body: unknown): number | Record<string, number> {
  const asked = field(body, 'parallelism');
  if (typeof asked === 'number') return asked;
  if (isObject(asked) && Object.values(asked).every((count) => typeof count === 'number')) {
    return asked as Record<string, number>;
  }
  throw badRequest('"parallelism" is neither a number nor an object of vertices with numbers');
}

/** What cannot be asked for is refused; what cannot be now is a conflict. */
async function heeded(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    throw new Refusal(error.retry === 'never' ? 400 : 409, `${error.code}: ${error.message}`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
