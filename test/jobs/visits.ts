// A job that keeps state of every kind for a few users, some of it with a time to live: to look at, and to change by hand.
import { generatorSource, job, state } from 'millrace';

const devices = ['phone', 'desk', 'tablet'] as const;

export default job((env) => {
  env.setParallelism(2).enableCheckpointing('1 s');
  env
    .fromSource(
      generatorSource(
        (index) => ({ user: `user${index % 5}`, device: devices[index % 3]!, ms: index % 40 }),
        {
          ratePerSecond: 200,
        },
      ),
      { uid: 'visits' },
    )
    .keyBy('user')
    .process({
      uid: 'visits-of-user',
      state: {
        // What a person writes stays: nothing is counted here.
        limit: state.value(100),
        visits: state.value(0),
        devices: state.map<string, number>({ ttl: { after: '1 h' } }),
        slowest: state.reducing<number>((left, right) => Math.max(left, right)),
      },
      process({ device, ms }, context) {
        const { limit, visits, devices: byDevice, slowest } = context.state;
        visits.update(visits.value() + 1);
        byDevice.set(device, (byDevice.get(device) ?? 0) + 1);
        slowest.add(ms);
        return visits.value() % limit.value() === 0 ? [`${context.key}: ${visits.value()} visits`] : [];
      },
    })
    .print('VISITS', { uid: 'print' });
});
