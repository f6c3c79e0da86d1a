// The connectors of the project pass the conformance suites, and connectors that are wrong on purpose do not.

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { Files } from '../../src/base/env.ts';
import { asyncIterableSource } from '../../src/connectors/async-iterable.ts';
import { atLeastOnceSink, idempotentSink } from '../../src/connectors/at-least-once.ts';
import { callbackSink } from '../../src/connectors/callback.ts';
import { collectionSource } from '../../src/connectors/collection.ts';
import { generatorSource } from '../../src/connectors/data-generator.ts';
import { files } from '../../src/connectors/files/files.ts';
import { printSink } from '../../src/connectors/print.ts';
import { sequenceSource } from '../../src/connectors/sequence.ts';
import { twoPhaseCommitSink } from '../../src/connectors/two-phase-commit.ts';
import type { Sink } from '../../src/operators/sink.ts';
import type { Source } from '../../src/operators/source.ts';
import {
  type ConformanceCase,
  sinkConformance,
  type SinkSubject,
  sourceConformance,
  type SourceSubject,
} from '../../src/testing/conformance.ts';
import { scriptedSource } from '../../src/testing/scripted-source.ts';

interface Row {
  readonly id: string;
  readonly size: string;
}

const NUMBERS = Array.from({ length: 12 }, (_, index) => index);
const WORDS = NUMBERS.map((n) => `word ${n}`);
const ROWS: readonly Row[] = NUMBERS.map((n) => ({ id: `row ${n}`, size: String(n) }));

const sources: Readonly<Record<string, SourceSubject<unknown>>> = {
  collection: { source: () => collectionSource(NUMBERS, { splits: 3 }), expected: NUMBERS },
  sequence: { source: () => sequenceSource(0, 11), expected: NUMBERS },
  generator: {
    // Its records depend on the number of its splits, which is that of the subtasks.
    source: () => ({ ...generatorSource((index) => index, { count: 12 }), parallelismMax: 1 }),
    expected: NUMBERS,
  },
  'async iterable': {
    source: () =>
      asyncIterableSource<number, number>({
        bounded: true,
        open: async function* (position = -1) {
          for (let n = position + 1; n < 12; n++) yield await Promise.resolve({ value: n, position: n });
        },
      }),
    expected: NUMBERS,
  },
  script: { source: () => scriptedSource(NUMBERS), expected: NUMBERS },
  'lines of files': { source: () => files.lines('/in'), expected: WORDS, prepare: twoFiles(WORDS) },
  'JSON lines': {
    source: () => files.jsonLines('/in'),
    expected: ROWS,
    prepare: twoFiles(ROWS.map((row) => JSON.stringify(row))),
  },
  'a watched directory': {
    source: () => files.lines('/in', { watch: '20 ms' }),
    expected: WORDS,
    prepare: twoFiles(WORDS),
    watchFor: '100 ms',
  },
  CSV: {
    source: () => files.csv('/in'),
    expected: ROWS,
    prepare: twoFiles(
      ROWS.map(({ id, size }) => `${id},${size}`),
      'id,size',
    ),
  },
};

for (const [name, subject] of Object.entries(sources))
  describe(`the source ${name}`, () => register(sourceConformance(subject)));

describe('the sink of lines', () =>
  register(sinkConformance(() => ({ sink: files.linesSink('/out'), visible: linesIn('/out') }), WORDS)));

describe('the sink of JSON lines', () => {
  const visible = async (of: Files): Promise<unknown[]> =>
    (await linesIn('/out')(of)).map((line) => JSON.parse(line) as unknown);
  register(sinkConformance(() => ({ sink: files.jsonLinesSink('/out'), visible }), ROWS));
});

describe('the sink of CSV', () => {
  const visible = async (of: Files): Promise<Row[]> =>
    (await linesIn('/out')(of))
      .map((line) => line.split(','))
      .filter(([id]) => id !== 'id')
      .map(([id = '', size = '']) => ({ id, size }));
  register(
    sinkConformance(() => ({ sink: files.csvSink<Row>('/out', { columns: ['id', 'size'] }), visible }), ROWS),
  );
});

describe('a two-phase commit sink', () =>
  register(
    sinkConformance(() => {
      const tables = new Map<string, readonly string[]>();
      const visible = new Set<string>();
      const sink = twoPhaseCommitSink<string, string[], string>({
        begin: () => Promise.resolve([]),
        write: (rows, values) => Promise.resolve(void rows.push(...values)),
        prepare: (rows) => {
          const name = `table ${tables.size}`;
          tables.set(name, rows);
          return Promise.resolve(name);
        },
        commit: (name) => Promise.resolve(void visible.add(name)),
      });
      return { sink, visible: () => Promise.resolve([...visible].flatMap((name) => tables.get(name)!)) };
    }, WORDS),
  ));

describe('an at-least-once sink', () => register(sinkConformance(() => written(atLeastOnce), WORDS)));

describe('an idempotent sink', () =>
  register(
    sinkConformance(() => {
      const table = new Map<string, string>();
      const sink = idempotentSink<string, string>({
        key: (word) => word,
        write: (entries) => {
          for (const { key, value } of entries) table.set(key, value);
          return Promise.resolve();
        },
      });
      return { sink, visible: () => Promise.resolve([...table.values()]) };
    }, WORDS),
  ));

describe('a callback sink', () =>
  register(
    sinkConformance(() => {
      const words: string[] = [];
      const sink = callbackSink<string>((word) => void words.push(word));
      return { sink, visible: () => Promise.resolve([...words]), isInProcess: true };
    }, WORDS),
  ));

describe('a printing sink', () =>
  register(
    sinkConformance(() => {
      let text = '';
      const sink = printSink<string>({
        write: (lines) => {
          text += lines;
        },
      });
      const words = (): string[] =>
        text
          .split('\n')
          .slice(0, -1)
          .map((line) => line.replace(/^\d> /, ''));
      return { sink, visible: () => Promise.resolve(words()) };
    }, WORDS),
  ));

describe('the suites', () => {
  it('find a source that is restored at its beginning', async () => {
    const forgetful = (): ReturnType<typeof collectionSource<number>> => {
      const source = collectionSource(NUMBERS);
      return {
        ...source,
        createReader: (context) => {
          const reader = source.createReader(context);
          return {
            addSplit: (split) => reader.addSplit({ ...split, next: 0 }),
            poll: (max, output) => reader.poll(max, output),
            snapshot: () => reader.snapshot(),
          };
        },
      };
    };
    const failed = await failures(sourceConformance({ source: forgetful, expected: NUMBERS }));
    assert.deepEqual(failed, [
      'goes on behind the latest checkpoint after a crash at any moment',
      'gives its splits to more or fewer subtasks after a crash',
    ]);
  });

  it('find a sink that writes at once and says that it is exact', async () => {
    const exact = (rows: string[]): Sink<string> => ({ ...atLeastOnce(rows), guarantee: 'exactly-once' });
    const failed = await failures(sinkConformance(() => written(exact), WORDS));
    assert.deepEqual(failed, [
      'writes each record once when it crashes at any moment',
      'commits what other subtasks have prepared when their number changes',
    ]);
  });

  it('find a sink into the process that shows a record again when its task has failed', async () => {
    const words: string[] = [];
    const eager = (): SinkSubject<string> => {
      words.length = 0;
      const exact = callbackSink<string>((word) => void words.push(word));
      const sink: Sink<string> = {
        ...exact,
        createWriter: (context) => printSink<string>().createWriter(context),
      };
      return { sink, visible: () => Promise.resolve([...words]), isInProcess: true };
    };
    assert.deepEqual(await failures(sinkConformance(eager, WORDS)), [
      'writes each record once when its task fails at any moment',
    ]);
  });

  it('find a source without end that reads something again', async () => {
    const again = (): Source<number> => ({
      ...collectionSource([...NUMBERS, 3]),
      bounded: false,
    });
    const failed = await failures(
      sourceConformance({ source: again, expected: NUMBERS, watchFor: '100 ms' }),
    );
    assert.equal(failed.length, 5);
  });

  it('find a sink that loses its last batch', async () => {
    const lossy = (rows: string[]): Sink<string> => ({
      name: 'lossy',
      guarantee: 'at-least-once',
      createWriter: () => {
        const batch: string[] = [];
        return {
          write: (word) => {
            if (batch.push(word) === 2) rows.push(...batch.splice(0));
          },
          prepareCommit: () => Promise.resolve([]),
        };
      },
    });
    assert.ok((await failures(sinkConformance(() => written(lossy), WORDS))).length > 0);
  });
});

let passed = 0;

function register(cases: readonly ConformanceCase[]): void {
  for (const { name, run } of cases) {
    it(name, async () => {
      await run();
      passed++;
    });
  }
}

after(() => console.log(`cases: connectors in the conformance suites ${passed} (minimum 85)`));

async function failures(cases: readonly ConformanceCase[]): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, run } of cases) await run().catch(() => failed.push(name));
  return failed;
}

function written(create: (rows: string[]) => Sink<string>): SinkSubject<string> {
  const rows: string[] = [];
  return { sink: create(rows), visible: () => Promise.resolve([...rows]) };
}

function atLeastOnce(rows: string[]): Sink<string> {
  return atLeastOnceSink<string>({ write: (words) => Promise.resolve(void rows.push(...words)) });
}

/** Half of the lines in each. */
function twoFiles(lines: readonly string[], header?: string): (of: Files) => Promise<void> {
  return async (of) => {
    await of.makeDirectory('/in');
    for (const [name, own] of [
      ['a', lines.slice(0, 6)],
      ['b', lines.slice(6)],
    ] as const) {
      const file = await of.open(`/in/${name}.txt`, 'create');
      const text = [...(header === undefined ? [] : [header]), ...own, ''].join('\n');
      await file.write(new TextEncoder().encode(text));
      await file.close();
    }
  };
}

function linesIn(directory: string): (of: Files) => Promise<string[]> {
  return async (of) => {
    if ((await of.stat(directory)) === undefined) return [];
    const lines: string[] = [];
    for (const name of await of.list(directory)) {
      if (/^[._]/.test(name)) continue;
      const text = new TextDecoder().decode(await of.read(`${directory}/${name}`));
      lines.push(...text.split('\n').slice(0, -1));
    }
    return lines;
  };
}
