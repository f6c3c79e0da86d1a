// A job of a cluster goes on from a checkpoint that somebody chose: what came later is done again, and is there once.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import type { CheckpointHistoryMessage } from '../../src/rest/contract.ts';
import { TestCluster } from './clusters.ts';
import { assertComplete } from './committed.ts';
import { bundledLog, knownAnswer } from './known-answer.ts';
import { eventually, loginsJob } from './processes.ts';

it('goes on from an older checkpoint of its own, with the known answer, and refuses one that is gone', async (test) => {
  const cluster = await TestCluster.start(test, { taskManagers: 2 });
  const rest = (await cluster.processes('jobmanager'))[0]!.rest!;
  const get = async <T>(path: string): Promise<T> => (await (await fetch(`${rest}/v1${path}`)).json()) as T;
  const restore = async (checkpointId: number): Promise<{ status: number; text: string }> => {
    const body = JSON.stringify({ checkpointId });
    const response = await fetch(`${rest}/v1/x/jobs/${id}/restore`, { method: 'POST', body });
    return { status: response.status, text: await response.text() };
  };
  const complete = async (): Promise<number[]> => {
    const { entries } = await get<CheckpointHistoryMessage>(`/x/jobs/${id}/checkpoints`);
    return entries.filter(({ status }) => status === 'COMPLETED').map(({ checkpointId }) => checkpointId);
  };
  const output = join(cluster.cwd, 'alerts');
  const words = ['--input', bundledLog, '--output', output, '--rate', '400'];
  const id = await cluster.submit(
    loginsJob,
    ...['-p', '2', '-Dexecution.checkpointing.interval=500ms', '--', ...words],
  );
  await eventually(async () => (await complete()).length >= 6, 'there are more checkpoints than stay');
  const nothing = await restore(100_000);
  assert.equal(nothing.status, 404);
  const [first] = await complete();
  const gone = await restore(first!);
  assert.equal(gone.status, 409, gone.text);
  assert.match(gone.text, /CHECKPOINT_NOT_FOUND/);
  assert.equal((await cluster.run('status', id)).output, 'RUNNING\n', 'what was refused has stopped nothing');

  const chosen = (await complete()).at(-2)!;
  const asked = await restore(chosen);
  assert.equal(asked.status, 202, asked.text);
  const { latest } = await eventuallyRestored(() => get<Restored>(`/jobs/${id}/checkpoints`));
  assert.equal(latest.restored?.id, chosen);
  const ended = await cluster.ended(id);
  assert.equal(ended.outcome?.status, 'FINISHED', JSON.stringify(ended));
  assertComplete(output, knownAnswer());
});

interface Restored {
  readonly latest: { readonly restored: { readonly id: number } | null };
}

async function eventuallyRestored(look: () => Promise<Restored>): Promise<Restored> {
  let found = await look();
  await eventually(async () => {
    found = await look();
    return found.latest?.restored !== null && found.latest?.restored !== undefined;
  }, 'the next run is restored');
  return found;
}
