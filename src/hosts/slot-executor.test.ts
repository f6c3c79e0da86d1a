// Slots under a job master that triggers, aborts, cancels and crashes at random: output exactly once, every trigger answered, no hang.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { claimAttempt } from '../checkpoint/ownership.ts';
import { storesOf } from '../checkpoint/stores.ts';
import { seededRandom } from '../base/random.ts';
import { HandOver } from '../exchange/hand-over.ts';
import { NO_LATENCY } from '../metrics/latency.ts';
import { compile } from '../graph/compile.ts';
import type { CompiledJob } from '../graph/job-graph.ts';
import { collectionSource } from '../connectors/collection.ts';
import { watermarks } from '../operators/watermarks.ts';
import * as state from '../state/state.ts';
import type { DataStream } from '../streams/data-stream.ts';
import { describeJob } from '../streams/describe.ts';
import { job } from '../streams/job.ts';
import { Kernel } from '../testing/kernel.ts';
import { ringSlots } from '../../test/hosts/ring-slots.ts';
import { RecordedOutput } from '../../test/hosts/recording-sink.ts';
import { type Mode, ScriptedJobMaster } from '../../test/hosts/scripted-job-master.ts';
import { inProcessSlots } from './in-process.ts';

interface Item {
  readonly id: string;
  readonly key: string;
  readonly at: number;
  readonly v: number;
}

type Stage =
  | 'map'
  | 'array'
  | 'generator'
  | 'skip'
  | 'rebalance'
  | 'shuffle'
  | 'rescale'
  | 'global'
  | 'watermarks';

/** A job and its surroundings, drawn from a seed. */
interface Case {
  readonly seed: number;
  readonly mode: Mode;
  readonly count: number;
  readonly keys: number;
  readonly splits: number;
  readonly stages: readonly Stage[];
  readonly chaining: boolean;
  readonly channelElements: number;
  /** Rings between the slots; 0 = none. */
  readonly ringBytes: number;
  readonly alwaysEncode: boolean;
  readonly bufferTimeoutMs: number;
  readonly slow: { readonly slowEvery: number; readonly slowMs: number; readonly commitMs: number };
  readonly failures: number;
}

const STAGES: readonly Stage[] = [
  'map',
  'array',
  'generator',
  'skip',
  'rebalance',
  'shuffle',
  'rescale',
  'global',
  'watermarks',
];

function caseOf(seed: number): Case {
  const random = seededRandom(seed).fork('case');
  const pick = <T>(from: readonly T[]): T => from[random.int(from.length)]!;
  return {
    seed,
    mode: pick(['aligned', 'unaligned', 'unaligned', 'at-least-once'] as const),
    count: 1 + random.int(120),
    keys: 1 + random.int(7),
    splits: 1 + random.int(6),
    stages: Array.from({ length: random.int(4) }, () => pick(STAGES)),
    chaining: random.int(3) > 0,
    channelElements: pick([1, 1, 2, 8]),
    ringBytes: pick([0, 0, 64, 256, 4096]),
    alwaysEncode: random.int(2) === 0,
    bufferTimeoutMs: pick([0, 1, 100, -1]),
    slow: { slowEvery: pick([0, 1, 3, 10]), slowMs: pick([0, 1, 7]), commitMs: pick([0, 2]) },
    failures: random.int(3),
  };
}

const COPIES: Partial<Record<Stage, number>> = { array: 2, generator: 3 };
const END = Number.MAX_SAFE_INTEGER - 1;

function itemsOf({ seed, count, keys }: Case): Item[] {
  const random = seededRandom(seed).fork('items');
  return Array.from({ length: count }, (_, n) => ({
    id: `i${n}`,
    key: `user${random.int(keys)}`,
    at: n * 10,
    v: random.int(100),
  }));
}

function copies(item: Item, count: number): Item[] {
  return Array.from({ length: count }, (_, copy) => ({ ...item, id: `${item.id}.${copy}` }));
}

/** The naive model. */
function expectedOf(spec: Case): string[] {
  let items = itemsOf(spec);
  for (const stage of spec.stages) {
    if (COPIES[stage] !== undefined) items = items.flatMap((item) => copies(item, COPIES[stage]!));
    if (stage === 'skip') items = items.filter(({ v }) => v % 5 !== 1);
  }
  const sums = new Map<string, { count: number; sum: number }>();
  for (const { key, v } of items) {
    const before = sums.get(key) ?? { count: 0, sum: 0 };
    sums.set(key, { count: before.count + 1, sum: before.sum + v });
  }
  const totals = [...sums].map(([key, { count, sum }]) => `total ${key} ${count} ${sum}`);
  return [...items.map(({ id }) => id), ...totals].sort();
}

/** User code that fails once, at a record that chance chooses. */
interface Fuse {
  left: number;
}

function build(spec: Case, parallelism: number, output: RecordedOutput, fuse: Fuse): CompiledJob {
  const definition = job((env) => {
    env.setParallelism(parallelism).setMaxParallelism(8);
    if (!spec.chaining) env.disableOperatorChaining();
    const strategy = watermarks.boundedOutOfOrderness<Item>('1 s').withTimestamps(({ at }) => at);
    let items: DataStream<Item> = env.fromSource(collectionSource(itemsOf(spec), { splits: spec.splits }), {
      uid: 'items',
      watermarks: strategy.withIdleness('3 ms'),
    });
    spec.stages.forEach((stage, index) => {
      items = staged(items, stage, index);
    });
    items
      .keyBy('key')
      .process({
        uid: 'totals',
        state: { count: state.value(0), sum: state.value(0) },
        *process(item, ctx) {
          if (fuse.left > 0 && --fuse.left === 0) throw new Error('the fuse has blown');
          ctx.state.count.update(ctx.state.count.value() + 1);
          ctx.timers.registerEventTime(END);
          ctx.timers.registerProcessingTime(ctx.time.currentProcessingTime() + (item.v % 9));
          yield item.id;
          ctx.state.sum.update(ctx.state.sum.value() + item.v);
        },
        *onTimer(time, ctx) {
          if (time === END) yield `total ${ctx.key} ${ctx.state.count.value()} ${ctx.state.sum.value()}`;
          else yield 'tick';
        },
      })
      .sinkTo(output.sink(spec.slow), { uid: 'out', parallelism: 1 + (spec.seed % 3) });
  });
  return compile(describeJob(definition), { name: 'job', parallelism: 1 });
}

function staged(items: DataStream<Item>, stage: Stage, index: number): DataStream<Item> {
  switch (stage) {
    case 'map':
      return items.map((item) => ({ ...item }));
    case 'array':
      return items.flatMap((item) => copies(item, 2));
    case 'generator':
      return items.flatMap(function* (item) {
        yield* copies(item, 3);
      });
    case 'skip':
      return items.flatMap(
        function* (item) {
          yield item;
          if (item.v % 5 === 1) throw new Error('poison');
        },
        { onError: 'skip' },
      );
    case 'watermarks':
      return items.assignTimestampsAndWatermarks(
        watermarks
          .boundedOutOfOrderness<Item>('1 s')
          .withTimestamps(({ at }) => at)
          .withIdleness('2 ms'),
        { name: `watermarks ${index}` },
      );
    default:
      return items[stage]().map((item) => item);
  }
}

async function runCase(
  seed: number,
): Promise<{ restarts: number; inFlightBytes: number; master: ScriptedJobMaster }> {
  const spec = caseOf(seed);
  const kernel = new Kernel({
    seed,
    shuffle: true,
    replay: `runCase(${seed}) in src/hosts/slot-executor.test.ts`,
  });
  const random = seededRandom(seed).fork('master');
  const output = new RecordedOutput();
  const fuse: Fuse = { left: 0 };
  const directory = '/checkpoints/job';
  const master = new ScriptedJobMaster({
    kernel,
    random,
    mode: spec.mode,
    alignedTimeoutMs: [0, 0, 2, 20][random.int(4)]!,
    intervalMs: 1 + random.int(15),
    maxConcurrent: spec.mode === 'unaligned' ? 1 : 1 + random.int(3),
    aborts: [0, 30, 70][random.int(3)]!,
    settings: {
      jobId: 'job',
      jobName: 'job',
      checkpointing: true,
      atLeastOnce: spec.mode === 'at-least-once',
      checkpointDirectory: directory,
      cachedFiles: {},
      autoWatermarkIntervalMs: 1 + random.int(5),
      bufferTimeoutMs: spec.bufferTimeoutMs,
      latency: { ...NO_LATENCY, intervalMs: [0, 1, 5][spec.seed % 3]! },
      // Made code does not know frozen records.
      freezeRecords: spec.seed % 2 === 0,
      alwaysEncode: spec.alwaysEncode,
      inlineThresholdBytes: 1e9,
    },
  });
  let isUp = true;
  let processAttempt = await kernel.settle(claimAttempt(storesOf(kernel.env('slots')), directory));
  for (let restarts = 0; ; restarts++) {
    const parallelism = 1 + random.int(3);
    const last = restarts >= spec.failures;
    const how = (['cancel', 'stop', 'crash', 'fail'] as const)[random.int(4)]!;
    if (!isUp) {
      kernel.restart('slots');
      isUp = true;
      processAttempt = await kernel.settle(claimAttempt(storesOf(kernel.env('slots')), directory));
    }
    fuse.left = !last && how === 'fail' ? 1 + random.int(spec.count) : 0;
    output.stops.clear();
    const build1 = (): CompiledJob => build(spec, parallelism, output, fuse);
    const slots = {
      env: (slot: number) => kernel.env('slots', `slot ${slot}`),
      build: build1,
      channelElements: spec.channelElements,
    };
    const end = await master.run({
      compiled: build1(),
      provider:
        spec.ringBytes === 0 ? inProcessSlots(slots) : ringSlots({ ...slots, ringBytes: spec.ringBytes }),
      processAttempt,
      after: last || how === 'fail' ? undefined : { ms: random.float() * 60, how },
      onStop: (id) => output.stops.add(id),
    });
    if (end === 'finished') {
      await kernel.run({ maxEvents: 50_000, maxVirtualMs: 60_000 });
      check(spec, output, restarts, master);
      return { restarts, inFlightBytes: master.inFlightBytes, master };
    }
    assert.ok(
      end !== 'failed' || master.lastError?.message.includes('the fuse has blown'),
      `seed ${seed}: ${master.lastError?.stack}`,
    );
    if (end === 'crashed') {
      kernel.crash('slots');
      isUp = false;
    }
  }
}

function check(spec: Case, output: RecordedOutput, restarts: number, master: ScriptedJobMaster): void {
  const values = (output.values() as string[]).filter((value) => value !== 'tick').sort();
  const expected = expectedOf(spec);
  if (spec.mode !== 'at-least-once' || restarts === 0)
    assert.deepEqual(values, expected, `seed ${spec.seed}`);
  else {
    const ids = new Set(values);
    for (const value of expected)
      assert.ok(value.startsWith('total') || ids.has(value), `seed ${spec.seed}: ${value}`);
  }
  assert.equal(master.answered.declined, 0, 'nothing is declined without a reason');
}

/** How many records were handed over since (hand-over.ts). */
function handedOver(context: TestContext): () => number {
  const { mock } = context.mock.method(HandOver.prototype, 'taken');
  return () => mock.callCount();
}

test('jobs with tiny channels give their output exactly once, whatever the job master does', async (context) => {
  const from = Number(process.env['SWARM_FROM'] ?? 1);
  const count = Number(process.env['SWARM_COUNT'] ?? 150);
  let restarted = 0;
  let inFlight = 0;
  const handed = handedOver(context);
  const answered = { acknowledged: 0, aborted: 0, cutOff: 0 };
  for (let seed = from; seed < from + count; seed++) {
    const { restarts, inFlightBytes, master } = await runCase(seed);
    restarted += restarts;
    if (inFlightBytes > 0) inFlight++;
    for (const key of ['acknowledged', 'aborted', 'cutOff'] as const) answered[key] += master.answered[key];
  }
  console.log(`cases: slot swarm ${count} (minimum 150)`);
  console.log(JSON.stringify({ restarted, inFlight, handed: handed(), ...answered }));
  assert.ok(handed() > 10 * count, `${handed()} records were handed over within the thread`);
});
