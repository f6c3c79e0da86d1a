/**
 * The functions of `map`, `filter` and `flatMap`: of a record alone, or of a record and where it is processed.
 *
 * Which of the two it is, its number of parameters says, once: a function of the record alone is called as it is.
 */

import type { OperatorContext } from './operator.ts';
import type { FunctionContext } from './process-context.ts';

/** A function of a record. With a second parameter it gets its context; a parameter with a default, or a rest, is none. */
export type PlainFunction<In, Out> = (value: In, ctx: FunctionContext<undefined>) => Out;

/** The function as its operator calls it; `open` comes before the first call. */
export interface PlainCall<In, Out> {
  readonly call: (value: In) => Out;
  readonly open: (context: OperatorContext) => void;
}

/** Makes a function of the record alone of either. */
export function plainCall<In, Out>(given: PlainFunction<In, Out>): PlainCall<In, Out> {
  if (given.length < 2) return { call: given as (value: In) => Out, open() {} };
  let ctx!: FunctionContext<undefined>;
  return {
    call: (value) => given(value, ctx),
    open: (context) => {
      ctx = plainContext(context);
    },
  };
}

/** The context of a function without a life of its own. */
export function plainContext(context: OperatorContext): FunctionContext<undefined> {
  const { info, log, runtime } = context;
  return Object.freeze({
    info,
    log,
    local: undefined,
    count: (name: string, by = 1) => context.count(name, by),
    runtime,
  });
}
