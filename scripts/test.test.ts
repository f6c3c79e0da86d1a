// The test runner, run on small folders of tests: what it counts, what fails it, and its last line.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const head = `import { describe, it } from 'node:test';\n`;

describe('npm test', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-test-'));
    for (const name of ['setup.mjs', 'test.ts', 'test-report.ts', 'test-reporter.ts']) {
      mkdirSync(join(folder, 'scripts'), { recursive: true });
      copyFileSync(join(dirname(fileURLToPath(import.meta.url)), name), join(folder, 'scripts', name));
    }
    put('package.json', '{ "type": "module" }');
    put('src/one.test.ts', `${head}describe('one', () => { it('passes', () => {}); });`);
    put('test/skips.md', '# Skipped tests\n');
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('counts tests, not suites, and ends with one line', () => {
    put('test/rescale/two.test.ts', `${head}it('passes too', () => {});`);
    const { code, lines } = run();
    assert.equal(code, 0);
    assert.equal(lines.at(-1), '2 passed, 0 failed');
    assert.equal(lines.filter((line) => / passed, \d+ failed$/.test(line)).length, 1);
  });

  it('shows a failure with its place, its error and what the file printed', () => {
    put(
      'test/rescale/two.test.ts',
      `${head}it('adds', () => { console.log('clue'); throw new Error('wrong sum'); });`,
    );
    const { code, text, lines } = run();
    assert.equal(code, 1);
    assert.match(text, /FAILED 1: test\/rescale\/two\.test\.ts:2 > adds\n {4}Error: wrong sum/);
    assert.match(text, /output of test\/rescale\/two\.test\.ts:\n {4}clue/);
    assert.equal(lines.at(-1), '1 passed, 1 failed');
  });

  it('runs a file that failed once more when it is asked to, and tells what did not fail again', () => {
    const onceFailing = `import { existsSync, writeFileSync } from 'node:fs';
      it('settles', () => {
        if (existsSync('tried')) return;
        writeFileSync('tried', '');
        throw new Error('too early');
      });
      it('adds', () => {});`;
    put('test/rescale/two.test.ts', head + onceFailing);
    put('test/rescale/three.test.ts', `${head}it('fails', () => { throw new Error('wrong sum'); });`);
    const { code, text, lines } = run('--again', '--digest', 'digest');
    assert.equal(code, 1);
    assert.match(text, /NOT REPEATED [^\n]*two\.test\.ts:3 > settles\n {4}Error: too early/);
    assert.equal(lines.at(-1), '3 passed, 1 failed');
    const digest = readFileSync(join(folder, 'digest'), 'utf8');
    assert.match(digest, /^NOT REPEATED: .* > settles$/m);
    assert.match(digest, /^FAILED: .*three\.test\.ts:2 > fails\n {4}Error: wrong sum$/m);
  });

  it('takes nothing for passed that the second run has not seen pass', () => {
    const atFirst = (then: string): string =>
      `import { existsSync, writeFileSync } from 'node:fs';
      const isSecond = existsSync(import.meta.filename + '.tried');
      writeFileSync(import.meta.filename + '.tried', '');
      it('settles', (test) => { if (!isSecond) throw new Error('too early'); ${then} });`;
    // A test that is skipped then; one that ends its file, so that nobody hears of it; a search that is not made again.
    put('test/rescale/skips.test.ts', head + atFirst(`test.skip('busy');`));
    put('test/rescale/stops.test.ts', head + atFirst('process.exit(0);'));
    put(
      'test/property/p.test.ts',
      `${head}${atFirst('')} if (!isSecond) console.log('cases: sums 9 (minimum 10)');`,
    );
    // One that takes the whole second run with it, when something else has failed again already.
    put('test/rescale/dies.test.ts', `${head}it('fails', () => { throw new Error('wrong sum'); });`);
    const all = run('--again');
    assert.doesNotMatch(all.text, /NOT REPEATED/);
    assert.match(all.text, /FAILED \d+: test\/property\/p\.test\.ts > sums\n {4}too few cases/);
    assert.equal(all.lines.at(-1), '1 passed, 5 failed');
    put('test/rescale/ends.test.ts', head + atFirst(`process.kill(process.ppid, 'SIGKILL');`));
    const killed = run('--again', 'rescale/dies', 'rescale/ends');
    assert.match(killed.text, /ended with signal SIGKILL/);
    assert.doesNotMatch(killed.text, /NOT REPEATED/);
    assert.equal(killed.lines.at(-1), '0 passed, 2 failed');
  });

  it('counts a file by its second run when it died in the first', () => {
    const dies = `import { existsSync, writeFileSync } from 'node:fs';
      it('first', () => { if (!existsSync('tried')) { writeFileSync('tried', ''); process.exit(3); } });
      it('second', () => {});`;
    put('test/rescale/two.test.ts', head + dies);
    const { code, text, lines } = run('--again', 'two.test');
    assert.match(text, /NOT REPEATED/);
    assert.equal(lines.at(-1), '2 passed, 0 failed');
    assert.equal(code, 0);
  });

  it('fails for a skip that is not listed, and for a listed one that is not skipped', () => {
    put('src/two.test.ts', `${head}it('waits', { skip: 'later' }, () => {});`);
    assert.match(run().text, /src\/two\.test\.ts > waits\n {4}skipped, but not in test\/skips\.md/);
    put('test/skips.md', '- `src/two.test.ts > waits`: later\n');
    assert.equal(run().lines.at(-1), '1 passed, 0 failed');
    put('src/two.test.ts', `${head}it('waits', () => {});`);
    assert.match(run().text, /not skipped any more/);
    assert.equal(run('one').code, 0);
  });

  it('fails for too few cases, and for a search that does not count them', () => {
    put('test/property/p.test.ts', `${head}it('p', () => console.log('cases: sums 9 (minimum 10)'));`);
    put('test/property/q.test.ts', `${head}it('q', () => {});`);
    const { text, lines } = run();
    assert.match(text, /too few cases \(cases: sums 9 \(minimum 10\)\)/);
    assert.match(text, /q\.test\.ts\n {4}printed no line `cases:/);
    assert.equal(lines.at(-1), '3 passed, 2 failed');
    put('test/property/p.test.ts', `${head}it('p', () => console.log('cases: sums 1,000 (minimum 10)'));`);
    assert.equal(run('p.test').code, 0);
  });

  it('fails when the process of the unit tests dies', () => {
    put('src/two.test.ts', `${head}it('leaves', () => process.exit(0));`);
    const { code, text } = run();
    assert.equal(code, 1);
    assert.match(text, /the test process ended with exit code 0; the last test that it named/);
  });

  it('fails when something is thrown after its test', () => {
    put('src/two.test.ts', `${head}it('p', () => void setTimeout(() => { throw new Error('late'); }));`);
    const { code, text } = run();
    assert.equal(code, 1);
    assert.match(text, /late/);
  });

  it('fails when no file matches', () => {
    assert.match(run('nowhere').text, /no path contains nowhere/);
    assert.equal(run('nowhere').lines.at(-1), '0 passed, 1 failed');
  });

  function put(path: string, text: string): void {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }

  function run(...args: string[]): { code: number | null; text: string; lines: string[] } {
    // A test process that is told that it runs inside another one would report to it.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const result = spawnSync(process.execPath, ['scripts/test.ts', ...args], {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
    const text = `${result.stdout}${result.stderr}`;
    return { code: result.status, text, lines: result.stdout.trimEnd().split('\n') };
  }
});
