// All subtasks of one keyed operator as real tasks, driven by hand: batches routed by key group, outputs that are full now
// and then, watermarks, and snapshots that become bytes later.

import assert from 'node:assert/strict';
import { type Key, keyGroupOf, keyGroupRange, subtaskOfKeyGroup } from '../../src/base/key-groups.ts';
import { MIN_TIMESTAMP } from '../../src/base/time.ts';
import {
  type CompiledJob,
  NO_DECLARATIONS,
  type JobEdge,
  type PlannedOperator,
} from '../../src/graph/job-graph.ts';
import { MapOperator } from '../../src/operators/map.ts';
import type { OperatorFactory } from '../../src/operators/operator.ts';
import { NumberAssembly } from '../../src/state/memory/number-columns.ts';
import { encoderHere } from '../../src/state/memory/snapshot.ts';
import { encodeWrittenKeyGroup } from '../../src/state/written-key-group.ts';
import type { RestoredOperator, TaskSnapshot } from '../../src/task/snapshot.ts';
import { StreamTask } from '../../src/task/task.ts';
import type { TaskHost, TaskPort } from '../../src/task/task-host.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import type { ManualClock } from '../../src/testing/manual-clock.ts';

/** The side output that is recorded too. */
export const SIDE = 'late';

const UID = 'operator';
const MAX_PARALLELISM = 8;
/** Turns after which a task has certainly no end. */
const TURNS_MAX = 100_000;
const FULL = 1_000;

/** A record. */
export interface Item {
  readonly key: Key;
  readonly at: number;
  readonly id: number;
}

/** How the operator runs. */
export interface FleetOptions {
  readonly operator: OperatorFactory;
  readonly inputs: number;
  /** What a record did can be taken back: record by record, never by the batch. */
  readonly isGuarded: boolean;
  /** Records are frozen, which forbids made code. */
  readonly freezes: boolean;
  /** Turn by turn, how many records the outputs have room for. */
  readonly credits: readonly number[];
}

/** Bytes by key group. */
export type Bytes = ReadonlyMap<number, Uint8Array>;

/** Records of a batch that a barrier has overtaken. */
export interface Remainder {
  readonly input: number;
  readonly items: readonly Item[];
}

interface Subtask {
  readonly task: StreamTask;
  readonly out: unknown[];
}

/** See the head of the file. */
export class TaskFleet {
  readonly options: FleetOptions;
  watermark = MIN_TIMESTAMP;
  readonly #clock: ManualClock;
  #subtasks: Subtask[] = [];
  #input = 0;
  #room = 0;
  #turn = 0;

  private constructor(options: FleetOptions, clock: ManualClock) {
    this.options = options;
    this.#clock = clock;
  }

  static async start(
    options: FleetOptions,
    clock: ManualClock,
    { parallelism, restored }: { parallelism: number; restored: Bytes },
  ): Promise<TaskFleet> {
    const fleet = new TaskFleet(options, clock);
    for (let subtask = 0; subtask < parallelism; subtask++)
      await fleet.#startSubtask(subtask, parallelism, restored);
    return fleet;
  }

  async #startSubtask(subtask: number, parallelism: number, restored: Bytes): Promise<void> {
    const out: unknown[] = [];
    const { start, end } = keyGroupRange(subtask, parallelism, MAX_PARALLELISM);
    const keyGroups = [...restored]
      .filter(([keyGroup]) => keyGroup >= start && keyGroup <= end)
      .map(([keyGroup, bytes]) => ({ keyGroup, bytes }));
    const own: RestoredOperator = { sections: new Map(), keyGroups };
    const task = new StreamTask({
      vertex: 0,
      compiled: compiledOf(this.options, parallelism),
      host: this.#host(out, subtask, parallelism),
      restored: new Map([[UID, own]]),
    });
    await task.open();
    this.#subtasks.push({ task, out });
  }

  #host(out: unknown[], subtask: number, parallelism: number): TaskHost {
    const ports = [this.#port('main', out), this.#port(SIDE, out)];
    return {
      info: {
        jobId: 'j',
        jobName: 'test',
        subtask,
        parallelism,
        maxParallelism: MAX_PARALLELISM,
        attempt: '1-1',
      },
      env: { ...new Kernel({ seed: 1 }).env('node'), clock: this.#clock },
      client: { writable: () => true, send: () => undefined },
      checkpointing: true,
      restoredCheckpointId: undefined,
      cachedFiles: {},
      autoWatermarkIntervalMs: 200,
      freezeRecords: this.options.freezes,
      port: (edge) => ports[edge]!,
      wakeUp: () => undefined,
      fail: (error) => assert.fail(String(error)),
      ended: () => undefined,
      checkFence: () => Promise.resolve(),
    };
  }

  #port(tag: string, out: unknown[]): TaskPort {
    const emit = (record: unknown, timestamp: number): void => {
      this.#room--;
      out.push([tag, record, timestamp]);
    };
    return {
      emit,
      emitAll: (records, timestamp) => {
        for (const each of records) emit(each, timestamp);
      },
      // Watermarks follow from those that came in.
      event: () => undefined,
      latencyMarker: () => undefined,
      writable: () => this.#room > 0,
    };
  }

  /** One turn of each subtask that has something to do; false when none has any more. */
  turn(): boolean {
    let isBusy = false;
    const { credits } = this.options;
    for (const { task } of this.#subtasks) {
      this.#room = credits[this.#turn++ % credits.length]!;
      if (task.busy()) task.run(Number.POSITIVE_INFINITY);
      isBusy ||= task.busy();
    }
    return isBusy;
  }

  settle(): void {
    for (let turns = 0; this.turn(); turns++) assert.ok(turns < TURNS_MAX, 'the tasks make progress');
  }

  /** A batch for each subtask; the one before is done. */
  give({ input, items }: Remainder): void {
    this.#input = input;
    for (const [subtask, { task }] of this.#subtasks.entries()) {
      const own = items.filter(({ key }) => {
        const keyGroup = keyGroupOf(key, MAX_PARALLELISM);
        return subtaskOfKeyGroup(keyGroup, this.#subtasks.length, MAX_PARALLELISM) === subtask;
      });
      if (own.length > 0) task.onBatch(input, { values: own, timestamps: own.map(({ at }) => at) });
    }
  }

  advance(to: number): void {
    this.watermark = Math.max(this.watermark, to);
    for (const { task } of this.#subtasks) {
      for (let input = 0; input < this.options.inputs; input++) {
        task.onWatermark(input, to);
        this.settle();
      }
    }
  }

  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed++) {
      this.#clock.advance(1);
      for (const { task } of this.#subtasks) task.onProcessingTime();
      this.settle();
    }
  }

  /** What has come out since the last time, subtask by subtask. */
  collect(): unknown[] {
    return this.#subtasks.flatMap(({ out }) => out.splice(0));
  }

  /** A barrier as soon as each subtask can take one, in the middle of a batch too. */
  barrier(): { readonly snapshots: readonly FleetSnapshot[]; readonly inFlight: readonly Remainder[] } {
    const snapshots: FleetSnapshot[] = [];
    const inFlight: Remainder[] = [];
    for (const { task } of this.#subtasks) {
      for (let turns = 0; !task.interruptible(); turns++) {
        assert.ok(turns < TURNS_MAX, 'a barrier can be taken');
        this.#room = FULL;
        task.run(Number.POSITIVE_INFINITY);
      }
      const rest = task.remainder();
      if (rest !== undefined) inFlight.push({ input: this.#input, items: rest.values as Item[] });
      task.beforeBarrier(1);
      const numbers = new NumberAssembly();
      const snapshot = task.snapshot({ id: 1, timestamp: this.#clock.now() }, encoderHere(numbers));
      snapshots.push({ snapshot, numbers });
    }
    return { snapshots, inFlight };
  }

  /** Whether anything is held, and how many clocks have a timer. */
  left(): { readonly isEmpty: boolean; readonly timers: number } {
    const backends = this.#subtasks.map(({ task }) => task.chain.head.backend!);
    const domains = ['event', 'processing'] as const;
    return {
      isEmpty: backends.every((backend) => backend.size() === 0),
      timers: backends.flatMap(({ timers }) => domains.filter((domain) => timers.next(domain) !== undefined))
        .length,
    };
  }

  async close(): Promise<void> {
    for (const { task } of this.#subtasks) await task.close();
  }
}

/** A snapshot that is being read, and the numbers that were copied for it. */
export interface FleetSnapshot {
  readonly snapshot: TaskSnapshot;
  readonly numbers: NumberAssembly;
}

/** All key groups of a barrier. */
export async function bytesOf(snapshots: readonly FleetSnapshot[]): Promise<Bytes> {
  const bytes = new Map<number, Uint8Array>();
  for (const { snapshot, numbers } of snapshots) {
    while (snapshot.advance() !== 'done');
    for (const { keyGroups } of await snapshot.parts()) {
      for (const each of keyGroups)
        bytes.set(
          each.keyGroup,
          encodeWrittenKeyGroup(each, (name) => numbers.of(name)),
        );
    }
  }
  return bytes;
}

/** The operator, and a map behind it so that there is a row to be made into code. */
function compiledOf({ operator, inputs, isGuarded }: FleetOptions, parallelism: number): CompiledJob {
  const selectors = Array.from(
    { length: inputs },
    () =>
      (record: unknown): Key =>
        (record as Item).key,
  );
  return {
    graph: {
      name: 'test',
      fingerprint: '',
      vertices: [
        {
          id: 'v',
          name: 'v',
          parallelism,
          maxParallelism: MAX_PARALLELISM,
          source: false,
          operators: [
            planned(UID, {
              keyed: true,
              poison: isGuarded ? 'skip' : 'fail',
              chained: [{ to: 1, tag: undefined }],
            }),
            planned('shown', {}),
          ],
        },
        { id: 'w', name: 'w', parallelism: 1, maxParallelism: 8, operators: [], source: false },
      ],
      edges: [
        edge({ index: 0, fromOperator: 1 }),
        edge({ index: 1, tag: SIDE }),
        // They tell the task how many inputs it has.
        ...selectors.map((_, input) => edge({ index: 2 + input, from: 1, to: 0, input })),
      ],
    },
    factories: new Map<string, OperatorFactory>([
      [UID, operator],
      ['shown', () => new MapOperator((record: unknown) => record)],
    ]),
    keySelectors: new Map([[UID, selectors]]),
    customPartitioners: new Map(),
    sources: new Map(),
    sinks: new Map(),
    declarations: NO_DECLARATIONS,
  };
}

function planned(uid: string, more: Partial<PlannedOperator>): PlannedOperator {
  return {
    uid,
    explicitUid: true,
    id: uid,
    name: uid,
    kind: 'test',
    keyed: false,
    stateful: false,
    poison: 'fail',
    chained: [],
    ...more,
  };
}

function edge(more: Partial<JobEdge> & Pick<JobEdge, 'index'>): JobEdge {
  return {
    from: 0,
    fromOperator: 0,
    tag: undefined,
    to: 1,
    input: 0,
    partitioner: 'forward',
    unaligned: false,
    ...more,
  };
}
