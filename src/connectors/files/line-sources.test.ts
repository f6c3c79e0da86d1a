import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SourceRun } from '../../../test/connectors/source-run.ts';
import { FilesError } from '../../base/env.ts';
import { type ErrorCode, isMillraceError } from '../../base/errors.ts';
import { seededRandom } from '../../base/random.ts';
import { Kernel, type KernelOptions } from '../../testing/kernel.ts';
import type { SimulatedFiles } from '../../testing/simulated-files.ts';
import { files } from './files.ts';

const encoder = new TextEncoder();

function kernelWith(
  contents: Record<string, string | Uint8Array>,
  options: Partial<KernelOptions> = {},
): Kernel {
  const kernel = new Kernel({ seed: 7, ...options });
  for (const [path, content] of Object.entries(contents)) put(kernel, path, content);
  return kernel;
}

function put(kernel: Kernel, path: string, content: string | Uint8Array): void {
  kernel.disk.makeDirectory(path.slice(0, path.lastIndexOf('/')));
  if (kernel.disk.stat(path) !== undefined) kernel.disk.remove(path);
  const bytes = typeof content === 'string' ? encoder.encode(content) : content;
  kernel.disk.append(kernel.disk.create(path), bytes, path);
}

/** One step of the simulated world, or of the promises. */
function turnOf(kernel: Kernel): () => Promise<void> {
  return () => kernel.runFor(1);
}

async function readAll(
  kernel: Kernel,
  source: Parameters<typeof SourceRun.start>[0],
  parallelism = 1,
): Promise<SourceRun> {
  const env = kernel.env('task');
  const run = await kernel.settle(SourceRun.start(source, { env, parallelism }));
  await run.until(turnOf(kernel));
  await kernel.settle(run.close());
  assert.equal((env.files as SimulatedFiles).openHandles, 0);
  return run;
}

function code(expected: ErrorCode, message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isMillraceError(error, expected), String(error));
    if (message !== undefined) assert.match(error.message, message);
    return true;
  };
}

describe('a source of lines', () => {
  it('reads a file in its order and ends', async () => {
    const kernel = kernelWith({ '/in/auth.log': 'one\ntwo\r\n\nthree' });
    const run = await readAll(kernel, files.lines('/in/auth.log'));
    assert.deepEqual(run.values, ['one', 'two', '', 'three']);
    assert.equal(run.readers[0]?.operator.position(), 'auth.log:4');
  });

  it('knows how many bytes are left, also of files that nobody reads yet, and after a restore', async () => {
    const kernel = kernelWith({ '/in/a': '1\n22\n333\n', '/in/b': '4444\n' });
    const source = files.lines('/in');
    const options = { env: kernel.env('task'), maxRecords: 1 };
    const run = await kernel.settle(SourceRun.start(source, options));
    assert.deepEqual(run.pending(), { records: undefined, bytes: 14, splits: 2 });
    while (run.values.length < 2) {
      run.poll();
      await kernel.runFor(1);
    }
    assert.deepEqual(run.pending(), { records: undefined, bytes: 14 - 5, splits: 1 });
    const restored = await run.snapshot();
    await kernel.settle(run.close());
    const next = await kernel.settle(SourceRun.start(source, { ...options, restored }));
    assert.deepEqual(next.pending(), { records: undefined, bytes: 14 - 5, splits: 1 });
    await next.until(turnOf(kernel));
    assert.deepEqual(next.pending(), { records: 0, bytes: 0, splits: 0 });
    await kernel.settle(next.close());
  });

  it('ends at once on an empty file and on a directory without files', async () => {
    const kernel = kernelWith({ '/in/empty': '' });
    kernel.disk.makeDirectory('/none');
    assert.deepEqual((await readAll(kernel, files.lines(['/in/empty', '/none']))).values, []);
    assert.ok(kernel.log.lines.some(({ message }) => message === 'an input directory has no files'));
  });

  it('reads the files of a directory by name, without hidden ones, one file in one subtask', async () => {
    const contents: Record<string, string> = { '/in/.hidden': 'no', '/in/_millrace.json': 'no' };
    for (const name of ['b', 'a', 'd', 'c']) contents[`/in/${name}`] = `${name}1\n${name}2\n${name}3\n`;
    const one = await readAll(kernelWith(contents), files.lines('/in'));
    assert.deepEqual(
      one.values,
      ['a', 'b', 'c', 'd'].flatMap((name) => [1, 2, 3].map((line) => `${name}${line}`)),
    );
    const run = await readAll(kernelWith(contents), files.lines('/in'), 3);
    for (const { context } of run.readers) {
      const { values } = context.output;
      for (let index = 0; index < values.length; index += 3) {
        const name = String(values[index])[0];
        assert.deepEqual(values.slice(index, index + 3), [`${name}1`, `${name}2`, `${name}3`]);
      }
    }
    assert.equal(run.values.length, 12);
  });

  it('reads files larger than what it reads ahead, with short reads, in bounded memory', async () => {
    const lines = Array.from({ length: 40_000 }, (_, index) => `line ${index} ${'é'.repeat(index % 20)}`);
    const kernel = kernelWith({ '/in/big': lines.join('\n') }, { faults: { shortRead: 0.5 } });
    const run = await kernel.settle(SourceRun.start(files.lines('/in/big'), { env: kernel.env('task') }));
    // Nobody polls: the reading stops after its bound.
    run.poll();
    run.poll();
    await kernel.run();
    assert.ok(kernel.disk.calls < 20, `${kernel.disk.calls} operations`);
    await run.until(turnOf(kernel));
    assert.deepEqual(run.values, lines);
  });

  it('continues behind the last line that was emitted, whatever was read ahead', async () => {
    const random = seededRandom(11);
    let cases = 0;
    for (let seed = 0; seed < 60; seed++) {
      const contents: Record<string, string> = {};
      const expected: string[] = [];
      for (let file = 0; file < 1 + random.int(3); file++) {
        const lines = Array.from(
          { length: random.int(30) },
          (_, line) => `${file}:${line}${'ł'.repeat(random.int(9))}`,
        );
        contents[`/in/${file}`] = lines.join('\n') + (random.int(2) === 0 && lines.length > 0 ? '\n' : '');
        expected.push(...lines);
      }
      const kernel = kernelWith(contents, { seed, shuffle: true, faults: { shortRead: 0.3 } });
      const source = files.lines('/in');
      const seen: unknown[] = [];
      let restored: Awaited<ReturnType<SourceRun['snapshot']>> | undefined;
      for (;;) {
        const run = await kernel.settle(
          SourceRun.start(source, {
            env: kernel.env('task'),
            parallelism: 1 + random.int(3),
            maxRecords: 1 + random.int(5),
            ...(restored === undefined ? {} : { restored }),
          }),
        );
        await run.until(turnOf(kernel), 1 + random.int(10));
        assert.deepEqual(run.failures, []);
        seen.push(...run.values);
        restored = await run.snapshot();
        await kernel.settle(run.close());
        cases++;
        if (run.ended) break;
      }
      assert.deepEqual(seen.map(String).toSorted(), expected.toSorted());
    }
    console.log(`cases: line source restores ${cases} (minimum 200)`);
  });

  it('reads at its rate over the whole source, and not in bursts', async () => {
    const lines = Array.from({ length: 300 }, (_, index) => String(index));
    const kernel = kernelWith({ '/in/a': lines.join('\n'), '/in/b': lines.join('\n') });
    const source = files.lines('/in', { ratePerSecond: 100 });
    for (const parallelism of [1, 2, 4]) {
      const run = await kernel.settle(SourceRun.start(source, { env: kernel.env('task'), parallelism }));
      const from = kernel.now;
      await run.until(turnOf(kernel), 100);
      const tookMs = kernel.now - from;
      assert.ok(tookMs > 850 && tookMs < 1_100, `${tookMs} ms at parallelism ${parallelism}`);
      await kernel.settle(run.close());
    }
  });

  it('sleeps between lines of a slow rate instead of asking again and again', async () => {
    const kernel = kernelWith({ '/in/a': '1\n2\n3\n' });
    const source = files.lines('/in/a', { ratePerSecond: 1 });
    const run = await kernel.settle(SourceRun.start(source, { env: kernel.env('task') }));
    let polls = 0;
    while (run.values.length < 3) {
      const { wakeUps } = run.readers[0]!.context;
      polls++;
      if (run.poll()) continue;
      await kernel.run({ until: () => run.readers[0]!.context.wakeUps > wakeUps });
    }
    assert.ok(polls < 20, `${polls} polls`);
    assert.ok(kernel.now >= 1_900 && kernel.now < 2_200, `${kernel.now} ms`);
    await kernel.settle(run.close());
  });

  it('says before the start what is missing or cannot be read', async () => {
    const kernel = kernelWith({ '/in/a': 'a', '/nested/inner/b': 'b', '/in/secret': 's' });
    const start = (path: string | string[]): Promise<SourceRun> =>
      kernel.settle(SourceRun.start(files.lines(path), { env: kernel.env('task') }));
    await assert.rejects(
      start('/in/none.log'),
      code('SOURCE_FILE_MISSING', /\/in\/none\.log does not exist/),
    );
    await assert.rejects(start(['/in/a', '/none/at/all']), code('SOURCE_FILE_MISSING'));
    await assert.rejects(start('/nested'), code('SOURCE_FILE_UNREADABLE', /another directory, inner/));
    const env = kernel.env('task');
    const open = env.files.open.bind(env.files);
    env.files.open = (path, mode) =>
      path === '/in/secret' ? Promise.reject(new FilesError('denied', 'open', path)) : open(path, mode);
    await assert.rejects(
      kernel.settle(SourceRun.start(files.lines('/in'), { env })),
      code('SOURCE_FILE_UNREADABLE', /\/in\/secret.*this user may not read it/),
    );
  });

  it('fails when a file vanishes, shrinks or changes under it', async () => {
    const kernel = kernelWith({ '/in/a': 'one\ntwo\nthree\n' });
    const source = files.lines('/in/a');
    const run = await kernel.settle(SourceRun.start(source, { env: kernel.env('task'), maxRecords: 1 }));
    await run.until(turnOf(kernel), 2);
    const restored = await run.snapshot();
    await kernel.settle(run.close());
    const again = async (): Promise<unknown> => {
      const next = await kernel.settle(SourceRun.start(source, { env: kernel.env('task'), restored }));
      await next.until(turnOf(kernel));
      await kernel.settle(next.close());
      return next.failures[0] ?? next.values;
    };
    assert.deepEqual(await again(), ['three']);
    put(kernel, '/in/a', 'one\ntwo\nthree\nfour\n');
    assert.deepEqual(await again(), ['three', 'four']);
    put(kernel, '/in/a', 'one\n');
    assert.ok(code('SOURCE_FILE_CHANGED', /4 bytes, and 8 were read/)(await again()));
    put(kernel, '/in/a', 'something else\nthat is longer\n');
    assert.ok(code('SOURCE_FILE_CHANGED', /no line begins at byte 8/)(await again()));
    kernel.disk.remove('/in/a');
    assert.ok(code('SOURCE_FILE_MISSING')(await again()));
  });

  it('fails when reading fails in the middle', async () => {
    let reads = 0;
    const kernel = kernelWith(
      { '/in/a': 'x\n'.repeat(600_000) },
      {
        faults: {
          onOperation: ({ operation }) => (operation === 'read' && ++reads === 4 ? 'io' : undefined),
        },
      },
    );
    const run = await readAll(kernel, files.lines('/in/a'));
    assert.ok(code('SOURCE_FILE_UNREADABLE')(run.failures[0]));
  });

  it('names the line of what is not text, and can be polled on behind it', async () => {
    const kernel = kernelWith({ '/in/a': Uint8Array.of(0x61, 0x0a, 0xff, 0x0a, 0x62, 0x0a) });
    const run = await kernel.settle(SourceRun.start(files.lines('/in/a'), { env: kernel.env('task') }));
    await assert.rejects(run.until(turnOf(kernel)), code('SOURCE_LINE_NOT_TEXT', /\/in\/a:2 /));
    assert.equal(run.readers[0]?.operator.position(), 'a:2');
    await run.until(turnOf(kernel));
    assert.deepEqual(run.values, ['a', 'b']);
  });

  it('refuses options that make no sense', () => {
    const invalid = code('CONNECTOR_OPTION_INVALID');
    assert.throws(() => files.lines([]), invalid);
    assert.throws(() => files.lines(''), invalid);
    assert.throws(() => files.lines('a', { ratePerSecond: -1 }), invalid);
    assert.throws(() => files.lines('a', { maxLineBytes: 0.5 }), invalid);
    assert.throws(() => files.lines('a', { invalid: 'ignore' as 'fail' }), invalid);
  });
});

describe('a source of JSON lines', () => {
  const content = '{"n":1}\n\n  \r\n{"n":2}\r\n{"n":oops}\n[4]';

  it('reads a value a line and leaves blank lines out', async () => {
    const kernel = kernelWith({ '/in/a.jsonl': '{"n":1}\n\n  \r\n[2]\r\n"3"' });
    assert.deepEqual((await readAll(kernel, files.jsonLines('/in/a.jsonl'))).values, [{ n: 1 }, [2], '3']);
  });

  it('names file, line, column and surroundings of a broken line, and can be polled on behind it', async () => {
    const kernel = kernelWith({ '/in/a.jsonl': content });
    const run = await kernel.settle(
      SourceRun.start(files.jsonLines('/in/a.jsonl'), { env: kernel.env('task') }),
    );
    await assert.rejects(
      run.until(turnOf(kernel)),
      code('SOURCE_LINE_NOT_JSON', /^\/in\/a\.jsonl:5:6 is not JSON, near "\{\\"n\\":oops\}"$/),
    );
    await run.until(turnOf(kernel));
    assert.deepEqual(run.values, [{ n: 1 }, { n: 2 }, [4]]);
  });

  it('skips or replaces broken lines on request', async () => {
    const skip = await readAll(
      kernelWith({ '/in/a': content }),
      files.jsonLines('/in/a', { onBroken: 'skip' }),
    );
    assert.deepEqual(skip.values, [{ n: 1 }, { n: 2 }, [4]]);
    assert.equal(skip.readers[0]?.context.counters.get('brokenLines'), 1);
    const source = files.jsonLines<unknown>('/in/a', { onBroken: ({ text, line }) => ({ line, text }) });
    const replaced = await readAll(kernelWith({ '/in/a': content }), source);
    assert.deepEqual(replaced.values[2], { line: 5, text: '{"n":oops}' });
  });

  it('treats what `parse` refuses as a broken line', async () => {
    const source = files.jsonLines<number>('/in/a', {
      parse: (value) => {
        if (typeof value !== 'number') throw new TypeError('a number was expected');
        return value;
      },
    });
    const kernel = kernelWith({ '/in/a': '1\n"two"\n' });
    await assert.rejects(
      readAll(kernel, source),
      code('SOURCE_LINE_NOT_JSON', /\/in\/a:2 .*a number was expected/),
    );
  });

  it('counts a poisoned last line without an end as read', async () => {
    const kernel = kernelWith({ '/in/a': '1\n2\nbroken' });
    const source = files.jsonLines('/in/a');
    const run = await kernel.settle(SourceRun.start(source, { env: kernel.env('task') }));
    await assert.rejects(run.until(turnOf(kernel)), code('SOURCE_LINE_NOT_JSON'));
    const restored = await run.snapshot();
    const next = await kernel.settle(SourceRun.start(source, { env: kernel.env('task'), restored }));
    await next.until(turnOf(kernel));
    assert.deepEqual([next.failures, next.values], [[], []]);
  });
});
