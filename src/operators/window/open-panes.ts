/**
 * The open panes of one subtask: what each key has in each, and which window of a key fires next.
 *
 * ```
 * pane ─▶ key ─▶ cell           a record finds its pane by arithmetic and its cell by one lookup
 * key ─▶ its cells in order, and the end of its next window
 * end of a window ─▶ keys       that are looked at then
 * ```
 *
 * Owns the cells. Partners: the backend, which stores them as pane-operator.ts draws them; the operator, which adds and
 * fires; panes.ts, which puts the panes of a key together.
 *
 * O1 A key has panes, and a next window as long as it has some.
 * O2 A key that stands under the end of another window than its next one is passed over.
 * O3 Keys whose windows end together are handed out in their order: the same after a restore.
 * O4 A window ends where those of the job do, also after a restore by a job whose windows lie otherwise; panes are in it by
 *    their starts then, and each of them in one at least.
 */

import type { Key } from '../../base/key-groups.ts';
import { sortByKey } from '../../base/key-order.ts';
import { TimeHeap } from '../../base/time-heap.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../base/time.ts';
import type { AggregateFunction } from '../../state/descriptors.ts';
import { canonicalKey } from '../../state/memory/canonical-key.ts';
import type {
  KeyPlace,
  OwnEntry,
  OwnKeyedState,
  OwnPlaces,
  OwnStateWriter,
  RestoredOwner,
} from '../../state/own-state.ts';
import { aggregating, map } from '../../state/state.ts';
import type { Sliding } from './assigners.ts';
import { type LivePane, LivePanes, type PaneTotal } from './panes.ts';
import { namespaceOfWindow, TimeWindow, windowOfNamespace, windowStart } from './time-window.ts';

/** No window: its end is after all others. */
const NEVER = Number.POSITIVE_INFINITY;
/** Panes found lately, by their number: a power of two. */
const RECENT = 64;

/** What one key has in one pane. */
export class PaneCell implements LivePane<unknown> {
  readonly of: PaneKey;
  readonly start: number;
  accumulator: unknown;
  isPending = true;
  leaf = -1;

  constructor(of: PaneKey, start: number, accumulator: unknown) {
    this.of = of;
    this.start = start;
    this.accumulator = accumulator;
  }
}

/** The panes of one key. */
export class PaneKey implements OwnEntry {
  readonly key: Key;
  readonly canonical: unknown;
  readonly place: KeyPlace;
  panes: LivePanes<unknown, PaneCell>;
  /** O1. */
  nextEnd = NEVER;
  position = -1;

  constructor(key: Key, canonical: unknown, place: KeyPlace, total: PaneTotal<unknown>) {
    this.key = key;
    this.canonical = canonical;
    this.place = place;
    this.panes = new LivePanes(total);
  }
}

/** The cells of one pane, by canonical key. */
interface Pane {
  readonly start: number;
  readonly cells: Map<unknown, PaneCell>;
}

const NO_PANE: Pane = { start: Number.NaN, cells: new Map() };

/** See the head of the file. */
export class OpenPanes implements OwnKeyedState<PaneKey> {
  readonly states: OwnKeyedState['states'];
  readonly domain = 'event';
  readonly #sliding: Sliding;
  /** Panes are as long as windows are apart. */
  readonly #isEven: boolean;
  readonly #newTotal: () => PaneTotal<unknown>;
  readonly #byKey = new Map<unknown, PaneKey>();
  readonly #byStart = new Map<number, Pane>();
  readonly #recent = new Array<Pane>(RECENT).fill(NO_PANE);
  readonly #ends = new TimeHeap<undefined>();
  readonly #byEnd = new Map<number, PaneKey[]>();
  #places!: OwnPlaces<PaneKey>;
  /** Keys whose next window ends at `#walkEnd`, from `#next` on. */
  #walk: readonly PaneKey[] = [];
  #next = 0;
  #walkEnd = 0;
  #taken: PaneKey | undefined = undefined;

  constructor(
    aggregate: AggregateFunction<never, unknown, unknown>,
    sliding: Sliding,
    newTotal: () => PaneTotal<unknown>,
  ) {
    this.states = [
      { name: 'contents', descriptor: map<number, true>() },
      { name: 'pane', descriptor: aggregating(aggregate) },
    ];
    this.#sliding = sliding;
    this.#isEven = sliding.sizeMs % sliding.slideMs === 0;
    this.#newTotal = newTotal;
  }

  /** The start of the pane that holds a time. Hot path. */
  startOf(time: number): number {
    const { sizeMs, slideMs, offsetMs } = this.#sliding;
    const begun = windowStart(time, offsetMs, slideMs);
    return this.#isEven ? begun : Math.max(begun, windowStart(time, offsetMs + sizeMs, slideMs));
  }

  /** The first end of a window that is after a time. */
  firstEndAfter(time: number): number {
    const { sizeMs, slideMs, offsetMs } = this.#sliding;
    return windowStart(time, offsetMs + sizeMs, slideMs) + slideMs;
  }

  /** The end of the first window that ends after both times and begins where there is a time ({@link startBefore}). */
  firstEndOf(time: number, over: number): number {
    const { sizeMs, slideMs, offsetMs } = this.#sliding;
    const after = Math.max(time, over);
    const start = windowStart(time, offsetMs, slideMs);
    if (time - sizeMs >= MIN_TIMESTAMP || start + sizeMs <= after) return this.firstEndAfter(after);
    // Counted from the last window that holds the time: before the first time numbers are not exact.
    const before = Math.ceil((start + sizeMs - after) / slideMs) - 1;
    const begun = Math.max(0, Math.floor((start - MIN_TIMESTAMP) / slideMs));
    return start + sizeMs - Math.min(before, begun) * slideMs;
  }

  /** What a key has in a pane. Hot path. */
  find(start: number, canonical: unknown): PaneCell | undefined {
    return this.#pane(start)?.cells.get(canonical);
  }

  /** A pane of a key that has it not, whose first window that is not over ends at `end`. */
  add(key: Key, canonical: unknown, start: number, end: number): PaneCell {
    const of = this.#byKey.get(canonical) ?? this.#addKey(key, canonical, this.#places.placeOf(key));
    of.place.beforeChange();
    const cell = this.#addCell(of, start, undefined);
    if (end < of.nextEnd) this.#await(of, end);
    return cell;
  }

  /** Takes out a pane that was added last, as if it had not been. */
  remove(cell: PaneCell): void {
    this.#dropCell(cell);
    if (cell.of.panes.all().length === 1) this.#dropKey(cell.of);
    else this.rebuild(cell.of, cell);
  }

  /** Makes again what is not stored, perhaps without one of the panes. */
  rebuild(of: PaneKey, without?: PaneCell): void {
    const cells = of.panes.all();
    of.panes = new LivePanes(this.#newTotal());
    for (const cell of cells) if (cell !== without) of.panes.add(cell);
  }

  get freezesValues(): boolean {
    return this.#places.freezesValues;
  }

  /** The key that is due, once. */
  taken(): PaneKey | undefined {
    const of = this.#taken;
    this.#taken = undefined;
    return of;
  }

  /** The window of a key that was taken. */
  windowOf({ nextEnd }: PaneKey): TimeWindow {
    return new TimeWindow(nextEnd - this.#sliding.sizeMs, nextEnd);
  }

  /** Forgets the panes of a key that end with its window, and goes on to the next one. */
  advance(of: PaneKey): void {
    const { sizeMs, slideMs } = this.#sliding;
    const end = of.nextEnd;
    this.forgetBefore(of, end - sizeMs + slideMs);
    const { oldest } = of.panes;
    if (oldest === undefined) return this.#dropKey(of);
    const next = Math.max(end + slideMs, this.firstEndAfter(oldest.start));
    if (next > end) return this.#await(of, next);
    // At the end of time: numbers do not tell the next window from this one.
    this.forgetBefore(of, Number.POSITIVE_INFINITY);
    this.#dropKey(of);
  }

  forgetBefore({ panes }: PaneKey, time: number): void {
    for (let cell = panes.oldest; cell !== undefined && cell.start < time; cell = panes.oldest) {
      panes.removeOldest();
      this.#dropCell(cell);
    }
  }

  // ---- for the backend ----

  start(places: OwnPlaces<PaneKey>): void {
    this.#places = places;
  }

  next(): number | undefined {
    if (this.#next < this.#walk.length) return lastTimestamp(this.#walkEnd);
    for (let end = this.#ends.peek(); end !== undefined; end = this.#ends.peek()) {
      if (this.#byEnd.get(end)!.some(({ nextEnd }) => nextEnd === end)) return lastTimestamp(end);
      this.#ends.pop(); // O2.
      this.#byEnd.delete(end);
    }
    return undefined;
  }

  take(): PaneKey {
    if (this.#next >= this.#walk.length) this.#begin();
    const of = this.#walk[this.#next++]!;
    if (this.#next === this.#walk.length) this.#walk = [];
    this.#taken = of;
    return of;
  }

  write(of: PaneKey, to: OwnStateWriter): void {
    const cells = of.panes.all();
    to.value(
      0,
      undefined,
      cells.map(({ start }) => [start, true]),
    );
    for (const { start, accumulator } of cells) to.value(1, start, accumulator);
    const window = this.windowOf(of);
    to.timer(window.maxTimestamp, namespaceOfWindow(window));
  }

  restoreValue(state: number, { key, namespace, place }: RestoredOwner, value: unknown): void {
    if (state === 0) return; // The panes say it themselves.
    const canonical = canonicalKey(key);
    const of = this.#byKey.get(canonical) ?? this.#addKey(key, canonical, place);
    this.#addCell(of, namespace as number, value);
  }

  restoreTimer(_time: number, { key, namespace }: RestoredOwner): boolean {
    if (namespace === undefined) return false;
    const { end } = windowOfNamespace(namespace);
    const of = this.#byKey.get(canonicalKey(key));
    if (of === undefined) return true;
    const next = this.#endAnew(of, end);
    if (next < of.nextEnd) this.#await(of, next);
    return true;
  }

  /** O4: what it was when windows lie as they did; else the first that is not before, but none that has lost the oldest pane. */
  #endAnew({ panes }: PaneKey, end: number): number {
    const { sizeMs, slideMs, offsetMs } = this.#sliding;
    const lastOfOldest = windowStart(panes.oldest!.start, offsetMs, slideMs) + sizeMs;
    return Math.min(this.firstEndAfter(end - 1), lastOfOldest);
  }

  #addKey(key: Key, canonical: unknown, place: KeyPlace): PaneKey {
    const of = new PaneKey(key, canonical, place, this.#newTotal());
    this.#places.add(of);
    this.#byKey.set(canonical, of);
    return of;
  }

  #addCell(of: PaneKey, start: number, accumulator: unknown): PaneCell {
    const cell = new PaneCell(of, start, accumulator);
    of.panes.add(cell);
    (this.#pane(start) ?? this.#newPane(start)).cells.set(of.canonical, cell);
    return cell;
  }

  #dropKey(of: PaneKey): void {
    of.nextEnd = NEVER;
    this.#places.remove(of);
    this.#byKey.delete(of.canonical);
  }

  #dropCell({ of, start }: PaneCell): void {
    const pane = this.#pane(start)!;
    pane.cells.delete(of.canonical);
    if (pane.cells.size > 0) return;
    this.#byStart.delete(start);
    this.#recent[this.#slot(start)] = NO_PANE;
  }

  #pane(start: number): Pane | undefined {
    const slot = this.#slot(start);
    const recent = this.#recent[slot]!;
    if (recent.start === start) return recent;
    const pane = this.#byStart.get(start);
    if (pane !== undefined) this.#recent[slot] = pane;
    return pane;
  }

  #newPane(start: number): Pane {
    const pane: Pane = { start, cells: new Map() };
    this.#byStart.set(start, pane);
    return pane;
  }

  #slot(start: number): number {
    return Math.floor(start / this.#sliding.slideMs) & (RECENT - 1);
  }

  #await(of: PaneKey, end: number): void {
    of.nextEnd = end;
    const keys = this.#byEnd.get(end);
    if (keys !== undefined) keys.push(of);
    else {
      this.#byEnd.set(end, [of]);
      this.#ends.push(end, undefined);
    }
  }

  #begin(): void {
    const end = this.#ends.peek()!;
    this.#ends.pop();
    const keys = this.#byEnd.get(end)!;
    this.#byEnd.delete(end);
    // O2, and each once.
    const due = new Set(keys.filter(({ nextEnd }) => nextEnd === end));
    this.#walk = sortByKey([...due]); // O3.
    this.#next = 0;
    this.#walkEnd = end;
  }
}

function lastTimestamp(end: number): number {
  return Math.min(end - 1, MAX_TIMESTAMP);
}
