// Windows that follow their consumer, on a clock that the test moves: growth, shrinking, and how long a barrier waits.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkRings } from '../../test/exchange/linked-rings.ts';
import type { ChannelElement } from './channel.ts';
import { ChannelWindow, DRAIN_MS, windowBounds } from './channel-window.ts';

const KIB = 1024;
const MOST = 1024 * KIB;
const bounds = windowBounds(MOST);

test('a window grows up to the largest one while it is read in time', () => {
  const window = new ChannelWindow(bounds, 0);
  assert.equal(window.bytes, bounds.first);
  for (let now = 1; now <= 10; now++) window.told(window.bytes / 2, now, true);
  assert.equal(window.bytes, MOST);
});

test('a window does not grow for a consumer that takes longer than half of the time for it', () => {
  const window = new ChannelWindow(bounds, 0);
  const stepMs = DRAIN_MS / 4 + 1;
  for (let told = 1; told <= 100; told++) window.told(bounds.first / 2, told * stepMs, true);
  assert.equal(window.bytes, bounds.first);
});

test('a window shrinks to what is read in time, and to the least one at last', () => {
  const window = new ChannelWindow(bounds, 0);
  window.told(1, 1, true);
  window.told(100 * KIB, 1 + DRAIN_MS, true);
  assert.equal(window.bytes, 64 * KIB);
  window.told(1, 1 + 2 * DRAIN_MS, true);
  assert.equal(window.bytes, bounds.least);
});

test('a consumer that waits for data is not slow', () => {
  const window = new ChannelWindow(bounds, 0);
  window.told(1, 1, true);
  window.rests();
  window.told(1, 1_000_000, true);
  assert.equal(window.bytes, bounds.first);
  window.told(1, 2_000_000, true);
  assert.equal(window.bytes, bounds.least, 'one that always had something to read is');
});

test('a window of a channel that has little memory stays what it is', () => {
  const window = new ChannelWindow(windowBounds(16 * KIB), 0);
  window.told(1, 1, true);
  window.told(1, 1_000, true);
  window.told(1_000_000, 1_001, true);
  assert.equal(window.bytes, 16 * KIB);
});

/** A frame of about so many bytes. */
function batch(bytes: number): ChannelElement {
  return { kind: 'batch', batch: { values: ['x'.repeat(bytes)], timestamps: [1] } };
}

const barrier: ChannelElement = {
  kind: 'event',
  event: {
    kind: 'barrier',
    barrier: { id: 1, timestamp: 0, alignment: 'aligned', alignedTimeoutMs: 0, kind: 'periodic' },
  },
};

/** A producer that always has more, and a consumer that reads so many bytes each ms. */
class FullChannel {
  bytesPerMs: number;
  now = 0;
  readonly #rings = linkRings({ seed: 'full', count: 1, windowBytes: MOST, now: () => this.now });
  #mayRead = 0;
  #hasSeenBarrier = false;

  constructor(bytesPerMs: number) {
    this.bytesPerMs = bytesPerMs;
  }

  /** Bytes that lie before what is written now. */
  get waiting(): number {
    const { writer, reader } = this.#rings.channels[0]!;
    return writer.bytes()! - reader.bytes()!;
  }

  run(forMs: number): void {
    for (const until = this.now + forMs; this.now < until; ) this.#step(batch(900));
  }

  /** Ms from the moment at which the producer sends a barrier until the consumer has it. */
  barrierMs(): number {
    const { writer } = this.#rings.channels[0]!;
    const from = this.now;
    while (!writer.tryWrite(barrier)) this.#step(undefined);
    this.#hasSeenBarrier = false;
    while (!this.#hasSeenBarrier) this.#step(batch(900));
    return this.now - from;
  }

  #step(more: ChannelElement | undefined): void {
    const { writer, reader } = this.#rings.channels[0]!;
    this.now++;
    this.#mayRead = Math.min(this.#mayRead + this.bytesPerMs, 2 * this.bytesPerMs + 1_000);
    do {
      while (more !== undefined && writer.tryWrite(more));
      this.#rings.settle();
      while (this.#mayRead > 0) {
        const before = reader.bytes()!;
        const element = reader.read();
        if (element === undefined) break;
        this.#mayRead -= reader.bytes()! - before;
        if (element.kind === 'event') this.#hasSeenBarrier = true;
      }
      this.#rings.settle();
    } while (more !== undefined && this.#mayRead > 0);
  }
}

/** Two windows, and what a step of the test and one frame add. */
function boundMs(bytesPerMs: number): number {
  return Math.max(2 * DRAIN_MS, (2 * bounds.least) / bytesPerMs) + 2_000 / bytesPerMs + 2;
}

for (const bytesPerMs of [100, 1_000, 5_000, 20_000]) {
  test(`an aligned barrier waits for two times of ${DRAIN_MS} ms where ${bytesPerMs} bytes are read each ms`, () => {
    const channel = new FullChannel(bytesPerMs);
    channel.run(10_000 / Math.min(10, bytesPerMs / 100));
    const ms = channel.barrierMs();
    assert.ok(ms <= boundMs(bytesPerMs), `${ms} ms`);
    assert.ok(channel.waiting >= bytesPerMs * DRAIN_MS * 0.5 || ms > DRAIN_MS / 2, 'the channel is full');
  });
}

test('a fast consumer has the largest window, and soon a smaller one when it becomes slow', () => {
  const channel = new FullChannel(50_000);
  channel.run(50);
  assert.ok(channel.waiting > MOST, `${channel.waiting} bytes wait`);
  channel.bytesPerMs = 1_000;
  channel.run(4_000);
  const ms = channel.barrierMs();
  assert.ok(ms <= boundMs(1_000), `${ms} ms`);
  channel.bytesPerMs = 50_000;
  channel.run(100);
  assert.ok(channel.waiting > MOST, `${channel.waiting} bytes wait`);
});
