// Bytes that another thread makes are those that this one would make; what happens when it ends, or has no room.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { systemClock } from '../base/clock.ts';
import type { Clock } from '../base/env.ts';
import { wholeOf } from '../base/object-store.ts';
import type { FrozenKeyedState } from '../state/backend.ts';
import * as state from '../state/state.ts';
import { MemoryStateBackend } from '../state/memory/backend.ts';
import {
  encodingHere,
  PIECE_BYTES,
  type ReadSnapshot,
  type SnapshotEncoder,
  type SnapshotEncoding,
} from './snapshot-encoder.ts';
import { threadEncoder } from './thread-encoder.ts';

const MAX_PARALLELISM = 4;

/** Without cells the order of what is written does not depend on what changes meanwhile. */
function backendWith(numbers: number, texts = 0, hasCells = true): MemoryStateBackend {
  const backend = new MemoryStateBackend({
    keyGroupRange: { start: 0, end: MAX_PARALLELISM - 1 },
    maxParallelism: MAX_PARALLELISM,
    freezeValues: false,
    operatorUid: 'counter',
    now: () => 0,
  });
  const count = backend.state('count', state.value<unknown>(0));
  const text = backend.state('text', state.map<string, string>());
  for (let index = 0; index < numbers; index++) {
    backend.setCurrentKey(index % 2 === 0 ? index : `user-${index}`);
    count.update(hasCells && index % 1_000 === 999 ? 'no number' : index);
  }
  for (let index = 0; index < texts; index++) {
    backend.setCurrentKey(index);
    text.set('a', 'x'.repeat(100));
    backend.timers.register('event', index);
  }
  return backend;
}

/** Of each operator of a chain. */
function readWith(...chain: readonly FrozenKeyedState[]): ReadSnapshot {
  const items = [new Uint8Array([1, 2, 3])];
  const sections = [{ name: 'offsets', redistribution: 'split' as const, items }];
  const operators = chain.map((frozen) => ({ uid: 'counter', sections, keyGroups: frozen.written() }));
  return { ended: false, operators, inputs: [], outputs: [] };
}

/** Reads a snapshot as a slot does: when there is no room, after it was told that there is. */
async function read(
  backend: MemoryStateBackend,
  encoder: SnapshotEncoder,
  onWait: () => void = () => {},
): Promise<{ encoding: SnapshotEncoding; snapshot: ReadSnapshot }> {
  let hasRoom = Promise.withResolvers<undefined>();
  const encoding = encoder.begin(() => hasRoom.resolve(undefined));
  const frozen = backend.freeze(encoding);
  for (let progress = frozen.advance(); progress !== 'done'; progress = frozen.advance()) {
    if (progress !== 'waiting') continue;
    onWait();
    await hasRoom.promise;
    hasRoom = Promise.withResolvers();
  }
  const snapshot = readWith(frozen);
  frozen.release();
  return { encoding, snapshot };
}

async function encoded(
  backend: MemoryStateBackend,
  encoder: SnapshotEncoder,
): Promise<{ readonly length: number; readonly sha256: string }> {
  const { encoding, snapshot } = await read(backend, encoder);
  const { bytes, sha256, release } = await encoding.finish(snapshot);
  // Who writes two copies reads twice at a time.
  for (const whole of await Promise.all([wholeOf(bytes), wholeOf(bytes)]))
    assert.equal(createHash('sha256').update(whole).digest('hex'), sha256);
  const { length } = bytes;
  release?.();
  return { length, sha256 };
}

/** The encoder, and the threads that it started. */
function watched(clock: Pick<Clock, 'timer'> = systemClock()): {
  encoder: SnapshotEncoder;
  threads: Worker[];
} {
  const threads: Worker[] = [];
  const encoder = threadEncoder(clock, () => {
    const thread = new Worker(new URL('./worker-encoder.ts', import.meta.url));
    threads.push(thread);
    return thread;
  });
  return { encoder, threads };
}

test('the bytes of numbers and of cells, many or few, are those that the slot would make itself', async () => {
  const { encoder, threads } = watched();
  try {
    const sizes = [
      [0, 0],
      [500, 20],
    ] as const;
    for (const [numbers, texts] of sizes) {
      const backend = backendWith(numbers, texts);
      assert.deepEqual(await encoded(backend, encoder), await encoded(backend, encodingHere));
    }
    assert.equal(threads.length, 0, 'nothing is large');
    // More than the memories that go round; and few numbers with many cells.
    for (const [numbers, texts] of [
      [200_000, 100],
      [500, 12_000],
    ] as const) {
      const backend = backendWith(numbers, texts);
      assert.deepEqual(await encoded(backend, encoder), await encoded(backend, encodingHere));
    }
    assert.equal(threads.length, 1);
  } finally {
    await encoder.close();
  }
});

test('numbers that change while the thread copies them are those of the barrier, and what it has not copied is copied here', async () => {
  const { encoder } = watched();
  try {
    for (const isForced of [false, true]) {
      const backend = backendWith(100_000, 0, false);
      const { sha256: expected } = await encoded(backend, encodingHere);
      const count = backend.state('count', state.value<unknown>(0));
      const change = (from: number): void => {
        // Of those that were there, and new ones, which make tables grow.
        for (let index = from * 7_919; index < from * 7_919 + 4_000; index++) {
          backend.setCurrentKey(index % 2 === 0 ? index : `user-${index}`);
          count.update(-1);
        }
      };
      let hasRoom = Promise.withResolvers<undefined>();
      const encoding = encoder.begin(() => hasRoom.resolve(undefined));
      const frozen = backend.freeze(encoding);
      if (isForced) {
        frozen.advance();
        change(0);
        frozen.finish();
      }
      let changes = 0;
      for (let progress = frozen.advance(); progress !== 'done'; progress = frozen.advance()) {
        if (changes < 20) change(changes++);
        if (progress !== 'waiting') continue;
        await hasRoom.promise;
        hasRoom = Promise.withResolvers();
      }
      const snapshot = readWith(frozen);
      frozen.release();
      assert.equal((await encoding.finish(snapshot)).sha256, expected);
    }
  } finally {
    await encoder.close();
  }
});

test('each operator of a chain has the numbers of its own tables, which are copied beside those of the others', async () => {
  const { encoder } = watched();
  try {
    for (const isForced of [false, true]) {
      const chain = [100_000, 50_000, 70_000].map((numbers) => backendWith(numbers, 0, false));
      const snapshotBy = async (
        by: SnapshotEncoder,
        change: () => void,
        isHurried: boolean,
      ): Promise<string> => {
        let hasRoom = Promise.withResolvers<undefined>();
        const encoding = by.begin(() => hasRoom.resolve(undefined));
        const frozen = chain.map((backend) => backend.freeze(encoding));
        for (const each of frozen) {
          change();
          if (isHurried) each.finish();
          for (let progress = each.advance(); progress !== 'done'; progress = each.advance()) {
            change();
            if (progress !== 'waiting') continue;
            await hasRoom.promise;
            hasRoom = Promise.withResolvers();
          }
        }
        const snapshot = readWith(...frozen);
        for (const each of frozen) each.release();
        const { sha256, release } = await encoding.finish(snapshot);
        release?.();
        return sha256;
      };
      const expected = await snapshotBy(encodingHere, () => {}, false);
      let changes = 0;
      const change = (): void => {
        if (changes++ >= 20) return;
        for (const backend of chain) {
          const count = backend.state('count', state.value<unknown>(0));
          for (let index = changes * 2_003; index < changes * 2_003 + 1_000; index++) {
            backend.setCurrentKey(index % 2 === 0 ? index : `user-${index}`);
            count.update(-1);
          }
        }
      };
      assert.equal(await snapshotBy(encoder, change, isForced), expected);
    }
  } finally {
    await encoder.close();
  }
});

test('large bytes are read piece by piece, until they are given up or the thread ends', async () => {
  const { encoder, threads } = watched();
  try {
    const { encoding, snapshot } = await read(backendWith(300_000), encoder);
    const { bytes, release } = await encoding.finish(snapshot);
    assert.ok(!(bytes instanceof Uint8Array) && bytes.length > 3 * PIECE_BYTES);
    const lengths: number[] = [];
    let last = new Uint8Array();
    for await (const piece of bytes.pieces()) {
      assert.equal(last.length, 0, 'the memory of the one before is given back');
      last = piece as Uint8Array<ArrayBuffer>;
      lengths.push(piece.length);
    }
    assert.ok(lengths.every((length, index) => length === PIECE_BYTES || index === lengths.length - 1));
    assert.equal(
      lengths.reduce((sum, length) => sum + length, 0),
      bytes.length,
    );
    for await (const piece of bytes.pieces()) {
      assert.equal(piece.length, PIECE_BYTES);
      break;
    }
    const late = wholeOf(bytes);
    const rejected = assert.rejects(late, { code: 'WORKER_LOST' });
    await threads[0]!.terminate();
    await rejected;
    release!();
  } finally {
    await encoder.close();
  }
});

test('a thread that was prepared makes the next snapshot, and one that cannot be started fails nobody before', async () => {
  let starts = 0;
  const encoder = threadEncoder(systemClock(), () => {
    if (starts++ === 0) throw new Error('no more threads');
    return new Worker(new URL('./worker-encoder.ts', import.meta.url));
  });
  try {
    for (let time = 0; time < 3; time++) encoder.prepare!();
    assert.equal(starts, 2);
    const backend = backendWith(100_000);
    assert.deepEqual(await encoded(backend, encoder), await encoded(backend, encodingHere));
    assert.equal(starts, 2);
  } finally {
    await encoder.close();
  }
  encoder.prepare!();
  assert.equal(starts, 2, 'a slot that is closed needs none');
});

test('whoever has to wait for the thread is told when it need not any more', async () => {
  // It does nothing before the gate is open.
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const entry = new URL('./worker-encoder.ts', import.meta.url).href;
  const encoder = threadEncoder(
    systemClock(),
    () =>
      new Worker(
        `const { workerData } = require('node:worker_threads');
        Atomics.wait(workerData.gate, 0, 0);
        import(workerData.entry);`,
        { eval: true, workerData: { gate, entry } },
      ),
  );
  try {
    let waits = 0;
    const { encoding, snapshot } = await read(backendWith(300_000), encoder, () => {
      waits++;
      Atomics.store(gate, 0, 1);
      Atomics.notify(gate, 0);
    });
    assert.ok(waits > 0, 'nothing is copied while the thread is not there');
    assert.ok((await encoding.finish(snapshot)).bytes.length > 0);
  } finally {
    await encoder.close();
  }
});

test('whoever waits for memory is told when a snapshot that held some is given up', () => {
  const encoder = threadEncoder(systemClock(), () => assert.fail('no thread is needed for that'));
  const told: number[] = [];
  const encodings = Array.from({ length: 9 }, (_, index) => {
    const encoding = encoder.begin(() => told.push(index));
    encoding.expect(2 * 1024 * 1024);
    return encoding;
  });
  const claimed = encodings.map((encoding) => encoding.claim(false) !== undefined);
  assert.deepEqual(claimed, [...new Array<boolean>(8).fill(true), false]);
  encodings[0]!.drop();
  assert.deepEqual(told, [8]);
  assert.ok(encodings[8]!.claim(false) !== undefined);
});

test('a thread that ends takes its snapshots with it, and the next one has another thread', async () => {
  // It says that it has copied, and makes no bytes.
  const silent = new Worker(
    `const { parentPort } = require('node:worker_threads');
    parentPort.on('message', ({ kind, tables, progress }) => {
      if (kind !== 'tables') return;
      Atomics.store(progress, 0, tables.length);
      parentPort.postMessage({ kind: 'copied' });
    });`,
    { eval: true },
  );
  const starts = [silent];
  const encoder = threadEncoder(
    systemClock(),
    () => starts.shift() ?? new Worker(new URL('./worker-encoder.ts', import.meta.url)),
  );
  try {
    const backend = backendWith(30_000);
    const early = await read(backend, encoder);
    const late = await read(backend, encoder);
    const waiting = assert.rejects(early.encoding.finish(early.snapshot), { code: 'WORKER_LOST' });
    await silent.terminate();
    await waiting;
    await assert.rejects(late.encoding.finish(late.snapshot), { code: 'WORKER_LOST' });
    assert.equal(starts.length, 0);
    assert.deepEqual(await encoded(backend, encoder), await encoded(backend, encodingHere));
  } finally {
    await encoder.close();
  }
});

test('a thread that cannot be started fails the snapshot, and not the records that come meanwhile', async () => {
  let mayStart = false;
  const encoder = threadEncoder(systemClock(), () => {
    if (!mayStart) throw new Error('no more threads');
    return new Worker(new URL('./worker-encoder.ts', import.meta.url));
  });
  try {
    const backend = backendWith(100_000);
    const change = (): void => {
      // Tables get other memory, and what is not copied has to be.
      for (let key = 0; key < 100_000; key++) {
        backend.setCurrentKey(`another ${key}`);
        backend.state('count', state.value<unknown>(0)).update(key);
      }
    };
    for (const pieces of [0, 1]) {
      const encoding = encoder.begin(() => {});
      const frozen = backend.freeze(encoding);
      for (let piece = 0; piece < pieces; piece++) frozen.advance();
      if (pieces === 0) change();
      frozen.finish();
      const snapshot = readWith(frozen);
      frozen.release();
      await assert.rejects(encoding.finish(snapshot), {
        code: 'WORKER_LOST',
        message: /no more threads|copies/,
      });
    }
    mayStart = true;
    assert.deepEqual(await encoded(backend, encoder), await encoded(backend, encodingHere));
  } finally {
    await encoder.close();
  }
});

test('a snapshot that is given up gives its memory back, and the end of a slot rejects what waits', async () => {
  const { encoder } = watched();
  const backend = backendWith(100_000);
  for (let round = 0; round < 20; round++) {
    const encoding = encoder.begin(() => {});
    const frozen = backend.freeze(encoding);
    for (let piece = 0; piece < round; piece++) frozen.advance();
    frozen.release();
    encoding.drop();
  }
  const { encoding, snapshot } = await read(backend, encoder);
  const waiting = encoding.finish(snapshot);
  const rejected = assert.rejects(waiting, { code: 'WORKER_LOST', message: /its slot was closed/ });
  await encoder.close();
  await rejected;
});

test('a thread that has nothing to do for a while is ended, and what was stored gives its memory back', async () => {
  const timers = new Set<() => void>();
  const clock: Pick<Clock, 'timer'> = {
    timer: (_afterMs, run) => {
      timers.add(run);
      return { cancel: () => timers.delete(run) };
    },
  };
  const { encoder, threads } = watched(clock);
  try {
    const backend = backendWith(100_000);
    for (const round of [1, 2]) {
      const { encoding, snapshot } = await read(backend, encoder);
      assert.equal(timers.size, 0, 'it is not idle while a snapshot is on its way');
      const { bytes, release } = await encoding.finish(snapshot);
      assert.equal((await wholeOf(bytes)).length, bytes.length);
      assert.equal(timers.size, 0, 'nor while its bytes may be read');
      release!();
      await assert.rejects(wholeOf(bytes), { code: 'WORKER_LOST', message: /it had the bytes/ });
      assert.equal(threads.length, round, 'another one takes its place');
      const [idle] = timers;
      const ended = once(threads.at(-1)!, 'exit');
      timers.clear();
      idle!();
      await ended;
    }
    await read(backend, encoder);
  } finally {
    await encoder.close();
  }
  assert.equal(timers.size, 0);
});
