// Counts by so many keys, all of which are met at once and then in turn, and commits the counts of every so many-th of them.
import { files, generatorSource, job, state } from 'millrace';

/** Parts of each source; a part counts its records from 0 on. */
const SPLITS = 3;

export default job((env, args) => {
  const keys = args.number('keys');
  const reported = args.number('reported');
  const key = (part: number, { split }: { readonly split: number }): number => (part * SPLITS + split) % keys;
  // The first round over the keys as fast as it goes, the others at a rate that a machine holds while it restarts.
  const steady = args.number('steady', 1_000_000_000);
  const ratePerSecond = args.number('rate', 1_000_000);
  env
    .fromSource(generatorSource(key, { count: keys, splits: SPLITS }), { uid: 'fill' })
    .union(
      env.fromSource(generatorSource(key, { count: steady, splits: SPLITS, ratePerSecond }), {
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
        return index % reported === 0 ? [{ key, count: counted.value() }] : [];
      },
    })
    .sinkTo(files.jsonLinesSink(args.string('output')), { uid: 'out' });
});
