import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Env } from '../../base/env.ts';
import { MillraceError } from '../../base/errors.ts';
import type { JobGraph } from '../../graph/job-graph.ts';
import type { Source, SourceSplit } from '../../operators/source.ts';
import { startSourceCoordinators } from './source-coordinator.ts';

const graph = {
  vertices: [
    { source: true, parallelism: 2, operators: [{ uid: 'numbers' }] },
    { source: false, parallelism: 2, operators: [{ uid: 'sink' }] },
  ],
} as unknown as JobGraph;

const silent = { child: () => silent } as unknown as Env['log'];
const env = { log: silent } as unknown as Env;

/** A source whose splits are `a`, `b`, `c`; it counts its starts. */
function listSource(starts: string[]): Source<unknown> {
  return {
    name: 'list',
    bounded: true,
    replayable: true,
    createEnumerator(_context, restored) {
      let left = (restored as string[] | undefined) ?? [];
      return {
        async start() {
          starts.push('start');
          left = ['a', 'b', 'c'];
        },
        next(): SourceSplit | 'none' {
          const id = left.shift();
          return id === undefined ? 'none' : { id };
        },
        snapshot: () => left,
      };
    },
    createReader: () => assert.fail('the coordinator never makes a reader'),
  };
}

function start(source: Source<unknown>, restored = new Map<string, unknown>()) {
  return startSourceCoordinators({
    graph,
    sources: new Map([['numbers', source]]),
    attempt: 3,
    env,
    restored,
  });
}

test('a split is either with a reader or in the snapshot', async () => {
  const [coordinator] = await start(listSource([]));
  assert.ok(coordinator);
  const command = coordinator.answer(1);
  assert.deepEqual(
    { ...command, splits: command.splits.map(decode) },
    {
      kind: 'splits',
      attempt: 3,
      vertex: 0,
      subtask: 1,
      splits: [{ id: 'a' }],
      noMore: false,
    },
  );
  assert.deepEqual(coordinator.snapshot(), ['b', 'c']);
});

test('a snapshot does not change when splits are handed out afterwards', async () => {
  const [coordinator] = await start(listSource([]));
  assert.ok(coordinator);
  const snapshot = coordinator.snapshot();
  coordinator.answer(0);
  assert.deepEqual(snapshot, ['a', 'b', 'c']);
});

test('a reader is told when no split will follow', async () => {
  const [coordinator] = await start(listSource([]));
  assert.ok(coordinator);
  for (let taken = 0; taken < 3; taken += 1) assert.equal(coordinator.answer(0).noMore, false);
  assert.deepEqual(coordinator.answer(0).splits, []);
  assert.equal(coordinator.answer(0).noMore, true);
  assert.equal(coordinator.answer(1).noMore, true);
});

test('a restored enumerator does not look at the outside world again, a new one does', async () => {
  const starts: string[] = [];
  const [restored] = await start(listSource(starts), new Map([['numbers', ['c']]]));
  assert.deepEqual(restored?.snapshot(), ['c']);
  assert.deepEqual(starts, []);
  await start(listSource(starts), new Map([['another source', ['c']]]));
  assert.deepEqual(starts, ['start']);
});

test('an error of the enumerator names the source; one that says what to do is passed on', async () => {
  const failing = (error: Error): Source<unknown> => ({
    ...listSource([]),
    createEnumerator: () => ({
      start: () => Promise.reject(error),
      next: () => 'none',
      snapshot: () => [],
    }),
  });
  await assert.rejects(start(failing(new Error('no route'))), {
    code: 'SOURCE_ENUMERATOR_FAILED',
    message: /"numbers".*no route/,
  });
  await assert.rejects(start(failing(new MillraceError('CONFIG_INVALID', 'bad path'))), {
    code: 'CONFIG_INVALID',
  });
});

function decode(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
