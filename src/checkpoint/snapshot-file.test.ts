// The bytes of a subtask's snapshot.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeSubtaskSnapshot, encodeSubtaskSnapshot } from './snapshot-file.ts';
import type { SubtaskSnapshot } from './state-handle.ts';

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

const SNAPSHOT: SubtaskSnapshot = {
  ended: true,
  operators: [
    { uid: 'stateless', sections: [], keyGroups: [] },
    {
      uid: 'zähler',
      sections: [
        { name: 'offsets', redistribution: 'split', items: [bytes(1, 2), bytes(), bytes(3)] },
        { name: 'rules', redistribution: 'broadcast', items: [] },
      ],
      keyGroups: [
        { keyGroup: 0, bytes: bytes(9) },
        { keyGroup: 32_767, bytes: bytes() },
      ],
    },
  ],
  inputs: [{ edge: 1, producer: 0, consumer: 3, frames: [bytes(7, 7)] }],
  outputs: [{ edge: 2, producer: 3, consumer: 300, frames: [] }],
};

test('a snapshot survives its bytes', () => {
  assert.deepEqual(decodeSubtaskSnapshot(encodeSubtaskSnapshot(SNAPSHOT), 'x'), SNAPSHOT);
  const empty: SubtaskSnapshot = { ended: false, operators: [], inputs: [], outputs: [] };
  assert.deepEqual(decodeSubtaskSnapshot(encodeSubtaskSnapshot(empty), 'x'), empty);
});

test('the format of version 1 does not change', () => {
  const golden =
    '4d4c534e0100010000000000000056400400000001000000020000007072776202000000060000008520e314' +
    '030000000200000048d58c9a0400000006000000dc93a9307456f4db01610173010101050206000102010108';
  const actual = Buffer.from(
    encodeSubtaskSnapshot({
      ended: true,
      operators: [
        {
          uid: 'a',
          sections: [{ name: 's', redistribution: 'union', items: [bytes(5)] }],
          keyGroups: [{ keyGroup: 2, bytes: bytes(6) }],
        },
      ],
      inputs: [{ edge: 0, producer: 1, consumer: 2, frames: [bytes(8)] }],
      outputs: [],
    }),
  ).toString('hex');
  assert.equal(actual, golden);
});

test('every truncation, extension and flipped bit is refused with the name of the file', () => {
  const whole = encodeSubtaskSnapshot(SNAPSHOT);
  const refused = (damaged: Uint8Array): void =>
    assert.throws(() => decodeSubtaskSnapshot(damaged, 'chk-7/map-0.state'), {
      code: 'CHECKPOINT_CORRUPT',
      message: /chk-7\/map-0\.state/,
    });
  for (let length = 0; length < whole.length; length++) refused(whole.subarray(0, length));
  refused(Uint8Array.from([...whole, 0]));
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const damaged = whole.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    refused(damaged);
  }
});

test('any snapshot survives its bytes', () => {
  const run = fc.uint8Array({ maxLength: 20 });
  const small = fc.nat({ max: 40_000 });
  const channel = fc.record({
    edge: small,
    producer: small,
    consumer: small,
    frames: fc.array(run, { maxLength: 4 }),
  });
  const snapshot = fc.record({
    ended: fc.boolean(),
    operators: fc.array(
      fc.record({
        uid: fc.string({ unit: 'binary' }),
        sections: fc.array(
          fc.record({
            name: fc.string(),
            redistribution: fc.constantFrom('split' as const, 'union' as const, 'broadcast' as const),
            items: fc.array(run, { maxLength: 4 }),
          }),
          { maxLength: 3 },
        ),
        keyGroups: fc.array(fc.record({ keyGroup: small, bytes: run }), { maxLength: 4 }),
      }),
      { maxLength: 3 },
    ),
    inputs: fc.array(channel, { maxLength: 3 }),
    outputs: fc.array(channel, { maxLength: 3 }),
  });
  let cases = 0;
  fc.assert(
    fc.property(snapshot, (value) => {
      cases++;
      assert.deepEqual(
        JSON.stringify(decodeSubtaskSnapshot(encodeSubtaskSnapshot(value), 'x')),
        JSON.stringify(value),
      );
    }),
    { numRuns: 300, seed: 7 },
  );
  console.log(`cases: snapshot-file ${cases} (minimum 300)`);
});
