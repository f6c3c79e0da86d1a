// A checksum sink that also finds the 100 ms in which it was given the least, beside what it is given at most times.
import { writeFileSync } from 'node:fs';
import type { Sink } from 'millrace';
import type { SinkReport } from './checksum-sink.ts';

/** What it leaves behind. */
export interface EvennessReport extends SinkReport {
  /** Of the worst 100 ms: how many of them were lost, by the median of all; -1 when the run was too short to tell. */
  readonly lostMs: number;
}

const SLOT_MS = 10;
const WINDOW_SLOTS = 10;
/** Records between two looks at the clock. */
const RECORDS_PER_LOOK = 64;

/** `warmUp` records come before it begins to look. */
export function evennessSink<T>(
  folder: string,
  { numberOf, warmUp }: { numberOf: (value: T) => number; warmUp: number },
): Sink<T> {
  return {
    name: 'evenness',
    guarantee: 'at-least-once',
    createWriter({ info }) {
      let records = 0;
      let checksum = 0;
      let from = 0;
      const slots: number[] = [];
      return {
        write(value: T) {
          records++;
          checksum += numberOf(value);
          if (records % RECORDS_PER_LOOK !== 0 || records <= warmUp) return;
          const now = performance.now();
          if (from === 0) from = now;
          const slot = Math.floor((now - from) / SLOT_MS);
          while (slots.length <= slot) slots.push(0);
          slots[slot]! += RECORDS_PER_LOOK;
        },
        prepareCommit: () => Promise.resolve([]),
        close() {
          const report: EvennessReport = { records, checksum, lostMs: mostLost(slots) };
          writeFileSync(`${folder}/${info.subtask}.json`, JSON.stringify(report));
        },
      };
    },
  };
}

function mostLost(slots: readonly number[]): number {
  const windows: number[] = [];
  // The last slot is not full.
  for (let end = WINDOW_SLOTS; end < slots.length; end++) {
    windows.push(slots.slice(end - WINDOW_SLOTS, end).reduce((sum, each) => sum + each, 0));
  }
  if (windows.length === 0) return -1;
  const usual = windows.toSorted((left, right) => left - right)[windows.length >> 1]!;
  return Math.max(0, SLOT_MS * WINDOW_SLOTS * (1 - Math.min(...windows) / usual));
}
