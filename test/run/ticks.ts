// A job that takes its time: `--count` numbers at `--rate` a second, to a folder and to the program that runs it.
import { collectSink, files, generatorSource, job } from '../../src/index.ts';

/** What arrived in the thread that ran the job. */
export const ticks: number[] = [];

export default job((env, args) => {
  const ratePerSecond = args.number('rate', 2_000);
  const failAt = args.number('fail-at', -1);
  const numbers = env
    .fromSource(
      generatorSource((index) => index, { count: args.number('count', 600), ratePerSecond, splits: 2 }),
      {
        uid: 'ticks',
      },
    )
    .map((tick) => {
      if (tick === failAt) throw new Error(`tick ${tick} is broken`);
      return tick;
    });
  numbers.sinkTo(collectSink(ticks), { uid: 'collect' });
  const output = args.string('output', '');
  if (output !== '') numbers.sinkTo(files.jsonLinesSink(output), { uid: 'files' });
});
