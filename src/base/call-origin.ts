/**
 * Whose call it was from which something asynchronous began: a promise that nobody waits for, a timer of a user's function.
 *
 * What such a thing throws reaches nobody but the thread (`uncaughtException`, `unhandledRejection`), where its origin is
 * still known: it follows promises and timers by the async context of Node.
 */

import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';

/** Takes what went wrong after a call had returned. */
export interface CallOrigin {
  failedLater(error: unknown): void;
}

const origins = new AsyncLocalStorage<CallOrigin>();

/** Makes a call in the name of `origin`, and gives back what it returns. */
export function callAs<T>(origin: CallOrigin, call: () => T): T {
  return origins.run(origin, call);
}

/** Makes calls with an argument in somebody's name. */
export type CallerAs = <A, T>(call: (argument: A) => T, argument: A) => T;

/** Makes calls in the name of `origin`: cheaper than {@link callAs} for one that is made again and again. */
export function callerAs(origin: CallOrigin): CallerAs {
  // Not a snapshot of the storage, which is this and two more calls.
  const resource = origins.run(origin, () => new AsyncResource('CallOrigin', { requireManualDestroy: true }));
  return (call, argument) => resource.runInAsyncScope(call, undefined, argument);
}

/** In whose name this runs; `undefined`: nobody's. */
export function callOrigin(): CallOrigin | undefined {
  return origins.getStore();
}
