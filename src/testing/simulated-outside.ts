/**
 * Time and chance as functions of users reach them, from the simulation: `Date`, timers, `performance`, `Math.random`,
 * `crypto.randomUUID`, and `Temporal.Now` where there is one. Only while an event of the simulation happens (`isArmed`).
 *
 * A timer belongs to the node whose event started it, and is gone when that crashes. What it throws fails the task that
 * started it, as in a run. What a function imports from
 * `node:timers` or `node:crypto` is not covered.
 */

import { callAs, callOrigin } from '../base/call-origin.ts';
import type { Random, Timer } from '../base/env.ts';
import type { Outside } from './outside-trap.ts';

/** Where time and chance come from. */
export interface SimulatedOutsideOptions {
  /** ms since the epoch. */
  readonly now: () => number;
  /** ms since the simulation began. */
  readonly monotonic: () => number;
  readonly random: Random;
  readonly timer: (afterMs: number, run: () => void) => Timer;
}

type AnyFunction = (...given: never[]) => unknown;

interface Replacement {
  readonly owner: object;
  readonly name: string;
  readonly before: PropertyDescriptor | undefined;
  readonly value: unknown;
}

/** A started timer as `setTimeout` gives it back. */
interface StartedTimer {
  cancel(): void;
  ref(): StartedTimer;
  unref(): StartedTimer;
  hasRef(): boolean;
  [Symbol.dispose](): void;
}

/** See the head of the file. */
export class SimulatedOutside implements Outside {
  isArmed = false;
  readonly #options: SimulatedOutsideOptions;
  #replaced: Replacement[] = [];

  constructor(options: SimulatedOutsideOptions) {
    this.#options = options;
  }

  install(): void {
    this.#replaced = [...this.#time(), ...this.#timers(), ...this.#chance(), ...this.#temporal()];
    for (const { owner, name, value } of this.#replaced) {
      Object.defineProperty(owner, name, { configurable: true, writable: true, value });
    }
  }

  remove(): void {
    this.isArmed = false;
    for (const { owner, name, before } of this.#replaced) {
      if (before === undefined) Reflect.deleteProperty(owner, name);
      else Object.defineProperty(owner, name, before);
    }
    this.#replaced = [];
  }

  #time(): Replacement[] {
    const { now, monotonic } = this.#options;
    const isArmed = (): boolean => this.isArmed;
    const original = globalThis.Date;
    const value = new Proxy(original, {
      construct: (target, given, newTarget) =>
        Reflect.construct(target, given.length === 0 && isArmed() ? [now()] : given, newTarget) as object,
      apply: (target, self, given) =>
        isArmed() ? new original(now()).toString() : (Reflect.apply(target, self, given) as string),
    });
    return [
      { owner: globalThis, name: 'Date', before: descriptor(globalThis, 'Date'), value },
      this.#replace(original, 'now', now),
      this.#replace(performance, 'now', monotonic),
    ];
  }

  #timers(): Replacement[] {
    const { timer } = this.#options;
    const started = (start: (handle: StartedTimer) => Timer): StartedTimer => {
      const handle = startedTimer(() => current.cancel());
      const current = start(handle);
      return handle;
    };
    const after =
      (fixedMs?: number) =>
      (run: AnyFunction, ...given: unknown[]): StartedTimer => {
        const [ms = 0, ...args] = fixedMs === undefined ? given : [fixedMs, ...given];
        const call = inOrigin(() => run(...(args as never[])));
        return started(() => timer(delayOf(ms), call));
      };
    const every = (run: AnyFunction, ms?: number, ...args: unknown[]): StartedTimer => {
      let current: Timer;
      const call = inOrigin(() => run(...(args as never[])));
      const again = (): void => {
        current = timer(delayOf(ms), again);
        call();
      };
      current = timer(delayOf(ms), again);
      return startedTimer(() => current.cancel());
    };
    const clear = (name: string): Replacement => {
      const before = descriptor(globalThis, name);
      const original = Reflect.get(globalThis, name) as (handle: unknown) => void;
      // What was started before, or outside of, the simulation is the machine's.
      const value = (handle: unknown): void => {
        if (STARTED.has(handle as StartedTimer)) (handle as StartedTimer).cancel();
        else original(handle);
      };
      return { owner: globalThis, name, before, value };
    };
    return [
      this.#replace(globalThis, 'setTimeout', after()),
      this.#replace(globalThis, 'setImmediate', after(0)),
      this.#replace(globalThis, 'setInterval', every),
      ...['clearTimeout', 'clearImmediate', 'clearInterval'].map(clear),
    ];
  }

  #chance(): Replacement[] {
    const { random } = this.#options;
    return [
      this.#replace(Math, 'random', () => random.float()),
      this.#replace(globalThis.crypto, 'randomUUID', () => uuidOf(random.id())),
    ];
  }

  #temporal(): Replacement[] {
    const temporal = (globalThis as { Temporal?: TemporalLike }).Temporal;
    if (temporal === undefined) return [];
    const { Instant, Now } = temporal;
    const instant = (): InstantLike => Instant.fromEpochMilliseconds(this.#options.now());
    const here = Now.zonedDateTimeISO.bind(Now);
    // The zone stays the machine's, as for `Date`; older engines name it otherwise.
    const zoneHere = (): unknown => here().timeZoneId ?? here().timeZone;
    const zoned = (zone: unknown = zoneHere()): ZonedLike => instant().toZonedDateTimeISO(zone);
    return [
      this.#replace(Now, 'instant', instant),
      this.#replace(Now, 'zonedDateTimeISO', zoned),
      this.#replace(Now, 'plainDateTimeISO', (zone?: unknown) => zoned(zone).toPlainDateTime()),
      this.#replace(Now, 'plainDateISO', (zone?: unknown) => zoned(zone).toPlainDate()),
      this.#replace(Now, 'plainTimeISO', (zone?: unknown) => zoned(zone).toPlainTime()),
    ];
  }

  #replace(owner: object, name: string, simulated: AnyFunction): Replacement {
    const original = Reflect.get(owner, name) as AnyFunction;
    const isArmed = (): boolean => this.isArmed;
    const value = function (this: unknown, ...given: unknown[]): unknown {
      return isArmed() ? simulated(...(given as never[])) : Reflect.apply(original, this, given);
    };
    return { owner, name, before: descriptor(owner, name), value };
  }
}

/** In the name of whoever calls this, who is also told of what it throws. */
function inOrigin(run: () => unknown): () => void {
  const origin = callOrigin();
  if (origin === undefined) return () => void run();
  return () => {
    try {
      callAs(origin, run);
    } catch (error) {
      origin.failedLater(error);
    }
  };
}

const STARTED = new WeakSet<StartedTimer>();

function startedTimer(cancel: () => void): StartedTimer {
  const handle: StartedTimer = {
    cancel,
    ref: () => handle,
    unref: () => handle,
    hasRef: () => true,
    [Symbol.dispose]: cancel,
  };
  STARTED.add(handle);
  return handle;
}

/** As the machine does: no number, or less than a millisecond, is one. */
function delayOf(ms: unknown): number {
  const number = Number(ms);
  return number >= 1 ? number : 0;
}

/** Version 4, of 32 hexadecimal digits. */
function uuidOf(id: string): string {
  const variant = '89ab'[Number.parseInt(id[16]!, 16) & 3]!;
  return [
    id.slice(0, 8),
    id.slice(8, 12),
    `4${id.slice(13, 16)}`,
    variant + id.slice(17, 20),
    id.slice(20),
  ].join('-');
}

function descriptor(owner: object, name: string): PropertyDescriptor | undefined {
  return Object.getOwnPropertyDescriptor(owner, name);
}

interface InstantLike {
  toZonedDateTimeISO(zone: unknown): ZonedLike;
}

interface ZonedLike {
  readonly timeZoneId?: string;
  readonly timeZone?: unknown;
  toPlainDateTime(): unknown;
  toPlainDate(): unknown;
  toPlainTime(): unknown;
}

interface TemporalLike {
  readonly Instant: { fromEpochMilliseconds(ms: number): InstantLike };
  readonly Now: { zonedDateTimeISO(zone?: unknown): ZonedLike };
}
