// A real job with its dashboard: `millrace run <job> --ui` as a process of its own, in a folder of its own; or in a
// cluster of three TaskManagers with three slots each.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../../test/architecture/read.ts';
import { millrace, type Running, startMillrace } from '../../../test/e2e/processes.ts';

/** A job that runs, and where its page is. */
export interface RunningJob {
  readonly url: string;
  /** What the command line has printed so far. */
  output(): string;
  /** The process of the command line, unless the job runs in a cluster. */
  readonly process: Running | undefined;
  /** Where the cluster keeps its token; `undefined`: there is none. */
  readonly token: string | undefined;
  /** Kills it, and removes what it wrote. */
  end(): Promise<void>;
}

/** Starts a job of the repository; `words` go to the command line, what follows `--` to the job. */
export async function startJob(path: string, words: readonly string[] = []): Promise<RunningJob> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-dashboard-'));
  const process = startMillrace(['run', join(root, path), '--ui', '-Drest.port=0', ...words], {
    cwd: folder,
  });
  const end = async (): Promise<void> => {
    process.child.kill('SIGKILL');
    await process.ended;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await process.outputMatches(/dashboard at http\S+/, 60_000);
  } catch (error) {
    await end();
    throw error;
  }
  const url = /dashboard at (http\S+)/.exec(process.output())?.[1] ?? '';
  return { url, process, token: undefined, output: () => process.output(), end };
}

/** Starts a cluster, and a job in it; ends both. */
export async function startJobInCluster(path: string, words: readonly string[] = []): Promise<RunningJob> {
  const cwd = mkdtempSync(join(tmpdir(), 'millrace-dashboard-'));
  const state = ['--state', join(cwd, 'cluster')];
  let output = '';
  const run = async (command: readonly string[]): Promise<string> => {
    const ended = await millrace(command, { cwd });
    output += ended.output;
    if (ended.code !== 0)
      throw new Error(`millrace ${command.join(' ')} ended with ${ended.code}:\n${output}`);
    return ended.output;
  };
  const end = async (): Promise<void> => {
    await millrace(['cluster', 'stop', ...state], { cwd });
    rmSync(cwd, { recursive: true, force: true });
  };
  try {
    const ports = ['-Drest.port=0', '-Djobmanager.rpc.port=0'];
    const started = await run(['cluster', 'start', ...state, ...ports]);
    await run(['run', '-d', join(root, path), ...state, ...words]);
    const url = /http:\S+/.exec(started)?.[0] ?? '';
    return { url, process: undefined, token: join(cwd, 'cluster', 'token'), output: () => output, end };
  } catch (error) {
    await end();
    throw error;
  }
}
