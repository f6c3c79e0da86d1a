// The Flink side of the benchmark: one JVM with one MiniCluster of two task slots, which runs a job for each line it reads.
package millrace.bench;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.runtime.execution.ExecutionState;
import org.apache.flink.runtime.executiongraph.AccessExecutionGraph;
import org.apache.flink.runtime.jobgraph.JobGraph;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * Reads lines {@code <job> <name>=<value> ...} from the standard input and answers each with one line of JSON, until
 * the input ends. The JVM is kept between runs, so that a measured run finds its code compiled.
 */
public final class FlinkSide {
  private static final int SLOTS = 2;

  /** Describes a job; what it runs on is set up already. */
  interface Job {
    void describe(StreamExecutionEnvironment env, Map<String, String> args);
  }

  private static final Map<String, Job> JOBS = Map.of(
      "abnormal-logins", AbnormalLogins::describe,
      "keyed-count-string", KeyedCountString::describe,
      "session-window", SessionWindow::describe,
      "tumbling-window", TumblingWindow::describe,
      "window-count", WindowCount::describe);

  public static void main(String[] words) throws Exception {
    MiniClusterConfiguration configuration = new MiniClusterConfiguration.Builder()
        .setConfiguration(new Configuration())
        .setNumTaskManagers(1)
        .setNumSlotsPerTaskManager(SLOTS)
        .withRandomPorts()
        .build();
    try (MiniCluster cluster = new MiniCluster(configuration);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      cluster.start();
      System.out.println("ready");
      for (String line = requests.readLine(); line != null; line = requests.readLine()) {
        String[] parts = line.split("\t");
        System.out.println(run(cluster, JOBS.get(parts[0]), arguments(parts)));
      }
    }
  }

  private static String run(MiniCluster cluster, Job job, Map<String, String> args) throws Exception {
    StreamExecutionEnvironment env =
        StreamExecutionEnvironment.getExecutionEnvironment(configuration(args.get("checkpoints")));
    env.setParallelism(Integer.parseInt(args.get("parallelism")));
    job.describe(env, args);
    RunTotals.reset();
    JobGraph graph = env.getStreamGraph().getJobGraph();
    cluster.executeJobBlocking(graph);
    AccessExecutionGraph done = cluster.getExecutionGraph(graph.getJobID()).get();
    return String.format(
        "{\"elapsedMs\":%d,\"checkpoints\":%d,\"records\":%d,\"checksum\":%d}",
        RunTotals.endedAt() - firstRunningAt(done),
        done.getCheckpointStatsSnapshot().getCounts().getNumberOfCompletedCheckpoints(),
        RunTotals.records(),
        RunTotals.checksum());
  }

  private static Configuration configuration(String checkpoints) {
    Configuration configuration = new Configuration();
    configuration.set(PipelineOptions.OBJECT_REUSE, true);
    configuration.set(StateBackendOptions.STATE_BACKEND, "hashmap");
    configuration.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
    configuration.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, "file://" + checkpoints);
    configuration.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofSeconds(1));
    configuration.set(CheckpointingOptions.CHECKPOINTING_CONSISTENCY_MODE, CheckpointingMode.EXACTLY_ONCE);
    configuration.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
    return configuration;
  }

  /** When the first subtask ran: scheduling and deployment are over. */
  private static long firstRunningAt(AccessExecutionGraph graph) {
    long first = Long.MAX_VALUE;
    for (var vertex : graph.getAllExecutionVertices()) {
      first = Math.min(first, vertex.getCurrentExecutionAttempt().getStateTimestamp(ExecutionState.RUNNING));
    }
    return first;
  }

  private static Map<String, String> arguments(String[] parts) {
    Map<String, String> args = new LinkedHashMap<>();
    for (String part : Arrays.asList(parts).subList(1, parts.length)) {
      int equals = part.indexOf('=');
      args.put(part.substring(0, equals), part.substring(equals + 1));
    }
    return args;
  }
}
