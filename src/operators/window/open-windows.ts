/**
 * The open windows of one subtask, window by window: what each key has in it, and when it fires and is forgotten.
 *
 * ```
 * window ─▶ key ─▶ cell         a record finds its window by arithmetic and its cell by one lookup; a window that fires
 *                               is a walk over its cells, so that no cell has a timer of its own
 * ```
 *
 * Owns the cells. Partners: the backend, which writes and restores them as the contents and timers of window-operator.ts;
 * the operator, which folds and fires. Not for windows that merge.
 *
 * O1 A cell awaits its firing, or it has fired; a window has an end to wait for as long as one of its cells awaits it.
 * O2 A window is forgotten after its cells have been handed out for that; then no record finds it any more.
 *    A window whose end is the end of time is forgotten with its firing.
 * O3 Cells of a window are handed out in the order of their keys, windows in that of their times: the same after a restore.
 */

import { sortByKey } from '../../base/key-order.ts';
import type { Key } from '../../base/key-groups.ts';
import { PriorityQueue } from '../../base/priority-queue.ts';
import { MAX_TIMESTAMP } from '../../base/time.ts';
import type { TimerDomain } from '../../state/backend.ts';
import type { StateDescriptor } from '../../state/descriptors.ts';
import { canonicalKey } from '../../state/memory/canonical-key.ts';
import type {
  KeyPlace,
  OwnEntry,
  OwnKeyedState,
  OwnPlaces,
  OwnStateWriter,
  RestoredOwner,
} from '../../state/own-state.ts';
import { namespaceOfWindow, TimeWindow, windowOfNamespace, windowStart } from './time-window.ts';

/** How windows of one length lie, and how long they are kept. */
export interface WindowTimes {
  readonly sizeMs: number;
  /** From the start of one to that of the next. */
  readonly slideMs: number;
  readonly offsetMs: number;
  readonly allowedLatenessMs: number;
  readonly domain: TimerDomain;
}

/** What one key has in one window. */
export class WindowCell implements OwnEntry {
  readonly key: Key;
  readonly place: KeyPlace;
  readonly window: OpenWindow;
  /** What was folded; `undefined`: nothing. */
  value: unknown = undefined;
  /** O1. */
  awaitsEnd = false;
  position = -1;

  constructor(key: Key, place: KeyPlace, window: OpenWindow) {
    this.key = key;
    this.place = place;
    this.window = window;
  }
}

/** A window that some key has records in. */
export class OpenWindow {
  readonly start: number;
  readonly end: number;
  readonly window: TimeWindow;
  readonly maxTimestamp: number;
  /** `MAX_TIMESTAMP`: never. */
  readonly cleanupTime: number;
  /** By canonical key. */
  readonly cells = new Map<unknown, WindowCell>();
  /** O1: it is in the queue for its end. */
  awaitsEnd = false;
  /** O2: its cells are being handed out to be forgotten. */
  isClosed = false;

  constructor(window: TimeWindow, cleanupTime: number) {
    this.start = window.start;
    this.end = window.end;
    this.window = window;
    this.maxTimestamp = window.maxTimestamp;
    this.cleanupTime = cleanupTime;
  }
}

/** When a window is due, and whether it is forgotten then. */
interface Due {
  readonly time: number;
  readonly window: OpenWindow;
  readonly isLast: boolean;
}

/** Windows found lately, by their number: a power of two. */
const RECENT = 64;

/** Stands for a window that holds no record. */
export const NO_WINDOW: OpenWindow = new OpenWindow(new TimeWindow(Number.NaN, Number.NaN), MAX_TIMESTAMP);

/** See the head of the file. */
export class OpenWindows implements OwnKeyedState<WindowCell> {
  readonly states: OwnKeyedState['states'];
  readonly domain: TimerDomain;
  readonly #times: WindowTimes;
  readonly #byStart = new Map<number, OpenWindow>();
  readonly #recent = new Array<OpenWindow>(RECENT).fill(NO_WINDOW);
  /** Windows of another length, as a job had before it was changed. */
  readonly #foreign = new Map<string, OpenWindow>();
  readonly #due = new PriorityQueue<Due>(compareDues);
  #places!: OwnPlaces<WindowCell>;
  /** The cells of the window that is due now, from `#next` on. */
  #walk: readonly WindowCell[] = [];
  #next = 0;
  #walkTime = 0;
  #taken: WindowCell | undefined = undefined;

  constructor(contents: StateDescriptor, times: WindowTimes) {
    this.states = [{ name: 'contents', descriptor: contents }];
    this.domain = times.domain;
    this.#times = times;
  }

  /** The start of the last window that holds a time. Hot path. */
  startOf(time: number): number {
    return windowStart(time, this.#times.offsetMs, this.#times.slideMs);
  }

  /** The window that starts then, if there is one. Hot path. */
  find(start: number): OpenWindow | undefined {
    const slot = Math.floor(start / this.#times.slideMs) & (RECENT - 1);
    const recent = this.#recent[slot]!;
    if (recent.start === start) return recent;
    const window = this.#byStart.get(start);
    if (window !== undefined) this.#recent[slot] = window;
    return window;
  }

  /** When a window that starts then is forgotten; `MAX_TIMESTAMP`: never. */
  cleanupTime(start: number): number {
    return this.#cleanupTime(new TimeWindow(start, start + this.#times.sizeMs));
  }

  /** Opens a window that is not there. */
  openWindow(start: number): OpenWindow {
    const window = this.#newWindow(new TimeWindow(start, start + this.#times.sizeMs));
    this.#byStart.set(start, window);
    return window;
  }

  /** A cell of a key that has none in this window. */
  add(window: OpenWindow, key: Key, canonical: unknown): WindowCell {
    return this.#add(window, key, canonical, this.#places.placeOf(key));
  }

  /** O1: the cell fires at the end of its window. */
  awaitEnd(cell: WindowCell): void {
    cell.awaitsEnd = true;
    const { window } = cell;
    // Else its clean-up is its end.
    const isKept = window.cleanupTime > window.maxTimestamp || window.cleanupTime === MAX_TIMESTAMP;
    if (window.awaitsEnd || !isKept) return;
    window.awaitsEnd = true;
    const { maxTimestamp } = window;
    this.#due.push({ time: maxTimestamp, window, isLast: maxTimestamp === window.cleanupTime });
  }

  get freezesValues(): boolean {
    return this.#places.freezesValues;
  }

  /** The cell that is due, once. */
  taken(): WindowCell | undefined {
    const cell = this.#taken;
    this.#taken = undefined;
    return cell;
  }

  /** Forgets a cell that was handed out at the clean-up time of its window. */
  forget(cell: WindowCell): void {
    this.#places.remove(cell);
  }

  // ---- for the backend ----

  start(places: OwnPlaces<WindowCell>): void {
    this.#places = places;
  }

  next(): number | undefined {
    return this.#next < this.#walk.length ? this.#walkTime : this.#due.peek()?.time;
  }

  take(): WindowCell {
    if (this.#next >= this.#walk.length) this.#begin(this.#due.pop()!);
    const cell = this.#walk[this.#next++]!;
    if (this.#next === this.#walk.length) this.#walk = [];
    this.#taken = cell;
    return cell;
  }

  write({ window, value, awaitsEnd }: WindowCell, to: OwnStateWriter): void {
    const namespace = namespaceOfWindow(window.window);
    if (value !== undefined) to.value(0, namespace, value);
    const { maxTimestamp, cleanupTime } = window;
    if (awaitsEnd) to.timer(maxTimestamp, namespace);
    if (cleanupTime !== MAX_TIMESTAMP && !(awaitsEnd && cleanupTime === maxTimestamp)) {
      to.timer(cleanupTime, namespace);
    }
  }

  restoreValue(_state: number, owner: RestoredOwner, value: unknown): void {
    this.#restored(owner).value = value;
  }

  restoreTimer(time: number, owner: RestoredOwner): boolean {
    if (!isSpan(owner.namespace)) return false;
    const cell = this.#restored(owner);
    if (time === cell.window.maxTimestamp) this.awaitEnd(cell);
    return true;
  }

  /** A window without contents has a cell too: its clean-up is still to come. */
  #restored({ key, namespace, place }: RestoredOwner): WindowCell {
    const window = this.#restoredWindow(windowOfNamespace(namespace!));
    const canonical = canonicalKey(key);
    return window.cells.get(canonical) ?? this.#add(window, key, canonical, place);
  }

  #restoredWindow(span: TimeWindow): OpenWindow {
    if (this.#isRegular(span)) return this.find(span.start) ?? this.openWindow(span.start);
    const name = `${span.start} ${span.end}`;
    const window = this.#foreign.get(name) ?? this.#newWindow(span);
    this.#foreign.set(name, window);
    return window;
  }

  #isRegular({ start, end }: TimeWindow): boolean {
    return end === start + this.#times.sizeMs && start === this.startOf(start);
  }

  #newWindow(span: TimeWindow): OpenWindow {
    const cleanupTime = this.#cleanupTime(span);
    const window = new OpenWindow(span, cleanupTime);
    if (cleanupTime !== MAX_TIMESTAMP) this.#due.push({ time: cleanupTime, window, isLast: true });
    return window;
  }

  #add(window: OpenWindow, key: Key, canonical: unknown, place: KeyPlace): WindowCell {
    const cell = new WindowCell(key, place, window);
    this.#places.add(cell);
    window.cells.set(canonical, cell);
    return cell;
  }

  #cleanupTime({ maxTimestamp }: TimeWindow): number {
    return Math.min(maxTimestamp + this.#times.allowedLatenessMs, MAX_TIMESTAMP);
  }

  #begin({ time, window, isLast }: Due): void {
    window.awaitsEnd = false;
    const cells = [...window.cells.values()];
    this.#walk = sortByKey(isLast ? cells : cells.filter((cell) => cell.awaitsEnd)); // O3.
    this.#next = 0;
    this.#walkTime = time;
    if (isLast) this.#close(window);
  }

  /** O2. */
  #close(window: OpenWindow): void {
    window.isClosed = true;
    if (this.#byStart.get(window.start) !== window) {
      this.#foreign.delete(`${window.start} ${window.end}`);
      return;
    }
    this.#byStart.delete(window.start);
    this.#recent.fill(NO_WINDOW);
  }
}

function compareDues(left: Due, right: Due): number {
  return (
    left.time - right.time || left.window.start - right.window.start || left.window.end - right.window.end
  );
}

function isSpan(namespace: Key | undefined): boolean {
  return (
    Array.isArray(namespace) && namespace.length === 2 && namespace.every((time) => typeof time === 'number')
  );
}
