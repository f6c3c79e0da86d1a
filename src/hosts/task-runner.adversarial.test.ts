// Orders of events that once broke a runner, or would if a line of it were missing.

import { NO_DECLARATIONS } from '../graph/job-graph.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MIN_TIMESTAMP } from '../base/time.ts';
import { decodeSubtaskSnapshot } from '../checkpoint/snapshot-file.ts';
import type { ChannelWriter } from '../exchange/channel.ts';
import type { CheckpointBarrier } from '../exchange/events.ts';
import { HandOver } from '../exchange/hand-over.ts';
import { createLocalChannel } from '../exchange/local.ts';
import type { PartitionerKind } from '../exchange/partitioners.ts';
import type { CompiledJob, PlannedOperator } from '../graph/job-graph.ts';
import type {
  Operator,
  OperatorContext,
  OperatorStateWriter,
  Pull,
  SourceOperator,
  SourceStatus,
} from '../operators/operator.ts';
import type { ValueDescriptor } from '../state/descriptors.ts';
import { Kernel } from '../testing/kernel.ts';
import { inProcessSlots } from './in-process.ts';
import type { SlotCommand, SlotGateway, SlotReport, SlotSettings } from './messages.ts';
import { SlotExecutor } from './slot-executor.ts';

/** A source that a test feeds; a split is one record. */
class FedSource implements SourceOperator {
  context!: OperatorContext;
  readonly waiting: unknown[] = [];
  readonly splits: string[] = [];
  ended = false;
  wants = false;

  open(context: OperatorContext): void {
    this.context = context;
  }

  record(): void {
    assert.fail('a source has no input');
  }

  feed(...records: unknown[]): void {
    this.waiting.push(...records);
    this.context.wakeUp();
  }

  end(): void {
    this.ended = true;
    this.context.wakeUp();
  }

  poll(maxRecords: number): SourceStatus {
    for (let n = 0; n < maxRecords && this.waiting.length > 0; n++) {
      this.context.output.emit(this.waiting.shift(), MIN_TIMESTAMP);
    }
    if (this.waiting.length > 0) return 'more';
    return this.ended ? 'end' : 'nothing';
  }

  addSplits(splits: readonly Uint8Array[]): void {
    for (const split of splits) this.splits.push(new TextDecoder().decode(split));
  }

  noMoreSplits(): void {}

  wantsSplit(): boolean {
    return this.wants;
  }

  snapshot(_checkpointId: number, out: OperatorStateWriter): void {
    out.section(
      'splits',
      'split',
      this.splits.map((split) => new TextEncoder().encode(split)),
    );
  }
}

/** An operator of one function, with whatever else a test needs. */
function operator(
  record: (value: unknown, timestamp: number, context: OperatorContext) => void | Pull,
  more: (context: () => OperatorContext) => Partial<Operator> = () => ({}),
): Operator {
  let context: OperatorContext;
  return {
    open: (given) => {
      context = given;
    },
    record: (_input, value, timestamp) => record(value, timestamp, context),
    ...more(() => context),
  };
}

/** A sink with a gate that a test opens and closes. */
class GatedSink implements Operator {
  readonly received: unknown[] = [];
  context!: OperatorContext;
  isOpen = true;
  closesAt = Number.POSITIVE_INFINITY;

  open(context: OperatorContext): void {
    this.context = context;
  }

  record(_input: number, value: unknown): void {
    this.received.push(value);
    if (this.received.length === this.closesAt) this.isOpen = false;
  }

  writable(): boolean {
    return this.isOpen;
  }

  set(isOpen: boolean): void {
    this.isOpen = isOpen;
    if (isOpen) this.context.wakeUp();
  }
}

interface ChainSpec {
  readonly operators: readonly (Operator & { readonly keyed?: boolean })[];
  readonly more?: Partial<PlannedOperator>;
}

/** Chains one behind the other, one subtask each; the first begins with a source. */
function compiledOf(chains: readonly ChainSpec[], partitioner: PartitionerKind): CompiledJob {
  const factories = new Map<string, () => Operator>();
  const keySelectors = new Map<string, ((value: unknown) => unknown)[]>();
  const vertices = chains.map(({ operators, more }, vertex) => ({
    id: `v${vertex}`,
    name: `v${vertex}`,
    parallelism: 1,
    maxParallelism: 1_024,
    source: vertex === 0,
    operators: operators.map((made, index): PlannedOperator => {
      const uid = `${vertex}.${index}`;
      factories.set(uid, () => made);
      if (made.keyed === true) keySelectors.set(uid, [(value) => (value as { key: string }).key]);
      return {
        uid,
        explicitUid: true,
        id: uid,
        name: uid,
        kind: 'test',
        keyed: made.keyed === true,
        stateful: false,
        poison: 'fail',
        chained: index + 1 < operators.length ? [{ to: index + 1, tag: undefined }] : [],
        ...more,
      };
    }),
  }));
  const edges = chains.slice(1).map((_, index) => ({
    index,
    from: index,
    fromOperator: chains[index]!.operators.length - 1,
    tag: undefined,
    to: index + 1,
    input: 0,
    partitioner,
    unaligned: partitioner === 'rebalance',
  }));
  return {
    graph: { name: 'job', fingerprint: '', vertices, edges },
    factories,
    keySelectors,
    customPartitioners: new Map(),
    sources: new Map(),
    sinks: new Map(),
    declarations: NO_DECLARATIONS,
  };
}

const SETTINGS: SlotSettings = {
  jobId: 'job',
  jobName: 'job',
  slots: 1,
  checkpointing: true,
  atLeastOnce: false,
  checkpointDirectory: '/job',
  processAttempt: 1,
  cachedFiles: {},
  autoWatermarkIntervalMs: 200,
  bufferTimeoutMs: 0,
  freezeRecords: true,
  alwaysEncode: false,
  inlineThresholdBytes: 1e9,
};

/** One slot on a kernel, and what it reported. */
class Slot {
  readonly kernel = new Kernel({ seed: 1 });
  readonly reports: SlotReport[] = [];
  #gateway!: SlotGateway;
  readonly #compiled: CompiledJob;

  constructor(chains: readonly ChainSpec[], partitioner: PartitionerKind = 'forward') {
    this.#compiled = compiledOf(chains, partitioner);
  }

  async start(settings: Partial<SlotSettings> = {}): Promise<void> {
    const provider = inProcessSlots({
      env: () => this.kernel.env('slot'),
      build: () => this.#compiled,
      channelElements: 1,
    });
    const gateways = await provider.start(
      { ...SETTINGS, ...settings },
      (report) => this.reports.push(report),
      () => assert.fail('lost'),
    );
    this.#gateway = gateways[0]!;
    const tasks = this.#compiled.graph.vertices.map((_, vertex) => ({
      vertex,
      subtask: 0,
      restore: undefined,
    }));
    this.send({ kind: 'deploy', attempt: 1, restoredCheckpointId: undefined, tasks });
  }

  async run(settings: Partial<SlotSettings> = {}): Promise<void> {
    await this.start(settings);
    await this.kernel.run({
      until: () => this.of('running').length === this.#compiled.graph.vertices.length,
    });
  }

  send(command: SlotCommand): void {
    this.#gateway.send(command);
  }

  trigger(id: number, more: Partial<CheckpointBarrier> = {}): void {
    const barrier = {
      id,
      timestamp: 0,
      alignment: 'aligned',
      alignedTimeoutMs: 0,
      kind: 'periodic',
      ...more,
    } as const;
    this.send({ kind: 'trigger', attempt: 1, barrier });
  }

  split(text: string): void {
    const splits = [new TextEncoder().encode(text)];
    this.send({ kind: 'splits', attempt: 1, vertex: 0, subtask: 0, splits, noMore: false });
  }

  cancel(): void {
    this.send({ kind: 'cancel', attempt: 1 });
  }

  terminate(): Promise<void> {
    return this.#gateway.terminate();
  }

  of<Kind extends SlotReport['kind']>(kind: Kind): Extract<SlotReport, { kind: Kind }>[] {
    return this.reports.filter(
      (report): report is Extract<SlotReport, { kind: Kind }> => report.kind === kind,
    );
  }

  /** No task has failed. */
  assertHealthy(): void {
    assert.deepEqual(
      this.of('failed').map(({ error }) => error.message),
      [],
    );
  }
}

const pass = (): Operator => operator((value, timestamp, context) => context.output.emit(value, timestamp));

function* repeat(value: unknown, times: number): Generator<unknown, void> {
  for (let n = 0; n < times; n++) yield value;
}

// ---- the order of what a chain hands on ----

/** How an operator gives back its results for one record. */
const WAYS = ['emit', 'emitAll', 'generator'] as const;

test('results keep depth-first order when each call chooses another way to give them back', async (context) => {
  let cases = 0;
  const { mock } = context.mock.method(HandOver.prototype, 'taken');
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.array(fc.record({ copies: fc.nat(3), way: fc.constantFrom(...WAYS) }), {
          minLength: 1,
          maxLength: 3,
        }),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
      fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 100, max: 300 })),
      fc.boolean(),
      fc.boolean(),
      fc.boolean(),
      async (stages, records, guarded, freezeRecords, apart) => {
        cases++;
        const chain = stages.map((choices) => {
          let call = 0;
          return operator((value, timestamp, context) => {
            const { copies, way } = choices[call++ % choices.length]!;
            const results = Array.from({ length: copies }, (_, copy) => `${String(value)}.${copy}`);
            if (way === 'generator') return results[Symbol.iterator]();
            if (way === 'emitAll') context.output.emitAll(results, timestamp);
            else for (const result of results) context.output.emit(result, timestamp);
          });
        });
        const source = new FedSource();
        const sink = new GatedSink();
        const poison = guarded ? { more: { poison: 'skip' as const } } : {};
        // Records go from task to task too, most of them past the channels.
        const before = apart
          ? [{ operators: [source] }, ...chain.map((each) => ({ operators: [each], ...poison }))]
          : [{ operators: [source, ...chain], ...poison }];
        const slot = new Slot([...before, { operators: [sink] }]);
        await slot.run({ freezeRecords, bufferTimeoutMs: 10 * (records % 2) });
        const input = Array.from({ length: records }, (_, n) => `r${n}`);
        source.feed(...input);
        await slot.kernel.runFor(500);
        slot.assertHealthy();
        assert.deepEqual(sink.received, expectedOf(input, stages));
      },
    ),
    { seed: 11, numRuns: 150 },
  );
  assert.ok(mock.callCount() > 1_000, `${mock.callCount()} records were handed over`);
  console.log(`cases: order in a chain ${cases} (minimum 150)`);
});

function expectedOf(input: readonly string[], stages: readonly (readonly { copies: number }[])[]): string[] {
  const calls = stages.map(() => 0);
  const through = (value: string, level: number): string[] => {
    const choices = stages[level];
    if (choices === undefined) return [value];
    const { copies } = choices[calls[level]!++ % choices.length]!;
    return Array.from({ length: copies }, (_, copy) => `${value}.${copy}`).flatMap((result) =>
      through(result, level + 1),
    );
  };
  return input.flatMap((value) => through(value, 0));
}

test('a generator behind a source is pulled as credit allows, and an error in it finds the source at its record', async () => {
  let pulled = 0;
  const endless = operator(function* () {
    for (;;) yield pulled++;
  } as (value: unknown) => Pull);
  const source = new FedSource();
  const sink = new GatedSink();
  sink.isOpen = false;
  const slot = new Slot([{ operators: [source, endless] }, { operators: [sink] }]);
  await slot.run();
  source.feed('a', 'b', 'c');
  await slot.kernel.runFor(100);
  slot.assertHealthy();
  assert.ok(pulled < 10, `${pulled} results were pulled beyond a stopped sink`);
  assert.equal(source.waiting.length, 2, 'one record at a time is read while its results wait');
});

test('a source that reads one record, and then has nothing, still hands on what that record made', async () => {
  const source = new FedSource();
  const sink = new GatedSink();
  const slot = new Slot([
    { operators: [source, operator((value) => repeat(value, 5))] },
    { operators: [sink] },
  ]);
  await slot.run();
  source.feed('a');
  await slot.kernel.runFor(50);
  assert.deepEqual(sink.received, ['a', 'a', 'a', 'a', 'a']);
});

test('a watermark of a guarded call follows its record, and goes with it when the record is given up', async () => {
  const source = new FedSource();
  const seen: unknown[] = [];
  const marker = operator((value, _timestamp, context) => {
    context.output.emit(value, MIN_TIMESTAMP);
    context.output.watermark(value as number);
    if (value === 2) throw new Error('poison');
  });
  const last = operator(
    (value) => void seen.push(value),
    () => ({ watermark: (time) => void seen.push(`w${time}`) }),
  );
  const slot = new Slot([{ operators: [source] }, { operators: [marker, last], more: { poison: 'skip' } }]);
  await slot.run();
  source.feed(1, 2, 3);
  await slot.kernel.runFor(50);
  slot.assertHealthy();
  assert.deepEqual(seen, [1, 'w1', 3, 'w3']);
});

// ---- records that are handed over within the thread ----

for (const freezeRecords of [true, false]) {
  const how = freezeRecords ? 'the plain way' : 'made code';

  test(`${how}: what fails behind a producer that hands over fails the consumer, and not the producer`, async () => {
    const source = new FedSource();
    const consumer: Operator = {
      ...operator((value) => {
        if (value === 300) throw new Error('refused');
      }),
    };
    const slot = new Slot([{ operators: [source] }, { operators: [consumer] }]);
    await slot.run({ freezeRecords, bufferTimeoutMs: 100 });
    source.feed(...Array.from({ length: 1_000 }, (_, n) => n));
    await slot.kernel.runFor(50);
    const failed = slot.of('failed');
    assert.deepEqual(
      failed.map(({ vertex, error }) => [vertex, error.where?.['uid'], error.message.includes('refused')]),
      [[1, '1.0', true]],
    );
  });

  test(`${how}: a consumer that is full, or has work left, takes no more within the step of its producer`, async () => {
    const source = new FedSource();
    const sink = new GatedSink();
    sink.closesAt = 300;
    let called = 0;
    const copying = operator((value) => {
      called++;
      return repeat(value, 2);
    });
    const slot = new Slot([{ operators: [source] }, { operators: [copying, sink] }]);
    await slot.run({ freezeRecords, bufferTimeoutMs: 100 });
    source.feed(...Array.from({ length: 4_000 }, (_, n) => n));
    await slot.kernel.runFor(50);
    slot.assertHealthy();
    assert.deepEqual([sink.received.length, called], [300, 150]);
    slot.trigger(1);
    await slot.kernel.runFor(10);
    assert.equal(
      slot.of('acknowledge').some(({ vertex }) => vertex === 1),
      false,
      'its barrier is behind them',
    );
    sink.closesAt = Number.POSITIVE_INFINITY;
    sink.set(true);
    await slot.kernel.runFor(200);
    slot.assertHealthy();
    assert.deepEqual(
      sink.received,
      Array.from({ length: 8_000 }, (_, n) => n >> 1),
    );
    assert.equal(slot.of('acknowledge').filter(({ checkpointId }) => checkpointId === 1).length, 2);
  });
}

for (const freezeRecords of [true, false]) {
  for (const when of ['before a record is handed over', 'behind it'] as const) {
    test(`who fails when it is asked for room ${when} is the consumer, and not the producer (${freezeRecords ? 'plain' : 'made'})`, async () => {
      const source = new FedSource();
      const sink = new GatedSink();
      let isBroken = false;
      sink.writable = () => {
        if (isBroken) throw new Error('no telling');
        return true;
      };
      const poll = source.poll.bind(source);
      source.poll = (records) => {
        const status = poll(records);
        // Within a step that has handed records over, and would go on.
        if (when !== 'behind it' && sink.received.length > 300) isBroken = true;
        return status;
      };
      const call = (value: unknown): unknown => {
        if (when === 'behind it' && value === 300) isBroken = true;
        return value;
      };
      const breaking = operator(
        (value, timestamp, context) => context.output.emit(call(value), timestamp),
        () => ({ code: { kind: 'map', call } }),
      );
      const slot = new Slot([{ operators: [source] }, { operators: [breaking, sink] }]);
      await slot.run({ freezeRecords, bufferTimeoutMs: 100 });
      source.feed(...Array.from({ length: 4_000 }, (_, n) => n));
      await slot.kernel.runFor(50);
      assert.deepEqual(
        slot.of('failed').map(({ vertex, error }) => [vertex, error.message]),
        [[1, 'no telling']],
      );
    });
  }
}

test('a consumer that takes long for each record has as few of them in a turn as ever, also when they come in bursts', async () => {
  const source = new FedSource();
  let inTurn = 0;
  let most = 0;
  const slow = operator(() => {
    if (inTurn++ === 0)
      void Promise.resolve().then(() => {
        most = Math.max(most, inTurn);
        inTurn = 0;
      });
    // A millisecond for each, of which the producer has none.
    slot.kernel.clockReadUs = 1_000;
    slot.kernel.env('slot').clock.monotonic();
    slot.kernel.clockReadUs = 0;
  });
  const slot = new Slot([{ operators: [source] }, { operators: [slow] }]);
  await slot.run({ bufferTimeoutMs: 100 });
  for (let burst = 0; burst < 10; burst++) {
    source.feed(...Array.from({ length: 1_000 }, (_, n) => n));
    await slot.kernel.runFor(2_000);
  }
  slot.assertHealthy();
  assert.equal(source.waiting.length, 0);
  assert.ok(most <= 8, `${most} records in a turn of 4 ms`);
});

test('records that were handed over are before a barrier that follows them, and the next ones behind it', async () => {
  const source = new FedSource();
  const seen: unknown[] = [];
  const consumer = operator(
    (value) => void seen.push(value),
    () => ({ snapshot: (id) => void seen.push(`barrier ${id}`) }),
  );
  const slot = new Slot([{ operators: [source] }, { operators: [consumer] }], 'rebalance');
  await slot.run({ bufferTimeoutMs: 100 });
  const expected: unknown[] = [];
  for (let id = 1; id <= 20; id++) {
    // Alone in its step, so that all before it is read when the barrier is taken.
    source.feed(`${id}a`, `${id}b`);
    await slot.kernel.runFor(1);
    slot.trigger(id, { alignment: id % 2 === 0 ? 'aligned' : 'unaligned' });
    source.feed(`${id}c`);
    await slot.kernel.runFor(1);
    expected.push(`${id}a`, `${id}b`, `barrier ${id}`, `${id}c`);
  }
  slot.assertHealthy();
  assert.deepEqual(seen, expected);
});

// ---- splits and triggers ----

test('a split that follows a trigger is not in that checkpoint, also while the source is held back', async () => {
  const source = new FedSource();
  const sink = new GatedSink();
  sink.isOpen = false;
  const slot = new Slot([
    { operators: [source, operator((value) => repeat(value, 20))] },
    { operators: [sink] },
  ]);
  await slot.run();
  slot.split('before');
  slot.trigger(1);
  slot.split('behind');
  await slot.kernel.runFor(10);
  source.feed('busy');
  await slot.kernel.runFor(10);
  slot.trigger(2);
  slot.split('behind 2');
  await slot.kernel.runFor(10);
  assert.deepEqual(source.splits, ['before', 'behind'], 'what is behind a trigger waits with it');
  sink.set(true);
  await slot.kernel.runFor(50);
  assert.deepEqual(splitsOf(slot, 1), ['before']);
  assert.deepEqual(splitsOf(slot, 2), ['before', 'behind']);
  assert.deepEqual(source.splits, ['before', 'behind', 'behind 2']);
});

function splitsOf(slot: Slot, checkpointId: number): string[] {
  const acknowledged = slot
    .of('acknowledge')
    .find((report) => report.vertex === 0 && report.checkpointId === checkpointId);
  assert.ok(acknowledged?.state.inline !== undefined, `checkpoint ${checkpointId} was acknowledged`);
  const { operators } = decodeSubtaskSnapshot(
    new Uint8Array(Buffer.from(acknowledged.state.inline, 'base64')),
    'x',
  );
  return operators[0]!.sections[0]!.items.map((item) => new TextDecoder().decode(item));
}

test('a trigger and a split that arrive while the source opens are taken when it is open', async () => {
  let open = (): void => undefined;
  const source = new FedSource();
  const openNow = source.open.bind(source);
  Object.assign(source, {
    open: async (context: OperatorContext) => {
      await new Promise<void>((resolve) => (open = resolve));
      openNow(context);
    },
  });
  const slot = new Slot([{ operators: [source] }, { operators: [new GatedSink()] }]);
  await slot.start();
  slot.split('early');
  slot.trigger(1);
  await slot.kernel.runFor(10);
  slot.kernel.schedule({ afterMs: 0, why: 'the source is open', run: () => open() });
  await slot.kernel.runFor(10);
  assert.deepEqual(splitsOf(slot, 1), ['early']);
});

// ---- after the end, after a stop ----

test('timers that come due after the end of input fire no more, and make no watermark and no status', async () => {
  const source = new FedSource();
  const fired: number[] = [];
  const ticking: Operator & { keyed: boolean } = {
    keyed: true,
    ...operator(
      (_value, _timestamp, context) => {
        context.keyed.timers.register('processing', context.clock.now() + 100);
        const tick = (): void => {
          context.output.status(true);
          context.output.watermark(context.clock.now());
          context.clock.timer(10, tick, 'tick');
        };
        context.clock.timer(10, tick, 'tick');
      },
      (context) => ({
        timer: (time) => {
          fired.push(time);
          context().output.emit(time, MIN_TIMESTAMP);
        },
      }),
    ),
  };
  const slot = new Slot([
    { operators: [source] },
    { operators: [ticking] },
    { operators: [new GatedSink()] },
  ]);
  await slot.run();
  source.feed({ key: 'a' });
  await slot.kernel.runFor(25);
  source.end();
  await slot.kernel.runFor(500);
  slot.assertHealthy();
  assert.deepEqual(fired, []);
  assert.equal(slot.of('ended').length, 3);
  slot.trigger(1, { kind: 'final' });
  await slot.kernel.runFor(50);
  assert.equal(slot.of('acknowledge').length, 3);
});

test('behind the barrier of a stop nothing is emitted: no record, no timer, no watermark', async () => {
  const source = new FedSource();
  const sink = new GatedSink();
  const watermarks: number[] = [];
  Object.assign(sink, { watermark: (time: number) => void watermarks.push(time) });
  const ticking: Operator & { keyed: boolean } = {
    keyed: true,
    ...operator(
      (_value, _timestamp, context) => {
        context.keyed.timers.register('processing', context.clock.now() + 30);
        context.clock.timer(30, () => context.output.watermark(5), 'watermark');
      },
      (context) => ({ timer: (time) => context().output.emit(time, MIN_TIMESTAMP) }),
    ),
  };
  const slot = new Slot([{ operators: [source] }, { operators: [ticking] }, { operators: [sink] }]);
  await slot.run();
  source.feed({ key: 'a' });
  await slot.kernel.runFor(10);
  slot.trigger(1, { kind: 'stop' });
  await slot.kernel.runFor(10);
  source.feed({ key: 'b' });
  await slot.kernel.runFor(500);
  assert.equal(slot.of('acknowledge').length, 3);
  assert.deepEqual(sink.received, []);
  assert.deepEqual(watermarks, []);
  slot.assertHealthy();
});

// ---- snapshots ----

/** Remembers a value per key; some cannot become bytes. */
function remembering(): Operator & { keyed: boolean } {
  return {
    keyed: true,
    ...operator((value, _timestamp, context) => {
      const held = context.keyed.state<ValueDescriptor<unknown>>('value', {
        kind: 'value',
        initial: undefined,
      });
      held.update((value as { bad?: boolean }).bad === true ? { bad: () => 1 } : 1);
    }),
  };
}

test("a checkpoint that is aborted in the middle of its encoding is in nobody's way", async () => {
  const source = new FedSource();
  const slot = new Slot([{ operators: [source] }, { operators: [remembering()] }]);
  await slot.run();
  source.feed(...Array.from({ length: 1_000 }, (_, n) => ({ key: `k${n}` })));
  await slot.kernel.runFor(50);
  for (let id = 1; id <= 5; id++) {
    slot.trigger(id);
    await slot.kernel.run({ until: () => slot.of('acknowledge').at(-1)?.checkpointId === id });
    slot.send({ kind: 'abort', attempt: 1, checkpointId: id });
    await slot.kernel.runFor(0.01);
  }
  assert.deepEqual(
    new Set(slot.of('acknowledge').map(({ vertex }) => vertex)),
    new Set([0]),
    'the encoding takes its time',
  );
  slot.trigger(1000);
  await slot.kernel.runFor(50);
  slot.assertHealthy();
  assert.equal(slot.of('acknowledge').filter(({ checkpointId }) => checkpointId === 1000).length, 2);
});

test('state that cannot become bytes declines the checkpoint, and the next one is declined too', async () => {
  const source = new FedSource();
  const slot = new Slot([{ operators: [source] }, { operators: [remembering()] }]);
  await slot.run({ freezeRecords: false });
  source.feed({ key: 'a' }, { key: 'b', bad: true });
  await slot.kernel.runFor(20);
  for (const id of [1, 2]) {
    slot.trigger(id);
    await slot.kernel.runFor(20);
  }
  slot.assertHealthy();
  assert.deepEqual(
    slot.of('decline').map(({ vertex, checkpointId }) => [vertex, checkpointId]),
    [
      [1, 1],
      [1, 2],
    ],
  );
  source.feed({ key: 'b' });
  slot.trigger(3);
  await slot.kernel.runFor(20);
  source.feed({ key: 'b' });
  slot.trigger(4);
  await slot.kernel.runFor(20);
  assert.ok(slot.of('acknowledge').some(({ vertex, checkpointId }) => vertex === 1 && checkpointId === 4));
});

test('a promise in a snapshot that is rejected declines the checkpoint and leaves no unhandled rejection', async () => {
  const source = new FedSource();
  const failing = operator(
    () => undefined,
    () => ({ snapshot: (_id, out) => out.section('x', 'split', Promise.reject(new Error('not durable'))) }),
  );
  const slot = new Slot([{ operators: [source] }, { operators: [failing] }]);
  await slot.run();
  slot.trigger(1);
  await slot.kernel.runFor(20);
  slot.send({ kind: 'abort', attempt: 1, checkpointId: 1 });
  slot.trigger(2);
  slot.send({ kind: 'abort', attempt: 1, checkpointId: 2 });
  await slot.kernel.runFor(20);
  slot.assertHealthy();
  assert.deepEqual(
    slot.of('decline').map(({ error }) => error.message),
    ['not durable'],
  );
});

// ---- held back ----

test('a consumer in another thread that reads while the producer goes to rest leaves nobody asleep', async () => {
  const kernel = new Kernel({ seed: 1 });
  const source = new FedSource();
  const compiled = compiledOf([{ operators: [source] }, { operators: [pass()] }], 'forward');
  const { writer, reader } = createLocalChannel({ capacityElements: 1 });
  const read: unknown[] = [];
  const consume = (): void => {
    const element = reader.read();
    if (element?.kind === 'batch') read.push(...element.batch.values);
  };
  let refused = 0;
  // Nobody has registered yet when the consumer reads, so that reading rings for nobody.
  const racing: ChannelWriter = {
    tryWrite: (element) => {
      if (refused++ % 3 === 2) consume();
      return writer.tryWrite(element);
    },
    position: () => writer.position(),
    bytes: () => writer.bytes(),
    writePriority: (barrier) => writer.writePriority(barrier),
    onWritable: (run) => {
      kernel.schedule({
        afterMs: 1,
        why: 'the consumer reads',
        run: () => {
          consume();
          run();
        },
      });
    },
    encode: (element) => writer.encode(element),
    recordsPerFrame: () => writer.recordsPerFrame(),
  };
  const executor = new SlotExecutor({
    slot: 0,
    settings: SETTINGS,
    compiled,
    env: kernel.env('slot'),
    channels: { writer: () => racing, reader: () => reader },
    report: () => undefined,
  });
  const tasks = [{ vertex: 0, subtask: 0, restore: undefined }];
  executor.handle({ kind: 'deploy', attempt: 1, restoredCheckpointId: undefined, tasks });
  await kernel.runFor(1);
  source.feed(...Array.from({ length: 50 }, (_, n) => n));
  await kernel.runFor(400);
  consume();
  assert.deepEqual(
    read,
    Array.from({ length: 50 }, (_, n) => n),
  );
});

test('the aligned timeout passes in the middle of a generator: time goes on, and the barrier is taken when there is room', async () => {
  const source = new FedSource();
  const sink = new GatedSink();
  sink.isOpen = false;
  const slot = new Slot(
    [{ operators: [source] }, { operators: [operator((value) => repeat(value, 50))] }, { operators: [sink] }],
    'rebalance',
  );
  await slot.run();
  source.feed('a', 'b', 'c', 'd');
  await slot.kernel.runFor(5);
  slot.trigger(1, { alignment: 'unaligned', alignedTimeoutMs: 20 });
  await slot.kernel.runFor(5);
  // The barrier is seen between a and b; b is in the middle of its generator when the timeout passes.
  sink.closesAt = 75;
  sink.set(true);
  const before = slot.kernel.steps;
  await slot.kernel.runFor(5_000);
  assert.ok(slot.kernel.steps - before < 200, `${slot.kernel.steps - before} events while everything waits`);
  sink.set(true);
  await slot.kernel.runFor(100);
  assert.equal(slot.of('acknowledge').length, 3);
  assert.equal(sink.received.length, 200);
  const alignments = slot
    .of('acknowledge')
    .map(({ vertex, figures }) => [vertex, figures.alignmentMs > 4_000]);
  assert.deepEqual(
    alignments.sort(([left], [right]) => Number(left) - Number(right)),
    [
      [0, false],
      [1, true],
      [2, false],
    ],
  );
});

test('a processing-time timer that is due while the outputs are full waits without a tick', async () => {
  const source = new FedSource();
  const sink = new GatedSink();
  sink.isOpen = false;
  const timed: Operator & { keyed: boolean } = {
    keyed: true,
    ...operator(
      (value, _timestamp, context) => {
        context.keyed.timers.register('processing', context.clock.now() + 5);
        return repeat((value as { key: string }).key, 10);
      },
      (context) => ({ timer: () => context().output.emit('timer', MIN_TIMESTAMP) }),
    ),
  };
  const slot = new Slot([{ operators: [source] }, { operators: [timed] }, { operators: [sink] }]);
  await slot.run();
  source.feed({ key: 'a' });
  const before = slot.kernel.steps;
  await slot.kernel.runFor(3_000);
  assert.ok(slot.kernel.steps - before < 100, `${slot.kernel.steps - before} events while everything waits`);
  sink.set(true);
  await slot.kernel.runFor(100);
  assert.deepEqual(sink.received, [...repeat('a', 10), 'timer']);
});

test('an unaligned barrier is taken in the middle of a batch, and the rest of the batch is in flight once', async () => {
  const source = new FedSource();
  const sink = new GatedSink();
  sink.isOpen = false;
  const slot = new Slot(
    [{ operators: [source] }, { operators: [pass()] }, { operators: [sink] }],
    'rebalance',
  );
  await slot.run({ bufferTimeoutMs: 100 });
  source.feed(...Array.from({ length: 300 }, (_, n) => n));
  await slot.kernel.runFor(20);
  slot.trigger(1, { alignment: 'unaligned' });
  await slot.kernel.runFor(20);
  assert.equal(slot.of('acknowledge').length, 3, 'nobody waits for the stopped sink');
  sink.set(true);
  await slot.kernel.runFor(100);
  slot.assertHealthy();
  assert.deepEqual(
    sink.received,
    Array.from({ length: 300 }, (_, n) => n),
  );
});

// ---- open, close, cancel ----

test('cancel while an operator opens waits for it, and closes what it made', async () => {
  const log: string[] = [];
  let release = (): void => undefined;
  const slow: Operator = {
    open: async () => {
      await new Promise<void>((resolve) => (release = resolve));
      log.push('opened');
    },
    record: () => undefined,
    cancel: () => void log.push('cancel'),
    close: () => void log.push('closed'),
  };
  const slot = new Slot([{ operators: [new FedSource()] }, { operators: [slow] }]);
  await slot.start();
  await slot.kernel.runFor(5);
  slot.cancel();
  await slot.kernel.runFor(5);
  assert.equal(slot.of('canceled').length, 0);
  let gone = false;
  const terminated = slot.terminate().then(() => (gone = true));
  await slot.kernel.runFor(5);
  assert.equal(gone, false, 'a slot is gone when nothing runs there');
  release();
  await slot.kernel.settle(terminated);
  assert.deepEqual(log, ['cancel', 'opened', 'closed']);
  assert.deepEqual(
    slot.of('running').map(({ vertex }) => vertex),
    [0],
    'who was canceled does not say that it runs',
  );
});

test('an operator that fails to open is located, closed once, and nothing more is reported of it', async () => {
  const log: string[] = [];
  const failing: Operator = {
    open: () => Promise.reject(new Error('no door')),
    record: () => undefined,
    close: () => void log.push('closed'),
  };
  const slot = new Slot([{ operators: [new FedSource()] }, { operators: [failing] }]);
  await slot.start();
  await slot.kernel.runFor(5);
  slot.cancel();
  slot.cancel();
  await slot.kernel.runFor(5);
  assert.deepEqual(
    slot.of('failed').map(({ error }) => error.where?.uid),
    ['1.0'],
  );
  assert.deepEqual(log, ['closed']);
  assert.equal(slot.of('canceled').length, 1);
});

test('terminate and cancel wait for a commit that is under way', async () => {
  let commit = (): void => undefined;
  let commits: Promise<void> = Promise.resolve();
  const committing = operator(
    () => undefined,
    () => ({
      checkpointComplete: () => {
        commits = new Promise<void>((resolve) => (commit = resolve));
        return commits;
      },
      close: () => commits,
    }),
  );
  const slot = new Slot([{ operators: [new FedSource()] }, { operators: [committing] }]);
  await slot.run();
  slot.trigger(1);
  await slot.kernel.runFor(5);
  slot.send({ kind: 'complete', attempt: 1, checkpointId: 1 });
  await slot.kernel.runFor(5);
  slot.cancel();
  await slot.kernel.runFor(5);
  let gone = false;
  const terminated = slot.terminate().then(() => (gone = true));
  await slot.kernel.runFor(5);
  assert.deepEqual([gone, slot.of('canceled').length], [false, 0]);
  commit();
  await slot.kernel.settle(terminated);
  assert.deepEqual(
    slot.of('committed').map(({ vertex }) => vertex),
    [0],
    'after cancel nothing is confirmed',
  );
});

test('an error in a clock callback of an operator fails its task, with its place', async () => {
  const ticking = operator(
    () => undefined,
    () => ({ open: (context) => void context.clock.timer(5, () => assert.fail('tick'), 'tick') }),
  );
  const slot = new Slot([{ operators: [new FedSource()] }, { operators: [ticking] }]);
  await slot.run();
  await slot.kernel.runFor(20);
  assert.deepEqual(
    slot.of('failed').map(({ error, vertex }) => [vertex, error.where?.uid]),
    [[1, '1.0']],
  );
});

test('what fails is reported once, whatever comes after it', async () => {
  const source = new FedSource();
  const failing = operator((value) => assert.fail(String(value)));
  const slot = new Slot([{ operators: [source] }, { operators: [failing] }]);
  await slot.run();
  source.feed('a', 'b', 'c');
  await slot.kernel.runFor(5);
  slot.trigger(1);
  slot.split('x');
  await slot.kernel.runFor(5);
  slot.send({ kind: 'complete', attempt: 1, checkpointId: 1 });
  slot.send({ kind: 'abort', attempt: 1, checkpointId: 1 });
  await slot.kernel.runFor(20);
  assert.equal(slot.of('failed').length, 1);
  assert.deepEqual(
    slot.of('acknowledge').map(({ vertex }) => vertex),
    [0],
  );
  assert.deepEqual(
    slot.of('committed').map(({ vertex }) => vertex),
    [0],
  );
  slot.cancel();
  await slot.kernel.run();
  assert.equal(slot.of('canceled').length, 1, 'and nothing is left that could happen');
});

test('commands and triggers of another attempt change nothing', async () => {
  const slot = new Slot([{ operators: [new FedSource()] }, { operators: [new GatedSink()] }]);
  await slot.run();
  const barrier = {
    id: 1,
    timestamp: 0,
    alignment: 'aligned',
    alignedTimeoutMs: 0,
    kind: 'periodic',
  } as const;
  slot.send({ kind: 'trigger', attempt: 2, barrier });
  slot.send({ kind: 'cancel', attempt: 2 });
  await slot.kernel.runFor(20);
  assert.deepEqual([slot.of('acknowledge').length, slot.of('canceled').length], [0, 0]);
});
