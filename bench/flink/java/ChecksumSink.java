// The sink of the jobs that write no files: adds up a number of each record, as the Millrace side does.
package millrace.bench;

import java.io.Serializable;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;

/** Adds its sum to {@link RunTotals} when the input has ended. */
final class ChecksumSink<T> implements Sink<T> {
  /** The number of a record. */
  interface NumberOf<T> extends Serializable {
    long of(T value);
  }

  private final NumberOf<T> numberOf;

  ChecksumSink(NumberOf<T> numberOf) {
    this.numberOf = numberOf;
  }

  @Override
  public SinkWriter<T> createWriter(WriterInitContext context) {
    return new Writer<>(numberOf);
  }

  private static final class Writer<T> implements SinkWriter<T> {
    private final NumberOf<T> numberOf;
    private long records;
    private long checksum;

    Writer(NumberOf<T> numberOf) {
      this.numberOf = numberOf;
    }

    @Override
    public void write(T value, Context context) {
      records++;
      checksum += numberOf.of(value);
    }

    @Override
    public void flush(boolean endOfInput) {
      if (!endOfInput) return;
      RunTotals.add(records, checksum);
      RunTotals.ended();
    }

    @Override
    public void close() {}
  }
}
