// Outputs, channels and gates together: whatever the schedule, a crash after an unaligned checkpoint loses and doubles nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Random } from '../base/env.ts';
import { keyGroupOf, subtaskOfKeyGroup } from '../base/key-groups.ts';
import { seededRandom } from '../base/random.ts';
import type { RecordBatch } from './batch.ts';
import type { ChannelReader, ChannelWriter } from './channel.ts';
import type { ChannelStateSection, RecoveredSection } from './channel-state.ts';
import type { CheckpointBarrier } from './events.ts';
import { InputGate } from './input.ts';
import { createLocalChannel } from './local.ts';
import { OutputPort } from './output.ts';
import { allocateRing } from './ring-memory.ts';
import { createRingReader } from './ring-reader.ts';
import { createRingWriter } from './ring-writer.ts';
import { createRouter } from './router.ts';

const MAX_PARALLELISM = 16;
const KEYS = 7;
const RUNS = 250;
const RECORDS_MAX = 60;

/** A record: its key, and its number within its producer. */
interface Value {
  readonly key: number;
  readonly producer: number;
  readonly number: number;
}

interface Channel {
  readonly writer: ChannelWriter;
  readonly reader: ChannelReader;
}

function channelBy(random: Random): Channel {
  if (random.int(2) === 0) return createLocalChannel({ capacityElements: 1 + random.int(3) });
  const ring = allocateRing(64 << random.int(4));
  const bell = { ring() {}, ringLater() {}, hurry() {} };
  return { writer: createRingWriter(ring, bell), reader: createRingReader(ring, bell) };
}

class Producer {
  readonly port: OutputPort;
  sent = 0;
  /** Where it continues after a crash, and what it had in flight. */
  snapshot: { sent: number; inFlight: ChannelStateSection[] } | undefined;
  readonly #index: number;
  readonly #count: number;
  #ended = false;

  constructor(index: number, count: number, from: number, channels: readonly Channel[], random: Random) {
    this.#index = index;
    this.#count = count;
    this.sent = from;
    this.port = new OutputPort({
      edge: 0,
      producer: index,
      channels: channels.map(({ writer }, consumer) => ({ consumer, writer })),
      router: createRouter('key-group', {
        channels: channels.length,
        maxParallelism: MAX_PARALLELISM,
        keySelector: (value) => (value as Value).key,
      }),
      unaligned: true,
      batchRecords: 1 + random.int(4),
    });
  }

  step(): boolean {
    if (!this.port.writable() || this.#ended) return false;
    if (this.sent < this.#count) {
      const number = this.sent++;
      this.port.emit({ key: (number * (this.#index + 3)) % KEYS, producer: this.#index, number }, number);
      if (number % 5 === 0) this.port.event({ kind: 'watermark', timestamp: number });
    } else {
      this.port.event({ kind: 'end-of-data' });
      this.#ended = true;
    }
    return true;
  }

  trigger(barrier: CheckpointBarrier): void {
    this.snapshot = { sent: this.sent, inFlight: this.port.barrier(barrier) };
  }
}

class Consumer {
  readonly gate: InputGate;
  readonly seen: Value[] = [];
  snapshot: Value[] | undefined;
  inFlight: ChannelStateSection[] | undefined;
  watermark = -1;
  #batch: RecordBatch | undefined;
  #position = 0;

  constructor(index: number, readers: readonly ChannelReader[], seen: readonly Value[]) {
    this.seen.push(...seen);
    this.gate = new InputGate({
      consumer: index,
      channels: readers.map((reader, producer) => ({ edge: 0, input: 0, producer, reader, unaligned: true })),
    });
  }

  /** One record, or one element that is no batch; `stuck` = the output is full, only a barrier may be taken. */
  step(now: number, stuck: boolean): boolean {
    const went = stuck ? this.#poll(now) : this.#batch === undefined ? this.#next(now) : this.#record();
    this.inFlight ??= this.gate.takeInFlight(1);
    return went;
  }

  #poll(now: number): boolean {
    const rest =
      this.#batch === undefined
        ? undefined
        : {
            values: this.#batch.values.slice(this.#position),
            timestamps: this.#batch.timestamps.slice(this.#position),
          };
    if (this.gate.nextPriority(() => rest, now) !== undefined) this.snapshot = [...this.seen];
    return false;
  }

  #next(now: number): boolean {
    const element = this.gate.next(now);
    if (element?.kind === 'barrier') this.snapshot = [...this.seen];
    if (element?.kind === 'watermark') {
      assert.ok(element.timestamp > this.watermark, 'I-W1');
      this.watermark = element.timestamp;
    }
    if (element?.kind !== 'batch') return element !== undefined;
    this.#batch = element.batch;
    this.#position = 0;
    return true;
  }

  #record(): boolean {
    const batch = this.#batch!;
    assert.ok(batch.timestamps[this.#position]! > this.watermark, 'I-W3: nothing on time becomes late');
    this.seen.push(batch.values[this.#position++] as Value);
    if (this.#position === batch.values.length) this.#batch = undefined;
    return true;
  }
}

interface Job {
  readonly producers: Producer[];
  readonly consumers: Consumer[];
}

function deploy(
  random: Random,
  counts: readonly number[],
  consumers: number,
  from: { sent: readonly number[]; seen: readonly (readonly Value[])[] },
): Job {
  const channels = counts.map(() => Array.from({ length: consumers }, () => channelBy(random)));
  return {
    producers: counts.map(
      (count, index) => new Producer(index, count, from.sent[index]!, channels[index]!, random),
    ),
    consumers: Array.from(
      { length: consumers },
      (_, index) =>
        new Consumer(
          index,
          channels.map((row) => row[index]!.reader),
          from.seen[index]!,
        ),
    ),
  };
}

/** Lets chance choose who goes on, until nobody can. */
function runJob({ producers, consumers }: Job, random: Random, trigger: (step: number) => void): void {
  let rests = 0;
  for (let step = 0; rests < 500; step++) {
    trigger(step);
    const index = random.int(producers.length + consumers.length);
    const went =
      index < producers.length
        ? producers[index]!.step()
        : consumers[index - producers.length]!.step(step, random.int(4) === 0);
    rests = went ? 0 : rests + 1;
  }
}

function ownerOf(value: Value, consumers: number): number {
  return subtaskOfKeyGroup(keyGroupOf(value.key, MAX_PARALLELISM), consumers, MAX_PARALLELISM);
}

function checkComplete(job: Job, counts: readonly number[]): void {
  const seen = job.consumers.flatMap((consumer) => consumer.seen);
  assert.equal(
    seen.length,
    counts.reduce((sum, count) => sum + count),
  );
  job.consumers.forEach((consumer, index) => {
    assert.ok(consumer.gate.isEnded());
    const last = new Map<string, number>();
    for (const value of consumer.seen) {
      assert.equal(ownerOf(value, job.consumers.length), index, 'every record is where its key is');
      const channel = `${value.producer}/${value.key}`;
      assert.ok(value.number > (last.get(channel) ?? -1), 'records of one key and producer keep their order');
      last.set(channel, value.number);
    }
  });
}

/** What the sections become in the new job: as before, or given to everyone to keep the own. */
function restoreSections(job: Job, consumers: number): RecoveredSection[][] {
  const rescaled = consumers !== job.consumers.length;
  const sections = [
    ...job.consumers.flatMap(({ inFlight }) => inFlight!),
    ...job.producers.flatMap(({ snapshot }) => snapshot!.inFlight),
  ];
  return Array.from({ length: consumers }, (_, consumer) =>
    sections
      .filter((section) => rescaled || section.consumer === consumer)
      .map((section) => ({ ...section, consumer, reroute: rescaled, dropEvents: rescaled })),
  );
}

function runOnce(seed: number): { inFlight: number; rescaled: boolean } {
  const random = seededRandom(seed);
  const counts = Array.from({ length: 1 + random.int(3) }, () => random.int(RECORDS_MAX));
  const consumers = 1 + random.int(3);
  const first = deploy(random, counts, consumers, {
    sent: counts.map(() => 0),
    seen: Array.from({ length: consumers }, () => []),
  });
  const triggers = counts.map(() => random.int(100));
  const barrier: CheckpointBarrier = {
    id: 1,
    timestamp: 0,
    alignment: 'unaligned',
    alignedTimeoutMs: random.int(2) * random.int(100),
    kind: 'periodic',
  };
  runJob(first, random, (step) => {
    first.producers.forEach((producer, index) => {
      if (step === triggers[index]) producer.trigger(barrier);
    });
  });
  checkComplete(first, counts);

  // A crash: the second run knows only what the checkpoint has.
  const newConsumers = random.int(2) === 0 ? consumers : 1 + random.int(3);
  const state = first.consumers.flatMap(({ snapshot }) => snapshot!);
  const second = deploy(random, counts, newConsumers, {
    sent: first.producers.map(({ snapshot }) => snapshot!.sent),
    seen: Array.from({ length: newConsumers }, (_, index) =>
      state.filter((value) => ownerOf(value, newConsumers) === index),
    ),
  });
  const sections = restoreSections(first, newConsumers);
  second.consumers.forEach((consumer, index) => {
    consumer.gate.recover(sections[index]!, (_, value) => ownerOf(value as Value, newConsumers) === index);
  });
  runJob(second, random, () => {});
  checkComplete(second, counts);
  const inFlight = sections.flat().reduce((sum, { frames }) => sum + frames.length, 0);
  return { inFlight, rescaled: newConsumers !== consumers };
}

test('a crash after an unaligned checkpoint, also with another parallelism, loses and doubles nothing', () => {
  let inFlight = 0;
  let rescaled = 0;
  for (let seed = 0; seed < RUNS; seed++) {
    try {
      const run = runOnce(seed);
      if (run.inFlight > 0) inFlight++;
      if (run.rescaled) rescaled++;
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  console.log(`cases: unaligned crashes ${RUNS} (minimum 250)`);
  assert.ok(inFlight > RUNS / 2, `${inFlight} runs had in-flight data`);
  assert.ok(rescaled > RUNS / 5, `${rescaled} runs changed the parallelism`);
});
