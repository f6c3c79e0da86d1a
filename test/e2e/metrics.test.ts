// Every metric of Flink is served under its name with a value that can be, or is listed with the reason why not. The table is
// docs/reference/metrics.md.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { root } from '../architecture/read.ts';
import { cleanUp, eventually, startMillrace, temporaryFolder } from './processes.ts';

const job = join(root, 'test', 'e2e', 'metrics-job.ts');
const page = readFileSync(join(root, 'docs', 'reference', 'metrics.md'), 'utf8');
/** A busy machine is no failure: the runner has a limit of its own. */
const PATIENCE_MS = 200_000;

/** All of Flink's list; a name of a group stands for what is in it. */
const FLINK = `
Status.JVM.CPU.Load Status.JVM.CPU.Time Status.JVM.Memory.Heap.Used Status.JVM.Memory.Heap.Committed
Status.JVM.Memory.Heap.Max Status.JVM.Memory.NonHeap Status.JVM.Memory.Metaspace Status.JVM.Memory.Direct.Count
Status.JVM.Memory.Direct.MemoryUsed Status.JVM.Memory.Direct.TotalCapacity Status.JVM.Memory.Mapped
Status.Flink.Memory.Managed Status.JVM.Threads.Count Status.JVM.GarbageCollector.All.Count
Status.JVM.GarbageCollector.All.Time Status.JVM.GarbageCollector.All.TimeMsPerSecond Status.JVM.ClassLoader System
Status.Shuffle.Netty.MemorySegments Status.Shuffle.Netty.AvailableMemory Status.Shuffle.Netty.UsedMemory
Status.Shuffle.Netty.TotalMemory Status.Shuffle.Netty.RequestedMemoryUsage
Shuffle.Netty.Input.Buffers.inputQueueLength Shuffle.Netty.Input.Buffers.inputQueueSize
Shuffle.Netty.Input.Buffers.inPoolUsage inputFloatingBuffersUsage inputExclusiveBuffersUsage
Shuffle.Netty.Output.Buffers.outputQueueLength Shuffle.Netty.Output.Buffers.outputQueueSize
Shuffle.Netty.Output.Buffers.outPoolUsage numBytesInLocal numBytesInRemote numBuffersInLocal numBuffersInRemote
totalQueueLen numRegisteredTaskManagers numPendingTaskManagers numRunningJobs taskSlotsAvailable taskSlotsTotal
initializingState initializingTime initializingTimeTotal createdState createdTime createdTimeTotal runningState
runningTime runningTimeTotal restartingState restartingTime restartingTimeTotal cancellingState cancellingTime
cancellingTimeTotal failingState failingTime failingTimeTotal deployingState deployingTime deployingTimeTotal
numRestarts uptime downtime fullRestarts lastCheckpointDuration lastCheckpointSize lastCheckpointFullSize
lastCheckpointExternalPath lastCheckpointRestoreTimestamp lastCompletedCheckpointId numberOfInProgressCheckpoints
numberOfCompletedCheckpoints numberOfFailedCheckpoints totalNumberOfCheckpoints checkpointAlignmentTime
checkpointStartDelayNanos changelog numBytesOut numBytesOutPerSecond numBuffersOut isBackPressured
idleTimeMsPerSecond busyTimeMsPerSecond backPressuredTimeMsPerSecond softBackPressuredTimeMsPerSecond
hardBackPressuredTimeMsPerSecond maxSoftBackPressuredTimeMs maxHardBackPressuredTimeMs mailboxMailsPerSecond
mailboxLatencyMs mailboxQueueSize initializationTime estimatedTimeToConsumeBuffersMs debloatedBufferSize
numRecordsIn numRecordsOut numRecordsInPerSecond numRecordsOutPerSecond numLateRecordsDropped currentInputWatermark
currentInputNWatermark currentOutputWatermark watermarkAlignmentDrift numSplitsProcessed currentFetchEventTimeLag
currentEmitEventTimeLag watermarkLag sourceIdleTime pendingBytes pendingRecords numRecordsInErrors numBytesInSource
numUnassignedSplits currentWatermark activeTimeMsPerSecond pausedTimeMsPerSecond accumulatedActiveTimeMs
accumulatedPausedTimeMs accumulatedIdleTimeMs numRecordsSend numBytesSend numRecordsSendErrors currentSendTime
pendingCommittables successfulCommittables alreadyCommittedCommittables failedCommittables retriedCommittables
totalCommittables latency state.backend.rocksdb state.latency-track
`
  .trim()
  .split(/\s+/);

interface Sample {
  readonly value: number;
  readonly labels: string;
}

type Check = (samples: readonly Sample[]) => boolean;

const some =
  (holds: (value: number) => boolean): Check =>
  (samples) =>
    samples.some(({ value }) => holds(value));
const positive = some((value) => value > 0);
const isTime = some((value) => Math.abs(value - Date.now()) < 3_600_000);
/** What a value has to be, besides a number that is not negative: what could be 0 by mistake is not. */
const PLAUSIBLE: Readonly<Record<string, Check>> = {
  isLeader: some((value) => value === 1),
  numRegisteredTaskManagers: some((value) => value === 1),
  numRunningJobs: some((value) => value === 1),
  taskSlotsTotal: some((value) => value === 2),
  'Status.JVM.CPU.Load': positive,
  'Status.JVM.CPU.Time': some((value) => value > 1e8),
  'Status.JVM.Memory.Heap.Used': some((value) => value > 1e6),
  'Status.JVM.Memory.Heap.Max': some((value) => value > 1e8),
  'Status.JVM.GarbageCollector.All.Count': positive,
  'Status.JVM.Threads.Count': some((value) => value === 3),
  'Status.Shuffle.Netty.TotalMemory': some((value) => value >= 2 ** 16),
  'Status.Shuffle.Netty.RequestedMemoryUsage': some((value) => value <= 100),
  'Status.Node.Heap.Used': some((value) => value > 1e6),
  'Status.Node.EventLoop.BusyShare': some((value) => value > 0 && value <= 1),
  'Status.Node.Collector.PauseMsMax': positive,
  runningState: some((value) => value === 1),
  runningTime: positive,
  runningTimeTotal: positive,
  createdTimeTotal: positive,
  deployingTimeTotal: positive,
  uptime: positive,
  lastCheckpointDuration: positive,
  lastCheckpointSize: positive,
  lastCheckpointFullSize: positive,
  lastCompletedCheckpointId: positive,
  lastCheckpointCompletedTimestamp: isTime,
  // There was none to restore.
  lastCheckpointRestoreTimestamp: (samples) => samples.every(({ value }) => value === -1),
  numberOfCompletedCheckpoints: positive,
  totalNumberOfCheckpoints: positive,
  numBytesIn: positive,
  numBytesOut: positive,
  numBytesInPerSecond: positive,
  numBytesOutPerSecond: positive,
  busyTimeMsPerSecond: some((value) => value > 0 && value <= 1_000),
  idleTimeMsPerSecond: some((value) => value > 0 && value <= 1_000),
  accumulateBusyTimeMs: positive,
  accumulateIdleTimeMs: positive,
  initializationTime: positive,
  numRecordsIn: positive,
  numRecordsOut: positive,
  numRecordsInPerSecond: positive,
  numRecordsOutPerSecond: some((value) => value > 10 && value < 5_000),
  numLateRecordsDropped: positive,
  currentInputWatermark: isTime,
  currentOutputWatermark: isTime,
  watermarkLag: some((value) => value > 1_000 && value < 3_600_000),
  currentEmitEventTimeLag: some((value) => value > 1_000 && value < 3_600_000),
  currentFetchEventTimeLag: some((value) => value > 1_000 && value < 3_600_000),
  pendingRecords: some((value) => value > 1_000),
  // The fast source waits, ahead of the slow one by about what is allowed.
  watermarkAlignmentDrift: some((value) => value > 500 && value < 60_000),
  currentWatermark: isTime,
  activeTimeMsPerSecond: some((value) => value > 500),
  pausedTimeMsPerSecond: positive,
  accumulatedActiveTimeMs: positive,
  accumulatedPausedTimeMs: positive,
  numRecordsSend: positive,
  latency: positive,
};

/** No split is idle in this job, as records come in all of them. */
function plausible(scope: string, name: string): Check | undefined {
  return scope.endsWith('_split_watermark') && name === 'idleTimeMsPerSecond' ? undefined : PLAUSIBLE[name];
}

/** Scope and names of each row of a table of the page. */
function rows(title: string): { readonly cells: readonly string[]; readonly names: readonly string[] }[] {
  const section = page.split(`## ${title}\n`)[1]!.split('\n## ')[0]!;
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && line.includes('`'))
    .map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim())
        .slice(1, -1),
    )
    .map((cells) => {
      const cell = title === 'Served' ? cells[1]! : cells[0]!;
      return { cells, names: [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!) };
    });
}

function samplesOf(text: string): Map<string, Sample[]> {
  const samples = new Map<string, Sample[]>();
  for (const line of text.split('\n')) {
    const match = /^(\w+)\{(.*)\} (\S+)$/.exec(line);
    if (match === null) continue;
    const [, name, labels, value] = match;
    samples.set(name!, [...(samples.get(name!) ?? []), { labels: labels!, value: Number(value) }]);
  }
  return samples;
}

describe('the metrics of Flink', () => {
  it('are all in the reference: served, or not applicable with a reason', () => {
    const served = rows('Served').flatMap(({ names }) => names);
    const others = rows('Not applicable');
    for (const { cells } of others) assert.ok((cells[1] ?? '').length > 10, `a reason: ${cells.join(' | ')}`);
    const without = others.flatMap(({ names }) => names);
    const both = served.filter((name) => without.includes(name));
    assert.deepEqual(both, []);
    assert.deepEqual(
      FLINK.filter((name) => !served.includes(name) && !without.includes(name)),
      [],
      'neither served nor told why not',
    );
    assert.deepEqual(
      without.filter((name) => !FLINK.includes(name)),
      [],
      'not in the list of Flink',
    );
    assert.deepEqual(
      Object.keys(PLAUSIBLE).filter((name) => !served.includes(name)),
      [],
    );
  });

  it('are served with values that can be while a job runs', async (test) => {
    const running = startMillrace(['run', job, '--ui', '-Drest.port=0'], { cwd: temporaryFolder(test) });
    cleanUp(test, () => running.child.kill('SIGKILL'));
    const address = /dashboard at (\S+)/;
    await running.outputMatches(address, PATIENCE_MS);
    const url = address.exec(running.output())![1]!;
    // The first and the second are looked at below; bytes are known of files, whose own tests hold them.
    const elsewhere = ['lastCheckpointExternalPath', 'latency', 'pendingBytes'];
    const expected = rows('Served')
      .map(({ cells, names }) => ({ cells, names: names.filter((name) => !elsewhere.includes(name)) }))
      .flatMap(({ cells, names }) =>
        cells[0]!.split(', ').flatMap((scope) => names.map((name) => ({ scope, name }))),
      );
    assert.ok(expected.length > 100, `${expected.length} metrics`);
    const wrong: string[] = [];
    await eventually(
      async () => {
        const samples = samplesOf(await (await fetch(`${url}/metrics`)).text());
        wrong.length = 0;
        for (const { scope, name } of expected) {
          const full = `millrace_${scope}_${name}`.replaceAll(/[^\w]/g, '_');
          const found = samples.get(full) ?? [];
          const least = name.startsWith('lastCheckpoint') || name === 'lastCompletedCheckpointId' ? -1 : 0;
          const isNumber = found.length > 0 && found.every(({ value }) => value >= least);
          if (isNumber && (plausible(scope, name)?.(found) ?? true)) continue;
          wrong.push(`${full} ${JSON.stringify(found.map(({ value }) => value)).slice(0, 100)}`);
        }
        const latency = 'taskmanager_job_latency_source_id_operator_id_operator_subtask_index_latency';
        if (!positive(samples.get(`millrace_${latency}`) ?? [])) wrong.push(latency);
        return wrong.length === 0;
      },
      'see below',
      PATIENCE_MS,
    ).catch((error: unknown) => assert.fail(`${String(error)}\n${wrong.join('\n')}\n${running.output()}`));

    // The three shares of a task, and of a split, are all of a second.
    const samples = samplesOf(await (await fetch(`${url}/metrics`)).text());
    const share = (name: string, labels: string): number =>
      samples.get(name)?.find((sample) => sample.labels === labels)?.value ?? Number.NaN;
    for (const [scope, parts] of [
      ['millrace_taskmanager_job_task', ['busy', 'idle', 'backPressured']],
      ['millrace_taskmanager_job_task_operator_split_watermark', ['active', 'paused', 'idle']],
    ] as const) {
      for (const { labels } of samples.get(`${scope}_${parts[0]}TimeMsPerSecond`) ?? []) {
        const sum = parts.reduce(
          (total, part) => total + share(`${scope}_${part}TimeMsPerSecond`, labels),
          0,
        );
        assert.ok(Math.abs(sum - 1_000) <= 3, `${scope} ${labels}: ${sum}`);
      }
    }
    const { jobs } = (await (await fetch(`${url}/jobs`)).json()) as { jobs: { id: string }[] };
    const path = await fetch(`${url}/jobs/${jobs[0]!.id}/metrics?get=lastCheckpointExternalPath`);
    assert.match(((await path.json()) as { value: string }[])[0]!.value, /chk-\d+$/);
  });
});
