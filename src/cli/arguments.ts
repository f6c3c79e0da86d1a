/** The command line as plain data: commands, options, and what is wrong with them. The only file that knows commander. */

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';

/** Options of `run`, `info` and `check`. */
export interface JobOptions {
  /** `-p`: the parallelism of the job. */
  readonly parallelism: number | undefined;
  /** `-D`: configuration keys, the last of a key wins. */
  readonly configuration: Readonly<Record<string, string>>;
  /** `-s`: the path of a checkpoint or savepoint, or `latest`. */
  readonly restore: string | undefined;
  /** `--claim`, `--no-claim`: whose it is that `-s` names; `undefined` = as configured. */
  readonly claim: boolean | undefined;
  /** `-n`: state that no operator takes is left behind instead of refused. */
  readonly allowNonRestoredState: boolean;
  readonly jobId: string | undefined;
  readonly fresh: boolean;
  readonly discardLaterOutput: boolean;
  readonly bundle: boolean;
  readonly verbose: boolean;
}

/** Which cluster is meant. */
export interface ClusterOptions {
  /** `--state`: the folder of its files; default: that of the user. */
  readonly state: string | undefined;
  /** `--target`: where its JobManager is; default: as its files say. */
  readonly target: string | undefined;
  /** `--token-file`: with a REST interface as the target, the token that it wants; default: that of the files. */
  readonly tokenFile?: string;
}

/** Options of the processes of a cluster. */
export interface ClusterProcessOptions extends Pick<ClusterOptions, 'state'> {
  /** `-D`. */
  readonly configuration: Readonly<Record<string, string>>;
  readonly verbose: boolean;
}

/** What the user asked for. */
export type Request =
  | {
      readonly kind: 'run';
      readonly job: string;
      readonly options: JobOptions;
      readonly args: readonly string[];
      readonly json: boolean;
      /** A first signal stops with a savepoint in this folder. */
      readonly savepointOnStop: string | undefined;
      /** Serve the dashboard. */
      readonly ui: boolean;
      /** Run it in a cluster; `undefined`: here. */
      readonly cluster: (ClusterOptions & { readonly detached: boolean }) | undefined;
    }
  | {
      readonly kind: 'jobmanager';
      readonly options: ClusterProcessOptions;
      /** Application mode: it runs this job, and ends with it. */
      readonly application?: {
        readonly job: string;
        readonly options: JobOptions;
        readonly args: readonly string[];
      };
    }
  | { readonly kind: 'taskmanager'; readonly options: ClusterProcessOptions }
  | {
      readonly kind: 'cluster-start';
      readonly options: ClusterProcessOptions;
      readonly taskManagers: number;
      readonly jobManagers: number;
      readonly json: boolean;
    }
  | {
      readonly kind: 'cluster-stop' | 'cluster-status';
      readonly options: Pick<ClusterOptions, 'state'>;
      readonly json: boolean;
    }
  | {
      readonly kind: 'list';
      readonly cluster: ClusterOptions;
      /** Those that have ended, too. */
      readonly all: boolean;
      readonly json: boolean;
    }
  | {
      readonly kind: 'cancel';
      readonly cluster: ClusterOptions;
      readonly jobId: string;
      readonly json: boolean;
    }
  | {
      readonly kind: 'stop';
      readonly cluster: ClusterOptions;
      readonly jobId: string;
      /** Stop with a savepoint in this folder. */
      readonly folder: string | undefined;
      /** All input ends first; also with a savepoint. */
      readonly drain: boolean;
      readonly json: boolean;
    }
  | {
      /** A checkpoint, now. */
      readonly kind: 'checkpoint';
      readonly cluster: ClusterOptions;
      readonly jobId: string;
      readonly json: boolean;
    }
  | {
      readonly kind: 'logs';
      readonly cluster: ClusterOptions;
      /** Only lines of this job. */
      readonly jobId: string | undefined;
      /** Lines of this importance, and of more. */
      readonly level: 'debug' | 'info' | 'warn' | 'error' | undefined;
      /** Go on with what comes. */
      readonly follow: boolean;
      readonly json: boolean;
    }
  | {
      /** What the cluster has, or in which state one job is. */
      readonly kind: 'status';
      readonly cluster: ClusterOptions;
      readonly jobId: string | undefined;
      readonly json: boolean;
    }
  | {
      /** How a job of a cluster fares. */
      readonly kind: 'job-info';
      readonly cluster: ClusterOptions;
      readonly jobId: string;
      readonly json: boolean;
    }
  | {
      readonly kind: 'rescale';
      readonly cluster: ClusterOptions;
      readonly jobId: string;
      /** Of all vertices that do not set their own, or by vertex. */
      readonly parallelism: number | Readonly<Record<string, number>>;
      readonly json: boolean;
    }
  | {
      readonly kind: 'savepoint';
      readonly cluster: ClusterOptions;
      readonly jobId: string;
      readonly folder: string | undefined;
      readonly json: boolean;
    }
  | {
      /** `info` prints the plan, `check` what the job guarantees. */
      readonly kind: 'info' | 'check';
      readonly job: string;
      readonly options: JobOptions;
      readonly args: readonly string[];
      readonly json: boolean;
    }
  | {
      /** What becomes of a savepoint in this version of the job; nothing runs. */
      readonly kind: 'upgrade';
      readonly job: string;
      /** `restore` names the savepoint. */
      readonly options: JobOptions;
      readonly args: readonly string[];
      readonly json: boolean;
    }
  | {
      /** A job of a cluster gets a new version, and the old one back if that fails. */
      readonly kind: 'upgrade-cluster';
      readonly jobId: string;
      readonly job: string;
      readonly options: JobOptions;
      readonly args: readonly string[];
      readonly cluster: ClusterOptions;
      /** Where the savepoint is made. */
      readonly folder: string | undefined;
      /** The first checkpoint of the new version has to be there by then. */
      readonly deadlineMs: number;
      /** Only compare. */
      readonly dryRun: boolean;
      readonly json: boolean;
    }
  | {
      /** What a savepoint holds, or with a uid each entry of an operator. */
      readonly kind: 'state-read';
      readonly path: string;
      readonly uid: string | undefined;
      /** Only this state, or this section of operator state. */
      readonly state: string | undefined;
      readonly key: string | undefined;
      readonly limit: number | undefined;
      readonly json: boolean;
    }
  | {
      readonly kind: 'state-diff';
      readonly left: string;
      readonly right: string;
      readonly json: boolean;
    }
  | {
      /** A checkpoint or savepoint becomes another savepoint in a folder. */
      readonly kind: 'state-convert';
      readonly path: string;
      readonly folder: string;
      /** Uids, from old to new. */
      readonly renamed: Readonly<Record<string, string>>;
      readonly removed: readonly string[];
      readonly json: boolean;
    }
  | { readonly kind: 'savepoint-dispose'; readonly path: string; readonly json: boolean }
  | { readonly kind: 'explain'; readonly code: string | undefined }
  /** Help or the version: printed, and that was all. */
  | { readonly kind: 'print'; readonly text: string }
  | { readonly kind: 'usage'; readonly message: string };

/** Reads the words after `millrace`; what follows the first `--` belongs to the job. */
export function parseArguments(words: readonly string[], version: string): Request {
  const dashes = words.indexOf('--');
  const own = dashes < 0 ? words : words.slice(0, dashes);
  const args = dashes < 0 ? [] : words.slice(dashes + 1);
  const printed: string[] = [];
  let request: Request | undefined;
  const program = commandsFor((found) => {
    request = found;
  }, args);
  program.version(version, '--version', 'print the version');
  // What stands behind a command is its own, also where the command above it has an option of that name.
  program.enablePositionalOptions();
  capture(program, printed);
  try {
    program.parse(own, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return problemOf(error, printed.join(''), own);
  }
  return request ?? { kind: 'print', text: program.helpInformation() };
}

function commandsFor(found: (request: Request) => void, args: readonly string[]): Command {
  const program = new Command('millrace').description(
    "Stateful stream processing in TypeScript, with Apache Flink's model.",
  );
  withJobOptions(program.command('run'))
    .summary('run a job here until it ends or is stopped')
    .description('Runs a job here until it ends or is stopped. What follows -- goes to the job.')
    .option('--json', 'print the result as one line of JSON behind the output of the job')
    .option(
      '-t, --target <address>',
      'run it in a cluster: host:port of its JobManager, http://host:port of its REST interface, or "local"',
    )
    .option('--token-file <path>', TOKEN_FILE, notEmpty)
    .option('-d, --detached', 'with --target: do not wait for the end of the job')
    .option('--state <folder>', 'with --target: the folder of the files of the cluster', notEmpty)
    .option('--savepoint-on-stop <folder>', 'stop (Ctrl-C) with a savepoint, made in this folder', notEmpty)
    .option('--ui', 'serve the dashboard at http://localhost:8081, or the next free port')
    .option('--no-ui', 'serve no dashboard')
    .addHelpText('after', RUN_EXAMPLES)
    .action((job: string, raw: RawOptions) => {
      const { json = false, savepointOnStop, ui = false } = raw;
      const detached = raw.detached === true;
      const isHere = raw.target === undefined && !detached;
      const cluster = isHere ? undefined : { ...clusterOptions(raw), detached };
      found({ kind: 'run', job, options: jobOptions(raw), args, json, savepointOnStop, cluster, ui });
    });
  withJobOptions(program.command('info'))
    .summary('print the plan of a job without running it, or how a job of a cluster fares')
    .description(
      'Prints the plan of a job file as text, or as JSON, without running it. With the id of a job in the place of a file: how it fares in its cluster.',
    )
    .option('-t, --target <address>', `with a job id: ${REST_TARGET}`, notEmpty)
    .option('--token-file <path>', TOKEN_FILE, notEmpty)
    .option('--state <folder>', 'with a job id: the folder of the files of the cluster', notEmpty)
    .option('--json', 'print it as JSON')
    .action((job: string, raw: RawOptions) => {
      const { json = false } = raw;
      if (isFileName(job)) return found({ kind: 'info', job, options: jobOptions(raw), args, json });
      const misplaced = givenForJob(raw);
      if (misplaced === undefined)
        return found({ kind: 'job-info', cluster: clusterOptions(raw), jobId: job, json });
      const message = `${misplaced} is for a job file, and ${job} is taken for the id of a job`;
      found({ kind: 'usage', message });
    });
  withJobOptions(program.command('check'))
    .summary('say what a job guarantees from source to sink, and why')
    .description('Says in one sentence per sink what a job guarantees, and why, without running it.')
    .option('--json', 'print it as JSON')
    .action((job: string, raw: RawOptions) => {
      found({ kind: 'check', job, options: jobOptions(raw), args, json: raw.json === true });
    });
  addClusterCommands(program, found, args);
  addRescaleCommand(program, found);
  addUpgradeCommand(program, found, args);
  stateCommands(program, found);
  program
    .command('explain')
    .summary('say what an error code means and what to do')
    .description('Says what an error code means and what to do; without a code, lists all of them.')
    .argument('[code]', 'for example CONFIG_UNKNOWN_KEY')
    .action((code: string | undefined) => {
      found({ kind: 'explain', code });
    });
  return program;
}

/** The processes of a cluster, and what can be asked of one. */
function addClusterCommands(
  program: Command,
  found: (request: Request) => void,
  args: readonly string[],
): void {
  withStartOptions(withProcessOptions(program.command('jobmanager')))
    .summary('start a JobManager in this terminal, for many jobs or for one')
    .description(
      'Starts a JobManager of a cluster, which runs until it is stopped; with --job it runs that one job and ends with it. What follows -- goes to the job.',
    )
    .option('--job <job>', 'run this job alone: job.ts or job.js', notEmpty)
    .action((raw: RawOptions & { job?: string }) => {
      const { job } = raw;
      const options = processOptions(raw);
      if (job !== undefined) {
        return found({ kind: 'jobmanager', options, application: { job, options: jobOptions(raw), args } });
      }
      const misplaced = givenForJob(raw) ?? (args.length > 0 ? 'what follows --' : undefined);
      if (misplaced === undefined) return found({ kind: 'jobmanager', options });
      found({ kind: 'usage', message: `${misplaced} is for a job: name it with --job` });
    });
  withProcessOptions(program.command('taskmanager'))
    .summary('start a TaskManager in this terminal')
    .description('Starts a TaskManager of a cluster, which runs until it is stopped.')
    .action((raw: RawOptions) => found({ kind: 'taskmanager', options: processOptions(raw) }));
  const cluster = program
    .command('cluster')
    .summary('start, stop or show a cluster of processes on this machine')
    .description('Starts, stops or shows a cluster of processes on this machine.');
  withProcessOptions(cluster.command('start'))
    .summary('start a JobManager and TaskManagers')
    .option('--taskmanagers <n>', 'how many TaskManagers', positiveInteger, 3)
    .option('--job-managers <n>', 'how many JobManagers: one leads, the others stand by', positiveInteger, 1)
    .option('--json', 'print it as JSON')
    .action((raw: RawOptions & { taskmanagers: number; jobManagers: number }) => {
      const { taskmanagers: taskManagers, jobManagers } = raw;
      const options = processOptions(raw);
      found({ kind: 'cluster-start', options, taskManagers, jobManagers, json: raw.json === true });
    });
  for (const what of ['stop', 'status'] as const) {
    withState(cluster.command(what))
      .summary(what === 'stop' ? 'stop all of its processes' : 'show its processes, slots and jobs')
      .option('--json', 'print it as JSON')
      .action((raw: RawOptions) => {
        found({ kind: `cluster-${what}`, options: { state: raw.state }, json: raw.json === true });
      });
  }
  withCluster(program.command('list'))
    .summary('list the jobs of a cluster')
    .option('-a, --all', 'those that have ended, too')
    .action((raw: RawOptions) => {
      const { json, all } = raw;
      found({ kind: 'list', cluster: clusterOptions(raw), all: all === true, json: json === true });
    });
  withCluster(program.command('status'))
    .summary('show TaskManagers, slots and jobs by REST, or the state of one job')
    .argument('[job-id]', JOB_ID)
    .action((jobId: string | undefined, raw: RawOptions) => {
      found({ kind: 'status', cluster: clusterOptions(raw), jobId, json: raw.json === true });
    });
  withCluster(program.command('cancel'))
    .summary('cancel a job')
    .argument('<job-id>', JOB_ID)
    .action((jobId: string, raw: RawOptions) => {
      found({ kind: 'cancel', cluster: clusterOptions(raw), jobId, json: raw.json === true });
    });
  withCluster(program.command('stop'))
    .summary('stop a job with a last checkpoint, or with a savepoint')
    .argument('<job-id>', JOB_ID)
    .option('-p, --savepoint-path <folder>', 'stop with a savepoint, made in this folder', notEmpty)
    .option('-d, --drain', 'with a savepoint: end all input first, so that timers fire and windows emit')
    .action((jobId: string, raw: RawOptions) => {
      const { savepointPath: folder, drain = false, json = false } = raw;
      found({ kind: 'stop', cluster: clusterOptions(raw), jobId, folder, drain, json });
    });
}

function addRescaleCommand(program: Command, found: (request: Request) => void): void {
  withCluster(program.command('checkpoint'))
    .summary('take a checkpoint of a running job now')
    .argument('<job-id>', JOB_ID)
    .action((jobId: string, raw: RawOptions) => {
      found({ kind: 'checkpoint', cluster: clusterOptions(raw), jobId, json: raw.json === true });
    });
  withCluster(program.command('logs'))
    .summary('print the last lines of the logs of a cluster, or of one job')
    .argument('[job-id]', JOB_ID)
    .option('-f, --follow', 'go on with what comes')
    .addOption(
      new Option('--level <level>', 'lines of this importance, and of more').choices([
        'debug',
        'info',
        'warn',
        'error',
      ]),
    )
    .action((jobId: string | undefined, raw: RawOptions) => {
      const { follow = false, level, json = false } = raw;
      found({ kind: 'logs', cluster: clusterOptions(raw), jobId, level, follow, json });
    });
  withCluster(program.command('rescale'))
    .summary('run a job with other numbers of subtasks, from a checkpoint that is taken for it')
    .description(
      'Goes on with other numbers of subtasks, from a checkpoint that is taken for it; the job goes on as it was when it cannot. Of a cluster, or with --target http://… of a run with --ui.',
    )
    .argument('<job-id>', JOB_ID)
    .argument(
      '[vertex=n...]',
      'subtasks of one vertex, which is named by its id, its name or the uid of an operator',
      subtasksOf,
    )
    .option('-p, --parallelism <n>', 'subtasks of each operator that does not set its own', positiveInteger)
    .action((jobId: string, vertices: Record<string, number> | undefined, raw: RawOptions) => {
      const { parallelism, json = false } = raw;
      const named = { ...vertices };
      if ((parallelism === undefined) === (Object.keys(named).length === 0)) {
        const message = 'rescale to what? Say -p <n>, or <vertex>=<n> for some vertices.';
        return found({ kind: 'usage', message });
      }
      const cluster = clusterOptions(raw);
      found({ kind: 'rescale', cluster, jobId, parallelism: parallelism ?? named, json });
    });
}

function subtasksOf(text: string, before: Record<string, number> = {}): Record<string, number> {
  const equals = text.lastIndexOf('=');
  if (equals <= 0) throw new InvalidArgumentError('It has to be vertex=n, for example count=3.');
  return { ...before, [text.slice(0, equals)]: positiveInteger(text.slice(equals + 1)) };
}

const TOKEN_FILE = 'with an http target: the file of its token (default: that of the cluster)';
const REST_TARGET = 'http://host:port of a REST interface (default: as the files of the cluster say)';
const JOB_ID = 'its id, as `millrace list` and the dashboard say it';

/** What ends as a module does, or names a folder, is a file; ids of jobs have neither. */
function isFileName(word: string): boolean {
  return /[/\\]|\.[cm]?[jt]sx?$/.test(word);
}

function withState(command: Command): Command {
  return command.option(
    '--state <folder>',
    'the folder of its files (default: ~/.millrace/cluster)',
    notEmpty,
  );
}

function withCluster(command: Command): Command {
  return withState(command)
    .option(
      '-t, --target <address>',
      'host:port of its JobManager (default: as its files say), or http://host:port of a REST interface',
      notEmpty,
    )
    .option('--token-file <path>', TOKEN_FILE, notEmpty)
    .option('--json', 'print it as JSON');
}

function withProcessOptions(command: Command): Command {
  return withState(command)
    .option('-D <key=value>', 'set a configuration key; may be given often', keyValue)
    .option('--verbose', 'show stack traces and the whole log');
}

function clusterOptions({ state, target, tokenFile }: RawOptions): ClusterOptions {
  return {
    state,
    target: target === 'local' ? undefined : target,
    ...(tokenFile === undefined ? {} : { tokenFile }),
  };
}

/** What only a job understands, of what was given. */
function givenForJob(raw: RawOptions): string | undefined {
  const { parallelism, fromSavepoint, claim, allowNonRestoredState, jobId, fresh, discardLaterOutput } = raw;
  const options = {
    '--parallelism': parallelism,
    '--from-savepoint': fromSavepoint,
    '--claim': claim,
    '--allow-non-restored-state': allowNonRestoredState,
    '--job-id': jobId,
    '--fresh': fresh,
    '--discard-later-output': discardLaterOutput,
  };
  return Object.entries(options).find(([, value]) => value !== undefined)?.[0];
}

function processOptions({ state, D = {}, verbose }: RawOptions): ClusterProcessOptions {
  return { state, configuration: D, verbose: verbose === true };
}

/** Seconds until the first checkpoint of a new version has to be there. */
const UPGRADE_SECONDS = 120;

function addUpgradeCommand(
  program: Command,
  found: (request: Request) => void,
  args: readonly string[],
): void {
  withJobOptions(program.command('upgrade'))
    .argument('[new-job]', 'the file of the new version; then <job> is the id of a job in a cluster')
    .summary('replace a running job by a new version, or say what would become of its state')
    .description(
      'Stops a job of a cluster with a savepoint, starts its new version from it, and goes back to the old one when that does not complete a checkpoint. With a job file alone, -s and --dry-run: says what becomes of a savepoint in this version of the job.',
    )
    .option('--dry-run', 'change nothing, only say what would become of the state')
    .option('--savepoint-path <folder>', 'where the savepoint is made', notEmpty)
    .option(
      '--deadline <seconds>',
      'for the first checkpoint of the new version',
      positiveInteger,
      UPGRADE_SECONDS,
    )
    .option(
      '-t, --target <address>',
      'host:port of the JobManager (default: as the files of the cluster say)',
      notEmpty,
    )
    .option('--state <folder>', 'the folder of the files of the cluster', notEmpty)
    .option('--json', 'print it as JSON')
    .addHelpText('after', UPGRADE_EXAMPLES)
    .action((job: string, newJob: string | undefined, raw: RawOptions) => {
      found(newJob === undefined ? upgradeHere(job, raw, args) : upgradeOf(job, newJob, raw, args));
    });
}

const UPGRADE_EXAMPLES = `
Examples:
  millrace upgrade <job-id> job.ts --savepoint-path saved       of a job in a cluster, and back if it fails
  millrace upgrade <job-id> job.ts --dry-run                    would the new job.ts start from its checkpoint?
  millrace upgrade job.ts -s saved/savepoint-1a… --dry-run      and from this savepoint?`;

function upgradeHere(job: string, raw: RawOptions, args: readonly string[]): Request {
  const { dryRun, fromSavepoint, json = false } = raw;
  const isNamed = fromSavepoint !== undefined && fromSavepoint !== 'latest';
  if (dryRun === true && isNamed) return { kind: 'upgrade', job, options: jobOptions(raw), args, json };
  const message = isNamed
    ? 'which job is to be replaced? Of a cluster: upgrade <job-id> <new-job>. Without one: --dry-run says what would become of the state.'
    : 'which savepoint? Name the directory of a savepoint or checkpoint with -s, or the id of a job in a cluster before the file.';
  return { kind: 'usage', message };
}

function upgradeOf(jobId: string, job: string, raw: RawOptions, args: readonly string[]): Request {
  const { savepointPath: folder, deadline = UPGRADE_SECONDS, dryRun = false, json = false } = raw;
  if (raw.fromSavepoint !== undefined)
    return { kind: 'usage', message: 'an upgrade takes its own savepoint: -s has no place in it.' };
  const cluster = clusterOptions(raw);
  const deadlineMs = deadline * 1_000;
  const options = jobOptions(raw);
  return { kind: 'upgrade-cluster', jobId, job, options, args, cluster, folder, deadlineMs, dryRun, json };
}

interface RawStateOptions {
  readonly uid?: string;
  readonly state?: string;
  readonly key?: string;
  readonly limit?: number;
  readonly rename?: Record<string, string>;
  readonly remove?: readonly string[];
  readonly json?: boolean;
}

function stateCommands(program: Command, found: (request: Request) => void): void {
  const state = program.command('state').summary('read, compare and change savepoints on the disk');
  state
    .command('read')
    .summary('say what a savepoint or checkpoint holds')
    .description('Says what a savepoint or checkpoint holds; with --uid, each entry of an operator.')
    .argument('<path>', 'its directory')
    .option('--uid <uid>', 'the entries of this operator', notEmpty)
    .option('--state <name>', 'only this state', notEmpty)
    .option('--key <key>', 'only this key', notEmpty)
    .option('--limit <n>', 'at most so many entries', positiveInteger)
    .option('--json', 'print JSON, of entries one line each')
    .action((path: string, { uid, state: name, key, limit, json = false }: RawStateOptions) => {
      found({ kind: 'state-read', path, uid, state: name, key, limit, json });
    });
  state
    .command('diff')
    .summary('compare two savepoints, key by key')
    .description('Compares two savepoints or checkpoints, key by key. Exit code 1 when they differ.')
    .argument('<first>', 'a directory')
    .argument('<second>', 'another one')
    .option('--json', 'print it as JSON')
    .action((left: string, right: string, { json = false }: RawStateOptions) => {
      found({ kind: 'state-diff', left, right, json });
    });
  state
    .command('convert')
    .summary('write a savepoint from another one, or from a checkpoint')
    .description('Writes a savepoint from another one, or from a checkpoint; the original stays as it is.')
    .argument('<path>', 'the directory of the original')
    .argument('<folder>', 'where the new one is made')
    .option(
      '--rename <uid=uid>',
      'give the state of an operator to another uid; may be given often',
      renaming,
    )
    .option('--remove <uid>', 'leave an operator out; may be given often', collected)
    .option('--json', 'print it as JSON')
    .action((path: string, folder: string, { rename, remove, json = false }: RawStateOptions) => {
      found({ kind: 'state-convert', path, folder, renamed: rename ?? {}, removed: remove ?? [], json });
    });
  const savepoint = withCluster(program.command('savepoint'))
    .enablePositionalOptions()
    .summary('take a savepoint of a running job, or remove one')
    .description(
      'Takes a savepoint of a running job: of a cluster, or with --target http://… of a run with --ui.',
    )
    .argument('<job-id>', JOB_ID)
    .argument('[folder]', 'where it is made (default: execution.checkpointing.savepoint-dir)')
    .action((jobId: string, folder: string | undefined, raw: RawOptions) => {
      found({ kind: 'savepoint', cluster: clusterOptions(raw), jobId, folder, json: raw.json === true });
    });
  savepoint
    .command('dispose')
    .summary('remove a savepoint with its files')
    .description('Removes a savepoint with its files, and nothing else that is in its directory.')
    .argument('<path>', 'its directory')
    .option('--json', 'print it as JSON')
    .action((path: string, { json = false }: RawStateOptions) => {
      found({ kind: 'savepoint-dispose', path, json });
    });
}

function renaming(text: string, before: Record<string, string> = {}): Record<string, string> {
  const equals = text.indexOf('=');
  if (equals <= 0 || equals === text.length - 1)
    throw new InvalidArgumentError('It has to be old=new, for example visits=visits-by-user.');
  return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) };
}

function collected(text: string, before: readonly string[] = []): string[] {
  return [...before, notEmpty(text)];
}

const RUN_EXAMPLES = `
Examples:
  millrace run job.ts                           run it
  millrace run job.ts -s latest                 continue from its latest checkpoint
  millrace run job.ts --savepoint-on-stop saved stop (Ctrl-C) with a savepoint in saved/
  millrace run job.ts -s saved/savepoint-1a…    continue from it, also with a changed job
  millrace run job.ts -p 4 -- --input data.log  four subtasks; --input goes to the job
  millrace run job.ts -D execution.checkpointing.interval=2s
  millrace run job.ts --ui                      and look at it in a browser
  millrace run job.ts -d                        run it in the cluster of this machine

Exit codes: 0 finished, 1 the job failed, 2 wrong usage, 130 stopped by a signal.`;

interface RawOptions {
  readonly parallelism?: number;
  readonly D?: Record<string, string>;
  readonly fromSavepoint?: string;
  readonly claim?: boolean;
  readonly savepointOnStop?: string;
  readonly dryRun?: boolean;
  readonly deadline?: number;
  readonly savepointPath?: string;
  readonly drain?: boolean;
  readonly allowNonRestoredState?: boolean;
  readonly jobId?: string;
  readonly fresh?: boolean;
  readonly discardLaterOutput?: boolean;
  readonly bundle?: boolean;
  readonly verbose?: boolean;
  readonly json?: boolean;
  readonly state?: string;
  readonly target?: string;
  readonly tokenFile?: string;
  readonly follow?: boolean;
  readonly level?: 'debug' | 'info' | 'warn' | 'error';
  readonly detached?: boolean;
  readonly all?: boolean;
  readonly ui?: boolean;
}

function withJobOptions(command: Command): Command {
  return withStartOptions(command)
    .argument('<job>', 'the file of the job: job.ts or job.js')
    .option('-D <key=value>', 'set a configuration key; may be given often', keyValue)
    .option('--bundle', 'compile the job with esbuild first (enum, decorators, tsx)')
    .option('--verbose', 'show stack traces and the log');
}

/** How a job begins. */
function withStartOptions(command: Command): Command {
  return command
    .option('-p, --parallelism <n>', 'subtasks of each operator', positiveInteger)
    .option(
      '-s, --from-savepoint <path|latest>',
      'continue from a checkpoint or savepoint: its path, or "latest"',
      notEmpty,
    )
    .option('--claim', 'make what -s names the property of the job, which removes it one day')
    .option('--no-claim', 'never touch what -s names (default)')
    .option('-n, --allow-non-restored-state', 'leave state behind that no operator takes')
    .option('--job-id <id>', 'the id of the job (default: derived from its name)', notEmpty)
    .addOption(
      new Option('--fresh', 'begin again, although there are checkpoints').conflicts('fromSavepoint'),
    )
    .option('--discard-later-output', 'move output aside that is newer than the checkpoint');
}

function jobOptions(raw: RawOptions): JobOptions {
  return {
    parallelism: raw.parallelism,
    configuration: raw.D ?? {},
    restore: raw.fromSavepoint,
    claim: raw.claim,
    allowNonRestoredState: raw.allowNonRestoredState === true,
    jobId: raw.jobId,
    fresh: raw.fresh === true,
    discardLaterOutput: raw.discardLaterOutput === true,
    bundle: raw.bundle === true,
    verbose: raw.verbose === true,
  };
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError('It has to be a whole number from 1 on.');
  return Number(text);
}

function keyValue(text: string, before: Record<string, string> = {}): Record<string, string> {
  const equals = text.indexOf('=');
  if (equals <= 0) {
    throw new InvalidArgumentError('It has to be key=value, for example parallelism.default=4.');
  }
  return { ...before, [text.slice(0, equals).trim()]: text.slice(equals + 1).trim() };
}

function notEmpty(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('It is empty.');
  return text;
}

// Commander prints and exits by itself; here it only reports.
function capture(command: Command, printed: string[]): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => printed.push(text),
    writeErr: (text) => printed.push(text),
    outputError: (text, write) => write(text),
  });
  command.helpCommand(false);
  for (const child of command.commands) capture(child, printed);
}

function problemOf(error: CommanderError, printed: string, words: readonly string[]): Request {
  if (error.exitCode === 0) return { kind: 'print', text: printed };
  const message = printed.replace(/^error: /, '').trim();
  const [first = ''] = words;
  if (error.code === 'commander.unknownCommand' && /\.[cm]?[jt]sx?$/.test(first)) {
    return { kind: 'usage', message: `${message}\nTo run a job: millrace run ${words.join(' ')}` };
  }
  if (error.code === 'commander.excessArguments') {
    return { kind: 'usage', message: `${message} Arguments of the job come after --.` };
  }
  if (error.code === 'commander.unknownOption') {
    return { kind: 'usage', message: `${message}\nIf it is meant for the job, put it after --.` };
  }
  return { kind: 'usage', message: message === '' ? 'which command? See millrace --help' : message };
}
