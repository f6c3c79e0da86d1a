/**
 * Joins two streams per key and window: both are collected in one window, tagged with the side they came from, and a
 * function gets the two sides when the window fires.
 *
 * Input 0 is the left stream, input 1 the right one. All else is the windowed stream behind it: see window-operator.ts.
 */

import { pullOf, type Results } from '../results.ts';
import type { AnyWindowFunction, WindowContext } from './window-function.ts';
import { FixedWindowOperator } from './fixed-window-operator.ts';
import { WindowOperator } from './window-operator.ts';

/** A record of one of two streams: what assigners, triggers, evictors and the late output of a window join see. */
export type TaggedUnion<A, B> =
  | { readonly side: 'left'; readonly value: A }
  | { readonly side: 'right'; readonly value: B };

/** Where a window join is: the key and the window that fires. */
export type JoinWindow<K> = Pick<WindowContext<K, never, never, never, undefined>, 'key' | 'window'>;

/** What is done with two records, or with the two sides of a window. */
export type ApplyJoin<Left, Right, K, R extends Results> = (left: Left, right: Right, at: JoinWindow<K>) => R;

/** One subtask of a window join or a co-group. */
export class WindowJoinOperator<A, B> extends WindowOperator<TaggedUnion<A, B>> {
  override record(input: number, value: unknown, timestamp: number): void {
    super.record(0, { side: input === 0 ? 'left' : 'right', value }, timestamp);
  }
}

/** One subtask of a window join or a co-group whose windows only time fires. */
export class FixedWindowJoinOperator<A, B> extends FixedWindowOperator<TaggedUnion<A, B>> {
  protected override taken(input: number, value: unknown): TaggedUnion<A, B> {
    return { side: input === 0 ? 'left' : 'right', value } as TaggedUnion<A, B>;
  }
}

/** Calls `apply` once for each firing with all records of both sides, of which one may have none. */
export function coGroupFunction<A, B, K>(
  apply: ApplyJoin<readonly A[], readonly B[], K, Results>,
): AnyWindowFunction {
  return {
    process(values: readonly TaggedUnion<A, B>[], at) {
      const { left, right } = sidesOf(values);
      return apply(left, right, at as JoinWindow<K>);
    },
  } as AnyWindowFunction;
}

/** Calls `apply` for each pair of a left and a right record. */
export function joinFunction<A, B, K>(apply: ApplyJoin<A, B, K, Results>): AnyWindowFunction {
  return coGroupFunction<A, B, K>(function* pairs(left, right, at) {
    for (const one of left) {
      for (const other of right) {
        const results = pullOf(apply(one, other, at));
        if (results === undefined) continue;
        for (let next = results.next(); next.done !== true; next = results.next()) yield next.value;
      }
    }
  });
}

function sidesOf<A, B>(values: readonly TaggedUnion<A, B>[]): { left: A[]; right: B[] } {
  const left: A[] = [];
  const right: B[] = [];
  for (const tagged of values) {
    if (tagged.side === 'left') left.push(tagged.value);
    else right.push(tagged.value);
  }
  return { left, right };
}
