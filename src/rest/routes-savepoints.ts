/** Flink's routes about savepoints: taken on the way, taken to stop, and removed. */

import { MillraceError } from '../base/errors.ts';
import { isUri, isWithin, locationOf } from '../base/locations.ts';
import { type Files, FilesError } from '../base/env.ts';
import { basename, dirname, join, relative, isAbsolute, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { disposeByHand } from '../checkpoint/savepoint.ts';
import { storesOf } from '../checkpoint/stores.ts';
import { badRequest, field, jobOf, type RestContext } from './context.ts';
import type { ServedJob } from './served.ts';
import { accepted, type Answer, ok, Refusal, type Route, type RouteRequest } from './router.ts';
import { failureCause } from './trigger-store.ts';

/** The rows of the table. */
export function savepointRoutes(context: RestContext): Route[] {
  const operate = { method: 'POST', role: 'operate' } as const;
  const view = { method: 'GET', role: 'view' } as const;
  const { cluster } = context.watch;
  const files: LinkReader = { realPath: (path) => cluster.env.files.realPath(path) };
  return [
    {
      ...operate,
      path: '/jobs/:jobid/savepoints',
      summary: 'Takes a savepoint, and cancels the job behind it when that is asked for.',
      handle: async (request) => {
        const { job } = jobOf(context, request);
        const { source } = job;
        const cancelJob = flag(request.body, 'cancel-job');
        const asked = { ...(await requestOf(files, job, request.body, 'target-directory')), cancelJob };
        const operations = source.savepointOperations;
        const id = operations.start(() => source.triggerSavepoint(asked), triggerIdOf(request.body));
        return accepted({ 'request-id': id });
      },
    },
    {
      ...operate,
      path: '/jobs/:jobid/stop',
      summary: 'Stops the job with a savepoint; with `drain`, all input ends first.',
      handle: async (request) => {
        const { job } = jobOf(context, request);
        const { source } = job;
        const asked = {
          ...(await requestOf(files, job, request.body, 'targetDirectory')),
          drain: flag(request.body, 'drain'),
        };
        const operations = source.savepointOperations;
        const id = operations.start(() => source.stopWithSavepoint(asked), triggerIdOf(request.body));
        return accepted({ 'request-id': id });
      },
    },
    {
      ...view,
      path: '/jobs/:jobid/savepoints/:triggerid',
      summary: 'What became of a savepoint that was asked for.',
      handle: (request) => outcomeOf(jobOf(context, request).job, request),
    },
    {
      ...operate,
      path: '/savepoint-disposal',
      summary: 'Removes a savepoint.',
      handle: async (request) => {
        const path = textField(request.body, 'savepoint-path');
        if (path === undefined) throw badRequest('"savepoint-path" is missing');
        const roots = cluster.jobs().flatMap((job) => rootsOf(job));
        const directory = await insideOf(files, roots, path);
        await checkUnused(files, cluster.jobs(), directory);
        const store = storesOf(cluster.env);
        const id = context.triggers.begin(
          { what: 'disposal', jobId: '' },
          triggerIdOf(request.body),
          async () => {
            await disposeByHand(store, directory);
            return {};
          },
          (cause) => ({ 'failure-cause': cause }),
        );
        return accepted({ 'request-id': id });
      },
    },
    {
      ...view,
      path: '/savepoint-disposal/:triggerid',
      summary: 'What became of a removal that was asked for.',
      handle: ({ params }) =>
        context.triggers.look({ what: 'disposal', jobId: '' }, params['triggerid'] ?? ''),
    },
  ];
}

function outcomeOf({ source }: ServedJob, { params }: RouteRequest): Answer {
  const triggerId = params['triggerid'] ?? '';
  const outcome = source.savepointOperations.outcome(triggerId);
  switch (outcome?.kind) {
    case undefined:
      throw new Refusal(
        404,
        `NotFoundException: there is no savepoint operation with the trigger id ${triggerId}`,
      );
    case 'in-progress':
      return ok({ status: { id: 'IN_PROGRESS' } });
    case 'completed':
      return ok({ status: { id: 'COMPLETED' }, operation: { location: outcome.savepoint.path } });
    case 'failed':
      return ok({
        status: { id: 'COMPLETED' },
        operation: { 'failure-cause': failureCause(outcome.error) },
      });
  }
}

async function requestOf(
  files: LinkReader,
  job: ServedJob,
  body: unknown,
  directoryField: string,
): Promise<{ readonly target: string | undefined; readonly formatType: 'CANONICAL' | 'NATIVE' }> {
  const directory = textField(body, directoryField);
  const formatType = textField(body, 'formatType') ?? 'CANONICAL';
  if (formatType !== 'CANONICAL' && formatType !== 'NATIVE') {
    throw badRequest(`"${formatType}" is no format of savepoints`);
  }
  const target = directory === undefined ? undefined : await insideOf(files, rootsOf(job), directory);
  if (target === undefined && job.savepointsDirectory === undefined) {
    throw new Refusal(
      400,
      `Config key [execution.checkpointing.savepoint-dir] is not set. Property [${directoryField}] must be provided.`,
    );
  }
  return { target, formatType };
}

/** Where savepoints may be made and removed: who may operate a job may not write anywhere. */
function rootsOf({ workingDirectory, savepointsDirectory, checkpointsDirectory }: ServedJob): string[] {
  return [workingDirectory, savepointsDirectory, checkpointsDirectory].filter((root) => root !== undefined);
}

/** What a running job began with, and needs still, is nobody's to remove. */
async function checkUnused(files: LinkReader, jobs: readonly ServedJob[], directory: string): Promise<void> {
  const realOf = async (path: string): Promise<string> => (isUri(path) ? path : realPathOf(files, path));
  const real = await realOf(directory);
  for (const { source } of jobs) {
    const held = source.heldSnapshot;
    if (held === undefined || (await realOf(held)) !== real) continue;
    const message = `the job ${source.jobId} has begun with ${directory}, and needs it`;
    const { code, remedy } = new MillraceError('SAVEPOINT_IN_USE', message);
    throw new Refusal(409, `${code}: ${message}. ${remedy}`);
  }
}

/** Who follows symbolic links. */
type LinkReader = Pick<Files, 'realPath'>;

/**
 * A path inside of one of the roots, also when all symbolic links are followed; a relative one begins at the first. Refuses
 * all others.
 */
async function insideOf(files: LinkReader, roots: readonly string[], given: string): Promise<string> {
  const whole = insideByName(roots, given);
  if (isUri(whole)) return whole;
  const real = await realPathOf(files, whole);
  const realRoots = await Promise.all(
    roots.filter((root) => !isUri(root)).map((root) => realPathOf(files, root)),
  );
  if (realRoots.some((root) => isBelow(root, real))) return whole;
  throw outside(whole, roots);
}

/** The path that a path leads to; of one that is not there, of the part that is. */
async function realPathOf(files: LinkReader, path: string): Promise<string> {
  try {
    return await files.realPath(path);
  } catch (error) {
    if (!(error instanceof FilesError)) throw error;
    if (error.kind !== 'absent') throw new Refusal(403, `${path} cannot be looked at: ${error.message}`);
    const parent = dirname(path);
    return parent === path ? path : join(await realPathOf(files, parent), basename(path));
  }
}

function isBelow(root: string, path: string): boolean {
  const below = relative(root, path);
  return below === '' || (!below.startsWith(`..${sep}`) && below !== '..' && !isAbsolute(below));
}

function insideByName(roots: readonly string[], given: string): string {
  if (given.includes('\0')) throw badRequest('a path holds a character that no path has');
  const whole = isUri(given) ? uriOf(given) : wholePath(roots, given);
  const isInside = roots.some((root) => {
    if (isUri(root) || isUri(whole)) return isUri(root) && isUri(whole) && isWithin(root, whole);
    return isBelow(root, whole);
  });
  if (isInside) return whole;
  throw outside(whole, roots);
}

function outside(whole: string, roots: readonly string[]): Refusal {
  return new Refusal(
    403,
    `${whole} lies outside of the folders that savepoints may be in: ${roots.join(', ')}. Set execution.checkpointing.savepoint-dir to add one.`,
  );
}

function wholePath(roots: readonly string[], given: string): string {
  const path = given.startsWith('file:') ? pathOfUrl(given) : given;
  return isAbsolute(path) ? resolve(path) : join(roots[0] ?? '/', path);
}

function uriOf(given: string): string {
  try {
    return locationOf(given);
  } catch {
    throw badRequest('the place of a savepoint is no URI of one');
  }
}

function pathOfUrl(url: string): string {
  try {
    return fileURLToPath(url.replace(/^file:\/(?!\/)/, 'file:///'));
  } catch {
    throw badRequest(`"${url}" is no path of this machine`);
  }
}

function flag(body: unknown, name: string): boolean {
  const value = field(body, name) ?? false;
  if (typeof value !== 'boolean') throw badRequest(`"${name}" is neither true nor false`);
  return value;
}

function textField(body: unknown, name: string): string | undefined {
  const value = field(body, name) ?? undefined;
  if (value !== undefined && typeof value !== 'string') throw badRequest(`"${name}" is no text`);
  return value;
}

function triggerIdOf(body: unknown): string | undefined {
  const id = textField(body, 'triggerId');
  if (id === undefined || /^[0-9a-f]{32}$/.test(id)) return id;
  throw badRequest('"triggerId" is not 32 hexadecimal digits');
}
