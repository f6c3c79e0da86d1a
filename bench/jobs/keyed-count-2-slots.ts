// The job of `keyed-count-2-slots`: records of seven fields are made in two threads, half of them counted in the other.
import { generatorSource, job, state, t } from 'millrace';
import { checksumSink } from './checksum-sink.ts';

const SLOTS = 2;

const Login = t.object({
  user: t.string,
  host: t.string,
  path: t.string,
  status: t.int32,
  bytes: t.int32,
  at: t.int64,
  ok: t.boolean,
});

export default job((env, args) => {
  env
    .setParallelism(SLOTS)
    .fromSource(
      generatorSource(
        (part, { split }) => {
          const index = part * SLOTS + split;
          return {
            user: `user-${(index * 7_919) % 1_000_003}`,
            host: `host-${index % 16}`,
            path: `/page/${index % 128}`,
            status: 200,
            bytes: index % 4_096,
            at: index,
            ok: index % 3 !== 0,
          };
        },
        { count: args.number('count'), splits: SLOTS },
      ),
      { uid: 'logins' },
    )
    .returns(Login)
    .keyBy('user')
    .process({
      uid: 'count',
      state: { count: state.value(0) },
      process({ user }, ctx) {
        const count = ctx.state.count.value() + 1;
        ctx.state.count.update(count);
        return [{ user, count }];
      },
    })
    .sinkTo(
      checksumSink(args.string('report'), (counted) => counted.count),
      { uid: 'checksum' },
    );
});
