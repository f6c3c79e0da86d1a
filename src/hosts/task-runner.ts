/**
 * Runs one task in a slot: feeds it from its gate or its source, takes its barriers, stores its snapshots.
 *
 * Owner: the slot executor's thread. Partners: `StreamTask` below; input gate and output ports; the executor above.
 *
 * R1  The task gets its next element only when it is done with the last one, its outputs have room, and what an operator
 *     finished outside of a call was handed on.
 * R2  A barrier is taken between two records. An unaligned one also in the middle of a batch, whose rest is in-flight data.
 * R3  What a task reports carries its attempt; after the first failure it reports nothing but that.
 * R4  An acknowledgement is sent once, after the bytes of the snapshot are durable.
 * R5  Commits run one after the other in the order of the notifications.
 * R6  A step ends after a bounded amount of work, also where the clock stands still.
 * R7  A source takes triggers and splits in the order in which they were sent: a split behind a trigger is not in that
 *     checkpoint, where the enumerator still counts it as its own.
 * R8  A runner rests only when what it waits for is registered: a port that got room while it went to rest is no rest.
 * R9  What a source in an alignment group has to tell is sent after each step, also while its outputs are full or it waits
 *     for the group itself; after the barrier of a stop it tells nothing.
 * R10 Every call of the task is made in its name: what a function left behind (a promise, a timer) and failed later fails
 *     the task, and not the thread. Made code that takes what is handed over (R14) runs in the name of its producer.
 * R11 A latency marker of a source goes out between two polls, while the outputs have room; at most one is due at a time.
 *     Its time begins when it goes out.
 * R12 While records wait, a snapshot is read for a share of the time only; while none do, as fast as can be.
 * R13 Whoever looks at state, or changes it, does so between two records, and before the next barrier or behind it.
 * R14 Records may be handed over within a step of their producer (hand-overs.ts). A task takes them between two steps of its
 *     own, while it is done with all that it took, and has a step soon after. What it spends on them is its own time, for
 *     which its producer waits.
 */

import { callAs, callerAs, type CallOrigin } from '../base/call-origin.ts';
import { makeCode } from '../base/made-code.ts';
import { isMillraceError, MillraceError, serializeError } from '../base/errors.ts';
import { failpoint } from '../base/failpoints.ts';
import type { Env, Timer } from '../base/env.ts';
import type { Key } from '../base/key-groups.ts';
import type { RecordBatch } from '../exchange/batch.ts';
import { addBytes, addPools } from '../exchange/channel.ts';
import type { CheckpointBarrier } from '../exchange/events.ts';
import type { GateElement, InputGate } from '../exchange/input.ts';
import type { OutputPort } from '../exchange/output.ts';
import type { SourceFigures } from '../metrics/source-figures.ts';
import type { HeldChange } from '../state/held-state.ts';
import { StreamTask } from '../task/task.ts';
import type { TaskHost } from '../task/task-host.ts';
import { BetweenRecords } from './between-records.ts';
import { type Disturbance, Slowdown } from './disturbance.ts';
import { HandOvers, type TakesHanded } from './hand-overs.ts';
import type { KeyAnswer } from './inspection.ts';
import { keyAnswer } from './key-answer.ts';
import { PendingSnapshot } from './pending-snapshot.ts';
import type { EncodedSnapshot, SnapshotEncoder } from './snapshot-encoder.ts';
import type { TappedSubtask } from './slot-taps.ts';
import type { AccumulatorReport, CheckpointFigures, SlotReport, TaskFigures } from './messages.ts';
import type { StateHandle } from '../checkpoint/state-handle.ts';
import type { TaskParts } from '../task/task.ts';

/** What a runner is made of. */
export interface RunnerParts {
  readonly slot: number;
  readonly attempt: number;
  readonly vertex: number;
  readonly subtask: number;
  readonly task: Omit<TaskParts, 'host'>;
  readonly env: Env;
  /** The task's host without what the runner itself provides. */
  readonly host: Omit<TaskHost, 'port' | 'wakeUp' | 'fail' | 'ended'>;
  readonly ports: ReadonlyMap<number, OutputPort>;
  /** `undefined` for a source. */
  readonly gate: InputGate | undefined;
  readonly inputs: number;
  /** Makes the bytes of a snapshot durable, or keeps them for the metadata. */
  readonly store: (
    checkpointId: number,
    snapshot: EncodedSnapshot,
    savepoint: SavepointPart,
  ) => Promise<StateHandle>;
  readonly encoder: SnapshotEncoder;
  readonly report: (report: SlotReport) => void;
  /** Have `step` called again. */
  readonly wakeUp: () => void;
}

/** What of a snapshot goes to a savepoint: nothing, all of it, or a copy beside the checkpoint. */
export type SavepointPart = 'none' | 'alone' | 'beside';

/** What one step came to: call again at once, or after the next wake-up. */
export type StepResult = 'more' | 'rest';

/** Elements or polls in one step (R6). */
const ELEMENTS_PER_STEP = 64;

/** R12: how many times as long as it read a snapshot a task works before it reads on. */
const WORK_PER_READING = 3;

/**
 * The text of the code that stands for a task in stack traces and profiles: of optimized code V8 tells the name of the
 * function alone, and not that of its file.
 */
function runTask(vertex: number, subtask: number): string {
  return `return function ${taskFunction(vertex, subtask)}(deadline) {
  return work(deadline);
};`;
}

/** The name of whatever stands for a task in profiles; `rest/flame-graph.ts` finds it. */
function taskFunction(vertex: number, subtask: number): string {
  return `runTask_${vertex}_${subtask}`;
}

/** What a source gets from the job master. */
type SourceCommand =
  | { readonly kind: 'trigger'; readonly barrier: CheckpointBarrier }
  | { readonly kind: 'drain' }
  | { readonly kind: 'splits'; readonly splits: readonly Uint8Array[]; readonly noMore: boolean };

/** See the head of the file. */
export class TaskRunner implements TakesHanded {
  readonly task: StreamTask;
  readonly #parts: RunnerParts;
  readonly #ports: readonly OutputPort[];
  /** `#work`, through code that a profile shows under the name of the task: `millrace/task/<vertex>/<subtask>/…`. */
  readonly #run: (deadline: number) => StepResult;
  #phase: 'created' | 'running' | 'failed' | 'closed' = 'created';
  #pending: PendingSnapshot[] = [];
  #lastBarrier = -1;
  /** Monotonic ms before which no snapshot is read while there is other work (R12). */
  #readAgainAt = 0;
  /** R7. Bounded by the coordinator's pending checkpoints and by one open request for a split. */
  #commands: SourceCommand[] = [];
  #stopped = false;
  #sourceEnd = false;
  #askedForSplit = false;
  #commits: Promise<void> = Promise.resolve();
  #busyMs = 0;
  #blockedMs = 0;
  #blockedSince: number | undefined;
  /** R10. */
  readonly #origin: CallOrigin = {
    failedLater: (error) => this.fail(this.task.chain.failedLater(error, undefined, this.#handOvers.names)),
  };
  readonly #asTask = callerAs(this.#origin);
  readonly #remainder = (): RecordBatch | undefined => this.task.remainder();
  /** R11. */
  #markerEveryMs = 0;
  #markerTimer: Timer | undefined;
  #markerDue = false;
  /** Sources: when figures last came with a record that was not read before. */
  #lastRead: { readonly records: number; readonly at: number };
  #gateTimer: Timer | undefined;
  #gateDeadline: number | undefined;
  /** R13. */
  readonly #questions: BetweenRecords;
  /** For drills. */
  #slowdown: Slowdown | undefined;
  #slowTimer: Timer | undefined;
  #declinesNext = false;
  /** R14. */
  readonly #handOvers = new HandOvers();
  /** Time of a step that others spent on what was handed over. */
  #handedMs = 0;
  #batchMs = 0;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#ports = [...parts.ports.values()];
    this.#lastRead = { records: 0, at: parts.env.clock.monotonic() };
    this.#questions = new BetweenRecords(parts.env.clock);
    const host: TaskHost = {
      ...parts.host,
      port: (edge) => parts.ports.get(edge)!,
      wakeUp: parts.wakeUp,
      fail: (error) => this.fail(error),
      ended: () => {
        // An accumulator that cannot leave fails the task while the job can still hear of it.
        this.#reportFigures();
        this.#report({ kind: 'ended', ...this.#address });
      },
    };
    this.task = new StreamTask({ ...parts.task, host });
    const work = (deadline: number): StepResult => this.#work(deadline);
    const { vertex, subtask } = parts;
    const name = ['task', String(vertex), String(subtask)];
    this.#run = makeCode<typeof work>(name, { work }, runTask(vertex, subtask)) ?? work;
  }

  // ---- records that are handed over (R14) ----

  /** Records of an edge may be handed to this runner, one by one. */
  get takesHanded(): boolean {
    return this.#parts.gate?.hasOneChannel === true && this.task.takesHanded;
  }

  /** Which subtask has all that goes out over an edge; `undefined` where there are several. */
  onlyConsumer(edge: number): number | undefined {
    return this.#parts.ports.get(edge)?.onlyConsumer;
  }

  /** The one consumer of an edge, where that is in this thread. */
  handTo(edge: number, consumer: TaskRunner): void {
    const port = this.#parts.ports.get(edge)!;
    const { way } = port;
    if (way === undefined || !consumer.takesHanded) return;
    const { vertex, subtask } = consumer.#parts;
    consumer.task.takeFrom(way, taskFunction(vertex, subtask), consumer.#asTask);
    this.#handOvers.add(port, way, consumer);
  }

  get prefersBatches(): boolean {
    return this.task.prefersBatches;
  }

  begin(): boolean {
    if (this.#phase !== 'running' || this.#slowdown !== undefined) return false;
    try {
      if (!this.task.mayTakeHanded || !this.#parts.gate!.isClear()) return false;
      this.#handOvers.open();
    } catch (error) {
      // In a step of the producer: whoever asks outputs for room sends what waits there, and that may be refused.
      this.#handOvers.close(0);
      this.fail(error);
      return false;
    }
    return true;
  }

  end(records: number, ms: number): void {
    const ownMs = this.#handOvers.close(ms);
    this.#busyMs += ownMs;
    this.#blockedMs += ms - ownMs;
    // Outputs have to be flushed, timers armed, and what a record left behind is to be done.
    if (records > 0) this.#parts.wakeUp();
  }

  get batchMs(): number {
    return this.#batchMs;
  }

  get names(): readonly string[] {
    const { chain } = this.task;
    return chain.hasRunInAnothersName ? [chain.name, ...this.#handOvers.names] : [];
  }

  get vertex(): number {
    return this.#parts.vertex;
  }

  /**
   * Where a tap may look at what an operator hands on; `undefined` while the task does not run. `keySelector` gives the key
   * by which it is handed on; without one it is that under which a keyed operator makes it.
   */
  tapped(
    operator: number,
    keySelector: ((value: unknown) => unknown) | undefined,
  ): TappedSubtask | undefined {
    const link = this.task.chain.links[operator];
    if (this.#phase !== 'running' || link === undefined) return undefined;
    return {
      subtask: this.#parts.subtask,
      watermark: () => link.output.currentWatermark,
      keyOf: keySelector ?? (link.backend && (() => link.backend!.currentKey())),
      tap: (take) => this.task.chain.tap(operator, take),
    };
  }

  /** What a key holds in the state of an operator, after `change`; soon, between two records (R13). */
  async keyState(operator: number, key: Key, change: HeldChange | undefined): Promise<KeyAnswer> {
    const link = this.task.chain.links[operator];
    const backend = link?.backend;
    if (link === undefined || backend === undefined)
      throw new RangeError(`operator ${operator} keeps no keyed state`);
    this.#parts.wakeUp();
    const { env, subtask } = this.#parts;
    return this.#questions.ask(() =>
      keyAnswer(backend, { key, change, env, where: { uid: link.planned.uid, subtask } }),
    );
  }

  /** For drills. */
  disturb(disturbance: Disturbance): void {
    if (this.#phase !== 'running') throw new MillraceError('JOB_NOT_RUNNING', 'the task does not run');
    const { uid } = this.task.chain.head.planned;
    this.#parts.env.log.warn('a drill disturbs a task', {
      uid,
      subtask: this.#parts.subtask,
      ...disturbance,
    });
    switch (disturbance.kind) {
      case 'fail':
        return this.fail(
          new MillraceError('DRILL_FAILURE', 'the task was made to fail by a drill', {
            where: { uid, subtask: this.#parts.subtask },
          }),
        );
      case 'decline-checkpoint':
        this.#declinesNext = true;
        return;
      case 'slow':
        this.#slowdown = new Slowdown(disturbance, this.#parts.env.clock.monotonic());
        this.task.takeAtOnce(this.#slowdown.recordsAtOnce);
        this.#parts.wakeUp();
    }
  }

  get isSource(): boolean {
    return this.#parts.gate === undefined;
  }

  get #address(): { slot: number; attempt: number; vertex: number; subtask: number } {
    const { slot, attempt, vertex, subtask } = this.#parts;
    return { slot, attempt, vertex, subtask };
  }

  #report(report: SlotReport): void {
    if (this.#phase !== 'failed' && this.#phase !== 'closed') this.#parts.report(report);
  }

  /** Opens the operators; then the runner may be stepped. */
  async open(): Promise<void> {
    try {
      await callAs(this.#origin, () => this.task.open());
    } catch (error) {
      this.fail(error);
      return;
    }
    if (this.#phase !== 'created') return;
    this.#phase = 'running';
    this.#report({ kind: 'running', ...this.#address });
    this.#armMarker();
    this.#parts.wakeUp();
  }

  /** Sources: from now on a latency marker every so often; 0 = no more. */
  markEvery(intervalMs: number): void {
    if (!this.isSource || intervalMs === this.#markerEveryMs) return;
    this.#markerEveryMs = intervalMs;
    this.#markerDue = false;
    this.#armMarker();
  }

  #armMarker(): void {
    this.#markerTimer?.cancel();
    if (this.#markerEveryMs <= 0 || this.#phase !== 'running' || this.#sourceEnd || this.#stopped) return;
    const due = (): void => {
      this.#markerDue = true;
      this.#parts.wakeUp();
    };
    this.#markerTimer = this.#parts.env.clock.timer(this.#markerEveryMs, due, 'a latency marker is due');
  }

  fail(error: unknown): void {
    if (this.#phase === 'failed' || this.#phase === 'closed') return this.#failedAfterwards(error);
    this.#report({ kind: 'failed', ...this.#address, error: serializeError(error) });
    this.#phase = 'failed';
    this.#questions.end();
  }

  /** Nobody reads it any more, unless nobody had waited for it either. */
  #failedAfterwards(error: unknown): void {
    if (!isMillraceError(error, 'OPERATOR_FAILED_LATER')) return;
    this.#parts.env.log.warn('a function failed after its task had ended', { error: serializeError(error) });
  }

  // ---- commands ----

  /** Sources: take this checkpoint next. */
  trigger(barrier: CheckpointBarrier): void {
    this.#command({ kind: 'trigger', barrier });
  }

  /** Sources: read nothing any more, and end. */
  drain(): void {
    this.#command({ kind: 'drain' });
  }

  addSplits(splits: readonly Uint8Array[], noMore: boolean): void {
    this.#command({ kind: 'splits', splits, noMore });
  }

  /** Sources: what is ahead of this watermark waits. No order with barriers and splits is needed. */
  alignTo(maxWatermark: number): void {
    if (this.#phase === 'running') this.task.source.alignTo?.(maxWatermark);
  }

  #command(command: SourceCommand): void {
    if (this.#phase === 'failed' || this.#phase === 'closed') return;
    this.#commands.push(command);
    this.#parts.wakeUp();
  }

  complete(checkpointId: number): void {
    this.#commits = this.#commits
      .then(() => this.#commit(checkpointId))
      .catch((error: unknown) => this.fail(error));
  }

  async #commit(checkpointId: number): Promise<void> {
    if (this.#phase !== 'running') return;
    failpoint('task.completion-heard');
    await callAs(this.#origin, () => this.task.onCheckpointComplete(checkpointId));
    failpoint('task.committed');
    this.#report({ kind: 'committed', ...this.#address, checkpointId });
  }

  abort(checkpointId: number): void {
    this.#commands = this.#commands.filter(
      (command) => command.kind !== 'trigger' || command.barrier.id !== checkpointId,
    );
    this.#parts.gate?.abort(checkpointId);
    const aborted = this.#pending.filter((pending) => pending.barrier.id === checkpointId);
    this.#pending = this.#pending.filter((pending) => pending.barrier.id !== checkpointId);
    for (const pending of aborted) pending.release();
    try {
      if (this.#phase === 'running') this.task.onCheckpointAborted(checkpointId);
    } catch (error) {
      this.fail(error);
    }
    this.#parts.wakeUp();
  }

  async close(): Promise<void> {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    for (const pending of this.#pending) pending.release();
    this.#pending = [];
    this.#commands = [];
    this.#gateTimer?.cancel();
    this.#markerTimer?.cancel();
    this.#slowTimer?.cancel();
    this.#questions.end();
    await callAs(this.#origin, () => this.task.close());
  }

  // ---- steps ----

  /** Works until `deadline` (monotonic ms) or until there is nothing to do. */
  step(deadline: number): StepResult {
    if (this.#phase !== 'running') return 'rest';
    const clock = this.#parts.env.clock;
    const from = clock.monotonic();
    if (this.#blockedSince !== undefined) {
      this.#blockedMs += from - this.#blockedSince;
      this.#blockedSince = undefined;
    }
    try {
      if (!this.#questions.isEmpty) this.#answer();
      if (this.#slowdown !== undefined) return this.#slowed(this.#slowdown);
      const result = this.#asTask(this.#run, deadline);
      if (!this.#questions.isEmpty) this.#answer();
      if (this.isSource) this.#tellTime();
      this.#countBusy(clock.monotonic() - from);
      return result;
    } catch (error) {
      this.#handOvers.close(0);
      this.fail(error);
      return 'rest';
    }
  }

  /** A step took so long. While its consumer works on what it hands over, a task waits for it (R14). */
  #countBusy(ms: number): void {
    this.#busyMs += ms - this.#handedMs;
    this.#blockedMs += this.#handedMs;
    this.#handedMs = 0;
  }

  /** R13: a call that has not given all its results is within its record. */
  #answer(): void {
    if (this.task.interruptible()) this.#asTask(() => this.#questions.run(), undefined);
  }

  /** A step of a task that a drill slows down: some records, and a rest. */
  #slowed(slowdown: Slowdown): StepResult {
    const { clock } = this.#parts.env;
    const from = clock.monotonic();
    this.#countRest(from);
    if (from >= slowdown.endsAt) {
      this.#slowdown = undefined;
      this.task.takeAtOnce(undefined);
      return 'more';
    }
    if (from < slowdown.restsUntil) return this.#restUntil(slowdown.restsUntil);
    const before = this.task.recordsIn;
    const result = this.#asTask(this.#run, from);
    const now = clock.monotonic();
    this.#countBusy(now - from);
    slowdown.did(this.task.recordsIn - before, now);
    return now < slowdown.restsUntil ? this.#restUntil(slowdown.restsUntil) : result;
  }

  #restUntil(until: number): StepResult {
    this.#slowTimer?.cancel();
    const waitMs = Math.max(1, Math.ceil(until - this.#parts.env.clock.monotonic()));
    this.#slowTimer = this.#parts.env.clock.timer(waitMs, this.#parts.wakeUp, 'a drill slows the task down');
    return 'rest';
  }

  #countRest(now: number): void {
    const restedMs = this.#slowdown?.take(now) ?? 0;
    if (this.#slowdown?.as === 'wait') this.#blockedMs += restedMs;
    else this.#busyMs += restedMs;
  }

  #work(deadline: number): StepResult {
    const clock = this.#parts.env.clock;
    let now = clock.monotonic();
    for (let elements = 0; elements < ELEMENTS_PER_STEP; elements++) {
      const isBatch = this.task.isInBatch;
      const isClear = this.#handOvers.open();
      const result = this.#element(deadline, now);
      const from = now;
      now = clock.monotonic();
      const ownMs = this.#handOvers.close(now - from);
      this.#handedMs += now - from - ownMs;
      if (isBatch) this.#batchMs += ownMs;
      this.#advanceSnapshots();
      if (result === 'rest' || result === 'blocked') return this.#rest(result === 'blocked');
      if (result === 'more' || !isClear || now >= deadline) break;
    }
    for (const port of this.#ports) port.flushDue(now);
    return 'more';
  }

  /**
   * One element: `next` = done with it, `more` = the slice is over in the middle of it, `rest` = nothing is there,
   * `blocked` = nothing can be done before the outputs have room. The clock was at `now` when it began, which is exact
   * enough for the gate also behind a batch.
   */
  #element(deadline: number, now: number): 'next' | 'blocked' | StepResult {
    const isBusy = this.task.busy();
    if (isBusy) {
      const ran = this.task.run(deadline, now);
      // R2: a slow function has a whole batch before it, which the barrier does not wait for.
      if (ran === 'more') return this.#takePriority() ? 'next' : 'more';
      if (ran === 'blocked') return this.#blocked();
    }
    if (this.#commands.length > 0) {
      this.#obey(this.#commands.shift()!);
      return 'next';
    }
    if (!this.task.writable()) return this.#blocked();
    if (this.task.resume()) return 'next';
    if (!this.task.mayGoOn()) return this.#blocked();
    if (this.task.onProcessingTime()) return 'next';
    if (this.#parts.gate !== undefined) return this.#readGate(this.#parts.gate, now);
    return this.#pollSource(isBusy ? this.#parts.env.clock.monotonic() : now);
  }

  #obey(command: SourceCommand): void {
    if (command.kind === 'trigger') return this.#take(command.barrier);
    if (command.kind === 'drain') return this.#endSource();
    this.#askedForSplit = false;
    const { source } = this.task;
    if (command.splits.length > 0 || !command.noMore) source.addSplits(command.splits);
    if (command.noMore) source.noMoreSplits();
  }

  /** No room in the outputs: only an unaligned barrier can go on (R2). */
  #blocked(): 'next' | 'blocked' {
    if (this.#takePriority()) return 'next';
    this.#blockedSince ??= this.#parts.env.clock.monotonic();
    return 'blocked';
  }

  /** Takes an unaligned barrier that overtakes what the task has not done of its batch. */
  #takePriority(): boolean {
    if (!this.task.interruptible()) return false;
    const element = this.#parts.gate?.nextPriority(this.#remainder, this.#parts.env.clock.monotonic());
    if (element === undefined) return false;
    this.#take(element.barrier);
    return true;
  }

  #pollSource(now: number): 'next' | 'rest' {
    if (this.#stopped || this.#sourceEnd) return 'rest';
    if (this.#markerDue) {
      this.#markerDue = false;
      this.task.emitLatencyMarker();
      this.#armMarker();
    }
    const status = this.task.poll(now);
    if (status === 'end') {
      this.#endSource();
      return 'next';
    }
    if (!this.#askedForSplit && this.task.source.wantsSplit()) {
      this.#askedForSplit = true;
      this.#report({ kind: 'request-split', ...this.#address });
    }
    return status === 'more' || this.task.busy() ? 'next' : 'rest';
  }

  /** R9. */
  #tellTime(): void {
    if (this.#stopped) return;
    const report = this.task.source.timeReport?.();
    if (report !== undefined) this.#report({ kind: 'watermark', ...this.#address, ...report });
  }

  /** Once; a source that was stopped says nothing any more. */
  #endSource(): void {
    if (this.#stopped || this.#sourceEnd) return;
    this.#sourceEnd = true;
    this.task.onSourceEnd();
  }

  #readGate(gate: InputGate, now: number): 'next' | 'rest' {
    const element = gate.next(now);
    if (element === undefined) return 'rest';
    this.#give(element);
    return 'next';
  }

  #give(element: GateElement): void {
    switch (element.kind) {
      case 'batch':
        return this.task.onBatch(element.input, element.batch);
      case 'watermark':
        return this.task.onWatermark(element.input, element.timestamp);
      case 'status':
        return this.task.onStatus(element.input, element.idle);
      case 'end-of-data':
        return this.task.onEndOfInput(element.input, this.#parts.inputs);
      case 'barrier':
        return this.#take(element.barrier);
      case 'latency-marker':
        return this.task.onLatencyMarker(element.marker);
    }
  }

  /** Before the task waits for a wake-up: everything on its way, everything armed. */
  #rest(blocked: boolean): StepResult {
    for (const port of this.#ports) port.flushWhereRoom();
    if (this.#pending.some((pending) => pending.advance() === 'more')) return 'more';
    this.#advanceSnapshots();
    let full = false;
    for (const port of this.#ports) {
      if (port.writable()) continue;
      port.onWritable(this.#parts.wakeUp);
      full = true;
    }
    // R8: the consumers of rings read in other threads, also between the last look and this one.
    if (blocked && !full && this.task.mayGoOn()) return 'more';
    // A timer cannot fire before there is room, and whoever makes room wakes the runner.
    if (!blocked) this.task.armProcessingTimer();
    this.#parts.gate?.onReadable(this.#parts.wakeUp);
    this.#armGateDeadline();
    return 'rest';
  }

  /**
   * An aligned barrier that waits too long becomes unaligned: ask the gate again then. Once: a barrier that cannot be
   * taken at its deadline (in the middle of a generator) is taken when there is room again.
   */
  #armGateDeadline(): void {
    const deadline = this.#parts.gate?.deadline();
    if (deadline === this.#gateDeadline) return;
    this.#gateTimer?.cancel();
    this.#gateDeadline = deadline;
    if (deadline === undefined) return;
    const clock = this.#parts.env.clock;
    this.#gateTimer = clock.timer(
      Math.ceil(Math.max(0, deadline - clock.monotonic())),
      () => {
        if (clock.monotonic() < deadline) this.#gateDeadline = undefined; // came early: arm it again
        this.#parts.wakeUp();
      },
      'aligned checkpoint timeout',
    );
  }

  // ---- checkpoints ----

  #take(barrier: CheckpointBarrier): void {
    if (barrier.id <= this.#lastBarrier) return;
    this.#lastBarrier = barrier.id;
    const clock = this.#parts.env.clock;
    const from = clock.monotonic();
    const alignmentMs = this.#parts.gate?.alignmentMs() ?? 0;
    // Until the first barrier: the alignment comes after it, and the snapshot after that.
    const startDelayMs = Math.max(0, clock.now() - barrier.timestamp - alignmentMs);
    this.task.beforeBarrier(barrier.id);
    const encoding = this.#parts.encoder.begin(this.#parts.wakeUp);
    failpoint('task.barrier-reached');
    const outputs = this.#ports.flatMap((port) => port.barrier(barrier));
    const snapshot = this.task.snapshot(barrier, encoding);
    if (barrier.kind === 'stop') {
      this.#stopped = true;
      this.task.silence();
    }
    failpoint('task.snapshot-taken');
    const asyncFrom = clock.monotonic();
    this.#pending.push(
      new PendingSnapshot({
        barrier,
        snapshot,
        encoding,
        outputs,
        ended: this.task.hasEnded,
        recordsRead: this.isSource ? this.task.chain.head.output.recordsOut : undefined,
        times: {
          startDelayMs,
          alignmentMs,
          syncMs: asyncFrom - from,
          asyncFrom,
        },
      }),
    );
  }

  /** In-flight data is bounded; a checkpoint that would keep more is declined at once, not left to its timeout. */
  #declineGivenUp(): void {
    const checkpointId = this.#parts.gate?.takeGivenUp();
    if (checkpointId === undefined) return;
    const given = this.#pending.filter((pending) => pending.barrier.id === checkpointId);
    this.#pending = this.#pending.filter((pending) => pending.barrier.id !== checkpointId);
    for (const pending of given) pending.release();
    const error = new MillraceError(
      'CHECKPOINT_IN_FLIGHT_TOO_LARGE',
      `checkpoint ${checkpointId} would keep more in-flight data than one subtask may`,
    );
    this.#report({ kind: 'decline', ...this.#address, checkpointId, error: serializeError(error) });
  }

  #advanceSnapshots(): void {
    this.#declineGivenUp();
    if (this.#pending.length === 0) return;
    const from = this.#parts.env.clock.monotonic();
    const mayRead = from >= this.#readAgainAt;
    for (const pending of this.#pending) {
      if (pending.needsInputs) {
        const inputs =
          this.#parts.gate === undefined ? [] : this.#parts.gate.takeInFlight(pending.barrier.id);
        if (inputs !== undefined) pending.setInputs(inputs);
      }
      if (mayRead) pending.advance();
    }
    if (mayRead) {
      const now = this.#parts.env.clock.monotonic();
      this.#readAgainAt = now + (now - from) * WORK_PER_READING;
    }
    const collected = this.#pending.filter((pending) => pending.collected);
    if (collected.length === 0) return;
    this.#pending = this.#pending.filter((pending) => !pending.collected);
    for (const pending of collected) {
      this.#acknowledge(pending).catch((error: unknown) => this.fail(error));
    }
  }

  async #acknowledge(pending: PendingSnapshot): Promise<void> {
    const checkpointId = pending.barrier.id;
    let snapshot: EncodedSnapshot | undefined;
    try {
      if (this.#declinesNext) {
        this.#declinesNext = false;
        pending.release();
        throw new MillraceError('DRILL_FAILURE', 'this part of the checkpoint was dropped by a drill');
      }
      snapshot = await pending.encode();
      failpoint('task.snapshot-encoded');
      const state = await this.#parts.store(checkpointId, snapshot, savepointPart(pending.barrier));
      const figures: CheckpointFigures = {
        unaligned: pending.barrier.alignment === 'unaligned',
        recordsRead: pending.recordsRead,
        startDelayMs: pending.times.startDelayMs,
        alignmentMs: pending.times.alignmentMs,
        syncMs: pending.times.syncMs,
        asyncMs: this.#parts.env.clock.monotonic() - pending.times.asyncFrom,
        stateBytes: snapshot.bytes.length,
        inFlightBytes: pending.inFlightBytes(),
      };
      failpoint('task.state-stored');
      this.#report({ kind: 'acknowledge', ...this.#address, checkpointId, state, figures });
      failpoint('task.acknowledged');
    } catch (error) {
      this.#report({ kind: 'decline', ...this.#address, checkpointId, error: serializeError(error) });
    } finally {
      snapshot?.release?.();
    }
  }

  // ---- figures ----

  #reportFigures(): void {
    const { slot, attempt } = this.#parts;
    const accumulators = this.accumulators();
    this.#report({
      kind: 'figures',
      slot,
      attempt,
      tasks: [this.figures()],
      accumulators,
      thread: undefined,
    });
  }

  /** Those that have changed since the last call; throws when one cannot become bytes. */
  accumulators(): AccumulatorReport[] {
    const { vertex, subtask } = this.#parts;
    const changed = this.task.chain.accumulators.changed() ?? {};
    return Object.entries(changed).map(([name, part]) => ({ vertex, subtask, name, part }));
  }

  #sourceFigures(at: number): SourceFigures {
    const { recordsOut } = this.task.chain.head.output;
    if (recordsOut !== this.#lastRead.records) this.#lastRead = { records: recordsOut, at };
    const { source } = this.task;
    const isOpen = this.#phase === 'running';
    return {
      pending: isOpen ? source.pending?.() : undefined,
      eventTimeLags: source.eventTimeLags?.(),
      idleMs: at - this.#lastRead.at,
    };
  }

  figures(): TaskFigures {
    const at = this.#parts.env.clock.monotonic();
    this.#countRest(at);
    const { watermark: outputWatermark, idle } = this.task.outputTime();
    return {
      at,
      vertex: this.#parts.vertex,
      subtask: this.#parts.subtask,
      recordsIn: this.task.recordsIn,
      recordsOut: this.task.recordsOut,
      operators: this.task.chain.links.map(({ recordsIn, output, operator, latency }) => ({
        recordsIn,
        recordsOut: output.recordsOut,
        lateness: operator.lateness?.(),
        latency: latency.figures(),
      })),
      busyMs: this.#busyMs,
      // A wait that lasts counts already.
      backPressuredMs: this.#blockedMs + (this.#blockedSince === undefined ? 0 : at - this.#blockedSince),
      bytesIn: this.#parts.gate?.bytes(),
      bytesOut: addBytes(this.#ports.map((port) => port.bytes())),
      inputPool: this.#parts.gate?.pool(),
      outputPool: addPools(this.#ports.map((port) => port.pool())),
      watermark: this.task.watermark(),
      outputWatermark,
      idle,
      source: this.isSource ? this.#sourceFigures(at) : undefined,
      alignmentDriftMs: this.isSource ? this.task.source.alignmentDrift?.() : undefined,
      splits: this.isSource ? (this.task.source.splitTimes?.() ?? []) : [],
      counters: { ...this.task.chain.counters },
      metrics: this.task.chain.metrics.map((registry) => registry.figures()),
    };
  }
}

function savepointPart({ kind, savepoint }: CheckpointBarrier): SavepointPart {
  if (savepoint !== true) return 'none';
  return kind === 'savepoint' ? 'alone' : 'beside';
}
