// The job of window-count: events of each key and minute, counted in state and handed on by an event-time timer.
package millrace.bench;

import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

final class WindowCount {
  private static final long MINUTE_MS = 60_000;

  private WindowCount() {}

  static void describe(StreamExecutionEnvironment env, Map<String, String> args) {
    env.fromSource(
            Events.source(
                Long.parseLong(args.get("count")),
                env.getParallelism(),
                index -> Tuple2.of((int) (index * 7_919 % 10_007), index),
                Types.TUPLE(Types.INT, Types.LONG)),
            WatermarkStrategy.<Tuple2<Integer, Long>>forMonotonousTimestamps()
                .withTimestampAssigner((event, before) -> event.f1),
            "events")
        .keyBy(event -> event.f0, Types.INT)
        .process(new Count())
        .sinkTo(new ChecksumSink<>(counted -> counted.f2 * (1 + counted.f0 % 7)));
  }

  /** Hands on key, end of the minute and count. */
  private static final class Count
      extends KeyedProcessFunction<Integer, Tuple2<Integer, Long>, Tuple3<Integer, Long, Long>> {
    private transient MapState<Long, Long> counts;

    @Override
    public void open(OpenContext context) {
      counts = getRuntimeContext().getMapState(new MapStateDescriptor<>("counts", Types.LONG, Types.LONG));
    }

    @Override
    public void processElement(
        Tuple2<Integer, Long> event, Context context, Collector<Tuple3<Integer, Long, Long>> out)
        throws Exception {
      long end = event.f1 - event.f1 % MINUTE_MS + MINUTE_MS;
      Long count = counts.get(end);
      if (count == null) context.timerService().registerEventTimeTimer(end - 1);
      counts.put(end, (count == null ? 0 : count) + 1);
    }

    @Override
    public void onTimer(long time, OnTimerContext context, Collector<Tuple3<Integer, Long, Long>> out)
        throws Exception {
      long end = time + 1;
      long count = counts.get(end);
      counts.remove(end);
      out.collect(Tuple3.of(context.getCurrentKey(), end, count));
    }
  }
}
