// Loaded before a program (`--import`): writes the CPU time of all threads of its process, and of its main thread, in ms, to
// the file CPU_REPORT names.
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { isMainThread } from 'node:worker_threads';

const file = process.env['CPU_REPORT'];
if (isMainThread && file !== undefined) {
  const ms = ({ user, system }: { readonly user: number; readonly system: number }): number =>
    (user + system) / 1_000;
  process.on('exit', () =>
    writeFileSync(file, JSON.stringify({ all: ms(process.cpuUsage()), main: ms(process.threadCpuUsage()) })),
  );
}
