// The job of a chaos run: numbers of several splits, counted (counting.ts).
import { generatorSource, job, watermarks } from 'millrace';
import { count } from './counting.ts';
import { keyOf, SPLITS, STEP_MS } from './records.ts';

export default job((env, args) => {
  const perSplit = args.number('per-split', 0);
  const ratePerSecond = args.number('rate', 0);
  const numbers = generatorSource((index, { split }) => ({ key: keyOf(split, index), split, index }), {
    splits: SPLITS,
    ...(perSplit === 0 ? {} : { count: perSplit * SPLITS }),
    ...(ratePerSecond === 0 ? {} : { ratePerSecond }),
  });
  count(
    env.fromSource(numbers, {
      uid: 'numbers',
      watermarks: watermarks.monotonous().withTimestamps(({ index }) => index * STEP_MS),
    }),
    {
      output: args.string('output'),
      sampled: args.number('sampled'),
      perWindow: args.number('per-window'),
    },
  );
});
