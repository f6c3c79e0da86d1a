import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecordingContext, RecordingState } from '../../../test/connectors/recording-context.ts';
import { type Env, type Files, FilesError } from '../../base/env.ts';
import { isMillraceError, MillraceError } from '../../base/errors.ts';
import { recordingLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import { PENDING_SECTION, SinkWriterOperator } from '../../operators/sink-operator.ts';
import type { SinkPrepareContext } from '../../operators/sink.ts';
import { Kernel } from '../../testing/kernel.ts';
import { SimulatedDisk } from '../../testing/simulated-disk.ts';
import { type FileCall, memoryFiles, type SimulatedFiles } from '../../testing/simulated-files.ts';
import { files as connectors } from './files.ts';

const DIRECTORY = '/out/alerts';
const decoder = new TextDecoder();

function envOf(files: Files): Env {
  return { ...new Kernel({ seed: 1 }).env('task'), files };
}

function prepareContext(files: Files, options: Partial<SinkPrepareContext> = {}): SinkPrepareContext {
  return {
    jobId: 'job',
    jobName: 'a job',
    uid: 'sink',
    files,
    clock: new Kernel({ seed: 1 }).env('master').clock,
    log: recordingLog(),
    restoredCheckpointId: undefined,
    discardLaterOutput: false,
    checkFence: () => Promise.resolve(),
    attempt: '1-1',
    ...options,
  };
}

async function openSink(
  files: Files,
  options: {
    attempt?: string;
    checkpointId?: number;
    items?: readonly Uint8Array[];
    maxPartBytes?: number;
    rolloverInterval?: number;
    env?: Env;
  } = {},
) {
  const {
    attempt = '1-1',
    checkpointId,
    items = [],
    maxPartBytes,
    rolloverInterval,
    env = envOf(files),
  } = options;
  const sink = connectors.jsonLinesSink(DIRECTORY, {
    ...(maxPartBytes === undefined ? {} : { maxPartBytes }),
    ...(rolloverInterval === undefined ? {} : { rolloverInterval }),
  });
  await sink.prepareJob?.(prepareContext(files, { restoredCheckpointId: checkpointId, attempt }));
  const context = new RecordingContext(env, {
    info: { attempt },
    restoredCheckpointId: checkpointId,
    restored: { [PENDING_SECTION]: items },
  });
  const operator = new SinkWriterOperator(sink);
  await operator.open(context);
  const snapshot = (id: number): Promise<readonly Uint8Array[]> => {
    const state = new RecordingState();
    operator.snapshot(id, state);
    return state.items(PENDING_SECTION);
  };
  return { operator, context, snapshot, write: (value: unknown) => operator.record(0, value, 0) };
}

function names(disk: SimulatedDisk): string[] {
  return disk.list(DIRECTORY).filter((name) => !name.startsWith('.') && !name.startsWith('_'));
}

function committedValues(disk: SimulatedDisk): unknown[] {
  return names(disk).flatMap((name) =>
    decoder
      .decode(disk.read(`${DIRECTORY}/${name}`))
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as unknown),
  );
}

describe('the file sink', () => {
  it('shows a part under a name with subtask, checkpoint and attempt when the checkpoint is complete', async () => {
    const files = memoryFiles();
    const { operator, write, snapshot } = await openSink(files);
    write({ user: 'root' });
    write({ user: 'é' });
    await snapshot(7);
    assert.deepEqual(names(files.disk), []);
    await operator.checkpointComplete(7);
    assert.deepEqual(names(files.disk), ['part-0-7-1-1-0.jsonl']);
    assert.equal(
      decoder.decode(files.disk.read(`${DIRECTORY}/part-0-7-1-1-0.jsonl`)),
      '{"user":"root"}\n{"user":"é"}\n',
    );
    await operator.close();
    assert.equal(files.openHandles, 0);
  });

  it('keeps what it committed when the power fails right after', async () => {
    for (let seed = 0; seed < 8; seed++) {
      const files = memoryFiles();
      const { operator, write, snapshot } = await openSink(files);
      write('a');
      await snapshot(1);
      await operator.checkpointComplete(1);
      files.disk.losePower(seededRandom(seed));
      assert.deepEqual(committedValues(files.disk), ['a']);
    }
  });

  it('makes no empty parts', async () => {
    const files = memoryFiles();
    const { operator, snapshot } = await openSink(files);
    assert.deepEqual(await snapshot(1), []);
    await operator.checkpointComplete(1);
    assert.deepEqual(files.disk.list(DIRECTORY), ['_millrace.json']);
  });

  it('ends a part that is large enough, and commits all parts of a checkpoint', async () => {
    const files = memoryFiles();
    const { operator, write, snapshot } = await openSink(files, { maxPartBytes: 100_000 });
    const text = 'x'.repeat(50_000);
    for (let index = 0; index < 6; index++) write({ index, text });
    assert.equal((await snapshot(1)).length, 3);
    await operator.checkpointComplete(1);
    assert.equal(names(files.disk).length, 3);
    assert.deepEqual(
      committedValues(files.disk).map((value) => (value as { index: number }).index),
      [0, 1, 2, 3, 4, 5],
    );
  });

  it('ends a part that is old enough', async () => {
    const kernel = new Kernel({ seed: 3 });
    const env = kernel.env('task');
    const { operator, write, snapshot } = await kernel.settle(
      openSink(env.files, { env, rolloverInterval: 1_000 }),
    );
    write('a'.repeat(70_000));
    await kernel.runFor(500);
    write('b'.repeat(70_000));
    await kernel.runFor(600);
    write('c'.repeat(70_000));
    assert.equal((await kernel.settle(snapshot(1))).length, 2);
    await kernel.settle(operator.close());
  });

  it('holds the job back while the disk is behind', async () => {
    const kernel = new Kernel({ seed: 3 });
    const env = kernel.env('task');
    const { operator, context, write } = await kernel.settle(openSink(env.files, { env }));
    let written = 0;
    for (; operator.writable() && written < 100; written++) write('x'.repeat(70_000));
    assert.ok(written > 10 && written < 20, `${written} buffers before the bound`);
    const before = context.wakeUps;
    await kernel.settle(operator.close());
    assert.ok(operator.writable());
    assert.ok(context.wakeUps > before);
  });

  it('removes what it did not prepare when it closes, and nothing else', async () => {
    const files = memoryFiles();
    const { operator, write, snapshot } = await openSink(files);
    write('prepared');
    const items = await snapshot(1);
    write('x'.repeat(70_000));
    await new Promise(setImmediate);
    assert.equal(files.disk.list(DIRECTORY).length, 3);
    await operator.close();
    assert.deepEqual(files.disk.list(DIRECTORY), ['.part-0-1-1-0.inprogress', '_millrace.json']);
    await openSink(files, { attempt: '2-1', checkpointId: 1, items });
    assert.deepEqual(committedValues(files.disk), ['prepared']);
    assert.equal(files.openHandles, 0);
  });

  it('fails when output of a complete checkpoint is gone', async () => {
    const files = memoryFiles();
    const { operator, context, write, snapshot } = await openSink(files);
    write('a');
    await snapshot(1);
    files.disk.remove(`${DIRECTORY}/.part-0-1-1-0.inprogress`);
    await assert.rejects(operator.checkpointComplete(1), (error) =>
      isMillraceError(error, 'SINK_COMMIT_LOST'),
    );
    assert.ok(isMillraceError(context.failures[0], 'SINK_COMMIT_LOST'));
  });

  it('says clearly that the disk is full, and leaves no file open', async () => {
    const disk = new SimulatedDisk();
    const files = memoryFiles(disk, { random: seededRandom(1) });
    const { operator, context, write, snapshot } = await openSink(files);
    disk.setCapacity(disk.usedBytes + 10);
    write('more than fits');
    await assert.rejects(snapshot(1), (error) => isMillraceError(error, 'SINK_WRITE_FAILED'));
    assert.match(String(context.failures[0]), /the disk is full/);
    await operator.close();
    assert.equal(files.openHandles, 0);
  });

  it('refuses values that its format cannot express, and goes on with the next', async () => {
    const files = memoryFiles();
    const { operator, write, snapshot } = await openSink(files);
    for (const value of [undefined, () => 1, 1n, { big: 1n }]) {
      assert.throws(
        () => write(value),
        (error) => isMillraceError(error, 'SINK_VALUE_UNWRITABLE'),
      );
    }
    write('fine');
    await snapshot(1);
    await operator.checkpointComplete(1);
    assert.deepEqual(committedValues(files.disk), ['fine']);

    const lines = new SinkWriterOperator(connectors.linesSink('/out/lines'));
    await lines.open(new RecordingContext(envOf(files)));
    for (const value of ['two\nlines', 'carriage\rreturn', 5]) {
      assert.throws(
        () => lines.record(0, value, 0),
        (error) => isMillraceError(error, 'SINK_VALUE_UNWRITABLE'),
      );
    }
  });
});

describe('the directory of a file sink', () => {
  const sink = connectors.jsonLinesSink(DIRECTORY);
  const prepare = (files: SimulatedFiles, options: Partial<SinkPrepareContext> = {}): Promise<void> =>
    sink.prepareJob!(prepareContext(files, options));

  function foreign(error: unknown): boolean {
    return isMillraceError(error, 'SINK_DIRECTORY_FOREIGN');
  }

  function put(disk: SimulatedDisk, path: string, text = ''): void {
    disk.append(disk.create(path), new TextEncoder().encode(text), path);
  }

  it('is made, with what is missing above it, and survives a loss of power', async () => {
    const files = memoryFiles();
    await prepare(files);
    files.disk.losePower(seededRandom(1));
    const marker = JSON.parse(decoder.decode(files.disk.read(`${DIRECTORY}/_millrace.json`))) as object;
    assert.deepEqual(marker, { jobId: 'job', jobName: 'a job', uid: 'sink', format: 'json lines' });
    await prepare(files, { attempt: '2-1' });
  });

  it('is refused when it belongs to another job or to another sink', async () => {
    const files = memoryFiles();
    await prepare(files);
    await assert.rejects(prepare(files, { jobId: 'other' }), foreign);
    await assert.rejects(prepare(files, { uid: 'other' }), foreign);
  });

  it('is refused when it holds files that no sink wrote', async () => {
    const files = memoryFiles();
    files.disk.makeDirectory(DIRECTORY);
    put(files.disk, `${DIRECTORY}/.gitkeep`);
    put(files.disk, `${DIRECTORY}/thesis.txt`);
    await assert.rejects(prepare(files), /thesis\.txt/);
    assert.deepEqual(files.disk.list(DIRECTORY), ['.gitkeep', 'thesis.txt']);
  });

  it('is refused when its marker is torn', async () => {
    const files = memoryFiles();
    files.disk.makeDirectory(DIRECTORY);
    put(files.disk, `${DIRECTORY}/_millrace.json`, '{"jobId":');
    await assert.rejects(prepare(files), foreign);
  });

  it('is refused when it is a file or cannot be written', async () => {
    const files = memoryFiles();
    files.disk.makeDirectory('/out');
    put(files.disk, DIRECTORY);
    await assert.rejects(prepare(files), /is not a directory/);
    const readOnly = memoryFiles(new SimulatedDisk(), { random: seededRandom(1) });
    readOnly.makeDirectory = (path) => Promise.reject(new FilesError('denied', 'make directory', path));
    await assert.rejects(prepare(readOnly), (error) => isMillraceError(error, 'SINK_WRITE_FAILED'));
  });

  it('refuses a start before output that was committed, and lists it', async () => {
    const files = memoryFiles();
    await prepare(files);
    put(files.disk, `${DIRECTORY}/part-0-3-1-1-0.jsonl`);
    put(files.disk, `${DIRECTORY}/part-1-4-1-1-0.jsonl`);
    put(files.disk, `${DIRECTORY}/.part-1-1-1-7.inprogress`);
    await prepare(files, { restoredCheckpointId: 4 });
    await assert.rejects(prepare(files, { restoredCheckpointId: 3 }), (error) => {
      assert.ok(isMillraceError(error, 'SINK_LATER_OUTPUT'));
      assert.match(error.message, /checkpoint 3.* part-1-4-1-1-0\.jsonl$/);
      assert.doesNotMatch(error.message, /part-0-3/);
      return true;
    });
    await assert.rejects(prepare(files), /the beginning.*part-0-3.*part-1-4/);
  });

  it('counts output of the end of input as later than any checkpoint', async () => {
    const files = memoryFiles();
    await prepare(files);
    put(files.disk, `${DIRECTORY}/part-0-end-1-1-0.jsonl`);
    await assert.rejects(prepare(files, { restoredCheckpointId: 99 }), /part-0-end/);
  });

  it('moves later output aside on request, and deletes nothing', async () => {
    const files = memoryFiles();
    await prepare(files);
    put(files.disk, `${DIRECTORY}/part-0-3-1-1-0.jsonl`);
    put(files.disk, `${DIRECTORY}/part-0-4-1-1-1.jsonl`);
    put(files.disk, `${DIRECTORY}/.part-0-1-1-2.inprogress`);
    await prepare(files, { restoredCheckpointId: 3, discardLaterOutput: true, attempt: '2-1' });
    assert.deepEqual(files.disk.list(DIRECTORY), [
      '.part-0-1-1-2.inprogress',
      '_discarded-2-1',
      '_millrace.json',
      'part-0-3-1-1-0.jsonl',
    ]);
    assert.deepEqual(files.disk.list(`${DIRECTORY}/_discarded-2-1`), ['part-0-4-1-1-1.jsonl']);
    await prepare(files, { restoredCheckpointId: 3, attempt: '3-1' });
  });

  it('neither judges nor moves output when a newer start of the job has taken over', async () => {
    for (const discardLaterOutput of [false, true]) {
      const files = memoryFiles();
      await prepare(files);
      put(files.disk, `${DIRECTORY}/part-0-4-1-1-1.jsonl`);
      const checkFence = (): Promise<void> => Promise.reject(new MillraceError('FENCED', 'a newer start'));
      await assert.rejects(prepare(files, { discardLaterOutput, checkFence }), { code: 'FENCED' });
      assert.deepEqual(files.disk.list(DIRECTORY), ['_millrace.json', 'part-0-4-1-1-1.jsonl']);
    }
  });
});

type Crash = 'kill' | 'power';

/** Where the first attempts crash: the operation, counted in each attempt, around which it happens. */
interface CrashPlan {
  readonly seed: number;
  readonly kind: Crash;
  readonly at: readonly number[];
}

/**
 * One job against the sink: three checkpoints of three values each. What a durable checkpoint holds is a variable, as
 * if its metadata were stored elsewhere; each attempt goes on from there. Tells how many of the crashes happened.
 */
class CrashingJob {
  readonly #plan: CrashPlan;
  readonly #kernel: Kernel;
  #attempt = 0;
  /** File operations of this attempt. */
  #calls = 0;
  #crashed = 0;
  #durable: { readonly id: number; readonly next: number; readonly items: readonly Uint8Array[] } | undefined;

  constructor(plan: CrashPlan) {
    this.#plan = plan;
    this.#kernel = new Kernel({
      seed: plan.seed,
      faults: { onOperation: (call) => this.#onOperation(call) },
    });
  }

  async run(): Promise<number> {
    for (let done = false; !done; ) {
      const crashed = this.#crashed;
      const running = this.#runAttempt();
      running.then(
        () => {
          done = true;
        },
        () => undefined,
      );
      await this.#kernel.run({ until: () => done || this.#crashed > crashed });
      this.#checkOutput();
    }
    assert.deepEqual(committedNumbers(this.#kernel.disk), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    return this.#crashed;
  }

  #onOperation(call: FileCall): undefined {
    if (call.operation === 'read' || ++this.#calls !== this.#plan.at[this.#attempt - 1]) return;
    const node = `task-${this.#attempt}`;
    const attempt = this.#attempt;
    this.#kernel.schedule({
      afterMs: this.#kernel.random.float() * 3,
      why: 'crash',
      run: () => {
        if (attempt !== this.#attempt) return;
        this.#crashed++;
        if (this.#plan.kind === 'kill') this.#kernel.crash(node);
        else this.#kernel.losePower();
      },
    });
  }

  async #runAttempt(): Promise<void> {
    this.#attempt++;
    this.#calls = 0;
    const env = this.#kernel.env(`task-${this.#attempt}`);
    const durable = this.#durable;
    const { operator, snapshot, write } = await openSink(env.files, {
      attempt: `${this.#attempt}-1`,
      ...(durable === undefined ? {} : { checkpointId: durable.id, items: durable.items }),
      maxPartBytes: 40,
      env,
    });
    let id = durable?.id ?? 0;
    for (let next = durable?.next ?? 0; next < 9; ) {
      for (let count = 0; count < 3; count++, next++)
        write({ value: next, text: 'x'.repeat(1_000 * (next % 2)) });
      id++;
      this.#durable = { id, next, items: await snapshot(id) };
      await operator.checkpointComplete(id);
    }
    await operator.close();
  }

  /** I-C4: at every moment, what is committed stands before the durable checkpoint, each value once. */
  #checkOutput(): void {
    const seen = committedNumbers(this.#kernel.disk);
    assert.equal(new Set(seen).size, seen.length, `no value twice: ${seen.join()}`);
    const next = this.#durable?.next ?? 0;
    assert.ok(
      seen.every((value) => value < next),
      `nothing beyond ${next}: ${seen.join()}`,
    );
    // A loss of power may undo some of the renames of a commit; a killed process has done the first ones.
    if (this.#plan.kind === 'kill') assert.deepEqual(seen, [...seen.keys()]);
  }
}

function committedNumbers(disk: SimulatedDisk): number[] {
  if (disk.stat(DIRECTORY) === undefined) return [];
  return committedValues(disk)
    .map((value) => (value as { value: number }).value)
    .sort((left, right) => left - right);
}

describe('a crash of the file sink', () => {
  for (const kind of ['kill', 'power'] as const) {
    it(`at every file operation (${kind}), once or twice, leaves the committed lines exactly once`, async () => {
      let cases = 0;
      for (const seed of [1, 2, 3, 4, 5]) {
        const chance = seededRandom(seed);
        for (let at = 1; ; at++) {
          const crashes = await new CrashingJob({ seed, kind, at: [at, 1 + chance.int(30)] }).run();
          if (crashes === 0) break;
          cases++;
        }
      }
      console.log(`cases: file sink ${kind} ${cases} (minimum 200)`);
    });
  }
});
