import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMillraceError, MillraceError, serializeError } from '../../base/errors.ts';
import { recordingLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import type { JobChange, JobDescription, JobMasterAsked, JobPicture } from '../messages.ts';
import { JobMirror } from './job-mirror.ts';

const description = {
  jobId: 'j',
  graph: { name: 'job', vertices: [], edges: [], fingerprint: 'f' },
  jobParameters: { rate: '7' },
  checkpointsDirectory: '/checkpoints/j',
} as unknown as JobDescription;

function picture(over: Partial<JobPicture>): JobPicture {
  return {
    state: 'RUNNING',
    stateTimes: { RUNNING: 20 },
    startedAt: 10,
    attempt: 1,
    parallelism: [],
    requirements: [],
    restoredCheckpointId: undefined,
    executions: [],
    threads: new Map(),
    figures: { state: 'RUNNING', restarts: 0 } as JobPicture['figures'],
    accumulators: {},
    failedAccumulators: {},
    exceptions: [],
    rescales: [],
    heldSnapshot: undefined,
    latestCheckpoint: undefined,
    ...over,
  };
}

function mirror(first: Partial<JobPicture> = {}): {
  readonly job: JobMirror;
  readonly asked: JobMasterAsked[];
} {
  const asked: JobMasterAsked[] = [];
  const env = { clock: new ManualClock(), random: seededRandom('m'), log: recordingLog() } as never;
  const job = new JobMirror(env, description, picture(first), {
    cancel: () => {},
    stop: () => {},
    killSlot: () => {},
    ask: (request) => {
      asked.push(request);
      return Promise.resolve({ id: 3, path: '/p' } as never);
    },
  });
  return { job, asked };
}

test('who watches sees the new picture when it is told of a change', () => {
  const { job } = mirror({ attempt: 1 });
  const told: string[] = [];
  const stop = job.observe({
    onState: (state) => told.push(`${state} ${job.state} ${job.attempt}`),
    onCheckpoint: ({ id }) => told.push(`checkpoint ${id} ${job.latestCheckpoint}`),
  });
  job.changed({
    picture: picture({ state: 'RESTARTING', attempt: 2, latestCheckpoint: '/c/4' }),
    events: [
      { kind: 'checkpoint', checkpoint: { id: 4, path: '/c/4' } },
      { kind: 'state', state: 'RESTARTING' },
    ],
  });
  assert.deepEqual(told, ['checkpoint 4 /c/4', 'RESTARTING RESTARTING 2']);
  stop();
  job.changed({ picture: picture({}), events: [{ kind: 'state', state: 'RUNNING' }] });
  assert.equal(told.length, 2);
});

test('what was logged before anybody watched is told to the first who does, once (JX-3)', () => {
  const { job } = mirror();
  const line = (n: number): JobChange['events'][number] => ({
    kind: 'log',
    slot: 0,
    entry: { at: n, level: 'info', message: `line ${n}`, fields: {} },
  });
  for (let n = 1; n <= 1_002; n++) job.changed({ picture: picture({}), events: [line(n)] });
  job.observe({ onState: () => {} });
  const heard: string[] = [];
  job.observe({ onLog: (_slot, { message }) => heard.push(message) });
  assert.deepEqual([heard.length, heard[0], heard.at(-1)], [1_000, 'line 3', 'line 1002']);
  job.changed({ picture: picture({}), events: [line(1_003)] });
  const late: string[] = [];
  job.observe({ onLog: (_slot, { message }) => late.push(message) });
  assert.deepEqual([heard.at(-1), late], ['line 1003', []]);
});

test('another job master goes on with the attempts and the start of the one that died', () => {
  const { job } = mirror({ attempt: 3, startedAt: 10 });
  job.replaced(picture({ attempt: 0, startedAt: 99 }));
  assert.deepEqual([job.startedAt, job.attempt], [10, 3]);
  job.changed({ picture: picture({ attempt: 1, startedAt: 99 }), events: [] });
  assert.deepEqual([job.startedAt, job.attempt, job.figures().restarts], [10, 4, 3]);
});

test('an end that only the JobManager knows of is told once, and nothing changes it', () => {
  const { job } = mirror();
  const told: string[] = [];
  job.observe({ onState: (state) => told.push(state) });
  job.endAs('FAILED', 77);
  job.endAs('CANCELED', 78);
  job.changed({ picture: picture({}), events: [{ kind: 'state', state: 'RUNNING' }] });
  assert.deepEqual([job.state, job.endedAt, job.stateTimes.FAILED, told], ['FAILED', 77, 77, ['FAILED']]);
  const finished = mirror({ state: 'FINISHED', stateTimes: { FINISHED: 50 } }).job;
  finished.endAs('FAILED', 77);
  assert.deepEqual([finished.state, finished.endedAt], ['FINISHED', 50]);
});

test('accumulators that failed are errors again', () => {
  const error = serializeError(new MillraceError('ASSERTION_FAILED', 'no'));
  const { job } = mirror({ accumulators: { good: 1 }, failedAccumulators: { bad: error } });
  const { good, bad } = job.accumulators();
  assert.equal(good, 1);
  assert.ok(isMillraceError(bad, 'ASSERTION_FAILED'));
});

test('what is asked goes to the job master, and checkpoints lie where it says', async () => {
  const { job, asked } = mirror();
  assert.deepEqual(await job.triggerCheckpoint(), { id: 3, path: '/p' });
  await job.triggerSavepoint({ target: '/t', cancelJob: true });
  await job.stopWithSavepoint({ drain: true });
  assert.deepEqual(asked, [
    { kind: 'checkpoint' },
    { kind: 'savepoint', request: { target: '/t', cancelJob: true } },
    { kind: 'stop-with-savepoint', request: { drain: true } },
  ]);
  assert.equal(job.checkpointPath(8), '/checkpoints/j/chk-8');
  assert.deepEqual(job.compiled.declarations.jobParameters, { rate: '7' });
});
