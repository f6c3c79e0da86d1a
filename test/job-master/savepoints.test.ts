// Savepoints of a job on a simulated disk: taken on the way, to stop, to drain; failing, crashing, and continued from.

import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { isMillraceError, MillraceError } from '../../src/base/errors.ts';
import type { JobMaster } from '../../src/cluster/job-manager/job-master.ts';
import type { CheckpointReference } from '../../src/cluster/job-manager/job-storage.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import type { FileCall, FileFault } from '../../src/testing/simulated-files.ts';
import { JobRun, type RunOptions } from './job-run.ts';
import { ALL_RECORDS, Ledger } from './scripted-slots.ts';

const NODE = 'process';
const FOLDER = '/savepoints/of/people';

/** What a request has come to. */
interface Answer {
  savepoint?: CheckpointReference;
  error?: MillraceError;
}

function start(
  options: RunOptions = {},
  seed = 1,
  onOperation?: (call: FileCall) => FileFault | undefined,
): { kernel: Kernel; ledger: Ledger; run: JobRun } {
  const kernel = new Kernel({ seed, shuffle: true, ...(onOperation ? { faults: { onOperation } } : {}) });
  const ledger = new Ledger();
  return { kernel, ledger, run: new JobRun(kernel, ledger, options) };
}

function ask(run: JobRun, request: (master: JobMaster) => Promise<CheckpointReference>): Answer {
  const answer: Answer = {};
  run.act((master) => {
    request(master).then(
      (savepoint) => {
        answer.savepoint = savepoint;
      },
      (error: unknown) => {
        assert.ok(isMillraceError(error));
        answer.error = error;
      },
    );
  });
  return answer;
}

const isAnswered = ({ savepoint, error }: Answer) => savepoint !== undefined || error !== undefined;

/** What is under the folder for savepoints. */
function savepointsOn(kernel: Kernel): string[] {
  return kernel.disk.stat(FOLDER) === undefined ? [] : kernel.disk.list(FOLDER);
}

test('a savepoint is taken beside the checkpoints, commits nothing, and outlives them and the job', async () => {
  const { kernel, ledger, run } = start({ retention: 'NO_EXTERNALIZED_CHECKPOINTS' });
  await run.until(() => run.completed() === 2);
  const answer = ask(run, (master) => master.triggerSavepoint({ target: FOLDER }));
  await run.until(() => isAnswered(answer));
  assert.match(answer.savepoint?.path ?? '', /^\/savepoints\/of\/people\/savepoint-job-[0-9a-f]{12}$/);
  assert.ok(
    !run.slots.current.commands.some(
      ({ command }) => command.kind === 'complete' && command.checkpointId === answer.savepoint?.id,
    ),
    'nothing is committed for it',
  );
  const { status, checkpoint } = await run.end();
  assert.equal(status, 'FINISHED');
  assert.notEqual(checkpoint?.id, answer.savepoint?.id);
  ledger.checkComplete();
  assert.equal(savepointsOn(kernel).length, 1, 'no retention removes it');
  assert.deepEqual(
    kernel.disk.list(answer.savepoint!.path).filter((name) => !name.endsWith('.state')),
    ['_metadata'],
  );
});

test('a job that is started from a savepoint gives what is missing, under another name and moved elsewhere', async () => {
  const { kernel, run } = start();
  await run.until(() => run.completed() === 1);
  const answer = ask(run, (master) => master.stopWithSavepoint({ target: FOLDER }));
  const result = await run.end();
  assert.equal(result.status, 'STOPPED');
  assert.deepEqual(answer.savepoint, result.savepoint);
  await kernel.settle(kernel.env('people').files.rename(answer.savepoint!.path, '/moved'));
  const restored = new Ledger();
  const again = new JobRun(kernel, restored, { choice: { kind: 'path', path: '/moved' }, node: 'other' });
  assert.equal((await again.end()).status, 'FINISHED');
  assert.ok(restored.committed.size > 0 && restored.committed.size < ALL_RECORDS.length);
});

test('a stop with a savepoint commits what it holds, ends as finished, and both it and the checkpoint go on', async () => {
  const { kernel, ledger, run } = start();
  await run.until(() => run.completed() === 1);
  const answer = ask(run, (master) => master.stopWithSavepoint({ target: FOLDER }));
  const result = await run.end();
  assert.equal(result.status, 'STOPPED');
  assert.equal(run.states.at(-1), 'FINISHED');
  assert.equal(result.checkpoint?.id, answer.savepoint?.id);
  ledger.check();
  assert.ok(ledger.committed.size < ALL_RECORDS.length);
  const again = new JobRun(kernel, ledger, { choice: { kind: 'latest' } });
  assert.equal((await again.end()).status, 'FINISHED');
  assert.deepEqual(again.result?.restoredFrom, result.checkpoint);
  ledger.checkComplete();
  assert.equal(savepointsOn(kernel).length, 1);
});

test('a drain ends all input before the savepoint, and the job has finished', async () => {
  const { kernel, ledger, run } = start();
  await run.until(() => run.completed() === 1);
  const answer = ask(run, (master) => master.stopWithSavepoint({ target: FOLDER, drain: true }));
  const result = await run.end();
  assert.equal(result.status, 'FINISHED');
  assert.deepEqual(answer.savepoint, result.savepoint);
  assert.equal(run.slots.current.count('drain'), 2);
  assert.ok(ledger.committed.size < ALL_RECORDS.length);
  assert.equal((await new JobRun(kernel, ledger).end()).status, 'ALREADY_FINISHED');
  // What was not read is still in the savepoint.
  const again = new JobRun(kernel, ledger, { choice: { kind: 'path', path: answer.savepoint!.path } });
  assert.equal((await again.end()).status, 'FINISHED');
  ledger.checkComplete();
});

test('a savepoint of a job without checkpoints is taken, and the job goes on from it with checkpoints', async () => {
  for (const stop of [false, true]) {
    const { kernel, ledger, run } = start({ checkpoints: { storage: false, intervalMs: 0 } });
    await run.until(() => run.master.state === 'RUNNING');
    await kernel.runFor(20);
    const answer = ask(run, (master) =>
      stop
        ? master.stopWithSavepoint({ target: FOLDER })
        : master.triggerSavepoint({ target: FOLDER, cancelJob: true }),
    );
    assert.equal((await run.end()).status, stop ? 'STOPPED' : 'CANCELED');
    assert.equal(ledger.committed.size > 0, stop);
    const choice = { kind: 'path', path: answer.savepoint!.path } as const;
    const again = new JobRun(kernel, ledger, { choice });
    assert.equal((await again.end()).status, 'FINISHED');
    ledger.checkComplete();
  }
});

test('a savepoint that cancels the job leaves the rest to whoever continues from it', async () => {
  const { kernel, ledger, run } = start();
  await run.until(() => run.completed() === 1);
  const answer = ask(run, (master) => master.triggerSavepoint({ target: FOLDER, cancelJob: true }));
  const result = await run.end();
  assert.equal(result.status, 'CANCELED');
  const choice = { kind: 'path', path: answer.savepoint!.path } as const;
  const again = new JobRun(kernel, ledger, { choice });
  assert.equal((await again.end()).status, 'FINISHED');
  ledger.checkComplete();
});

test('a folder that cannot be made refuses the request, whatever it is, and the job goes on', async () => {
  // What is on the way to it is a file.
  const target = '/checkpoints/job/attempts/1/base/savepoints';
  const requests = [
    (master: JobMaster) => master.triggerSavepoint({ target }),
    (master: JobMaster) => master.stopWithSavepoint({ target }),
    (master: JobMaster) => master.stopWithSavepoint({ target, drain: true }),
  ];
  for (const request of requests) {
    const { ledger, run } = start();
    await run.until(() => run.completed() === 1);
    const answer = ask(run, request);
    await run.until(() => isAnswered(answer));
    assert.equal(answer.error?.code, 'SAVEPOINT_FAILED');
    const result = await run.end();
    assert.equal(result.status, 'FINISHED');
    assert.equal(result.figures.restarts, 0);
    assert.ok(result.figures.checkpoints.completed >= 3, 'checkpoints go on');
    ledger.checkComplete();
  }
});

test('a stop that comes while one with a savepoint is refused is not forgotten', async () => {
  for (const drain of [false, true]) {
    const { run } = start();
    await run.until(() => run.completed() === 1);
    const target = '/checkpoints/job/attempts/1/base/savepoints';
    const answer = ask(run, (master) => master.stopWithSavepoint({ target, drain }));
    run.act((master) => master.stop());
    const result = await run.end();
    assert.equal(answer.error?.code, 'SAVEPOINT_FAILED');
    assert.equal(result.status, 'STOPPED');
    assert.equal(result.error, undefined);
  }
});

test('a savepoint is refused while nothing runs, twice at a stop, and without a folder', async () => {
  const { run } = start();
  const early = ask(run, (master) => master.triggerSavepoint({ target: FOLDER }));
  await run.until(() => isAnswered(early));
  assert.equal(early.error?.code, 'JOB_NOT_RUNNING');
  const nowhere = ask(run, (master) => master.triggerSavepoint());
  await run.until(() => isAnswered(nowhere));
  assert.equal(nowhere.error?.code, 'SAVEPOINT_DIRECTORY_MISSING');
  await run.until(() => run.completed() === 1);
  const first = ask(run, (master) => master.stopWithSavepoint({ target: FOLDER }));
  const second = ask(run, (master) => master.stopWithSavepoint({ target: FOLDER }));
  await run.end();
  // Which of the two is first, the seed decides.
  assert.equal([first, second].filter(({ savepoint }) => savepoint !== undefined).length, 1);
  assert.equal((first.error ?? second.error)?.code, 'JOB_NOT_RUNNING');
  const late = ask(run, (master) => master.stopWithSavepoint({ target: FOLDER }));
  await run.until(() => isAnswered(late));
  assert.equal(late.error?.code, 'JOB_NOT_RUNNING');
});

test('a savepoint that a subtask declines leaves nothing, and the job does not notice', async () => {
  const isState = ({ path, operation }: FileCall) => operation === 'create' && path.endsWith('.state');
  const { kernel, ledger, run } = start({}, 1, (call) =>
    isState(call) && call.path.startsWith(FOLDER) ? 'no-space' : undefined,
  );
  await run.until(() => run.completed() === 1);
  const answer = ask(run, (master) => master.triggerSavepoint({ target: FOLDER }));
  await run.until(() => isAnswered(answer));
  assert.equal(answer.error?.code, 'SAVEPOINT_FAILED');
  assert.match(answer.error?.message ?? '', /disk is full/);
  const result = await run.end();
  assert.equal(result.status, 'FINISHED');
  assert.deepEqual(result.exceptions, []);
  assert.deepEqual(savepointsOn(kernel), []);
  ledger.checkComplete();
});

test('a stop or a drain whose savepoint fails half-way is undone: the job goes on from its latest checkpoint', async () => {
  for (const drain of [false, true]) {
    const { kernel, ledger, run } = start({ restartStrategy: { kind: 'none' } }, 1, ({ path, operation }) =>
      operation === 'create' && path.startsWith(FOLDER) ? 'no-space' : undefined,
    );
    await run.until(() => run.completed() === 1);
    const answer = ask(run, (master) => master.stopWithSavepoint({ target: FOLDER, drain }));
    await run.until(() => isAnswered(answer));
    assert.equal(answer.error?.code, 'SAVEPOINT_FAILED');
    const result = await run.end();
    assert.equal(result.status, 'FINISHED');
    assert.equal(result.figures.restarts, 1);
    assert.equal(result.savepoint, undefined);
    assert.deepEqual(savepointsOn(kernel), []);
    ledger.checkComplete();
  }
});

test('a failure after the savepoint of a stop restarts the job from it and says where it is', async () => {
  const { ledger, run } = start({
    script: {
      intercept: (command, slot, deployment) => {
        const isStop = command.kind === 'complete' && deployment.attempt === 1 && command.checkpointId === 2;
        if (isStop && slot === 0) deployment.fail(0, new MillraceError('OPERATOR_FAILED', 'harm'));
        return isStop && slot === 0;
      },
    },
  });
  await run.until(() => run.completed() === 1);
  const answer = ask(run, (master) => master.stopWithSavepoint({ target: FOLDER }));
  await run.until(() => isAnswered(answer));
  assert.equal(answer.error?.code, 'SAVEPOINT_STOP_FAILED');
  assert.match(answer.error?.message ?? '', /\/savepoints\/of\/people\/savepoint-job-\w+ is complete/);
  const result = await run.end();
  assert.equal(result.status, 'FINISHED');
  assert.equal(result.figures.restarts, 1);
  ledger.checkComplete();
});

test('a cancel while the job stops with a savepoint answers both', async () => {
  const { ledger, run } = start();
  await run.until(() => run.completed() === 1);
  const answer = ask(run, (master) => master.stopWithSavepoint({ target: FOLDER }));
  run.act((master) => master.cancel());
  assert.equal((await run.end()).status, 'CANCELED');
  assert.equal(answer.error?.code, 'SAVEPOINT_FAILED');
  ledger.check();
});

test('operations by trigger id: the same id is the same operation, and its outcome is kept for a while', async () => {
  const { kernel, run } = start();
  await run.until(() => run.completed() === 1);
  const triggered: string[] = [];
  run.act((master) => {
    const operations = master.savepointOperations;
    const request = () => master.triggerSavepoint({ target: FOLDER });
    triggered.push(operations.start(request), operations.start(request, 'my-own'));
    assert.equal(operations.start(request, 'my-own'), 'my-own');
    assert.deepEqual(operations.outcome('my-own'), { kind: 'in-progress' });
    assert.equal(operations.outcome('nobody'), undefined);
  });
  await run.end();
  assert.match(triggered[0]!, /^[0-9a-f]{32}$/);
  assert.equal(savepointsOn(kernel).length, 2);
  const operations = run.master.savepointOperations;
  let seen = false;
  operations.whenSeen(() => {
    seen = true;
  });
  for (const id of triggered) {
    assert.equal(seen, false, 'nobody was told of all of them');
    assert.equal(operations.outcome(id)?.kind, 'completed');
  }
  assert.equal(seen, true);
  await kernel.runFor(5 * 60_000);
  for (const id of triggered) assert.equal(run.master.savepointOperations.outcome(id), undefined);
});

test('a savepoint that is claimed goes when the job has as many checkpoints as it keeps; one that is not stays', async () => {
  for (const claim of [true, false]) {
    const { kernel, ledger, run } = start();
    await run.until(() => run.completed() === 1);
    const answer = ask(run, (master) => master.stopWithSavepoint({ target: FOLDER }));
    await run.end();
    const { path } = answer.savepoint!;
    await kernel.settle(write(kernel, `${path}/a-note.txt`));
    const before = filesUnder(kernel, path);
    const options = { choice: { kind: 'path', path, claim }, checkpoints: { retained: 2 } } as const;
    const first = new JobRun(kernel, ledger, options);
    await first.until(() => first.completed() === 1);
    assert.deepEqual(filesUnder(kernel, path), before, 'two are kept');
    // Whoever goes on after a crash knows whose it is.
    kernel.losePower();
    kernel.restart(NODE);
    const second = new JobRun(kernel, ledger, { checkpoints: { retained: 2 } });
    assert.equal((await second.end()).status, 'FINISHED');
    ledger.checkComplete();
    const left = claim ? ['a-note.txt'] : before;
    assert.deepEqual(filesUnder(kernel, path), left, 'and nothing that is not part of it');
  }
});

test('a crash at any step of a savepoint, a stop or a drain loses nothing and doubles nothing', async () => {
  const requests = [
    (master: JobMaster) => master.triggerSavepoint({ target: FOLDER }),
    (master: JobMaster) => master.stopWithSavepoint({ target: FOLDER }),
    (master: JobMaster) => master.stopWithSavepoint({ target: FOLDER, drain: true }),
  ];
  let crashes = 0;
  let complete = 0;
  for (const [kind, request] of requests.entries()) {
    for (let step = 0, isOver = false; !isOver; step += 1) {
      const { kernel, ledger, run } = start({}, 11 + kind);
      await run.until(() => run.completed() === 1);
      const answer = ask(run, request);
      const from = kernel.steps;
      await kernel.run({ until: () => kernel.steps - from >= step || run.result !== undefined });
      isOver = run.result !== undefined;
      if (isOver) break;
      crashes += 1;
      if (step % 2 === 0) kernel.losePower();
      else kernel.crash(NODE);
      kernel.restart(NODE);
      ledger.check();
      if (step % 5 === 0) complete += await checkSavepoints(kernel, answer);
      const again = new JobRun(kernel, ledger);
      const { status } = await again.end();
      assert.ok(status === 'FINISHED' || status === 'ALREADY_FINISHED');
      // After a drain what was not read is in the savepoint.
      if (status === 'FINISHED' || kind !== 2) ledger.checkComplete();
    }
  }
  console.log(`cases: crashes inside savepoints ${crashes} (minimum 200)`);
  console.log(`cases: complete savepoints found after a crash ${complete} (minimum 50)`);
});

/** What is complete on the disk continues to the end; what was answered is complete. Gives how many there are. */
async function checkSavepoints(kernel: Kernel, answer: Answer): Promise<number> {
  const complete = savepointsOn(kernel).filter(
    (name) => kernel.disk.stat(`${FOLDER}/${name}/_metadata`) !== undefined,
  );
  if (answer.savepoint !== undefined)
    assert.ok(
      complete.includes(answer.savepoint.path.slice(FOLDER.length + 1)),
      'what was answered is there',
    );
  for (const name of complete) {
    // Under another id, into another ledger: nothing but the savepoint is needed.
    const rest = new Ledger();
    const run = new JobRun(kernel, rest, {
      choice: { kind: 'path', path: `${FOLDER}/${name}` },
      node: 'other',
      jobId: `other-${kernel.steps}`,
    });
    assert.equal((await run.end()).status, 'FINISHED');
  }
  return complete.length;
}

function filesUnder(kernel: Kernel, directory: string): string[] {
  return kernel.disk.stat(directory) === undefined ? [] : kernel.disk.list(directory);
}

async function write(kernel: Kernel, path: string): Promise<void> {
  const { files } = kernel.env('people');
  const file = await files.open(path, 'create');
  await file.sync();
  await file.close();
  await files.syncDirectory(dirname(path));
}
