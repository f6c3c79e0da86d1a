// A sink that measures how much later than due records come, by a histogram of 10 µs.
import { writeFileSync } from 'node:fs';
import type { Sink } from 'millrace';
import type { SinkReport } from './checksum-sink.ts';
import { preciseNow, type Tick } from './metronome.ts';

/** What one subtask leaves behind; ms. */
export interface LatencyReport extends SinkReport {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

const STEP_MS = 0.01;
const STEPS = 500_000;
/** Records before it begins to look: code is compiled first. */
const WARM_UP = 10_000;

/** Writes `<folder>/<subtask>.json` when it is closed. */
export function latencySink(folder: string): Sink<Tick> {
  return {
    name: 'latency',
    guarantee: 'at-least-once',
    createWriter({ info }) {
      const histogram = new Int32Array(STEPS);
      let records = 0;
      let checksum = 0;
      let max = 0;
      return {
        write({ key, dueAt }) {
          records++;
          checksum += key;
          if (records <= WARM_UP) return;
          const late = preciseNow() - dueAt;
          if (late > max) max = late;
          histogram[Math.min(STEPS - 1, Math.max(0, Math.floor(late / STEP_MS)))]!++;
        },
        prepareCommit: () => Promise.resolve([]),
        close() {
          const [p50, p99, p999] = [0.5, 0.99, 0.999].map((share) => quantile(histogram, share));
          const report: LatencyReport = { records, checksum, p50: p50!, p99: p99!, p999: p999!, max };
          writeFileSync(`${folder}/${info.subtask}.json`, JSON.stringify(report));
        },
      };
    },
  };
}

function quantile(histogram: Int32Array, share: number): number {
  const total = histogram.reduce((sum, each) => sum + each, 0);
  let seen = 0;
  const step = histogram.findIndex((each) => {
    seen += each;
    return seen >= total * share;
  });
  return (step + 1) * STEP_MS;
}
