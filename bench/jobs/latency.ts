// The job of `latency`: records that are due at fixed times are keyed, and half of them cross to the other thread; the
// sink there measures how much later than due they have come.
import { job, t } from 'millrace';
import { latencySink } from './latency-sink.ts';
import { metronome } from './metronome.ts';

const Tick = t.object({ key: t.int32, dueAt: t.number });

export default job((env, args) => {
  env
    .setParallelism(2)
    .fromSource(metronome({ count: args.number('count'), perSecond: args.number('rate') }), {
      uid: 'ticks',
      parallelism: 1,
    })
    .returns(Tick)
    .keyBy('key')
    .process({ uid: 'as they are', process: (tick) => [tick] })
    .sinkTo(latencySink(args.string('report')), { uid: 'latency' });
});
