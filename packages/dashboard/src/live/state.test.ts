// The state of the page after each kind of message.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkpoint, demo, figures, hello, jobId, overview, startedAt } from '../../test/scripted-job.ts';
import {
  after,
  checkpointsMax,
  type LiveState,
  lost,
  nothingYet,
  type StreamMessage,
  ticksMax,
} from './state.ts';

const play = (messages: readonly StreamMessage[], from: LiveState = nothingYet): LiveState =>
  messages.reduce((state, message) => after(state, message, startedAt), from);

describe('the state of the page', () => {
  it('is live after a greeting, and knows how far the clocks are apart', () => {
    const state = play([{ name: 'hello', data: { ...hello, serverTime: startedAt + 5000 } }]);
    assert.deepEqual(state.connection, { kind: 'live' });
    assert.equal(state.clockAheadMs, 5000);
  });

  it('refuses a server of another contract', () => {
    const state = play([{ name: 'hello', data: { ...hello, contractVersion: 2 } }]);
    assert.deepEqual(state.connection, { kind: 'incompatible', version: 2 });
    assert.equal(lost(state, startedAt).connection.kind, 'incompatible');
  });

  it('keeps what it has when the connection is lost, and since when', () => {
    const state = lost(lost(play(demo()), 100), 200);
    assert.deepEqual(state.connection, { kind: 'lost', since: 100 });
    assert.equal(state.jobs.get(jobId)?.checkpoints.length, 75);
  });

  it('is final after a last goodbye, which a lost connection does not change', () => {
    const state = play([...demo(), { name: 'bye', data: { reason: 'shutting-down', final: true } }]);
    assert.equal(lost(state, 100).connection.kind, 'ended');
    const cutOff = play([...demo(), { name: 'bye', data: { reason: 'too-slow', final: false } }]);
    assert.equal(cutOff.connection.kind, 'live');
  });

  it('replaces a checkpoint by its number, and keeps the order', () => {
    const open = checkpoint(166, { status: 'IN_PROGRESS' });
    const state = play([
      ...demo(),
      { name: 'checkpoint', data: open },
      { name: 'checkpoint', data: checkpoint(166) },
    ]);
    const ids = state.jobs.get(jobId)?.checkpoints.map(({ checkpointId }) => checkpointId) ?? [];
    assert.deepEqual(ids.slice(-3), [164, 165, 166]);
    assert.equal(state.jobs.get(jobId)?.checkpoints.at(-1)?.status, 'COMPLETED');
    assert.equal(state.jobs.get(jobId)?.details.get(166)?.status, 'COMPLETED');
  });

  it('forgets jobs of a process that is gone', () => {
    const state = play([{ name: 'overview', data: { ...overview, jobs: [] } }], play(demo()));
    assert.equal(state.jobs.size, 0);
  });

  it('goes on with its plots when it connects again', () => {
    const state = play(demo(), play(demo()));
    assert.equal(state.jobs.get(jobId)?.ticks.length, 2);
  });

  it('is bounded whatever comes', () => {
    const many: StreamMessage[] = [];
    for (let index = 0; index < checkpointsMax + 10; index += 1) {
      many.push({ name: 'checkpoint', data: checkpoint(index) });
      many.push({ name: 'figures', data: figures({ at: startedAt + index }) });
    }
    const job = play(many).jobs.get(jobId);
    assert.equal(job?.checkpoints.length, checkpointsMax);
    assert.equal(job?.ticks.length, ticksMax);
    assert.equal(job?.details.size, 60);
    assert.ok(job.details.has(checkpointsMax + 9) && !job.details.has(0));
  });
});
