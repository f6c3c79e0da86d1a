// The job of a chaos run: every record, or one of so many, leaves once with its number, and every window with its count, so
// that whoever reads what is committed can say at any moment whether something is missing or there twice.
import { files, generatorSource, job, state, tumbling, watermarks } from 'millrace';
import { keyOf, SPLITS, STEP_MS } from './records.ts';

export default job((env, args) => {
  const output = args.string('output');
  const sampled = args.number('sampled');
  const perWindow = args.number('per-window');
  const perSplit = args.number('per-split', 0);
  const ratePerSecond = args.number('rate', 0);
  const numbers = generatorSource((index, { split }) => ({ key: keyOf(split, index), split, index }), {
    splits: SPLITS,
    ...(perSplit === 0 ? {} : { count: perSplit * SPLITS }),
    ...(ratePerSecond === 0 ? {} : { ratePerSecond }),
  });
  const byKey = env
    .fromSource(numbers, {
      uid: 'numbers',
      watermarks: watermarks.monotonous().withTimestamps(({ index }) => index * STEP_MS),
    })
    .keyBy('key');
  byKey
    .process({
      uid: 'each',
      state: { count: state.value(0) },
      process({ key, split, index }, { state: { count } }) {
        count.update(count.value() + 1);
        return index % sampled === 0 ? [[key, count.value(), split, index]] : [];
      },
    })
    .sinkTo(files.jsonLinesSink(`${output}/each`), { uid: 'each out' });
  byKey
    .window(tumbling(perWindow * STEP_MS))
    .aggregate({
      uid: 'windows',
      createAccumulator: () => 0,
      add: (_, count) => count + 1,
      result: (count) => count,
      process: ([count], { key, window }) => [[key, window.start, count]],
    })
    .sinkTo(files.jsonLinesSink(`${output}/windows`), { uid: 'windows out' });
});
