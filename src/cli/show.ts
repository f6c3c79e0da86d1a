/** `millrace status` and `millrace info <job-id>` by REST: what a cluster has, and how one of its jobs fares. */

import { isMillraceError } from '../base/errors.ts';
import type {
  CheckpointSummary,
  ExceptionMessage,
  JobDescription,
  JobFiguresMessage,
  JobSummary,
  Overview,
  RescaleMessage,
  VertexFiguresMessage,
} from '../rest/contract.ts';
import type { RestClient } from '../rest/rest-client.ts';
import type { Request } from './arguments.ts';
import { EXIT } from './exit.ts';
import { formatBytes, formatCount, formatDuration, formatPlural } from './format.ts';
import type { OperateHost } from './operate.ts';
import { restClientOf } from './rest-target.ts';

/** What is looked at. */
export type ShowRequest = Extract<Request, { readonly kind: 'status' | 'job-info' }>;

/** Failures and rescales that are printed; `--json` has all that are kept. */
const LINES_MAX = 5;

/** Asks, and prints. */
export async function showByRest(request: ShowRequest, host: OperateHost): Promise<number> {
  const client = restClientOf(request.cluster);
  if (request.kind === 'job-info') {
    const shown = await jobInfoOf(client, request.jobId);
    host.stdout.write(request.json ? jsonText(shown) : infoText(shown));
    return EXIT.done;
  }
  if (request.jobId === undefined) {
    const overview = await client.overview();
    host.stdout.write(request.json ? jsonText(overview) : overviewText(overview));
    return EXIT.done;
  }
  const { figures } = await client.job(request.jobId);
  const { jobId, state } = figures;
  host.stdout.write(request.json ? jsonText({ jobId, state }) : `${state}\n`);
  return EXIT.done;
}

/** All that is shown of a job. */
export interface JobInfo {
  readonly job: JobDescription;
  readonly figures: JobFiguresMessage;
  /** The last ones, the newest last. */
  readonly checkpoints: readonly CheckpointSummary[];
  readonly exceptions: readonly ExceptionMessage[];
  /** The newest first. */
  readonly rescales: readonly RescaleMessage[];
}

async function jobInfoOf(client: RestClient, jobId: string): Promise<JobInfo> {
  const [{ job, figures }, checkpoints, exceptions, rescales] = await Promise.all([
    client.job(jobId),
    client.checkpoints(jobId),
    client.exceptions(jobId),
    // An older server has no history of them.
    client.rescales(jobId).catch((error: unknown) => {
      if (isMillraceError(error, 'REST_REQUEST_REFUSED')) return [];
      throw error;
    }),
  ]);
  return { job, figures, checkpoints: checkpoints.slice(-LINES_MAX), exceptions, rescales };
}

/** The cluster as text. */
export function overviewText({ workers, jobs, slotsTotal, slotsFree }: Overview): string {
  const who = workers.map(({ workerId, address, processId, slots }) => {
    const free = slots.filter(({ state }) => state === 'free').length;
    return `  ${workerId}  ${address}  process ${processId}  ${free} of ${slots.length} slots free\n`;
  });
  return [
    `${formatPlural(workers.length, 'TaskManager')}, ${slotsFree} of ${slotsTotal} slots free\n`,
    ...who,
    `${formatPlural(jobs.length, 'job')}\n`,
    ...jobs.map(jobLine),
  ].join('');
}

function jobLine({ jobId, name, state, tasks, restarts, durationMs, lastCheckpoint }: JobSummary): string {
  const total = Object.values(tasks).reduce((sum, count) => sum + count, 0);
  const checkpoint = lastCheckpoint === null ? '' : `  checkpoint ${lastCheckpoint.checkpointId}`;
  const again = restarts === 0 ? '' : `  ${formatPlural(restarts, 'restart')}`;
  const subtasks = `${tasks.RUNNING ?? 0} of ${total} subtasks run`;
  return `  ${jobId}  ${name}  ${state} for ${formatDuration(durationMs)}  ${subtasks}${checkpoint}${again}\n`;
}

/** A job as text. */
export function infoText({ job, figures, checkpoints, exceptions, rescales }: JobInfo): string {
  const { completed, failed } = figures.checkpoints;
  const latest = checkpoints.findLast(({ status }) => status === 'COMPLETED');
  return [
    `${job.name} (${job.jobId})\n`,
    `  ${figures.state} for ${formatDuration(figures.durationMs)}, ${formatPlural(figures.restarts, 'restart')}\n`,
    'Vertices\n',
    ...figures.vertices.map((vertex, index) => vertexLine(job, vertex, index)),
    job.checkpointing === null
      ? 'No checkpoints are taken\n'
      : `Checkpoints: ${completed} completed, ${failed} failed\n`,
    latest === undefined ? '' : checkpointLine(latest),
    ...section('Rescales', rescales.slice(0, LINES_MAX).map(rescaleLine)),
    ...section('Failures', exceptions.slice(-LINES_MAX).map(exceptionLine)),
  ].join('');
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`${title}\n`, ...lines];
}

function vertexLine({ vertices }: JobDescription, figures: VertexFiguresMessage, index: number): string {
  const { name, parallelism } = vertices[index]!;
  const running = figures.subtasks.filter(({ state }) => state === 'RUNNING').length;
  const busy = Math.round(figures.busyShare * 100);
  const records = `${formatCount(figures.recordsIn)} in, ${formatCount(figures.recordsOut)} out`;
  return `  ${name}  ${running} of ${parallelism} run  ${records}  ${busy} % busy\n`;
}

function checkpointLine({ checkpointId, durationMs, stateBytes, path }: CheckpointSummary): string {
  const size = formatBytes(stateBytes);
  return `  latest: ${checkpointId}, ${formatDuration(durationMs)}, ${size}${path === null ? '' : `, ${path}`}\n`;
}

function rescaleLine(rescale: RescaleMessage): string {
  const { vertices, terminalState, terminatedReason, startTimestampInMillis } = rescale;
  const changed = Object.values(vertices)
    .filter(({ preRescaleParallelism, desiredParallelism }) => preRescaleParallelism !== desiredParallelism)
    .map(
      ({ jobVertexName, preRescaleParallelism, postRescaleParallelism, desiredParallelism }) =>
        `${jobVertexName} ${preRescaleParallelism} to ${postRescaleParallelism ?? desiredParallelism}`,
    );
  const what = changed.length === 0 ? 'nothing to change' : changed.join(', ');
  const reason = terminatedReason === null || terminalState === 'COMPLETED' ? '' : ` (${terminatedReason})`;
  return `  ${timeText(startTimestampInMillis)}  ${terminalState ?? 'IN_PROGRESS'}${reason}  ${what}\n`;
}

function exceptionLine({ at, code, message, taskName, consequence }: ExceptionMessage): string {
  const where = taskName === null ? '' : ` in ${taskName}`;
  return `  ${timeText(at)}  ${code}${where}: ${message.split('\n', 1)[0]} (${consequence})\n`;
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

function jsonText(shown: object): string {
  return `${JSON.stringify(shown, undefined, 2)}\n`;
}
