// Makes a world that violates something smaller, as long as it violates the same: first what happens, then the job, then
// the rates, as reliability is easier to read in a world with two faults than in one with twelve.

import { type Outcome, runWorld } from './life.ts';
import { NO_STORE_FAULTS, PAGE_LENGTH, PART_BYTES, type StoreRates, type StoreSpec } from './store-world.ts';
import { NO_FAULTS, type Rates, type SourceSpec, type World } from './world.ts';

/** The smallest world that was found, and how many were tried. */
export interface Shrunk {
  readonly outcome: Outcome;
  readonly tried: number;
}

/** Worlds that are tried at most. */
const TRIES_MAX = 600;

/** Takes away from a world what its violation does not need. */
export async function shrink(found: Outcome, run: typeof runWorld = runWorld): Promise<Shrunk> {
  let smallest = found;
  let tried = 0;
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (const world of smallerWorlds(smallest.world)) {
      if (tried++ >= TRIES_MAX) return { outcome: smallest, tried };
      const outcome = await run(world);
      if (outcome.violation?.check !== found.violation?.check) continue;
      smallest = outcome;
      isSmaller = true;
      break;
    }
  }
  return { outcome: smallest, tried };
}

/** Worlds with a little less, the greatest steps first. */
export function* smallerWorlds(world: World): Generator<World> {
  const { plan, job, rates, throwsAt } = world;
  if (plan.length > 1) yield { ...world, plan: plan.slice(0, Math.ceil(plan.length / 2)) };
  const { cluster } = world;
  if (cluster !== undefined) {
    yield* without(cluster.plan).map((left) => ({ ...world, cluster: { ...cluster, plan: left } }));
    if (cluster.registerLoss > 0) yield { ...world, cluster: { ...cluster, registerLoss: 0 } };
    if (cluster.jobManagers > 1) yield { ...world, cluster: { ...cluster, jobManagers: 1 } };
  }
  const { store, ...onDisk } = world;
  if (store !== undefined) {
    yield onDisk;
    yield* smallerStores(store).map((smaller) => ({ ...world, store: smaller }));
  }
  if (throwsAt.length > 0) yield { ...world, throwsAt: [] };
  yield* without(plan).map((left) => ({ ...world, plan: left }));
  for (const name of Object.keys(NO_FAULTS) as (keyof Rates)[]) {
    if (rates[name] > 0) yield { ...world, rates: { ...rates, [name]: 0 } };
  }
  if (job.sources.length > 1 && job.keyed.kind !== 'pairs') {
    yield* without(job.sources).map((sources) => ({ ...world, job: { ...job, sources } }));
  }
  for (const [index, source] of job.sources.entries()) {
    for (const smaller of smallerSources(source)) {
      yield { ...world, job: { ...job, sources: job.sources.with(index, smaller) } };
    }
  }
  if (job.parallelism > 1 && job.sources.every(({ splits }) => splits < job.parallelism)) {
    yield { ...world, job: { ...job, parallelism: job.parallelism - 1 } };
  }
  if (world.clockReadUs > 0) yield { ...world, clockReadUs: 0 };
  if (job.throttle > 0) yield { ...world, job: { ...job, throttle: 0 } };
  if (job.selfUnion) yield { ...world, job: { ...job, selfUnion: false } };
  for (const [index, planned] of plan.entries()) {
    const { events } = planned.when;
    if (events > 0) {
      const when = { ...planned.when, events: Math.floor(events / 2) };
      yield { ...world, plan: plan.with(index, { ...planned, when }) };
    }
  }
}

function* smallerSources(source: SourceSpec): Generator<SourceSpec> {
  if (source.steps.length > 0) yield* without(source.steps).map((steps) => ({ ...source, steps }));
  if (source.count > 0) yield { ...source, count: Math.floor(source.count / 2) };
  if (source.splits > 1) yield { ...source, splits: source.splits - 1 };
  if (source.disorder > 0) yield { ...source, disorder: 0 };
  if (source.ratePerSecond > 0) yield { ...source, ratePerSecond: 0 };
}

function smallerStores(store: StoreSpec): StoreSpec[] {
  const names = Object.keys(NO_STORE_FAULTS) as (keyof StoreRates)[];
  const faulty = names.filter((name) => store.rates[name] > 0);
  return [
    ...without(store.spells).map((spells) => ({ ...store, spells })),
    ...faulty.map((name) => ({ ...store, rates: { ...store.rates, [name]: 0 } })),
    ...(store.lingersMs > 0 ? [{ ...store, lingersMs: 0 }] : []),
    ...(store.pageLength < PAGE_LENGTH ? [{ ...store, pageLength: PAGE_LENGTH }] : []),
    ...(store.partBytes < PART_BYTES ? [{ ...store, partBytes: PART_BYTES }] : []),
  ];
}

function without<T>(all: readonly T[]): T[][] {
  return all.map((_, index) => all.toSpliced(index, 1));
}
