// Counts by a million keys, all of which are met at once and then again at a rate, and commits the counts of every 50th.
import { files, generatorSource, job, state } from 'millrace';
import { KEYS, REPORTED, STEADY } from './million-keys.ts';

/** Parts of each source; a part counts its records from 0 on. */
const SPLITS = 3;
const key = (part: number, { split }: { readonly split: number }): number => (part * SPLITS + split) % KEYS;

export default job((env, args) => {
  const ratePerSecond = args.number('rate', 1_000_000);
  env
    .fromSource(generatorSource(key, { count: KEYS, splits: SPLITS }), { uid: 'fill' })
    .union(
      env.fromSource(generatorSource(key, { count: STEADY, splits: SPLITS, ratePerSecond }), {
        uid: 'steady',
      }),
    )
    .map((index) => ({ key: `user-${index}`, index }))
    .keyBy(({ key }) => key)
    .process({
      uid: 'counts',
      state: { count: state.value(0) },
      process({ key, index }, { state: { count: counted } }) {
        counted.update(counted.value() + 1);
        return index % REPORTED === 0 ? [{ key, count: counted.value() }] : [];
      },
    })
    .sinkTo(files.jsonLinesSink(args.string('output')), { uid: 'out' });
});
