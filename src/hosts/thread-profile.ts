/** A profile of the thread that takes it, of what it computes or of what it allocates, as Node's inspector makes it. */

import { Session } from 'node:inspector/promises';
import type { Clock } from '../base/env.ts';

/** Samples of one profile at most, so that its size has a bound. */
const SAMPLES_MAX = 10_000;
const MICROSECONDS_PER_MS = 1_000;

/** Bytes from one sample to the next, on the average. */
const HEAP_SAMPLE_BYTES = 32_768;

/** What is profiled. */
export type ProfileOf = 'cpu' | 'heap';

/** Profiles for `durationMs`; the text is what a `.cpuprofile` or `.heapprofile` file holds. */
export async function threadProfile(
  durationMs: number,
  of: ProfileOf,
  clock: Pick<Clock, 'timer'>,
): Promise<string> {
  const session = new Session();
  session.connect();
  const over = (): Promise<void> =>
    new Promise((resolve) => {
      clock.timer(durationMs, resolve, 'a profile ends');
    });
  try {
    return JSON.stringify(
      await (of === 'cpu' ? cpuProfile(session, durationMs, over) : heapProfile(session, over)),
    );
  } finally {
    session.disconnect();
  }
}

async function cpuProfile(session: Session, durationMs: number, over: () => Promise<void>): Promise<unknown> {
  await session.post('Profiler.enable');
  const interval = Math.max(MICROSECONDS_PER_MS, (durationMs * MICROSECONDS_PER_MS) / SAMPLES_MAX);
  await session.post('Profiler.setSamplingInterval', { interval: Math.ceil(interval) });
  await session.post('Profiler.start');
  await over();
  return (await session.post('Profiler.stop')).profile;
}

/** What was allocated, whether it is still there or not: garbage costs time, too. */
async function heapProfile(session: Session, over: () => Promise<void>): Promise<unknown> {
  await session.post('HeapProfiler.enable');
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: HEAP_SAMPLE_BYTES,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  await over();
  return (await session.post('HeapProfiler.stopSampling')).profile;
}
