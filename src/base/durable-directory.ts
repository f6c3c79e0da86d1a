/** Makes directories that survive a loss of power, whoever began to make them. */

import { dirname } from 'node:path';
import { type Files, FilesError } from './env.ts';

/**
 * Makes a directory and its parents, each durable in its parent.
 *
 * What exists is synchronized too: a process that was killed may have made it and no more. The climb ends where this
 * user may not read: nothing there was made by a job.
 */
export async function makeDirectoryDurably(files: Files, path: string): Promise<void> {
  await files.makeDirectory(path);
  for (let below = path, parent = dirname(path); parent !== below; below = parent, parent = dirname(parent)) {
    try {
      await files.syncDirectory(parent);
    } catch (error) {
      if (error instanceof FilesError && error.kind === 'denied' && below !== path) return;
      throw error;
    }
  }
}
