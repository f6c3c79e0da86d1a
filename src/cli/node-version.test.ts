// Which Node is new enough.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { nodeVersionProblem, OLDEST_NODE } from './node-version.ts';

it('an old Node is refused with what to do', () => {
  for (const version of ['20.20.2', '22.21.9', '18.0.0']) {
    assert.match(nodeVersionProblem(version) ?? '', /needs Node 22\.22\.0 or newer; this is /);
  }
  for (const version of ['22.22.0', '22.23.1', '24.0.0', '26.1.0']) {
    assert.equal(nodeVersionProblem(version), undefined);
  }
});

it('the oldest Node is the one that package.json promises', () => {
  const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    engines: { node: string };
  };
  assert.equal(`${engines.node}.0`, `>=${OLDEST_NODE}`);
});
