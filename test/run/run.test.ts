import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { test, type TestContext } from 'node:test';
import { isMillraceError } from '../../src/base/errors.ts';
import type { JobResult } from '../../src/cluster/job-manager/job-result.ts';
import {
  atLeastOnceSink,
  collectSink,
  type DataStream,
  files,
  generatorSource,
  job,
  type Sink,
  state,
  t,
  type,
} from '../../src/index.ts';
import {
  execute,
  executeAsync,
  type ExecuteOptions,
  type JobClient,
  jobIdOf,
  planOf,
} from '../../src/run.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import numbers, { received } from './numbers.ts';

const NUMBERS = new URL('./numbers.ts', import.meta.url);
const TICKS = new URL('./ticks.ts', import.meta.url);
const QUIET = { 'log.level': 'silent' };

function folder(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'millrace-run-'));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Each key was counted from 1 to the number of its records. */
function checkCounts(count: number): void {
  assert.equal(received.length, count);
  for (let key = 0; key < 10; key += 1) {
    const counts = received.filter((one) => one.key === key).map((one) => one.count);
    assert.deepEqual(
      counts.sort((left, right) => left - right),
      counts.map((_, index) => index + 1),
    );
  }
}

function failing(n: number): number {
  if (n === 5) throw new RangeError('not 5');
  return 0;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('a definition runs in this thread on a seeded kernel, the same way each time', async () => {
  const hashes: string[] = [];
  for (let run = 0; run < 2; run += 1) {
    const kernel = new Kernel({ seed: 11, shuffle: true });
    received.length = 0;
    const client = await executeAsync(numbers, {
      host: 'in-process',
      args: ['--count', '500'],
      parallelism: 3,
      env: kernel.env('process'),
      slotEnv: (slot) => kernel.env('process', `slot-${slot}`),
      workingDirectory: '/work-folder',
      configuration: { 'execution.checkpointing.interval': '20 ms' },
    });
    const result = await kernel.settle(client.result());
    assert.equal(result.status, 'FINISHED');
    checkCounts(500);
    hashes.push(kernel.hash);
  }
  assert.equal(hashes[0], hashes[1]);
});

test('a line that is too long is named by its own number, in the message and in the place', async (context) => {
  const file = join(folder(context), 'long.txt');
  writeFileSync(file, `short\n${'x'.repeat(100_000)}\n`);
  const definition = job((env) => {
    env.fromSource(files.lines(file, { maxLineBytes: 1_000 }), { uid: 'lines' }).print();
  });
  const configuration = { ...QUIET, 'execution.checkpointing.interval': 0 };
  await assert.rejects(execute(definition, { host: 'in-process', configuration }), (error: Error) => {
    assert.ok(isMillraceError(error.cause, 'SOURCE_LINE_TOO_LONG'));
    assert.match(error.cause.message, /long\.txt:2 is longer/);
    assert.equal(error.cause.where.position, 'long.txt:2');
    return true;
  });
});

test('typed state that needs more memory than its slot may take fails the job with a code and its operator', async () => {
  const definition = job((env) => {
    env
      .fromSequence(1, 200_000)
      .keyBy((n) => n)
      .process({
        uid: 'count',
        state: { count: state.value(0) },
        process(_, ctx) {
          ctx.state.count.update(ctx.state.count.value() + 1);
        },
      })
      .print();
  });
  const configuration = { ...QUIET, 'execution.checkpointing.interval': 0, 'state.memory.size': '1 mb' };
  await assert.rejects(execute(definition, { host: 'in-process', configuration }), (error: Error) => {
    assert.ok(isMillraceError(error.cause, 'STATE_MEMORY_EXCEEDED'));
    assert.match(error.cause.message, /1048576 are allowed/);
    assert.equal(error.cause.where.uid, 'count');
    return true;
  });
});

for (const parallelism of [1, 2]) {
  test(`what is no key names the operator behind keyBy, at parallelism ${parallelism}`, async () => {
    const definition = job((env) => {
      env
        .fromSequence(1, 9, { name: 'numbers' })
        .keyBy((n) => (n === 5 ? (undefined as unknown as number) : n))
        .process({
          uid: 'sums',
          name: 'next',
          parallelism,
          state: { sum: state.value(0) },
          process: () => [],
        })
        .print();
    });
    const configuration = { ...QUIET, 'execution.checkpointing.interval': 0 };
    await assert.rejects(execute(definition, { host: 'in-process', configuration }), (error: Error) => {
      assert.ok(isMillraceError(error.cause, 'KEY_INVALID'));
      assert.match(
        error.cause.message,
        /the key of a record for "next" \(uid sums\): undefined cannot be a key/,
      );
      assert.equal(error.cause.where.operator, 'numbers');
      assert.equal(error.cause.where.position, 'record 5');
      assert.match(error.cause.remedy, /key selector/);
      return true;
    });
  });
}

test('what the key of keyBy or a partitioner throws says whose record it was, and keeps its place in the input', async () => {
  for (const [route, message] of [
    [
      (stream: DataStream<number>) => stream.keyBy(failing).map(String),
      /the key of a record for "next": RangeError: not 5/,
    ],
    [
      (stream: DataStream<number>) => stream.partitionCustom((n) => n, failing).map(String),
      /the partition of a record for "next": RangeError: not 5/,
    ],
  ] as const) {
    const definition = job((env) => {
      const numbers = env.fromSequence(1, 9, { name: 'numbers' });
      route(numbers).name('next').print();
    });
    const configuration = { ...QUIET, 'execution.checkpointing.interval': 0 };
    await assert.rejects(execute(definition, { host: 'in-process', configuration }), (error: Error) => {
      assert.ok(isMillraceError(error.cause, 'OPERATOR_FAILED'));
      assert.match(error.cause.message, message);
      assert.equal(error.cause.where.operator, 'numbers');
      assert.match(error.cause.where.position ?? '', /5/);
      return true;
    });
  }
});

test('a module runs in worker threads; afterwards it says that it has finished, or begins afresh', async (context) => {
  const options: ExecuteOptions = {
    workingDirectory: folder(context),
    parallelism: 2,
    configuration: QUIET,
  };
  received.length = 0;
  const first = await execute(NUMBERS, options);
  assert.equal(first.status, 'FINISHED');
  assert.equal(first.jobName, 'numbers per digit');
  assert.equal(first.jobId, jobIdOf('numbers per digit'));
  assert.equal(first.figures.vertices[0]?.operators[0]?.recordsOut, 1_000);
  checkCounts(1_000);
  assert.equal((await execute(NUMBERS, { ...options, restore: 'latest' })).status, 'ALREADY_FINISHED');
  received.length = 0;
  assert.equal((await execute(NUMBERS, options)).status, 'FINISHED', 'no checkpoint is left to decide about');
  checkCounts(1_000);
  received.length = 0;
  assert.equal((await execute(NUMBERS, { ...options, fresh: true })).status, 'FINISHED');
  checkCounts(1_000);
});

test('a run that was stopped goes on where it stood, with nothing lost and nothing twice', async (context) => {
  const workingDirectory = folder(context);
  const output = join(workingDirectory, 'output');
  const options: ExecuteOptions = {
    workingDirectory,
    args: ['--output', output],
    parallelism: 2,
    restore: 'latest',
    configuration: { ...QUIET, 'execution.checkpointing.interval': '50 ms' },
  };
  const client = await executeAsync(TICKS, options);
  await until(() => client.figures().checkpoints.completed >= 2);
  const stopped = await client.stop();
  assert.equal(stopped.status, 'STOPPED');
  assert.equal(stopped.error, undefined);
  const before = written(output);
  assert.ok(before.length > 0 && before.length < 600, `${before.length} numbers before the stop`);
  const path = stopped.checkpoint?.path ?? '';
  assert.ok(readdirSync(path).includes('_metadata'));

  const resumed = await execute(TICKS, { ...options, restore: path });
  assert.equal(resumed.status, 'FINISHED');
  assert.equal(resumed.restoredFrom?.path, path);
  assert.deepEqual(written(output), ticksOf(600));
});

/** The numbers in the committed files of a folder, ascending. */
function written(output: string): number[] {
  return readdirSync(output)
    .filter((name) => name.startsWith('part-'))
    .flatMap((name) => readFileSync(join(output, name), 'utf8').trim().split('\n'))
    .map(Number)
    .sort((left, right) => left - right);
}

/** Two splits, each numbered from 0. */
function ticksOf(count: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.floor(index / 2));
}

test('a cancel ends the job at once and keeps its checkpoints', async (context) => {
  const client = await executeAsync(TICKS, {
    workingDirectory: folder(context),
    args: ['--count', '100000', '--rate', '1000'],
    configuration: { ...QUIET, 'execution.checkpointing.interval': '50 ms' },
  });
  await until(() => client.figures().checkpoints.completed >= 1);
  const result = await client.cancel();
  assert.equal(result.status, 'CANCELED');
  assert.ok(result.checkpoint !== undefined && readdirSync(result.checkpoint.path).includes('_metadata'));
});

test('a function that throws is tried again as often as the strategy says, and then named', async (context) => {
  const states: string[] = [];
  const running = execute(TICKS, {
    workingDirectory: folder(context),
    args: ['--fail-at', '7'],
    configuration: {
      ...QUIET,
      'restart-strategy.type': 'fixed-delay',
      'restart-strategy.fixed-delay.attempts': 1,
      'restart-strategy.fixed-delay.delay': 10,
    },
    listener: { onState: (state) => states.push(state) },
  });
  await assert.rejects(running, (error: Error) => {
    assert.ok(isMillraceError(error, 'JOB_FAILED'));
    assert.match(error.message, /tick 7 is broken/);
    return true;
  });
  assert.equal(states.filter((state) => state === 'RESTARTING').length, 1);
  assert.equal(states.at(-1), 'FAILED');
});

test('a definition cannot run in worker threads, which could not import it', async () => {
  await assert.rejects(execute(job((env) => void env.fromSequence(1, 2).print())), {
    code: 'JOB_NOT_A_MODULE',
    remedy: /new URL/,
  });
});

test('a job that says exactly once where it is not is refused before it starts', async (context) => {
  const definition = job((env) => {
    env
      .fromSource(generatorSource(String, { count: 1 }), { uid: 'numbers', exactlyOnce: true })
      .sinkTo(atLeastOnceSink<string>({ write: () => Promise.resolve() }), { uid: 'written' });
  });
  await assert.rejects(
    executeAsync(definition, { host: 'in-process', workingDirectory: folder(context), configuration: QUIET }),
    {
      code: 'GUARANTEE_NOT_KEPT',
      message: /"numbers" must be exactly once.*"written" shows its output at once/,
    },
  );
});

test('a sink that writes only at checkpoints is refused over endless input without checkpoints', async (context) => {
  const endless = (sink: Sink<string>, interval: number): Promise<JobClient> =>
    executeAsync(
      job((env) => {
        env
          .fromSource(
            generatorSource((index) => `${index}`, { ratePerSecond: 100 }),
            { uid: 'endless' },
          )
          .sinkTo(sink, { uid: 'sink' });
      }),
      {
        host: 'in-process',
        workingDirectory: folder(context),
        configuration: { ...QUIET, 'execution.checkpointing.interval': interval },
      },
    );
  const output = join(folder(context), 'output');
  await assert.rejects(endless(files.linesSink(output), 0), {
    code: 'GUARANTEE_NEEDS_CHECKPOINTS',
    message: /"sink"/,
  });
  for (const client of [
    await endless(files.linesSink(output), 1_000),
    await endless(atLeastOnceSink<string>({ write: () => Promise.resolve() }), 0),
    await endless(collectSink<string>([]), 0),
  ]) {
    assert.equal((await client.cancel()).status, 'CANCELED');
  }
});

test('what contradicts itself is refused before anything starts', async () => {
  const options: ExecuteOptions = { host: 'in-process', configuration: QUIET };
  await assert.rejects(execute(numbers, { ...options, fresh: true, restore: 'latest' }), {
    code: 'CONFIG_INVALID',
  });
  await assert.rejects(execute(numbers, { ...options, jobId: '../elsewhere' }), { code: 'CONFIG_INVALID' });
  await assert.rejects(execute(numbers, { ...options, configuration: { 'log.levl': 'x' } as object }), {
    code: 'CONFIG_UNKNOWN_KEY',
  });
});

test('what is said outside of the job goes before what the job says', async () => {
  const { compiled, configuration } = await planOf(
    job((env) => {
      env.setParallelism(2).enableCheckpointing('1 s');
      env.fromSequence(1, 2).print();
    }),
    { host: 'in-process', parallelism: 3 },
  );
  assert.equal(compiled.graph.vertices[0]?.parallelism, 3);
  assert.equal(configuration.get('execution.checkpointing.interval'), 1_000);
});

test('a checkpoint on demand has a place on the disk', async (context) => {
  const client = await executeAsync(TICKS, {
    workingDirectory: folder(context),
    args: ['--count', '100000', '--rate', '1000'],
    configuration: QUIET,
  });
  await until(() => (client.figures().vertices[0]?.operators[0]?.recordsOut ?? 0) > 0);
  const { path } = await client.triggerCheckpoint();
  assert.ok(readdirSync(path).includes('_metadata'));
  const result: JobResult = await client.cancel();
  assert.equal(result.checkpoint?.path, path);
});

test('records of a declared side output, and of a union of declared streams, cross as they are, also those of no such type', async () => {
  const Visit = t.object({ user: t.string, at: t.int64 });
  const Count = t.object({ count: t.int32 });
  const late: unknown[] = [];
  const both: unknown[] = [];
  const visits = Array.from({ length: 40 }, (_, at) => ({ user: `user ${at % 3}`, at }));
  const definition = job((env) => {
    const read = env
      .fromData(visits)
      .map((visit) => visit)
      .returns(Visit);
    const counts = env
      .fromData(visits)
      .map(({ at }) => ({ count: at }))
      .returns(Count);
    const split = read.keyBy('user').process({
      uid: 'split',
      outputs: { late: type(Visit) },
      process(visit, ctx) {
        // One of them has a field more.
        ctx.output('late', visit.at === 20 ? ({ ...visit, more: [1n, null] } as typeof visit) : visit);
      },
    });
    split.sideOutput('late').rebalance().sinkTo(collectSink<unknown>(late), { uid: 'late' });
    read
      .union(counts)
      .filter(() => true)
      .rebalance()
      .sinkTo(collectSink<unknown>(both), { uid: 'both' });
  });
  const configuration = { ...QUIET, 'execution.checkpointing.interval': 0 };
  const options = { host: 'in-process', configuration, parallelism: 2, alwaysEncode: true } as const;
  assert.equal((await execute(definition, options)).status, 'FINISHED');
  const sorted = (values: readonly unknown[]): string[] => values.map((each) => inspect(each)).sort();
  const more = visits.map((visit) => (visit.at === 20 ? { ...visit, more: [1n, null] } : visit));
  assert.deepEqual(sorted(late), sorted(more));
  assert.deepEqual(sorted(both), sorted([...visits, ...visits.map(({ at }) => ({ count: at }))]));
});
