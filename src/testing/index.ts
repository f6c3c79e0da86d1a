/** The public face of the testing kit: an operator by itself, files that fail, and whole jobs on one seed. */

// One operator
export type { Operator, OperatorFactory, Output, Pull } from '../operators/operator.ts';
export { ManualClock } from './manual-clock.ts';
export {
  type Emitted,
  type HarnessOptions,
  type HarnessSnapshot,
  OperatorHarness,
  type Step,
} from './operator-harness.ts';
export { type OperatorDescription, operatorOf } from './operator-of.ts';
export { verifyOperator, type VerifyOptions } from './verify-operator.ts';

// A whole job
export { type DeclaredState, type FilledState, filledState, OperatorState } from './job-state.ts';
export { CRASH, type Scripted, scriptedSource } from './scripted-source.ts';
export {
  type InputDeclaration,
  testJob,
  TestJob,
  type TestInput,
  type TestJobOptions,
} from './test-job.ts';
export { type GoldenOptions, matchGoldenFile } from './golden-file.ts';
export { MiniCluster, type MiniClusterOptions } from './mini-cluster.ts';
export { TestOutput } from './test-output.ts';

// Sources and sinks of your own
export {
  type ConformanceCase,
  sinkConformance,
  type SinkSubject,
  sourceConformance,
  type SourceSubject,
} from './conformance.ts';

// Proofs
export type { RecordsByInput, Results, SearchOptions } from './job-runs.ts';
export { type CrashOptions, sameUnderCrash } from './same-under-crash.ts';
export { type Disorder, sameUnderShuffle, type ShuffleOptions } from './same-under-shuffle.ts';

// Files
export { SimulatedDisk, type SimulatedDiskOptions } from './simulated-disk.ts';
export {
  type FileCall,
  type FileFault,
  type FileFaults,
  type FileOperation,
  memoryFiles,
  SimulatedFiles,
} from './simulated-files.ts';

// Everything on one seed
export type { Clock, Env, Files, Log, Random, Timer } from '../base/env.ts';
export { Kernel, type KernelEvent, type KernelOptions, type RunOptions } from './kernel.ts';
