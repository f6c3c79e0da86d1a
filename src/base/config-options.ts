/** The table of all configuration options; keys and defaults are Flink's where the meaning is Flink's. */

import { HA_OPTIONS } from './config-options-ha.ts';
import { STORE_OPTIONS } from './config-options-stores.ts';
import {
  boolean,
  type ConfigOption,
  countOrInfinite,
  decimal,
  duration,
  int,
  oneOf,
  size,
  text,
} from './config-values.ts';
import { MAX_PARALLELISM_LIMIT } from './key-groups.ts';

/** Every option by its key. Durations are milliseconds, sizes bytes. */
export const CONFIG_OPTIONS = {
  'parallelism.default': int({
    default: 1,
    min: 1,
    max: MAX_PARALLELISM_LIMIT,
    description: 'Parallelism of operators that do not set their own.',
  }),
  'pipeline.name': text({
    default: undefined,
    description: 'Name of the job; its id and its folder derive from it.',
  }),
  'pipeline.max-parallelism': int({
    default: undefined,
    min: 1,
    max: MAX_PARALLELISM_LIMIT,
    description:
      'Key groups of operators that do not set their own: the upper bound of every later parallelism. Default: from the parallelism, at least 128.',
  }),
  'pipeline.auto-watermark-interval': duration({
    default: 200,
    description:
      'How often periodic watermarks are emitted at least: also after each 16,384 records of a subtask. 0 turns them off.',
  }),
  'pipeline.operator-chaining.enabled': boolean({
    default: true,
    description: 'Whether operators may share a task.',
    aliases: ['pipeline.operator-chaining'],
  }),
  'pipeline.operator-chaining.chain-operators-with-different-max-parallelism': boolean({
    default: true,
    description: 'Whether operators with different max parallelism may share a task.',
  }),
  'pipeline.auto-generate-uids': boolean({
    default: true,
    description: 'Whether an operator without a uid gets one from its place in the job; else it is refused.',
  }),
  'pipeline.generic-types': boolean({
    default: true,
    description:
      'Whether records without a declared type may cross between tasks, by the generic serializer; else the job is refused.',
  }),
  'execution.buffer-timeout.enabled': boolean({
    default: true,
    description: 'Whether a busy task sends a batch that is not full after the buffer timeout.',
  }),
  'execution.buffer-timeout.interval': duration({
    default: 100,
    description: 'How long a record may wait for its batch to fill; 0 sends each record at once.',
    aliases: ['execution.buffer-timeout'],
  }),
  'execution.checkpointing.interval': duration({
    default: 10_000,
    min: 10,
    also: [0],
    description: 'How often a checkpoint begins; 0 turns checkpoints off.',
  }),
  'execution.checkpointing.mode': oneOf(['EXACTLY_ONCE', 'AT_LEAST_ONCE'], {
    default: 'EXACTLY_ONCE',
    description: 'Whether barriers are aligned, so that the state counts each record exactly once.',
  }),
  'execution.checkpointing.timeout': duration({
    default: 600_000,
    min: 10,
    description: 'A checkpoint that takes longer is aborted.',
  }),
  'execution.checkpointing.min-pause': duration({
    default: 0,
    description: 'Least time from the end of a checkpoint to the beginning of the next.',
  }),
  'execution.checkpointing.max-concurrent-checkpoints': int({
    default: 1,
    min: 1,
    max: 100,
    description: 'How many checkpoints may be under way at the same time.',
  }),
  'execution.checkpointing.tolerable-failed-checkpoints': int({
    default: 0,
    min: 0,
    description: 'How many checkpoints in a row may fail before the job does.',
  }),
  'execution.checkpointing.unaligned.enabled': boolean({
    default: false,
    description: 'Whether barriers overtake records, which then become part of the checkpoint.',
    aliases: ['execution.checkpointing.unaligned'],
  }),
  'execution.checkpointing.aligned-checkpoint-timeout': duration({
    default: 0,
    description: 'With unaligned checkpoints: how long a checkpoint tries to align first.',
  }),
  'execution.checkpointing.dir': text({
    default: undefined,
    description: 'Folder of the checkpoints. Default: .millrace/<job name>/checkpoints.',
    aliases: ['state.checkpoints.dir'],
  }),
  'execution.checkpointing.savepoint-dir': text({
    default: undefined,
    description: 'Folder of savepoints for which nobody names one.',
    aliases: ['state.savepoints.dir'],
  }),
  'execution.checkpointing.num-retained': int({
    default: 3,
    min: 1,
    description: 'How many completed checkpoints are kept.',
    aliases: ['state.checkpoints.num-retained'],
  }),
  'execution.checkpointing.externalized-checkpoint-retention': oneOf(
    ['RETAIN_ON_CANCELLATION', 'DELETE_ON_CANCELLATION', 'NO_EXTERNALIZED_CHECKPOINTS'],
    {
      default: 'RETAIN_ON_CANCELLATION',
      description:
        'Whether checkpoints stay when the job is cancelled; NO_EXTERNALIZED_CHECKPOINTS deletes them also when it fails.',
    },
  ),
  'execution.checkpointing.data-inline-threshold': size({
    default: 20 * 1024,
    max: 1024 * 1024,
    description: 'State of at most this size is stored in the metadata instead of a file of its own.',
    aliases: ['state.storage.fs.memory-threshold', 'state.backend.fs.memory-threshold'],
  }),
  'execution.checkpointing.local-backup.enabled': boolean({
    default: false,
    description:
      'Whether TaskManagers keep copies of the state of their tasks on their own disks, also where nothing reads them.',
  }),
  'execution.checkpointing.local-backup.dirs': text({
    default: undefined,
    description: 'Folder in which a TaskManager keeps them. Default: in its working directory.',
    aliases: ['taskmanager.state.local.root-dirs'],
  }),
  'execution.state-recovery.from-local': boolean({
    default: false,
    description:
      'Whether tasks look for their state on their own machine after a failure, before they read it where checkpoints are.',
    aliases: ['state.backend.local-recovery'],
  }),
  'process.taskmanager.working-dir': text({
    default: undefined,
    description:
      'Folder of what a TaskManager keeps on its disk, in a folder named by its id. Default: the state folder of the cluster.',
    aliases: ['process.working-dir'],
  }),
  'state.memory.size': size({
    default: 4 * 1024 ** 3,
    description: 'What the typed state of one slot may take outside of the heap; more is an error.',
  }),
  'execution.state-recovery.path': text({
    default: undefined,
    description: 'The checkpoint or savepoint to start from, or `latest`.',
    aliases: ['execution.savepoint.path'],
  }),
  'execution.state-recovery.claim-mode': oneOf(['NO_CLAIM', 'CLAIM', 'LEGACY'], {
    default: 'NO_CLAIM',
    description:
      'CLAIM: what is restored by its path becomes the property of the job, which removes it when newer checkpoints have replaced it. NO_CLAIM and LEGACY: it is never touched, and nothing refers to it.',
    aliases: ['execution.savepoint-restore-mode', 'execution.state-recovery.restore-mode'],
  }),
  'execution.state-recovery.ignore-unclaimed-state': boolean({
    default: false,
    description: 'Whether state that no operator takes is left behind instead of refused.',
    aliases: ['execution.savepoint.ignore-unclaimed-state'],
  }),
  'restart-strategy.type': oneOf(
    ['none', 'off', 'disable', 'fixed-delay', 'failure-rate', 'exponential-delay'],
    {
      default: undefined,
      description: 'What follows a failure. Default: exponential-delay with checkpoints, none without.',
      aliases: ['restart-strategy'],
    },
  ),
  'restart-strategy.fixed-delay.attempts': countOrInfinite({
    default: 1,
    min: 0,
    description: 'How many restarts before the job fails.',
  }),
  'restart-strategy.fixed-delay.delay': duration({ default: 1_000, description: 'Pause before a restart.' }),
  'restart-strategy.failure-rate.max-failures-per-interval': int({
    default: 1,
    min: 1,
    description: 'How many failures within the interval are restarted; one more and the job fails.',
  }),
  'restart-strategy.failure-rate.failure-rate-interval': duration({
    default: 60_000,
    min: 1,
    description: 'The interval in which failures are counted.',
  }),
  'restart-strategy.failure-rate.delay': duration({ default: 1_000, description: 'Pause before a restart.' }),
  'restart-strategy.exponential-delay.initial-backoff': duration({
    default: 1_000,
    min: 1,
    description: 'Pause before the first restart.',
  }),
  'restart-strategy.exponential-delay.max-backoff': duration({
    default: 60_000,
    min: 1,
    description: 'Longest pause before a restart.',
  }),
  'restart-strategy.exponential-delay.backoff-multiplier': decimal({
    default: 1.5,
    min: 1,
    description: 'By how much the pause grows from restart to restart.',
  }),
  'restart-strategy.exponential-delay.jitter-factor': decimal({
    default: 0.1,
    min: 0,
    max: 1,
    description: 'By which part of itself a pause is lengthened or shortened at random.',
  }),
  'restart-strategy.exponential-delay.reset-backoff-threshold': duration({
    default: 3_600_000,
    min: 1,
    description: 'A job that ran so long without a failure starts again with the first pause.',
  }),
  'restart-strategy.exponential-delay.attempts-before-reset-backoff': countOrInfinite({
    default: Number.POSITIVE_INFINITY,
    min: 1,
    description: 'How many restarts before the job fails.',
  }),
  'taskmanager.numberOfTaskSlots': int({
    default: undefined,
    min: 1,
    max: MAX_PARALLELISM_LIMIT,
    description:
      'Slots of a TaskManager, default 1; threads of an embedded run, default: the highest parallelism of the job.',
  }),
  'taskmanager.resource-id': text({
    default: undefined,
    description: 'The id of a TaskManager. Default: made from its host and its process.',
  }),
  'taskmanager.host': text({
    default: '127.0.0.1',
    description: 'Where the processes of a TaskManager listen for each other, and how others reach them.',
  }),
  'taskmanager.data.port': int({
    default: 0,
    min: 0,
    max: 65_535,
    description:
      'Port for records between processes; each job has the next free one from here on. 0: any free port.',
  }),
  'taskmanager.registration.timeout': duration({
    default: 300_000,
    min: 1_000,
    description: 'A TaskManager that has found no JobManager for so long ends.',
  }),
  'jobmanager.rpc.address': text({
    default: '127.0.0.1',
    description: 'Where the JobManager listens, and where TaskManagers and clients look for it.',
  }),
  'jobmanager.rpc.port': int({
    default: 6123,
    min: 0,
    max: 65_535,
    description: 'Port of the JobManager; 0: any free port.',
  }),
  'jobmanager.execution.failover-strategy': oneOf(['region', 'full'], {
    default: 'region',
    description:
      'What restarts when a task fails. region: the slots that channels join with its own; full: the whole job.',
  }),
  'jobmanager.scheduler': oneOf(['default', 'adaptive'], {
    default: 'default',
    description:
      'How a job comes to its slots. default: it has those that it asks for, or waits for them. adaptive: it runs with the slots there are, and is rescaled when there are others.',
  }),
  'jobmanager.adaptive-scheduler.submission.resource-wait-timeout': duration({
    default: 300_000,
    min: 0,
    also: [-1],
    description:
      'With the adaptive scheduler: a job that has no slots for the least that it needs after so long fails. -1: it waits as long as it takes.',
  }),
  'jobmanager.adaptive-scheduler.submission.resource-stabilization-timeout': duration({
    default: 10_000,
    min: 0,
    description:
      'With the adaptive scheduler: a job that could run with less than it asks for waits so long for more.',
  }),
  'jobmanager.adaptive-scheduler.executing.cooldown-after-rescaling': duration({
    default: 30_000,
    min: 0,
    description: 'With the adaptive scheduler: a job is not rescaled again before.',
  }),
  'jobmanager.adaptive-scheduler.executing.resource-stabilization-timeout': duration({
    default: 60_000,
    min: 0,
    description:
      'With the adaptive scheduler: a running job that could have more slots, but not all, waits so long for the rest.',
  }),
  'jobmanager.resource-id': text({
    default: undefined,
    description: 'The id of a JobManager. Default: jobmanager, or made from its host and its process.',
  }),
  ...HA_OPTIONS,
  'heartbeat.interval': duration({
    default: 10_000,
    min: 10,
    description: 'How often processes of a cluster give each other a sign of life.',
  }),
  'heartbeat.timeout': duration({
    default: 50_000,
    min: 50,
    description: 'A process of a cluster that gave no sign of life for so long is taken for lost.',
  }),
  'slot.request.timeout': duration({
    default: 300_000,
    min: 100,
    description: 'A job that has not got its slots after so long fails, or tries again.',
  }),
  'io.tmp.dirs': text({
    default: undefined,
    description:
      'An existing folder for copies of registered files. Default: the temporary folder of the machine.',
  }),
  'rest.port': int({
    default: 8081,
    min: 0,
    max: 65_535,
    description:
      'Port of the dashboard and its REST interface (run --ui); 0 takes any. Unless it is set, the next free one is taken.',
  }),
  'rest.flamegraph.enabled': boolean({
    default: false,
    description:
      "Whether a page of Flink's that asks its route for the flame graph of a task has one taken. The dashboard takes one when somebody says so.",
  }),
  'rest.flamegraph.refresh-interval': duration({
    default: 60_000,
    min: 1_000,
    description: 'How old a flame graph is when asking for it has another one taken.',
  }),
  'metrics.latency.interval': duration({
    default: 0,
    min: 0,
    description:
      'How often each source subtask sends a latency marker through the job; 0: none, unless somebody looks at the Latency pane.',
  }),
  'metrics.latency.granularity': oneOf(['single', 'operator', 'subtask'], {
    default: 'operator',
    description:
      'Latency is measured from all sources as one, from each source, or from each subtask of a source.',
  }),
  'metrics.latency.history-size': int({
    default: 128,
    min: 1,
    max: 100_000,
    description: 'Latency is the distribution of so many last markers.',
  }),
  'log.format': oneOf(['auto', 'json', 'pretty'], {
    default: 'auto',
    description:
      'How a line of the log is written: json, one object a line; pretty, for people. auto is pretty at a terminal and json elsewhere.',
  }),
  'rest.bind-address': text({
    default: 'localhost',
    description:
      'Where the REST interface listens. Elsewhere than on loopback it wants TLS, and a token with each request.',
  }),
  'rest.address': text({
    default: undefined,
    description:
      'What others call the host of the REST interface. Default: as it is bound, or the name of the host.',
  }),
  'security.ssl.rest.enabled': boolean({
    default: false,
    description: 'Serve the REST interface and the dashboard over TLS.',
  }),
  'security.ssl.rest.certificate': text({
    default: undefined,
    description: 'File in PEM: the certificate of the REST interface, with those that it stands on.',
  }),
  'security.ssl.rest.key': text({
    default: undefined,
    description: 'File in PEM: the key of that certificate.',
  }),
  'security.ssl.internal.enabled': boolean({
    default: false,
    description: 'Encrypt what processes of a cluster say to each other; both ends show a certificate.',
  }),
  'security.ssl.internal.certificate': text({
    default: undefined,
    description: 'File in PEM: the certificate of this process, of the issuer of the cluster.',
    aliases: ['security.ssl.internal.cert'],
  }),
  'security.ssl.internal.key': text({
    default: undefined,
    description: 'File in PEM: the key of that certificate.',
  }),
  'security.ssl.internal.ca': text({
    default: undefined,
    description:
      'File in PEM: the issuer whose certificates are believed; whoever has one of it reaches the cluster.',
  }),
  ...STORE_OPTIONS,
  'log.level': oneOf(['debug', 'info', 'warn', 'error', 'silent'], {
    default: 'info',
    description: 'How important a line must be to be logged.',
  }),
} as const satisfies Readonly<Record<string, ConfigOption<unknown>>>;

/** Beginnings of keys that Flink knows and that mean nothing here: the JVM, Netty, its processes and its backends. */
export const FOREIGN_KEYS: readonly string[] = [
  'akka.',
  'blob.',
  'classloader.',
  'cluster.',
  'containerized.',
  'env.',
  'fs.',
  'heartbeat.',
  'high-availability',
  'historyserver.',
  'jobmanager.',
  'jobstore.',
  'kubernetes.',
  'metrics.',
  'pekko.',
  'process.',
  'queryable-state.',
  'resourcemanager.',
  's3.',
  'security.',
  'slot.',
  'state.backend',
  'task.',
  'taskmanager.',
  'web.',
  'yarn.',
];
