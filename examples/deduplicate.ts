// Deduplication with a time to live: the first event of each id goes on; an id is forgotten a day after it was seen.
import { fileURLToPath } from 'node:url';
import { files, job, state } from 'millrace';

const bundled = fileURLToPath(new URL('./data/orders.jsonl', import.meta.url));

/** An order, which its sender may send again. */
export interface Order {
  readonly id: string;
  readonly item: string;
}

export default job((env, args) => {
  const input = args.string('input', bundled);
  const output = args.string('output', '.millrace/deduplicate/output');
  const ttl = args.duration('ttl', '1d');

  env
    .fromSource(files.jsonLines<Order>(input), { uid: 'orders' })
    .keyBy('id')
    .process({
      uid: 'first-of-id',
      state: { seen: state.value(false, { ttl: { after: ttl } }) },
      process(order, { state: { seen } }) {
        if (seen.value()) return;
        seen.update(true);
        return [order];
      },
    })
    .sinkTo(files.jsonLinesSink(output), { uid: 'first' });
});
