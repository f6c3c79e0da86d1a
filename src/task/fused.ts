/**
 * A link whose operator is one call of a function without state, made into code of its own.
 *
 * `ChainLink.deliverTo`, `record` and `ChainOutput.emit` are shared by all operators of a process, so the engine learns
 * nothing about any of them. A made function is the same three steps for one operator: the engine sees one function of
 * the user and one next link, and makes one piece of code of a row of them.
 *
 * The text holds no input: functions are arguments, and its name for stack traces is percent-encoded.
 *
 * M1 It is used only where the plain path would do just this: no key, no poison policy, no freezing, the only receiver
 *    of its upstream and with one receiver itself. Nothing waits then: whoever delivers has asked before (O1 of
 *    chain-output.ts), nobody else was given the record, and one record in is at most one record out.
 */

import type { PureFunction } from '../operators/operator.ts';

/** Takes a record into a link. */
export type Deliver = (value: unknown, timestamp: number) => void;

/** What a made function works on. */
export interface FusedParts {
  readonly pure: PureFunction;
  readonly link: { recordsIn: number };
  readonly output: { recordsOut: number };
  readonly next: Deliver;
  /** Gives an error its place. */
  readonly locate: (error: unknown) => Error;
  /** Appears in stack traces. */
  readonly job: string;
  readonly uid: string;
}

const TEXTS: Readonly<Record<PureFunction['kind'], string>> = {
  map: `'use strict';
return function deliver(value, timestamp) {
  link.recordsIn++;
  let result;
  try {
    result = call(value);
  } catch (error) {
    throw locate(error);
  }
  output.recordsOut++;
  next(result, timestamp);
};`,
  filter: `'use strict';
return function deliver(value, timestamp) {
  link.recordsIn++;
  let passes;
  try {
    passes = call(value);
  } catch (error) {
    throw locate(error);
  }
  if (!passes) return;
  output.recordsOut++;
  next(value, timestamp);
};`,
};

/** Equal texts would share what the engine learns. */
let serial = 0;

/** The made function; `undefined` where code generation is forbidden. */
export function fuse({ pure, link, output, next, locate, job, uid }: FusedParts): Deliver | undefined {
  const name = `millrace/${encoded(job)}/${encoded(uid)}/${serial++}`;
  const text = `${TEXTS[pure.kind]}\n//# sourceURL=${name}`;
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- the text holds no input but a percent-encoded name; see the head of this file
    const make = new Function('link', 'output', 'call', 'next', 'locate', text) as (
      ...parts: unknown[]
    ) => Deliver;
    return make(link, output, pure.call, next, locate);
  } catch (error) {
    if (error instanceof EvalError) return undefined;
    throw error;
  }
}

// A lone surrogate, as of a name cut within an emoji, cannot be percent-encoded.
function encoded(name: string): string {
  return encodeURIComponent(name.toWellFormed());
}
