// The mini cluster runs modules on worker threads; a script fails there as often as it says.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { MiniCluster } from '../../src/testing/mini-cluster.ts';

const module = new URL('./mini-cluster-job.ts', import.meta.url);

it('restarts on worker threads at each crash of a script, and loses and doubles nothing', async (t) => {
  const directory = folder(t);
  await using cluster = new MiniCluster({ directory });
  const client = await cluster.submit(module, { args: [`--out=${join(directory, 'out')}`] });
  const result = await client.result();
  assert.equal(result.status, 'FINISHED', String(result.error));
  assert.equal(result.figures.restarts, 2);
  const out = join(directory, 'out');
  const lines = readdirSync(out)
    .filter((name) => !/^[._]/.test(name))
    .flatMap((name) => readFileSync(join(out, name), 'utf8').trim().split('\n'));
  assert.deepEqual(lines.sort(), ['a 1', 'a 2', 'b 1', 'c 1']);
});

it('ends what still runs when it is closed', async (t) => {
  const directory = folder(t);
  const cluster = new MiniCluster({ directory, parallelism: 1 });
  const client = await cluster.submit(module, { args: ['--endless', `--out=${join(directory, 'out')}`] });
  await cluster.close();
  assert.equal((await client.result()).status, 'CANCELED');
});

function folder(t: { after(run: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'millrace-mini-cluster-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
