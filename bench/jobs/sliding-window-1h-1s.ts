// The job of `sliding-window-1h-1s`: sum and max of windows of an hour, one each second, of each key, from events up to 20 s out of order.
import { generatorSource, job, sliding } from 'millrace';
import { checksumSink } from './checksum-sink.ts';
import { byTime, eventOf, sumAndMax, weightOf } from './sensor-events.ts';

export default job((env, args) => {
  env
    .setParallelism(1)
    .fromSource(generatorSource(eventOf, { count: args.number('count') }), {
      uid: 'events',
      watermarks: byTime,
    })
    .keyBy('key')
    .window(sliding('1 h', '1 s'))
    .aggregate({
      ...sumAndMax,
      uid: 'windows',
      process: ([extremes], { key }) => [{ key, ...extremes! }],
    })
    .sinkTo(checksumSink(args.string('report'), weightOf), { uid: 'checksum' });
});
