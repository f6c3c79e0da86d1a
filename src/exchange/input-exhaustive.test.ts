// Every interleaving of small producers and one consumer, against the definition of a consistent cut:
// per channel, consumed before the snapshot + in flight = sent before the barrier, in order (I-U2).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChannelWriter } from './channel.ts';
import type { AlignmentMode, CheckpointBarrier } from './events.ts';
import { decodeElement } from './frame.ts';
import { InputGate } from './input.ts';
import { createLocalChannel } from './local.ts';

// `r` sends a batch of two records, `1` and `2` send the barrier of that checkpoint, `E` ends the data.
// Other actors: `n` one step of the consumer, `a` aborts checkpoint 1 at the consumer, `t` lets the aligned timeout pass.
interface Case {
  readonly scripts: readonly string[];
  readonly unaligned: readonly boolean[];
  readonly alignment: AlignmentMode;
  readonly alignedTimeoutMs?: number;
  readonly steps: string;
}

class Producer {
  readonly sent: string[] = [];
  readonly sentBefore = new Map<number, number>();
  readonly #name: string;
  readonly #writer: ChannelWriter;
  readonly #overtakes: boolean;
  readonly #options: Case;

  constructor(name: string, writer: ChannelWriter, overtakes: boolean, options: Case) {
    this.#name = name;
    this.#writer = writer;
    this.#overtakes = overtakes;
    this.#options = options;
  }

  play(token: string): void {
    if (token === 'r') this.#sendBatch();
    else if (token === 'E') this.#write({ kind: 'end-of-data' });
    else this.#sendBarrier(Number(token));
  }

  #sendBatch(): void {
    const values = [`${this.#name}${this.sent.length}`, `${this.#name}${this.sent.length + 1}`];
    this.sent.push(...values);
    assert.ok(this.#writer.tryWrite({ kind: 'batch', batch: { values, timestamps: [1, 2] } }));
  }

  #sendBarrier(id: number): void {
    this.sentBefore.set(id, this.sent.length);
    const { alignment, alignedTimeoutMs = 0 } = this.#options;
    const barrier: CheckpointBarrier = { id, timestamp: 0, alignment, alignedTimeoutMs, kind: 'periodic' };
    if (alignment === 'unaligned' && this.#overtakes) this.#writer.writePriority(barrier);
    else this.#write({ kind: 'barrier', barrier });
  }

  #write(event: { kind: 'end-of-data' } | { kind: 'barrier'; barrier: CheckpointBarrier }): void {
    assert.ok(this.#writer.tryWrite({ kind: 'event', event }));
  }
}

// A task that processes one record per step and asks for priority barriers in the middle of each batch.
class Consumer {
  readonly gate: InputGate;
  readonly consumed: string[][];
  readonly consumedBefore = new Map<number, number[]>();
  readonly inFlight = new Map<number, string[][]>();
  ends = 0;
  now = 0;
  #rest: { producer: number; value: string } | undefined;

  constructor(gate: InputGate, channels: number) {
    this.gate = gate;
    this.consumed = Array.from({ length: channels }, () => []);
  }

  step(): boolean {
    const went = this.#rest === undefined ? this.#next() : this.#finishBatch(this.#rest);
    for (const id of this.consumedBefore.keys()) if (!this.inFlight.has(id)) this.#takeInFlight(id);
    return went;
  }

  #next(): boolean {
    const element = this.gate.next(this.now);
    if (element === undefined) return false;
    if (element.kind === 'barrier') this.#snapshot(element.barrier.id);
    if (element.kind === 'end-of-data') this.ends++;
    if (element.kind !== 'batch') return true;
    const [first, second] = element.batch.values as [string, string];
    this.consumed[element.producer]!.push(first);
    this.#rest = { producer: element.producer, value: second };
    return true;
  }

  #finishBatch(rest: { producer: number; value: string }): boolean {
    const barrier = this.gate.nextPriority(() => ({ values: [rest.value], timestamps: [2] }), this.now);
    if (barrier !== undefined) this.#snapshot(barrier.barrier.id);
    this.consumed[rest.producer]!.push(rest.value);
    this.#rest = undefined;
    return true;
  }

  #snapshot(id: number): void {
    assert.ok(!this.consumedBefore.has(id), 'one snapshot per checkpoint');
    this.consumedBefore.set(
      id,
      this.consumed.map((values) => values.length),
    );
  }

  #takeInFlight(id: number): void {
    const sections = this.gate.takeInFlight(id);
    if (sections === undefined) return;
    const found = this.consumed.map((): string[] => []);
    for (const { producer, consumer, edge, frames } of sections) {
      assert.deepEqual([consumer, edge], [7, 3]);
      for (const frame of frames) {
        const element = decodeElement(frame);
        if (element.kind === 'batch') found[producer]!.push(...(element.batch.values as string[]));
      }
    }
    this.inFlight.set(id, found);
  }
}

function run(options: Case, schedule: readonly number[]): void {
  const channels = options.scripts.map((_, index) => createLocalChannel({ alwaysEncode: index === 1 }));
  const producers = channels.map(
    ({ writer }, index) => new Producer('abc'[index]!, writer, options.unaligned[index]!, options),
  );
  const gate = new InputGate({
    consumer: 7,
    channels: channels.map(({ reader }, producer) => {
      return { edge: 3, input: 0, producer, reader, unaligned: options.unaligned[producer]! };
    }),
  });
  const consumer = new Consumer(gate, channels.length);
  const positions = new Array<number>(options.scripts.length + 1).fill(0);
  for (const actor of schedule) {
    const position = positions[actor]!++;
    if (actor < producers.length) producers[actor]!.play(options.scripts[actor]![position]!);
    else play(consumer, options.steps[position]!);
  }
  while (consumer.step());
  check(options, producers, consumer);
}

function play(consumer: Consumer, token: string): void {
  if (token === 'n') consumer.step();
  if (token === 'a') consumer.gate.abort(1);
  if (token === 't') consumer.now = 100;
}

function check(options: Case, producers: readonly Producer[], consumer: Consumer): void {
  producers.forEach((producer, index) => {
    assert.deepEqual(consumer.consumed[index], producer.sent, 'everything is consumed once and in order');
  });
  const ended = options.scripts.every((script) => script.includes('E'));
  assert.equal(consumer.ends, ended ? 1 : 0);
  assert.equal(consumer.gate.isEnded(), ended);
  for (const id of [1, 2]) checkSnapshot(id, options, producers, consumer);
}

function checkSnapshot(id: number, options: Case, producers: readonly Producer[], consumer: Consumer): void {
  const before = consumer.consumedBefore.get(id);
  const delivered = options.scripts.every((script) => script.includes(String(id)) || script.includes('E'));
  const sent = options.scripts.some((script) => script.includes(String(id)));
  const doomed =
    id === 1 && (options.steps.includes('a') || options.scripts.some((script) => script.includes('2')));
  if (delivered && sent && !doomed) assert.ok(consumer.inFlight.has(id), `checkpoint ${id} completes`);
  if (!sent) assert.equal(before, undefined);
  const inFlight = consumer.inFlight.get(id);
  if (before === undefined || inFlight === undefined) return;
  producers.forEach((producer, index) => {
    const consumed = producer.sent.slice(0, before[index]);
    const cut = producer.sent.slice(0, producer.sentBefore.get(id) ?? producer.sent.length);
    if (options.alignment === 'at-least-once') assert.ok(consumed.length >= cut.length);
    else assert.deepEqual([...consumed, ...inFlight[index]!], cut, `the cut of channel ${index}`);
    if (options.alignment !== 'unaligned') assert.deepEqual(inFlight[index], []);
  });
}

function everyInterleaving(options: Case): number {
  const left = [...options.scripts.map((script) => script.length), options.steps.length];
  const schedule: number[] = [];
  let count = 0;
  const go = (): void => {
    let last = true;
    for (let actor = 0; actor < left.length; actor++) {
      if (left[actor] === 0) continue;
      last = false;
      left[actor]!--;
      schedule.push(actor);
      go();
      schedule.pop();
      left[actor]!++;
    }
    if (!last) return;
    count++;
    try {
      run(options, schedule);
    } catch (error) {
      throw new Error(`${JSON.stringify(options)} schedule [${schedule.join()}]`, { cause: error });
    }
  };
  go();
  return count;
}

function pairs(scripts: readonly string[]): string[][] {
  return scripts.flatMap((first, index) => scripts.slice(index).map((second) => [first, second]));
}

test('an aligned snapshot cuts every interleaving of two and three channels at the barriers', () => {
  let count = 0;
  for (const scripts of pairs(['r1r', '1rr', 'rr1', 'rE1', 'rE'])) {
    count += everyInterleaving({ scripts, unaligned: [false, true], alignment: 'aligned', steps: 'nnn' });
  }
  count += everyInterleaving({
    scripts: ['r1', '1r', 'E1'],
    unaligned: [false, false, false],
    alignment: 'aligned',
    steps: 'nnn',
  });
  count += everyInterleaving({
    scripts: ['rr1r', 'r1rE'],
    unaligned: [false, false],
    alignment: 'aligned',
    steps: 'nnnn',
  });
  console.log(`cases: aligned interleavings ${count} (minimum 60000)`);
  assert.ok(count >= 60_000);
});

test('an unaligned snapshot and its in-flight data cut every interleaving, with channels that may be overtaken and not', () => {
  let count = 0;
  for (const scripts of pairs(['r1r', '1rr', 'rr1', 'rE1', 'rE'])) {
    for (const unaligned of [
      [true, true],
      [true, false],
      [false, true],
    ]) {
      count += everyInterleaving({ scripts, unaligned, alignment: 'unaligned', steps: 'nnn' });
    }
  }
  for (const scripts of [
    ['r1', '1r', 'E1'],
    ['r1', 'r1', '1'],
  ]) {
    for (const unaligned of [
      [true, true, true],
      [true, false, true],
    ]) {
      count += everyInterleaving({ scripts, unaligned, alignment: 'unaligned', steps: 'nnn' });
    }
  }
  count += everyInterleaving({
    scripts: ['rr1r', 'rr1E'],
    unaligned: [true, true],
    alignment: 'unaligned',
    steps: 'nnnn',
  });
  count += everyInterleaving({
    scripts: ['r1r', 'rr1', '1rE'],
    unaligned: [true, true, false],
    alignment: 'unaligned',
    steps: 'nn',
  });
  console.log(`cases: unaligned interleavings ${count} (minimum 200000)`);
  assert.ok(count >= 200_000);
});

test('the aligned timeout may pass at any point of an unaligned checkpoint', () => {
  let count = 0;
  for (const scripts of pairs(['r1r', 'rr1', '1r'])) {
    for (const unaligned of [
      [true, true],
      [true, false],
    ]) {
      count += everyInterleaving({
        scripts,
        unaligned,
        alignment: 'unaligned',
        alignedTimeoutMs: 10,
        steps: 'nnt',
      });
    }
  }
  console.log(`cases: aligned timeout interleavings ${count} (minimum 10000)`);
  assert.ok(count >= 10_000);
});

/** Every content of a channel of up to two events: with the barrier, or ended before it. */
const CONTENTS = ['1', 'r1', '1r', '1E', 'E', 'rE'];

test('every content of three channels of up to two events, in every order, aligned, overtaken and with the timeout anywhere', () => {
  let count = 0;
  for (const [index, first] of CONTENTS.entries()) {
    for (const others of pairs(CONTENTS.slice(index))) {
      const scripts = [first, ...others];
      // An aligned checkpoint begins with somebody's barrier.
      if (!scripts.some((script) => script.includes('1'))) continue;
      const all = { scripts, unaligned: [true, true, true] };
      count += everyInterleaving({ ...all, alignment: 'aligned', steps: 'n' });
      count += everyInterleaving({ ...all, alignment: 'unaligned', steps: 'n' });
      count += everyInterleaving({
        ...all,
        unaligned: [true, false, true],
        alignment: 'unaligned',
        steps: 'n',
      });
      count += everyInterleaving({ ...all, alignment: 'unaligned', alignedTimeoutMs: 10, steps: 'nt' });
    }
  }
  console.log(`cases: interleavings of three channels ${count} (minimum 100000)`);
  assert.ok(count >= 100_000);
});

test('a later checkpoint is right whenever the earlier one is aborted, here or before', () => {
  let count = 0;
  for (const alignment of ['aligned', 'unaligned', 'at-least-once'] as const) {
    for (const scripts of [
      ['1r2', 'r1r2'],
      ['1r2', 'r2'],
      ['r2', 'r1E'],
      ['12r', '1rE'],
      ['1rr', 'r'],
    ]) {
      for (const unaligned of [
        [true, true],
        [false, true],
      ]) {
        count += everyInterleaving({ scripts, unaligned, alignment, steps: 'nan' });
      }
    }
  }
  console.log(`cases: abort interleavings ${count} (minimum 20000)`);
  assert.ok(count >= 20_000);
});

test('at least once waits for the last barrier and blocks nothing', () => {
  let count = 0;
  for (const scripts of pairs(['r1r', '1rr', 'rr1', 'rE1'])) {
    count += everyInterleaving({
      scripts,
      unaligned: [false, true],
      alignment: 'at-least-once',
      steps: 'nnn',
    });
  }
  console.log(`cases: at-least-once interleavings ${count} (minimum 15000)`);
  assert.ok(count >= 15_000);
});
