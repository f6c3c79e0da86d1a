// Questions to a task: answered between two records, refused when it does not come to one, never done afterwards.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMillraceError } from '../base/errors.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { BetweenRecords, WAIT_MS } from './between-records.ts';

test('is answered in order when the task is between two records, with what was thrown too', async () => {
  const questions = new BetweenRecords(new ManualClock());
  const seen: string[] = [];
  const first = questions.ask(() => seen.push('first'));
  const second = questions.ask(() => {
    throw new Error('no such state');
  });
  assert.deepEqual([seen, questions.isEmpty], [[], false]);
  questions.run();
  assert.equal(await first, 1);
  await assert.rejects(second, /no such state/);
  assert.ok(questions.isEmpty);
});

test('is refused when the task is occupied for too long, and not done afterwards', async () => {
  const clock = new ManualClock();
  const questions = new BetweenRecords(clock);
  let done = 0;
  const asked = questions.ask(() => (done += 1));
  clock.advance(WAIT_MS);
  await assert.rejects(asked, (error) => isMillraceError(error, 'TASK_OCCUPIED'));
  questions.run();
  assert.equal(done, 0);
});

test('is refused when the task ends, before and afterwards', async () => {
  const clock = new ManualClock();
  const questions = new BetweenRecords(clock);
  const asked = questions.ask(() => 1);
  questions.end();
  await assert.rejects(asked, (error) => isMillraceError(error, 'JOB_NOT_RUNNING'));
  await assert.rejects(
    questions.ask(() => 1),
    (error) => isMillraceError(error, 'JOB_NOT_RUNNING'),
  );
  assert.equal(clock.pending, 0);
});

test('is refused when too many wait already', async () => {
  const questions = new BetweenRecords(new ManualClock());
  const waiting = Array.from({ length: 64 }, (_, each) => questions.ask(() => each));
  await assert.rejects(
    questions.ask(() => 1),
    (error) => isMillraceError(error, 'TASK_OCCUPIED'),
  );
  questions.run();
  assert.equal((await Promise.all(waiting)).length, 64);
});
