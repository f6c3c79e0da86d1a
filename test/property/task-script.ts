// Scripts for the tasks of task-fleet.ts, and what came out of them: batches, watermarks, passing time, barriers, crashes.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Key } from '../../src/base/key-groups.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../src/base/time.ts';
import type { OperatorFactory } from '../../src/operators/operator.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import {
  type Bytes,
  bytesOf,
  type FleetOptions,
  type FleetSnapshot,
  type Item,
  type Remainder,
  TaskFleet,
} from './task-fleet.ts';

/** What happens. */
export type Step =
  | ({ readonly kind: 'batch' } & Remainder)
  | { readonly kind: 'watermark'; readonly to: number }
  | { readonly kind: 'pass'; readonly ms: number }
  /** When so many turns of the batch before are done; the snapshot becomes bytes while some steps pass. */
  | { readonly kind: 'barrier'; readonly turns: number }
  /** Back to the last barrier whose snapshot is there. */
  | { readonly kind: 'crash'; readonly parallelism: number };

/** A script, and how it runs. */
export interface Script {
  readonly steps: readonly Step[];
  readonly parallelism: number;
  readonly credits: readonly number[];
  /** Crash by crash, whether the other operator goes on. */
  readonly swaps: readonly boolean[];
  readonly freezes: boolean;
}

/** An operator as jobs run it, and one that gives the same in the plain way. */
export interface Pair {
  readonly made: OperatorFactory;
  readonly plain: OperatorFactory;
  readonly inputs: number;
  /** Each reads what the other stored. */
  readonly isSwappable: boolean;
  /** What comes out depends on event time alone, so that a run without crashes gives the same. */
  readonly isCalm: boolean;
  /** Timers of the past fire with the next watermark, which is told again after a restore: first comes what was in flight. */
  readonly hasPastTimers: boolean;
}

/** What became of a script. */
export interface Outcome {
  readonly outputs: readonly unknown[];
  readonly isEmpty: boolean;
  readonly timers: number;
  readonly crashes: number;
}

/** In the end all timers of processing time are due after so long. */
const END_MS = 60;
const STEPS_MAX = 30;
const BATCH_MAX = 14;

interface Barrier {
  readonly snapshots: readonly FleetSnapshot[];
  readonly inFlight: readonly Remainder[];
  readonly watermark: number;
  /** How much had come out. */
  readonly outputs: number;
  /** The step behind it. */
  readonly next: number;
  /** The step at which all of it is bytes. */
  readonly until: number;
}

interface Checkpoint extends Barrier {
  readonly bytes: Bytes;
}

/** One run of a script. */
class ScriptRun {
  readonly #pair: Pair;
  readonly #script: Script;
  readonly #isPlain: boolean;
  readonly #clock = new ManualClock(1_000);
  readonly #outputs: unknown[] = [];
  readonly #crashed = new Set<number>();
  #fleet!: TaskFleet;
  #pending: Barrier | undefined;
  #checkpoint: Checkpoint | undefined;

  constructor(pair: Pair, script: Script, isPlain: boolean) {
    this.#pair = pair;
    this.#script = script;
    this.#isPlain = isPlain;
  }

  async outcome(): Promise<Outcome> {
    const { steps, parallelism } = this.#script;
    this.#fleet = await this.#start(this.#isPlain, parallelism, new Map());
    for (let index = 0; index < steps.length; index++) {
      await this.#encode(index);
      const step = steps[index]!;
      if (step.kind === 'crash') index = await this.#crash(index, step.parallelism);
      else if (step.kind === 'barrier') await this.#barrier(index, step.turns);
      else this.#happen(step, steps[index + 1]);
    }
    const fleet = this.#fleet;
    fleet.advance(MAX_TIMESTAMP);
    fleet.pass(END_MS);
    this.#outputs.push(...fleet.collect());
    const left = fleet.left();
    await fleet.close();
    return { outputs: this.#outputs, ...left, crashes: this.#crashed.size };
  }

  #start(isPlain: boolean, parallelism: number, restored: Bytes): Promise<TaskFleet> {
    const { made, plain, inputs } = this.#pair;
    const options: FleetOptions = {
      operator: isPlain ? plain : made,
      inputs,
      isGuarded: isPlain,
      freezes: isPlain || this.#script.freezes,
      credits: this.#script.credits,
    };
    return TaskFleet.start(options, this.#clock, { parallelism, restored });
  }

  #happen(step: Exclude<Step, { kind: 'barrier' | 'crash' }>, next: Step | undefined): void {
    const fleet = this.#fleet;
    if (step.kind === 'watermark') return fleet.advance(step.to);
    if (step.kind === 'pass') return fleet.pass(step.ms);
    fleet.give(step);
    const turns = next?.kind === 'barrier' ? next.turns : Number.POSITIVE_INFINITY;
    for (let turn = 0; turn < turns && fleet.turn(); turn++);
  }

  /** Snapshots become bytes between the steps that follow. */
  async #encode(index: number): Promise<void> {
    const pending = this.#pending;
    if (pending === undefined) return;
    for (const { snapshot } of pending.snapshots) snapshot.advance();
    if (index >= pending.until) await this.#complete(pending);
  }

  async #complete(pending: Barrier): Promise<void> {
    this.#checkpoint = { ...pending, bytes: await bytesOf(pending.snapshots) };
    this.#pending = undefined;
  }

  async #barrier(index: number, turns: number): Promise<void> {
    if (this.#pending !== undefined) await this.#complete(this.#pending);
    const fleet = this.#fleet;
    const { snapshots, inFlight } = fleet.barrier();
    this.#outputs.push(...fleet.collect());
    this.#pending = {
      snapshots,
      inFlight,
      watermark: fleet.watermark,
      outputs: this.#outputs.length,
      next: index + 1,
      until: index + 1 + (turns % 4),
    };
    // The rest of the batch comes behind it.
    fleet.settle();
  }

  /** The step before the one to go on with. */
  async #crash(index: number, parallelism: number): Promise<number> {
    const checkpoint = this.#checkpoint;
    if (checkpoint === undefined || this.#crashed.has(index)) return index;
    const { isSwappable, hasPastTimers } = this.#pair;
    const { swaps } = this.#script;
    const isSwapped = isSwappable && swaps[this.#crashed.size % swaps.length] === true;
    const wasPlain = this.#fleet.options.isGuarded;
    this.#crashed.add(index);
    this.#pending = undefined;
    await this.#fleet.close();
    this.#outputs.length = checkpoint.outputs;
    this.#fleet = await this.#start(wasPlain !== isSwapped, parallelism, checkpoint.bytes);
    const fleet = this.#fleet;
    if (!hasPastTimers) fleet.advance(checkpoint.watermark);
    for (const remainder of checkpoint.inFlight) {
      fleet.give(remainder);
      fleet.settle();
    }
    fleet.advance(checkpoint.watermark);
    return checkpoint.next - 1;
  }
}

/** Runs a script both ways and compares what came out and what is left; gives what the operator of jobs gave. */
export async function sameBothWays(pair: Pair, script: Script): Promise<Outcome> {
  const plain = await new ScriptRun(pair, script, true).outcome();
  const made = await new ScriptRun(pair, script, false).outcome();
  // Which subtask has a key, and how far it is at a barrier, is seen in what comes of other keys meanwhile.
  assert.deepEqual(byKey(made.outputs), byKey(plain.outputs));
  if (!script.steps.some(({ kind }) => kind === 'barrier')) assert.deepEqual(made.outputs, plain.outputs);
  assert.deepEqual([made.isEmpty, made.timers], [plain.isEmpty, plain.timers]);
  if (!pair.isCalm || made.crashes === 0) return made;
  const steps = script.steps.filter(({ kind }) => kind !== 'crash' && kind !== 'barrier');
  const calm = await new ScriptRun(pair, { ...script, steps }, true).outcome();
  assert.deepEqual(byKey(made.outputs), byKey(calm.outputs));
  return made;
}

/** Of each key what came out of it, in order. Records that come out are arrays that begin with their key, or have one. */
function byKey(outputs: readonly unknown[]): Record<string, unknown[] | undefined> {
  return Object.groupBy(outputs, (output) => {
    const [, record] = output as [string, readonly unknown[] | { readonly key: unknown }];
    const key = 'key' in record ? record.key : record[0];
    return `${typeof key} ${String(key)}`;
  });
}

const keys = fc.constantFrom<Key>(
  'a',
  'b',
  1,
  2,
  'a',
  '',
  '__proto__',
  '\0s',
  Number.NaN,
  0,
  -1.5,
  true,
  7n,
  ['a', 1],
  'é',
  '\ud800',
);

const steps = (inputs: number): fc.Arbitrary<Step[]> => {
  const item = fc.record({ key: keys, at: fc.integer({ min: -25, max: 45 }), id: fc.constant(0) });
  const items = fc.array(item, { minLength: 1, maxLength: BATCH_MAX, size: 'max' });
  return fc.array(
    fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          kind: fc.constant('batch'),
          input: fc.integer({ min: 0, max: inputs - 1 }),
          items,
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('watermark'), to: fc.integer({ min: -30, max: 70 }) }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('pass'), ms: fc.integer({ min: 0, max: 9 }) }) },
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('barrier'), turns: fc.integer({ min: 1, max: 6 }) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant('crash'), parallelism: fc.integer({ min: 1, max: 3 }) }),
      },
    ) as fc.Arbitrary<Step>,
    { maxLength: STEPS_MAX, size: 'max' },
  );
};

/** Random scripts. */
export function scripts(inputs: number): fc.Arbitrary<Script> {
  return fc.record({
    steps: steps(inputs).map(inOrder),
    parallelism: fc.integer({ min: 1, max: 3 }),
    credits: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }),
    swaps: fc.array(fc.boolean(), { minLength: 1, maxLength: 3 }),
    freezes: fc.boolean(),
  });
}

/** Records have numbers, and watermarks rise. */
function inOrder(given: readonly Step[]): Step[] {
  let id = 0;
  let top = MIN_TIMESTAMP;
  const numbered = (item: Item): Item => ({ ...item, id: id++ });
  return given.map((step) => {
    if (step.kind === 'batch') return { ...step, items: step.items.map(numbered) };
    if (step.kind !== 'watermark') return step;
    top = Math.max(top, step.to);
    return { kind: 'watermark', to: top };
  });
}
