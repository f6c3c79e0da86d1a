// Runs a job of `thread-jobs.ts` in real worker threads, with the least of a job master.

import { deserializeError } from '../../src/base/errors.ts';
import { systemEnv } from '../../src/base/system-env.ts';
import type { CheckpointBarrier } from '../../src/exchange/events.ts';
import { requiredSlots } from '../../src/graph/job-graph.ts';
import type { SlotGateway, SlotReport } from '../../src/hosts/messages.ts';
import { threadSlots, type ThreadOptions } from '../../src/hosts/thread.ts';
import type { SplitEnumerator, SourceSplit } from '../../src/operators/source.ts';
import { buildThreadJob, type ThreadLoad } from './thread-jobs.ts';

export interface ThreadRunOptions {
  readonly parallelism: number;
  /** The client takes nothing. */
  readonly stoppedClient?: boolean;
  readonly resourceLimits?: ThreadOptions['resourceLimits'];
  readonly startDeadlineMs?: number;
  /** Gives the start up. */
  readonly signal?: AbortSignal;
  readonly ringBytes?: number;
}

/** A job in worker threads, from `start` to `terminate`. */
export class ThreadRun {
  readonly lines: unknown[] = [];
  readonly counts: Partial<Record<SlotReport['kind'], number>> = {};
  readonly acknowledged = new Map<number, number>();
  records = 0;
  losses = 0;
  /** Resolves when all is finished; rejects when a task fails or a thread is lost. */
  readonly done: Promise<void>;
  gateways: readonly SlotGateway[] = [];
  #resolve: () => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;
  readonly #options: ThreadRunOptions;
  readonly #load: ThreadLoad & { parallelism: number };
  readonly #enumerators = new Map<number, SplitEnumerator<SourceSplit>>();
  readonly #compiled;
  readonly #tasks: number;

  constructor(load: ThreadLoad, options: ThreadRunOptions) {
    this.#load = { ...load, parallelism: options.parallelism };
    this.#options = options;
    this.#compiled = buildThreadJob(load, options.parallelism);
    this.#tasks = this.#compiled.graph.vertices.reduce((sum, { parallelism }) => sum + parallelism, 0);
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => undefined);
  }

  async start(): Promise<void> {
    const { graph, sources } = this.#compiled;
    const env = systemEnv({ logging: { level: 'error' } });
    for (const [vertex, { source, operators, parallelism }] of graph.vertices.entries()) {
      if (!source) continue;
      const context = { files: env.files, clock: env.clock, log: env.log, parallelism };
      const enumerator = sources.get(operators[0]!.uid)!.createEnumerator(context, undefined);
      await enumerator.start();
      this.#enumerators.set(vertex, enumerator);
    }
    const provider = threadSlots({
      entry: new URL('./thread-worker.ts', import.meta.url),
      load: this.#load,
      graph,
      clock: env.clock,
      ...(this.#options.startDeadlineMs === undefined
        ? {}
        : { startDeadlineMs: this.#options.startDeadlineMs }),
      ringBytes: this.#options.ringBytes ?? 4_096,
      ...(this.#options.resourceLimits === undefined ? {} : { resourceLimits: this.#options.resourceLimits }),
    });
    const settings = {
      jobId: 'job',
      jobName: 'job',
      slots: requiredSlots(graph),
      checkpointing: false,
      atLeastOnce: false,
      checkpointDirectory: undefined,
      processAttempt: 1,
      cachedFiles: {},
      autoWatermarkIntervalMs: 200,
      bufferTimeoutMs: 5,
      freezeRecords: false,
      alwaysEncode: false,
      inlineThresholdBytes: 1e9,
    };
    this.gateways = await provider.start(
      settings,
      (report) => this.#report(report),
      (_slot, error) => {
        this.losses++;
        this.#reject(error);
      },
      this.#options.signal,
    );
  }

  deploy(): void {
    for (const gateway of this.gateways) {
      const tasks = this.#compiled.graph.vertices.flatMap(({ parallelism }, vertex) =>
        gateway.slot < parallelism ? [{ vertex, subtask: gateway.slot, restore: undefined }] : [],
      );
      gateway.send({ kind: 'deploy', attempt: 1, restoredCheckpointId: undefined, tasks });
    }
  }

  trigger(id: number, kind: CheckpointBarrier['kind']): void {
    const barrier = { id, timestamp: 0, alignment: 'aligned', alignedTimeoutMs: 0, kind } as const;
    for (const gateway of this.gateways) gateway.send({ kind: 'trigger', attempt: 1, barrier });
  }

  async terminate(): Promise<void> {
    for (const gateway of this.gateways) await gateway.terminate();
  }

  #report(report: SlotReport): void {
    const count = (this.counts[report.kind] ?? 0) + 1;
    this.counts[report.kind] = count;
    switch (report.kind) {
      case 'failed':
        return this.#reject(deserializeError(report.error));
      case 'request-split':
        return this.#answer(report.vertex, report.subtask, report.slot);
      case 'client':
        return this.#receive(report);
      case 'ended':
        if (count === this.#tasks) this.trigger(1, 'final');
        return;
      case 'acknowledge':
        this.acknowledged.set(report.checkpointId, (this.acknowledged.get(report.checkpointId) ?? 0) + 1);
        if (this.acknowledged.get(1) === this.#tasks)
          this.#broadcast({ kind: 'complete', attempt: 1, checkpointId: 1 });
        return;
      case 'committed':
        if (count === this.#tasks) this.#broadcast({ kind: 'finish', attempt: 1 });
        return;
      case 'finished':
        if (count === this.gateways.length) this.#resolve();
        return;
      case 'figures':
        this.records = Math.max(this.records, ...report.tasks.map(({ recordsOut }) => recordsOut));
        return;
      default: // Only counted.
    }
  }

  #broadcast(command: Parameters<SlotGateway['send']>[0]): void {
    for (const gateway of this.gateways) gateway.send(command);
  }

  #receive({ slot, vertex, subtask, values }: SlotReport & { kind: 'client' }): void {
    this.lines.push(...values);
    if (this.#options.stoppedClient === true) return;
    this.gateways[slot]!.send({ kind: 'client-credit', attempt: 1, vertex, subtask, records: values.length });
  }

  #answer(vertex: number, subtask: number, slot: number): void {
    const split = this.#enumerators.get(vertex)!.next(subtask);
    const noMore = split === 'none';
    const splits = noMore ? [] : [new TextEncoder().encode(JSON.stringify(split))];
    this.gateways[slot]!.send({ kind: 'splits', attempt: 1, vertex, subtask, splits, noMore });
  }
}
