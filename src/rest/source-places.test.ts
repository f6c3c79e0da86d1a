import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Files } from '../base/env.ts';
import { FilesError } from '../base/env.ts';
import { codeFolder } from '../base/own-package.ts';
import { sourcePlaces } from './source-places.ts';

const part = new URL('parts/chunk-A.js', codeFolder).href;
const other = new URL('parts/chunk-B.js', codeFolder).href;

/** The third line of the part is the second of `task.ts`: one segment, at the first column. */
const map = {
  version: 3,
  sources: ['../../src/task/task.ts'],
  names: [],
  mappings: ';;AACA',
};

function filesOf(texts: Readonly<Record<string, string>>): { files: Files; read: string[] } {
  const read: string[] = [];
  const files = {
    read: async (path: string) => {
      const name = path.split('/').at(-1)!;
      read.push(name);
      const text = texts[name];
      if (text === undefined) throw new FilesError('absent', 'read', path);
      return new TextEncoder().encode(text);
    },
  };
  return { files: files as unknown as Files, read };
}

test('a place in a built file is one in its source, by the map beside it', async () => {
  const { files, read } = filesOf({ 'chunk-A.js.map': JSON.stringify(map), 'chunk-B.js.map': '{ broken' });
  const placeOf = await sourcePlaces(files, [part, part, other, 'node:fs', 'file:///app/job.js', '']);
  assert.deepEqual(placeOf(part, 2, 0), { file: '../../src/task/task.ts', line: 1 });
  assert.equal(placeOf(other, 2, 0), undefined, 'nothing is known of a map that cannot be read');
  assert.equal(placeOf('file:///app/job.js', 2, 0), undefined, 'files of the user are not looked at');
  assert.deepEqual(read, ['chunk-A.js.map', 'chunk-B.js.map'], 'each map once, and those of the engine only');
});

test('without a map there is no place', async () => {
  const placeOf = await sourcePlaces(filesOf({}).files, [part]);
  assert.equal(placeOf(part, 0, 0), undefined);
});
