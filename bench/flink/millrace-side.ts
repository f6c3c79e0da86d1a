// The Millrace side: runs a job in this process, as `npm run bench` does.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { execute } from 'millrace';
import { sinkTotals } from '../jobs/checksum-sink.ts';
import { CHECKPOINT_INTERVAL } from '../workloads.ts';
import type { SideRun } from './flink-side.ts';
import { linesChecksum } from './lines-checksum.ts';
import type { FlinkWorkload } from './workloads.ts';

/** What a run reads, how wide it is and where it may write. */
export interface RunPlace {
  /** Records to make, or the folder of the log. */
  readonly input: number | string;
  readonly parallelism: number;
  /** An empty folder. */
  readonly folder: string;
}

/** Runs a job; its time includes the start, which the caller takes off by the time of a short run. */
export async function runMillrace({ job }: FlinkWorkload, place: RunPlace): Promise<SideRun> {
  const { input, parallelism, folder } = place;
  const output = join(folder, 'output');
  mkdirSync(output, { recursive: true });
  const args =
    typeof input === 'string'
      ? ['--input', input, '--output', output, '--key', 'user']
      : ['--count', String(input), '--report', output, '--parallelism', String(parallelism)];
  const { figures } = await execute(job, {
    args,
    parallelism,
    configuration: { 'execution.checkpointing.interval': CHECKPOINT_INTERVAL, 'log.level': 'error' },
    workingDirectory: folder,
  });
  const totals = typeof input === 'string' ? linesChecksum(output) : sinkTotals(output);
  rmSync(folder, { recursive: true });
  return { elapsedMs: figures.elapsedMs, checkpoints: figures.checkpoints.completed, ...totals };
}
