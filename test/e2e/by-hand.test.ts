// What a person does to a job that runs, by REST: state written and removed between two records, and drills with their scorecards.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { root } from '../architecture/read.ts';
import type {
  Drill,
  DrillRequest,
  JobFiguresMessage,
  LiveState,
  StateAnswer,
} from '../../src/rest/contract.ts';
import { cleanUp, pause, type Running, startMillrace, temporaryFolder } from './processes.ts';

interface Served {
  readonly running: Running;
  /** Of the one job. */
  readonly own: string;
}

async function serve(test: TestContext, job: string, options: readonly string[] = []): Promise<Served> {
  const cwd = temporaryFolder(test);
  const running = startMillrace(
    ['run', join(root, job), '--ui', '-Drest.port=0', '-Dexecution.checkpointing.interval=300ms', ...options],
    { cwd },
  );
  cleanUp(test, () => running.child.kill('SIGKILL'));
  const address = /dashboard at (http:\/\/localhost:\d+)/;
  await running.outputMatches(address);
  const base = `${address.exec(running.output())![1]!}/v1`;
  const { jobs } = await until(
    () => ask<{ jobs: { id: string; status: string }[] }>(`${base}/jobs`),
    ({ jobs: [first] }) => first?.status === 'RUNNING',
    'the job runs',
  );
  return { running, own: `${base}/x/jobs/${jobs[0]!.id}` };
}

async function ask<T>(address: string): Promise<T> {
  const response = await fetch(address);
  assert.equal(response.status, 200, `${address}: ${await response.clone().text()}`);
  return (await response.json()) as T;
}

async function post<T>(
  address: string,
  body: unknown,
): Promise<{ readonly status: number; readonly body: T }> {
  const response = await fetch(address, { method: 'POST', body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as T };
}

async function until<T>(read: () => Promise<T>, fits: (answer: T) => boolean, what: string): Promise<T> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const answer = await read();
    if (fits(answer)) return answer;
    if (performance.now() > deadline) assert.fail(`${what}: ${JSON.stringify(answer)}`);
    await pause(100);
  }
}

function heldBy({ states }: LiveState, name: string): unknown {
  return states.find((each) => each.name === name)?.value;
}

describe('a job that somebody touches', () => {
  it('holds what was written into it between two records, also after a failure, and goes on from there', async (test) => {
    const { own, running } = await serve(test, 'test/jobs/visits.ts');
    const state = `${own}/state/visits-of-user`;
    await until(
      () => fetch(`${state}?key=user1`).then(async (answer) => (await answer.json()) as Partial<StateAnswer>),
      ({ entries }) => entries?.length === 1,
      'a checkpoint has the key',
    );
    const live = `${state}/live?key=${encodeURIComponent('"user1"')}`;
    const before = await ask<LiveState>(live);
    assert.deepEqual(
      before.states.map(({ name, isHeld, fixed }) => [name, isHeld, fixed]),
      [
        ['limit', false, null],
        ['visits', true, null],
        ['devices', true, null],
        ['slowest', true, 'accumulator'],
      ],
    );
    const devices = before.states.find(({ name }) => name === 'devices')!;
    const leftMs = devices.expiresAt! - before.at;
    assert.ok(leftMs > 3_500_000 && leftMs <= 3_600_000, `${leftMs} ms of an hour are left`);

    const written = await post<LiveState>(`${state}/live`, {
      kind: 'write',
      key: 'user1',
      state: 'limit',
      value: 7,
    });
    assert.deepEqual(
      [written.status, heldBy(written.body, 'limit'), written.body.before?.isHeld],
      [200, 7, false],
    );
    const far = await post<LiveState>(`${state}/live`, {
      kind: 'write',
      key: 'user1',
      state: 'visits',
      value: 1e6,
    });
    assert.equal(far.status, 200, JSON.stringify(far.body));
    // A number of the audit, with what was there before.
    await until(
      () =>
        ask<{ entries: { message: string; fields: Record<string, unknown> }[] }>(
          own.replace(/jobs.*/, 'logs?text=by%20hand'),
        ),
      ({ entries }) =>
        entries.some(
          ({ fields }) => fields['state'] === 'limit' && fields['after'] === 7 && fields['key'] === 'user1',
        ),
      'the log says who was changed, and to what',
    );
    // The next checkpoints have it: what fails afterwards comes back with it.
    await until(
      () => ask<StateAnswer>(`${state}?key=user1`),
      ({ entries }) => entries[0]?.values['limit'] === 7 && Number(entries[0].values['visits']) >= 1e6,
      'a checkpoint has what was written',
    );
    const drill = await post<Drill>(`${own}/drills`, {
      kind: 'fail-task',
      vertex: 1,
      subtask: 0,
    } satisfies DrillRequest);
    assert.equal(drill.status, 202, JSON.stringify(drill.body));
    await until(
      () => ask<{ entries: Drill[] }>(`${own}/drills`),
      ({ entries }) => entries[0]?.status === 'COMPLETED' && entries[0].scorecard !== null,
      'the task is back',
    );
    const after = await until(
      () => ask<LiveState>(live),
      (answer) => Number(heldBy(answer, 'visits')) > 1e6,
      'records are counted on',
    );
    assert.equal(heldBy(after, 'limit'), 7);
    // With its limit of seven the job told of it: what was written is what functions read.
    await running.outputMatches(/VISITS[^\n]*user1: 10000\d\d visits/);

    const removed = await post<LiveState>(`${state}/live`, { kind: 'remove', key: 'user1', state: 'limit' });
    assert.deepEqual([heldBy(removed.body, 'limit'), removed.body.before?.value], [100, 7]);
    for (const [change, why] of [
      [{ kind: 'write', key: 'user1', state: 'visits', value: 'many' }, /it is a string, and was a number/],
      [{ kind: 'write', key: 'user1', state: 'slowest', value: 3 }, /no value, but on the way to one/],
      [{ kind: 'write', key: 'user1', state: 'nothing', value: 3 }, /declares no state "nothing"/],
    ] as const) {
      const refused = await post<{ errors: string[] }>(`${state}/live`, change);
      assert.equal(refused.status, 409);
      assert.match(refused.body.errors[0] ?? '', why);
    }
    const odd = await post(`${state}/live`, { kind: 'turn', key: 'user1', state: 'visits' });
    assert.equal(odd.status, 400);
  });

  it('bears a dropped checkpoint where failed ones are tolerated, and says how long it had none', async (test) => {
    const { own } = await serve(test, 'test/jobs/visits.ts', [
      '-Dexecution.checkpointing.tolerable-failed-checkpoints=3',
    ]);
    const request: DrillRequest = { kind: 'drop-checkpoint' };
    const asked = await Promise.all([1, 2].map(() => post<unknown>(`${own}/drills`, request)));
    const statuses = asked.map(({ status }) => status);
    assert.deepEqual(
      statuses.toSorted((a, b) => a - b),
      [202, 409],
      `one at a time: ${JSON.stringify(asked)}`,
    );
    const { entries } = await until(
      () => ask<{ entries: Drill[] }>(`${own}/drills`),
      ({ entries: [first] }) => first?.status === 'COMPLETED',
      'another checkpoint is complete',
    );
    const [{ checkpoint, scorecard }] = entries as [Drill];
    assert.match(checkpoint!.failure, /dropped by a drill/);
    assert.equal(checkpoint!.isRestarted, false);
    assert.equal(scorecard, null, 'nothing had to recover');
    assert.ok(checkpoint!.nextCheckpointId! > checkpoint!.checkpointId && checkpoint!.exposedMs! > 0);
  });

  it('names the sink that a drill slows down, and is relieved when it is over', async (test) => {
    // As fast as can be, so that a sink that takes 20 ms for a record is felt at once.
    const { own } = await serve(test, 'test/e2e/fast-job.ts', ['-p', '2']);
    await until(
      () => ask<{ figures: JobFiguresMessage }>(own),
      ({ figures }) => (figures.vertices[0]?.recordsOutPerSecond ?? 0) > 1_500,
      'it reads as fast as it should',
    );
    const { job } = await ask<{ job: { vertices: { isSink: boolean }[] } }>(own);
    const vertex = job.vertices.findIndex(({ isSink }) => isSink);
    const request: DrillRequest = { kind: 'slow-sink', vertex, recordMs: 20, forMs: 10_000 };
    const begun = await post<Drill>(`${own}/drills`, request);
    assert.equal(begun.status, 202, JSON.stringify(begun.body));
    const during = await until(
      async () => (await ask<{ figures: JobFiguresMessage }>(own)).figures,
      ({ culprit }) => culprit?.vertex === vertex,
      'the sink is the culprit',
    );
    assert.equal(during.culprit!.why, 'slow-sink');
    const refused = await post<{ errors: string[] }>(`${own}/drills`, request);
    assert.equal(refused.status, 409, 'one at a time');
    const { entries } = await until(
      () => ask<{ entries: Drill[] }>(`${own}/drills`),
      ({ entries: [first] }) => first?.status === 'COMPLETED',
      'nobody waits any more',
    );
    const [{ load }] = entries as [Drill];
    assert.equal(load!.namedAs, 'slow-sink');
    assert.ok(load!.readPerSecondLeast < load!.readPerSecondBefore / 2, JSON.stringify(load));
    assert.ok(load!.relievedAfterMs !== null && !load!.isRestarted, JSON.stringify(load));
    const failing: DrillRequest = { kind: 'fail-task', vertex, subtask: 0 };
    assert.equal((await post(`${own}/drills`, failing)).status, 202);
    const later = await until(
      () => ask<{ entries: Drill[] }>(`${own}/drills`),
      ({ entries: [, second] }) => second?.status === 'COMPLETED',
      'the task is back',
    );
    const [first, second] = later.entries;
    assert.deepEqual(
      [first!.load!.isRestarted, first!.scorecard, first!.attempt, second!.attempt],
      [false, null, null, 2],
      'what fails after a drill is not its doing',
    );
  });

  it('names the subtask to which a drill skews the keys', async (test) => {
    const { own } = await serve(test, 'test/e2e/fast-job.ts', ['-p', '2']);
    const { job } = await ask<{ job: { vertices: { operators: { isKeyed: boolean }[] }[] } }>(own);
    const vertex = job.vertices.findIndex(({ operators }) => operators.some(({ isKeyed }) => isKeyed));
    const request: DrillRequest = { kind: 'skewed-keys', vertex, subtask: 1, recordMs: 20, forMs: 120_000 };
    const source = await post<{ errors: string[] }>(`${own}/drills`, { ...request, vertex: 0 });
    assert.equal(source.status, 409);
    const begun = await post<Drill>(`${own}/drills`, request);
    assert.equal(begun.status, 202, JSON.stringify(begun.body));
    const { culprit } = await until(
      async () => (await ask<{ figures: JobFiguresMessage }>(own)).figures,
      ({ culprit: found }) => found?.why === 'hot-key',
      'a hot key is the culprit',
    );
    assert.deepEqual([culprit!.vertex, culprit!.subtask], [vertex, 1]);
  });
});
