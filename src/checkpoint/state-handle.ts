/** Where the bytes of a subtask's snapshot are, as plain data that a checkpoint's metadata holds. */

/** A run of bytes in a checkpoint: inline in the metadata when small, else in a file of the checkpoint's directory. */
export interface StateHandle {
  /** Relative to the directory of the checkpoint; `undefined` = inline. */
  readonly file: string | undefined;
  /** Base64, when inline. */
  readonly inline: string | undefined;
  /** Bytes. */
  readonly length: number;
  /** SHA-256 of the bytes, hexadecimal. */
  readonly sha256: string;
  /** A subtask in the same place of the same plan continues from these bytes alone. Absent: nobody has looked. */
  readonly alone?: true;
}

/** One section of operator state of one subtask. */
export interface OperatorStateSection {
  readonly name: string;
  readonly redistribution: 'split' | 'union' | 'broadcast';
  readonly items: readonly Uint8Array[];
}

/** In-flight data of one channel, oldest first: frames as they stood in the channel. */
export interface ChannelStateSection {
  readonly edge: number;
  readonly producer: number;
  readonly consumer: number;
  readonly frames: readonly Uint8Array[];
}

/** What one operator of one subtask adds to a checkpoint. */
export interface OperatorSnapshot {
  readonly uid: string;
  readonly sections: readonly OperatorStateSection[];
  readonly keyGroups: readonly { readonly keyGroup: number; readonly bytes: Uint8Array }[];
}

/** What one subtask adds to a checkpoint, before it is stored. `checkpoint/snapshot-file.ts` turns it into bytes and back. */
export interface SubtaskSnapshot {
  /** This subtask had seen the end of all its input at the barrier. */
  readonly ended: boolean;
  readonly operators: readonly OperatorSnapshot[];
  /** Unaligned only. Input side: recorded by the consumer; output side: what the producer had queued outside the channel. */
  readonly inputs: readonly ChannelStateSection[];
  readonly outputs: readonly ChannelStateSection[];
}

/** In-flight data of one old channel, for a new subtask to process before new input. */
export interface RestoredChannel extends ChannelStateSection {
  /** Every subtask gets all of it: keep only the records whose key group is the own. */
  readonly reroute: boolean;
  /** The old channel is no channel of the new job: its watermarks and statuses mean nothing. Always so with `reroute`. */
  readonly dropEvents: boolean;
}

/** What a new subtask restores: already redistributed to its key-group range and parallelism. */
export interface SubtaskRestore {
  readonly checkpointId: number;
  readonly operators: readonly OperatorSnapshot[];
  /** In-flight frames to process before new input, oldest first per old channel. */
  readonly channels: readonly RestoredChannel[];
}

/** What a new subtask restores, where it reads it itself: what the subtask in its place has stored. */
export interface StoredRestore {
  readonly checkpointId: number;
  /** Of the checkpoint. */
  readonly directory: string;
  readonly handle: StateHandle;
  /** Whose state it is, for messages. */
  readonly whose: string;
}
