// sameUnderShuffle and sameUnderCrash pass jobs that are right, and find what is wrong with those that are not.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { atLeastOnceSink } from '../../src/connectors/at-least-once.ts';
import { files } from '../../src/connectors/files/files.ts';
import { type } from '../../src/operators/process-context.ts';
import { watermarks } from '../../src/operators/watermarks.ts';
import { tumbling } from '../../src/operators/window/assigners.ts';
import { value } from '../../src/state/state.ts';
import type { DataStream } from '../../src/streams/data-stream.ts';
import { job, type JobDefinition } from '../../src/streams/job.ts';
import { sameUnderCrash } from '../../src/testing/same-under-crash.ts';
import { sameUnderShuffle } from '../../src/testing/same-under-shuffle.ts';
import { RunBudget, shrink } from '../../src/testing/shrink.ts';

interface Bid {
  readonly item: string;
  readonly price: number;
  readonly at: number;
}

const BIDS: readonly Bid[] = Array.from({ length: 12 }, (_, index) => ({
  item: index % 3 === 0 ? 'lamp' : 'vase',
  price: (index * 7) % 12,
  at: index * 1_000,
}));

const shuffle = {
  inputs: { bids: BIDS },
  outputs: { out: type<unknown>() },
  disorder: { bids: { timestamp: ({ at }: Bid) => at, bound: '3 s' } },
} as const;
const crash = { inputs: { bids: BIDS }, outputs: { out: type<unknown>() } } as const;

function bidJob<T>(build: (bids: DataStream<Bid>) => DataStream<T>, bound = '3 s'): JobDefinition {
  return job((env) => {
    const bids = env.fromSource(files.jsonLines<Bid>('/bids'), {
      uid: 'bids',
      watermarks: watermarks.boundedOutOfOrderness<Bid>(bound).withTimestamps(({ at }: Bid) => at),
    });
    build(bids).sinkTo(files.jsonLinesSink('/out'), { uid: 'out' });
  });
}

function highest(bids: DataStream<Bid>): DataStream<Bid> {
  return bids
    .keyBy('item')
    .window(tumbling('4 s'))
    .reduce((a, b) => (a.price >= b.price ? a : b), { uid: 'highest' });
}

function counts(bids: DataStream<Bid>): DataStream<string> {
  return bids.keyBy('item').process({
    uid: 'count',
    state: { count: value(0) },
    process(_bid, { key, state }) {
      state.count.update(state.count.value() + 1);
      return [`${key} ${state.count.value()}`];
    },
  });
}

describe('sameUnderShuffle', () => {
  it('passes a job that goes by event time', async () => {
    const orders = await sameUnderShuffle(bidJob(highest), shuffle);
    console.log(`cases: orders of a right job ${orders} (minimum 200)`);
    assert.equal(orders, 200);
  });

  it('finds a job that goes by who comes first, and shows two records', async () => {
    const first = bidJob((bids) =>
      bids.keyBy('item').process({
        uid: 'first',
        state: { first: value(-1) },
        process(bid, { state }) {
          if (state.first.value() >= 0) return [];
          state.first.update(bid.price);
          return [bid.price];
        },
      }),
    );
    const error = await failureOf(sameUnderShuffle(first, shuffle));
    assert.equal(error.code, 'TEST_ORDER_DIFFERS');
    assert.match(error.message, /smallest case: 2 records/);
    const seed = Number(
      /replay: sameUnderShuffle\(job, \{ \.\.\.options, seed: (\d+), orders: 1 \}\)/.exec(error.message)?.[1],
    );
    assert.equal(
      (await failureOf(sameUnderShuffle(first, { ...shuffle, seed, orders: 1 }))).message,
      error.message,
    );
  });

  it('finds a job whose bound is smaller than the disorder: records are late', async () => {
    const error = await failureOf(sameUnderShuffle(bidJob(highest, '1 s'), shuffle));
    assert.match(error.message, /smallest case: [2-4] records/);
  });

  it('compares what the test says: a running count is the same in the end', async () => {
    const result = ({ out }: { readonly out: readonly unknown[] }): unknown => out.length;
    await sameUnderShuffle(bidJob(counts), { ...shuffle, orders: 20, result });
  });
});

describe('sameUnderCrash', () => {
  it('passes a job that keeps what it needs in state', async () => {
    const crashes = await sameUnderCrash(bidJob(counts), crash);
    console.log(`cases: crashes of a right job ${crashes} (minimum 24)`);
    assert.ok(crashes >= 24, 'after twelve records, and in four phases of three commits at least');
    await sameUnderCrash(bidJob(highest), { ...crash, parallelism: 2 });
  });

  it('finds what is kept outside of state', async () => {
    const forgets = bidJob((bids) => {
      let count = 0;
      return bids.map(() => ++count);
    });
    const error = await failureOf(sameUnderCrash(forgets, crash));
    assert.equal(error.code, 'TEST_CRASH_DIFFERS');
    const records = Number(/smallest case: (\d+) records, a crash \w+/.exec(error.message)?.[1]);
    assert.ok(records <= 5, error.message);
    const at = Number(/at: (\d+) \}\)$/.exec(error.message)?.[1]);
    assert.equal((await failureOf(sameUnderCrash(forgets, { ...crash, at }))).code, 'TEST_CRASH_DIFFERS');
  });

  it('finds a sink that writes before the checkpoint', async () => {
    const doubles = job((env) => {
      env
        .fromSource(files.jsonLines<Bid>('/bids'), { uid: 'bids' })
        .sinkTo(atLeastOnceSink<Bid>({ write: () => Promise.resolve() }), { uid: 'out' });
    });
    const error = await failureOf(sameUnderCrash(doubles, crash));
    assert.match(error.message, /smallest case: 1 records, a crash after record 0 of 'bids'/);
  });
});

it('leaves out of a case whatever it fails without', async () => {
  const items = Array.from({ length: 50 }, (_, index) => index);
  const fails = (some: readonly number[]): Promise<boolean> =>
    Promise.resolve(some.includes(7) && some.includes(31));
  assert.deepEqual(await shrink(items, fails, new RunBudget(200)), [7, 31]);
  assert.deepEqual(await shrink(items, fails, new RunBudget(0)), items);
});

async function failureOf(
  search: Promise<unknown>,
): Promise<{ readonly code: string; readonly message: string }> {
  try {
    await search;
  } catch (error) {
    return error as { readonly code: string; readonly message: string };
  }
  return assert.fail('nothing was found');
}
