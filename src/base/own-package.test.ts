import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { codeFolder, ownModule, ownVersion, packageFolder } from './own-package.ts';

test('the own files are found from wherever this module lies', () => {
  const text = readFileSync(new URL('package.json', packageFolder), 'utf8');
  const { name, version } = JSON.parse(text) as { name: string; version: string };
  assert.deepEqual([name, ownVersion()], ['millrace', version]);
  assert.equal(fileURLToPath(codeFolder), fileURLToPath(new URL('..', import.meta.url)));
  assert.ok(existsSync(ownModule('run/worker')));
});
