/**
 * Slots that play a small job by script instead of running operators, so that a test decides what goes wrong and when.
 *
 * The job reads splits of numbered records in two subtasks and commits them after each checkpoint. What is committed
 * goes to a {@link Ledger}, which outlives crashes as an external system does and fails when a record comes twice.
 */

import { NO_DECLARATIONS } from '../../src/graph/job-graph.ts';
import assert from 'node:assert/strict';
import type { Env, Timer } from '../../src/base/env.ts';
import { MillraceError, serializeError } from '../../src/base/errors.ts';
import { encodeSubtaskSnapshot } from '../../src/checkpoint/snapshot-file.ts';
import { CheckpointStorage, writeStateFile } from '../../src/checkpoint/storage.ts';
import { storesOf } from '../../src/checkpoint/stores.ts';
import type { StateHandle, SubtaskRestore } from '../../src/checkpoint/state-handle.ts';
import type { CheckpointBarrier } from '../../src/exchange/events.ts';
import type { CompiledJob, JobGraph } from '../../src/graph/job-graph.ts';
import type {
  SlotCommand,
  SlotGateway,
  SlotProvider,
  SlotReport,
  SlotSettings,
} from '../../src/hosts/messages.ts';
import type { Sink } from '../../src/operators/sink.ts';
import type { Source, SourceSplit } from '../../src/operators/source.ts';

const READER = 0;
const WRITER = 1;
const SLOTS = 2;
/** A reader takes a record so often, ms. */
const RECORD_MS = 5;
const RECORDS_PER_SPLIT = 12;
const SPLITS = ['a', 'b', 'c'];

/** All records of the job. */
export const ALL_RECORDS: readonly string[] = SPLITS.flatMap((split) =>
  Array.from({ length: RECORDS_PER_SPLIT }, (_, record) => `${split}:${record}`),
);

/** What was committed, ever. */
export class Ledger {
  readonly committed = new Set<string>();
  readonly #commits = new Set<string>();

  /** Idempotent by name; a record in two commits of different names is a duplicate. */
  commit(name: string, records: readonly string[]): void {
    if (this.#commits.has(name)) return;
    this.#commits.add(name);
    for (const record of records) {
      assert.ok(!this.committed.has(record), `${record} was committed twice`);
      this.committed.add(record);
    }
  }

  /** The committed records of each split are its first ones, without a gap. */
  check(): void {
    for (const split of SPLITS) {
      const count = [...this.committed].filter((record) => record.startsWith(`${split}:`)).length;
      for (let record = 0; record < count; record += 1) {
        assert.ok(this.committed.has(`${split}:${record}`), `${split}:${record} is missing`);
      }
    }
  }

  checkComplete(): void {
    assert.deepEqual([...this.committed].sort(), [...ALL_RECORDS].sort());
  }
}

/** What a test may do to the slots. */
export interface SlotScript {
  /** Sees each command before the slot does; true = the slot never gets it. */
  intercept?(command: SlotCommand, slot: number, deployment: ScriptedDeployment): boolean;
  /** Called instead of starting slots, to fail. */
  onStart?(count: number, signal: AbortSignal): Promise<void>;
  /** Called when the slots exist and the job master does not have them yet. */
  onStarted?(deployment: ScriptedDeployment, count: number): void;
}

/** Makes the slots of each deployment; `current` is the last one. */
export class ScriptedSlots implements SlotProvider {
  readonly script: SlotScript;
  readonly deployments: ScriptedDeployment[] = [];
  readonly #env: Env;
  readonly #ledger: Ledger;
  #starts = 0;

  constructor(env: Env, ledger: Ledger, script: SlotScript = {}) {
    this.#env = env;
    this.#ledger = ledger;
    this.script = script;
  }

  get current(): ScriptedDeployment {
    const current = this.deployments.at(-1);
    assert.ok(current, 'slots were started');
    return current;
  }

  async start(
    settings: SlotSettings,
    onReport: (report: SlotReport) => void,
    onLost: (slot: number, error: Error) => void,
    signal: AbortSignal,
  ): Promise<SlotGateway[]> {
    this.#starts += 1;
    await this.script.onStart?.(this.#starts, signal);
    const before = this.deployments.at(-1);
    assert.ok(before === undefined || before.isGone(), 'the slots before are gone (JM-2)');
    const deployment = new ScriptedDeployment({
      env: this.#env,
      ledger: this.#ledger,
      script: this.script,
      settings,
      onReport,
      onLost,
    });
    this.deployments.push(deployment);
    this.script.onStarted?.(deployment, this.#starts);
    return deployment.gateways();
  }
}

interface DeploymentSetup {
  readonly env: Env;
  readonly ledger: Ledger;
  readonly script: SlotScript;
  readonly settings: SlotSettings;
  readonly onReport: (report: SlotReport) => void;
  readonly onLost: (slot: number, error: Error) => void;
}

/** A reader and a writer per slot. */
interface SlotState {
  reader: { split: string | undefined; next: number; noMore: boolean; asked: boolean };
  /** Records since the last barrier. */
  written: string[];
  /** Prepared and not confirmed commits, by checkpoint. */
  pending: { id: number; name: string; records: string[] }[];
  stopped: boolean;
  ended: boolean;
  timer: Timer | undefined;
  isGone: boolean;
}

/** The slots of one deployment. */
export class ScriptedDeployment {
  readonly commands: { readonly slot: number; readonly command: SlotCommand }[] = [];
  readonly settings: SlotSettings;
  attempt = 0;
  readonly #setup: DeploymentSetup;
  readonly #storage: CheckpointStorage | undefined;
  readonly #savepoints = new Map<number, string>();
  readonly #slots: SlotState[];

  constructor(setup: DeploymentSetup) {
    this.#setup = setup;
    this.settings = setup.settings;
    const { checkpointDirectory: jobDirectory, processAttempt: attempt } = setup.settings;
    this.#storage =
      jobDirectory === undefined
        ? undefined
        : new CheckpointStorage(setup.env, { jobDirectory, attempt, inlineThresholdBytes: 0 });
    this.#slots = Array.from({ length: SLOTS }, emptySlot);
  }

  gateways(): SlotGateway[] {
    return this.#slots.map((_, slot) => ({
      slot,
      send: (command) => this.#later(`command ${command.kind}`, () => this.#receive(slot, command)),
      terminate: async () => this.#leave(slot),
    }));
  }

  isGone(): boolean {
    return this.#slots.every((slot) => slot.isGone);
  }

  /** All slots have taken their tasks. */
  get isDeployed(): boolean {
    return this.count('deploy') === SLOTS && this.attempt > 0;
  }

  count(kind: SlotCommand['kind']): number {
    return this.commands.filter(({ command }) => command.kind === kind).length;
  }

  /** A task fails. */
  fail(slot: number, error: unknown, vertex = WRITER): void {
    this.report({
      kind: 'failed',
      slot,
      attempt: this.attempt,
      vertex,
      subtask: slot,
      error: serializeError(error),
    });
  }

  /** The thread of a slot is gone without a word. */
  lose(slot: number): void {
    this.#leave(slot);
    this.#setup.onLost(slot, new MillraceError('WORKER_LOST', `the thread of slot ${slot} is gone`));
  }

  report(report: SlotReport): void {
    this.#later(`report ${report.kind}`, () => this.#setup.onReport(report));
  }

  /** Does what a slot does with a command; for scripts that do it late or twice. */
  obey(slot: number, command: SlotCommand): void {
    switch (command.kind) {
      case 'deploy':
        this.attempt = command.attempt;
        return this.#deploy(slot, command);
      case 'splits':
        return this.#takeSplits(slot, command);
      case 'trigger':
        // Both slots host a source, so each gets the barrier once.
        return this.#barrier(slot, command);
      case 'complete':
        return this.#commit(slot, command.checkpointId);
      case 'cancel':
      case 'finish':
        this.#leave(slot);
        return this.report({
          kind: command.kind === 'cancel' ? 'canceled' : 'finished',
          slot,
          attempt: this.attempt,
        });
      case 'savepoint':
        this.#savepoints.set(command.checkpointId, command.directory);
        return;
      case 'drain':
        return this.#drain(slot);
      case 'abort':
      case 'client-credit':
      case 'max-watermark':
      case 'inspect':
        return;
    }
  }

  #receive(slot: number, command: SlotCommand): void {
    if (this.#slot(slot).isGone) return;
    this.commands.push({ slot, command });
    if (this.#setup.script.intercept?.(command, slot, this) !== true) this.obey(slot, command);
  }

  #deploy(slot: number, command: SlotCommand & { kind: 'deploy' }): void {
    const state = this.#slot(slot);
    for (const { vertex, restore } of command.tasks) {
      assert.ok(restore === undefined || 'operators' in restore, 'these slots are dealt their state');
      const restored = stateOf(restore);
      if (vertex === READER && restored !== undefined) state.reader = restored as SlotState['reader'];
      if (vertex === WRITER && restored !== undefined) state.pending = restored as SlotState['pending'];
    }
    state.reader.asked = false;
    for (const { vertex } of command.tasks) this.#say(slot, vertex, { kind: 'running' });
    this.#run(slot);
    // What was pending in the restored checkpoint is committed at the start.
    if (command.restoredCheckpointId !== undefined) this.#commit(slot, command.restoredCheckpointId);
  }

  #takeSplits(slot: number, { splits, noMore }: SlotCommand & { kind: 'splits' }): void {
    const { reader } = this.#slot(slot);
    reader.asked = false;
    for (const bytes of splits) {
      reader.split = (JSON.parse(new TextDecoder().decode(bytes)) as SourceSplit).id;
      reader.next = 0;
    }
    if (noMore) reader.noMore = true;
  }

  #run(slot: number): void {
    const state = this.#slot(slot);
    state.timer = this.#setup.env.clock.timer(
      RECORD_MS,
      () => {
        if (state.isGone) return;
        if (!state.stopped) this.#read(slot, state);
        if (!state.ended) this.#run(slot);
      },
      'read',
    );
  }

  #read(slot: number, state: SlotState): void {
    const { reader } = state;
    if (reader.split !== undefined) {
      state.written.push(`${reader.split}:${reader.next}`);
      reader.next += 1;
      if (reader.next === RECORDS_PER_SPLIT) reader.split = undefined;
    } else if (reader.noMore) {
      state.ended = true;
      this.#say(slot, READER, { kind: 'ended' });
      this.#say(slot, WRITER, { kind: 'ended' });
    } else if (!reader.asked) {
      reader.asked = true;
      this.#say(slot, READER, { kind: 'request-split' });
    }
  }

  #barrier(slot: number, { barrier }: SlotCommand & { kind: 'trigger' }): void {
    const state = this.#slot(slot);
    if (barrier.kind === 'stop') state.stopped = true;
    const records = state.written;
    state.written = [];
    const name = `${this.settings.processAttempt}-${this.attempt}/${barrier.id}/${slot}`;
    if (records.length > 0) state.pending.push({ id: barrier.id, name, records });
    this.#acknowledge(slot, READER, barrier, structuredClone(state.reader));
    this.#acknowledge(slot, WRITER, barrier, structuredClone(state.pending));
  }

  #drain(slot: number): void {
    const state = this.#slot(slot);
    if (state.ended) return;
    state.ended = true;
    this.#say(slot, READER, { kind: 'ended' });
    this.#say(slot, WRITER, { kind: 'ended' });
  }

  #acknowledge(slot: number, vertex: number, barrier: CheckpointBarrier, state: object): void {
    const { id: checkpointId } = barrier;
    const bytes = encodeSubtaskSnapshot({
      ended: this.#slot(slot).ended,
      operators: [
        {
          uid: vertex === READER ? 'reader' : 'writer',
          sections: [{ name: 'state', redistribution: 'split', items: [encode(state)] }],
          keyGroups: [],
        },
      ],
      inputs: [],
      outputs: [],
    });
    const say = (handle: StateHandle): void =>
      this.#say(slot, vertex, { kind: 'acknowledge', checkpointId, state: handle, figures: FIGURES });
    const decline = (error: unknown): void =>
      this.#say(slot, vertex, { kind: 'decline', checkpointId, error: serializeError(error) });
    const name = `${vertex}-${slot}-${this.settings.processAttempt}-${this.attempt}`;
    this.#store(barrier, name, bytes).then(say, decline);
  }

  async #store(barrier: CheckpointBarrier, name: string, bytes: Uint8Array): Promise<StateHandle> {
    let handle = NOTHING;
    if (barrier.savepoint === true) {
      const directory = this.#savepoints.get(barrier.id);
      assert.ok(directory !== undefined, 'the directory of a savepoint is announced before its barrier');
      const store = storesOf(this.#setup.env);
      handle = await writeStateFile(store, { directory, name, bytes, inlineThresholdBytes: 0 });
    }
    if (barrier.kind === 'savepoint' || this.#storage === undefined) return handle;
    return this.#storage.writeSubtask(barrier.id, name, { bytes });
  }

  #commit(slot: number, checkpointId: number): void {
    const state = this.#slot(slot);
    const due = state.pending.filter(({ id }) => id <= checkpointId);
    const fence = this.#storage?.checkFence() ?? Promise.resolve();
    fence.then(
      () => {
        if (state.isGone) return;
        for (const { name, records } of due) this.#setup.ledger.commit(name, records);
        state.pending = state.pending.filter((commit) => !due.includes(commit));
        this.#say(slot, READER, { kind: 'committed', checkpointId });
        this.#say(slot, WRITER, { kind: 'committed', checkpointId });
      },
      (error: unknown) => this.fail(slot, error),
    );
  }

  #leave(slot: number): void {
    const state = this.#slot(slot);
    state.timer?.cancel();
    state.isGone = true;
  }

  #say(slot: number, vertex: number, body: object): void {
    const report = { slot, attempt: this.attempt, vertex, subtask: slot, ...body };
    this.report(report as unknown as SlotReport);
  }

  #later(why: string, run: () => void): void {
    this.#setup.env.clock.defer(run, why);
  }

  #slot(slot: number): SlotState {
    const state = this.#slots[slot];
    assert.ok(state);
    return state;
  }
}

/** What a test hooks into the coordinator's parts of the job. */
export interface JobHooks extends Pick<Sink<unknown>, 'prepareJob' | 'receive'> {
  readonly enumeratorFails?: () => boolean;
}

/** The job that the slots play, with hooks for its coordinator's parts. */
export function scriptedJob(hooks: JobHooks = {}): CompiledJob {
  const vertex = (uid: string, source: boolean): JobGraph['vertices'][number] => ({
    id: uid.padEnd(32, '0'),
    name: uid,
    parallelism: SLOTS,
    maxParallelism: 128,
    source,
    operators: [
      {
        uid,
        explicitUid: true,
        id: uid.padEnd(32, '0'),
        name: uid,
        kind: source ? 'source' : 'sink',
        keyed: false,
        stateful: true,
        poison: 'fail',
        chained: [],
      },
    ],
  });
  const edge = { index: 0, from: 0, fromOperator: 0, tag: undefined, to: 1, input: 0, unaligned: false };
  return {
    graph: {
      name: 'scripted',
      vertices: [vertex('reader', true), vertex('writer', false)],
      edges: [{ ...edge, partitioner: 'forward' }],
      fingerprint: 'f',
    },
    factories: new Map(),
    keySelectors: new Map(),
    customPartitioners: new Map(),
    sources: new Map([['reader', splitSource(hooks.enumeratorFails)]]),
    sinks: new Map([['writer', recordingSink(hooks)]]),
    declarations: NO_DECLARATIONS,
  };
}

function splitSource(fails: () => boolean = () => false): Source<unknown> {
  return {
    name: 'splits',
    bounded: true,
    replayable: true,
    createEnumerator(_context, restored) {
      let left = (restored as string[] | undefined) ?? [];
      return {
        start: async () => {
          left = [...SPLITS];
        },
        next: () => {
          if (fails()) throw new Error('the list of splits is gone');
          const id = left.shift();
          return id === undefined ? 'none' : { id };
        },
        snapshot: () => [...left],
      };
    },
    createReader: () => assert.fail('slots are scripted'),
  };
}

function recordingSink({ prepareJob, receive }: JobHooks): Sink<unknown> {
  return {
    name: 'ledger',
    guarantee: 'exactly-once',
    ...(prepareJob === undefined ? {} : { prepareJob }),
    ...(receive === undefined ? {} : { receive }),
    createWriter: () => assert.fail('slots are scripted'),
  };
}

function emptySlot(): SlotState {
  return {
    reader: { split: undefined, next: 0, noMore: false, asked: false },
    written: [],
    pending: [],
    stopped: false,
    ended: false,
    timer: undefined,
    isGone: false,
  };
}

function stateOf(restore: SubtaskRestore | undefined): unknown {
  const item = restore?.operators[0]?.sections.find(({ name }) => name === 'state')?.items[0];
  return item === undefined ? undefined : JSON.parse(new TextDecoder().decode(item));
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

const NOTHING: StateHandle = { file: undefined, inline: '', length: 0, sha256: '' };
const FIGURES = {
  startDelayMs: 0,
  alignmentMs: 0,
  syncMs: 0,
  asyncMs: 0,
  stateBytes: 1,
  inFlightBytes: 0,
  unaligned: false,
  recordsRead: undefined,
};
