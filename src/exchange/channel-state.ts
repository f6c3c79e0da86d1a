/** In-flight data: what an unaligned checkpoint keeps of the elements between two tasks. */

/** In-flight data of one channel, oldest first: frames as they stood in the channel. */
export interface ChannelStateSection {
  readonly edge: number;
  readonly producer: number;
  readonly consumer: number;
  readonly frames: readonly Uint8Array[];
}

/** In-flight data to process before new input. */
export interface RecoveredSection extends ChannelStateSection {
  /** Every subtask gets all of it: keep only the own records. */
  readonly reroute: boolean;
  /** It was another channel: its watermarks and statuses mean nothing. Always so with `reroute`. */
  readonly dropEvents: boolean;
}
