// Flink's own command line, unmodified, against a cluster of Millrace: it lists, checkpoints, takes and removes savepoints,
// stops and cancels, and says what is refused in its own words.
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { root } from '../architecture/read.ts';
import { TestCluster } from '../e2e/clusters.ts';
import { loginsJob } from '../e2e/processes.ts';
import { FlinkCommand } from './flink.ts';

const job = join(root, 'test', 'flink-tools', 'slow-job.ts');

it('lists, checkpoints, savepoints, stops and cancels as on a cluster of Flink', async (test) => {
  const cluster = await TestCluster.start(test, { taskManagers: 1, settings: ['-Drest.port=0'] });
  const [jobManager] = await cluster.processes('jobmanager');
  const rest = jobManager!.rest!;
  const flink = new FlinkCommand(test, rest);
  const says = async (pattern: RegExp, ...words: string[]): Promise<string> => {
    const { code, output } = await flink.run(...words);
    assert.deepEqual({ code, matches: pattern.test(output) }, { code: 0, matches: true }, output);
    return pattern.exec(output)![1] ?? '';
  };
  const fails = async (pattern: RegExp, ...words: string[]): Promise<void> => {
    const { code, output } = await flink.run(...words);
    assert.ok(code !== 0 && pattern.test(output), `exit code ${code}\n${output}`);
  };
  const marker = join(cluster.cwd, 'marker');
  const saved = join(cluster.cwd, 'saved');
  writeFileSync(marker, 'it has failed already');

  await says(/No running jobs\./, 'list');
  const jobId = await cluster.submit(job, '--', '--marker', marker);
  await cluster.until(jobId, 'it runs and has a checkpoint', ({ checkpoints }) => (checkpoints ?? 0) > 0);
  await says(new RegExp(`${jobId} : slow-job \\(RUNNING\\)`), 'list');
  await says(new RegExp(`${jobId} : slow-job \\(RUNNING\\)`), 'list', '-m', new URL(rest).host);

  await says(/Checkpoint \d+ for job \w+ completed/, 'checkpoint', jobId);
  await says(/Checkpoint\(FULL\) \d+ for job \w+ completed/, 'checkpoint', '--full', jobId);
  const savepoint = await says(/Savepoint completed\. Path: (\S+)/, 'savepoint', jobId, saved);
  assert.ok(existsSync(join(savepoint, '_metadata')), savepoint);
  await says(/triggerId: [0-9a-f]{32}/, 'savepoint', '-type', 'native', '-detached', jobId, saved);

  // What fails is read and told, and nobody waits for more.
  await fails(/lies outside of the folders/, 'savepoint', jobId, '/etc');
  await fails(/the folder for savepoints could not be made/, 'savepoint', jobId, marker);
  await says(/disposed/, 'savepoint', '--dispose', savepoint);
  assert.equal(existsSync(savepoint), false);
  await fails(/CHECKPOINT_NOT_FOUND: .* does not exist/, 'savepoint', '--dispose', savepoint);

  const last = await says(/Savepoint completed\. Path: (\S+)/, 'stop', '--savepointPath', saved, jobId);
  assert.ok(existsSync(join(last, '_metadata')), last);
  await says(new RegExp(`${jobId} : slow-job \\(FINISHED\\)`), 'list', '--all');
  await fails(/cannot be cancelled: it is FINISHED/, 'cancel', jobId);

  await cluster.submit(job, '-s', last, '--', '--marker', marker);
  await cluster.until(jobId, 'it runs again', ({ state }) => state === 'RUNNING');
  await says(/Draining job[\s\S]*Savepoint completed/, 'stop', '--drain', '-p', saved, jobId);
  await cluster.submit(job, '--fresh', '--', '--marker', marker);
  await says(/Cancelled job/, 'cancel', jobId);
  const { outcome } = await cluster.ended(jobId);
  assert.equal(outcome?.status, 'CANCELED');
  await fails(/Job b{32} not found/, 'cancel', 'b'.repeat(32));
});

it('lists, savepoints and stops the two main examples, unchanged, and they go on from there', async (test) => {
  const cluster = await TestCluster.start(test, { taskManagers: 2, settings: ['-Drest.port=0'] });
  const [jobManager] = await cluster.processes('jobmanager');
  const flink = new FlinkCommand(test, jobManager!.rest!);
  const says = async (pattern: RegExp, ...words: string[]): Promise<string> => {
    const { code, output } = await flink.run(...words);
    assert.deepEqual({ code, matches: pattern.test(output) }, { code: 0, matches: true }, output);
    return pattern.exec(output)![1] ?? '';
  };
  const saved = join(cluster.cwd, 'saved');
  const examples = [
    { name: 'abnormal-logins', file: loginsJob, words: ['--rate', '50'] },
    { name: 'abnormal-users', file: join(root, 'examples', 'abnormal-users.ts'), words: ['--speed', '20'] },
  ] as const;
  const ids = new Map<string, string>();
  for (const { name, file, words } of examples) {
    const id = await cluster.submit(file, '-Dexecution.checkpointing.interval=500ms', '--', ...words);
    ids.set(name, id);
    await cluster.until(
      id,
      'it runs and has a checkpoint',
      ({ state, checkpoints }) => state === 'RUNNING' && (checkpoints ?? 0) > 0,
    );
  }
  for (const [name, id] of ids) await says(new RegExp(`${id} : ${name} \\(RUNNING\\)`), 'list', '--running');
  for (const { name, file, words } of examples) {
    const id = ids.get(name)!;
    const savepoint = await says(/Savepoint completed\. Path: (\S+)/, 'savepoint', id, saved);
    assert.ok(existsSync(join(savepoint, '_metadata')), savepoint);
    const last = await says(/Savepoint completed\. Path: (\S+)/, 'stop', '-p', saved, id);
    assert.ok(existsSync(join(last, '_metadata')), last);
    await says(new RegExp(`${id} : ${name} \\(FINISHED\\)`), 'list', '-a');
    await cluster.submit(file, '-s', last, '--', ...words);
    await cluster.until(id, 'it goes on', ({ state }) => state === 'RUNNING');
    await says(/Cancelled job/, 'cancel', id);
  }
});
