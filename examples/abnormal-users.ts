// The classic demo: three users, an event each every five seconds, three in ten abnormal. From the third abnormal event
// in a row on, each is an alert. At the end: the figures of the checkpoints, and the subtask on which each user landed.
import { callbackSink, executionEnvironment, generatorSource, state, type } from 'millrace';

const env = executionEnvironment();
const speed = env.args.number('speed', 1);
const eventsPerUser = env.args.number('events', 0); // 0: until Ctrl-C
env.setParallelism(3).enableCheckpointing('10 s', { unaligned: true });

const events = generatorSource(
  (_index, { split, random }) => ({ user: `user${split + 1}`, abnormal: random.float() < 0.3 }),
  {
    splits: 3,
    seed: 7,
    ratePerSecond: (3 / 5) * speed,
    ...(eventsPerUser > 0 && { count: 3 * eventsPerUser }),
  },
);
const alerts = env
  .fromSource(events, { uid: 'events' })
  .keyBy('user')
  .process({
    uid: 'abnormal-in-a-row',
    state: { abnormal: state.value(0) },
    outputs: { seen: type<string>() },
    process(event, { key, state, output }) {
      output('seen', key);
      const count = event.abnormal ? state.abnormal.value() + 1 : 0;
      state.abnormal.update(count);
      return count < 3 ? [] : [`${key}: abnormal ${count} times in a row`];
    },
  });
alerts.print('ALERT');

// The callback runs in the main thread, and is told which subtask a record came from.
const subtasks = new Map<string, number>();
const placed = callbackSink<string>((user, { subtask }) => void subtasks.set(user, subtask));
alerts.sideOutput('seen').sinkTo(placed, { uid: 'placed' });

const { checkpoints } = await env.execute('abnormal-users');
const [bytes, ms] = [checkpoints.averageBytes, checkpoints.averageDurationMs].map(Math.round);
console.log(`checkpoints: ${checkpoints.total} total, ${checkpoints.completed} completed`);
console.log(`checkpoints: average size ${bytes} bytes, average duration ${ms} ms`);
for (const user of [...subtasks.keys()].sort())
  console.log(`${user} landed on subtask ${subtasks.get(user)}`);
console.log(
  'A user has its subtask by the hash of its name. Three names need not meet three subtasks: one is idle.',
);
