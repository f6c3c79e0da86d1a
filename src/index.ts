/** The public face of Millrace: what a job is written with. Every name is listed; `test/public-api.txt` is their review. */

import { aggregating, list, map, reducing, value } from './state/state.ts';

/**
 * Declares keyed state: `state.value`, `state.list`, `state.map`, `state.reducing`, `state.aggregating`.
 *
 * ```ts
 * export default job((env) => {
 *   env
 *     .fromData([{ user: 'ada' }, { user: 'ada' }])
 *     .keyBy('user')
 *     .process({
 *       uid: 'visits',
 *       state: { visits: state.value(0) },
 *       process(_event, ctx) {
 *         const visits = ctx.state.visits.value() + 1;
 *         ctx.state.visits.update(visits);
 *         return [{ user: ctx.key, visits }];
 *       },
 *     })
 *     .print();
 * });
 * ```
 */
export const state = Object.freeze({ value, list, map, reducing, aggregating });

// Jobs
export type { Duration } from './base/duration.ts';
export type { Key } from './base/key.ts';
export {
  type ErrorCode,
  type ErrorLocation,
  type ErrorOwner,
  type ErrorRetry,
  isMillraceError,
  MillraceError,
} from './base/errors.ts';
export {
  type CheckpointingOptions,
  StreamExecutionEnvironment,
} from './streams/environment.ts';
export {
  executionEnvironment,
  job,
  type JobDefinition,
  type JobFunction,
  type JobOptions,
} from './streams/job.ts';
export { JobArguments } from './streams/job-arguments.ts';
export type { JobExecutionResult } from './streams/job-runner.ts';

// Running
export {
  type CheckpointReference,
  execute,
  executeAsync,
  type ExecuteOptions,
  type JobClient,
  type JobFigures,
  type JobListener,
  type JobResult,
  type JobState,
  type JobStatus,
  type RunnableJob,
  type VertexFigures,
} from './run.ts';
// Runs that a program begins are exported where its environment says so.
import './watched/program-runs.ts';

// Streams
export type {
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
} from './streams/connected-functions.ts';
export {
  BoundedIntervalJoin,
  BroadcastConnectedStream,
  BroadcastStream,
  ConnectedStreams,
  DataStream,
  DataStreamSink,
  type Immediate,
  IntervalJoin,
  JoinCondition,
  JoinedStreams,
  KeyedBroadcastConnectedStream,
  KeyedConnectedStreams,
  KeyedJoin,
  KeyedStream,
  OperatorStream,
  type PartitionOptions,
  PartitionWindowedStream,
  type SortOptions,
  WindowedJoin,
  WindowedStream,
} from './streams/data-stream.ts';
export type { AsyncWait, DeadLetters, KeyedProcess, Process } from './streams/data-stream.ts';
export type {
  CannotGoBack,
  DataOptions,
  ExactlyOnceOption,
  ExtremeOptions,
  NotExactlyOnce,
  ShowsAtOnce,
  NodeOptions,
  OperatorOptions,
  SinkOptions,
  SourceOptions,
  StatefulOptions,
} from './streams/options.ts';

// Types
export type { SchemaIssue, SchemaResult, StandardSchema } from './codecs/standard-schema.ts';
export type { FieldShape, ScalarKind, TypeShape } from './codecs/type-shape.ts';
export { type DataType, type ObjectOf, type OptionalField, t, type TypeOf } from './codecs/types.ts';

// Windows
export type { ApplyJoin, JoinWindow, TaggedUnion } from './operators/window/window-join.ts';
export {
  endOfStreamWindow,
  globalWindow,
  session,
  sliding,
  tumbling,
  type AssignerContext,
  type TumblingOptions,
  type WindowAssigner,
  type WindowOptions,
  type WindowStagger,
  type WindowTime,
} from './operators/window/assigners.ts';
export {
  type Evictor,
  type EvictorContext,
  type EvictorOptions,
  evictors,
  type TimestampedValue,
} from './operators/window/evictors.ts';
export { TimeWindow } from './operators/window/time-window.ts';
export type { TimeoutOptions } from './operators/window/timeout-trigger.ts';
export type {
  MergeContext,
  Trigger,
  TriggerContext,
  TriggerResult,
} from './operators/window/trigger.ts';
export { type AnyTrigger, triggers } from './operators/window/triggers.ts';
export type { ProcessWindowFunction, WindowContext } from './operators/window/window-function.ts';
export type {
  LateOutput,
  WindowAggregate,
  WindowFunction,
  WindowProcess,
} from './streams/windowed-stream.ts';

// Functions
export type { LateAtBound, LatenessFigures } from './metrics/lateness.ts';
export type {
  Counter,
  Distribution,
  Histogram,
  Meter,
  MetricFigure,
  MetricGroup,
} from './metrics/metric-group.ts';
export {
  type Accumulator,
  type AccumulatorFunction,
  accumulators,
  type LocalAccumulator,
} from './operators/accumulators.ts';
export type { RuntimeContext } from './operators/runtime-context.ts';
export type { AsyncRetry } from './operators/async-retry.ts';
export type { AsyncContext, AsyncFunction, AsyncResultOf } from './operators/async-wait.ts';
export type {
  BroadcastContext,
  BroadcastProcessFunction,
  BroadcastReader,
  KeyedBroadcastContext,
  KeyedBroadcastProcessFunction,
} from './operators/broadcast-process.ts';
export type { CoFlatMapFunction } from './operators/co-flat-map.ts';
export type { CoMapFunction } from './operators/co-map.ts';
export type { CoProcessFunction, KeyedCoProcessFunction } from './operators/co-process.ts';
export type { DeadLetter, PoisonedTimer } from './operators/dead-letter.ts';
export type { JoinContext, ProcessJoinFunction } from './operators/interval-join.ts';
export type {
  FunctionLife,
  Initialization,
  InitializationContext,
  SnapshotContext,
} from './operators/function-operator.ts';
export type { PlainFunction } from './operators/plain-function.ts';
export type { KeyedProcessFunction, ProcessFunction } from './operators/process.ts';
export {
  type FunctionContext,
  type KeyedProcessContext,
  type Nothing,
  type OutputDeclaration,
  type OutputType,
  type ProcessContext,
  type SideOutputs,
  type StateDeclaration,
  type Time,
  type TimerContext,
  type Timers,
  type,
} from './operators/process-context.ts';
export type { ReduceFunction } from './operators/reduce.ts';
export type { ResultOf, Results } from './operators/results.ts';
export type { FieldOf, Ordered } from './operators/rolling.ts';

// Time
export type {
  TimestampAssigner,
  WatermarkGenerator,
  WatermarkOutput,
} from './operators/watermark-generator.ts';
export { type WatermarkAlignment, WatermarkStrategy } from './operators/watermark-strategy.ts';
export { watermarks } from './operators/watermarks.ts';

// State
export type { Codec } from './codecs/codec.ts';
export { bigintCodec, booleanCodec, bytesCodec, numberCodec, stringCodec } from './codecs/primitives.ts';
export type { TypeEvolution } from './codecs/evolution.ts';
export { codecOf } from './codecs/type-codec.ts';
export type {
  AggregateFunction,
  AggregatingDescriptor,
  AggregatingState,
  ListDescriptor,
  ListState,
  MapDescriptor,
  MapState,
  ReducingDescriptor,
  ReducingState,
  StateDescriptor,
  StateHandle,
  StateHandles,
  ValueDescriptor,
  ValueState,
} from './state/descriptors.ts';
export type {
  BroadcastDeclaration,
  BroadcastHandles,
  ReadOnlyBroadcastHandles,
  ReadOnlyMapState,
} from './state/broadcast-state.ts';
export type { DeclaredLists, OperatorListOptions, OperatorStateStore } from './state/operator-lists.ts';
export type { MapStateOptions, StateOptions } from './state/state.ts';
export type { StateTtl, TtlCleanup, TtlUpdate, TtlVisibility } from './state/ttl.ts';

// What led to a result
export type { Evidence, EvidenceOptions, EvidenceStep } from './operators/evidence.ts';
export type { AlertReceiver, AlertSeverity, JobAlert } from './operators/sink.ts';

// Sources and sinks
export {
  type AtLeastOnceOptions,
  atLeastOnceSink,
  type BatchOptions,
  type IdempotentOptions,
  idempotentSink,
} from './connectors/at-least-once.ts';
export { alertSink, type AlertSinkOptions } from './connectors/alert-sink.ts';
export {
  asyncIterableSource,
  type Positioned,
  type PositionedIterable,
} from './connectors/async-iterable.ts';
export { type CallbackOptions, callbackSink, collectSink, type ReceivedFrom } from './connectors/callback.ts';
export { type CollectionOptions, collectionSource } from './connectors/collection.ts';
export {
  type GeneratorContext,
  type GeneratorOptions,
  generatorSource,
} from './connectors/data-generator.ts';
export type { GeneratorRandom } from './connectors/record-random.ts';
export { type FileConnectors, files } from './connectors/files/files.ts';
export type { FileSinkOptions } from './connectors/files/file-sink.ts';
export type { BrokenLine, JsonLinesOptions } from './connectors/files/json-lines.ts';
export type {
  CsvColumn,
  CsvColumns,
  CsvOptions,
  CsvRecord,
  CsvSyntaxOptions,
  CsvValue,
} from './connectors/files/csv.ts';
export type { CsvSinkOptions } from './connectors/files/csv-sink.ts';
export type { LinesOptions } from './connectors/files/lines.ts';
export { type PrintOptions, printSink } from './connectors/print.ts';
export { sequenceSource } from './connectors/sequence.ts';
export { type TwoPhaseCommit, twoPhaseCommitSink } from './connectors/two-phase-commit.ts';

// For sources and sinks of your own
export type { OperatorContext, OperatorInfo } from './operators/operator.ts';
export type {
  ExactlyOnceSink,
  Sink,
  SinkCommitter,
  SinkGuarantee,
  SinkPrepareContext,
  SinkWriter,
} from './operators/sink.ts';
export type {
  EnumeratorContext,
  PendingInput,
  ReaderContext,
  ReaderOutput,
  ReaderStatus,
  ReplayableSource,
  Source,
  SourceReader,
  SourceSplit,
  SplitEnumerator,
} from './operators/source.ts';
