// The workloads of the benchmark: what each does is in its job, what it is compared with in its limit.

/** One job and the hand-written loop beside it, both files of the name of the workload; or one of measures.ts. */
export interface Workload {
  readonly name: string;
  /** The share of the limit's speed that it should reach. */
  readonly target: number;
  /** Records of a run at least; more when that takes less than {@link RUN_MS}. */
  readonly records: number;
}

/** A measured run takes at least so long. */
export const RUN_MS = 5_000;
/** Measured runs of each side, by turns; what counts is the median. */
export const ROUNDS = 5;
/** The checkpoint interval of every workload; a run has at least {@link CHECKPOINTS_MIN} of them. */
export const CHECKPOINT_INTERVAL = '1 s';
export const CHECKPOINTS_MIN = 4;
/** Records of the short run, whose time is taken off a long one: threads start and the job is loaded in both. */
export const START_RECORDS = 100_000;

export const workloads: readonly Workload[] = [
  { name: 'stateless-chain', target: 0.5, records: 20_000_000 },
  { name: 'stateless-chain-batches', target: 0.35, records: 20_000_000 },
  { name: 'keyed-count-int', target: 0.8, records: 4_000_000 },
  { name: 'keyed-count-string', target: 0.8, records: 4_000_000 },
  { name: 'keyed-count-2-slots', target: 1, records: 4_000_000 },
  { name: 'exchange', target: 1, records: 10_000_000 },
  { name: 'window-count', target: 0.5, records: 4_000_000 },
  { name: 'tumbling-window', target: 0.5, records: 4_000_000 },
  // 4 h of event time. Beside its limit it has two others: half the speed of `tumbling-window`, and 50 times that of
  // limits/sliding-window-1h-1s-maps.ts; RESULTS.md compares them.
  { name: 'sliding-window-1h-1s', target: 0.25, records: 144_000_000 },
  { name: 'session-window', target: 0.4, records: 4_000_000 },
  { name: 'interval-join', target: 0.4, records: 4_000_000 },
  // 10,000 requests in flight.
  { name: 'async-io', target: 0.4, records: 2_000_000 },
  // All of them wait until the input ends; `node bench/timers.ts` says how many bytes each takes.
  { name: 'timers', target: 0.4, records: 10_000_000 },
  // Of these three measures.ts says what is measured, and against what.
  { name: 'checkpoint-overhead', target: 0.9, records: 4_000_000 },
  { name: 'latency', target: 1, records: 600_000 },
  { name: 'memory', target: 1, records: 1_000_000 },
];
