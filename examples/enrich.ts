// Enrichment by asynchronous calls: many requests under way at once, each with a timeout and retries, and a cache.
import { fileURLToPath } from 'node:url';
import { files, job } from 'millrace';
import type { Order } from './deduplicate.ts';

const bundled = fileURLToPath(new URL('./data/orders.jsonl', import.meta.url));
/** Items whose prices a subtask remembers. */
const CACHE_MAX = 10_000;
const prices: Readonly<Record<string, number>> = { tea: 3, milk: 1 };

/** Stands for a request over the network: put `fetch` or the client of a database here. */
async function priceOf(item: string): Promise<number | null> {
  await new Promise((resolve) => void setTimeout(resolve, 20));
  return prices[item] ?? null;
}

export default job((env, args) => {
  const input = args.string('input', bundled);
  const output = args.string('output', '.millrace/enrich/output');

  env
    .fromSource(files.jsonLines<Order>(input), { uid: 'orders' })
    .unorderedWait({
      uid: 'prices',
      capacity: args.number('capacity', 100),
      timeout: '5 s',
      retry: { maxAttempts: 3, delay: '100 ms', multiplier: 2 },
      // Promises, not prices: calls for the same item share one request, also while it is under way.
      local: () => ({ cache: new Map<string, Promise<number | null>>() }),
      async asyncInvoke(order, { local: { cache } }) {
        const asked = cache.get(order.item) ?? priceOf(order.item);
        cache.set(order.item, asked);
        // The oldest goes first.
        if (cache.size > CACHE_MAX) cache.delete(cache.keys().next().value!);
        try {
          return { ...order, price: await asked };
        } catch (error) {
          cache.delete(order.item); // The next attempt asks again.
          throw error;
        }
      },
    })
    .sinkTo(files.jsonLinesSink(output), { uid: 'priced' });
});
