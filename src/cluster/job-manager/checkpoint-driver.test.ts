import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MillraceError } from '../../base/errors.ts';
import type { CoordinatorConfig } from '../../checkpoint/coordinator-messages.ts';
import type { PublishOutcome } from '../../checkpoint/storage.ts';
import { Kernel } from '../../testing/kernel.ts';
import { CheckpointDriver, type CheckpointStore } from './checkpoint-driver.ts';
import { Inbox } from './inbox.ts';

const CONFIG: CoordinatorConfig = {
  intervalMs: 100,
  timeoutMs: 50,
  minPauseMs: 0,
  maxConcurrent: 1,
  tolerableFailures: 9,
  retained: 1,
  mode: 'exactly-once',
  unaligned: false,
  alignedTimeoutMs: 0,
  storage: true,
};

const fenced = new MillraceError('FENCED', 'a newer attempt');

/** A driver over a storage whose operations end when the test says so; `log` is what it told its host. */
function harness() {
  const kernel = new Kernel({ seed: 1 });
  const env = kernel.env('process');
  const log: string[] = [];
  const open: { readonly what: string; end(value?: unknown): void; fail(error: unknown): void }[] = [];
  const operation = <T>(what: string): Promise<T> =>
    new Promise((resolve, reject) =>
      open.push({ what, end: (value) => resolve(value as T), fail: (error) => reject(error) }),
    );
  const store: CheckpointStore = {
    claim: (id) => operation(`claim ${id}`),
    publish: ({ barrier, enumerators }) =>
      operation<PublishOutcome>(`publish ${barrier.id} ${JSON.stringify([...enumerators])}`),
    discard: (id) => operation(`discard ${id}`),
  };
  const inbox = new Inbox((error) => log.push(`fault ${String(error)}`));
  const driver = new CheckpointDriver(CONFIG, env, inbox, {
    trigger: ({ id }) => {
      log.push(`trigger ${id}`);
      return new Map([['source', `splits at ${id}`]]);
    },
    complete: (id) => log.push(`complete ${id}`),
    abort: (id) => log.push(`abort ${id}`),
    fail: (error) => log.push(`fail ${(error as MillraceError).code}`),
    progress: () => {},
  });
  driver.useStore(store);
  driver.tell({ kind: 'restored', checkpointId: undefined, nextId: 1 });
  driver.tell({ kind: 'tasks-running', tasks: ['0/0'] });
  /** Ends the oldest operation that is called so. */
  const take = (what: string) => {
    const index = open.findIndex((candidate) => candidate.what.startsWith(what));
    assert.ok(index >= 0, `${what} is under way, of ${open.map((one) => one.what).join(', ')}`);
    const [found] = open.splice(index, 1);
    assert.ok(found);
    return found;
  };
  const acknowledge = (checkpointId: number): void =>
    driver.tell({
      kind: 'acknowledge',
      task: '0/0',
      checkpointId,
      state: { file: undefined, inline: '', length: 0, sha256: '' },
    });
  return { kernel, driver, log, open, take, acknowledge };
}

test('a barrier is sent after its directory was claimed, and what the sources kept goes into the metadata', async () => {
  const { kernel, log, take, acknowledge, open } = harness();
  await kernel.runFor(101);
  assert.deepEqual(log, []);
  take('claim 1').end('claimed');
  await kernel.runFor(1);
  assert.deepEqual(log, ['trigger 1']);
  acknowledge(1);
  assert.equal(open[0]?.what, 'publish 1 [["source","splits at 1"]]');
  take('publish 1').end({ kind: 'published' });
  await kernel.runFor(1);
  assert.deepEqual(log, ['trigger 1', 'complete 1']);
});

test('a checkpoint that was given up while its directory was claimed sends no barrier', async () => {
  const { kernel, log, take } = harness();
  await kernel.runFor(160);
  assert.deepEqual(log, ['abort 1']);
  take('claim 1').end('claimed');
  await kernel.runFor(1);
  assert.deepEqual(log, ['abort 1']);
});

test('a directory that somebody has is left alone, and the next id is tried', async () => {
  const { kernel, log, take } = harness();
  await kernel.runFor(101);
  take('claim 1').end('taken');
  await kernel.runFor(1);
  take('claim 2').end('claimed');
  await kernel.runFor(1);
  assert.deepEqual(log, ['abort 1', 'trigger 2']);
});

test('whoever is fenced fails at once, however many failures are tolerated', async () => {
  const claiming = harness();
  await claiming.kernel.runFor(101);
  claiming.take('claim 1').fail(fenced);
  await claiming.kernel.runFor(1);
  assert.ok(claiming.log.includes('fail FENCED'));

  const publishing = harness();
  await publishing.kernel.runFor(101);
  publishing.take('claim 1').end('claimed');
  await publishing.kernel.runFor(1);
  publishing.acknowledge(1);
  publishing.take('publish 1').end({ kind: 'fenced', error: fenced });
  await publishing.kernel.runFor(1);
  assert.ok(publishing.log.includes('fail FENCED'));
  assert.ok(!publishing.log.includes('complete 1'));
});

test('a publication goes on when the tasks have stopped, and whoever restarts waits for it', async () => {
  const { kernel, driver, log, take, acknowledge } = harness();
  await kernel.runFor(101);
  take('claim 1').end('claimed');
  await kernel.runFor(1);
  acknowledge(1);
  driver.tell({ kind: 'tasks-stopped' });
  let settled = false;
  driver.whenSettled(() => {
    settled = true;
  });
  await kernel.runFor(1);
  assert.equal(settled, false);
  assert.deepEqual(driver.restorePoint(), { kind: 'unsettled' });
  take('publish 1').end({ kind: 'published' });
  await kernel.runFor(1);
  assert.equal(settled, true);
  assert.deepEqual(driver.restorePoint(), { kind: 'checkpoint', checkpointId: 1 });
  assert.deepEqual(log, ['trigger 1']);
});

test('a publication whose outcome nobody knows fails the job and sends the restart to the storage', async () => {
  const { kernel, driver, log, take, acknowledge } = harness();
  await kernel.runFor(101);
  take('claim 1').end('claimed');
  await kernel.runFor(1);
  acknowledge(1);
  take('publish 1').end({ kind: 'failed', error: new Error('no answer'), outcomeKnown: false });
  await kernel.runFor(1);
  assert.deepEqual(log, ['trigger 1', 'fail CHECKPOINT_FAILED']);
  assert.deepEqual(driver.restorePoint(), { kind: 'unknown' });
});

test('a checkpoint that cannot be removed is left behind', async () => {
  const { kernel, log, take, acknowledge } = harness();
  for (const id of [1, 2]) {
    await kernel.runFor(101);
    take(`claim ${id}`).end('claimed');
    await kernel.runFor(1);
    acknowledge(id);
    take(`publish ${id}`).end({ kind: 'published' });
    await kernel.runFor(1);
  }
  take('discard 1').fail(new Error('read-only'));
  await kernel.runFor(1);
  assert.deepEqual(log, ['trigger 1', 'complete 1', 'trigger 2', 'complete 2']);
});

test('requests end with the checkpoint, or with the reason why there is none', async () => {
  const { kernel, driver, take, acknowledge } = harness();
  const ends: string[] = [];
  const request = (): void =>
    driver.request('manual', {
      onDone: (id) => ends.push(`done ${id}`),
      onFailed: (error) => ends.push(error.code),
    });
  request();
  take('claim 1').end('claimed');
  await kernel.runFor(1);
  acknowledge(1);
  take('publish 1').end({ kind: 'published' });
  await kernel.runFor(1);
  request();
  driver.tell({ kind: 'tasks-stopped' });
  await kernel.runFor(1);
  assert.deepEqual(ends, ['done 1', 'CHECKPOINT_REQUEST_FAILED']);
});
