// A golden file holds what a job gave; whatever is missing, new or different fails.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { matchGoldenFile } from './golden-file.ts';
import { memoryFiles } from './simulated-files.ts';

const file = new URL('file:///golden/out.txt');

function output(...values: unknown[]): { readonly out: { readonly values: unknown[] } } {
  return { out: { values } };
}

it('keeps the outputs of a job, sorted, and finds what differs', async () => {
  const files = memoryFiles();
  await assert.rejects(matchGoldenFile(file, output(1), { files }), { code: 'TEST_KIT_MISUSED' });
  await matchGoldenFile(file, output({ b: 2, a: -0 }, 'x'), { files, update: true });
  const text = new TextDecoder().decode(await files.read('/golden/out.txt'));
  assert.equal(text, "== out\n'x'\n{ a: -0, b: 2 }\n");
  await matchGoldenFile(file, output('x', { a: -0, b: 2 }), { files });
  for (const other of [output('x'), output('x', { a: 0, b: 2 }), output('x', { a: -0, b: 2 }, 'x')]) {
    await assert.rejects(matchGoldenFile(file, other, { files }), { code: 'ERR_ASSERTION' });
  }
  await matchGoldenFile(file, output(1), { files, update: true });
  await matchGoldenFile(file, output(1), { files });
});
