/**
 * A slot: runs one subtask of every vertex in one thread, and speaks with the job master.
 *
 * Owner: the thread. Partners: the task runners below, the job master at the other end of `report` and `handle`.
 *
 * X1  One deployment per executor; commands and reports of other attempts are ignored.
 * X2  Work happens in turns of at most TURN_MS; between two turns the thread returns to its event loop.
 * X3  Every runner gets its step in every turn, so that a barrier passes however busy a neighbour is; who begins takes
 *     turns, so that the time of the first ones is not the hunger of the last.
 * X4  After `cancel` or `finish` every operator is closed once, then the slot says so, and reports nothing more.
 * X5  A subtask that reads its state itself is made when all of the slot have theirs; a slot that is to close meanwhile makes
 *     none.
 */

import type { Env, Timer } from '../base/env.ts';
import { serializeError } from '../base/errors.ts';
import type { StoredRestore, SubtaskRestore } from '../checkpoint/state-handle.ts';
import type { CompiledJob } from '../graph/job-graph.ts';
import type { ThreadFigures } from '../metrics/thread-figures.ts';
import type { ChannelEnds } from './channels.ts';
import { CreditedClientPort } from './client-port.ts';
import type { AccumulatorReport, SlotCommand, SlotReport, SlotSettings, TaskDeployment } from './messages.ts';
import type { Inspection } from './inspection.ts';
import { countKeys } from './key-count.ts';
import type { ProfileOf } from './thread-profile.ts';
import { SlotTaps, type TappedSubtask } from './slot-taps.ts';
import { MemoryBudget } from '../state/memory-budget.ts';
import { TaskRunner } from './task-runner.ts';
import { encodingHere, LARGE_BYTES, type SnapshotEncoder } from './snapshot-encoder.ts';
import { type SlotStorage, createSlotStorage } from './slot-storage.ts';
import { buildGate, buildPorts, keySelectorBehind, restoredOperators } from './wiring.ts';

/** What an executor is made of. */
export interface ExecutorParts {
  readonly slot: number;
  readonly settings: SlotSettings;
  readonly compiled: CompiledJob;
  readonly env: Env;
  readonly channels: ChannelEnds;
  readonly report: (report: SlotReport) => void;
  /** Makes the bytes of snapshots; by default this thread does. */
  readonly encoder?: SnapshotEncoder;
  /** Measures the thread; absent where several slots share one. */
  readonly threadFigures?: () => ThreadFigures;
  /** Profiles the thread for some milliseconds; absent where several slots share one. */
  readonly threadProfile?: (durationMs: number, of: ProfileOf) => Promise<string>;
}

/** A thread begins nothing new in a turn after so long, ms; with what it then still ends it is back in its event loop after 5. */
const TURN_MS = 4;
/** One runner's share of a turn, ms. */
const STEP_MS = 2;
const FIGURES_INTERVAL_MS = 500;

/** See the head of the file. */
export class SlotExecutor {
  readonly #parts: ExecutorParts;
  readonly #storage: SlotStorage;
  readonly #stateMemory: MemoryBudget;
  readonly #encoder: SnapshotEncoder;
  #runners: TaskRunner[] = [];
  readonly #byAddress = new Map<string, TaskRunner>();
  readonly #taps: SlotTaps;
  readonly #clients = new Map<string, CreditedClientPort>();
  #attempt = 0;
  #scheduled = false;
  #woken = false;
  #closing: Promise<void> | undefined;
  #first = 0;
  #figures: Timer | undefined;

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
    this.#taps = new SlotTaps(parts.env.clock);
    this.#storage = createSlotStorage(parts.settings, parts.env);
    this.#encoder = parts.encoder ?? encodingHere;
    this.#stateMemory = new MemoryBudget(parts.settings.stateMemoryBytes);
    if (parts.settings.checkpointDirectory !== undefined)
      this.#stateMemory.onceAbove(LARGE_BYTES, () => this.#encoder.prepare?.());
  }

  /** Takes a command; never throws: what goes wrong is reported as the failure of a task. */
  handle(command: SlotCommand): void {
    if (command.kind === 'deploy') {
      this.#attempt = command.attempt;
      this.#restore(command.tasks, command.restoredCheckpointId);
      return;
    }
    if (command.attempt !== this.#attempt) return;
    switch (command.kind) {
      case 'savepoint':
        this.#storage.savepoints.announce(command.checkpointId, command.directory);
        return;
      case 'trigger':
        for (const runner of this.#runners) if (runner.isSource) runner.trigger(command.barrier);
        return;
      case 'drain':
        for (const runner of this.#runners) if (runner.isSource) runner.drain();
        return;
      case 'complete':
        void this.#storage.copies?.confirmed(command.checkpointId);
        for (const runner of this.#runners) runner.complete(command.checkpointId);
        return;
      case 'abort':
        this.#storage.savepoints.forget(command.checkpointId);
        void this.#storage.copies?.aborted(command.checkpointId);
        for (const runner of this.#runners) runner.abort(command.checkpointId);
        return;
      case 'splits':
        this.#runner(command.vertex, command.subtask)?.addSplits(command.splits, command.noMore);
        return;
      case 'max-watermark':
        this.#runner(command.vertex, command.subtask)?.alignTo(command.maxWatermark);
        return;
      case 'client-credit':
        this.#clients.get(address(command.vertex, command.subtask))?.credit(command.records);
        return;
      case 'inspect':
        this.#inspect(command.requestId, command.inspection);
        return;
      case 'cancel':
        this.#close('canceled');
        return;
      case 'finish':
        this.#close('finished');
        return;
    }
  }

  #runner(vertex: number, subtask: number): TaskRunner | undefined {
    return this.#byAddress.get(address(vertex, subtask));
  }

  /** X5. */
  #restore(tasks: readonly TaskDeployment[], restoredCheckpointId: number | undefined): void {
    const dealt = tasks.flatMap((task) => (isDealt(task) ? [task] : []));
    if (dealt.length === tasks.length) return this.#deploy(dealt, restoredCheckpointId);
    Promise.all(tasks.map((task) => this.#read(task))).then(
      (found) => {
        const isWhole = (task: RestoredTask | undefined): task is RestoredTask => task !== undefined;
        if (this.#closing === undefined && found.every(isWhole)) this.#deploy(found, restoredCheckpointId);
      },
      (error: unknown) => this.#parts.env.log.error('a deployment failed', { error: String(error) }),
    );
  }

  /** Its state; `undefined` when it could not be read, which was reported. */
  async #read(task: TaskDeployment): Promise<RestoredTask | undefined> {
    if (isDealt(task)) return task;
    const { slot, env, report } = this.#parts;
    const { vertex, subtask } = task;
    const from = env.clock.monotonic();
    try {
      const { restore, source } = await this.#storage.restore(task.restore as StoredRestore);
      const durationMs = env.clock.monotonic() - from;
      const where = { slot, attempt: this.#attempt, vertex, subtask };
      if (this.#closing === undefined) report({ kind: 'restored', ...where, source, durationMs });
      return { vertex, subtask, restore };
    } catch (error) {
      if (this.#closing === undefined) this.#reportFailure(task, error);
      return undefined;
    }
  }

  #deploy(tasks: readonly RestoredTask[], restoredCheckpointId: number | undefined): void {
    for (const task of tasks) {
      try {
        const runner = this.#createRunner(task, restoredCheckpointId);
        this.#runners.push(runner);
        this.#byAddress.set(address(task.vertex, task.subtask), runner);
      } catch (error) {
        this.#reportFailure(task, error);
        return;
      }
    }
    this.#connect();
    // Consumers before producers, so that a chain is ready when its input begins.
    this.#runners.reverse();
    this.#markEvery(this.#parts.settings.latency?.intervalMs ?? 0);
    for (const runner of this.#runners) runner.open().catch((error: unknown) => runner.fail(error));
    this.#armFigures();
  }

  /** Whoever has one consumer, and that in this slot, may hand records over to it. */
  #connect(): void {
    for (const { index, from, to } of this.#parts.compiled.graph.edges) {
      for (const producer of this.#runners.filter(({ vertex }) => vertex === from)) {
        const subtask = producer.onlyConsumer(index);
        const consumer = subtask === undefined ? undefined : this.#runner(to, subtask);
        if (consumer !== undefined) producer.handTo(index, consumer);
      }
    }
  }

  #markEvery(intervalMs: number): void {
    for (const runner of this.#runners) runner.markEvery(intervalMs);
  }

  #reportFailure(task: Pick<TaskDeployment, 'vertex' | 'subtask'>, error: unknown): void {
    this.#parts.report({
      kind: 'failed',
      slot: this.#parts.slot,
      attempt: this.#attempt,
      vertex: task.vertex,
      subtask: task.subtask,
      error: serializeError(error),
    });
  }

  #createRunner(task: RestoredTask, restoredCheckpointId: number | undefined): TaskRunner {
    const { slot, settings, compiled, env, report } = this.#parts;
    const { vertex, subtask } = task;
    const planned = compiled.graph.vertices[vertex]!;
    const attempt = `${settings.processAttempt}-${this.#attempt}`;
    const where = { slot, attempt: this.#attempt, vertex, subtask };
    const client = new CreditedClientPort(
      (sink, values, sequence) => report({ kind: 'client', ...where, sink, values, sequence }),
      () => this.#wakeUp(),
    );
    this.#clients.set(address(vertex, subtask), client);
    const gate = buildGate({ ...this.#parts, random: env.random, vertex, subtask, restore: task.restore });
    return new TaskRunner({
      ...where,
      task: { vertex, compiled, restored: restoredOperators(task.restore) },
      env,
      host: {
        info: {
          jobId: settings.jobId,
          jobName: settings.jobName,
          subtask,
          parallelism: planned.parallelism,
          maxParallelism: planned.maxParallelism,
          attempt,
        },
        env,
        client,
        checkpointing: settings.checkpointing,
        cachedFiles: settings.cachedFiles,
        restoredCheckpointId,
        autoWatermarkIntervalMs: settings.autoWatermarkIntervalMs,
        latency: settings.latency,
        freezeRecords: settings.freezeRecords,
        stateMemory: this.#stateMemory,
        checkFence: () => this.#storage.checkFence(),
      },
      ports: buildPorts({ ...this.#parts, random: env.random, vertex, subtask }),
      gate,
      inputs: new Set(compiled.graph.edges.filter((edge) => edge.to === vertex).map((edge) => edge.input))
        .size,
      encoder: this.#encoder,
      store: (checkpointId, snapshot, savepoint) =>
        this.#storage.store({ checkpointId, savepoint, vertexId: planned.id, subtask, attempt, snapshot }),
      report,
      wakeUp: () => this.#wakeUp(),
    });
  }

  // ---- for whoever looks ----

  #inspect(requestId: number, inspection: Inspection): void {
    const { slot, report } = this.#parts;
    const answer = (value: unknown, error?: unknown): void =>
      report({
        kind: 'inspected',
        ...{ slot, attempt: this.#attempt, requestId, answer: value },
        error: error === undefined ? undefined : serializeError(error),
      });
    this.#lookAt(inspection).then(answer, (error: unknown) =>
      answer(undefined, error ?? new Error('unknown')),
    );
  }

  // Asynchronous so that whatever is thrown becomes the answer.
  async #lookAt(inspection: Inspection): Promise<unknown> {
    switch (inspection.kind) {
      case 'tap':
        return this.#taps.begin(inspection, this.#tapped(inspection));
      case 'untap':
        return this.#taps.end(inspection.tapId);
      case 'latency-markers':
        return this.#markEvery(inspection.intervalMs);
      case 'profile': {
        const { threadProfile } = this.#parts;
        if (threadProfile === undefined) throw new Error('the slot has no thread of its own');
        return await threadProfile(inspection.durationMs, inspection.of);
      }
      case 'count-keys':
        return await countKeys(inspection, this.#tapped(inspection), this.#parts.env.clock);
      case 'key-state':
        return await this.#required(inspection).keyState(
          inspection.operator,
          inspection.key,
          inspection.change,
        );
      case 'disturb':
        return this.#required(inspection).disturb(inspection.disturbance);
    }
  }

  #tapped({ vertex, operator }: { readonly vertex: number; readonly operator: number }): TappedSubtask[] {
    const keySelector = keySelectorBehind(this.#parts.compiled, vertex, operator);
    const runners = this.#runners.filter((runner) => runner.vertex === vertex);
    return runners.flatMap((runner) => runner.tapped(operator, keySelector) ?? []);
  }

  #required({ vertex, subtask }: { readonly vertex: number; readonly subtask: number }): TaskRunner {
    const runner = this.#runner(vertex, subtask);
    if (runner === undefined)
      throw new Error(`subtask ${subtask} of vertex ${vertex} does not run in this slot`);
    return runner;
  }

  // ---- turns (X2, X3) ----

  #wakeUp(): void {
    this.#woken = true;
    if (this.#scheduled || this.#closing !== undefined) return;
    this.#scheduled = true;
    this.#parts.env.clock.defer(() => this.#turn(), `slot ${this.#parts.slot} turn`);
  }

  #turn(): void {
    this.#scheduled = false;
    if (this.#closing !== undefined) return;
    const clock = this.#parts.env.clock;
    const end = clock.monotonic() + TURN_MS;
    let more = false;
    for (let round = 0; round < ROUNDS_PER_TURN; round++) {
      this.#woken = false;
      more = false;
      const count = this.#runners.length;
      for (let each = 0; each < count; each++) {
        const runner = this.#runners[(this.#first + each) % count]!;
        if (runner.step(Math.min(end, clock.monotonic() + STEP_MS)) === 'more') more = true;
        this.#parts.channels.settle?.();
      }
      this.#first = (this.#first + 1) % Math.max(1, count);
      if ((!more && !this.#woken) || clock.monotonic() >= end) break;
    }
    if (more || this.#woken) this.#wakeUp();
  }

  // ---- the end (X4) ----

  #close(kind: 'canceled' | 'finished'): void {
    if (this.#closing !== undefined) return;
    // What was counted since the last time belongs to the totals too.
    this.#reportFigures();
    this.#closing = this.#closeAll();
    this.#closing
      .catch((error: unknown) => this.#parts.env.log.error('closing failed', { error: String(error) }))
      .finally(() => {
        // What functions added while they were closed.
        this.#reportFigures();
        this.#parts.report({ kind, slot: this.#parts.slot, attempt: this.#attempt });
      });
  }

  /** Closes without a word; for a host that gives the slot up. Resolves when nothing runs here any more. */
  terminate(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    this.#figures?.cancel();
    for (const runner of this.#runners) {
      try {
        await runner.close();
      } catch (error) {
        this.#parts.env.log.warn('an operator failed to close', { error: String(error) });
      }
    }
    await this.#encoder.close();
  }

  #armFigures(): void {
    this.#figures = this.#parts.env.clock.timer(
      FIGURES_INTERVAL_MS,
      () => {
        this.#reportFigures();
        this.#armFigures();
      },
      'figures',
    );
  }

  #reportFigures(): void {
    const { slot, report } = this.#parts;
    for (const seen of this.#taps.take()) report({ kind: 'tapped', slot, attempt: this.#attempt, ...seen });
    const tasks = this.#runners.map((runner) => runner.figures());
    const accumulators = this.#runners.flatMap((runner) => this.#accumulatorsOf(runner));
    this.#parts.report({
      kind: 'figures',
      slot: this.#parts.slot,
      attempt: this.#attempt,
      tasks,
      accumulators,
      thread: this.#parts.threadFigures?.(),
    });
  }

  #accumulatorsOf(runner: TaskRunner): AccumulatorReport[] {
    try {
      return runner.accumulators();
    } catch (error) {
      this.#parts.env.log.warn('an accumulator could not be reported', { error: String(error) });
      runner.fail(error);
      return [];
    }
  }
}

/** Rounds over all runners in one turn, where the clock stands still. */
const ROUNDS_PER_TURN = 16;

/** A subtask with its state. */
type RestoredTask = Omit<TaskDeployment, 'restore'> & { readonly restore: SubtaskRestore | undefined };

function isDealt(task: TaskDeployment): task is RestoredTask {
  return task.restore === undefined || 'operators' in task.restore;
}

function address(vertex: number, subtask: number): string {
  return `${vertex}:${subtask}`;
}
