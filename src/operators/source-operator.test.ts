import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Emitted,
  RecordingContext,
  type RecordingOptions,
  RecordingState,
} from '../../test/connectors/recording-context.ts';
import { isMillraceError } from '../base/errors.ts';
import { Kernel } from '../testing/kernel.ts';
import {
  decodeSplit,
  encodeSplit,
  SourceReaderOperator,
  type SourceTime,
  SPLITS_SECTION,
} from './source-operator.ts';
import type { ReaderContext, ReaderOutput, Source, SourceReader, SourceSplit } from './source.ts';
import { RECORDS_PER_WATERMARK } from './watermark-generator.ts';
import { watermarks } from './watermarks.ts';

interface ScriptedSplit extends SourceSplit {
  readonly next: number;
}

/** Emits what the test put into it; a split ends with `end`. */
class ScriptedReader implements SourceReader<number, ScriptedSplit> {
  readonly context: ReaderContext;
  readonly splits = new Map<string, number>();
  readonly script: { readonly split: string; readonly value: number | 'end' }[] = [];
  readonly completed: number[] = [];
  closed = 0;

  constructor(context: ReaderContext) {
    this.context = context;
  }

  addSplit(split: ScriptedSplit): void {
    this.splits.set(split.id, split.next);
  }

  poll(maxRecords: number, output: ReaderOutput<number>): 'more' | 'nothing' {
    for (let emitted = 0; emitted < maxRecords; emitted++) {
      const step = this.script.shift();
      if (step === undefined) return 'nothing';
      if (step.value === 'end') {
        this.splits.delete(step.split);
        output.splitFinished(step.split);
        continue;
      }
      output.split(step.split);
      this.splits.set(step.split, (this.splits.get(step.split) ?? 0) + 1);
      output.emit(step.value, step.value);
    }
    return this.script.length > 0 ? 'more' : 'nothing';
  }

  snapshot(): ScriptedSplit[] {
    return Array.from(this.splits, ([id, next]) => ({ id, next }));
  }

  position(): string {
    return 'somewhere';
  }

  checkpointComplete(checkpointId: number): void {
    this.completed.push(checkpointId);
  }

  close(): void {
    this.closed++;
  }
}

interface Opened {
  readonly kernel: Kernel;
  readonly operator: SourceReaderOperator<number, ScriptedSplit>;
  readonly context: RecordingContext;
  readonly reader: ScriptedReader;
  readonly feed: (split: string, ...values: (number | 'end')[]) => void;
  /** Lets one watermark interval pass and polls. */
  readonly tick: () => Promise<void>;
  /** What was emitted since the last look. */
  readonly look: () => Emitted[];
}

function open(time: SourceTime<number>, options: RecordingOptions = {}): Opened {
  const kernel = new Kernel({ seed: 1 });
  const context = new RecordingContext(kernel.env('task'), options);
  let reader: ScriptedReader | undefined;
  const source: Source<number, ScriptedSplit> = {
    name: 'scripted',
    bounded: false,
    replayable: true,
    createEnumerator: () => {
      throw new Error('not expected here');
    },
    createReader: (readerContext) => {
      reader = new ScriptedReader(readerContext);
      return reader;
    },
  };
  const operator = new SourceReaderOperator(source, time);
  operator.open(context);
  let seen = 0;
  return {
    kernel,
    operator,
    context,
    reader: reader!,
    feed: (split, ...values) => {
      for (const value of values) reader!.script.push({ split, value });
      operator.poll(100);
    },
    tick: async () => {
      await kernel.runFor(200);
      operator.poll(100);
    },
    look: () => {
      const emitted = context.output.emitted.slice(seen);
      seen += emitted.length;
      return emitted;
    },
  };
}

function splits(...ids: string[]): Uint8Array[] {
  return ids.map((id) => encodeSplit({ id, next: 0 } as ScriptedSplit));
}

const BOUNDED: SourceTime<number> = { kind: 'event', strategy: watermarks.boundedOutOfOrderness<number>(10) };
const IDLE_AFTER_400: SourceTime<number> = {
  kind: 'event',
  strategy: watermarks.boundedOutOfOrderness<number>(10).withIdleness(400),
};

function record(value: number): Emitted {
  return { kind: 'record', value, timestamp: value };
}

describe('a source operator', () => {
  it('asks for a split when it has none, once per request, until there are no more', () => {
    const { operator, feed } = open({ kind: 'none' });
    assert.equal(operator.poll(10), 'nothing');
    assert.deepEqual([operator.wantsSplit(), operator.wantsSplit()], [true, false]);
    operator.addSplits(splits('a'));
    assert.equal(operator.wantsSplit(), false);
    feed('a', 1, 'end');
    assert.deepEqual([operator.wantsSplit(), operator.wantsSplit()], [true, false]);
    operator.noMoreSplits();
    assert.equal(operator.wantsSplit(), false);
    assert.equal(operator.poll(10), 'end');
  });

  it('ends only after its splits, also when it is told early that no more come', () => {
    const { operator, reader } = open({ kind: 'none' });
    operator.poll(10);
    operator.addSplits(splits('a'));
    operator.noMoreSplits();
    assert.equal(operator.poll(10), 'nothing');
    reader.script.push({ split: 'a', value: 1 }, { split: 'a', value: 'end' });
    assert.equal(operator.poll(1), 'more');
    assert.equal(operator.poll(10), 'end');
  });

  it('wakes the task when splits come', () => {
    const { operator, context } = open({ kind: 'none' });
    operator.addSplits(splits('a'));
    assert.equal(context.wakeUps, 1);
    operator.noMoreSplits();
    assert.equal(context.wakeUps, 2);
  });

  it('keeps every split that is not finished, with its position, and gives it back to the reader', async () => {
    const { operator, feed } = open({ kind: 'none' });
    operator.addSplits(splits('a', 'b', 'c'));
    feed('a', 1, 2, 3, 'end');
    feed('b', 4);
    const state = new RecordingState();
    operator.snapshot(1, state);
    assert.equal(state.redistributions.get(SPLITS_SECTION), 'split');
    const items = await state.items(SPLITS_SECTION);
    assert.deepEqual(items.map(decodeSplit), [
      { id: 'b', next: 1 },
      { id: 'c', next: 0 },
    ]);
    const again = open({ kind: 'none' }, { restored: { [SPLITS_SECTION]: items } });
    assert.deepEqual(
      [...again.reader.splits],
      [
        ...new Map([
          ['b', 1],
          ['c', 0],
        ]),
      ],
    );
    assert.equal(again.operator.wantsSplit(), false);
  });

  it('takes the splits of several subtasks, and none', () => {
    const many = open({ kind: 'none' }, { restored: { [SPLITS_SECTION]: splits('x', 'y', 'z') } });
    assert.equal(many.reader.splits.size, 3);
    const none = open({ kind: 'none' }, { restored: {} });
    assert.equal(none.operator.poll(10), 'nothing');
    assert.equal(none.operator.wantsSplit(), true);
    none.operator.noMoreSplits();
    assert.equal(none.operator.poll(10), 'end');
  });

  it('tells the reader which checkpoints are durable', () => {
    const { operator, reader } = open({ kind: 'none' });
    operator.checkpointComplete(3);
    assert.deepEqual(reader.completed, [3]);
  });

  it('refuses a split that it has, and a split after the last', () => {
    const { operator } = open({ kind: 'none' });
    operator.addSplits(splits('a'));
    const broken = (error: unknown): boolean => isMillraceError(error, 'ASSERTION_FAILED');
    assert.throws(() => operator.addSplits(splits('a')), broken);
    operator.noMoreSplits();
    assert.throws(() => operator.addSplits(splits('b')), broken);
  });

  it('emits no watermarks without a strategy, and no status', async () => {
    const { operator, feed, tick, look } = open({ kind: 'none' });
    operator.addSplits(splits('a'));
    feed('a', 7);
    await tick();
    assert.deepEqual(look(), [record(7)]);
  });

  it('is idle while the enumerator has no split at present', () => {
    const { operator, look } = open({ kind: 'none' });
    operator.addSplits([]);
    assert.deepEqual(look(), [{ kind: 'status', idle: true }]);
    operator.addSplits(splits('a'));
    assert.deepEqual(look(), [{ kind: 'status', idle: false }]);
  });

  it('emits the smallest watermark over its splits, in each interval, and only when it rises', async () => {
    const { operator, feed, tick, look } = open(BOUNDED);
    operator.addSplits(splits('a', 'b'));
    feed('a', 100);
    await tick();
    assert.deepEqual(look(), [record(100)]);
    feed('b', 50);
    await tick();
    assert.deepEqual(look(), [record(50), { kind: 'watermark', timestamp: 39 }]);
    await tick();
    feed('b', 45);
    await tick();
    assert.deepEqual(look(), [record(45)]);
  });

  it('does not wait for the interval behind so many records: what waits for event time has a bound', async () => {
    const { operator, feed, tick, look } = open(BOUNDED);
    const watermarkTimes = () =>
      look().flatMap((each) => (each.kind === 'watermark' ? [each.timestamp] : []));
    operator.addSplits(splits('a'));
    const times = Array.from({ length: 3 * RECORDS_PER_WATERMARK }, (_, index) => index);
    feed('a', ...times);
    while (operator.poll(256) === 'more');
    const found = watermarkTimes();
    assert.equal(found.length, 2);
    for (const [index, time] of found.entries()) {
      const due = (index + 1) * RECORDS_PER_WATERMARK - 1 - 10 - 1;
      assert.ok(Math.abs(time - due) <= 256, `${time}, where ${due} was due`);
    }
    await tick();
    assert.deepEqual(watermarkTimes(), [times.length - 1 - 10 - 1], 'the interval goes on as before');
    const untimed = open(BOUNDED, { autoWatermarkIntervalMs: 0 });
    untimed.operator.addSplits(splits('a'));
    untimed.feed('a', ...times);
    while (untimed.operator.poll(256) === 'more');
    assert.deepEqual(
      untimed.look().filter(({ kind }) => kind === 'watermark'),
      [],
      'an interval of 0 asks for none',
    );
  });

  it('tells how old the last record was when it was read and handed on, and nothing without event time', async () => {
    const { operator, feed, tick, kernel } = open(BOUNDED);
    operator.addSplits(splits('a'));
    assert.equal(operator.eventTimeLags(), undefined);
    const began = kernel.env('task').clock.now();
    feed('a', began - 700, began - 500);
    await tick();
    const lags = operator.eventTimeLags()!;
    assert.equal(lags.fetchMs, lags.emitMs, 'the clock of a test stands still in a poll');
    const waitedMs = kernel.env('task').clock.now() - began;
    assert.ok(lags.emitMs >= 500 && lags.emitMs <= 500 + waitedMs, JSON.stringify(lags));
    const plain = open({ kind: 'none' });
    plain.operator.addSplits(splits('a'));
    plain.feed('a', 1);
    await plain.tick();
    assert.equal(plain.operator.eventTimeLags(), undefined);
  });

  it('does not fail for a reader that cannot say how much is pending', async () => {
    const { operator, reader, context } = open(BOUNDED);
    assert.deepEqual(operator.pending(), { records: 0, bytes: 0, splits: 0 }, 'no split, nothing pending');
    operator.addSplits(splits('a'));
    assert.equal(operator.pending(), undefined);
    Object.assign(reader, {
      pending: () => {
        throw new RangeError('who knows');
      },
    });
    assert.equal(operator.pending(), undefined);
    Object.assign(reader, { pending: () => ({ records: 5 }) });
    assert.equal(operator.pending(), undefined, 'it was asked for the last time');
    assert.deepEqual(context.failures, []);
  });

  it('is held back no longer by a split that has ended', async () => {
    const { operator, feed, tick, look } = open(BOUNDED);
    operator.addSplits(splits('a', 'b'));
    feed('a', 100);
    await tick();
    feed('b', 'end');
    assert.deepEqual(look(), [record(100), { kind: 'watermark', timestamp: 89 }]);
  });

  it('lets idle splits hold nothing back, and is idle when all are', async () => {
    const { operator, feed, tick, look } = open(IDLE_AFTER_400);
    operator.addSplits(splits('a', 'b'));
    for (let at = 100; at < 104; at++) {
      feed('a', at);
      await tick();
    }
    assert.deepEqual(look().at(-1), { kind: 'watermark', timestamp: 92 });
    for (let ticks = 0; ticks < 4; ticks++) await tick();
    assert.deepEqual(look(), [{ kind: 'status', idle: true }]);
    feed('b', 50);
    assert.deepEqual(look(), [record(50), { kind: 'status', idle: false }]);
    feed('b', 200);
    await tick();
    assert.deepEqual(look().at(-1), { kind: 'watermark', timestamp: 189 });
  });

  it('does not take being held back for idleness', async () => {
    const { kernel, operator, feed, tick, look } = open(IDLE_AFTER_400);
    operator.addSplits(splits('a'));
    feed('a', 1);
    await tick();
    await kernel.runFor(60_000);
    operator.poll(10);
    assert.deepEqual(
      look().filter(({ kind }) => kind === 'status'),
      [],
    );
  });

  it('emits punctuated watermarks right behind their record', () => {
    const { operator, feed, look } = open(
      {
        kind: 'event',
        strategy: watermarks.custom<number>(() => ({
          onEvent: (_value, timestamp, output) => output.watermark(timestamp - 1),
          onPeriodicEmit: () => undefined,
        })),
      },
      { autoWatermarkIntervalMs: 0 },
    );
    operator.addSplits(splits('a'));
    feed('a', 5, 9, 7);
    assert.deepEqual(look(), [
      record(5),
      { kind: 'watermark', timestamp: 4 },
      record(9),
      { kind: 'watermark', timestamp: 8 },
      record(7),
    ]);
  });

  it('starts no timer when watermarks come from records only, and none after the end or the close', async () => {
    const none = open(BOUNDED, { autoWatermarkIntervalMs: 0 });
    await none.kernel.run();
    assert.equal(none.context.wakeUps, 0);
    const ended = open(BOUNDED);
    ended.operator.noMoreSplits();
    assert.equal(ended.operator.poll(10), 'end');
    const closed = open(BOUNDED);
    await closed.operator.close();
    for (const { kernel, context } of [ended, closed]) {
      const before = context.wakeUps;
      await kernel.run();
      assert.equal(context.wakeUps, before);
    }
    assert.equal(closed.reader.closed, 1);
  });

  it('gives ingestion time that never falls, with watermarks that follow the clock', async () => {
    const { kernel, operator, feed, tick, look } = open({ kind: 'ingestion' });
    operator.addSplits(splits('a'));
    feed('a', 1);
    const [first] = look();
    assert.ok(first?.kind === 'record' && first.timestamp === kernel.env('task').clock.now());
    await tick();
    const now = kernel.env('task').clock.now();
    assert.deepEqual(look(), [{ kind: 'watermark', timestamp: now - 1 }]);
    kernel.shiftWall('task', -60_000);
    feed('a', 2);
    await tick();
    assert.deepEqual(look(), [{ kind: 'record', value: 2, timestamp: now }]);
  });

  it('names where the reader stands', () => {
    assert.equal(open({ kind: 'none' }).operator.position(), 'somewhere');
  });

  it('drops failures of a reader that was closed', async () => {
    const { operator, context, reader } = open({ kind: 'none' });
    reader.context.fail(new Error('first'));
    await operator.close();
    reader.context.fail(new Error('late'));
    assert.equal(context.failures.length, 1);
  });
});
