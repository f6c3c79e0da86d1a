/**
 * The subtasks of one deployment and how far each has come: plain data, moved by the job master only.
 *
 * ```text
 * CREATED ─▶ SCHEDULED ─▶ DEPLOYING ─▶ INITIALIZING ─▶ RUNNING ─▶ FINISHED
 *     └───────────┴───────────┴──────────────┴────────────┴─▶ FAILED
 *     └───────────┴───────────┴──────────────┴────────────┴─▶ CANCELING ─▶ CANCELED
 * ```
 *
 * A new deployment has a new graph with the next attempt number; nothing of an old one is reused. Where a failover region
 * begins anew, its executions are replaced by new ones of a higher attempt, and the others stay.
 */

import { assert } from '../../base/assert.ts';
import { type JobGraph, slotOf } from '../../graph/job-graph.ts';

/** Flink's states of an execution. */
export type ExecutionState =
  | 'CREATED'
  | 'SCHEDULED'
  | 'DEPLOYING'
  | 'INITIALIZING'
  | 'RUNNING'
  | 'FINISHED'
  | 'CANCELING'
  | 'CANCELED'
  | 'FAILED';

/** Where an execution may go from each state. */
export const EXECUTION_MOVES: Readonly<Record<ExecutionState, readonly ExecutionState[]>> = {
  CREATED: ['SCHEDULED', 'CANCELED', 'FAILED'],
  SCHEDULED: ['DEPLOYING', 'CANCELING', 'CANCELED', 'FAILED'],
  DEPLOYING: ['INITIALIZING', 'RUNNING', 'CANCELING', 'CANCELED', 'FAILED'],
  INITIALIZING: ['RUNNING', 'CANCELING', 'CANCELED', 'FAILED'],
  RUNNING: ['FINISHED', 'CANCELING', 'CANCELED', 'FAILED'],
  CANCELING: ['CANCELED', 'FAILED'],
  FINISHED: [],
  CANCELED: [],
  FAILED: [],
};

/** True when the execution will never move again. */
export function isOver(state: ExecutionState): boolean {
  return EXECUTION_MOVES[state].length === 0;
}

/** Names a subtask. */
export interface SubtaskId {
  readonly vertex: number;
  readonly subtask: number;
}

/** One subtask of one deployment; `attempt`: of the deployment, or of the restart of its region. */
export interface Execution extends SubtaskId {
  readonly attempt: number;
  readonly slot: number;
  readonly state: ExecutionState;
  /** It has seen the end of all its input and waits for the final checkpoint. */
  readonly ended: boolean;
  /** The highest checkpoint whose commits it has confirmed. */
  readonly committed: number | undefined;
  /** When it came to each state, ms since the epoch. */
  readonly times: Readonly<Partial<Record<ExecutionState, number>>>;
}

/** Who wants to know of the moves, and when they happen. */
export interface ExecutionWatch {
  /** ms since the epoch. */
  readonly now: () => number;
  readonly moved: (execution: Execution) => void;
}

/** All executions of one deployment. */
export class ExecutionGraph {
  readonly attempt: number;
  readonly #executions: Execution[][];
  readonly #watch: ExecutionWatch | undefined;

  constructor(graph: JobGraph, attempt: number, watch?: ExecutionWatch) {
    this.attempt = attempt;
    this.#watch = watch;
    const times = watch === undefined ? {} : { CREATED: watch.now() };
    this.#executions = graph.vertices.map((vertex, index) => {
      const firstSlot = slotOf(graph, index, 0);
      return Array.from({ length: vertex.parallelism }, (_, subtask): Execution => {
        return {
          vertex: index,
          subtask,
          attempt,
          slot: firstSlot + subtask,
          state: 'CREATED',
          ended: false,
          committed: undefined,
          times,
        };
      });
    });
  }

  /** New executions, of another attempt, in the places of those of some slots. */
  renew(slots: ReadonlySet<number>, attempt: number): void {
    const times = this.#watch === undefined ? {} : { CREATED: this.#watch.now() };
    for (const { vertex, subtask, slot } of this.all().filter((execution) => slots.has(execution.slot))) {
      const state = 'CREATED';
      this.#set({ vertex, subtask, attempt, slot, state, ended: false, committed: undefined, times });
    }
  }

  /** Every execution, by vertex and subtask. */
  all(): Execution[] {
    return this.#executions.flat();
  }

  /** The executions that run in a slot. */
  inSlot(slot: number): Execution[] {
    return this.all().filter((execution) => execution.slot === slot);
  }

  /** The execution of a subtask. */
  get({ vertex, subtask }: SubtaskId): Execution {
    const execution = this.#executions[vertex]?.[subtask];
    assert(execution !== undefined, `subtask ${vertex}/${subtask} is part of the job`);
    return execution;
  }

  /** Moves one execution; an illegal move is a bug of whoever reported it. */
  move(id: SubtaskId, state: ExecutionState): void {
    const execution = this.get(id);
    assert(
      EXECUTION_MOVES[execution.state].includes(state),
      `subtask ${id.vertex}/${id.subtask} may not move from ${execution.state} to ${state}`,
    );
    this.#move(execution, state);
  }

  /** Moves every execution that may go there; `slots`: of these alone. */
  moveAll(state: ExecutionState, slots?: ReadonlySet<number>): void {
    for (const execution of this.all()) {
      if (slots !== undefined && !slots.has(execution.slot)) continue;
      if (EXECUTION_MOVES[execution.state].includes(state)) this.#move(execution, state);
    }
  }

  /** The subtask has seen the end of its input. */
  ended(id: SubtaskId): void {
    this.#set({ ...this.get(id), ended: true });
  }

  /** The subtask has confirmed the commits of a checkpoint. */
  committed(id: SubtaskId, checkpointId: number): void {
    const execution = this.get(id);
    const committed = Math.max(checkpointId, execution.committed ?? checkpointId);
    this.#set({ ...execution, committed });
  }

  /** True when every execution is in this state. */
  allIn(state: ExecutionState): boolean {
    return this.all().every((execution) => execution.state === state);
  }

  /** True when all input of the job has ended. */
  allEnded(): boolean {
    return this.all().every((execution) => execution.ended);
  }

  /** True when every subtask has confirmed the commits of this checkpoint. */
  allCommitted(checkpointId: number): boolean {
    return this.all().every(({ committed }) => committed !== undefined && committed >= checkpointId);
  }

  #move(execution: Execution, state: ExecutionState): void {
    const times = this.#watch === undefined ? {} : { ...execution.times, [state]: this.#watch.now() };
    const moved = { ...execution, state, times };
    this.#set(moved);
    this.#watch?.moved(moved);
  }

  #set(execution: Execution): void {
    const subtasks = this.#executions[execution.vertex];
    assert(subtasks !== undefined, 'the vertex is part of the job');
    subtasks[execution.subtask] = execution;
  }
}
