// Starts the job of a world in one process of the kernel, and another job that begins with a savepoint of it.

import type { Kernel } from '../src/testing/kernel.ts';
import { SimulatedJob, type SimulatedOptions } from '../test/property/simulated-job.ts';
import { checkFork, textOf, Violation } from './checks.ts';
import { jobOf, type Surroundings } from './workload.ts';
import type { SimulatedS3 } from './simulated-s3.ts';
import { placesOf } from './store-world.ts';
import type { LifeSettings, World } from './world.ts';

/** Savepoints of a world with which another job begins, the last ones. */
export const FORKS_MAX = 2;

/** What a process needs to start the job. */
export interface Start {
  readonly kernel: Kernel;
  readonly node: string;
  readonly world: World;
  readonly settings: LifeSettings;
  readonly surroundings: Omit<Surroundings, 'later'>;
  readonly origin: Partial<SimulatedOptions>;
  /** Of a world that has one. */
  readonly store: SimulatedS3 | undefined;
}

/** A process of the job. */
export function startJob({
  kernel,
  node,
  world,
  settings,
  surroundings,
  origin,
  store,
}: Start): SimulatedJob {
  const env = kernel.env(node);
  const { intervalMs, timeoutMs, minPauseMs, maxConcurrent, retained, unaligned, alignedTimeoutMs } =
    settings;
  const { job } = world;
  return new SimulatedJob(kernel, {
    jobDirectory: placesOf(world.store).jobDirectory,
    reaches: store?.of(node),
    ...origin,
    definition: jobOf(job, settings, {
      ...surroundings,
      later: (afterMs, run) => void env.clock.timer(afterMs, run, 'answer'),
    }),
    args: [],
    node,
    alwaysEncode: job.alwaysEncode,
    channelElements: job.channelElements,
    inlineThresholdBytes: job.inlineThresholdBytes,
    checkpoints: { intervalMs, timeoutMs, minPauseMs, maxConcurrent, retained, unaligned, alignedTimeoutMs },
  });
}

/** A job that begins with a savepoint. */
export interface Fork {
  readonly isOver: () => boolean;
  /** When it is over: whether it gave what it had to give. */
  readonly check: () => void;
}

/** Another job begins with a savepoint of a world, at another parallelism, while nothing fails. */
export function startFork(
  kernel: Kernel,
  world: World,
  {
    index,
    path,
    keyedParallelism,
    store,
  }: {
    readonly index: number;
    readonly path: string;
    readonly keyedParallelism: number;
    readonly store: SimulatedS3 | undefined;
  },
): Fork {
  const folder = `/fork ${index}`;
  let met = 0;
  const job = startJob({
    kernel,
    node: `fork ${index}`,
    world,
    store,
    settings: { ...world.first, timeoutMs: 5_000, keyedParallelism },
    surroundings: {
      fork: folder,
      met: () => met++,
      transactions: () => {
        throw new Error('a fork writes files');
      },
    },
    origin: { choice: { kind: 'path', path }, jobDirectory: `${folder}/checkpoints`, allowNonRestored: true },
  });
  const check = (): void => {
    const { result } = job;
    if (result?.status !== 'FINISHED')
      throw new Violation('savepoint', `a fork of ${path} ended ${result?.status}: ${textOf(result?.error)}`);
    checkFork(kernel, folder, world.job, { isAfterAll: met === 0 });
  };
  return { isOver: () => job.result !== undefined, check };
}
