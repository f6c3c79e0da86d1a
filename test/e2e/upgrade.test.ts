// A job of a real cluster gets a new version; one that fails is taken back, and no record is counted twice or lost.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { root } from '../architecture/read.ts';
import { TestCluster } from './clusters.ts';

const countingJob = join(root, 'test', 'e2e', 'misbehaving-job.ts');
const fast = '-Dexecution.checkpointing.interval=100ms';

/** Every key is counted from 1 on without a gap, over all versions of the job. */
function checkCounts(output: string): number {
  const counts = new Map<string, number[]>();
  for (const name of readdirSync(output).filter((each) => each.startsWith('part-'))) {
    for (const line of readFileSync(join(output, name), 'utf8').split('\n').filter(Boolean)) {
      const { key, count } = JSON.parse(line) as { key: string; count: number };
      counts.set(key, [...(counts.get(key) ?? []), count]);
    }
  }
  let records = 0;
  for (const [key, found] of counts) {
    const sorted = found.sort((left, right) => left - right);
    assert.deepEqual(
      sorted,
      Array.from({ length: sorted.length }, (_, index) => index + 1),
      key,
    );
    records += sorted.length;
  }
  return records;
}

it('a job runs on in its new version, and in its old one when the new one fails', async (test) => {
  const cluster = await TestCluster.start(test, { taskManagers: 2 });
  const output = join(cluster.cwd, 'counts');
  const folder = join(cluster.cwd, 'savepoints');
  const words = ['--', '--rate', '500', '--keys', '20', '--output', output];
  const id = await cluster.submit(countingJob, '-p', '2', fast, ...words);
  await cluster.until(id, 'it takes checkpoints', ({ checkpoints }) => (checkpoints ?? 0) > 1);
  const upgrade = (...more: readonly string[]) =>
    cluster.run('upgrade', id, countingJob, fast, '--savepoint-path', folder, ...more);

  const dry = await upgrade('-p', '3', '--dry-run', ...words);
  assert.equal(dry.code, 0, dry.output);
  assert.match(dry.output, /kept +counts .*2 → 3 subtasks/);
  assert.throws(() => readdirSync(folder), { code: 'ENOENT' }, 'nothing was touched');

  const upgraded = await upgrade('-p', '3', ...words);
  assert.equal(upgraded.code, 0, upgraded.output);
  assert.match(upgraded.output, /runs in its new version/);
  await cluster.until(id, 'three subtasks each', ({ subtasksRunning }) => subtasksRunning === 6);
  const before = checkCounts(output);
  assert.ok(before > 0);

  const failed = await upgrade('-p', '2', '--deadline', '5', '--json', ...words, '--how', 'exit');
  assert.equal(failed.code, 1, failed.output);
  const outcome = JSON.parse(failed.output.slice(failed.output.indexOf('{"jobId"'))) as {
    outcome: string;
    savepoint: string;
  };
  assert.equal(outcome.outcome, 'rolled-back');
  assert.equal(readdirSync(folder).length, 2);
  await cluster.until(id, 'the old version runs', ({ subtasksRunning }) => subtasksRunning === 6);
  await cluster.until(id, 'and takes checkpoints', ({ checkpoints }) => (checkpoints ?? 0) > 1);
  assert.ok(checkCounts(output) > before);
  assert.equal((await cluster.run('cancel', id)).code, 0);
  assert.equal((await cluster.ended(id)).outcome?.status, 'CANCELED');
});
