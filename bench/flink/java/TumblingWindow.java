// The job of tumbling-window: sum and max of one-minute windows of each key.
package millrace.bench;

import java.time.Duration;
import java.util.Map;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

final class TumblingWindow {
  private TumblingWindow() {}

  static void describe(StreamExecutionEnvironment env, Map<String, String> args) {
    env.fromSource(
            Events.source(
                Long.parseLong(args.get("count")),
                env.getParallelism(),
                SensorEvents::eventOf,
                Types.TUPLE(Types.INT, Types.LONG, Types.LONG)),
            SensorEvents.<Tuple3<Integer, Long, Long>>byTime(),
            "events")
        .keyBy(event -> event.f0, Types.INT)
        .window(TumblingEventTimeWindows.of(Duration.ofMinutes(1)))
        .aggregate(
            new SumAndMax(),
            new WithKey(),
            Types.TUPLE(Types.LONG, Types.LONG),
            Types.TUPLE(Types.LONG, Types.LONG),
            Types.TUPLE(Types.INT, Types.LONG, Types.LONG))
        .sinkTo(new ChecksumSink<>(extremes -> extremes.f1 + extremes.f2 * (1 + extremes.f0 % 7)));
  }

  /** Sum and max, changed in place. */
  private static final class SumAndMax
      implements AggregateFunction<Tuple3<Integer, Long, Long>, Tuple2<Long, Long>, Tuple2<Long, Long>> {
    @Override
    public Tuple2<Long, Long> createAccumulator() {
      return Tuple2.of(0L, 0L);
    }

    @Override
    public Tuple2<Long, Long> add(Tuple3<Integer, Long, Long> event, Tuple2<Long, Long> extremes) {
      extremes.f0 += event.f2;
      if (event.f2 > extremes.f1) extremes.f1 = event.f2;
      return extremes;
    }

    @Override
    public Tuple2<Long, Long> getResult(Tuple2<Long, Long> extremes) {
      return extremes;
    }

    @Override
    public Tuple2<Long, Long> merge(Tuple2<Long, Long> left, Tuple2<Long, Long> right) {
      return Tuple2.of(left.f0 + right.f0, Math.max(left.f1, right.f1));
    }
  }

  /** Hands on key, sum and max. */
  private static final class WithKey
      extends ProcessWindowFunction<Tuple2<Long, Long>, Tuple3<Integer, Long, Long>, Integer, TimeWindow> {
    @Override
    public void process(
        Integer key, Context context, Iterable<Tuple2<Long, Long>> results, Collector<Tuple3<Integer, Long, Long>> out) {
      Tuple2<Long, Long> extremes = results.iterator().next();
      out.collect(Tuple3.of(key, extremes.f0, extremes.f1));
    }
  }
}
