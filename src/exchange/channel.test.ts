// What every channel promises, whatever it is made of.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMillraceError } from '../base/errors.ts';
import { createLinkedChannel } from '../../test/exchange/linked-rings.ts';
import { seededRandom } from '../base/random.ts';
import { type BatchCodec, createBatchCodec } from '../codecs/batch-codec.ts';
import { t } from '../codecs/types.ts';
import type { ChannelElement, ChannelReader, ChannelWriter } from './channel.ts';
import type { CheckpointBarrier } from './events.ts';
import { decodeElement, encodeElement } from './frame.ts';
import { createLocalChannel } from './local.ts';
import type { RingEnd } from './ring-layout.ts';
import { allocateRing, ringCapacity, RINGS_BYTES_MAX } from './ring-memory.ts';
import { OutputPort } from './output.ts';
import { createRingReader } from './ring-reader.ts';
import { createRingWriter } from './ring-writer.ts';

interface Channel {
  readonly writer: ChannelWriter;
  readonly reader: ChannelReader;
}

// Both ends in one thread, each bell polls the other end at once.
function createRing(capacityBytes: number, codec?: BatchCodec): Channel {
  const memory = allocateRing(capacityBytes);
  const ends: RingEnd[] = [];
  const ring = (): void => {
    for (const end of ends) end.poll();
  };
  const bell = { ring, ringLater: ring, hurry: () => {} };
  const writer = createRingWriter(memory, bell, codec);
  const reader = createRingReader(memory, bell, codec);
  ends.push(writer, reader);
  return { writer, reader };
}

const kinds: Record<string, () => Channel> = {
  'a local channel': () => createLocalChannel(),
  'a local channel that encodes': () => createLocalChannel({ alwaysEncode: true, freezeRecords: true }),
  'a local channel of one element': () => createLocalChannel({ capacityElements: 1 }),
  'a ring': () => createRing(1024),
  'a ring that is smaller than a frame': () => createRing(64),
  'a channel to another process': () => createLinkedChannel(256),
  'a channel to another process that is smaller than a frame': () => createLinkedChannel(64),
};

function batch(...values: unknown[]): ChannelElement {
  return { kind: 'batch', batch: { values, timestamps: values.map((_, index) => index) } };
}

function watermark(timestamp: number): ChannelElement {
  return { kind: 'event', event: { kind: 'watermark', timestamp } };
}

function barrier(id: number): CheckpointBarrier {
  return { id, timestamp: 12.5, alignment: 'unaligned', alignedTimeoutMs: 3, kind: 'stop' };
}

// Large enough for the local channels, small enough for any ring: a watermark has 16 bytes.
function fill(writer: ChannelWriter): number {
  let count = 0;
  for (;;) {
    if (!writer.tryWrite(watermark(count))) return count;
    count++;
  }
}

for (const [name, create] of Object.entries(kinds)) {
  test(`${name} hands over elements in order, and counts them`, () => {
    const { writer, reader } = create();
    const sent = [batch('a', { b: [1, 2] }), watermark(7), batch(), batch('x'.repeat(300))];
    assert.equal(reader.read(), undefined);
    for (const [index, element] of sent.entries()) {
      let received: ChannelElement | undefined;
      while (!writer.tryWrite(element)) received ??= reader.read();
      received ??= reader.read();
      assert.deepEqual(received, element);
      assert.deepEqual([writer.position(), reader.position()], [index + 1, index + 1]);
    }
    assert.equal(reader.read(), undefined);
  });

  test(`${name} is bounded, and tells when there is room`, () => {
    const { writer, reader } = create();
    const count = fill(writer);
    assert.ok(count >= 1 && count <= 64);
    assert.ok(reader.backlog() >= 1);
    let calls = 0;
    writer.onWritable(() => calls++);
    assert.equal(calls, 0);
    for (let index = 0; index < count; index++) assert.deepEqual(reader.read(), watermark(index));
    assert.equal(calls, 1);
    assert.equal(reader.backlog(), 0);
    assert.equal(fill(writer), count);
  });

  test(`${name} tells when there is something to read`, () => {
    const { writer, reader } = create();
    let calls = 0;
    reader.onReadable(() => calls++);
    assert.equal(calls, 0);
    writer.tryWrite(watermark(1));
    assert.equal(calls, 1);
    reader.read();
    reader.onReadable(() => calls++);
    writer.writePriority(barrier(1));
    assert.equal(calls, 2);
    reader.readPriority();
    writer.tryWrite(watermark(2));
    assert.equal(calls, 2, 'once per registration');
  });

  test(`${name} lets a barrier overtake, and keeps what comes after it behind it`, () => {
    const { writer, reader } = create();
    assert.equal(reader.readPriority(), undefined);
    assert.ok(writer.tryWrite(watermark(1)));
    writer.writePriority(barrier(4));
    assert.deepEqual(reader.read(), watermark(1));
    while (!writer.tryWrite(watermark(2)));
    assert.equal(reader.read(), undefined, 'the barrier was not taken');
    assert.deepEqual(reader.readPriority(), { barrier: barrier(4), position: 1 });
    assert.equal(reader.readPriority(), undefined);
    assert.deepEqual(reader.read(), watermark(2));
  });

  test(`${name} replaces a barrier that was not taken by a newer one`, () => {
    const { writer, reader } = create();
    writer.writePriority(barrier(1));
    writer.tryWrite(watermark(1));
    writer.writePriority(barrier(2));
    writer.writePriority(barrier(3));
    assert.deepEqual(reader.readPriority(), { barrier: barrier(3), position: 1 });
    assert.throws(() => {
      writer.writePriority(barrier(3));
      writer.writePriority(barrier(3));
    }, /I-U3/);
  });

  test(`${name} copies unread frames up to a position and consumes nothing`, () => {
    const { writer, reader } = create();
    const count = fill(writer);
    reader.read();
    writer.writePriority(barrier(1));
    assert.equal(reader.readPriority()?.position, count);
    const frames = reader.peekFrames(count);
    assert.deepEqual(
      frames.map((frame) => decodeElement(frame)),
      Array.from({ length: count - 1 }, (_, index) => watermark(index + 1)),
    );
    assert.deepEqual(reader.peekFrames(1), []);
    if (count > 1) {
      assert.deepEqual(reader.read(), watermark(1));
      assert.deepEqual(reader.lastFrame(), encodeElement(watermark(1)));
      assert.deepEqual(reader.lastFrame(), writer.encode(watermark(1)));
    }
  });

  test(`${name} keeps a long stream of sizes by chance whole`, () => {
    const { writer, reader } = create();
    const random = seededRandom(name);
    const sent: ChannelElement[] = [];
    let received = 0;
    const receive = (): void => {
      const element = reader.read();
      if (element !== undefined) assert.deepEqual(element, sent[received++]);
    };
    for (let index = 0; index < 400; index++) {
      const element = batch(index, 'y'.repeat(random.int(10) === 0 ? random.int(4000) : random.int(50)));
      sent.push(element);
      while (!writer.tryWrite(element)) receive();
      if (random.int(3) === 0) receive();
    }
    while (received < sent.length) receive();
    assert.equal(reader.read(), undefined);
  });
}

for (const name of ['a local channel that encodes', 'a ring', 'a channel to another process']) {
  test(`${name} refuses a record that is too large, and goes on`, () => {
    const { writer, reader } = kinds[name]!();
    const large = batch('z'.repeat(9 * 1024 * 1024));
    for (let attempt = 0; attempt < 2; attempt++) {
      assert.throws(
        () => writer.tryWrite(large),
        (error) => isMillraceError(error, 'EXCHANGE_RECORD_TOO_LARGE'),
      );
    }
    assert.equal(writer.position(), 0);
    writer.tryWrite(watermark(1));
    assert.deepEqual(reader.read(), watermark(1));
  });
}

test('a ring says how many records of this size make a good frame', () => {
  const { writer, reader } = createRing(4096);
  assert.equal(writer.recordsPerFrame(), Number.POSITIVE_INFINITY);
  writer.tryWrite(batch('a'.repeat(84)));
  assert.ok(writer.recordsPerFrame() >= 8 && writer.recordsPerFrame() <= 10, `${writer.recordsPerFrame()}`);
  reader.read();
  const large = batch('a'.repeat(8000));
  while (!writer.tryWrite(large)) reader.read();
  assert.equal(writer.recordsPerFrame(), 0);
});

test('a frame of which only pieces have come is not in flight yet, and is whole for a peek when the rest is there', () => {
  const { writer, reader } = createRing(64);
  const large = batch('w'.repeat(100));
  assert.equal(writer.tryWrite(large), false);
  assert.equal(reader.read(), undefined);
  assert.equal(writer.position(), 0);
  writer.writePriority(barrier(1));
  assert.deepEqual(reader.readPriority(), { barrier: barrier(1), position: 0 });
  assert.deepEqual(reader.peekFrames(0), []);
  for (let pieces = 0; !writer.tryWrite(large); pieces++) {
    assert.ok(pieces < 10);
    assert.equal(reader.read(), undefined);
  }
  assert.equal(writer.position(), 1);
  assert.deepEqual(reader.peekFrames(1), [encodeElement(large)]);
  assert.deepEqual(reader.read(), large);
});

test('a ring whose counters pass 2^32 goes on', () => {
  const ring = allocateRing(64);
  const words = new Int32Array(ring);
  words[0] = words[16] = -48; // written and read, as if 2^32 - 48 bytes had gone by
  const writer = createRingWriter(ring, { ring() {}, ringLater() {}, hurry() {} });
  const reader = createRingReader(ring, { ring() {}, ringLater() {}, hurry() {} });
  for (let round = 0; round < 20; round++) {
    assert.equal(fill(writer), 4);
    for (let index = 0; index < 4; index++) assert.deepEqual(reader.read(), watermark(index));
    assert.equal(reader.read(), undefined);
  }
});

test('a frozen record cannot be changed by its consumer', () => {
  const { writer, reader } = createLocalChannel({ freezeRecords: true });
  writer.tryWrite(batch({ user: { name: 'a' } }));
  const element = reader.read();
  assert.ok(element?.kind === 'batch');
  const value = element.batch.values[0] as { user: { name: string } };
  assert.throws(() => {
    value.user.name = 'b';
  }, TypeError);
});

const visit = t.object({ user: t.string, at: t.int64, note: t.optional(t.string) }).shape;
const typed: Record<string, (codec: BatchCodec) => Channel> = {
  'a local channel': (codec) => createLocalChannel({ alwaysEncode: true, codec }),
  'a ring': (codec) => createRing(2048, codec),
  'a ring that is smaller than a frame': (codec) => createRing(128, codec),
  'a channel to another process': (codec) => createLinkedChannel(2048, codec),
};

for (const [name, create] of Object.entries(typed)) {
  test(`${name} of a declared type carries rows and columns, and keeps in-flight data that needs no type`, () => {
    const { writer, reader } = create(createBatchCodec(visit));
    for (const count of [1, 7, 8, 30]) {
      const values = Array.from({ length: count }, (_, at) => ({
        user: `u${at}`,
        at,
        ...(at % 2 ? { note: 'n' } : {}),
      }));
      const sent = batch(...values);
      let received: ChannelElement | undefined;
      let unread: Uint8Array[] = [];
      while (!writer.tryWrite(sent)) received ??= reader.read();
      if (received === undefined) unread = reader.peekFrames(writer.position());
      received ??= reader.read();
      assert.deepEqual(received, sent);
      for (const frame of [...unread, reader.lastFrame()]) {
        assert.deepEqual(decodeElement(frame), sent);
        assert.deepEqual(frame, encodeElement(sent), 'as a job without the type would have kept it');
      }
    }
  });
}

test('the rings of a process share their memory, however many there are', () => {
  for (const rings of [0, 1, 7, 255, 256, 257, 5_000, 100_000]) {
    const bytes = ringCapacity(rings);
    allocateRing(bytes);
    assert.ok(rings * bytes <= RINGS_BYTES_MAX, `${rings} rings of ${bytes} bytes`);
  }
  assert.ok(ringCapacity(1) > ringCapacity(1_000));
});

test('a batch that a ring has taken is written over, and one that waits is not', () => {
  const memory = allocateRing(1024);
  const bell = { ring() {}, ringLater() {}, hurry() {} };
  const reader = createRingReader(memory, bell);
  const port = new OutputPort({
    edge: 0,
    producer: 0,
    router: { route: () => 0 },
    channels: [{ consumer: 0, writer: createRingWriter(memory, bell) }],
    unaligned: false,
    batchRecords: 4,
  });
  const seen: unknown[] = [];
  const read = (): void => {
    for (let element = reader.read(); element !== undefined; element = reader.read())
      if (element.kind === 'batch') seen.push(...element.batch.values);
  };
  for (let index = 0; index < 1_000; index++) {
    port.emit(index, index);
    if (index % 200 === 0) read();
  }
  port.flush();
  while (seen.length < 1_000) {
    read();
    port.writable();
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 1_000 }, (_, index) => index),
  );
});
