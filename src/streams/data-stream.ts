/**
 * The fluent interface: streams, and what can be done with them.
 *
 * A stream is an immutable handle: each call adds an operator to the graph of the job and returns a new stream, so a
 * stream can be read any number of times. Nothing runs here. The classes make each other and live in one file
 * because files must not import each other in a circle; the file is long because the interface is wide.
 */

import { type Duration, parseDuration } from '../base/duration.ts';
import { checkKey, compareKeys } from '../base/key.ts';
import type { Key } from '../base/key-groups.ts';
import { MillraceError } from '../base/errors.ts';
import { didYouMean } from '../base/suggest.ts';
import type { StandardSchema } from '../codecs/standard-schema.ts';
import { shapeOfSchema } from '../codecs/schema-shape.ts';
import { validatorOf } from '../codecs/validator.ts';
import { printSink } from '../connectors/print.ts';
import type { PoisonPolicy } from '../graph/job-graph.ts';
import type { CustomPartitioner, KeySelector, NodeSettings, Origin, SideType } from '../graph/nodes.ts';
import type { NewInput, NewNode, StreamGraphBuilder } from '../graph/stream-graph.ts';
import { type AsyncFunction, type AsyncResultOf, AsyncWaitOperator } from '../operators/async-wait.ts';
import { BroadcastProcessOperator, KeyedBroadcastProcessOperator } from '../operators/broadcast-process.ts';
import { CoFlatMapOperator } from '../operators/co-flat-map.ts';
import { CoMapOperator } from '../operators/co-map.ts';
import { CoProcessOperator, KeyedCoProcessOperator } from '../operators/co-process.ts';
import type { DeadLetter } from '../operators/dead-letter.ts';
import { FilterOperator } from '../operators/filter.ts';
import { FlatMapOperator } from '../operators/flat-map.ts';
import {
  aggregatedPartition,
  allOfPartition,
  FullPartitionOperator,
  type PartitionFold,
  reducedPartition,
} from '../operators/full-partition.ts';
import { keepsOperatorState } from '../operators/function-operator.ts';
import { type Interval, IntervalJoinOperator } from '../operators/interval-join.ts';
import { MapOperator } from '../operators/map.ts';
import { DEAD_LETTER_TAG } from '../operators/operator.ts';
import type { PlainFunction } from '../operators/plain-function.ts';
import { KeyedProcessOperator, ProcessOperator } from '../operators/process.ts';
import type { KeyedProcessFunction, ProcessFunction } from '../operators/process.ts';
import type {
  FunctionContext,
  Nothing,
  OutputDeclaration,
  SideOutputs,
  StateDeclaration,
} from '../operators/process-context.ts';
import { type ReduceFunction, ReduceOperator } from '../operators/reduce.ts';
import type { ResultOf, Results } from '../operators/results.ts';
import { type FieldOf, maxByOf, maxOf, minByOf, minOf, type Ordered, sumOf } from '../operators/rolling.ts';
import { SinkWriterOperator } from '../operators/sink-operator.ts';
import type { ExactlyOnceSink, Sink } from '../operators/sink.ts';
import { TimestampsAndWatermarksOperator } from '../operators/timestamps-and-watermarks.ts';
import type { WatermarkStrategy } from '../operators/watermark-strategy.ts';
import { endOfStreamWindow, globalWindow, type WindowAssigner } from '../operators/window/assigners.ts';
import { type Evictor, evictors } from '../operators/window/evictors.ts';
import type { Trigger } from '../operators/window/trigger.ts';
import type { AnyTriggerOf } from '../operators/window/trigger-runner.ts';
import { triggers } from '../operators/window/triggers.ts';
import type { WindowFold } from '../operators/window/window-contents.ts';
import type { AnyWindowFunction } from '../operators/window/window-function.ts';
import type { ApplyJoin, TaggedUnion } from '../operators/window/window-join.ts';
import type { BroadcastDeclaration } from '../state/broadcast-state.ts';
import type { AggregateFunction } from '../state/descriptors.ts';
import type {
  BroadcastProcess,
  CoFlatMap,
  CoMap,
  CoProcess,
  KeyedBroadcastProcess,
  KeyedCoProcess,
  KeysLike,
  KeysThatMeet,
  ProcessJoin,
  SignedDuration,
} from './connected-functions.ts';
import { signedDurationMs } from './connected-functions.ts';
import type {
  ExactlyOnceOption,
  ExtremeOptions,
  NotExactlyOnce,
  OperatorOptions,
  ShowsAtOnce,
  SinkOptions,
  StatefulOptions,
} from './options.ts';
import { checkedGroup, settingsOf } from './options.ts';
import {
  type LateOutput,
  type WindowAggregate,
  type WindowFunction,
  type WindowJoin,
  windowJoinNode,
  windowNode,
  type WindowProcess,
  type WindowSettings,
  windowTags,
  withLateness,
} from './windowed-stream.ts';

/** What `map` makes of a function that gives back a promise: a type that says why nothing can be done with it. */
export type Immediate<R> =
  R extends PromiseLike<unknown>
    ? 'the function gives back a promise: use orderedWait() or unorderedWait()'
    : R;

/** The side output that a policy adds. */
export type DeadLetters<E, T> = E extends 'dead-letter'
  ? { readonly [DEAD_LETTER_TAG]: DeadLetter<T> }
  : Nothing;

/** A process function without a key, with the options of its operator. */
export type Process<T, O, L, R extends Results, E extends PoisonPolicy> = ProcessFunction<T, O, L, R> &
  OperatorOptions<E> & {
    readonly state?: 'keyed state needs keyBy() first';
    readonly onTimer?: 'timers need keyBy() first';
  };

/** A process function behind `keyBy`, with the options of its operator. */
export type KeyedProcess<
  T,
  K,
  S,
  O,
  L,
  R extends Results,
  Fired extends Results,
  E extends PoisonPolicy,
> = KeyedProcessFunction<T, K, S, O, L, R, Fired> & StatefulOptions<E>;

/** A function that answers with a promise, with the options of its operator. */
export type AsyncWait<T, R, F, L, E extends PoisonPolicy> = AsyncFunction<T, R, F, L> & StatefulOptions<E>;

/**
 * A stream of records of type `T`.
 *
 * ```ts
 * export default job((env) => {
 *   env
 *     .fromData(['to be', 'or not to be'])
 *     .flatMap((line) => line.split(' '))
 *     .filter((word) => word.length > 2)
 *     .map((word) => word.toUpperCase())
 *     .print();
 * });
 * ```
 */
export class DataStream<T> {
  /** For the fluent interface itself. */
  protected readonly job: StreamGraphBuilder;
  protected readonly origins: readonly Origin[];
  readonly #keySelector: KeySelector | undefined;

  /** Streams are made by an environment and by other streams. */
  constructor(job: StreamGraphBuilder, origins: readonly Origin[], keySelector?: KeySelector) {
    this.job = job;
    this.origins = origins;
    this.#keySelector = keySelector;
  }

  /**
   * Makes one record of each. A second parameter of the function is its context: what it reaches of its job.
   *
   * ```ts
   * export default job((env) => {
   *   env.fromData(['Ada']).map((name, { runtime }) => `${runtime.jobParameters.greeting} ${name}`).print();
   *   env.setGlobalJobParameters({ greeting: 'hello' });
   * });
   * ```
   */
  map<R, E extends PoisonPolicy = 'fail'>(
    map: PlainFunction<T, R>,
    options?: OperatorOptions<E>,
  ): OperatorStream<Immediate<R>, DeadLetters<E, T>> {
    return this.#then('map', 'Map', () => new MapOperator(map), options);
  }

  /**
   * Makes any number of records of each: those of the array or other iterable that the function returns, or none.
   * A generator is pulled as the receivers have room. A returned array must not be changed afterwards. A second parameter
   * of the function is its context, as for {@link map}.
   */
  flatMap<R extends Results, E extends PoisonPolicy = 'fail'>(
    flatMap: PlainFunction<T, R>,
    options?: OperatorOptions<E>,
  ): OperatorStream<ResultOf<R>, DeadLetters<E, T>> {
    return this.#then('flat-map', 'Flat Map', () => new FlatMapOperator(flatMap), options);
  }

  /**
   * Keeps the records for which the predicate is true; a type predicate narrows the type of the stream. A second parameter
   * of the predicate is its context, as for {@link map}.
   */
  filter<Narrow extends T, E extends PoisonPolicy = 'fail'>(
    predicate: (value: T, ctx: FunctionContext<undefined>) => value is Narrow,
    options?: OperatorOptions<E>,
  ): OperatorStream<Narrow, DeadLetters<E, T>>;
  filter<E extends PoisonPolicy = 'fail'>(
    predicate: PlainFunction<T, boolean>,
    options?: OperatorOptions<E>,
  ): OperatorStream<T, DeadLetters<E, T>>;
  filter<E extends PoisonPolicy>(
    predicate: PlainFunction<T, boolean>,
    options?: OperatorOptions<E>,
  ): OperatorStream<T, DeadLetters<E, T>> {
    return this.#then('filter', 'Filter', () => new FilterOperator(predicate), options);
  }

  /**
   * Lets through the records that a schema (`t`, or of any library that is a Standard Schema) takes, as it gives them
   * back. Best directly behind the source, once. A record that it refuses is `RECORD_INVALID` with its place in the
   * input, and goes the way of `onError`: the job fails, the record is skipped, or becomes a dead letter.
   *
   * ```ts
   * const Login = t.object({ user: t.string, at: t.int64 });
   * export default job((env) => {
   *   env
   *     .fromData<unknown>([{ user: 'ada', at: 1 }, { user: 'bob' }])
   *     .validate(Login, { onError: 'skip' })
   *     .map((login) => login.user)
   *     .print();
   * });
   * ```
   */
  validate<Out, E extends PoisonPolicy = 'fail'>(
    schema: StandardSchema<unknown, Out>,
    options?: OperatorOptions<E>,
  ): OperatorStream<Out, DeadLetters<E, T>> {
    const validated = this.#then<Out, DeadLetters<E, T>>(
      'validate',
      'Validate',
      () => new MapOperator(validatorOf(schema)),
      options,
    );
    return validated.returns(schema);
  }

  /** Runs a function with side outputs and clocks. For state and timers call `keyBy()` first. */
  process<
    R extends Results,
    O extends OutputDeclaration = Nothing,
    L = undefined,
    E extends PoisonPolicy = 'fail',
  >(definition: Process<T, O, L, R, E>): OperatorStream<ResultOf<R>, SideOutputs<O> & DeadLetters<E, T>> {
    if (definition.state !== undefined || definition.onTimer !== undefined) throw needsKey(definition);
    const tags = tagsOf(definition.outputs);
    const node = {
      kind: 'process',
      name: 'Process',
      factory: () => new ProcessOperator(definition),
      ...operatorStateOf(definition),
      inputs: [this.#input()],
    };
    return addOperator(this.job, node, definition, tags);
  }

  /**
   * Asks something outside (a database, a service) for each record, up to `capacity` at a time; the results keep the
   * order of their records. What is under way is part of each checkpoint and asked for again after a restore.
   */
  orderedWait<R, F = never, L = undefined, E extends PoisonPolicy = 'fail'>(
    definition: AsyncWait<T, R, F, L, E>,
  ): OperatorStream<AsyncResultOf<R> | AsyncResultOf<F>, DeadLetters<E, T>> {
    return this.#wait('ordered', definition);
  }

  /** As `orderedWait`, but a result goes on as soon as it is there; it still overtakes no watermark. */
  unorderedWait<R, F = never, L = undefined, E extends PoisonPolicy = 'fail'>(
    definition: AsyncWait<T, R, F, L, E>,
  ): OperatorStream<AsyncResultOf<R> | AsyncResultOf<F>, DeadLetters<E, T>> {
    return this.#wait('unordered', definition);
  }

  #wait<R, F, L, E extends PoisonPolicy, O>(
    mode: 'ordered' | 'unordered',
    definition: AsyncWait<T, R, F, L, E>,
  ): OperatorStream<AsyncResultOf<R> | AsyncResultOf<F>, O> {
    const options = { mode, onError: definition.onError ?? 'fail' } as const;
    const factory = (): AsyncWaitOperator<T, R, F, L> => new AsyncWaitOperator(definition, options);
    factory(); // Wrong settings are found where they are written.
    const node = {
      kind: 'async-wait',
      name: mode === 'ordered' ? 'Ordered Wait' : 'Unordered Wait',
      factory,
      // Records are taken one by one from a queue in front of it: only so nothing is read while it is full.
      chaining: 'head',
      stateful: true,
      needsUid: true,
      inputs: [this.#input()],
    } as const;
    return addOperator(this.job, node, definition, []);
  }

  /** Sends records with the same key to the same subtask. The key comes from a function or is a field of the record. */
  keyBy<const K extends Key>(key: (value: T) => K): KeyedStream<T, K>;
  keyBy<const F extends FieldOf<T, Key>>(field: F): KeyedStream<T, T[F]>;
  keyBy<K>(key: ((value: T) => K) | string): KeyedStream<T, K> {
    return new KeyedStream(this.job, this.#partitioned('key-group'), selectorOf(key));
  }

  /**
   * Takes each record for one that is in the subtask of its key already, and keys the stream without sending anything:
   * right behind keyed operators whose results have the key of their records. What `keyBy` would send elsewhere fails
   * the job with `KEY_GROUP_OUT_OF_RANGE` when it is processed.
   *
   * ```ts
   * export default job((env) => {
   *   env
   *     .fromData(['ada', 'bob', 'ada'])
   *     .keyBy((user) => user)
   *     .process({ uid: 'greet', process: (user) => [{ user, text: `hello, ${user}` }] })
   *     .reinterpretAsKeyedStream((greeting) => greeting.user)
   *     .reduce((_, last) => last, { uid: 'last' })
   *     .print();
   * });
   * ```
   */
  reinterpretAsKeyedStream<const K extends Key>(key: (value: T) => K): KeyedStream<T, K>;
  reinterpretAsKeyedStream<const F extends FieldOf<T, Key>>(field: F): KeyedStream<T, T[F]>;
  reinterpretAsKeyedStream<K>(key: ((value: T) => K) | string): KeyedStream<T, K> {
    return new KeyedStream(this.job, this.#partitioned('forward'), selectorOf(key));
  }

  /** One stream of the records of several, in no particular order between them. A stream may be united with itself. */
  union<U = T>(...others: readonly DataStream<U>[]): DataStream<T | U> {
    for (const other of others) checkOneJob('union()', this.job, other.job);
    return new DataStream(this.job, [...this.origins, ...others.flatMap(({ origins }) => origins)]);
  }

  /**
   * Reads two streams with one operator, which has a function for each. Each stream keeps its type; in which order
   * their records come is not specified. For state and timers connect two keyed streams.
   */
  connect<U>(other: DataStream<U>): ConnectedStreams<T, U>;
  /** Reads a broadcast stream beside this one: its records reach every subtask, and so does what they say. */
  connect<U, D extends BroadcastDeclaration>(other: BroadcastStream<U, D>): BroadcastConnectedStream<T, U, D>;
  connect<U, D extends BroadcastDeclaration>(
    other: DataStream<U> | BroadcastStream<U, D>,
  ): ConnectedStreams<T, U> | BroadcastConnectedStream<T, U, D> {
    if (other instanceof BroadcastStream) {
      checkOneJob('connect()', this.job, other.job);
      return new BroadcastConnectedStream(this.job, this.#input(), other);
    }
    if (!(other instanceof DataStream)) throw connectsKeyed('a stream without a key', 'a keyed one');
    checkOneJob('connect()', this.job, other.job);
    return new ConnectedStreams(this.job, [this.#input(), other.#input()]);
  }

  /**
   * Pairs each record with the records of another stream that have the same key and are in the same window:
   * `orders.join(refunds).where('id').equalTo('order').window(tumbling('1 h')).apply(…)`.
   */
  join<U>(other: DataStream<U>): JoinedStreams<T, U, T, U> {
    return this.#joined('join', other);
  }

  /** As `join`, but the function gets all records of both sides at once, and also those without a partner. */
  coGroup<U>(other: DataStream<U>): JoinedStreams<T, U, readonly T[], readonly U[]> {
    return this.#joined('co-group', other);
  }

  #joined<U, Left, Right>(join: WindowJoin, other: DataStream<U>): JoinedStreams<T, U, Left, Right> {
    checkOneJob(`${join === 'join' ? 'join' : 'coGroup'}()`, this.job, other.job);
    const inputOf = (stream: DataStream<never>) => (keySelector: KeySelector) => ({
      origins: stream.#partitioned('key-group'),
      keySelector,
    });
    return new JoinedStreams(this.job, join, [inputOf(this as never), inputOf(other as never)]);
  }

  #input(): NewInput {
    return { origins: this.origins, keySelector: this.#keySelector };
  }

  /**
   * Gives the records their timestamps and makes watermarks. What a source or an earlier strategy said about time
   * no longer counts.
   */
  assignTimestampsAndWatermarks<E extends PoisonPolicy = 'fail'>(
    strategy: WatermarkStrategy<T>,
    options?: OperatorOptions<E>,
  ): OperatorStream<T, DeadLetters<E, T>> {
    if (strategy.alignment !== undefined) throw cannotWait(strategy.alignment.group);
    return this.#then(
      'timestamps-and-watermarks',
      'Timestamps/Watermarks',
      () => new TimestampsAndWatermarksOperator(strategy),
      options,
    );
  }

  /** Cuts all records into windows, in one subtask. The key of such a window is `'all'`. */
  windowAll(assigner: WindowAssigner<T>): WindowedStream<T, 'all'> {
    const input = { origins: this.#partitioned('key-group'), keySelector: () => 'all' };
    return new WindowedStream(this.job, input, { assigner, isGlobal: true });
  }

  /**
   * All records of each subtask at once, at the end of a bounded input: what sorts, or looks at all of its part of the
   * stream. They are kept in memory and in each checkpoint; at another parallelism they are dealt anew.
   *
   * ```ts
   * export default job((env) => {
   *   env
   *     .fromData([5, 3, 9, 1], { parallelism: 1 })
   *     .fullWindowPartition()
   *     .sortPartition((number) => number, { uid: 'sorted' })
   *     .print(); // 1, 3, 5, 9
   * });
   * ```
   */
  fullWindowPartition(): PartitionWindowedStream<T> {
    const input = { origins: this.origins };
    return new PartitionWindowedStream((fold, options) => {
      const node = {
        kind: 'full-partition',
        name: 'Full Partition',
        factory: () => new FullPartitionOperator(fold),
        stateful: true,
        needsUid: true,
        inputs: [input],
      };
      return addOperator(this.job, node, options, []);
    });
  }

  /** Windows of `size` records, in one subtask; with `slide`, the last `size` records at each `slide`-th. */
  countWindowAll(size: number, slide?: number): WindowedStream<T, 'all'> {
    return counted(this.windowAll(globalWindow()), size, slide);
  }

  /** Sends each record to the next subtask in turn: what skewed sources need. */
  rebalance(): DataStream<T> {
    return new DataStream(this.job, this.#partitioned('rebalance'));
  }

  /** As `rebalance`, but each subtask only serves its share of the receivers, without crossing all with all. */
  rescale(): DataStream<T> {
    return new DataStream(this.job, this.#partitioned('rescale'));
  }

  /** Sends each record to a subtask at random. */
  shuffle(): DataStream<T> {
    return new DataStream(this.job, this.#partitioned('shuffle'));
  }

  /** Sends each record to every subtask. */
  broadcast(): DataStream<T>;
  /**
   * Sends each record to every subtask of the operator that another stream is connected with it by, where it can be
   * kept in the declared maps: `rules.broadcast({ rules: state.map<string, Rule>() })`.
   */
  broadcast<D extends BroadcastDeclaration>(declaration: D): BroadcastStream<T, D>;
  broadcast(declaration?: BroadcastDeclaration): DataStream<T> | BroadcastStream<T, BroadcastDeclaration> {
    const origins = this.#partitioned('broadcast');
    if (declaration === undefined) return new DataStream(this.job, origins);
    return new BroadcastStream(this.job, origins, declaration);
  }

  /** Sends all records to the first subtask. */
  global(): DataStream<T> {
    return new DataStream(this.job, this.#partitioned('global'));
  }

  /** Keeps each record in its subtask; refused when the next operator has another parallelism. */
  forward(): DataStream<T> {
    return new DataStream(this.job, this.#partitioned('forward'));
  }

  /** Sends each record to the subtask (0 to `subtasks - 1`) that `partition` chooses for its key. */
  partitionCustom<K>(key: (value: T) => K, partition: (key: K, subtasks: number) => number): DataStream<T> {
    const custom: CustomPartitioner = (value, subtasks) => partition(key(value as T), subtasks);
    return new DataStream(this.job, this.#partitioned('custom', custom));
  }

  /** Writes the records to a sink. */
  sinkTo(sink: ExactlyOnceSink<T>, options: SinkOptions & ExactlyOnceOption): DataStreamSink;
  sinkTo(sink: Sink<T>, options: SinkOptions & NotExactlyOnce<ShowsAtOnce>): DataStreamSink;
  sinkTo(sink: Sink<T>, options: SinkOptions & { readonly exactlyOnce?: unknown }): DataStreamSink {
    return this.#writeTo(sink, settingsOf(options), sink.guarantee === 'exactly-once');
  }

  /** Prints the records in the terminal of the process that runs the job, each line after `prefix`. */
  print(prefix?: string, options?: OperatorOptions<'fail'>): DataStreamSink {
    const sink = printSink<T>(prefix === undefined ? {} : { prefix });
    return this.#writeTo(sink, settingsOf(options), false);
  }

  #writeTo(sink: Sink<T>, settings: Partial<NodeSettings>, stateful: boolean): DataStreamSink {
    const node = this.job.add({
      kind: 'sink',
      factory: () => new SinkWriterOperator(sink),
      ...settings,
      name: settings.name ?? sink.name,
      stateful,
      needsUid: stateful,
      sink: sink as Sink<unknown>,
      inputs: [this.#input()],
    });
    return new DataStreamSink(this.job, node);
  }

  #then<Out, O>(
    kind: string,
    name: string,
    factory: NewNode['factory'],
    options: OperatorOptions | undefined,
    tags: readonly string[] = [],
  ): OperatorStream<Out, O> {
    return addOperator(this.job, { kind, name, factory, inputs: [this.#input()] }, options, tags);
  }

  #partitioned(
    partitioner: NonNullable<Origin['partitioner']>,
    customPartitioner?: CustomPartitioner,
  ): readonly Origin[] {
    return this.origins.map((origin) => ({ ...origin, partitioner, customPartitioner }));
  }
}

/**
 * The main output of an operator, and the operator itself: its name, its numbers and its side outputs.
 *
 * ```ts
 * export default job((env) => {
 *   const numbers = env.fromSequence(1, 100);
 *   numbers
 *     .map((number) => number * number)
 *     .name('square')
 *     .setParallelism(2)
 *     .print();
 * });
 * ```
 */
export class OperatorStream<T, O = Nothing> extends DataStream<T> {
  readonly #node: number;
  readonly #tags: readonly string[];

  constructor(job: StreamGraphBuilder, node: number, tags: readonly string[]) {
    super(job, [{ node, tag: undefined, partitioner: undefined, customPartitioner: undefined }]);
    this.#node = node;
    this.#tags = tags;
  }

  /** The records that the operator sent to one of its declared side outputs. */
  sideOutput<Tag extends keyof O & string>(tag: Tag): DataStream<O[Tag]> {
    if (!this.#tags.includes(tag)) throw unknownOutput(tag, this.#tags);
    const origin = { node: this.#node, tag, partitioner: undefined, customPartitioner: undefined };
    return new DataStream(this.job, [origin]);
  }

  /**
   * Declares the type of the records: between threads they then go as columns and not by the generic serializer, which
   * takes about three times as long (`bench/codecs.ts`). Nothing is checked and nothing is lost: a batch with a record that is not
   * exactly so (a field more, another order of fields, an instance of a class) goes by the generic serializer.
   *
   * A schema of a library helps if it tells its type (`~standard.jsonSchema`). `validate`, `filter` and
   * `assignTimestampsAndWatermarks` need no declaration behind a stream that has one.
   *
   * ```ts
   * const Visit = t.object({ user: t.string, page: t.string });
   * export default job((env) => {
   *   env
   *     .fromData(['ada /', 'bob /docs'])
   *     .map((line) => ({ user: line.split(' ')[0]!, page: line.split(' ')[1]! }))
   *     .returns(Visit)
   *     .keyBy('user')
   *     .max('page', { uid: 'last-page' })
   *     .print();
   * });
   * ```
   */
  returns(schema: StandardSchema<unknown, T>): this {
    return this.#set({ outputType: shapeOfSchema(schema) });
  }

  /** Names the operator in plans, logs and metrics. This and the following calls change the operator itself. */
  name(name: string): this {
    return this.#set({ name });
  }

  /** By the uid the operator's state is found again; it stays when the job changes. Unique in the job. */
  uid(uid: string): this {
    return this.#set({ uid });
  }

  /** The number of subtasks, whatever the configuration says. */
  setParallelism(parallelism: number): this {
    return this.#set({ parallelism });
  }

  /** The number of key groups: the upper bound of the parallelism at every later restore. */
  setMaxParallelism(maxParallelism: number): this {
    return this.#set({ maxParallelism });
  }

  /** One subtask, whatever is said elsewhere: another parallelism is refused. */
  forceNonParallel(): this {
    return this.#set({ nonParallel: true });
  }

  /** Says in the plan what the operator is for; its name stays as it is. */
  setDescription(description: string): this {
    return this.#set({ description });
  }

  /**
   * How long a result of the operator may wait for its batch to fill while its task is busy, when it crosses to another
   * task: 0 sends each at once, -1 waits until the batch is full. A task that has nothing to do sends what it has.
   * Default: as the job says.
   */
  setBufferTimeout(timeout: Duration): this {
    return this.#set({ bufferTimeoutMs: timeout === -1 ? -1 : parseDuration(timeout, 'setBufferTimeout()') });
  }

  /**
   * Puts the operator, and those behind it that name no other, into a group that shares slots: they run in threads of
   * their own, as many as the widest of them has subtasks.
   */
  slotSharingGroup(name: string): this {
    return this.#set({ slotSharingGroup: checkedGroup(name) });
  }

  /** Puts a queue in front of the operator; those behind it may still share its chain. */
  startNewChain(): this {
    return this.#set({ chaining: 'head' });
  }

  /** Puts a queue in front of the operator and behind it. */
  disableChaining(): this {
    return this.#set({ chaining: 'never' });
  }

  #set(settings: Partial<NodeSettings>): this {
    this.job.set(this.#node, settings);
    return this;
  }
}

/**
 * A stream whose records with the same key meet in the same subtask, where state and timers belong to the key.
 *
 * ```ts
 * export default job((env) => {
 *   env
 *     .fromData([{ user: 'ada' }, { user: 'bob' }, { user: 'ada' }])
 *     .keyBy((event) => event.user)
 *     .process({
 *       uid: 'count',
 *       state: { seen: state.value(0) },
 *       process(event, ctx) {
 *         const seen = ctx.state.seen.value() + 1;
 *         ctx.state.seen.update(seen);
 *         return [`${event.user} ${seen}`];
 *       },
 *     })
 *     .print();
 * });
 * ```
 */
export class KeyedStream<T, K> {
  readonly #job: StreamGraphBuilder;
  readonly #origins: readonly Origin[];
  readonly #keySelector: KeySelector;

  constructor(job: StreamGraphBuilder, origins: readonly Origin[], keySelector: KeySelector) {
    this.#job = job;
    this.#origins = origins;
    this.#keySelector = keySelector;
  }

  /**
   * Runs a function with state and timers of the key of each record. What `process` and `onTimer` return (an array,
   * another iterable such as a generator, or nothing) is the resulting stream.
   */
  process<
    R extends Results,
    Fired extends Results = never,
    S extends StateDeclaration = Nothing,
    O extends OutputDeclaration = Nothing,
    L = undefined,
    E extends PoisonPolicy = 'fail',
  >(
    definition: KeyedProcess<T, K, S, O, L, R, Fired, E>,
  ): OperatorStream<ResultOf<R> | ResultOf<Fired>, SideOutputs<O> & DeadLetters<E, T>> {
    const tags = tagsOf(definition.outputs);
    return this.#then(
      'keyed-process',
      'Process',
      () => new KeyedProcessOperator(definition),
      definition,
      tags,
    );
  }

  /**
   * Reads two streams with one operator, which has a function for each and shares the state and the timers of a key
   * between them. Both must have the same type of key. In which order their records come is not specified.
   */
  connect<U, K2>(other: KeyedStream<U, K2> & KeysThatMeet<K, K2>): KeyedConnectedStreams<T, U, K | K2>;
  /** Reads a broadcast stream beside this one: its records reach every subtask, and so does what they say. */
  connect<U, D extends BroadcastDeclaration>(
    other: BroadcastStream<U, D>,
  ): KeyedBroadcastConnectedStream<T, U, K, D>;
  connect<U, K2, D extends BroadcastDeclaration>(
    other: KeyedStream<U, K2> | BroadcastStream<U, D>,
  ): KeyedConnectedStreams<T, U, K | K2> | KeyedBroadcastConnectedStream<T, U, K, D> {
    if (other instanceof BroadcastStream) {
      checkOneJob('connect()', this.#job, other.job);
      return new KeyedBroadcastConnectedStream(this.#job, this.#input(), other);
    }
    if (!(other instanceof KeyedStream)) throw connectsKeyed('a keyed stream', 'one without a key');
    checkOneJob('connect()', this.#job, other.#job);
    return new KeyedConnectedStreams(this.#job, [this.#input(), other.#input()]);
  }

  /**
   * Pairs records of two keyed streams whose key is the same and whose times are not too far apart:
   * `orders.intervalJoin(payments).between(0, '10 min')` pairs an order with the payments of the next ten minutes.
   */
  intervalJoin<U, K2>(other: KeyedStream<U, K2> & KeysThatMeet<K, K2>): IntervalJoin<T, U> {
    if (!(other instanceof KeyedStream)) throw joinsUnkeyed();
    checkOneJob('intervalJoin()', this.#job, other.#job);
    return new IntervalJoin(this.#job, [this.#input(), other.#input()], 'event');
  }

  #input(): NewInput {
    return { origins: this.#origins, keySelector: this.#keySelector };
  }

  /** Cuts the records of each key into windows: `tumbling`, `sliding`, `session`, `globalWindow`, or your own. */
  window(assigner: WindowAssigner<T>): WindowedStream<T, K> {
    const input = { origins: this.#origins, keySelector: this.#keySelector };
    return new WindowedStream(this.#job, input, { assigner, isGlobal: false });
  }

  /** All records of each key at once, at the end of a bounded input; the same as a window of `endOfStreamWindow()`. */
  fullWindowPartition(): PartitionWindowedStream<T> {
    const windows = this.window(endOfStreamWindow());
    return new PartitionWindowedStream(
      <Out>({ fold, results }: PartitionFold<T>, options: PartitionOptions) => {
        if (fold === undefined) {
          return windows.process({
            ...options,
            process: (values, ctx) => results(values as readonly never[], ctx),
          }) as OperatorStream<unknown> as OperatorStream<Out>;
        }
        const { first, add } = fold;
        return windows.aggregate<readonly unknown[], readonly unknown[], Results>({
          ...options,
          createAccumulator: () => [],
          add: (value, folded) => [folded.length === 0 ? first(value) : add(folded[0], value)],
          result: (folded) => folded,
          process: ([folded], ctx) => results(folded as readonly never[], ctx),
        }) as OperatorStream<unknown> as OperatorStream<Out>;
      },
    );
  }

  /** Windows of `size` records of a key; with `slide`, the last `size` records at each `slide`-th. */
  countWindow(size: number, slide?: number): WindowedStream<T, K> {
    return counted(this.window(globalWindow()), size, slide);
  }

  /** For each record the reduction of all records of its key so far. The first one is its own reduction. */
  reduce<E extends PoisonPolicy = 'fail'>(
    reduce: ReduceFunction<T>,
    optionsWithUid: StatefulOptions<E>,
  ): OperatorStream<T, DeadLetters<E, T>> {
    return this.#then('reduce', 'Reduce', () => new ReduceOperator(reduce), optionsWithUid);
  }

  /** For each record the sum of a field so far; the other fields are those of the first record of the key. */
  sum(
    field: FieldOf<T, number | bigint>,
    optionsWithUid: StatefulOptions<'fail' | 'skip'>,
  ): OperatorStream<T> {
    return this.#roll('Sum', sumOf<T>(field), optionsWithUid);
  }

  /** For each record the least value of a field so far; the other fields are those of the first record of the key. */
  min(field: FieldOf<T, Ordered>, optionsWithUid: StatefulOptions<'fail' | 'skip'>): OperatorStream<T> {
    return this.#roll('Min', minOf<T>(field), optionsWithUid);
  }

  /** For each record the greatest value of a field so far; the other fields are those of the first record of the key. */
  max(field: FieldOf<T, Ordered>, optionsWithUid: StatefulOptions<'fail' | 'skip'>): OperatorStream<T> {
    return this.#roll('Max', maxOf<T>(field), optionsWithUid);
  }

  /** For each record the whole record with the least value of a field so far. */
  minBy(field: FieldOf<T, Ordered>, optionsWithUid: ExtremeOptions): OperatorStream<T> {
    return this.#roll('Min By', minByOf<T>(field, optionsWithUid.ties ?? 'first'), optionsWithUid);
  }

  /** For each record the whole record with the greatest value of a field so far. */
  maxBy(field: FieldOf<T, Ordered>, optionsWithUid: ExtremeOptions): OperatorStream<T> {
    return this.#roll('Max By', maxByOf<T>(field, optionsWithUid.ties ?? 'first'), optionsWithUid);
  }

  /** Keeps the records for which the predicate is true, in the subtask of their key. The result is no longer keyed. */
  filter<Narrow extends T, E extends PoisonPolicy = 'fail'>(
    predicate: (value: T) => value is Narrow,
    options?: OperatorOptions<E>,
  ): OperatorStream<Narrow, DeadLetters<E, T>>;
  filter<E extends PoisonPolicy = 'fail'>(
    predicate: (value: T) => boolean,
    options?: OperatorOptions<E>,
  ): OperatorStream<T, DeadLetters<E, T>>;
  filter<E extends PoisonPolicy>(
    predicate: (value: T) => boolean,
    options?: OperatorOptions<E>,
  ): OperatorStream<T, DeadLetters<E, T>> {
    return this.#records().filter(predicate, options);
  }

  /** Makes one record of each, in the subtask of its key. The result is no longer keyed. */
  map<R, E extends PoisonPolicy = 'fail'>(
    map: (value: T) => R,
    options?: OperatorOptions<E>,
  ): OperatorStream<Immediate<R>, DeadLetters<E, T>> {
    return this.#records().map(map, options);
  }

  /** Makes any number of records of each, in the subtask of its key. The result is no longer keyed. */
  flatMap<R extends Results, E extends PoisonPolicy = 'fail'>(
    flatMap: (value: T) => R,
    options?: OperatorOptions<E>,
  ): OperatorStream<ResultOf<R>, DeadLetters<E, T>> {
    return this.#records().flatMap(flatMap, options);
  }

  /** Asks something outside for each record, in the subtask of its key; see {@link DataStream}. No longer keyed. */
  orderedWait<R, F = never, L = undefined, E extends PoisonPolicy = 'fail'>(
    definition: AsyncWait<T, R, F, L, E>,
  ): OperatorStream<AsyncResultOf<R> | AsyncResultOf<F>, DeadLetters<E, T>> {
    return this.#records().orderedWait(definition);
  }

  /** As `orderedWait`, but a result goes on as soon as it is there; it still overtakes no watermark. */
  unorderedWait<R, F = never, L = undefined, E extends PoisonPolicy = 'fail'>(
    definition: AsyncWait<T, R, F, L, E>,
  ): OperatorStream<AsyncResultOf<R> | AsyncResultOf<F>, DeadLetters<E, T>> {
    return this.#records().unorderedWait(definition);
  }

  /** Writes the records to a sink; records with the same key are written by the same subtask. */
  sinkTo(sink: ExactlyOnceSink<T>, options: SinkOptions & ExactlyOnceOption): DataStreamSink;
  sinkTo(sink: Sink<T>, options: SinkOptions & NotExactlyOnce<ShowsAtOnce>): DataStreamSink;
  sinkTo(sink: Sink<T>, options: SinkOptions & { readonly exactlyOnce?: unknown }): DataStreamSink {
    return this.#records().sinkTo(sink as ExactlyOnceSink<T>, options as SinkOptions & ExactlyOnceOption);
  }

  /** Prints the records in the terminal of the process that runs the job, each line after `prefix`. */
  print(prefix?: string, options?: OperatorOptions<'fail'>): DataStreamSink {
    return this.#records().print(prefix, options);
  }

  /** The stream for operators that need no state; they still run in the subtask of the key. */
  #records(): DataStream<T> {
    return new DataStream(this.#job, this.#origins, this.#keySelector);
  }

  #roll(name: string, reduce: ReduceFunction<T>, options: StatefulOptions): OperatorStream<T> {
    return this.#then('reduce', name, () => new ReduceOperator(reduce), options);
  }

  #then<Out, O>(
    kind: string,
    name: string,
    factory: NewNode['factory'],
    options: StatefulOptions,
    tags: readonly string[] = [],
  ): OperatorStream<Out, O> {
    const node = { kind, name, factory, stateful: true, needsUid: true, inputs: [this.#input()] };
    return addOperator(this.#job, node, options, tags);
  }
}

/**
 * Two streams that one operator reads: it has a function for each.
 *
 * ```ts
 * export default job((env) => {
 *   const orders = env.fromData([{ item: 'tea', price: 3 }]);
 *   const refunds = env.fromData(['tea 2']);
 *   orders
 *     .connect(refunds)
 *     .map({
 *       map1: (order) => order.price,
 *       map2: (refund) => -Number(refund.split(' ')[1]),
 *     })
 *     .print();
 * });
 * ```
 */
export class ConnectedStreams<A, B> {
  readonly #job: StreamGraphBuilder;
  readonly #inputs: readonly NewInput[];

  constructor(job: StreamGraphBuilder, inputs: readonly NewInput[]) {
    this.#job = job;
    this.#inputs = inputs;
  }

  /** Makes one record of each: `map1` of those of the first stream, `map2` of those of the second. */
  map<R1, R2, E extends PoisonPolicy = 'fail'>(
    definition: CoMap<A, B, R1, R2, E>,
  ): OperatorStream<Immediate<R1> | Immediate<R2>, DeadLetters<E, A | B>> {
    return this.#then('co-map', 'Co-Map', () => new CoMapOperator(definition), definition);
  }

  /** Makes any number of records of each, as `flatMap` of one stream does. */
  flatMap<R1 extends Results, R2 extends Results, E extends PoisonPolicy = 'fail'>(
    definition: CoFlatMap<A, B, R1, R2, E>,
  ): OperatorStream<ResultOf<R1> | ResultOf<R2>, DeadLetters<E, A | B>> {
    return this.#then('co-flat-map', 'Co-Flat Map', () => new CoFlatMapOperator(definition), definition);
  }

  /** Runs two functions with side outputs and clocks. For state and timers connect two keyed streams. */
  process<
    R1 extends Results,
    R2 extends Results,
    O extends OutputDeclaration = Nothing,
    L = undefined,
    E extends PoisonPolicy = 'fail',
  >(
    definition: CoProcess<A, B, O, L, R1, R2, E>,
  ): OperatorStream<ResultOf<R1> | ResultOf<R2>, SideOutputs<O> & DeadLetters<E, A | B>> {
    if (definition.state !== undefined || definition.onTimer !== undefined) throw needsKey(definition);
    const tags = tagsOf(definition.outputs);
    const node = {
      kind: 'co-process',
      name: 'Co-Process',
      factory: () => new CoProcessOperator(definition),
      ...operatorStateOf(definition),
      inputs: this.#inputs,
    };
    return addOperator(this.#job, node, definition, tags);
  }

  #then<Out, O>(
    kind: string,
    name: string,
    factory: NewNode['factory'],
    options: OperatorOptions,
    tags: readonly string[] = [],
  ): OperatorStream<Out, O> {
    return addOperator(this.#job, { kind, name, factory, inputs: this.#inputs }, options, tags);
  }
}

/**
 * Two keyed streams that one operator reads: records of both with the same key share its state and timers.
 *
 * ```ts
 * export default job((env) => {
 *   const orders = env.fromData([{ item: 'tea', amount: 2 }]).keyBy('item');
 *   const prices = env.fromData([{ item: 'tea', price: 3 }]).keyBy('item');
 *   orders
 *     .connect(prices)
 *     .process({
 *       uid: 'totals',
 *       state: { price: state.value(0), waiting: state.list<number>() },
 *       process1({ amount }, ctx) {
 *         const price = ctx.state.price.value();
 *         if (price > 0) return [`${ctx.key} ${price * amount}`];
 *         ctx.state.waiting.add(amount);
 *       },
 *       process2({ price }, ctx) {
 *         const waiting = ctx.state.waiting.get();
 *         ctx.state.price.update(price);
 *         ctx.state.waiting.clear();
 *         return waiting.map((amount) => `${ctx.key} ${price * amount}`);
 *       },
 *     })
 *     .print();
 * });
 * ```
 */
export class KeyedConnectedStreams<A, B, K> {
  readonly #job: StreamGraphBuilder;
  readonly #inputs: readonly NewInput[];

  constructor(job: StreamGraphBuilder, inputs: readonly NewInput[]) {
    this.#job = job;
    this.#inputs = inputs;
  }

  /** Makes one record of each, in the subtask of its key. */
  map<R1, R2, E extends PoisonPolicy = 'fail'>(
    definition: CoMap<A, B, R1, R2, E>,
  ): OperatorStream<Immediate<R1> | Immediate<R2>, DeadLetters<E, A | B>> {
    return new ConnectedStreams<A, B>(this.#job, this.#inputs).map(definition);
  }

  /** Makes any number of records of each, in the subtask of its key. */
  flatMap<R1 extends Results, R2 extends Results, E extends PoisonPolicy = 'fail'>(
    definition: CoFlatMap<A, B, R1, R2, E>,
  ): OperatorStream<ResultOf<R1> | ResultOf<R2>, DeadLetters<E, A | B>> {
    return new ConnectedStreams<A, B>(this.#job, this.#inputs).flatMap(definition);
  }

  /** Runs two functions and `onTimer` with state and timers of the key of each record. */
  process<
    R1 extends Results,
    R2 extends Results,
    Fired extends Results = never,
    S extends StateDeclaration = Nothing,
    O extends OutputDeclaration = Nothing,
    L = undefined,
    E extends PoisonPolicy = 'fail',
  >(
    definition: KeyedCoProcess<A, B, K, S, O, L, R1, R2, Fired, E>,
  ): OperatorStream<ResultOf<R1> | ResultOf<R2> | ResultOf<Fired>, SideOutputs<O> & DeadLetters<E, A | B>> {
    const node = {
      kind: 'keyed-co-process',
      name: 'Co-Process',
      factory: () => new KeyedCoProcessOperator(definition),
      stateful: true,
      needsUid: true,
      inputs: this.#inputs,
    };
    return addOperator(this.#job, node, definition, tagsOf(definition.outputs));
  }
}

/**
 * A stream whose records reach every subtask of the operator that reads it, and the maps in which they are kept there.
 * It is good for one thing: to be connected with.
 *
 * ```ts
 * export default job((env) => {
 *   const limits = env.fromData([{ sensor: 'a', limit: 30 }]);
 *   const broadcast = limits.broadcast({ limits: state.map<string, number>() });
 *   env
 *     .fromData([{ sensor: 'a', degrees: 31 }])
 *     .connect(broadcast)
 *     .process({
 *       uid: 'too-hot',
 *       process({ sensor, degrees }, ctx) {
 *         const limit = ctx.broadcast.limits.get(sensor);
 *         if (limit !== undefined && degrees > limit) return [`${sensor} is too hot`];
 *       },
 *       processBroadcast: ({ sensor, limit }, ctx) => ctx.broadcast.limits.set(sensor, limit),
 *     })
 *     .print();
 * });
 * ```
 */
export class BroadcastStream<T, D extends BroadcastDeclaration> {
  /** For the fluent interface itself. */
  readonly job: StreamGraphBuilder;
  /** For the fluent interface itself. */
  readonly input: NewInput;
  readonly declaration: D;
  declare readonly _record?: T;

  constructor(job: StreamGraphBuilder, origins: readonly Origin[], declaration: D) {
    this.job = job;
    this.input = { origins };
    this.declaration = declaration;
    for (const [name, descriptor] of Object.entries(declaration)) {
      if (descriptor?.kind !== 'map') throw noBroadcastState(name);
      if (descriptor.ttl !== undefined) throw noBroadcastTtl(name);
    }
  }
}

/**
 * A stream and a broadcast one that one operator reads; see {@link BroadcastStream}.
 *
 * ```ts
 * export default job((env) => {
 *   const blocked = env.fromData(['eve']).broadcast({ blocked: state.map<string, true>() });
 *   env
 *     .fromData(['ada', 'eve'])
 *     .connect(blocked)
 *     .process({
 *       uid: 'block',
 *       process: (user, ctx) => (ctx.broadcast.blocked.has(user) ? [] : [user]),
 *       processBroadcast: (user, ctx) => ctx.broadcast.blocked.set(user, true),
 *     })
 *     .print();
 * });
 * ```
 */
export class BroadcastConnectedStream<A, B, D extends BroadcastDeclaration> {
  readonly #job: StreamGraphBuilder;
  readonly #inputs: readonly NewInput[];
  readonly #declaration: D;

  constructor(job: StreamGraphBuilder, input: NewInput, broadcast: BroadcastStream<B, D>) {
    this.#job = job;
    this.#inputs = [input, broadcast.input];
    this.#declaration = broadcast.declaration;
  }

  /** Runs `process` for each record, which can read the broadcast state, and `processBroadcast`, which can change it. */
  process<
    R1 extends Results,
    R2 extends Results,
    O extends OutputDeclaration = Nothing,
    L = undefined,
    E extends PoisonPolicy = 'fail',
  >(
    definition: BroadcastProcess<A, B, D, O, L, R1, R2, E>,
  ): OperatorStream<ResultOf<R1> | ResultOf<R2>, SideOutputs<O> & DeadLetters<E, A | B>> {
    if (definition.state !== undefined || definition.onTimer !== undefined) throw needsKey(definition);
    const node = {
      kind: 'broadcast-process',
      name: 'Broadcast Process',
      factory: () => new BroadcastProcessOperator(this.#declaration, definition),
      stateful: true,
      needsUid: true,
      inputs: this.#inputs,
    };
    return addOperator(this.#job, node, definition, tagsOf(definition.outputs));
  }
}

/**
 * A keyed stream and a broadcast one that one operator reads; see {@link BroadcastStream}.
 *
 * ```ts
 * export default job((env) => {
 *   const limits = env.fromData([2]).broadcast({ limit: state.map<'limit', number>() });
 *   env
 *     .fromData(['ada', 'bob', 'ada'])
 *     .keyBy((user) => user)
 *     .connect(limits)
 *     .process({
 *       uid: 'too-many',
 *       state: { visits: state.value(0) },
 *       process(user, ctx) {
 *         const visits = ctx.state.visits.value() + 1;
 *         ctx.state.visits.update(visits);
 *         if (visits >= (ctx.broadcast.limit.get('limit') ?? 10)) return [user];
 *       },
 *       processBroadcast(limit, ctx) {
 *         ctx.broadcast.limit.set('limit', limit);
 *         ctx.applyToKeyedState('visits', (_user, visits) => visits.clear());
 *       },
 *     })
 *     .print();
 * });
 * ```
 */
export class KeyedBroadcastConnectedStream<A, B, K, D extends BroadcastDeclaration> {
  readonly #job: StreamGraphBuilder;
  readonly #inputs: readonly NewInput[];
  readonly #declaration: D;

  constructor(job: StreamGraphBuilder, input: NewInput, broadcast: BroadcastStream<B, D>) {
    this.#job = job;
    this.#inputs = [input, broadcast.input];
    this.#declaration = broadcast.declaration;
  }

  /**
   * Runs `process` and `onTimer` with state and timers of the key, which can read the broadcast state, and
   * `processBroadcast`, which can change it and what all keys of its subtask hold.
   */
  process<
    R1 extends Results,
    R2 extends Results,
    Fired extends Results = never,
    S extends StateDeclaration = Nothing,
    O extends OutputDeclaration = Nothing,
    L = undefined,
    E extends PoisonPolicy = 'fail',
  >(
    definition: KeyedBroadcastProcess<A, B, K, S, D, O, L, R1, R2, Fired, E>,
  ): OperatorStream<ResultOf<R1> | ResultOf<R2> | ResultOf<Fired>, SideOutputs<O> & DeadLetters<E, A | B>> {
    const node = {
      kind: 'keyed-broadcast-process',
      name: 'Broadcast Process',
      factory: () => new KeyedBroadcastProcessOperator(this.#declaration, definition),
      stateful: true,
      needsUid: true,
      inputs: this.#inputs,
    };
    return addOperator(this.#job, node, definition, tagsOf(definition.outputs));
  }
}

/**
 * A stream cut into windows: what follows says when a window gives results, and what they are.
 *
 * ```ts
 * export default job((env) => {
 *   const counts = env
 *     .fromData([{ user: 'ada', at: 1_000 }, { user: 'bob', at: 2_000 }], {
 *       watermarks: watermarks.boundedOutOfOrderness('5s').withTimestamps((event) => event.at),
 *     })
 *     .keyBy('user')
 *     .window(tumbling('10s'))
 *     .allowedLateness('1 min')
 *     .sideOutputLateData('late')
 *     .process({ uid: 'count', process: (events, { key }) => [`${key} ${events.length}`] });
 *   counts.print();
 *   counts.sideOutput('late').print('late');
 * });
 * ```
 */
export class WindowedStream<T, K, Late extends string = never> {
  readonly #job: StreamGraphBuilder;
  readonly #input: NewInput;
  readonly #settings: WindowSettings<T>;

  /** Windowed streams are made by `window()`, `windowAll()` and their likes. */
  constructor(job: StreamGraphBuilder, input: NewInput, settings: WindowSettings<T>) {
    this.#job = job;
    this.#input = input;
    this.#settings = settings;
  }

  /** When a window gives its results, instead of the default of its assigner. */
  trigger<S extends StateDeclaration = Nothing>(trigger: Trigger<T, S>): WindowedStream<T, K, Late> {
    return this.#with({ ...this.#settings, trigger: trigger as unknown as AnyTriggerOf<T> });
  }

  /** Which records are dropped when a window fires. The window then keeps all its records until it does. */
  evictor(evictor: Evictor<T>): WindowedStream<T, K, Late> {
    return this.#with({ ...this.#settings, evictor });
  }

  /** How long in event time a window is kept after its end: until then a late record makes it give results again. */
  allowedLateness(lateness: Duration): WindowedStream<T, K, Late> {
    return this.#with(withLateness(this.#settings, lateness));
  }

  /** Hands records that are too late to the side output `tag`, instead of counting them as `numLateRecordsDropped`. */
  sideOutputLateData<const Tag extends string>(tag: Tag): WindowedStream<T, K, Tag> {
    return new WindowedStream(this.#job, this.#input, { ...this.#settings, lateTag: tag });
  }

  /** The reduction of each window; with a function (`process`), what that makes of the reduction. */
  reduce<
    R extends Results,
    S extends StateDeclaration = Nothing,
    G extends StateDeclaration = Nothing,
    O extends OutputDeclaration = Nothing,
    L = undefined,
    E extends PoisonPolicy = 'fail',
  >(
    reduce: ReduceFunction<T>,
    definition: WindowProcess<T, K, S, G, O, L, R, E>,
  ): OperatorStream<ResultOf<R>, SideOutputs<O> & DeadLetters<E, T> & LateOutput<Late, T>>;
  reduce<E extends PoisonPolicy = 'fail'>(
    reduce: ReduceFunction<T>,
    optionsWithUid: StatefulOptions<E>,
  ): OperatorStream<T, DeadLetters<E, T> & LateOutput<Late, T>>;
  reduce(reduce: ReduceFunction<T>, definition: StatefulOptions): unknown {
    return this.#then({ kind: 'reduce', reduce }, definition);
  }

  /** The aggregate of each window; with a function (`process`), what that makes of the aggregate. */
  aggregate<
    Acc,
    Out,
    R extends Results,
    S extends StateDeclaration = Nothing,
    G extends StateDeclaration = Nothing,
    O extends OutputDeclaration = Nothing,
    L = undefined,
    E extends PoisonPolicy = 'fail',
  >(
    definition: AggregateFunction<T, Acc, Out> & WindowProcess<Out, K, S, G, O, L, R, E>,
  ): OperatorStream<ResultOf<R>, SideOutputs<O> & DeadLetters<E, T> & LateOutput<Late, T>>;
  aggregate<Acc, Out, E extends PoisonPolicy = 'fail'>(
    definition: WindowAggregate<T, Acc, Out, E>,
  ): OperatorStream<Out, DeadLetters<E, T> & LateOutput<Late, T>>;
  aggregate(definition: AggregateFunction<T, unknown, unknown> & StatefulOptions): unknown {
    return this.#then({ kind: 'aggregate', aggregate: definition }, definition);
  }

  /** Runs a function over all records of each window, with state of the window and of the key. */
  process<
    R extends Results,
    S extends StateDeclaration = Nothing,
    G extends StateDeclaration = Nothing,
    O extends OutputDeclaration = Nothing,
    L = undefined,
    E extends PoisonPolicy = 'fail',
  >(
    definition: WindowProcess<T, K, S, G, O, L, R, E>,
  ): OperatorStream<ResultOf<R>, SideOutputs<O> & DeadLetters<E, T> & LateOutput<Late, T>> {
    return this.#then({ kind: 'all' }, definition);
  }

  /** Runs a function over all records of each window. */
  apply<R extends Results, E extends PoisonPolicy = 'fail'>(
    apply: WindowFunction<T, K, R>,
    optionsWithUid: StatefulOptions<E>,
  ): OperatorStream<ResultOf<R>, DeadLetters<E, T> & LateOutput<Late, T>> {
    return this.process({ ...optionsWithUid, process: (values, ctx) => apply(ctx.window, values, ctx.key) });
  }

  /** The sum of a field in each window; the other fields are those of its first record. */
  sum(
    field: FieldOf<T, number | bigint>,
    optionsWithUid: StatefulOptions<'fail' | 'skip'>,
  ): OperatorStream<T, LateOutput<Late, T>> {
    return this.reduce(sumOf<T>(field), optionsWithUid);
  }

  /** The least value of a field in each window; the other fields are those of its first record. */
  min(
    field: FieldOf<T, Ordered>,
    optionsWithUid: StatefulOptions<'fail' | 'skip'>,
  ): OperatorStream<T, LateOutput<Late, T>> {
    return this.reduce(minOf<T>(field), optionsWithUid);
  }

  /** The greatest value of a field in each window; the other fields are those of its first record. */
  max(
    field: FieldOf<T, Ordered>,
    optionsWithUid: StatefulOptions<'fail' | 'skip'>,
  ): OperatorStream<T, LateOutput<Late, T>> {
    return this.reduce(maxOf<T>(field), optionsWithUid);
  }

  /** The record with the least value of a field in each window. */
  minBy(field: FieldOf<T, Ordered>, optionsWithUid: ExtremeOptions): OperatorStream<T, LateOutput<Late, T>> {
    return this.reduce(minByOf<T>(field, optionsWithUid.ties ?? 'first'), optionsWithUid);
  }

  /** The record with the greatest value of a field in each window. */
  maxBy(field: FieldOf<T, Ordered>, optionsWithUid: ExtremeOptions): OperatorStream<T, LateOutput<Late, T>> {
    return this.reduce(maxByOf<T>(field, optionsWithUid.ties ?? 'first'), optionsWithUid);
  }

  #with(settings: WindowSettings<T>): WindowedStream<T, K, Late> {
    return new WindowedStream(this.#job, this.#input, settings);
  }

  #then<Out, O>(
    fold: WindowFold<T>,
    definition: StatefulOptions & Partial<Pick<AnyWindowFunction, 'process' | 'outputs'>>,
  ): OperatorStream<Out, O> {
    const windowFunction = definition.process === undefined ? undefined : (definition as AnyWindowFunction);
    const tags = windowTags(
      tagsOf(definition.outputs as OutputDeclaration | undefined),
      this.#settings.lateTag,
    );
    const node = {
      ...windowNode(this.#settings, fold, windowFunction, definition.onError),
      inputs: [this.#input],
    };
    return addOperator(this.#job, node, definition, tags);
  }
}

/** What must be said about an operator that works on a whole partition. */
export type PartitionOptions = StatefulOptions<'fail'>;

/** How a partition is sorted. */
export interface SortOptions extends PartitionOptions {
  /** Default `ascending`. Records that are equal keep their order. */
  readonly order?: 'ascending' | 'descending' | undefined;
}

/**
 * A stream whose records come all at once at the end of its input: those of each subtask, or behind `keyBy` those of each
 * key. Made by `fullWindowPartition()`; on an input that does not end it gives nothing.
 *
 * ```ts
 * export default job((env) => {
 *   env
 *     .fromSequence(1, 10)
 *     .fullWindowPartition()
 *     .mapPartition((numbers, { info }) => [`${numbers.length} in subtask ${info.subtask}`], { uid: 'counts' })
 *     .print();
 * });
 * ```
 */
export class PartitionWindowedStream<T> {
  readonly #then: <Out>(fold: PartitionFold<T>, options: PartitionOptions) => OperatorStream<Out>;

  /** Made by `fullWindowPartition()`. */
  constructor(then: <Out>(fold: PartitionFold<T>, options: PartitionOptions) => OperatorStream<Out>) {
    this.#then = then;
  }

  /** Runs a function over all records of each partition; not for one without records. */
  mapPartition<R extends Results>(
    mapPartition: (values: readonly T[], ctx: FunctionContext<undefined>) => R,
    options: PartitionOptions,
  ): OperatorStream<ResultOf<R>> {
    return this.#then(allOfPartition(mapPartition), options);
  }

  /** The records of each partition in the order of a field, or of what a function reads from a record. */
  sortPartition(by: (value: T) => Ordered, options: SortOptions): OperatorStream<T>;
  sortPartition(by: FieldOf<T, Ordered>, options: SortOptions): OperatorStream<T>;
  sortPartition(by: string | ((value: T) => Ordered), options: SortOptions): OperatorStream<T> {
    const read = typeof by === 'function' ? by : (value: T): unknown => value[by as keyof T];
    const sign = options.order === 'descending' ? -1 : 1;
    const sorted = (values: readonly T[]): T[] =>
      values
        .map((value) => ({ value, key: checkKey(read(value)) }))
        .sort((left, right) => sign * compareKeys(left.key, right.key))
        .map(({ value }) => value);
    return this.#then(allOfPartition(sorted), options);
  }

  /** What the records of each partition are reduced to; only that is kept. */
  reduce(reduce: ReduceFunction<T>, options: PartitionOptions): OperatorStream<T> {
    return this.#then(reducedPartition(reduce), options);
  }

  /** The aggregate of each partition. With `merge` only the accumulator is kept, else all records. */
  aggregate<Acc, Out>(definition: AggregateFunction<T, Acc, Out> & PartitionOptions): OperatorStream<Out> {
    return this.#then(aggregatedPartition(definition), definition);
  }
}

/** Makes an input of a stream once its key is known. */
type InputOf = (keySelector: KeySelector) => NewInput;

/**
 * Two streams about to be joined per window: `where` and `equalTo` say by which key, `window` in which windows.
 * `A` and `B` are their records, `Left` and `Right` what the function gets of them.
 *
 * ```ts
 * export default job((env) => {
 *   const byTime = watermarks.monotonous().withTimestamps(({ at }: { at: number }) => at);
 *   const shown = env.fromData([{ ad: 'tea', at: 1_000 }, { ad: 'jam', at: 2_000 }], { watermarks: byTime });
 *   const clicks = env.fromData([{ on: 'tea', at: 4_000 }], { watermarks: byTime });
 *   shown
 *     .coGroup(clicks)
 *     .where('ad')
 *     .equalTo('on')
 *     .window(tumbling('10s'))
 *     .apply((left, right, { key }) => [`${key}: shown ${left.length}, clicked ${right.length}`], { uid: 'ads' })
 *     .print();
 * });
 * ```
 */
export class JoinedStreams<A, B, Left, Right> {
  readonly #job: StreamGraphBuilder;
  readonly #join: WindowJoin;
  readonly #inputs: readonly [InputOf, InputOf];

  constructor(job: StreamGraphBuilder, join: WindowJoin, inputs: readonly [InputOf, InputOf]) {
    this.#job = job;
    this.#join = join;
    this.#inputs = inputs;
  }

  /** The key of the left records: a function, or a field. */
  where<const K extends Key>(key: (value: A) => K): JoinCondition<A, B, K, Left, Right>;
  where<const F extends FieldOf<A, Key>>(field: F): JoinCondition<A, B, A[F], Left, Right>;
  where<K>(key: ((value: A) => K) | string): JoinCondition<A, B, K, Left, Right> {
    const [left, right] = this.#inputs;
    return new JoinCondition(this.#job, this.#join, [left(selectorOf(key)), right]);
  }
}

/**
 * A join that knows the key of its left side; see {@link JoinedStreams}.
 *
 * ```ts
 * export default job((env) => {
 *   const words = env.fromData(['tea', 'jam']);
 *   words
 *     .join(env.fromData([3]))
 *     .where((word) => word.length)
 *     .equalTo((length) => length)
 *     .window(globalWindow())
 *     .trigger(triggers.count(3))
 *     .apply((word, length) => [`${word} ${length}`], { uid: 'words' })
 *     .print();
 * });
 * ```
 */
export class JoinCondition<A, B, K, Left, Right> {
  readonly #job: StreamGraphBuilder;
  readonly #join: WindowJoin;
  readonly #inputs: readonly [NewInput, InputOf];

  constructor(job: StreamGraphBuilder, join: WindowJoin, inputs: readonly [NewInput, InputOf]) {
    this.#job = job;
    this.#join = join;
    this.#inputs = inputs;
  }

  /** The key of the right records, of the type that the left ones have. */
  equalTo<const K2 extends KeysLike<K>>(key: (value: B) => K2): KeyedJoin<A, B, K | K2, Left, Right>;
  equalTo<const F extends FieldOf<B, KeysLike<K>>>(field: F): KeyedJoin<A, B, K | B[F], Left, Right>;
  equalTo<K2>(key: ((value: B) => K2) | string): KeyedJoin<A, B, K | K2, Left, Right> {
    const [left, right] = this.#inputs;
    return new KeyedJoin(this.#job, this.#join, [left, right(selectorOf(key))]);
  }
}

/**
 * A join that knows its keys; see {@link JoinedStreams}.
 *
 * ```ts
 * export default job((env) => {
 *   const keyed = env.fromData(['a']).join(env.fromData(['a'])).where((left) => left).equalTo((right) => right);
 *   keyed
 *     .window(tumbling('1 s', { time: 'processing' }))
 *     .apply((left, right) => [left + right], { uid: 'pairs' })
 *     .print();
 * });
 * ```
 */
export class KeyedJoin<A, B, K, Left, Right> {
  readonly #job: StreamGraphBuilder;
  readonly #join: WindowJoin;
  readonly #inputs: readonly NewInput[];

  constructor(job: StreamGraphBuilder, join: WindowJoin, inputs: readonly NewInput[]) {
    this.#job = job;
    this.#join = join;
    this.#inputs = inputs;
  }

  /** The windows in which records meet: any that `window()` of a keyed stream takes. */
  window(assigner: WindowAssigner<TaggedUnion<A, B>>): WindowedJoin<A, B, K, Left, Right> {
    return new WindowedJoin(this.#job, this.#join, this.#inputs, { assigner, isGlobal: false });
  }
}

/**
 * Two streams in windows. Assigner, trigger and evictor see the records of both, each with its side.
 *
 * ```ts
 * export default job((env) => {
 *   const byTime = watermarks.monotonous().withTimestamps(({ at }: { at: number }) => at);
 *   const orders = env.fromData([{ id: 1, at: 1_000 }], { watermarks: byTime });
 *   const refunds = env.fromData([{ order: 1, at: 4_000 }], { watermarks: byTime });
 *   const refunded = orders
 *     .join(refunds)
 *     .where('id')
 *     .equalTo('order')
 *     .window(tumbling('1 h'))
 *     .allowedLateness('5 min')
 *     .sideOutputLateData('late')
 *     .apply((order, refund) => [{ ...order, after: refund.at - order.at }], { uid: 'refunded' });
 *   refunded.print();
 *   refunded.sideOutput('late').print('late');
 * });
 * ```
 */
export class WindowedJoin<A, B, K, Left, Right, Late extends string = never> {
  readonly #job: StreamGraphBuilder;
  readonly #join: WindowJoin;
  readonly #inputs: readonly NewInput[];
  readonly #settings: WindowSettings<TaggedUnion<A, B>>;

  constructor(
    job: StreamGraphBuilder,
    join: WindowJoin,
    inputs: readonly NewInput[],
    settings: WindowSettings<TaggedUnion<A, B>>,
  ) {
    this.#job = job;
    this.#join = join;
    this.#inputs = inputs;
    this.#settings = settings;
  }

  /** When a window gives its results, instead of the default of its assigner. */
  trigger<S extends StateDeclaration = Nothing>(
    trigger: Trigger<TaggedUnion<A, B>, S>,
  ): WindowedJoin<A, B, K, Left, Right, Late> {
    return this.#with({ ...this.#settings, trigger: trigger as unknown as AnyTriggerOf<TaggedUnion<A, B>> });
  }

  /** Which records are dropped when a window fires. */
  evictor(evictor: Evictor<TaggedUnion<A, B>>): WindowedJoin<A, B, K, Left, Right, Late> {
    return this.#with({ ...this.#settings, evictor });
  }

  /** How long in event time a window is kept after its end: until then a late record makes it give all its results again. */
  allowedLateness(lateness: Duration): WindowedJoin<A, B, K, Left, Right, Late> {
    return this.#with(withLateness(this.#settings, lateness));
  }

  /** Hands records that are too late, each with its side, to the side output `tag` instead of counting them. */
  sideOutputLateData<const Tag extends string>(tag: Tag): WindowedJoin<A, B, K, Left, Right, Tag> {
    return this.#with({ ...this.#settings, lateTag: tag });
  }

  /**
   * Of `join`: called for each pair; of `coGroup`: once, with all records of each side, of which one may have none.
   * What it returns (an array, another iterable, or nothing) goes on with the last timestamp of the window.
   */
  apply<R extends Results, E extends PoisonPolicy = 'fail'>(
    apply: ApplyJoin<Left, Right, K, R>,
    optionsWithUid: StatefulOptions<E>,
  ): OperatorStream<ResultOf<R>, DeadLetters<E, A | B> & LateOutput<Late, TaggedUnion<A, B>>> {
    const node = {
      ...windowJoinNode(
        this.#settings,
        this.#join,
        apply as ApplyJoin<never, never, K, Results>,
        optionsWithUid.onError,
      ),
      inputs: this.#inputs,
    };
    return addOperator(this.#job, node, optionsWithUid, windowTags([], this.#settings.lateTag));
  }

  #with<Tag extends string>(
    settings: WindowSettings<TaggedUnion<A, B>>,
  ): WindowedJoin<A, B, K, Left, Right, Tag> {
    return new WindowedJoin(this.#job, this.#join, this.#inputs, settings);
  }
}

/**
 * Two keyed streams about to be joined: `between` says how far apart their records may be.
 *
 * ```ts
 * export default job((env) => {
 *   const byTime = watermarks.monotonous().withTimestamps(({ at }: { at: number }) => at);
 *   const orders = env.fromData([{ id: 1, at: 1_000 }], { watermarks: byTime }).keyBy('id');
 *   const payments = env.fromData([{ id: 1, at: 4_000 }], { watermarks: byTime }).keyBy('id');
 *   orders
 *     .intervalJoin(payments)
 *     .between(0, '10 s')
 *     .process({ uid: 'paid', process: (order, payment) => [{ ...order, after: payment.at - order.at }] })
 *     .print();
 * });
 * ```
 */
export class IntervalJoin<A, B> {
  readonly #job: StreamGraphBuilder;
  readonly #inputs: readonly NewInput[];
  readonly #time: Interval['time'];

  constructor(job: StreamGraphBuilder, inputs: readonly NewInput[], time: Interval['time']) {
    this.#job = job;
    this.#inputs = inputs;
    this.#time = time;
  }

  /** The time of a record is its timestamp; this is the default. */
  inEventTime(): IntervalJoin<A, B> {
    return new IntervalJoin(this.#job, this.#inputs, 'event');
  }

  /** The time of a record is that of its arrival: none is late, and a pair has no timestamp. */
  inProcessingTime(): IntervalJoin<A, B> {
    return new IntervalJoin(this.#job, this.#inputs, 'processing');
  }

  /**
   * Pairs a left record with the right ones from `left + lower` to `left + upper`, both inclusive. Either bound may be
   * negative: `between('-5 s', 0)`.
   */
  between(lower: SignedDuration, upper: SignedDuration): BoundedIntervalJoin<A, B> {
    return new BoundedIntervalJoin(this.#job, this.#inputs, {
      lower: signedDurationMs(lower, 'the lower bound of between()'),
      upper: signedDurationMs(upper, 'the upper bound of between()'),
      time: this.#time,
      lateLeft: undefined,
      lateRight: undefined,
    });
  }
}

/**
 * A join with its bounds; see {@link IntervalJoin}. Each call gives a new one.
 *
 * ```ts
 * export default job((env) => {
 *   const clicks = env.fromData(['tea']).keyBy((item) => item);
 *   const views = env.fromData(['tea']).keyBy((item) => item);
 *   clicks
 *     .intervalJoin(views)
 *     .inProcessingTime()
 *     .between('-1 min', 0)
 *     .lowerBoundExclusive()
 *     .process({ uid: 'clicked', process: (click) => [click] })
 *     .print();
 * });
 * ```
 */
export class BoundedIntervalJoin<A, B, Late = Nothing> {
  readonly #job: StreamGraphBuilder;
  readonly #inputs: readonly NewInput[];
  readonly #interval: Interval;

  constructor(job: StreamGraphBuilder, inputs: readonly NewInput[], interval: Interval) {
    this.#job = job;
    this.#inputs = inputs;
    this.#interval = interval;
  }

  /** A right record exactly at the lower bound is no partner. */
  lowerBoundExclusive(): BoundedIntervalJoin<A, B, Late> {
    return this.#with({ lower: this.#interval.lower + 1 });
  }

  /** A right record exactly at the upper bound is no partner. */
  upperBoundExclusive(): BoundedIntervalJoin<A, B, Late> {
    return this.#with({ upper: this.#interval.upper - 1 });
  }

  /** Sends left records that are older than the watermark to this side output; else they are dropped and counted. */
  sideOutputLeftLateData<Tag extends string>(
    tag: Tag,
  ): BoundedIntervalJoin<A, B, Late & { readonly [Name in Tag]: A }> {
    return this.#with({ lateLeft: tag });
  }

  /** Sends right records that are older than the watermark to this side output; else they are dropped and counted. */
  sideOutputRightLateData<Tag extends string>(
    tag: Tag,
  ): BoundedIntervalJoin<A, B, Late & { readonly [Name in Tag]: B }> {
    return this.#with({ lateRight: tag });
  }

  /** Calls `process` for each pair, when its second record arrives. The results have the later timestamp of the two. */
  process<
    R extends Results,
    O extends OutputDeclaration = Nothing,
    L = undefined,
    E extends PoisonPolicy = 'fail',
  >(
    definition: ProcessJoin<A, B, O, L, R, E>,
  ): OperatorStream<ResultOf<R>, SideOutputs<O> & Late & DeadLetters<E, A | B>> {
    const interval = this.#interval;
    if (interval.lower > interval.upper) throw emptyInterval(interval);
    const node = {
      kind: 'interval-join',
      sideTypes: lateTypes(interval),
      name: 'Interval Join',
      factory: () => new IntervalJoinOperator(interval, definition),
      stateful: true,
      needsUid: true,
      inputs: this.#inputs,
    };
    return addOperator(this.#job, node, definition, joinTags(interval, tagsOf(definition.outputs)));
  }

  #with<More>(change: Partial<Interval>): BoundedIntervalJoin<A, B, More> {
    return new BoundedIntervalJoin(this.#job, this.#inputs, { ...this.#interval, ...change });
  }
}

/**
 * The end of a stream: the operator that writes to a sink.
 *
 * ```ts
 * export default job((env) => {
 *   env.fromSequence(1, 3).print().name('numbers').setParallelism(1);
 * });
 * ```
 */
export class DataStreamSink {
  readonly #job: StreamGraphBuilder;
  readonly #node: number;

  constructor(job: StreamGraphBuilder, node: number) {
    this.#job = job;
    this.#node = node;
  }

  /** Names the operator in plans, logs and metrics. */
  name(name: string): this {
    return this.#set({ name });
  }

  /** Says in the plan what the sink is for; its name stays as it is. */
  setDescription(description: string): this {
    return this.#set({ description });
  }

  /** By the uid what was prepared and not committed is found again. Unique in the job. */
  uid(uid: string): this {
    return this.#set({ uid });
  }

  /** The number of subtasks, whatever the configuration says. */
  setParallelism(parallelism: number): this {
    return this.#set({ parallelism });
  }

  /** Puts a queue in front of the operator. */
  disableChaining(): this {
    return this.#set({ chaining: 'never' });
  }

  /** Puts the sink into a group that shares slots: it runs in threads of its own, or of the group. */
  slotSharingGroup(name: string): this {
    return this.#set({ slotSharingGroup: checkedGroup(name) });
  }

  #set(settings: Partial<NodeSettings>): this {
    this.#job.set(this.#node, settings);
    return this;
  }
}

function addOperator<Out, O>(
  job: StreamGraphBuilder,
  node: NewNode,
  options: (OperatorOptions & { readonly outputs?: unknown }) | undefined,
  tags: readonly string[],
): OperatorStream<Out, O> {
  const settings = settingsOf(options);
  const outputs = options?.outputs as OutputDeclaration | undefined;
  const sideTypes = { ...declaredTypes(outputs), ...node.sideTypes };
  const id = job.add({ ...node, ...settings, sideTypes });
  return new OperatorStream(job, id, outputsOf(tags, settings.poison));
}

function declaredTypes(outputs: OutputDeclaration = {}): Readonly<Record<string, SideType>> {
  return Object.fromEntries(
    Object.entries(outputs).flatMap(([tag, { shape }]) =>
      shape === undefined ? [] : [[tag, { kind: 'declared', shape }]],
    ),
  );
}

/** Late records are handed on as they came. */
function lateTypes({ lateLeft, lateRight }: Interval): Readonly<Record<string, SideType>> {
  return {
    ...(lateLeft === undefined ? {} : { [lateLeft]: { kind: 'input', input: 0 } as const }),
    ...(lateRight === undefined ? {} : { [lateRight]: { kind: 'input', input: 1 } as const }),
  };
}

/** A function without a key has state only when it keeps some of its operator. */
function operatorStateOf(
  life: Parameters<typeof keepsOperatorState>[0],
): Pick<NewNode, 'stateful' | 'needsUid'> {
  const keeps = keepsOperatorState(life);
  return { stateful: keeps, needsUid: keeps };
}

function selectorOf<T>(key: ((value: T) => unknown) | string): KeySelector {
  const selector = typeof key === 'function' ? key : (value: T) => value[key as keyof T];
  return selector as KeySelector;
}

function counted<T, K>(
  windows: WindowedStream<T, K>,
  size: number,
  slide: number | undefined,
): WindowedStream<T, K> {
  return slide === undefined
    ? windows.trigger(triggers.purging(triggers.count(size)))
    : windows.evictor(evictors.count(size)).trigger(triggers.count(slide));
}

function tagsOf(outputs: OutputDeclaration | undefined): readonly string[] {
  const tags = Object.keys(outputs ?? {});
  if (tags.includes(DEAD_LETTER_TAG)) {
    throw new MillraceError(
      'STREAM_INVALID',
      `a side output cannot be called "${DEAD_LETTER_TAG}": onError: 'dead-letter' makes the one with this name`,
    );
  }
  return tags;
}

function outputsOf(tags: readonly string[], poison: PoisonPolicy | undefined): readonly string[] {
  return poison === 'dead-letter' ? [...tags, DEAD_LETTER_TAG] : tags;
}

function checkOneJob(call: string, one: StreamGraphBuilder, other: StreamGraphBuilder): void {
  if (one === other) return;
  throw new MillraceError(
    'STREAM_INVALID',
    `${call} of streams of two environments: a job has one environment`,
  );
}

function joinsUnkeyed(): MillraceError {
  return new MillraceError('STREAM_INVALID', 'intervalJoin() with a stream without a key', {
    remedy: 'Call keyBy() on both streams.',
  });
}

function emptyInterval({ lower, upper }: Interval): MillraceError {
  return new MillraceError(
    'STREAM_INVALID',
    `between() of an interval join: no time is from ${lower} ms to ${upper} ms, with exclusive bounds counted`,
  );
}

/** The tags of an interval join: late records have an output of their own. */
function joinTags({ lateLeft, lateRight }: Interval, declared: readonly string[]): readonly string[] {
  const tags = [...declared];
  for (const tag of [lateLeft, lateRight]) {
    if (tag === undefined) continue;
    if (tags.includes(tag) || tag === DEAD_LETTER_TAG) {
      throw new MillraceError('STREAM_INVALID', `the side output "${tag}" of late records is there already`);
    }
    tags.push(tag);
  }
  return tags;
}

function noBroadcastState(name: string): MillraceError {
  return new MillraceError('STREAM_INVALID', `broadcast state "${name}" is not declared as a map`, {
    remedy: `Declare it: broadcast({ ${name}: state.map<…, …>() }).`,
  });
}

function noBroadcastTtl(name: string): MillraceError {
  return new MillraceError(
    'STREAM_INVALID',
    `broadcast state "${name}" has a ttl, and broadcast state does not expire`,
    { remedy: 'Leave ttl out, and delete entries in processBroadcast.' },
  );
}

function connectsKeyed(one: string, other: string): MillraceError {
  return new MillraceError('STREAM_INVALID', `connect() of ${one} and ${other}`, {
    remedy: 'Call keyBy() on both streams or on none; a broadcast stream goes with either.',
  });
}

function cannotWait(group: string): MillraceError {
  return new MillraceError(
    'WATERMARK_ALIGNMENT_MISPLACED',
    `the strategy of assignTimestampsAndWatermarks() is in the alignment group "${group}", but an operator cannot stop reading`,
  );
}

function needsKey(definition: { readonly state?: unknown }): MillraceError {
  const what = definition.state === undefined ? 'timers need' : 'keyed state needs';
  return new MillraceError('STREAM_INVALID', `${what} keyBy() first: this stream has no key`, {
    remedy: 'Call keyBy() before process().',
  });
}

function unknownOutput(tag: string, tags: readonly string[]): MillraceError {
  const known = tags.length === 0 ? 'the operator declares none' : `the operator declares ${tags.join(', ')}`;
  const meant = didYouMean(tag, tags);
  return new MillraceError('STREAM_INVALID', `there is no side output "${tag}": ${known}.${meant}`);
}
