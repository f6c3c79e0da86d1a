// The job of `exchange`: records of seven fields are made in one thread and counted in the other; all of them cross.
import { generatorSource, job, t } from 'millrace';
import { checksumSink } from './checksum-sink.ts';

const Visit = t.object({
  user: t.string,
  host: t.string,
  path: t.string,
  status: t.int32,
  bytes: t.int32,
  at: t.int64,
  ok: t.boolean,
});
/** Subtask of the sink that gets all records: it runs in the thread in which no source does. */
const OTHER_SLOT = 1;

export default job((env, args) => {
  env
    .setParallelism(2)
    .fromSource(
      generatorSource(
        (index) => ({
          user: `user-${(index * 7_919) % 1_000_003}`,
          host: `host-${index % 16}`,
          path: `/page/${index % 128}`,
          status: 200,
          bytes: index % 4_096,
          at: 1.7e12 + index,
          ok: index % 3 !== 0,
        }),
        { count: args.number('count'), splits: 1 },
      ),
      { uid: 'visits', parallelism: 1 },
    )
    .returns(Visit)
    .partitionCustom(
      () => OTHER_SLOT,
      (slot) => slot,
    )
    .sinkTo(
      checksumSink(args.string('report'), (visit) => visit.bytes + visit.user.length),
      { uid: 'checksum' },
    );
});
