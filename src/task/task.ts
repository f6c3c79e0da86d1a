/**
 * One subtask of one chain: the state machine that every host drives.
 *
 *   created ──open──▶ open ──end of all inputs──▶ ended
 *      │               │                            │
 *      └───────────────┴────────── close ───────────┴──▶ closed
 *
 * Owner: the host's thread. Partners: the chain below, the host above.
 *
 * T1  One element at a time: the next batch, watermark or barrier is taken only when `busy()` is false.
 * T2  `run` pauses after a record when the outputs are full or the slice is over, and goes on where it was. The rest of
 *     an array that a call gave back does not wait for room: it is queued in the outputs, up to their bound.
 * T3  A barrier is taken between records only: after `interruptible()`, with `remainder()` as in-flight data (F3).
 * T4  After the first failure the task does nothing more; the host closes it.
 * T5  A task that has ended or stopped makes nothing of its own any more: its timers fire no more, and tell no time.
 * T6  Closing while an operator opens waits for that: nothing is opened behind the back of whoever closed.
 * T7  Event time of a task with several inputs is the smallest over those that are not idle; it never goes back.
 * T8  What an operator finished outside of a call (`resume`) is handed on between two records while the outputs have room,
 *     before the next record; while that operator is full nothing is read, and the end waits until it is drained.
 * T9  Records that a producer in the same thread hands over are taken where the next batch would be: while the task is done
 *     with all that it took, and its outputs have room.
 */

import { assert } from '../base/assert.ts';
import { callAs, type CallerAs } from '../base/call-origin.ts';
import { MAX_TIMESTAMP } from '../base/time.ts';
import type { Timer } from '../base/env.ts';
import type { RecordBatch } from '../exchange/batch.ts';
import type { LatencyMarker } from '../exchange/events.ts';
import type { HandOver } from '../exchange/hand-over.ts';
import { WatermarkMerge } from '../exchange/watermark-merge.ts';
import type { CompiledJob, JobVertex } from '../graph/job-graph.ts';
import type { OperatorContext, SourceOperator, SourceStatus } from '../operators/operator.ts';
import type { NumberEncoder } from '../state/backend.ts';
import { BatchRun } from './batch-run.ts';
import { Chain } from './chain.ts';
import type { ChainLink } from './chain-link.ts';
import { FrameStack, WalkFrame } from './frames.ts';
import { Pace } from './pace.ts';
import { Slice, UNITS_PER_SLICE } from './slice.ts';
import { type CheckpointTime, type RestoredOperator, TaskSnapshot } from './snapshot.ts';
import type { TaskHost, TaskPort } from './task-host.ts';

/** What a task is built from. */
export interface TaskParts {
  /** Index in `graph.vertices`. */
  readonly vertex: number;
  readonly compiled: CompiledJob;
  readonly host: TaskHost;
  /** By operator uid. */
  readonly restored: ReadonlyMap<string, RestoredOperator>;
}

/** Why `run` returned: nothing left, no room in the outputs, or the slice is over. */
export type RunResult = 'done' | 'blocked' | 'more';

/** Records that a source is asked for at most in one call. */
const POLL_MAX = 256;

/** The task; see the head of the file. */
export class StreamTask {
  readonly chain: Chain;
  readonly #index: number;
  readonly #vertex: JobVertex;
  readonly #host: TaskHost;
  readonly #frames = new FrameStack();
  readonly #ports: readonly TaskPort[];
  readonly #pacing: readonly ChainLink[];
  readonly #keyed: readonly ChainLink[];
  /** T8; `undefined` in a chain without asynchronous work. */
  readonly #resumed: ChainLink | undefined;
  /** T7; `undefined` with one input, whose watermarks the host has merged already. */
  readonly #time: WatermarkMerge | undefined;
  #state: 'created' | 'open' | 'ended' | 'closed' = 'created';
  readonly #slice: Slice;
  readonly #run: BatchRun;
  readonly #takesRuns: boolean;
  readonly #pollPace = new Pace(POLL_MAX);
  #processingTimer: Timer | undefined;
  #processingTimerAt: number | undefined;
  #endedInputs = new Set<number>();
  /** While it is being read. */
  #snapshot: TaskSnapshot | undefined;
  #opened = 0;
  #opening: Promise<void> | undefined;
  #silent = false;
  /** All inputs have ended, and the end waits (T8). */
  #draining = false;

  constructor(parts: TaskParts) {
    this.#host = parts.host;
    this.#index = parts.vertex;
    this.#vertex = parts.compiled.graph.vertices[parts.vertex]!;
    this.chain = new Chain({
      ...parts,
      frames: this.#frames,
      fail: (error) => parts.host.fail(error),
      writable: () => this.writable(),
    });
    this.#ports = parts.compiled.graph.edges
      .filter((edge) => edge.from === parts.vertex)
      .map((edge) => parts.host.port(edge.index));
    this.#resumed = this.#resumable();
    this.#slice = new Slice(parts.host.env.clock);
    this.#run = new BatchRun({
      slice: this.#slice,
      isClear: () => this.#frames.size === 0,
      writable: () => this.writable(),
    });
    this.#takesRuns = this.chain.head.takesRuns;
    this.#pacing = this.chain.links.filter(
      (link) => link.operator.writable !== undefined && link !== this.#resumed,
    );
    this.#keyed = this.chain.links.filter((link) => link.backend !== undefined);
    this.#time = this.#mergedTime(inputsOf(parts));
  }

  #resumable(): ChainLink | undefined {
    const [head, ...behind] = this.chain.links;
    assert(
      behind.every(({ operator }) => operator.resume === undefined),
      'an operator that hands on outside of calls is the first of its chain',
    );
    return head?.operator.resume === undefined ? undefined : head;
  }

  #mergedTime(inputs: number): WatermarkMerge | undefined {
    if (inputs <= 1) return undefined;
    return new WatermarkMerge(inputs, {
      watermark: (timestamp) => this.#walk(this.chain.head.walkWatermark(timestamp)),
      status: (idle) => this.#walk(this.chain.head.walkStatus(idle)),
    });
  }

  /** Opens the operators, the last one first: nobody emits into an operator that is not open. */
  open(): Promise<void> {
    assert(this.#state === 'created' && this.#opening === undefined, 'a task is opened once');
    this.#opening = this.#open();
    return this.#opening;
  }

  async #open(): Promise<void> {
    for (let index = this.chain.links.length - 1; index >= 0; index--) {
      this.#opened++;
      await this.#openLink(this.chain.links[index]!, this.chain.contexts[index]!);
      if (this.#isClosed()) return;
    }
    this.#state = 'open';
  }

  #openLink(link: ChainLink, context: OperatorContext): Promise<void> {
    const failedLater = (error: unknown): void =>
      this.#host.fail(this.chain.failedLater(error, link.planned));
    return callAs({ failedLater }, () => link.open(context));
  }

  // ---- what the host hands over (T1) ----

  onBatch(input: number, batch: RecordBatch): void {
    assert(!this.busy(), 'a task takes one element at a time');
    this.#run.load(input, batch);
  }

  /** T9: whether records may be handed over at all, one by one. */
  get takesHanded(): boolean {
    return this.chain.head.takesHanded && this.#resumed === undefined;
  }

  /** Its keyed state gains from many records at a time. */
  get prefersBatches(): boolean {
    return this.chain.head.backend?.gainsFromBatches === true;
  }

  /** T9: whether one may be now. */
  get mayTakeHanded(): boolean {
    return this.#state === 'open' && !this.#silent && !this.busy() && this.writable();
  }

  /** T9; `name` stands for the task in profiles, and `callAsThis` makes calls that can be told from those of the producer. */
  takeFrom(way: HandOver, name: string, callAsThis: CallerAs): void {
    assert(this.takesHanded, 'records are handed over to a task that takes them one by one');
    this.chain.takeFrom(way, name, callAsThis);
  }

  /** `timestamp` is merged over the channels of the input; the merge over the inputs is here (T7). */
  onWatermark(input: number, timestamp: number): void {
    if (this.#time === undefined) this.#walk(this.chain.head.walkWatermark(timestamp));
    else this.#time.watermark(input, timestamp);
  }

  /** All channels of the input are idle, or one is active again. */
  onStatus(input: number, idle: boolean): void {
    if (this.#time === undefined) this.#walk(this.chain.head.walkStatus(idle));
    else this.#time.status(input, idle);
  }

  /** Passes through the chain at once, between two elements. */
  onLatencyMarker(marker: LatencyMarker): void {
    assert(!this.busy(), 'a task takes one element at a time');
    this.chain.head.latencyMarker(marker, Math.max(0, this.#host.env.clock.now() - marker.at));
  }

  /** Sources: sends a marker behind what was read so far. */
  emitLatencyMarker(): void {
    const { subtask } = this.#host.info;
    const marker = { at: this.#host.env.clock.now(), vertex: this.#index, subtask };
    this.chain.head.output.latencyMarker(marker, 0);
  }

  onEndOfInput(input: number, inputs: number): void {
    this.#endedInputs.add(input);
    if (this.#endedInputs.size < inputs) return;
    this.#draining = this.#resumed !== undefined;
    if (!this.#draining) this.#walk(this.#walkEnd());
  }

  /**
   * Between two elements: hands on what was finished outside of a call, or begins the end that waited for that (T8). True
   * when it did something.
   */
  resume(): boolean {
    if (this.#resumed === undefined || this.#silent) return false;
    if (this.#resumed.resume()) return true;
    if (!this.#draining || !this.#resumed.drain()) return false;
    this.#draining = false;
    this.#walk(this.#walkEnd());
    return true;
  }

  /** Something can be done: the outputs have room, and so has an operator that works outside of calls, or it is ready. */
  mayGoOn(): boolean {
    return this.writable() && (this.#resumed === undefined || this.#resumed.operator.writable!());
  }

  /** Fires processing-time timers that are due; true when there were any. */
  onProcessingTime(): boolean {
    if (this.#silent) return false;
    const now = this.#host.env.clock.now();
    let isDue = false;
    for (let i = 0; i < this.#keyed.length; i++) {
      const link = this.#keyed[i]!;
      if ((link.backend!.timers.next('processing') ?? MAX_TIMESTAMP) > now) continue;
      this.#walk(link.walkProcessingTimers(now));
      isDue = true;
    }
    return isDue;
  }

  #walk(walk: Iterator<void, void>): void {
    this.#frames.push(new WalkFrame(walk));
  }

  *#walkEnd(): Generator<void, void> {
    for (const link of this.chain.links) yield* link.walkFinish();
    for (const port of this.#ports) port.event({ kind: 'end-of-data' });
    this.#state = 'ended';
    this.silence();
    this.#host.ended();
  }

  /** After the end, and after the barrier of a stop (T5). */
  silence(): void {
    this.#silent = true;
    for (const link of this.chain.links) link.output.silence();
  }

  // ---- work ----

  /** Something was taken and is not done. */
  busy(): boolean {
    return !this.#run.isDone() || this.#frames.size > 0;
  }

  /** Records of a batch are being worked off, and nothing else. */
  get isInBatch(): boolean {
    return !this.#run.isDone() && this.#frames.size === 0;
  }

  /** `run` does so many records at most before it comes back; `undefined`: as many as fit. */
  takeAtOnce(records: number | undefined): void {
    this.#slice.unitsMax = records ?? UNITS_PER_SLICE;
  }

  writable(): boolean {
    for (let i = 0; i < this.#ports.length; i++) if (!this.#ports[i]!.writable()) return false;
    for (let i = 0; i < this.#pacing.length; i++) if (!this.#pacing[i]!.operator.writable!()) return false;
    return true;
  }

  /** Goes on with what was taken, until it is done, the outputs are full, or `deadline` (monotonic ms) has passed. */
  run(deadline: number, now: number = this.#host.env.clock.monotonic()): RunResult {
    const slice = this.#slice;
    slice.begin(deadline, now);
    while (this.busy()) {
      if (slice.isOver) return 'more';
      if (!this.#frames.eager && !this.writable()) return 'blocked';
      if (this.#frames.size > 0) {
        this.#frames.step();
        slice.spend();
      } else if (this.#takesRuns) this.#nextRecords();
      else if (!this.#resumeOrTake()) return 'blocked';
    }
    this.#run.clear();
    return 'done';
  }

  /** T8; false when neither is possible. */
  #resumeOrTake(): boolean {
    if (!this.resume()) {
      if (!this.mayGoOn()) return false;
      this.#nextRecord();
    }
    this.#slice.spend();
    return true;
  }

  /** Several records where the first operator can take them, up to the next pause (B2 of batch-run.ts). */
  #nextRecords(): void {
    try {
      this.chain.head.deliverRun(this.#run);
    } finally {
      this.#run.settle();
    }
  }

  #nextRecord(): void {
    const run = this.#run;
    const index = run.position++;
    this.chain.head.deliverTo(run.input, run.values[index], run.timestamps[index]!);
  }

  /**
   * Sources: reads some records. One at a time while they leave work behind (generators, which are pulled as credit
   * allows), so that an error in it still finds the source at the record that caused it. `now`: monotonic ms.
   */
  poll(now: number = this.#host.env.clock.monotonic()): SourceStatus {
    const pace = this.#pollPace;
    const status = this.chain.head.poll(pace.units);
    const tookMs = this.#host.env.clock.monotonic() - now;
    if (this.busy()) pace.atMost(1);
    else if (!this.writable()) pace.atMost(pace.units >> 1);
    else if (status === 'more') pace.took(tookMs);
    return status;
  }

  /** Sources: the last record was read. */
  onSourceEnd(): void {
    this.#walk(this.#walkSourceEnd());
  }

  *#walkSourceEnd(): Generator<void, void> {
    this.chain.sourceEnded();
    yield* this.chain.head.output.walkWatermark(MAX_TIMESTAMP);
    yield* this.#walkEnd();
  }

  get source(): SourceOperator {
    assert(this.#vertex.source, 'only a source is polled');
    return this.chain.head.operator as SourceOperator;
  }

  get hasEnded(): boolean {
    return this.#state === 'ended';
  }

  // ---- checkpoints ----

  /** A barrier may be taken now although a batch is half done (T3). */
  interruptible(): boolean {
    return this.#frames.size === 0;
  }

  /** What is left of the batch that is half done. */
  remainder(): RecordBatch | undefined {
    return this.#run.remainder();
  }

  /** Before the barrier goes out: operators hand on what they buffer. */
  beforeBarrier(checkpointId: number): void {
    assert(this.interruptible(), 'a barrier is taken between records (F3)');
    for (const link of this.chain.links) link.beforeBarrier(checkpointId);
    this.#frames.drainTo(0);
  }

  /** The state as of now (S1). An older snapshot that is still being read is read to its end first. */
  snapshot(checkpoint: CheckpointTime, encoder: NumberEncoder): TaskSnapshot {
    this.#snapshot?.finish();
    const onRelease = (): void => {
      this.#snapshot = undefined;
    };
    this.#snapshot = new TaskSnapshot(checkpoint, this.chain.links, { encoder, onRelease });
    return this.#snapshot;
  }

  /** Commits, operator after operator. */
  async onCheckpointComplete(checkpointId: number): Promise<void> {
    for (const link of this.chain.links) {
      if (this.#isClosed()) return;
      await link.checkpointComplete(checkpointId);
    }
  }

  onCheckpointAborted(checkpointId: number): void {
    for (const link of this.chain.links) link.checkpointAborted(checkpointId);
  }

  // ---- timers ----

  /** Before the task rests: one physical timer for the earliest processing-time timer. */
  armProcessingTimer(): void {
    if (this.#silent) return;
    let earliest: number | undefined;
    for (const link of this.#keyed) {
      const next = link.backend!.timers.next('processing');
      if (next !== undefined && (earliest === undefined || next < earliest)) earliest = next;
    }
    if (earliest === this.#processingTimerAt) return;
    this.#processingTimer?.cancel();
    this.#processingTimerAt = earliest;
    if (earliest === undefined) return;
    const delay = Math.min(Math.max(earliest - this.#host.env.clock.now(), 0) + 1, TIMER_DELAY_MAX_MS);
    this.#processingTimer = this.#host.env.clock.timer(
      delay,
      () => {
        this.#processingTimerAt = undefined;
        this.#host.wakeUp();
      },
      'processing-time timer',
    );
  }

  // ---- end ----

  /** Closes every operator that was opened; the first error is thrown after all were closed. */
  async close(): Promise<void> {
    if (this.#isClosed()) return;
    const opened = this.#state !== 'created';
    this.#state = 'closed';
    if (!opened) await this.#endOpening();
    this.#processingTimer?.cancel();
    this.#snapshot?.release();
    const errors: unknown[] = this.#frames.clear();
    const links = this.chain.links.slice(this.chain.links.length - this.#opened);
    for (const link of links) {
      try {
        await link.operator.close?.();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  /** T6. */
  async #endOpening(): Promise<void> {
    const opening = this.chain.links.length - this.#opened;
    this.chain.links[opening]?.operator.cancel?.();
    try {
      await this.#opening;
    } catch {
      // Whoever opened was told.
    }
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** The lowest current watermark of the chain's operators, for metrics. */
  watermark(): number {
    return this.chain.links.reduce((least, link) => Math.min(least, link.currentWatermark), MAX_TIMESTAMP);
  }

  /** What those behind the task know of its event time: the lowest over its outputs. */
  outputTime(): { readonly watermark: number; readonly idle: boolean } {
    const { currentWatermark, isIdle } = this.chain.links.at(-1)!.output;
    return { watermark: currentWatermark, idle: isIdle };
  }

  get recordsIn(): number {
    return this.chain.head.recordsIn;
  }

  get recordsOut(): number {
    return this.chain.links.at(-1)?.output.recordsOut ?? 0;
  }
}

function inputsOf({ compiled, vertex }: TaskParts): number {
  return compiled.graph.edges.reduce(
    (inputs, edge) => (edge.to === vertex ? Math.max(inputs, edge.input + 1) : inputs),
    0,
  );
}

/** Longer delays than a 32-bit timer are waited for in pieces. */
const TIMER_DELAY_MAX_MS = 2 ** 31 - 1;
