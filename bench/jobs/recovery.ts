// The job of `recovery`: counts by so many keys, each of which is met in turn, and commits every 64th of them.
import { files, generatorSource, job, state } from 'millrace';

/** Parts of each source; a part counts its records from 0 on. */
const SPLITS = 3;

export default job((env, args) => {
  const keys = args.number('keys');
  // The first round over the keys as fast as it goes, the others at a rate that a machine holds while it restarts.
  const fill = args.number('fill');
  const key = (part: number, { split }: { readonly split: number }): number => (part * SPLITS + split) % keys;
  const ratePerSecond = args.number('rate');
  env
    .fromSource(generatorSource(key, { count: fill, splits: SPLITS }), { uid: 'fill' })
    .union(
      env.fromSource(generatorSource(key, { count: 1_000_000_000, splits: SPLITS, ratePerSecond }), {
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
        return index % 64 === 0 ? [{ key, count: counted.value() }] : [];
      },
    })
    .sinkTo(files.jsonLinesSink(args.string('output')), { uid: 'out' });
});
