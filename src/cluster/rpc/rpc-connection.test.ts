// Two ends over a network that chops, delays and breaks: order, requests, heartbeats, bad peers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryNetwork } from '../../../test/exchange/memory-network.ts';
import { isMillraceError, MillraceError } from '../../base/errors.ts';
import { crc32 } from '../../base/hash.ts';
import type { Connection } from '../../base/network.ts';
import { seededRandom } from '../../base/random.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { isLost, PIECE_BYTES_MAX, RpcConnection } from './rpc-connection.ts';
import { PIECE_HEADER_BYTES, pieceOf } from './rpc-layout.ts';

interface End {
  readonly rpc: RpcConnection;
  readonly heard: unknown[];
  readonly heartbeats: unknown[];
  readonly losses: MillraceError[];
}

const HEARTBEAT = { intervalMs: 100, timeoutMs: 1_000 };

function endOf(
  connection: Connection,
  clock: ManualClock,
  name: string,
  answer: (body: unknown) => Promise<unknown> = (body) => Promise.resolve(body),
): End {
  const heard: unknown[] = [];
  const heartbeats: unknown[] = [];
  const losses: MillraceError[] = [];
  const rpc = new RpcConnection({
    connection,
    rest: new Uint8Array(0),
    clock,
    heartbeat: { ...HEARTBEAT, report: () => ({ from: name }) },
    handlers: {
      message: (body) => void heard.push(body),
      request: answer,
      heartbeat: (report) => void heartbeats.push(report),
      lost: (error) => void losses.push(error),
    },
  });
  return { rpc, heard, heartbeats, losses };
}

function pair(
  seed: string,
  answer?: (body: unknown) => Promise<unknown>,
): { network: MemoryNetwork; clock: ManualClock; near: End; far: End } {
  const network = new MemoryNetwork(seededRandom(seed));
  const clock = new ManualClock();
  const [left, right] = network.pair();
  return { network, clock, near: endOf(left, clock, 'near'), far: endOf(right, clock, 'far', answer) };
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

test('messages arrive whole and in order, also byte by byte', () => {
  const { network, near, far } = pair('order');
  network.chunkBytesMax = 3;
  const sent: unknown[] = [];
  for (let index = 0; index < 50; index++) {
    const body = { index, bytes: new Uint8Array(index), map: new Map([[index, undefined]]), big: 7n };
    sent.push(body);
    near.rpc.send(body);
  }
  network.settle();
  assert.deepEqual(far.heard, sent);
});

test('a message larger than a piece comes in pieces, between others', () => {
  const { network, near, far } = pair('pieces');
  const large = new Uint8Array(3 * PIECE_BYTES_MAX + 5).map((_, index) => index);
  near.rpc.send('before');
  near.rpc.send(large);
  near.rpc.send('after');
  network.settle();
  assert.deepEqual(far.heard, ['before', large, 'after']);
});

test('a request is answered, or refused with the error that was thrown', async () => {
  const { network, near } = pair('requests', (body) =>
    body === 'bad'
      ? Promise.reject(new MillraceError('JOB_NOT_FOUND', 'there is no job 7'))
      : Promise.resolve([body, body]),
  );
  const good = near.rpc.request<unknown>('good', 1_000);
  const bad = near.rpc.request<unknown>('bad', 1_000).catch((error: unknown) => error);
  network.settle();
  await turns();
  network.settle();
  assert.deepEqual(await good, ['good', 'good']);
  const error = await bad;
  assert.ok(isMillraceError(error, 'JOB_NOT_FOUND'));
  assert.equal(error.message, 'there is no job 7');
});

test('a handler that throws, and an answer that cannot become bytes, are told to whoever asked', async () => {
  const { network, near, far } = pair('throws', (body) => {
    if (body === 'throws') throw new MillraceError('JOB_NOT_FOUND', 'there is no job 7');
    return Promise.resolve(() => body);
  });
  const thrown = near.rpc.request('throws', 1_000).catch((error: unknown) => error);
  const unsendable = near.rpc.request('a function', 1_000).catch((error: unknown) => error);
  for (let round = 0; round < 3; round++) {
    network.settle();
    await turns();
  }
  assert.ok(isMillraceError(await thrown, 'JOB_NOT_FOUND'));
  assert.ok((await unsendable) instanceof Error);
  assert.deepEqual([near.losses, far.losses], [[], []]);
});

test('a request that cannot become bytes is rejected at once, and leaves no timer behind', async () => {
  const { network, clock, near } = pair('unsendable');
  const before = clock.pending;
  await assert.rejects(near.rpc.request(() => 1, 3_600_000));
  assert.equal(clock.pending, before);
  network.settle();
  assert.deepEqual(near.losses, []);
});

test('a request that is not answered in time is RPC_TIMEOUT, and a late answer is nobody’s', async () => {
  const answer = Promise.withResolvers<unknown>();
  const { network, clock, near } = pair('late', () => answer.promise);
  const asked = near.rpc.request('?', 300).catch((error: unknown) => error);
  for (let ms = 0; ms < 300; ms += 50) {
    clock.advance(50);
    network.settle();
  }
  assert.ok(isMillraceError(await asked, 'RPC_TIMEOUT'));
  answer.resolve('late');
  await turns();
  network.settle();
  assert.deepEqual(near.losses, []);
});

test('a request whose connection breaks has an unknown outcome', async () => {
  const { network, near } = pair('broken', () => new Promise(() => undefined));
  const asked = near.rpc.request('?', 1_000).catch((error: unknown) => error);
  network.settle();
  network.cut();
  network.settle();
  assert.ok(isLost(await asked));
  await assert.rejects(near.rpc.request('?', 1_000), { code: 'RPC_LOST' });
});

test('both sides tell each other everything, each interval', () => {
  const { network, clock, near, far } = pair('heartbeats');
  for (let beat = 0; beat < 5; beat++) {
    clock.advance(HEARTBEAT.intervalMs);
    network.settle();
  }
  assert.deepEqual(near.heartbeats, Array(5).fill({ from: 'far' }));
  assert.deepEqual(far.heartbeats, Array(5).fill({ from: 'near' }));
  near.rpc.report();
  network.settle();
  assert.equal(far.heartbeats.length, 6);
});

test('an end that hears nothing takes the other for lost, once, and closes', () => {
  const { clock, network, near, far } = pair('silence');
  clock.advance(HEARTBEAT.timeoutMs);
  assert.deepEqual(near.losses, [], 'not before the timeout');
  clock.advance(2 * HEARTBEAT.intervalMs);
  assert.equal(near.losses.length, 1);
  assert.ok(isLost(near.losses[0]));
  assert.equal(near.rpc.isOpen, false);
  clock.advance(10 * HEARTBEAT.timeoutMs);
  network.settle();
  assert.deepEqual([near.losses.length, far.losses.length], [1, 1]);
  assert.equal(clock.pending, 0, 'nothing is left behind');
});

test('a process that slept longer than the timeout fences itself before it hears what came meanwhile', () => {
  const { clock, near } = pair('stall');
  clock.skip(HEARTBEAT.timeoutMs * 3);
  clock.advance(0);
  assert.equal(near.losses.length, 1);
});

test('an end that is closed here tells the other one, and nobody here', () => {
  const { network, near, far } = pair('closed');
  near.rpc.close();
  network.settle();
  assert.deepEqual([near.losses.length, far.losses.length], [0, 1]);
  near.rpc.send('nothing');
});

/** A message of kind 1 whose checksums are right, and whose length says what it likes. */
function message(payload: readonly number[], { kind = 1, length = payload.length } = {}): Uint8Array {
  const bytes = pieceOf({ kind, more: false, id: 0 }, Uint8Array.from(payload));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, true);
  view.setUint32(PIECE_HEADER_BYTES - 4, crc32(bytes.subarray(0, PIECE_HEADER_BYTES - 4)), true);
  return bytes;
}

const bad: Record<string, Uint8Array> = {
  'a piece that is too large': message([], { length: 0xffff_ffff }),
  'a kind that is not there': message([0x80], { kind: 9 }),
  'a payload that is nothing': message([0x95]),
  'a payload with something behind it': message([0x80, 0x80]),
  'no payload': message([]),
};

for (const [what, bytes] of Object.entries(bad)) {
  test(`a peer that sends ${what} is cut off`, () => {
    const network = new MemoryNetwork(seededRandom('bad'));
    const [peer, own] = network.pair();
    peer.listen({ data() {}, drained() {}, closed() {} });
    const end = endOf(own, new ManualClock(), 'own');
    peer.write(bytes);
    network.settle();
    assert.equal(end.losses.length, 1);
    assert.deepEqual(end.heard, []);
  });
}

/** What an end makes of bytes that come to it. */
function heard(bytes: Uint8Array): End {
  const network = new MemoryNetwork(seededRandom('heard'));
  const [peer, own] = network.pair();
  peer.listen({ data() {}, drained() {}, closed() {} });
  const end = endOf(own, new ManualClock(), 'own');
  peer.write(bytes);
  network.settle();
  return end;
}

test('no bytes by chance do harm', () => {
  const random = seededRandom('fuzz');
  let losses = 0;
  for (let round = 0; round < 2_000; round++) {
    const bytes = Uint8Array.from({ length: random.int(60) }, () =>
      random.int(random.int(3) === 0 ? 256 : 6),
    );
    // Half of them with checksums that are right, so that the payload is looked at.
    const isPiece = round % 2 === 1;
    losses += heard(isPiece ? message([...bytes], { kind: random.int(8) }) : bytes).losses.length;
  }
  assert.ok(losses > 1_000, `${losses}`);
});
