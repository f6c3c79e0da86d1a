/** Starts the processes of a cluster on this machine. What they start with goes through a pipe that only they read. */

import { type ChildProcess, fork } from 'node:child_process';
import { inheritedEnv } from '../base/compile-cache.ts';
import type { TlsPaths } from '../base/tls-network.ts';
import type { PlanAnswer, ProcessLogging, ProcessSpawner, ProcessStart } from './processes.ts';

/** How processes are started. */
export interface SpawnerOptions {
  /** The file that they run; it waits for a `ProcessStart` as its first message, and ends when the pipe does. */
  readonly entry: URL;
  /** How they log; they write to the standard error of this process. */
  readonly logging?: ProcessLogging;
  /** As in `ProcessStart`. */
  readonly stores?: unknown;
  /** With what they encrypt what they say to others. */
  readonly tls?: TlsPaths | undefined;
  /** Further words for Node. */
  readonly nodeOptions?: readonly string[];
}

/** Processes of this machine; their output is that of this process. */
export function localSpawner(options: SpawnerOptions): ProcessSpawner {
  return {
    spawn: (start, { workingDirectory, onAnswer, onExit }) => {
      const child = startChild(options, start, workingDirectory, onExit);
      if (onAnswer !== undefined) child.on('message', (answer) => onAnswer(answer as PlanAnswer));
      return { processId: child.pid ?? 0, kill: () => void child.kill('SIGKILL') };
    },
  };
}

function startChild(
  { entry, logging, stores, tls, nodeOptions = [] }: SpawnerOptions,
  start: ProcessStart,
  workingDirectory: string,
  onExit: (how: string) => void,
): ChildProcess {
  const execArgv = [...process.execArgv, ...nodeOptions];
  const child = fork(entry, [], {
    cwd: workingDirectory,
    env: inheritedEnv(),
    execArgv,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  let isOver = false;
  const over = (how: string): void => {
    if (isOver) return;
    isOver = true;
    onExit(how);
  };
  child.once('error', (error) => over(error.message));
  child.once('exit', (code, signal) => over(signal === null ? `exit code ${code}` : `signal ${signal}`));
  // A child that died meanwhile tells so by its exit.
  const more = { ...(logging === undefined ? {} : { logging }), ...(tls === undefined ? {} : { tls }) };
  child.send({ ...start, ...more, stores }, () => undefined);
  return child;
}
