// Everything that the page knows of a server, and how each message of its stream changes it. Pure: no clock, no network.
import type {
  Alert,
  CheckpointMessage,
  CheckpointSummary,
  ExceptionMessage,
  Hello,
  JobDescription,
  JobFiguresMessage,
  LogLine,
  Overview,
  Recovery,
  SampledRecord,
  StreamEvents,
} from '../../../../src/rest/contract.ts';

/** How the page stands with its server. */
export type Connection =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'lost'; readonly since: number }
  /** The server has said that it ends for good: what is shown is the final state. */
  | { readonly kind: 'ended' }
  | { readonly kind: 'incompatible'; readonly version: number };

/** What is known of one job. */
export interface LiveJob {
  readonly jobId: string;
  readonly description: JobDescription | undefined;
  readonly figures: JobFiguresMessage | undefined;
  /** The latest figures, oldest first, for plots; {@link ticksMax} of them. */
  readonly ticks: readonly JobFiguresMessage[];
  /** Oldest first. */
  readonly checkpoints: readonly CheckpointSummary[];
  /** Checkpoints with their subtasks, as far as they came while the page was open. */
  readonly details: ReadonlyMap<number, CheckpointMessage>;
  readonly exceptions: readonly ExceptionMessage[];
  readonly recoveries: readonly Recovery[];
}

/** What is known of the server. */
export interface LiveState {
  readonly connection: Connection;
  readonly hello: Hello | undefined;
  /** Server's clock minus this browser's, in ms. */
  readonly clockAheadMs: number;
  readonly overview: Overview | undefined;
  readonly jobs: ReadonlyMap<string, LiveJob>;
  readonly alerts: readonly Alert[];
  readonly logs: readonly LogLine[];
  /** By tap; newest last. */
  readonly samples: ReadonlyMap<string, readonly SampledRecord[]>;
}

/** Ten minutes at two a second. */
export const ticksMax = 1200;
/** Checkpoints that the page keeps; the server keeps at least 1,000. */
export const checkpointsMax = 2000;
const detailsMax = 60;
const entriesMax = 500;
const logsMax = 2000;
const samplesMax = 300;

/** Before the first message. */
export const nothingYet: LiveState = {
  connection: { kind: 'connecting' },
  hello: undefined,
  clockAheadMs: 0,
  overview: undefined,
  jobs: new Map(),
  alerts: [],
  logs: [],
  samples: new Map(),
};

/** A message with its name. */
export type StreamMessage = {
  readonly [Name in keyof StreamEvents]: { readonly name: Name; readonly data: StreamEvents[Name] };
}[keyof StreamEvents];

/** The version of the contract that this page was written for; a change of it does not compile unnoticed. */
export const contractVersion: typeof import('../../../../src/rest/contract.ts').CONTRACT_VERSION = 1;

/** The state after a message that arrived at `now`, on the browser's clock. */
export function after(state: LiveState, { name, data }: StreamMessage, now: number): LiveState {
  switch (name) {
    case 'hello':
      return hello(state, data, now);
    case 'overview':
      return overview(state, data);
    case 'job':
      return withJob(state, data.jobId, (job) => ({ ...job, description: data }));
    case 'figures':
      return withJob(state, data.jobId, (job) => ({
        ...job,
        figures: data,
        ticks: bounded([...job.ticks, data], ticksMax),
      }));
    case 'checkpoints':
      return withJob(state, data.jobId, (job) => ({
        ...job,
        checkpoints: bounded(data.entries, checkpointsMax),
      }));
    case 'checkpoint':
      return withJob(state, data.jobId, (job) => withCheckpoint(job, data));
    case 'exceptions':
      return withJob(state, data.jobId, (job) => ({ ...job, exceptions: bounded(data.entries, entriesMax) }));
    case 'exception':
      return withJob(state, data.jobId, (job) => ({
        ...job,
        exceptions: put(job.exceptions, data, ({ exceptionId }) => exceptionId, entriesMax),
      }));
    case 'recoveries':
      return withJob(state, data.jobId, (job) => ({ ...job, recoveries: bounded(data.entries, entriesMax) }));
    case 'recovery':
      return withJob(state, data.jobId, (job) => ({
        ...job,
        recoveries: put(job.recoveries, data, ({ attempt }) => attempt, entriesMax),
      }));
    case 'alerts':
      return { ...state, alerts: bounded(data.entries, entriesMax) };
    case 'alert':
      return { ...state, alerts: put(state.alerts, data, ({ alertId }) => alertId, entriesMax) };
    case 'logs':
      return { ...state, logs: bounded(data.entries, logsMax) };
    case 'log':
      return { ...state, logs: bounded([...state.logs, data], logsMax) };
    case 'sample': {
      const before = state.samples.get(data.tapId) ?? [];
      const records = bounded([...before, ...data.records], samplesMax);
      return { ...state, samples: new Map([...state.samples, [data.tapId, records]]) };
    }
    case 'bye':
      return data.final ? { ...state, connection: { kind: 'ended' } } : state;
  }
}

/** The state when the connection was lost at `now`; the page goes on showing what it has. */
export function lost(state: LiveState, now: number): LiveState {
  const { kind } = state.connection;
  return kind === 'lost' || kind === 'ended' || kind === 'incompatible'
    ? state
    : { ...state, connection: { kind: 'lost', since: now } };
}

function hello(state: LiveState, data: Hello, now: number): LiveState {
  const connection: Connection =
    data.contractVersion === contractVersion
      ? { kind: 'live' }
      : { kind: 'incompatible', version: data.contractVersion };
  return { ...state, connection, hello: data, clockAheadMs: data.serverTime - now };
}

// Another process may have taken the place of the one before: what it does not list is gone.
function overview(state: LiveState, data: Overview): LiveState {
  const listed = new Set(data.jobs.map(({ jobId }) => jobId));
  const isSame = [...state.jobs.keys()].every((jobId) => listed.has(jobId));
  const jobs = isSame ? state.jobs : new Map([...state.jobs].filter(([jobId]) => listed.has(jobId)));
  return { ...state, overview: data, jobs };
}

function withJob(state: LiveState, jobId: string, change: (job: LiveJob) => LiveJob): LiveState {
  const job = state.jobs.get(jobId) ?? emptyJob(jobId);
  return { ...state, jobs: new Map([...state.jobs, [jobId, change(job)]]) };
}

function emptyJob(jobId: string): LiveJob {
  return {
    jobId,
    description: undefined,
    figures: undefined,
    ticks: [],
    checkpoints: [],
    details: new Map(),
    exceptions: [],
    recoveries: [],
  };
}

function withCheckpoint(job: LiveJob, data: CheckpointMessage): LiveJob {
  const details = new Map(job.details);
  details.delete(data.checkpointId);
  details.set(data.checkpointId, data);
  for (const id of details.keys()) {
    if (details.size <= detailsMax) break;
    details.delete(id);
  }
  return {
    ...job,
    details,
    checkpoints: put(job.checkpoints, data, ({ checkpointId }) => checkpointId, checkpointsMax),
  };
}

/** Takes the place of the entry with the same id, else comes last. */
function put<T>(entries: readonly T[], entry: T, idOf: (entry: T) => number, max: number): readonly T[] {
  const id = idOf(entry);
  const index = entries.findLastIndex((other) => idOf(other) === id);
  return index < 0 ? bounded([...entries, entry], max) : entries.with(index, entry);
}

function bounded<T>(entries: readonly T[], max: number): readonly T[] {
  return entries.length <= max ? entries : entries.slice(entries.length - max);
}
