// One file under three runners: node:test, Vitest and Jest. `.ci/run` runs it in a folder that has only the package.

import assert from 'node:assert/strict';
import { files, job, state, type } from 'millrace';
import { sameUnderCrash, testJob } from 'millrace/testing';

const it = globalThis.it ?? (await import('node:test')).it;

const counts = job((env) => {
  env
    .fromSource(files.lines('/words'), { uid: 'words' })
    .keyBy((word) => word)
    .process({
      uid: 'count',
      state: { count: state.value(0) },
      process(word, ctx) {
        ctx.state.count.update(ctx.state.count.value() + 1);
        return [`${word} ${ctx.state.count.value()} at ${Date.now()}`];
      },
    })
    .sinkTo(files.linesSink('/counts'), { uid: 'counts' });
});

it('runs a job on the clock of the test, over a crash', async () => {
  const test = await testJob(counts, {
    inputs: { words: type() },
    outputs: { counts: type() },
    startAt: 0,
  });
  await test.inputs.words.push('a', 'b');
  await test.checkpoint();
  test.crash();
  await test.restore({ parallelism: 2 });
  await test.advance('1 s');
  await test.inputs.words.push('a');
  await test.finish();
  assert.deepEqual(new Set(test.outputs.counts.values), new Set(['a 1 at 0', 'a 2 at 1000', 'b 1 at 0']));
  assert.equal(test.outputs.counts.values.length, 3);
});

it('searches for a crash that changes the output', async () => {
  const crashes = await sameUnderCrash(counts, {
    inputs: { words: ['a', 'b', 'a'] },
    outputs: { counts: type() },
    result: (results) => [
      results.counts.length,
      new Set(results.counts.map((line) => line.split(' at ')[0])),
    ],
  });
  assert.ok(crashes >= 3);
});
