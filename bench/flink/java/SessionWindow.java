// The job of session-window: records of each session of a key, gap 30 s.
package millrace.bench;

import java.time.Duration;
import java.util.Map;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.EventTimeSessionWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

final class SessionWindow {
  private SessionWindow() {}

  static void describe(StreamExecutionEnvironment env, Map<String, String> args) {
    env.fromSource(
            Events.source(
                Long.parseLong(args.get("count")),
                env.getParallelism(),
                SensorEvents::visitOf,
                Types.TUPLE(Types.INT, Types.LONG)),
            SensorEvents.<Tuple2<Integer, Long>>byTime(),
            "events")
        .keyBy(event -> event.f0, Types.INT)
        .window(EventTimeSessionWindows.withGap(Duration.ofSeconds(30)))
        .aggregate(
            new Count(), new WithLength(), Types.LONG, Types.LONG, Types.TUPLE(Types.INT, Types.LONG, Types.LONG))
        .sinkTo(new ChecksumSink<>(session -> session.f2 + session.f1 * (1 + session.f0 % 7)));
  }

  private static final class Count implements AggregateFunction<Tuple2<Integer, Long>, Long, Long> {
    @Override
    public Long createAccumulator() {
      return 0L;
    }

    @Override
    public Long add(Tuple2<Integer, Long> event, Long count) {
      return count + 1;
    }

    @Override
    public Long getResult(Long count) {
      return count;
    }

    @Override
    public Long merge(Long left, Long right) {
      return left + right;
    }
  }

  /** Hands on key, count and length in ms. */
  private static final class WithLength
      extends ProcessWindowFunction<Long, Tuple3<Integer, Long, Long>, Integer, TimeWindow> {
    @Override
    public void process(
        Integer key, Context context, Iterable<Long> counts, Collector<Tuple3<Integer, Long, Long>> out) {
      TimeWindow session = context.window();
      out.collect(Tuple3.of(key, counts.iterator().next(), session.getEnd() - session.getStart()));
    }
  }
}
