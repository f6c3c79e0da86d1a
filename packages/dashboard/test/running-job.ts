// A real job with its dashboard: `millrace run <job> --ui` as a process of its own, in a folder of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../../test/architecture/read.ts';
import { type Running, startMillrace } from '../../../test/e2e/processes.ts';

/** A job that runs, and where its page is. */
export interface RunningJob {
  readonly url: string;
  readonly process: Running;
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
  return { url: /dashboard at (http\S+)/.exec(process.output())?.[1] ?? '', process, end };
}
