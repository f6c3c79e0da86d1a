// State of a checkpoint in a changed job: other chains, edges, parallelism.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { subtaskOfKeyGroup } from '../base/key-groups.ts';
import { describeCheckpoint } from './metadata.ts';
import type { CheckpointedEdge, CheckpointedPlan, CheckpointedVertex } from './plan.ts';
import { assignState, type RestoreAssignment, type RestoreOptions, restoreProblems } from './restore.ts';
import type { ChannelStateSection, OperatorSnapshot, SubtaskSnapshot } from './state-handle.ts';

const MAX_PARALLELISM = 16;
const byte = (value: number): Uint8Array => new Uint8Array([value]);

/** A chain of operators by uid; `*` before a uid: keyed, `?`: the uid was derived. */
function chain(parallelism: number, ...uids: string[]): CheckpointedVertex {
  const operators = uids.map((marked) => {
    const uid = marked.replace(/^[*?]/, '');
    return {
      uid,
      explicitUid: !marked.startsWith('?'),
      id: `id-${uid}`,
      name: uid,
      keyed: marked.startsWith('*'),
    };
  });
  return {
    id: operators[0]!.id,
    name: uids.join('→'),
    parallelism,
    maxParallelism: MAX_PARALLELISM,
    operators,
  };
}

function edge(index: number, from: number, to: number, partitioner: string): CheckpointedEdge {
  return { index, from, fromOperator: 0, tag: undefined, to, input: 0, partitioner };
}

function planOf(vertices: CheckpointedVertex[], edges: CheckpointedEdge[] = []): CheckpointedPlan {
  return { vertices, edges, fingerprint: 'f' };
}

/** A checkpoint of `plan` in which each operator of each subtask holds what `stateOf` says. */
function checkpointOf(
  plan: CheckpointedPlan,
  stateOf: (uid: string, subtask: number) => Partial<OperatorSnapshot>,
  extra: {
    inputs?: (vertex: number, subtask: number) => ChannelStateSection[];
    outputs?: (vertex: number, subtask: number) => ChannelStateSection[];
    enumerators?: Map<string, unknown>;
  } = {},
): RestoreOptions['checkpoint'] {
  const metadata = describeCheckpoint({
    jobId: 'j',
    jobName: 'j',
    attempt: 1,
    barrier: { id: 4, timestamp: 0, kind: 'periodic' },
    plan,
    stateOf: () => ({ file: undefined, inline: '', length: 0, sha256: '' }),
    enumerators: extra.enumerators ?? new Map(),
  });
  const snapshots = plan.vertices.map(({ parallelism, operators }, vertex) =>
    Array.from(
      { length: parallelism },
      (_, subtask): SubtaskSnapshot => ({
        ended: false,
        operators: operators.map(({ uid }) => ({
          uid,
          sections: [],
          keyGroups: [],
          ...stateOf(uid, subtask),
        })),
        inputs: extra.inputs?.(vertex, subtask) ?? [],
        outputs: extra.outputs?.(vertex, subtask) ?? [],
      }),
    ),
  );
  return { metadata, snapshots };
}

function list(...values: number[]): Partial<OperatorSnapshot> {
  return { sections: [{ name: 'list', redistribution: 'split', items: values.map(byte) }] };
}

function keyGroups(...groups: number[]): Partial<OperatorSnapshot> {
  return { keyGroups: groups.map((keyGroup) => ({ keyGroup, bytes: byte(keyGroup) })) };
}

function restore(
  checkpoint: RestoreOptions['checkpoint'],
  plan: CheckpointedPlan,
  allowNonRestored = false,
): RestoreAssignment {
  return assignState({ checkpoint, plan, allowNonRestored });
}

test('state follows the uid into other chains', () => {
  const checkpoint = checkpointOf(planOf([chain(2, 'a', 'b'), chain(2, 'c')]), (uid, subtask) =>
    list(uid.charCodeAt(0), subtask),
  );
  const { vertices, warnings } = restore(checkpoint, planOf([chain(2, 'a'), chain(2, 'b', 'new', 'c')]));
  const found = vertices.map((subtasks) =>
    subtasks.map(({ operators }) =>
      operators.map(({ uid, sections }) => [uid, sections[0]!.items.map((i) => i[0])]),
    ),
  );
  assert.deepEqual(found, [
    [[['a', [97, 0]]], [['a', [97, 1]]]],
    [
      [
        ['b', [98, 0]],
        ['c', [99, 0]],
      ],
      [
        ['b', [98, 1]],
        ['c', [99, 1]],
      ],
    ],
  ]);
  assert.deepEqual(warnings, []);
});

test('keyed state moves to the subtask that owns its key group', () => {
  const checkpoint = checkpointOf(planOf([chain(2, '*k')]), (_uid, subtask) =>
    subtask === 0 ? keyGroups(0, 7) : keyGroups(8, 15),
  );
  const { vertices } = restore(checkpoint, planOf([chain(3, '*k')]));
  for (const [subtask, { operators }] of vertices[0]!.entries()) {
    for (const { keyGroup } of operators[0]!.keyGroups)
      assert.equal(subtaskOfKeyGroup(keyGroup, 3, MAX_PARALLELISM), subtask);
  }
  const all = vertices[0]!.flatMap(({ operators }) =>
    operators[0]!.keyGroups.map(({ keyGroup }) => keyGroup),
  );
  assert.deepEqual(all, [0, 7, 8, 15]);
});

test('state that nobody claims is refused with its uid and the nearest one, and dropped when that is allowed', () => {
  const checkpoint = checkpointOf(planOf([chain(1, 'counter', 'empty')]), (uid) =>
    uid === 'counter' ? list(1) : list(),
  );
  const plan = planOf([chain(1, 'countr')]);
  assert.throws(() => restore(checkpoint, plan), {
    code: 'STATE_UNMATCHED',
    message: /uid 'counter' \(counter\)\. Did you mean 'countr'\?$/,
  });
  const { vertices, warnings } = restore(checkpoint, plan, true);
  assert.deepEqual(vertices[0]![0]!.operators, []);
  assert.match(warnings[0]!, /dropped: +uid 'counter'/);
});

test('a source that is gone is refused for what its enumerator still holds', () => {
  const enumerators = new Map([['source', { splits: ['a'] }]]);
  const checkpoint = checkpointOf(planOf([chain(1, 'source')]), () => ({}), { enumerators });
  assert.deepEqual(restore(checkpoint, planOf([chain(3, 'source')])).enumerators, enumerators);
  assert.throws(() => restore(checkpoint, planOf([chain(1, 'other')])), { code: 'STATE_UNMATCHED' });
});

test('keyed state of an operator without keys is refused', () => {
  const checkpoint = checkpointOf(planOf([chain(1, '*k')]), () => keyGroups(1));
  assert.throws(() => restore(checkpoint, planOf([chain(1, 'k')])), {
    code: 'STATE_UNMATCHED',
    message: /'k', which is not keyed any more/,
  });
  assert.deepEqual(
    restore(checkpoint, planOf([chain(1, 'k')]), true).vertices[0]![0]!.operators[0]!.keyGroups,
    [],
  );
});

test('the max parallelism of keyed state cannot change, and bounds the parallelism', () => {
  const checkpoint = checkpointOf(planOf([chain(1, '*k')]), () => keyGroups(1));
  const changed = planOf([{ ...chain(1, '*k'), maxParallelism: 32 }]);
  assert.throws(() => restore(checkpoint, changed), {
    code: 'STATE_PARALLELISM',
    message: /max parallelism 16, which is 32 now/,
  });
  assert.throws(() => restore(checkpoint, planOf([chain(17, '*k')])), { code: 'STATE_PARALLELISM' });
  const stateless = checkpointOf(planOf([chain(1, '*k')]), () => ({}));
  assert.equal(restore(stateless, changed).vertices.length, 1, 'without keyed state it may');
});

test('warns of state under a derived uid', () => {
  const plan = planOf([chain(1, '?map-1')]);
  const { warnings } = restore(
    checkpointOf(plan, () => list(1)),
    plan,
  );
  assert.match(warnings[0]!, /no uid of its own/);
});

/** In-flight records of all channels of one edge, as `[key group, sequence]` in frames of one record each. */
function inFlight(partitioner: string, p: number, q: number): RestoreOptions['checkpoint'] {
  const plan = planOf([chain(p, 'from'), chain(q, '*to')], [edge(5, 0, 1, partitioner)]);
  const frame = (producer: number, consumer: number, at: number): Uint8Array => {
    // Under a keyed partitioner a channel only carries key groups of its consumer.
    const start = Math.ceil((consumer * MAX_PARALLELISM) / q);
    return new Uint8Array([start, producer, consumer, at]);
  };
  const section = (producer: number, consumer: number, ...at: number[]): ChannelStateSection => ({
    edge: 5,
    producer,
    consumer,
    frames: at.map((index) => frame(producer, consumer, index)),
  });
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
  return checkpointOf(plan, () => ({}), {
    inputs: (vertex, subtask) => (vertex === 1 ? numbers(p).map((i) => section(i, subtask, 0, 1)) : []),
    outputs: (vertex, subtask) => (vertex === 0 ? numbers(q).map((j) => section(subtask, j, 2)) : []),
  });
}

/** What each consumer processes, as the input gate does it. */
function processed({ vertices }: RestoreAssignment): number[][][] {
  return vertices[1]!.map(({ channels }, subtask) =>
    channels.flatMap(({ frames, reroute }) =>
      frames
        .map((frame) => [...frame])
        .filter(
          ([keyGroup]) =>
            !reroute || subtaskOfKeyGroup(keyGroup!, vertices[1]!.length, MAX_PARALLELISM) === subtask,
        ),
    ),
  );
}

test('in-flight records are a permutation for all parallelisms and partitioners, in order per channel', () => {
  let cases = 0;
  const scales = [1, 2, 3, 4, 5];
  for (const partitioner of ['key-group', 'rebalance', 'shuffle']) {
    for (const p of scales)
      for (const q of scales)
        for (const newP of scales)
          for (const newQ of scales) {
            cases++;
            const plan = planOf([chain(newP, 'from'), chain(newQ, '*to')], [edge(0, 0, 1, partitioner)]);
            const assignment = restore(inFlight(partitioner, p, q), plan);
            const seen = processed(assignment);
            const all = seen.flat().map((record) => record.slice(1).join());
            const expected = Array.from({ length: p * q * 3 }, (_, n) =>
              [Math.floor(n / 3 / q), Math.floor(n / 3) % q, n % 3].join(),
            );
            assert.deepEqual(all.sort(), expected.sort());
            for (const [subtask, records] of seen.entries()) {
              for (const [keyGroup] of records)
                if (partitioner === 'key-group')
                  assert.equal(subtaskOfKeyGroup(keyGroup!, newQ, MAX_PARALLELISM), subtask);
              const byChannel = Map.groupBy(records, ([, i, j]) => `${i}/${j}`);
              for (const ofChannel of byChannel.values())
                assert.deepEqual(
                  ofChannel.map((record) => record[3]),
                  [0, 1, 2],
                );
            }
            const flags = new Set(
              assignment.vertices[1]!.flatMap(({ channels }) => channels.map((c) => c.dropEvents)),
            );
            assert.deepEqual([...flags], [!(p === newP && q === newQ)]);
          }
  }
  console.log(`cases: in-flight ${cases} (minimum 1875)`);
  assert.ok(cases >= 1875);
});

test('of two parallel edges each keeps its own records', () => {
  const vertices = [chain(1, 'from'), chain(1, 'to')];
  const plan = planOf(vertices, [edge(0, 0, 1, 'rebalance'), edge(1, 0, 1, 'rebalance')]);
  const section = (index: number): ChannelStateSection => ({
    edge: index,
    producer: 0,
    consumer: 0,
    frames: [byte(index)],
  });
  const inputs = (vertex: number): ChannelStateSection[] => (vertex === 1 ? [section(0), section(1)] : []);
  const { vertices: found } = restore(
    checkpointOf(plan, () => ({}), { inputs }),
    plan,
  );
  assert.deepEqual(
    found[1]![0]!.channels.map((channel) => [channel.edge, channel.frames[0]![0]]),
    [
      [0, 0],
      [1, 1],
    ],
  );
});

test('in-flight records keep their channel when nothing changed', () => {
  const plan = planOf([chain(2, 'from'), chain(2, '*to')], [edge(9, 0, 1, 'key-group')]);
  const { vertices } = restore(inFlight('key-group', 2, 2), plan);
  assert.deepEqual(
    vertices[1]!.map(({ channels }) =>
      channels.map(({ edge: index, producer, consumer, reroute }) => [index, producer, consumer, reroute]),
    ),
    [
      [
        [9, 0, 0, false],
        [9, 1, 0, false],
      ],
      [
        [9, 0, 1, false],
        [9, 1, 1, false],
      ],
    ],
  );
});

test('in-flight records without a place are refused', () => {
  const to = (partitioner: string, q: number, uid = '*to'): CheckpointedPlan =>
    planOf([chain(2, 'from'), chain(q, uid)], [edge(0, 0, 1, partitioner)]);
  assert.throws(() => restore(inFlight('rebalance', 2, 2), to('key-group', 2)), { code: 'STATE_IN_FLIGHT' });
  assert.throws(() => restore(inFlight('rebalance', 2, 2), to('broadcast', 2)), { code: 'STATE_IN_FLIGHT' });
  assert.throws(() => restore(inFlight('custom', 2, 2), to('custom', 3)), { code: 'STATE_IN_FLIGHT' });
  assert.throws(() => restore(inFlight('rebalance', 2, 2), to('rebalance', 2, 'other')), {
    code: 'STATE_UNMATCHED',
  });
  const chained = planOf([chain(2, 'from', '*to')]);
  for (const allowNonRestored of [false, true]) {
    assert.throws(() => restore(inFlight('rebalance', 2, 2), chained, allowNonRestored), {
      code: 'STATE_IN_FLIGHT',
      message: /chained now/,
    });
  }
  assert.equal(processed(restore(inFlight('custom', 2, 2), to('custom', 2))).flat().length, 12);
  assert.equal(processed(restore(inFlight('rebalance', 2, 3), to('forward', 2))).flat().length, 18);
  const dropped = restore(inFlight('rebalance', 2, 2), to('rebalance', 2, 'other'), true);
  assert.match(dropped.warnings[0]!, /dropped: +records in flight from 'from' to 'to'/);
});

test('all reasons are told at once, and the first one is what a start throws', () => {
  const before = planOf([chain(2, '*counts'), chain(2, '*gone')]);
  const checkpoint = checkpointOf(before, () => ({ keyGroups: [] }));
  const state = checkpointOf(before, (_uid, subtask) => ({
    keyGroups: [{ keyGroup: subtask * 8, bytes: byte(subtask) }],
  }));
  const after = planOf([
    { ...chain(20, '*counts'), name: 'wide' },
    { ...chain(3, 'source'), maxParallelism: 2 },
  ]);
  const options = { checkpoint: state, plan: after, allowNonRestored: false };
  const codes = restoreProblems(options).map((problem) => (problem as { code: string }).code);
  assert.deepEqual(codes, ['STATE_UNMATCHED', 'STATE_PARALLELISM', 'STATE_PARALLELISM']);
  assert.throws(() => assignState(options), { code: 'STATE_UNMATCHED' });
  const sound = { checkpoint, plan: before, allowNonRestored: false };
  assert.deepEqual(restoreProblems(sound), []);
  assignState(sound);
});
