/** The contract of a trigger: when a window gives its results. */

import type { StateHandles } from '../../state/descriptors.ts';
import type { Nothing, StateDeclaration } from '../process-context.ts';
import type { TimeWindow } from './time-window.ts';

/**
 * What becomes of a window: nothing; its function runs and the records stay; the records are dropped; or both.
 * What the trigger itself keeps stays until the window is forgotten.
 */
export type TriggerResult = 'continue' | 'fire' | 'purge' | 'fire-and-purge';

/** What a trigger sees: clocks, and the timers and the state of the window of the current key. */
export interface TriggerContext<S> {
  /** State of the key and window. */
  readonly state: StateHandles<S>;
  readonly currentWatermark: () => number;
  readonly currentProcessingTime: () => number;
  /** Calls `onEventTime` for this window when event time reaches `time`. */
  readonly registerEventTime: (time: number) => void;
  /** Calls `onProcessingTime` for this window when the clock of the machine reaches `time`. */
  readonly registerProcessingTime: (time: number) => void;
  readonly deleteEventTime: (time: number) => void;
  readonly deleteProcessingTime: (time: number) => void;
}

/** What `onMerge` of a trigger sees besides: the state of the merged windows, to be taken over. */
export interface MergeContext<S> extends TriggerContext<S> {
  /** Adds the list or reducing state `name` of the windows that were merged to that of the window that covers them. */
  readonly mergeState: (name: keyof S & string) => void;
}

/** Decides when a window gives its results. One object serves all keys and windows: what it remembers is its state. */
export interface Trigger<T, S extends StateDeclaration = Nothing> {
  /** State of each key and window. */
  readonly state?: S;
  /** For each record that is added; without a timestamp it is `undefined`. */
  onElement(
    value: T,
    timestamp: number | undefined,
    window: TimeWindow,
    ctx: TriggerContext<S>,
  ): TriggerResult;
  /** A timer of event time is due; default: nothing. */
  onEventTime?(time: number, window: TimeWindow, ctx: TriggerContext<S>): TriggerResult;
  /** A timer of processing time is due; default: nothing. */
  onProcessingTime?(time: number, window: TimeWindow, ctx: TriggerContext<S>): TriggerResult;
  /** `window` now covers several windows; each of those is cleared afterwards. Without it the trigger cannot be used with sessions. */
  onMerge?(window: TimeWindow, ctx: MergeContext<S>): void;
  /** The window is forgotten: deletes timers and state. */
  clear?(window: TimeWindow, ctx: TriggerContext<S>): void;
}
