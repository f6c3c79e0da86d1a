/**
 * Runs one operator through the same steps in every way in which a task may run it, and compares what comes out.
 *
 * ```
 * item by item   the event loop turns after each step, and what was finished meanwhile is handed on
 * in batches     records that follow each other are given in one turn
 * whole batches  they are given in one call, where the operator has one for that
 * restored       a snapshot after each step, and a copy that is restored from it goes on
 * refused        the sink takes every other result only: results wait to be pulled, and the event loop turns
 * ```
 */

import assertions from 'node:assert/strict';
import { assert } from '../base/assert.ts';
import { takeTurn } from '../base/clock-turn.ts';
import { MIN_TIMESTAMP } from '../base/time.ts';
import { type Emitted, type HarnessOptions, OperatorHarness, type Step } from './operator-harness.ts';

/** Turns of the event loop that an operator may need to take a record, or to finish what is under way. */
const TURNS_MAX = 10_000;

/** The operator that is looked at. */
export type VerifyOptions = Omit<HarnessOptions, 'restored' | 'clock'>;

/**
 * Runs an operator through `steps` item by item, in batches, with a snapshot and a restored copy after each step, and
 * into a sink that refuses every other call. Returns what came out, which must be the same each time.
 * Throws an `AssertionError` that names the way in which something else came out.
 *
 * ```ts
 * const twice: OperatorFactory = () => {
 *   let output: Output;
 *   return {
 *     open: (context) => {
 *       output = context.output;
 *     },
 *     record: (_input, value, timestamp) => output.emit((value as number) * 2, timestamp),
 *   };
 * };
 * const emitted = await verifyOperator({ operator: twice }, [{ record: 21, timestamp: 7 }, { watermark: 9 }]);
 * console.log(emitted); // [ { record: 42, timestamp: 7 }, { watermark: 9 } ]
 * ```
 */
export async function verifyOperator(options: VerifyOptions, steps: readonly Step[]): Promise<Emitted[]> {
  const expected = await runItemByItem(options, steps);
  const same = async (
    run: (options: VerifyOptions, steps: readonly Step[]) => Promise<Emitted[]>,
    how: string,
  ): Promise<void> => {
    assertions.deepEqual(
      await run(options, steps),
      expected,
      `${how}, the operator gives the same as item by item`,
    );
  };
  await same(runInBatches, 'in batches');
  await same(runByWholeBatches, 'by whole batches');
  await same(runRestored, 'restored after each step');
  await same(runRefused, 'into a sink that refuses every other call');
  return expected;
}

async function runItemByItem(options: VerifyOptions, steps: readonly Step[]): Promise<Emitted[]> {
  const harness = await OperatorHarness.open(options);
  for (const step of steps) {
    if (isRefused(harness, step)) await untilWritable(harness);
    harness.do(step);
    await takeTurn();
    harness.resume();
  }
  return finish(harness, steps);
}

async function runInBatches(options: VerifyOptions, steps: readonly Step[]): Promise<Emitted[]> {
  const harness = await OperatorHarness.open(options);
  for (const step of steps) {
    if (isRefused(harness, step)) await untilWritable(harness);
    harness.do(step);
  }
  return finish(harness, steps);
}

async function runByWholeBatches(options: VerifyOptions, steps: readonly Step[]): Promise<Emitted[]> {
  const harness = await OperatorHarness.open(options);
  for (let index = 0; index < steps.length; ) {
    const batch = batchFrom(steps, index);
    if (isRefused(harness, steps[index]!)) await untilWritable(harness);
    if (batch.length < 2) harness.do(steps[index]!);
    else harness.batch(batch);
    index += Math.max(1, batch.length);
  }
  return finish(harness, steps);
}

/** The records that follow each other on one input, from a step on. */
function batchFrom(steps: readonly Step[], from: number): Extract<Step, { record: unknown }>[] {
  const batch: Extract<Step, { record: unknown }>[] = [];
  for (let index = from; index < steps.length; index++) {
    const step = steps[index]!;
    if (!('record' in step) || (batch[0] !== undefined && (batch[0].input ?? 0) !== (step.input ?? 0))) break;
    batch.push(step);
  }
  return batch;
}

async function runRestored(options: VerifyOptions, steps: readonly Step[]): Promise<Emitted[]> {
  const emitted: Emitted[] = [];
  let harness = await OperatorHarness.open(options);
  for (const [index, step] of steps.entries()) {
    if (isRefused(harness, step)) await untilWritable(harness);
    harness.do(step);
    if (index === steps.length - 1) break;
    emitted.push(...harness.emitted);
    const restored = await harness.snapshot(index + 1);
    await harness.close();
    harness = await OperatorHarness.open({ ...options, restored });
  }
  return [...emitted, ...(await finish(harness, steps))];
}

/** Results that are given back to be pulled are pulled behind a full output: nothing may have been made in advance. */
async function runRefused(options: VerifyOptions, steps: readonly Step[]): Promise<Emitted[]> {
  const harness = await OperatorHarness.open(options);
  for (const step of steps) {
    if (isRefused(harness, step)) await untilWritable(harness);
    if (!('record' in step)) {
      harness.do(step);
      continue;
    }
    const timestamp = step.timestamp ?? MIN_TIMESTAMP;
    const pull = harness.start(step.record, timestamp, step.input);
    if (pull === undefined) continue;
    for (let next = pull.next(); next.done !== true; next = pull.next()) {
      const own = pull.timestamp ?? timestamp;
      harness.emitted.push({
        record: next.value,
        ...(own === MIN_TIMESTAMP ? {} : { timestamp: own }),
      });
      // The output is full: the next call is refused, the event loop turns, and the operator must wait.
      const waiting = harness.emitted.length;
      await takeTurn();
      assert(
        harness.emitted.length === waiting,
        'an operator emits nothing while its results wait to be pulled',
      );
    }
  }
  return finish(harness, steps);
}

/** A task gives no record to an operator that takes none. */
function isRefused(harness: OperatorHarness, step: Step): boolean {
  return 'record' in step && !harness.writable;
}

/** With calls under way an operator takes records again when they are done. */
async function untilWritable(harness: OperatorHarness): Promise<void> {
  for (let turns = 0; !harness.writable; turns++) {
    assert(turns < TURNS_MAX, 'an operator that takes no records takes them again');
    await takeTurn();
    harness.resume();
  }
}

async function finish(harness: OperatorHarness, steps: readonly Step[]): Promise<Emitted[]> {
  const isEnding = steps.some((step) => 'end' in step);
  for (let turns = 0; isEnding && !harness.isFinished; turns++) {
    assert(turns < TURNS_MAX, 'an operator finishes what is under way');
    await takeTurn();
    harness.resume();
  }
  await takeTurn();
  harness.resume();
  await harness.close();
  if (harness.failures.length > 0) throw harness.failures[0];
  return harness.emitted;
}
