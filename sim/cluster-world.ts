// The part of a world that is a cluster: its JobManagers, its network, and what will happen to both, as plain data.

type Draw = (bound: number) => number;

/** What happens to a cluster. `pick` chooses among those that are there then; `ms`: how long it lasts, or until it is back. */
export interface Misfortune {
  /** After the one before it is over. */
  readonly afterMs: number;
  readonly kind: (typeof MISFORTUNES)[number];
  readonly pick: number;
  readonly ms: number;
}

/** The cluster of a world. */
export interface ClusterSpec {
  /** JobManagers; more than one take turns, and find their leader in a register outside. */
  readonly jobManagers: 1 | 3;
  /** Calls of the register whose answer is lost, of 100. */
  readonly registerLoss: number;
  /** Who deals the state out after a failure: the job master, or each subtask reads its own, from copies on its machine first. */
  readonly restores: 'dealt out' | 'in place' | 'from local copies';
  /** The disk of checkpoints and output fails, too, at the rates of the world. */
  readonly diskFails: boolean;
  readonly plan: readonly Misfortune[];
}

/** TaskManagers with two slots each. */
export const TASK_MANAGERS = ['tm1', 'tm2', 'tm3'] as const;

const MISFORTUNES = [
  'a TaskManager crashes',
  'a job process crashes',
  'a job master crashes',
  'a JobManager crashes',
  'all JobManagers crash',
  'the power fails',
  'a process is cut off',
  'a JobManager is cut off',
  'a process stands still',
  'a JobManager stands still',
  'the register is silent',
  'clocks jump',
  'the job is rescaled',
  'a savepoint is taken',
  'copies are spoilt',
  'the code of the job throws',
] as const;

/** Each kind is there at all in two of three clusters, so that some have few kinds. */
export function clusterOf(draw: Draw): ClusterSpec {
  const kinds = MISFORTUNES.filter(() => draw(3) > 0);
  const count = kinds.length === 0 ? 0 : 1 + draw(8);
  return {
    jobManagers: draw(2) === 0 ? 1 : 3,
    registerLoss: draw(2) === 0 ? 0 : draw(4),
    restores: (['dealt out', 'in place', 'from local copies', 'from local copies'] as const)[draw(4)]!,
    diskFails: draw(2) === 0,
    plan: Array.from({ length: count }, () => ({
      afterMs: draw(3) === 0 ? draw(20) : draw(400),
      kind: kinds[draw(kinds.length)]!,
      pick: draw(1_000),
      ms: Math.round(10 ** (0.5 + draw(300) / 100)),
    })),
  };
}
