// Real sockets: two endpoints, rings and doorbells as threads have them, both in this process.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { collectGarbage } from '../../test/garbage.ts';
import { systemClock } from '../base/clock.ts';
import { isMillraceError } from '../base/errors.ts';
import type { Connection } from '../base/network.ts';
import { seededRandom } from '../base/random.ts';
import { tcpNetwork } from '../base/tcp.ts';
import type { ChannelElement, ChannelReader, ChannelWriter } from './channel.ts';
import { introduce, receive } from './handshake.ts';
import { allocateRing } from './ring-memory.ts';
import { inletRingBytes, NetworkEndpoint, type NetworkRing } from './tcp.ts';
import { allocateDoorbell, ThreadEndpoint } from './thread.ts';

const loopback = { host: '127.0.0.1', port: 0 };

function element(index: number, size: number): ChannelElement {
  return { kind: 'batch', batch: { values: [{ index, text: 'x'.repeat(size) }], timestamps: [index] } };
}

/** Two introduced ends of a real connection. */
async function connected(test: TestContext): Promise<[Connection, Connection]> {
  const network = tcpNetwork();
  const seams = { clock: systemClock(), random: seededRandom('tcp') };
  const accepted = Promise.withResolvers<Connection>();
  const listener = await network.listen(loopback, accepted.resolve);
  test.after(() => listener.close());
  const near = await network.dial(listener.address, 5_000);
  const far = await accepted.promise;
  test.after(() => {
    near.close();
    far.close();
  });
  await Promise.all([
    introduce(near, { ...seams, subject: 's', secret: 'x' }),
    receive(far, { ...seams, secretOf: () => 'x' }),
  ]);
  return [near, far];
}

interface Pair {
  readonly writers: ChannelWriter[];
  readonly readers: ChannelReader[];
  readonly endpoints: readonly [NetworkEndpoint, NetworkEndpoint];
  readonly lost: Error[];
}

async function channels(test: TestContext, count: number, windowBytes?: number): Promise<Pair> {
  const [near, far] = await connected(test);
  const endpoints = [new NetworkEndpoint(systemClock()), new NetworkEndpoint(systemClock())] as const;
  const bells = [allocateDoorbell(), allocateDoorbell()] as const;
  const threads = [new ThreadEndpoint(bells[0]), new ThreadEndpoint(bells[1])] as const;
  const out: NetworkRing[] = [];
  const into: NetworkRing[] = [];
  const writers: ChannelWriter[] = [];
  const readers: ChannelReader[] = [];
  for (let channel = 0; channel < count; channel++) {
    const nearRing = allocateRing(windowBytes);
    const farRing = allocateRing(inletRingBytes(windowBytes));
    out.push({ channel, end: 'producer', ring: nearRing, doorbell: bells[0] });
    into.push({ channel, end: 'consumer', ring: farRing, doorbell: bells[1] });
    writers.push(threads[0].writer(nearRing, endpoints[0].doorbell));
    readers.push(threads[1].reader(farRing, endpoints[1].doorbell));
  }
  const lost: Error[] = [];
  const rest = new Uint8Array(0);
  endpoints[0].connect({ connection: near, rest, rings: out, onLost: (error) => lost.push(error) });
  endpoints[1].connect({ connection: far, rest, rings: into, onLost: (error) => lost.push(error) });
  test.after(() => {
    for (const each of [...endpoints, ...threads]) each.close();
  });
  return { writers, readers, endpoints, lost };
}

function send(writer: ChannelWriter, count: number, sizes: string): void {
  const random = seededRandom(sizes);
  let index = 0;
  let current: ChannelElement | undefined;
  const go = (): void => {
    while (index < count) {
      current ??= element(index, random.int(40) === 0 ? random.int(200_000) : random.int(300));
      if (!writer.tryWrite(current)) return writer.onWritable(go);
      current = undefined;
      index++;
    }
  };
  go();
}

function receiveAll(reader: ChannelReader, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let next = 0;
    const go = (): void => {
      for (let found = reader.read(); found !== undefined; found = reader.read()) {
        const index = found.kind === 'batch' ? (found.batch.values[0] as { index: number }).index : -1;
        if (index !== next++) return reject(new Error(`${index} came as number ${next - 1}`));
      }
      if (next === count) resolve();
      else reader.onReadable(go);
    };
    go();
  });
}

for (const windowBytes of [512, 65_536]) {
  test(`channels over TCP with a window of ${windowBytes} bytes lose and reorder nothing`, {
    timeout: 60_000,
  }, async (test) => {
    const { writers, readers, lost } = await channels(test, 3, windowBytes);
    for (const [at, writer] of writers.entries()) send(writer, 1_000, `sizes ${at}`);
    await Promise.all(readers.map((reader) => receiveAll(reader, 1_000)));
    assert.deepEqual(lost, []);
  });
}

test('an end without links waits for nothing, and is forgotten also when nobody closes it', async () => {
  const forgotten = new WeakRef(new NetworkEndpoint(systemClock()));
  await collectGarbage();
  assert.equal(forgotten.deref(), undefined);
});

test('the end of one process is told to the other', { timeout: 30_000 }, async (test) => {
  const { endpoints, lost } = await channels(test, 1);
  endpoints[0].close();
  while (lost.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(isMillraceError(lost[0], 'EXCHANGE_LOST'));
});

test('an address that nobody listens on, or that is taken, is NETWORK_FAILED', async (test) => {
  const network = tcpNetwork();
  const listener = await network.listen(loopback, () => {});
  test.after(() => listener.close());
  await assert.rejects(
    network.listen(listener.address, () => {}),
    { code: 'NETWORK_FAILED' },
  );
  listener.close();
  await assert.rejects(network.dial({ ...listener.address, port: 1 }, 1_000), { code: 'NETWORK_FAILED' });
});
