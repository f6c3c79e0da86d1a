import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from './random.ts';
import { makeDirectoryDurably } from './durable-directory.ts';
import { memoryFiles } from '../testing/simulated-files.ts';

test('a directory that a killed process left half made survives a loss of power once it was made again', async () => {
  for (let seed = 0; seed < 50; seed++) {
    const files = memoryFiles();
    await files.makeDirectory('/a/b/c');
    await makeDirectoryDurably(files, '/a/b/c');
    files.disk.losePower(seededRandom(seed));
    assert.equal((await files.stat('/a/b/c'))?.kind, 'directory', `seed ${seed}`);
  }
});
