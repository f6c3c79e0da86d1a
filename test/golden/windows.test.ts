// Windows, joins and timers of older versions are continued from: whatever form their state is held in now, what was stored
// then says the same.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Kernel } from '../../src/testing/kernel.ts';
import { committed, SimulatedJob } from '../property/simulated-job.ts';
import { type DiskImage, loadImage } from './disk.ts';
import { goldenWindowJob } from './window-jobs.ts';

const DISKS = new URL('window-disks/', import.meta.url);

async function ended(kernel: Kernel, parallelism: number): Promise<string[]> {
  const running = new SimulatedJob(kernel, {
    definition: goldenWindowJob(parallelism),
    args: [],
    checkpoints: { intervalMs: 10 },
  });
  const { status, error } = await running.end();
  assert.equal(status, 'FINISHED', String(error?.stack));
  return committed(kernel, '/output').sort();
}

describe('a golden disk of windows', () => {
  const names = readdirSync(DISKS).filter((name) => name.endsWith('.json'));

  it('is there', () => {
    assert.ok(names.length > 0);
  });

  for (const name of names) {
    for (const parallelism of [1, 2, 3]) {
      it(`${name} is continued from at parallelism ${parallelism}`, async () => {
        const kernel = new Kernel({ seed: 3, shuffle: true });
        loadImage(kernel, JSON.parse(readFileSync(new URL(name, DISKS), 'utf8')) as DiskImage);
        const before = committed(kernel, '/output').length;
        const lines = await ended(kernel, parallelism);
        const whole = await ended(new Kernel({ seed: 3, shuffle: true }), parallelism);
        assert.ok(before > 100 && before < whole.length - 100, `${before} of ${whole.length} lines were out`);
        for (const kind of ['tumbling', 'late', 'session', 'sliding', 'join', 'timer']) {
          assert.ok(whole.some((line) => line.startsWith(`${kind} `)));
        }
        assert.deepEqual(lines, whole);
      });
    }
  }
});
