/** The garbage collector at a test's command: what nothing refers to is gone, for weak references to show. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Collects all garbage; what a weak reference gave in this turn lives until it is over. */
export async function collectGarbage(): Promise<void> {
  await new Promise(setImmediate);
  collect();
}
