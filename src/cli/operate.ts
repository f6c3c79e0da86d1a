/** `millrace savepoint`, and `stop` with a savepoint and `cancel` by REST: of a run with `--ui` as of a cluster. */

import { resolve } from 'node:path';
import { MillraceError } from '../base/errors.ts';
import { RestClient } from '../rest/rest-client.ts';
import type { ClusterOptions, Request } from './arguments.ts';
import { ClusterFiles, isRunning } from './cluster-files.ts';
import { EXIT } from './exit.ts';
import type { Screen } from './terminal.ts';

/** The process in which a command runs. */
export interface OperateHost {
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly workingDirectory: string;
}

/** What is asked of a running job by REST. */
export type OperateRequest = Extract<Request, { readonly kind: 'savepoint' | 'cancel' | 'stop' | 'rescale' }>;

/** True for what only REST can do, and for whoever names a REST interface. */
export function isByRest(request: OperateRequest): boolean {
  if (request.kind === 'savepoint' || request.kind === 'rescale' || isRestUrl(request.cluster.target))
    return true;
  return request.kind === 'stop' && (request.folder !== undefined || request.drain);
}

/** Asks, waits for the outcome, and prints it as Flink's command line does. */
export async function operateByRest(request: OperateRequest, host: OperateHost): Promise<number> {
  const { jobId, json } = request;
  const client = new RestClient(restOf(request.cluster));
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
  const folder = request.folder === undefined ? undefined : resolve(host.workingDirectory, request.folder);
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

/** Where the REST interface is: as `--target` says, or as the files of the cluster do. */
export function restOf({ target, state }: ClusterOptions): string {
  if (target !== undefined && isRestUrl(target)) return target;
  if (target !== undefined) {
    throw new MillraceError('CLUSTER_UNREACHABLE', `"${target}" is no REST interface`, {
      remedy: 'Give its address with http, for example --target http://localhost:8081.',
    });
  }
  const files = new ClusterFiles(state);
  const record = files.records().find((each) => each.role === 'jobmanager' && isRunning(each));
  if (record?.rest !== undefined) return record.rest;
  throw new MillraceError(
    'CLUSTER_UNREACHABLE',
    `no JobManager with a REST interface is recorded in ${files.directory}`,
    {
      remedy:
        'Start a cluster with `millrace cluster start`; of a run with --ui give the address: --target http://localhost:8081.',
    },
  );
}

function isRestUrl(target: string | undefined): boolean {
  return target?.startsWith('http://') === true || target?.startsWith('https://') === true;
}

function jsonLine(json: object): string {
  return `${JSON.stringify(json)}\n`;
}
