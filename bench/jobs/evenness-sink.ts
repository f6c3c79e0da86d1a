// A checksum sink that also finds the 100 ms in which it was given the least, beside what it is given at most times: by the
// clock, and by the CPU time of its thread, which says the same on a machine that others use too.
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import type { Sink } from 'millrace';
import type { SinkReport } from './checksum-sink.ts';

/** What it leaves behind. */
export interface EvennessReport extends SinkReport {
  /** Of the worst 100 ms: how many of them were lost, by the median of all; -1 when the run was too short to tell. */
  readonly lostMs: number;
  /** The same of 100 ms of the CPU time of its thread. */
  readonly lostCpuMs: number;
  /** CPU time of its thread for each million records after the warm-up. */
  readonly cpuMsPerMillion: number;
}

const SLOT_MS = 10;
const WINDOW_SLOTS = 10;
/** Records between two looks at the clock. */
const RECORDS_PER_LOOK = 256;

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
      const byClock = new Progress();
      const byCpu = new Progress();
      return {
        write(value: T) {
          records++;
          checksum += numberOf(value);
          if (records % RECORDS_PER_LOOK !== 0 || records <= warmUp) return;
          byClock.add(performance.now());
          byCpu.add(threadCpuMs());
        },
        prepareCommit: () => Promise.resolve([]),
        close() {
          const report: EvennessReport = {
            records,
            checksum,
            lostMs: byClock.mostLost(),
            lostCpuMs: byCpu.mostLost(),
            cpuMsPerMillion: (byCpu.elapsedMs / (records - warmUp)) * 1_000_000,
          };
          writeFileSync(`${folder}/${info.subtask}.json`, JSON.stringify(report));
        },
      };
    },
  };
}

// Of the newest versions of Node, and not in all types of it.
const { threadCpuUsage } = process as unknown as {
  threadCpuUsage?: () => { readonly user: number; readonly system: number };
};

function threadCpuMs(): number {
  const { user, system } = threadCpuUsage?.() ?? { user: 0, system: 0 };
  return (user + system) / 1_000;
}

/** What was done in each 10 ms of some clock. */
class Progress {
  elapsedMs = 0;
  #from: number | undefined;
  readonly #slots: number[] = [];

  add(now: number): void {
    this.#from ??= now;
    this.elapsedMs = now - this.#from;
    const slot = Math.floor(this.elapsedMs / SLOT_MS);
    while (this.#slots.length <= slot) this.#slots.push(0);
    this.#slots[slot]! += RECORDS_PER_LOOK;
  }

  mostLost(): number {
    const slots = this.#slots;
    const windows: number[] = [];
    // The last slot is not full.
    for (let end = WINDOW_SLOTS; end < slots.length; end++) {
      windows.push(slots.slice(end - WINDOW_SLOTS, end).reduce((sum, each) => sum + each, 0));
    }
    if (windows.length === 0) return -1;
    const usual = windows.toSorted((left, right) => left - right)[windows.length >> 1]!;
    return Math.max(0, SLOT_MS * WINDOW_SLOTS * (1 - Math.min(...windows) / usual));
  }
}
