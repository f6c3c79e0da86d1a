// The events of the window jobs, up to 20 s out of order: the twin of bench/jobs/sensor-events.ts.
package millrace.bench;

import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.java.tuple.Tuple;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;

final class SensorEvents {
  private static final long DISORDER_MS = 20_000;

  private SensorEvents() {}

  /** Key, time and value of an event: 100 keys, 10,000 records a second of event time. */
  static Tuple3<Integer, Long, Long> eventOf(long index) {
    return Tuple3.of((int) (index * 7_919 % 100), timeOf(index), index * 31 % 1_009);
  }

  /** Key and time of an event: a quarter of a thousand keys is busy for a minute, then the next quarter. */
  static Tuple2<Integer, Long> visitOf(long index) {
    return Tuple2.of((int) (4 * (index * 7_919 % 250) + index / 600_000 % 4), timeOf(index));
  }

  /** Watermarks of records whose second field is their time. */
  static <T extends Tuple> WatermarkStrategy<T> byTime() {
    return WatermarkStrategy.<T>forBoundedOutOfOrderness(Duration.ofMillis(DISORDER_MS))
        .withTimestampAssigner((event, before) -> event.<Long>getField(1));
  }

  private static long timeOf(long index) {
    return index / 10 - index * 104_729 % DISORDER_MS;
  }
}
