// Each workload of the benchmark comes to the checksum of its limit, over few records: what is measured is the same work.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { execute } from 'millrace';
import { sinkTotals } from '../../bench/jobs/checksum-sink.ts';
import { workloads } from '../../bench/workloads.ts';

/** Even, for jobs of two slots, and enough for several windows, and twice the requests in flight. */
const RECORDS = 24_000;

/** They have no limit, but something else beside them: bench/measures.ts. */
const MEASURED_OTHERWISE = new Set(['checkpoint-overhead', 'latency', 'memory']);

describe('the workload', () => {
  for (const { name } of workloads.filter((each) => !MEASURED_OTHERWISE.has(each.name))) {
    it(`${name} comes to the checksum of its limit`, async (context) => {
      const folder = mkdtempSync(join(tmpdir(), 'millrace-benchmarks-'));
      context.after(() => rmSync(folder, { recursive: true, force: true }));
      const report = join(folder, 'report');
      mkdirSync(report);
      const { run } = (await import(`../../bench/limits/${name}.ts`)) as {
        run: (count: number) => number | Promise<number>;
      };
      const result = await execute(new URL(`../../bench/jobs/${name}.ts`, import.meta.url), {
        args: ['--count', String(RECORDS), '--report', report],
        configuration: { 'log.level': 'silent' },
        workingDirectory: folder,
      });
      assert.equal(result.status, 'FINISHED');
      const { records, checksum } = sinkTotals(report);
      assert.ok(records > 0);
      assert.equal(checksum, await run(RECORDS));
    });
  }
});
