import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { nodeFiles } from '../base/files.ts';
import { staticFiles } from './static-files.ts';

test('serves the files of its folder and nothing else', async (context) => {
  const root = mkdtempSync(join(tmpdir(), 'millrace-static-'));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  const folder = join(root, 'page');
  mkdirSync(join(folder, 'assets'), { recursive: true });
  writeFileSync(join(root, 'secret'), 'secret');
  writeFileSync(join(folder, 'index.html'), '<p>page</p>');
  writeFileSync(join(folder, 'assets', 'index-4fA9b_2c.js'), '1');
  symlinkSync(join(root, 'absent'), join(folder, 'dangling'));
  const files = staticFiles(nodeFiles(), folder);
  const page = await files('/');
  assert.ok(page?.kind === 'bytes');
  assert.deepEqual(
    [page.status, page.type, Buffer.from(page.bytes).toString(), page.headers?.['Cache-Control']],
    [200, 'text/html; charset=utf-8', '<p>page</p>', 'no-cache'],
  );
  const script = await files('/assets/index-4fA9b_2c.js');
  assert.ok(script?.kind === 'bytes' && script.type.startsWith('text/javascript'));
  assert.match(script.headers?.['Cache-Control'] ?? '', /immutable/);
  const payloads = [
    ...['/../secret', '/..%2fsecret', '/assets/../../secret', '/%2e%2e/secret', '//secret', '/.', '/..'],
    ...[
      '/dangling',
      '/assets',
      '/assets/',
      '/index.html/',
      '/index.html%00',
      '\\..\\secret',
      '/./index.html',
    ],
  ];
  for (const path of payloads) assert.equal(await files(path), undefined, path);
});

test('says how to build the page while it is missing, and serves it once it is there', async (context) => {
  const root = mkdtempSync(join(tmpdir(), 'millrace-static-'));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  const folder = join(root, 'page');
  const files = staticFiles(nodeFiles(), folder);
  const missing = await files('/');
  assert.ok(missing?.kind === 'bytes' && missing.status === 503);
  assert.match(String(missing.bytes), /npm run build/);
  assert.equal(await files('/anything'), undefined);
  mkdirSync(folder);
  writeFileSync(join(folder, 'index.html'), 'built');
  const built = await files('/');
  assert.ok(built?.kind === 'bytes' && built.status === 200);
});
