import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MillraceError } from '../base/errors.ts';
import type { JobResult } from '../cluster/job-manager/job-result.ts';
import { summaryJson, summaryText } from './summary.ts';
import { styleOf } from './terminal.ts';

const GRAPH = { name: 'a job', vertices: [], edges: [], fingerprint: '' };
const RESULT: JobResult = {
  status: 'FINISHED',
  jobId: 'id',
  jobName: 'a job',
  checkpoint: undefined,
  restoredFrom: undefined,
  savepoint: undefined,
  error: undefined,
  exceptions: [],
  accumulators: {
    seen: 7,
    words: ['a', 'b'],
    set: new Set([1]),
    large: 2n ** 70n,
    broken: new MillraceError('ACCUMULATOR_INVALID', 'it could not be merged'),
  },
  figures: {
    state: 'FINISHED',
    elapsedMs: 1_000,
    restarts: 0,
    vertices: [],
    counters: { brokenLines: 2 },
    checkpoints: {
      triggered: 0,
      completed: 0,
      failed: 0,
      inProgress: 0,
      restored: 0,
      averageBytes: 0,
      averageDurationMs: 0,
      last: undefined,
    },
  },
};

test('the result as JSON is one line, and what is no JSON stands in it as text', () => {
  const text = summaryJson({ result: RESULT, graph: GRAPH, targets: new Map([['sink', '/out']]) });
  assert.equal(text.indexOf('\n'), text.length - 1);
  const { status, accumulators, counters, outputs, recordsRead } = JSON.parse(text);
  assert.deepEqual(
    { status, counters, outputs, recordsRead },
    {
      status: 'FINISHED',
      counters: { brokenLines: 2 },
      outputs: { sink: '/out' },
      recordsRead: 0,
    },
  );
  assert.deepEqual(accumulators, {
    seen: 7,
    words: ['a', 'b'],
    set: 'Set(1) { 1 }',
    large: '1180591620717411303424n',
    broken: 'it could not be merged',
  });
});

test('the summary has a line for each accumulator, cut where it is long', () => {
  const accumulators = { ...RESULT.accumulators, long: 'x'.repeat(1_000) };
  const lines = summaryText({
    result: { ...RESULT, accumulators },
    graph: GRAPH,
    targets: new Map(),
    resume: '',
    workingDirectory: '/',
    style: styleOf(false),
  }).split('\n');
  assert.ok(lines.includes('  accumulator seen: 7'));
  assert.ok(lines.includes(`  accumulator long: "${'x'.repeat(199)}…`));
});

test('the summary says which share of the records each bound would have made late, where it changes', () => {
  const operator = {
    uid: 'logins',
    explicitUid: true,
    id: '',
    name: 'logins',
    kind: 'source',
    keyed: false,
    stateful: true,
    poison: 'fail',
    chained: [],
  } as const;
  const vertex = {
    id: '',
    name: 'logins',
    parallelism: 1,
    maxParallelism: 1,
    operators: [operator],
    source: true,
  };
  const bounds = [0, 1, 2, 5].map((boundMs, index) => ({ boundMs, late: [30, 30, 1, 0][index]! }));
  const lateness = { records: 1_000, behindMsMax: 4, bounds };
  const figures = {
    ...RESULT.figures,
    vertices: [
      {
        name: 'logins',
        parallelism: 1,
        recordsIn: 0,
        recordsOut: 1_000,
        operators: [{ recordsIn: 0, recordsOut: 1_000, lateness }],
        busyMs: 0,
        backPressuredMs: 0,
        watermark: undefined,
        counters: {},
        subtasks: [],
      },
    ],
  };
  const options = { result: { ...RESULT, figures }, graph: { ...GRAPH, vertices: [vertex] } };
  const text = summaryText({
    ...options,
    targets: new Map(),
    resume: '',
    workingDirectory: '/',
    style: styleOf(false),
  });
  assert.match(text, /lateness {4}logins, late with a bound of 1 ms: 3 %, 2 ms: 0\.1 %, 4 ms: none\n/);
  assert.deepEqual(JSON.parse(summaryJson({ ...options, targets: new Map() })).lateness, {
    logins: lateness,
  });
});
