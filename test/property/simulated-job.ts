// A real job on the seeded kernel: the real job master, slots, tasks, connectors and files; only `Env` is simulated.

import { readCommitted } from './committed-lines.ts';
import type { Env } from '../../src/base/env.ts';
import type { CoordinatorConfig } from '../../src/checkpoint/coordinator-messages.ts';
import type { RestoreChoice } from '../../src/checkpoint/start.ts';
import type { AdaptiveSettings } from '../../src/cluster/job-manager/adaptive-scheduler.ts';
import { JobMaster } from '../../src/cluster/job-manager/job-master.ts';
import type { JobResult } from '../../src/cluster/job-manager/job-result.ts';
import { createJobStorage } from '../../src/cluster/job-manager/job-storage.ts';
import type { RestartStrategy } from '../../src/cluster/job-manager/restart-strategy.ts';
import { compile } from '../../src/graph/compile.ts';
import type { CompiledJob } from '../../src/graph/job-graph.ts';
import { inProcessSlots } from '../../src/hosts/in-process.ts';
import type { SlotProvider } from '../../src/hosts/messages.ts';
import { describeJob } from '../../src/streams/describe.ts';
import type { JobDefinition } from '../../src/index.ts';
import type { Kernel } from '../../src/testing/kernel.ts';

/** How a simulated job runs. */
export interface SimulatedOptions {
  readonly definition: JobDefinition;
  readonly args: readonly string[];
  readonly parallelism?: number;
  readonly checkpoints?: Partial<CoordinatorConfig>;
  readonly alwaysEncode?: boolean;
  readonly channelElements?: number;
  readonly restarts?: number;
  readonly inlineThresholdBytes?: number;
  readonly choice?: RestoreChoice;
  readonly allowNonRestored?: boolean;
  readonly restartStrategy?: RestartStrategy;
  /** Default: only for a fresh start. */
  readonly discardLaterOutput?: boolean;
  /** A name of the run that several lives are a part of (src/checkpoint/start.ts). */
  readonly run?: string | undefined;
  /** Default {@link JOB_DIRECTORY}. */
  readonly jobDirectory?: string;
  /** The process; two processes on one disk have two names. Default {@link NODE}. */
  readonly node?: string;
  readonly adaptive?: AdaptiveSettings;
  readonly failover?: 'region' | 'full' | undefined;
  /** What its threads reach besides the machine; default: nothing. */
  readonly reaches?: ((env: Env) => Env) | undefined;
  /** Puts something between the job master and its slots. */
  readonly around?: (slots: SlotProvider) => SlotProvider;
}

/** Where the job keeps its checkpoints and its attempts. */
export const JOB_DIRECTORY = '/checkpoints/job';
/** The process that runs a job when nobody says otherwise. */
export const NODE = 'process';

/** One life of the process that runs the job. */
export class SimulatedJob {
  readonly #kernel: Kernel;
  readonly #options: SimulatedOptions;
  result: JobResult | undefined;
  readonly master: JobMaster;

  constructor(kernel: Kernel, options: SimulatedOptions) {
    this.#kernel = kernel;
    this.#options = options;
    this.master = this.#createMaster();
    this.master.ended.then(
      (result) => {
        this.result = result;
      },
      () => undefined,
    );
    kernel.schedule({ node: options.node ?? NODE, afterMs: 0, why: 'start', run: () => this.master.start() });
  }

  #build(): CompiledJob {
    const { definition, args, parallelism } = this.#options;
    const described = describeJob(definition, { args });
    const inCode = described.configuration['parallelism.default'];
    const maxParallelism = described.configuration['pipeline.max-parallelism'];
    return compile(described, {
      name: 'random',
      parallelism: parallelism ?? Number(inCode ?? 1),
      maxParallelism: maxParallelism === undefined ? undefined : Number(maxParallelism),
      chaining: described.configuration['pipeline.operator-chaining.enabled'] !== false,
    });
  }

  #createMaster(): JobMaster {
    const options = this.#options;
    const node = options.node ?? NODE;
    const reaches = options.reaches ?? ((env: Env) => env);
    const env = reaches(this.#kernel.env(node));
    const compiled = this.#build();
    const inlineThresholdBytes = options.inlineThresholdBytes ?? 200;
    const checkpoints: CoordinatorConfig = {
      intervalMs: 20,
      timeoutMs: 5_000,
      minPauseMs: 0,
      maxConcurrent: 1,
      tolerableFailures: 10,
      retained: 2,
      mode: 'exactly-once',
      unaligned: false,
      alignedTimeoutMs: 0,
      storage: true,
      ...options.checkpoints,
    };
    const jobDirectory = checkpoints.storage ? (options.jobDirectory ?? JOB_DIRECTORY) : undefined;
    return new JobMaster({
      jobId: 'job',
      compiled,
      env,
      provider: (options.around ?? ((slots) => slots))(
        inProcessSlots({
          env: (slot) => reaches(this.#kernel.env(node, `slot ${slot}`)),
          // Pure, as every thread must come to the same plan; one for all slots saves much of a life's time.
          build: () => compiled,
          channelElements: options.channelElements ?? 2,
        }),
      ),
      storage: createJobStorage({
        env,
        jobId: 'job',
        graph: compiled.graph,
        jobDirectory,
        choice: options.choice ?? { kind: 'latest' },
        run: options.run,
        allowNonRestored: options.allowNonRestored ?? false,
        declaredState: (uid) => compiled.factories.get(uid)?.(),
        inlineThresholdBytes,
      }),
      checkpoints,
      adaptive: options.adaptive,
      ...(options.failover === undefined ? {} : { failover: options.failover }),
      retention: 'RETAIN_ON_CANCELLATION',
      restartStrategy: options.restartStrategy ?? {
        kind: 'fixed-delay',
        attempts: options.restarts ?? 20,
        delayMs: 5,
      },
      slotSettings: {
        checkpointing: checkpoints.storage,
        atLeastOnce: checkpoints.mode === 'at-least-once',
        checkpointDirectory: jobDirectory,
        cachedFiles: {},
        autoWatermarkIntervalMs: 20,
        bufferTimeoutMs: 5,
        freezeRecords: true,
        alwaysEncode: options.alwaysEncode ?? true,
        inlineThresholdBytes,
      },
      discardLaterOutput: options.discardLaterOutput ?? options.choice?.kind === 'fresh',
    });
  }

  /** Runs the kernel until the job has ended. */
  async end(): Promise<JobResult> {
    await this.#kernel.run({ until: () => this.result !== undefined, maxVirtualMs: 3_600_000 });
    if (this.result === undefined) throw new Error('the job has not ended');
    return this.result;
  }

  /** Runs `events` events, or to the end. */
  async some(events: number): Promise<void> {
    const from = this.#kernel.steps;
    await this.#kernel.run({ until: () => this.result !== undefined || this.#kernel.steps - from >= events });
  }
}

/** Kills the process: volatile memory is gone; the disk keeps what was written (kill) or what was synced (power). */
export function kill(kernel: Kernel, how: 'kill' | 'power'): void {
  kernel.crash(NODE);
  if (how === 'power') kernel.losePower();
  kernel.restart(NODE);
}

/** The lines of all committed files in a directory of the simulated disk. */
export function committed(kernel: Kernel, directory: string): string[] {
  return readCommitted(kernel.disk.contents(directory), directory);
}
