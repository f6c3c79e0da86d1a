// What the scripted server answers when the page asks for what does not come by the stream.
import type {
  ConfigAnswer,
  Drill,
  FlameGraph,
  HotKeys,
  LiveState,
  HistoryAnswer,
  StateAnswer,
  StateOverview,
} from '../../../src/rest/contract.ts';
import { ALERT_RULES } from '../../../src/rest/alert-rules.ts';
import { jobId, raised, startedAt } from './scripted-job.ts';
import type { Answers } from './scripted-server.ts';

const config: ConfigAnswer = {
  entries: [
    {
      key: 'parallelism.default',
      value: '3',
      defaultValue: '1',
      origin: 'job',
      description: 'How many subtasks an operator has that says nothing else.',
    },
    {
      key: 'execution.checkpointing.interval',
      value: '2 s',
      defaultValue: null,
      origin: 'command line',
      description: 'How often a checkpoint is taken.',
    },
    {
      key: 'execution.checkpointing.timeout',
      value: '10 min',
      defaultValue: '10 min',
      origin: 'default',
      description: 'A checkpoint that takes longer fails.',
    },
    {
      key: 'pipeline.operator-chaining.chain-operators-with-different-max-parallelism',
      value: `.millrace/${'a-folder-with-a-long-name/'.repeat(4)}`,
      defaultValue: null,
      origin: 'file',
      description:
        'Key groups of operators that do not set their own: the upper bound of every later parallelism. Default: from the parallelism, at least 128; a text that is longer than a line.',
    },
  ],
};

const drill: Drill = {
  drillId: 'drill-1',
  jobId,
  kind: 'kill-worker',
  ...{ workerId: 'local', slot: 1, vertex: null, subtask: null },
  startedAt: startedAt + 600_000,
  status: 'COMPLETED',
  attempt: 2,
  scorecard: { detectionMs: 12, recoveryMs: 430, recordsReplayed: 7, duplicates: 'none', loss: 'none' },
  ...{ checkpoint: null, load: null },
};

const history: HistoryAnswer = {
  points: Array.from({ length: 60 }, (_, index) => ({
    at: startedAt + 450_000 + index * 5000,
    spanMs: 5000,
    state: 'RUNNING',
    recordsInPerSecond: [0, 0.6 + Math.sin(index / 5) / 8],
    recordsOutPerSecond: [0.6 + Math.sin(index / 5) / 8, 0.02],
    busyShareMax: [0.02, 0.04],
    backPressuredShareMax: [0, 0],
    watermark: ['none', 'none'],
    pendingRecords: [3000 - index * 5, null],
    pendingBytes: [null, null],
    recordsReadPerSecond: 0.6,
    recordsWrittenPerSecond: 0.62,
  })),
};

const state: StateOverview = {
  checkpointId: 165,
  checkpointAt: startedAt + 1_650_000,
  operators: [
    {
      vertex: 1,
      operator: 0,
      uid: 'abnormal-in-a-row',
      name: 'Process',
      states: [
        {
          ...{ name: 'abnormal', kind: 'value', keys: 3, keysBySubtask: [1, 0, 2] },
          bytesBySubtask: [18, 0, 36],
        },
      ],
      largestKeys: [
        { keyText: '"user3"', subtask: 2, bytes: 1340 },
        { keyText: '"user1"', subtask: 2, bytes: 18 },
      ],
      stateBytes: 96,
    },
  ],
};

const keys: StateAnswer = {
  uid: 'abnormal-in-a-row',
  hasMore: false,
  entries: [
    { key: 'user1', keyText: '"user1"', keyGroup: 93, subtask: 2, values: { abnormal: 2 }, timers: [] },
    { key: 'user2', keyText: '"user2"', keyGroup: 2, subtask: 0, values: { abnormal: 0 }, timers: [] },
    {
      ...{ key: 'user3', keyText: '"user3"', keyGroup: 97, subtask: 2, timers: [] },
      values: { abnormal: 3, $evidence: raised.evidence.trail?.steps },
    },
  ],
};

const hotKeys: HotKeys = {
  ...{ uid: 'abnormal-in-a-row', startedAt, durationMs: 5000, status: 'COMPLETED', failure: null },
  ...{ records: 300, missedMax: 0 },
  keys: [
    { keyText: '"user1"', keyGroup: 93, subtask: 2, records: 110 },
    { keyText: '"user3"', keyGroup: 97, subtask: 2, records: 98 },
    { keyText: '"user2"', keyGroup: 2, subtask: 0, records: 92 },
  ],
};

/** What the task of a key answers. */
function liveAsked(query: URLSearchParams): LiveState {
  const at = Date.now();
  const nothing = { changedAt: null, expiresAt: null, fixed: null };
  return {
    uid: 'abnormal-in-a-row',
    keyText: query.get('key') ?? '"user3"',
    subtask: 2,
    at,
    before: null,
    states: [
      { name: 'abnormal', kind: 'value', isHeld: true, value: 3, ...nothing },
      {
        ...{ name: 'devices', kind: 'map', isHeld: true, value: { phone: 4, desk: 1 }, fixed: null },
        ...{ changedAt: at - 120_000, expiresAt: at + 3_480_000 },
      },
      { ...nothing, name: 'mean', kind: 'aggregating', isHeld: true, value: [3, 7], fixed: 'accumulator' },
    ],
  };
}

/** One key, or all of them. */
function keysAsked(query: URLSearchParams): StateAnswer {
  const wanted = query.get('key');
  const entries = keys.entries.filter(({ keyText }) => wanted === null || keyText === wanted);
  return { ...keys, entries };
}

const jobMetrics = [
  { id: 'numRestarts', value: '0' },
  { id: 'lastCheckpointDuration', value: '61' },
  { id: 'lastCheckpointSize', value: '6144' },
  { id: 'lastCheckpointExternalPath', value: `.millrace/checkpoints/${jobId}/chk-165` },
  // Their names together are longer than an address may be.
  ...Array.from({ length: 300 }, (_, index) => ({
    id: `latency.source_id.${'0'.repeat(32)}.operator_id.${'1'.repeat(32)}.operator_subtask_index.${index}.latency_p99`,
    value: '4',
  })),
];

/** Flink's way: names without `?get=`, values of those that it names. */
function metricsAsked(query: URLSearchParams): object[] {
  const wanted = query.get('get')?.split(',');
  return jobMetrics.flatMap(({ id, value }) =>
    wanted === undefined ? [{ id }] : wanted.includes(id) ? [{ id, value }] : [],
  );
}

const flame: FlameGraph = {
  jobId,
  vertex: 0,
  subtask: null,
  startedAt: startedAt + 700_000,
  durationMs: 2000,
  status: 'COMPLETED',
  failure: null,
  busiestShare: 0.33,
  isWholeThread: false,
  root: {
    name: 'root',
    origin: 'engine',
    value: 1800,
    children: [
      {
        name: 'poll (source-operator.js:96)',
        origin: 'engine',
        value: 1790,
        children: [{ name: 'score (job.ts:12)', origin: 'job', value: 1200, children: [] }],
      },
    ],
  },
};

/** By method and path, without the query. */
export const answers: Answers = {
  'GET /v1/x/alerts/rules': { entries: ALERT_RULES },
  [`GET /v1/x/jobs/${jobId}/config`]: config,
  [`GET /v1/x/jobs/${jobId}/vertices/${'0'.repeat(32)}/flamegraph`]: { graph: flame },
  [`GET /v1/x/jobs/${jobId}/vertices/${'0'.repeat(32)}/flamegraph?subtask=1`]: { graph: null },
  [`POST /v1/x/jobs/${jobId}/latency`]: { jobId, intervalMs: 500, endsAt: startedAt + 784_000 },
  [`GET /v1/x/jobs/${jobId}/drills`]: { entries: [drill] },
  [`GET /v1/x/jobs/${jobId}/history`]: history,
  [`GET /v1/x/jobs/${jobId}/state`]: state,
  [`GET /v1/x/jobs/${jobId}/state/abnormal-in-a-row`]: keysAsked,
  [`GET /v1/x/jobs/${jobId}/state/abnormal-in-a-row/live`]: liveAsked,
  [`GET /v1/x/jobs/${jobId}/state/abnormal-in-a-row/hot-keys`]: { counted: hotKeys },
  [`GET /v1/jobs/${jobId}/metrics`]: metricsAsked,
};
