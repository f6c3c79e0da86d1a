// The secrets of a cluster: made once, whole, for their owner only. And its processes, which end when they want.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ClusterFiles, signalProcess } from './cluster-files.ts';

function withFiles(check: (files: ClusterFiles) => void): void {
  const parent = mkdtempSync(join(tmpdir(), 'millrace-cluster-files-'));
  try {
    check(new ClusterFiles(join(parent, 'state')));
  } finally {
    rmSync(parent, { recursive: true });
  }
}

test('a secret is made once, is the same for all processes, and only its owner can read it', () => {
  withFiles((files) => {
    const secret = files.secret();
    assert.match(secret, /^[0-9a-f]{64}$/);
    assert.equal(new ClusterFiles(files.directory).secret(), secret);
    assert.notEqual(files.token(), secret);
    assert.deepEqual(readdirSync(files.directory).sort(), ['secret', 'token']);
    for (const [path, mode] of [
      [files.directory, 0o700],
      [join(files.directory, 'secret'), 0o600],
      [join(files.directory, 'token'), 0o600],
    ] as const)
      assert.equal(statSync(path).mode & 0o777, mode);
  });
});

test('a file that was never filled is no secret: nobody is let in by an empty one', () => {
  withFiles((files) => {
    for (const [name, read] of [
      ['secret', () => files.secret()],
      ['token', () => files.token()],
    ] as const) {
      for (const text of ['', '\n', 'abc']) {
        writeFileSync(join(files.directory, name), text);
        assert.throws(read, { code: 'CONFIG_INVALID', message: new RegExp(`${name} holds no secret`) });
      }
    }
  });
});

test('a process that has ended before its signal came keeps nobody from ending the others', () => {
  const { pid } = spawnSync(process.execPath, ['--eval', '']);
  assert.throws(() => process.kill(pid, 'SIGTERM'), { code: 'ESRCH' });
  signalProcess(pid, 'SIGTERM');
});
