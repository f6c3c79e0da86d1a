// The file to file job, examples/abnormal-logins.ts by user: from the third failed login in a row on, each is an alert.
package millrace.bench;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.ChronoField;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.connector.file.src.FileSource;
import org.apache.flink.connector.file.src.reader.TextLineInputFormat;
import org.apache.flink.core.fs.Path;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.filesystem.bucketassigners.BasePathBucketAssigner;
import org.apache.flink.streaming.api.functions.sink.filesystem.rollingpolicies.OnCheckpointRollingPolicy;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.KeyedProcessOperator;
import org.apache.flink.util.Collector;

final class AbnormalLogins {
  private static final Pattern LINE = Pattern.compile(
      "^(\\w{3} [ \\d]\\d [\\d:]{8}) \\S+ sshd\\[\\d+\\]: (?:message repeated (\\d+) times: \\[ )?"
          + "(Accepted|Failed) \\S+ for (?:invalid user )?(.*) from (\\S+) port ");
  private static final DateTimeFormatter TIME = new DateTimeFormatterBuilder()
      .appendPattern("MMM ppd HH:mm:ss")
      .parseDefaulting(ChronoField.YEAR, 2017)
      .toFormatter(Locale.ENGLISH);

  private AbnormalLogins() {}

  static void describe(StreamExecutionEnvironment env, Map<String, String> args) {
    // Failed, user, address, at.
    TypeInformation<Tuple4<Boolean, String, String, Long>> login =
        Types.TUPLE(Types.BOOLEAN, Types.STRING, Types.STRING, Types.LONG);
    var byUser = env.fromSource(
            FileSource.forRecordStreamFormat(new TextLineInputFormat(), new Path(args.get("input"))).build(),
            WatermarkStrategy.noWatermarks(),
            "lines")
        .flatMap(AbnormalLogins::parse, login)
        .assignTimestampsAndWatermarks(
            WatermarkStrategy.<Tuple4<Boolean, String, String, Long>>forBoundedOutOfOrderness(Duration.ofMinutes(1))
                .withTimestampAssigner((event, before) -> event.f3))
        .keyBy(event -> event.f1, Types.STRING);
    // `process` would do, but for the time at which the input ends.
    byUser.transform(
            "failures-in-a-row",
            Types.TUPLE(Types.STRING, Types.INT, Types.LONG),
            new Failures(new FailuresInARow()))
        .sinkTo(FileSink.<Tuple3<String, Integer, Long>>forRowFormat(
                new Path(args.get("output")),
                (alert, out) -> out.write(json(alert).getBytes(StandardCharsets.UTF_8)))
            .withBucketAssigner(new BasePathBucketAssigner<>())
            .withRollingPolicy(OnCheckpointRollingPolicy.build())
            .build());
  }

  private static void parse(String text, Collector<Tuple4<Boolean, String, String, Long>> out) {
    Matcher line = LINE.matcher(text);
    if (!line.find()) return;
    long at = LocalDateTime.parse(line.group(1), TIME).toInstant(ZoneOffset.UTC).toEpochMilli();
    Tuple4<Boolean, String, String, Long> login =
        Tuple4.of(line.group(3).equals("Failed"), line.group(4), line.group(5), at);
    int times = line.group(2) == null ? 1 : Integer.parseInt(line.group(2));
    for (int count = times; count > 0; count--) out.collect(login);
  }

  /** The users of the generated log need no escaping. */
  private static String json(Tuple3<String, Integer, Long> alert) {
    return "{\"key\":\"" + alert.f0 + "\",\"count\":" + alert.f1 + ",\"at\":" + alert.f2 + "}\n";
  }

  private static final class FailuresInARow
      extends KeyedProcessFunction<String, Tuple4<Boolean, String, String, Long>, Tuple3<String, Integer, Long>> {
    private transient ValueState<Integer> failures;

    @Override
    public void open(OpenContext context) {
      failures = getRuntimeContext().getState(new ValueStateDescriptor<>("failures", Types.INT));
    }

    @Override
    public void processElement(
        Tuple4<Boolean, String, String, Long> login,
        Context context,
        Collector<Tuple3<String, Integer, Long>> out)
        throws Exception {
      Integer before = failures.value();
      int count = login.f0 ? (before == null ? 0 : before) + 1 : 0;
      failures.update(count);
      if (count >= 3) out.collect(Tuple3.of(context.getCurrentKey(), count, login.f3));
    }
  }

  private static final class Failures
      extends KeyedProcessOperator<String, Tuple4<Boolean, String, String, Long>, Tuple3<String, Integer, Long>>
      implements BoundedOneInput {
    Failures(FailuresInARow function) {
      super(function);
    }

    @Override
    public void endInput() {
      RunTotals.ended();
    }
  }
}
