/**
 * When a subtask takes the snapshot of a checkpoint, from the barriers that reach its channels: exactly once.
 *
 * Owns: what is known of one checkpoint at a time. Talks to: the gate, which reads channels and tells what it read.
 *
 * ```
 *            first barrier              snapshot, unaligned and barriers missing
 *   waiting ──────────────► aligning ──────────────────────────────► recording
 *      ▲                       │ snapshot, or abort                      │ last barrier, or abort
 *      └───────────────────────┴─────────────────────────────────────────┘
 * ```
 *
 * Aligned: the snapshot is due when every channel has delivered the barrier. Unaligned: when every channel that cannot
 * be overtaken has delivered it, and either one barrier is enough or all were reached within the aligned timeout.
 *
 * Invariants:
 *  1. Before the snapshot a channel is not read beyond its barrier (I-U2: nothing is both consumed and in flight).
 *  2. A channel that has ended counts as delivered.
 *  3. At most one snapshot per checkpoint, in ascending order of ids; a higher id aborts a lower one (I-U3).
 *  4. After the snapshot a channel records until its barrier comes or it ends.
 */

import { assert } from '../base/assert.ts';
import { BarrierTracker } from './barrier-tracker.ts';
import type { CheckpointBarrier } from './events.ts';

/** What a barrier did: `recorded` = it ends the recording of its channel; `started` = a new checkpoint began here. */
export type BarrierEffect = 'ignored' | 'started' | 'arrived' | 'recorded';

type Phase =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'aligning'; readonly barrier: CheckpointBarrier; readonly since: number }
  | { readonly kind: 'recording'; readonly barrier: CheckpointBarrier };

const WAITING: Phase = { kind: 'waiting' };
const NOT_ARRIVED = -1;

/** Checkpoints that were aborted before their barriers came, remembered so that these are ignored. */
const ABORTED_IDS_MAX = 50;

/** The state of alignment of one subtask. */
export class Alignment {
  /** By channel: it may be overtaken (I-U1). */
  readonly #unaligned: readonly boolean[];
  /** By channel: the number of elements read, asked when it matters. */
  readonly #position: (channel: number) => number;
  readonly #ended: boolean[];
  /** By channel: the position of the barrier of this phase, or NOT_ARRIVED. */
  readonly #arrivedAt: number[];
  readonly #tracker: BarrierTracker;
  readonly #aborted = new Set<number>();
  #phase: Phase = WAITING;
  /** The highest checkpoint whose snapshot was taken or that a higher one aborted. */
  #last = 0;
  /** The highest checkpoint that has all its barriers. */
  #complete = 0;
  /** From the first barrier of the last snapshot to that snapshot, ms; nothing waits at least once. */
  alignmentMs = 0;

  constructor(options: { unaligned: readonly boolean[]; position: (channel: number) => number }) {
    this.#unaligned = options.unaligned;
    this.#position = options.position;
    this.#ended = options.unaligned.map(() => false);
    this.#arrivedAt = options.unaligned.map(() => NOT_ARRIVED);
    this.#tracker = new BarrierTracker(this.#ended);
  }

  /** A barrier has come on `channel`; `position` is what it overtook, or the current position when it came in band. */
  barrier(channel: number, barrier: CheckpointBarrier, position: number, now: number): BarrierEffect {
    assert(barrier.id >= 1, 'checkpoints are numbered from 1 on');
    const phase = this.#phase;
    if (phase.kind !== 'waiting' && barrier.id === phase.barrier.id) return this.#arrive(channel, position);
    if (barrier.id <= this.#last || this.#aborted.has(barrier.id)) return 'ignored';
    if (barrier.alignment === 'at-least-once') {
      this.#tracker.barrier(channel, barrier);
      return 'arrived';
    }
    if (phase.kind !== 'waiting' && barrier.id < phase.barrier.id) return 'ignored';
    if (phase.kind !== 'waiting') this.#last = phase.barrier.id; // invariant 3
    this.#reset({ kind: 'aligning', barrier, since: now });
    this.#arrivedAt[channel] = position;
    return 'started';
  }

  #arrive(channel: number, position: number): BarrierEffect {
    if (this.#arrivedAt[channel] !== NOT_ARRIVED) return 'ignored';
    const recorded = this.isRecording(channel);
    this.#arrivedAt[channel] = position;
    if (this.#phase.kind === 'recording') this.#finishRecording();
    return recorded ? 'recorded' : 'arrived';
  }

  /** Nothing but barriers follows on `channel`. */
  end(channel: number): void {
    this.#ended[channel] = true;
    if (this.#phase.kind === 'recording') this.#finishRecording();
  }

  /** No checkpoint is between its first barrier and its last one. */
  get isWaiting(): boolean {
    return this.#phase.kind === 'waiting';
  }

  /** True while `channel` must not be read (invariant 1). */
  isBlocked(channel: number): boolean {
    if (this.#phase.kind !== 'aligning') return false;
    const arrivedAt = this.#arrivedAt[channel]!;
    return arrivedAt !== NOT_ARRIVED && this.#position(channel) >= arrivedAt;
  }

  /** True while what is read from `channel` belongs to the checkpoint (invariant 4). */
  isRecording(channel: number): boolean {
    return this.#phase.kind === 'recording' && this.#isMissing(channel);
  }

  /** Where the barrier of the checkpoint at hand stands in `channel`; `undefined` when it has not come. */
  arrivedAt(channel: number): number | undefined {
    const position = this.#arrivedAt[channel]!;
    return position === NOT_ARRIVED ? undefined : position;
  }

  /** The checkpoint whose snapshot has to be taken now; returned once. */
  takeDue(now: number): CheckpointBarrier | undefined {
    const tracked = this.#tracker.takeDue();
    if (tracked !== undefined) {
      this.#last = Math.max(this.#last, tracked.id);
      this.#complete = Math.max(this.#complete, tracked.id);
      this.alignmentMs = 0;
      return tracked;
    }
    const phase = this.#phase;
    if (phase.kind !== 'aligning' || !this.#isDue(phase, now)) return undefined;
    assert(phase.barrier.id > this.#last, 'snapshots are taken in ascending order of checkpoints');
    this.#last = phase.barrier.id;
    this.alignmentMs = now - phase.since;
    this.#prune();
    this.#phase = { kind: 'recording', barrier: phase.barrier };
    this.#finishRecording();
    return phase.barrier;
  }

  #isDue(phase: { barrier: CheckpointBarrier; since: number }, now: number): boolean {
    if (phase.barrier.alignment === 'aligned') return !this.#someMissing(() => true);
    if (this.#someMissing((channel) => !this.#unaligned[channel])) return false;
    return now >= phase.since + phase.barrier.alignedTimeoutMs || !this.#someUnreached();
  }

  /** When `takeDue` has to be asked again although nothing was read: the end of the aligned timeout. */
  deadline(): number | undefined {
    const phase = this.#phase;
    if (phase.kind !== 'aligning' || phase.barrier.alignment !== 'unaligned') return undefined;
    if (this.#someMissing((channel) => !this.#unaligned[channel])) return undefined;
    return phase.since + phase.barrier.alignedTimeoutMs;
  }

  /** All barriers of this checkpoint have come and its snapshot was taken. */
  isComplete(checkpointId: number): boolean {
    return checkpointId === this.#complete;
  }

  /** The checkpoint is given up: releases what it blocks, and ignores its barriers. */
  abort(checkpointId: number): void {
    this.#tracker.abort(checkpointId);
    if (this.#phase.kind !== 'waiting' && this.#phase.barrier.id === checkpointId) this.#reset(WAITING);
    if (checkpointId === this.#complete) this.#complete = 0;
    if (checkpointId <= this.#last) return;
    this.#aborted.add(checkpointId);
    if (this.#aborted.size > ABORTED_IDS_MAX) this.#aborted.delete(Math.min(...this.#aborted));
  }

  #prune(): void {
    for (const id of this.#aborted) if (id <= this.#last) this.#aborted.delete(id);
  }

  #finishRecording(): void {
    if (this.#phase.kind !== 'recording' || this.#someMissing(() => true)) return;
    this.#complete = this.#phase.barrier.id;
    this.#phase = WAITING;
  }

  #reset(phase: Phase): void {
    this.#phase = phase;
    this.#arrivedAt.fill(NOT_ARRIVED);
  }

  #isMissing(channel: number): boolean {
    return this.#arrivedAt[channel] === NOT_ARRIVED && !this.#ended[channel]; // invariant 2
  }

  #someMissing(of: (channel: number) => boolean): boolean {
    for (let channel = 0; channel < this.#ended.length; channel++) {
      if (this.#isMissing(channel) && of(channel)) return true;
    }
    return false;
  }

  #someUnreached(): boolean {
    for (let channel = 0; channel < this.#ended.length; channel++) {
      if (this.#isMissing(channel)) return true;
      if (!this.#ended[channel] && this.#position(channel) < this.#arrivedAt[channel]!) return true;
    }
    return false;
  }
}
