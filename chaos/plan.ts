// What happens to a cluster in a chaos run, drawn from a seed before it begins.

import { seededChance } from '../test/e2e/processes.ts';

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
  | { readonly kind: 'savepoint' };

/** An action, and how many ms after the one before it is over. */
export interface Planned {
  readonly afterMs: number;
  readonly action: Action;
}

const VICTIMS: readonly Victim[] = ['taskmanager', 'taskmanager', 'jobprocess', 'jobprocess', 'jobmaster'];

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
  const kind = draw(20);
  if (kind < 10) return { kind: 'kill', victim, count: [1, 1, 1, 1, 2, 3][draw(6)]! };
  if (kind < 15) return { kind: 'pause', victim, ms: Math.round(100 * 100 ** (draw(1_000) / 1_000)) };
  if (kind < 17) return { kind: 'disk-full', ms: 500 + draw(4_000) };
  return { kind: 'savepoint' };
}
