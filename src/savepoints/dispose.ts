/** Removes a savepoint for good. */

import { locationOf } from '../base/locations.ts';
import { systemEnv } from '../base/system-env.ts';
import { directoryOfPath } from '../checkpoint/load.ts';
import { disposeByHand } from '../checkpoint/savepoint.ts';
import { storesOf } from '../checkpoint/stores.ts';
import { withStoresOfEnvironment } from '../stores/process-stores.ts';
import type { OpenOptions } from './savepoint.ts';

/**
 * Removes the savepoint at a path: its `_metadata` first, then the files that it names, then its directory when nothing
 * else is in it. A checkpoint in the folder of its job is refused: its job removes it. Throws CHECKPOINT_NOT_FOUND,
 * CHECKPOINT_CORRUPT, SAVEPOINT_EDIT_INVALID or CHECKPOINT_STORAGE_FAILED.
 *
 * ```ts
 * await disposeSavepoint('saved/savepoint-1f03a2-6b8e02d4c1aa');
 * ```
 */
export async function disposeSavepoint(path: string, options: OpenOptions = {}): Promise<void> {
  const env = options.env ?? withStoresOfEnvironment(systemEnv({ logging: { level: 'warn' } }));
  const directory = directoryOfPath(locationOf(path));
  await disposeByHand(storesOf(env), directory);
}
