import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectGarbage } from '../../test/garbage.ts';
import { isMillraceError } from '../base/errors.ts';
import { seededRandom } from '../base/random.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';
import type { ChannelElement, ChannelReader, ChannelWriter } from './channel.ts';
import type { AlignmentMode, CheckpointBarrier } from './events.ts';
import { decodeElement } from './frame.ts';
import { HANDED_MAX } from './hand-over.ts';
import { createLocalChannel } from './local.ts';
import { OutputPort, type OutputPortOptions } from './output.ts';
import { allocateRing } from './ring-memory.ts';
import { createRingReader } from './ring-reader.ts';
import { createRingWriter } from './ring-writer.ts';
import { createRouter } from './router.ts';

interface Given {
  readonly port: OutputPort;
  readonly readers: readonly ChannelReader[];
}

function givenPort(
  options: Partial<OutputPortOptions> & { channelsOf?: number; capacityElements?: number } = {},
): Given {
  const { channelsOf = 2, capacityElements = 16, ...others } = options;
  const ends = Array.from({ length: channelsOf }, () => createLocalChannel({ capacityElements }));
  const port = new OutputPort({
    edge: 5,
    producer: 1,
    channels: ends.map(({ writer }, consumer) => ({ consumer: consumer + 10, writer })),
    router: createRouter('rescale', { channels: channelsOf }),
    unaligned: true,
    ...others,
  });
  return { port, readers: ends.map(({ reader }) => reader) };
}

/** Nobody sleeps. */
function ringChannel(capacityBytes: number): { writer: ChannelWriter; reader: ChannelReader } {
  const ring = allocateRing(capacityBytes);
  const bell = { ring: () => {}, ringLater: () => {}, hurry: () => {} };
  return { writer: createRingWriter(ring, bell), reader: createRingReader(ring, bell) };
}

function barrier(alignment: AlignmentMode, id = 1): CheckpointBarrier {
  return { id, timestamp: 0, alignment, alignedTimeoutMs: 0, kind: 'periodic' };
}

function nameOf(element: ChannelElement): string {
  if (element.kind === 'batch') return `[${element.batch.values.join(' ')}]`;
  const event = element.event;
  if (event.kind === 'watermark') return `watermark ${event.timestamp}`;
  return event.kind === 'barrier' ? `barrier ${event.barrier.id}` : event.kind;
}

function readAll(reader: ChannelReader): string[] {
  const found: string[] = [];
  for (let element = reader.read(); element !== undefined; element = reader.read())
    found.push(nameOf(element));
  return found;
}

test('records wait for their batch to fill, channel by channel', () => {
  const { port, readers } = givenPort({ batchRecords: 2 });
  port.emitAll(['a', 'b', 'c'], 7);
  assert.deepEqual(readers.map(readAll), [['[a c]'], []]);
  port.emit('d', 7);
  port.flush();
  assert.deepEqual(readers.map(readAll), [[], ['[b d]']]);
});

test('a batch carries the timestamp of each record', () => {
  const { port, readers } = givenPort({ channelsOf: 1 });
  port.emit('a', 1);
  port.emitAll(['b', 'c'], 2);
  port.flush();
  assert.deepEqual(readers[0]!.read(), {
    kind: 'batch',
    batch: { values: ['a', 'b', 'c'], timestamps: [1, 2, 2] },
  });
});

test('a latency marker goes to one channel by chance, behind the records of that channel', () => {
  const { port, readers } = givenPort({ random: { int: () => 1 } });
  const marker = { at: 5, vertex: 0, subtask: 1 };
  port.emitAll(['a', 'b'], 1);
  port.latencyMarker(marker);
  assert.deepEqual(readers.map(readAll), [[], ['[b]', 'latency-marker']]);
  port.flush();
  assert.deepEqual(readers.map(readAll), [['[a]'], []]);
});

test('a latency marker that an unaligned barrier overtakes is in no checkpoint', () => {
  const { port } = givenPort({ channelsOf: 1, capacityElements: 1 });
  port.emit('a', 1);
  port.flush();
  port.latencyMarker({ at: 5, vertex: 0, subtask: 1 });
  port.emit('b', 1);
  const kept = port
    .barrier(barrier('unaligned'))
    .flatMap(({ frames }) => frames.map((frame) => nameOf(decodeElement(frame))));
  assert.deepEqual(kept, ['[b]']);
});

for (const plain of [false, true]) {
  const how = plain ? 'the plain way' : 'made code';

  test(`${how}: while the way is open records go to the consumer with their key, and an event closes it`, () => {
    const taken: unknown[] = [];
    const select = (value: unknown) => {
      if (value === 'bad') throw new Error('no key');
      return String(value).length;
    };
    const { port, readers } = givenPort({
      plain,
      channelsOf: 1,
      router: createRouter('key-group', { channels: 1, maxParallelism: 8, keySelector: select, plain }),
    });
    const way = port.way!;
    way.take = (...given) => {
      taken.push(given);
      way.taken(given[0] !== 'last');
    };
    assert.equal(port.isClear(), true);
    way.open(HANDED_MAX);
    port.emit('a', 1);
    assert.throws(() => port.emit('bad', 1), { message: 'no key' });
    port.event({ kind: 'watermark', timestamp: 1 });
    port.emit('b', 2);
    assert.equal(port.isClear(), false);
    port.flush();
    assert.deepEqual(readers.map(readAll), [['watermark 1', '[b]']]);
    assert.equal(port.isClear(), true);
    way.open(HANDED_MAX);
    port.emit('last', 3);
    port.emit('behind', 4);
    port.flush();
    assert.deepEqual(readers.map(readAll), [['[behind]']]);
    assert.deepEqual(taken, [
      ['a', 1, 1],
      ['last', 3, 4],
    ]);
    way.open(HANDED_MAX);
    port.barrier(barrier('unaligned'));
    assert.deepEqual(
      [way.isOpen, port.isClear()],
      [false, false],
      'a barrier in the priority lane is not read',
    );
    assert.equal(readers[0]!.readPriority()?.barrier.id, 1);
    assert.equal(port.isClear(), true);
    way.open(HANDED_MAX);
    port.close();
    assert.deepEqual([way.isOpen, port.isClear()], [false, false]);
  });
}

test('there is no way past a channel that encodes, or past several', () => {
  assert.equal(givenPort({ channelsOf: 2 }).port.way, undefined);
  const { writer } = createLocalChannel({ alwaysEncode: true });
  assert.equal(givenPort({ channelsOf: 1, channels: [{ consumer: 0, writer }] }).port.way, undefined);
  const ring = ringChannel(1_024);
  assert.equal(
    givenPort({ channelsOf: 1, channels: [{ consumer: 0, writer: ring.writer }] }).port.way,
    undefined,
  );
});

test('an event goes to every channel behind all records', () => {
  const { port, readers } = givenPort();
  port.emit('a', 1);
  port.event({ kind: 'watermark', timestamp: 3 });
  port.event({ kind: 'status', idle: true });
  port.event({ kind: 'end-of-data' });
  assert.deepEqual(readers.map(readAll), [
    ['[a]', 'watermark 3', 'status', 'end-of-data'],
    ['watermark 3', 'status', 'end-of-data'],
  ]);
});

test('a broadcast record goes to every channel', () => {
  const { port, readers } = givenPort({ router: createRouter('broadcast', { channels: 2 }) });
  port.emitAll(['a', 'b'], 1);
  port.flush();
  assert.deepEqual(readers.map(readAll), [['[a b]'], ['[a b]']]);
});

test('a batch is sent when its records have waited for the buffer timeout', () => {
  const { port, readers } = givenPort({ channelsOf: 1, bufferTimeoutMs: 10 });
  assert.equal(port.flushDeadline(), undefined);
  port.emit('a', 1);
  port.flushDue(1000);
  assert.equal(port.flushDeadline(), 1010);
  port.flushDue(1009);
  assert.deepEqual(readAll(readers[0]!), []);
  port.flushDue(1010);
  assert.deepEqual(readAll(readers[0]!), ['[a]']);
  port.flushDue(2000);
  assert.equal(port.flushDeadline(), undefined);
});

test('a batch that could not go waits to be filled, and goes when there is room', () => {
  const { port, readers } = givenPort({ capacityElements: 1, batchRecords: 2, bufferTimeoutMs: 10 });
  port.emitAll(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'], 1); // To the two channels by turns.
  port.flushWhereRoom();
  port.flushDue(0);
  port.flushDue(1_000);
  assert.equal(port.writable(), false);
  assert.deepEqual(readAll(readers[0]!), ['[a c]']);
  assert.equal(port.writable(), false, 'the other channel is full');
  port.emitAll(['k', 'l'], 1);
  const found: string[][] = [[], []];
  for (let isWritable = false; !isWritable; isWritable = port.writable())
    for (const [channel, reader] of readers.entries()) found[channel]!.push(...readAll(reader));
  for (const [channel, reader] of readers.entries()) found[channel]!.push(...readAll(reader));
  assert.deepEqual(found, [
    ['[e g]', '[i k]'],
    ['[b d]', '[f h]', '[j l]'],
  ]);
  port.emitAll(['m'], 1);
  port.flushWhereRoom();
  assert.deepEqual(readers.map(readAll), [['[m]'], []], 'with room nothing waits');
});

test('an event leaves no record behind it, also one that could not go', () => {
  const { port, readers } = givenPort({ channelsOf: 1, capacityElements: 1, batchRecords: 2 });
  port.emitAll(['a', 'b', 'c', 'd', 'e'], 1);
  port.flushWhereRoom();
  port.event({ kind: 'watermark', timestamp: 3 });
  const found: string[] = [];
  while (!port.writable()) found.push(...readAll(readers[0]!));
  assert.deepEqual([...found, ...readAll(readers[0]!)], ['[a b]', '[c d]', '[e]', 'watermark 3']);
});

test('a buffer timeout of 0 sends every record at once, and one of -1 only full batches', () => {
  const { port, readers } = givenPort({ channelsOf: 1, bufferTimeoutMs: 0 });
  port.emitAll(['a', 'b'], 1);
  assert.deepEqual(readAll(readers[0]!), ['[a]', '[b]']);
  const patient = givenPort({ channelsOf: 1, bufferTimeoutMs: -1 });
  patient.port.emit('a', 1);
  patient.port.flushDue(0);
  patient.port.flushDue(1e9);
  assert.deepEqual([readAll(patient.readers[0]!), patient.port.flushDeadline()], [[], undefined]);
});

test('without credit it holds elements back in order and is not writable until all have gone', () => {
  const { port, readers } = givenPort({ channelsOf: 1, capacityElements: 1, batchRecords: 1 });
  assert.ok(port.writable());
  port.emitAll(['a', 'b', 'c'], 1);
  port.event({ kind: 'watermark', timestamp: 1 });
  assert.equal(port.writable(), false);
  const seen: string[] = [];
  for (let calls = 0; !port.writable(); ) {
    port.onWritable(() => calls++);
    seen.push(nameOf(readers[0]!.read()!));
    assert.equal(calls, 1);
    calls = 0;
  }
  seen.push(...readAll(readers[0]!));
  assert.deepEqual(seen, ['[a]', '[b]', '[c]', 'watermark 1']);
});

test('a slow channel does not hold back what another one takes', () => {
  const { port, readers } = givenPort({ capacityElements: 1, batchRecords: 1 });
  port.emitAll(['a0', 'b0', 'a1'], 1);
  assert.equal(port.writable(), false);
  assert.deepEqual(readAll(readers[1]!), ['[b0]']);
  port.emitAll(['b1'], 1);
  assert.deepEqual(readAll(readers[1]!), ['[b1]']);
});

test('more than the bound is an error that names the way out', () => {
  const { port } = givenPort({
    channelsOf: 1,
    capacityElements: 1,
    batchRecords: 10,
    overflowRecordsMax: 100,
  });
  assert.throws(
    () => {
      for (let count = 0; count < 200; count++) port.emit(count, 1);
    },
    (error) =>
      isMillraceError(error, 'EXCHANGE_OVERFLOW') &&
      /generator/.test(error.remedy) &&
      /110 rec/.test(error.message),
  );
  const bytes = givenPort({ channelsOf: 1, capacityElements: 1, batchRecords: 1, overflowBytesMax: 10_000 });
  assert.throws(
    () => {
      for (let count = 0; count < 20; count++) bytes.port.emit({ text: 'x'.repeat(1000) }, 1);
    },
    (error) => isMillraceError(error, 'EXCHANGE_OVERFLOW'),
  );
});

test('an aligned barrier goes in band behind all records, and so does an unaligned one where nothing may be overtaken', () => {
  for (const [alignment, unaligned] of [
    ['aligned', true],
    ['at-least-once', true],
    ['unaligned', false],
  ] as const) {
    const { port, readers } = givenPort({ unaligned });
    port.emit('a', 1);
    assert.deepEqual(port.barrier(barrier(alignment)), []);
    assert.deepEqual(readers.map(readAll), [['[a]', 'barrier 1'], ['barrier 1']]);
  }
});

test('an unaligned barrier overtakes everything, and what waited outside the channels is in-flight output', () => {
  const { port, readers } = givenPort({ capacityElements: 1, batchRecords: 2 });
  port.emitAll(['a0', 'b0', 'a1', 'b1'], 1); // fills both channels
  port.emitAll(['a2', 'b2', 'a3', 'b3'], 1); // overflows
  port.event({ kind: 'watermark', timestamp: 1 });
  port.emit('a4', 2);
  const sections = port.barrier(barrier('unaligned'));
  assert.deepEqual(
    sections.map(({ frames, ...channel }) => ({
      ...channel,
      frames: frames.map((frame) => decodeElement(frame)).map(nameOf),
    })),
    [
      { edge: 5, producer: 1, consumer: 10, frames: ['[a2 a3]', 'watermark 1', '[a4]'] },
      { edge: 5, producer: 1, consumer: 11, frames: ['[b2 b3]', 'watermark 1'] },
    ],
  );
  assert.deepEqual(
    readers.map((reader) => reader.readPriority()?.position),
    [1, 1],
  );
  port.flush();
  const seen: string[] = [];
  while (seen.push(...readAll(readers[0]!)) < 4) port.writable();
  assert.deepEqual(seen, ['[a0 a1]', '[a2 a3]', 'watermark 1', '[a4]'], 'the stream itself is untouched');
});

test('nothing in flight gives no section', () => {
  const { port, readers } = givenPort();
  assert.deepEqual(port.barrier(barrier('unaligned')), []);
  assert.equal(readers[0]!.readPriority()?.barrier.id, 1);
});

test('watermarks that go back and records behind the end of data are bugs', () => {
  const { port } = givenPort();
  port.event({ kind: 'watermark', timestamp: 3 });
  port.event({ kind: 'watermark', timestamp: 3 });
  assert.throws(() => port.event({ kind: 'watermark', timestamp: 2 }), /I-W1/);
  port.event({ kind: 'end-of-data' });
  assert.throws(() => port.emit('a', 1), /end of data/);
  assert.throws(() => port.event({ kind: 'status', idle: true }), /end of data/);
  port.barrier(barrier('aligned'));
});

test('a closed output drops what waits and takes nothing more', () => {
  const { port, readers } = givenPort({ channelsOf: 1, capacityElements: 1, batchRecords: 1 });
  port.emitAll(['a', 'b'], 1);
  port.close();
  assert.ok(port.writable());
  assert.deepEqual(readAll(readers[0]!), ['[a]']);
  assert.throws(() => port.emit('c', 1), /closed/);
  assert.throws(() => port.barrier(barrier('aligned')), /closed/);
});

test('emitted records are frozen on demand', () => {
  const { port } = givenPort({ freezeRecords: true });
  const record = { user: { name: 'a' } };
  port.emit(record, 1);
  assert.throws(() => {
    record.user.name = 'b';
  }, TypeError);
});

test('batches of large records become small, and one that is too large for a channel is divided', () => {
  const { writer, reader } = ringChannel(4096);
  const { port } = givenPort({
    channels: [{ consumer: 0, writer }],
    router: createRouter('global', { channels: 1 }),
  });
  const sizes: number[] = [];
  let records = 0;
  const receive = (): void => {
    for (let element = reader.read(); element !== undefined; element = reader.read()) {
      assert.ok(element.kind === 'batch');
      sizes.push(element.batch.values.length);
      for (const value of element.batch.values) assert.equal((value as { index: number }).index, records++);
    }
  };
  for (let index = 0; index < 300; index++) {
    port.emit({ index, text: 'x'.repeat(index < 256 ? 50_000 : 10) }, 1); // 256 of these are 12.8 MB
    while (!port.writable()) receive();
  }
  port.flush();
  while (records < 300) {
    port.writable();
    receive();
  }
  assert.equal(sizes[0], 128);
  assert.equal(sizes[2], 1);
  assert.throws(
    () => {
      port.emit('x'.repeat(9 * 1024 * 1024), 1);
      port.flush();
    },
    (error) => isMillraceError(error, 'EXCHANGE_RECORD_TOO_LARGE'),
  );
});

test('the made way of a record into its batch does what the plain one does, for every partitioner', () => {
  const kinds = [
    'forward',
    'rebalance',
    'rescale',
    'shuffle',
    'broadcast',
    'global',
    'key-group',
    'custom',
  ] as const;
  for (const kind of kinds) {
    const [made, plain] = [false, true].map((isPlain) => {
      const { port, readers } = givenPort({
        channelsOf: 3,
        capacityElements: 1_000,
        batchRecords: 7,
        plain: isPlain,
        router: createRouter(kind, {
          plain: isPlain,
          channels: 3,
          keySelector: (value) => `key ${value as number}`,
          maxParallelism: 128,
          partitioner: (key, channels) => (key as string).length % channels,
          random: seededRandom(1),
        }),
      });
      const steps = seededRandom(2);
      for (let value = 0; value < 400; value++) {
        port.emit(value, value % 5);
        if (steps.int(20) === 0) port.flush();
        if (steps.int(50) === 0) port.event({ kind: 'watermark', timestamp: value });
      }
      port.event({ kind: 'end-of-data' });
      assert.throws(() => port.emit(0, 0), /nothing but barriers follows the end of data/);
      port.close();
      assert.throws(() => port.emit(0, 0), /closed/);
      return readers.map(readAll);
    });
    assert.deepEqual(made, plain, kind);
    assert.ok(made!.flat().length > 60);
  }
});

test('records with and without a timestamp share batches, whose memory is used again', () => {
  const [none, steps] = [MIN_TIMESTAMP, seededRandom(3)];
  let mixed = 0;
  for (const copies of [false, true]) {
    const sent: [number, number][] = [];
    const seen: [number, number][] = [];
    const { writer, reader } = copies
      ? ringChannel(1 << 16)
      : createLocalChannel({ capacityElements: 1_000 });
    const { port } = givenPort({ channels: [{ consumer: 0, writer }], channelsOf: 1, batchRecords: 8 });
    for (let value = 0; value < 3_000; value++) {
      const isTimed = steps.int(value % 400 < 200 ? 12 : 2) === 0;
      const timestamp = isTimed ? value : none;
      sent.push([value, timestamp]);
      port.emit(value, timestamp);
      if (steps.int(30) === 0 || value === 2_999) port.flush();
      for (let element = reader.read(); element !== undefined; element = reader.read()) {
        assert.ok(element.kind === 'batch');
        const { values, timestamps } = element.batch;
        assert.equal(timestamps.length, values.length);
        if (new Set(timestamps.map((each) => each === none)).size === 2) mixed++;
        for (const [index, each] of values.entries()) seen.push([each as number, timestamps[index]!]);
      }
    }
    assert.deepEqual(seen, sent);
  }
  assert.ok(mixed > 100, `${mixed} batches had both`);
});

test('records that were sent before their batch was full are not kept alive by the next one', async () => {
  const { port, readers } = givenPort({ channelsOf: 1 });
  const sent = Array.from({ length: 20 }, (_, index) => {
    const record = { index };
    port.emit(record, 1);
    return new WeakRef(record);
  });
  port.flush();
  assert.equal(readAll(readers[0]!).length, 1);
  // A reader has the element that it gave last.
  port.emit({ index: 20 }, 1);
  port.flush();
  assert.equal(readAll(readers[0]!).length, 1);
  await collectGarbage();
  assert.equal(sent.filter((record) => record.deref() !== undefined).length, 0);
});
