// The classic demo: three users, an event each every five seconds, three in ten abnormal. From the third abnormal event
// in a row on, each is an alert. At the end: the figures of the checkpoints, and the subtask on which each user landed.
import {
  alertSink,
  callbackSink,
  type Evidence,
  executionEnvironment,
  generatorSource,
  state,
  type,
} from 'millrace';

interface Raised {
  readonly text: string;
  readonly evidence: Evidence;
}

const env = executionEnvironment();
const speed = env.args.number('speed', 1);
const eventsPerUser = env.args.number('events', 0); // 0: until Ctrl-C
env.setParallelism(3).enableCheckpointing('10 s', { unaligned: true });

const events = generatorSource(
  (index, { split, random }) => ({ user: `user${split + 1}`, number: index, abnormal: random.float() < 0.3 }),
  {
    splits: 3,
    seed: 7,
    ratePerSecond: (3 / 5) * speed,
    ...(eventsPerUser > 0 && { count: 3 * eventsPerUser }),
  },
);
const alerts = env
  .fromSource(events, { uid: 'events' })
  // Behind keyBy nobody knows any more where an event came from: the evidence of an alert tells it.
  .map((event, { runtime }) => ({ ...event, place: runtime.sourcePosition() }))
  .keyBy('user')
  .process({
    uid: 'abnormal-in-a-row',
    state: { abnormal: state.value(0) },
    outputs: { seen: type<string>(), raised: type<Raised>() },
    evidence: { steps: 5, offset: ({ place }) => place },
    process(event, { key, state, output, evidence }) {
      output('seen', key);
      const count = event.abnormal ? state.abnormal.value() + 1 : 0;
      state.abnormal.update(count);
      if (count < 3) return [];
      const text = `${key}: abnormal ${count} times in a row`;
      output('raised', { text, evidence: evidence() });
      return [text];
    },
  });
// What is printed is printed again after a failure; the feed of the dashboard shows each alert once, with what led to it.
alerts.print('ALERT');
alerts
  .sideOutput('raised')
  .sinkTo(alertSink({ message: ({ text }) => text, evidence: ({ evidence }) => evidence }), {
    uid: 'alerts',
  });

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
