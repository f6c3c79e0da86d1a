// The rule of soaks: it finds what leaks, in whichever thread, and takes what only fills up, comes and goes.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  growthsOf,
  type Life,
  lifeOf,
  type Sample,
  sentenceOf,
  type ThreadMemory,
} from '../../chaos/flat.ts';

const WITNESS = { minutesMin: 10, warmMs: 180_000 };
const WHO = { role: 'jobprocess', id: 'taskmanager-3/job', pid: 7 };
const SAMPLE_MS = 5_000;
const THREAD: ThreadMemory = { thread: 0, heap: 20, buffers: 8, known: 60, heapLimit: 384 };

/** A process for so many minutes; what is not said stands still. */
function samples(
  minutes: number,
  at: (minute: number, index: number) => Partial<Sample> = () => ({}),
): Sample[] {
  return Array.from({ length: (minutes * 60_000) / SAMPLE_MS + 1 }, (_, index) => ({
    ...{ atMs: index * SAMPLE_MS, descriptors: 36, rss: 200, threads: [THREAD, { ...THREAD, thread: 1 }] },
    ...at((index * SAMPLE_MS) / 60_000, index),
  }));
}

function lifeIn(all: readonly Sample[]): Life {
  const life = lifeOf(WHO, all, WITNESS);
  assert.ok(life !== undefined);
  return life;
}

const threads = (changed: Partial<ThreadMemory>): ThreadMemory[] => [
  THREAD,
  { ...THREAD, thread: 1, ...changed },
];
/** Before the first ten minutes that count, and 20 MiB of growth in each ten after. */
const leaked = (minute: number): number => 2 * minute;
/** What is in flight: up to 12 MiB, and now and then nothing. */
const inFlight = (index: number): number => (index * 7) % 13;

describe('what a process takes is flat', () => {
  it('when nothing grows', () => {
    const life = lifeIn(samples(13));
    assert.deepEqual(growthsOf(life), []);
    assert.equal(life.minutes, 10);
    assert.match(sentenceOf(life), /thread 1 20 to 20 MiB alive \(0\/h\) and 8 to 8 MiB of buffers/);
  });

  it('when a heap fills with garbage up to its limit: 60 MiB resident in ten minutes', () => {
    const life = lifeIn(
      samples(13, (minute) => ({ rss: 200 + 6 * minute, threads: threads({ known: 60 + 6 * minute }) })),
    );
    assert.deepEqual(growthsOf(life), []);
    assert.ok(life.rssMib.to - life.rssMib.from > 25, 'that it grew is told');
  });

  it('when much is in flight, now more and now less', () => {
    const life = lifeIn(samples(13, (_, index) => ({ threads: threads({ heap: 20 + inFlight(index) }) })));
    assert.deepEqual(growthsOf(life), []);
  });

  it('when it grew at the beginning only', () => {
    const life = lifeIn(
      samples(13, (minute) => ({ threads: threads({ heap: 20 + 30 * Math.min(3, minute) }) })),
    );
    assert.deepEqual(growthsOf(life), []);
  });

  it('when threads went and others came, more than before', () => {
    const life = lifeIn(
      samples(20, (minute) => ({
        rss: minute < 14 ? 200 : 320,
        threads: [0, ...(minute < 14 ? [1] : [2, 3, 4])].map((thread) => ({ ...THREAD, thread })),
      })),
    );
    assert.deepEqual(growthsOf(life), []);
    assert.deepEqual(
      life.memory?.threads.map(({ thread }) => thread),
      [0, 1],
      'thread 1 lived for ten minutes that count, those after it did not',
    );
  });
});

it('what is native is not told from moments at which threads that have ended are still counted', () => {
  // At minute 9 three threads with 60 MiB each are followed by three others, and all of them are told of for a while.
  const at = (minute: number): Partial<Sample> => {
    const ids = minute < 9 ? [1, 2, 3] : minute < 9.7 ? [1, 2, 3, 4, 5, 6] : [4, 5, 6];
    return { rss: 300, threads: [0, ...ids].map((thread) => ({ ...THREAD, thread })) };
  };
  const life = lifeIn(samples(20, at));
  assert.deepEqual(growthsOf(life), []);
  assert.deepEqual(life.memory?.nativeMib, { from: 60, to: 60, perHour: 0 });
  const restless = lifeIn(
    samples(20, (minute) => ({ threads: [{ ...THREAD, thread: Math.floor(minute) }] })),
  );
  assert.equal(restless.memory?.nativeMib, undefined);
  assert.match(sentenceOf(restless), /no part of it known as native/);
});

describe('what a process takes is not flat', () => {
  const found: readonly (readonly [string, RegExp, (minute: number, index: number) => Partial<Sample>])[] = [
    [
      '20 MiB leak in ten minutes in the heap of one thread',
      /^thread 1 \(10 minutes\) of jobprocess .* had 31 MiB alive in its heap, and 41.2 in the end$/,
      (minute) => ({ threads: threads({ heap: 20 + leaked(minute) }) }),
    ],
    [
      'it leaks below what is in flight',
      /^thread 1 .* MiB alive in its heap/,
      (minute, index) => ({ threads: threads({ heap: 20 + leaked(minute) + inFlight(index) }) }),
    ],
    [
      'buffers leak',
      /^thread 1 .* MiB of buffers/,
      (minute) => ({
        threads: threads({ buffers: 8 + leaked(minute), known: 60 + leaked(minute) }),
        rss: 200 + leaked(minute),
      }),
    ],
    [
      'native memory leaks, 150 MiB in ten minutes',
      /^jobprocess .* MiB that are neither heap nor buffers/,
      (minute) => ({ rss: 200 + 15 * minute }),
    ],
    [
      'descriptors leak',
      /^jobprocess .* had \d+ descriptors, and \d+ in the end/,
      (minute) => ({ descriptors: 30 + 4 * Math.floor(minute) }),
    ],
    [
      'more is resident than limits allow, once',
      /had \d+ MiB more than its limits allow/,
      (_, index) => (index === 80 ? { rss: 1_000 } : {}),
    ],
  ];
  for (const [what, message, at] of found) {
    it(`when ${what}`, () => {
      const growths = growthsOf(lifeIn(samples(13, at)));
      assert.equal(growths.length, 1, growths.join('\n'));
      assert.match(growths[0]!, message);
    });
  }
});

it('who lived shorter than ten minutes after its first three is no witness, whatever it took', () => {
  assert.equal(
    lifeOf(
      WHO,
      samples(12.5, (minute) => ({ rss: 1_000 * minute })),
      WITNESS,
    ),
    undefined,
  );
  assert.equal(lifeOf(WHO, samples(0), WITNESS), undefined);
});

it('who is not asked says nothing about what is alive', () => {
  const life = lifeIn(samples(13, (minute) => ({ rss: 100 * minute, threads: [] })));
  assert.equal(life.memory, undefined);
  assert.deepEqual(growthsOf(life), []);
});
