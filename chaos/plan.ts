// What happens to a cluster in a chaos run, drawn from a seed before it begins.

import { FAILPOINTS } from '../src/base/failpoints.ts';
import { seededChance } from '../test/e2e/processes.ts';
import type { BrokenCalls } from './calls.ts';
import type { Direction } from './network.ts';
import type { Steps } from './processes.ts';

/** Processes that something may happen to. */
export type Victim = 'taskmanager' | 'jobprocess' | 'jobmaster';

/** One thing that happens. */
export type Action =
  /** `kill -9`, of so many at once; as many as there are TaskManagers are all of a kind. */
  | { readonly kind: 'kill'; readonly victim: Victim; readonly count: number }
  /** A process ends where it comes by a named step of a checkpoint, a commit or a start; perhaps another one at the next step. */
  | { readonly kind: 'failpoint' }
  /** SIGSTOP, and SIGCONT after so many ms: shorter or longer than a heartbeat may be silent. */
  | { readonly kind: 'pause'; readonly victim: Victim; readonly ms: number }
  /** The disk of checkpoints and output has no room left, for so many ms. */
  | { readonly kind: 'disk-full'; readonly ms: number }
  /** A TaskManager with its processes, or JobManager and job master, hears nothing, is not heard, or both, for so many ms. */
  | {
      readonly kind: 'cut';
      readonly victim: 'taskmanager' | 'jobmanager';
      readonly direction: Direction;
      readonly ms: number;
    }
  /** A TaskManager and its processes are cut off and killed; the others learn it only from their silence, or after so many ms. */
  | { readonly kind: 'half-open'; readonly ms: number }
  /** The cable of a TaskManager carries little, for so many ms. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** All connections of a TaskManager and its processes are reset, again and again for so many ms. */
  | { readonly kind: 'resets'; readonly ms: number }
  /** What a process writes fails or takes long, for so many ms. */
  | { readonly kind: 'calls'; readonly victim: Victim; readonly how: BrokenCalls; readonly ms: number }
  /** The wall clock of a process is wrong by so much, for so many ms. */
  | {
      readonly kind: 'clock';
      readonly victim: Victim | 'jobmanager';
      readonly byMs: number;
      readonly ms: number;
    }
  /** A process may take no more memory, until it is ended for that, or for so many ms. */
  | { readonly kind: 'memory'; readonly victim: Victim; readonly ms: number }
  /** The leading JobManager, perhaps with a TaskManager, is killed, or stands still for so many ms and then learns who leads now. */
  | {
      readonly kind: 'kill-jobmanager';
      readonly how: 'kill' | 'pause';
      readonly withTaskManager: boolean;
      readonly ms: number;
    }
  | { readonly kind: 'savepoint' };

/** How often each happens, of {@link WEIGHTS}. */
const WEIGHTS: Readonly<Record<Action['kind'], number>> = {
  kill: 10,
  failpoint: 8,
  pause: 4,
  savepoint: 3,
  cut: 3,
  calls: 3,
  'disk-full': 2,
  'half-open': 2,
  slow: 2,
  resets: 2,
  clock: 2,
  memory: 2,
  'kill-jobmanager': 4,
};

/** The names of what can happen. */
export const KINDS = Object.keys(WEIGHTS) as readonly Action['kind'][];

/** An action, and how many ms after the one before it is over. */
export interface Planned {
  readonly afterMs: number;
  readonly action: Action;
}

const VICTIMS: readonly Victim[] = ['taskmanager', 'taskmanager', 'jobprocess', 'jobprocess', 'jobmaster'];

const CUT_OFF = ['taskmanager', 'taskmanager', 'jobmanager'] as const;
const DIRECTIONS: readonly Direction[] = ['to', 'from', 'both'];
/** Who writes files: a TaskManager writes none of a job. */
const WRITERS: readonly Victim[] = ['jobprocess', 'jobmaster'];
const HOW: readonly BrokenCalls[] = ['io', 'read-only', 'slow'];
const HOUR_MS = 3_600_000;
/** Half of what a heartbeat may be late in a cluster of these runs. */
const LIVED_THROUGH_MS = 5_000;

type Draw = (bound: number) => number;

/** Actions without end, of some kinds. */
export function* planOf(
  seed: number,
  everyMs: number,
  kinds: readonly Action['kind'][] = KINDS,
): Generator<Planned, never> {
  const chance = seededChance(seed);
  const draw: Draw = (bound) => Math.floor(chance() * bound);
  const urn = kinds.flatMap((kind) => Array.from({ length: WEIGHTS[kind] }, () => kind));
  for (;;) {
    // Exponential: now and then two things happen at almost the same time.
    const afterMs = Math.min(5 * everyMs, Math.round(-Math.log(1 - chance()) * everyMs));
    yield { afterMs, action: actionOf(urn[draw(urn.length)]!, draw) };
  }
}

/** No thread of a job ends by it: what is silent is so for shorter than a heartbeat may be, and nothing fails. */
export function isLivedThrough(action: Action): boolean {
  switch (action.kind) {
    case 'slow':
    case 'clock':
    case 'savepoint':
      return true;
    case 'pause':
      return action.ms <= LIVED_THROUGH_MS;
    default:
      return false;
  }
}

function actionOf(kind: Action['kind'], draw: Draw): Action {
  const victim = oneOf(VICTIMS, draw);
  switch (kind) {
    case 'kill':
      return { kind, victim, count: oneOf([1, 1, 1, 1, 2, 3], draw) };
    case 'failpoint':
    case 'savepoint':
      return { kind };
    case 'pause':
      return { kind, victim, ms: lasting(draw) };
    case 'cut':
      return { kind, victim: oneOf(CUT_OFF, draw), direction: oneOf(DIRECTIONS, draw), ms: lasting(draw) };
    case 'half-open':
    case 'slow':
    case 'resets':
      return { kind, ms: lasting(draw) };
    case 'disk-full':
      return { kind, ms: shortly(draw) };
    case 'calls':
      return { kind, victim: oneOf(WRITERS, draw), how: oneOf(HOW, draw), ms: shortly(draw) };
    case 'clock': {
      const byMs = oneOf([-HOUR_MS, -5_000, 5_000, HOUR_MS], draw);
      return { kind, victim: oneOf([...VICTIMS, 'jobmanager'] as const, draw), byMs, ms: lasting(draw) };
    }
    case 'memory':
      return { kind, victim, ms: shortly(draw) };
    case 'kill-jobmanager':
      return {
        ...{ kind, how: oneOf(['kill', 'kill', 'pause'] as const, draw) },
        ...{ withTaskManager: draw(3) === 0, ms: lasting(draw) },
      };
  }
}

/** Steps at which processes end, first those that no run has met: each alone, then each after each, in an order of the seed. */
export function* stepsOf(seed: number, met: ReadonlySet<string>): Generator<Steps, never> {
  const chance = seededChance(seed);
  const alone: Steps[] = FAILPOINTS.map((first) => ({ first }));
  const pairs: Steps[] = FAILPOINTS.flatMap((first) => FAILPOINTS.map((next) => ({ first, next })));
  for (let known = met; ; known = new Set()) {
    for (const steps of [...shuffled(alone, chance), ...shuffled(pairs, chance)]) {
      if (!known.has(nameOfSteps(steps))) yield steps;
    }
  }
}

/** `one`, or `one > other`. */
export function nameOfSteps({ first, next }: Steps): string {
  return next === undefined ? first : `${first} > ${next}`;
}

function shuffled<T>(values: readonly T[], chance: () => number): T[] {
  return values
    .map((value) => ({ value, at: chance() }))
    .sort((left, right) => left.at - right.at)
    .map(({ value }) => value);
}

function oneOf<T>(values: readonly T[], draw: Draw): T {
  return values[draw(values.length)]!;
}

/** 0.1 to 10 s, each scale as often as the other. */
function lasting(draw: Draw): number {
  return Math.round(100 * 100 ** (draw(1_000) / 1_000));
}

function shortly(draw: Draw): number {
  return 500 + draw(4_000);
}
