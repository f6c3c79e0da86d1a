// The sink of every benchmark: adds up a number of each record, and leaves the sum and its times in a file at the end.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Sink } from 'millrace';

/** What one subtask of the sink leaves behind. */
export interface SinkReport {
  readonly records: number;
  readonly checksum: number;
}

/** Writes `<folder>/<subtask>.json` when it is closed. */
export function checksumSink<T>(folder: string, numberOf: (value: T) => number): Sink<T> {
  return {
    name: 'checksum',
    guarantee: 'at-least-once',
    createWriter({ info }) {
      let records = 0;
      let checksum = 0;
      return {
        write(value: T) {
          records++;
          checksum += numberOf(value);
        },
        prepareCommit: () => Promise.resolve([]),
        close() {
          const report: SinkReport = { records, checksum };
          writeFileSync(`${folder}/${info.subtask}.json`, JSON.stringify(report));
        },
      };
    },
  };
}

/** What all subtasks left behind in a folder. */
export function sinkTotals(folder: string): SinkReport {
  const reports = readdirSync(folder).map(
    (file) => JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')) as SinkReport,
  );
  return {
    records: reports.reduce((sum, each) => sum + each.records, 0),
    checksum: reports.reduce((sum, each) => sum + each.checksum, 0),
  };
}
