import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RecordingContext } from '../../test/connectors/recording-context.ts';
import { type SourceCheckpoint, SourceRun } from '../../test/connectors/source-run.ts';
import { type ErrorCode, isMillraceError } from '../base/errors.ts';
import type { Source, SourceSplit } from '../operators/source.ts';
import { Kernel } from '../testing/kernel.ts';
import { asyncIterableSource } from './async-iterable.ts';
import { collectionSource } from './collection.ts';
import { generatorSource } from './data-generator.ts';
import { sequenceSource } from './sequence.ts';

const SEED = 99;
const RUNS = 150;

interface ReadOptions {
  readonly parallelism?: number;
  readonly count?: number;
  readonly restored?: SourceCheckpoint;
  readonly maxRecords?: number;
}

async function read<T, S extends SourceSplit>(
  source: Source<T, S>,
  options: ReadOptions = {},
): Promise<{ values: unknown[]; run: SourceRun; checkpoint: SourceCheckpoint; kernel: Kernel }> {
  const kernel = new Kernel({ seed: 1 });
  const { count, ...rest } = options;
  const run = await SourceRun.start(source, { env: kernel.env('task'), ...rest });
  await run.until(() => kernel.runFor(5), count);
  const checkpoint = await run.snapshot();
  await run.close();
  return { values: run.values, run, checkpoint, kernel };
}

function code(expected: ErrorCode): (error: unknown) => boolean {
  return (error) => isMillraceError(error, expected);
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

describe('a reader of ranges', () => {
  it('passes over a split that is paused, with its place in turn and its rate, until it is resumed', async () => {
    const kernel = new Kernel({ seed: 1 });
    const context = new RecordingContext(kernel.env('task'));
    const reader = generatorSource((index, { split }) => `${split}/${index}`, {
      splits: 3,
      ratePerSecond: 300,
      count: 9,
    }).createReader(context.reader);
    const emitted: unknown[] = [];
    const output = { split() {}, emit: (value: unknown) => void emitted.push(value), splitFinished() {} };
    for (const number of [0, 1, 2]) {
      reader.addSplit({ id: String(number), number, of: 3, next: 0, end: 3 } as SourceSplit as never);
    }
    const all = async (): Promise<void> => {
      for (let turn = 0; turn < 100; turn++) {
        reader.poll(10, output);
        await kernel.runFor(10);
      }
    };
    reader.pauseOrResumeSplits!(['0', '2'], []);
    await all();
    assert.deepEqual(emitted, ['1/0', '1/1', '1/2']);
    assert.equal(reader.poll(10, output), 'nothing');
    assert.equal(reader.snapshot().length, 2);
    const wakeUps = context.wakeUps;
    await kernel.runFor(10_000);
    assert.equal(context.wakeUps, wakeUps, 'it does not wake up for what is paused');
    reader.pauseOrResumeSplits!([], ['2']);
    await all();
    assert.deepEqual(emitted.slice(3), ['2/0', '2/1', '2/2']);
    reader.pauseOrResumeSplits!([], ['0']);
    await all();
    assert.deepEqual(emitted.slice(6), ['0/0', '0/1', '0/2']);
  });
});

describe('a collection', () => {
  it('keeps its order in one subtask at every parallelism', async () => {
    for (const parallelism of [1, 4]) {
      assert.deepEqual((await read(collectionSource(['a', 'b', 'c']), { parallelism })).values, [
        'a',
        'b',
        'c',
      ]);
    }
    assert.deepEqual((await read(collectionSource(new Set([1, 2])))).values, [1, 2]);
    assert.deepEqual((await read(collectionSource([]))).values, []);
  });

  it('is read side by side when asked', async () => {
    const { run } = await read(collectionSource(upTo(10), { splits: 2 }), { parallelism: 2 });
    assert.deepEqual(
      run.readers.map(({ context }) => context.output.values),
      [
        [0, 1, 2, 3, 4],
        [5, 6, 7, 8, 9],
      ],
    );
  });

  it('does not see later changes of the array', async () => {
    const values = [1, 2];
    const source = collectionSource(values);
    values.push(3);
    assert.deepEqual((await read(source)).values, [1, 2]);
  });
});

describe('a sequence', () => {
  it('holds both ends, shared evenly', async () => {
    const { run, values } = await read(sequenceSource(-3, 6), { parallelism: 3 });
    assert.deepEqual(
      values.toSorted((a, b) => (a as number) - (b as number)),
      upTo(10).map((index) => index - 3),
    );
    for (const { context } of run.readers) assert.ok(context.output.records >= 3);
    assert.deepEqual((await read(sequenceSource(5, 4))).values, []);
    assert.deepEqual((await read(sequenceSource(5, 5), { parallelism: 4 })).values, [5]);
    assert.throws(() => sequenceSource(0, Number.NaN), code('CONNECTOR_OPTION_INVALID'));
  });
});

describe('a generator', () => {
  const source = (options: { count?: number; seed?: number; splits?: number } = {}) =>
    generatorSource(
      (index, { split, random }) => `${split}/${index}/${random.int(1_000)}/${random.float()}`,
      options,
    );

  it('makes the same records in every run, at every parallelism and poll size', async () => {
    const one = await read(source({ count: 60, splits: 3, seed: 4 }));
    const many = await read(source({ count: 60, splits: 3, seed: 4 }), { parallelism: 3, maxRecords: 7 });
    assert.deepEqual(one.values.map(String).toSorted(), many.values.map(String).toSorted());
    const other = await read(source({ count: 60, splits: 3, seed: 5 }));
    assert.notDeepEqual(other.values.map(String).toSorted(), many.values.map(String).toSorted());
    assert.equal(new Set(one.values.map((value) => String(value).split('/')[2])).size > 30, true);
  });

  it('deals its count evenly and gives each subtask a split', async () => {
    const { run } = await read(source({ count: 11 }), { parallelism: 3 });
    assert.deepEqual(
      run.readers.map(({ context }) => context.output.records),
      [4, 4, 3],
    );
    for (const [subtask, { context }] of run.readers.entries()) {
      assert.ok(context.output.values.every((value) => String(value).startsWith(`${subtask}/`)));
    }
    assert.equal((await read(source({ count: 1 }), { parallelism: 3 })).values.length, 1);
    assert.equal((await read(source({ count: 0 }), { parallelism: 3 })).values.length, 0);
  });

  it('goes on without end when no count is given, all splits by turns', async () => {
    const { values, checkpoint } = await read(source({ splits: 4 }), { count: 4_000 });
    const perSplit = Map.groupBy(values, (value) => String(value)[0]);
    assert.equal(perSplit.size, 4);
    const next = await read(source({ splits: 4 }), { count: 4_000, restored: checkpoint });
    assert.equal(new Set([...values, ...next.values]).size, values.length + next.values.length);
  });

  it('knows how many records are left of its count, and that without one there is no end', async () => {
    const kernel = new Kernel({ seed: 1 });
    const options = { env: kernel.env('task'), parallelism: 2, maxRecords: 4 };
    const run = await SourceRun.start(source({ count: 20 }), options);
    assert.deepEqual(run.pending(), { records: 20, bytes: undefined, splits: 2 });
    run.poll();
    await kernel.runFor(1);
    run.poll();
    assert.equal(run.pending()?.records, 20 - run.values.length);
    assert.ok(run.values.length > 0);
    await run.close();
    const endless = await SourceRun.start(source(), options);
    endless.poll();
    assert.equal(endless.pending()?.records, undefined);
    await endless.close();
  });

  it('keeps its rate over all subtasks, with fractions too', async () => {
    const kernel = new Kernel({ seed: 1 });
    const slow = generatorSource((index) => index, { ratePerSecond: 0.6, splits: 3, count: 12 });
    const run = await SourceRun.start(slow, { env: kernel.env('task'), parallelism: 3 });
    const from = kernel.now;
    await run.until(() => kernel.runFor(50));
    // One record a subtask at once, then one every five seconds: three gaps.
    assert.ok(kernel.now - from >= 15_000 && kernel.now - from < 15_500, `${kernel.now - from} ms`);
    await run.close();
  });

  it('does not make a record again that threw', async () => {
    const throwing = generatorSource(
      (index) => {
        if (index === 2) throw new Error('bad record');
        return index;
      },
      { count: 5 },
    );
    const kernel = new Kernel({ seed: 1 });
    const run = await SourceRun.start(throwing, { env: kernel.env('task') });
    await assert.rejects(
      run.until(() => kernel.runFor(1)),
      /bad record/,
    );
    assert.equal(run.readers[0]?.operator.position(), 'record 2');
    await run.until(() => kernel.runFor(1));
    assert.deepEqual(run.values, [0, 1, 3, 4]);
  });

  it('refuses options that make no sense', () => {
    for (const options of [
      { count: -1 },
      { count: 0.5 },
      { seed: 0.5 },
      { splits: 0 },
      { ratePerSecond: -1 },
    ]) {
      assert.throws(() => generatorSource((index) => index, options), code('CONNECTOR_OPTION_INVALID'));
    }
  });
});

describe('replayable sources', () => {
  it('lose and repeat nothing over any restores at any parallelism', async () => {
    const sources = [
      collectionSource(upTo(40)),
      collectionSource(upTo(40), { splits: 7 }),
      sequenceSource(0, 39),
      generatorSource((index, { split }) => index * 5 + split, { count: 40, splits: 5 }),
      generatorSource((index, { split }) => index * 5 + split, {
        count: 40,
        splits: 5,
        ratePerSecond: 5_000,
      }),
    ] as Source<number>[];
    const stop = fc.record({
      parallelism: fc.integer({ min: 1, max: 4 }),
      count: fc.integer({ min: 0, max: 15 }),
      maxRecords: fc.integer({ min: 1, max: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...sources),
        fc.array(stop, { maxLength: 4 }),
        async (source, stops) => {
          const seen: unknown[] = [];
          let restored: SourceCheckpoint | undefined;
          for (const options of [...stops, { parallelism: 2, maxRecords: 10 }]) {
            const { values, checkpoint } = await read(source, {
              ...options,
              ...(restored === undefined ? {} : { restored }),
            });
            seen.push(...values);
            restored = checkpoint;
          }
          assert.deepEqual(
            seen.toSorted((a, b) => (a as number) - (b as number)),
            upTo(40),
          );
        },
      ),
      { seed: SEED, numRuns: RUNS },
    );
    console.log(`cases: source restores ${RUNS} (minimum ${RUNS})`);
  });
});

describe('an async iterable', () => {
  it('is read in its order and ends', async () => {
    let opened = 0;
    const source = asyncIterableSource(
      async function* () {
        opened++;
        yield* [1, 2, 3];
      },
      { bounded: true },
    );
    assert.deepEqual((await read(source, { parallelism: 3 })).values, [1, 2, 3]);
    assert.equal(opened, 1, 'only the subtask that reads opens it');
    assert.deepEqual([source.bounded, source.replayable], [true, false]);
  });

  it('continues behind the last record that was emitted when it has positions', async () => {
    const positions: (number | undefined)[] = [];
    const source = asyncIterableSource<number, number>({
      open: async function* (position) {
        positions.push(position);
        for (let n = (position ?? -1) + 1; n < 600; n++) yield { value: n * 2, position: n };
      },
      bounded: true,
    });
    assert.equal(source.replayable, true);
    const first = await read(source, { count: 10, maxRecords: 10 });
    assert.equal(first.values.length, 10);
    const second = await read(source, { restored: first.checkpoint });
    assert.deepEqual(
      [...first.values, ...second.values],
      upTo(600).map((n) => n * 2),
    );
    assert.deepEqual(positions, [undefined, 9]);
  });

  it('keeps the position of a record although the iterator reuses the object', async () => {
    const source = asyncIterableSource<number, { page: number }>({
      open: async function* (position) {
        const cursor = { page: position?.page ?? 0 };
        while (cursor.page < 50) {
          cursor.page++;
          yield { value: cursor.page, position: cursor };
        }
      },
      bounded: true,
    });
    const first = await read(source, { count: 10, maxRecords: 10 });
    const second = await read(source, { restored: first.checkpoint });
    assert.deepEqual(
      [...first.values, ...second.values],
      upTo(50).map((index) => index + 1),
    );
  });

  it('fails when a record has no position', async () => {
    const source = asyncIterableSource<number, number>({
      open: async function* () {
        yield { value: 1 } as { value: number; position: number };
      },
    });
    const { run } = await read(source);
    assert.ok(code('CONNECTOR_OPTION_INVALID')(run.failures[0]));
  });

  it('is not read further ahead than its bound, and is told when it is closed', async () => {
    let read = 0;
    let returned = false;
    const kernel = new Kernel({ seed: 1 });
    const source = asyncIterableSource(async function* () {
      try {
        for (;;) yield read++;
      } finally {
        returned = true;
      }
    });
    const run = await SourceRun.start(source, { env: kernel.env('task') });
    run.poll();
    for (let turn = 0; turn < 20; turn++) await kernel.runFor(1);
    assert.ok(read <= 257, `${read} records`);
    await run.until(() => kernel.runFor(1), 1_000);
    await run.close();
    await kernel.runFor(1);
    assert.equal(returned, true);
    assert.deepEqual(run.failures, []);
  });

  it('fails the task when it fails', async () => {
    const source = asyncIterableSource(async function* () {
      yield 1;
      throw new Error('the outside is gone');
    });
    const { run } = await read(source);
    assert.match(String(run.failures[0]), /the outside is gone/);
  });
});
