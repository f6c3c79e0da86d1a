/** Builds the chain of one vertex: operators, outputs, state backends and contexts, wired together. */

import { assert } from '../base/assert.ts';
import type { CallerAs } from '../base/call-origin.ts';
import type { Log } from '../base/env.ts';
import { MillraceError, isMillraceError } from '../base/errors.ts';
import { keyGroupRange } from '../base/key-groups.ts';
import type { CompiledJob, JobVertex, PlannedOperator } from '../graph/job-graph.ts';
import type { HandOver, TakeHanded } from '../exchange/hand-over.ts';
import type { OperatorContext } from '../operators/operator.ts';
import type { KeyedStateBackend } from '../state/backend.ts';
import { MemoryStateBackend } from '../state/memory/backend.ts';
import { LatencyTracker, NO_LATENCY } from '../metrics/latency.ts';
import { MetricRegistry } from '../metrics/metric-group.ts';
import { AccumulatorSet } from './accumulator-set.ts';
import { ChainLink } from './chain-link.ts';
import { ChainOutput, type Targets } from './chain-output.ts';
import type { FrameStack } from './frames.ts';
import { fuse, type FusedParts, fusePort, fuseRun, fuseTake, mayLeaveWork, RowCounts } from './fused.ts';
import { ChainOperatorContext } from './operator-context.ts';
import type { RestoredOperator } from './snapshot.ts';
import { createRuntimeContext } from './runtime-context.ts';
import type { TaskHost, TaskPort } from './task-host.ts';

/** Said once for each thread. */
let saidPlain = false;

/** What a chain is built from. */
export interface ChainParts {
  /** Index in `graph.vertices`. */
  readonly vertex: number;
  readonly compiled: CompiledJob;
  readonly host: TaskHost;
  readonly frames: FrameStack;
  readonly restored: ReadonlyMap<string, RestoredOperator>;
  readonly fail: (error: unknown) => void;
  /** The outputs of the task have room. */
  readonly writable: () => boolean;
}

/** The operators of one subtask, wired. */
export class Chain {
  /** Topological; `links[0]` is the head. */
  readonly links: readonly ChainLink[];
  readonly contexts: readonly OperatorContext[];
  readonly counters: Record<string, number> = {};
  readonly accumulators: AccumulatorSet;
  /** In the order of `links`. */
  readonly metrics: readonly MetricRegistry[];
  readonly #parts: ChainParts;
  readonly #vertex: JobVertex;
  /** Every line says whose it is. */
  readonly #log: Log;
  /** Who hands records over, if anybody in this thread does. */
  #handed: { readonly way: HandOver; readonly name: string; readonly callAsThis: CallerAs } | undefined;
  #hasRunInAnothersName = false;
  /** The source has ended: what comes now is of no record that it is at. */
  #isBehindSource = false;

  constructor(parts: ChainParts) {
    this.#parts = parts;
    this.#vertex = parts.compiled.graph.vertices[parts.vertex]!;
    const { jobName: job, jobId, subtask, attempt } = parts.host.info;
    this.#log = parts.host.env.log.child({ job, jobId, vertex: this.#vertex.name, subtask, attempt });
    const { operators, source } = this.#vertex;
    this.links = operators.map((planned) => this.#link(planned));
    this.accumulators = new AccumulatorSet(parts.compiled.declarations.accumulators);
    this.metrics = operators.map((planned) => this.#registry(planned));
    this.contexts = this.links.map((link, index) => this.#context(link, this.metrics[index]!));
    for (const [index, link] of this.links.entries()) this.#connect(index, link);
    this.#fuse(source);
    if (source) this.links[0]!.output.runInline();
  }

  /** All that the source has read is done; what operators kept until the end comes now. */
  sourceEnded(): void {
    this.#isBehindSource = true;
  }

  get name(): string {
    return this.#vertex.name;
  }

  get head(): ChainLink {
    return this.links[0]!;
  }

  /**
   * Shows each record that an operator hands on to its main output, until the function that comes back is called. Made
   * code is made anew without what is shown and with it again, so that a chain which nobody looks at pays nothing.
   */
  tap(operator: number, take: (value: unknown, timestamp: number) => void): () => void {
    const end = this.links[operator]!.output.tap(take);
    this.#fuseAnew();
    return () => {
      end();
      this.#fuseAnew();
    };
  }

  /**
   * What a producer in the same thread hands over goes to the head, made into code when the first record comes. Plain code
   * makes each call in the name of this task; code that was made runs in that of the producer, because to enter another one
   * takes longer than many records do.
   */
  takeFrom(way: HandOver, name: string, callAsThis: CallerAs): void {
    this.#handed = { way, name, callAsThis };
    this.#takeAnew();
  }

  /** Something that its functions left behind may bear the name of the producer. */
  get hasRunInAnothersName(): boolean {
    return this.#hasRunInAnothersName;
  }

  #takeAnew(): void {
    if (this.#handed === undefined) return;
    const { way, name, callAsThis } = this.#handed;
    way.take = (value, timestamp, key) => {
      // Where records are frozen everything is to be as exact as can be.
      const made = this.#parts.host.freezeRecords ? undefined : this.#madeTake(way, name);
      if (made !== undefined) this.#hasRunInAnothersName = true;
      way.take = made ?? this.#plainTake(way, callAsThis);
      way.take(value, timestamp, key);
    };
  }

  #madeTake(way: HandOver, name: string): TakeHanded | undefined {
    const { head } = this;
    return this.#made(head, (row) =>
      fuseTake(row, {
        select: (value, key) => head.selectHanded(value, key),
        taken: mayLeaveWork(row) ? () => this.#handedTaken(way) : () => way.taken(true),
        fail: (error) => this.#failHanded(way, error),
        name,
      }),
    );
  }

  #plainTake(way: HandOver, callAsThis: CallerAs): TakeHanded {
    return (value, timestamp, key) =>
      callAsThis(() => {
        try {
          this.head.deliverHanded(value, timestamp, key);
        } catch (error) {
          return this.#failHanded(way, error);
        }
        this.#handedTaken(way);
      }, undefined);
  }

  /** As between two records of a batch (B2 of batch-run.ts). What fails here is no error of the producer either. */
  #handedTaken(way: HandOver): void {
    try {
      way.taken(this.#parts.frames.size === 0 && this.#parts.writable());
    } catch (error) {
      this.#failHanded(way, error);
    }
  }

  #failHanded(way: HandOver, error: unknown): void {
    way.close();
    this.#parts.fail(error);
  }

  #fuseAnew(): void {
    for (const link of this.links) link.unfuse();
    this.head.output.makeBy(undefined);
    this.#fuse(this.#vertex.source);
    this.head.operator.outputChanged?.();
    this.#takeAnew();
  }

  /** Each link that is the only receiver of the one before, and the head, begins a row when it is used (M1 of fused.ts). */
  #fuse(source: boolean): void {
    const only = new Set<unknown>(this.links.map((link) => link.output.onlyReceiver()));
    for (const link of this.links) {
      if (link !== this.head && !only.has(link)) continue;
      if (link === this.head && source) continue;
      link.fuseWhenUsed({
        deliver: () => this.#made(link, (row) => fuse(row)),
        deliverRun: () => this.#made(link, (row) => fuseRun(row)),
      });
    }
    const first = source ? this.head.output.onlyReceiver() : undefined;
    if (first instanceof ChainLink) this.#fuseSource(first);
    else if (first !== undefined) this.#countSource(first as TaskPort);
  }

  /** What a source emits goes straight into its port. */
  #countSource(port: TaskPort): void {
    const { output } = this.head;
    const { info } = this.#parts.host;
    output.makeBy(() => {
      const counts = new RowCounts(0);
      const made = fusePort({
        emit: port.emit.bind(port),
        counts,
        job: info.jobName,
        uid: this.head.planned.uid,
      });
      if (made !== undefined) output.countMade(() => counts.taken(0));
      return made;
    });
  }

  /** What a source emits goes straight into the row behind it. */
  #fuseSource(first: ChainLink): void {
    const { output } = this.head;
    output.makeBy(() =>
      this.#made(first, (row) => {
        output.countMade(() => row.counts.taken(0));
        return fuse({
          ...row,
          waiting: mayLeaveWork(row) ? (value, timestamp) => output.emit(value, timestamp) : undefined,
        });
      }),
    );
  }

  /** The row that begins with a link, made; keyed links take records of batches only, whose keys are selected. */
  #made<T>(begin: ChainLink, make: (row: FusedParts) => T | undefined): T | undefined {
    const { env, info } = this.#parts.host;
    const row = this.#row(begin);
    if (row === undefined) return undefined;
    const counts = new RowCounts(row.links.length);
    const made = make({
      steps: row.links.map((link) => link.step()!),
      next: row.next,
      endsInLink: row.endsInLink,
      isKeyed: begin.backend !== undefined,
      frames: this.#parts.frames,
      waiting: undefined,
      counts,
      job: info.jobName,
      uid: begin.planned.uid,
    });
    if (made !== undefined) for (const [step, link] of row.links.entries()) link.countMade(counts, step);
    else if (!saidPlain) {
      saidPlain = true;
      env.log.info('code generation is forbidden here: chains run operator by operator, which is slower');
    }
    return made;
  }

  #row(begin: ChainLink): (Pick<FusedParts, 'next' | 'endsInLink'> & { links: ChainLink[] }) | undefined {
    const links: ChainLink[] = [];
    for (let link = begin; ; ) {
      const receiver = link.output.onlyReceiver();
      const isSink = link.operator.code?.kind === 'sink';
      const fits = link.step() !== undefined && (link === this.head || link.backend === undefined);
      if (!fits || (!isSink && receiver === undefined)) {
        return links.length === 0 ? undefined : { links, next: link.deliver, endsInLink: true };
      }
      links.push(link);
      if (isSink) return { links, next: undefined, endsInLink: false };
      if (!(receiver instanceof ChainLink)) {
        const port = receiver as TaskPort;
        return { links, next: port.emit.bind(port), endsInLink: false };
      }
      link = receiver;
    }
  }

  #link(planned: PlannedOperator): ChainLink {
    const { compiled, frames, host } = this.#parts;
    const factory = compiled.factories.get(planned.uid);
    assert(factory !== undefined, 'every operator of the plan has a factory');
    return new ChainLink({
      planned,
      operator: factory(),
      output: new ChainOutput({ frames, freeze: host.freezeRecords, wakeUp: () => host.wakeUp() }),
      backend: planned.keyed ? this.#backend(planned) : undefined,
      keySelectors: compiled.keySelectors.get(planned.uid) ?? [],
      latency: new LatencyTracker(host.latency ?? NO_LATENCY),
      frames,
      writable: this.#parts.writable,
      locate: (error, operator) => this.#locate(error, operator),
      onPoison: (error) => {
        this.#count('recordsGivenUp', 1);
        this.#log.warn('a record was given up', {
          uid: planned.uid,
          code: isMillraceError(error) ? error.code : undefined,
          error: error.message,
        });
      },
    });
  }

  #backend(planned: PlannedOperator): KeyedStateBackend {
    const { info, freezeRecords } = this.#parts.host;
    const backend = new MemoryStateBackend({
      keyGroupRange: keyGroupRange(info.subtask, info.parallelism, info.maxParallelism),
      maxParallelism: info.maxParallelism,
      freezeValues: freezeRecords,
      operatorUid: planned.uid,
      memory: this.#parts.host.stateMemory,
      now: () => this.#parts.host.env.clock.now(),
    });
    for (const { keyGroup, bytes } of this.#parts.restored.get(planned.uid)?.keyGroups ?? []) {
      backend.restore(keyGroup, bytes);
    }
    return backend;
  }

  #registry({ uid }: PlannedOperator): MetricRegistry {
    const { clock } = this.#parts.host.env;
    return new MetricRegistry(clock, (metric, error) => {
      this.#log.warn('a gauge could not be read', { uid, metric, error: String(error) });
    });
  }

  #context(link: ChainLink, registry: MetricRegistry): OperatorContext {
    const { compiled, host, restored, fail } = this.#parts;
    return new ChainOperatorContext({
      log: this.#log,
      planned: link.planned,
      host,
      output: link.output,
      backend: link.backend,
      runtime: createRuntimeContext({
        metrics: registry.group,
        accumulators: this.accumulators,
        jobParameters: compiled.declarations.jobParameters,
        cachedFiles: host.cachedFiles,
        // Asked for when somebody calls it, and not for each record.
        sourcePosition: () => (this.#isBehindSource ? undefined : this.#position()),
      }),
      restored: restored.get(link.planned.uid)?.sections ?? new Map(),
      currentWatermark: () => link.currentWatermark,
      fail: (error) => fail(this.#locate(error, link.planned)),
      count: (name, by) => this.#count(name, by),
    });
  }

  #connect(index: number, link: ChainLink): void {
    const tags = new Set<string | undefined>();
    for (const chained of link.planned.chained) tags.add(chained.tag);
    for (const edge of this.#edgesOf(index)) tags.add(edge.tag);
    const sides = new Map<string, Targets>();
    for (const tag of tags) if (tag !== undefined) sides.set(tag, this.#targets(index, link, tag));
    link.output.connect(this.#targets(index, link, undefined), sides);
  }

  #targets(index: number, link: ChainLink, tag: string | undefined): Targets {
    return {
      links: link.planned.chained
        .filter((chained) => chained.tag === tag)
        .map((chained) => this.links[chained.to]!),
      ports: this.#edgesOf(index)
        .filter((edge) => edge.tag === tag)
        .map((edge) => this.#parts.host.port(edge.index)),
    };
  }

  #edgesOf(operator: number): CompiledJob['graph']['edges'] {
    return this.#parts.compiled.graph.edges.filter(
      (edge) => edge.from === this.#parts.vertex && edge.fromOperator === operator,
    );
  }

  #count(name: string, by: number): void {
    this.counters[name] = (this.counters[name] ?? 0) + by;
  }

  /**
   * What failed after a call had returned. Which operator of the chain had made the call is known while one opens; later
   * it is known of the chain, whose name has all of them, and of those that take records in its calls.
   */
  failedLater(error: unknown, operator?: PlannedOperator, handedTo: readonly string[] = []): Error {
    const { info } = this.#parts.host;
    const [only, ...others] = this.#vertex.operators;
    const isOnly = others.length === 0 && handedTo.length === 0;
    const planned = operator ?? (isOnly ? only : undefined);
    const where = {
      job: info.jobName,
      subtask: info.subtask,
      ...(planned === undefined
        ? { operator: [this.#vertex.name, ...handedTo].join(' or ') }
        : { operator: planned.name, uid: planned.uid }),
      ...(isMillraceError(error) ? error.where : {}),
    };
    if (isMillraceError(error)) {
      const { code, message, remedy, cause } = error;
      return new MillraceError(code, message, { where, remedy, cause });
    }
    const message = error instanceof Error ? `${error.name}: ${error.message}` : `threw ${String(error)}`;
    return new MillraceError('OPERATOR_FAILED_LATER', message, { where, cause: error });
  }

  /** Invariant L3: the innermost operator names itself; outer links pass it on. */
  #locate(error: unknown, operator: PlannedOperator): Error {
    if (isMillraceError(error) && error.where.uid !== undefined) return error;
    const { info } = this.#parts.host;
    const position = this.#position();
    const where = {
      job: info.jobName,
      operator: operator.name,
      uid: operator.uid,
      subtask: info.subtask,
      ...(position === undefined ? {} : { position }),
      // What the error itself knows is more exact.
      ...(isMillraceError(error) ? error.where : {}),
    };
    if (isMillraceError(error)) {
      const located = new MillraceError(error.code, error.message, {
        where,
        remedy: error.remedy,
        cause: error.cause,
      });
      if (error.stack !== undefined) located.stack = error.stack;
      return located;
    }
    const message = error instanceof Error ? `${error.name}: ${error.message}` : `threw ${String(error)}`;
    return new MillraceError('OPERATOR_FAILED', message, { where, cause: error });
  }

  #position(): string | undefined {
    const head = this.links[0]?.operator as { position?: () => string | undefined } | undefined;
    return this.#vertex.source ? head?.position?.() : undefined;
  }
}
