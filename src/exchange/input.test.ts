import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_TIMESTAMP } from '../base/time.ts';
import type { ChannelWriter } from './channel.ts';
import type { AlignmentMode, CheckpointBarrier, StreamEvent } from './events.ts';
import { decodeElement, encodeElement } from './frame.ts';
import { type GateElement, InputGate } from './input.ts';
import { createLocalChannel } from './local.ts';

interface GivenChannel {
  readonly input?: number;
  readonly edge?: number;
  readonly unaligned?: boolean;
}

function givenGate(channels: readonly GivenChannel[]): { gate: InputGate; writers: ChannelWriter[] } {
  const ends = channels.map(() => createLocalChannel());
  const gate = new InputGate({
    consumer: 4,
    channels: channels.map(({ input = 0, edge = input, unaligned = true }, index) => {
      return { edge, input, producer: index, reader: ends[index]!.reader, unaligned };
    }),
  });
  return { gate, writers: ends.map(({ writer }) => writer) };
}

function send(writer: ChannelWriter | undefined, ...items: (string | StreamEvent)[]): void {
  for (const item of items) {
    const element =
      typeof item === 'string'
        ? ({ kind: 'batch', batch: { values: [item], timestamps: [0] } } as const)
        : ({ kind: 'event', event: item } as const);
    assert.ok(writer!.tryWrite(element));
  }
}

const end: StreamEvent = { kind: 'end-of-data' };

function watermark(timestamp: number): StreamEvent {
  return { kind: 'watermark', timestamp };
}

function status(idle: boolean): StreamEvent {
  return { kind: 'status', idle };
}

function barrierOf(id: number, alignment: AlignmentMode, alignedTimeoutMs = 0): CheckpointBarrier {
  return { id, timestamp: 0, alignment, alignedTimeoutMs, kind: 'periodic' };
}

function inBand(id: number, alignment: AlignmentMode = 'aligned'): StreamEvent {
  return { kind: 'barrier', barrier: barrierOf(id, alignment) };
}

function nameOf(element: GateElement | undefined): string | undefined {
  switch (element?.kind) {
    case undefined:
      return undefined;
    case 'batch':
      return `${element.input}:${element.batch.values.join(' ')}`;
    case 'watermark':
      return `${element.input}:watermark ${element.timestamp}`;
    case 'status':
      return `${element.input}:${element.idle ? 'idle' : 'active'}`;
    case 'barrier':
      return `barrier ${element.barrier.id}`;
    case 'end-of-data':
      return `${element.input}:end`;
    case 'latency-marker':
      return `marker ${element.marker.at}`;
  }
}

function readAll(gate: InputGate, now = 0): string[] {
  const found: string[] = [];
  for (let name = nameOf(gate.next(now)); name !== undefined; name = nameOf(gate.next(now))) found.push(name);
  return found;
}

test('channels take turns', () => {
  const { gate, writers } = givenGate([{}, {}, {}]);
  send(writers[0], 'a0', 'a1', 'a2');
  send(writers[1], 'b0');
  send(writers[2], 'c0', 'c1');
  assert.equal(gate.backlog(), 6);
  assert.deepEqual(readAll(gate), ['0:a0', '0:b0', '0:c0', '0:a1', '0:c1', '0:a2']);
  assert.equal(gate.backlog(), 0);
});

/** Reads so many elements; how many records of each of the producers there were. */
function readRecords(gate: InputGate, elements: number, producers = 2): number[] {
  const counts = new Array<number>(producers).fill(0);
  for (let read = 0; read < elements; read++) {
    const element = gate.next(0);
    if (element?.kind !== 'batch') continue;
    counts[element.producer]! += element.batch.values.length;
  }
  return counts;
}

function sendRecords(writer: ChannelWriter | undefined, ...sizes: number[]): void {
  for (const size of sizes) {
    const batch = { values: new Array(size).fill(0), timestamps: new Array(size).fill(0) };
    assert.ok(writer!.tryWrite({ kind: 'batch', batch }));
  }
}

test('turns are by records: of small batches more are taken than of large ones', () => {
  const { gate, writers } = givenGate([{}, { input: 1 }]);
  const sizes = new Array<number>(16);
  sendRecords(writers[0], ...sizes.fill(16));
  sendRecords(writers[1], ...sizes.fill(256));
  const [small, large] = readRecords(gate, 17);
  assert.deepEqual([small, large], [256, 256]);
});

test('a channel that a barrier blocks is not behind for good: it catches up when the barrier is through', () => {
  const { gate, writers } = givenGate([{ unaligned: false }, { unaligned: false }]);
  send(writers[0], inBand(1));
  sendRecords(writers[1], 256, 256, 256, 256);
  assert.equal(gate.next(0)?.kind, 'batch');
  sendRecords(writers[0], ...new Array<number>(8).fill(256));
  assert.deepEqual(readRecords(gate, 3), [0, 768], 'the other one has not delivered its barrier');
  send(writers[1], inBand(1));
  sendRecords(writers[1], ...new Array<number>(8).fill(256));
  assert.equal(gate.next(0)?.kind, 'barrier');
  assert.deepEqual(readRecords(gate, 4), [1024, 0]);
  assert.deepEqual(readRecords(gate, 6), [768, 768]);
});

test('an idle channel, and one that has ended, keep no other waiting', () => {
  const { gate, writers } = givenGate([{}, {}, {}]);
  send(writers[0], status(true));
  send(writers[2], end);
  sendRecords(writers[1], ...new Array<number>(15).fill(256));
  assert.deepEqual(readRecords(gate, 16, 3), [0, 15 * 256, 0]);
});

test('events without consequence do not keep a channel with records waiting', () => {
  const { gate, writers } = givenGate([{}, {}]);
  for (let time = 0; time < 16; time++) send(writers[0], watermark(time));
  sendRecords(writers[1], 8, 8);
  assert.deepEqual(readRecords(gate, 2), [0, 16]);
});

test('a batch tells where it came from', () => {
  const { gate, writers } = givenGate([
    { input: 0, edge: 8 },
    { input: 1, edge: 9 },
  ]);
  send(writers[1], 'a');
  const element = gate.next(0);
  assert.ok(element?.kind === 'batch');
  assert.deepEqual([element.input, element.edge, element.producer], [1, 9, 1]);
});

test('watermarks and statuses are merged per input', () => {
  const { gate, writers } = givenGate([{}, {}, { input: 1 }]);
  send(writers[0], watermark(5));
  send(writers[2], watermark(9));
  assert.deepEqual(readAll(gate), ['1:watermark 9']);
  send(writers[1], watermark(3), status(true));
  assert.deepEqual(readAll(gate), ['0:watermark 3', '0:watermark 5']);
  send(writers[0], status(true));
  assert.deepEqual(readAll(gate), ['0:idle']);
  send(writers[1], status(false));
  assert.deepEqual(readAll(gate), ['0:active']);
});

test('one event may give a watermark and a status, in this order', () => {
  const { gate, writers } = givenGate([{}, {}]);
  send(writers[0], watermark(5), status(true));
  send(writers[1], watermark(3), status(true));
  assert.deepEqual(readAll(gate), ['0:watermark 3', '0:watermark 5', '0:idle']);
  const other = givenGate([{}, {}]);
  send(other.writers[0], watermark(5), status(true));
  send(other.writers[1], status(true));
  assert.deepEqual(readAll(other.gate), ['0:watermark 5', '0:idle']);
});

test('the end of time arrives also from a producer that was idle to the end', () => {
  const { gate, writers } = givenGate([{}]);
  send(writers[0], status(true), watermark(MAX_TIMESTAMP), end);
  assert.deepEqual(readAll(gate), ['0:idle', '0:active', `0:watermark ${MAX_TIMESTAMP}`, '0:end']);
});

test('an input ends with its last channel, and barriers may follow', () => {
  const { gate, writers } = givenGate([{}, {}, { input: 1 }]);
  send(writers[0], end);
  send(writers[2], 'a', end);
  assert.deepEqual(readAll(gate), ['1:a', '1:end']);
  send(writers[1], 'b', end);
  assert.equal(gate.isEnded(), false);
  assert.deepEqual(readAll(gate), ['0:b', '0:end']);
  assert.ok(gate.isEnded());
  send(writers[1], inBand(3));
  assert.deepEqual(readAll(gate), ['barrier 3']);
  assert.deepEqual(gate.takeInFlight(3), []);
  send(writers[0], inBand(3));
  assert.deepEqual(readAll(gate), []);
});

test('a record behind the end of data is a bug', () => {
  const { gate, writers } = givenGate([{}]);
  send(writers[0], end, 'a');
  assert.equal(nameOf(gate.next(0)), '0:end');
  assert.throws(() => gate.next(0), /nothing but barriers/);
});

test('an aligned barrier blocks its channel until all have delivered it', () => {
  const { gate, writers } = givenGate([{}, {}]);
  send(writers[0], 'a0', inBand(1), 'a1');
  send(writers[1], 'b0');
  assert.deepEqual(readAll(gate), ['0:a0', '0:b0']);
  send(writers[1], inBand(1), 'b1');
  assert.deepEqual(readAll(gate), ['barrier 1', '0:a1', '0:b1']);
  assert.equal(gate.takeInFlight(2), undefined);
  assert.deepEqual(gate.takeInFlight(1), []);
  assert.equal(gate.takeInFlight(1), undefined, 'taken once');
});

test('an unaligned barrier is taken in the middle of a batch, whose rest is in flight before the unread frames', () => {
  const { gate, writers } = givenGate([{}, {}]);
  send(writers[0], 'a0', 'a1');
  assert.equal(nameOf(gate.next(0)), '0:a0');
  const rest = { values: ['rest'], timestamps: [9] };
  assert.equal(
    gate.nextPriority(() => assert.fail('nobody waits for it'), 0),
    undefined,
  );
  writers[0]!.writePriority(barrierOf(1, 'unaligned'));
  send(writers[0], 'a2');
  send(writers[1], 'b0');
  assert.equal(gate.nextPriority(() => rest, 0)?.barrier.id, 1);
  assert.equal(
    gate.nextPriority(() => rest, 0),
    undefined,
  );
  assert.deepEqual(readAll(gate), ['0:b0', '0:a1', '0:a2']);
  assert.equal(gate.takeInFlight(1), undefined, 'the second barrier is missing');
  writers[1]!.writePriority(barrierOf(1, 'unaligned'));
  assert.deepEqual(readAll(gate), []);
  const found = gate.takeInFlight(1)!.map(({ frames, ...channel }) => ({
    ...channel,
    values: frames.map((frame) => JSON.stringify(decodeElement(frame))),
  }));
  const batch = (value: string, timestamp: number): string =>
    JSON.stringify({ kind: 'batch', batch: { values: [value], timestamps: [timestamp] } });
  assert.deepEqual(found, [
    { edge: 0, producer: 0, consumer: 4, values: [batch('rest', 9), batch('a1', 0)] },
    { edge: 0, producer: 1, consumer: 4, values: [batch('b0', 0)] },
  ]);
});

test('a latency marker keeps its place among the records, and no checkpoint keeps it', () => {
  const marker = (at: number): StreamEvent => ({
    kind: 'latency-marker',
    marker: { at, vertex: 0, subtask: 0 },
  });
  const { gate, writers } = givenGate([{}, {}]);
  send(writers[0], 'a0', marker(1), 'a1');
  send(writers[1], marker(2), 'b0');
  writers[0]!.writePriority(barrierOf(1, 'unaligned'));
  assert.deepEqual(readAll(gate), ['barrier 1', '0:a0', 'marker 2', 'marker 1', '0:b0', '0:a1']);
  writers[1]!.writePriority(barrierOf(1, 'unaligned'));
  gate.next(0);
  const kept = gate
    .takeInFlight(1)!
    .flatMap(({ frames }) => frames.map((frame) => decodeElement(frame).kind));
  assert.deepEqual(kept, ['batch', 'batch', 'batch']);
});

test('an unaligned barrier waits for the channels that may not be overtaken', () => {
  const { gate, writers } = givenGate([{}, { unaligned: false, input: 1 }]);
  writers[0]!.writePriority(barrierOf(1, 'unaligned'));
  send(writers[0], 'a');
  send(writers[1], 'b', inBand(1, 'unaligned'), 'c');
  assert.deepEqual(readAll(gate), ['1:b', 'barrier 1', '0:a', '1:c']);
});

test('within the aligned timeout an unaligned checkpoint waits, and has no in-flight data when all arrive', () => {
  const { gate, writers } = givenGate([{}, {}]);
  send(writers[0], 'a0');
  writers[0]!.writePriority(barrierOf(1, 'unaligned', 10));
  send(writers[0], 'a1');
  assert.equal(gate.deadline(), undefined);
  assert.deepEqual(readAll(gate, 100), ['0:a0']);
  assert.equal(gate.deadline(), 110);
  writers[1]!.writePriority(barrierOf(1, 'unaligned', 10));
  assert.deepEqual(readAll(gate, 109), ['barrier 1', '0:a1']);
  assert.deepEqual(gate.takeInFlight(1), []);
  assert.equal(gate.deadline(), undefined);
});

test('after the aligned timeout the snapshot is taken at once', () => {
  const { gate, writers } = givenGate([{}, {}]);
  writers[0]!.writePriority(barrierOf(1, 'unaligned', 10));
  assert.deepEqual(readAll(gate, 100), []);
  assert.equal(
    gate.nextPriority(() => undefined, 109),
    undefined,
  );
  assert.equal(gate.nextPriority(() => undefined, 110)?.barrier.id, 1);
});

test('a checkpoint with too much in-flight data is given up, and the stream goes on', () => {
  const { reader, writer } = createLocalChannel();
  const other = createLocalChannel();
  const channel = { edge: 0, input: 0, unaligned: true };
  const gate = new InputGate({
    consumer: 0,
    channels: [
      { ...channel, producer: 0, reader },
      { ...channel, producer: 1, reader: other.reader },
    ],
    inFlightBytesMax: 100,
  });
  other.writer.writePriority(barrierOf(1, 'unaligned'));
  assert.deepEqual(readAll(gate), ['barrier 1']);
  send(writer, 'a', 'b'.repeat(100), 'c');
  assert.equal(gate.takeGivenUp(), undefined);
  assert.equal(readAll(gate).length, 3);
  assert.equal(gate.takeGivenUp(), 1);
  assert.equal(gate.takeGivenUp(), undefined);
  writer.writePriority(barrierOf(1, 'unaligned'));
  assert.deepEqual(readAll(gate), []);
  assert.equal(gate.takeInFlight(1), undefined);
  writer.writePriority(barrierOf(2, 'unaligned'));
  assert.deepEqual(readAll(gate), ['barrier 2']);
});

test('an aborted checkpoint releases what it blocks, also when the abort comes first', () => {
  const { gate, writers } = givenGate([{}, {}]);
  send(writers[0], inBand(1), 'a');
  assert.deepEqual(readAll(gate), []);
  gate.abort(1);
  assert.deepEqual(readAll(gate), ['0:a']);
  gate.abort(2);
  send(writers[1], inBand(1), inBand(2), 'b');
  assert.deepEqual(readAll(gate), ['0:b']);
  assert.equal(gate.takeInFlight(1), undefined);
});

test('at least once takes several checkpoints at a time and blocks nothing', () => {
  const { gate, writers } = givenGate([{}, {}]);
  send(writers[0], inBand(1, 'at-least-once'), 'a', inBand(2, 'at-least-once'));
  assert.deepEqual(readAll(gate), ['0:a']);
  send(writers[1], 'b', inBand(1, 'at-least-once'), inBand(2, 'at-least-once'));
  assert.deepEqual(readAll(gate), ['0:b', 'barrier 1', 'barrier 2']);
  assert.deepEqual(gate.takeInFlight(2), []);
});

const frames = [
  { kind: 'batch', batch: { values: [1, 2, 3], timestamps: [10, 20, 30] } },
  { kind: 'event', event: watermark(15) },
  { kind: 'event', event: status(true) },
  { kind: 'event', event: inBand(6) },
  { kind: 'event', event: end },
] as const;

test('recovered frames come before anything else, and no barrier is taken before they are done', () => {
  const { gate, writers } = givenGate([{}]);
  const section = { edge: 0, producer: 0, consumer: 4, reroute: false, dropEvents: false };
  gate.recover(
    [
      { ...section, frames: frames.map(encodeElement) },
      { ...section, frames: [encodeElement(frames[0])] },
    ],
    () => assert.fail('nothing is rerouted'),
  );
  send(writers[0], 'new', watermark(17));
  writers[0]!.writePriority(barrierOf(7, 'unaligned'));
  assert.equal(gate.isEnded(), false);
  assert.equal(nameOf(gate.next(0)), '0:1 2 3');
  assert.equal(
    gate.nextPriority(() => ({ values: [3], timestamps: [30] }), 0),
    undefined,
  );
  assert.equal(
    gate.nextPriority(() => undefined, 0),
    undefined,
  );
  assert.deepEqual(readAll(gate), [
    '0:watermark 15',
    '0:idle',
    '0:1 2 3',
    '0:active',
    'barrier 7',
    '0:new',
    '0:watermark 17',
  ]);
});

test('of rerouted frames only the own records count, and of another channel only the records', () => {
  const { gate, writers } = givenGate([{ input: 0, edge: 3 }]);
  const section = { edge: 3, producer: 9, consumer: 4, frames: frames.map(encodeElement) };
  gate.recover(
    [
      { ...section, reroute: true, dropEvents: true },
      { ...section, reroute: false, dropEvents: true },
    ],
    (edge, value) => edge === 3 && value === 2,
  );
  const [first] = [gate.next(0)];
  assert.ok(first?.kind === 'batch');
  assert.deepEqual([first.batch, first.producer], [{ values: [2], timestamps: [20] }, 9]);
  send(writers[0], 'new');
  assert.deepEqual(readAll(gate), ['0:1 2 3', '0:new']);
});

test('it tells when there is something to read, on any channel', () => {
  const { gate, writers } = givenGate([{}, {}]);
  let calls = 0;
  gate.onReadable(() => calls++);
  send(writers[1], 'a');
  assert.equal(calls, 1);
  readAll(gate);
  gate.onReadable(() => calls++);
  writers[0]!.writePriority(barrierOf(1, 'unaligned'));
  assert.equal(calls, 2);
});
