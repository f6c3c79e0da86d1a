/**
 * A whole job between a test's hands: the real job master, slots and tasks, in this thread, on the seeded kernel.
 *
 * Owns the kernel, the inputs and outputs, and the process that runs the job. The test moves it; in between it rests.
 *
 * TJ-1  Time passes in `advance` only; whatever needs none has happened when a call of the test resolves.
 * TJ-2  Inputs and outputs are outside of the job: a crash takes neither back.
 * TJ-3  A failure of the job is thrown by the call of the test in which it comes up.
 */

import { Configuration, type ConfigValues } from '../base/config.ts';
import { type Duration, parseDuration } from '../base/duration.ts';
import { MillraceError } from '../base/errors.ts';
import { keyGroupRange } from '../base/key-groups.ts';
import { didYouMean } from '../base/suggest.ts';
import { loadCheckpoint } from '../checkpoint/load.ts';
import { storesOf } from '../checkpoint/stores.ts';
import type { SubtaskRestore } from '../checkpoint/state-handle.ts';
import { JobMaster } from '../cluster/job-manager/job-master.ts';
import type { JobResult } from '../cluster/job-manager/job-result.ts';
import { jobSettings, latencyOf } from '../cluster/job-manager/job-settings.ts';
import { createJobStorage, type CheckpointReference } from '../cluster/job-manager/job-storage.ts';
import type { CompiledJob } from '../graph/job-graph.ts';
import { type PlannedJob, planJob } from '../graph/plan.ts';
import type { StreamGraph } from '../graph/stream-graph.ts';
import { inProcessSlots } from '../hosts/in-process.ts';
import type { SlotProvider, TaskDeployment } from '../hosts/messages.ts';
import type { OutputType } from '../operators/process-context.ts';
import { SinkWriterOperator } from '../operators/sink-operator.ts';
import type { Sink } from '../operators/sink.ts';
import { describeJob } from '../streams/describe.ts';
import type { JobDefinition } from '../streams/job.ts';
import { type DeclaredState, type FilledState, OperatorState } from './job-state.ts';
import { Kernel } from './kernel.ts';
import { type Script, type Scripted, sourceOf } from './scripted-source.ts';
import { emptyTarget, sinkOf, type Target, type TestOutput } from './test-output.ts';

/** What an input is: a script that ends, or the type of what the test will push. */
export type InputDeclaration = OutputType<unknown> | readonly unknown[];

type ItemOf<D> = D extends readonly (infer T)[] ? T : D extends OutputType<infer T> ? T : never;

/** How a job is tested. */
export interface TestJobOptions<
  I extends Readonly<Record<string, InputDeclaration>>,
  O extends Readonly<Record<string, OutputType<unknown>>>,
> {
  /** Sources by uid (or name) that the test stands in for: a script such as `[1, 2, CRASH, 3]`, or `type<T>()`. */
  readonly inputs?: I;
  /** Sinks by uid (or name) that the test stands in for; each keeps the guarantee of the job's own. */
  readonly outputs?: O;
  /** The arguments of the job. */
  readonly args?: readonly string[];
  /** The parallelism of operators that do not set their own. */
  readonly parallelism?: number;
  /** Goes before what the job sets in code. */
  readonly configuration?: ConfigValues;
  /** Keyed state by uid that the job begins with; see `filledState`. */
  readonly state?: Readonly<Record<string, FilledState>>;
  /** Decides everything that chance decides, in the job too. Default 1. */
  readonly seed?: number;
  /** What the clock shows at the beginning, ms since the epoch. Default 2017-07-14T02:40:00Z. */
  readonly startAt?: number;
  /** Chance orders what happens at the same time in different places, by the seed. Default false. */
  readonly shuffle?: boolean;
  /** Called in each phase of a record and a commit; for searches that crash there. */
  readonly onPoint?: (point: string) => void;
  /** Time between two records of an input; default 0: an input hands over all that it has. */
  readonly recordInterval?: Duration;
}

/** An input of the job. */
export interface TestInput<T> {
  /** Hands records to the job; resolves when all that follows from them without time has happened. */
  push(...records: readonly Scripted<T>[]): Promise<void>;
  /** No record will follow. */
  end(): Promise<void>;
}

const NODE = 'job';
const JOB_ID = 'job';
const JOB_DIRECTORY = `/checkpoints/${JOB_ID}`;

/**
 * A job in a test; {@link testJob} starts it.
 *
 * ```ts
 * const test = await testJob(job((env) => void env.fromSequence(1, 3).map((n) => n * n).print()));
 * const result = await test.finish();
 * console.log(result.status); // FINISHED
 * ```
 */
export class TestJob<
  I extends Readonly<Record<string, InputDeclaration>>,
  O extends Readonly<Record<string, OutputType<unknown>>>,
> {
  readonly inputs: { readonly [Name in keyof I]: TestInput<ItemOf<I[Name]>> };
  readonly outputs: { readonly [Name in keyof O]: TestOutput<ItemOf<O[Name]>> };
  /** The kernel that the job runs on: its disk, its log, its nodes. */
  readonly kernel: Kernel;
  readonly #definition: JobDefinition;
  readonly #options: TestJobOptions<I, O>;
  readonly #scripts = new Map<string, Script<unknown>>();
  readonly #sinks = new Map<string, Target<unknown>>();
  #parallelism: number | undefined;
  #master: JobMaster | undefined;
  #compiled: CompiledJob | undefined;
  #result: JobResult | undefined;
  #latest: CheckpointReference | undefined;

  /** Use {@link testJob}. */
  constructor(definition: JobDefinition, options: TestJobOptions<I, O>) {
    const { seed = 1, startAt, shuffle = false } = options;
    this.#definition = definition;
    this.#options = options;
    this.#parallelism = options.parallelism;
    this.kernel = new Kernel({
      seed,
      shuffle,
      instant: true,
      outside: 'simulated',
      ...(startAt === undefined ? {} : { wallStartMs: startAt }),
    });
    for (const [name, declared] of Object.entries(options.inputs ?? {})) this.#addInput(name, declared);
    for (const name of Object.keys(options.outputs ?? {})) this.#sinks.set(name, emptyTarget());
    this.inputs = Object.fromEntries(
      [...this.#scripts].map(([name, script]) => [name, this.#input(script)]),
    ) as unknown as typeof this.inputs;
    this.outputs = Object.fromEntries(
      [...this.#sinks].map(([name, { output }]) => [name, output]),
    ) as unknown as typeof this.outputs;
  }

  /** The time of the job, ms since the epoch. */
  get now(): number {
    return this.kernel.env('test').clock.now();
  }

  /** Lets time pass: timers fire, watermarks are made, checkpoints are taken when they are due. */
  async advance(duration: Duration): Promise<void> {
    await this.kernel.runFor(parseDuration(duration));
    this.#throwFailure();
  }

  /** Whether the job has ended. */
  get hasEnded(): boolean {
    return this.#result !== undefined;
  }

  /** Takes a checkpoint and commits what belongs to it. */
  async checkpoint(): Promise<CheckpointReference> {
    const taken = this.#running().triggerCheckpoint();
    this.#latest = await this.kernel.settle(taken);
    await this.advance(0);
    return this.#latest;
  }

  /** Ends the process of the job as `kill -9` does. */
  crash(): void {
    this.#running();
    this.kernel.crash(NODE);
    this.#master = undefined;
  }

  /** Starts the job again, from its latest checkpoint, at another parallelism if one is given. */
  async restore(options: { readonly parallelism?: number } = {}): Promise<void> {
    if (this.#master !== undefined) throw misused('restore() starts a job that was ended by crash()');
    this.#parallelism = options.parallelism ?? this.#parallelism;
    this.kernel.restart(NODE);
    this.#start();
    await this.advance(0);
  }

  /** The keyed state of an operator as of the latest `checkpoint()`. */
  async state<S extends DeclaredState>(uid: string, declaration: S): Promise<OperatorState<S>> {
    if (this.#latest === undefined) throw misused('state() reads the latest checkpoint(); take one before');
    const store = storesOf(this.kernel.env('test'));
    const loaded = await this.kernel.settle(loadCheckpoint(store, this.#latest.path, JOB_ID));
    const uids = loaded.metadata.vertices.flatMap(({ operators }) => operators.map((each) => each.uid));
    const vertex = loaded.metadata.vertices.findIndex(({ operators }) =>
      operators.some((each) => each.uid === uid),
    );
    if (vertex < 0) throw misused(`the job has no operator with uid '${uid}'.${didYouMean(uid, uids)}`);
    const { maxParallelism } = loaded.metadata.vertices[vertex]!;
    return new OperatorState(uid, declaration, maxParallelism, loaded.snapshots[vertex]!);
  }

  /** Ends all inputs and runs the job to its end. */
  async finish(): Promise<JobResult> {
    for (const script of this.#scripts.values()) endScript(script);
    await this.kernel.run({ until: () => this.#result !== undefined });
    this.#throwFailure();
    return this.#result!;
  }

  /** Runs until `until` holds, or to the end of the job; for searches. */
  async runUntil(until: () => boolean): Promise<void> {
    await this.kernel.run({ until: () => this.#result !== undefined || until() });
    this.#throwFailure();
  }

  /** Starts the job, and lets nothing happen yet; {@link testJob} has done so. */
  start(): void {
    this.#start();
  }

  #addInput(name: string, declared: InputDeclaration): void {
    const { onPoint, recordInterval = 0 } = this.#options;
    const isScript = Array.isArray(declared);
    const script: Script<unknown> = {
      items: isScript ? [...(declared as readonly unknown[])] : [],
      isEnded: isScript,
      readers: new Set(),
      recordIntervalMs: parseDuration(recordInterval),
      struck: new Set(),
      ...(onPoint === undefined
        ? {}
        : { onEmitted: (index: number) => onPoint(`after record ${index} of '${name}'`) }),
    };
    this.#scripts.set(name, script);
  }

  #input(script: Script<unknown>): TestInput<unknown> {
    return {
      push: async (...records) => {
        if (script.isEnded) throw misused('no record follows after the end of an input');
        script.items.push(...records);
        for (const wakeUp of script.readers) wakeUp();
        await this.advance(0);
      },
      end: async () => {
        endScript(script);
        await this.advance(0);
      },
    };
  }

  #start(): void {
    const env = this.kernel.env(NODE);
    const { compiled, configuration } = this.#plan();
    const settings = jobSettings(configuration, true);
    const inlineThresholdBytes = configuration.get('execution.checkpointing.data-inline-threshold');
    this.#compiled = compiled;
    const master = new JobMaster({
      ...settings,
      // Where the job says nothing it starts again at once: time is the test's.
      restartStrategy:
        configuration.get('restart-strategy.type') === undefined
          ? { kind: 'fixed-delay', attempts: RESTARTS_MAX, delayMs: 0 }
          : settings.restartStrategy,
      jobId: JOB_ID,
      compiled,
      env,
      provider: this.#filling(
        inProcessSlots({
          env: (slot) => this.kernel.env(NODE, `slot ${slot}`),
          build: () => this.#plan().compiled,
        }),
      ),
      storage: createJobStorage({
        env,
        jobId: JOB_ID,
        graph: compiled.graph,
        jobDirectory: JOB_DIRECTORY,
        choice: { kind: 'latest' },
        allowNonRestored: false,
        declaredState: (uid) => compiled.factories.get(uid)?.(),
        inlineThresholdBytes,
      }),
      slotSettings: {
        checkpointing: true,
        cachedFiles: Object.fromEntries(compiled.declarations.cachedFiles),
        atLeastOnce: settings.checkpoints.mode === 'at-least-once',
        checkpointDirectory: JOB_DIRECTORY,
        autoWatermarkIntervalMs: configuration.get('pipeline.auto-watermark-interval'),
        bufferTimeoutMs: 0,
        latency: latencyOf(configuration),
        freezeRecords: true,
        alwaysEncode: false,
        inlineThresholdBytes,
      },
      discardLaterOutput: false,
    });
    this.#master = master;
    master.ended.then(
      (result) => {
        if (this.#master === master) this.#result = result;
      },
      () => undefined,
    );
    this.kernel.schedule({ node: NODE, afterMs: 0, why: 'start', run: () => master.start() });
  }

  /** Described anew for each slot: their functions share nothing. */
  #plan(): PlannedJob {
    const { args = [], configuration = {} } = this.#options;
    const given = Configuration.defaults.withLayer('command line', {
      ...configuration,
      ...(this.#parallelism === undefined ? {} : { 'parallelism.default': this.#parallelism }),
    });
    return planJob(this.#standIn(describeJob(this.#definition, { args })), given, 'test');
  }

  #standIn(graph: StreamGraph): StreamGraph {
    const { onPoint = () => undefined } = this.#options;
    const labels = (is: 'source' | 'sink'): string[] =>
      graph.nodes.filter((node) => node[is] !== undefined).map(({ uid, name }) => uid ?? name);
    checkNames('source', [...this.#scripts.keys()], labels('source'));
    checkNames('sink', [...this.#sinks.keys()], labels('sink'));
    const nodes = graph.nodes.map((node) => {
      const label = node.uid ?? node.name;
      const script = node.source === undefined ? undefined : this.#scripts.get(label);
      if (script !== undefined && node.readerOf !== undefined) {
        const source = sourceOf(script);
        const { readerOf } = node;
        return { ...node, source, factory: () => readerOf(source), parallelism: 1, parallelismLimit: 1 };
      }
      const target = node.sink === undefined ? undefined : this.#sinks.get(label);
      if (target === undefined) return node;
      const sink: Sink<unknown> = sinkOf(target, node.sink!.guarantee, (phase) =>
        onPoint(`${phase} in '${label}'`),
      );
      return { ...node, sink, factory: () => new SinkWriterOperator(sink) };
    });
    return { ...graph, nodes };
  }

  /** Gives the first deployment the state that the test filled, as if it had been restored. */
  #filling(provider: SlotProvider): SlotProvider {
    const { state } = this.#options;
    if (state === undefined) return provider;
    const fill = (task: TaskDeployment): TaskDeployment =>
      task.restore === undefined ? { ...task, restore: this.#filled(task, state) } : task;
    return {
      start: async (...given) => {
        const gateways = await provider.start(...given);
        return gateways.map((gateway) => ({
          ...gateway,
          send: (command) =>
            gateway.send(
              command.kind === 'deploy' ? { ...command, tasks: command.tasks.map(fill) } : command,
            ),
        }));
      },
    };
  }

  #filled({ vertex, subtask }: TaskDeployment, state: Readonly<Record<string, FilledState>>): SubtaskRestore {
    const { vertices } = this.#compiled!.graph;
    const uids = vertices.flatMap(({ operators }) => operators.map(({ uid }) => uid));
    checkNames('operator', Object.keys(state), uids);
    const { operators, parallelism, maxParallelism } = vertices[vertex]!;
    const { start, end } = keyGroupRange(subtask, parallelism, maxParallelism);
    return {
      checkpointId: 0,
      channels: [],
      operators: operators.flatMap(({ uid }) => {
        const filled = state[uid]?.(uid, maxParallelism);
        if (filled === undefined) return [];
        const own = [...filled].filter(([keyGroup]) => keyGroup >= start && keyGroup <= end);
        return [{ uid, sections: [], keyGroups: own.map(([keyGroup, bytes]) => ({ keyGroup, bytes })) }];
      }),
    };
  }

  #running(): JobMaster {
    if (this.#master === undefined) throw misused('the job was ended by crash(); call restore() first');
    if (this.#result !== undefined) throw misused(`the job has ended (${this.#result.status})`);
    return this.#master;
  }

  #throwFailure(): void {
    if (this.#result?.status === 'FAILED' && this.#result.error !== undefined) throw this.#result.error;
  }
}

const RESTARTS_MAX = 100;

/**
 * Starts a job in a test, in this thread, without ports or files: sources and sinks of your choice are the test's,
 * and so are the clock, the disk and chance, also for the functions of the job.
 *
 * ```ts
 * const visits = job((env) => {
 *   env
 *     .fromSource(files.jsonLines<{ user: string }>('/visits'), { uid: 'visits' })
 *     .keyBy('user')
 *     .process({
 *       uid: 'count',
 *       state: { count: state.value(0) },
 *       process(_visit, ctx) {
 *         ctx.state.count.update(ctx.state.count.value() + 1);
 *         return [`${ctx.key} ${ctx.state.count.value()}`];
 *       },
 *     })
 *     .sinkTo(files.linesSink('/counts'), { uid: 'counts' });
 * });
 * const test = await testJob(visits, {
 *   inputs: { visits: type<{ user: string }>() },
 *   outputs: { counts: type<string>() },
 * });
 * await test.inputs.visits.push({ user: 'ada' });
 * await test.checkpoint();
 * await test.inputs.visits.push({ user: 'ada' });
 * test.crash();
 * await test.restore();
 * await test.finish();
 * console.log(test.outputs.counts.values); // [ 'ada 1', 'ada 2' ]
 * ```
 */
export async function testJob<
  I extends Readonly<Record<string, InputDeclaration>> = Record<never, never>,
  O extends Readonly<Record<string, OutputType<unknown>>> = Record<never, never>,
>(definition: JobDefinition, options: TestJobOptions<I, O> = {}): Promise<TestJob<I, O>> {
  const test = new TestJob(definition, options);
  test.start();
  await test.advance(0);
  return test;
}

function endScript(script: Script<unknown>): void {
  script.isEnded = true;
  for (const wakeUp of script.readers) wakeUp();
}

function checkNames(what: string, wanted: readonly string[], present: readonly string[]): void {
  for (const name of wanted) {
    if (present.includes(name)) continue;
    const known = present.length === 0 ? 'It has none.' : `It has ${present.join(', ')}.`;
    throw misused(`the job has no ${what} '${name}'.${didYouMean(name, present)} ${known}`);
  }
}

function misused(message: string): MillraceError {
  return new MillraceError('TEST_KIT_MISUSED', message);
}
