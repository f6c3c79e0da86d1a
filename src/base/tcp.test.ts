// Real sockets: what a listener gets, on the side that dials and on the one that accepts.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Connection, ConnectionListener } from './network.ts';
import { seededRandom } from './random.ts';
import { tcpNetwork } from './tcp.ts';

const loopback = { host: '127.0.0.1', port: 0 };
const PIECES = 200;

async function pair(test: TestContext): Promise<[dialer: Connection, accepted: Connection]> {
  const network = tcpNetwork();
  const accepted = Promise.withResolvers<Connection>();
  const listener = await network.listen(loopback, accepted.resolve);
  const near = await network.dial(listener.address, 5_000);
  const far = await accepted.promise;
  test.after(() => {
    near.close();
    far.close();
    listener.close();
  });
  return [near, far];
}

function pieces(seed: string): Uint8Array[] {
  const random = seededRandom(seed);
  return Array.from({ length: PIECES }, () =>
    Uint8Array.from({ length: 1 + random.int(40_000) }, () => random.int(256)),
  );
}

/** Listens until so many bytes have come; gives what it got when it got it, and the same memory at the end. */
function collect(connection: Connection, bytes: number, keeps?: boolean): Promise<[Buffer, Buffer]> {
  const copies: Uint8Array[] = [];
  const given: Uint8Array[] = [];
  return new Promise((resolve) => {
    let count = 0;
    const listener: ConnectionListener = {
      data: (part) => {
        given.push(part);
        copies.push(Uint8Array.from(part));
        count += part.length;
        if (count === bytes) resolve([Buffer.concat(copies), Buffer.concat(given)]);
      },
      ...(keeps === undefined ? {} : { keeps }),
      drained: () => undefined,
      closed: () => undefined,
    };
    connection.listen(listener);
  });
}

test('both ends hear all bytes in order, and what a listener may keep is not written over', async (test) => {
  const ends = await pair(test);
  const sent = [pieces('to the dialer'), pieces('to the other')] as const;
  const heard = ends.map((end, at) =>
    collect(
      end,
      sent[at]!.reduce((sum, { length }) => sum + length, 0),
    ),
  );
  for (let piece = 0; piece < PIECES; piece++) {
    ends[1].write(sent[0][piece]!);
    ends[0].write(sent[1][piece]!);
    if (piece % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  for (const [at, collected] of heard.entries()) {
    const [copies, given] = await collected;
    assert.ok(copies.equals(Buffer.concat(sent[at]!)));
    assert.ok(given.equals(copies));
  }
});

test('a listener that does not keep its bytes gets all of them, too, in memory that is used again', async (test) => {
  for (const at of [0, 1]) {
    const ends = await pair(test);
    const sent = Buffer.concat(pieces(`used again ${at}`));
    const heard = collect(ends[at]!, sent.length, false);
    for (let from = 0; from < sent.length; from += 50_000) {
      ends[1 - at]!.write(sent.subarray(from, from + 50_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const [copies, given] = await heard;
    assert.ok(copies.equals(sent));
    assert.ok(!given.equals(sent), 'the socket has not read into the same memory twice');
  }
});

test('what comes before somebody listens waits, and so does the end', async (test) => {
  for (const at of [0, 1]) {
    const ends = await pair(test);
    ends[1 - at]!.write(Uint8Array.of(1, 2, 3));
    await new Promise((resolve) => setTimeout(resolve, 20));
    // The first one that listens hands over to another one, as a handshake does.
    const first = await collect(ends[at]!, 3);
    assert.deepEqual([...first[0]], [1, 2, 3]);
    const second = collect(ends[at]!, 2);
    ends[1 - at]!.write(Uint8Array.of(4, 5));
    assert.deepEqual([...(await second)[0]], [4, 5]);

    const [near, far] = await pair(test);
    [near, far][1 - at]!.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const ended = Promise.withResolvers<Error | undefined>();
    const heard = { data: () => undefined, drained: () => undefined, closed: ended.resolve };
    [near, far][at]!.listen(heard);
    assert.equal(await ended.promise, undefined);
  }
});

test('a writer is told when there is room again', async (test) => {
  const [near, far] = await pair(test);
  const drained = Promise.withResolvers<undefined>();
  near.listen({ data: () => undefined, drained: () => drained.resolve(undefined), closed: () => undefined });
  const piece = new Uint8Array(64 * 1024);
  let pieces = 0;
  for (let room = true; room; pieces++) room = near.write(piece);
  assert.ok(near.waitingBytes > 0);
  const all = collect(far, pieces * piece.length, false);
  await drained.promise;
  await all;
  assert.equal(near.waitingBytes, 0);
});
