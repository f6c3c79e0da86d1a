// The source of the jobs that make their records up from an index.
package millrace.bench;

import java.io.Serializable;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;

/** Deals the indices to the subtasks in turn, as the Millrace side does, so that event time grows evenly in all. */
final class Events {
  /** Makes the record of an index. */
  interface Maker<T> extends Serializable {
    T make(long index);
  }

  private Events() {}

  /** {@code count} must be a multiple of {@code splits}: the generator cuts its range into as many equal parts. */
  static <T> DataGeneratorSource<T> source(long count, int splits, Maker<T> maker, TypeInformation<T> type) {
    long ofSplit = count / splits;
    return new DataGeneratorSource<>(
        number -> maker.make(number % ofSplit * splits + number / ofSplit), count, type);
  }
}
