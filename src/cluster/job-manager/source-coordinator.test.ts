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

function start(source: Source<unknown>, restored = new Map<string, unknown>(), remembers = false) {
  return startSourceCoordinators({
    graph,
    sources: new Map([['numbers', source]]),
    attempt: 3,
    env,
    restored,
    restoredCheckpointId: restored.size === 0 ? undefined : 1,
    remembers,
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
  assert.deepEqual(coordinator.snapshot(1), ['b', 'c']);
});

test('a snapshot does not change when splits are handed out afterwards', async () => {
  const [coordinator] = await start(listSource([]));
  assert.ok(coordinator);
  const snapshot = coordinator.snapshot(1);
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
  assert.deepEqual(restored?.snapshot(1), ['c']);
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

/** Ids of the splits of the next answers to a subtask. */
function splitsOf(
  coordinator: Awaited<ReturnType<typeof start>>[number],
  subtask: number,
  count: number,
): string[] {
  return Array.from({ length: count }, () => {
    const [split] = coordinator.answer(subtask).splits;
    return split === undefined ? 'none' : (decode(split) as SourceSplit).id;
  });
}

test('what a subtask got behind the snapshot of the restored checkpoint comes to it again, in its order', async () => {
  const [coordinator] = await start(listSource([]), undefined, true);
  assert.ok(coordinator);
  assert.deepEqual(splitsOf(coordinator, 0, 1), ['a']);
  coordinator.snapshot(1);
  coordinator.completed(1);
  assert.deepEqual(splitsOf(coordinator, 0, 1), ['b']);
  coordinator.snapshot(2); // It is never complete.
  assert.deepEqual(splitsOf(coordinator, 0, 1), ['c']);
  coordinator.takeBack((subtask) => subtask === 1, 1);
  coordinator.takeBack((subtask) => subtask === 0, 1);
  assert.deepEqual(splitsOf(coordinator, 1, 1), ['none'], 'they are kept for their subtask');
  assert.deepEqual(splitsOf(coordinator, 0, 1), ['b']);
  coordinator.takeBack((subtask) => subtask === 0, 1);
  assert.deepEqual(splitsOf(coordinator, 0, 3), ['b', 'c', 'none']);
});

test('what was taken back is in the next snapshots until it is handed out again, and at another parallelism too', async () => {
  const [coordinator] = await start(listSource([]), undefined, true);
  assert.ok(coordinator);
  coordinator.snapshot(1);
  splitsOf(coordinator, 5, 2);
  coordinator.takeBack((subtask) => subtask === 5, 1);
  const snapshot = coordinator.snapshot(2);
  splitsOf(coordinator, 5, 2);
  assert.deepEqual(coordinator.snapshot(3), ['c']);
  const log: string[] = [];
  const [next] = await start(listSource(log), new Map([['numbers', snapshot]]), true);
  assert.ok(next);
  const { parallelism } = graph.vertices[0]!;
  const back = Array.from({ length: parallelism }, (_, subtask) => splitsOf(next, subtask, 2)).flat();
  assert.deepEqual(back.filter((id) => id === 'a' || id === 'b').sort(), ['a', 'b']);
});
