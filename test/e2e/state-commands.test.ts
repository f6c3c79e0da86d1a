// `millrace state` and `millrace savepoint dispose` as real processes, on a savepoint that a run was stopped with.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe, it, type TestContext } from 'node:test';
import { root } from '../architecture/read.ts';
import { committedFiles } from './committed.ts';
import { eventually, loginsJob, millrace, startMillrace, temporaryFolder } from './processes.ts';

async function stopped(test: TestContext): Promise<{ cwd: string; savepoint: string }> {
  const cwd = temporaryFolder(test);
  const running = startMillrace(
    [
      ...['run', loginsJob, '-Dexecution.checkpointing.interval=200ms', '--savepoint-on-stop', 'saved'],
      ...['--', '--rate', '1000', '--output', 'alerts'],
    ],
    { cwd },
  );
  await eventually(() => committedFiles(join(cwd, 'alerts')).length > 0, 'output is committed');
  process.kill(running.pid, 'SIGTERM');
  const ended = await running.ended;
  assert.equal(ended.code, 130, ended.output);
  return { cwd, savepoint: join('saved', readdirSync(join(cwd, 'saved'))[0]!) };
}

describe('the commands for savepoints', () => {
  it('read one, compare, convert and dispose of it', async (test) => {
    const { cwd, savepoint } = await stopped(test);
    const read = await millrace(['state', 'read', savepoint], { cwd });
    assert.equal(read.code, 0, read.output);
    assert.match(read.output, /^savepoint of job "abnormal-logins"/);
    const json = await millrace(['state', 'read', savepoint, '--json'], { cwd });
    const { operators } = JSON.parse(json.output) as {
      operators: { uid: string; keyed: boolean; states: { name: string; entries: number }[] }[];
    };
    const keyed = operators.find(({ states }) => states.length > 0);
    assert.ok(keyed !== undefined);
    const [first] = keyed.states;
    const entries = await millrace(
      ['state', 'read', savepoint, '--uid', keyed.uid, '--state', first!.name, '--json'],
      { cwd },
    );
    const lines = entries.output.trim().split('\n');
    assert.equal(lines.length, first!.entries);
    const { key } = JSON.parse(lines[0]!) as { key: string };
    const one = await millrace(
      ['state', 'read', savepoint, '--uid', keyed.uid, '--state', first!.name, '--key', key],
      { cwd },
    );
    assert.equal(one.output.trim().split('\n').length, 1);

    const same = await millrace(
      ['state', 'convert', savepoint, 'other', '--rename', `${keyed.uid}=another`, '--json'],
      { cwd },
    );
    assert.equal(same.code, 0, same.output);
    const { path } = JSON.parse(same.output) as { path: string };
    const differs = await millrace(['state', 'diff', savepoint, path], { cwd });
    assert.equal(differs.code, 1);
    assert.equal(differs.output, `${keyed.uid}: only in the first one\nanother: only in the second one\n`);
    const equal = await millrace(['state', 'diff', savepoint, savepoint], { cwd });
    assert.deepEqual([equal.code, equal.output], [0, 'no difference\n']);

    const disposed = await millrace(['savepoint', 'dispose', savepoint], { cwd });
    assert.deepEqual([disposed.code, disposed.output], [0, `Savepoint '${savepoint}' disposed.\n`]);
    assert.equal(existsSync(join(cwd, savepoint)), false);
    const again = await millrace(['savepoint', 'dispose', savepoint], { cwd });
    assert.equal(again.code, 1);
    assert.match(again.output, /CHECKPOINT_NOT_FOUND/);
  });

  it('say what becomes of it in a new version of the job, as a start from it would', async (test) => {
    const { cwd, savepoint } = await stopped(test);
    const upgrade = (job: string, ...words: readonly string[]) =>
      millrace(['upgrade', job, '-s', savepoint, '--dry-run', ...words], { cwd });
    const same = await upgrade(loginsJob, '--json', '-p', '3', '--', '--output', 'alerts');
    assert.equal(same.code, 0, same.output);
    const { wouldStart, operators } = JSON.parse(same.output) as {
      wouldStart: boolean;
      operators: { uid: string; change: string; contents?: { states: object[] } }[];
    };
    assert.equal(wouldStart, true);
    assert.ok(operators.every(({ change }) => change === 'kept'));
    const keyed = operators.find(({ contents }) => (contents?.states.length ?? 0) > 0)!;

    mkdirSync(join(cwd, 'node_modules'));
    symlinkSync(root, join(cwd, 'node_modules', 'millrace'));
    writeFileSync(join(cwd, 'package.json'), '{ "type": "module" }');
    const text = readFileSync(loginsJob, 'utf8')
      .replaceAll(`'${keyed.uid}'`, `'${keyed.uid}-new'`)
      .replace('./sshd.ts', join(root, 'examples', 'sshd.ts'));
    writeFileSync(join(cwd, 'new.ts'), text);
    const renamed = await upgrade('new.ts', '--', '--output', 'alerts');
    assert.equal(renamed.code, 1, renamed.output);
    assert.match(renamed.output, new RegExp(`gone +${keyed.uid} .*would be left behind`));
    assert.match(renamed.output, new RegExp(`new +${keyed.uid}-new .*begins empty`));
    assert.match(renamed.output, /STATE_UNMATCHED/);
    assert.match(renamed.output, /The job would not start from it: one reason\./);
    const run = await millrace(['run', 'new.ts', '-s', savepoint, '--', '--output', 'alerts'], { cwd });
    assert.match(run.output, /STATE_UNMATCHED/);

    const allowed = await upgrade('new.ts', '-n', '--', '--output', 'alerts');
    assert.equal(allowed.code, 0, allowed.output);
    assert.match(allowed.output, /is left behind/);
    const without = await millrace(['upgrade', 'new.ts', '-s', savepoint], { cwd });
    assert.equal(without.code, 2);
  });

  it('tell what was meant', async (test) => {
    const cwd = temporaryFolder(test);
    assert.match((await millrace(['state', 'raed', 'x'], { cwd })).output, /Did you mean read\?/);
    const missing = await millrace(['state', 'read', 'nowhere'], { cwd });
    assert.equal(missing.code, 1);
    assert.match(missing.output, /CHECKPOINT_NOT_FOUND/);
  });
});
