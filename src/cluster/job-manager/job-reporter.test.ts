import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import type { JobChange } from '../messages.ts';
import type { JobListener } from './job-listener.ts';
import type { JobMaster } from './job-master.ts';
import { JobReporter } from './job-reporter.ts';

function reporter(accumulators: Record<string, unknown> = {}): {
  readonly listener: JobListener;
  readonly clock: ManualClock;
  readonly sent: JobChange[];
  readonly reporter: JobReporter;
} {
  let listener: JobListener = {};
  const master = {
    state: 'RUNNING',
    compiled: { graph: { vertices: [] } },
    observe: (given: JobListener) => {
      listener = given;
      return () => {
        listener = {};
      };
    },
    accumulators: () => accumulators,
    executions: () => [],
    threads: () => new Map(),
    figures: () => ({}),
    exceptions: () => [],
    rescales: () => [],
  } as unknown as JobMaster;
  const clock = new ManualClock();
  const sent: JobChange[] = [];
  const own = new JobReporter(master, clock, (change) => void sent.push(change));
  return {
    get listener() {
      return listener;
    },
    clock,
    sent,
    reporter: own,
  };
}

test('what happens at about the same time is told in one message, in its order', () => {
  const here = reporter();
  here.listener.onState?.('RUNNING');
  here.listener.onCheckpoint?.({ id: 4, path: '/c/4' });
  assert.equal(here.sent.length, 0);
  here.clock.advance(30);
  assert.deepEqual(
    here.sent.map(({ events, picture }) => [events.map(({ kind }) => kind), picture.latestCheckpoint]),
    [[['state', 'checkpoint'], '/c/4']],
  );
  here.clock.advance(1_000);
  assert.equal(here.sent.length, 1, 'and nothing more');
});

test('when too much happens, lines of logs are left out first', () => {
  const here = reporter();
  const entry = { at: 0, level: 'info', message: 'm', fields: {} } as const;
  here.listener.onState?.('RUNNING');
  for (let line = 0; line < 20_000; line++) here.listener.onLog?.(0, entry);
  here.listener.onState?.('FAILING');
  here.reporter.flush();
  const kinds = here.sent[0]!.events.map(({ kind }) => kind);
  assert.ok(kinds.length <= 10_000);
  assert.equal(kinds.filter((kind) => kind === 'state').length, 2);
});

test('an accumulator that is no plain data is told as the error that it is', () => {
  class Own {}
  const here = reporter({ good: [1, 2], own: new Own(), failed: new Error('parts differ') });
  const { accumulators, failedAccumulators } = here.reporter.picture();
  assert.deepEqual(accumulators, { good: [1, 2] });
  assert.equal(failedAccumulators['own']?.code, 'GENERIC_CODEC_UNSUPPORTED');
  assert.equal(failedAccumulators['failed']?.message, 'parts differ');
});

test('nothing is told after the end', () => {
  const here = reporter();
  here.listener.onState?.('RUNNING');
  here.reporter.close();
  here.clock.advance(1_000);
  assert.equal(here.sent.length, 0);
});
