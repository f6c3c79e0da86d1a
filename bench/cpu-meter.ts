// Loaded before a program (`--import`): writes the CPU time of all threads of its process to the file CPU_REPORT names.
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { isMainThread } from 'node:worker_threads';

const file = process.env['CPU_REPORT'];
if (isMainThread && file !== undefined) {
  process.on('exit', () => writeFileSync(file, JSON.stringify(process.cpuUsage())));
}
