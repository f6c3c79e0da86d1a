/** Takes the words of the command line to an exit code: 0 done, 1 the job failed, 2 wrong usage, 130 interrupted. */

import { sep } from 'node:path';
import { type ErrorCode, isMillraceError } from '../base/errors.ts';
import { ownVersion } from '../base/own-package.ts';
import { didYouMean } from '../base/suggest.ts';
import { parseArguments, type Request } from './arguments.ts';
import type { ClusterCommand } from './cluster.ts';
import type { ProcessRequest } from './cluster-process.ts';
import { errorText, causesOf } from './error-text.ts';
import { codeList, codes, errorCodeOf, explanationOf } from './explain.ts';
import { EXIT } from './exit.ts';
import { ownPackageFolder } from './job-file.ts';
import type { JobHost } from './run-job.ts';
import type { LogsRequest } from './logs.ts';
import type { OperateRequest } from './operate.ts';
import type { ShowRequest } from './show.ts';
import type { StateRequest } from './state-commands.ts';
import { screenOf } from './terminal.ts';

/** What a caller may say besides the words. */
export interface CommandLineOptions {
  /** The command that continues a run that was stopped; default: the same words with `-s latest`. */
  readonly resume?: string;
}

/** Errors in what was typed or configured: nothing of the job has run. */
const USAGE_CODES: readonly ErrorCode[] = [
  'BUNDLER_MISSING',
  'CLUSTER_BIND_UNSAFE',
  'CLUSTER_RUNNING',
  'CONFIG_FILE_INVALID',
  'CONFIG_INVALID',
  'CONFIG_UNKNOWN_KEY',
  'JOB_ARGUMENT_INVALID',
  'JOB_ARGUMENT_UNKNOWN',
  'JOB_FILE_MISSING',
  'JOB_WITHOUT_MILLRACE',
  'REST_BIND_UNSAFE',
  'TLS_UNUSABLE',
];

/** Runs one command in this process. */
export async function runCommandLine(
  words: readonly string[],
  options: CommandLineOptions = {},
): Promise<number> {
  const stdout = screenOf(process.stdout, process.env);
  const stderr = screenOf(process.stderr, process.env);
  const request = parseArguments(words, ownVersion());
  switch (request.kind) {
    case 'print':
      stdout.write(request.text);
      return EXIT.done;
    case 'usage':
      stderr.write(`${usageText(request.message)}\n`);
      return EXIT.usage;
    case 'explain':
      return explain(request.code, stdout.style);
    case 'state-read':
    case 'state-diff':
    case 'state-convert':
    case 'savepoint-dispose':
      return readOrChange(request, hostOf({ words, resume: undefined, stdout, stderr }, false));
    case 'run':
    case 'info':
    case 'check':
    case 'upgrade':
    case 'upgrade-cluster':
      return runOrShow(request, { words, resume: options.resume, stdout, stderr });
    case 'status':
    case 'job-info':
    case 'savepoint':
    case 'rescale':
    case 'checkpoint':
    case 'logs':
      return operate(request, hostOf({ words, resume: undefined, stdout, stderr }, false));
    default:
      return inCluster(request, { words, resume: undefined, stdout, stderr });
  }
}

type ClusterRequest = ClusterCommand | ProcessRequest;

async function inCluster(
  request: ClusterRequest,
  given: Pick<JobHost, 'words' | 'resume' | 'stdout' | 'stderr'>,
): Promise<number> {
  hideExperimentalWarnings();
  const isVerbose = 'options' in request && 'verbose' in request.options && request.options.verbose;
  const host = hostOf(given, isVerbose);
  try {
    if (isProcess(request)) {
      const { runClusterProcess } = await import('./cluster-process.ts');
      return await runClusterProcess(request, host);
    }
    const { runClusterCommand } = await import('./cluster.ts');
    return await runClusterCommand(request, host);
  } catch (error) {
    given.stderr.write(host.describe(error));
    return exitCodeOf(error);
  }
}

function isProcess(request: ClusterRequest): request is ProcessRequest {
  return request.kind === 'jobmanager' || request.kind === 'taskmanager';
}

function hostOf(given: Pick<JobHost, 'words' | 'resume' | 'stdout' | 'stderr'>, isVerbose: boolean): JobHost {
  const verbose = isVerbose || (process.env['MILLRACE_DEBUG'] ?? '') !== '';
  const workingDirectory = process.cwd();
  return {
    ...given,
    // Who only reads what is printed, or runs it in a pipeline, presses no key.
    isInteractive: given.stderr.live && process.stdin.isTTY && (process.env['CI'] ?? '') === '',
    version: ownVersion(),
    verbose,
    workingDirectory,
    environment: process.env,
    describe: (error) =>
      errorText(error, {
        style: given.stderr.style,
        verbose,
        ownFolder: `${ownPackageFolder()}${sep}dist${sep}`,
        workingDirectory,
      }),
  };
}

async function runOrShow(
  request: Request & { kind: 'run' | 'info' | 'check' | 'upgrade' | 'upgrade-cluster' },
  given: Pick<JobHost, 'words' | 'resume' | 'stdout' | 'stderr'>,
): Promise<number> {
  hideExperimentalWarnings();
  // Loaded only now: help and usage answer at once.
  const { runJob, showGuarantee, showPlan, showUpgrade } = await import('./run-job.ts');
  const host = hostOf(given, request.options.verbose);
  try {
    if (request.kind === 'run' && request.cluster !== undefined) {
      const { submitJob } = await import('./submit.ts');
      return await submitJob({ ...request, cluster: request.cluster }, host);
    }
    if (request.kind === 'run') return await runJob(request, host);
    if (request.kind === 'upgrade-cluster') {
      const { upgradeInCluster } = await import('./upgrade-cluster.ts');
      return await upgradeInCluster(request, host);
    }
    if (request.kind === 'upgrade') return await showUpgrade(request, host);
    return request.kind === 'info' ? await showPlan(request, host) : await showGuarantee(request, host);
  } catch (error) {
    given.stderr.write(host.describe(error));
    return exitCodeOf(error);
  }
}

async function operate(request: OperateRequest | LogsRequest | ShowRequest, host: JobHost): Promise<number> {
  try {
    if (request.kind === 'logs') {
      const { printLogs } = await import('./logs.ts');
      return await printLogs(request, host);
    }
    if (request.kind === 'status' || request.kind === 'job-info') {
      const { showByRest } = await import('./show.ts');
      return await showByRest(request, host);
    }
    const { operateByRest } = await import('./operate.ts');
    return await operateByRest(request, host);
  } catch (error) {
    host.stderr.write(host.describe(error));
    return exitCodeOf(error);
  }
}

async function readOrChange(request: StateRequest, host: JobHost): Promise<number> {
  const { runStateCommand } = await import('./state-commands.ts');
  try {
    return await runStateCommand(request, host);
  } catch (error) {
    host.stderr.write(host.describe(error));
    return exitCodeOf(error);
  }
}

/** Which exit code an error means: 2 when the user can mend it before anything of the job runs. */
export function exitCodeOf(error: unknown): number {
  const isUsage = causesOf(error).some((cause) => isMillraceError(cause) && USAGE_CODES.includes(cause.code));
  return isUsage ? EXIT.usage : EXIT.failed;
}

function explain(text: string | undefined, style: Parameters<typeof explanationOf>[1]): number {
  if (text === undefined) {
    process.stdout.write(codeList());
    return EXIT.done;
  }
  const code = errorCodeOf(text);
  if (code === undefined) {
    const hint = didYouMean(text.toUpperCase(), codes());
    process.stderr.write(`${usageText(`there is no error code ${text}.${hint}`)}\n`);
    return EXIT.usage;
  }
  process.stdout.write(explanationOf(code, style));
  return EXIT.done;
}

function usageText(message: string): string {
  return message.startsWith('Usage:')
    ? message
    : `millrace: ${message}\nSee millrace --help, or millrace run --help.`;
}

// That Node strips types is the way jobs are loaded, not news.
function hideExperimentalWarnings(): void {
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    if (warning.name !== 'ExperimentalWarning') process.stderr.write(`${warning.name}: ${warning.message}\n`);
  });
}
