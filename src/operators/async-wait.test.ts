// Asynchronous operators: order, watermarks, capacity, timeouts, attempts, checkpoints; then all of it against a naive model.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMillraceError } from '../base/errors.ts';
import { seededRandom } from '../base/random.ts';
import { type HarnessSnapshot, OperatorHarness } from '../testing/operator-harness.ts';
import { type AsyncFunction, AsyncWaitOperator, type AsyncWaitOptions } from './async-wait.ts';

type Mode = AsyncWaitOptions['mode'];
type Definition = AsyncFunction<number, unknown, unknown, undefined>;

interface Question {
  readonly value: number;
  readonly attempt: number;
  readonly signal: () => AbortSignal;
  answer(result: unknown): void;
  fail(error: unknown): void;
}

/** A service that answers when the test says so. */
class Service {
  open: Question[] = [];
  /** How often it was asked, by value. */
  readonly asked = new Map<number, number>();

  ask: Definition['asyncInvoke'] = (value, ctx) =>
    new Promise((answer, fail) => {
      this.asked.set(value, (this.asked.get(value) ?? 0) + 1);
      this.open.push({ value, attempt: ctx.attempt, signal: () => ctx.signal, answer, fail });
    });

  take(value: number): Question {
    const found = this.open.find((question) => question.value === value);
    assert.ok(found, `nobody asks for ${value}`);
    this.open = this.open.filter((question) => question !== found);
    return found;
  }
}

interface Rig {
  readonly harness: OperatorHarness;
  readonly service: Service;
}

async function rig(
  mode: Mode,
  more: Partial<Definition> = {},
  onError: AsyncWaitOptions['onError'] = 'fail',
  restored?: HarnessSnapshot,
): Promise<Rig> {
  const service = new Service();
  const harness = await OperatorHarness.open({
    operator: () =>
      new AsyncWaitOperator<number, unknown, unknown, undefined>(
        { asyncInvoke: service.ask, ...more },
        { mode, onError },
      ),
    ...(restored === undefined ? {} : { restored }),
  });
  harness.resume();
  return { harness, service };
}

/** What a task does between two records: promises are settled, then finished work is handed on. */
async function turn(harness: OperatorHarness): Promise<void> {
  for (let job = 0; job < 8; job++) await Promise.resolve();
  harness.resume();
}

test('ordered results leave in the order of their records', async () => {
  const { harness, service } = await rig('ordered');
  harness.record(1, 10);
  harness.record(2, 20);
  service.take(2).answer('two');
  await turn(harness);
  assert.deepEqual(harness.emitted, []);
  service.take(1).answer(['one', 'uno']);
  await turn(harness);
  assert.deepEqual(harness.emitted, [
    { record: 'one', timestamp: 10 },
    { record: 'uno', timestamp: 10 },
    { record: 'two', timestamp: 20 },
  ]);
});

test('unordered results overtake each other, but no watermark', async () => {
  const { harness, service } = await rig('unordered');
  harness.record(1, 10);
  harness.record(2, 20);
  harness.watermark(20);
  harness.record(3, 30);
  service.take(3).answer(3);
  service.take(2).answer(2);
  await turn(harness);
  assert.deepEqual(harness.emitted, [{ record: 2, timestamp: 20 }]);
  service.take(1).answer(undefined);
  await turn(harness);
  assert.deepEqual(harness.emitted.slice(1), [{ watermark: 20 }, { record: 3, timestamp: 30 }]);
});

test('watermarks and statuses between two records are one mark, the last of each', async () => {
  const { harness, service } = await rig('ordered');
  harness.record(1);
  harness.watermark(1);
  harness.idle(true);
  harness.idle(false);
  harness.watermark(2);
  await turn(harness);
  assert.deepEqual(harness.emitted, []);
  service.take(1).answer(undefined);
  await turn(harness);
  assert.deepEqual(harness.emitted, [{ idle: false }, { watermark: 2 }]);
});

test('at its capacity it takes no more, until a result is handed on', async () => {
  const { harness, service } = await rig('ordered', { capacity: 2 });
  harness.record(1);
  assert.equal(harness.writable, true);
  harness.record(2);
  assert.equal(harness.writable, false);
  service.take(2).answer(2);
  await turn(harness);
  assert.equal(harness.writable, false, 'what waits for its turn counts');
  service.take(1).answer(1);
  await turn(harness);
  assert.equal(harness.writable, true);
});

test('the end waits for what is under way', async () => {
  const { harness, service } = await rig('unordered');
  harness.record(1);
  harness.end();
  await turn(harness);
  assert.equal(harness.isFinished, false);
  service.take(1).answer('last');
  await turn(harness);
  assert.equal(harness.isFinished, true);
  assert.deepEqual(harness.emitted, [{ record: 'last' }, { watermark: Number.MAX_SAFE_INTEGER }]);
});

test('a failure fails the task and says for which record', async () => {
  const { harness, service } = await rig('ordered');
  harness.record(1, 77);
  service.take(1).fail(new RangeError('no'));
  await turn(harness);
  const [error] = harness.failures;
  assert.ok(isMillraceError(error));
  assert.equal(error.code, 'OPERATOR_FAILED');
  assert.equal(error.message.includes('RangeError: no'), true);
  assert.equal(error.where.position, 'the record of 77');
});

test('a function that throws at once has failed like one whose promise rejects', async () => {
  const { harness } = await rig('ordered', {
    asyncInvoke: () => {
      throw new Error('at once');
    },
  });
  harness.record(1);
  await turn(harness);
  assert.equal(harness.failures.length, 1);
});

test('skips a record whose call fails, or hands it to the dead letters', async () => {
  for (const onError of ['skip', 'dead-letter'] as const) {
    const { harness, service } = await rig('ordered', {}, onError);
    harness.record(1, 5);
    harness.record(2, 6);
    service.take(1).fail(new Error('poison'));
    service.take(2).answer(2);
    await turn(harness);
    const letter = { record: { value: 1, error: 'Error: poison' }, timestamp: 5, tag: 'dead-letter' };
    const others = [{ record: 2, timestamp: 6 }];
    assert.deepEqual(harness.emitted, onError === 'skip' ? others : [letter, ...others]);
    assert.equal(harness.counters.get('recordsGivenUp'), 1);
    assert.deepEqual(harness.failures, []);
  }
});

test('a timeout fails the task, aborts the signal, and a late answer is dropped', async () => {
  const { harness, service } = await rig('ordered', { timeout: 100 });
  harness.record(1);
  const question = service.take(1);
  const signal = question.signal();
  harness.passMs(99);
  assert.equal(harness.failures.length, 0);
  harness.passMs(1);
  const [error] = harness.failures;
  assert.ok(isMillraceError(error));
  assert.equal(error.code, 'ASYNC_TIMEOUT');
  assert.equal(signal.aborted, true);
  question.answer('late');
  await turn(harness);
  assert.deepEqual(harness.emitted, []);
});

test('onTimeout says what goes on instead, once', async () => {
  const { harness, service } = await rig('ordered', { timeout: 100, onTimeout: (value) => `no ${value}` });
  harness.record(1, 3);
  harness.passMs(100);
  service.take(1).answer('late');
  await turn(harness);
  assert.deepEqual(harness.emitted, [{ record: 'no 1', timestamp: 3 }]);
  assert.equal(harness.clock.pending, 0);
});

test('an answer in time leaves no timer behind', async () => {
  const { harness, service } = await rig('ordered', { timeout: 100 });
  harness.record(1);
  service.take(1).answer(1);
  await turn(harness);
  assert.equal(harness.clock.pending, 0);
});

test('asks again after growing delays, as often as it may, and then fails', async () => {
  const retry = { maxAttempts: 4, delay: 100, multiplier: 3, maxDelay: 500 };
  const { harness, service } = await rig('ordered', { retry });
  harness.record(1);
  for (const delay of [100, 300, 500]) {
    service.take(1).fail(new Error('busy'));
    await turn(harness);
    harness.passMs(delay - 1);
    assert.equal(service.open.length, 0);
    harness.passMs(1);
    assert.equal(service.open.length, 1);
  }
  assert.equal(service.open[0]!.attempt, 4);
  service.take(1).fail(new Error('busy'));
  await turn(harness);
  assert.equal(harness.failures.length, 1);
  assert.equal(harness.counters.get('asyncRetries'), 3);
});

test('asks again for results that are not good enough, and takes the last ones', async () => {
  const retry = {
    maxAttempts: 2,
    delay: 10,
    ifResult: (results: readonly unknown[]) => results.length === 0,
  };
  const { harness, service } = await rig('ordered', { retry });
  for (const value of [1, 2]) {
    harness.record(value);
    service.take(value).answer(undefined);
    await turn(harness);
    harness.passMs(10);
    service.take(value).answer(value === 1 ? 'found' : []);
    await turn(harness);
  }
  assert.deepEqual(harness.records, ['found']);
});

test('does not ask again for an error that is not worth it', async () => {
  const retry = { maxAttempts: 5, delay: 10, ifError: (error: unknown) => error instanceof RangeError };
  const { harness, service } = await rig('ordered', { retry });
  harness.record(1);
  service.take(1).fail(new TypeError('never'));
  await turn(harness);
  assert.equal(harness.failures.length, 1);
});

test('the timeout covers all attempts', async () => {
  const { harness, service } = await rig('ordered', {
    timeout: 50,
    retry: { maxAttempts: 9, delay: 40 },
    onTimeout: () => 'over',
  });
  harness.record(1);
  service.take(1).fail(new Error('busy'));
  await turn(harness);
  harness.passMs(40);
  service.take(1);
  harness.passMs(10);
  await turn(harness);
  assert.deepEqual(harness.records, ['over']);
  harness.passMs(1_000);
  assert.equal(service.open.length, 0);
});

test('closing cancels timers, aborts signals and drops answers', async () => {
  const { harness, service } = await rig('ordered', { timeout: 100 });
  harness.record(1);
  const question = service.take(1);
  const signal = question.signal();
  await harness.close();
  assert.equal(signal.aborted, true);
  assert.equal(harness.clock.pending, 0);
  question.fail(new Error('late'));
  await turn(harness);
  assert.deepEqual([harness.emitted, harness.failures], [[], []]);
});

test('restored records beyond the capacity are asked for as there is room', async () => {
  const first = await rig('ordered', { capacity: 3 });
  for (const value of [1, 2, 3]) first.harness.record(value, value);
  first.service.take(2).answer('done, not handed on');
  await turn(first.harness);
  const snapshot = await first.harness.snapshot();
  const { harness, service } = await rig('ordered', { capacity: 2 }, 'fail', snapshot);
  assert.deepEqual(
    service.open.map(({ value }) => value),
    [1, 2],
  );
  assert.equal(harness.writable, false);
  assert.equal((await harness.snapshot()).sections.get('in-flight')!.items.length, 3);
  service.take(1).answer(1);
  await turn(harness);
  assert.deepEqual(
    service.open.map(({ value }) => value),
    [2, 3],
  );
  assert.deepEqual(harness.emitted, [{ record: 1, timestamp: 1 }]);
});

test('refuses settings that cannot work', async () => {
  for (const more of [{ capacity: 0 }, { retry: { maxAttempts: 0, delay: 1 } }, { capacity: 1.5 }]) {
    await assert.rejects(
      async () => rig('ordered', more),
      (error) => isMillraceError(error) && error.code === 'ASYNC_INVALID',
    );
  }
});

// ---- against a model ----

const RUNS = 600;

/** What one random run did; a crash goes back to the last checkpoint, with its output. */
interface Life {
  readonly mode: Mode;
  readonly capacity: number;
  /** Values from 1 on, `0` for a watermark; the watermark says how many records were before it. */
  readonly input: readonly number[];
}

async function randomRun(seed: number): Promise<{ restores: number }> {
  const random = seededRandom(seed);
  const life: Life = {
    mode: random.int(2) === 0 ? 'ordered' : 'unordered',
    capacity: 1 + random.int(4),
    input: Array.from({ length: 5 + random.int(20) }, (_, index) => (random.int(4) === 0 ? 0 : index + 1)),
  };
  const more = { capacity: life.capacity, retry: { maxAttempts: 3, delay: 5 } };
  let { harness, service } = await rig(life.mode, more);
  let position = 0;
  let before: unknown[] = [];
  let saved: { position: number; output: unknown[]; snapshot: HarnessSnapshot } | undefined;
  let restores = 0;
  for (let step = 0; !harness.isFinished; step++) {
    assert.ok(step < 5_000, 'the run comes to its end');
    const what = random.int(12);
    if (what < 5 && position < life.input.length && harness.writable) {
      const value = life.input[position++]!;
      if (value === 0) harness.watermark(position);
      else harness.record(value, position);
      if (position === life.input.length) harness.end();
    } else if (what < 9 && service.open.length > 0) {
      const question = service.take(service.open[random.int(service.open.length)]!.value);
      if (question.attempt < 3 && random.int(4) === 0) question.fail(new Error('busy'));
      else question.answer(answerTo(question.value));
    } else if (what === 9) {
      harness.passMs(5);
    } else if (what === 10 && position < life.input.length) {
      saved = { position, output: [...before, ...harness.emitted], snapshot: await harness.snapshot() };
    } else if (what === 11 && saved !== undefined && restores < 5) {
      await harness.close();
      restores++;
      ({ harness, service } = await rig(life.mode, more, 'fail', saved.snapshot));
      ({ position, output: before } = saved);
    }
    await turn(harness);
    assert.ok(service.open.length <= life.capacity, 'the capacity is never exceeded');
  }
  assert.deepEqual(harness.failures, []);
  checkAgainstModel(life, [...before, ...harness.emitted] as Out[], restores > 0);
  return { restores };
}

function answerTo(value: number): unknown {
  return value % 5 === 0 ? undefined : value % 3 === 0 ? [value, -value] : value;
}

type Out = { readonly record: number; readonly timestamp: number } | { readonly watermark: number };

/** Ordered: the flattened answers in order. Unordered: the same within each segment that a watermark ends. */
function checkAgainstModel({ mode, input }: Life, out: readonly Out[], restored: boolean): void {
  const records = out.flatMap((each) => ('record' in each ? [each] : []));
  const model = input.flatMap((value, index) =>
    value === 0 ? [] : [answerTo(value) ?? []].flat().map((record) => ({ record, timestamp: index + 1 })),
  );
  if (mode === 'ordered') assert.deepEqual(records, model);
  const byRecord = (one: { record: unknown }, other: { record: unknown }): number =>
    Number(one.record) - Number(other.record);
  assert.deepEqual([...records].sort(byRecord), [...model].sort(byRecord), 'each result exactly once');
  let watermark = Number.MIN_SAFE_INTEGER;
  for (const each of out) {
    if ('watermark' in each) {
      assert.ok(each.watermark > watermark, 'watermarks rise');
      watermark = each.watermark;
    } else assert.ok(each.timestamp > watermark, 'no record is behind a watermark that came after it');
  }
  assert.equal(watermark, Number.MAX_SAFE_INTEGER);
  // A restored operator has no watermarks before the next one, so that segments may have become one.
  if (!restored) checkSegments(input, out);
}

/** No record has overtaken a watermark that came before it. */
function checkSegments(input: readonly number[], out: readonly Out[]): void {
  const watermarks = input.flatMap((value, index) => (value === 0 ? [index + 1] : []));
  let latest = 0;
  for (const each of out) {
    if ('watermark' in each) latest = each.watermark;
    else {
      const next = watermarks.find((watermark) => watermark > latest && watermark < each.timestamp);
      assert.equal(next, undefined, 'a record stays behind the watermark before it');
    }
  }
}

test('whatever the order of answers, failures, checkpoints and restores, it gives what the model gives', async () => {
  const only = process.env['MILLRACE_SEED'];
  const seeds = only === undefined ? Array.from({ length: RUNS }, (_, index) => index + 1) : [Number(only)];
  let restored = 0;
  for (const seed of seeds) {
    try {
      if ((await randomRun(seed)).restores > 0) restored++;
    } catch (error) {
      throw new Error(`replay with MILLRACE_SEED=${seed}`, { cause: error });
    }
  }
  if (only !== undefined) return;
  console.log(`cases: asynchronous runs ${seeds.length} (minimum ${RUNS})`);
  console.log(`cases: asynchronous runs that were restored ${restored} (minimum ${RUNS / 3})`);
  assert.ok(restored >= RUNS / 3);
});
