// The job of keyed-count-string: a counter for each of a million keys.
package millrace.bench;

import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple1;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

final class KeyedCountString {
  private KeyedCountString() {}

  static void describe(StreamExecutionEnvironment env, Map<String, String> args) {
    env.fromSource(
            Events.source(
                Long.parseLong(args.get("count")),
                env.getParallelism(),
                index -> Tuple1.of("user-" + index * 7_919 % 1_000_003),
                Types.TUPLE(Types.STRING)),
            WatermarkStrategy.noWatermarks(),
            "events")
        .keyBy(event -> event.f0, Types.STRING)
        .process(new Count())
        .sinkTo(new ChecksumSink<>(counted -> counted.f1));
  }

  private static final class Count extends KeyedProcessFunction<String, Tuple1<String>, Tuple2<String, Long>> {
    private transient ValueState<Long> count;

    @Override
    public void open(OpenContext context) {
      count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Types.LONG));
    }

    @Override
    public void processElement(Tuple1<String> event, Context context, Collector<Tuple2<String, Long>> out)
        throws Exception {
      Long before = count.value();
      long next = (before == null ? 0 : before) + 1;
      count.update(next);
      out.collect(Tuple2.of(event.f0, next));
    }
  }
}
