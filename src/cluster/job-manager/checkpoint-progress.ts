/** What is told of a checkpoint while it is under way, to whoever watches. */

import type { BarrierToSend } from '../../checkpoint/coordinator-messages.ts';
import type { CheckpointRecord } from '../../checkpoint/statistics.ts';
import type { CheckpointFigures } from '../../hosts/messages.ts';

/** A step of a checkpoint. */
export type CheckpointProgress =
  | { readonly kind: 'triggered'; readonly barrier: BarrierToSend }
  | {
      readonly kind: 'acknowledged';
      readonly checkpointId: number;
      readonly vertex: number;
      readonly subtask: number;
      readonly figures: CheckpointFigures;
    }
  | { readonly kind: 'ended'; readonly record: CheckpointRecord };
