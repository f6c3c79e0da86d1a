// Slot sharing groups in threads: operators of one group share them, those of another never.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { executeAsync } from '../../src/run.ts';
import { explain } from '../../src/graph/explain.ts';
import { received } from './slot-groups.ts';

test('operators of a slot sharing group run in threads of their own', async (context) => {
  const workingDirectory = mkdtempSync(join(tmpdir(), 'millrace-groups-'));
  context.after(() => rmSync(workingDirectory, { recursive: true, force: true }));
  const client = await executeAsync(new URL('./slot-groups.ts', import.meta.url), {
    workingDirectory,
    configuration: { 'log.level': 'silent' },
  });
  assert.match(explain(client.graph), /, 5 slots\nSlots: 2 of group "default", 3 of group "own"\n/);
  assert.equal((await client.result()).status, 'FINISHED');
  assert.deepEqual(
    received.map(({ n }) => n).toSorted((left, right) => left - right),
    Array.from({ length: 100 }, (_, index) => index + 1),
  );
  const at = (...steps: number[]): Set<number> =>
    new Set(received.flatMap(({ threads }) => steps.map((step) => threads[step]!)));
  const shared = at(0, 3);
  const own = at(1, 2);
  assert.equal(shared.size, 2);
  assert.equal(own.size, 3);
  assert.ok([...shared].every((thread) => !own.has(thread)));
});
