// The typed client against a real job: what it reads is there, what it asks for happens, and what is refused says why.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { RestClient, type StreamEvents, type StreamMessage } from '../../src/rest/index.ts';
import { cleanUp, loginsJob, type Running, startMillrace, temporaryFolder } from './processes.ts';

async function serve(test: TestContext): Promise<{ client: RestClient; running: Running; cwd: string }> {
  const cwd = temporaryFolder(test);
  const running = startMillrace(
    [
      'run',
      loginsJob,
      ...['-p', '2', '--ui', '-Drest.port=0', '-Dexecution.checkpointing.interval=300ms'],
      ...['--', '--output', join(cwd, 'alerts'), '--rate', '400'],
    ],
    { cwd },
  );
  cleanUp(test, () => running.child.kill('SIGKILL'));
  const address = /dashboard at (http:\/\/localhost:\d+)/;
  await running.outputMatches(address);
  return { client: new RestClient(address.exec(running.output())![1]!), running, cwd };
}

async function find<Name extends keyof StreamEvents>(
  events: AsyncIterable<StreamMessage>,
  name: Name,
  fits: (data: StreamEvents[Name]) => boolean = () => true,
): Promise<StreamEvents[Name]> {
  // The stream goes on after what was looked for was found.
  const iterator = events[Symbol.asyncIterator]();
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
    const data = next.value.data as StreamEvents[Name];
    if (next.value.name === name && fits(data)) return data;
  }
  throw new Error(`the stream ended without ${name}`);
}

it('reads and operates a job', async (test) => {
  const { client, running, cwd } = await serve(test);
  const [summary] = await client.jobs();
  const { jobId } = summary!;
  const leave = new AbortController();
  cleanUp(test, () => leave.abort());
  const events = client.events({ topics: ['figures', 'checkpoints', 'job'], jobId, signal: leave.signal });
  const description = await find(events, 'job');
  assert.deepEqual((await client.job(jobId)).job, description);
  await find(events, 'figures', ({ state }) => state === 'RUNNING');
  await find(events, 'checkpoint', ({ status }) => status === 'COMPLETED');
  leave.abort();

  const taken = await client.triggerCheckpoint(jobId);
  const checkpoint = await client.checkpoint(jobId, taken);
  assert.equal(checkpoint.status, 'COMPLETED');
  assert.ok((await client.checkpoints(jobId)).some(({ checkpointId }) => checkpointId === taken));
  const savepoint = await client.savepoint(jobId, 'saved');
  assert.ok(savepoint.startsWith(join(cwd, 'saved')) && existsSync(join(savepoint, '_metadata')), savepoint);

  const { operators } = await client.state(jobId);
  assert.ok(operators.length > 0);
  assert.deepEqual((await client.stateOfKey(jobId, operators[0]!.uid, 'nobody')).entries, []);
  const interval = (await client.configuration(jobId)).find(
    ({ key }) => key === 'execution.checkpointing.interval',
  );
  assert.deepEqual([interval?.value, interval?.origin], ['300', 'command line']);
  assert.deepEqual(await client.exceptions(jobId), []);
  assert.ok(Array.isArray(await client.logs({ level: 'warn', limit: 5 })));

  await assert.rejects(client.job('nothing'), { code: 'JOB_NOT_FOUND', message: /404 .*not found/ });
  await assert.rejects(client.savepoint(jobId, '/etc'), {
    code: 'REST_REQUEST_REFUSED',
    message: /403 .*outside/,
  });

  const last = await client.stopWithSavepoint(jobId, { folder: 'saved' });
  assert.ok(existsSync(join(last, '_metadata')), last);
  const { output } = await running.ended;
  assert.match(output, /STOPPED/);
  await assert.rejects(client.overview(), { code: 'CLUSTER_UNREACHABLE' });
});
