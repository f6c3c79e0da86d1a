/** A CPU profile of the thread that takes it, as Node's inspector makes it. */

import { Session } from 'node:inspector/promises';
import type { Clock } from '../base/env.ts';

/** Samples of one profile at most, so that its size has a bound. */
const SAMPLES_MAX = 10_000;
const MICROSECONDS_PER_MS = 1_000;

/** Profiles for `durationMs`; the text is what a `.cpuprofile` file holds. */
export async function threadProfile(durationMs: number, clock: Pick<Clock, 'timer'>): Promise<string> {
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    const interval = Math.max(MICROSECONDS_PER_MS, (durationMs * MICROSECONDS_PER_MS) / SAMPLES_MAX);
    await session.post('Profiler.setSamplingInterval', { interval: Math.ceil(interval) });
    await session.post('Profiler.start');
    await new Promise<void>((resolve) => {
      clock.timer(durationMs, resolve, 'a profile ends');
    });
    const { profile } = await session.post('Profiler.stop');
    return JSON.stringify(profile);
  } finally {
    session.disconnect();
  }
}
