// The metadata document of a checkpoint.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PLAN } from '../../test/checkpoint/small-job.ts';
import { encodeCheckedJson } from './checked-json.ts';
import { type CheckpointMetadata, decodeMetadata, describeCheckpoint, encodeMetadata } from './metadata.ts';
import type { StateHandle } from './state-handle.ts';

const STATE: StateHandle = { file: 'a.state', inline: undefined, length: 3, sha256: 'ab' };

function describe(): CheckpointMetadata {
  return describeCheckpoint({
    jobId: 'j',
    jobName: 'Häuser "2"',
    attempt: 3,
    barrier: { id: 12, timestamp: 99, kind: 'stop' },
    plan: PLAN,
    stateOf: () => STATE,
    enumerators: new Map([['source', { waiting: ['a'] }]]),
  });
}

test('metadata survives its bytes and states every participant', () => {
  const metadata = describe();
  const restored = decodeMetadata(encodeMetadata(metadata), 'x');
  assert.equal(JSON.stringify(restored), JSON.stringify(metadata));
  assert.deepEqual(
    restored.vertices.map(({ subtasks }) => subtasks.length),
    [1, 2],
  );
  const [edge] = restored.edges;
  assert.deepEqual(
    { ...edge },
    {
      index: 0,
      from: 'source',
      to: 'count',
      input: 0,
      partitioner: 'key-group',
      producers: 1,
      consumers: 2,
    },
  );
});

test('the first line is JSON that other tools read, the last one its checksum', () => {
  const lines = new TextDecoder().decode(encodeMetadata(describe())).split('\n');
  assert.equal(lines.length, 3);
  assert.equal((JSON.parse(lines[0]!) as CheckpointMetadata).checkpointId, 12);
  assert.match(lines[1]!, /^sha256:[0-9a-f]{64}$/);
  assert.equal(lines[2], '');
});

test('every truncation and flipped bit is refused with the name of the file', () => {
  const whole = encodeMetadata(describe());
  const refused = (damaged: Uint8Array): void =>
    assert.throws(() => decodeMetadata(damaged, '/c/chk-12/_metadata'), {
      code: 'CHECKPOINT_CORRUPT',
      message: /\/c\/chk-12\/_metadata/,
    });
  for (let length = 0; length < whole.length; length++) refused(whole.subarray(0, length));
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const damaged = Uint8Array.from(whole);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    refused(damaged);
  }
});

test('refuses what another program wrote, and says so when the format is newer', () => {
  const metadata = describe();
  const decode = (document: object): unknown => decodeMetadata(encodeCheckedJson(document), 'x');
  assert.throws(() => decode({ ...metadata, format: 'other' }), { code: 'CHECKPOINT_CORRUPT' });
  assert.throws(() => decode({ ...metadata, version: 2 }), { code: 'CHECKPOINT_VERSION_UNKNOWN' });
  assert.throws(() => decode({ ...metadata, edges: undefined }), { code: 'CHECKPOINT_CORRUPT' });
  const [first, ...rest] = metadata.vertices;
  const short = { ...metadata, vertices: [{ ...first, subtasks: [] }, ...rest] };
  assert.throws(() => decode(short), { code: 'CHECKPOINT_CORRUPT', message: /0 of 1 subtasks of source/ });
});

test('a checkpoint without the state of a subtask is not described', () => {
  const stateOf = (vertex: number): StateHandle | undefined => (vertex === 0 ? STATE : undefined);
  const { jobId, jobName, attempt } = describe();
  const barrier = { id: 1, timestamp: 1, kind: 'periodic' as const };
  const description = { jobId, jobName, attempt, barrier, plan: PLAN, stateOf, enumerators: new Map() };
  assert.throws(() => describeCheckpoint(description), { code: 'ASSERTION_FAILED' });
});
