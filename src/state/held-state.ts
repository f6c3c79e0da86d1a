/** What one key holds in the declared states of an operator, for people; and what a person may change of it. */

import type { StateKind } from './memory/state-layout.ts';

/** What a key holds in one state. */
export interface HeldState {
  readonly name: string;
  readonly kind: StateKind;
  /** False: nothing, and `value` is what a function would read. */
  readonly isHeld: boolean;
  /** Plain JSON of a bounded size. */
  readonly value: unknown;
  /** Of a state with a time to live, ms since the epoch: when the value last began to live, and when the first of it is over. */
  readonly changedAt: number | undefined;
  readonly expiresAt: number | undefined;
  /** Why no other value can be written; `undefined`: one can. It can always be removed. */
  readonly fixed: FixedReason | undefined;
}

/**
 * `accumulator`: what is kept is no value, but on the way to one. `not-plain`: JSON does not say all that is kept, so that
 * what is written would be something else. `too-large`: more than is shown.
 */
export type FixedReason = 'accumulator' | 'not-plain' | 'too-large';

/** What a person changes of one state of a key. */
export type HeldChange =
  | { readonly kind: 'remove'; readonly state: string }
  /** `value` is plain JSON: of a list an array, of a map an object. */
  | { readonly kind: 'write'; readonly state: string; readonly value: unknown };
