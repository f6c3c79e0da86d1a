// Whole partitions at the end of the input, in whole jobs: with and without a key, in parallel, and through every crash.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  collectSink,
  endOfStreamWindow,
  files,
  job,
  type OperatorStream,
  type,
  watermarks,
} from '../../src/index.ts';
import { execute } from '../../src/run.ts';
import { sameUnderCrash } from '../../src/testing/index.ts';

const NUMBERS = [5, 3, 11, 3, -7, 0];

async function run<T>(
  build: (numbers: OperatorStream<number>) => OperatorStream<T>,
  parallelism = 1,
): Promise<T[]> {
  const collected: T[] = [];
  const definition = job((env) => {
    const numbers = env.fromData(NUMBERS, { uid: 'numbers', watermarks: watermarks.ingestionTime() });
    build(numbers).sinkTo(collectSink(collected), { uid: 'output' });
  });
  const { status } = await execute(definition, {
    host: 'in-process',
    parallelism,
    configuration: { 'log.level': 'silent', 'execution.checkpointing.interval': 0 },
  });
  assert.equal(status, 'FINISHED');
  return collected;
}

const sum = (a: number, b: number): number => a + b;

test('a partition is sorted by a field or a function, upwards or downwards, and equal ones keep their order', async () => {
  const ascending = [-7, 0, 3, 3, 5, 11];
  assert.deepEqual(
    await run((numbers) => numbers.fullWindowPartition().sortPartition((n) => n, { uid: 'sorted' })),
    ascending,
  );
  const tagged = await run((numbers) =>
    numbers
      .map((n, { info }) => ({ n: Math.abs(n), at: NUMBERS.indexOf(n), subtask: info.subtask }))
      .fullWindowPartition()
      .sortPartition('n', { uid: 'sorted', order: 'descending' }),
  );
  assert.deepEqual(
    tagged.map(({ n, at }) => `${n}@${at}`),
    ['11@2', '7@4', '5@0', '3@1', '3@1', '0@5'],
  );
});

for (const keyed of [false, true]) {
  test(`a partition is mapped, reduced and aggregated (${keyed ? 'of a key' : 'of a subtask'})`, async () => {
    const partitions = (numbers: OperatorStream<number>) =>
      keyed ? numbers.keyBy((n) => n % 2 === 0).fullWindowPartition() : numbers.fullWindowPartition();
    const sorted = async (out: Promise<unknown[]>): Promise<unknown[]> =>
      (await out).toSorted((a, b) => (String(a) < String(b) ? -1 : 1));
    assert.deepEqual(
      await sorted(
        run((numbers) =>
          partitions(numbers).mapPartition((values, { info }) => [`${values.join(' ')} in ${info.subtask}`], {
            uid: 'mapped',
          }),
        ),
      ),
      keyed ? ['0 in 0', '5 3 11 3 -7 in 0'] : ['5 3 11 3 -7 0 in 0'],
    );
    assert.deepEqual(
      await sorted(run((numbers) => partitions(numbers).reduce(sum, { uid: 'reduced' }))),
      keyed ? [0, 15] : [15],
    );
    const count = { createAccumulator: () => 0, add: (_n: number, all: number) => all + 1 };
    for (const merge of [{}, { merge: sum }]) {
      assert.deepEqual(
        await sorted(
          run((numbers) =>
            partitions(numbers).aggregate({
              ...count,
              ...merge,
              result: (all) => `${all} of them`,
              uid: 'counted',
            }),
          ),
        ),
        keyed ? ['1 of them', '5 of them'] : ['6 of them'],
      );
    }
  });
}

test('each subtask has its partition, and results are not late behind it', async () => {
  const collected = await run(
    (numbers) =>
      numbers
        .rebalance()
        .map((n) => n)
        .fullWindowPartition()
        .reduce(sum, { uid: 'reduced' })
        .windowAll(endOfStreamWindow())
        .process({ uid: 'all', process: (sums) => [sums.length, sums.reduce(sum)] }),
    3,
  );
  assert.deepEqual(
    collected.sort((a, b) => a - b),
    [3, 15],
  );
});

test('what a partition comes to is committed once, wherever the job is killed', async () => {
  const definition = job((env) => {
    env.configure({ 'execution.checkpointing.interval': '10 ms' });
    env
      .fromSource(files.jsonLines<number>('/numbers'), { uid: 'numbers' })
      .fullWindowPartition()
      .mapPartition((values) => [values.toSorted((a, b) => a - b).join(' ')], { uid: 'sorted' })
      .sinkTo(files.linesSink('/output'), { uid: 'output' });
  });
  const crashes = await sameUnderCrash(definition, {
    inputs: { numbers: NUMBERS },
    outputs: { output: type<string>() },
  });
  assert.ok(crashes >= NUMBERS.length, `${crashes} crashes`);
  console.log(`cases: crashes of a full partition ${crashes} (minimum ${NUMBERS.length})`);
});
