// Where a record is in its source, asked by the functions that are chained with it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { execute, files, generatorSource, job, type JobDefinition } from '../index.ts';

interface Told {
  readonly value: string | number;
  readonly place: string | undefined;
  readonly behind?: string | undefined;
}

const folder = mkdtempSync(join(tmpdir(), 'millrace-position-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function told(definition: (take: (record: Told) => undefined) => JobDefinition): Promise<Told[]> {
  const records: Told[] = [];
  await execute(
    definition((record) => {
      records.push(record);
      return undefined;
    }),
    { host: 'in-process', configuration: { 'log.level': 'silent' } },
  );
  return records;
}

describe('the position in the source', () => {
  it('is that of each line, and not of the last one that was read', async () => {
    const path = join(folder, 'auth.log');
    const lines = Array.from({ length: 3_000 }, (_, index) => `line ${index + 1}`);
    writeFileSync(path, `${lines.join('\n')}\n`);
    const records = await told((take) =>
      job((env) => {
        env
          .fromSource(files.lines(path), { uid: 'lines' })
          .filter((line) => !line.endsWith('7'))
          .map((line, { runtime }) => ({ value: line, place: runtime.sourcePosition() }))
          .flatMap((record, { runtime }) => [{ ...record, behind: runtime.sourcePosition() }])
          .process({ process: (record) => take(record) });
      }),
    );
    assert.equal(records.length, 2_700);
    for (const { value, place, behind } of records) {
      const expected = `auth.log:${String(value).slice('line '.length)}`;
      assert.deepEqual([place?.endsWith(expected), behind], [true, place], `${value} at ${place}`);
    }
  });

  it('is the number of a generated record within its split', async () => {
    const records = await told((take) =>
      job((env) => {
        env
          .fromSource(
            generatorSource((index) => index, { count: 2_000, splits: 2 }),
            { uid: 'numbers', parallelism: 1 },
          )
          .map((value, { runtime }) => ({ value, place: runtime.sourcePosition() }))
          .process({ process: (record) => take(record) });
      }),
    );
    assert.equal(records.length, 2_000);
    for (const { value, place } of records)
      assert.match(String(place), new RegExp(`^record ${value} of split \\d$`));
  });

  it('is not there behind an exchange, unless the record has it', async () => {
    const records = await told((take) =>
      job((env) => {
        env
          .fromSource(
            generatorSource((index) => index, { count: 20 }),
            { uid: 'numbers', parallelism: 1 },
          )
          .map((value, { runtime }) => ({ value, place: runtime.sourcePosition() }))
          .keyBy('value')
          .process({
            uid: 'told',
            process: (record, { runtime }) => take({ ...record, behind: runtime.sourcePosition() }),
          });
      }),
    );
    assert.equal(records.length, 20);
    for (const { value, place, behind } of records)
      assert.deepEqual([place, behind], [`record ${value}`, undefined]);
  });

  it('is not that of the last record for what comes of all of them at the end', async () => {
    const records = await told((take) =>
      job((env) => {
        env
          .fromSource(
            generatorSource((index) => index, { count: 20 }),
            { uid: 'numbers', parallelism: 1 },
          )
          .fullWindowPartition()
          .mapPartition((values) => values, { uid: 'all', parallelism: 1 })
          .map((value, { runtime }) => ({ value, place: runtime.sourcePosition() }), { parallelism: 1 })
          .process({ uid: 'told', parallelism: 1, process: (record) => take(record) });
      }),
    );
    assert.equal(records.length, 20);
    for (const { value, place } of records) assert.equal(place, undefined, `${value} at ${place}`);
  });
});
