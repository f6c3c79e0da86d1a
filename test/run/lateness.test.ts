// How late records came, in the figures of a whole run.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { job, watermarks } from '../../src/index.ts';
import { execute } from '../../src/run.ts';

// Every third record is 1,300 ms behind the one before it.
const TIMES = Array.from({ length: 300 }, (_, index) => index * 100 - (index % 3 === 2 ? 1_400 : 0));
const strategy = watermarks.boundedOutOfOrderness<number>('5 s').withTimestamps((time) => time);

for (const place of ['source', 'operator'] as const) {
  test(`the figures say what bound is needed, where the ${place} tells the time`, async (context) => {
    const workingDirectory = mkdtempSync(join(tmpdir(), 'millrace-lateness-'));
    context.after(() => rmSync(workingDirectory, { recursive: true, force: true }));
    const definition = job((env) => {
      const times = env.fromData(TIMES, place === 'source' ? { watermarks: strategy } : {});
      (place === 'source' ? times : times.assignTimestampsAndWatermarks(strategy))
        .filter(() => false)
        .print();
    });
    const { figures } = await execute(definition, {
      host: 'in-process',
      workingDirectory,
      configuration: { 'log.level': 'silent' },
    });
    const found = figures.vertices.flatMap(({ operators }) =>
      operators.flatMap(({ lateness }) => (lateness === undefined ? [] : [lateness])),
    );
    assert.equal(found.length, 1);
    assert.equal(found[0]!.records, 300);
    assert.equal(found[0]!.behindMsMax, 1_300);
    const late = new Map(found[0]!.bounds.map(({ boundMs, late: count }) => [boundMs, count]));
    assert.equal(late.get(0), 100);
    assert.equal(late.get(1_000), 100);
    assert.equal(late.get(2_000), 0);
  });
}
