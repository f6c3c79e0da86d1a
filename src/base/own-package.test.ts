import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { codeFolder, ownModule, packageFolder } from './own-package.ts';

test('the own files are found from wherever this module lies', () => {
  const { name } = JSON.parse(readFileSync(new URL('package.json', packageFolder), 'utf8')) as {
    name: string;
  };
  assert.equal(name, 'millrace');
  assert.equal(fileURLToPath(codeFolder), fileURLToPath(new URL('..', import.meta.url)));
  assert.ok(existsSync(ownModule('run/worker')));
});
