// Real processes of a job are killed while it keeps copies of its state on their machines: those whose machine lives read them, the
// metrics say so, every key is counted right, and in the end nothing is left behind.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { root } from '../architecture/read.ts';
import { type ClusterJob, TestCluster } from '../e2e/clusters.ts';
import { assertCounts } from '../e2e/committed.ts';
import { eventually, pause } from '../e2e/processes.ts';
import { Deployments } from './deployments.ts';

const countingJob = join(root, 'test', 'e2e', 'misbehaving-job.ts');
const settings = ['-Dheartbeat.interval=500ms', '-Dheartbeat.timeout=5s', '-Drest.port=0'];

interface Restores {
  readonly local: number;
  readonly storage: number;
}

it('a job whose processes are killed reads copies where their machine lives, and the storage elsewhere', {
  timeout: 240_000,
}, async (test) => {
  const cluster = await TestCluster.start(test, { settings });
  const output = join(cluster.cwd, 'counts');
  const [keys, count] = [50_000, 150_000];
  const id = await cluster.submit(
    countingJob,
    ...['-p', '3', '-Dexecution.state-recovery.from-local=true'],
    ...['-Dexecution.checkpointing.interval=200ms', '-Dexecution.checkpointing.data-inline-threshold=4kb'],
    ...['-Drestart-strategy.type=fixed-delay', '-Drestart-strategy.fixed-delay.attempts=1000'],
    '-Drestart-strategy.fixed-delay.delay=20ms',
    ...['--', '--keys', `${keys}`, '--count', `${count}`, '--rate', '6000', '--output', output],
  );
  const [jobManager] = await cluster.processes('jobmanager');
  const restores = async (): Promise<Restores> => {
    const names = ['numRestoresFromLocalState', 'numRestoresFromStorage'];
    const response = await fetch(`${jobManager!.rest!}/jobs/${id}/metrics?get=${names.join(',')}`);
    const found = (await response.json()) as { readonly id: string; readonly value: string }[];
    const [local, storage] = names.map((name) => Number(found.find((each) => each.id === name)?.value));
    return { local: local!, storage: storage! };
  };
  /** All subtasks run, so each has told where its state was. */
  const runs = ({ state, subtasks, subtasksRunning }: ClusterJob): boolean =>
    state === 'RUNNING' && subtasks === subtasksRunning;
  const killed = async (pid: number): Promise<Restores> => {
    const before = await restores();
    const { attempt = 0 } = await cluster.job(id);
    await cluster.kill(pid);
    await cluster.until(id, 'it runs again', (job) => (job.attempt ?? 0) > attempt && runs(job));
    let told = { local: 0, storage: 0 };
    await eventually(
      async () => {
        const now = await restores();
        told = { local: now.local - before.local, storage: now.storage - before.storage };
        return told.local + told.storage >= 3;
      },
      'the restores are told',
      20_000,
    );
    return told;
  };
  const deployments = new Deployments(output);
  await deployments.nextAfter([0, 0], 60_000);
  await pause(1_000); // Until the state of each subtask of counts is more than what fits into the metadata.

  const [jobProcess] = await cluster.processes('jobprocess');
  // Counts are in three slots; the sources are small enough for the metadata.
  assert.deepEqual(await killed(jobProcess!.pid), { local: 3, storage: 0 });

  const { slots } = await cluster.job(id);
  const victims = (await cluster.processes('taskmanager')).filter((each) =>
    slots.some(({ taskManager }) => taskManager === each.id),
  );
  const victim = victims[0]!;
  const lost = slots.filter(({ taskManager }) => taskManager === victim.id).length;
  assert.ok(lost > 0 && lost < 3, 'the job is spread over TaskManagers');
  assert.deepEqual(await killed(victim.pid), { local: 3 - lost, storage: lost });

  const ended = await cluster.ended(id, 200_000);
  assert.equal(ended.outcome?.status, 'FINISHED', JSON.stringify(ended));
  assertCounts(output, { keys, count });
  // What the job had kept goes with it, and what the TaskManager that was killed had kept is what its successor removes.
  const kept = (taskManager: string): readonly string[] => {
    const folder = join(cluster.state, `tm_${taskManager}`, 'localState');
    return existsSync(folder) ? readdirSync(folder) : [];
  };
  const living = (await cluster.processes('taskmanager')).map((each) => each.id);
  assert.ok(!living.includes(victim.id));
  await eventually(
    () => living.every((each) => kept(each).length === 0),
    'the copies of the job are removed',
    20_000,
  );
  assert.equal(kept(victim.id).length, 1);
  await cluster.addTaskManager(test, victim.id);
  await eventually(() => kept(victim.id).length === 0, 'what the dead one had kept is removed', 20_000);
});
