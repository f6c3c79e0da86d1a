// A process that runs the job of `memory`, is idle for a while, and prints its resident memory in MB:
// `node bench/memory-run.mjs <slots> <counters> <seconds>`.
// Plain JavaScript, as what is built is: a process that strips types itself holds 15 MB for that.
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { executeAsync } from 'millrace';

const [slots, counters, seconds] = process.argv.slice(2).map(Number);
const workingDirectory = join(tmpdir(), `millrace-bench-memory-${process.pid}`);
const client = await executeAsync(new URL('./jobs/memory.ts', import.meta.url), {
  args: ['--slots', String(slots), '--counters', String(counters)],
  configuration: { 'log.level': 'error' },
  workingDirectory,
});
await setTimeout(seconds * 1_000);
console.log((process.memoryUsage().rss / 1e6).toFixed(1));
await client.cancel();
rmSync(workingDirectory, { recursive: true, force: true });
