import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HANDED_MAX } from '../exchange/hand-over.ts';
import { createLocalChannel } from '../exchange/local.ts';
import { OutputPort } from '../exchange/output.ts';
import { createRouter } from '../exchange/router.ts';
import { HandOvers, type TakesHanded } from './hand-overs.ts';

/** A consumer that notes what it is told. */
class Consumer implements TakesHanded {
  batchMs = 0;
  isReady = true;
  prefersBatches = false;
  readonly names = ['consumer'];
  readonly taken: unknown[] = [];
  readonly told: { readonly records: number; readonly ms: number }[] = [];

  begin(): boolean {
    return this.isReady;
  }

  end(records: number, ms: number): void {
    this.told.push({ records, ms });
  }
}

function given() {
  const { writer, reader } = createLocalChannel();
  const port = new OutputPort({
    edge: 0,
    producer: 0,
    channels: [{ consumer: 0, writer }],
    router: createRouter('forward', { channels: 1 }),
    unaligned: false,
  });
  const consumer = new Consumer();
  const way = port.way!;
  way.take = (value) => {
    consumer.taken.push(value);
    way.taken(true);
  };
  const handOvers = new HandOvers();
  handOvers.add(port, way, consumer);
  // The first piece of work goes through the channel.
  handOvers.open();
  handOvers.close(0);
  return { port, reader, consumer, handOvers };
}

/** The same, with a way that takes all it may: lately its records took no time. */
function givenQuick() {
  const all = given();
  for (let records = 1; records < HANDED_MAX; records *= 2) {
    all.handOvers.open();
    for (let each = 0; each < records; each++) all.port.emit(each, 1);
    all.handOvers.close(0);
  }
  all.consumer.taken.length = all.consumer.told.length = 0;
  return all;
}

test('a way is open within a piece of work, and what comes outside of one waits in the batch, then in the channel', () => {
  const { port, reader, consumer, handOvers } = given();
  assert.equal(handOvers.open(), true);
  port.emit('a', 1);
  handOvers.close(0);
  port.emit('b', 2);
  assert.equal(handOvers.open(), false, 'the consumer has to read first');
  port.emit('c', 3);
  handOvers.close(0);
  assert.deepEqual(reader.read(), { kind: 'batch', batch: { values: ['b'], timestamps: [2] } });
  assert.equal(handOvers.open(), false);
  handOvers.close(0);
  assert.deepEqual(reader.read(), { kind: 'batch', batch: { values: ['c'], timestamps: [3] } });
  assert.equal(handOvers.open(), true);
  port.emit('d', 4);
  handOvers.close(0);
  assert.deepEqual(consumer.taken, ['a', 'd']);
  assert.deepEqual(
    consumer.told.map(({ records }) => records),
    [1, 1],
  );
});

test('a consumer that is not ready gets its records through the channel', () => {
  const { port, reader, consumer, handOvers } = given();
  consumer.isReady = false;
  handOvers.open();
  port.emit('a', 1);
  handOvers.close(0);
  port.flush();
  assert.deepEqual([consumer.taken.length, reader.backlog(), consumer.told.length], [0, 1, 0]);
});

test('a producer does not hurry for a consumer that prefers batches', () => {
  const { port, reader, consumer, handOvers } = given();
  consumer.prefersBatches = true;
  for (let piece = 0; piece < 200; piece++) {
    assert.equal(handOvers.open(), true);
    port.emit(piece, 1);
    handOvers.close(0);
  }
  assert.deepEqual([consumer.taken.length, reader.backlog()], [0, 0], 'the batch is not full yet');
});

test('one piece of work in 64 goes through the channel, and the time of the others is divided as those were', () => {
  const { port, reader, consumer, handOvers } = givenQuick();
  let own = 0;
  let apart = 0;
  for (let piece = 1; piece <= 6_400; piece++) {
    handOvers.open();
    // Of a piece the producer has 0.15 ms, and the consumer 0.05.
    const isApart = !port.way!.isOpen;
    for (let each = 0; each < 10; each++) port.emit(each, 1);
    const before = consumer.told.length;
    own += handOvers.close(isApart ? 0.15 : 0.2);
    if (!isApart) continue;
    apart++;
    assert.equal(consumer.told.length, before);
    port.flush();
    while (reader.read() !== undefined);
    consumer.batchMs += 0.05;
  }
  assert.equal(apart, 100);
  const handed = consumer.told.reduce((sum, { ms }) => sum + ms, 0);
  assert.ok(Math.abs(own + handed - (6_300 * 0.2 + 100 * 0.15)) < 1e-6, 'no time is lost or made');
  assert.ok(handed > 310 && handed < 320, `${handed} of 315 ms were the consumer's`);
});

test('a call that emits without end fills the channel behind the records of one opening', () => {
  const { port, consumer, handOvers } = givenQuick();
  handOvers.open();
  port.emitAll(
    Array.from({ length: 100 * HANDED_MAX }, (_, index) => index),
    1,
  );
  handOvers.close(0);
  assert.equal(consumer.taken.length, HANDED_MAX);
  assert.equal(port.writable(), false);
});

test('a way takes what there was time for lately, however many records the producer emits at once', () => {
  const { port, reader, consumer, handOvers } = givenQuick();
  const taken: number[] = [];
  for (let piece = 0; piece < 4; piece++) {
    handOvers.open();
    const before = consumer.taken.length;
    for (let each = 0; each < HANDED_MAX; each++) port.emit(each, 1);
    const records = consumer.taken.length - before;
    taken.push(records);
    // A tenth of a millisecond for each.
    handOvers.close(records * 0.1);
    port.flush();
    while (reader.read() !== undefined);
  }
  assert.deepEqual(taken, [HANDED_MAX, 5, 5, 5]);
  handOvers.open();
  port.emit('one', 1);
  handOvers.close(0);
  handOvers.open();
  for (let each = 0; each < 10; each++) port.emit(each, 1);
  handOvers.close(0);
  assert.equal(consumer.taken.length, HANDED_MAX + 15 + 1 + 5, 'a piece that had less to do tells nothing');
});
