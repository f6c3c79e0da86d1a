// The job of `tumbling-window`: sum and max of one-minute windows of each key, from events up to 20 s out of order.
import { job, tumbling } from 'millrace';
import { checksumSink } from './checksum-sink.ts';
import { byTime, eventOf, splitEvents, sumAndMax, weightOf } from './sensor-events.ts';

export default job((env, args) => {
  const slots = args.number('parallelism', 1);
  env
    .setParallelism(slots)
    .fromSource(splitEvents(eventOf, { count: args.number('count'), slots }), {
      uid: 'events',
      watermarks: byTime,
    })
    .keyBy('key')
    .window(tumbling('1 min'))
    .aggregate({
      ...sumAndMax,
      uid: 'windows',
      process: ([extremes], { key }) => [{ key, ...extremes! }],
    })
    .sinkTo(checksumSink(args.string('report'), weightOf), { uid: 'checksum' });
});
