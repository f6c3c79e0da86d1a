// Real threads: this file is also what runs in them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { seededRandom } from '../base/random.ts';
import type { ChannelElement, ChannelReader, ChannelWriter } from './channel.ts';
import { allocateRing } from './ring-memory.ts';
import { allocateDoorbell, createDoorbell, ThreadEndpoint } from './thread.ts';

type Role = 'ping' | 'pong' | 'send' | 'receive' | 'wait';

interface Setup {
  readonly role: Role;
  readonly own: SharedArrayBuffer;
  readonly peer: SharedArrayBuffer;
  readonly out: SharedArrayBuffer;
  readonly in: SharedArrayBuffer;
}

const ROUND_TRIPS = 3000;
const ELEMENTS = 3000;
const BARRIER_EVERY = 100;

function watermark(timestamp: number): ChannelElement {
  return { kind: 'event', event: { kind: 'watermark', timestamp } };
}

function elementOf(index: number, size: number): ChannelElement {
  return { kind: 'batch', batch: { values: [{ index, text: 'x'.repeat(size) }], timestamps: [index] } };
}

/** Sends one element at a time and sleeps until the answer comes. */
function ping(writer: ChannelWriter, reader: ChannelReader): void {
  let sent = 0;
  const answer = (): void => {
    while (reader.read() !== undefined) {
      if (++sent === ROUND_TRIPS) return parentPort!.postMessage(sent);
      writer.tryWrite(watermark(sent));
    }
    reader.onReadable(answer);
  };
  reader.onReadable(answer);
  writer.tryWrite(watermark(0));
}

function pong(writer: ChannelWriter, reader: ChannelReader): void {
  let answered = 0;
  const answer = (): void => {
    for (let element = reader.read(); element !== undefined; element = reader.read()) {
      writer.tryWrite(element);
      if (++answered === ROUND_TRIPS) return parentPort!.postMessage(answered);
    }
    reader.onReadable(answer);
  };
  answer();
}

/** Sends small and large elements as fast as they go, and a barrier now and then. */
function send(writer: ChannelWriter): void {
  const random = seededRandom('sizes');
  let index = 0;
  let current: ChannelElement | undefined;
  const go = (): void => {
    while (index < ELEMENTS) {
      current ??= elementOf(index, random.int(50) === 0 ? random.int(20_000) : random.int(200));
      if (!writer.tryWrite(current)) return writer.onWritable(go);
      current = undefined;
      index++;
      if (index % BARRIER_EVERY === 0) {
        const barrier = { id: index, timestamp: index, alignment: 'unaligned', kind: 'periodic' } as const;
        writer.writePriority({ ...barrier, alignedTimeoutMs: 0 });
      }
    }
    parentPort!.postMessage(index);
  };
  go();
}

/** Checks order, wholeness and that a barrier is seen before what was sent after it. */
function receive(reader: ChannelReader): void {
  let last = 0;
  const go = (): void => {
    for (;;) {
      const priority = reader.readPriority();
      if (priority !== undefined) {
        assert.equal(priority.barrier.id, priority.position);
        assert.ok(priority.position > last && reader.position() <= priority.position);
        assert.equal(reader.peekFrames(priority.position).length, priority.position - reader.position());
        last = priority.position;
        continue;
      }
      const element = reader.read();
      if (element === undefined) break;
      assert.ok(element.kind === 'batch');
      assert.equal((element.batch.values[0] as { index: number }).index, reader.position() - 1);
      assert.ok(reader.position() - last <= BARRIER_EVERY);
    }
    if (reader.position() === ELEMENTS && last === ELEMENTS) return parentPort!.postMessage(ELEMENTS);
    reader.onReadable(go);
  };
  go();
}

function work(setup: Setup): void {
  parentPort!.on('message', () => {}); // keeps the thread alive
  const endpoint = new ThreadEndpoint(setup.own);
  const writer = endpoint.writer(setup.out, setup.peer);
  const reader = endpoint.reader(setup.in, setup.peer);
  if (setup.role === 'ping') ping(writer, reader);
  if (setup.role === 'pong') pong(writer, reader);
  if (setup.role === 'send') send(writer);
  if (setup.role === 'receive') receive(reader);
  if (setup.role === 'wait') parentPort!.postMessage('waiting');
  endpoint.settle();
}

async function runBoth(first: Role, second: Role, ringBytes: number): Promise<unknown[]> {
  const bells = [allocateDoorbell(), allocateDoorbell()] as const;
  const rings = [allocateRing(ringBytes), allocateRing(ringBytes)] as const;
  const start = (role: Role, self: 0 | 1): Worker => {
    const other = self === 0 ? 1 : 0;
    const setup: Setup = { role, own: bells[self], peer: bells[other], out: rings[self], in: rings[other] };
    return new Worker(new URL(import.meta.url), { workerData: setup });
  };
  const workers = [start(first, 0), start(second, 1)];
  try {
    return (await Promise.all(workers.map((worker) => once(worker, 'message')))).flat();
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

if (isMainThread) {
  test('two threads that sleep after each element wake each other every time', {
    timeout: 30_000,
  }, async () => {
    assert.deepEqual(await runBoth('ping', 'pong', 1024), [ROUND_TRIPS, ROUND_TRIPS]);
  });

  for (const ringBytes of [512, 65_536]) {
    test(`a ring of ${ringBytes} bytes keeps order and barriers at full speed`, {
      timeout: 30_000,
    }, async () => {
      assert.deepEqual(await runBoth('send', 'receive', ringBytes), [ELEMENTS, ELEMENTS]);
    });
  }

  test('a thread that waits for its bell can be terminated', { timeout: 30_000 }, async () => {
    for (let round = 0; round < 5; round++) {
      const setup: Setup = {
        role: 'wait',
        own: allocateDoorbell(),
        peer: allocateDoorbell(),
        out: allocateRing(64),
        in: allocateRing(64),
      };
      const worker = new Worker(new URL(import.meta.url), { workerData: setup });
      await once(worker, 'message');
      createDoorbell(setup.own).ring();
      assert.equal(await worker.terminate(), 1);
      createDoorbell(setup.own).ring();
    }
  });

  test('a ring before, while and after listening is heard, and none after close', {
    timeout: 30_000,
  }, async () => {
    const shared = allocateDoorbell();
    const bell = createDoorbell(shared);
    const other = createDoorbell(shared);
    let calls = 0;
    const heard = (count: number): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (calls >= count) resolve();
          else setImmediate(look);
        };
        look();
      });
    other.ring();
    bell.onRing(() => {
      if (++calls === 1) other.ring(); // between the look and the wait
    });
    assert.equal(calls, 2);
    other.ring();
    await heard(3);
    bell.close();
    other.ring();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(calls, 3);
    assert.throws(
      () => {
        const twice = createDoorbell(shared);
        twice.onRing(() => {});
        try {
          twice.onRing(() => {});
        } finally {
          twice.close();
        }
      },
      { message: /one listener/ },
    );
  });
} else {
  work(workerData as Setup);
}
