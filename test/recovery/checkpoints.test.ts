// What lies in the folder of a job, and what a start makes of it: torn, damaged, foreign, older, full, not writable.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe, it, type TestContext } from 'node:test';
import { assertComplete, assertPrefix, committedFiles } from '../e2e/committed.ts';
import { knownAnswer } from '../e2e/known-answer.ts';
import {
  cleanUp,
  type Ended,
  eventually,
  loginsJob,
  millrace,
  startMillrace,
  temporaryFolder,
} from '../e2e/processes.ts';

const answer = knownAnswer();

interface Place {
  readonly cwd: string;
  readonly output: string;
}

function words(place: Place, options: readonly string[], rate = 0): string[] {
  const fast = ['-Dexecution.checkpointing.interval=100ms', '-Drestart-strategy.type=none'];
  return ['run', loginsJob, ...fast, ...options, '--', '--rate', `${rate}`, '--output', place.output];
}

function run(place: Place, options: readonly string[], rate = 0): Promise<Ended> {
  return millrace(words(place, options, rate), { cwd: place.cwd });
}

function place(test: TestContext): Place {
  const cwd = temporaryFolder(test);
  return { cwd, output: join(cwd, 'alerts') };
}

/** The folder of the only job. */
function jobFolder({ cwd }: Place): string {
  const checkpoints = join(cwd, '.millrace', 'abnormal-logins', 'checkpoints');
  const [id, ...others] = readdirSync(checkpoints);
  assert.ok(id !== undefined && others.length === 0, 'there is one job');
  return join(checkpoints, id);
}

function completeIds(folder: string): number[] {
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, '_metadata')))
    .map((name) => Number(name.replace('chk-', '')))
    .sort((left, right) => left - right);
}

/** A job that was killed in the middle, with at least three checkpoints and committed output. */
async function interrupted(test: TestContext, options: readonly string[] = []): Promise<Place> {
  const here = place(test);
  const running = startMillrace(words(here, options, 1_500), { cwd: here.cwd });
  try {
    await eventually(() => committedFiles(here.output).length > 0, 'output is committed');
    await eventually(() => completeIds(jobFolder(here)).length >= 3, 'there are three checkpoints');
  } catch (error) {
    throw new Error(running.output(), { cause: error });
  } finally {
    process.kill(running.pid, 'SIGKILL');
    await running.ended;
  }
  return here;
}

function assertFailed(ended: Ended, ...patterns: readonly RegExp[]): void {
  assert.notEqual(ended.code, 0, ended.output);
  assert.notEqual(ended.code, null, ended.output);
  for (const pattern of patterns) assert.match(ended.output, pattern);
}

describe('-s', () => {
  it('latest without a checkpoint starts from the beginning and says so', async (test) => {
    const here = place(test);
    const ended = await run(here, ['-s', 'latest']);
    assert.equal(ended.code, 0, ended.output);
    assert.match(ended.output, /no checkpoint.*beginning/i);
    assertComplete(here.output, answer);
  });

  it('is asked for when there is a checkpoint of the same job', async (test) => {
    const here = await interrupted(test);
    const before = committedFiles(here.output);
    assertFailed(await run(here, []), /CHECKPOINT_EXISTS/, /-s latest/, /--fresh/);
    assert.deepEqual(committedFiles(here.output), before);
    assert.equal((await run(here, ['-s', 'latest'])).code, 0);
    assertComplete(here.output, answer);
  });

  it('with a path continues from that checkpoint; older ones than the committed output need a word', async (test) => {
    const here = await interrupted(test);
    const ids = completeIds(jobFolder(here));
    const [oldest = 0] = ids;
    const path = join(jobFolder(here), `chk-${oldest}`);
    const committed = assertPrefix(here.output, answer);
    const refused = await run(here, ['-s', path]);
    const laterOutput = committedFiles(here.output).filter((file) => {
      const id = /part-\d+-(\d+)-/.exec(file)?.[1];
      return Number(id) > oldest;
    });
    if (laterOutput.length > 0) {
      assertFailed(refused, /SINK_LATER_OUTPUT/, /--discard-later-output/);
      assert.equal(assertPrefix(here.output, answer), committed, 'a refused start changes nothing');
      const ended = await run(here, ['-s', path, '--discard-later-output']);
      assert.equal(ended.code, 0, ended.output);
      assert.match(ended.output, new RegExp(`checkpoint ${oldest}\\b`));
    } else {
      assert.equal(refused.code, 0, refused.output);
    }
    assertComplete(here.output, answer);
  });

  it('with a path that leads nowhere is an error', async (test) => {
    assertFailed(await run(place(test), ['-s', 'nowhere/chk-3']), /CHECKPOINT_NOT_FOUND/, /nowhere/);
  });

  it('refuses the checkpoint of another job', async (test) => {
    const here = await interrupted(test);
    const [id] = completeIds(jobFolder(here));
    const path = join(jobFolder(here), `chk-${id}`);
    const other = { cwd: here.cwd, output: join(here.cwd, 'other') };
    assertFailed(await run(other, ['-s', path, '-Dpipeline.name=another job']), /CHECKPOINT_OTHER_JOB/);
  });

  it('continues at another parallelism', async (test) => {
    const here = await interrupted(test, ['-p', '3']);
    const ended = await run(here, ['-s', 'latest', '-p', '2']);
    assert.equal(ended.code, 0, ended.output);
    assertComplete(here.output, answer);
  });
});

describe('--fresh', () => {
  it('begins again beside what is there', async (test) => {
    const here = await interrupted(test);
    const highest = completeIds(jobFolder(here)).at(-1) ?? 0;
    const before = committedFiles(here.output).length;
    const ended = await run(here, ['--fresh']);
    assert.equal(ended.code, 0, ended.output);
    const aside = readdirSync(here.output).find((name) => name.startsWith('_discarded'));
    assert.equal(
      readdirSync(join(here.output, aside ?? '')).length,
      before,
      'earlier output was moved aside',
    );
    assertComplete(here.output, answer);
    const ids = committedFiles(here.output).map((file) => /part-\d+-(\d+)-/.exec(file)?.[1] ?? '0');
    assert.ok(
      ids.every((id) => Number(id) > highest),
      'ids go on above those that were used',
    );
  });

  it('begins a finished job again', async (test) => {
    const here = place(test);
    assert.equal((await run(here, [])).code, 0);
    assertFailed(await run(here, []), /SINK_LATER_OUTPUT/, /--fresh|--discard-later-output/);
    assert.equal((await run(here, ['--fresh'])).code, 0);
    assertComplete(here.output, answer);
  });
});

describe('a damaged folder', () => {
  it('with a torn checkpoint is continued, and its number is not used again', async (test) => {
    const here = await interrupted(test);
    const folder = jobFolder(here);
    const torn = (completeIds(folder).at(-1) ?? 0) + 7;
    mkdirSync(join(folder, `chk-${torn}`));
    writeFileSync(join(folder, `chk-${torn}`, 'half.state'), 'half');
    const ended = await run(here, ['-s', 'latest']);
    assert.equal(ended.code, 0, ended.output);
    assertComplete(here.output, answer);
    assert.ok(
      completeIds(folder).every((id) => id > torn),
      `ids go on above ${torn}: ${completeIds(folder).join(', ')}`,
    );
  });

  it('with broken metadata names the file and the older checkpoint, which then works', async (test) => {
    const here = await interrupted(test);
    const folder = jobFolder(here);
    const ids = completeIds(folder);
    const path = join(folder, `chk-${ids.at(-1)}`, '_metadata');
    flipByte(path);
    const before = assertPrefix(here.output, answer);
    const ended = await run(here, ['-s', 'latest']);
    assertFailed(ended, /CHECKPOINT_CORRUPT/, /_metadata/, new RegExp(`chk-${ids.at(-2)}\\b`));
    assert.equal(assertPrefix(here.output, answer), before);
    const older = await run(here, ['-s', join(folder, `chk-${ids.at(-2)}`), '--discard-later-output']);
    assert.equal(older.code, 0, older.output);
    assertComplete(here.output, answer);
  });

  for (const kind of ['changed', 'missing'] as const) {
    it(`with a ${kind} state file names it`, async (test) => {
      const here = await interrupted(test, ['-Dexecution.checkpointing.data-inline-threshold=0']);
      const folder = jobFolder(here);
      const latest = join(folder, `chk-${completeIds(folder).at(-1)}`);
      const name = readdirSync(latest).find((each) => each !== '_metadata');
      assert.ok(name !== undefined, 'state lies in a file of its own');
      if (kind === 'changed') flipByte(join(latest, name));
      else rmSync(join(latest, name));
      const ended = await run(here, ['-s', 'latest']);
      assertFailed(
        ended,
        /CHECKPOINT_(?:CORRUPT|NOT_FOUND)/,
        new RegExp(name.replaceAll('.', '\\.')),
        /chk-\d+/,
      );
    });
  }

  it('with a copy of its checkpoint elsewhere is continued from the copy', async (test) => {
    const here = await interrupted(test);
    const folder = jobFolder(here);
    const id = completeIds(folder).at(-1);
    const copy = join(here.cwd, 'copy', `chk-${id}`);
    mkdirSync(copy, { recursive: true });
    for (const name of readdirSync(join(folder, `chk-${id}`))) {
      copyFileSync(join(folder, `chk-${id}`, name), join(copy, name));
    }
    renameSync(folder, join(here.cwd, 'away'));
    const ended = await run(here, ['-s', copy]);
    assert.equal(ended.code, 0, ended.output);
    assertComplete(here.output, answer);
  });
});

describe('a checkpoint folder that cannot be used', () => {
  it('because a file stands in its place is an error before anything runs', async (test) => {
    const here = place(test);
    writeFileSync(join(here.cwd, 'occupied'), '');
    const ended = await run(here, [`-Dexecution.checkpointing.dir=${join(here.cwd, 'occupied')}`]);
    assertFailed(ended, /CHECKPOINT_STORAGE_FAILED/, /occupied/);
    assert.equal(committedFiles(here.output).length, 0);
  });

  it('because it is read-only is an error that names it', async (test) => {
    const here = place(test);
    const folder = join(here.cwd, 'read-only');
    if (!mounted(test, folder, 'ro')) return;
    const ended = await run(here, [`-Dexecution.checkpointing.dir=${folder}`]);
    assertFailed(ended, /CHECKPOINT_STORAGE_FAILED/, /read-only/);
    assert.equal(committedFiles(here.output).length, 0);
  });

  it('because the disk is full fails the job; with space again it continues to the right answer', async (test) => {
    const here = place(test);
    const folder = join(here.cwd, 'small');
    if (!mounted(test, folder, 'size=256k')) return;
    writeFileSync(join(folder, 'ballast'), Buffer.alloc(200 * 1024));
    const directory = `-Dexecution.checkpointing.dir=${folder}`;
    const running = startMillrace(words(here, [directory], 1_000), { cwd: here.cwd });
    await eventually(() => committedFiles(here.output).length > 0, 'output is committed');
    fill(join(folder, 'more ballast'));
    const ended = await running.ended;
    assertFailed(ended, /CHECKPOINT_(?:STORAGE_)?FAILED/, /no.space|full/i);
    assertPrefix(here.output, answer);
    rmSync(join(folder, 'more ballast'));
    rmSync(join(folder, 'ballast'));
    const again = await run(here, [directory, '-s', 'latest']);
    assert.equal(again.code, 0, again.output);
    assertComplete(here.output, answer);
  });

  it('because the disk of the output is full fails the job; with space again it continues', async (test) => {
    const here = place(test);
    if (!mounted(test, here.output, 'size=128k')) return;
    // The sink refuses a folder with files of somebody else, so that the ballast hides behind a dot.
    fill(join(here.output, '.ballast'));
    assertFailed(await run(here, []), /SINK_WRITE_FAILED/, /full/);
    assert.equal(committedFiles(here.output).length, 0);
    rmSync(join(here.output, '.ballast'));
    const again = await run(here, ['-s', 'latest']);
    assert.equal(again.code, 0, again.output);
    assertComplete(here.output, answer);
  });
});

// Root ignores modes, and only root may mount: whoever may not mount runs these as an ordinary user elsewhere.
function mounted(test: TestContext, folder: string, options: string): boolean {
  mkdirSync(folder);
  const result = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { encoding: 'utf8' });
  if (result.status !== 0) {
    test.diagnostic(`not checked, because this user may not mount a small disk: ${result.stderr.trim()}`);
    return false;
  }
  cleanUp(test, () => void spawnSync('umount', ['-l', folder]));
  return true;
}

function fill(path: string): void {
  for (let size = 64 * 1024; size >= 1; size = Math.floor(size / 2)) {
    for (;;) {
      try {
        writeFileSync(path, Buffer.alloc(size), { flag: 'a' });
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
        break;
      }
    }
  }
}

function flipByte(path: string): void {
  const bytes = readFileSync(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  writeFileSync(path, bytes);
}
