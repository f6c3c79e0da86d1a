/** What travels between tasks besides records, in the order of the stream. */

/** How a barrier is taken by the tasks that it reaches. */
export type AlignmentMode = 'aligned' | 'unaligned' | 'at-least-once';

/** The checkpoint that a barrier belongs to, as the coordinator decided it. */
export interface CheckpointBarrier {
  readonly id: number;
  /** ms since the epoch, when the coordinator triggered it. */
  readonly timestamp: number;
  readonly alignment: AlignmentMode;
  /** Unaligned only: stay aligned for so long, ms; 0 = unaligned from the start. */
  readonly alignedTimeoutMs: number;
  /** `stop`: sources emit nothing after this barrier; `final`: all input has ended; `savepoint`: kept for people. */
  readonly kind: 'periodic' | 'stop' | 'final' | 'savepoint';
  /** The state goes to a savepoint: by itself, or (`stop`, `final`) beside the checkpoint. Absent = it does not. */
  readonly savepoint?: boolean;
}

/**
 * Follows one way through the job, a random channel at each edge, behind the records and before the next ones: operators
 * measure how long it took. It is never part of a checkpoint.
 */
export interface LatencyMarker {
  /** When the source made it, ms since the epoch. */
  readonly at: number;
  /** The source: its vertex, and which subtask of it. */
  readonly vertex: number;
  readonly subtask: number;
}

/** An element of a channel. */
export type StreamEvent =
  | { readonly kind: 'watermark'; readonly timestamp: number }
  | { readonly kind: 'status'; readonly idle: boolean }
  | { readonly kind: 'barrier'; readonly barrier: CheckpointBarrier }
  | { readonly kind: 'latency-marker'; readonly marker: LatencyMarker }
  | { readonly kind: 'end-of-data' };
