// The parts of the comparison with Apache Flink that need no Java: arguments, the log, checksums, jars, results.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after, describe, it } from 'node:test';
import { logins } from '../../examples/sshd.ts';
import { differences, parsePins } from './jars.ts';
import { linesChecksum } from './lines-checksum.ts';
import { writeLog } from './log-generator.ts';
import { flinkOptions } from './options.ts';
import { assertSameResults, resultOf } from './results.ts';
import { MissingToolError, runTool } from './tools.ts';
import { flinkWorkloads, recordsFor } from './workloads.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-flink-bench-'));
after(() => rmSync(folder, { recursive: true }));

function folderOf(name: string, files: Readonly<Record<string, string>>): string {
  const path = join(folder, name);
  mkdirSync(path);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

describe('the arguments of bench:flink', () => {
  it('are all workloads, five rounds and two slots by default', () => {
    const { workloads, rounds, parallelism, json } = flinkOptions([]);
    assert.deepEqual([workloads, rounds, parallelism, json], [flinkWorkloads, 5, 2, undefined]);
  });

  it('choose one workload, the rounds and the file', () => {
    const words = ['--only', 'window-count', '--json', 'a.json', '--rounds', '3', '--parallelism', '1'];
    const { workloads, rounds, parallelism, json } = flinkOptions(words);
    assert.deepEqual(
      workloads.map(({ name }) => name),
      ['window-count'],
    );
    assert.deepEqual([rounds, parallelism, json], [3, 1, 'a.json']);
  });

  it('are refused when they say nothing that can be done', () => {
    assert.throws(
      () => flinkOptions(['--only', 'nothing']),
      /no workload "nothing"; there are: abnormal-logins/,
    );
    assert.throws(() => flinkOptions(['--rounds', '0']), /whole number from 1 on/);
    assert.throws(() => flinkOptions(['--parallelism', '3']), /two task slots/);
    assert.throws(() => flinkOptions(['--unknown']), /unknown/);
  });

  it('name workloads that have a twin in Java', () => {
    const java = readFileSync(new URL('./java/FlinkSide.java', import.meta.url), 'utf8');
    const twins = new Set([...java.matchAll(/^ +"([\w-]+)", \w+::describe/gm)].map(([, name]) => name));
    assert.deepEqual(twins, new Set(flinkWorkloads.map(({ name }) => name)));
  });
});

describe('the generated log', () => {
  const read = (path: string): string[] =>
    readdirSync(path)
      .toSorted()
      .map((name) => readFileSync(join(path, name), 'utf8'));

  it('has the lines that were asked for, the same each time', () => {
    for (const name of ['log-a', 'log-b']) writeLog(join(folder, name), { lines: 5_001, files: 2 });
    const [first, second] = ['log-a', 'log-b'].map((name) => read(join(folder, name)));
    assert.deepEqual(first, second);
    assert.deepEqual(
      first!.map((text) => text.split('\n').length - 1),
      [2_501, 2_500],
    );
  });

  it('has failed, accepted and repeated logins, in the order of time, and each user in one file', () => {
    writeLog(join(folder, 'log'), { lines: 20_000, files: 2 });
    const users: Set<string>[] = [];
    let [failed, accepted] = [0, 0];
    for (const text of read(join(folder, 'log'))) {
      const found = text.split('\n').flatMap((line) => [...logins(line)]);
      users.push(new Set(found.map(({ user }) => user)));
      failed += found.filter((login) => login.failed).length;
      accepted += found.filter((login) => !login.failed).length;
      assert.deepEqual(
        found.map(({ at }) => at),
        found.map(({ at }) => at).toSorted((a, b) => a - b),
      );
      assert.match(text, /message repeated 2 times/);
    }
    assert.ok(failed > 2_000 && accepted > 1_000, `${failed} failed, ${accepted} accepted of 20,000 lines`);
    assert.ok(![...users[0]!].some((user) => users[1]!.has(user)));
  });
});

describe('the checksum of lines', () => {
  it('is that of the lines, whatever their order and their files', () => {
    const one = linesChecksum(folderOf('one', { 'part-0': 'a\nbc\nd\n' }));
    const two = linesChecksum(folderOf('two', { 'part-0': 'd\n', 'part-1': 'bc\na\n', 'part-2': '' }));
    assert.deepEqual(one, two);
    assert.equal(one.records, 3);
  });

  it('is the sum of FNV-1a hashes', () => {
    // The published 32-bit hash of "a" and of "foobar".
    const { checksum } = linesChecksum(folderOf('fnv', { part: 'a\nfoobar\n' }));
    assert.equal(checksum, 0xe40c292c + 0xbf9cf968);
  });

  it('tells a line that is changed, missing or there twice', () => {
    const right = linesChecksum(folderOf('right', { part: 'a\nb\n' }));
    for (const [name, text] of Object.entries({ changed: 'a\nc\n', missing: 'a\n', twice: 'a\nb\nb\n' })) {
      assert.notDeepEqual(linesChecksum(folderOf(name, { part: text })), right, name);
    }
  });

  it('leaves out files that are not finished, and refuses half a line', () => {
    const text = { part: 'a\n', '.part-1.inprogress': 'b\n', _tmp: 'c\n' };
    assert.equal(linesChecksum(folderOf('unfinished', text)).records, 1);
    const half = folderOf('half', { part: 'a\nb' });
    assert.throws(() => linesChecksum(half), /in the middle of a line/);
  });
});

describe('the jars', () => {
  const sumOfA = 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb';

  it('are pinned, all of them', () => {
    const pins = parsePins(readFileSync(new URL('./jars.sha256', import.meta.url), 'utf8'));
    assert.ok([...pins.keys()].some((name) => name.startsWith('flink-runtime-2.')));
    assert.throws(() => parsePins('abc  a.jar'), /not a line of sha256sum/);
  });

  it('are those of the pins, or it is said what differs', () => {
    const jars = folderOf('jars', { 'a.jar': 'a', 'b.jar': 'b', 'extra.jar': '' });
    const pins = parsePins(['a', 'b', 'c'].map((name) => `${sumOfA}  ${name}.jar\n`).join(''));
    assert.deepEqual(differences(jars, pins), [
      'c.jar is missing',
      'extra.jar is not pinned',
      'b.jar has another checksum',
    ]);
    assert.deepEqual(differences(folderOf('pinned', { 'a.jar': 'a' }), parsePins(`${sumOfA}  a.jar\n`)), []);
    assert.equal(differences(join(folder, 'nowhere'), pins).length, 3);
  });
});

describe('what both sides come to', () => {
  const run = { elapsedMs: 1, checkpoints: 5, records: 10, checksum: 99 };

  it('must be equal', () => {
    assertSameResults('w', run, { ...run, elapsedMs: 7, checkpoints: 4 });
    assert.throws(
      () => assertSameResults('w', run, { ...run, checksum: 98 }),
      /w: Millrace .* 99, Flink .* 98/,
    );
    assert.throws(() => assertSameResults('w', run, { ...run, records: 11 }), /Flink 11 records/);
  });

  it('is the ratio of the medians', () => {
    const rates = [5e6, 1e6, 3e6];
    const result = resultOf({ name: 'w', records: 4e6, parallelism: 2, rates, flinkRates: [2e6, 1e6, 9e6] });
    assert.deepEqual([result.recordsPerSecond, result.flinkRecordsPerSecond, result.ratio], [3e6, 2e6, 1.5]);
    assert.equal(
      result.notes,
      '4.00 M records a run, parallelism 2; Millrace 1.00 to 5.00 M/s, Flink 1.00 to 9.00 M/s',
    );
  });

  it('is measured over runs that are long enough, with as many records in each slot', () => {
    const workload = { ...flinkWorkloads[0]!, records: 1_000_000, runMs: 5_000 };
    assert.equal(recordsFor(workload, 1_000), 7_500_000);
    assert.equal(recordsFor(workload, 1_001), 7_500_000);
    assert.equal(recordsFor(workload, 60_000), 1_000_000);
  });
});

describe('a tool that is not there', () => {
  it('is told from one that fails', () => {
    assert.throws(() => runTool('millrace-no-such-tool', []), MissingToolError);
    assert.throws(() => runTool(process.execPath, ['-e', 'process.exit(3)']), /exit code 3/);
  });
});
