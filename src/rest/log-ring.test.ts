import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LOG_LINES_KEPT, LogRing } from './log-ring.ts';

const ORIGIN = {
  jobId: 'j',
  workerId: 'w',
  slot: 1,
  attempt: 3,
  vertexOf: (uid: string) => (uid === 'count' ? 'Process' : undefined),
};

test('a line knows where it comes from, by its fields and by its thread', () => {
  const ring = new LogRing();
  ring.add(
    {
      at: 5,
      level: 'warn',
      message: 'slow',
      fields: { uid: 'count', subtask: 2, error: { code: 'FENCED' }, n: 1 },
    },
    ORIGIN,
  );
  ring.add({ at: 6, level: 'info', message: 'plain', fields: {} });
  assert.deepEqual(ring.last(10), [
    {
      ...{ logId: 1, at: 5, level: 'warn', message: 'slow', jobId: 'j', vertex: 'Process', uid: 'count' },
      ...{ subtask: 2, attempt: 3, slot: 1, workerId: 'w', code: 'FENCED' },
      fields: { error: { code: 'FENCED' }, n: 1 },
    },
    {
      ...{ logId: 2, at: 6, level: 'info', message: 'plain', jobId: null, vertex: null, uid: null },
      ...{ subtask: null, attempt: null, slot: null, workerId: null, code: null },
      fields: {},
    },
  ]);
});

test('lines are found by all that they say, the newest within the limit, and what is older on request', () => {
  const ring = new LogRing();
  for (let n = 0; n < 20; n += 1) {
    const level = n % 4 === 0 ? 'error' : 'info';
    ring.add({ at: n, level, message: `line ${n}`, fields: { uid: n % 2 === 0 ? 'even' : 'odd' } }, ORIGIN);
  }
  const ids = (query: Parameters<LogRing['find']>[0]): number[] =>
    ring.find(query).entries.map(({ logId }) => logId);
  assert.deepEqual(ids({ level: 'warn' }), [1, 5, 9, 13, 17]);
  assert.deepEqual(ids({ uid: 'odd', limit: 2 }), [18, 20]);
  assert.equal(ring.find({ uid: 'odd', limit: 2 }).hasMore, true);
  assert.deepEqual(ids({ text: 'LINE 7' }), [8]);
  assert.deepEqual(ids({ before: 3 }), [1, 2]);
  assert.deepEqual(ids({ jobId: 'other' }), []);
});

test('the oldest lines go, and listeners hear each one until they leave', () => {
  const ring = new LogRing();
  const heard: number[] = [];
  const leave = ring.listen(({ logId }) => void heard.push(logId));
  for (let n = 0; n < LOG_LINES_KEPT + 5; n += 1) {
    if (n === 3) leave();
    ring.add({ at: n, level: 'info', message: '', fields: {} });
  }
  assert.deepEqual(heard, [1, 2, 3]);
  assert.equal(ring.last(Number.MAX_SAFE_INTEGER).length, LOG_LINES_KEPT);
  assert.equal(ring.last(1)[0]?.logId, LOG_LINES_KEPT + 5);
});
