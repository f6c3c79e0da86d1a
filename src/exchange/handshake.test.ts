import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryNetwork } from '../../test/exchange/memory-network.ts';
import { isMillraceError } from '../base/errors.ts';
import type { Connection } from '../base/network.ts';
import { seededRandom } from '../base/random.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import {
  EARLY_BYTES_MAX,
  HANDSHAKE_DEADLINE_MS,
  HELLO_BYTES_MAX,
  introduce,
  type Introduced,
  PROTOCOL_VERSION,
  receive,
} from './handshake.ts';

interface Outcome {
  readonly dialer: Introduced | Error;
  readonly listener: Introduced | Error;
}

async function settled(promise: Promise<Introduced>): Promise<Introduced | Error> {
  return promise.catch((error: unknown) => error as Error);
}

/** Two processes; `between` sees the bytes of the dialer and may change them. */
async function shake(options: {
  readonly subject?: string;
  readonly dialerSecret?: string;
  readonly chunkBytesMax?: number;
  readonly secretOf?: (subject: string) => string | undefined;
}): Promise<Outcome> {
  const network = new MemoryNetwork(seededRandom('handshake'));
  network.chunkBytesMax = options.chunkBytesMax ?? 1_000;
  const clock = new ManualClock();
  const random = seededRandom('challenges');
  const [near, far] = network.pair();
  const dialer = introduce(near, {
    clock,
    random,
    subject: options.subject ?? 'a task manager',
    secret: options.dialerSecret ?? 'secret',
  });
  const listener = receive(far, { clock, random, secretOf: options.secretOf ?? (() => 'secret') });
  const both = Promise.all([settled(dialer), settled(listener)]);
  network.settle();
  clock.advance(1_000);
  network.settle();
  const [left, right] = await both;
  return { dialer: left, listener: right };
}

function assertRefused(outcome: Introduced | Error, why: RegExp): void {
  assert.ok(isMillraceError(outcome, 'HANDSHAKE_REFUSED'), 'it was refused');
  assert.match(outcome.message, why);
}

test('two processes with one secret accept each other, also byte by byte', async () => {
  for (const chunkBytesMax of [1, 7, 1_000]) {
    const { dialer, listener } = await shake({ subject: 'job ü, attempt 3', chunkBytesMax });
    assert.ok(!(dialer instanceof Error) && !(listener instanceof Error));
    assert.equal(dialer.subject, 'job ü, attempt 3');
    assert.equal(listener.subject, 'job ü, attempt 3');
    assert.deepEqual([dialer.rest.length, listener.rest.length], [0, 0]);
  }
});

test('what comes right behind the handshake is handed on', async () => {
  const network = new MemoryNetwork(seededRandom('rest'));
  const clock = new ManualClock();
  const [near, far] = network.pair();
  const random = seededRandom('challenges');
  const dialer = introduce(near, { clock, random, subject: 's', secret: 'x' });
  const listener = receive(far, { clock, random, secretOf: () => 'x' }).then(({ connection }) => {
    connection.write(Uint8Array.of(1, 2, 3));
  });
  network.chunkBytesMax = 1_000;
  while (network.step());
  await listener;
  const { rest, connection } = await dialer;
  const received: number[] = [...rest];
  connection.listen({ data: (bytes) => received.push(...bytes), drained() {}, closed() {} });
  network.settle();
  assert.deepEqual(received, [1, 2, 3]);
});

test('another secret is found by the dialer, who then proves nothing', async () => {
  const { dialer, listener } = await shake({ dialerSecret: 'another' });
  assertRefused(dialer, /another secret/);
  assert.ok(isMillraceError(listener, 'NETWORK_FAILED'));
});

test('a subject that is not expected is refused', async () => {
  const { dialer, listener } = await shake({
    subject: 'attempt 2',
    secretOf: (subject) => (subject === 'attempt 3' ? 'secret' : undefined),
  });
  assertRefused(dialer, /does not expect/);
  assertRefused(listener, /nothing of that name/);
});

/** A listener and a peer that is the test. */
function listening(): {
  readonly peer: Connection;
  readonly network: MemoryNetwork;
  readonly clock: ManualClock;
  readonly outcome: Promise<Introduced | Error>;
  readonly heard: number[];
} {
  const network = new MemoryNetwork(seededRandom('peer'));
  network.chunkBytesMax = 1_000;
  const clock = new ManualClock();
  const [peer, own] = network.pair();
  const heard: number[] = [];
  peer.listen({ data: (bytes) => heard.push(...bytes), drained() {}, closed() {} });
  const outcome = settled(receive(own, { clock, random: seededRandom('c'), secretOf: () => 'secret' }));
  return { peer, network, clock, outcome, heard };
}

function hello(version: number, length: number, said: number = length + 32): Uint8Array {
  const bytes = new Uint8Array(8 + said).fill(0x61);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x4c_4d_52_31, true);
  view.setUint16(4, version, true);
  view.setUint16(6, length, true);
  return bytes;
}

test('another version is refused by its name', async () => {
  const { peer, network, outcome, heard } = listening();
  peer.write(hello(PROTOCOL_VERSION + 1, 3));
  network.settle();
  assertRefused((await outcome) as Error, /another version/);
  assert.deepEqual(heard, [1]);
});

test('a peer that repeats a recorded handshake is refused', async () => {
  const recorded: Uint8Array[] = [];
  const network = new MemoryNetwork(seededRandom('record'));
  const clock = new ManualClock();
  const [near, far] = network.pair();
  const write = near.write.bind(near);
  near.write = (bytes) => {
    recorded.push(bytes.slice());
    return write(bytes);
  };
  const options = { clock, random: seededRandom('first') };
  const both = [
    introduce(near, { ...options, subject: 's', secret: 'secret' }),
    receive(far, { ...options, secretOf: () => 'secret' }),
  ];
  network.settle();
  await Promise.all(both);
  const again = listening();
  for (const bytes of recorded) {
    again.peer.write(bytes);
    again.network.settle();
  }
  assertRefused((await again.outcome) as Error, /does not know the secret/);
});

const silence: Record<string, Uint8Array> = {
  'a peer that speaks HTTP': new TextEncoder().encode('GET / HTTP/1.1\r\nHost: here\r\n\r\n'),
  'a hello that is too long': hello(PROTOCOL_VERSION, HELLO_BYTES_MAX + 1, 10),
  'a name that is no text': hello(PROTOCOL_VERSION, 3).fill(0xff, 8, 11),
};

for (const [what, bytes] of Object.entries(silence)) {
  test(`${what} ends the handshake`, async () => {
    const { peer, network, outcome } = listening();
    peer.write(bytes);
    network.settle();
    const error = await outcome;
    assert.ok(isMillraceError(error, 'NETWORK_FAILED'), 'it ended');
  });
}

test('a peer that says nothing, or half of it, is not waited for', async () => {
  for (const bytes of [new Uint8Array(0), hello(PROTOCOL_VERSION, 3).subarray(0, 20)]) {
    const { peer, network, clock, outcome } = listening();
    if (bytes.length > 0) peer.write(bytes);
    network.settle();
    clock.advance(HANDSHAKE_DEADLINE_MS);
    network.settle();
    const error = await outcome;
    assert.ok(isMillraceError(error, 'NETWORK_FAILED'), 'it ended');
    assert.equal(clock.pending, 0);
  }
});

test('a broken connection ends the handshake on both sides', async () => {
  const { network, outcome } = listening();
  network.cut();
  network.settle();
  assert.ok(isMillraceError(await outcome, 'NETWORK_FAILED'));
});

test('an end that comes before anybody listens is told to whoever does', async () => {
  const network = new MemoryNetwork(seededRandom('end'));
  const clock = new ManualClock();
  const [near, far] = network.pair();
  const random = seededRandom('challenges');
  const both = Promise.all([
    introduce(near, { clock, random, subject: 's', secret: 'x' }),
    receive(far, { clock, random, secretOf: () => 'x' }),
  ]);
  network.settle();
  const [dialer, listener] = await both;
  dialer.connection.write(Uint8Array.of(7));
  network.settle();
  dialer.connection.close();
  network.settle();
  let ends = 0;
  listener.connection.listen({
    data: () => {},
    drained: () => {},
    closed: () => ends++,
  });
  assert.deepEqual([...listener.rest], [7]);
  assert.equal(ends, 0, 'in a turn of its own');
  network.settle();
  assert.equal(ends, 1);
});

test('what comes long after the handshake waits until somebody listens, up to a bound', async () => {
  const network = new MemoryNetwork(seededRandom('early'));
  network.chunkBytesMax = 1 << 20;
  const clock = new ManualClock();
  const [near, far] = network.pair();
  const random = seededRandom('challenges');
  const both = Promise.all([
    introduce(near, { clock, random, subject: 's', secret: 'x' }),
    receive(far, { clock, random, secretOf: () => 'x' }),
  ]);
  network.settle();
  const [dialer, listener] = await both;
  for (const byte of [1, 2, 3]) {
    dialer.connection.write(Uint8Array.of(byte));
    network.settle();
    await Promise.resolve();
  }
  assert.deepEqual([...listener.rest], [1, 2, 3]);
  const heard: number[] = [];
  let isClosed = false;
  listener.connection.listen({
    data: (bytes) => void heard.push(...bytes),
    drained: () => {},
    closed: () => {},
  });
  dialer.connection.write(Uint8Array.of(4));
  network.settle();
  assert.deepEqual([[...listener.rest], heard], [[1, 2, 3], [4]], 'from then on the new listener has it');
  dialer.connection.listen({
    data: () => {},
    drained: () => {},
    closed: () => {
      isClosed = true;
    },
  });
  const [third, fourth] = network.pair();
  const again = Promise.all([
    introduce(third, { clock, random, subject: 's', secret: 'x' }),
    receive(fourth, { clock, random, secretOf: () => 'x' }),
  ]);
  network.settle();
  const [flooder] = await again;
  flooder.connection.listen({
    data: () => {},
    drained: () => {},
    closed: () => {
      isClosed = true;
    },
  });
  flooder.connection.write(new Uint8Array(EARLY_BYTES_MAX + 1));
  network.settle();
  assert.ok(isClosed, 'who sends too much is cut off');
});
