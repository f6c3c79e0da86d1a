import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMillraceError, MillraceError } from '../../src/base/errors.ts';
import type { CheckpointProgress } from '../../src/cluster/job-manager/checkpoint-progress.ts';
import type { JobResult } from '../../src/cluster/job-manager/job-result.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import type { FileCall, FileFault } from '../../src/testing/simulated-files.ts';
import { JobRun, type RunOptions } from './job-run.ts';
import { ALL_RECORDS, Ledger, scriptedJob, type SlotScript } from './scripted-slots.ts';

const boom = new Error('boom');

function start(options: RunOptions = {}, seed = 1): { kernel: Kernel; ledger: Ledger; run: JobRun } {
  const kernel = new Kernel({ seed, shuffle: true });
  const ledger = new Ledger();
  return { kernel, ledger, run: new JobRun(kernel, ledger, options) };
}

/** Runs once more on the same disk and expects the rest of the output. */
async function continueToEnd(kernel: Kernel, ledger: Ledger, options: RunOptions = {}): Promise<JobRun> {
  const run = new JobRun(kernel, ledger, options);
  assert.equal((await run.end()).status, 'FINISHED');
  ledger.checkComplete();
  return run;
}

test('a job of finite input takes checkpoints, a final one, commits everything and finishes', async () => {
  const { ledger, run } = start();
  const result = await run.end();
  assert.equal(result.status, 'FINISHED');
  assert.deepEqual(run.states, ['CREATED', 'RUNNING', 'FINISHED']);
  assert.ok(result.figures.checkpoints.completed >= 3);
  assert.equal(run.slots.current.count('finish'), 2);
  assert.equal(run.slots.current.count('cancel'), 0);
  ledger.checkComplete();
});

test('a finished job is not run again, and nothing is written', async () => {
  const { kernel, ledger, run } = start();
  await run.end();
  const before = kernel.disk;
  const writes = JSON.stringify([...(await list(kernel))]);
  const again = new JobRun(kernel, ledger);
  assert.equal((await again.end()).status, 'ALREADY_FINISHED');
  assert.equal(again.slots.deployments.length, 0);
  assert.equal(kernel.disk, before);
  assert.equal(JSON.stringify([...(await list(kernel))]), writes);
});

async function list(kernel: Kernel): Promise<string[]> {
  const { files } = kernel.env('reader');
  const walk = async (path: string): Promise<string[]> => {
    const status = await files.stat(path);
    if (status?.kind !== 'directory') return [path];
    const found: string[] = [path];
    for (const name of await files.list(path)) found.push(...(await walk(`${path}/${name}`)));
    return found;
  };
  return kernel.settle(walk('/checkpoints'));
}

test('without checkpointing the end of the job is the only commit', async () => {
  const { ledger, run } = start({ checkpoints: { storage: false, intervalMs: 0 } });
  const result = await run.end();
  assert.equal(result.status, 'FINISHED');
  assert.equal(result.checkpoint, undefined);
  assert.equal(run.slots.current.count('complete'), 2);
  ledger.checkComplete();
});

test('a failure before the first checkpoint begins again from the beginning', async () => {
  const { ledger, run } = start({ checkpoints: { intervalMs: 10_000 } });
  await run.deployed();
  run.slots.current.fail(0, boom);
  const result = await run.end();
  assert.equal(result.status, 'FINISHED');
  assert.equal(result.figures.restarts, 1);
  assert.deepEqual(run.states, [
    'CREATED',
    'RUNNING',
    'FAILING',
    'RESTARTING',
    'CREATED',
    'RUNNING',
    'FINISHED',
  ]);
  assert.match(result.exceptions[0]?.error.message ?? '', /boom/);
  assert.equal(result.exceptions[0]?.consequence, 'restart in 50 ms');
  ledger.checkComplete();
});

test('a failure continues from the latest checkpoint of the run', async () => {
  const restored: (number | undefined)[] = [];
  const { ledger, run } = start({ listener: { onRestore: (checkpoint) => restored.push(checkpoint?.id) } });
  await run.until(() => run.completed() === 2);
  run.slots.current.lose(1);
  assert.equal((await run.end()).status, 'FINISHED');
  assert.deepEqual(restored, [undefined, 2]);
  ledger.checkComplete();
});

test('a failure between the last acknowledgement and the publication waits for its outcome', async () => {
  const restored: (number | undefined)[] = [];
  let acknowledged = 0;
  const { ledger, run } = start({
    restartStrategy: { kind: 'fixed-delay', attempts: 1, delayMs: 0 },
    listener: { onRestore: (checkpoint) => restored.push(checkpoint?.id) },
  });
  await run.until(() => run.slots.deployments.length > 0);
  const { current } = run.slots;
  const report = current.report.bind(current);
  current.report = (one) => {
    report(one);
    if (one.kind !== 'acknowledge' || one.checkpointId !== 2) return;
    acknowledged += 1;
    if (acknowledged === 4) current.fail(1, boom);
  };
  const result = await run.end();
  assert.equal(result.status, 'FINISHED');
  assert.deepEqual(restored, [undefined, 2]);
  ledger.checkComplete();
});

test('a slot that does not cancel in time is terminated, and the job runs again', async () => {
  const script: SlotScript = {
    intercept: (command, slot, deployment) =>
      command.kind === 'cancel' && slot === 0 && deployment.attempt === 1,
  };
  const { kernel, ledger, run } = start({ script });
  await run.until(() => run.completed() === 1);
  const failedAt = kernel.now;
  run.slots.current.fail(1, boom);
  await run.until(() => run.slots.deployments.length === 2);
  assert.ok(kernel.now - failedAt >= 10_000);
  assert.equal((await run.end()).status, 'FINISHED');
  ledger.checkComplete();
});

test('a declined checkpoint fails the job beyond what is tolerated, and is borne below', async () => {
  for (const tolerableFailures of [0, 1]) {
    let declined = 0;
    const script: SlotScript = {
      intercept(command, slot, deployment) {
        if (command.kind !== 'trigger' || command.barrier.id !== 2 || slot !== 0) return false;
        declined += 1;
        deployment.report({
          kind: 'decline',
          slot,
          attempt: deployment.attempt,
          vertex: 1,
          subtask: 0,
          checkpointId: 2,
          error: {
            name: 'Error',
            message: 'no',
            code: undefined,
            stack: undefined,
            where: {},
            remedy: undefined,
            cause: undefined,
          },
        });
        return true;
      },
    };
    const { ledger, run } = start({ script, checkpoints: { tolerableFailures } });
    const result = await run.end();
    assert.equal(result.status, 'FINISHED');
    assert.equal(result.figures.restarts, tolerableFailures === 0 ? 1 : 0);
    assert.equal(result.figures.checkpoints.failed >= 1, true);
    assert.equal(declined, 1);
    // Only one deployment in a row saw the hole: what slot 0 wrote since is in a later commit.
    ledger.checkComplete();
  }
});

test('a checkpoint that is not acknowledged in time fails the job, which continues from the one before', async () => {
  const script: SlotScript = {
    intercept: (command, _slot, deployment) =>
      command.kind === 'trigger' && command.barrier.id === 3 && deployment.attempt === 1,
  };
  const restored: (number | undefined)[] = [];
  const { ledger, run } = start({
    script,
    checkpoints: { intervalMs: 10 },
    listener: { onRestore: (checkpoint) => restored.push(checkpoint?.id) },
  });
  const result = await run.end();
  assert.equal(result.status, 'FINISHED');
  assert.match(result.exceptions[0]?.error.message ?? '', /expired/);
  assert.deepEqual(restored, [undefined, 2]);
  ledger.checkComplete();
});

test('a stop takes a last checkpoint, commits it and suspends the job, which goes on from there', async () => {
  const { kernel, ledger, run } = start();
  await run.until(() => run.completed() === 1);
  run.act((master) => master.stop());
  const result = await run.end();
  assert.equal(result.status, 'STOPPED');
  assert.equal(result.error, undefined);
  assert.equal(run.states.at(-1), 'SUSPENDED');
  assert.equal(result.checkpoint?.path, `/checkpoints/job/chk-${result.checkpoint?.id}`);
  const committed = ledger.committed.size;
  assert.ok(committed > 0 && committed < ALL_RECORDS.length);
  ledger.check();
  const again = await continueToEnd(kernel, ledger);
  assert.deepEqual(again.result?.restoredFrom, result.checkpoint);
});

test('a stop while a checkpoint is pending waits for it', async () => {
  const { kernel, ledger, run } = start();
  await run.until(() => run.slots.deployments[0]?.count('trigger') === 1);
  run.act((master) => master.stop());
  const result = await run.end();
  assert.equal(result.status, 'STOPPED');
  assert.equal(result.checkpoint?.id, 2);
  await continueToEnd(kernel, ledger);
});

test('a stop during the start stops at once', async () => {
  const { kernel, ledger, run } = start();
  await run.until(() => run.states.includes('CREATED'));
  run.act((master) => master.stop());
  const result = await run.end();
  assert.equal(result.status, 'STOPPED');
  assert.equal(result.checkpoint, undefined);
  assert.equal(ledger.committed.size, 0);
  await continueToEnd(kernel, ledger);
});

test('a failure while the job stops ends it at its latest checkpoint, and nothing is lost', async () => {
  const { kernel, ledger, run } = start();
  await run.until(() => run.completed() === 1);
  run.act((master) => master.stop());
  await run.until(() =>
    run.slots.current.commands.some(
      ({ command }) => command.kind === 'complete' && command.checkpointId === 2,
    ),
  );
  run.slots.current.lose(0);
  run.slots.current.lose(1);
  const result = await run.end();
  assert.equal(result.status, 'STOPPED');
  assert.equal(result.checkpoint?.id, 2);
  assert.match(result.error?.message ?? '', /slot/);
  await continueToEnd(kernel, ledger);
});

test('a stop without checkpoints cancels', async () => {
  const { run } = start({ checkpoints: { storage: false, intervalMs: 0 } });
  await run.until(() => run.master.state === 'RUNNING');
  run.act((master) => master.stop());
  assert.equal((await run.end()).status, 'CANCELED');
});

test('a cancel leaves what is committed alone, and the job can be continued', async () => {
  const { kernel, ledger, run } = start();
  await run.until(() => run.completed() === 2);
  run.act((master) => master.cancel());
  const result = await run.end();
  assert.equal(result.status, 'CANCELED');
  assert.equal(run.states.at(-1), 'CANCELED');
  ledger.check();
  await continueToEnd(kernel, ledger);
});

test('a second cancel does not wait for slots that do not answer', async () => {
  const { kernel, run } = start({ script: { intercept: (command) => command.kind === 'cancel' } });
  await run.until(() => run.completed() === 1);
  run.act((master) => master.cancel());
  await kernel.runFor(100);
  assert.equal(run.result, undefined);
  run.act((master) => master.cancel());
  await run.end();
  assert.ok(kernel.now < 5_000);
});

test('a cancel during the back-off ends the job', async () => {
  const { kernel, run } = start({ restartStrategy: { kind: 'fixed-delay', attempts: 3, delayMs: 60_000 } });
  await run.until(() => run.completed() === 1);
  run.slots.current.fail(0, boom);
  await run.until(() => run.master.state === 'RESTARTING');
  run.act((master) => master.cancel());
  assert.equal((await run.end()).status, 'CANCELED');
  assert.ok(kernel.now < 10_000);
});

test('a stop during the back-off ends the job at its latest checkpoint and says what had failed', async () => {
  const { kernel, ledger, run } = start({
    restartStrategy: { kind: 'fixed-delay', attempts: 3, delayMs: 60_000 },
  });
  await run.until(() => run.completed() === 1);
  run.slots.current.fail(0, boom);
  await run.until(() => run.master.state === 'RESTARTING');
  run.act((master) => master.stop());
  const result = await run.end();
  assert.equal(result.status, 'STOPPED');
  assert.equal(result.error?.message, 'boom');
  await continueToEnd(kernel, ledger);
});

test('the job fails with its cause when no restart is left', async () => {
  const { kernel, ledger, run } = start({
    restartStrategy: { kind: 'fixed-delay', attempts: 1, delayMs: 10 },
  });
  await run.until(() => run.completed() === 1);
  run.slots.current.fail(0, boom);
  await run.deployed(2);
  run.slots.current.fail(0, new Error('boom again'));
  const result = await run.end();
  assert.equal(result.status, 'FAILED');
  assert.equal(isMillraceError(result.error, 'JOB_FAILED'), true);
  assert.equal(causeOf(result).message, 'boom again');
  assert.match(result.error?.message ?? '', /all 1 restarts are used up/);
  assert.equal(result.exceptions.length, 2);
  await continueToEnd(kernel, ledger);
});

test('an error that a restart cannot help ends the job at once', async () => {
  const { run } = start();
  await run.until(() => run.completed() === 1);
  run.slots.current.fail(0, new Error('wrapped', { cause: new MillraceError('CONFIG_INVALID', 'no') }));
  const result = await run.end();
  assert.equal(result.status, 'FAILED');
  assert.equal(result.figures.restarts, 0);
});

test('an error that cannot be helped wins over a restart that was decided before', async () => {
  const { run } = start();
  await run.until(() => run.completed() === 1);
  run.slots.current.fail(0, boom);
  run.slots.current.fail(1, new MillraceError('CONFIG_INVALID', 'no'));
  assert.equal((await run.end()).status, 'FAILED');
});

test('a sink that refuses the start fails the job before any slot is started, and turns nothing', async () => {
  const { kernel, ledger, run } = start();
  await run.until(() => run.completed() === 2);
  run.act((master) => master.cancel());
  const { checkpoint } = await run.end();
  const compiled = scriptedJob({
    prepareJob: () => Promise.reject(new MillraceError('SINK_LATER_OUTPUT', 'there is later output')),
  });
  const path = '/checkpoints/job/chk-1';
  const refused = new JobRun(kernel, ledger, { compiled, choice: { kind: 'path', path } });
  assert.equal((await refused.end()).status, 'FAILED');
  assert.equal(refused.slots.deployments.length, 0);
  const again = await continueToEnd(kernel, ledger);
  assert.deepEqual(again.result?.restoredFrom, checkpoint);
});

test('slots that cannot be started fail the job; the second time they may', async () => {
  const { run } = start({ script: { onStart: () => Promise.reject(new Error('no thread')) } });
  assert.equal((await run.end()).status, 'FAILED');
  const onStart = (count: number): Promise<void> =>
    count === 2 ? Promise.reject(new Error('no thread')) : Promise.resolve();
  const second = start({ script: { onStart } });
  await second.run.until(() => second.run.completed() === 1);
  second.run.slots.current.fail(0, boom);
  const result = await second.run.end();
  assert.equal(result.status, 'FINISHED');
  assert.equal(result.figures.restarts, 2);
});

test('an enumerator that fails restarts the job', async () => {
  let failures = 1;
  const compiled = scriptedJob({ enumeratorFails: () => failures-- > 0 });
  const { ledger, run } = start({ compiled });
  const result = await run.end();
  assert.equal(result.status, 'FINISHED');
  assert.equal(result.exceptions[0]?.error.code, 'SOURCE_ENUMERATOR_FAILED');
  ledger.checkComplete();
});

test('a start without a choice is refused when there is a checkpoint', async () => {
  const { kernel, ledger, run } = start();
  await run.until(() => run.completed() === 1);
  run.act((master) => master.cancel());
  await run.end();
  const result = await new JobRun(kernel, ledger, { choice: { kind: 'none' } }).end();
  assert.equal(result.status, 'FAILED');
  assert.equal(causeOf(result).code, 'CHECKPOINT_EXISTS');
});

test('a job that a newer attempt has taken over fails and commits nothing any more', async () => {
  const { kernel, ledger, run } = start();
  await run.until(() => run.completed() === 1);
  const newer = new JobRun(kernel, ledger, { node: 'newer process' });
  await newer.until(() => newer.master.state === 'RUNNING');
  const result = await run.end();
  assert.equal(result.status, 'FAILED');
  const causes = JSON.stringify(result.exceptions);
  assert.match(causes, /FENCED/);
  assert.equal((await newer.end()).status, 'FINISHED');
  ledger.checkComplete();
});

test('reports of earlier attempts change nothing', async () => {
  const { ledger, run } = start();
  await run.until(() => run.completed() === 1);
  const [first] = run.slots.deployments;
  assert.ok(first);
  first.fail(0, boom);
  await run.deployed(2);
  first.fail(0, new Error('late'));
  first.report({ kind: 'ended', slot: 0, attempt: 1, vertex: 0, subtask: 0 });
  first.report({ kind: 'canceled', slot: 1, attempt: 1 });
  const result = await run.end();
  assert.equal(result.status, 'FINISHED');
  assert.equal(result.figures.restarts, 1);
  ledger.checkComplete();
});

test('a checkpoint on demand resolves with its place, and is refused when nothing runs', async () => {
  const { kernel, run } = start({ checkpoints: { intervalMs: 0 } });
  await assert.rejects(kernel.settle(run.master.triggerCheckpoint()), { code: 'JOB_NOT_RUNNING' });
  await run.until(() => run.slots.deployments[0]?.count('splits') === 2);
  const checkpoint = await kernel.settle(run.master.triggerCheckpoint());
  assert.deepEqual(checkpoint, { id: 1, path: '/checkpoints/job/chk-1' });
  await run.end();
});

test('checkpoints are removed at the end when the retention says so', async () => {
  for (const [retention, kept] of [
    ['RETAIN_ON_CANCELLATION', true],
    ['DELETE_ON_CANCELLATION', false],
  ] as const) {
    const { kernel, run } = start({ retention });
    await run.until(() => run.completed() === 2);
    run.act((master) => master.cancel());
    const result = await run.end();
    const names = await kernel.settle(kernel.env('reader').files.list('/checkpoints/job'));
    assert.equal(
      names.some((name) => name.startsWith('chk-')),
      kept,
    );
    assert.equal(result.checkpoint !== undefined, kept);
  }
});

test('results are handed to the callback once, also when they are sent again', async () => {
  const got: unknown[] = [];
  const compiled = scriptedJob({ receive: (values) => void got.push(...values) });
  const { run } = start({ compiled });
  await run.until(() => run.completed() === 1);
  const send = (sequence: string, values: readonly unknown[]): void =>
    run.slots.current.report({
      kind: 'client',
      slot: 0,
      attempt: run.slots.current.attempt,
      vertex: 1,
      subtask: 0,
      sink: 'writer',
      values,
      sequence,
    });
  send('1', ['a', 'b']);
  send('2', ['c']);
  await run.until(() => run.slots.current.count('client-credit') === 2);
  run.slots.current.fail(0, boom);
  await run.deployed(2);
  send('2', ['c']);
  send('3', ['d']);
  await run.end();
  assert.deepEqual(got, ['a', 'b', 'c', 'd']);
});

test('a callback that fails ends the job; a slow one holds its end back', async () => {
  const failing = start({
    compiled: scriptedJob({ receive: () => Promise.reject(new Error('full')) }),
  });
  await failing.run.until(() => failing.run.completed() === 1);
  sendOne(failing.run);
  const failed = await failing.run.end();
  assert.equal(causeOf(failed).code, 'CLIENT_CALLBACK_FAILED');

  let release: () => void = () => {};
  const slow = start({
    compiled: scriptedJob({
      receive: () =>
        new Promise<void>((resolve) => {
          release = resolve;
        }),
    }),
  });
  await slow.run.until(() => slow.run.completed() === 1);
  sendOne(slow.run);
  await slow.kernel.runFor(5_000);
  assert.equal(slow.run.result, undefined);
  slow.run.act(() => release());
  assert.equal((await slow.run.end()).status, 'FINISHED');
});

test('a callback that fails on the last results fails the job, although all was committed', async () => {
  let reject: (error: Error) => void = () => {};
  const { kernel, run } = start({
    compiled: scriptedJob({
      receive: () =>
        new Promise<void>((_resolve, fail) => {
          reject = fail;
        }),
    }),
  });
  await run.until(() => run.completed() === 1);
  sendOne(run);
  await kernel.runFor(5_000);
  run.act(() => reject(new Error('full')));
  const failed = await run.end();
  assert.equal(failed.status, 'FAILED');
  assert.equal(causeOf(failed).code, 'CLIENT_CALLBACK_FAILED');
});

test('a slot that is lost while its deployment is prepared fails it without waiting for the others', async () => {
  const { kernel, ledger, run } = start({
    script: {
      onStarted: (deployment, count) => {
        if (count === 1) deployment.lose(1);
      },
    },
  });
  await run.until(() => run.states.includes('RESTARTING'));
  assert.ok(kernel.now < 1_000, `${kernel.now} ms`);
  assert.equal((await run.end()).status, 'FINISHED');
  ledger.checkComplete();
});

test('a failure after a stop was asked for at the end of the input ends the job at its latest checkpoint', async () => {
  const { kernel, ledger, run } = start();
  await run.until(() =>
    (run.slots.deployments[0]?.commands ?? []).some(
      ({ command }) => command.kind === 'trigger' && command.barrier.kind === 'final',
    ),
  );
  run.act((master) => {
    master.stop();
    run.slots.current.lose(0);
  });
  const result = await run.end();
  assert.equal(result.status, 'STOPPED');
  assert.ok(result.error !== undefined);
  await continueToEnd(kernel, ledger);
});

test('a start of slots is given up when the job is stopped or canceled, which is no failure', async () => {
  for (const how of ['stop', 'cancel'] as const) {
    const { kernel, run } = start({
      script: {
        onStart: (_count, signal) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason as Error));
          }),
      },
    });
    await run.until(() => run.states.includes('CREATED'));
    await kernel.runFor(100);
    run.act((master) => master[how]());
    const result = await run.end();
    assert.equal(result.status, how === 'stop' ? 'STOPPED' : 'CANCELED');
    assert.ok(kernel.now < 1_000, `${kernel.now} ms`);
    assert.deepEqual(result.exceptions, []);
  }
});

test('a second cancel does not wait for slots that are being started', async () => {
  const { kernel, run } = start({ script: { onStart: () => new Promise(() => {}) } });
  await run.until(() => run.states.includes('CREATED'));
  await kernel.runFor(100);
  run.act((master) => master.cancel());
  await kernel.runFor(100);
  assert.equal(run.result, undefined);
  run.act((master) => master.cancel());
  assert.equal((await run.end()).status, 'CANCELED');
  assert.ok(kernel.now < 1_000);
});

function causeOf({ error }: JobResult): MillraceError {
  assert.ok(error);
  return error.cause as MillraceError;
}

function sendOne(run: JobRun): void {
  const { attempt } = run.slots.current;
  run.slots.current.report({
    kind: 'client',
    slot: 0,
    attempt,
    vertex: 1,
    subtask: 0,
    sink: 'writer',
    values: ['a'],
    sequence: '1',
  });
}

test('listeners hear of every step of checkpoints, and one that throws changes nothing', async () => {
  const steps: CheckpointProgress[] = [];
  const { ledger, run } = start();
  const stop = run.master.observe({
    onCheckpointProgress: (progress) => {
      steps.push(progress);
      throw boom;
    },
  });
  const moves: string[] = [];
  run.master.observe({
    onExecution: ({ vertex, subtask, state }) => moves.push(`${vertex}/${subtask} ${state}`),
  });
  const result = await run.end();
  stop();
  assert.equal(result.status, 'FINISHED');
  ledger.checkComplete();
  const ended = steps.filter((step) => step.kind === 'ended');
  assert.equal(ended.length, result.figures.checkpoints.triggered);
  const completed = ended.filter(({ record }) => record.outcome === 'completed');
  assert.equal(completed.length, result.figures.checkpoints.completed);
  for (const { record } of completed) {
    const acknowledged = steps.filter(
      (step) => step.kind === 'acknowledged' && step.checkpointId === record.id,
    );
    assert.equal(acknowledged.length, run.master.executions().length, `checkpoint ${record.id}`);
  }
  assert.ok(moves.includes('0/0 RUNNING') && moves.includes('0/0 FINISHED'), moves.join(', '));
  assert.equal(run.master.endedAt, run.master.stateTimes.FINISHED);
});

test('a disk that fails while the job begins is told whoever submits it, and no end of a job that goes on', async () => {
  for (const goesOn of [false, true]) {
    let failures = 2;
    const isBroken = (path: string): boolean => path.includes('/attempts/') && failures > 0 && failures-- > 0;
    const onOperation = ({ operation, path }: FileCall): FileFault | undefined =>
      operation === 'sync' && isBroken(path) ? 'io' : undefined;
    const kernel = new Kernel({ seed: 1, shuffle: true, faults: { onOperation } });
    const ledger = new Ledger();
    const { status, exceptions } = await new JobRun(kernel, ledger, { goesOn }).end();
    assert.match(exceptions[0]!.error.message, /base was not written/);
    assert.equal(status, goesOn ? 'FINISHED' : 'FAILED');
    assert.equal(exceptions[0]!.consequence.startsWith('restart'), goesOn, exceptions[0]!.consequence);
    if (goesOn) ledger.checkComplete();
  }
});
