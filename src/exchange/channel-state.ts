/** In-flight data: what an unaligned checkpoint keeps of the elements between two tasks. */

/** In-flight data of one channel, oldest first: frames as they stood in the channel. */
export interface ChannelStateSection {
  readonly edge: number;
  readonly producer: number;
  readonly consumer: number;
  readonly frames: readonly Uint8Array[];
}

/** In-flight data to process before new input; `reroute`: the parallelism changed, so keep only the own records. */
export interface RecoveredSection extends ChannelStateSection {
  readonly reroute: boolean;
  /** The old channel is no channel of the new job: its watermarks and statuses mean nothing. */
  readonly dropEvents?: boolean;
}
