// What users can import changes only on purpose: the list of public names is under review.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { publicApi, publicApiPath } from '../scripts/public-api.ts';
import { root } from './architecture/read.ts';

it('offers exactly the public names that were reviewed', () => {
  const path = join(root, publicApiPath);
  const reviewed = (existsSync(path) ? readFileSync(path, 'utf8') : '').split('\n');
  const offered = publicApi().split('\n');
  const changes = [
    ...reviewed.filter((line) => !offered.includes(line)).map((line) => `- ${line}`),
    ...offered.filter((line) => !reviewed.includes(line)).map((line) => `+ ${line}`),
  ];
  assert.ok(
    changes.length === 0,
    `the public names differ from ${publicApiPath}; if that is meant, run npm run api:accept, commit the file and ` +
      `say it in CHANGELOG.md\n${changes.join('\n')}`,
  );
});
