import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isMillraceError } from '../base/errors.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../base/time.ts';
import type { ChannelElement } from './channel.ts';
import { decodeElement, encodeElement } from './frame.ts';

const SEED = 20_171_206;

function batchOf(values: unknown[], timestamps: number[]): ChannelElement {
  return { kind: 'batch', batch: { values, timestamps } };
}

// [name, element, length | type flags port | argument | payload]
const golden: [string, ChannelElement, string][] = [
  [
    'watermark',
    { kind: 'event', event: { kind: 'watermark', timestamp: 1000 } },
    '00000000 02 00 0000 0000000000408f40',
  ],
  ['idle', { kind: 'event', event: { kind: 'status', idle: true } }, '00000000 03 00 0000 000000000000f03f'],
  [
    'active',
    { kind: 'event', event: { kind: 'status', idle: false } },
    '00000000 03 00 0000 0000000000000000',
  ],
  ['end of data', { kind: 'event', event: { kind: 'end-of-data' } }, '00000000 05 00 0000 0000000000000000'],
  [
    'barrier',
    {
      kind: 'event',
      event: {
        kind: 'barrier',
        barrier: { id: 7, timestamp: 1000, alignment: 'unaligned', alignedTimeoutMs: 1, kind: 'final' },
      },
    },
    '10000000 04 09 0000 0000000000001c40 0000000000408f40 000000000000f03f',
  ],
  [
    'latency marker',
    { kind: 'event', event: { kind: 'latency-marker', marker: { at: 1000, vertex: 3, subtask: 2 } } },
    '08000000 06 00 0000 0000000000408f40 03000000 02000000',
  ],
  ['batch without records', batchOf([], []), '01000000 01 00 0000 0000000000000000 00'],
];

for (const [name, element, bytes] of golden) {
  test(`the frame of a ${name} has the bytes that are drawn`, () => {
    assert.equal(Buffer.from(encodeElement(element)).toString('hex'), bytes.replaceAll(' ', ''));
    assert.deepEqual(decodeElement(Buffer.from(bytes.replaceAll(' ', ''), 'hex')), element);
  });
}

test('the timestamps of a batch take no more bytes than they differ', () => {
  const overhead = (timestamps: number[]): number => {
    const element = batchOf(
      timestamps.map(() => 0),
      timestamps,
    );
    assert.deepEqual(decodeElement(encodeElement(element)), element);
    const without = batchOf(
      timestamps.map(() => 0),
      timestamps.map(() => MIN_TIMESTAMP),
    );
    return encodeElement(element).length - encodeElement(without).length;
  };
  assert.equal(overhead([MIN_TIMESTAMP, MIN_TIMESTAMP, MIN_TIMESTAMP]), 0);
  assert.equal(overhead([5, 5, 5]), 8);
  assert.equal(overhead([1_512_563_705_000, 1_512_563_705_000 + 0xffffffff, 1_512_563_705_001]), 8 + 3 * 4);
  assert.equal(overhead([0, 0x100000000, 1]), 3 * 8);
  assert.equal(overhead([MIN_TIMESTAMP, MAX_TIMESTAMP, -1]), 3 * 8);
});

const timestampsOf = fc.oneof(fc.maxSafeInteger(), fc.constant(MIN_TIMESTAMP), fc.integer());
const record = fc.tuple(
  fc.record(
    { user: fc.string(), count: fc.double(), tags: fc.array(fc.string()) },
    { noNullPrototype: true },
  ),
  timestampsOf,
);
const element: fc.Arbitrary<ChannelElement> = fc.oneof(
  fc.array(record).map((records) =>
    batchOf(
      records.map(([value]) => value),
      records.map(([, timestamp]) => timestamp),
    ),
  ),
  timestampsOf.map(
    (timestamp): ChannelElement => ({ kind: 'event', event: { kind: 'watermark', timestamp } }),
  ),
  fc
    .record(
      {
        id: fc.nat(),
        timestamp: fc.maxSafeNat(),
        alignment: fc.constantFrom('aligned' as const, 'unaligned' as const, 'at-least-once' as const),
        alignedTimeoutMs: fc.nat(),
        kind: fc.constantFrom('periodic' as const, 'stop' as const, 'final' as const),
      },
      { noNullPrototype: true },
    )
    .map((barrier): ChannelElement => ({ kind: 'event', event: { kind: 'barrier', barrier } })),
);

test('every element survives its frame', () => {
  const runs = 500;
  fc.assert(
    fc.property(element, (given) => {
      assert.deepEqual(decodeElement(encodeElement(given)), given);
    }),
    { seed: SEED, numRuns: runs },
  );
  console.log(`cases: frame round trips ${runs} (minimum 500)`);
});

test('a frame that was cut off or has bytes too many is refused', () => {
  for (const [, given] of [...golden, ['batch', batchOf(['a', { b: 1 }], [1, 2])] as const]) {
    const bytes = encodeElement(given);
    for (let length = 0; length < bytes.length; length++) refused(bytes.slice(0, length));
    refused(Uint8Array.of(...bytes, 0));
  }
});

test('a frame with an unknown type, flag, port or argument is refused', () => {
  for (const [, given] of golden) {
    const bytes = encodeElement(given);
    refused(bytes.with(4, 0));
    refused(bytes.with(4, 7));
    refused(bytes.with(5, 0x80));
    refused(bytes.with(6, 1));
  }
  refused(encodeElement(batchOf([1], [1])).with(14, 0xff)); // more records than there are
  refused(encodeElement({ kind: 'event', event: { kind: 'status', idle: true } }).with(8, 1));
});

function refused(bytes: Uint8Array): void {
  assert.throws(
    () => decodeElement(bytes),
    (error) => isMillraceError(error, 'EXCHANGE_FRAME_INVALID') || isMillraceError(error, 'CODEC_CORRUPT'),
  );
}
