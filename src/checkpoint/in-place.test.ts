// A checkpoint in the plan that has written it: where every subtask finds its state alone, and where somebody has to deal it out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignInPlace, standsAlone } from './in-place.ts';
import { type CheckpointMetadata, decodeMetadata, describeCheckpoint, encodeMetadata } from './metadata.ts';
import type { CheckpointedPlan } from './plan.ts';
import type { StateHandle } from './state-handle.ts';

const HANDLE: StateHandle = { file: 'x.state', inline: undefined, length: 1, sha256: 'x', alone: true };

function plan(
  parallelism = 2,
  changes: Partial<Omit<CheckpointedPlan, 'fingerprint'>> = {},
): CheckpointedPlan {
  const operator = (
    uid: string,
    keyed: boolean,
  ): CheckpointedPlan['vertices'][number]['operators'][number] => ({
    uid,
    keyed,
    explicitUid: true,
    id: uid,
    name: uid,
  });
  const vertex = (id: string, keyed: boolean): CheckpointedPlan['vertices'][number] => ({
    id,
    name: id,
    parallelism,
    maxParallelism: 8,
    operators: [operator(id, keyed)],
  });
  const made = {
    vertices: [vertex('read', false), vertex('count', true)],
    edges: [
      { index: 0, from: 0, fromOperator: 0, tag: undefined, to: 1, input: 0, partitioner: 'key-group' },
    ],
    ...changes,
  };
  // Over all of it, as that of a compiled plan is (graph/fingerprint.ts).
  return { ...made, fingerprint: JSON.stringify(made) };
}

/** As it is read back. */
function written(
  of: CheckpointedPlan,
  stateOf: (vertex: number, subtask: number) => StateHandle,
): CheckpointMetadata {
  const metadata = describeCheckpoint({
    jobId: 'job',
    jobName: 'job',
    attempt: 1,
    barrier: { id: 7, timestamp: 1, kind: 'periodic' },
    plan: of,
    stateOf,
    enumerators: new Map([['read', { splits: 3 }]]),
  });
  return decodeMetadata(encodeMetadata(metadata), '_metadata');
}

test('in the same plan each subtask finds what the one in its place has stored', () => {
  const metadata = written(plan(), (vertex, subtask) => ({ ...HANDLE, file: `${vertex}-${subtask}.state` }));
  const found = assignInPlace('/far/chk-7', metadata, plan());
  assert.deepEqual(
    found?.vertices.map((subtasks) => subtasks.map(({ handle, whose }) => [handle.file, whose])),
    [
      [
        ['0-0.state', 'read, subtask 0'],
        ['0-1.state', 'read, subtask 1'],
      ],
      [
        ['1-0.state', 'count, subtask 0'],
        ['1-1.state', 'count, subtask 1'],
      ],
    ],
  );
  assert.deepEqual(found?.enumerators, new Map([['read', { splits: 3 }]]));
});

test('another parallelism, another chain and another edge are dealt out by whoever reads it all', () => {
  const metadata = written(plan(), () => HANDLE);
  const { vertices, edges } = plan();
  assert.equal(assignInPlace('/far', metadata, plan(3)), undefined);
  const chained = { ...vertices[0]!, operators: vertices.flatMap(({ operators }) => operators) };
  assert.equal(assignInPlace('/far', metadata, plan(2, { vertices: [chained, vertices[1]!] })), undefined);
  assert.equal(
    assignInPlace('/far', metadata, plan(2, { edges: [{ ...edges[0]!, partitioner: 'rebalance' }] })),
    undefined,
  );
  const fewer = { ...vertices[1]!, maxParallelism: 16 };
  assert.equal(assignInPlace('/far', metadata, plan(2, { vertices: [vertices[0]!, fewer] })), undefined);
  assert.notEqual(assignInPlace('/far', metadata, plan()), undefined);
});

test('a checkpoint of which one subtask needs more than its own bytes is dealt out', () => {
  const { alone: _, ...unsaid } = HANDLE;
  const metadata = written(plan(), (vertex, subtask) => (vertex === 1 && subtask === 1 ? unsaid : HANDLE));
  assert.equal(assignInPlace('/far', metadata, plan()), undefined);
});

test('union lists are of all subtasks, and what a producer had queued is for its consumers', () => {
  const section = { edge: 0, producer: 0, consumer: 1 };
  const sections = (
    ...kinds: ('split' | 'union' | 'broadcast')[]
  ): { sections: { redistribution: 'split' | 'union' | 'broadcast' }[] }[] => [
    { sections: kinds.map((redistribution) => ({ redistribution })) },
  ];
  assert.ok(standsAlone({ operators: sections('split', 'broadcast'), outputs: [] }));
  assert.ok(standsAlone({ operators: [], outputs: [{ ...section, frames: [] }] }));
  assert.ok(!standsAlone({ operators: sections('split', 'union'), outputs: [] }));
  assert.ok(!standsAlone({ operators: [], outputs: [{ ...section, frames: [new Uint8Array(1)] }] }));
});
