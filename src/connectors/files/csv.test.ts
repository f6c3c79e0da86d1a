import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SourceRun } from '../../../test/connectors/source-run.ts';
import type { Random } from '../../base/env.ts';
import { type ErrorCode, isMillraceError } from '../../base/errors.ts';
import { seededRandom } from '../../base/random.ts';
import type { ReplayableSource } from '../../operators/source.ts';
import { Kernel, type KernelOptions } from '../../testing/kernel.ts';
import { CsvParser } from './csv-parser.ts';
import { files } from './files.ts';
import type { InputSplit } from './lines.ts';

const SEEDS = 200;
const encoder = new TextEncoder();

function kernelWith(contents: Record<string, string>, options: Partial<KernelOptions> = {}): Kernel {
  const kernel = new Kernel({ seed: 7, ...options });
  kernel.disk.makeDirectory('/in');
  for (const [path, content] of Object.entries(contents)) {
    kernel.disk.append(kernel.disk.create(path), encoder.encode(content), path);
  }
  return kernel;
}

async function start<T>(kernel: Kernel, source: ReplayableSource<T, InputSplit>): Promise<SourceRun> {
  const run = await kernel.settle(SourceRun.start(source, { env: kernel.env('task') }));
  await run.until(() => kernel.runFor(1));
  return run;
}

/** All records of one file; throws what the source failed with. */
async function read<T>(
  text: string,
  source = files.csv('/in/a.csv') as ReplayableSource<T, InputSplit>,
): Promise<unknown[]> {
  const kernel = kernelWith({ '/in/a.csv': text });
  const run = await start(kernel, source);
  assert.deepEqual(run.failures, []);
  await kernel.settle(run.close());
  return run.values;
}

function failure(expected: ErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isMillraceError(error, expected), String(error));
    assert.match(error.message, message);
    return true;
  };
}

describe('the rows of CSV', () => {
  const rowsOf = (text: string, delimiter = ',', quote = '"'): unknown[] => {
    const parser = new CsvParser(delimiter, quote);
    return text.split('\n').flatMap((line) => {
      const row = parser.line(line);
      return row === undefined ? [] : [row];
    });
  };

  it('are those of RFC 4180', () => {
    assert.deepEqual(rowsOf('a,b,c'), [['a', 'b', 'c']]);
    assert.deepEqual(rowsOf('a,b,c\r'), [['a', 'b', 'c']]);
    assert.deepEqual(rowsOf(',"",x,'), [[undefined, '', 'x', undefined]]);
    assert.deepEqual(rowsOf('"a","b,""c""",d'), [['a', 'b,"c"', 'd']]);
    assert.deepEqual(rowsOf('"a\r\nb\n",c\r\nd,"e"\r'), [
      ['a\r\nb\n', 'c'],
      ['d', 'e'],
    ]);
    assert.deepEqual(rowsOf('""""'), [['"']]);
    assert.deepEqual(rowsOf("'a;''b''';c", ';', "'"), [["a;'b'", 'c']]);
  });

  it('refuse a quote inside a field, and text behind a closing quote, at their column', () => {
    assert.throws(() => rowsOf('ab,c"d'), { message: /inside a field/, column: 5 });
    assert.throws(() => rowsOf('"a"b,c'), { message: /behind a closing quote stands "b"/, column: 4 });
  });
});

describe('a source of CSV', () => {
  it('gives texts by the names in the header', async () => {
    assert.deepEqual(await read('\ufeffname,born\r\nAda,1815\r\n\r\n"Hopper, Grace",\n'), [
      { name: 'Ada', born: '1815' },
      { name: 'Hopper, Grace', born: '' },
    ]);
  });

  it('gives the declared columns with their types, in any order of the file', async () => {
    const source = files.csv('/in/a.csv', {
      columns: { id: 'bigint', name: 'string?', ok: 'boolean', x: 'number', at: (text) => new Date(text) },
    });
    const text = `x,ignored,name,id,at,ok\n-1.5e3,,"",9007199254740993,2020-01-02,true\n0,,,1,2020-01-03,false\n`;
    assert.deepEqual(await read(text, source), [
      { id: 9007199254740993n, name: '', ok: true, x: -1500, at: new Date('2020-01-02') },
      { id: 1n, name: undefined, ok: false, x: 0, at: new Date('2020-01-03') },
    ]);
  });

  it('reads files without a header by the order of the columns', async () => {
    const source = files.csv('/in/a.csv', {
      header: false,
      delimiter: '\t',
      columns: { a: 'number', b: 'string' },
    });
    assert.deepEqual(await read('1\tx\n2\t', source), [
      { a: 1, b: 'x' },
      { a: 2, b: '' },
    ]);
  });

  it('keeps columns with dangerous names as what they are', async () => {
    const [record] = await read('__proto__,constructor\n1,2\n');
    assert.deepEqual(Object.entries(record as object), [
      ['__proto__', '1'],
      ['constructor', '2'],
    ]);
  });

  it('says line, column and byte of what is wrong', async () => {
    const number = { columns: { a: 'string', b: 'number' } } as const;
    for (const [text, message] of [
      ['a,b\n1,2,3\n', /a\.csv:2 \(byte 4\) has 3 fields, and there are 2 columns/],
      ['a,b\n"x\ny",1\nz,q"\n', /a\.csv:4:4 \(byte 12\) is not CSV: a quote stands inside/],
      ['a,b\nx,12px\n', /a\.csv:2 \(byte 4\) has no value for "b": "12px" is not a number/],
      ['a,b\nx,\n', /has no value for "b": "" is not a number/],
      ['a,b\n"never closed,1\nx,2\n', /a\.csv:2 \(byte 4\) is not CSV: a quote is not closed before the end/],
      ['a,c\nx,1\n', /a\.csv:1 \(byte 0\) has no column "b", but "a", "c"/],
      ['a,b,a\nx,1,2\n', /names the column "a" twice/],
    ] as const) {
      await assert.rejects(
        read(text, files.csv('/in/a.csv', number)),
        failure('SOURCE_ROW_NOT_CSV', message),
      );
    }
  });

  it('bounds a row whose quote is not closed', async () => {
    const text = `a\n"${'x'.repeat(50)}\n${'y'.repeat(60)}\n`;
    await assert.rejects(
      read(text, files.csv('/in/a.csv', { maxLineBytes: 100 })),
      failure('SOURCE_LINE_TOO_LONG', /begins at \/in\/a\.csv:2 .*is a quote not closed\?/),
    );
  });

  it('skips or replaces broken rows, and counts them', async () => {
    const text = 'a,b\n1,2\nx\n"3"3,4\n5,6\n';
    const kernel = kernelWith({ '/in/a.csv': text });
    const broken: string[] = [];
    const columns = { a: 'number', b: 'number' } as const;
    const run = await start(
      kernel,
      files.csv('/in/a.csv', {
        columns,
        onBroken: (row) => {
          broken.push(`${row.line} ${row.text}`);
          return row.line === 3 ? { a: -1, b: -1 } : undefined;
        },
      }),
    );
    assert.deepEqual(run.values, [
      { a: 1, b: 2 },
      { a: -1, b: -1 },
      { a: 5, b: 6 },
    ]);
    assert.deepEqual(broken, ['3 x', '4 "3"3,4']);
    assert.equal(run.readers[0]?.context.counters.get('brokenLines'), 2);
  });

  it('refuses options that cannot be meant', () => {
    for (const options of [{ delimiter: '' }, { delimiter: '\n' }, { quote: ',' }, { quote: 'ab' }]) {
      assert.throws(() => files.csv('a', options), failure('CONNECTOR_OPTION_INVALID', /of a CSV source/));
    }
    assert.throws(() => files.csv('a', { header: false }), failure('CONNECTOR_OPTION_INVALID', /columns/));
    const columns = { a: 'int' } as unknown as { a: 'number' };
    assert.throws(() => files.csv('a', { columns }), failure('CONNECTOR_OPTION_INVALID', /column a/));
  });

  it('continues at the start of a row, with the header, whatever was read ahead', async () => {
    let cases = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = seededRandom(seed);
      const table = Array.from({ length: random.int(20) }, (_, id) => [
        String(id),
        fieldFrom(random),
        fieldFrom(random),
      ]);
      const ending = random.int(2) === 0 ? '\n' : '\r\n';
      const rows = [['id', 'a,"b"', 'c'], ...table].map((row) =>
        row.map((field) => written(field, random)).join(','),
      );
      const kernel = kernelWith(
        { '/in/a.csv': rows.join(ending) + (random.int(2) === 0 ? ending : '') },
        { seed, shuffle: true, faults: { shortRead: 0.5 } },
      );
      const seen: unknown[] = [];
      let restored: Awaited<ReturnType<SourceRun['snapshot']>> | undefined;
      for (let ended = false; !ended; cases++) {
        const env = kernel.env('task');
        const given = { env, maxRecords: 1 + random.int(4), ...(restored === undefined ? {} : { restored }) };
        const run = await kernel.settle(SourceRun.start(files.csv('/in/a.csv'), given));
        // A crash in the middle: what was emitted is gone with it, and what was read ahead.
        await run.until(() => kernel.runFor(1), 1 + random.int(6));
        assert.deepEqual(run.failures, []);
        seen.push(...run.values);
        restored = await run.snapshot();
        await kernel.settle(run.close());
        ended = run.ended;
      }
      const expected = table.map(([id, a, c]) => ({ id, 'a,"b"': a, c }));
      assert.deepEqual(seen, expected, `seed ${seed}`);
    }
    console.log(`cases: CSV source restores ${cases} (minimum ${SEEDS})`);
  });
});

function fieldFrom(random: Random): string {
  const pieces = ['', 'x', 'ł', '"', ',', '\n', '\r\n', ' ', '""', '😀'];
  return Array.from({ length: random.int(5) }, () => pieces[random.int(pieces.length)]!).join('');
}

/** A field as a writer may write it: with quotes where it must, and sometimes where it need not. */
function written(field: string, random: Random): string {
  return /[",\r\n]/.test(field) || random.int(3) === 0 ? `"${field.replaceAll('"', '""')}"` : field;
}
