import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serializeError } from '../base/errors.ts';
import type { FailureFacts } from './recovery-log.ts';
import { RecoveryLog } from './recovery-log.ts';

function start(): { log: RecoveryLog; at: (now: number) => void } {
  let now = 0;
  return {
    log: new RecoveryLog('job', () => now),
    at: (next) => {
      now = next;
    },
  };
}

function failure(at: number, consequence = 'restart in 100 ms', attempt = 1): FailureFacts {
  return {
    entry: {
      at,
      attempt,
      task: { vertex: 1, subtask: 2 },
      error: serializeError(new Error('boom')),
      consequence,
    },
    exceptionId: 7,
    place: { workerId: 'w', slot: 2 },
  };
}

test('a recovery goes from the failure to the record that was read before it', () => {
  const { log, at } = start();
  at(100);
  log.failed(failure(100));
  at(110);
  log.replays(50);
  log.state('RESTARTING');
  at(210);
  log.state('CREATED');
  at(260);
  log.state('RUNNING');
  log.restored(2, { id: 9, path: '/chk-9' });
  at(300);
  log.running();
  assert.equal(log.progressed(49), false);
  at(400);
  assert.equal(log.progressed(50), true);
  const [recovery] = log.all();
  assert.deepEqual(
    recovery?.phases.map(({ phase, startedAt, endedAt }) => [phase, startedAt, endedAt]),
    [
      ['cancel', 100, 110],
      ['wait', 110, 210],
      ['restore', 210, 260],
      ['deploy', 260, 300],
      ['replay', 300, 400],
    ],
  );
  const { phases: _, ...rest } = recovery!;
  assert.deepEqual(rest, {
    jobId: 'job',
    attempt: 2,
    failedAt: 100,
    exceptionId: 7,
    cause: 'boom',
    task: { vertex: 1, subtask: 2 },
    workerId: 'w',
    slot: 2,
    restoredCheckpointId: 9,
    restoredFromPath: '/chk-9',
    downtimeMs: 200,
    recordsReplayed: 50,
    outcome: 'caught-up',
  });
});

test('without a count of what was read it ends when all run; with nothing to read again there is no replay', () => {
  for (const [records, outcome] of [
    [undefined, 'running'],
    [0, 'caught-up'],
  ] as const) {
    const { log } = start();
    log.failed(failure(0));
    log.replays(records);
    log.state('RUNNING');
    log.running();
    const [recovery] = log.all();
    assert.deepEqual([recovery?.outcome, recovery?.phases.at(-1)?.phase], [outcome, 'deploy']);
    assert.ok(recovery?.phases.every(({ endedAt }) => endedAt !== null));
  }
});

test('a failure while it recovers belongs to it; one while it replays begins the next', () => {
  const { log, at } = start();
  log.failed(failure(0));
  at(5);
  assert.equal(log.failed(failure(5)), false);
  log.replays(10);
  log.state('RUNNING');
  log.running();
  at(20);
  assert.equal(log.failed(failure(20, 'restart in 100 ms', 2)), true);
  assert.deepEqual(
    log.all().map(({ attempt, outcome }) => [attempt, outcome]),
    [
      [2, 'running'],
      [3, 'recovering'],
    ],
  );
  assert.equal(log.all()[0]?.phases.at(-1)?.endedAt, 20);
});

test('what is not restarted is no recovery, and the end of the job ends one', () => {
  const { log } = start();
  assert.equal(log.failed(failure(0, 'the job fails: enough')), false);
  log.failed(failure(1));
  log.state('FAILED');
  assert.deepEqual(
    log.all().map(({ outcome }) => outcome),
    ['failed'],
  );
});
