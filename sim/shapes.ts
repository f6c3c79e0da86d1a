// Shapes of worlds: what a world is made into so that something shows that worlds by chance show too seldom.
//
// A bug that needs several things at once is hunted in worlds of a shape; all the rest of such a world is chance.

import { chance } from '../test/property/job-spec.ts';
import { storeBy } from './store-world.ts';
import { type LifeSettings, NO_FAULTS, type World } from './world.ts';

/** What is done to a world; `undefined`: it has nothing that the shape needs. */
type Shape = (world: World) => World | undefined;

export const SHAPES = {
  /**
   * A life has more asynchronous calls under way than the next one may have, and that one ends behind its first checkpoint,
   * whose barrier has overtaken what the calls hold back.
   */
  'restored calls': (world) => {
    const calls = world.job.sources.some(
      ({ count, steps }) => count > 30 && steps.some((step) => step.kind === 'async' && step.spread),
    );
    if (world.cluster !== undefined || !calls) return undefined;
    const steady = { ...world.first, intervalMs: 10, timeoutMs: 5_000, minPauseMs: 0, maxConcurrent: 1 };
    const before: LifeSettings = { ...steady, capacity: 4, unaligned: false, alignedTimeoutMs: 0 };
    const behind: LifeSettings = { ...steady, capacity: 1, unaligned: true, alignedTimeoutMs: 0 };
    return {
      ...world,
      first: before,
      plan: [
        { when: { moment: 'metadata', nth: 2, events: 0 }, what: { kind: 'kill' }, next: behind },
        { when: { moment: 'metadata', nth: 1, events: 3 }, what: { kind: 'kill' }, next: behind },
      ],
      rates: NO_FAULTS,
      throwsAt: [],
      clockReadUs: 0,
    };
  },
  /** Checkpoints or savepoints are in a store of objects. */
  store: (world) => ({ ...world, store: world.store ?? storeBy(chance(world.seed ^ 0x5707)) }),
} as const satisfies Record<string, Shape>;
export type ShapeName = keyof typeof SHAPES;

/** The world in this shape; without a name as it is. Throws for a name that no shape has. */
export function shaped(world: World, name: string | undefined): World | undefined {
  if (name === undefined) return world;
  if (!Object.hasOwn(SHAPES, name)) throw new Error(`there is no shape ${name}`);
  return SHAPES[name as ShapeName](world);
}
