// Loaded into each process of a chaos cluster before everything else (`node --import`): it dies at the step that was armed,
// and its wall clock jumps. Plain JavaScript, so that no process has to be able to strip types.
//
// The folder in MILLRACE_CHAOS_FOLDER is all that it hears of. `armed-<step>`: whoever takes this file away dies with
// SIGKILL, having armed the step that the file names, if it does, and left the file as `struck-<which of the two>`.
// `clock`: whose wall clock is wrong by how many ms. And where MILLRACE_CHAOS_ALIVE_MS says how often, each thread collects all
// its garbage, and writes what is alive in it into `alive-<process>-<thread>`.

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { threadId } from 'node:worker_threads';

const folder = process.env['MILLRACE_CHAOS_FOLDER'];
const aliveEveryMs = Number(process.env['MILLRACE_CHAOS_ALIVE_MS'] ?? 0);
/** The clock is looked up as often, ms. */
const CLOCK_READ_MS = 100;

if (folder !== undefined) {
  globalThis[Symbol.for('millrace.failpoint')] = (point) => {
    const armed = join(folder, `armed-${point}`);
    if (!existsSync(armed)) return;
    const taken = join(folder, `taken-${process.pid}`);
    try {
      renameSync(armed, taken);
    } catch {
      return; // Somebody else was faster.
    }
    const [turn, next] = readFileSync(taken, 'utf8').split(' ');
    if (next !== '') {
      // Appears at once, so that nobody reads half of it.
      writeFileSync(join(folder, 'next'), `${Number(turn) + 1} `);
      renameSync(join(folder, 'next'), join(folder, `armed-${next}`));
    }
    renameSync(taken, join(folder, `struck-${turn}`));
    process.kill(process.pid, 'SIGKILL');
  };

  const machineNow = Date.now;
  let [wrongByMs, readAt] = [0, Number.NEGATIVE_INFINITY];
  Date.now = () => {
    const at = performance.now();
    if (at - readAt > CLOCK_READ_MS) {
      readAt = at;
      wrongByMs = wrongBy();
    }
    return machineNow() + wrongByMs;
  };

  if (aliveEveryMs > 0) {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc');
    setInterval(() => {
      collectGarbage();
      tellWhatIsAlive();
    }, aliveEveryMs).unref();
  }
}

function tellWhatIsAlive() {
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  const { total_physical_size: heapResident, heap_size_limit: heapLimit } = getHeapStatistics();
  const told = { thread: threadId, heapUsed, external, arrayBuffers, heapResident, heapLimit };
  const path = join(folder, `alive-${process.pid}-${threadId}`);
  writeFileSync(`${path}.new`, JSON.stringify(told));
  renameSync(`${path}.new`, path);
}

function wrongBy() {
  try {
    const [pid, ms] = readFileSync(join(folder, 'clock'), 'utf8').split(' ').map(Number);
    return pid === process.pid ? ms : 0;
  } catch {
    return 0;
  }
}
