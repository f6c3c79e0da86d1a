import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecordingContext } from '../../../test/connectors/recording-context.ts';
import { SourceRun, type SourceCheckpoint } from '../../../test/connectors/source-run.ts';
import { isMillraceError } from '../../base/errors.ts';
import { keyGroupOf } from '../../base/key-groups.ts';
import { seededRandom } from '../../base/random.ts';
import { Kernel } from '../../testing/kernel.ts';
import { files } from './files.ts';
import { FILES_MAX, type ShardSplit, shardSplits, type WatchedReader } from './watched-reader.ts';

const SEEDS = 100;
const encoder = new TextEncoder();

function emptyFolder(seed = 7): Kernel {
  const kernel = new Kernel({ seed, shuffle: true, faults: { shortRead: 0.3 } });
  kernel.disk.makeDirectory('/in');
  return kernel;
}

/** As whoever delivers files does it: written under a hidden name, then renamed. */
function deliver(kernel: Kernel, name: string, content: string): void {
  kernel.disk.append(kernel.disk.create(`/in/.${name}`), encoder.encode(content), `/in/.${name}`);
  kernel.disk.rename(`/in/.${name}`, `/in/${name}`);
}

async function start(kernel: Kernel, options: object = {}, watch = 10): Promise<SourceRun> {
  const source = files.lines('/in', { watch });
  return kernel.settle(SourceRun.start(source, { env: kernel.env('task'), ...options }));
}

async function turns(kernel: Kernel, run: SourceRun, count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    run.poll();
    assert.deepEqual(run.failures, []);
    await kernel.runFor(1);
  }
}

function shardsOf({ splits }: SourceCheckpoint): ShardSplit[] {
  return splits.flat().map((bytes) => JSON.parse(new TextDecoder().decode(bytes)) as ShardSplit);
}

describe('a watched directory', () => {
  it('gives the lines of files as they appear, each file once, and never ends', async () => {
    const kernel = emptyFolder();
    deliver(kernel, 'a', '1\n2\n');
    const run = await start(kernel);
    await turns(kernel, run, 40);
    assert.deepEqual(run.values, ['1', '2']);
    deliver(kernel, 'c', '5\n');
    deliver(kernel, 'b', '3\n4');
    await turns(kernel, run, 60);
    assert.deepEqual(run.values, ['1', '2', '3', '4', '5']);
    assert.equal(run.ended, false);
    await kernel.settle(run.close());
  });

  it('knows how many bytes wait in the files that it has found', async () => {
    const kernel = emptyFolder();
    deliver(kernel, 'a', '1\n2\n3\n');
    deliver(kernel, 'b', '4\n');
    const run = await start(kernel, { maxRecords: 1 });
    run.poll();
    await kernel.runFor(5);
    assert.deepEqual(run.pending(), { records: undefined, bytes: 8, splits: 2 });
    await turns(kernel, run, 1);
    while (run.values.length < 2) await turns(kernel, run, 1);
    const left = run.pending()?.bytes;
    assert.equal(left, 8 - 2 * run.values.length);
    while (run.values.length < 4) await turns(kernel, run, 1);
    await turns(kernel, run, 3);
    assert.equal(run.pending()?.bytes, 0);
    await kernel.settle(run.close());
  });

  it('forgets files that are gone, and reads one again that comes back (WD-2)', async () => {
    const kernel = emptyFolder();
    deliver(kernel, 'a', '1\n');
    const run = await start(kernel);
    await turns(kernel, run, 40);
    assert.deepEqual(shardsOf(await run.snapshot())[0]?.done, ['/in/a']);
    kernel.disk.remove('/in/a');
    await turns(kernel, run, 40);
    assert.deepEqual(shardsOf(await run.snapshot())[0]?.done, []);
    deliver(kernel, 'a', '2\n');
    await turns(kernel, run, 40);
    assert.deepEqual(run.values, ['1', '2']);
    await kernel.settle(run.close());
  });

  it('reads no file of a shard that is paused, and those of the others', async () => {
    const kernel = emptyFolder();
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    for (const name of names) deliver(kernel, name, `${name}\n`);
    const context = new RecordingContext(kernel.env('task'));
    const reader = files.lines('/in', { watch: 10 }).createReader(context.reader) as WatchedReader<
      string,
      string
    >;
    for (const split of shardSplits(2)) reader.addSplit(split);
    const emitted: string[] = [];
    const output = { split() {}, emit: (line: string) => void emitted.push(line), splitFinished() {} };
    const all = async (): Promise<void> => {
      for (let turn = 0; turn < 60; turn++) {
        reader.poll(10, output);
        await kernel.runFor(1);
      }
    };
    reader.pauseOrResumeSplits(['shard-0'], []);
    await all();
    const ofShard = (shard: number): string[] =>
      names.filter((name) => keyGroupOf(`/in/${name}`, 2) === shard);
    assert.deepEqual(emitted, ofShard(1));
    assert.ok(ofShard(0).length > 0 && ofShard(1).length > 0);
    reader.pauseOrResumeSplits([], ['shard-0']);
    await all();
    assert.deepEqual(emitted, [...ofShard(1), ...ofShard(0)]);
    await kernel.settle(reader.close());
  });

  it('fails when the directory is not there, or holds more files than it remembers', async () => {
    const missing = new Kernel({ seed: 1 });
    const failed = async (kernel: Kernel, code: 'SOURCE_FILE_MISSING' | 'SOURCE_FILE_UNREADABLE') => {
      const run = await start(kernel);
      for (let turn = 0; turn < 20 && run.failures.length === 0; turn++) {
        run.poll();
        await kernel.runFor(1);
      }
      assert.ok(isMillraceError(run.failures[0], code), String(run.failures[0]));
      await kernel.settle(run.close());
    };
    await failed(missing, 'SOURCE_FILE_MISSING');
    const crowded = emptyFolder();
    for (let file = 0; file <= FILES_MAX; file++) crowded.disk.create(`/in/${file}`);
    await failed(crowded, 'SOURCE_FILE_UNREADABLE');
  });

  it('is read exactly once through crashes, at any parallelism (WD-1)', async () => {
    let cases = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = seededRandom(seed);
      const kernel = emptyFolder(seed);
      const committed: unknown[] = [];
      const expected: string[] = [];
      let restored: SourceCheckpoint | undefined;
      let delivered = 0;
      for (let round = 0; round < 8; round++) {
        const options = { parallelism: 1 + random.int(3), maxRecords: 1 + random.int(4) };
        const run = await start(kernel, restored === undefined ? options : { ...options, restored });
        const isLast = round === 7;
        for (let step = 0; step < (isLast ? 1 : random.int(4)); step++) {
          for (let more = isLast ? 0 : random.int(3); more > 0; more--) {
            const lines = Array.from({ length: random.int(12) }, (_, line) => `${delivered}:${line}`);
            deliver(kernel, `f${delivered++}`, lines.map((line) => `${line}\n`).join(''));
            expected.push(...lines);
          }
          await turns(kernel, run, isLast ? 400 : random.int(25));
        }
        // What is emitted behind the checkpoint is lost with the crash, and comes again.
        committed.push(...run.values);
        restored = await run.snapshot();
        if (!isLast) await turns(kernel, run, random.int(15));
        await kernel.settle(run.close());
        // A file that was read may go; one that was not is still owed.
        const done = shardsOf(restored).flatMap((shard) => shard.done);
        if (done.length > 0 && random.int(2) === 0) kernel.disk.remove(done[random.int(done.length)]!);
        cases++;
      }
      assert.deepEqual(committed.map(String).toSorted(), expected.toSorted(), `seed ${seed}`);
    }
    console.log(`cases: watched directory restores ${cases} (minimum ${SEEDS * 8})`);
  });
});
