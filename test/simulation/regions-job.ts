// A job of four failover regions whose result is known.

import { files, job, type Source, state } from '../../src/index.ts';
import { committed } from '../property/simulated-job.ts';
import assert from 'node:assert/strict';
import type { Kernel } from '../../src/testing/kernel.ts';

interface Row {
  readonly file: number;
  readonly line: number;
}

/** Nine small files, so that splits are handed out while the job runs. */
export const INPUT = new Map<string, readonly Row[]>(
  Array.from({ length: 9 }, (_, file) => [
    `/input/${file}.jsonl`,
    Array.from({ length: 6 + file }, (_, line) => ({ file, line })),
  ]),
);
const ROWS = [...INPUT.values()].flat();
/** What the job must commit. */
export const COPIES = ROWS.map((row) => JSON.stringify(row)).sort();
/** What the job must commit. */
export const COUNTS = ROWS.map(({ file, line }) => JSON.stringify([file, line + 1])).sort();

/** The next row that is copied, or counted, fails; or the next request for a split of those to be copied, which this hears of. */
export const fault: { armed: 'copy' | 'count' | undefined; split: (() => void) | undefined } = {
  armed: undefined,
  split: undefined,
};

function strike(where: 'copy' | 'count'): void {
  if (fault.armed !== where) return;
  fault.armed = undefined;
  throw new Error(`a fault in ${where}`);
}

/** The rows to be copied; its enumerator fails when it is asked to. */
function rows(paths: readonly string[]): Source<Row> {
  const source = files.jsonLines<Row>(paths, { ratePerSecond: 150 });
  const createEnumerator: typeof source.createEnumerator = (context, restored) => {
    const enumerator = source.createEnumerator(context, restored);
    return {
      start: () => enumerator.start(),
      snapshot: () => enumerator.snapshot(),
      next: (subtask) => {
        const heard = fault.split;
        fault.split = undefined;
        heard?.();
        if (heard !== undefined) throw new Error('a fault in the enumerator');
        return enumerator.next(subtask);
      },
    };
  };
  return { ...source, createEnumerator } as Source<Row>;
}

/**
 * Three regions of two slots each, which read, copy and write; and one of two slots, in which the same rows are counted.
 */
export default job({
  name: 'regions',
  build: (env) => {
    env.setParallelism(3).setMaxParallelism(8);
    const paths = [...INPUT.keys()];
    env
      .fromSource(rows(paths), { uid: 'rows' })
      .map(
        (row) => {
          strike('copy');
          return JSON.stringify(row);
        },
        { uid: 'copy', slotSharingGroup: 'copies' },
      )
      .sinkTo(files.linesSink('/copies'), { uid: 'copies' });
    env
      .fromSource(files.jsonLines<Row>(paths, { ratePerSecond: 150 }), {
        uid: 'rows to count',
        slotSharingGroup: 'counts',
      })
      .setParallelism(2)
      .keyBy(({ file }) => file)
      .process({
        uid: 'count',
        state: { count: state.value(0) },
        process({ file }, ctx) {
          strike('count');
          const count = ctx.state.count.value() + 1;
          ctx.state.count.update(count);
          return [JSON.stringify([file, count])];
        },
      })
      .setParallelism(2)
      .sinkTo(files.linesSink('/counts'), { uid: 'counts' })
      .setParallelism(2);
  },
});

/** I-C4. */
export function checkWithin(kernel: Kernel): void {
  for (const [directory, all] of [
    ['/copies', COPIES],
    ['/counts', COUNTS],
  ] as const) {
    const lines = committed(kernel, directory);
    assert.equal(new Set(lines).size, lines.length, `${directory}: nothing is committed twice`);
    const known = new Set(all);
    assert.deepEqual(
      lines.filter((line) => !known.has(line)),
      [],
      directory,
    );
  }
}

/** The output of a job that has finished. */
export function checkComplete(kernel: Kernel, why = ''): void {
  assert.deepEqual(committed(kernel, '/copies').sort(), COPIES, why);
  assert.deepEqual(committed(kernel, '/counts').sort(), COUNTS, why);
}
