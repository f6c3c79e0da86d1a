// A job whose event time stands still: one of three splits always sends the same old time, and the others wait for it.
import { generatorSource, job, state, watermarks } from 'millrace';

const begin = Date.UTC(2026, 0, 1);
const stuckSplit = 2;

export default job((env) => {
  env.setParallelism(3).enableCheckpointing('2 s');
  env
    .fromSource(
      generatorSource(
        (index, { split }) => ({ sensor: split, at: split === stuckSplit ? begin : begin + index * 1000 }),
        { splits: 3, ratePerSecond: 60 },
      ),
      {
        uid: 'sensors',
        watermarks: watermarks.boundedOutOfOrderness<{ at: number }>('5 s').withTimestamps(({ at }) => at),
      },
    )
    .keyBy('sensor')
    .process({
      uid: 'readings',
      state: { readings: state.value(0) },
      process(_reading, context) {
        context.state.readings.update(context.state.readings.value() + 1);
        return [];
      },
    });
});
