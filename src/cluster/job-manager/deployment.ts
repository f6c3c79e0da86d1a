/**
 * One deployment of a job: its slots, its executions and the coordinators of its sources, from start to gone.
 *
 * Owns: the gateways and the executions of one attempt. Talks to: the slots, by commands.
 *
 * DE-1 Nothing of a deployment is used by the next one; every command and every report carries its attempt.
 * DE-2 It is gone only when every slot was terminated: each slot has said `canceled` or `finished`, was lost, or its
 *      time was up; then all are terminated, whatever they said. Only then may the next deployment start.
 */

import { assert } from '../../base/assert.ts';
import type { Env, Timer } from '../../base/env.ts';
import { type JobGraph, slotOf } from '../../graph/job-graph.ts';
import type { SlotCommand, SlotGateway, TaskDeployment } from '../../hosts/messages.ts';
import { type Execution, ExecutionGraph, isOver } from './execution-graph.ts';
import type { Inbox } from './inbox.ts';
import type { SourceCoordinator } from './source-coordinator.ts';
import { WatermarkAlignmentGroups } from './watermark-alignment.ts';

/** A slot that has not confirmed a cancellation by then is terminated: its thread is busy in a user's function. */
export const CANCEL_DEADLINE_MS = 10_000;
/** A slot that has not closed its operators by then, after everything was committed, is terminated. */
export const FINISH_DEADLINE_MS = 30_000;

/** What a deployment is made of. */
export interface DeploymentParts {
  readonly attempt: number;
  readonly graph: JobGraph;
  readonly gateways: readonly SlotGateway[];
  readonly sources: readonly SourceCoordinator[];
  /** By slot. */
  readonly tasks: readonly (readonly TaskDeployment[])[];
  readonly restoredCheckpointId: number | undefined;
}

/** A command without its attempt, which the deployment adds. */
type CommandBody = SlotCommand extends infer Command
  ? Command extends SlotCommand
    ? Omit<Command, 'attempt'>
    : never
  : never;

/** A deployment that comes to its end. */
interface Leaving {
  /** Slots that have not said that they are done. */
  readonly slots: Set<number>;
  readonly timer: Timer;
  readonly onGone: () => void;
  terminating: boolean;
}

/** The slots of one attempt. */
export class Deployment {
  readonly attempt: number;
  readonly executions: ExecutionGraph;
  readonly sources: readonly SourceCoordinator[];
  readonly alignment: WatermarkAlignmentGroups;
  readonly restoredCheckpointId: number | undefined;
  readonly #parts: DeploymentParts;
  readonly #env: Env;
  readonly #inbox: Inbox;
  readonly #lost = new Set<number>();
  #isDeployed = false;
  #leaving: Leaving | undefined;

  constructor(
    parts: DeploymentParts,
    env: Env,
    inbox: Inbox,
    moved: (execution: Execution) => void = () => {},
  ) {
    this.attempt = parts.attempt;
    this.executions = new ExecutionGraph(parts.graph, parts.attempt, { now: () => env.clock.now(), moved });
    this.sources = parts.sources;
    this.alignment = new WatermarkAlignmentGroups(parts.graph);
    this.restoredCheckpointId = parts.restoredCheckpointId;
    this.#parts = parts;
    this.#env = env;
    this.#inbox = inbox;
    this.executions.moveAll('SCHEDULED');
  }

  /** Hands every slot its tasks. */
  deploy(): void {
    const { restoredCheckpointId, gateways, tasks } = this.#parts;
    this.#isDeployed = true;
    this.executions.moveAll('DEPLOYING');
    for (const { slot } of gateways) {
      this.send(slot, { kind: 'deploy', restoredCheckpointId, tasks: tasks[slot] ?? [] });
    }
  }

  /** Sends a command to one slot; a slot that was lost gets nothing any more. */
  send(slot: number, command: CommandBody): void {
    const gateway = this.#parts.gateways.find((candidate) => candidate.slot === slot);
    assert(gateway !== undefined, `slot ${slot} is part of the deployment`);
    if (!this.#lost.has(slot)) gateway.send({ ...command, attempt: this.attempt } as SlotCommand);
  }

  /** Sends a command to every slot. */
  broadcast(command: CommandBody): void {
    for (const { slot } of this.#parts.gateways) this.send(slot, command);
  }

  /** Sends a command to every slot that runs a subtask of a source. */
  sendToSources(command: CommandBody): void {
    const { graph, gateways } = this.#parts;
    const slots = new Set(
      graph.vertices.flatMap(({ source, parallelism }, vertex) =>
        source ? Array.from({ length: parallelism }, (_, subtask) => slotOf(graph, vertex, subtask)) : [],
      ),
    );
    for (const { slot } of gateways) if (slots.has(slot)) this.send(slot, command);
  }

  /** The coordinator of a source vertex. */
  source(vertex: number): SourceCoordinator {
    const source = this.sources.find((candidate) => candidate.vertex === vertex);
    assert(source !== undefined, `vertex ${vertex} is a source`);
    return source;
  }

  /** The slot is gone. */
  lost(slot: number): void {
    this.#lost.add(slot);
    for (const execution of this.executions.inSlot(slot)) {
      if (!isOver(execution.state)) this.executions.move(execution, 'FAILED');
    }
    this.#left(slot);
  }

  /** Asks all slots to cancel (or, at the end of the job, to finish), then terminates them (DE-2). */
  leave(how: 'cancel' | 'finish', onGone: () => void): void {
    assert(this.#leaving === undefined, 'a deployment is wound down once');
    const slots = new Set(
      this.#parts.gateways.map(({ slot }) => slot).filter((slot) => !this.#lost.has(slot)),
    );
    const deadlineMs = how === 'cancel' ? CANCEL_DEADLINE_MS : FINISH_DEADLINE_MS;
    const timer = this.#env.clock.timer(
      deadlineMs,
      () => this.#inbox.post('slots did not leave in time', () => this.#outOfTime()),
      `slots have to ${how}`,
    );
    this.#leaving = { slots, timer, onGone, terminating: false };
    if (how === 'cancel') this.executions.moveAll('CANCELING');
    this.broadcast({ kind: how });
    // A slot that has no task yet has nothing to say.
    if (this.#isDeployed) this.#checkLeft();
    else this.hurry();
  }

  /** Stops waiting for the slots: terminates them now. */
  hurry(): void {
    if (this.#leaving === undefined) return;
    this.#leaving.slots.clear();
    this.#checkLeft();
  }

  /** Ends the host of one slot as if it had died; false when it is gone already or cannot be ended alone. */
  kill(slot: number): boolean {
    const gateway = this.#parts.gateways.find((candidate) => candidate.slot === slot);
    if (gateway?.kill === undefined || this.#lost.has(slot)) return false;
    gateway.kill();
    return true;
  }

  /** Terminates all slots at once. */
  terminate(): Promise<void> {
    return terminateAll(this.#parts.gateways);
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
      this.executions.moveAll('CANCELED');
      leaving.onGone();
    };
    this.#inbox.follow('the slots are gone', this.terminate(), gone, (error) => {
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
