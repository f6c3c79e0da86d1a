// Loaded into each process of a chaos cluster before everything else (`node --import`): it dies at the step that was armed,
// and its wall clock jumps. Plain JavaScript, so that no process has to be able to strip types.
//
// The folder in MILLRACE_CHAOS_FOLDER is all that it hears of. `armed-<step>`: whoever takes this file away dies with
// SIGKILL, having armed the step that the file names, if it does, and left the file as `struck-<which of the two>`.
// `clock`: whose wall clock is wrong by how many ms.

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

const folder = process.env['MILLRACE_CHAOS_FOLDER'];
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
}

function wrongBy() {
  try {
    const [pid, ms] = readFileSync(join(folder, 'clock'), 'utf8').split(' ').map(Number);
    return pid === process.pid ? ms : 0;
  } catch {
    return 0;
  }
}
