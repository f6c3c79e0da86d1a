import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobDescription, JobFiguresMessage, Overview, RescaleMessage } from '../rest/contract.ts';
import { infoText, type JobInfo, overviewText } from './show.ts';

const job = {
  jobId: '1f',
  name: 'visits',
  vertices: [{ name: 'Source: lines', parallelism: 2 }],
  checkpointing: {},
} as unknown as JobDescription;

const figures = {
  jobId: '1f',
  state: 'RUNNING',
  durationMs: 4_200,
  restarts: 1,
  checkpoints: { completed: 3, failed: 1 },
  vertices: [
    {
      recordsIn: 0,
      recordsOut: 12_345,
      busyShare: 0.25,
      subtasks: [{ state: 'RUNNING' }, { state: 'DEPLOYING' }],
    },
  ],
} as unknown as JobFiguresMessage;

const rescale: RescaleMessage = {
  rescaleUuid: 'a',
  vertices: {
    v: {
      jobVertexName: 'Source: lines',
      desiredParallelism: 4,
      preRescaleParallelism: 2,
      postRescaleParallelism: null,
    },
  },
  startTimestampInMillis: 0,
  endTimestampInMillis: 5,
  terminalState: 'FAILED',
  triggerCause: 'UPDATE_REQUIREMENT',
  terminatedReason: 'EXCEPTION_OCCURRED',
  schedulerStates: [],
};

function shown(over: Partial<JobInfo> = {}): string {
  return infoText({ job, figures, checkpoints: [], exceptions: [], rescales: [], ...over });
}

test('a job is shown with its vertices, checkpoints, rescales and failures', () => {
  const checkpoint = {
    checkpointId: 3,
    status: 'COMPLETED',
    durationMs: 12,
    stateBytes: 2_048,
    path: '/c/chk-3',
  } as JobInfo['checkpoints'][number];
  const failure = {
    at: 0,
    code: 'TASK_MANAGER_LOST',
    message: 'gone\nat x',
    taskName: null,
    consequence: 'restart in 1000 ms',
  } as JobInfo['exceptions'][number];
  assert.equal(
    shown({ checkpoints: [checkpoint], exceptions: [failure], rescales: [rescale] }),
    `visits (1f)
  RUNNING for 4.2 s, 1 restart
Vertices
  Source: lines  1 of 2 run  0 in, 12,345 out  25 % busy
Checkpoints: 3 completed, 1 failed
  latest: 3, 12 ms, 2.0 KB, /c/chk-3
Rescales
  1970-01-01T00:00:00.000Z  FAILED (EXCEPTION_OCCURRED)  Source: lines 2 to 4
Failures
  1970-01-01T00:00:00.000Z  TASK_MANAGER_LOST: gone (restart in 1000 ms)
`,
  );
});

test('a job that takes no checkpoints says so, and what there is none of is left out', () => {
  const text = shown({ job: { ...job, checkpointing: null } });
  assert.match(text, /^No checkpoints are taken$/m);
  assert.doesNotMatch(text, /Rescales|Failures/);
});

test('a cluster is shown with its TaskManagers and jobs', () => {
  const overview = {
    slotsTotal: 2,
    slotsFree: 1,
    workers: [
      { workerId: 'tm-1', address: 'h', processId: 7, slots: [{ state: 'free' }, { state: 'busy' }] },
    ],
    jobs: [
      {
        jobId: '1f',
        name: 'visits',
        state: 'RUNNING',
        durationMs: 900,
        restarts: 0,
        tasks: { RUNNING: 1, DEPLOYING: 1 },
        lastCheckpoint: { checkpointId: 3 },
      },
    ],
  } as unknown as Overview;
  assert.equal(
    overviewText(overview),
    `1 TaskManager, 1 of 2 slots free
  tm-1  h  process 7  1 of 2 slots free
1 job
  1f  visits  RUNNING for 900 ms  1 of 2 subtasks run  checkpoint 3
`,
  );
});
