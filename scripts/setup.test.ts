// The set-up of a fresh checkout, with an npm that only records how it was called.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

// Writes a line to `calls`, then waits while the file `hold` exists, fills node_modules and ends with the code in `exit`.
const recordingNpm = `#!/usr/bin/env node
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
rmSync('node_modules', { recursive: true, force: true });
appendFileSync('calls', process.argv.slice(2, 4).join(' ') + '\\n');
while (existsSync('hold')) await new Promise((resolve) => setTimeout(resolve, 10));
if (existsSync('exit')) process.exit(Number(readFileSync('exit', 'utf8')));
for (const name of ['node', 'a']) mkdirSync('node_modules/' + name + '/bin', { recursive: true });
writeFileSync('node_modules/node/package.json', '{}');
writeFileSync('node_modules/a/package.json', '{}');
writeFileSync('node_modules/node/bin/node', '');
`;

describe('setup', () => {
  let folder: string;
  const running: ChildProcess[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-setup-'));
    mkdirSync(join(folder, 'scripts'));
    mkdirSync(join(folder, 'npm'));
    copyFileSync(
      join(dirname(fileURLToPath(import.meta.url)), 'setup.mjs'),
      join(folder, 'scripts/setup.mjs'),
    );
    put('package.json', '{ "dependencies": { "a": "1.0.0" }, "devDependencies": { "node": "1.0.0" } }');
    put('package-lock.json', 'first');
    put('npm/package.json', '{ "type": "module" }');
    put('npm/npm', recordingNpm);
    chmodSync(join(folder, 'npm/npm'), 0o755);
  });

  afterEach(() => {
    for (const child of running.splice(0)) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  it('installs what is missing, says why in one line, and then has nothing to do', async () => {
    const first = await setup();
    assert.deepEqual(first, {
      code: 0,
      said: 'setup: installing dependencies (npm ci), because node_modules is missing\n',
    });
    assert.deepEqual(await setup(), { code: 0, said: '' });
    assert.deepEqual(calls(), ['ci --include=dev']);
  });

  it('installs again when the lock file changed', async () => {
    await setup();
    put('package-lock.json', 'second');
    assert.match((await setup()).said, /because package-lock\.json changed/);
    assert.equal(calls().length, 2);
  });

  it('repairs an install that lost a package or did not finish', async () => {
    await setup();
    rmSync(join(folder, 'node_modules/node/bin/node'));
    assert.match((await setup()).said, /because node_modules\/node\/bin\/node is missing/);
    rmSync(join(folder, 'node_modules/.millrace-setup'));
    assert.match((await setup()).said, /no stamp of a finished install/);
    assert.equal(calls().length, 3);
  });

  it('passes the exit code of npm on, and tries again the next time', async () => {
    put('exit', '7');
    const failed = await setup();
    assert.equal(failed.code, 7);
    assert.match(failed.said, /npm ci failed with exit code 7/);
    rmSync(join(folder, 'exit'));
    assert.equal((await setup()).code, 0);
  });

  it('refuses options that it does not know', async () => {
    assert.deepEqual(await setup('--biuld'), {
      code: 2,
      said: 'setup: unknown option --biuld; known are --build and --force\n',
    });
  });

  it('installs once when two start together', async () => {
    put('hold', '');
    const both = [setup(), setup()];
    await until(() => calls().length === 1 && existsSync(join(folder, '.setup-lock/owners')));
    rmSync(join(folder, 'hold'));
    const ends = await Promise.all(both);
    assert.deepEqual(
      ends.map(({ code }) => code),
      [0, 0],
    );
    assert.equal(calls().length, 1);
  });

  it('waits for the npm of a setup that was killed', async () => {
    put('hold', '');
    void setup();
    await until(() => existsSync(join(folder, '.setup-lock/owners')) && owners().length === 2);
    await until(() => calls().length === 1);
    running[0]?.kill('SIGKILL');
    const second = setup();
    await until(() => running[1] !== undefined && existsSync(join(folder, '.waiting')));
    assert.equal(calls().length, 1);
    rmSync(join(folder, 'hold'));
    assert.equal((await second).code, 0);
    assert.equal(calls().length, 2);
    assert.ok(!existsSync(join(folder, '.setup-lock')));
  });

  // Notes in `.waiting` that the process said it waits.
  function setup(...args: string[]): Promise<{ code: number | null; said: string }> {
    const child = spawn(process.execPath, ['scripts/setup.mjs', ...args], {
      cwd: folder,
      env: {
        ...process.env,
        PATH: [join(folder, 'npm'), dirname(process.execPath), process.env['PATH']].join(delimiter),
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    running.push(child);
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (text.includes('waiting')) put('.waiting', '');
    });
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, said })));
  }

  function put(path: string, text: string): void {
    writeFileSync(join(folder, path), text);
  }

  function calls(): string[] {
    const path = join(folder, 'calls');
    return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : [];
  }

  function owners(): string[] {
    return readFileSync(join(folder, '.setup-lock/owners'), 'utf8').split(' ');
  }
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'what the test waits for did not happen within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
