// The checkpoint coordinator, one behaviour at a time; coordinator-exhaustive.test.ts tries all orders.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CheckpointCoordinator, REQUESTS_MAX } from './coordinator.ts';
import type { CheckpointDecision, CheckpointFact, CoordinatorConfig } from './coordinator-messages.ts';
import type { StateHandle } from './state-handle.ts';

const CONFIG: CoordinatorConfig = {
  intervalMs: 1000,
  timeoutMs: 5000,
  minPauseMs: 0,
  maxConcurrent: 1,
  tolerableFailures: 0,
  retained: 1,
  mode: 'exactly-once',
  unaligned: false,
  alignedTimeoutMs: 0,
  storage: true,
};
const STATE: StateHandle = { file: undefined, inline: '', length: 10, sha256: '' };
const BROKEN = new Error('broken');

function started(changes: Partial<CoordinatorConfig> = {}, tasks = ['a', 'b']): CheckpointCoordinator {
  const coordinator = new CheckpointCoordinator({ ...CONFIG, ...changes });
  coordinator.handle({ kind: 'tasks-running', tasks }, 0);
  return coordinator;
}

const TICK: CheckpointFact = { kind: 'tick' };

function ack(task: string, checkpointId: number): CheckpointFact {
  return { kind: 'acknowledge', task, checkpointId, state: STATE };
}

/** Decisions as short words: `trigger 1`, `publish 1`, `wake 1000`. */
function words(decisions: readonly CheckpointDecision[]): string[] {
  return decisions.map((decision) => {
    switch (decision.kind) {
      case 'trigger':
      case 'publish':
        return `${decision.kind} ${decision.barrier.id}`;
      case 'complete':
        return `complete ${decision.checkpointId}`;
      case 'abort':
        return `abort ${decision.checkpointId} ${decision.reason}`;
      case 'discard':
        return `discard ${decision.checkpointIds.join(' ')}`;
      case 'request-done':
        return `done ${decision.token} ${decision.checkpointId}`;
      case 'request-failed':
        return `failed ${decision.token}`;
      case 'wake':
        return `wake ${decision.at}`;
      default:
        return decision.kind;
    }
  });
}

function complete(coordinator: CheckpointCoordinator, id: number, now: number): string[] {
  coordinator.handle(ack('a', id), now);
  coordinator.handle(ack('b', id), now);
  return words(coordinator.handle({ kind: 'published', checkpointId: id }, now));
}

test('triggers after one interval, publishes after the last acknowledgement, completes after the publication', () => {
  const coordinator = new CheckpointCoordinator(CONFIG);
  assert.deepEqual(words(coordinator.handle({ kind: 'tasks-running', tasks: ['a', 'b'] }, 0)), ['wake 1000']);
  assert.deepEqual(words(coordinator.handle(TICK, 999)), []);
  const [trigger, ...rest] = coordinator.handle(TICK, 1000, 77_000);
  assert.deepEqual(trigger, {
    kind: 'trigger',
    barrier: { id: 1, timestamp: 77_000, alignment: 'aligned', alignedTimeoutMs: 0, kind: 'periodic' },
    storage: true,
  });
  assert.deepEqual(words(rest), ['wake 6000']);
  assert.deepEqual(words(coordinator.handle(ack('b', 1), 1100)), []);
  const [publish] = coordinator.handle(ack('a', 1), 1200);
  assert.deepEqual(publish?.kind === 'publish' && publish.acknowledgements, [
    { task: 'b', state: STATE },
    { task: 'a', state: STATE },
  ]);
  assert.deepEqual(words(coordinator.handle({ kind: 'published', checkpointId: 1 }, 1300)), [
    'complete 1',
    'wake 2000',
  ]);
  assert.deepEqual(coordinator.retained, [1]);
});

test('ignores late, repeated and unexpected facts', () => {
  const coordinator = started();
  coordinator.handle(TICK, 1000);
  coordinator.handle(ack('a', 1), 1000);
  for (const fact of [
    ack('a', 1),
    ack('stranger', 1),
    ack('b', 2),
    { kind: 'decline', task: 'a', checkpointId: 1, reason: 'error', error: BROKEN },
    { kind: 'decline', task: 'b', checkpointId: 9, reason: 'error', error: BROKEN },
    { kind: 'published', checkpointId: 1 },
    { kind: 'publish-failed', checkpointId: 1, error: BROKEN, outcomeKnown: true },
    { kind: 'trigger-failed', checkpointId: 3, taken: false, error: BROKEN },
  ] satisfies CheckpointFact[]) {
    assert.deepEqual(coordinator.handle(fact, 1000), []);
  }
});

test('waits for the minimal pause after the end of a checkpoint, however late it is', () => {
  const coordinator = started({ minPauseMs: 700 });
  coordinator.handle(TICK, 1000);
  assert.deepEqual(complete(coordinator, 1, 1900), ['complete 1', 'wake 2600']);
  assert.deepEqual(words(coordinator.handle(TICK, 2599)), []);
  assert.deepEqual(words(coordinator.handle(TICK, 2600)), ['trigger 2', 'wake 7600']);
});

test('does not start a checkpoint while as many as allowed are pending', () => {
  const coordinator = started({ maxConcurrent: 2 });
  assert.deepEqual(words(coordinator.handle(TICK, 1000)), ['trigger 1', 'wake 2000']);
  assert.deepEqual(words(coordinator.handle(TICK, 2000)), ['trigger 2', 'wake 6000']);
  assert.deepEqual(words(coordinator.handle(TICK, 3000)), []);
});

test('subsumes lower pending checkpoints and discards what is beyond the retained ones', () => {
  const coordinator = started({ maxConcurrent: 2 });
  coordinator.handle(TICK, 1000);
  coordinator.handle(TICK, 2000);
  assert.deepEqual(complete(coordinator, 2, 2500), ['complete 2', 'abort 1 subsumed', 'wake 3000']);
  coordinator.handle(TICK, 3000);
  assert.deepEqual(complete(coordinator, 3, 3100), ['complete 3', 'discard 1 2']);
  assert.deepEqual(coordinator.retained, [3]);
});

test('publishes one checkpoint at a time, in the order of their ids', () => {
  const coordinator = started({ maxConcurrent: 2 });
  coordinator.handle(TICK, 1000);
  coordinator.handle(TICK, 2000);
  for (const fact of [ack('a', 1), ack('a', 2), ack('b', 1)]) coordinator.handle(fact, 2100);
  assert.deepEqual(words(coordinator.handle(ack('b', 2), 2100)), []);
  const after = words(coordinator.handle({ kind: 'published', checkpointId: 1 }, 2200));
  assert.deepEqual(after, ['complete 1', 'publish 2', 'wake 3000']);
});

test('a timeout counts as a failure and names the tasks that did not answer', () => {
  const coordinator = started();
  coordinator.handle(TICK, 1000);
  coordinator.handle(ack('a', 1), 1100);
  const decisions = coordinator.handle(TICK, 6000);
  assert.deepEqual(words(decisions), ['abort 1 expired', 'fail-job']);
  const failure = decisions[1];
  assert.match(
    failure?.kind === 'fail-job' ? failure.error.message : '',
    /not acknowledged by b within 5000/,
  );
});

test('fails the job only after more consecutive failures than are tolerated; a success resets the count', () => {
  const coordinator = started({ tolerableFailures: 1 });
  const decline = (id: number): CheckpointFact => ({
    kind: 'decline',
    task: 'a',
    checkpointId: id,
    reason: 'error',
    error: BROKEN,
  });
  coordinator.handle(TICK, 1000);
  assert.deepEqual(words(coordinator.handle(decline(1), 1000)), ['abort 1 declined', 'wake 2000']);
  coordinator.handle(TICK, 2000);
  complete(coordinator, 2, 2000);
  coordinator.handle(TICK, 3000);
  assert.deepEqual(words(coordinator.handle(decline(3), 3000)), ['abort 3 declined', 'wake 4000']);
  coordinator.handle(TICK, 4000);
  assert.deepEqual(words(coordinator.handle(decline(4), 4000)), ['abort 4 declined', 'fail-job']);
  assert.deepEqual(words(coordinator.handle(TICK, 9000)), [], 'a failing job triggers nothing');
});

test('a task that was not running does not count as a failure', () => {
  const coordinator = started();
  coordinator.handle(TICK, 1000);
  const fact = { kind: 'decline', task: 'a', checkpointId: 1, reason: 'not-ready', error: BROKEN } as const;
  assert.deepEqual(words(coordinator.handle(fact, 1000)), ['abort 1 not-ready', 'wake 2000']);
});

test('an id that somebody else took is skipped at once and not counted', () => {
  const coordinator = started();
  coordinator.handle(TICK, 1000);
  const taken = { kind: 'trigger-failed', checkpointId: 1, taken: true, error: BROKEN } as const;
  assert.deepEqual(words(coordinator.handle(taken, 1001)), ['abort 1 taken', 'trigger 2', 'wake 6001']);
  assert.deepEqual(complete(coordinator, 2, 1100), ['complete 2', 'wake 2001'], 'and never removed');
});

test('a stop waits for what is pending, runs alone, and nothing periodic follows it', () => {
  const coordinator = started({ maxConcurrent: 3 });
  coordinator.handle(TICK, 1000);
  const asked = coordinator.handle({ kind: 'request', request: 'stop', token: 's' }, 1500);
  assert.deepEqual(words(asked), ['wake 6000'], 'the schedule waits');
  assert.deepEqual(words(coordinator.handle(TICK, 2000)), []);
  assert.deepEqual(complete(coordinator, 1, 2100), ['complete 1', 'trigger 2', 'wake 7100']);
  assert.equal(coordinator.state.pending.get(2)?.barrier.kind, 'stop');
  const refused = coordinator.handle({ kind: 'request', request: 'manual', token: 'm' }, 2200);
  assert.deepEqual(words(refused), ['failed m']);
  assert.deepEqual(complete(coordinator, 2, 3000), ['complete 2', 'done s 2', 'discard 1']);
  assert.deepEqual(words(coordinator.handle(TICK, 99_000)), []);
});

test('who waits for a stop is answered by a final checkpoint that comes first', () => {
  const coordinator = started();
  for (const request of ['final', 'stop'] as const)
    coordinator.handle({ kind: 'request', request, token: request }, 0);
  assert.deepEqual(complete(coordinator, 1, 10), ['complete 1', 'done final 1', 'done stop 1']);
});

test('stop and final checkpoints are aligned although the job is unaligned', () => {
  const coordinator = started({ unaligned: true, alignedTimeoutMs: 30 });
  coordinator.handle(TICK, 1000);
  assert.deepEqual(coordinator.state.pending.get(1)?.barrier, {
    id: 1,
    timestamp: 1000,
    alignment: 'unaligned',
    alignedTimeoutMs: 30,
    kind: 'periodic',
  });
  coordinator.handle({ kind: 'request', request: 'final', token: 'f' }, 1000);
  complete(coordinator, 1, 1000);
  assert.equal(coordinator.state.pending.get(2)?.barrier.alignment, 'aligned');
});

test('without storage a final request still is a two-phase barrier, and there are no periodic ones', () => {
  const coordinator = started({ storage: false });
  assert.deepEqual(words(coordinator.handle(TICK, 5000)), []);
  const asked = coordinator.handle({ kind: 'request', request: 'final', token: 'f' }, 5000);
  assert.deepEqual(words(asked), ['trigger 1', 'wake 10000']);
  coordinator.handle(ack('a', 1), 5001);
  const [publish] = coordinator.handle(ack('b', 1), 5002);
  assert.equal(publish?.kind === 'publish' && publish.storage, false);
  const done = coordinator.handle({ kind: 'published', checkpointId: 1 }, 5002);
  assert.deepEqual(words(done), ['complete 1', 'done f 1']);
  assert.deepEqual(coordinator.retained, []);
});

test('a manual request ignores schedule and pause; one that is subsumed is answered by the newer checkpoint', () => {
  const coordinator = started({ maxConcurrent: 2, minPauseMs: 10_000 });
  const asked = coordinator.handle({ kind: 'request', request: 'manual', token: 'm' }, 10);
  assert.deepEqual(words(asked), ['trigger 1', 'wake 1010']);
  coordinator.handle(TICK, 1010);
  assert.deepEqual(complete(coordinator, 2, 1100).slice(0, 3), [
    'complete 2',
    'done m 2',
    'abort 1 subsumed',
  ]);
});

test('when the tasks stop, pending checkpoints vanish without a word and requests fail', () => {
  const coordinator = started();
  coordinator.handle(TICK, 1000);
  coordinator.handle({ kind: 'request', request: 'stop', token: 's' }, 1000);
  assert.deepEqual(words(coordinator.handle({ kind: 'tasks-stopped' }, 1100)), ['failed s']);
  assert.deepEqual(coordinator.handle(ack('a', 1), 1100), []);
  coordinator.handle({ kind: 'restored', checkpointId: undefined, nextId: 1 }, 1200);
  coordinator.handle({ kind: 'tasks-running', tasks: ['a', 'b'] }, 1200);
  assert.deepEqual(
    words(coordinator.handle(TICK, 2200)),
    ['trigger 2', 'wake 7200'],
    'ids are not used again',
  );
  assert.deepEqual(complete(coordinator, 2, 2300), ['complete 2', 'discard 1', 'wake 3200']);
});

test('a publication that outlives its tasks decides where the restart begins', () => {
  const coordinator = started();
  coordinator.handle({ kind: 'tasks-stopped' }, 0);
  coordinator.handle({ kind: 'restored', checkpointId: 4, nextId: 7, durable: [3, 4], orphans: [5] }, 0);
  coordinator.handle({ kind: 'tasks-running', tasks: ['a', 'b'] }, 0);
  coordinator.handle(TICK, 1000);
  coordinator.handle(ack('a', 7), 1000);
  coordinator.handle(ack('b', 7), 1000);
  coordinator.handle({ kind: 'tasks-stopped' }, 1100);
  assert.deepEqual(coordinator.restorePoint(), { kind: 'unsettled' });
  const late = coordinator.handle({ kind: 'published', checkpointId: 7 }, 1200);
  assert.deepEqual(words(late), ['discard 3 4 5'], 'nobody is told to commit: the restore does it');
  assert.deepEqual(coordinator.restorePoint(), { kind: 'checkpoint', checkpointId: 7 });
});

test('an unknown outcome of a publication is neither completed nor aborted nor removed: the job fails', () => {
  const coordinator = started({ tolerableFailures: 100 });
  coordinator.handle(TICK, 1000);
  coordinator.handle(ack('a', 1), 1000);
  coordinator.handle(ack('b', 1), 1000);
  const unknown = { kind: 'publish-failed', checkpointId: 1, error: BROKEN, outcomeKnown: false } as const;
  assert.deepEqual(words(coordinator.handle(unknown, 1001)), ['fail-job']);
  assert.deepEqual(coordinator.restorePoint(), { kind: 'unknown' });
  coordinator.handle({ kind: 'tasks-stopped' }, 1002);
  coordinator.handle({ kind: 'restored', checkpointId: 1, nextId: 2, durable: [1] }, 1003);
  assert.deepEqual(coordinator.restorePoint(), { kind: 'checkpoint', checkpointId: 1 });
});

test('a publication that hangs fails the job once, and a late success still counts', () => {
  const coordinator = started();
  coordinator.handle(TICK, 1000);
  coordinator.handle(ack('a', 1), 1000);
  coordinator.handle(ack('b', 1), 1000);
  assert.deepEqual(words(coordinator.handle(TICK, 6000)), ['fail-job']);
  assert.deepEqual(words(coordinator.handle(TICK, 7000)), []);
  assert.deepEqual(words(coordinator.handle({ kind: 'published', checkpointId: 1 }, 7001)), ['complete 1']);
});

test('refuses requests beyond the bound and while no task runs', () => {
  const idle = new CheckpointCoordinator(CONFIG);
  assert.deepEqual(words(idle.handle({ kind: 'request', request: 'stop', token: 'x' }, 0)), ['failed x']);
  const coordinator = started();
  coordinator.handle(TICK, 1000);
  for (let index = 0; index < REQUESTS_MAX; index++) {
    coordinator.handle({ kind: 'request', request: 'manual', token: `${index}` }, 1000);
  }
  const refused = coordinator.handle({ kind: 'request', request: 'manual', token: 'over' }, 1000);
  assert.deepEqual(words(refused), ['failed over']);
});

test('keeps figures with a bounded history', () => {
  const coordinator = started();
  for (let id = 1; id <= 1100; id++) {
    coordinator.handle(TICK, id * 1000);
    complete(coordinator, id, id * 1000 + 10);
  }
  coordinator.handle(TICK, 1_101_000);
  const summary = coordinator.statistics.summary();
  assert.equal(summary.total, 1101);
  assert.equal(summary.completed, 1100);
  assert.equal(summary.inProgress, 1);
  assert.equal(summary.averageBytes, 20);
  assert.equal(summary.averageDurationMs, 10);
  assert.equal(summary.latestCompleted?.id, 1100);
  assert.equal(coordinator.statistics.history.length, 1000);
});

test('refuses settings that contradict each other', () => {
  for (const changes of [
    { intervalMs: 5 },
    { timeoutMs: 1 },
    { maxConcurrent: 0 },
    { retained: 0 },
    { tolerableFailures: -1 },
    { unaligned: true, maxConcurrent: 2 },
    { unaligned: true, mode: 'at-least-once' },
  ] satisfies Partial<CoordinatorConfig>[]) {
    assert.throws(() => new CheckpointCoordinator({ ...CONFIG, ...changes }), { code: 'CONFIG_INVALID' });
  }
});

const SAVEPOINT: CheckpointFact = {
  kind: 'request',
  request: 'savepoint',
  token: 'p',
  target: '/savepoints',
};

test('a savepoint ignores schedule, pause and pending checkpoints, commits nothing and is not restored from', () => {
  const coordinator = started({ minPauseMs: 10_000 });
  coordinator.handle(TICK, 1000);
  const [trigger, ...rest] = coordinator.handle(SAVEPOINT, 1100, 5);
  assert.deepEqual(trigger, {
    kind: 'trigger',
    barrier: {
      id: 2,
      timestamp: 5,
      alignment: 'aligned',
      alignedTimeoutMs: 0,
      kind: 'savepoint',
      savepoint: true,
    },
    storage: true,
    target: '/savepoints',
  });
  assert.deepEqual(rest, []);
  assert.deepEqual(complete(coordinator, 1, 1200), ['complete 1', 'wake 6100'], 'it is not subsumed');
  assert.deepEqual(complete(coordinator, 2, 1300), ['done p 2', 'wake 11300']);
  assert.deepEqual(coordinator.retained, [1]);
  assert.deepEqual(coordinator.restorePoint(), { kind: 'checkpoint', checkpointId: 1 });
  coordinator.handle(TICK, 11_300);
  assert.deepEqual(complete(coordinator, 3, 11_400), ['complete 3', 'discard 1 2', 'wake 21400']);
});

test('a savepoint subsumes nothing, and holds the schedule back while it is pending', () => {
  const coordinator = started();
  coordinator.handle(TICK, 1000);
  coordinator.handle(SAVEPOINT, 1100);
  for (const task of ['a', 'b']) coordinator.handle(ack(task, 2), 1200);
  assert.deepEqual(words(coordinator.handle({ kind: 'published', checkpointId: 2 }, 1300)), ['done p 2']);
  assert.ok(coordinator.state.pending.has(1));
  assert.deepEqual(complete(coordinator, 1, 1900), ['complete 1', 'wake 2000']);
  coordinator.handle(SAVEPOINT, 1950);
  assert.deepEqual(words(coordinator.handle(TICK, 2000)), [], 'one is pending');
});

test('savepoints come one after the other, and one barrier at a time when barriers overtake records', () => {
  const coordinator = started();
  coordinator.handle(SAVEPOINT, 10);
  assert.deepEqual(words(coordinator.handle({ ...SAVEPOINT, token: 'q' }, 20)), []);
  assert.deepEqual(complete(coordinator, 1, 30), ['done p 1', 'trigger 2', 'wake 5030']);
  const unaligned = started({ unaligned: true });
  unaligned.handle(TICK, 1000);
  assert.deepEqual(words(unaligned.handle(SAVEPOINT, 1100)), []);
  assert.deepEqual(complete(unaligned, 1, 1200), ['complete 1', 'trigger 2', 'wake 6200']);
  assert.equal(unaligned.state.pending.get(2)?.barrier.alignment, 'aligned');
});

test('a savepoint that fails tells who asked, counts for nothing and fails no job', () => {
  const decline: CheckpointFact = {
    kind: 'decline',
    task: 'a',
    checkpointId: 1,
    reason: 'error',
    error: BROKEN,
  };
  const coordinator = started();
  coordinator.handle(SAVEPOINT, 10);
  const decisions = coordinator.handle(decline, 20);
  assert.deepEqual(words(decisions), ['abort 1 declined', 'failed p', 'wake 1000']);
  const failed = decisions.find(({ kind }) => kind === 'request-failed');
  assert.ok(failed?.kind === 'request-failed');
  assert.equal(failed.error.code, 'SAVEPOINT_FAILED');
  assert.match(failed.error.message, /\/savepoints: .*broken/);
  coordinator.handle(SAVEPOINT, 30);
  assert.deepEqual(words(coordinator.handle(TICK, 6000)).slice(0, 2), ['abort 2 expired', 'failed p']);
  coordinator.handle(SAVEPOINT, 6000);
  for (const task of ['a', 'b']) coordinator.handle(ack(task, 4), 6100);
});

test('an unknown outcome of a savepoint is told, and is no unknown point of the job', () => {
  const coordinator = started({ intervalMs: 0 });
  coordinator.handle(SAVEPOINT, 10);
  for (const task of ['a', 'b']) coordinator.handle(ack(task, 1), 20);
  const unknown = { kind: 'publish-failed', checkpointId: 1, error: BROKEN, outcomeKnown: false } as const;
  assert.deepEqual(words(coordinator.handle(unknown, 30)), ['failed p']);
  assert.deepEqual(coordinator.restorePoint(), { kind: 'checkpoint', checkpointId: undefined });
});

test('a savepoint that is being published outlives its tasks; one that is not does not', () => {
  const coordinator = started({ intervalMs: 0 });
  coordinator.handle(SAVEPOINT, 10);
  for (const task of ['a', 'b']) coordinator.handle(ack(task, 1), 20);
  assert.deepEqual(words(coordinator.handle({ kind: 'tasks-stopped' }, 30)), []);
  assert.deepEqual(words(coordinator.handle({ kind: 'published', checkpointId: 1 }, 40)), ['done p 1']);
  coordinator.handle({ kind: 'restored', checkpointId: undefined, nextId: 1 }, 50);
  coordinator.handle({ kind: 'tasks-running', tasks: ['a', 'b'] }, 50);
  coordinator.handle({ ...SAVEPOINT, token: 'q' }, 60);
  assert.deepEqual(words(coordinator.handle({ kind: 'tasks-stopped' }, 70)), ['failed q']);
});

test('a stop with a savepoint is a checkpoint with a target; one that never began unseals the job', () => {
  const coordinator = started();
  const stop: CheckpointFact = { kind: 'request', request: 'stop', token: 's', target: '/savepoints' };
  const [trigger] = coordinator.handle(stop, 10);
  assert.ok(trigger?.kind === 'trigger');
  assert.equal(trigger.target, '/savepoints');
  assert.equal(trigger.barrier.savepoint, true);
  const refused = { kind: 'trigger-failed', checkpointId: 1, taken: false, error: BROKEN } as const;
  assert.deepEqual(words(coordinator.handle(refused, 20)), [
    'abort 1 trigger-failed',
    'failed s',
    'wake 1000',
  ]);
  assert.deepEqual(words(coordinator.handle(TICK, 1000)), ['trigger 2', 'wake 6000']);
  assert.deepEqual(complete(coordinator, 2, 1100), ['complete 2', 'discard 1', 'wake 2000']);
  coordinator.handle(stop, 1200);
  coordinator.handle({ ...stop, token: 'other' }, 1200);
  assert.deepEqual(complete(coordinator, 3, 1300), ['complete 3', 'done s 3', 'failed other', 'discard 2']);
});
