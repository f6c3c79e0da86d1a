// Shapes of worlds: those in which a bug can show at all, or what a world is made into so that one shows that worlds by chance
// show too seldom.
//
// A bug of something that few worlds have is hunted in those that have it, as they are. One that needs several things at once is
// hunted in worlds that are made so; all the rest of such a world is chance.

import { chance } from '../test/property/job-spec.ts';
import type { ClusterSpec, Misfortune } from './cluster-world.ts';
import { storeBy, type StoreSpec } from './store-world.ts';
import {
  type Happening,
  IN_ORDER,
  type LifeSettings,
  NO_FAULTS,
  type Planned,
  type When,
  type World,
} from './world.ts';

/** What is done to a world; `undefined`: it has nothing that the shape needs. */
type Shape = (world: World) => World | undefined;

/** After them a job goes on from what it has. */
const FAILURES: ReadonlySet<Happening['kind']> = new Set(['kill', 'power', 'take-over', 'throw', 'rescale']);

/** Nothing is done to the worlds that have it already. */
function only(has: (world: World) => boolean): Shape {
  return (world) => (has(world) ? world : undefined);
}

function ofOneProcess(has: (world: World) => boolean): Shape {
  return only((world) => world.cluster === undefined && has(world));
}

function ofCluster(has: (cluster: ClusterSpec, world: World) => boolean): Shape {
  return only((world) => world.cluster !== undefined && has(world.cluster, world));
}

function happens({ plan }: World, kind: Happening['kind']): boolean {
  return plan.some(({ what }) => what.kind === kind);
}

/** What comes next after something of this kind is a failure. */
function failsBehind({ plan }: World, isIt: (what: Happening) => boolean): boolean {
  return plan.some(({ what }, index) => {
    const next = plan[index + 1]?.what.kind;
    return isIt(what) && next !== undefined && FAILURES.has(next);
  });
}

function inStore(world: World): World & { readonly store: StoreSpec } {
  return { ...world, store: world.store ?? storeBy(chance(world.seed ^ 0x5707)) };
}

function diskFails({ rates }: World): boolean {
  return rates.io + rates.unknown + rates.noSpace > 0;
}

/** A cluster to which something else happens. */
function withPlan(world: World, cluster: ClusterSpec, plan: readonly Misfortune[]): World {
  return { ...world, cluster: { ...cluster, plan } };
}

export const SHAPES = {
  // ---- as they are ----

  cluster: ofCluster(() => true),
  'JobManagers that take turns': ofCluster(({ jobManagers }) => jobManagers > 1),
  'cluster with a failing disk': ofCluster(({ diskFails: fails }, world) => fails && diskFails(world)),
  'state read in place': ofCluster(({ restores }) => restores !== 'dealt out'),
  'loss of power': only((world) =>
    world.cluster === undefined
      ? happens(world, 'power')
      : world.cluster.plan.some(({ kind }) => kind === 'the power fails'),
  ),
  'another parallelism': ofOneProcess(({ first, plan }) =>
    [first, ...plan.map(({ next }) => next)].some(
      ({ keyedParallelism, unaligned }, index, lives) =>
        unaligned && keyedParallelism !== (lives[index + 1]?.keyedParallelism ?? keyedParallelism),
    ),
  ),
  'another graph': ofOneProcess(({ plan }) =>
    plan.some(
      ({ what }) => what.kind === 'stop-with-savepoint' && what.from !== 'latest' && what.changesGraph,
    ),
  ),
  'stop with a savepoint': ofOneProcess((world) => happens(world, 'stop-with-savepoint')),
  'a savepoint is claimed, and no disk fails': ofOneProcess(
    (world) =>
      !diskFails(world) &&
      !happens(world, 'fault') &&
      !happens(world, 'take-over') &&
      world.plan.some(({ what }) => what.kind === 'stop-with-savepoint' && what.from === 'claimed'),
  ),
  'a savepoint, then a failure': ofOneProcess((world) =>
    failsBehind(world, ({ kind }) => kind === 'savepoint'),
  ),
  'a savepoint to begin with, then a failure': ofOneProcess((world) =>
    failsBehind(world, (what) => what.kind === 'stop-with-savepoint' && what.from !== 'latest'),
  ),
  'timers of processing time': only(({ job }) => job.keyed.kind === 'ticks'),
  'windows with an evictor': only(({ job }) => job.keyed.kind === 'evicted'),
  'a number for each record': only(({ job }) => job.keyed.kind === 'origins'),
  sessions: only(({ job }) => job.keyed.kind === 'session'),
  transactions: ofOneProcess(({ job }) => job.sink === 'transactions'),

  // ---- made so ----

  /**
   * A life has more asynchronous calls under way than the next one may have, and that one ends behind its first checkpoint,
   * whose barrier has overtaken what the calls hold back.
   */
  'restored calls': (world) => {
    const calls = world.job.sources.some(
      ({ count, steps }) => count > 30 && steps.some((step) => step.kind === 'async' && step.spread),
    );
    if (world.cluster !== undefined || !calls) return undefined;
    const before: LifeSettings = { ...steady(world), capacity: 4, unaligned: false };
    const behind: LifeSettings = { ...steady(world), capacity: 1, unaligned: true };
    return {
      ...calm(world),
      first: before,
      plan: [
        { when: { moment: 'metadata', nth: 2, events: 0 }, what: { kind: 'kill' }, next: behind },
        { when: { moment: 'metadata', nth: 1, events: 3 }, what: { kind: 'kill' }, next: behind },
      ],
    };
  },

  /** Checkpoints or savepoints are in a store of objects. */
  store: inStore,
  /** Everything is uploaded in parts, and the store often says that it cannot. */
  'uploads that fail': (world) => {
    const { store, ...rest } = inStore(world);
    const rates = { ...store.rates, unavailable: 500 };
    return { ...rest, store: { ...store, holds: 'both', partBytes: 200, rates } };
  },

  /** No record may be late; what was in flight in a life is read at another parallelism by the next one. */
  'watermarks in flight': (world) => {
    if (world.cluster !== undefined || !IN_ORDER.has(world.job.keyed.kind)) return undefined;
    const life = (keyedParallelism: number): LifeSettings => ({
      ...steady(world),
      keyedParallelism,
      unaligned: true,
    });
    const plan = [2, 4, 1, 3].map(
      (parallelism, index): Planned => ({
        when: { moment: 'metadata', nth: 1 + (index % 2), events: 0 },
        what: { kind: 'kill' },
        next: life(parallelism),
      }),
    );
    return { ...calm(world), first: life(3), plan };
  },

  /** Processes are so slow that barriers meet tasks in the middle of a batch, and overtake the rest of it. */
  'barriers within batches': (world) => {
    const { cluster, job } = world;
    if (cluster !== undefined) return undefined;
    const life: LifeSettings = { ...steady(world), unaligned: true };
    return {
      ...calm(world),
      job: { ...job, throttle: 0, sources: job.sources.map((source) => ({ ...source, ratePerSecond: 0 })) },
      first: life,
      plan: [1, 2, 1, 2].map((nth) => ({
        when: { moment: 'metadata', nth, events: 0 },
        what: { kind: 'kill' },
        next: life,
      })),
      clockReadUs: 300,
    };
  },

  /** A process is killed as soon as its checkpoint has its name; the next one continues from it, and then the power fails. */
  'names that are not durable': (world) => {
    if (world.cluster !== undefined) return undefined;
    const life: LifeSettings = { ...steady(world), intervalMs: 20 };
    const behind: LifeSettings = { ...life, intervalMs: 500 };
    return {
      ...calm(world),
      first: life,
      plan: [
        { when: { moment: 'metadata', nth: 2, events: 0 }, what: { kind: 'kill' }, next: behind },
        { when: { moment: 'commit', nth: 1, events: 10 }, what: { kind: 'power' }, next: life },
        { when: { moment: 'metadata', nth: 1, events: 0 }, what: { kind: 'kill' }, next: behind },
        { when: { moment: 'commit', nth: 2, events: 10 }, what: { kind: 'power' }, next: life },
      ],
    };
  },

  /** What a start looks for is there, and the disk does not give it. */
  'checkpoints that cannot be read': (world) => {
    if (world.cluster !== undefined) return undefined;
    const life = steady(world);
    const fault = (at: 'reading' | 'listing', when: When): Planned => ({
      when,
      what: { kind: 'fault', at, fault: 'io' },
      next: life,
    });
    const plan = [1, 3, 2, 1].flatMap((nth, index): Planned[] => {
      const when: When = { moment: 'metadata', nth, events: 20 };
      // A start lists before its claim and behind it.
      const faults =
        (index + world.seed) % 2 === 0
          ? [fault('reading', when)]
          : [fault('listing', when), fault('listing', { events: 1 })];
      return [...faults, { when: { events: 1 }, what: { kind: 'kill' }, next: life }];
    });
    return { ...calm(world), first: life, plan };
  },

  /** Leaders stand still, one after the other, for longer than their lease; jobs write all the time. */
  'leaders that stand still': (world) => {
    const { cluster, first } = world;
    if (cluster === undefined || cluster.jobManagers === 1) return undefined;
    const plan = Array.from({ length: 8 }, (_, index): Misfortune => {
      const ms = 450 + ((world.seed * 7 + index * 53) % 300);
      return {
        afterMs: (world.seed * 31 + index * 97) % 150,
        kind: 'a JobManager stands still',
        pick: 0,
        ms,
      };
    });
    return { ...withPlan(calm(world), cluster, plan), first: { ...first, intervalMs: 20 } };
  },

  /** Copies of state are spoilt, and read. */
  'spoilt copies': (world) => {
    const { cluster, job } = world;
    if (cluster?.restores !== 'from local copies') return undefined;
    const plan = Array.from({ length: 6 }, (_, index): Misfortune => {
      const kind = index % 2 === 0 ? 'copies are spoilt' : 'the code of the job throws';
      return { afterMs: index % 2 === 0 ? (world.seed * 31 + index * 97) % 200 : 0, kind, pick: 5, ms: 0 };
    });
    return { ...withPlan(calm(world), cluster, plan), job: { ...job, inlineThresholdBytes: 0 } };
  },
} as const satisfies Record<string, Shape>;
export type ShapeName = keyof typeof SHAPES;

/** Checkpoints as often as can be, of which each has its time. */
function steady({ first }: World): LifeSettings {
  return {
    ...first,
    intervalMs: 10,
    timeoutMs: 5_000,
    minPauseMs: 0,
    maxConcurrent: 1,
    alignedTimeoutMs: 0,
  };
}

/** Nothing fails by chance, and all is on the disk. */
function calm(world: World): World {
  const { store: _, ...onDisk } = world;
  return { ...onDisk, rates: NO_FAULTS, throwsAt: [], clockReadUs: 0 };
}

/** The world in this shape; without a name as it is. Throws for a name that no shape has. */
export function shaped(world: World, name: string | undefined): World | undefined {
  if (name === undefined) return world;
  if (!Object.hasOwn(SHAPES, name)) throw new Error(`there is no shape ${name}`);
  return SHAPES[name as ShapeName](world);
}
