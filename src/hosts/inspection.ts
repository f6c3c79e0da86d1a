/** What a slot is asked besides its work, and what it shows of it: plain data. */

import type { Key } from '../base/key-groups.ts';
import type { HeldChange, HeldState } from '../state/held-state.ts';
import type { Disturbance } from './disturbance.ts';
import type { ProfileOf } from './thread-profile.ts';

/** A question; its answer comes as `inspected`. */
export type Inspection =
  /** From now on records that an operator hands on are shown, `recordsPerReport` of each subtask between two reports. */
  | {
      readonly kind: 'tap';
      readonly tapId: string;
      readonly vertex: number;
      readonly operator: number;
      readonly recordsPerReport: number;
      /** Names of fields whose values do not leave the thread. */
      readonly mask: readonly string[];
    }
  | { readonly kind: 'untap'; readonly tapId: string }
  /** From now on the sources of the slot send a latency marker every so often; 0 = no more. */
  | { readonly kind: 'latency-markers'; readonly intervalMs: number }
  /** What the thread computes, or allocates, in the next milliseconds; the answer is a profile as the tools of Node read it. */
  | { readonly kind: 'profile'; readonly durationMs: number; readonly of: ProfileOf }
  /**
   * Which keys the records have that an operator hands on in the next milliseconds, all of them; the answer is a
   * {@link KeyCounts} with the `keysMax` most frequent ones.
   */
  | {
      readonly kind: 'count-keys';
      readonly vertex: number;
      readonly operator: number;
      /** Of whoever gets them: for key groups. */
      readonly maxParallelism: number;
      readonly durationMs: number;
      readonly keysMax: number;
    }
  /** What a key holds, after `change` where there is one; taken between two records. The answer is a {@link KeyAnswer}. */
  | {
      readonly kind: 'key-state';
      readonly vertex: number;
      readonly subtask: number;
      readonly operator: number;
      readonly key: Key;
      readonly change: HeldChange | undefined;
    }
  /** For drills: a task is disturbed in its work. */
  | {
      readonly kind: 'disturb';
      readonly vertex: number;
      readonly subtask: number;
      readonly disturbance: Disturbance;
    };

/** What a key holds. */
export interface KeyAnswer {
  /** By the time of the thread, ms since the epoch. */
  readonly at: number;
  readonly states: readonly HeldState[];
  /** What was held before the change. */
  readonly before: HeldState | undefined;
}

/** How often keys came in one slot. */
export interface KeyCounts {
  readonly records: number;
  /** A count may be too low by so much. */
  readonly missedMax: number;
  /** The most frequent first; `keyText` is JSON. */
  readonly keys: readonly { readonly keyText: string; readonly keyGroup: number; readonly records: number }[];
}

/** A record as it left an operator. */
export interface TappedRecord {
  readonly vertex: number;
  readonly operator: number;
  readonly subtask: number;
  /** ms since the epoch. */
  readonly at: number;
  /** `MIN_TIMESTAMP` without one. */
  readonly timestamp: number;
  readonly watermark: number;
  /** Plain JSON of a bounded size. */
  readonly value: unknown;
  readonly isCut: boolean;
  /** The key by which it is handed on, or under which it was made, as JSON; `undefined` without one, or where fields are masked. */
  readonly keyText: string | undefined;
}
