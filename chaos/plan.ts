// What happens to a cluster in a chaos run, drawn from a seed before it begins.

import { seededChance } from '../test/e2e/processes.ts';
import type { BrokenCalls } from './calls.ts';

/** Processes that something may happen to. */
export type Victim = 'taskmanager' | 'jobprocess' | 'jobmaster';

/** One thing that happens. */
export type Action =
  /** `kill -9`, of so many at once; as many as there are TaskManagers are all of a kind. */
  | { readonly kind: 'kill'; readonly victim: Victim; readonly count: number }
  /** SIGSTOP, and SIGCONT after so many ms: shorter or longer than a heartbeat may be silent. */
  | { readonly kind: 'pause'; readonly victim: Victim; readonly ms: number }
  /** The disk of checkpoints and output has no room left, for so many ms. */
  | { readonly kind: 'disk-full'; readonly ms: number }
  /** Nothing gets to the processes of a TaskManager, or to JobManager and job master, for so many ms; what they say arrives. */
  | { readonly kind: 'cut'; readonly victim: 'taskmanager' | 'jobmanager'; readonly ms: number }
  /** What a process writes fails or takes long, for so many ms. */
  | { readonly kind: 'calls'; readonly victim: Victim; readonly how: BrokenCalls; readonly ms: number }
  | { readonly kind: 'savepoint' };

/** An action, and how many ms after the one before it is over. */
export interface Planned {
  readonly afterMs: number;
  readonly action: Action;
}

const VICTIMS: readonly Victim[] = ['taskmanager', 'taskmanager', 'jobprocess', 'jobprocess', 'jobmaster'];

const CUT_OFF = ['taskmanager', 'taskmanager', 'jobmanager'] as const;
/** Who writes files: a TaskManager writes none of a job. */
const WRITERS: readonly Victim[] = ['jobprocess', 'jobmaster'];
const HOW: readonly BrokenCalls[] = ['io', 'read-only', 'slow'];

/** Actions without end. */
export function* planOf(seed: number, everyMs: number): Generator<Planned, never> {
  const chance = seededChance(seed);
  const draw = (bound: number): number => Math.floor(chance() * bound);
  for (;;) {
    // Exponential: now and then two things happen at almost the same time.
    const afterMs = Math.min(5 * everyMs, Math.round(-Math.log(1 - chance()) * everyMs));
    yield { afterMs, action: actionOf(draw) };
  }
}

function actionOf(draw: (bound: number) => number): Action {
  const victim = VICTIMS[draw(VICTIMS.length)]!;
  const kind = draw(26);
  if (kind < 10) return { kind: 'kill', victim, count: [1, 1, 1, 1, 2, 3][draw(6)]! };
  if (kind < 15) return { kind: 'pause', victim, ms: lasting(draw) };
  if (kind < 17) return { kind: 'disk-full', ms: 500 + draw(4_000) };
  if (kind < 20) return { kind: 'savepoint' };
  if (kind < 23) return { kind: 'cut', victim: CUT_OFF[draw(CUT_OFF.length)]!, ms: lasting(draw) };
  return {
    kind: 'calls',
    victim: WRITERS[draw(WRITERS.length)]!,
    how: HOW[draw(HOW.length)]!,
    ms: 500 + draw(4_000),
  };
}

/** 0.1 to 10 s, each scale as often as the other. */
function lasting(draw: (bound: number) => number): number {
  return Math.round(100 * 100 ** (draw(1_000) / 1_000));
}
