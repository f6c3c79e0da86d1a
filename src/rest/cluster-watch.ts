/**
 * Watches all that is served, and tells those who read the live stream.
 *
 * Owns: one watch for each job, the alerts, the streams and the timer. Talks to: whoever is served, by its narrow
 * interface; the HTTP server, which brings readers.
 *
 * CW-1 A job that is no longer served is forgotten; one that comes is watched from the next look on, at once when
 *      somebody asks for it.
 * CW-2 A stream that reads slowly costs a bounded amount of memory: figures and samples are left out first, then it is
 *      cut off.
 */

import type { Timer } from '../base/env.ts';
import { AlertLog } from './alert-log.ts';
import {
  CONTRACT_VERSION,
  type Hello,
  type Overview,
  type StreamEvents,
  type StreamTopic,
} from './contract.ts';
import { JobWatch } from './job-watch.ts';
import type { LogRing } from './log-ring.ts';
import type { Metric } from './metric.ts';
import { processFigures, workerOf } from './worker-messages.ts';
import type { ServedCluster, ServedJob } from './served.ts';

/** How often figures are looked at and sent. */
export const TICK_MS = 1_000;
/** How often checkpoints that are under way are sent. */
export const FLUSH_MS = 500;
/** A comment is sent after so long without a message. */
export const KEEP_ALIVE_MS = 15_000;
/** Bytes that may wait for a reader before figures are left out, and before it is cut off. */
const WAITING_BYTES_SKIP = 1 << 20;
const WAITING_BYTES_MAX = 8 << 20;
/** Streams at once. */
export const STREAMS_MAX = 64;
/** Lines of the log that a new stream gets. */
const LOG_LINES_AT_FIRST = 500;

/** Where a stream writes to. */
export interface StreamSink {
  write(text: string): void;
  /** Bytes that were written and have not gone. */
  waitingBytes(): number;
  end(): void;
}

/** Who hears of everything in this process, as it happens; what it throws is logged and changes nothing. */
export interface WatchListener {
  /** What the streams are told. */
  onMessage?(message: WatchMessage): void;
  /** All subtasks of a deployment of a job run. */
  onDeployed?(watch: JobWatch): void;
}

/** What the streams are told, as data. */
export type WatchMessage = {
  readonly [Name in keyof StreamEvents]: { readonly name: Name; readonly data: StreamEvents[Name] };
}[keyof StreamEvents];

/** What somebody wants to hear of. */
export interface StreamWish {
  readonly topics: ReadonlySet<StreamTopic>;
  readonly jobId: string | undefined;
}

/** The topic of each event; `undefined` for those that always come. */
const TOPIC_OF: Readonly<Record<keyof StreamEvents, StreamTopic | undefined>> = {
  hello: undefined,
  overview: 'overview',
  job: 'job',
  figures: 'figures',
  checkpoints: 'checkpoints',
  checkpoint: 'checkpoints',
  exceptions: 'exceptions',
  exception: 'exceptions',
  recoveries: 'recoveries',
  recovery: 'recoveries',
  alerts: 'alerts',
  alert: 'alerts',
  logs: 'logs',
  log: 'logs',
  sample: 'samples',
  bye: undefined,
};

const MAY_BE_LEFT_OUT: ReadonlySet<keyof StreamEvents> = new Set(['figures', 'overview', 'sample']);

interface Stream {
  readonly sink: StreamSink;
  readonly wish: StreamWish;
  lastAt: number;
}

/** See the head of the file. */
export class ClusterWatch {
  readonly cluster: ServedCluster;
  readonly logs: LogRing;
  readonly alerts: AlertLog;
  readonly #watches = new Map<string, JobWatch>();
  readonly #streams = new Set<Stream>();
  readonly #listeners = new Set<WatchListener>();
  readonly #moreMetrics = new Set<() => readonly Metric[]>();
  readonly #stopLogs: () => void;
  #messages = 0;
  #timer: Timer | undefined;
  #ticks = 0;
  readonly #onTick = new Set<() => void>();
  #closed = false;

  constructor(cluster: ServedCluster, logs: LogRing) {
    this.cluster = cluster;
    this.logs = logs;
    this.alerts = new AlertLog(
      () => this.#now(),
      (alert) => this.send('alert', alert, alert.jobId ?? undefined),
    );
    this.#stopLogs = logs.listen((line) => this.send('log', line, line.jobId ?? undefined));
    this.#look();
    this.#arm();
  }

  /** All jobs that are served, the newest first. */
  watches(): readonly JobWatch[] {
    this.#look();
    return this.cluster.jobs().map((job) => this.#watches.get(job.source.jobId)!);
  }

  watch(jobId: string): JobWatch | undefined {
    this.#look();
    return this.#watches.get(jobId);
  }

  /** Somebody reads a topic. */
  isWatched(topic: StreamTopic): boolean {
    for (const { wish } of this.#streams) if (wish.topics.has(topic)) return true;
    return false;
  }

  /** Ends everything; the streams are told. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    // Whoever stays on the page is left with the end, not with what was true a second before it.
    for (const watch of this.#watches.values()) watch.tick();
    if (this.isWatched('overview')) this.send('overview', this.overview(), undefined);
    this.#stopLogs();
    for (const watch of this.#watches.values()) watch.close();
    for (const stream of this.#streams) this.#endStream(stream, 'shutting-down');
  }

  /** Begins a stream: the whole picture, then what changes. The function that comes back ends it. */
  open(sink: StreamSink, wish: StreamWish): () => void {
    const stream: Stream = { sink, wish, lastAt: this.#now() };
    if (this.#streams.size >= STREAMS_MAX) {
      this.#endStream(stream, 'too-many-streams');
      return () => {};
    }
    this.#write(stream, 'hello', this.#hello());
    this.#write(stream, 'overview', this.overview());
    for (const watch of this.watches()) {
      const { jobId } = watch;
      if (wish.jobId !== undefined && wish.jobId !== jobId) continue;
      this.#write(stream, 'job', watch.description);
      this.#write(stream, 'figures', watch.figures());
      this.#write(stream, 'checkpoints', { jobId, entries: watch.checkpoints.summaries() });
      this.#write(stream, 'exceptions', { jobId, entries: watch.exceptions() });
      this.#write(stream, 'recoveries', { jobId, entries: watch.recoveries() });
    }
    const isMine = ({ jobId }: { readonly jobId: string | null }): boolean =>
      wish.jobId === undefined || jobId === null || jobId === wish.jobId;
    this.#write(stream, 'alerts', { entries: this.alerts.all().filter(isMine) });
    this.#write(stream, 'logs', { entries: this.logs.last(LOG_LINES_AT_FIRST).filter(isMine) });
    this.#streams.add(stream);
    return () => void this.#streams.delete(stream);
  }

  overview(): Overview {
    const jobs = this.watches().map((watch) => watch.summary());
    const workers = this.cluster.workers().map((worker) => workerOf(worker, this.watches()));
    const inState = (...states: readonly string[]): number =>
      jobs.filter(({ state }) => states.includes(state)).length;
    const slots = workers.flatMap((worker) => worker.slots);
    const jobsFinished = inState('FINISHED');
    const jobsCanceled = inState('CANCELED', 'SUSPENDED');
    const jobsFailed = inState('FAILED');
    return {
      at: this.#now(),
      jobs,
      workers,
      slotsTotal: slots.length,
      slotsFree: slots.filter(({ state }) => state === 'free').length,
      jobsRunning: jobs.length - jobsFinished - jobsCanceled - jobsFailed,
      jobsFinished,
      jobsCanceled,
      jobsFailed,
      coordinator: processFigures(this.cluster.process()),
    };
  }

  /** Tells `listener` of everything from now on; the function that comes back ends that. */
  listen(listener: WatchListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Metrics of the coordinator that somebody else counts. */
  addMetrics(read: () => readonly Metric[]): void {
    this.#moreMetrics.add(read);
  }

  moreMetrics(): readonly Metric[] {
    return [...this.#moreMetrics].flatMap((read) => read());
  }

  /** Takes the figures of all jobs now; else they are those of the last tick. */
  lookNow(): void {
    this.#look();
    for (const watch of this.#watches.values()) watch.tick();
  }

  /** Calls `run` about twice a second. */
  onTick(run: () => void): void {
    this.#onTick.add(run);
  }

  /** Tells all who want to hear it. */
  send<Name extends keyof StreamEvents>(
    name: Name,
    data: StreamEvents[Name],
    jobId: string | undefined,
  ): void {
    this.#tell((listener) => listener.onMessage?.({ name, data } as WatchMessage));
    let text: string | undefined;
    for (const stream of this.#streams) {
      const { topics, jobId: wished } = stream.wish;
      const topic = TOPIC_OF[name];
      if (topic !== undefined && !topics.has(topic)) continue;
      if (wished !== undefined && jobId !== undefined && jobId !== wished) continue;
      text ??= this.#textOf(name, data);
      this.#writeText(stream, name, text);
    }
  }

  #hello(): Hello {
    return {
      contractVersion: CONTRACT_VERSION,
      millraceVersion: this.cluster.version,
      mode: this.cluster.mode,
      serverTime: this.#now(),
      features: this.cluster.features,
    };
  }

  #write<Name extends keyof StreamEvents>(stream: Stream, name: Name, data: StreamEvents[Name]): void {
    const topic = TOPIC_OF[name];
    if (topic !== undefined && !stream.wish.topics.has(topic)) return;
    this.#writeText(stream, name, this.#textOf(name, data));
  }

  #textOf(name: keyof StreamEvents, data: unknown): string {
    this.#messages += 1;
    return `event: ${name}\nid: ${this.#messages}\ndata: ${JSON.stringify(data)}\n\n`;
  }

  /** CW-2. */
  #writeText(stream: Stream, name: keyof StreamEvents, text: string): void {
    const waiting = stream.sink.waitingBytes();
    if (waiting > WAITING_BYTES_MAX) {
      this.#streams.delete(stream);
      stream.sink.end();
      return;
    }
    if (waiting > WAITING_BYTES_SKIP && MAY_BE_LEFT_OUT.has(name)) return;
    stream.lastAt = this.#now();
    stream.sink.write(text);
  }

  #endStream(stream: Stream, reason: StreamEvents['bye']['reason']): void {
    stream.sink.write(this.#textOf('bye', { reason, final: reason === 'shutting-down' }));
    stream.sink.end();
    this.#streams.delete(stream);
  }

  /** CW-1. */
  #look(): void {
    const jobs = this.cluster.jobs();
    const known = new Set(jobs.map(({ source }) => source.jobId));
    for (const [jobId, watch] of this.#watches) {
      const isSame = jobs.some(({ source }) => source === watch.job.source);
      if (known.has(jobId) && isSame) continue;
      watch.close();
      this.#watches.delete(jobId);
    }
    for (const job of jobs) if (!this.#watches.has(job.source.jobId)) this.#begin(job);
  }

  #begin(job: ServedJob): void {
    const watch = new JobWatch(job, {
      now: () => this.#now(),
      logs: this.logs,
      alerts: this.alerts,
      addressOf: (workerId) =>
        this.cluster.workers().find((worker) => worker.workerId === workerId)?.address ?? workerId,
      send: (name, data, jobId) => this.send(name, data, jobId),
      deployed: (watch) => this.#tell((listener) => listener.onDeployed?.(watch)),
    });
    this.#watches.set(job.source.jobId, watch);
    this.send('job', watch.description, watch.jobId);
  }

  #tell(call: (listener: WatchListener) => void): void {
    for (const listener of this.#listeners) {
      try {
        call(listener);
      } catch (error) {
        this.cluster.env.log.error('a listener of what is watched failed', { error });
      }
    }
  }

  #arm(): void {
    this.#timer = this.cluster.env.clock.timer(
      FLUSH_MS,
      () => {
        this.#tick();
        if (!this.#closed) this.#arm();
      },
      'the dashboard looks at its jobs',
    );
  }

  #tick(): void {
    this.#ticks += 1;
    this.#look();
    if (this.#ticks % (TICK_MS / FLUSH_MS) === 0) {
      for (const watch of this.#watches.values()) watch.tick();
      if (this.isWatched('overview')) this.send('overview', this.overview(), undefined);
    } else {
      for (const watch of this.#watches.values()) watch.flush();
    }
    for (const run of this.#onTick) run();
    const now = this.#now();
    for (const stream of this.#streams) {
      if (now - stream.lastAt < KEEP_ALIVE_MS) continue;
      stream.lastAt = now;
      stream.sink.write(': still here\n\n');
    }
  }

  #now(): number {
    return this.cluster.env.clock.now();
  }
}
