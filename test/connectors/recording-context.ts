// The surroundings of one operator in a test: what it emits, sends, fails with and snapshots is kept to be looked at.
import { MetricRegistry } from '../../src/metrics/metric-group.ts';
import { AccumulatorSet } from '../../src/task/accumulator-set.ts';
import { createRuntimeContext } from '../../src/task/runtime-context.ts';
import type { Env } from '../../src/base/env.ts';
import type { KeyedStateBackend } from '../../src/state/backend.ts';
import type {
  ClientPort,
  OperatorContext,
  OperatorInfo,
  OperatorStateWriter,
  Output,
  Redistribution,
} from '../../src/operators/operator.ts';
import type { ReaderContext } from '../../src/operators/source.ts';

/** An element that an operator emitted, in order. */
export type Emitted =
  | { readonly kind: 'record'; readonly value: unknown; readonly timestamp: number }
  | { readonly kind: 'watermark'; readonly timestamp: number }
  | { readonly kind: 'status'; readonly idle: boolean };

export class RecordingOutput implements Output {
  readonly emitted: Emitted[] = [];
  /** How many of them are records. */
  records = 0;

  get values(): unknown[] {
    return this.emitted.flatMap((element) => (element.kind === 'record' ? [element.value] : []));
  }

  get watermarks(): number[] {
    return this.emitted.flatMap((element) => (element.kind === 'watermark' ? [element.timestamp] : []));
  }

  emit(value: unknown, timestamp: number): void {
    this.records++;
    this.emitted.push({ kind: 'record', value, timestamp });
  }

  emitAll(values: readonly unknown[], timestamp: number): void {
    for (const value of values) this.emit(value, timestamp);
  }

  side(): void {
    throw new Error('not expected here');
  }

  watermark(timestamp: number): void {
    this.emitted.push({ kind: 'watermark', timestamp });
  }

  status(idle: boolean): void {
    this.emitted.push({ kind: 'status', idle });
  }
}

export class RecordingClient implements ClientPort {
  readonly sent: { readonly sink: string; readonly values: readonly unknown[]; readonly sequence: string }[] =
    [];
  open = true;

  writable(): boolean {
    return this.open;
  }

  send(sink: string, values: readonly unknown[], sequence: string): void {
    this.sent.push({ sink, values, sequence });
  }
}

export interface RecordingOptions {
  readonly info?: Partial<OperatorInfo>;
  readonly checkpointing?: boolean;
  readonly autoWatermarkIntervalMs?: number;
  readonly restoredCheckpointId?: number | undefined;
  readonly restored?: Readonly<Record<string, readonly Uint8Array[]>>;
  readonly checkFence?: () => Promise<void>;
}

export class RecordingContext implements OperatorContext {
  readonly info: OperatorInfo;
  readonly output = new RecordingOutput();
  readonly client = new RecordingClient();
  readonly clock: Env['clock'];
  readonly runtime: OperatorContext['runtime'];
  readonly random: Env['random'];
  readonly files: Env['files'];
  readonly log: Env['log'];
  readonly checkpointing: boolean;
  readonly autoWatermarkIntervalMs: number;
  readonly restoredCheckpointId: number | undefined;
  readonly failures: unknown[] = [];
  readonly counters = new Map<string, number>();
  wakeUps = 0;
  readonly #options: RecordingOptions;

  constructor(env: Env, options: RecordingOptions = {}) {
    this.clock = env.clock;
    this.runtime = createRuntimeContext({
      metrics: new MetricRegistry(env.clock).group,
      accumulators: new AccumulatorSet(),
      jobParameters: {},
      cachedFiles: {},
      sourcePosition: () => undefined,
    });
    this.random = env.random;
    this.files = env.files;
    this.log = env.log;
    this.info = {
      jobId: 'job',
      jobName: 'a job',
      uid: 'operator',
      name: 'an operator',
      subtask: 0,
      parallelism: 1,
      maxParallelism: 128,
      attempt: '1-1',
      ...options.info,
    };
    this.checkpointing = options.checkpointing ?? true;
    this.autoWatermarkIntervalMs = options.autoWatermarkIntervalMs ?? 200;
    this.restoredCheckpointId = options.restoredCheckpointId;
    this.#options = options;
  }

  get keyed(): KeyedStateBackend {
    throw new Error('not expected here');
  }

  currentWatermark(): number {
    return 0;
  }

  restored(name: string): readonly Uint8Array[] {
    return this.#options.restored?.[name] ?? [];
  }

  restoredNames(): readonly string[] {
    return Object.keys(this.#options.restored ?? {});
  }

  wakeUp(): void {
    this.wakeUps++;
  }

  fail(error: unknown): void {
    this.failures.push(error);
  }

  count(name: string, by = 1): void {
    this.counters.set(name, (this.counters.get(name) ?? 0) + by);
  }

  checkFence(): Promise<void> {
    return this.#options.checkFence?.() ?? Promise.resolve();
  }

  /** The part of this that a reader gets. */
  get reader(): ReaderContext {
    const { info, files, clock, random, log } = this;
    return {
      info,
      files,
      clock,
      random,
      log,
      wakeUp: () => this.wakeUp(),
      fail: (error) => this.fail(error),
      count: (name, by) => this.count(name, by),
    };
  }
}

/** Takes one snapshot. */
export class RecordingState implements OperatorStateWriter {
  readonly timestamp = 0;
  readonly sections = new Map<string, Promise<readonly Uint8Array[]>>();
  readonly redistributions = new Map<string, Redistribution>();

  section(
    name: string,
    redistribution: Redistribution,
    items: readonly Uint8Array[] | Promise<readonly Uint8Array[]>,
  ): void {
    if (this.sections.has(name)) throw new Error(`section ${name} twice`);
    this.sections.set(name, Promise.resolve(items));
    this.redistributions.set(name, redistribution);
  }

  items(name: string): Promise<readonly Uint8Array[]> {
    return this.sections.get(name) ?? Promise.resolve([]);
  }
}
