// Raises an alert when somebody fails to log in three times in a row, and for each failure more until one succeeds.
import { files, job, state, watermarks } from 'millrace';
import { bundledLog, logins } from './sshd.ts';

export default job((env, args) => {
  const input = args.string('input', bundledLog);
  const output = args.string('output', '.millrace/abnormal-logins/output');
  const ratePerSecond = args.number('rate', 0); // 0: as fast as possible
  const field = args.oneOf('key', ['address', 'user'], 'address');

  env
    .fromSource(files.lines(input, { ratePerSecond }), { uid: 'lines' })
    .flatMap(logins)
    .assignTimestampsAndWatermarks(watermarks.boundedOutOfOrderness('1 min').withTimestamps(({ at }) => at))
    .keyBy((login) => login[field])
    .process({
      uid: 'failures-in-a-row',
      state: { failures: state.value(0) },
      process({ failed, at }, { key, state }) {
        const count = failed ? state.failures.value() + 1 : 0;
        state.failures.update(count);
        return count < 3 ? [] : [{ key, count, at }];
      },
    })
    .sinkTo(files.jsonLinesSink(output), { uid: 'alerts' });
});
