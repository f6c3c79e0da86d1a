/** The operator behind a piece of the fluent interface, by itself: what the harness and `verifyOperator` run. */

import { MillraceError } from '../base/errors.ts';
import type { DataStream } from '../streams/data-stream.ts';
import { StreamExecutionEnvironment } from '../streams/environment.ts';
import { JobArguments } from '../streams/job-arguments.ts';
import type { HarnessOptions } from './operator-harness.ts';

/** How the one operator is written behind its input, or its two inputs. */
export type OperatorDescription<A, B> = (first: DataStream<A>, second: DataStream<B>) => unknown;

/**
 * Takes the operator out of a description, with the keys of its inputs. The description adds exactly one operator to
 * the streams that it is given; anything else throws TEST_KIT_MISUSED.
 *
 * ```ts
 * const count = operatorOf((words: DataStream<string>) =>
 *   words
 *     .keyBy((word) => word)
 *     .process({
 *       uid: 'count',
 *       state: { count: state.value(0) },
 *       process(word, ctx) {
 *         ctx.state.count.update(ctx.state.count.value() + 1);
 *         return [`${word} ${ctx.state.count.value()}`];
 *       },
 *     }),
 * );
 * const emitted = await verifyOperator(count, [{ record: 'to' }, { record: 'be' }, { record: 'to' }]);
 * console.log(emitted); // [ { record: 'to 1' }, { record: 'be 1' }, { record: 'to 2' } ]
 * ```
 */
export function operatorOf<A, B = never>(
  description: OperatorDescription<A, B>,
): Pick<HarnessOptions, 'operator' | 'keySelectors'> {
  const env = new StreamExecutionEnvironment(new JobArguments([]), () => {
    throw misused('env.execute() was called inside operatorOf(…), which runs nothing by itself');
  });
  description(env.fromData<A>([]), env.fromData<B>([]));
  const described = env.streamGraph().nodes.filter(({ source }) => source === undefined);
  const [node] = described;
  if (node === undefined || described.length > 1) {
    const names = described.map(({ name }) => name).join(', ');
    throw misused(`operatorOf(…) needs one operator and was given ${described.length} (${names})`);
  }
  const { factory, keySelectors } = node;
  return { operator: factory, keySelectors };
}

function misused(message: string): MillraceError {
  return new MillraceError('TEST_KIT_MISUSED', message);
}
