// State of older versions stays readable: each golden disk is continued from, by the program that wrote it and by a later
// one whose types have changed, at other parallelisms, and refused before anything starts by one that cannot read it.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { isMillraceError } from '../../src/base/errors.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import { committed, SimulatedJob } from '../property/simulated-job.ts';
import { type DiskImage, imageOf, loadImage, SAVEPOINT } from './disk.ts';
import { expectedLines, goldenJob, type Opened, RECORDS } from './jobs.ts';

const DISKS = new URL('disks/', import.meta.url);

function imageAt(name: string): DiskImage {
  return JSON.parse(readFileSync(new URL(name, DISKS), 'utf8')) as DiskImage;
}

function start(kernel: Kernel, version: 1 | 2 | 3, parallelism: number, opened?: Opened): SimulatedJob {
  const definition = goldenJob(version, parallelism, opened);
  const isSavepoint = kernel.disk.stat(SAVEPOINT) !== undefined;
  return new SimulatedJob(kernel, {
    definition,
    args: [],
    checkpoints: { intervalMs: 10 },
    ...(isSavepoint ? { choice: { kind: 'path', path: SAVEPOINT } } : {}),
  });
}

const names = readdirSync(DISKS).filter((name) => name.endsWith('.json'));

describe('a golden disk', () => {
  it('is there', () => {
    for (const isSavepoint of [false, true])
      assert.ok(names.some((name) => name.startsWith('savepoint-') === isSavepoint));
  });

  for (const name of names) {
    for (const version of [1, 2] as const) {
      for (const parallelism of [1, 2, 3]) {
        it(`${name} is continued from by version ${version} at parallelism ${parallelism}`, async () => {
          const kernel = new Kernel({ seed: 3, shuffle: true });
          const image = imageAt(name);
          loadImage(kernel, image);
          assert.deepEqual(imageOf(kernel), image);
          const before = committed(kernel, '/output').length;
          assert.ok(before > 0 && before < RECORDS, `${before} of ${RECORDS} records were through`);
          const result = await start(kernel, version, parallelism).end();
          assert.equal(result.status, 'FINISHED', String(result.error?.stack));
          assert.ok(result.restoredFrom !== undefined);
          assert.deepEqual(committed(kernel, '/output').sort(), expectedLines());
        });
      }
    }

    it(`${name} is refused with every difference, before any function is opened`, async () => {
      const kernel = new Kernel({ seed: 3, shuffle: true });
      loadImage(kernel, imageAt(name));
      const outputs = committed(kernel, '/output');
      const opened = { count: 0 };
      const { status, error } = await start(kernel, 3, 2, opened).end();
      assert.equal(status, 'FAILED');
      assert.ok(isMillraceError(error?.cause, 'STATE_SCHEMA_CHANGED'), String(error?.stack));
      assert.match(
        error.message,
        /state "total" does not fit what was stored:\n {2}count was int32 and is string\n {2}place\.z is new, is not optional and has no default \(int32\) \(operator totals\)/,
      );
      assert.equal(opened.count, 0);
      assert.deepEqual(committed(kernel, '/output'), outputs);
      // What it refused is still there for a version that can read it.
      assert.equal((await start(kernel, 2, 2).end()).status, 'FINISHED');
    });
  }
});
