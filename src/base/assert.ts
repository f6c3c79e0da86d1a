/** The check of what cannot happen; it stays on in production. */

import { MillraceError } from './errors.ts';

/** Throws `ASSERTION_FAILED` unless `condition` is truthy; `what` states the invariant. One condition each. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new MillraceError('ASSERTION_FAILED', what);
}
