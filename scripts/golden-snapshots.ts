// Writes `test/golden/disks/` and `test/golden/window-disks/`: the disks of stopped jobs, which every later version must be able to continue from.
//
// A disk that is there stays as it is, because it is the proof. A new name is for a new format of stored state:
//
//   node scripts/golden-snapshots.ts <name>                a stopped job with its checkpoints
//   node scripts/golden-snapshots.ts savepoint-<name>      a savepoint, and what the job had put out
//   node scripts/golden-snapshots.ts windows-<name>        a stopped job with windows, joins and timers
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { Kernel } from '../src/testing/kernel.ts';
import { imageOf, SAVEPOINT } from '../test/golden/disk.ts';
import { goldenJob } from '../test/golden/jobs.ts';
import { goldenWindowJob } from '../test/golden/window-jobs.ts';
import { SimulatedJob } from '../test/property/simulated-job.ts';

/** Steps of the kernel after which about half of the records are through. */
const STEPS = 500;
const WINDOW_STEPS = 1_500;

const [name] = process.argv.slice(2);
if (name === undefined || !/^[\w.-]+$/.test(name)) throw new Error('usage: golden-snapshots.ts <name>');
const hasWindows = name.startsWith('windows-');
const folder = join(dirname(fileURLToPath(import.meta.url)), '..', 'test', 'golden');
const path = join(folder, hasWindows ? 'window-disks' : 'disks', `${name}.json`);
if (existsSync(path)) throw new Error(`${path} is there: golden disks are never written again`);

const kernel = new Kernel({ seed: 1, shuffle: true });
const running = new SimulatedJob(kernel, {
  definition: hasWindows ? goldenWindowJob(2) : goldenJob(1, 2),
  args: [],
  checkpoints: { intervalMs: 10 },
});
await running.some(hasWindows ? WINDOW_STEPS : STEPS);
const isSavepoint = name.startsWith('savepoint-');
if (isSavepoint) running.master.stopWithSavepoint({ target: '/savepoints' }).catch(() => {});
else running.master.stop();
const { status, error, savepoint } = await running.end();
if (status !== 'STOPPED') throw new Error(`the job is ${status}, not stopped half-way`, { cause: error });
if (isSavepoint) {
  kernel.disk.rename(savepoint?.path ?? '', SAVEPOINT);
  for (const rest of ['/savepoints', '/checkpoints']) kernel.disk.removeTree(rest);
}
mkdirSync(dirname(path), { recursive: true });
writeFileSync(path, `${JSON.stringify(imageOf(kernel), null, 2)}\n`);
console.log(`${path}: ${Object.keys(imageOf(kernel)).length} paths`);
