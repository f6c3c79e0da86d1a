/** What a user's function can reach of the job that it runs in, besides its records: Flink's RuntimeContext. */

import type { MetricGroup } from '../metrics/metric-group.ts';
import type { Accumulator, LocalAccumulator } from './accumulators.ts';

/** See {@link FunctionContext.runtime}. Its functions need no `this`. */
export interface RuntimeContext {
  /** The metrics of this operator in this subtask; they are read by `client.figures()`. */
  readonly metrics: MetricGroup;
  /** What `env.setGlobalJobParameters` was given. */
  readonly jobParameters: Readonly<Record<string, string>>;
  /** This subtask's part of an accumulator that `env.addAccumulator` made. */
  readonly accumulator: <In, Out>(accumulator: Accumulator<In, Out>) => LocalAccumulator<In, Out>;
  /**
   * Where a file that `env.registerCachedFile` registered lies on this machine: the absolute path of a copy that was made
   * when the run began, and is gone when it has ended. Read, never write it.
   */
  readonly cachedFile: (name: string) => string;
  /**
   * Where the record that is being processed is in its source, as the source says it for people: `auth.log:4`, `record 17 of
   * split 2`. Only in a function that is chained with the source, before the first exchange (`keyBy`, `rebalance`, …): records
   * do not carry it. `undefined` behind one, for sources that say nothing, and outside of a record. What has to be known
   * further on is put into the record here:
   *
   * ```ts
   * const placed = lines.map((line, { runtime }) => ({ line, place: runtime.sourcePosition() }));
   * ```
   */
  readonly sourcePosition: () => string | undefined;
}
