// Savepoints by REST: links lead nowhere else, and what a running job needs is not removed.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { RestClient } from '../../src/rest/index.ts';
import { cleanUp, eventually, loginsJob, startMillrace, temporaryFolder } from './processes.ts';

it('a savepoint is made and removed only where it may be, and not while a job needs it', async (test) => {
  const cwd = temporaryFolder(test);
  const outside = temporaryFolder(test);
  symlinkSync(outside, join(cwd, 'link'));
  mkdirSync(join(cwd, 'saved'));
  symlinkSync(join(cwd, 'saved'), join(cwd, 'other-name'));
  const begin = async (...words: readonly string[]): Promise<{ client: RestClient; jobId: string }> => {
    const running = startMillrace(
      [
        ...['run', loginsJob, '--ui', '-Drest.port=0', '-Dexecution.checkpointing.interval=1h', ...words],
        ...['--', '--output', join(cwd, 'alerts'), '--rate', '200'],
      ],
      { cwd },
    );
    cleanUp(test, () => running.child.kill('SIGKILL'));
    const address = /dashboard at (http:\/\/localhost:\d+)/;
    await running.outputMatches(address);
    const client = new RestClient(address.exec(running.output())![1]!);
    let jobId = '';
    await eventually(async () => {
      const [job] = await client.jobs();
      jobId = job?.jobId ?? '';
      return job?.state === 'RUNNING' && job.tasks.RUNNING !== undefined;
    }, 'the job runs');
    return { client, jobId };
  };
  const first = await begin();
  await assert.rejects(first.client.savepoint(first.jobId, 'link/inside'), { message: /403/ });
  await assert.rejects(first.client.savepoint(first.jobId, join(outside, 'x')), { message: /403/ });
  assert.deepEqual(readdirSync(outside), [], 'nothing was made outside');
  let savepoint = '';
  await eventually(async () => {
    savepoint = await first.client.stopWithSavepoint(first.jobId, { folder: 'other-name' }).catch(() => '');
    return savepoint !== '';
  }, 'the job stops');

  const second = await begin('-s', savepoint, '--claim');
  const dispose = (path: string): Promise<unknown> =>
    second.client.send('POST', '/savepoint-disposal', { 'savepoint-path': path });
  await assert.rejects(dispose(savepoint), { message: /409 .*SAVEPOINT_IN_USE/ });
  const byOtherName = savepoint.includes('other-name')
    ? savepoint.replace('other-name', 'saved')
    : savepoint.replace('saved', 'other-name');
  await assert.rejects(dispose(byOtherName), { message: /409 .*SAVEPOINT_IN_USE/ });
  await assert.rejects(dispose('link/savepoint-1'), { message: /403/ });
  assert.ok(existsSync(join(savepoint, '_metadata')));
});
