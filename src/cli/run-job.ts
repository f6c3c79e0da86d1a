/**
 * `millrace run`, `info` and `check`: from the words of a request to a job that has ended, or to what is known of it.
 *
 * Owns: the live line and the signals of one run. Talks to: the job, by its client.
 *
 * RJ-1 Signals are watched before anything else happens, so that none ends the process in the middle of a start.
 * RJ-2 What a job prints goes to the standard output, and behind it the result as JSON when it is asked for; all else
 *      goes to the standard error.
 * RJ-3 Whoever stops reading what the job prints (`| head`) ends it at once, as a kill would; nobody reading the
 *      progress changes nothing.
 */

import { systemClock } from '../base/clock.ts';
import type { Configuration } from '../base/config.ts';
import { systemEnv } from '../base/system-env.ts';
import { deserializeError, isMillraceError } from '../base/errors.ts';
import type { ExceptionEntry } from '../cluster/job-manager/exception-history.ts';
import type { JobListener } from '../cluster/job-manager/job-listener.ts';
import type { JobResult } from '../cluster/job-manager/job-result.ts';
import { isCheckpointing, jobSettings } from '../cluster/job-manager/job-settings.ts';
import { isTerminal } from '../cluster/job-manager/job-states.ts';
import type { CheckpointReference } from '../cluster/job-manager/job-storage.ts';
import { explain as planText } from '../graph/explain.ts';
import { guaranteeOf, guaranteeText } from '../graph/guarantee.ts';
import { LogRing } from '../rest/log-ring.ts';
import { checkGuarantee, type ExecuteOptions, executeOver, type JobClient, planOf } from '../run.ts';
import { exportTelemetry, isTelemetryWanted, type Telemetry } from '../watched/telemetry.ts';
import type { WatchedRun } from '../watched/watched-run.ts';
import type { JobOptions, Request } from './arguments.ts';
import { loggingOf } from '../run/load.ts';
import { bundleJob } from './bundle.ts';
import { storeSettings } from '../stores/settings.ts';
import { withStores } from '../stores/stores.ts';
import { readConfiguration } from './configuration.ts';
import type { Dashboard } from './dashboard.ts';
import { EXIT } from './exit.ts';
import { Interruption } from './interruption.ts';
import {
  commandLineOf,
  explainLoadError,
  findJobFile,
  type JobFile,
  ownPackageFolder,
  packageFolderOf,
} from './job-file.ts';
import { Progress } from './progress.ts';
import { resumeWords, shellCommand } from './resume.ts';
import { summaryJson, summaryText, throughputOf } from './summary.ts';
import type { Screen } from './terminal.ts';
import { compareWithSavepoint, savepointOf, type UpgradeRequest } from './upgrade.ts';

/** The process in which a command runs. */
export interface JobHost {
  /** The words after `millrace`. */
  readonly words: readonly string[];
  /** The command that continues the run, when it is not the same words with `-s latest`. */
  readonly resume: string | undefined;
  readonly stdout: Screen;
  readonly stderr: Screen;
  /** Somebody sits at the terminal. */
  readonly isInteractive: boolean;
  readonly version: string;
  readonly verbose: boolean;
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** An error as a person reads it. */
  readonly describe: (error: unknown) => string;
}

type RunRequest = Request & { readonly kind: 'run' };
type ShowRequest = Request & { readonly kind: 'info' | 'check' | 'upgrade' };

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Prints the plan of a job; nothing runs. */
export function showPlan(request: ShowRequest, host: JobHost): Promise<number> {
  return show(request, host, ({ compiled: { graph } }) => ({ json: graph, text: planText(graph) }));
}

/** Prints what a job guarantees, and why; nothing runs. */
export function showGuarantee(request: ShowRequest, host: JobHost): Promise<number> {
  return show(request, host, ({ compiled, configuration }) => {
    // What `run` would refuse guarantees nothing.
    checkGuarantee(compiled, configuration);
    const { mode } = jobSettings(configuration, true).checkpoints;
    const json = guaranteeOf(compiled, { checkpointing: isCheckpointing(configuration), mode });
    return { json, text: guaranteeText(compiled.graph.name, json) };
  });
}

async function show(
  request: ShowRequest,
  host: JobHost,
  shown: (planned: Awaited<ReturnType<typeof planOf>>) => { readonly json: unknown; readonly text: string },
): Promise<number> {
  return withPlan(request, host, (planned) => {
    const { json, text } = shown(planned);
    host.stdout.write(request.json ? `${JSON.stringify(json, undefined, 2)}\n` : text);
    return Promise.resolve(EXIT.done);
  });
}

/** Prints what becomes of a savepoint in this version of the job; nothing runs. */
export async function showUpgrade(request: UpgradeRequest, host: JobHost): Promise<number> {
  const { restore = '', allowNonRestoredState: allowNonRestored } = request.options;
  const savepoint = await savepointOf(restore, host, request.options.configuration);
  return withPlan(request, host, (planned) =>
    compareWithSavepoint(request, savepoint, planned, { allowNonRestored, host }),
  );
}

async function withPlan(
  request: ShowRequest,
  host: JobHost,
  use: (planned: Awaited<ReturnType<typeof planOf>>) => Promise<number>,
): Promise<number> {
  const found = await resolveJob(request, host);
  if (found.kind === 'elsewhere') return runElsewhere(found.commandLine);
  const configuration = await configurationOf(request.options, host);
  const planned = await planOf(found.job.url, submissionOf(request, host, configuration)).catch(
    (error: unknown) => {
      throw explainLoadError(error, found.job);
    },
  );
  return use(planned);
}

/** Runs a job until it ends. */
export async function runJob(request: RunRequest, host: JobHost): Promise<number> {
  const found = await resolveJob(request, host);
  if (found.kind === 'elsewhere') return runElsewhere(found.commandLine);
  return new Run(request, host, found.job).toItsEnd();
}

/** One run: its client once there is one, its live line, its signals. */
class Run {
  readonly #request: RunRequest;
  readonly #host: JobHost;
  readonly #job: JobFile;
  readonly #progress: Progress;
  readonly #interruption: Interruption;
  readonly #logs = new LogRing();
  #client: JobClient | undefined;
  #watched: WatchedRun | undefined;
  #dashboard: Dashboard | undefined;
  #telemetry: Telemetry | undefined;
  #hasRun = false;
  /** Called by a signal while the page stays after the end of the job. */
  #leavePage: (() => void) | undefined;

  constructor(request: RunRequest, host: JobHost, job: JobFile) {
    this.#request = request;
    this.#host = host;
    this.#job = job;
    const clock = systemClock();
    this.#progress = new Progress({
      screen: host.stderr,
      clock,
      figures: () => this.#client?.figures(),
      throughput: (figures) => throughputOf(this.#client!.graph, figures),
    });
    this.#interruption = new Interruption(
      {
        stop: () => this.#stop(),
        cancel: () => (this.#client === undefined ? leave() : this.#whenDone(this.#client.cancel())),
        abandon: leave,
        isRunning: () => this.#client !== undefined,
        say: (line) => this.#progress.print(`${line}\n`),
      },
      clock,
    );
  }

  async toItsEnd(): Promise<number> {
    const onSignal = (name: NodeJS.Signals): void => {
      if (this.#leavePage === undefined) this.#interruption.signal(name);
      else this.#leavePage();
    };
    for (const signal of SIGNALS) process.on(signal, onSignal);
    const release = this.#guardOutput();
    process.stdout.on('error', leaveUnread);
    process.stderr.on('error', ignoreUnread);
    try {
      const client = await this.#start();
      this.#client = client;
      this.#warnOfIgnoredKeys(client.configuration);
      await this.#watch(client);
      this.#progress.start();
      const result = await client.result();
      this.#interruption.ended();
      this.#progress.stop();
      this.#conclude(client, result);
      await this.#stayOnPage(result);
      await this.#dashboard?.answered();
      return this.#exitCode(result);
    } finally {
      this.#progress.stop();
      await this.#telemetry?.close();
      this.#watched?.close();
      await this.#dashboard?.close();
      release();
      process.stdout.off('error', leaveUnread);
      process.stderr.off('error', ignoreUnread);
      for (const signal of SIGNALS) process.off(signal, onSignal);
    }
  }

  async #start(): Promise<JobClient> {
    const configuration = await configurationOf(this.#request.options, this.#host);
    const options = {
      ...submissionOf(this.#request, this.#host, configuration),
      listener: this.#listener(),
      ...(this.#request.ui ? { alsoLogTo: this.#logs.log(systemClock()) } : {}),
    };
    try {
      return await executeOver(this.#job.url, options, undefined);
    } catch (error) {
      throw explainLoadError(error, this.#job);
    }
  }

  #stop(): void {
    const client = this.#client;
    const folder = this.#request.savepointOnStop;
    if (client === undefined || folder === undefined) return this.#whenDone(client?.stop());
    client.stopWithSavepoint(folder).catch((error: unknown) => {
      // Whoever stops a job wants it to stop; its last checkpoint is as good as what could not be made.
      if (this.#interruption.cancelled) return;
      this.#progress.print(this.#host.describe(error));
      this.#whenDone(client.stop());
    });
  }

  /** For its dashboard, or its telemetry: most runs have neither, and load nothing for it. */
  async #watch(client: JobClient): Promise<void> {
    const { ui } = this.#request;
    const { environment, version, workingDirectory } = this.#host;
    if (!ui && !isTelemetryWanted(environment)) return;
    const { watchRun } = await import('../watched/watched-run.ts');
    const { configuration } = client;
    const plain = systemEnv({ logging: loggingOf(configuration) });
    const env = withStores(plain, storeSettings(configuration, this.#host.environment));
    this.#watched = watchRun({ client, env, logs: this.#logs, version, workingDirectory });
    const { watch } = this.#watched;
    const say = (text: string): void => this.#progress.print(`${client.jobName}: ${text}\n`);
    this.#telemetry = await exportTelemetry({ watch, environment, workingDirectory, warn: say, info: say });
    if (ui) await this.#serveDashboard(this.#watched);
  }

  /** Without a port the job runs all the same, unless the port was named. */
  async #serveDashboard(watched: WatchedRun): Promise<void> {
    const { isPortChosen, serveDashboard } = await import('./dashboard.ts');
    const { client } = watched;
    try {
      this.#dashboard = await serveDashboard(watched);
    } catch (error) {
      if (isPortChosen(client.configuration)) {
        await client.cancel();
        throw error;
      }
      this.#progress.print(this.#host.describe(error));
      return;
    }
    // Of a job that is over already nobody gets to see it, unless the page stays, which is said then.
    if (isTerminal(client.status())) return;
    this.#progress.print(`${client.jobName}: dashboard at ${this.#dashboard.url}\n`);
  }

  /** At a terminal the page stays until Ctrl-C, so that what happened can be looked at; elsewhere nobody would press it. */
  async #stayOnPage({ status }: JobResult): Promise<void> {
    const { stderr, isInteractive } = this.#host;
    if (this.#dashboard === undefined || !isInteractive || this.#request.json) return;
    if (this.#interruption.asked || status === 'ALREADY_FINISHED') return;
    stderr.write(`\nThe dashboard stays at ${this.#dashboard.url} until you press Ctrl-C.\n`);
    await new Promise<void>((resolve) => {
      this.#leavePage = resolve;
    });
  }

  #listener(): JobListener {
    return {
      onRestore: (checkpoint) => this.#progress.print(`${this.#restoredText(checkpoint)}\n`),
      onFailure: (failure) => this.#progress.print(this.#failureText(failure)),
    };
  }

  #restoredText(checkpoint: CheckpointReference | undefined): string {
    const again = this.#hasRun ? 'restarted, ' : '';
    this.#hasRun = true;
    const name = this.#client?.jobName ?? this.#job.name;
    if (checkpoint !== undefined) {
      return `${name}: ${again}continued from checkpoint ${checkpoint.id} (${this.#shortened(checkpoint.path)})`;
    }
    const why = this.#request.options.restore === 'latest' && again === '' ? 'no checkpoint yet, ' : again;
    return `${name}: ${why}started from the beginning`;
  }

  // A failure that ends the job is told once, by the summary.
  #failureText({ error, consequence }: ExceptionEntry): string {
    if (!consequence.startsWith('restart')) return '';
    return `${this.#host.describe(deserializeError(error))}  ${consequence}\n`;
  }

  #conclude(client: JobClient, result: JobResult): void {
    const { stderr, workingDirectory, describe, resume, words } = this.#host;
    if (this.#request.json) {
      if (result.error !== undefined) stderr.write(describe(result.error));
      this.#host.stdout.write(summaryJson({ result, graph: client.graph, targets: client.targets }));
      return;
    }
    if (result.status === 'FAILED' && !this.#hasRun) {
      stderr.write(describe(result.error?.cause ?? result.error));
      return;
    }
    if (result.error !== undefined) stderr.write(describe(result.error));
    stderr.write(
      summaryText({
        result,
        graph: client.graph,
        targets: client.targets,
        resume: resume ?? `npx millrace ${shellCommand(resumeWords(words))}`,
        workingDirectory,
        style: stderr.style,
      }),
    );
  }

  #exitCode({ status, error }: JobResult): number {
    if (status === 'FINISHED' || status === 'ALREADY_FINISHED') return EXIT.done;
    if (this.#interruption.asked && (status === 'STOPPED' || status === 'CANCELED')) return EXIT.interrupted;
    return isMillraceError(error) || status === 'FAILED' ? EXIT.failed : EXIT.done;
  }

  #warnOfIgnoredKeys({ ignoredKeys }: Configuration): void {
    if (ignoredKeys.length === 0) return;
    this.#progress.print(`ignored, because they mean nothing here: ${ignoredKeys.join(', ')}\n`);
  }

  // What the job prints or logs must not end up behind the live line.
  #guardOutput(): () => void {
    const guarded = [process.stdout, process.stderr].map((stream) => {
      const write = stream.write.bind(stream);
      stream.write = ((...args: Parameters<typeof write>) => {
        this.#progress.makeWay();
        return write(...args);
      }) as typeof write;
      return { stream, write };
    });
    return () => {
      for (const { stream, write } of guarded) stream.write = write;
    };
  }

  // The end of the job is awaited elsewhere; here only a failure of the call itself must not get lost.
  #whenDone(ended: Promise<JobResult> | undefined): void {
    ended?.catch((error: unknown) => {
      // It ended by itself at the moment of the signal.
      if (!isMillraceError(error, 'JOB_NOT_RUNNING')) this.#host.stderr.write(this.#host.describe(error));
    });
  }

  #shortened(path: string): string {
    const { workingDirectory } = this.#host;
    return path.startsWith(`${workingDirectory}/`) ? path.slice(workingDirectory.length + 1) : path;
  }
}

type ResolvedJob =
  | { readonly kind: 'here'; readonly job: JobFile }
  /** The job uses another copy of Millrace, whose command line takes over. */
  | { readonly kind: 'elsewhere'; readonly commandLine: URL };

async function resolveJob(
  { job: name, options }: RunRequest | ShowRequest,
  host: JobHost,
): Promise<ResolvedJob> {
  const { workingDirectory } = host;
  const job = findJobFile(name, { workingDirectory, bundle: options.bundle });
  const folder = packageFolderOf(job);
  if (folder !== ownPackageFolder()) return { kind: 'elsewhere', commandLine: commandLineOf(folder) };
  return { kind: 'here', job: options.bundle ? await bundleJob(job, workingDirectory) : job };
}

/** Hands over to another copy's command line: it reads the same words and sets the exit code by itself. */
export async function runElsewhere(commandLine: URL): Promise<number> {
  await import(commandLine.href);
  return Number(process.exitCode ?? EXIT.done);
}

/** All layers of the configuration of a job. */
export function configurationOf(options: JobOptions, host: JobHost): Promise<Configuration> {
  const quiet = host.verbose ? {} : { 'log.level': 'error' };
  const parallelism = options.parallelism === undefined ? {} : { 'parallelism.default': options.parallelism };
  return readConfiguration({
    commandLine: { ...options.configuration, ...parallelism },
    byDefault: quiet,
    environment: host.environment,
    workingDirectory: host.workingDirectory,
  });
}

/** What a request says about how its job is run. */
export function submissionOf(
  { options, args }: Pick<RunRequest, 'options' | 'args'>,
  host: JobHost,
  configuration: Configuration,
): ExecuteOptions {
  return {
    args,
    configuration,
    workingDirectory: host.workingDirectory,
    fresh: options.fresh,
    discardLaterOutput: options.discardLaterOutput,
    ...(options.restore === undefined ? {} : { restore: options.restore }),
    ...(options.claim === undefined ? {} : { claimMode: options.claim ? 'CLAIM' : 'NO_CLAIM' }),
    ...(options.jobId === undefined ? {} : { jobId: options.jobId }),
    ...(options.allowNonRestoredState ? { allowNonRestoredState: true } : {}),
  };
}

// Nothing of the job is worth waiting for: committed output is safe, and whoever continues finds the last checkpoint.
function leave(): never {
  process.exit(EXIT.interrupted);
}

function leaveUnread(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.failed);
}

function ignoreUnread(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}
