// The secrets of a cluster: made once, whole, for their owner only. And its processes, which end when they want.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ClusterFiles, isRunning, type ProcessRecord, signalProcess } from './cluster-files.ts';

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

test('another TaskManager that has the process id of one that ended is not taken for it', (context) => {
  if (process.platform !== 'linux') return context.skip('only Linux tells when a process began');
  const child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1_000)', 'taskmanager']);
  const begin = {
    role: 'taskmanager',
    id: 'tm',
    processId: child.pid!,
    address: undefined,
    startedAt: 0,
  } as const;
  try {
    withFiles((files) => {
      files.record(begin);
      const [record] = files.records() as [ProcessRecord];
      assert.ok(isRunning(record));
      assert.ok(isRunning(begin), 'of a record that does not say when, the program tells');
      assert.ok(!isRunning({ ...record, role: 'jobmanager' }), 'another program');
      const [boot, ticks] = record.beganAt!.split(' ') as [string, string];
      assert.ok(!isRunning({ ...record, beganAt: `${boot} ${Number(ticks) - 1}` }), 'it began before');
      assert.ok(!isRunning({ ...record, beganAt: `another ${ticks}` }), 'before the machine was booted');
    });
  } finally {
    child.kill('SIGKILL');
  }
});
