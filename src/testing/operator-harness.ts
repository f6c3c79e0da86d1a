/**
 * Runs one operator by itself: what the task does around it, in the smallest form, with everything recorded.
 *
 * Owns the operator, its keyed state and its clock. H1: as in a task, nothing else happens until what one call gave
 * back was pulled, timers fire before the watermark that made them due goes on, and a snapshot is taken in between.
 */

import { assert } from '../base/assert.ts';
import type { Clock, Files } from '../base/env.ts';
import { checkKey, keyGroupOf, keyGroupRange, subtaskOfKeyGroup } from '../base/key-groups.ts';
import { recordingLog } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../base/time.ts';
import { MetricRegistry } from '../metrics/metric-group.ts';
import { redistribute } from '../checkpoint/redistribution.ts';
import type { OperatorSnapshot, OperatorStateSection } from '../checkpoint/state-handle.ts';
import type {
  Operator,
  OperatorContext,
  OperatorFactory,
  OperatorStateWriter,
  Output,
  Pull,
} from '../operators/operator.ts';
import type { KeyedStateBackend, TimerDomain } from '../state/backend.ts';
import { MemoryStateBackend } from '../state/memory/backend.ts';
import { AccumulatorSet } from '../task/accumulator-set.ts';
import { BatchRun } from '../task/batch-run.ts';
import { createRuntimeContext } from '../task/runtime-context.ts';
import { Slice } from '../task/slice.ts';
import { ManualClock } from './manual-clock.ts';

/** What came out of an operator; a record without timestamp has none here. */
export type Emitted =
  | { readonly record: unknown; readonly timestamp?: number; readonly tag?: string }
  | { readonly watermark: number }
  | { readonly idle: boolean };

/** What an operator is given. */
export type Step =
  | { readonly record: unknown; readonly timestamp?: number; readonly input?: number }
  | { readonly watermark: number }
  | { readonly idle: boolean }
  | { readonly passMs: number }
  | { readonly end: true };

/** How an operator is run. */
export interface HarnessOptions {
  /** Makes the operator; a restored one is made anew. */
  readonly operator: OperatorFactory;
  /** By input, for keyed inputs. */
  readonly keySelectors?: readonly (((value: never) => unknown) | undefined)[];
  readonly jobParameters?: Readonly<Record<string, string>>;
  /** Paths by name. */
  readonly cachedFiles?: Readonly<Record<string, string>>;
  /** What the operator begins with: its own snapshot, or those of all subtasks in order when their number changes. */
  readonly restored?: HarnessSnapshot | readonly HarnessSnapshot[];
  /** Which subtask this is, of how many: it gets its share of what is restored, and its own keys only. Default 0 of 1. */
  readonly subtask?: number;
  readonly parallelism?: number;
  /** Number of key groups. Default 128. */
  readonly maxParallelism?: number;
  readonly clock?: ManualClock;
  readonly autoWatermarkIntervalMs?: number;
  readonly files?: Files;
}

/** What a checkpoint would hold of one subtask. */
export interface HarnessSnapshot {
  readonly keyed: ReadonlyMap<number, Uint8Array>;
  readonly sections: ReadonlyMap<string, Pick<OperatorStateSection, 'redistribution' | 'items'>>;
  /** Neither is part of a checkpoint: a test goes on where it was. */
  readonly clock: ManualClock;
  readonly watermark: number;
}

const UID = 'operator';
const MAX_PARALLELISM = 128;
/** Results that one call may give back; more is an operator that does not end. */
const PULLED_MAX = 1_000_000;

/**
 * One operator between a test's hands.
 *
 * ```ts
 * const harness = await OperatorHarness.open({
 *   operator: () => {
 *     let sum = 0;
 *     let output: Output;
 *     return {
 *       open: (context) => {
 *         output = context.output;
 *       },
 *       record: (_input, value, timestamp) => output.emit((sum += value as number), timestamp),
 *     };
 *   },
 * });
 * harness.record(1);
 * harness.record(2);
 * console.log(harness.records); // [ 1, 3 ]
 * await harness.close();
 * ```
 */
export class OperatorHarness {
  readonly clock: ManualClock;
  /** All that came out, in order. */
  readonly emitted: Emitted[] = [];
  readonly counters = new Map<string, number>();
  /** What the operator's functions have accumulated, and what they have registered. */
  readonly accumulators = new AccumulatorSet();
  readonly metrics: MetricRegistry;
  readonly failures: unknown[] = [];
  readonly #operator: Operator;
  readonly #options: HarnessOptions;
  readonly #backend: MemoryStateBackend | undefined;
  readonly #output: Output;
  readonly #restored: OperatorSnapshot | undefined;
  #watermark: number;
  #isEnding = false;
  #isFinished = false;

  private constructor(options: HarnessOptions) {
    const { subtask = 0, parallelism = 1, maxParallelism = MAX_PARALLELISM } = options;
    const restored = [options.restored ?? []].flat();
    this.#options = { ...options, subtask, parallelism, maxParallelism };
    this.clock = options.clock ?? restored[0]?.clock ?? new ManualClock();
    this.metrics = new MetricRegistry(this.clock);
    // As after a restore in a job: event time is what all have reached.
    this.#watermark = restored.reduce(
      (lowest, { watermark }) => Math.min(lowest, watermark),
      restored[0]?.watermark ?? MIN_TIMESTAMP,
    );
    this.#restored =
      restored.length === 0
        ? undefined
        : redistribute(UID, restored.map(operatorSnapshot), { parallelism, maxParallelism })[subtask];
    this.#operator = options.operator();
    this.#backend = options.keySelectors?.some((selector) => selector !== undefined)
      ? new MemoryStateBackend({
          keyGroupRange: keyGroupRange(subtask, parallelism, maxParallelism),
          maxParallelism,
          freezeValues: true,
          operatorUid: UID,
          now: () => this.clock.now(),
        })
      : undefined;
    this.#output = this.#recordingOutput();
  }

  /** Makes, restores and opens an operator. */
  static async open(options: HarnessOptions): Promise<OperatorHarness> {
    const harness = new OperatorHarness(options);
    for (const { keyGroup, bytes } of harness.#restored?.keyGroups ?? [])
      harness.#backend?.restore(keyGroup, bytes);
    await harness.#operator.open(harness.#context());
    return harness;
  }

  /** The records that came out of the main output. */
  get records(): unknown[] {
    return this.emitted.flatMap((each) => ('record' in each && each.tag === undefined ? [each.record] : []));
  }

  /** The records that came out of a side output. */
  sideOutput(tag: string): unknown[] {
    return this.emitted.flatMap((each) => ('record' in each && each.tag === tag ? [each.record] : []));
  }

  /** Whether this subtask owns the key of a record: another one would get it. */
  owns(value: unknown, input = 0): boolean {
    const selector = this.#options.keySelectors?.[input] as ((value: unknown) => unknown) | undefined;
    if (selector === undefined) return true;
    const { subtask = 0, parallelism = 1, maxParallelism = MAX_PARALLELISM } = this.#options;
    const keyGroup = keyGroupOf(checkKey(selector(value)), maxParallelism);
    return subtaskOfKeyGroup(keyGroup, parallelism, maxParallelism) === subtask;
  }

  /** Whatever a step says. */
  do(step: Step): void {
    if ('record' in step) this.record(step.record, step.timestamp, step.input);
    else if ('watermark' in step) this.watermark(step.watermark);
    else if ('idle' in step) this.idle(step.idle);
    else if ('passMs' in step) this.passMs(step.passMs);
    else this.end();
  }

  /** One record; what the operator gives back is pulled at once. */
  record(value: unknown, timestamp = MIN_TIMESTAMP, input = 0): void {
    this.#pull(this.start(value, timestamp, input), timestamp);
  }

  /** As `record`, but what the operator gives back is left to be pulled: what a task does whose outputs are full. */
  start(value: unknown, timestamp = MIN_TIMESTAMP, input = 0): void | Pull {
    const selector = this.#options.keySelectors?.[input] as ((value: unknown) => unknown) | undefined;
    if (selector !== undefined) this.#backend!.setCurrentKey(checkKey(selector(value)));
    return this.#operator.record(input, value, timestamp);
  }

  /**
   * Records of one input as a task hands a whole batch to its first operator: by `Operator.batch` where there is one, with
   * a pause behind every other record, else one after the other.
   */
  batch(records: readonly Extract<Step, { record: unknown }>[]): void {
    const operator = this.#operator;
    if (operator.batch === undefined || operator.resume !== undefined) {
      for (const record of records) this.do(record);
      return;
    }
    const input = records[0]?.input ?? 0;
    assert(
      records.every((record) => (record.input ?? 0) === input),
      'a batch is of one input',
    );
    const slice = new Slice(this.clock);
    let asked = 0;
    const run = new BatchRun({ slice, isClear: () => true, writable: () => ++asked % 2 === 1 });
    run.load(input, {
      values: records.map(({ record }) => record),
      timestamps: records.map(({ timestamp = MIN_TIMESTAMP }) => timestamp),
    });
    const selector = this.#options.keySelectors?.[input] as ((value: unknown) => unknown) | undefined;
    if (selector !== undefined) run.selectKeys(selector, this.#backend!);
    while (!run.isDone()) {
      slice.begin(Number.POSITIVE_INFINITY, 0);
      const pull = operator.batch(run);
      run.settle();
      this.#pull(pull, run.timestamps[run.position - 1]!);
    }
  }

  /** Event time: timers fire, then the operator sees the watermark; one that does not rise is ignored. */
  watermark(timestamp: number): void {
    if (timestamp <= this.#watermark) return;
    this.#watermark = timestamp;
    this.#fire('event', timestamp);
    if (this.#operator.watermark === undefined) this.#output.watermark(timestamp);
    else this.#operator.watermark(timestamp);
  }

  /** All inputs are idle, or one is active again. */
  idle(idle: boolean): void {
    if (this.#operator.status === undefined) this.#output.status(idle);
    else this.#operator.status(idle);
  }

  /** Lets processing time pass, millisecond by millisecond as far as timers are concerned. */
  passMs(ms: number): void {
    const end = this.clock.now() + ms;
    for (let due = this.#nextDue(end); due !== undefined; due = this.#nextDue(end)) {
      this.clock.advance(Math.max(0, due - this.clock.now()));
      this.#fire('processing', due);
    }
    this.clock.advance(end - this.clock.now());
  }

  /**
   * Hands on all that the operator has finished outside of calls, as a task does between two records; after `end` the
   * operator finishes as soon as nothing is under way. Let the event loop turn before: promises are settled by it.
   */
  resume(): void {
    if (this.#operator.resume === undefined) return;
    let handedOn = 0;
    while (this.#operator.resume()) assert(++handedOn <= PULLED_MAX, 'an operator hands on a bounded number');
    if (this.#isEnding) this.#finish();
  }

  /** Whether a task would hand the operator a record now. */
  get writable(): boolean {
    return this.#operator.writable?.() ?? true;
  }

  /** All input and what it set under way is done. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** The end of the input: the operator finishes, and event time with it; with work under way, in a later `resume`. */
  end(): void {
    this.watermark(MAX_TIMESTAMP);
    this.#isEnding = true;
    this.#finish();
  }

  #finish(): void {
    if (this.#operator.drain?.() === false) return;
    this.#isEnding = false;
    this.#isFinished = true;
    this.#pull(this.#operator.finish?.(), MIN_TIMESTAMP);
  }

  /** What a checkpoint taken now would hold. */
  async snapshot(checkpointId = 1): Promise<HarnessSnapshot> {
    const sections = new Map<string, Parameters<OperatorStateWriter['section']>>();
    this.#operator.beforeBarrier?.(checkpointId);
    this.#operator.snapshot?.(checkpointId, {
      timestamp: this.clock.now(),
      section: (...section) => {
        assert(!sections.has(section[0]), 'a section is written once');
        sections.set(section[0], section);
      },
    });
    const keyed = new Map<number, Uint8Array>();
    const frozen = this.#backend?.freeze();
    for (const keyGroup of frozen?.keyGroups() ?? []) keyed.set(keyGroup, frozen!.encode(keyGroup));
    frozen?.release();
    const written = new Map<string, Pick<OperatorStateSection, 'redistribution' | 'items'>>();
    for (const [name, redistribution, items] of sections.values())
      written.set(name, { redistribution, items: await items });
    return { keyed, sections: written, clock: this.clock, watermark: this.#watermark };
  }

  /** Closes the operator. */
  async close(): Promise<void> {
    await this.#operator.close?.();
  }

  #nextDue(end: number): number | undefined {
    const next = this.#backend?.timers.next('processing');
    return next !== undefined && next <= end ? next : undefined;
  }

  #fire(domain: TimerDomain, upTo: number): void {
    const timers = this.#backend?.timers;
    for (let time = timers?.poll(domain, upTo); time !== undefined; time = timers?.poll(domain, upTo)) {
      this.#pull(this.#operator.timer?.(time, domain), domain === 'event' ? time : MIN_TIMESTAMP);
    }
  }

  #pull(pull: void | Pull, timestamp: number): void {
    if (pull === undefined) return;
    let pulled = 0;
    for (let next = pull.next(); next.done !== true; next = pull.next()) {
      assert(++pulled <= PULLED_MAX, 'one call gives back a bounded number of results');
      this.#output.emit(next.value, pull.timestamp ?? timestamp);
    }
  }

  #recordingOutput(): Output {
    const push = (record: unknown, timestamp: number, tag?: string): void => {
      this.emitted.push({
        record,
        ...(timestamp === MIN_TIMESTAMP ? {} : { timestamp }),
        ...(tag === undefined ? {} : { tag }),
      });
    };
    return {
      emit: (value, timestamp) => push(value, timestamp),
      emitAll: (values, timestamp) => {
        for (const value of values) push(value, timestamp);
      },
      side: (tag, value, timestamp) => push(value, timestamp, tag),
      watermark: (watermark) => this.emitted.push({ watermark }),
      status: (idle) => this.emitted.push({ idle }),
    };
  }

  #context(): OperatorContext {
    const backend = this.#backend;
    const { files, autoWatermarkIntervalMs = 200 } = this.#options;
    const { subtask = 0, parallelism = 1, maxParallelism = MAX_PARALLELISM } = this.#options;
    const restored = this.#restored;
    return {
      info: { ...OPERATOR_INFO, subtask, parallelism, maxParallelism },
      output: this.#output,
      clock: this.clock as Clock,
      random: seededRandom(1),
      get files(): Files {
        assert(files !== undefined, 'the test gives the operator files');
        return files;
      },
      log: recordingLog(),
      client: { writable: () => true, send: () => {} },
      runtime: createRuntimeContext({
        metrics: this.metrics.group,
        accumulators: this.accumulators,
        jobParameters: this.#options.jobParameters ?? {},
        cachedFiles: this.#options.cachedFiles ?? {},
        sourcePosition: () => undefined,
      }),
      checkpointing: true,
      restoredCheckpointId: restored === undefined ? undefined : 1,
      get keyed(): KeyedStateBackend {
        assert(backend !== undefined, 'an operator with keyed state has a key selector');
        return backend;
      },
      autoWatermarkIntervalMs,
      currentWatermark: () => this.#watermark,
      restored: (name) => restored?.sections.find((section) => section.name === name)?.items ?? [],
      restoredNames: () => restored?.sections.map(({ name }) => name) ?? [],
      wakeUp: () => {},
      fail: (error) => this.failures.push(error),
      count: (name, by = 1) => this.counters.set(name, (this.counters.get(name) ?? 0) + by),
      checkFence: () => Promise.resolve(),
    };
  }
}

const OPERATOR_INFO = { jobId: 'job', jobName: 'job', uid: UID, name: 'operator', attempt: '1-1' } as const;

function operatorSnapshot({ keyed, sections }: HarnessSnapshot): OperatorSnapshot {
  return {
    uid: UID,
    sections: [...sections].map(([name, section]) => ({ name, ...section })),
    keyGroups: [...keyed].map(([keyGroup, bytes]) => ({ keyGroup, bytes })),
  };
}
