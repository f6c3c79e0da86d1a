// Numbers that are copied without a key: each slot is a failover region.
import { files, generatorSource, job } from 'millrace';

export default job((env, args) => {
  const output = args.string('output', '.millrace/regions/output');
  const count = args.number('count', 3_000);
  const ratePerSecond = args.number('rate', 300);
  env
    .fromSource(
      generatorSource((index) => ({ index }), { count, ratePerSecond }),
      { uid: 'numbers' },
    )
    .map((value) => value, { uid: 'copy' })
    .sinkTo(files.jsonLinesSink(output), { uid: 'out' });
});
