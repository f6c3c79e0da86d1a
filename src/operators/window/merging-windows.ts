/**
 * Which windows of a key have been merged, and where their contents are.
 *
 * A merged window keeps its contents under one of the windows it was made of (its state window), so that merging
 * moves as little as possible. Kept as state of the key: [start, end, start and end of the state window].
 *
 * M1 No two windows of a key overlap or touch.
 * M2 State windows differ from each other.
 */

import type { KeyedStateBackend } from '../../state/backend.ts';
import type { ValueState } from '../../state/descriptors.ts';
import { value } from '../../state/state.ts';
import { TimeWindow } from './time-window.ts';

type Entry = readonly [start: number, end: number, stateStart: number, stateEnd: number];

/** What has to be done because windows were merged. */
export interface Merge {
  /** The window that now covers the others. */
  readonly window: TimeWindow;
  /** The windows that it covers, which are there no more. */
  readonly merged: readonly TimeWindow[];
  /** Where its contents are. */
  readonly stateWindow: TimeWindow;
  /** Where the contents of the others are, to be moved to `stateWindow`. */
  readonly stateWindows: readonly TimeWindow[];
}

/** The windows of the current key. */
export class MergingWindows {
  readonly #entries: ValueState<readonly Entry[]>;

  constructor(keyed: KeyedStateBackend) {
    this.#entries = keyed.state('windows', value<readonly Entry[]>([]));
  }

  /** Where the contents of a window are; `undefined` when there is no such window. */
  stateWindow(window: TimeWindow): TimeWindow | undefined {
    const entry = this.#entries.value().find((each) => windowOf(each).equals(window));
    return entry === undefined ? undefined : stateWindowOf(entry);
  }

  /** Adds a window and returns the one that it has become a part of; `onMerge` hears of what it has joined. */
  add(added: TimeWindow, onMerge: (merge: Merge) => void): TimeWindow {
    const entries = this.#entries.value();
    // By M1 none of the others can touch what these and the new window cover.
    const joined = entries.filter(([start, end]) => start <= added.end && added.start <= end);
    if (joined.length === 0) {
      this.#entries.update([...entries, entryOf(added, added)]);
      return added;
    }
    const cover = coverOf(added, joined);
    // Nothing to merge: the window lies within one that is there.
    if (joined.length === 1 && windowOf(joined[0]!).equals(cover)) return cover;
    const stateWindow = stateWindowOf(joined[0]!);
    this.#entries.update([
      ...entries.filter((entry) => !joined.includes(entry)),
      entryOf(cover, stateWindow),
    ]);
    onMerge({
      window: cover,
      merged: joined.map(windowOf).filter((window) => !window.equals(cover)),
      stateWindow,
      stateWindows: joined.slice(1).map(stateWindowOf),
    });
    return cover;
  }

  /** Forgets a window. */
  retire(window: TimeWindow): void {
    const remaining = this.#entries.value().filter((entry) => !windowOf(entry).equals(window));
    if (remaining.length === 0) this.#entries.clear();
    else this.#entries.update(remaining);
  }
}

function coverOf(added: TimeWindow, joined: readonly Entry[]): TimeWindow {
  let { start, end } = added;
  for (const [otherStart, otherEnd] of joined) {
    start = Math.min(start, otherStart);
    end = Math.max(end, otherEnd);
  }
  return new TimeWindow(start, end);
}

function entryOf(window: TimeWindow, stateWindow: TimeWindow): Entry {
  return [window.start, window.end, stateWindow.start, stateWindow.end];
}

function windowOf([start, end]: Entry): TimeWindow {
  return new TimeWindow(start, end);
}

function stateWindowOf([, , start, end]: Entry): TimeWindow {
  return new TimeWindow(start, end);
}
