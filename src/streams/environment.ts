/** Where a job begins: sources, and what is said about the job as a whole. */

import { Configuration, type ConfigValues } from '../base/config.ts';
import { type Duration, formatDuration } from '../base/duration.ts';
import { MillraceError } from '../base/errors.ts';
import { asyncIterableSource, type PositionedIterable } from '../connectors/async-iterable.ts';
import { collectionSource } from '../connectors/collection.ts';
import { sequenceSource } from '../connectors/sequence.ts';
import { type StreamGraph, StreamGraphBuilder } from '../graph/stream-graph.ts';
import type { Accumulator, AccumulatorFunction } from '../operators/accumulators.ts';
import { SourceReaderOperator, type SourceTime } from '../operators/source-operator.ts';
import type { ReplayableSource, Source } from '../operators/source.ts';
import type { WatermarkStrategy } from '../operators/watermark-strategy.ts';
import { OperatorStream } from './data-stream.ts';
import type { JobArguments } from './job-arguments.ts';
import type { JobExecutionResult } from './job-runner.ts';
import {
  type CannotGoBack,
  type DataOptions,
  type ExactlyOnceOption,
  type NotExactlyOnce,
  settingsOf,
  type SourceOptions,
} from './options.ts';

/** How checkpoints are taken. */
export interface CheckpointingOptions {
  /** Whether state counts each record once (barriers are aligned) or at least once. Default exactly once. */
  readonly mode?: 'exactly-once' | 'at-least-once';
  /** Barriers overtake records, which then become part of the checkpoint. */
  readonly unaligned?: boolean;
  /** A checkpoint that takes longer is aborted. */
  readonly timeout?: Duration;
  /** Least time from the end of a checkpoint to the beginning of the next. */
  readonly minPause?: Duration;
}

/**
 * The environment of one job: it makes the first streams, and takes what is said about all of the job.
 *
 * ```ts
 * export default job((env) => {
 *   env.setParallelism(2).enableCheckpointing('10 s');
 *   env.fromSequence(1, 100).map((number) => number * 2).print();
 * });
 * ```
 */
export class StreamExecutionEnvironment {
  /** The arguments of the job. */
  readonly args: JobArguments;
  readonly #graph = new StreamGraphBuilder();
  readonly #run: (describe: () => StreamGraph) => Promise<JobExecutionResult>;

  constructor(args: JobArguments, run: (describe: () => StreamGraph) => Promise<JobExecutionResult>) {
    this.args = args;
    this.#run = run;
  }

  /** Reads a source. */
  fromSource<T>(
    source: ReplayableSource<T>,
    options: SourceOptions<NoInfer<T>> & ExactlyOnceOption,
  ): OperatorStream<T>;
  fromSource<T>(
    source: Source<T>,
    options: SourceOptions<NoInfer<T>> & NotExactlyOnce<CannotGoBack>,
  ): OperatorStream<T>;
  fromSource<T>(source: Source<T>, options: SourceOptions<NoInfer<T>>): OperatorStream<T> {
    return this.#read(source, options, true);
  }

  /** The values of an array, in their order. Every thread builds it anew, so it must be the same everywhere. */
  fromData<T>(values: Iterable<T>, options: DataOptions<NoInfer<T>> = {}): OperatorStream<T> {
    return this.#read(collectionSource(values), options, false);
  }

  /** The whole numbers from `first` to `last`, shared among the subtasks. */
  fromSequence(first: number, last: number, options: DataOptions<number> = {}): OperatorStream<number> {
    return this.#read(sequenceSource(first, last), options, false);
  }

  /**
   * What an async iterable yields; `open` is called only in the subtask that reads. With `{ open }` that can continue
   * from a position nothing is lost after a failure; a plain function starts anew: at most once.
   */
  fromAsyncIterable<T>(
    open: () => AsyncIterable<T> | Promise<AsyncIterable<T>>,
    options?: DataOptions<NoInfer<T>> & { readonly bounded?: boolean },
  ): OperatorStream<T>;
  fromAsyncIterable<T, Position>(
    iterable: PositionedIterable<T, Position>,
    options: SourceOptions<NoInfer<T>> & ExactlyOnceOption,
  ): OperatorStream<T>;
  fromAsyncIterable<T>(
    given: (() => AsyncIterable<T> | Promise<AsyncIterable<T>>) | PositionedIterable<T, unknown>,
    options: DataOptions<T> & { readonly bounded?: boolean } = {},
  ): OperatorStream<T> {
    const { bounded = false } = options;
    if (typeof given === 'function')
      return this.#read(asyncIterableSource(given, { bounded }), options, false);
    return this.#read(asyncIterableSource(given), options, true);
  }

  /** Sets options of the job by their keys; what the command line, the environment or a file says comes before it. */
  configure(values: ConfigValues): this {
    // Names and values are checked here, where the stack shows the line that sets them.
    Configuration.defaults.withLayer('job', values);
    for (const [key, value] of Object.entries(values)) {
      if (value !== undefined) this.#graph.configure(key, value);
    }
    return this;
  }

  /** The parallelism of operators that do not set their own. */
  setParallelism(parallelism: number): this {
    return this.configure({ 'parallelism.default': parallelism });
  }

  /** The max parallelism of operators that do not set their own. */
  setMaxParallelism(maxParallelism: number): this {
    return this.configure({ 'pipeline.max-parallelism': maxParallelism });
  }

  /** Takes a checkpoint every `interval`. */
  enableCheckpointing(interval: Duration, options: CheckpointingOptions = {}): this {
    const { mode = 'exactly-once', unaligned, timeout, minPause } = options;
    return this.configure({
      'execution.checkpointing.interval': interval,
      'execution.checkpointing.mode': mode === 'exactly-once' ? 'EXACTLY_ONCE' : 'AT_LEAST_ONCE',
      'execution.checkpointing.unaligned.enabled': unaligned,
      'execution.checkpointing.timeout': timeout,
      'execution.checkpointing.min-pause': minPause,
    } as ConfigValues);
  }

  /**
   * Adds what functions can count into over all subtasks, told with the result of the job: {@link accumulators}, or an
   * aggregate function of yours that can merge. Throws `STREAM_INVALID` when the job has one of this name.
   */
  addAccumulator<In, Acc, Out>(
    name: string,
    aggregate: AccumulatorFunction<In, Acc, Out>,
  ): Accumulator<In, Out> {
    const accumulator = Object.freeze({ name, aggregate }) as unknown as Accumulator<In, Out>;
    if (this.#graph.addAccumulator(accumulator as unknown as Accumulator<never, unknown>)) return accumulator;
    throw new MillraceError('STREAM_INVALID', `the job has an accumulator "${name}" already`);
  }

  /**
   * Parameters that every function can read as `ctx.runtime.jobParameters`; the last call counts. Numbers and booleans
   * become texts.
   *
   * ```ts
   * export default job((env, args) => {
   *   env.setGlobalJobParameters({ greeting: args.string('greeting', 'hello') });
   *   env
   *     .fromData(['Ada'])
   *     .process({ process: (name, ctx) => [`${ctx.runtime.jobParameters.greeting}, ${name}`] })
   *     .print();
   * });
   * ```
   */
  setGlobalJobParameters(parameters: Readonly<Record<string, string | number | boolean>>): this {
    this.#graph.setJobParameters(
      Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, String(value)])),
    );
    return this;
  }

  /**
   * Registers a file that functions need beside their records; every subtask finds a copy of it at
   * `ctx.runtime.cachedFile(name)`, as it was when the run began. A relative path begins in the working directory of the run. The job fails at its start, with `CACHED_FILE_MISSING`,
   * when it is not there.
   */
  registerCachedFile(path: string, name: string): this {
    if (this.#graph.addCachedFile(name, path)) return this;
    throw new MillraceError('STREAM_INVALID', `the job has a cached file "${name}" already`);
  }

  /** Puts a queue between all operators: for finding out where time goes. */
  disableOperatorChaining(): this {
    return this.configure({ 'pipeline.operator-chaining.enabled': false });
  }

  /**
   * How long a record may wait for its batch to fill while its task is busy; 0 sends each record at once, -1 waits until
   * the batch is full. A task that has nothing to do sends what it has.
   */
  setBufferTimeout(timeout: Duration): this {
    if (timeout === -1) return this.configure({ 'execution.buffer-timeout.enabled': false });
    return this.configure({ 'execution.buffer-timeout.interval': timeout });
  }

  /**
   * Runs the job and resolves when it has finished; rejects with what made it fail, and with `JOB_ARGUMENT_UNKNOWN` when an
   * argument was given that nobody asked for. For scripts that began with {@link executionEnvironment}; in `job(…)` there
   * is nothing to call.
   */
  execute(name?: string): Promise<JobExecutionResult> {
    return this.#run(() => {
      if (name !== undefined) this.configure({ 'pipeline.name': name });
      this.args.refuseUnknown();
      return this.streamGraph();
    });
  }

  /** What was described so far. */
  streamGraph(): StreamGraph {
    return this.#graph.build();
  }

  #read<T>(source: Source<T>, options: DataOptions<T>, needsUid: boolean): OperatorStream<T> {
    const settings = settingsOf(options);
    const { watermarks } = options;
    const time: SourceTime<T> =
      watermarks === undefined ? { kind: 'none' } : { kind: 'event', strategy: watermarks };
    const node = this.#graph.add({
      kind: 'source',
      factory: () => new SourceReaderOperator(source, time),
      readerOf: (other) => new SourceReaderOperator(other as Source<T>, time),
      ...settings,
      name: settings.name ?? source.name,
      stateful: source.replayable,
      needsUid,
      parallelismLimit: source.parallelismMax,
      source: source as Source<unknown>,
      alignment: watermarks?.alignment,
      note: alignmentNote(watermarks),
      inputs: [],
    });
    return new OperatorStream(this.#graph, node, []);
  }
}

function alignmentNote(strategy: WatermarkStrategy<never> | undefined): string | undefined {
  const alignment = strategy?.alignment;
  if (alignment === undefined) return undefined;
  return `at most ${formatDuration(alignment.maxDriftMs)} ahead in group "${alignment.group}"`;
}
