import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMillraceError } from '../../base/errors.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../base/time.ts';
import type { JobGraph } from '../../graph/job-graph.ts';
import { WatermarkAlignmentGroups, type WatermarkLimit } from './watermark-alignment.ts';

/** Sources with their group, drift and parallelism, in the order of their vertices. */
function groupsOf(...sources: (readonly [string | undefined, number, number])[]): WatermarkAlignmentGroups {
  const vertices = sources.map(([group, maxDriftMs, parallelism]) => ({
    parallelism,
    operators: [group === undefined ? {} : { alignment: { group, maxDriftMs } }],
  }));
  return new WatermarkAlignmentGroups({ vertices } as unknown as JobGraph);
}

function limit(vertex: number, subtask: number, maxWatermark: number): WatermarkLimit {
  return { vertex, subtask, maxWatermark };
}

function at(watermark: number | undefined, waiting = false) {
  return { watermark, waiting };
}

const A = { vertex: 0, subtask: 0 };
const B = { vertex: 1, subtask: 0 };

test('who has told nothing yet holds the others back, as far as their drift (WA-1)', () => {
  const groups = groupsOf(['g', 10, 1], ['g', 10, 1]);
  assert.deepEqual(groups.report(A, at(1_000, true)), []);
  assert.deepEqual(groups.report(B, at(400)), [limit(0, 0, 410), limit(1, 0, 410)]);
});

test('whoever reports is answered, and of the others only those who wait are told of a higher limit (WA-3)', () => {
  const groups = groupsOf(['g', 10, 3]);
  const [first, second, third] = [0, 1, 2].map((subtask) => ({ vertex: 0, subtask }));
  groups.report(first!, at(100));
  groups.report(second!, at(103));
  assert.deepEqual(groups.report(third!, at(120, true)), [limit(0, 2, 110)]);
  assert.deepEqual(groups.report(first!, at(105)), [limit(0, 0, 113), limit(0, 2, 113)]);
  assert.deepEqual(groups.report(second!, at(103)), [limit(0, 1, 113)]);
  assert.deepEqual(groups.report(second!, at(103)), []);
});

test('all are told when somebody who is behind comes back, and their limit falls (WA-3)', () => {
  const groups = groupsOf(['g', 10, 1], ['g', 10, 1]);
  groups.report(B, at(undefined));
  assert.deepEqual(groups.report(A, at(1_000)), [limit(0, 0, 1_010)]);
  assert.deepEqual(groups.report(B, at(200)), [limit(0, 0, 210), limit(1, 0, 210)]);
});

test('who is idle, has no split or has ended holds nobody back; nobody in the minimum is no limit (WA-2)', () => {
  const groups = groupsOf(['g', 10, 1], ['g', 10, 1]);
  groups.report(A, at(1_000, true));
  assert.deepEqual(groups.report(B, at(undefined)), [limit(0, 0, 1_010), limit(1, 0, 1_010)]);
  assert.deepEqual(groups.report(A, at(undefined, true)), [limit(0, 0, MAX_TIMESTAMP)]);
});

test('each source of a group has its own drift, and groups do not know each other', () => {
  const groups = groupsOf(['g', 10, 1], ['g', 500, 1], ['h', 1, 1], [undefined, 0, 4]);
  groups.report(A, at(100));
  assert.deepEqual(groups.report(B, at(90, true)), [limit(1, 0, 590)]);
  assert.deepEqual(groups.report({ vertex: 2, subtask: 0 }, at(-7)), [limit(2, 0, -6)]);
  assert.throws(
    () => groups.report({ vertex: 3, subtask: 0 }, at(0)),
    (error) => isMillraceError(error, 'ASSERTION_FAILED'),
  );
});

test('limits stay within the timestamps (WA-4)', () => {
  const groups = groupsOf(['g', Number.MAX_SAFE_INTEGER, 1]);
  assert.deepEqual(groups.report(A, at(MIN_TIMESTAMP)), []);
  assert.deepEqual(groups.report(A, at(5)), [limit(0, 0, MAX_TIMESTAMP)]);
  const near = groupsOf(['g', 10, 1]);
  assert.deepEqual(near.report(A, at(MAX_TIMESTAMP - 10)), [limit(0, 0, MAX_TIMESTAMP)]);
  assert.deepEqual(near.report(A, at(MAX_TIMESTAMP)), []);
  const none = groupsOf(['g', 0, 1]);
  assert.deepEqual(none.report(A, at(MIN_TIMESTAMP + 1)), [limit(0, 0, MIN_TIMESTAMP + 1)]);
});
