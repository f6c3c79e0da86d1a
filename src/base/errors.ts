/**
 * The one error class of Millrace and the table of its codes.
 *
 * An error says what happened, where, why and what to do. It crosses threads and
 * machines as JSON, so it is compared by `code`, never by `instanceof`.
 */

/** Who has to act: the author of the job, something outside the process, or Millrace itself. */
export type ErrorOwner = 'user' | 'external' | 'internal';

/** Whether running the same job again may help: never, after a restart, or after waiting. */
export type ErrorRetry = 'never' | 'restart' | 'backoff';

/** One row of the error table. */
export interface ErrorRow {
  readonly title: string;
  readonly owner: ErrorOwner;
  readonly retry: ErrorRetry;
  readonly remedy: string;
}

/** Every code, once; a retired code is never used again. Ordered by room, then by name. */
export const ERROR_TABLE = {
  // base
  ASSERTION_FAILED: {
    title: 'an invariant of Millrace does not hold',
    owner: 'internal',
    retry: 'restart',
    remedy: 'This is a bug in Millrace: please report it with the message and the stack.',
  },
  CONFIG_INVALID: {
    title: 'a configuration value cannot be used',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct the value that the message names.',
  },
  CONFIG_UNKNOWN_KEY: {
    title: 'a configuration key is not known',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct the spelling; the message names the nearest known key.',
  },
  FILES_FAILED: {
    title: 'a file operation failed',
    owner: 'external',
    retry: 'backoff',
    remedy: 'Check that the path exists, may be read and written, and that the disk has space.',
  },
  KEY_INVALID: {
    title: 'a value cannot be a key',
    owner: 'user',
    retry: 'never',
    remedy:
      'Return a string, number, boolean, bigint (64 bits) or an array of these from the key selector; for an object choose the fields that identify it, such as [order.shop, order.number].',
  },
  NETWORK_FAILED: {
    title: 'another process cannot be reached, or an address cannot be listened on',
    owner: 'external',
    retry: 'backoff',
    remedy:
      'Check that the process runs, that address and port are right, and that no other program has the port.',
  },
  TLS_REFUSED: {
    title: 'two processes could not agree on an encrypted connection',
    owner: 'external',
    retry: 'backoff',
    remedy:
      'Give both a certificate of the same issuer (security.ssl.internal.certificate, .key, .ca) that is not over, and set security.ssl.internal.enabled for both or for none.',
  },
  TLS_UNUSABLE: {
    title: 'the certificate, the key or the issuer of this process cannot be used',
    owner: 'user',
    retry: 'never',
    remedy:
      'Set security.ssl.internal.certificate, .key and .ca to files in PEM that fit together, that the user of this process may read, and that are not over.',
  },
  // codecs
  CODEC_CORRUPT: {
    title: 'bytes are not what their codec writes',
    owner: 'external',
    retry: 'never',
    remedy:
      'The bytes were damaged or written by another codec: restore an older checkpoint, or give the codec that wrote them.',
  },
  GENERIC_CODEC_UNSUPPORTED: {
    title: 'a value cannot be turned into bytes by the generic codec',
    owner: 'user',
    retry: 'never',
    remedy:
      'Make it a plain object, array, Map, Set, Date, bytes or primitive (for a class instance, copy its fields), or declare a codec.',
  },
  CODEC_VALUE_MISMATCH: {
    title: 'a value is not of the type that its codec was made of',
    owner: 'user',
    retry: 'never',
    remedy:
      'Correct the value or its description (t.object, t.union, …); the message names the place that differs.',
  },
  RECORD_INVALID: {
    title: 'a record does not have the type that its stream is validated against',
    owner: 'user',
    retry: 'never',
    remedy:
      "Correct the record or the schema; validate(schema, { onError: 'skip' }) leaves such records out, 'dead-letter' hands them to a side output.",
  },
  SCHEMA_ASYNC: {
    title: 'a schema validates asynchronously',
    owner: 'user',
    retry: 'never',
    remedy: 'Leave asynchronous checks out of the schema, and make them with orderedWait or unorderedWait.',
  },
  TYPE_INVALID: {
    title: 'a type description cannot be used',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct the description that the message names.',
  },
  // state
  KEY_GROUP_OUT_OF_RANGE: {
    title: 'a record reached a subtask that does not own its key',
    owner: 'internal',
    retry: 'never',
    remedy:
      'The key of the record differs from the key it was routed by: make the key selector a pure function of the record, and call keyBy() instead of reinterpretAsKeyedStream() where the records are not in the subtasks of their keys. If neither is the cause, report a bug.',
  },
  STATE_CHANGE_REFUSED: {
    title: 'state cannot be changed by hand in this way',
    owner: 'user',
    retry: 'never',
    remedy:
      'Give a value with the fields and types of the one that is there, or remove it; what JSON cannot say is changed by a program, in a savepoint.',
  },
  STATE_CODEC_CHANGED: {
    title: 'restored state was written by another codec',
    owner: 'user',
    retry: 'never',
    remedy: 'Declare the codec that the message names, or give the state a new name and start it empty.',
  },
  STATE_CODEC_FAILED: {
    title: 'a codec threw while state became bytes or bytes became state',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct the codec that is declared for the state; the cause is the error that it threw.',
  },
  STATE_CORRUPT: {
    title: 'the bytes of keyed state are damaged',
    owner: 'external',
    retry: 'never',
    remedy: 'Restore an older checkpoint; check the storage that held this one.',
  },
  STATE_SCHEMA_CHANGED: {
    title: 'the described type of a state does not fit what was stored',
    owner: 'user',
    retry: 'never',
    remedy:
      'Give new fields a default and say what a renamed one was called: codecOf(type, { defaults, renamed }). For any other change give the state a new name and start it empty, or keep the old type.',
  },
  STATE_TYPE_CHANGED: {
    title: 'a state has another kind than before',
    owner: 'user',
    retry: 'never',
    remedy: 'Declare the kind that the message names, or give the state a new name and start it empty.',
  },
  STATE_VERSION_UNKNOWN: {
    title: 'keyed state was written in a format that this version does not know',
    owner: 'user',
    retry: 'never',
    remedy: 'Run the version of Millrace that wrote the checkpoint, or a newer one.',
  },
  STATE_MEMORY_EXCEEDED: {
    title: 'the state of a slot takes more memory outside of the heap than it may',
    owner: 'external',
    retry: 'never',
    remedy:
      'Raise state.memory.size where the machine has the memory, run the operator at a higher parallelism, or let state expire (ttl).',
  },
  STATE_READ_ONLY: {
    title: 'broadcast state is changed outside of processBroadcast',
    owner: 'user',
    retry: 'never',
    remedy:
      'Change broadcast state in processBroadcast only: there every subtask sees the same records and makes the same change.',
  },
  STATE_WITHOUT_KEY: {
    title: 'keyed state was used while there was no key',
    owner: 'user',
    retry: 'never',
    remedy: 'Use keyed state and timers only while a record or a timer is processed, not in open or close.',
  },
  TIMER_TIME_INVALID: {
    title: 'the time of a timer is not a safe integer',
    owner: 'user',
    retry: 'never',
    remedy: 'Give the time in whole milliseconds since the epoch.',
  },
  // checkpoint
  CHECKPOINT_CORRUPT: {
    title: 'a checkpoint is damaged',
    owner: 'external',
    retry: 'never',
    remedy: 'Restore an older checkpoint by its path (-s <path>); check the storage that holds this one.',
  },
  CHECKPOINT_EXISTS: {
    title: 'the checkpoint folder already holds a run of this job',
    owner: 'user',
    retry: 'never',
    remedy:
      "Continue that run with -s latest, or begin again with --fresh (in code: `restore: 'latest'` or `fresh: true`).",
  },
  CHECKPOINT_EXPIRED: {
    title: 'a checkpoint took longer than its timeout',
    owner: 'external',
    retry: 'restart',
    remedy:
      'Find what holds the named tasks up (a slow sink, a long call, skewed keys), enable unaligned checkpoints, or raise execution.checkpointing.timeout.',
  },
  CHECKPOINT_FAILED: {
    title: 'more checkpoints failed in a row than are tolerated',
    owner: 'external',
    retry: 'restart',
    remedy:
      'Correct what the cause says; execution.checkpointing.tolerable-failed-checkpoints says how many failures are borne.',
  },
  CHECKPOINT_NOT_FOUND: {
    title: 'there is no checkpoint at this path',
    owner: 'user',
    retry: 'never',
    remedy: 'Give the directory of a checkpoint (…/chk-<n>) or its _metadata file, or -s latest.',
  },
  CHECKPOINT_OTHER_JOB: {
    title: 'the checkpoint belongs to another job',
    owner: 'user',
    retry: 'never',
    remedy: 'Give a checkpoint of this job, or run under the id of the other one with --job-id.',
  },
  CHECKPOINT_REQUEST_FAILED: {
    title: 'a requested checkpoint was not taken',
    owner: 'external',
    retry: 'backoff',
    remedy: 'Correct what the cause says and ask again.',
  },
  CHECKPOINT_STORAGE_FAILED: {
    title: 'the checkpoint storage failed',
    owner: 'external',
    retry: 'backoff',
    remedy: 'Check that the checkpoint directory exists, may be written, and that its disk has space.',
  },
  CHECKPOINT_VERSION_UNKNOWN: {
    title: 'a checkpoint was written in a format that this version does not know',
    owner: 'user',
    retry: 'never',
    remedy: 'Run the version of Millrace that wrote the checkpoint, or a newer one.',
  },
  SAVEPOINT_FAILED: {
    title: 'a savepoint was not taken',
    owner: 'external',
    retry: 'backoff',
    remedy: 'Correct what the cause says and ask again; the job has lost nothing.',
  },
  SAVEPOINT_IN_USE: {
    title: 'a running job needs the savepoint that is to be removed',
    owner: 'user',
    retry: 'never',
    remedy:
      'Wait until the job has completed a checkpoint of its own, or stop it. A savepoint that it has claimed it removes by itself.',
  },
  SAVEPOINT_DIRECTORY_MISSING: {
    title: 'nobody said where a savepoint should be',
    owner: 'user',
    retry: 'never',
    remedy: 'Name a folder with the request, or set execution.checkpointing.savepoint-dir.',
  },
  SAVEPOINT_STOP_FAILED: {
    title: 'a savepoint is complete, but the job did not stop with it',
    owner: 'external',
    retry: 'backoff',
    remedy:
      'The job goes on from the state of the savepoint. Correct what the cause says and stop it again; remove this savepoint, or keep it as one that was taken on the way.',
  },
  UPGRADE_STUCK: {
    title: 'an upgrade could neither go on nor back',
    owner: 'external',
    retry: 'never',
    remedy:
      'The savepoint that the message names was not touched. Look at the job (millrace list --all), and start one of the two versions from it: millrace run -d <job> -s <savepoint> --discard-later-output.',
  },
  SAVEPOINT_OPERATOR_UNKNOWN: {
    title: 'a savepoint holds no operator with this uid',
    owner: 'user',
    retry: 'never',
    remedy: 'Take one of the uids that `millrace state read <path>` lists.',
  },
  SAVEPOINT_EDIT_INVALID: {
    title: 'a savepoint cannot be changed like this',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct what the message says; nothing was written.',
  },
  FENCED: {
    title: 'a newer attempt of the same job has taken over',
    owner: 'external',
    retry: 'never',
    remedy:
      'Let the newer process run; stop it first if this one should go on, then start again with -s latest.',
  },
  STATE_IN_FLIGHT: {
    title: 'records in flight of an unaligned checkpoint have no place in the changed job',
    owner: 'user',
    retry: 'never',
    remedy:
      'Restore with the old parallelism and partitioning, stop the job (its last checkpoint is aligned), and change it then.',
  },
  STATE_PARALLELISM: {
    title: 'restored state does not fit the parallelism of its operator',
    owner: 'user',
    retry: 'never',
    remedy: 'Set the max parallelism that the message names with setMaxParallelism, or a lower parallelism.',
  },
  STATE_UNMATCHED: {
    title: 'the checkpoint holds state that no operator of the job claims',
    owner: 'user',
    retry: 'never',
    remedy: 'Give the operator its old uid again, or drop that state with -n (--allow-non-restored-state).',
  },
  // operators
  ASYNC_INVALID: {
    title: 'an asynchronous operator cannot work as it is',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct the setting that the message names.',
  },
  ASYNC_TIMEOUT: {
    title: 'an asynchronous call took longer than its timeout',
    owner: 'external',
    retry: 'backoff',
    remedy:
      'Find out why the other system is slow; give the operator a longer `timeout`, or `onTimeout`, which says what goes on instead.',
  },
  OPERATOR_RESULT_INVALID: {
    title: 'a function gave back what is no list of results',
    owner: 'user',
    retry: 'never',
    remedy:
      'Return an array, an iterable or nothing; wrap a single result in an array, and do not return a promise.',
  },
  TIMESTAMP_MISSING: {
    title: 'an operator that works in event time got a record without a timestamp',
    owner: 'user',
    retry: 'never',
    remedy:
      'Give the records their timestamps before: `watermarks` of the source or assignTimestampsAndWatermarks(); or work in processing time.',
  },
  TIMESTAMP_INVALID: {
    title: 'the timestamp of a record is not a whole number of milliseconds',
    owner: 'user',
    retry: 'never',
    remedy:
      'Return whole milliseconds since the epoch from the timestamp function, such as `date.getTime()`.',
  },
  WATERMARK_ALIGNMENT_MISPLACED: {
    title: 'a watermark alignment stands where nothing can wait',
    owner: 'user',
    retry: 'never',
    remedy:
      'Give the strategy to the source itself, { watermarks: strategy }: only a source can stop reading. Behind it leave withWatermarkAlignment() out.',
  },
  WATERMARK_INVALID: {
    title: 'a watermark strategy cannot work as it is',
    owner: 'user',
    retry: 'never',
    remedy:
      'Emit watermarks in whole milliseconds since the epoch, give idleness and update intervals a duration above 0, and groups a name.',
  },
  WINDOW_INVALID: {
    title: 'the parts of a windowed stream do not go together',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct what the message names: sizes, gaps and intervals are above 0, offsets below the size.',
  },
  // graph
  GRAPH_EMPTY: {
    title: 'the job does nothing',
    owner: 'user',
    retry: 'never',
    remedy: 'Begin with a source (`env.fromSource`) and end with a sink (`sinkTo`, `print`).',
  },
  GRAPH_MISMATCH: {
    title: 'the same job was built twice and came out different',
    owner: 'user',
    retry: 'never',
    remedy:
      'Build the job from its arguments only: no time, no randomness, and no environment variable that differs between threads.',
  },
  GRAPH_PARALLELISM_INVALID: {
    title: 'the parallelism of an operator is not possible',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct `setParallelism` or `setMaxParallelism` of the operator that the message names.',
  },
  GRAPH_TYPE_MISSING: {
    title: 'records without a declared type would cross between tasks',
    owner: 'user',
    retry: 'never',
    remedy:
      'Declare the type of the stream with `returns(schema)` or `validate(schema)`, or set `pipeline.generic-types: true`.',
  },
  GRAPH_UID_DUPLICATE: {
    title: 'two operators have the same uid',
    owner: 'user',
    retry: 'never',
    remedy: 'Give each operator a uid of its own; state is found again by it.',
  },
  GRAPH_UID_MISSING: {
    title: 'an operator with state has no uid',
    owner: 'user',
    retry: 'never',
    remedy: 'Give the operator a `uid`, so that its state is found again after the job has changed.',
  },
  // exchange
  EXCHANGE_FRAME_INVALID: {
    title: 'bytes between two tasks, or in-flight data of a checkpoint, are not a frame',
    owner: 'internal',
    retry: 'restart',
    remedy:
      'If the message names a checkpoint, choose an older one; otherwise this is a bug in Millrace: please report it.',
  },
  EXCHANGE_OVERFLOW: {
    title: 'one call emitted more than the exchange holds back',
    owner: 'user',
    retry: 'never',
    remedy:
      'Write the function as a generator (`*flatMap`, `*process`, `*onTimer`): its results are pulled as the consumers take them.',
  },
  EXCHANGE_DAMAGED: {
    title: 'bytes changed on their way between two processes of the same job',
    owner: 'external',
    retry: 'restart',
    remedy:
      'The job restarts by itself from its latest checkpoint, and nothing of the damaged message was used. If it happens again, look for a fault in the memory or the network card of the two machines.',
  },
  EXCHANGE_LOST: {
    title: 'the connection to another process of the same job broke',
    owner: 'external',
    retry: 'restart',
    remedy: 'Look at what became of the process that the message names; the job restarts by itself.',
  },
  EXCHANGE_PROTOCOL: {
    title: 'another process sent what it must not send',
    owner: 'internal',
    retry: 'restart',
    remedy: 'Run the same version of Millrace everywhere; if it is the same, please report a bug.',
  },
  EXCHANGE_RECORD_TOO_LARGE: {
    title: 'one record is larger than what may cross between threads',
    owner: 'user',
    retry: 'never',
    remedy: 'Split the record, or pass a reference to where its bytes are stored.',
  },
  HANDSHAKE_REFUSED: {
    title: 'two processes do not accept each other',
    owner: 'external',
    retry: 'never',
    remedy:
      'Give both processes the same secret and the same version of Millrace; the message says which of them differs.',
  },
  PARTITIONER_INVALID: {
    title: 'a custom partitioner chose a channel that does not exist',
    owner: 'user',
    retry: 'never',
    remedy: 'Return an integer from 0 to the number of channels minus 1, for example `hash % channels`.',
  },
  // task
  ACCUMULATOR_INVALID: {
    title: 'an accumulator cannot be used or merged',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct what the message names.',
  },
  METRIC_INVALID: {
    title: 'a metric cannot be registered',
    owner: 'user',
    retry: 'never',
    remedy: 'Use another name, or the metric that has it.',
  },
  CACHED_FILE_MISSING: {
    title: 'a file that the job registered is not there',
    owner: 'user',
    retry: 'never',
    remedy:
      'Correct the path given to `env.registerCachedFile()`; a relative one begins in the working directory.',
  },
  OPERATOR_FAILED: {
    title: 'a function of the job threw',
    owner: 'user',
    retry: 'restart',
    remedy:
      'Correct the function, or set `onError` of the operator to `skip` or `dead-letter` if such records may be given up.',
  },
  OPERATOR_FAILED_LATER: {
    title: 'a promise or a timer that a function left behind failed, and nobody was waiting for it',
    owner: 'user',
    retry: 'restart',
    remedy:
      'Wait for every promise: ask what is outside by orderedWait() or unorderedWait(), and await what open() and close() begin. Catch the errors of promises and timers that nobody waits for.',
  },
  OPERATOR_NOT_KEYED: {
    title: 'an operator without a keyed input asked for keyed state',
    owner: 'user',
    retry: 'never',
    remedy: 'Call keyBy() before the operator that uses keyed state or timers.',
  },
  // hosts
  DRILL_FAILURE: {
    title: 'something was made to fail by a failure drill',
    owner: 'user',
    retry: 'restart',
    remedy: 'Nothing is wrong: somebody asked for it. The page of the drill says what it has cost.',
  },
  TASK_OCCUPIED: {
    title: 'a task did not come to the end of a record for so long that it could not be asked',
    owner: 'user',
    retry: 'backoff',
    remedy: 'Ask again: the record that is being processed gives many results, or waits for room behind it.',
  },
  CHECKPOINT_IN_FLIGHT_TOO_LARGE: {
    title: 'an unaligned checkpoint would keep too much in-flight data',
    owner: 'user',
    retry: 'restart',
    remedy:
      'Make the slow operator faster or give it more parallelism, or turn unaligned checkpoints off so that barriers wait.',
  },
  WORKER_LOST: {
    title: 'a worker thread ended unexpectedly',
    owner: 'external',
    retry: 'restart',
    remedy:
      'Look at the cause: a heap limit (raise it or reduce state), a call of process.exit, or a crash in native code.',
  },
  CLIENT_PORT_FULL: {
    title: 'more records were sent to the calling thread than its port may hold',
    owner: 'user',
    retry: 'restart',
    remedy: 'Collect less in one call, or write to a sink that is not the calling thread.',
  },
  // connectors
  CONNECTOR_OPTION_INVALID: {
    title: 'an option of a source or sink cannot be used',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct the option that the message names.',
  },
  SINK_BUFFER_FULL: {
    title: 'a sink holds more between two checkpoints than its bound allows',
    owner: 'user',
    retry: 'never',
    remedy: 'Checkpoint more often, send less to the calling thread, or raise the bound of the sink.',
  },
  SINK_CLOSED: {
    title: 'a sink was closed before its commit was done',
    owner: 'internal',
    retry: 'restart',
    remedy: 'Nothing is lost: the commit is done again when the job starts from its latest checkpoint.',
  },
  SINK_COMMIT_LOST: {
    title: 'output of a completed checkpoint cannot be committed because it is gone',
    owner: 'external',
    retry: 'never',
    remedy:
      'Find out who removed the named output: the records are lost unless the job restarts from an older checkpoint.',
  },
  SINK_DIRECTORY_FOREIGN: {
    title: 'the output directory belongs to another job or holds foreign files',
    owner: 'user',
    retry: 'never',
    remedy: 'Give the sink a directory of its own.',
  },
  SINK_LATER_OUTPUT: {
    title: 'the output directory holds output that was committed after the point where the job starts',
    owner: 'user',
    retry: 'never',
    remedy:
      'Start from the latest checkpoint (-s latest), or move the later output aside: with --fresh to begin again, with --discard-later-output to keep the checkpoint.',
  },
  SINK_VALUE_UNWRITABLE: {
    title: 'a value cannot be written in the format of the sink',
    owner: 'user',
    retry: 'never',
    remedy: 'Map the value to what the format can express before the sink.',
  },
  SINK_WRITE_FAILED: {
    title: 'a sink could not write its output',
    owner: 'external',
    retry: 'backoff',
    remedy: 'Check the target that the message names: that it is there, may be written, and has space.',
  },
  SOURCE_FILE_CHANGED: {
    title: 'an input file is not the file that was being read',
    owner: 'external',
    retry: 'never',
    remedy: 'Put the original file back; files that a job reads may grow, but not shrink or change.',
  },
  SOURCE_FILE_MISSING: {
    title: 'an input file does not exist',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct the path; relative paths start at the working directory of the process.',
  },
  SOURCE_FILE_UNREADABLE: {
    title: 'an input file cannot be read',
    owner: 'external',
    retry: 'backoff',
    remedy: 'Check that the path names a file, or a directory with files only, that this user may read.',
  },
  SOURCE_ROW_NOT_CSV: {
    title: 'a row of a CSV file could not be read',
    owner: 'user',
    retry: 'never',
    remedy:
      'Correct the row or the options (`delimiter`, `quote`, `header`, `columns`), or choose what `onBroken` does with such rows.',
  },
  SOURCE_LINE_NOT_JSON: {
    title: 'a line of an input file is not JSON',
    owner: 'user',
    retry: 'never',
    remedy: "Correct the line, or give the source `onBroken: 'skip'` or a function that replaces the line.",
  },
  SOURCE_LINE_NOT_TEXT: {
    title: 'a line of an input file is not UTF-8 text',
    owner: 'user',
    retry: 'never',
    remedy:
      "Check that the file is a text file in UTF-8 (not compressed, not UTF-16), or give the source `invalid: 'replace'`.",
  },
  SOURCE_LINE_TOO_LONG: {
    title: 'a line of an input file is longer than the source allows',
    owner: 'user',
    retry: 'never',
    remedy: 'Check that the file consists of lines; if it does, raise `maxLineBytes` of the source.',
  },
  // cluster
  BLOB_MISSING: {
    title: 'a file of a job is not where the cluster keeps it',
    owner: 'external',
    retry: 'restart',
    remedy: 'Submit the job again; if it happens again, check the disk of the state directory.',
  },
  CLUSTER_RUNNING: {
    title: 'a cluster runs already',
    owner: 'user',
    retry: 'never',
    remedy: 'Stop it first with `millrace cluster stop`, or name another state directory with --state.',
  },
  CLUSTER_UNREACHABLE: {
    title: 'the JobManager cannot be reached',
    owner: 'external',
    retry: 'backoff',
    remedy:
      'Start a cluster with `millrace cluster start`, or check --target, jobmanager.rpc.address and jobmanager.rpc.port; `millrace cluster status` says what runs.',
  },
  CLUSTER_BIND_UNSAFE: {
    title: 'a process would listen where others than this machine reach it, without encryption',
    owner: 'user',
    retry: 'never',
    remedy:
      'Set security.ssl.internal.enabled to true, and security.ssl.internal.certificate, .key and .ca to files in PEM; or bind to 127.0.0.1.',
  },
  REST_BIND_UNSAFE: {
    title: 'the REST interface would listen where others than this machine reach it, without encryption',
    owner: 'user',
    retry: 'never',
    remedy:
      'Set security.ssl.rest.enabled to true, and security.ssl.rest.certificate and security.ssl.rest.key to files in PEM; or leave rest.bind-address at localhost.',
  },
  JOB_MASTER_LOST: {
    title: 'the process of a job master ended unexpectedly',
    owner: 'external',
    retry: 'restart',
    remedy: 'Look at its log for a call of process.exit, an exhausted heap, or a crash in native code.',
  },
  PLAN_FAILED: {
    title: 'a bundle could not be planned',
    owner: 'user',
    retry: 'never',
    remedy:
      'Plan it where it was made, with `millrace info <job>`: a module that ends its process, or that waits for something while it is imported, cannot be planned.',
  },
  JOB_NOT_FOUND: {
    title: 'there is no such job',
    owner: 'user',
    retry: 'never',
    remedy: 'List the jobs with `millrace list --all`.',
  },
  JOB_ALREADY_SUBMITTED: {
    title: 'a job with this id runs already',
    owner: 'user',
    retry: 'never',
    remedy: 'Cancel or stop it first, or give the new one an id of its own with --job-id.',
  },
  HA_UNAVAILABLE: {
    title: 'the service of high availability did not answer, or cannot be used',
    owner: 'external',
    retry: 'backoff',
    remedy:
      'Check that the service runs and that the keys high-availability.* name it; what was asked of it may have had its effect.',
  },
  HA_METADATA_TOO_LARGE: {
    title: 'what JobManagers have to know is more than the service of high availability keeps',
    owner: 'user',
    retry: 'never',
    remedy:
      'Run fewer jobs in this cluster, or use a service with entries of their own: high-availability.type: etcd or zookeeper.',
  },
  NOT_LEADER: {
    title: 'this JobManager does not lead',
    owner: 'external',
    retry: 'backoff',
    remedy: 'Ask the JobManager that the message names; while none leads, try again in a moment.',
  },
  RPC_LOST: {
    title: 'the connection to another process of the cluster broke',
    owner: 'external',
    retry: 'restart',
    remedy:
      'Look at what became of the process that the message names; what was asked may have had its effect.',
  },
  RPC_TIMEOUT: {
    title: 'another process of the cluster did not answer in time',
    owner: 'external',
    retry: 'backoff',
    remedy: 'Check whether that process is overloaded; what was asked may have had its effect.',
  },
  RPC_TOO_LARGE: {
    title: 'a message between processes is too large',
    owner: 'user',
    retry: 'never',
    remedy: 'Make the state of one subtask smaller by a higher parallelism.',
  },
  RESCALE_FAILED: {
    title: 'a job could not be deployed with other numbers of subtasks',
    owner: 'external',
    retry: 'backoff',
    remedy: 'The job goes on as it was, unless it has ended; correct the cause, and ask again.',
  },
  RESCALE_REFUSED: {
    title: 'a job cannot be rescaled',
    owner: 'user',
    retry: 'never',
    remedy:
      'Turn checkpoints on (execution.checkpointing.interval): a job is rescaled from one. A job without state can be submitted again.',
  },
  SLOTS_MISSING: {
    title: 'the cluster has too few free slots for the job',
    owner: 'external',
    retry: 'backoff',
    remedy:
      'Add TaskManagers or slots (taskmanager.numberOfTaskSlots), or run the job with a lower parallelism.',
  },
  TASK_MANAGER_LOST: {
    title: 'a TaskManager, or the process of a job in it, is gone',
    owner: 'external',
    retry: 'restart',
    remedy:
      'Look at its log: it was killed, ran out of memory, or could not be reached; the job restarts by itself.',
  },
  CLIENT_CALLBACK_FAILED: {
    title: 'a callback that takes results in the calling thread failed',
    owner: 'user',
    retry: 'never',
    remedy: 'Handle the error in the callback; a result that it has taken is not handed to it again.',
  },
  GUARANTEE_NEEDS_CHECKPOINTS: {
    title: 'an exactly-once sink over unbounded input would never commit without checkpoints',
    owner: 'user',
    retry: 'never',
    remedy: 'Set `execution.checkpointing.interval`, or take a sink that is at-least-once.',
  },
  GUARANTEE_NOT_KEPT: {
    title: 'what must be exactly once would not be',
    owner: 'user',
    retry: 'never',
    remedy:
      'Take a source that can go back to a position and a sink that commits with checkpoints, or leave `exactlyOnce` out; `millrace check` tells all reasons.',
  },
  JOB_FAILED: {
    title: 'the job failed and is not started again',
    owner: 'user',
    retry: 'never',
    remedy: 'See the cause. The last completed checkpoint is kept: continue from it with `-s latest`.',
  },
  JOB_NOT_A_MODULE: {
    title: 'a job was built where no worker thread can import it',
    owner: 'user',
    retry: 'never',
    remedy:
      'Put the job into a file of its own (`export default job(...)`) and run ' +
      "`executeAsync(new URL('./job.ts', import.meta.url))`.",
  },
  JOB_NOT_RUNNING: {
    title: 'the job does not run at the moment',
    owner: 'user',
    retry: 'backoff',
    remedy: 'Ask again when `status()` says RUNNING; a job that has ended does not run again.',
  },
  SOURCE_ENUMERATOR_FAILED: {
    title: 'a source cannot tell what there is to read',
    owner: 'external',
    retry: 'restart',
    remedy: 'See the cause: the input may be absent, unreadable, or its system not reachable.',
  },
  // telemetry
  TELEMETRY_UNDELIVERED: {
    title: 'metrics or spans do not reach the collector of OpenTelemetry',
    owner: 'external',
    retry: 'backoff',
    remedy:
      'Look whether the collector runs, and at OTEL_EXPORTER_OTLP_ENDPOINT (for HTTP usually port 4318) and OTEL_EXPORTER_OTLP_HEADERS. The job goes on without; OTEL_SDK_DISABLED=true switches the export off.',
  },
  // streams
  JOB_ARGUMENT_INVALID: {
    title: 'an argument of the job cannot be used',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct the argument that the message names.',
  },
  JOB_ARGUMENT_UNKNOWN: {
    title: 'the job does not know an argument',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct the spelling; the message names the nearest argument that the job asked for.',
  },
  JOB_MODULE_UNSETTLED: {
    title: 'the module of a job did not finish loading',
    owner: 'user',
    retry: 'restart',
    remedy:
      'Look for an `await` at the top level of the module, or of one that it imports, that does not end, or for an endless loop; a thread has 60 seconds to load the job.',
  },
  JOB_MODULE_INVALID: {
    title: 'a module does not describe a job',
    owner: 'user',
    retry: 'never',
    remedy:
      'Write `export default job((env, args) => { … })`, or build the job on `executionEnvironment()` and call `env.execute()` once.',
  },
  STREAM_INVALID: {
    title: 'a stream is used in a way that cannot work',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct the call that the message names.',
  },
  // cli
  BUNDLER_FAILED: {
    title: 'the job could not be bundled',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct what esbuild names; its messages are above.',
  },
  REST_REQUEST_REFUSED: {
    title: 'the REST interface refused what was asked for',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct what the message says; `millrace list` says which jobs there are.',
  },
  REST_TOKEN_REFUSED: {
    title: 'the REST interface wants a token, or one that may do more',
    owner: 'user',
    retry: 'never',
    remedy:
      'Name the file of a token with --token-file. A cluster keeps three in its state folder: token-view to look, token-operate to stop, cancel and take savepoints, token to submit.',
  },
  REST_UNAVAILABLE: {
    title: 'the dashboard and its REST interface have no port to listen on',
    owner: 'external',
    retry: 'never',
    remedy: 'Choose a free port: -Drest.port=8090 (0 takes any).',
  },
  BUNDLER_MISSING: {
    title: 'esbuild is not installed',
    owner: 'user',
    retry: 'never',
    remedy: 'Install it beside the job: npm install --save-dev esbuild',
  },
  CONFIG_FILE_INVALID: {
    title: 'a configuration file cannot be used',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct the file that the message names, or move it away.',
  },
  JOB_FILE_MISSING: {
    title: 'there is no such job file',
    owner: 'user',
    retry: 'never',
    remedy: 'Check the path of the job file.',
  },
  JOB_NOT_LOADABLE: {
    title: 'Node cannot load the job file',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct the line that the message names, or run with --bundle.',
  },
  JOB_WITHOUT_MILLRACE: {
    title: 'the job cannot import millrace',
    owner: 'user',
    retry: 'never',
    remedy: 'Install it in the folder of the job: npm install millrace',
  },
  // testing
  TEST_CRASH_DIFFERS: {
    title: 'a crash changes what the job commits',
    owner: 'user',
    retry: 'never',
    remedy: 'Keep what must survive in state, and write through an exactly-once sink.',
  },
  TEST_KIT_MISUSED: {
    title: 'the test kit was asked for something that it cannot do',
    owner: 'user',
    retry: 'never',
    remedy: 'Correct the call that the message names.',
  },
  TEST_ORDER_DIFFERS: {
    title: 'the order of the input changes the final results of the job',
    owner: 'user',
    retry: 'never',
    remedy: 'Decide by timestamps and timers, not by which record comes first.',
  },
  TEST_SCRIPTED_CRASH: {
    title: 'a scripted source crashed where its script says so',
    owner: 'user',
    retry: 'restart',
    remedy: 'Nothing: the test asked for it. Let the job restart (restart-strategy.type: fixed-delay).',
  },
} as const satisfies Record<string, ErrorRow>;

/** A code of the error table. */
export type ErrorCode = keyof typeof ERROR_TABLE;

/** Where in the job an error happened; every field that is known is filled. */
export interface ErrorLocation {
  readonly job?: string;
  readonly operator?: string;
  readonly uid?: string;
  readonly subtask?: number;
  /** A position in the input, for example `auth.log:1234` or `offset 99`. */
  readonly position?: string;
}

/**
 * An error with a code, a place and a remedy.
 *
 * ```ts
 * const error = new MillraceError('KEY_INVALID', 'the key selector returned null', { where: { uid: 'visits' } });
 * console.log(`${error.message}. ${error.remedy}`);
 * ```
 */
export class MillraceError extends Error {
  override readonly name = 'MillraceError';
  readonly code: ErrorCode;
  readonly where: ErrorLocation;
  readonly remedy: string;

  constructor(
    code: ErrorCode,
    message: string,
    options: { where?: ErrorLocation; remedy?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.where = options.where ?? {};
    this.remedy = options.remedy ?? ERROR_TABLE[code].remedy;
  }

  get owner(): ErrorOwner {
    return ERROR_TABLE[this.code].owner;
  }

  get retry(): ErrorRetry {
    return ERROR_TABLE[this.code].retry;
  }
}

/** What an error becomes when it crosses a thread or a process. */
export interface SerializedError {
  readonly code: ErrorCode | undefined;
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly where: ErrorLocation;
  readonly remedy: string | undefined;
  readonly cause: SerializedError | undefined;
}

/**
 * True for a Millrace error, also one that was rebuilt from another thread; narrows by code when one is given.
 *
 * ```ts
 * try {
 *   await executionEnvironment().execute();
 * } catch (error) {
 *   if (!isMillraceError(error, 'FENCED')) throw error;
 *   console.log('a newer run has taken over');
 * }
 * ```
 */
export function isMillraceError(error: unknown, code?: ErrorCode): error is MillraceError {
  return (
    error instanceof Error &&
    error.name === 'MillraceError' &&
    (code === undefined || (error as MillraceError).code === code)
  );
}

/**
 * Turns any thrown value into plain data; causes are followed to a depth of 8.
 *
 * An error of the file system that nobody gave a code of its own gets `FILES_FAILED`.
 */
export function serializeError(error: unknown, depth = 0): SerializedError {
  if (!(error instanceof Error)) {
    return {
      code: undefined,
      name: 'Error',
      message: String(error),
      stack: undefined,
      where: {},
      remedy: undefined,
      cause: undefined,
    };
  }
  const own = isMillraceError(error) ? error : undefined;
  return {
    code: own?.code ?? (error.name === 'FilesError' ? 'FILES_FAILED' : undefined),
    name: error.name,
    message: error.message,
    stack: error.stack,
    where: own?.where ?? {},
    remedy: own?.remedy,
    cause: error.cause === undefined || depth >= 8 ? undefined : serializeError(error.cause, depth + 1),
  };
}

/** Rebuilds an error from plain data, with the stack of the place where it was thrown. */
export function deserializeError(data: SerializedError): Error {
  const cause = data.cause === undefined ? undefined : deserializeError(data.cause);
  const options: { where: ErrorLocation; remedy?: string; cause?: unknown } = { where: data.where };
  if (data.remedy !== undefined) options.remedy = data.remedy;
  if (cause !== undefined) options.cause = cause;
  const error =
    data.code === undefined
      ? Object.assign(new Error(data.message, cause === undefined ? undefined : { cause }), {
          name: data.name,
        })
      : new MillraceError(data.code, data.message, options);
  if (data.stack !== undefined) error.stack = data.stack;
  return error;
}
