// What the subtasks of a run leave behind for the JVM they share.
package millrace.bench;

/** Totals over all subtasks, written once by each when its input has ended. */
final class RunTotals {
  private static long records;
  private static long checksum;
  private static long endedAt;

  private RunTotals() {}

  static synchronized void reset() {
    records = 0;
    checksum = 0;
    endedAt = 0;
  }

  /** The subtask has worked off all of its input; what follows is the wait for the last checkpoint. */
  static synchronized void ended() {
    endedAt = Math.max(endedAt, System.currentTimeMillis());
  }

  static synchronized void add(long ofRecords, long ofChecksum) {
    records += ofRecords;
    checksum += ofChecksum;
  }

  static synchronized long records() {
    return records;
  }

  static synchronized long checksum() {
    return checksum;
  }

  static synchronized long endedAt() {
    return endedAt;
  }
}
