/**
 * One deployment of a job: its slots, its executions and the coordinators of its sources, from start to gone.
 *
 * Owns: the gateways and the executions of one attempt, and of the restarts of its failover regions. Talks to: the slots,
 * by commands.
 *
 * DE-1 Nothing of a deployment is used by the next one; every command and every report carries the attempt of its slot.
 * DE-2 Slots are gone only when they were terminated: each has said `canceled` or `finished`, was lost, or its time was up;
 *      then all that leave together are terminated, whatever they said. Only then may others take their place.
 * DE-3 Some slots may leave and others come in their places while the rest runs: between the two nothing is sent there,
 *      and what is still heard of the former ones is of another attempt.
 */

import { assert } from '../../base/assert.ts';
import type { Env, Timer } from '../../base/env.ts';
import { type JobGraph, slotOf } from '../../graph/job-graph.ts';
import type { SlotCommand, SlotGateway, SlotReport, TaskDeployment } from '../../hosts/messages.ts';
import { type Execution, ExecutionGraph, isOver, type SubtaskId } from './execution-graph.ts';
import type { Inbox } from './inbox.ts';
import type { SourceCoordinator } from './source-coordinator.ts';
import { WatermarkAlignmentGroups } from './watermark-alignment.ts';

/** A slot that has not confirmed a cancellation by then is terminated: its thread is busy in a user's function. */
export const CANCEL_DEADLINE_MS = 10_000;
/** A slot that has not closed its operators by then, after everything was committed, is terminated. */
export const FINISH_DEADLINE_MS = 30_000;

/** Slots that were started, and what they are to run. */
export interface StartedSlots {
  readonly attempt: number;
  readonly gateways: readonly SlotGateway[];
  /** By slot. */
  readonly tasks: readonly (readonly TaskDeployment[])[];
  readonly restoredCheckpointId: number | undefined;
}

/** What a deployment is made of. */
export interface DeploymentParts extends StartedSlots {
  readonly graph: JobGraph;
  readonly sources: readonly SourceCoordinator[];
}

/** A command without its attempt, which the deployment adds. */
type CommandBody = SlotCommand extends infer Command
  ? Command extends SlotCommand
    ? Omit<Command, 'attempt'>
    : never
  : never;

/** A slot that was started and is not gone. */
interface Slot {
  readonly gateway: SlotGateway;
  readonly attempt: number;
  isDeployed: boolean;
  isLost: boolean;
}

/** Slots that come to their end together. */
interface Leaving {
  readonly all: ReadonlySet<number>;
  /** Those that have not said that they are done. */
  readonly slots: Set<number>;
  readonly timer: Timer;
  readonly onGone: () => void;
  terminating: boolean;
}

/** The slots of one attempt. */
export class Deployment {
  readonly executions: ExecutionGraph;
  readonly sources: readonly SourceCoordinator[];
  readonly alignment: WatermarkAlignmentGroups;
  /** Of what was started last. */
  restoredCheckpointId: number | undefined;
  readonly #graph: JobGraph;
  readonly #parts: DeploymentParts;
  readonly #env: Env;
  readonly #inbox: Inbox;
  readonly #slots = new Map<number, Slot>();
  /** The whole deployment, or a region of it. */
  #leaving: Leaving | undefined;
  #isEnding = false;

  constructor(
    parts: DeploymentParts,
    env: Env,
    inbox: Inbox,
    moved: (execution: Execution) => void = () => {},
  ) {
    this.executions = new ExecutionGraph(parts.graph, parts.attempt, { now: () => env.clock.now(), moved });
    this.sources = parts.sources;
    this.alignment = new WatermarkAlignmentGroups(parts.graph);
    this.restoredCheckpointId = parts.restoredCheckpointId;
    this.#graph = parts.graph;
    this.#parts = parts;
    this.#env = env;
    this.#inbox = inbox;
    this.#take(parts);
    this.executions.moveAll('SCHEDULED');
  }

  /** Hands every slot its tasks. */
  deploy(): void {
    this.#deploy(this.#parts);
  }

  /** The attempt of what runs in a slot; `undefined` while nothing is there (DE-3). */
  attemptOf(slot: number): number | undefined {
    return this.#slots.get(slot)?.attempt;
  }

  /** Takes slots in the places of those that left, and hands them their tasks (DE-3) and, when they ask, their splits again (SC-5). */
  renew(started: StartedSlots): void {
    assert(!this.#isEnding, 'nothing comes to a deployment that ends');
    const slots = new Set(started.gateways.map(({ slot }) => slot));
    for (const slot of slots) assert(!this.#slots.has(slot), `slot ${slot} has left before it comes again`);
    this.restoredCheckpointId = started.restoredCheckpointId;
    this.#take(started);
    this.executions.renew(slots, started.attempt);
    const isRenewed = (id: SubtaskId): boolean => slots.has(this.executions.get(id).slot);
    this.alignment.renew(isRenewed);
    for (const source of this.sources)
      source.takeBack(
        (subtask) => isRenewed({ vertex: source.vertex, subtask }),
        started.restoredCheckpointId,
      );
    this.executions.moveAll('SCHEDULED', slots);
    this.#deploy(started);
  }

  #take({ gateways, attempt }: StartedSlots): void {
    for (const gateway of gateways)
      this.#slots.set(gateway.slot, { gateway, attempt, isDeployed: false, isLost: false });
  }

  #deploy({ gateways, tasks, restoredCheckpointId }: StartedSlots): void {
    this.executions.moveAll('DEPLOYING', new Set(gateways.map(({ slot }) => slot)));
    for (const { slot } of gateways) {
      this.#slots.get(slot)!.isDeployed = true;
      this.send(slot, { kind: 'deploy', restoredCheckpointId, tasks: tasks[slot] ?? [] });
    }
  }

  /** Sends a command to one slot; one that was lost, or has left, gets nothing any more. */
  send(slot: number, command: CommandBody): void {
    const found = this.#slots.get(slot);
    if (found === undefined || found.isLost) return;
    found.gateway.send({ ...command, attempt: found.attempt } as SlotCommand);
  }

  /** Sends a command to every slot. */
  broadcast(command: CommandBody): void {
    for (const slot of this.#slots.keys()) this.send(slot, command);
  }

  /** Sends a command to every slot that runs a subtask of a source. */
  sendToSources(command: CommandBody): void {
    const graph = this.#graph;
    const slots = new Set(
      graph.vertices.flatMap(({ source, parallelism }, vertex) =>
        source ? Array.from({ length: parallelism }, (_, subtask) => slotOf(graph, vertex, subtask)) : [],
      ),
    );
    for (const slot of this.#slots.keys()) if (slots.has(slot)) this.send(slot, command);
  }

  /** Sends a source subtask what its coordinator has for it (SC-1). Throws what its enumerator does. */
  assignSplit({ vertex, subtask }: SubtaskId): void {
    const { slot } = this.executions.get({ vertex, subtask });
    this.send(slot, this.source(vertex).answer(subtask));
  }

  /** Takes in how far a source subtask has come, and tells those whose limit that moves. */
  align(report: SlotReport & { readonly kind: 'watermark' }): void {
    for (const limit of this.alignment.report(report, report)) {
      const { slot } = this.executions.get(limit);
      this.send(slot, { kind: 'max-watermark', ...limit });
    }
  }

  /** The coordinator of a source vertex. */
  source(vertex: number): SourceCoordinator {
    const source = this.sources.find((candidate) => candidate.vertex === vertex);
    assert(source !== undefined, `vertex ${vertex} is a source`);
    return source;
  }

  /** The slot is gone. */
  lost(slot: number): void {
    const found = this.#slots.get(slot);
    if (found !== undefined) found.isLost = true;
    for (const execution of this.executions.inSlot(slot)) {
      if (!isOver(execution.state)) this.executions.move(execution, 'FAILED');
    }
    this.#left(slot);
  }

  /** Asks all slots to cancel (or, at the end of the job, to finish), then terminates them (DE-2). */
  leave(how: 'cancel' | 'finish', onGone: () => void): void {
    assert(!this.#isEnding, 'a deployment is wound down once');
    this.#isEnding = true;
    this.#leave(new Set(this.#slots.keys()), how, onGone);
  }

  /** The same for some slots, while the others run. */
  leaveSlots(slots: ReadonlySet<number>, onGone: () => void): void {
    assert(!this.#isEnding && this.#leaving === undefined, 'a region is wound down at a time');
    this.#leave(slots, 'cancel', () => {
      for (const slot of slots) this.#slots.delete(slot);
      onGone();
    });
  }

  #leave(all: ReadonlySet<number>, how: 'cancel' | 'finish', onGone: () => void): void {
    // A region that is leaving leaves with all the others now; what it would have come to is not wanted any more.
    const former = this.#leaving;
    former?.timer.cancel();
    const hasLeft = (slot: number): boolean => former?.all.has(slot) === true && !former.slots.has(slot);
    const present = [...all].filter((slot) => this.#slots.get(slot)?.isLost === false && !hasLeft(slot));
    const deadlineMs = how === 'cancel' ? CANCEL_DEADLINE_MS : FINISH_DEADLINE_MS;
    const timer = this.#env.clock.timer(
      deadlineMs,
      () => this.#inbox.post('slots did not leave in time', () => this.#outOfTime()),
      `slots have to ${how}`,
    );
    this.#leaving = { all, slots: new Set(present), timer, onGone, terminating: false };
    if (how === 'cancel') this.executions.moveAll('CANCELING', all);
    for (const slot of present) {
      // A slot that has no task yet has nothing to say.
      if (!this.#slots.get(slot)!.isDeployed) this.#leaving.slots.delete(slot);
      else if (former?.all.has(slot) !== true) this.send(slot, { kind: how });
    }
    this.#checkLeft();
  }

  /** Stops waiting for the slots: terminates them now. */
  hurry(): void {
    if (this.#leaving === undefined) return;
    this.#leaving.slots.clear();
    this.#checkLeft();
  }

  /** Ends the host of one slot as if it had died; false when it is gone already or cannot be ended alone. */
  kill(slot: number): boolean {
    const found = this.#slots.get(slot);
    if (found?.gateway.kill === undefined || found.isLost) return false;
    found.gateway.kill();
    return true;
  }

  /** Terminates all slots at once. */
  terminate(): Promise<void> {
    return terminateAll([...this.#slots.values()].map(({ gateway }) => gateway));
  }

  /** The slot has said that nothing runs there any more. */
  left(slot: number, how: 'canceled' | 'finished'): void {
    const state = how === 'canceled' ? 'CANCELED' : 'FINISHED';
    for (const execution of this.executions.inSlot(slot)) {
      if (!isOver(execution.state)) this.executions.move(execution, state);
    }
    this.#left(slot);
  }

  #left(slot: number): void {
    if (this.#leaving?.slots.delete(slot)) this.#checkLeft();
  }

  #outOfTime(): void {
    const slots = [...(this.#leaving?.slots ?? [])];
    if (slots.length === 0) return;
    this.#env.log.warn('slots did not leave in time and are terminated', { slots });
    this.hurry();
  }

  #checkLeft(): void {
    const leaving = this.#leaving;
    if (leaving === undefined || leaving.slots.size > 0 || leaving.terminating) return;
    leaving.terminating = true;
    leaving.timer.cancel();
    const gone = (): void => {
      // All others have been asked to leave meanwhile, and those with them.
      if (this.#leaving !== leaving) return;
      this.#leaving = undefined;
      this.executions.moveAll('CANCELED', leaving.all);
      leaving.onGone();
    };
    const gateways = [...leaving.all].flatMap((slot) => this.#slots.get(slot)?.gateway ?? []);
    this.#inbox.follow('the slots are gone', terminateAll(gateways), gone, (error) => {
      this.#env.log.error('a slot could not be terminated', { error: String(error) });
      gone();
    });
  }
}

/** Terminates slots; waits for all of them also when one fails. */
export async function terminateAll(gateways: readonly SlotGateway[]): Promise<void> {
  const outcomes = await Promise.allSettled(gateways.map((gateway) => gateway.terminate()));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
