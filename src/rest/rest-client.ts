/**
 * A typed client of the REST interface: for scripts, tests and pages that watch or operate a run with `--ui`, or a cluster.
 *
 * The types are those of the server (`contract.ts`). Errors are `MillraceError`s: JOB_NOT_FOUND, REST_TOKEN_REFUSED, or
 * REST_REQUEST_REFUSED with what the server says, SAVEPOINT_FAILED with why there is none, CLUSTER_UNREACHABLE when nobody
 * answers.
 */

import { systemClock } from '../base/clock.ts';
import { ERROR_TABLE, type ErrorCode, MillraceError } from '../base/errors.ts';
import { isLoopback } from '../base/network.ts';
import type { Submission } from '../cluster/messages.ts';
import type {
  Alert,
  CheckpointMessage,
  CheckpointSummary,
  ConfigEntryMessage,
  Drill,
  DrillRequest,
  ExceptionMessage,
  JobDescription,
  JobFiguresMessage,
  LiveState,
  StateChange,
  JobSummary,
  LogLine,
  Overview,
  Profile,
  ProfileRequest,
  Recovery,
  RescaleMessage,
  StateAnswer,
  StateOverview,
  StreamEvents,
  StreamTopic,
  Tap,
  TapRequest,
} from './contract.ts';

/** How a server is reached. */
export interface RestClientOptions {
  /** For a server that asks for one. */
  readonly token?: string;
  /** Ends whatever is under way. */
  readonly signal?: AbortSignal;
}

/** What a job is started with; its bundle goes beside it. */
export type JobSubmission = Submission;

/** How a job ended. */
export interface JobEnd {
  readonly status: 'SUCCEEDED' | 'FAILED' | 'CANCELED' | 'UNKNOWN';
  readonly failure: { readonly code: string; readonly stack: string } | null;
}

/** One message of the live stream: the name says what the data is. */
export type StreamMessage = {
  readonly [Name in keyof StreamEvents]: { readonly name: Name; readonly data: StreamEvents[Name] };
}[keyof StreamEvents];

/** What of the stream is wanted. */
export interface StreamOptions {
  /** Default: everything. */
  readonly topics?: readonly StreamTopic[];
  /** Default: all jobs. */
  readonly jobId?: string;
  readonly signal?: AbortSignal;
}

/** Which lines of the logs are wanted. */
export interface LogOptions {
  readonly level?: LogLine['level'];
  readonly job?: string;
  readonly vertex?: string;
  readonly uid?: string;
  readonly subtask?: number;
  readonly worker?: string;
  readonly text?: string;
  /** Lines before this one. */
  readonly before?: number;
  readonly limit?: number;
}

/** An answer that did not come by then will not, ms. */
const ANSWER_MS_MAX = 60_000;
/** Looks at an operation, at most: an hour. */
const LOOKS_MAX = 36_000;

/**
 * A client of one server.
 *
 * ```ts
 * import { RestClient } from 'millrace/rest-client';
 *
 * const client = new RestClient('http://localhost:8081');
 * for (const { jobId, name, state } of await client.jobs()) console.log(jobId, name, state);
 * ```
 */
export class RestClient {
  readonly #base: string;
  readonly #options: RestClientOptions;
  /** Where the one that was asked has sent this client: the JobManager that leads. */
  #leader: string | undefined;

  /** `base`: for example `http://localhost:8081`. */
  constructor(base: string, options: RestClientOptions = {}) {
    this.#base = base.replace(/\/+$/, '');
    this.#options = options;
  }

  /** Jobs, workers and slots. */
  overview(): Promise<Overview> {
    return this.get('/x/overview');
  }

  /** All jobs, the newest first. */
  async jobs(): Promise<readonly JobSummary[]> {
    return (await this.overview()).jobs;
  }

  /** The plan of a job, and all its figures. */
  job(jobId: string): Promise<{ readonly job: JobDescription; readonly figures: JobFiguresMessage }> {
    return this.get(`/x/jobs/${encodeURIComponent(jobId)}`);
  }

  /** All checkpoints that are kept, oldest first. */
  checkpoints(jobId: string): Promise<readonly CheckpointSummary[]> {
    return this.#entries(`/x/jobs/${encodeURIComponent(jobId)}/checkpoints`);
  }

  /** One checkpoint with its subtasks. */
  checkpoint(jobId: string, checkpointId: number): Promise<CheckpointMessage> {
    return this.get(`/x/jobs/${encodeURIComponent(jobId)}/checkpoints/${checkpointId}`);
  }

  /** The failures that are kept, oldest first. */
  exceptions(jobId: string): Promise<readonly ExceptionMessage[]> {
    return this.#entries(`/x/jobs/${encodeURIComponent(jobId)}/exceptions`);
  }

  /** The recoveries that are kept, oldest first. */
  recoveries(jobId: string): Promise<readonly Recovery[]> {
    return this.#entries(`/x/jobs/${encodeURIComponent(jobId)}/recoveries`);
  }

  /** Every option with its value and where that comes from. */
  configuration(jobId: string): Promise<readonly ConfigEntryMessage[]> {
    return this.#entries(`/x/jobs/${encodeURIComponent(jobId)}/config`);
  }

  /** The alerts that are kept, oldest first. */
  alerts(): Promise<readonly Alert[]> {
    return this.#entries('/x/alerts');
  }

  /** Lines of the logs of all threads, oldest first. */
  logs(options: LogOptions = {}): Promise<readonly LogLine[]> {
    return this.#entries(`/x/logs${queryOf({ ...options })}`);
  }

  /** What a key of an operator holds now, asked of its task between two records. */
  liveState(jobId: string, uid: string, key: unknown): Promise<LiveState> {
    return this.get(`${livePath(jobId, uid)}?key=${encodeURIComponent(JSON.stringify(key))}`);
  }

  /**
   * Writes or removes what a key of an operator holds, between two records. Rejected with 409 where it is refused: a value
   * of another type, a task that is occupied, a job that does not run.
   */
  changeState(jobId: string, uid: string, change: StateChange): Promise<LiveState> {
    return this.send('POST', livePath(jobId, uid), change);
  }

  /** Keyed state by operator, as of the latest complete checkpoint. */
  state(jobId: string): Promise<StateOverview> {
    return this.get(`/x/jobs/${encodeURIComponent(jobId)}/state`);
  }

  /** What one key of an operator holds. */
  stateOfKey(jobId: string, uid: string, key: unknown): Promise<StateAnswer> {
    const path = `/x/jobs/${encodeURIComponent(jobId)}/state/${encodeURIComponent(uid)}`;
    return this.get(`${path}${queryOf({ key: JSON.stringify(key) })}`);
  }

  /** Starts a job from its bundle, as whoever has planned it describes it; its id. Needs a token that may submit. */
  async submit(submission: JobSubmission, bundle: Uint8Array): Promise<string> {
    const form = new FormData();
    form.set('submission', JSON.stringify(submission));
    form.set('bundle', new Blob([new Uint8Array(bundle)]), submission.bundleName);
    const { jobId } = await this.send<{ readonly jobId: string }>('POST', '/x/jobs', form);
    return jobId;
  }

  /** How a job ended; `undefined` while it has not. */
  async result(jobId: string): Promise<JobEnd | undefined> {
    const path = `/jobs/${encodeURIComponent(jobId)}/execution-result`;
    const { status, 'job-execution-result': result } = await this.get<{
      readonly status: { readonly id: string };
      readonly 'job-execution-result'?: {
        readonly 'application-status': JobEnd['status'];
        readonly 'failure-cause'?: Cause;
      };
    }>(path);
    if (status.id !== 'COMPLETED' || result === undefined) return undefined;
    const cause = result['failure-cause'];
    return {
      status: result['application-status'],
      failure: cause === undefined ? null : { code: cause.class, stack: cause['stack-trace'] },
    };
  }

  /** Takes a checkpoint now, and gives its id. */
  async triggerCheckpoint(jobId: string): Promise<number> {
    const job = `/jobs/${encodeURIComponent(jobId)}`;
    const begun = await this.send<Begun>('POST', `${job}/checkpoints`, {});
    const done = await this.#ended<{
      readonly checkpointId: number | null;
      readonly failureCause: Cause | null;
    }>(`${job}/checkpoints/${begun['request-id']}`);
    if (done.checkpointId === null) throw refused(`${job}/checkpoints`, done.failureCause);
    return done.checkpointId;
  }

  /** Takes a savepoint, in `folder` when one is named, and gives its path. */
  savepoint(jobId: string, folder?: string): Promise<string> {
    return this.#savepoint(jobId, 'savepoints', { 'target-directory': folder });
  }

  /** Stops a job with a savepoint, and gives its path; with `drain`, all input ends first. */
  stopWithSavepoint(
    jobId: string,
    { folder, drain = false }: { readonly folder?: string; readonly drain?: boolean } = {},
  ): Promise<string> {
    return this.#savepoint(jobId, 'stop', { targetDirectory: folder, drain });
  }

  /**
   * Rescales a job, and gives the subtasks of each vertex; resolved when all of them run. A number is for all vertices that do
   * not set their own; a vertex is named by its id, its name, or the uid of an operator.
   */
  async rescale(
    jobId: string,
    parallelism: number | Readonly<Record<string, number>>,
  ): Promise<readonly number[]> {
    const path = `/x/jobs/${encodeURIComponent(jobId)}/rescales`;
    const begun = await this.send<Begun>('POST', path, { parallelism });
    const done = await this.#ended<{
      readonly parallelism?: readonly number[];
      readonly 'failure-cause'?: Cause;
    }>(`${path}/${begun['request-id']}`);
    if (done.parallelism === undefined) throw failed(path, done['failure-cause']);
    return done.parallelism;
  }

  /** The last rescales of a job, the newest first, as Flink's `/rescales/history` has them. */
  rescales(jobId: string): Promise<readonly RescaleMessage[]> {
    return this.get(`/jobs/${encodeURIComponent(jobId)}/rescales/history`);
  }

  /** Stops a job at a last checkpoint. */
  async stop(jobId: string): Promise<void> {
    await this.send('POST', `/x/jobs/${encodeURIComponent(jobId)}/stop`);
  }

  /** Cancels a job; what is committed stays. */
  async cancel(jobId: string): Promise<void> {
    await this.send('PATCH', `/jobs/${encodeURIComponent(jobId)}?mode=cancel`);
  }

  /** Kills a worker, to see how the job recovers. */
  drill(jobId: string, request: DrillRequest): Promise<Drill> {
    return this.send('POST', `/x/jobs/${encodeURIComponent(jobId)}/drills`, request);
  }

  /** Begins to show what an operator hands on; the records come by {@link RestClient.events}. */
  tap(jobId: string, request: TapRequest): Promise<Tap> {
    return this.send('POST', `/x/jobs/${encodeURIComponent(jobId)}/taps`, request);
  }

  /** Ends a tap. */
  async endTap({ jobId, tapId }: Tap): Promise<void> {
    await this.send('DELETE', `/x/jobs/${encodeURIComponent(jobId)}/taps/${tapId}`);
  }

  /** Begins a CPU profile of a slot's thread. */
  profile(workerId: string, request: ProfileRequest): Promise<Profile> {
    return this.send('POST', `/x/taskmanagers/${encodeURIComponent(workerId)}/profiles`, request);
  }

  /**
   * The live stream: first the whole picture, then what changes; ends when the server ends it, or with the signal.
   *
   * ```ts
   * import { RestClient } from 'millrace/rest-client';
   *
   * const client = new RestClient('http://localhost:8081');
   * for await (const { name, data } of client.events({ topics: ['alerts'] })) {
   *   if (name === 'alert') console.log(data.severity, data.message);
   * }
   * ```
   */
  async *events({ topics, jobId, signal }: StreamOptions = {}): AsyncGenerator<StreamMessage, void> {
    const query = queryOf({ topics: topics?.join(','), job: jobId });
    const response = await this.#fetch('GET', `/x/stream${query}`, undefined, signal);
    if (!response.ok || response.body === null) throw await refusedBy('GET /x/stream', response);
    const text = new TextDecoderStream();
    const reader = response.body.pipeThrough(text).getReader();
    let pending = '';
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        pending += part.value;
        for (let end = pending.indexOf('\n\n'); end >= 0; end = pending.indexOf('\n\n')) {
          const message = messageOf(pending.slice(0, end));
          pending = pending.slice(end + 2);
          if (message !== undefined) yield message;
        }
      }
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  }

  /** Any route: the path without `/v1`. */
  get<T>(path: string): Promise<T> {
    return this.send('GET', path);
  }

  /** Any route, with a body of JSON, or a form. */
  async send<T>(
    method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE',
    path: string,
    body?: object,
  ): Promise<T> {
    const deadline = new AbortController();
    const timer = systemClock().timer(ANSWER_MS_MAX, () => deadline.abort(), 'an answer is waited for');
    try {
      const response = await this.#fetch(method, path, body, deadline.signal);
      if (!response.ok) throw await refusedBy(`${method} ${path}`, response);
      return (await response.json()) as T;
    } catch (error) {
      throw deadline.signal.aborted ? this.#unreachable(error) : error;
    } finally {
      timer.cancel();
    }
  }

  async #entries<T>(path: string): Promise<readonly T[]> {
    return (await this.get<{ readonly entries: readonly T[] }>(path)).entries;
  }

  async #savepoint(jobId: string, what: 'savepoints' | 'stop', body: object): Promise<string> {
    const job = `/jobs/${encodeURIComponent(jobId)}`;
    const begun = await this.send<Begun>('POST', `${job}/${what}`, body);
    const done = await this.#ended<{ readonly location?: string; readonly 'failure-cause'?: Cause }>(
      `${job}/savepoints/${begun['request-id']}`,
    );
    if (done.location === undefined)
      throw new MillraceError('SAVEPOINT_FAILED', firstLineOf(done['failure-cause']));
    return done.location;
  }

  /** Asks until the operation has ended. */
  async #ended<T>(path: string): Promise<T> {
    for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
      const { status, operation } = await this.get<{
        readonly status: { readonly id: string };
        readonly operation?: T;
      }>(path);
      if (status.id === 'COMPLETED' && operation !== undefined) return operation;
      await new Promise<void>((resolve) => {
        systemClock().timer(POLL_MS, resolve, 'an operation is looked at again');
      });
    }
    throw refused(path, undefined);
  }

  /**
   * Asks the server, or the one that it names instead of itself (307): of JobManagers that take turns, the leader. A redirect
   * that `fetch` follows loses the token on its way to another origin; here it goes where the server that was trusted with it
   * says, but never from TLS to plain text, nor in plain text off this machine.
   */
  async #fetch(
    method: string,
    path: string,
    body: object | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    for (let moves = 0; moves <= MOVES_MAX; moves++) {
      const at = this.#leader ?? this.#base;
      const response = await this.#fetchAt(at, { method, path, body, signal });
      if (response === undefined) continue;
      if (response.status !== 307) return response;
      await response.body?.cancel();
      this.#leader = movedTo(at, response.headers.get('location'));
    }
    throw new MillraceError('CLUSTER_UNREACHABLE', `${this.#base} and others send each other whoever asks`);
  }

  /** `undefined`: who led is gone, and the question may be asked again. */
  async #fetchAt(base: string, { method, path, body, signal }: Question): Promise<Response | undefined> {
    const { token } = this.#options;
    const signals = [signal, this.#options.signal].filter((each) => each !== undefined);
    try {
      return await fetch(`${base}/v1${path}`, {
        method,
        redirect: 'manual',
        ...(signals.length === 0 ? {} : { signal: AbortSignal.any(signals) }),
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          // A form says its type by itself.
          ...(body === undefined || body instanceof FormData ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) }),
      });
    } catch (error) {
      if (signals.some(({ aborted }) => aborted)) throw error;
      const wasLeader = this.#leader !== undefined;
      this.#leader = undefined;
      // What is no GET may have had its effect.
      if (wasLeader && method === 'GET') return undefined;
      throw this.#unreachable(error);
    }
  }

  #unreachable(cause: unknown): MillraceError {
    return new MillraceError('CLUSTER_UNREACHABLE', `nobody answers at ${this.#base}`, { cause });
  }
}

/** From one server to another, for one question. */
const MOVES_MAX = 4;

interface Question {
  readonly method: string;
  readonly path: string;
  readonly body: object | undefined;
  readonly signal: AbortSignal | undefined;
}

/** The origin that a server sends whoever asks to. Throws CLUSTER_UNREACHABLE where a token must not go. */
function movedTo(from: string, location: string | null): string {
  const [old, target] = [new URL(from), URL.parse(location ?? '', from)];
  const isSafe = target?.protocol === 'https:' || (old.protocol === 'http:' && isLocal(target));
  if (target !== null && isSafe) return target.origin;
  throw new MillraceError('CLUSTER_UNREACHABLE', `${from} sends whoever asks to ${location ?? 'nowhere'}`, {
    remedy: 'Ask the JobManager that leads: `millrace cluster status` says which one that is.',
  });
}

function isLocal(url: URL | null): boolean {
  return url?.protocol === 'http:' && isLoopback(url.hostname.replace(/^\[|\]$/g, ''));
}

/** Between two looks at an operation, ms. */
const POLL_MS = 100;

interface Begun {
  readonly 'request-id': string;
}

interface Cause {
  readonly class: string;
  readonly 'stack-trace': string;
}

function messageOf(text: string): StreamMessage | undefined {
  const name = /^event: (.*)$/m.exec(text)?.[1];
  const data = /^data: (.*)$/m.exec(text)?.[1];
  if (name === undefined || data === undefined) return undefined;
  return { name, data: JSON.parse(data) as unknown } as StreamMessage;
}

function queryOf(values: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) query.set(name, String(value));
  }
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

/** What a refusal is that can be helped in a way of its own. */
function codeOf(status: number, why: string): ErrorCode {
  if (status === 404 && /^NotFoundException: Job \S+ not found/.test(why)) return 'JOB_NOT_FOUND';
  if (status === 401 || (status === 403 && /\btoken\b/.test(why))) return 'REST_TOKEN_REFUSED';
  return 'REST_REQUEST_REFUSED';
}

async function refusedBy(what: string, response: Response): Promise<MillraceError> {
  const text = await response.text().catch(() => '');
  let why = text;
  try {
    why = (JSON.parse(text) as { readonly errors: readonly string[] }).errors.join('; ');
  } catch {
    // Not in the shape of the interface: something else answers there.
  }
  return new MillraceError(codeOf(response.status, why), `${what}: ${response.status} ${why}`);
}

function refused(what: string, cause: Cause | undefined | null): MillraceError {
  return new MillraceError('REST_REQUEST_REFUSED', `${what}: ${firstLineOf(cause)}`);
}

/** What failed there, as the error that it was. */
function failed(what: string, cause: Cause | undefined): MillraceError {
  if (cause === undefined || !(cause.class in ERROR_TABLE)) return refused(what, cause);
  return new MillraceError(cause.class as ErrorCode, firstLineOf(cause).replace(/^\w*Error: /, ''));
}

function firstLineOf(cause: Cause | undefined | null): string {
  return cause?.['stack-trace'].split('\n', 1)[0] ?? 'it has not ended';
}

function livePath(jobId: string, uid: string): string {
  return `/x/jobs/${encodeURIComponent(jobId)}/state/${encodeURIComponent(uid)}/live`;
}
