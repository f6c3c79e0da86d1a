/** The Env of one thread of a simulated node: its clock, chance, disk and log are the kernel's. */

import type { Clock, Env, Log, Random, Timer } from '../base/env.ts';
import type { SimulatedDisk } from './simulated-disk.ts';
import { type FileFaults, type Perform, SimulatedFiles } from './simulated-files.ts';

/** What a thread needs from the kernel. */
export interface Seat {
  /** Node, incarnation and thread; names lanes and streams of chance. */
  readonly place: string;
  /** False after the node crashed: whatever is still called then happens nowhere. */
  readonly isCurrent: () => boolean;
  /** Virtual milliseconds. */
  readonly now: () => number;
  /** The same for the code under test, whom it may cost time to look. */
  readonly monotonic: () => number;
  readonly wall: () => number;
  readonly schedule: (event: SeatEvent) => Timer;
  /** Chance of the simulation: latencies. */
  readonly chance: Random;
  /** Chance of the code under test. */
  readonly random: Random;
  readonly shuffle: boolean;
  /** Deferred calls and file operations take no time. */
  readonly instant: boolean;
  readonly disk: SimulatedDisk;
  readonly faults: FileFaults | undefined;
  readonly log: Log;
  /** File operations that were called and took no effect yet, with what a kill leaves of them. */
  readonly inFlight: Set<(random: Random) => void>;
}

/** An event of a thread; events of a lane keep their order. */
export interface SeatEvent {
  readonly lane?: string;
  readonly afterMs: number;
  readonly why: string;
  readonly run: () => void;
}

/** What a deferred call costs, so that a thread that never rests still lets time pass. */
const DEFER_US = 10;
const DEFER_SHUFFLED_US_MAX = 200;
const FILE_EFFECT_US_MAX = 2_000;
const FILE_SETTLE_US_MAX = 200;

const NO_TIMER: Timer = { cancel: () => undefined };

/** Puts the seams of a thread together. */
export function simulatedEnv(seat: Seat): Env {
  return {
    clock: simulatedClock(seat),
    random: seat.random,
    files: new SimulatedFiles(seat.disk, performLater(seat), seat.faults),
    log: seat.log,
  };
}

function simulatedClock(seat: Seat): Clock {
  const timers = `${seat.place}/timers`;
  const deferred = `${seat.place}/deferred`;
  let lastDeferMs = 0;
  return {
    now: seat.wall,
    monotonic: seat.monotonic,
    timer: (afterMs, run, why) =>
      seat.isCurrent() ? seat.schedule({ lane: timers, afterMs, why, run }) : NO_TIMER,
    defer: (run, why) => {
      if (!seat.isCurrent()) return;
      const costUs = seat.instant ? 0 : seat.shuffle ? 1 + seat.chance.int(DEFER_SHUFFLED_US_MAX) : DEFER_US;
      // Deferred calls of a thread never overtake each other.
      lastDeferMs = Math.max(lastDeferMs, seat.now() + costUs / 1_000);
      seat.schedule({ lane: deferred, afterMs: lastDeferMs - seat.now(), why, run });
    },
  };
}

// An operation takes effect in one event and settles in another: a crash can fall before, between and after.
function performLater(seat: Seat): Perform {
  const later = (maxUs: number, why: string, run: () => void): void => {
    const us = seat.instant ? 0 : 1 + seat.chance.int(maxUs);
    if (seat.isCurrent()) seat.schedule({ afterMs: us / 1_000, why, run });
  };
  return (why, effect, interrupted) =>
    new Promise((resolve, reject) => {
      if (!seat.isCurrent()) return;
      seat.inFlight.add(interrupted);
      later(FILE_EFFECT_US_MAX, why, () => {
        seat.inFlight.delete(interrupted);
        later(FILE_SETTLE_US_MAX, `settle ${why}`, outcomeOf(effect, resolve, reject));
      });
    });
}

function outcomeOf<T>(
  effect: () => T,
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
): () => void {
  try {
    const value = effect();
    return () => resolve(value);
  } catch (error) {
    return () => reject(error);
  }
}
