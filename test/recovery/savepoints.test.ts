// Savepoints of real processes: a signal makes one, it is moved, and a run with other threads goes on from it.
import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe, it } from 'node:test';
import { assertComplete, assertPrefix, committedFiles } from '../e2e/committed.ts';
import { knownAnswer } from '../e2e/known-answer.ts';
import {
  type Ended,
  eventually,
  loginsJob,
  millrace,
  startMillrace,
  temporaryFolder,
} from '../e2e/processes.ts';

const answer = knownAnswer();
const SAVED = 'saved';

function words(rate: number, ...options: readonly string[]): string[] {
  const fast = '-Dexecution.checkpointing.interval=200ms';
  return ['run', loginsJob, fast, ...options, '--', '--rate', `${rate}`, '--output', 'alerts'];
}

/** Runs the job until it has committed something, and stops it with a savepoint. Gives the savepoint. */
async function stopWithSavepoint(cwd: string): Promise<{ ended: Ended; savepoint: string }> {
  const running = startMillrace(words(1_000, '--savepoint-on-stop', SAVED), { cwd });
  await eventually(() => committedFiles(join(cwd, 'alerts')).length > 0, 'output is committed');
  process.kill(running.pid, 'SIGINT');
  const ended = await running.ended;
  assert.equal(ended.code, 130, ended.output);
  const [name, ...others] = readdirSync(join(cwd, SAVED));
  assert.ok(name !== undefined && others.length === 0);
  return { ended, savepoint: join(SAVED, name) };
}

describe('a savepoint of a real run', () => {
  it('continues at another parallelism from where it was moved, and is never touched', async (test) => {
    const cwd = temporaryFolder(test);
    const { ended, savepoint } = await stopWithSavepoint(cwd);
    assert.match(ended.output, new RegExp(`savepoint +${savepoint}`));
    const committed = assertPrefix(join(cwd, 'alerts'), answer);
    assert.ok(committed > 0 && committed < answer.length);
    renameSync(join(cwd, savepoint), join(cwd, 'moved'));
    // Nothing else of the run is needed.
    rmSync(join(cwd, '.millrace'), { recursive: true });
    const before = readdirSync(join(cwd, 'moved'));
    const again = await millrace(words(0, '-p', '3', '-s', 'moved'), { cwd });
    assert.equal(again.code, 0, again.output);
    assert.match(again.output, /continued from checkpoint \d+ \(moved\)/);
    assertComplete(join(cwd, 'alerts'), answer);
    assert.deepEqual(readdirSync(join(cwd, 'moved')), before);
  });

  it('that is claimed is removed when the job does not need it any more', async (test) => {
    const cwd = temporaryFolder(test);
    const { savepoint } = await stopWithSavepoint(cwd);
    const again = await millrace(words(0, '-s', savepoint, '--claim'), { cwd });
    assert.equal(again.code, 0, again.output);
    assertComplete(join(cwd, 'alerts'), answer);
    assert.equal(existsSync(join(cwd, savepoint)), false);
  });

  it('also continues with -s latest, as a stop without one does', async (test) => {
    const cwd = temporaryFolder(test);
    await stopWithSavepoint(cwd);
    const again = await millrace(words(0, '-s', 'latest'), { cwd });
    assert.equal(again.code, 0, again.output);
    assertComplete(join(cwd, 'alerts'), answer);
  });

  it('is refused when it is torn, damaged or foreign, and nothing is written', async (test) => {
    const cwd = temporaryFolder(test);
    const { savepoint } = await stopWithSavepoint(cwd);
    const metadata = (copy: string): string => join(cwd, copy, '_metadata');
    const copies: readonly (readonly [string, RegExp, () => void])[] = [
      ['torn', /CHECKPOINT_NOT_FOUND.*has no _metadata/, () => rmSync(metadata('torn'))],
      [
        'changed',
        /CHECKPOINT_CORRUPT.*its checksum is wrong/,
        () => {
          const bytes = readFileSync(metadata('changed'));
          bytes[100]! ^= 1;
          writeFileSync(metadata('changed'), bytes);
        },
      ],
      ['foreign', /CHECKPOINT_CORRUPT.*cut or edited/, () => writeFileSync(metadata('foreign'), '{}')],
    ];
    const alerts = committedFiles(join(cwd, 'alerts'));
    for (const [copy, message, harm] of copies) {
      cpSync(join(cwd, savepoint), join(cwd, copy), { recursive: true });
      harm();
      const refused = await millrace(words(0, '-s', copy), { cwd });
      assert.equal(refused.code, 1, refused.output);
      assert.match(refused.output.replaceAll(/\s+/g, ' '), message);
      assert.deepEqual(committedFiles(join(cwd, 'alerts')), alerts);
    }
  });

  it('in a folder that cannot be made stops with a last checkpoint all the same', async (test) => {
    const cwd = temporaryFolder(test);
    writeFileSync(join(cwd, 'file'), '');
    const running = startMillrace(words(1_000, '--savepoint-on-stop', 'file/saved'), { cwd });
    await eventually(() => committedFiles(join(cwd, 'alerts')).length > 0, 'output is committed');
    process.kill(running.pid, 'SIGTERM');
    const ended = await running.ended;
    assert.equal(ended.code, 130, ended.output);
    assert.match(ended.output, /SAVEPOINT_FAILED/);
    assert.match(ended.output, /STOPPED with a last checkpoint/);
    const again = await millrace(words(0, '-s', 'latest'), { cwd });
    assert.equal(again.code, 0, again.output);
    assertComplete(join(cwd, 'alerts'), answer);
  });
});
