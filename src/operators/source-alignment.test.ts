import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordingContext, RecordingState } from '../../test/connectors/recording-context.ts';
import { isMillraceError } from '../base/errors.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../base/time.ts';
import { Kernel } from '../testing/kernel.ts';
import type { TimeReport } from './operator.ts';
import { SourceAlignment } from './source-alignment.ts';
import { encodeSplit, SourceReaderOperator, SPLITS_SECTION } from './source-operator.ts';
import type { ReaderOutput, Source, SourceReader, SourceSplit } from './source.ts';
import type { WatermarkStrategy } from './watermark-strategy.ts';
import { watermarks } from './watermarks.ts';

/** Holds a queue of timestamps for each split; a `null` ends the split. */
class QueueReader implements SourceReader<number, SourceSplit> {
  readonly queues = new Map<string, (number | null)[]>();
  readonly paused = new Set<string>();
  polls = 0;

  addSplit({ id }: SourceSplit): void {
    this.queues.set(id, []);
  }

  poll(maxRecords: number, output: ReaderOutput<number>): 'more' | 'nothing' {
    this.polls++;
    let left = maxRecords;
    for (const [id, queue] of this.queues) {
      while (!this.paused.has(id) && queue.length > 0 && left-- > 0) {
        const next = queue.shift()!;
        if (next === null) {
          this.queues.delete(id);
          output.splitFinished(id);
          break;
        }
        output.split(id);
        output.emit(next, next);
      }
    }
    return 'nothing';
  }

  snapshot(): SourceSplit[] {
    return [...this.queues.keys()].map((id) => ({ id }));
  }
}

/** As it, and it can pause a split. */
class PausingReader extends QueueReader {
  pauseOrResumeSplits(pause: readonly string[], resume: readonly string[]): void {
    for (const id of pause) this.paused.add(id);
    for (const id of resume) this.paused.delete(id);
  }
}

interface Rig<R extends QueueReader> {
  readonly kernel: Kernel;
  readonly operator: SourceReaderOperator<number>;
  readonly reader: R;
  readonly context: RecordingContext;
  /** What a split holds next; not polled. */
  readonly fill: (split: string, ...timestamps: (number | null)[]) => void;
  /** Polls; what there is to be told. */
  readonly step: () => TimeReport | undefined;
  /** Lets a watermark interval (200 ms) pass, then polls. */
  readonly tick: () => Promise<TimeReport | undefined>;
}

const IN_ORDER = watermarks.monotonous<number>();

function rig<R extends QueueReader>(
  reader: R,
  strategy: WatermarkStrategy<number>,
  splits: readonly string[] = ['a'],
): Rig<R> {
  const kernel = new Kernel({ seed: 1 });
  const context = new RecordingContext(kernel.env('task'));
  const source: Source<number, SourceSplit> = {
    name: 'queues',
    bounded: true,
    replayable: true,
    createEnumerator: () => assert.fail('not expected here'),
    createReader: () => reader,
  };
  const operator = new SourceReaderOperator(source, { kind: 'event', strategy });
  operator.open(context);
  operator.addSplits(splits.map((id) => encodeSplit({ id })));
  const step = (): TimeReport | undefined => {
    operator.poll(100);
    return operator.timeReport();
  };
  return {
    kernel,
    operator,
    reader,
    context,
    fill: (split, ...timestamps) => void reader.queues.get(split)!.push(...timestamps),
    step,
    tick: async () => {
      await kernel.runFor(200);
      return step();
    },
  };
}

function aligned(maxDrift: number, updateInterval = 10_000): WatermarkStrategy<number> {
  return IN_ORDER.withWatermarkAlignment('group', maxDrift, updateInterval);
}

test('a source reads nothing of what is ahead, and goes on when the group has come closer', async () => {
  const { fill, step, tick, operator, context } = rig(new QueueReader(), aligned(100));
  fill('a', 1_000);
  assert.deepEqual(step(), { watermark: 999, waiting: true });
  fill('a', 1_001);
  assert.equal(await tick(), undefined);
  assert.equal(step(), undefined);
  assert.deepEqual(context.output.values, [1_000]);
  operator.alignTo(998);
  assert.equal(step(), undefined);
  assert.deepEqual(context.output.values, [1_000]);
  const before = context.wakeUps;
  operator.alignTo(999);
  assert.equal(context.wakeUps, before + 1);
  step();
  assert.deepEqual(context.output.values, [1_000, 1_001]);
});

test('tells how far it is ahead of the slowest, and how long its splits waited', async () => {
  const { fill, tick, operator, kernel } = rig(new QueueReader(), aligned(100));
  assert.equal(operator.alignmentDrift(), undefined);
  fill('a', 1_000);
  await tick();
  assert.equal(operator.alignmentDrift(), undefined, 'nobody has told of the others');
  operator.alignTo(950 + 100);
  await tick();
  assert.equal(operator.alignmentDrift(), 49);
  operator.alignTo(999 + 100);
  assert.equal(operator.alignmentDrift(), 0);
  fill('a', 2_000);
  await tick();
  await tick();
  const [before] = operator.splitTimes();
  await kernel.runFor(1_000);
  const [after] = operator.splitTimes();
  assert.equal(after!.pausedMs - before!.pausedMs, 1_000, 'it is far ahead');
  assert.equal(after!.activeMs, before!.activeMs);
});

test('a source that was answered and is ahead again says so with its new time (SA-3)', async () => {
  const { fill, tick, operator } = rig(new QueueReader(), aligned(100));
  fill('a', 1_000);
  assert.deepEqual(await tick(), { watermark: 999, waiting: true });
  operator.alignTo(1_099);
  fill('a', 2_000);
  await tick();
  assert.deepEqual(await tick(), { watermark: 1_999, waiting: true });
});

test('barriers, splits and the end pass while a source waits', async () => {
  const { fill, step, tick, operator, context, reader } = rig(new QueueReader(), aligned(100));
  fill('a', 1_000);
  await tick();
  fill('a', 1_001, null);
  await tick();
  assert.equal(operator.poll(10), 'nothing');
  const state = new RecordingState();
  operator.snapshot(1, state);
  assert.equal((await state.items(SPLITS_SECTION)).length, 1);
  operator.addSplits([encodeSplit({ id: 'b' })]);
  operator.noMoreSplits();
  assert.equal(operator.poll(10), 'nothing');
  assert.deepEqual(context.output.values, [1_000]);
  operator.alignTo(MAX_TIMESTAMP);
  step();
  reader.queues.get('b')!.push(null);
  assert.equal(operator.poll(10), 'end');
  assert.deepEqual(context.output.values, [1_000, 1_001]);
  assert.deepEqual(operator.timeReport(), { watermark: undefined, waiting: false });
});

test('a reader that can pause a split reads on with the others', async () => {
  const { fill, tick, step, operator, context, reader } = rig(new PausingReader(), aligned(100), ['a', 'b']);
  fill('a', 1_000);
  fill('b', 500);
  assert.deepEqual(step(), { watermark: 499, waiting: true });
  assert.deepEqual([...reader.paused], ['a', 'b']);
  operator.alignTo(600);
  fill('a', 1_001);
  fill('b', 501);
  assert.equal(await tick(), undefined);
  assert.deepEqual([...reader.paused], ['a']);
  assert.deepEqual(context.output.values, [1_000, 500, 501]);
  operator.alignTo(1_500);
  step();
  assert.deepEqual([...reader.paused], []);
  assert.deepEqual(context.output.values, [1_000, 500, 501, 1_001]);
});

test('a split that begins to wait is told at once, however far the others are behind (SA-2)', async () => {
  const { fill, step, tick, operator, reader } = rig(new PausingReader(), aligned(100), ['a', 'b']);
  operator.alignTo(100_000);
  fill('a', 1_000);
  fill('b', 500);
  assert.deepEqual(step(), { watermark: 499, waiting: false });
  fill('a', 200_000);
  assert.equal(step(), undefined);
  assert.deepEqual(await tick(), { watermark: 499, waiting: true });
  assert.deepEqual([...reader.paused], ['a']);
  assert.equal(await tick(), undefined);
});

test('a reader that cannot pause a split waits as a whole, by the least of its splits', async () => {
  const { fill, tick, operator, context } = rig(new QueueReader(), aligned(100), ['a', 'b']);
  fill('a', 1_000);
  fill('b', 500);
  await tick();
  operator.alignTo(600);
  fill('a', 1_001);
  assert.equal((await tick())?.waiting ?? false, false);
  assert.deepEqual(context.output.values, [1_000, 500, 1_001]);
  fill('b', 700);
  await tick();
  fill('a', 1_002);
  fill('b', 701);
  assert.deepEqual(await tick(), { watermark: 699, waiting: true });
  assert.deepEqual(context.output.values, [1_000, 500, 1_001, 700]);
});

for (const [name, create] of [
  ['as a whole', () => new QueueReader()],
  ['per split', () => new PausingReader()],
] as const) {
  test(`the idleness clock stands still while a source waits ${name}`, async () => {
    const strategy = aligned(100).withIdleness(500);
    const { kernel, fill, tick, step, operator, context } = rig(create(), strategy);
    const statuses = (): unknown[] => context.output.emitted.filter(({ kind }) => kind === 'status');
    fill('a', 1_000);
    await tick();
    for (let ticks = 0; ticks < 20; ticks++) await tick();
    assert.deepEqual(statuses(), []);
    operator.alignTo(2_000);
    step();
    // What it waited does not count afterwards either: quiet for 200 ms before, and 200 ms since.
    await tick();
    assert.deepEqual(statuses(), []);
    await kernel.runFor(150);
    for (let ticks = 0; ticks < 3; ticks++) await tick();
    assert.deepEqual(statuses(), [{ kind: 'status', idle: true }]);
    assert.deepEqual(operator.timeReport() ?? 'told already', 'told already');
  });
}

test('an idle source leaves the minimum at once, waits for nobody, and comes back with its next record', async () => {
  const { fill, tick, operator, step } = rig(new QueueReader(), aligned(100).withIdleness(300));
  fill('a', 1_000);
  step();
  operator.alignTo(5_000);
  const told: (TimeReport | undefined)[] = [];
  for (let ticks = 0; ticks < 5; ticks++) told.push(await tick());
  assert.deepEqual(told.at(-1) ?? told.findLast((report) => report !== undefined), {
    watermark: undefined,
    waiting: false,
  });
  operator.alignTo(10);
  fill('a', 1_001);
  assert.deepEqual(step(), { watermark: 999, waiting: true });
});

test('a source without a split at present leaves the minimum, and comes back with its next one', () => {
  const { operator, step } = rig(new QueueReader(), aligned(100), []);
  assert.deepEqual(step(), { watermark: undefined, waiting: false });
  operator.addSplits([encodeSplit({ id: 'a' })]);
  assert.deepEqual(step(), { watermark: MIN_TIMESTAMP, waiting: false });
});

test('what is not urgent is told in intervals, also when the task is not polled', async () => {
  const { kernel, fill, step, tick, operator, context } = rig(new QueueReader(), aligned(1_000_000, 1_000));
  operator.alignTo(1_000_000);
  fill('a', 1_000);
  assert.deepEqual(step(), { watermark: 999, waiting: false });
  fill('a', 1_010);
  assert.equal(await tick(), undefined);
  assert.equal(await tick(), undefined);
  const before = context.wakeUps;
  await kernel.runFor(700);
  assert.ok(context.wakeUps > before);
  assert.deepEqual(operator.timeReport(), { watermark: 1_009, waiting: false });
  await kernel.runFor(5_000);
  assert.equal(operator.timeReport(), undefined);
});

test('more is asked for when half of the drift is used up, once for each limit (SA-2)', async () => {
  const kernel = new Kernel({ seed: 1 });
  const alignment = new SourceAlignment(
    { group: 'g', maxDriftMs: 100, updateIntervalMs: 1_000 },
    kernel.env('task').clock,
    () => undefined,
  );
  const tell = (watermark: number): boolean => alignment.report({ watermark, waiting: false }) !== undefined;
  assert.equal(alignment.isAhead(MIN_TIMESTAMP + 100), false);
  assert.equal(alignment.isAhead(MIN_TIMESTAMP + 101), true);
  alignment.limit(1_000);
  assert.deepEqual([900, 940, 950, 951, 960, 999].map(tell), [true, false, false, true, false, false]);
  alignment.limit(1_010);
  assert.deepEqual([960, 961].map(tell), [false, true]);
  alignment.limit(MAX_TIMESTAMP);
  assert.deepEqual([1_000_000, MAX_TIMESTAMP].map(tell), [false, false]);
  alignment.close();
  await kernel.run();
  assert.equal(tell(2_000_000), false);
});

test('a source that is in no group tells nothing and waits for nobody', async () => {
  const { fill, tick, operator, context } = rig(new PausingReader(), IN_ORDER);
  operator.alignTo(0);
  fill('a', 1_000, 2_000);
  assert.equal(await tick(), undefined);
  fill('a', 3_000);
  assert.equal(await tick(), undefined);
  assert.deepEqual(context.output.values, [1_000, 2_000, 3_000]);
});

test('nothing is told, and no timer runs, after the close', async () => {
  const { kernel, operator, fill, tick, context } = rig(new QueueReader(), aligned(100, 50));
  fill('a', 1_000);
  await tick();
  await operator.close();
  const before = context.wakeUps;
  await kernel.run();
  assert.equal(context.wakeUps, before);
  assert.equal(operator.timeReport(), undefined);
});

test('the alignment of a strategy stays when timestamps or idleness are added', () => {
  const alignment = { group: 'g', maxDriftMs: 60_000, updateIntervalMs: 1_000 };
  const strategy = watermarks.boundedOutOfOrderness<number>('5 s').withWatermarkAlignment('g', '1 min');
  assert.deepEqual(strategy.alignment, alignment);
  assert.deepEqual(strategy.withTimestamps((time: number) => time).alignment, alignment);
  assert.deepEqual(strategy.withIdleness('1 s').alignment, alignment);
  assert.equal(watermarks.monotonous().alignment, undefined);
  const clock = new Kernel({ seed: 1 }).env('task').clock;
  let idle = 0;
  const { generator } = watermarks
    .monotonous<number>()
    .withIdleness(1)
    .withWatermarkAlignment('g', 0)
    .create({ clock, activity: { now: () => (idle += 10) } });
  const output = { watermark: () => undefined, idle: () => (idle = -1_000), active: () => undefined };
  generator.onPeriodicEmit(output);
  generator.onPeriodicEmit(output);
  assert.equal(idle, -1_000);
});

test('a group without a name, an interval of 0 and what is no duration are refused', () => {
  const strategy = watermarks.monotonous<number>();
  const refuse = (code: string, ...given: [string, number | string, (number | string)?]): void =>
    assert.throws(
      () => strategy.withWatermarkAlignment(...given),
      (error) => isMillraceError(error, code as 'WATERMARK_INVALID'),
    );
  refuse('WATERMARK_INVALID', '', '1 s');
  refuse('WATERMARK_INVALID', undefined as unknown as string, '1 s');
  refuse('WATERMARK_INVALID', 'g', '1 s', 0);
  refuse('CONFIG_INVALID', 'g', -1);
  refuse('CONFIG_INVALID', 'g', '1 s', 'soon');
});
