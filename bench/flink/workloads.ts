// What Millrace and Apache Flink both run. Each name stands in FlinkSide.java too, for the job that does the same there.

/** One job on both sides. */
export interface FlinkWorkload {
  readonly name: string;
  /** The Millrace side. */
  readonly job: URL;
  /** Lines of a generated log instead of records that the job makes up; the results are files. */
  readonly isOfFiles: boolean;
  /** A measured run takes the faster side at least so long. */
  readonly runMs: number;
  /** Records of the first run, from which those of a measured run are worked out. */
  readonly records: number;
}

/** The factor that each workload should reach. */
export const RATIO_GOAL = 3;
/** Records of a measured run are a multiple, so that two slots share them. */
export const RECORDS_STEP = 500_000;

const made = (name: string, records: number): FlinkWorkload => ({
  name,
  job: new URL(`../jobs/${name}.ts`, import.meta.url),
  isOfFiles: false,
  runMs: 5_000,
  records,
});

/** Another one: a job in `bench/jobs` with the argument `parallelism`, its twin in Java, and a line here. */
export const flinkWorkloads: readonly FlinkWorkload[] = [
  {
    name: 'abnormal-logins',
    job: new URL('../../examples/abnormal-logins.ts', import.meta.url),
    isOfFiles: true,
    runMs: 30_000,
    records: 1_000_000,
  },
  made('keyed-count-string', 2_000_000),
  made('window-count', 2_000_000),
  made('tumbling-window', 2_000_000),
  made('session-window', 2_000_000),
];

/** Records that take the faster side about half as long again as a run must take. */
export function recordsFor({ records, runMs }: FlinkWorkload, fasterMs: number): number {
  const needed = (records * runMs * 1.5) / fasterMs;
  return Math.max(records, Math.ceil(needed / RECORDS_STEP) * RECORDS_STEP);
}
