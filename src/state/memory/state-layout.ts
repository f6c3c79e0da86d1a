/** What a state is called and how its tables become bytes, declared or as it was stored. */

import type { Codec } from '../../codecs/codec.ts';
import type { StateDescriptor } from '../descriptors.ts';
import type { TtlRules } from '../ttl.ts';

/** The kind of a state. */
export type StateKind = StateDescriptor['kind'];

/** How the tables of one state become bytes; `keyCodec` is for the keys of a map state. */
export interface StateLayout {
  readonly name: string;
  readonly kind: StateKind;
  readonly codec: Codec<unknown>;
  readonly keyCodec: Codec<unknown>;
  /** Then what is held are stamped values, and `codec` is theirs. */
  readonly ttl?: TtlRules;
}

/** The bytes of one state, not read yet. */
export interface RestoredSection {
  readonly name: string;
  readonly kind: StateKind;
  readonly codecId: string;
  readonly keyCodecId: string;
  /** Entries, for metrics. */
  readonly count: number;
  /** Where the table began in the bytes of the key group. */
  readonly offset: number;
  readonly body: Uint8Array;
}
