// Two processes over one connection that chops, delays and breaks: order, credit, barriers that overtake, bad peers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkRings, type LinkedRings } from '../../test/exchange/linked-rings.ts';
import { MemoryNetwork } from '../../test/exchange/memory-network.ts';
import { isMillraceError } from '../base/errors.ts';
import { seededRandom } from '../base/random.ts';
import type { ChannelElement } from './channel.ts';
import type { CheckpointBarrier } from './events.ts';
import { decodeElement, encodeElement } from './frame.ts';
import { Link } from './link.ts';
import {
  ASK,
  askMessage,
  BARRIER,
  BARRIER_BYTES,
  CREDIT,
  creditMessage,
  DATA,
  LINK_HEADER_BYTES,
  writeBarrierMessage,
  writeLinkHeader,
} from './link-layout.ts';
import { RingInlet } from './ring-inlet.ts';
import { allocateRing, sharedRingMemory } from './ring-memory.ts';
import { RingOutlet } from './ring-outlet.ts';
import { RingReader } from './ring-reader.ts';
import { inletRingBytes } from './tcp.ts';

const SEEDS = 300;

function batch(index: number, size: number): ChannelElement {
  return { kind: 'batch', batch: { values: [{ index, text: 'x'.repeat(size) }], timestamps: [index] } };
}

function watermark(timestamp: number): ChannelElement {
  return { kind: 'event', event: { kind: 'watermark', timestamp } };
}

function barrier(id: number): CheckpointBarrier {
  return { id, timestamp: 12.5, alignment: 'unaligned', alignedTimeoutMs: 3, kind: 'periodic' };
}

/** What has happened on one channel. */
class Track {
  readonly sent: ChannelElement[] = [];
  /** By id of the barrier. */
  readonly positions = new Map<number, number>();
  read = 0;
  barrierSeen = 0;
  barriersSent = 0;
}

function takeAll(rings: LinkedRings, at: number, track: Track, elementsMax: number): void {
  const { reader } = rings.channels[at]!;
  for (let taken = 0; taken < elementsMax; taken++) {
    const priority = reader.readPriority();
    if (priority !== undefined) {
      const { position, barrier: found } = priority;
      assert.deepEqual(found, barrier(found.id));
      assert.equal(position, track.positions.get(found.id));
      assert.ok(position >= track.read, 'a barrier comes before what was sent behind it');
      assert.deepEqual(
        reader.peekFrames(position).map((frame) => decodeElement(frame)),
        track.sent.slice(track.read, position),
        'I-U2: what it overtook is there',
      );
      track.barrierSeen = found.id;
      continue;
    }
    const element = reader.read();
    if (element === undefined) return;
    assert.deepEqual(element, track.sent[track.read]);
    track.read++;
  }
}

test('channels that share a connection keep order and barriers, whatever the network does', () => {
  let overtaken = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    const random = seededRandom(`link ${seed}`);
    const count = 1 + random.int(4);
    const windowBytes = 64 << random.int(5);
    const first = windowBytes >> random.int(4);
    let now = 0;
    const rings = linkRings({
      seed: `network ${seed}`,
      count,
      windowBytes,
      bounds: { least: Math.max(8, first >> random.int(3)), first, most: windowBytes },
      now: () => now,
      waitingBytesMax: 1 << (6 + random.int(8)),
      copiedBytesMax: 1 << random.int(11),
    });
    rings.network.chunkBytesMax = 1 << random.int(10);
    const tracks = rings.channels.map(() => new Track());
    const offered: (ChannelElement | undefined)[] = rings.channels.map(() => undefined);
    const total = 30;
    for (let step = 0; step < 2_000 && tracks.some(({ read }) => read < total); step++) {
      if (random.int(4) === 0) now += random.int(40);
      const at = random.int(count);
      const track = tracks[at]!;
      const { writer } = rings.channels[at]!;
      switch (random.int(5)) {
        case 0: {
          if (track.sent.length === total && offered[at] === undefined) break;
          const index = track.sent.length;
          offered[at] ??=
            random.int(4) === 0
              ? watermark(index)
              : batch(index, random.int(8) === 0 ? random.int(900) : random.int(30));
          if (writer.tryWrite(offered[at]!)) {
            track.sent.push(offered[at]!);
            offered[at] = undefined;
          }
          break;
        }
        case 1:
          if (random.int(4) !== 0) break;
          track.barriersSent++;
          track.positions.set(track.barriersSent, writer.position());
          writer.writePriority(barrier(track.barriersSent));
          break;
        case 2: {
          const before = track.barrierSeen;
          takeAll(rings, at, track, 1 + random.int(3));
          if (track.barrierSeen > before && track.read < (track.positions.get(track.barrierSeen) ?? 0))
            overtaken++;
          break;
        }
        case 3:
          rings.network.step();
          break;
        default:
          rings.poll();
      }
    }
    for (let round = 0; round < 400 && tracks.some((track) => track.read < track.sent.length); round++) {
      rings.poll();
      rings.network.settle();
      for (const [at, track] of tracks.entries()) takeAll(rings, at, track, 1_000);
    }
    rings.settle();
    for (const [at, track] of tracks.entries()) {
      takeAll(rings, at, track, 1_000);
      assert.equal(track.read, track.sent.length, `seed ${seed}: everything arrives`);
      assert.equal(track.barrierSeen, track.barriersSent, `seed ${seed}: the newest barrier arrives`);
    }
    assert.deepEqual(rings.lost, []);
  }
  console.log(`cases: links by chance ${SEEDS} (minimum 300)`);
  assert.ok(overtaken > 100, `${overtaken} barriers overtook`);
});

test('a channel whose consumer rests fills its windows and stops no other', () => {
  const rings = linkRings({ seed: 'rests', count: 2, windowBytes: 1024 });
  const [resting, other] = rings.channels as [(typeof rings.channels)[0], (typeof rings.channels)[0]];
  let filled = 0;
  while (resting.writer.tryWrite(watermark(filled))) {
    filled++;
    rings.settle();
  }
  assert.equal(filled, 2 * (1024 / 16), 'one window there, one ring here');
  for (let index = 0; index < 1_000; index++) {
    while (!other.writer.tryWrite(batch(index, 50))) {
      rings.settle();
      other.reader.read();
    }
    rings.settle();
    assert.deepEqual(other.reader.read(), batch(index, 50));
  }
});

for (const isReadBefore of [true, false]) {
  test(`a frame that has no room beside one that is ${isReadBefore ? '' : 'not yet '}read brings its credit by asking`, () => {
    const rings = linkRings({ seed: 'asks', count: 1, windowBytes: 1024 });
    const [{ writer, reader }] = rings.channels as [(typeof rings.channels)[0]];
    const [small, large] = [batch(1, 100), batch(2, 900)];
    assert.ok(writer.tryWrite(small));
    rings.settle();
    if (isReadBefore) assert.deepEqual(reader.read(), small);
    rings.settle();
    assert.ok(writer.tryWrite(large), 'the ring here is empty');
    rings.settle();
    if (!isReadBefore) assert.deepEqual(reader.read(), small);
    rings.settle();
    assert.deepEqual(reader.read(), large);
  });
}

test('a barrier overtakes two full windows at once, with what stands before it', () => {
  const rings = linkRings({ seed: 'overtakes', count: 1, windowBytes: 512 });
  const [{ writer, reader }] = rings.channels as [(typeof rings.channels)[0]];
  let filled = 0;
  while (writer.tryWrite(watermark(filled))) {
    filled++;
    rings.settle();
  }
  writer.writePriority(barrier(1));
  rings.settle();
  assert.deepEqual(reader.readPriority(), { barrier: barrier(1), position: filled });
  assert.equal(reader.peekFrames(filled).length, filled);
  // The overdraft is paid back before anything more comes.
  let more = 0;
  while (writer.tryWrite(watermark(filled + more))) {
    more++;
    rings.settle();
  }
  assert.equal(more, 512 / 16);
  for (let index = 0; index < filled + more; index++) {
    assert.deepEqual(reader.read(), watermark(index));
    rings.settle();
  }
});

test('a connection that is cut leaves whole frames, in order, and is told once', () => {
  for (let seed = 0; seed < 200; seed++) {
    const rings = linkRings({ seed: `cut ${seed}`, count: 1, windowBytes: 1024 });
    const random = seededRandom(`cut after ${seed}`);
    rings.network.chunkBytesMax = 1 + random.int(64);
    const [{ writer, reader }] = rings.channels as [(typeof rings.channels)[0]];
    let sent = 0;
    const cutAfter = 1 + random.int(40);
    while (sent < cutAfter && writer.tryWrite(batch(sent, random.int(40)))) {
      sent++;
      rings.poll();
      if (random.int(3) === 0) rings.network.step();
    }
    rings.network.cut();
    rings.settle();
    let received = 0;
    for (let element = reader.read(); element !== undefined; element = reader.read()) {
      assert.ok(element.kind === 'batch');
      assert.equal((element.batch.values[0] as { index: number }).index, received++);
    }
    assert.ok(received <= sent);
    assert.equal(rings.lost.length, 2, 'each side is told');
    assert.ok(rings.lost.every((error) => isMillraceError(error, 'EXCHANGE_LOST')));
    rings.network.cut();
    rings.settle();
    assert.equal(rings.lost.length, 2, 'once');
  }
});

test('a link that is closed here tells nobody here, and the peer', () => {
  const rings = linkRings({ seed: 'closed', count: 1, windowBytes: 64 });
  rings.links[0].close();
  rings.links[0].poll();
  rings.settle();
  assert.equal(rings.lost.length, 1);
});

/** A link whose peer is the test; channel 0 comes in, channel 1 goes out. */
function linkWithPeer(): {
  readonly say: (bytes: Uint8Array) => void;
  readonly lost: Error[];
  readonly reader: RingReader;
} {
  const network = new MemoryNetwork(seededRandom('peer'));
  const bell = { ring(): void {}, ringLater(): void {}, hurry(): void {} };
  const far = sharedRingMemory(allocateRing(inletRingBytes(256)));
  const near = sharedRingMemory(allocateRing(256));
  const [own, peer] = network.pair();
  const lost: Error[] = [];
  new Link({
    connection: own,
    rest: new Uint8Array(0),
    inlets: new Map([[0, new RingInlet(far, bell, () => 0)]]),
    outlets: new Map([[1, new RingOutlet(1, near, bell)]]),
    payloadBytesMax: 256,
    onLost: (error) => void lost.push(error),
  });
  peer.listen({ data() {}, drained() {}, closed() {} });
  return {
    say: (bytes) => {
      peer.write(bytes);
      network.settle();
    },
    lost,
    reader: new RingReader(far, bell),
  };
}

function message(
  header: { type: number; channel: number; length?: number },
  payload: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(LINK_HEADER_BYTES + payload.length);
  bytes.set(payload, LINK_HEADER_BYTES);
  writeLinkHeader(bytes, 0, { length: payload.length, backlog: 0, ...header });
  return bytes;
}

const frame = encodeElement(watermark(1));
const bad: Record<string, Uint8Array> = {
  'a channel that is not there': message({ type: DATA, channel: 7 }, frame),
  'data for a channel that goes out': message({ type: DATA, channel: 1 }, frame),
  'credit for a channel that comes in': creditMessage(0, { bytes: 1, window: 256 }),
  'credit for what was never sent': creditMessage(1, { bytes: 1, window: 256 }),
  'a window of nothing': creditMessage(1, { bytes: 0, window: 0 }),
  'a window that is larger than the ring': creditMessage(1, { bytes: 0, window: 257 }),
  'a type that is not there': message({ type: 9, channel: 0 }, frame),
  'a length over the window': message({ type: DATA, channel: 0, length: 257 }, frame),
  'the largest length there is': message({ type: DATA, channel: 0, length: 0xffff_ffff }, new Uint8Array(0)),
  'no data at all': message({ type: DATA, channel: 0 }, new Uint8Array(0)),
  'half a frame': message({ type: DATA, channel: 0 }, frame.subarray(0, 10)),
  'a frame longer than its message': message(
    { type: DATA, channel: 0 },
    encodeElement(batch(1, 20)).subarray(0, 40),
  ),
  'a barrier that is too short': message({ type: BARRIER, channel: 0 }, new Uint8Array(BARRIER_BYTES - 1)),
  'a barrier without an id': message({ type: BARRIER, channel: 0 }, new Uint8Array(BARRIER_BYTES)),
  'a credit that is too long': message({ type: CREDIT, channel: 1 }, new Uint8Array(9)),
  'a question for credit of a channel that goes out': askMessage(1),
  'a question for credit with a payload': message({ type: ASK, channel: 0 }, new Uint8Array(1)),
};

for (const [what, bytes] of Object.entries(bad)) {
  test(`a peer that sends ${what} is cut off`, () => {
    const { say, lost, reader } = linkWithPeer();
    say(message({ type: DATA, channel: 0 }, frame));
    assert.deepEqual(reader.read(), watermark(1));
    assert.deepEqual(lost, []);
    say(bytes);
    assert.equal(lost.length, 1, what);
    assert.ok(isMillraceError(lost[0], 'EXCHANGE_PROTOCOL'));
    say(message({ type: DATA, channel: 0 }, frame));
    assert.equal(reader.read(), undefined, 'nothing it says afterwards counts');
  });
}

test('a peer that sends more than its credit is cut off', () => {
  const { say, lost, reader } = linkWithPeer();
  for (let sent = 0; sent < 512 / frame.length; sent++) say(message({ type: DATA, channel: 0 }, frame));
  assert.deepEqual(lost, []);
  say(message({ type: DATA, channel: 0 }, frame));
  assert.ok(isMillraceError(lost[0], 'EXCHANGE_PROTOCOL'));
  for (let read = 0; read < 512 / frame.length; read++) assert.deepEqual(reader.read(), watermark(1));
});

test('any byte that changed on the way is told by its name, and nothing of its message is used', () => {
  const sent = {
    data: message({ type: DATA, channel: 0 }, frame),
    barrier: new Uint8Array(LINK_HEADER_BYTES + BARRIER_BYTES),
    credit: creditMessage(1, { bytes: 0, window: 256 }),
    ask: askMessage(0),
  };
  writeBarrierMessage(sent.barrier, 0, 0, { barrier: barrier(1), position: 0 });
  let flips = 0;
  for (const [what, good] of Object.entries(sent)) {
    for (let bit = 0; bit < good.length * 8; bit++, flips++) {
      const { say, lost, reader } = linkWithPeer();
      const changed = good.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      say(changed);
      say(message({ type: DATA, channel: 0 }, frame));
      assert.deepEqual(
        lost.map((error) => isMillraceError(error) && error.code),
        ['EXCHANGE_DAMAGED'],
        `bit ${bit} of ${what}`,
      );
      assert.equal(reader.read(), undefined);
      assert.equal(reader.readPriority(), undefined);
    }
  }
  console.log(`cases: flipped bits between processes ${flips} (minimum 1000)`);
});

test('no bytes by chance do harm', () => {
  const random = seededRandom('fuzz');
  for (let round = 0; round < 3_000; round++) {
    const { say, lost } = linkWithPeer();
    const good = message({ type: DATA, channel: 0 }, frame);
    const changed = good.slice();
    for (let flips = random.int(4); flips >= 0; flips--)
      changed[random.int(changed.length)] = random.int(256);
    say(changed);
    say(message({ type: DATA, channel: 0 }, frame));
    const same = changed.every((byte, index) => byte === good[index]);
    assert.deepEqual(
      lost.map((error) => isMillraceError(error) && error.code),
      same ? [] : ['EXCHANGE_DAMAGED'],
    );
  }
});
