/**
 * The taps of one slot: some of the records that its operators hand on, for whoever looks.
 *
 * Owner: the slot executor's thread. Partners: the runners, whose chains show their records.
 *
 * TP-1 A slot without a tap costs nothing: the chains are wired as if there were none.
 * TP-2 Between two reports a tap shows a bounded number of records of each subtask, the first ones; at most TAPS_MAX at
 *      once.
 * TP-3 What is shown is a copy of a bounded size, and what is masked is not in it: not in a key either, which may be what
 *      was masked, so that with a mask no key is shown.
 */

import type { Clock } from '../base/env.ts';
import { shownValue } from '../base/shown-value.ts';
import type { Inspection, TappedRecord } from './inspection.ts';

/** TP-2. */
export const TAPS_MAX = 16;

/** Where a tap looks. */
export interface TappedSubtask {
  readonly subtask: number;
  readonly watermark: () => number;
  /** The key of a record at this place. */
  readonly keyOf: ((value: unknown) => unknown) | undefined;
  /** Shows every record until the function that comes back is called. */
  readonly tap: (take: (value: unknown, timestamp: number) => void) => () => void;
}

interface Tap {
  readonly ends: readonly (() => void)[];
  /** By subtask: how many may still be shown before the next report. */
  readonly left: Map<number, number>;
  readonly recordsPerReport: number;
  records: TappedRecord[];
}

/** See the head of the file. */
export class SlotTaps {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #taps = new Map<string, Tap>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Begins a tap; one with the same id ends. */
  begin(wish: Inspection & { kind: 'tap' }, subtasks: readonly TappedSubtask[]): void {
    this.end(wish.tapId);
    if (this.#taps.size >= TAPS_MAX) throw new RangeError(`a slot has at most ${TAPS_MAX} taps at once`);
    const mask = new Set(wish.mask);
    const left = new Map<number, number>();
    const { vertex, operator, recordsPerReport } = wish;
    const tap: Tap = {
      left,
      recordsPerReport,
      records: [],
      ends: subtasks.map(({ subtask, watermark, keyOf, tap: show }) => {
        left.set(subtask, recordsPerReport);
        return show((value, timestamp) => {
          const rest = left.get(subtask)!;
          if (rest === 0) return;
          left.set(subtask, rest - 1);
          const at = this.#clock.now();
          const shown = shownValue(value, mask);
          const keyText =
            keyOf === undefined || mask.size > 0 ? undefined : JSON.stringify(shownValue(keyOf(value)).value);
          const place = { vertex, operator, subtask };
          tap.records.push({ ...place, at, timestamp, watermark: watermark(), ...shown, keyText });
        });
      }),
    };
    this.#taps.set(wish.tapId, tap);
  }

  end(tapId: string): void {
    const tap = this.#taps.get(tapId);
    this.#taps.delete(tapId);
    for (const end of tap?.ends ?? []) end();
  }

  /** What the taps have seen since the last time. */
  take(): { readonly tapId: string; readonly records: readonly TappedRecord[] }[] {
    const seen: { tapId: string; records: readonly TappedRecord[] }[] = [];
    for (const [tapId, tap] of this.#taps) {
      for (const subtask of tap.left.keys()) tap.left.set(subtask, tap.recordsPerReport);
      if (tap.records.length === 0) continue;
      seen.push({ tapId, records: tap.records });
      tap.records = [];
    }
    return seen;
  }
}
