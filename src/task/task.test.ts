// The task against naive expectations: order of what chained functions give back, pauses, poison, timers, barriers.

import { NO_DECLARATIONS } from '../graph/job-graph.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectGarbage } from '../../test/garbage.ts';
import fc from 'fast-check';
import type { MillraceError } from '../base/errors.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../base/time.ts';
import type { CompiledJob, PlannedOperator, PoisonPolicy } from '../graph/job-graph.ts';
import type { Operator, OperatorContext, Pull, RecordRun } from '../operators/operator.ts';
import { ProcessOperator } from '../operators/process.ts';
import type { Nothing } from '../operators/process-context.ts';
import { session, tumbling, type WindowAssigner } from '../operators/window/assigners.ts';
import type { AnyTriggerOf } from '../operators/window/trigger-runner.ts';
import { WindowOperator } from '../operators/window/window-operator.ts';
import type { ListState, ValueState } from '../state/descriptors.ts';
import { NumberAssembly } from '../state/memory/number-columns.ts';
import { encoderHere } from '../state/memory/snapshot.ts';
import { encodeWrittenKeyGroup } from '../state/written-key-group.ts';
import { Kernel } from '../testing/kernel.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import type { TaskHost, TaskPort } from './task-host.ts';
import type { TaskSnapshot } from './snapshot.ts';
import { StreamTask } from './task.ts';

/** A port with a given number of credits; the rest waits. */
class CreditPort implements TaskPort {
  readonly out: unknown[] = [];
  credits = Number.POSITIVE_INFINITY;

  emit(value: unknown): void {
    this.credits--;
    this.out.push(value);
  }

  emitAll(values: readonly unknown[], timestamp: number): void {
    for (const value of values) this.emit(value);
    void timestamp;
  }

  event(event: object): void {
    this.out.push(event);
  }

  latencyMarker(marker: object): void {
    this.out.push(marker);
  }

  writable(): boolean {
    return this.credits > 0;
  }
}

type Fn = (value: number) => Iterable<number>;

class FlatMapping implements Operator {
  context!: OperatorContext;
  readonly #fn: Fn;
  readonly #generator: boolean;

  constructor(fn: Fn, generator: boolean) {
    this.#fn = fn;
    this.#generator = generator;
  }

  open(context: OperatorContext): void {
    this.context = context;
  }

  record(_input: number, value: unknown, timestamp: number): void | Pull {
    const results = this.#fn(value as number);
    if (this.#generator) return results[Symbol.iterator]();
    this.context.output.emitAll([...results], timestamp);
  }
}

function planned(
  uid: string,
  index: number,
  last: boolean,
  more: Partial<PlannedOperator> = {},
): PlannedOperator {
  return {
    uid,
    explicitUid: true,
    id: uid,
    name: uid,
    kind: 'test',
    keyed: false,
    stateful: false,
    poison: 'fail' as PoisonPolicy,
    chained: last ? [] : [{ to: index + 1, tag: undefined }],
    ...more,
  };
}

interface Rig {
  readonly task: StreamTask;
  readonly port: CreditPort;
  readonly failures: unknown[];
  readonly kernel: Kernel;
}

async function rig(
  operators: readonly Operator[],
  more: readonly Partial<PlannedOperator>[] = [],
  keySelector?: (value: unknown) => unknown,
  clock?: ManualClock,
): Promise<Rig> {
  const plan = operators.map((_, index) =>
    planned(`op${index}`, index, index === operators.length - 1, more[index]),
  );
  const compiled: CompiledJob = {
    graph: {
      name: 'test',
      fingerprint: '',
      vertices: [
        { id: 'v', name: 'v', parallelism: 1, maxParallelism: 128, operators: plan, source: false },
        { id: 'w', name: 'w', parallelism: 1, maxParallelism: 128, operators: [], source: false },
      ],
      edges: [
        {
          index: 0,
          from: 0,
          fromOperator: operators.length - 1,
          tag: undefined,
          to: 1,
          input: 0,
          partitioner: 'forward',
          unaligned: false,
        },
      ],
    },
    factories: new Map(operators.map((operator, index) => [`op${index}`, () => operator])),
    keySelectors: new Map([['op0', [keySelector]]]),
    customPartitioners: new Map(),
    sources: new Map(),
    sinks: new Map(),
    declarations: NO_DECLARATIONS,
  };
  const port = new CreditPort();
  const failures: unknown[] = [];
  const kernel = new Kernel({ seed: 1 });
  const host: TaskHost = {
    info: { jobId: 'j', jobName: 'test', subtask: 0, parallelism: 1, maxParallelism: 128, attempt: '1-1' },
    env: clock === undefined ? kernel.env('node') : { ...kernel.env('node'), clock },
    client: { writable: () => true, send: () => undefined },
    checkpointing: true,
    restoredCheckpointId: undefined,
    cachedFiles: {},
    autoWatermarkIntervalMs: 200,
    freezeRecords: true,
    port: () => port,
    wakeUp: () => undefined,
    fail: (error) => failures.push(error),
    ended: () => undefined,
    checkFence: () => Promise.resolve(),
  };
  const task = new StreamTask({ vertex: 0, compiled, host, restored: new Map() });
  await task.open();
  return { task, port, failures, kernel };
}

function give(task: StreamTask, values: readonly unknown[]): void {
  task.onBatch(0, { values, timestamps: values.map(() => MIN_TIMESTAMP) });
}

test('chained functions give their results in depth-first order, however they give them and wherever credit ends', async () => {
  let cases = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ copies: fc.integer({ min: 0, max: 3 }), generator: fc.boolean() }), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 7 }),
      async (stages, records, credit) => {
        cases++;
        const fns = stages.map(
          (stage, level): Fn =>
            function* (value) {
              for (let copy = 0; copy < stage.copies; copy++) yield value * 10 + copy + level * 0;
            },
        );
        const { task, port } = await rig(
          fns.map((fn, index) => new FlatMapping(fn, stages[index]!.generator)),
        );
        const input = Array.from({ length: records }, (_, index) => index + 1);
        const expected = fns.reduce((values, fn) => values.flatMap((value) => [...fn(value)]), input);
        give(task, input);
        for (let round = 0; task.busy(); round++) {
          assert.ok(round < 10_000, 'the task makes progress');
          port.credits = credit;
          task.run(Number.POSITIVE_INFINITY);
        }
        assert.deepEqual(port.out, expected);
      },
    ),
    { seed: 7, numRuns: 400 },
  );
  console.log(`cases: depth-first order ${cases} (minimum 400)`);
});

test('a generator is pulled only as far as credit allows', async () => {
  let pulled = 0;
  const endless: Fn = function* () {
    for (;;) yield pulled++;
  };
  const { task, port } = await rig([new FlatMapping(endless, true)]);
  give(task, [1]);
  port.credits = 5;
  assert.equal(task.run(Number.POSITIVE_INFINITY), 'blocked');
  assert.equal(pulled, 5);
});

test('a barrier between two records of a batch leaves the rest of the batch as in-flight data', async () => {
  const { task, port } = await rig([new FlatMapping((value) => [value], false)]);
  give(task, [1, 2, 3]);
  port.credits = 1;
  assert.equal(task.run(Number.POSITIVE_INFINITY), 'blocked');
  assert.ok(task.interruptible());
  assert.deepEqual(task.remainder()?.values, [2, 3]);
});

/** Counts by key, and refuses some records; takes batches in one of the ways that the contract allows, or record by record. */
class Counting implements Operator {
  readonly batch?: (run: RecordRun) => void | Pull;
  readonly #boom: number;
  #context!: OperatorContext;
  #count!: ValueState<number>;

  constructor(way: 'record' | 'next' | 'stretch', boom: number) {
    this.#boom = boom;
    if (way === 'next') this.batch = (run) => this.#byNext(run);
    if (way === 'stretch') this.batch = (run) => this.#byStretch(run);
  }

  open(context: OperatorContext): void {
    this.#context = context;
    this.#count = context.keyed.state('count', { kind: 'value', initial: 0 });
  }

  record(_input: number, value: unknown, timestamp: number): void | Pull {
    if (value === this.#boom) throw new RangeError(`not ${String(value)}`);
    const count = this.#count.value() + 1;
    this.#count.update(count);
    const text = `${String(value)}: ${count}`;
    // Every seventh is given back to be pulled, one result after the other.
    if ((value as number) % 7 === 0) return [text, `${text} again`][Symbol.iterator]();
    this.#context.output.emit(text, timestamp);
  }

  #byNext(run: RecordRun): void | Pull {
    for (let index = run.next(); index >= 0; index = run.next()) {
      const pull = this.record(run.input, run.values[index], run.timestamps[index]!);
      if (pull !== undefined) return pull;
    }
  }

  #byStretch(run: RecordRun): void {
    for (let end = run.stretch(); end >= 0; end = run.stretch()) {
      for (let index = run.position; index < end; index++) {
        run.position = index + 1;
        run.select(index);
        const pull = this.record(run.input, run.values[index], run.timestamps[index]!);
        // A stretch is for what emits one result at most.
        if (pull !== undefined) this.#context.output.emit(pull.next().value, run.timestamps[index]!);
      }
    }
  }
}

test('a batch that is taken in few calls gives what its records give one by one: results, state, errors, what is left', async () => {
  let cases = 0;
  let errors = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('record', 'next', 'stretch'),
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 60, size: 'max' }),
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 }),
      fc.record({ boom: fc.integer({ min: 1, max: 90 }), keyless: fc.integer({ min: 1, max: 90 }) }),
      async (way, values, credits, { boom, keyless }) => {
        const { task, port } = await rig([new Counting(way, boom)], [{ keyed: true }], (value) => {
          if (value === keyless) throw new RangeError(`no key of ${String(value)}`);
          return (value as number) % 5;
        });
        const counts = new Map<number, number>();
        const bad = values.findIndex((value) => value === boom || value === keyless);
        const good = values.slice(0, bad < 0 ? values.length : bad);
        const expected = good.flatMap((value) => {
          const count = (counts.get(value % 5) ?? 0) + 1;
          counts.set(value % 5, count);
          const text = `${value}: ${count}`;
          return value % 7 === 0 && way !== 'stretch' ? [text, `${text} again`] : [text];
        });
        give(task, values);
        let thrown = '';
        for (let turn = 0; task.busy() && thrown === ''; turn++) {
          port.credits = credits[turn % credits.length]!;
          try {
            task.run(Number.POSITIVE_INFINITY);
          } catch (error) {
            thrown = (error as MillraceError).message;
          }
          if (!task.interruptible()) continue;
          // What is left is what was not taken: a record that failed was.
          const taken = values.length - (task.remainder()?.values.length ?? 0);
          assert.deepEqual(task.remainder()?.values ?? [], values.slice(taken));
          assert.equal(taken, task.recordsIn);
        }
        assert.deepEqual(port.out, expected);
        const why = values[bad] === keyless ? `no key of ${keyless}` : `not ${boom}`;
        assert.equal(thrown, bad < 0 ? '' : `RangeError: ${why}`);
        assert.equal(task.recordsIn, bad < 0 ? values.length : bad + 1);
        errors += bad < 0 ? 0 : 1;
        cases++;
      },
    ),
    { seed: 3, numRuns: 600 },
  );
  assert.ok(errors > 50 && errors < 550, `${errors} errors`);
  console.log(`cases: batches taken in few calls ${cases} (minimum 600)`);
});

test('no barrier is taken in the middle of a generator', async () => {
  const { task, port } = await rig([new FlatMapping((value) => [value, value], true)]);
  give(task, [1]);
  port.credits = 1;
  task.run(Number.POSITIVE_INFINITY);
  assert.equal(task.interruptible(), false);
});

/** Counts per key, emits at 3, throws at a negative value after it has changed everything it can. */
class CountingOperator implements Operator {
  context!: OperatorContext;

  open(context: OperatorContext): void {
    this.context = context;
  }

  record(_input: number, value: unknown, timestamp: number): void {
    const { n } = value as { n: number };
    const state = this.context.keyed.state('count', { kind: 'value', initial: 0 });
    state.update(state.value() + 1);
    this.context.keyed.timers.register('event', Math.abs(n));
    this.context.output.emit({ n, count: state.value() }, timestamp);
    if (n < 0) throw new Error(`negative ${n}`);
  }

  timer(time: number): void {
    this.context.output.emit({ timer: time }, time);
  }
}

const keyOf = (value: unknown): unknown => (value as { key: string }).key;

test('a poisoned record leaves nothing behind under skip: no output, no state, no timer', async () => {
  const operator = new CountingOperator();
  const { task, port, failures } = await rig(
    [operator],
    [{ keyed: true, stateful: true, poison: 'skip' }],
    keyOf,
  );
  give(task, [
    { key: 'a', n: 1 },
    { key: 'a', n: -5 },
    { key: 'a', n: 2 },
  ]);
  task.run(Number.POSITIVE_INFINITY);
  task.onWatermark(0, 10);
  task.run(Number.POSITIVE_INFINITY);
  assert.deepEqual(port.out, [
    { n: 1, count: 1 },
    { n: 2, count: 2 },
    { timer: 1 },
    { timer: 2 },
    { kind: 'watermark', timestamp: 10 },
  ]);
  assert.deepEqual(failures, []);
  assert.equal(task.chain.counters['recordsGivenUp'], 1);
});

test('an operator takes its own state back when a record is given up, and at no other time', async () => {
  const calls: string[] = [];
  const operator: Operator = {
    open: () => undefined,
    record: (_input, value) => {
      calls.push(`record ${(value as { n: number }).n}`);
      if ((value as { n: number }).n < 0) throw new Error('negative');
    },
    undo: () => void calls.push('undo'),
  };
  const { task } = await rig([operator], [{ keyed: true, stateful: true, poison: 'skip' }], keyOf);
  give(task, [
    { key: 'a', n: 1 },
    { key: 'a', n: -1 },
    { key: 'a', n: 2 },
  ]);
  task.run(Number.POSITIVE_INFINITY);
  assert.deepEqual(calls, ['record 1', 'record -1', 'undo', 'record 2']);
});

test('the operator state of a function is what it was before a record that is given up', async () => {
  let list!: ListState<number>;
  const operator = new ProcessOperator<{ n: number }, Nothing, void>({
    local({ operatorState }) {
      list = operatorState.list<number>('numbers');
    },
    process({ n }) {
      if (n === 0) list.clear();
      list.add(n);
      if (n <= 0) throw new Error(`${n}`);
    },
  });
  const { task, failures } = await rig([operator], [{ poison: 'skip' }]);
  give(task, [{ n: 1 }, { n: -5 }, { n: 2 }, { n: 0 }, { n: 3 }]);
  task.run(Number.POSITIVE_INFINITY);
  assert.deepEqual(list.get(), [1, 2, 3]);
  assert.deepEqual(failures, []);
});

test('a window whose last firing is given up is forgotten all the same', async () => {
  const forgotten: unknown[] = [];
  for (const assigner of [tumbling(10), session(5)]) {
    const operator = new WindowOperator<number>({
      assigner: assigner as WindowAssigner<number>,
      trigger: assigner.defaultTrigger as AnyTriggerOf<number>,
      evictor: undefined,
      allowedLatenessMs: 0,
      lateTag: undefined,
      fold: { kind: 'all' },
      function: {
        process: () => {
          throw new Error('poison');
        },
        clear: ({ window }) => {
          forgotten.push(window.end);
        },
      },
    });
    const { task } = await rig([operator], [{ keyed: true, stateful: true, poison: 'skip' }], () => 'a');
    task.onBatch(0, { values: [1, 2], timestamps: [1, 2] });
    task.run(Number.POSITIVE_INFINITY);
    assert.notEqual(task.chain.head.backend!.size(), 0);
    task.onWatermark(0, 9);
    task.run(Number.POSITIVE_INFINITY);
    assert.equal(task.chain.counters['recordsGivenUp'], 1);
    assert.equal(task.chain.head.backend!.size(), 0);
  }
  assert.deepEqual(forgotten, [10, 7]);
});

test('without a policy the error names operator and subtask and keeps the cause', async () => {
  const { task } = await rig([new CountingOperator()], [{ keyed: true, stateful: true }], keyOf);
  give(task, [{ key: 'a', n: -5 }]);
  assert.throws(
    () => task.run(Number.POSITIVE_INFINITY),
    (error: { code?: string; where?: object; cause?: Error }) =>
      error.code === 'OPERATOR_FAILED' &&
      JSON.stringify(error.where) ===
        JSON.stringify({ job: 'test', operator: 'op0', uid: 'op0', subtask: 0 }) &&
      error.cause?.message === 'negative -5',
  );
});

test('what a guarded operator releases and a port refuses is an error of that operator, not of the one before it', async () => {
  const operators = [new FlatMapping((value) => [value], false), new FlatMapping((value) => [value], false)];
  const { task, port } = await rig(operators, [{}, { poison: 'skip' }]);
  port.emit = () => {
    throw new RangeError('cannot be encoded');
  };
  give(task, [1]);
  assert.throws(
    () => task.run(Number.POSITIVE_INFINITY),
    (error: { where?: { uid?: string }; message?: string }) =>
      error.where?.uid === 'op1' && error.message?.includes('cannot be encoded') === true,
  );
});

test('a key that is null is an error that says so', async () => {
  const { task } = await rig([new CountingOperator()], [{ keyed: true, stateful: true }], () => null);
  give(task, [{ n: 1 }]);
  assert.throws(() => task.run(Number.POSITIVE_INFINITY), { code: 'KEY_INVALID' });
});

test('timers fire in order before the watermark goes on, and wait while the outputs are full', async () => {
  const { task, port } = await rig([new CountingOperator()], [{ keyed: true, stateful: true }], keyOf);
  give(
    task,
    [30, 10, 20, 10].map((n) => ({ key: 'k', n })),
  );
  task.run(Number.POSITIVE_INFINITY);
  port.out.length = 0;
  task.onWatermark(0, 25);
  port.credits = 1;
  assert.equal(task.run(Number.POSITIVE_INFINITY), 'blocked');
  assert.deepEqual(port.out, [{ timer: 10 }]);
  port.credits = 10;
  assert.equal(task.run(Number.POSITIVE_INFINITY), 'done');
  assert.deepEqual(port.out, [{ timer: 10 }, { timer: 20 }, { kind: 'watermark', timestamp: 25 }]);
});

test('a watermark that does not rise is not forwarded, the end of data comes last', async () => {
  const { task, port } = await rig([new FlatMapping((value) => [value], false)]);
  for (const timestamp of [5, 5, 3, MAX_TIMESTAMP]) {
    task.onWatermark(0, timestamp);
    task.run(Number.POSITIVE_INFINITY);
  }
  task.onEndOfInput(0, 1);
  task.run(Number.POSITIVE_INFINITY);
  assert.deepEqual(port.out, [
    { kind: 'watermark', timestamp: 5 },
    { kind: 'watermark', timestamp: MAX_TIMESTAMP },
    { kind: 'end-of-data' },
  ]);
  assert.ok(task.hasEnded);
});

test('a snapshot is the state at the barrier although records follow while it is encoded', async () => {
  const { task } = await rig([new CountingOperator()], [{ keyed: true, stateful: true }], keyOf);
  give(task, [{ key: 'a', n: 1 }]);
  task.run(Number.POSITIVE_INFINITY);
  const early = encodedLater(task, 1);
  const reference = await early();
  const late = encodedLater(task, 2);
  give(task, [
    { key: 'a', n: 2 },
    { key: 'b', n: 3 },
  ]);
  task.run(Number.POSITIVE_INFINITY);
  assert.deepEqual(await late(), reference);
});

test('a snapshot whose encoder has no room is read to its end before the next barrier', async () => {
  const { task } = await rig([new CountingOperator()], [{ keyed: true, stateful: true }], keyOf);
  give(task, [{ key: 'a', n: 1 }]);
  task.run(Number.POSITIVE_INFINITY);
  const first = encodedLater(task, 1, (must) => must);
  const second = encodedLater(task, 2);
  assert.deepEqual(await first(), await second());
});

test('what was read of a snapshot goes with it, at its end as when it is given up', async () => {
  const { task } = await rig([new CountingOperator()], [{ keyed: true, stateful: true }], keyOf);
  give(task, [{ key: 'a', n: 1 }]);
  task.run(Number.POSITIVE_INFINITY);
  const taken = (id: number): TaskSnapshot =>
    task.snapshot({ id, timestamp: 0 }, encoderHere(new NumberAssembly()));
  const weak = [
    (() => {
      const read = taken(1);
      while (read.advance() !== 'done');
      return new WeakRef(read);
    })(),
    (() => {
      const givenUp = taken(2);
      givenUp.advance();
      givenUp.release();
      return new WeakRef(givenUp);
    })(),
  ];
  await collectGarbage();
  assert.deepEqual(
    weak.map((snapshot) => snapshot.deref()),
    [undefined, undefined],
  );
  await task.close();
});

/** Takes a snapshot now; what is returned reads it on and makes its bytes. */
function encodedLater(
  task: StreamTask,
  id: number,
  hasRoom: (must: boolean) => boolean = () => true,
): () => Promise<unknown> {
  const assembly = new NumberAssembly();
  const here = encoderHere(assembly);
  const claim = (must: boolean): Int32Array | undefined => (hasRoom(must) ? here.claim(must) : undefined);
  const snapshot = task.snapshot({ id, timestamp: 0 }, { ...here, claim });
  return async () => {
    while (snapshot.advance() === 'more');
    const parts = await snapshot.parts();
    const bytesOf = (part: (typeof parts)[number]): Uint8Array[] =>
      part.keyGroups.map((group) => encodeWrittenKeyGroup(group, (name) => assembly.of(name)));
    assert.ok(parts.some(({ keyGroups }) => keyGroups.length > 0));
    return parts.map((part) => ({ ...part, keyGroups: bytesOf(part) }));
  };
}

test('a failed operator closes all that were opened and tells the first error', async () => {
  const closed: string[] = [];
  const closing = (name: string, fails: boolean): Operator => ({
    open: () => undefined,
    record: () => undefined,
    close: () => {
      closed.push(name);
      if (fails) throw new Error(name);
    },
  });
  const { task } = await rig([closing('first', true), closing('second', false)]);
  await assert.rejects(task.close(), { message: 'first' });
  assert.deepEqual(closed, ['first', 'second']);
});

/** Each record takes `ms` of the clock. */
function costly(clock: ManualClock, ms: number): FlatMapping {
  return new FlatMapping((value) => {
    clock.skip(ms);
    return [value];
  }, false);
}

/** Runs in slices of 2 ms until nothing is left; how long the longest slice took. */
function longestSlice(task: StreamTask, clock: ManualClock, take: () => void): number {
  let longest = 0;
  take();
  while (task.busy()) {
    const from = clock.monotonic();
    task.run(from + 2);
    longest = Math.max(longest, clock.monotonic() - from);
  }
  return longest;
}

test('a slice is over in time, however long a function takes for one record', async () => {
  for (const ms of [0.01, 0.1, 1, 7]) {
    const clock = new ManualClock();
    const { task, port } = await rig([costly(clock, ms)], [], undefined, clock);
    const values = Array.from({ length: 256 }, (_, index) => index);
    const longest = longestSlice(task, clock, () => give(task, values));
    assert.ok(longest <= 2 + Math.max(ms, 1), `${ms} ms a record: a slice of ${longest} ms`);
    assert.deepEqual(port.out, values);
  }
});

test('a slice is over in time in the middle of a long array, whose rest does not wait for room', async () => {
  const clock = new ManualClock();
  const long = new FlatMapping((value) => Array.from({ length: 5_000 }, (_, index) => value + index), false);
  const { task, port } = await rig([long, costly(clock, 0.05)], [], undefined, clock);
  port.credits = 100;
  const longest = longestSlice(task, clock, () => give(task, [10]));
  assert.ok(longest <= 4, `a slice of ${longest} ms`);
  assert.deepEqual(
    port.out,
    Array.from({ length: 5_000 }, (_, index) => 10 + index),
  );
  assert.equal(port.credits, 100 - 5_000);
});

test('a source is asked for as many records as can be done in time', async () => {
  const clock = new ManualClock();
  let asked = 0;
  const source = Object.assign(costly(clock, 0), {
    poll(maxRecords: number) {
      asked = maxRecords;
      clock.skip(maxRecords * cost);
      return 'more' as const;
    },
  });
  let cost = 0.001;
  const { task } = await rig([source], [], undefined, clock);
  for (let poll = 0; poll < 20; poll++) task.poll();
  assert.equal(asked, 256);
  cost = 1;
  task.poll();
  for (let poll = 0; poll < 20; poll++) {
    task.poll();
    assert.equal(asked, 1);
  }
});

test('a generator that is given up is told so, the innermost first, and once', async () => {
  const told: string[] = [];
  const endless = (name: string): FlatMapping =>
    new FlatMapping(function* (value) {
      try {
        for (;;) yield value;
      } finally {
        told.push(name);
      }
    }, true);
  const { task, port } = await rig([endless('outer'), endless('inner')]);
  port.credits = 3;
  give(task, [1]);
  task.run(Number.POSITIVE_INFINITY);
  assert.deepEqual([port.out, told], [[1, 1, 1], []]);
  await task.close();
  await task.close();
  assert.deepEqual(told, ['inner', 'outer']);
});

test('few results of a generator go on at once, and the rest of many as the task comes to it', async () => {
  const copies = new FlatMapping(function* (value) {
    for (let copy = 0; copy < value; copy++) yield copy;
  }, true);
  const { task, port } = await rig([copies]);
  port.credits = 1_000;
  for (const few of [0, 1, 15]) {
    port.out.length = 0;
    task.chain.head.deliver(few, 0);
    assert.deepEqual([port.out.length, task.busy()], [few, false]);
  }
  port.out.length = 0;
  task.chain.head.deliver(40, 0);
  assert.deepEqual([port.out.length, task.busy()], [16, true]);
  assert.equal(task.run(Number.POSITIVE_INFINITY), 'done');
  assert.deepEqual(port.out, Array.from(Array(40).keys()));
});

test('a generator whose first result fails behind it is given up with the task', async () => {
  const told: string[] = [];
  const giving = new FlatMapping(function* (value) {
    try {
      yield value;
    } finally {
      told.push('given up');
    }
  }, true);
  const failing = new FlatMapping(() => assert.fail('no such record'), false);
  const { task } = await rig([giving, failing]);
  assert.throws(() => task.chain.head.deliver(1, 0), /no such record/);
  assert.deepEqual(told, []);
  await task.close();
  assert.deepEqual(told, ['given up']);
});

test('what a generator throws while it is given up is told, with its operator', async () => {
  const failing = new FlatMapping(function* (value) {
    try {
      for (;;) yield value;
    } finally {
      assert.fail('no end');
    }
  }, true);
  const { task, port } = await rig([failing]);
  port.credits = 1;
  give(task, [1]);
  task.run(Number.POSITIVE_INFINITY);
  await assert.rejects(task.close(), (error: Error & { where?: { operator?: string } }) => {
    return /no end/.test(error.message) && error.where?.operator === 'op0';
  });
});

/** Keeps each record until the test lets it go; takes `capacity` at a time. */
class Keeping implements Operator {
  readonly kept: number[] = [];
  readonly done: (number | 'watermark')[] = [];
  readonly #capacity: number;
  #context!: OperatorContext;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  open(context: OperatorContext): void {
    this.#context = context;
  }

  record(_input: number, value: unknown): void {
    this.kept.push(value as number);
  }

  watermark(): void {
    this.done.push('watermark');
  }

  letGo(): void {
    this.done.push(this.kept.shift()!);
  }

  writable(): boolean {
    return this.kept.length < this.#capacity || this.done.length > 0;
  }

  resume(): boolean {
    const next = this.done.shift();
    if (next === undefined) return false;
    if (next === 'watermark') this.#context.output.watermark(7);
    else this.#context.output.emit(next, MIN_TIMESTAMP);
    return true;
  }

  drain(): boolean {
    return this.kept.length === 0 && this.done.length === 0;
  }
}

test('while the head is full nothing is taken; what it finished goes on before the next record', async () => {
  const keeping = new Keeping(2);
  const { task, port } = await rig([keeping, new FlatMapping((value) => [value, -value], true)]);
  give(task, [1, 2, 3, 4]);
  assert.equal(task.run(Number.POSITIVE_INFINITY), 'blocked');
  assert.deepEqual(keeping.kept, [1, 2]);
  assert.equal(task.interruptible(), true, 'a barrier can be taken while it is full');
  assert.deepEqual(task.remainder()?.values, [3, 4]);
  keeping.letGo();
  assert.equal(task.run(Number.POSITIVE_INFINITY), 'blocked');
  assert.deepEqual(
    [port.out, keeping.kept],
    [
      [1, -1],
      [2, 3],
    ],
  );
});

test('what a full head hands on goes all the way, although nothing can be taken', async () => {
  const keeping = new Keeping(1);
  const { task, port } = await rig([keeping, new FlatMapping((value) => [value], true)]);
  give(task, [1, 2]);
  task.run(Number.POSITIVE_INFINITY);
  keeping.done.push('watermark');
  assert.equal(task.run(Number.POSITIVE_INFINITY), 'blocked');
  assert.deepEqual(port.out, [{ kind: 'watermark', timestamp: 7 }]);
});

test('what is finished waits while the outputs are full', async () => {
  const keeping = new Keeping(5);
  const { task, port } = await rig([keeping]);
  give(task, [1, 2, 3]);
  task.run(Number.POSITIVE_INFINITY);
  for (let each = 0; each < 3; each++) keeping.letGo();
  port.credits = 0;
  assert.equal(task.mayGoOn(), false);
  port.credits = 10;
  assert.equal(task.mayGoOn(), true);
  while (task.resume());
  assert.deepEqual(port.out, [1, 2, 3]);
});

test('the end waits until the head is drained', async () => {
  const keeping = new Keeping(5);
  const { task, port } = await rig([keeping]);
  give(task, [1]);
  task.run(Number.POSITIVE_INFINITY);
  task.onEndOfInput(0, 1);
  assert.equal(task.resume(), false);
  assert.deepEqual([task.busy(), task.hasEnded], [false, false]);
  keeping.letGo();
  while (task.resume()) task.run(Number.POSITIVE_INFINITY);
  assert.deepEqual([port.out, task.hasEnded], [[1, { kind: 'end-of-data' }], true]);
});

test('a task that has stopped hands on nothing that is finished later', async () => {
  const keeping = new Keeping(5);
  const { task, port } = await rig([keeping]);
  give(task, [1]);
  task.run(Number.POSITIVE_INFINITY);
  task.silence();
  keeping.letGo();
  assert.equal(task.resume(), false);
  assert.deepEqual(port.out, []);
});

test('only the first operator of a chain hands on outside of calls', async () => {
  await assert.rejects(
    () => rig([new FlatMapping((value) => [value], false), new Keeping(1)]),
    /the first of its chain/,
  );
});
