/**
 * Sliding windows of event time that share what they have in common: a record is added to one pane, and a window is put
 * together from its panes.
 *
 * ```
 * windows  [----------)          panes are cut where a window begins or ends, so that each lies in a window whole
 *             [----------)       or not at all; a record costs one addition however many windows it is in
 *                [----------)
 * panes    |--|--|--||--|--|     (here size is no multiple of slide)
 *
 * state `contents`   start of pane -> true, for each key: which panes there are
 * state `pane`       accumulator, for each key and start of a pane
 * timer              for each key the next window: at its last timestamp, under the window
 * ```
 *
 * That is how it is stored; open-panes.ts holds it, and panes.ts puts the panes of a key together. It gives what
 * window-operator.ts gives with the default trigger, no evictor and no lateness:
 *
 * P1 A record is added to its pane when one of its windows is not over; else it is late.
 * P2 A key waits for the first of its windows that is not over, and when that fires, for the next one.
 * P3 A pane is forgotten with its last window, before the function sees that: what the function throws changes nothing.
 * P4 A record that is given up leaves its pane as it was, with what is kept beside the state made again.
 *
 * The state has other kinds under the names of the plain path, so that neither reads the state of the other.
 */

import type { Key } from '../../base/key-groups.ts';
import { MAX_TIMESTAMP } from '../../base/time.ts';
import { BinaryReader, BinaryWriter } from '../../codecs/binary.ts';
import { genericCodec } from '../../codecs/generic.ts';
import { canonicalKey } from '../../state/memory/canonical-key.ts';
import type { Sliding } from './assigners.ts';
import { OpenPanes, type PaneCell, type PaneKey } from './open-panes.ts';
import { OwnWindowOperator } from './own-window-operator.ts';
import { type MergingAggregate, paneTotals } from './panes.ts';
import type { AnyWindowFunction } from './window-function.ts';

/** What is said about sliding windows that share panes. */
export interface PaneDefinition<In> {
  readonly sliding: Sliding;
  readonly aggregate: MergingAggregate<In, unknown, unknown>;
  /** `undefined`: results are the aggregates. */
  readonly function: AnyWindowFunction | undefined;
  /** The side output of late records; `undefined`: they are counted and dropped. */
  readonly lateTag: string | undefined;
}

/** What a record is about to change (P4); without bytes the pane is new. */
interface Changed {
  readonly cell: PaneCell;
  readonly before: Uint8Array | undefined;
}

/** One subtask of sliding windows that share panes. */
export class PaneWindowOperator<In> extends OwnWindowOperator<In, PaneKey> {
  protected readonly windows: OpenPanes;
  readonly #sizeMs: number;
  readonly #aggregate: MergingAggregate<In, unknown, unknown>;
  #isUndoable = false;
  #changed: Changed | undefined;

  constructor(definition: PaneDefinition<In>) {
    const { sliding, aggregate, function: windowFunction, lateTag } = definition;
    super({
      name: 'sliding',
      time: 'event',
      fold: { kind: 'aggregate', aggregate },
      function: windowFunction,
      lateTag,
    });
    this.#sizeMs = sliding.sizeMs;
    this.#aggregate = aggregate;
    this.windows = new OpenPanes(aggregate, sliding, paneTotals(aggregate));
  }

  protected add(key: Key, value: In, time: number): boolean {
    const start = this.windows.startOf(time);
    const canonical = canonicalKey(key);
    const cell = this.windows.find(start, canonical);
    // A pane that is there has a window that is not over.
    if (cell !== undefined) return this.#addTo(cell, value, time);
    const watermark = this.context.currentWatermark();
    const end = this.windows.firstEndOf(time, watermark + 1);
    // P1.
    if (end - this.#sizeMs > time || watermark === MAX_TIMESTAMP) return false;
    const accumulator = this.#aggregate.add(value, this.#aggregate.createAccumulator());
    const added = this.windows.add(key, canonical, start, end);
    added.accumulator = accumulator;
    if (this.#isUndoable) this.#changed = { cell: added, before: undefined };
    return true;
  }

  #addTo(cell: PaneCell, value: In, time: number): true {
    const { of } = cell;
    of.place.beforeChange();
    if (this.#isUndoable) this.#changed = { cell, before: encoded(cell.accumulator) };
    // Only a pane of a window that is over can be in a total.
    if (!cell.isPending && time <= this.context.currentWatermark()) of.panes.beforeChange(cell);
    cell.accumulator = this.#aggregate.add(value, cell.accumulator);
    return true;
  }

  timer(): void {
    const of = this.windows.taken();
    if (of === undefined) return; // A timer of a job that was another one.
    of.place.beforeChange();
    const window = this.windows.windowOf(of);
    this.windows.forgetBefore(of, window.start);
    let total: unknown;
    try {
      total = of.panes.totalBefore(window.end);
    } catch (error) {
      this.windows.rebuild(of);
      throw error;
    } finally {
      this.windows.advance(of); // P2, P3.
    }
    if (total === undefined) return;
    this.fire({ key: of.key, window, held: total, isLast: true });
    this.clear(window);
  }

  // P4.
  override beginUndo(): void {
    super.beginUndo();
    this.#isUndoable = true;
    this.#changed = undefined;
  }

  override undo(): void {
    super.undo();
    const changed = this.#changed;
    this.#changed = undefined;
    if (changed === undefined) return;
    const { cell, before } = changed;
    if (before === undefined) return this.windows.remove(cell);
    cell.accumulator = genericCodec.decode(new BinaryReader(before));
    this.windows.rebuild(cell.of);
  }
}

function encoded(accumulator: unknown): Uint8Array {
  const out = new BinaryWriter();
  genericCodec.encode(accumulator, out);
  return out.finish();
}
