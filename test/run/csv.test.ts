// CSV out of one job and into the next: what was written is what is read.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isMillraceError } from '../../src/base/errors.ts';
import { collectSink, files, job } from '../../src/index.ts';
import { execute } from '../../src/run.ts';

interface Row {
  id: number;
  text: string | undefined;
  big: bigint | undefined;
  ok: boolean;
}

const TEXTS = [undefined, '', 'plain', 'a,b', 'say "hi"', 'two\nlines', '\r\n', ' ', '😀ł', ';', '"'];
const ROWS: Row[] = Array.from({ length: 200 }, (_, id) => ({
  id: id - 0.5,
  text: TEXTS[id % TEXTS.length],
  big: id % 3 === 0 ? undefined : 2n ** BigInt(id),
  ok: id % 2 === 0,
}));

function optionsIn(context: TestContext) {
  const workingDirectory = mkdtempSync(join(tmpdir(), 'millrace-csv-'));
  context.after(() => rmSync(workingDirectory, { recursive: true, force: true }));
  return { workingDirectory, host: 'in-process', configuration: { 'log.level': 'silent' } } as const;
}

for (const syntax of [{}, { delimiter: ';', quote: "'" }, { header: false }, { delimiter: '\t' }]) {
  test(`a table written as CSV is read back as it was: ${JSON.stringify(syntax)}`, async (context) => {
    const options = optionsIn(context);
    const directory = join(options.workingDirectory, 'out');
    const write = job((env) => {
      const sink = files.csvSink<Row>(directory, {
        ...syntax,
        columns: ['id', 'text', 'big', 'ok'],
        maxPartBytes: 1_000,
      });
      env.fromData(ROWS).sinkTo(sink, { uid: 'out', exactlyOnce: true });
    });
    await execute(write, options);
    const parts = readdirSync(directory).filter((name) => name.startsWith('part-'));
    assert.ok(parts.length > 2);
    for (const part of parts) {
      const [first] = readFileSync(join(directory, part), 'utf8').split('\n');
      const { delimiter = ',', header = true } = syntax as { delimiter?: string; header?: boolean };
      assert.equal(first === ['id', 'text', 'big', 'ok'].join(delimiter), header, part);
    }
    const rows: Row[] = [];
    const read = job((env) => {
      const columns = { id: 'number', text: 'string?', big: 'bigint?', ok: 'boolean' } as const;
      env
        .fromSource(files.csv(directory, { ...syntax, columns }), { uid: 'in', exactlyOnce: true })
        .sinkTo(collectSink<Row>(rows), { uid: 'rows' });
    });
    await execute(read, options);
    assert.deepEqual(
      rows.toSorted((left, right) => left.id - right.id),
      ROWS,
    );
  });
}

test('a value that CSV cannot express is refused, with its column', async (context) => {
  const options = optionsIn(context);
  for (const value of [{}, Number.NaN, Symbol('x'), new Date(Number.NaN)]) {
    const write = job((env) => {
      const sink = files.csvSink<{ value: unknown }>(join(options.workingDirectory, 'out'), {
        columns: ['value'],
      });
      env
        .fromData([1])
        .map(() => ({ value }))
        .sinkTo(sink, { uid: 'out' });
    });
    await assert.rejects(execute(write, options), (error) => {
      const cause = (error as Error).cause;
      return (
        isMillraceError(cause, 'SINK_VALUE_UNWRITABLE') && /"value" is .* CSV cannot/.test(cause.message)
      );
    });
  }
});
