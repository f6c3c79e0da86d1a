/** One start of the scripted job in a kernel: the real job master on a simulated disk. */

import type { CoordinatorConfig } from '../../src/checkpoint/coordinator-messages.ts';
import type { RestoreChoice } from '../../src/checkpoint/start.ts';
import { JobMaster } from '../../src/cluster/job-manager/job-master.ts';
import type { JobMasterOptions } from '../../src/cluster/job-manager/job-master-options.ts';
import type { JobResult } from '../../src/cluster/job-manager/job-result.ts';
import { createJobStorage } from '../../src/cluster/job-manager/job-storage.ts';
import type { JobState } from '../../src/cluster/job-manager/job-states.ts';
import type { CompiledJob } from '../../src/graph/job-graph.ts';
import type { Kernel } from '../../src/testing/kernel.ts';
import { type Ledger, scriptedJob, ScriptedSlots, type SlotScript } from './scripted-slots.ts';

const NODE = 'process';

/** What a run may vary. */
export interface RunOptions {
  readonly script?: SlotScript;
  readonly choice?: RestoreChoice;
  readonly compiled?: CompiledJob;
  readonly restartStrategy?: JobMasterOptions['restartStrategy'];
  readonly checkpoints?: Partial<CoordinatorConfig>;
  readonly retention?: JobMasterOptions['retention'];
  readonly listener?: JobMasterOptions['listener'];
  readonly node?: string;
  readonly jobId?: string;
  readonly goesOn?: boolean;
}

/** A start of the job. */
export class JobRun {
  readonly master: JobMaster;
  readonly slots: ScriptedSlots;
  readonly states: JobState[] = [];
  result: JobResult | undefined;
  readonly #kernel: Kernel;
  readonly #node: string;

  constructor(kernel: Kernel, ledger: Ledger, options: RunOptions = {}) {
    this.#kernel = kernel;
    const node = options.node ?? NODE;
    this.#node = node;
    const env = kernel.env(node);
    this.slots = new ScriptedSlots(env, ledger, options.script);
    const compiled = options.compiled ?? scriptedJob();
    const checkpoints: CoordinatorConfig = {
      intervalMs: 20,
      timeoutMs: 1_000,
      minPauseMs: 0,
      maxConcurrent: 1,
      tolerableFailures: 0,
      retained: 3,
      mode: 'exactly-once',
      unaligned: false,
      alignedTimeoutMs: 0,
      storage: true,
      ...options.checkpoints,
    };
    const jobId = options.jobId ?? 'job';
    const jobDirectory = checkpoints.storage ? `/checkpoints/${jobId}` : undefined;
    this.master = new JobMaster({
      jobId,
      compiled,
      env,
      provider: this.slots,
      storage: createJobStorage({
        env,
        jobId,
        graph: compiled.graph,
        jobDirectory,
        choice: options.choice ?? { kind: 'latest' },
        allowNonRestored: false,
        inlineThresholdBytes: 20_000,
      }),
      checkpoints,
      retention: options.retention ?? 'RETAIN_ON_CANCELLATION',
      restartStrategy: options.restartStrategy ?? { kind: 'fixed-delay', attempts: 3, delayMs: 50 },
      slotSettings: {
        checkpointing: checkpoints.storage,
        atLeastOnce: false,
        checkpointDirectory: jobDirectory,
        cachedFiles: {},
        autoWatermarkIntervalMs: 200,
        bufferTimeoutMs: 100,
        freezeRecords: false,
        alwaysEncode: false,
        inlineThresholdBytes: 20_000,
      },
      discardLaterOutput: false,
      goesOn: options.goesOn,
      listener: {
        ...options.listener,
        onState: (state) => {
          this.states.push(state);
          options.listener?.onState?.(state);
        },
      },
    });
    this.master.ended.then(
      (result) => {
        this.result = result;
      },
      () => {},
    );
    // Within an event of the node, as everything that a process does.
    kernel.schedule({ node, afterMs: 0, why: 'start', run: () => this.master.start() });
  }

  /** Runs the kernel until the job has ended. */
  async end(): Promise<JobResult> {
    await this.#kernel.run({ until: () => this.result !== undefined, maxVirtualMs: 600_000 });
    const { result } = this;
    if (result === undefined) throw new Error('the job has not ended');
    return result;
  }

  /** Runs the kernel until something holds. */
  async until(condition: () => boolean): Promise<void> {
    await this.#kernel.run({ until: condition, maxVirtualMs: 600_000 });
  }

  /** Runs the kernel until the `count`-th deployment runs. */
  async deployed(count = 1): Promise<void> {
    await this.until(() => this.slots.deployments.length === count && this.slots.current.isDeployed);
  }

  /** Does something to the job within an event of its process. */
  act(what: (master: JobMaster) => void): void {
    this.#kernel.schedule({ node: this.#node, afterMs: 0, why: 'act', run: () => what(this.master) });
  }

  /** Completed checkpoints so far. */
  completed(): number {
    return this.master.figures().checkpoints.completed;
  }
}
