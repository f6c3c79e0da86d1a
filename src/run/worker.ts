/** What a worker thread of an embedded run executes: builds the job that the recipe names, and runs its slot. */

import { systemEnv } from '../base/system-env.ts';
import { assertSameGraph } from '../graph/fingerprint.ts';
import { runSlotWorker } from '../hosts/worker.ts';
import { withStores } from '../stores/stores.ts';
import { type LoadRecipe, loadRecipe } from './load.ts';

await runSlotWorker({
  env: (load) => {
    const { logging, stores } = load as LoadRecipe;
    const env = systemEnv({ logging });
    return stores === undefined ? env : withStores(env, stores);
  },
  build: (load) => {
    const recipe = load as LoadRecipe;
    // A job that reads the program's arguments sees the same in every thread.
    process.argv.splice(0, process.argv.length, ...recipe.argv);
    return loadRecipe(recipe);
  },
  checkSame: (built, load) => assertSameGraph((load as LoadRecipe).graph, built),
});
