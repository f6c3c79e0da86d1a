// What functions reach of their job, in a whole run: accumulators, metrics, parameters, cached files.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isMillraceError } from '../../src/base/errors.ts';
import { accumulators, job } from '../../src/index.ts';
import { execute, type ExecuteOptions } from '../../src/run.ts';
import accumulating, { COUNT, received } from './accumulating.ts';
import cachedFiles from './cached-files-job.ts';

const MODULE = new URL('./accumulating.ts', import.meta.url);
const EXPECTED = { seen: COUNT, largest: COUNT - 1, words: ['closed true'], never: undefined };

function optionsIn(
  context: TestContext,
  host: 'threads' | 'in-process',
): ExecuteOptions & { marker: string } {
  const path = mkdtempSync(join(tmpdir(), 'millrace-runtime-'));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  writeFileSync(join(path, 'offset.txt'), '7\n');
  const marker = join(path, 'marker');
  writeFileSync(marker, '');
  received.length = 0;
  return {
    host,
    marker,
    parallelism: 2,
    workingDirectory: path,
    configuration: { 'log.level': 'silent' },
    args: ['--file', 'offset.txt'],
  };
}

for (const host of ['in-process', 'threads'] as const) {
  test(`accumulators, metrics, parameters and files reach every subtask (${host})`, async (context) => {
    const options = optionsIn(context, host);
    const result = await execute(host === 'threads' ? MODULE : accumulating, options);
    assert.deepEqual(result.accumulators, EXPECTED);
    assert.deepEqual(
      received.toSorted((left, right) => left - right),
      Array.from({ length: COUNT }, (_, n) => n * 2 + 7),
    );
    const vertex = result.figures.vertices.find(({ name }) => name.includes('scale'));
    assert.equal(vertex?.subtasks.length, 2);
    const metrics = vertex.subtasks.flatMap((subtask) => subtask.metrics.filter((one) => one !== undefined));
    assert.deepEqual(
      metrics.map((one) => one.offset),
      [7, 7].map((value) => ({ kind: 'gauge', value })),
    );
    const counted = metrics.flatMap((one) =>
      ['parity.even.numbers', 'parity.odd.numbers'].map((name) => one[name]),
    );
    assert.equal(
      counted.reduce((sum, figure) => sum + (figure?.kind === 'counter' ? figure.count : 0), 0),
      COUNT,
    );
  });
}

test('Accumulator values are merged at most once per attempt; the result counts only the successful one', async (context) => {
  const options = optionsIn(context, 'in-process');
  const result = await execute(accumulating, {
    ...options,
    args: [...(options.args ?? []), '--marker', options.marker],
  });
  assert.equal(readFileSync(options.marker, 'utf8'), 'failed');
  assert.equal(result.figures.restarts, 1);
  assert.deepEqual(result.accumulators, EXPECTED);
});

for (const host of ['in-process', 'threads'] as const) {
  test(`a change of the original does not change what a run sees, over a restart too (${host})`, async (context) => {
    const { marker: original, workingDirectory, configuration } = optionsIn(context, host);
    const copies = join(workingDirectory!, 'copies');
    mkdirSync(copies);
    writeFileSync(original, 'old');
    const module = new URL('./cached-files-job.ts', import.meta.url);
    const result = await execute(host === 'threads' ? module : cachedFiles, {
      host,
      workingDirectory: workingDirectory!,
      configuration: { ...(configuration as object), 'io.tmp.dirs': copies },
      args: ['--file', original],
    });
    assert.equal(result.figures.restarts, 1);
    assert.equal(readFileSync(`${original}.failed`, 'utf8'), 'old');
    assert.equal(readFileSync(original, 'utf8'), 'new');
    const [seen] = result.accumulators['seen'] as string[];
    assert.match(seen!, /^old 700 \/.*\/copies\/millrace-[^/]*\/0-marker$/);
    assert.deepEqual(readdirSync(copies), [], 'the copies are gone');
  });
}

test('a cached file that is not there fails the start', async (context) => {
  const options = optionsIn(context, 'in-process');
  await assert.rejects(execute(accumulating, { ...options, args: ['--file', 'nowhere.txt'] }), (error) => {
    const cause = (error as Error).cause;
    return isMillraceError(cause, 'CACHED_FILE_MISSING') && /nowhere\.txt\) is not there/.test(cause.message);
  });
});

test('a name that nobody registered, and an accumulator of another job, are refused', async (context) => {
  const { host, workingDirectory } = optionsIn(context, 'in-process') as Required<ExecuteOptions>;
  const foreign = Object.freeze({ name: 'n', aggregate: accumulators.intCounter() });
  for (const [code, use] of [
    ['CACHED_FILE_MISSING', 'file'],
    ['ACCUMULATOR_INVALID', 'accumulator'],
  ] as const) {
    const wrong = job({
      name: `wrong ${use}`,
      build(env) {
        env.addAccumulator('n', accumulators.intCounter());
        env
          .fromData([1])
          .process({
            process(_n, { runtime }) {
              if (use === 'file') runtime.cachedFile('n');
              else runtime.accumulator(foreign).add(1);
            },
          })
          .print();
      },
    });
    const run = execute(wrong, { host, workingDirectory, configuration: { 'log.level': 'silent' } });
    await assert.rejects(run, (error) => isMillraceError((error as Error).cause, code));
  }
});

test('an accumulator that cannot leave its subtask, and one that cannot be merged', async (context) => {
  const { host, workingDirectory } = optionsIn(context, 'in-process') as Required<ExecuteOptions>;
  const options = { host, workingDirectory, parallelism: 2, configuration: { 'log.level': 'silent' } };
  const of = (name: string, add: (value: number) => unknown) =>
    job({
      name,
      build(env) {
        const accumulator = env.addAccumulator(name, {
          createAccumulator: () => undefined as unknown,
          add,
          merge: () => {
            throw new Error('no');
          },
          result: (value) => value,
        });
        env
          .fromSequence(1, 10)
          .process({ process: (n, { runtime }) => runtime.accumulator(accumulator).add(n) })
          .print();
      },
    });
  const large = of('large', () => 'x'.repeat(2 ** 20));
  await assert.rejects(execute(large, options), (error) => {
    const cause = (error as Error).cause;
    return isMillraceError(cause, 'ACCUMULATOR_INVALID') && /"large" has grown to/.test(cause.message);
  });
  const { accumulators: results } = await execute(
    of('unmerged', (n) => n),
    options,
  );
  assert.ok(isMillraceError(results.unmerged, 'ACCUMULATOR_INVALID'));
});
