/** The Env of a real process or thread. */

import { systemClock } from './clock.ts';
import type { Env, Log } from './env.ts';
import { nodeFiles } from './files.ts';
import { consoleLog, type ConsoleLogOptions } from './log.ts';
import { systemRandom } from './random.ts';

/** What a process may choose about its {@link Env}. */
export interface SystemEnvOptions {
  /** Default: a log to the standard error, as `logging` says. */
  readonly log?: Log;
  readonly logging?: ConsoleLogOptions;
}

/** The clock, chance, disk and log of this machine; one per process or worker thread. */
export function systemEnv(options: SystemEnvOptions = {}): Env {
  return {
    clock: systemClock(),
    random: systemRandom(),
    files: nodeFiles(),
    log: options.log ?? consoleLog(options.logging),
  };
}
