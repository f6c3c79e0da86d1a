/**
 * Windows of one length that nothing but time fires: what window-operator.ts gives with the default trigger and no
 * evictor, for a fraction of its cost.
 *
 * Partner: open-windows.ts, which finds, hands out and stores what windows hold.
 *
 * X2 The window that was found last stays found until a window is forgotten.
 */

import type { Key } from '../../base/key-groups.ts';
import { canonicalKey } from '../../state/memory/canonical-key.ts';
import {
  NO_WINDOW,
  type OpenWindow,
  OpenWindows,
  type WindowCell,
  type WindowTimes,
} from './open-windows.ts';
import { type OwnWindowDefinition, OwnWindowOperator } from './own-window-operator.ts';
import { startBefore } from './time-window.ts';
import { contentsOf } from './window-folds.ts';

/** What is said about windows of one length. */
export interface FixedWindowDefinition<In> extends OwnWindowDefinition<In> {
  readonly times: WindowTimes;
}

/** One subtask of windows of one length. */
export class FixedWindowOperator<In> extends OwnWindowOperator<In, WindowCell> {
  protected readonly windows: OpenWindows;
  readonly #times: WindowTimes;
  readonly #areSideBySide: boolean;
  /** X2. */
  #last: OpenWindow = NO_WINDOW;

  constructor(definition: FixedWindowDefinition<In>) {
    super(definition);
    this.#times = definition.times;
    this.#areSideBySide = definition.times.sizeMs === definition.times.slideMs;
    this.windows = new OpenWindows(contentsOf(definition.fold), definition.times);
  }

  protected add(key: Key, value: In, time: number): boolean {
    if (!this.#areSideBySide) return this.#addToAll(key, value, time);
    let window = this.#last;
    if (!(time >= window.start && time < window.end)) {
      const start = this.windows.startOf(time);
      const found = this.windows.find(start) ?? this.#openWindow(start);
      if (found === undefined) return false;
      this.#last = found;
      window = found;
    }
    this.#addTo(window, key, value);
    return true;
  }

  /** Windows that overlap, or leave gaps. */
  #addToAll(key: Key, value: In, time: number): boolean {
    const { sizeMs, slideMs, allowedLatenessMs } = this.#times;
    let isIn = false;
    let start = this.windows.startOf(time);
    for (; start > time - sizeMs; start = startBefore(start, slideMs)) {
      const window = this.windows.find(start) ?? this.#openWindow(start);
      if (window === undefined) continue;
      isIn = true;
      this.#addTo(window, key, value);
    }
    // One that is in no window is late only when event time is past it.
    return isIn || time + allowedLatenessMs > this.context.currentWatermark();
  }

  /** `undefined`: it is over. A window that is open is not, or it would have been forgotten. */
  #openWindow(start: number): OpenWindow | undefined {
    const isLate = this.isEventTime && this.windows.cleanupTime(start) <= this.context.currentWatermark();
    return isLate ? undefined : this.windows.openWindow(start);
  }

  #addTo(window: OpenWindow, key: Key, value: In): void {
    const canonical = canonicalKey(key);
    let cell = window.cells.get(canonical);
    if (cell === undefined) cell = this.windows.add(window, key, canonical);
    else cell.place.beforeChange();
    const held = cell.value;
    cell.value = held === undefined ? this.fold.first(value) : this.fold.next(held, value);
    if (!cell.awaitsEnd) this.#again(cell);
  }

  /** The first record of a cell, or one after its firing. */
  #again(cell: WindowCell): void {
    const { window, maxTimestamp } = cell.window;
    const isOver = this.isEventTime && maxTimestamp <= this.context.currentWatermark();
    if (!isOver) this.windows.awaitEnd(cell);
    else this.fireAgain({ key: cell.key, window, held: cell.value, isLast: false });
  }

  timer(): void {
    const cell = this.windows.taken();
    if (cell === undefined) return; // A timer of a job that was another one.
    const { isClosed, window } = cell.window;
    cell.place.beforeChange();
    if (cell.awaitsEnd) {
      cell.awaitsEnd = false;
      this.fire({ key: cell.key, window, held: cell.value, isLast: isClosed });
    }
    if (!isClosed) return;
    this.#last = NO_WINDOW;
    this.windows.forget(cell);
    this.clear(window);
  }
}
