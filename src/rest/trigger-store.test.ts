import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../base/random.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { STORED_MS, TriggerStore } from './trigger-store.ts';

const KEY = { what: 'checkpoint', jobId: 'j' };
const ID = '0123456789abcdef0123456789abcdef';

function store(): { clock: ManualClock; triggers: TriggerStore } {
  const clock = new ManualClock();
  return { clock, triggers: new TriggerStore(clock, seededRandom(1)) };
}

function status(triggers: TriggerStore, id: string, key = KEY): unknown {
  const answer = triggers.look(key, id);
  assert.equal(answer.kind, 'json');
  return answer.kind === 'json' ? answer.body : undefined;
}

test('an operation is under way, then done, with what came out', async () => {
  const { triggers } = store();
  const work = Promise.withResolvers<unknown>();
  const id = triggers.begin(
    KEY,
    undefined,
    () => work.promise,
    (cause) => ({ 'failure-cause': cause }),
  );
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.deepEqual(status(triggers, id), { status: { id: 'IN_PROGRESS' } });
  work.resolve({ location: '/sp' });
  await work.promise;
  assert.deepEqual(status(triggers, id), { status: { id: 'COMPLETED' }, operation: { location: '/sp' } });
});

test('one that failed says so in the shape of its kind', async () => {
  const { triggers } = store();
  const failed = Promise.reject(new Error('disk full'));
  const id = triggers.begin(
    KEY,
    undefined,
    () => failed,
    (cause) => ({ 'failure-cause': cause }),
  );
  await failed.catch(() => {});
  const body = status(triggers, id) as {
    operation: { 'failure-cause': { class: string; 'stack-trace': string } };
  };
  assert.equal(body.operation['failure-cause'].class, 'Error');
  assert.match(body.operation['failure-cause']['stack-trace'], /disk full/);
});

test('the same trigger id is the same operation, and of one kind only', () => {
  const { triggers } = store();
  let begun = 0;
  const work = (): Promise<unknown> => {
    begun += 1;
    return Promise.resolve();
  };
  assert.equal(
    triggers.begin(KEY, ID, work, () => null),
    ID,
  );
  assert.equal(
    triggers.begin(KEY, ID, work, () => null),
    ID,
  );
  assert.equal(begun, 1);
  assert.throws(
    () => triggers.begin({ what: 'disposal', jobId: '' }, ID, work, () => null),
    /another operation/,
  );
  assert.throws(() => triggers.look({ ...KEY, jobId: 'other' }, ID), /no operation/);
  assert.throws(() => triggers.begin(KEY, 'short', work, () => null), /32 hexadecimal digits/);
});

test('a result is forgotten after five minutes', async () => {
  const { clock, triggers } = store();
  const done = Promise.resolve({});
  triggers.begin(
    KEY,
    ID,
    () => done,
    () => null,
  );
  await done;
  clock.advance(STORED_MS);
  assert.deepEqual(status(triggers, ID), { status: { id: 'COMPLETED' }, operation: {} });
  clock.advance(1);
  assert.throws(() => triggers.look(KEY, ID), /no operation/);
});
