/** Makes what user functions of one operator can reach of their job. */

import { MillraceError } from '../base/errors.ts';
import type { MetricGroup } from '../metrics/metric-group.ts';
import type { Accumulator } from '../operators/accumulators.ts';
import type { RuntimeContext } from '../operators/runtime-context.ts';
import type { AccumulatorSet } from './accumulator-set.ts';

/** What a runtime context is made of. */
export interface RuntimeParts {
  readonly metrics: MetricGroup;
  readonly accumulators: AccumulatorSet;
  readonly jobParameters: Readonly<Record<string, string>>;
  /** Absolute paths by name. */
  readonly cachedFiles: Readonly<Record<string, string>>;
  readonly sourcePosition: () => string | undefined;
}

/** See the head of the file. */
export function createRuntimeContext(parts: RuntimeParts): RuntimeContext {
  const { metrics, accumulators, jobParameters, cachedFiles, sourcePosition } = parts;
  return Object.freeze({
    metrics,
    jobParameters,
    sourcePosition,
    accumulator: <In, Out>(accumulator: Accumulator<In, Out>) => accumulators.of(accumulator),
    cachedFile: (name: string) => {
      const path = Object.hasOwn(cachedFiles, name) ? cachedFiles[name] : undefined;
      if (path !== undefined) return path;
      throw new MillraceError('CACHED_FILE_MISSING', `the job registers no file "${name}"`, {
        remedy: `Register it: env.registerCachedFile(path, '${name}').`,
      });
    },
  });
}
