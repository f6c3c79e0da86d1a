/**
 * Decides with how many subtasks a job runs in the slots that there are, and when it is worth a restart to have others.
 *
 * Owns: the state of the table in `adaptive-states.ts`, its timers. Partners: the job master, which tells what happens and
 * carries out what is decided; whoever offers slots.
 *
 * AS-1 While it waits, the job begins: at once when all that it asks for is there, or what it ran with before; with less when
 *      that has not changed for `stabilizationMs`, or `waitMs` are over. If the least is not there by then, it fails.
 * AS-2 While it runs, it is rescaled when other numbers fit: not before `cooldownMs` after the last deployment; at once when all
 *      that it asks for is there, else when what fits has not changed for `executingStabilizationMs`.
 * AS-3 A decision is asked for once; it is asked for again when what is offered or asked for has changed, or the job runs anew.
 * AS-4 Slots that are lost are no reason to rescale: the job fails with them, and comes back here.
 * AS-5 After slots were gone before a deployment had them, it does not begin at once, unless what is offered has changed.
 */

import type { Clock, Log, Timer } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import { type JobGraph, requiredSlots } from '../../graph/job-graph.ts';
import { rescaleGraph, type VertexParallelism } from '../../graph/rescale.ts';
import type { SlotOffer } from '../../hosts/messages.ts';
import { type AdaptiveEvent, type AdaptiveState, moveAdaptive } from './adaptive-states.ts';
import { fitParallelism, leastSlots, type ResourceRequirements } from './resource-requirements.ts';

/** Flink's `jobmanager.adaptive-scheduler.*`, ms. */
export interface AdaptiveSettings {
  /** -1 = as long as it takes. */
  readonly waitMs: number;
  readonly stabilizationMs: number;
  readonly cooldownMs: number;
  readonly executingStabilizationMs: number;
}

/** What it is made of. */
export interface AdaptiveSchedulerParts {
  readonly clock: Pick<Clock, 'monotonic' | 'timer'>;
  readonly log: Log;
  readonly settings: AdaptiveSettings;
  /** As it was planned. */
  readonly graph: JobGraph;
  readonly requirements: ResourceRequirements;
  /** Absent: there is no end of slots. */
  readonly offer: SlotOffer | undefined;
  /** While it runs: other numbers fit. */
  readonly rescale: (parallelism: VertexParallelism) => void;
}

/** What was refused is not decided again before, ms. */
const AGAIN_MS = 1_000;

/** See the head of the file. */
export class AdaptiveScheduler {
  readonly #parts: AdaptiveSchedulerParts;
  readonly #unobserve: () => void;
  #requirements: ResourceRequirements;
  #state: AdaptiveState = 'Created';
  /** What the job runs with. */
  #current: VertexParallelism | undefined;
  /** It is not rescaled before; by the monotonic clock, ms. */
  #notBefore = 0;
  /** What was decided last while it runs (AS-3). */
  #asked: string | undefined;
  /** What fits, and the timer until which it must not change. */
  #settling: { readonly fit: string; readonly timer: Timer } | undefined;
  #cooldown: Timer | undefined;
  #wasShort = false;
  /** Looks again at what is offered. */
  #look: () => void = () => {};

  constructor(parts: AdaptiveSchedulerParts) {
    this.#parts = parts;
    this.#requirements = parts.requirements;
    this.#unobserve =
      parts.offer?.observe(() => {
        this.#asked = undefined;
        this.#wasShort = false;
        this.#look();
      }) ?? (() => {});
  }

  get state(): AdaptiveState {
    return this.#state;
  }

  /** Something has happened to the job. */
  on(event: AdaptiveEvent): void {
    const before = this.#state;
    this.#state = moveAdaptive(before, event);
    if (this.#state === before) return;
    this.#parts.log.debug('the adaptive scheduler is now in another state', { state: this.#state });
    this.#rest();
    if (event === 'short') this.#wasShort = true;
    if (this.#state === 'Finished') this.#unobserve();
  }

  /** The job is asked for other numbers. */
  useRequirements(requirements: ResourceRequirements): void {
    this.#requirements = requirements;
    this.#asked = undefined;
    this.#look();
  }

  /** The job was given these numbers. */
  useParallelism(parallelism: VertexParallelism): void {
    this.#current = parallelism;
  }

  /** What of `requirements` fits into the slots there are; `undefined`: the least does not. */
  fit(requirements: ResourceRequirements = this.#requirements): VertexParallelism | undefined {
    return fitParallelism(this.#parts.graph, requirements, this.#slots());
  }

  /**
   * Waits for slots (AS-1). `wanted`: what the job would have again, if there are slots for it. Rejected with SLOTS_MISSING,
   * or the reason of the signal.
   */
  waitForSlots(wanted: VertexParallelism | undefined, signal: AbortSignal): Promise<VertexParallelism> {
    const { clock, settings } = this.#parts;
    const { promise, resolve, reject } = Promise.withResolvers<VertexParallelism>();
    const end = (): void => {
      this.#rest();
      deadline?.cancel();
      signal.removeEventListener('abort', unwanted);
    };
    const begin = (parallelism: VertexParallelism): void => {
      end();
      resolve(parallelism);
    };
    const unwanted = (): void => {
      end();
      reject(signal.reason as Error);
    };
    const outOfTime = (): void => {
      const fit = this.fit();
      if (fit !== undefined) return begin(fit);
      end();
      reject(this.#missing());
    };
    const deadline =
      settings.waitMs < 0 ? undefined : clock.timer(settings.waitMs, outOfTime, 'slots have to come');
    signal.addEventListener('abort', unwanted);
    this.#look = () => {
      const fit = this.fit();
      if (fit === undefined) return this.#settle(undefined, 0, begin);
      if (this.#wasShort) return this.#settle(fit, Math.max(AGAIN_MS, settings.stabilizationMs), begin);
      if (this.#isAll(fit)) return begin(fit);
      if (wanted !== undefined && this.#has(wanted)) return begin(wanted);
      this.#settle(fit, settings.stabilizationMs, begin);
    };
    if (signal.aborted) unwanted();
    else this.#look();
    return promise;
  }

  /** All subtasks run: from now on other numbers may be better (AS-2). */
  running(): void {
    const { clock, settings } = this.#parts;
    this.#notBefore = clock.monotonic() + settings.cooldownMs;
    this.#asked = undefined;
    const rescale = (parallelism: VertexParallelism): void => {
      this.#asked = String(parallelism);
      this.#parts.rescale(parallelism);
    };
    this.#look = () => {
      const fit = this.fit();
      if (fit === undefined || String(fit) === String(this.#current) || String(fit) === this.#asked)
        return this.#settle(undefined, 0, rescale);
      const coolMs = this.#notBefore - clock.monotonic();
      if (coolMs > 0) {
        this.#cooldown?.cancel();
        this.#cooldown = clock.timer(coolMs, () => this.#look(), 'a job is not rescaled again at once');
        return;
      }
      if (this.#isAll(fit)) return rescale(fit);
      this.#settle(fit, settings.executingStabilizationMs, rescale);
    };
    this.#look();
  }

  /** What was decided while it runs could not be done: after a while it is looked at again. */
  refused(): void {
    if (this.#state !== 'Executing') return;
    const { clock, settings } = this.#parts;
    this.#notBefore = clock.monotonic() + Math.max(AGAIN_MS, settings.cooldownMs);
    this.#asked = undefined;
    this.#look();
  }

  /** Calls `then` when what fits has not changed for so long. */
  #settle(fit: VertexParallelism | undefined, afterMs: number, then: (fit: VertexParallelism) => void): void {
    if (fit !== undefined && this.#settling?.fit === String(fit)) return;
    this.#settling?.timer.cancel();
    this.#settling = undefined;
    if (fit === undefined) return;
    const timer = this.#parts.clock.timer(afterMs, () => then(fit), 'slots have to be stable');
    this.#settling = { fit: String(fit), timer };
  }

  #rest(): void {
    this.#look = () => {};
    this.#settling?.timer.cancel();
    this.#settling = undefined;
    this.#cooldown?.cancel();
  }

  #slots(): number {
    return this.#parts.offer?.count() ?? Number.MAX_SAFE_INTEGER;
  }

  #has(parallelism: VertexParallelism): boolean {
    const isAskedFor = this.#requirements.every(
      ({ lowerBound, upperBound }, vertex) =>
        lowerBound <= parallelism[vertex]! && parallelism[vertex]! <= upperBound,
    );
    return isAskedFor && requiredSlots(rescaleGraph(this.#parts.graph, parallelism)) <= this.#slots();
  }

  /** Nothing is asked for that does not fit. */
  #isAll(fit: VertexParallelism): boolean {
    const all = fitParallelism(this.#parts.graph, this.#requirements, Number.MAX_SAFE_INTEGER);
    return String(fit) === String(all);
  }

  #missing(): MillraceError {
    const { graph, settings } = this.#parts;
    const least = leastSlots(graph, this.#requirements);
    const message = `the job needs ${least} slots at least, and after ${settings.waitMs} ms there are ${this.#slots()}`;
    return new MillraceError('SLOTS_MISSING', message);
  }
}
