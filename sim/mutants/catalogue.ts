// Bugs that worlds must find: each puts one text of one source file in the place of another, and names what it breaks.
//
// Most were bugs of systems like this one; `teaches` says which rule they broke, by its number in
// docs/internals/invariants.md where it has one. A mutant that stays alive would be a hole in the worlds or in their checks.

import type { ShapeName } from '../shapes.ts';

/** One bug. */
export interface Mutant {
  readonly name: string;
  /** What it does, and the invariant that it breaks. */
  readonly teaches: string;
  /** Path from the root of the repository. */
  readonly file: string;
  /** A text that the file holds exactly once. */
  readonly from: string;
  readonly to: string;
  /** Found only by a search of many seeds, or in worlds of a shape; the seed from which on a search finds it soon. */
  readonly rare?: { readonly fromSeed: number; readonly shape?: ShapeName };
  /** Why no world can show it: a second guard makes it harmless, or something else than worlds finds it. It is not hunted. */
  readonly harmless?: string;
}

const ALIGNMENT = 'src/exchange/alignment.ts';
const COORDINATOR = 'src/checkpoint/coordinator.ts';
const RUNNER = 'src/hosts/task-runner.ts';
const SINK = 'src/operators/sink-operator.ts';
const PARTS = 'src/connectors/files/part-writer.ts';
const REDISTRIBUTION = 'src/checkpoint/redistribution.ts';
const SOURCE = 'src/operators/source-operator.ts';
const MERGE = 'src/exchange/watermark-merge.ts';
const OWNERSHIP = 'src/checkpoint/ownership.ts';
const LATEST = 'src/checkpoint/latest.ts';
const RECORDER = 'src/exchange/in-flight-recorder.ts';
const RECOVERED = 'src/exchange/recovered-input.ts';
const DURABLE = 'src/checkpoint/durable-files.ts';
const START = 'src/checkpoint/start.ts';
const S3 = 'src/stores/s3-store.ts';
const TWO_PHASE = 'src/connectors/two-phase-commit.ts';

/** All of them. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: 'commit-at-barrier',
    teaches: 'I-C2: output is visible before the checkpoint that it belongs to is durable',
    file: SINK,
    from: 'const items = this.#encode([...this.#pending]);',
    to: 'const items = this.#encode([...this.#pending]);\n    void this.#pending.at(-1)!.prepared.then((handles) => handles.length > 0 && this.#committer!.commit(checkpointId, handles));',
  },
  {
    name: 'pending-not-in-state',
    teaches: 'I-C3: what is prepared for older checkpoints is not part of the state',
    file: SINK,
    from: 'this.#encode([...this.#pending])',
    to: 'this.#encode([])',
  },
  {
    name: 'only-latest-pending',
    teaches: 'I-C3: a commit inherited from an aborted checkpoint is forgotten',
    file: SINK,
    from: 'this.#encode([...this.#pending])',
    to: 'this.#encode(this.#pending.slice(-1))',
  },
  {
    name: 'commit-only-its-own',
    teaches: 'I-C3: completion of n commits n alone, not everything up to n',
    file: SINK,
    from: 'if (next.checkpointId > checkpointId) return;',
    to: 'if (next.checkpointId > checkpointId) return;\n      if (next.checkpointId < checkpointId) { this.#pending.shift(); continue; }',
  },
  {
    name: 'restored-not-committed',
    teaches: 'I-C2: what the restored checkpoint names is not committed',
    file: SINK,
    from: 'await this.#commitUpTo(last.checkpointId);\n    }',
    to: 'this.#pending.length = 0;\n    }',
  },
  {
    name: 'commit-error-ignored',
    teaches: 'I-C5: a commit that failed is forgotten',
    file: SINK,
    from: '      this.#fail(error);\n      throw error;',
    to: '      this.#pending.shift();\n      void error;',
  },
  {
    name: 'no-fence-before-commit',
    teaches: 'I-C7: a zombie commits',
    file: SINK,
    from: '        await this.#context!.checkFence();\n',
    to: '',
    harmless:
      'What a process that has lost its job may still commit was durable before its successor claimed the job (it asks the fence after each publication), so that the successor continues from it and commits the same. Who begins elsewhere on purpose is in test/recovery/kill.test.ts.',
  },
  {
    name: 'acknowledge-before-prepared',
    teaches: 'I-C1: the acknowledgement does not wait for what it names',
    file: SINK,
    from: 'for (const handle of await prepared)',
    to: 'for (const handle of await Promise.race([prepared, Promise.resolve([])]))',
  },
  {
    name: 'part-not-synchronized',
    teaches: 'I-D1: bytes of a part are lost with the power',
    file: PARTS,
    from: '    await part.file?.sync();\n',
    to: '',
  },
  {
    name: 'part-name-not-synchronized',
    teaches: 'I-D1: the name of a part is lost with the power',
    file: PARTS,
    from: '      await this.#context.files.syncDirectory(this.#directory);\n',
    to: '',
  },
  {
    name: 'part-across-barriers',
    teaches: 'a part holds records of two checkpoints',
    file: PARTS,
    from: '    this.#endPart();\n    const parts = this.#ended;',
    to: '    this.#flush();\n    const parts = this.#ended;',
  },
  {
    name: 'prepare-forgets-batch',
    teaches: 'I-C1: records that wait in a batch are not in the transaction of their barrier',
    file: TWO_PHASE,
    from: '    this.#send();\n    return this.#queue.add(() => this.#prepare(checkpointId));',
    to: '    return this.#queue.add(() => this.#prepare(checkpointId));',
  },
  {
    name: 'transaction-used-again',
    teaches: 'a prepared transaction is written to',
    file: TWO_PHASE,
    from: '    const prepared = await this.#steps.prepare(transaction.open, checkpointId);\n    this.#transaction = undefined;',
    to: '    const prepared = await this.#steps.prepare(transaction.open, checkpointId);',
  },
  {
    name: 'no-alignment',
    teaches: 'I-X1: a channel is read beyond its barrier',
    file: ALIGNMENT,
    from: 'return arrivedAt !== NOT_ARRIVED && this.#position(channel) >= arrivedAt;',
    to: 'return false;',
  },
  {
    name: 'in-flight-not-recorded',
    teaches: 'I-U2: what an unaligned barrier overtakes is lost',
    file: RECORDER,
    from: '    this.#frames[channel]!.push(frame);\n',
    to: '',
  },
  {
    name: 'in-flight-out-of-order',
    teaches: 'I-U2: in-flight data comes back in another order',
    file: RECORDER,
    from: 'this.#frames[channel]!.push(frame);',
    to: 'this.#frames[channel]!.unshift(frame);',
  },
  {
    name: 'in-flight-of-two-checkpoints',
    teaches: 'I-U2: what was recorded for a checkpoint is recorded for the next one again',
    file: RECORDER,
    from: 'for (let channel = 0; channel < this.#frames.length; channel++) this.#frames[channel] = [];',
    to: '',
  },
  {
    name: 'rerouted-to-everybody',
    teaches: 'I-K2: in-flight records go to every subtask when the parallelism changes',
    file: RECOVERED,
    from: 'if (!this.#keep(edge, batch.values[index])) continue;',
    to: '',
  },
  {
    name: 'rerouted-watermarks',
    teaches: 'I-W2: the watermark of another channel counts after a change of parallelism',
    file: RECOVERED,
    from: 'if (reroute || dropEvents) return undefined;',
    to: '',
  },
  {
    name: 'recovered-frame-twice',
    teaches: 'I-U2: the last frame of a section is read twice',
    file: RECOVERED,
    from: 'if (this.#frame === section.frames.length) {',
    to: 'if (this.#frame > section.frames.length - 1 && this.#section % 2 === 1 && this.#frame === section.frames.length) {\n        this.#section++;\n        this.#frame = 0;\n        return section.frames.length > 0 ? this.#read(section, section.frames.at(-1)!) : this.next();\n      }\n      if (this.#frame === section.frames.length) {',
  },
  {
    name: 'key-group-off-by-one',
    teaches: 'I-K1: a key group belongs to nobody after a change of parallelism',
    file: REDISTRIBUTION,
    from: 'keyGroup >= start && keyGroup <= end',
    to: 'keyGroup >= start && (keyGroup < end || start === end)',
  },
  {
    name: 'split-deals-to-first',
    teaches: 'I-K2: items of the last chunk are lost',
    file: REDISTRIBUTION,
    from: 'const to = from + base + (turn < rest ? 1 : 0);',
    to: 'const to = from + base;',
  },
  {
    name: 'acknowledged-by-some',
    teaches: 'I-X3: a checkpoint is complete before everybody acknowledged it',
    file: COORDINATOR,
    from: "if (pending.missing.size === 0) pending.phase = 'ready';",
    to: "if (pending.missing.size <= 1) { pending.missing.clear(); pending.phase = 'ready'; }",
  },
  {
    name: 'complete-before-published',
    teaches: 'I-C2: completion is told before the metadata is durable',
    file: COORDINATOR,
    from: "      this.#decide({ kind: 'publish', barrier, acknowledgements: [...acknowledgements], storage });",
    to: "      this.#decide({ kind: 'complete', checkpointId: barrier.id });\n      this.#decide({ kind: 'publish', barrier, acknowledgements: [...acknowledgements], storage });",
  },
  {
    name: 'unknown-publication-ignored',
    teaches: 'I-H4: a publication whose outcome is not known counts as failed',
    file: COORDINATOR,
    from: 'if (fact.outcomeKnown) this.#publishRefused(pending, fact.error, now);\n    else this.#publishUnknown(pending, fact.error, now);',
    to: 'this.#publishRefused(pending, fact.error, now);',
    harmless:
      'A checkpoint that is durable although it counts as failed is whole: whoever finds it continues from it, its parts are removed by nobody (W5), and its id is taken. 1,451 worlds with a fault aimed at a publication went well.',
  },
  {
    name: 'restores-the-one-before',
    teaches: 'I-C2: a restart begins below the checkpoint whose output was released',
    file: COORDINATOR,
    from: "return { kind: 'checkpoint', checkpointId: this.#retention.latest ?? this.#state.restoredId };",
    to: "return { kind: 'checkpoint', checkpointId: this.#state.restoredId ?? this.#retention.latest };",
  },
  {
    name: 'ids-start-again',
    teaches: 'I-D4: ids of checkpoints are used twice',
    file: COORDINATOR,
    from: 'this.#state.nextId = Math.max(this.#state.nextId, above);',
    to: 'this.#state.nextId = (fact.checkpointId ?? 0) + 1;',
  },
  {
    name: 'restart-during-publication',
    teaches: 'what a restart continues from is not the latest: a publication is under way',
    file: COORDINATOR,
    from: "if (this.#isOutliving(this.#publishing())) return { kind: 'unsettled' };",
    to: '',
    harmless:
      'A restart waits until publications are settled before it asks what to continue from (whenSettled in job-master.ts). 1,504 worlds with failures and kills went well.',
  },
  {
    name: 'snapshot-before-barrier-goes-on',
    teaches: 'a timer or a record between barrier and snapshot is in both',
    file: RUNNER,
    from: '    const outputs = this.#ports.flatMap((port) => port.barrier(barrier));\n    const snapshot = this.task.snapshot(barrier, encoding);',
    to: '    const snapshot = this.task.snapshot(barrier, encoding);\n    if (this.task.busy()) this.task.run(Number.POSITIVE_INFINITY);\n    const outputs = this.#ports.flatMap((port) => port.barrier(barrier));',
  },
  {
    name: 'old-barriers-are-taken',
    teaches: 'I-U3: a checkpoint that was aborted begins again',
    file: RUNNER,
    from: '    if (barrier.id <= this.#lastBarrier) return;\n',
    to: '',
    harmless:
      'The alignment ignores barriers that are not newer than the last one (exchange/alignment.ts), and a source gets its triggers in ascending order.',
  },
  {
    name: 'failure-not-reported',
    teaches: 'I-L5: a task has failed and the job runs on',
    file: RUNNER,
    from: "    this.#report({ kind: 'failed', ...this.#address, error: serializeError(error) });\n",
    to: '',
  },
  {
    name: 'decline-is-swallowed',
    teaches: 'I-L2: a checkpoint that cannot be stored is waited for',
    file: RUNNER,
    from: "    } catch (error) {\n      this.#report({ kind: 'decline', ...this.#address, checkpointId, error: serializeError(error) });\n    }",
    to: '    } catch (error) {\n      void error;\n    }',
  },
  {
    name: 'splits-not-in-snapshot',
    teaches: 'I-S1: the splits that a reader holds are not in the state',
    file: SOURCE,
    from: "state.section(SPLITS_SECTION, 'split', splits.map(encodeSplit));",
    to: "state.section(SPLITS_SECTION, 'split', splits.slice(1).map(encodeSplit));",
  },
  {
    name: 'silent-split-does-not-count',
    teaches: 'I-W2: a split that has said nothing does not hold event time back',
    file: 'src/operators/split-watermarks.ts',
    from: 'if (!split.idle && split.watermark < least) least = split.watermark;',
    to: 'if (!split.idle && split.watermark > MIN_TIMESTAMP && split.watermark < least) least = split.watermark;',
    harmless:
      'A split that a reader is given later than others may be late by right, so that worlds allow what this does; src/operators/split-watermarks.test.ts finds it.',
  },
  {
    name: 'watermark-is-largest',
    teaches: 'I-W2: event time follows the fastest channel',
    file: MERGE,
    from: 'if (this.#aligned[index] === 1 && this.#watermarks[index]! < smallest)',
    to: 'if (this.#aligned[index] === 1 && (this.#watermarks[index]! < smallest || this.#watermarks[index]! > MIN_TIMESTAMP))',
  },
  {
    name: 'silent-channel-does-not-count',
    teaches: 'I-W2: a channel that has said nothing does not hold event time back',
    file: MERGE,
    from: 'this.#aligned = new Uint8Array(size).fill(1);',
    to: 'this.#aligned = new Uint8Array(size);',
  },
  {
    name: 'fence-always-passes',
    teaches: 'I-C7: whoever slept goes on as if nobody had taken over',
    file: OWNERSHIP,
    from: 'if (highest > attempt) {',
    to: 'if (highest > attempt + 1_000) {',
  },
  {
    name: 'base-not-recorded',
    teaches: 'I-C2: a dead branch of checkpoints is taken for the line of the job',
    file: OWNERSHIP,
    from: '  const outcome = await store.publish({ directory, name, temporary, bytes });',
    to: '  if (name === BASE_FILE) return;\n  const outcome = await store.publish({ directory, name, temporary, bytes });',
  },
  {
    name: 'marker-before-all',
    teaches: 'I-H5: a job is marked as finished that is not',
    file: 'src/cluster/job-manager/job-ending.ts',
    from: 'if (port.running()?.executions.allCommitted(ending.checkpointId) !== true) return;',
    to: '',
  },
  {
    name: 'oldest-is-latest',
    teaches: 'I-C2: the oldest checkpoint is continued from',
    file: LATEST,
    from: 'for (const id of [...ids].reverse()) {',
    to: 'for (const id of ids) {',
  },
  {
    name: 'metadata-not-synchronized',
    teaches: 'I-D1: a checkpoint is complete and not durable',
    file: DURABLE,
    from: '    await files.syncDirectory(publication.directory);\n',
    to: '',
  },
  {
    name: 'bytes-not-synchronized',
    teaches: 'I-D1: state and metadata are lost with the power',
    file: DURABLE,
    from: '    await file.sync();\n',
    to: '',
  },
  {
    name: 'discards-the-latest',
    teaches: 'I-D2: the latest checkpoint is removed',
    file: 'src/checkpoint/retention.ts',
    from: 'Math.max(0, this.#durable.length - this.#retained)',
    to: 'Math.max(0, this.#durable.length - this.#retained + 1)',
  },
  {
    name: 'state-changes-after-barrier',
    teaches: 'I-X1: the bytes of a key group are of a later moment than the barrier',
    file: 'src/state/memory/key-group-copy.ts',
    from: 'if (this.#entries.isOver(entry)) return;',
    to: 'return;',
  },
  {
    name: 'number-changes-after-barrier',
    teaches: 'I-X1: a number in a typed table is of a later moment than the barrier',
    file: 'src/state/memory/number-table.ts',
    from: '    if (place >= this.uncopied) this.keep(place);\n    this.put(',
    to: '    this.put(',
  },
  {
    name: 'in-flight-output-not-kept',
    teaches: 'I-U2: what waited for room when an unaligned barrier went ahead is lost',
    file: 'src/exchange/output.ts',
    from: 'if (frames.length > 0) sections.push({ edge: this.#edge, producer: this.#producer, consumer, frames });',
    to: '',
  },
  {
    name: 'batch-being-filled-not-kept',
    teaches: 'I-U2: a batch that is being filled when an unaligned barrier goes ahead is lost',
    file: 'src/exchange/output.ts',
    from: "if (builder.size > 0) frames.push(writer.encode({ kind: 'batch', batch: builder.batch() }));",
    to: 'void builder;',
  },
  {
    name: 'barrier-overtakes-on-all-edges',
    teaches: 'I-X1: an aligned barrier goes ahead of records',
    file: 'src/exchange/output.ts',
    from: "      this.#broadcast({ kind: 'barrier', barrier });\n      return [];",
    to: "      this.#channels.forEach((_, channel) => this.#send(channel, { kind: 'event', event: { kind: 'barrier', barrier } }));\n      return [];",
  },
  {
    name: 'lost-part-is-committed-part',
    teaches: 'I-C5: output that is gone counts as committed',
    file: 'src/connectors/files/part-committer.ts',
    from: '        throw this.#lost(from, to, checkpointId, error);',
    to: '        void this.#lost(from, to, checkpointId, error);',
    harmless:
      'Nothing in a world takes away a part that a checkpoint names; src/connectors/files/file-sink.test.ts does.',
  },
  {
    name: 'second-commit-is-loss',
    teaches: 'I-A1: a commit that was done before is an error',
    file: 'src/connectors/files/part-committer.ts',
    from: 'if ((await files.stat(join(this.#directory, to))) === undefined)',
    to: '',
  },
  {
    name: 'commit-not-synchronized',
    teaches: 'I-C3: a commit is forgotten by the state and undone by a loss of power',
    file: 'src/connectors/files/part-committer.ts',
    from: '      await this.#context.files.syncDirectory(this.#directory);\n',
    to: '',
  },
  {
    name: 'splits-start-again',
    teaches: 'I-S1: after a restore every split is dealt out again',
    file: 'src/cluster/job-manager/source-coordinator.ts',
    from: 'if (!isRestored) await enumerator.start();',
    to: 'await enumerator.start();',
  },
  {
    name: 'reports-of-old-attempts-count',
    teaches: 'JM-3: an acknowledgement of an attempt that is gone counts',
    file: 'src/cluster/job-manager/job-master.ts',
    from: 'if (deployment?.attemptOf(report.slot) !== attempt || report.attempt !== attempt) return; // JM-3',
    to: 'if (deployment === undefined) return;',
    harmless:
      'Slots are terminated before the next deployment and report nothing afterwards, and what a process says of another deployment is ignored (RS-1 in remote-slots.ts).',
  },
  {
    name: 'calls-under-way-not-in-state',
    teaches: 'records of asynchronous calls that have no answer yet are lost',
    file: 'src/operators/async-wait.ts',
    from: 'const records = [...this.#queue.records(), ...this.#backlog];',
    to: 'const records = [...this.#backlog];',
  },
  {
    name: 'restored-calls-not-in-state',
    teaches: 'restored calls that have not begun again are lost by the next checkpoint',
    file: 'src/operators/async-wait.ts',
    from: 'const records = [...this.#queue.records(), ...this.#backlog];',
    to: 'const records = [...this.#queue.records()];',
    rare: { fromSeed: 1, shape: 'restored calls' },
  },
  {
    name: 'prepared-parts-are-removed',
    teaches: 'W5: closing removes what a checkpoint may name',
    file: PARTS,
    from: '    const unprepared = this.#part === undefined ? this.#ended : [...this.#ended, this.#part];',
    to: '    const unprepared = [...this.#ended, ...(this.#part === undefined ? [] : [this.#part]), ...(this.#number > 0 ? [{ path: join(this.#directory, inProgressName({ subtask: this.#context.info.subtask, attempt: this.#context.info.attempt, number: this.#number - 1 })) } as Part] : [])];',
  },
  {
    name: 'broadcast-state-to-first',
    teaches: 'I-K2: broadcast state comes back to the first subtask alone',
    file: REDISTRIBUTION,
    from: 'shares: everyone((subtask) => present[subtask % present.length] ?? [])',
    to: 'shares: everyone((subtask) => (subtask === 0 ? (present[0] ?? []) : []))',
  },
  {
    name: 'checkpoint-of-failing-tasks',
    teaches: 'the tasks have stopped and their pending checkpoint is published all the same',
    file: COORDINATOR,
    from: "if (this.#state.phase !== 'running' || this.#publishing() !== undefined) return;\n    for (",
    to: 'if (this.#publishing() !== undefined) return;\n    for (',
    harmless:
      'A checkpoint that all tasks have acknowledged is whole also while the job fails: to publish it is needless, not wrong. When the tasks have stopped, none is left that is ready.',
  },
  {
    name: 'savepoint-commits',
    teaches: 'I-C2: output is released for a savepoint, from which nothing continues by itself',
    file: COORDINATOR,
    from: '    if (this.#config.storage) this.#retention.abandon(id);\n    if (token !== undefined) this.#decide(',
    to: "    if (this.#config.storage) this.#retention.abandon(id);\n    this.#decide({ kind: 'complete', checkpointId: id });\n    if (token !== undefined) this.#decide(",
  },
  {
    name: 'savepoint-is-checkpoint',
    teaches: 'a savepoint replaces the checkpoints before it, and has no state among them',
    file: COORDINATOR,
    from: '    if (isSavepoint(pending)) return this.#savepointPublished(pending);\n',
    to: '',
  },
  {
    name: 'savepoint-of-a-stop-is-empty',
    teaches: 'the savepoint of a stop holds less than the checkpoint that it is taken with',
    file: RUNNER,
    from: "return kind === 'savepoint' ? 'alone' : 'beside';",
    to: "return kind === 'savepoint' ? 'alone' : 'none';",
  },
  {
    name: 'claimed-is-nobodys',
    teaches: 'I-D5: a savepoint that a job has claimed is left behind',
    file: START,
    from: 'if (checkpoint === undefined || choice.claim !== true ||',
    to: "if (checkpoint === undefined || choice.kind === 'path' ||",
  },
  {
    name: 'savepoint-is-the-jobs',
    teaches: 'I-D2: a job removes a savepoint that it did not claim',
    file: START,
    from: 'if (checkpoint === undefined || choice.claim !== true ||',
    to: 'if (checkpoint === undefined ||',
  },
  {
    name: 'run-begins-again',
    teaches: 'I-C2: after a kill a run begins with its savepoint once more',
    file: START,
    from: 'if (options.run === undefined || lineage.head?.run !== options.run) return options;',
    to: 'if (lineage !== undefined) return options;',
  },
  {
    name: 'savepoint-name-not-synchronized',
    teaches: 'I-D1: a savepoint that was answered is gone with the power',
    file: 'src/checkpoint/file-store.ts',
    from: '    await files.syncDirectory(parentOf(directory));\n',
    to: '',
  },
  {
    name: 'rescaled-edge-stays-forward',
    teaches: 'I-K2: records of subtasks that have no partner any more go nowhere',
    file: 'src/graph/rescale.ts',
    from: "if (edge.partitioner !== 'forward' || isEqual) return edge;",
    to: 'if (!isEqual || isEqual) return edge;',
    harmless:
      'Forward and rescale are wired alike: every producer has a consumer at any two numbers of subtasks, so that records only go to fewer of them; src/graph/rescale.test.ts finds it.',
  },
  {
    name: 'rescaled-by-the-old-plan',
    teaches: 'I-K1: state is dealt out by the numbers of subtasks that the job had before',
    file: 'src/cluster/job-manager/job-master.ts',
    from: '    this.#options.storage.usePlan(graph);\n',
    to: '    this.#options.storage.usePlan(this.#options.compiled.graph);\n',
  },
  {
    name: 'epoch-used-again',
    teaches: 'I-H2: two leaders have one epoch',
    file: 'src/ha/leader.ts',
    from: 'epoch: (recordOf(former)?.epoch ?? 0) + 1 }',
    to: 'epoch: Math.max(1, recordOf(former)?.epoch ?? 1) }',
  },
  {
    name: 'deposed-leader-writes',
    teaches: 'I-H1: what a leader writes after another one was chosen takes effect',
    file: 'src/ha/leader-store.ts',
    from: 'this.#store.change({ key, value, expected: found?.revision, guard })',
    to: 'this.#store.change({ key, value, expected: found?.revision })',
  },
  {
    name: 'lost-process-is-not-told',
    teaches: 'I-L5: a process of the job is gone and the job runs on without its tasks',
    file: 'src/cluster/job-manager/remote-slots.ts',
    from: '    for (const deployment of this.#live.values()) deployment.lost(taskManager, reason);\n',
    to: '',
  },
  {
    name: 'process-outlives-its-master',
    teaches: 'I-L5: a process whose job master is gone goes on',
    file: 'src/cluster/task-manager/job-process.ts',
    from: '        lost: (error) => this.#fence(error),\n',
    to: '        lost: () => undefined,\n',
  },
  {
    name: 'store-writes-over',
    teaches: 'I-D4, I-H3: a write in a store of objects takes a name that is taken',
    file: S3,
    from: "            headers: { 'if-none-match': '*', [TOKEN_HEADER]: token },",
    to: '            headers: { [TOKEN_HEADER]: token },',
  },
  {
    name: 'store-error-is-absence',
    teaches: 'error is not absence: a store that cannot answer is taken for one that has nothing',
    file: S3,
    from: "return answer?.status === 404 && errorCode(answer.body) === 'NoSuchKey';",
    to: 'return answer === undefined || answer.status >= 400;',
    rare: { fromSeed: 1, shape: 'store' },
  },
  {
    name: 'store-first-page-is-all',
    teaches: 'I-C2: of a list in pages only the first one is read',
    file: S3,
    from: 'while (continuation !== undefined);',
    to: 'while (continuation !== undefined && query === undefined);',
  },
  {
    name: 'store-last-part-is-missing',
    teaches: 'I-D1: of an object that is uploaded in parts the last one is left out',
    file: S3,
    from: 'Array.from({ length: Math.ceil(bytes.length / partBytes) }',
    to: 'Array.from({ length: Math.floor(bytes.length / partBytes) }',
    rare: { fromSeed: 1, shape: 'store' },
  },
  {
    name: 'store-completion-is-believed',
    teaches: 'I-D1: a store may refuse to put parts together with the status 200',
    file: S3,
    from: 'return answer?.status === 200 && errorCode(answer.body) === undefined;',
    to: 'return answer?.status === 200;',
    rare: { fromSeed: 1, shape: 'store' },
  },
  {
    name: 'store-lists-lag',
    teaches:
      'O-3, O-4: a store that is not supported, whose lists show later what was written, fences nobody',
    file: 'sim/store-world.ts',
    from: '    lagsMs: 0,\n',
    to: '    lagsMs: 1 + draw(50),\n',
    rare: { fromSeed: 1, shape: 'store' },
  },
];

/** Bugs of failover regions: the jobs of worlds are one region; test/simulation/regions.test.ts finds them. */
export const REGION_MUTANTS: readonly Mutant[] = [
  {
    name: 'region-takes-no-splits-back',
    teaches: 'SC-5: what a region got behind the restored checkpoint is with nobody',
    file: 'src/cluster/job-manager/deployment.ts',
    from: '    for (const source of this.sources)\n      source.takeBack(',
    to: '    for (const source of [] as typeof this.sources)\n      source.takeBack(',
  },
  {
    name: 'region-takes-all-splits-back',
    teaches: 'SC-5: what a reader has in the restored checkpoint is handed out again',
    file: 'src/cluster/job-manager/source-coordinator.ts',
    from: 'isRestarted(subtask) && after >= (checkpointId ?? 0)',
    to: 'isRestarted(subtask)',
  },
  {
    name: 'split-behind-the-snapshot-is-kept',
    teaches: 'SC-5: the snapshot is taken for the last split before it instead of the first one behind it',
    file: 'src/cluster/job-manager/source-coordinator.ts',
    from: 'after >= (checkpointId ?? 0)',
    to: 'after > (checkpointId ?? 0)',
  },
  {
    name: 'taken-back-is-not-in-snapshots',
    teaches: 'SC-6: what was taken back is lost with the process',
    file: 'src/cluster/job-manager/source-coordinator.ts',
    from: 'this.#takenBack.length === 0 ? state',
    to: 'this.#takenBack.length >= 0 ? state',
  },
];

/** The mutant with a name. */
export function mutantNamed(name: string): Mutant {
  const mutant = [...MUTANTS, ...REGION_MUTANTS].find((each) => each.name === name);
  if (mutant === undefined) throw new Error(`there is no mutant ${name}`);
  return mutant;
}

/** The text of its file with the bug in it; throws when the text that it replaces is not there exactly once. */
export function mutated({ name, file, from, to }: Mutant, text: string): string {
  const parts = text.split(from);
  if (parts.length !== 2) throw new Error(`the text of ${name} is ${parts.length - 1} times in ${file}`);
  return parts.join(to);
}
