/**
 * How many subtasks a job has, and how it comes to other numbers: the part of the job master that rescales.
 *
 * Owns: the plan as it runs, what is asked for, a rescale that is under way, and the adaptive scheduler if there is one.
 * Partner: the job master, in whose inbox all of this happens; through {@link ScalingPort} it takes checkpoints and restarts.
 *
 * SK-1 What may refuse a rescale comes before anything is stopped: numbers, slots, a job that is stopping.
 * SK-2 A deployment with new numbers that fails before all of its subtasks run is replaced by one with the former ones; no
 *      restart strategy is asked, because what ran did not fail.
 * SK-3 With the default scheduler a job has the upper bounds of what is asked for; with the adaptive one what fits into the
 *      slots there are.
 */

import { assert } from '../../base/assert.ts';
import type { Env } from '../../base/env.ts';
import { isMillraceError, MillraceError } from '../../base/errors.ts';
import { type CompiledJob, requiredSlots } from '../../graph/job-graph.ts';
import { parallelismOf, rescaleGraph, rescaleJob, type VertexParallelism } from '../../graph/rescale.ts';
import type { SlotProvider } from '../../hosts/messages.ts';
import { AdaptiveScheduler, type AdaptiveSettings } from './adaptive-scheduler.ts';
import type { AdaptiveEvent } from './adaptive-states.ts';
import type { Inbox } from './inbox.ts';
import { asError } from './job-intent.ts';
import { RescaleHistory, type RescaleReason, type RescaleRecord } from './rescale-history.ts';
import { Rescaling, type Scale } from './rescaling.ts';
import {
  checkRequirements,
  leastSlots,
  type ResourceRequirements,
  requirementsOf,
} from './resource-requirements.ts';

/** What the job master lets it do. */
export interface ScalingPort {
  /** Why the job cannot be rescaled now; `undefined`: it runs, and goes on to. */
  readonly obstacle: () => MillraceError | undefined;
  /** It has a deployment that has not failed. */
  readonly isRunning: () => boolean;
  /** Its state is in checkpoints. */
  readonly isStored: () => boolean;
  readonly takeCheckpoint: (outcome: {
    readonly onDone: () => void;
    readonly onFailed: (error: Error) => void;
  }) => void;
  /** Ends the deployment, and begins the next one at once. */
  readonly restart: () => void;
}

/** What it is made of. */
export interface ScalingParts {
  readonly compiled: CompiledJob;
  readonly requirements: ResourceRequirements | undefined;
  /** `undefined`: the default scheduler. */
  readonly adaptive: AdaptiveSettings | undefined;
  readonly env: Env;
  readonly inbox: Inbox;
  readonly provider: SlotProvider;
  readonly port: ScalingPort;
}

/** See the head of the file. */
export class Scaling {
  readonly #parts: ScalingParts;
  readonly #adaptive: AdaptiveScheduler | undefined;
  #compiled: CompiledJob;
  #requirements: ResourceRequirements;
  /** Until it has an answer. */
  #rescaling: Rescaling | undefined;
  readonly #history = new RescaleHistory();
  #hasRun = false;

  constructor(parts: ScalingParts) {
    const { compiled, requirements, adaptive, env, provider } = parts;
    this.#parts = parts;
    this.#requirements = requirements ?? requirementsOf(parallelismOf(compiled.graph));
    this.#compiled = rescaleJob(compiled, upperBounds(this.#requirements));
    this.#adaptive =
      adaptive &&
      new AdaptiveScheduler({
        clock: env.clock,
        log: env.log,
        settings: adaptive,
        graph: compiled.graph,
        requirements: this.#requirements,
        offer: provider.offer,
        rescale: (parallelism) =>
          parts.inbox.post('other numbers of subtasks fit', () => this.#rescaleByItself(parallelism)),
      });
  }

  /** The job as its deployment has it, or its next one: as planned, or with other numbers of subtasks. */
  get compiled(): CompiledJob {
    return this.#compiled;
  }

  get requirements(): ResourceRequirements {
    return this.#requirements;
  }

  /** Of the settings of slots; `undefined`: as planned. */
  get parallelism(): VertexParallelism | undefined {
    const { compiled } = this.#parts;
    return this.#compiled === compiled ? undefined : parallelismOf(this.#compiled.graph);
  }

  /** The last rescales, oldest first; the one that is under way among them. */
  rescales(): readonly RescaleRecord[] {
    return this.#history.records();
  }

  /** A rescale is under way. */
  get isRescaling(): boolean {
    return this.#rescaling !== undefined;
  }

  get isAdaptive(): boolean {
    return this.#adaptive !== undefined;
  }

  // ---- what the job master tells ----

  /** Moves the adaptive scheduler. */
  on(event: AdaptiveEvent): void {
    this.#adaptive?.on(event);
  }

  /** Nothing of the deployment before runs any more. */
  nextDeployment(): void {
    const rescaling = this.#rescaling;
    // The former numbers are deployed no more: a checkpoint was taken, or the job failed while it was.
    if (rescaling?.step === 'checkpointing') {
      rescaling.to('deploying');
      this.#use(rescaling.target);
    }
    if (this.#adaptive !== undefined && this.#adaptive.state !== 'WaitingForResources') this.on('start');
  }

  /** Resolved when a deployment may begin; with the adaptive scheduler only. */
  waitForSlots(signal: AbortSignal): Promise<VertexParallelism> {
    assert(this.#adaptive !== undefined, 'slots are waited for by the adaptive scheduler');
    const isMeant = this.#hasRun || this.#rescaling !== undefined;
    const wanted = isMeant ? parallelismOf(this.#compiled.graph) : undefined;
    return this.#adaptive.waitForSlots(wanted, signal);
  }

  /** The slots are there for a deployment with these numbers. */
  enough(parallelism: VertexParallelism): void {
    this.on('enough');
    this.#use({ requirements: this.#requirements, parallelism });
  }

  /** All subtasks of a deployment run. */
  running(): void {
    this.#hasRun = true;
    const rescaling = this.#rescaling;
    if (rescaling?.step === 'deploying') {
      this.#rescaling = undefined;
      this.#parts.env.log.info('the job is rescaled', { parallelism: parallelismOf(this.#compiled.graph) });
      rescaling.succeed();
    }
    if (this.#adaptive?.state === 'Executing') this.#adaptive.running();
  }

  /** SK-2: true when the failure is that of new numbers, and the former ones are deployed next. */
  takesBack(error: Error): boolean {
    const rescaling = this.#rescaling;
    if (rescaling?.step !== 'deploying') return false;
    this.#rescaling = undefined;
    this.#use(rescaling.former);
    rescaling.giveUp('it cannot be deployed so', error);
    return true;
  }

  /** The slots that were there when the deployment was begun are gone: it waits for others. */
  isShort(error: Error): boolean {
    if (this.#adaptive?.state !== 'CreatingExecutionGraph' || !isMillraceError(error, 'SLOTS_MISSING'))
      return false;
    this.on('short');
    return true;
  }

  /** What the job needs at least has not come in time. */
  isWithoutSlots(error: Error): boolean {
    return this.#adaptive?.state === 'WaitingForResources' && isMillraceError(error, 'SLOTS_MISSING');
  }

  /** The job has ended, or is about to: `why`. */
  end(why: string, cause: Error | undefined, reason: RescaleReason): void {
    this.#rescaling?.giveUp(why, cause, reason);
    this.#rescaling = undefined;
  }

  // ---- other numbers ----

  /** Somebody asks for other numbers; throws GRAPH_PARALLELISM_INVALID. */
  request(requirements: ResourceRequirements): Rescaling {
    const checked = checkRequirements(this.#parts.compiled.graph, requirements);
    rescaleGraph(this.#parts.compiled.graph, upperBounds(checked));
    const rescaling = new Rescaling(this.#parts.env, 'UPDATE_REQUIREMENT');
    this.#parts.inbox.post('rescale', () => this.#requested(rescaling, checked));
    return rescaling;
  }

  /** The job is to be deployed anew as it is, from a checkpoint: somebody wants it in other slots. */
  redeploy(): Rescaling {
    const rescaling = new Rescaling(this.#parts.env, 'UPDATE_REQUIREMENT');
    this.#parts.inbox.post('deploy anew', () => {
      const same = this.#scale();
      rescaling.describe(same, same);
      const obstacle = this.#parts.port.obstacle();
      if (obstacle === undefined) this.#begin(rescaling, same, { isAnyway: true });
      else rescaling.fail(obstacle);
    });
    return rescaling;
  }

  #requested(rescaling: Rescaling, requirements: ResourceRequirements): void {
    this.#note(rescaling, { requirements, parallelism: upperBounds(requirements) });
    const obstacle = this.#parts.port.obstacle();
    if (this.#adaptive === undefined) {
      if (obstacle !== undefined) return rescaling.fail(obstacle);
      return this.#begin(rescaling, { requirements, parallelism: upperBounds(requirements) });
    }
    if (this.#adaptive.state === 'Finished') return rescaling.fail(obstacle!);
    const parallelism = this.#adaptive.fit(requirements);
    if (obstacle === undefined && parallelism === undefined)
      return rescaling.fail(new MillraceError('SLOTS_MISSING', this.#shortage(requirements)));
    if (obstacle === undefined) return this.#begin(rescaling, { requirements, parallelism: parallelism! });
    // What does not run yet will run with what is asked for now.
    this.#useRequirements(requirements);
    rescaling.succeed();
  }

  #rescaleByItself(parallelism: VertexParallelism): void {
    const { port, env } = this.#parts;
    const rescaling = new Rescaling(env, 'NEW_RESOURCE_AVAILABLE');
    rescaling.done.catch((error: unknown) => {
      env.log.info('the job is not rescaled now', { error: String(error) });
      this.#parts.inbox.post('it is looked at again', () => this.#adaptive?.refused());
    });
    const obstacle = port.obstacle();
    if (obstacle !== undefined) return rescaling.fail(obstacle);
    const target = { requirements: this.#requirements, parallelism };
    this.#note(rescaling, target);
    this.#begin(rescaling, target);
  }

  /** It is in the history from now on. */
  #note(rescaling: Rescaling, target: Scale): void {
    rescaling.describe(target, this.#scale());
    this.#history.add(rescaling);
  }

  #scale(): Scale {
    return { requirements: this.#requirements, parallelism: parallelismOf(this.#compiled.graph) };
  }

  /** SK-1. */
  #begin(rescaling: Rescaling, target: Scale, { isAnyway = false } = {}): void {
    const { port, inbox, provider, compiled } = this.#parts;
    const former = this.#scale();
    rescaling.describe(target, former);
    if (this.#rescaling !== undefined) {
      const message = 'the job cannot be rescaled: it is being rescaled already';
      return rescaling.fail(new MillraceError('JOB_NOT_RUNNING', message));
    }
    if (!isAnyway && String(target.parallelism) === String(former.parallelism)) {
      this.#useRequirements(target.requirements);
      return rescaling.succeed('NO_RESOURCES_OR_PARALLELISMS_CHANGE');
    }
    if (!port.isStored()) {
      const message = 'its state would be lost: the job takes no checkpoints';
      return rescaling.fail(new MillraceError('RESCALE_REFUSED', message));
    }
    rescaling.to('reserving');
    this.#rescaling = rescaling;
    const slots = requiredSlots(rescaleGraph(compiled.graph, target.parallelism));
    const isCurrent = (): boolean => this.#rescaling === rescaling && rescaling.step === 'reserving';
    inbox.follow(
      'slots are held',
      provider.reserve?.(slots) ?? Promise.resolve(),
      () => isCurrent() && this.#checkpoint(rescaling),
      (error) => {
        if (!isCurrent()) return;
        this.#rescaling = undefined;
        rescaling.fail(asError(error));
      },
    );
  }

  #checkpoint(rescaling: Rescaling): void {
    const { port, env } = this.#parts;
    rescaling.to('checkpointing');
    rescaling.accept();
    const next = (): void => {
      if (this.#rescaling !== rescaling || rescaling.step !== 'checkpointing') return;
      // A job that has failed is rescaled by its restart; one that is stopping never will be.
      if (!port.isRunning()) return;
      const obstacle = port.obstacle();
      if (obstacle === undefined) port.restart();
      else this.end('the job is about to end', obstacle, 'JOB_FINISHED');
    };
    port.takeCheckpoint({
      onDone: next,
      onFailed: (error) => {
        env.log.warn('the job is rescaled from an older checkpoint', { error: error.message });
        next();
      },
    });
  }

  #use({ requirements, parallelism }: Scale): void {
    this.#compiled = rescaleJob(this.#parts.compiled, parallelism);
    this.#adaptive?.useParallelism(parallelism);
    if (requirements !== this.#requirements) this.#useRequirements(requirements);
  }

  #useRequirements(requirements: ResourceRequirements): void {
    this.#requirements = requirements;
    this.#adaptive?.useRequirements(requirements);
  }

  #shortage(requirements: ResourceRequirements): string {
    const { compiled, provider } = this.#parts;
    const least = leastSlots(compiled.graph, requirements);
    return `${least} slots are needed at least, and there are ${provider.offer?.count() ?? 'enough'}`;
  }
}

function upperBounds(requirements: ResourceRequirements): VertexParallelism {
  return requirements.map(({ upperBound }) => upperBound);
}
