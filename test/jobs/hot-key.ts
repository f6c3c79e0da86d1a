// A job with a hot key: nine in ten records belong to one user, so one subtask of three does nearly all the work.
import { generatorSource, job, state } from 'millrace';

/** What a click costs: counted and not timed, so that a busy machine does not change what there is to compute. */
const rounds = 25_000;

export default job((env) => {
  env.setParallelism(3).enableCheckpointing('2 s', { unaligned: true });
  env
    .fromSource(
      generatorSource((index) => ({ user: index % 10 === 0 ? `user${index % 70}` : 'everybody' })),
      { uid: 'clicks' },
    )
    .keyBy('user')
    .process({
      uid: 'clicks-of-user',
      state: { clicks: state.value(0) },
      process(_click, context) {
        context.state.clicks.update(context.state.clicks.value() + 1 + score(rounds));
        return [];
      },
    });
});

/** Some tens of microseconds of arithmetic, as a real function might do; 0 or, for one in four thousand million, 1. */
function score(times: number): number {
  let value = 1;
  for (let round = 0; round < times; round += 1) value = (Math.imul(value, 1_103_515_245) + 12_345) | 0;
  return value === 0 ? 1 : 0;
}
