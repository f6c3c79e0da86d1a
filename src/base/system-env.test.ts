import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { recordingLog } from './log.ts';
import { systemEnv } from './system-env.ts';

test('puts the clock, chance, disk and log of this machine together', async () => {
  const log = recordingLog();
  const env = systemEnv({ log });
  env.log.info('here');
  assert.equal(log.lines.length, 1);
  assert.notEqual(env.random.id(), systemEnv({ log }).random.id());
  assert.ok(Math.abs(env.clock.now() - Date.now()) < 1_000);
  assert.equal((await env.files.stat(fileURLToPath(import.meta.url)))?.kind, 'file');
});

test('writes to the log that was described when none is given', () => {
  let text = '';
  systemEnv({ logging: { level: 'warn', stream: { write: (line) => (text += line) } } }).log.warn('careful');
  assert.match(text, /"msg":"careful"/);
});
