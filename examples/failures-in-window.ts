// N in T per key: an alert when an address fails to log in five times within a minute, then counting begins anew.
import { files, job, state, watermarks } from 'millrace';
import { bundledLog, logins } from './sshd.ts';

export default job((env, args) => {
  const input = args.string('input', bundledLog);
  const output = args.string('output', '.millrace/failures-in-window/output');
  const threshold = args.number('count', 5);
  const within = args.duration('within', '1m');

  env
    .fromSource(files.lines(input), { uid: 'lines' })
    .flatMap(logins)
    .filter(({ failed }) => failed)
    .assignTimestampsAndWatermarks(watermarks.boundedOutOfOrderness('1 min').withTimestamps(({ at }) => at))
    .keyBy('address')
    .process({
      uid: 'failures-in-window',
      state: { times: state.list<number>() },
      process({ at }, { key, state: { times }, timers }) {
        const recent = [...times.get().filter((time) => time > at - within), at];
        timers.registerEventTime(at + within);
        if (recent.length < threshold) {
          times.update(recent);
          return;
        }
        times.clear();
        return [{ address: key, failures: recent.length, at }];
      },
      // What is too old to count is forgotten, so that an address that never comes back costs nothing.
      onTimer(time, { state: { times } }) {
        times.update(times.get().filter((at) => at > time - within));
      },
    })
    .sinkTo(files.jsonLinesSink(output), { uid: 'alerts' });
});
