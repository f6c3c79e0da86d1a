/** `millrace savepoint`, and `stop` with a savepoint and `cancel` by REST: of a run with `--ui` as of a cluster. */

import { locationOf } from '../base/locations.ts';
import type { Request } from './arguments.ts';
import { EXIT } from './exit.ts';
import { isRestUrl, restClientOf } from './rest-target.ts';
import type { Screen } from './terminal.ts';

/** The process in which a command runs. */
export interface OperateHost {
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly workingDirectory: string;
}

/** What is asked of a running job by REST. */
export type OperateRequest = Extract<
  Request,
  { readonly kind: 'savepoint' | 'cancel' | 'stop' | 'rescale' | 'checkpoint' }
>;

/** True for what only REST can do, and for whoever names a REST interface. */
export function isByRest(request: OperateRequest): boolean {
  if (request.kind === 'savepoint' || request.kind === 'rescale' || request.kind === 'checkpoint')
    return true;
  if (isRestUrl(request.cluster.target)) return true;
  return request.kind === 'stop' && (request.folder !== undefined || request.drain);
}

/** Asks, waits for the outcome, and prints it as Flink's command line does. */
export async function operateByRest(request: OperateRequest, host: OperateHost): Promise<number> {
  const { jobId, json } = request;
  const client = restClientOf(request.cluster);
  const say = (line: string): void => host.stderr.write(json ? '' : `${line}\n`);
  if (request.kind === 'cancel') {
    await client.cancel(jobId);
    host.stdout.write(json ? jsonLine({ jobId }) : `Cancelled job ${jobId}.\n`);
    return EXIT.done;
  }
  if (request.kind === 'rescale') {
    say(`Rescaling job ${jobId}.`);
    const parallelism = await client.rescale(jobId, request.parallelism);
    const { job } = await client.job(jobId);
    const vertices = job.vertices.map(({ name }, vertex) => `  ${parallelism[vertex]}  ${name}\n`).join('');
    host.stdout.write(
      json
        ? jsonLine({ jobId, parallelism })
        : `Rescaled job ${jobId}. Subtasks of its vertices:\n${vertices}`,
    );
    return EXIT.done;
  }
  if (request.kind === 'checkpoint') {
    say(`Triggering checkpoint for job ${jobId}.`);
    say('Waiting for response...');
    const checkpointId = await client.triggerCheckpoint(jobId);
    const { path } = await client.checkpoint(jobId, checkpointId);
    host.stdout.write(
      json
        ? jsonLine({ jobId, checkpointId, path })
        : `Checkpoint ${checkpointId} for job ${jobId} completed. Path: ${path}\n`,
    );
    return EXIT.done;
  }
  const folder = request.folder === undefined ? undefined : locationOf(request.folder, host.workingDirectory);
  const isStop = request.kind === 'stop';
  say(isStop ? `Suspending job "${jobId}" with a savepoint.` : `Triggering savepoint for job ${jobId}.`);
  say('Waiting for response...');
  const savepoint = isStop
    ? await client.stopWithSavepoint(jobId, {
        ...(folder === undefined ? {} : { folder }),
        drain: request.drain,
      })
    : await client.savepoint(jobId, folder);
  host.stdout.write(json ? jsonLine({ jobId, savepoint }) : `Savepoint completed. Path: ${savepoint}\n`);
  say('You can resume your program from this savepoint with the run command.');
  return EXIT.done;
}

function jsonLine(json: object): string {
  return `${JSON.stringify(json)}\n`;
}
