// Slots in real threads over real rings: jobs that end, fail, exhaust the heap, exit, are held back or are ended at any moment.

import assert from 'node:assert/strict';
import { setTimeout as passed } from 'node:timers/promises';
import { test } from 'node:test';
import { ThreadRun, type ThreadRunOptions } from '../../test/hosts/thread-run.ts';
import type { ThreadLoad } from '../../test/hosts/thread-jobs.ts';

const LIMIT = { timeout: 30_000 };

function expected(): string[] {
  const sums = new Map<string, { count: number; sum: number }>();
  for (let n = 1; n <= 3_000; n++) {
    const key = `key ${n % 17}`;
    const { count, sum } = sums.get(key) ?? { count: 0, sum: 0 };
    sums.set(key, { count: count + 1, sum: sum + n });
  }
  return [...sums].map(([key, { count, sum }]) => `${key}: ${count} ${sum}`).sort();
}

/** Starts, and ends the threads whatever becomes of them. */
async function running<T>(
  load: ThreadLoad,
  options: ThreadRunOptions,
  body: (run: ThreadRun) => Promise<T>,
): Promise<T> {
  const run = new ThreadRun(load, options);
  try {
    await run.start();
    run.deploy();
    return await body(run);
  } finally {
    await run.terminate();
  }
}

for (const [parallelism, ringBytes] of [
  [1, 65_536],
  [2, 64],
  [3, 64],
  [3, 65_536],
] as const) {
  test(
    `a job runs to its end over rings of ${ringBytes} bytes at parallelism ${parallelism}`,
    LIMIT,
    async () => {
      await running({ job: 'sums' }, { parallelism, ringBytes }, async (run) => {
        await run.done;
        assert.deepEqual(run.lines.map(String).sort(), expected());
        assert.equal(run.counts.finished, parallelism);
      });
    },
  );
}

test(
  'an exception of the user arrives with its operator, its subtask and its place in the input',
  LIMIT,
  async () => {
    await running({ job: 'throws' }, { parallelism: 2 }, async (run) => {
      await assert.rejects(
        run.done,
        (error: Error & { code?: string; where?: { subtask?: number; position?: string } }) => {
          assert.equal(error.code, 'OPERATOR_FAILED');
          assert.match(error.message, /number 1500 is not for me/);
          assert.equal(error.where?.position, 'record 1500 of split 0');
          return true;
        },
      );
    });
  },
);

for (const [job, message] of [
  ['heap', /memory/],
  ['exits', /exited with code 7/],
] as const) {
  test(`a thread that ends by itself (${job}) is told once as lost, with its cause`, LIMIT, async () => {
    const resourceLimits = { maxOldGenerationSizeMb: 48, maxYoungGenerationSizeMb: 8 };
    await running({ job }, { parallelism: 2, resourceLimits }, async (run) => {
      await assert.rejects(run.done, (error: Error & { code?: string }) => {
        assert.equal(error.code, 'WORKER_LOST');
        assert.match(error.message, message);
        return true;
      });
      await passed(20);
      assert.equal(run.losses, 1);
    });
  });
}

for (const job of ['rejects', 'rejects-in-open', 'timer', 'awaits'] as const) {
  test(
    `what a function left behind fails its task with its place, and not its thread (${job})`,
    LIMIT,
    async () => {
      await running({ job }, { parallelism: 2 }, async (run) => {
        await assert.rejects(
          run.done,
          (
            error: Error & { code?: string; where?: { operator?: string; uid?: string; subtask?: number } },
          ) => {
            assert.equal(error.code, 'OPERATOR_FAILED_LATER');
            assert.match(error.message, /Error: nobody waits for me/);
            const isOpening = job === 'rejects-in-open';
            assert.match(error.where?.operator ?? '', isOpening ? /^Process$/ : /^Source: .* -> Map$/);
            assert.equal(error.where?.uid, isOpening ? 'sums' : undefined);
            assert.equal(error.where?.subtask, isOpening ? 1 : 0);
            return true;
          },
        );
        assert.equal(run.losses, 0);
      });
    },
  );
}

test('what fails outside of any task ends the thread', LIMIT, async () => {
  await running({ job: 'stray' }, { parallelism: 2 }, async (run) => {
    await assert.rejects(run.done, (error: Error & { code?: string }) => {
      assert.equal(error.code, 'WORKER_LOST');
      assert.match(error.message, /of nobody/);
      return true;
    });
  });
});

test(
  'a record that cannot leave its thread fails the task at its operator, and not the thread',
  LIMIT,
  async () => {
    await running({ job: 'unclonable' }, { parallelism: 2 }, async (run) => {
      await assert.rejects(run.done, (error: Error & { code?: string; where?: { operator?: string } }) => {
        assert.notEqual(error.code, 'WORKER_LOST');
        assert.match(error.where?.operator ?? '', /print/i);
        return true;
      });
    });
  },
);

/** Waits until both threads have told their figures some times more: they have run meanwhile. */
async function toldAgain(run: ThreadRun): Promise<void> {
  const told = (run.counts.figures ?? 0) + 6;
  while ((run.counts.figures ?? 0) < told) await passed(20);
}

test('a client that takes nothing stops the sources, and memory stays bounded', LIMIT, async () => {
  const resourceLimits = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 16 };
  await running({ job: 'endless' }, { parallelism: 2, stoppedClient: true, resourceLimits }, async (run) => {
    let read = -1;
    while (run.lines.length === 0 || run.records !== read) {
      read = run.records;
      await toldAgain(run);
    }
    const { length } = run.lines;
    assert.ok(length < 40_000, `${length} records left for a client that takes none`);
    run.trigger(5, 'periodic');
    await toldAgain(run);
    // A thread that had no processor until now may read what there is room for.
    assert.ok(run.records < 40_000, `${read}, then ${run.records} were read`);
    assert.deepEqual([run.counts.failed, run.losses], [undefined, 0]);
  });
});

for (const [how, message] of [
  ['throws', /cannot be loaded/],
  ['exits', /exited with code 3/],
  ['other-plan', /came out different/],
] as const) {
  test(
    `a start fails as a whole when one thread cannot run the job (${how}), and one that never gets ready hides nothing`,
    LIMIT,
    async () => {
      const run = new ThreadRun({ job: 'sums', start: { 0: 'never', 1: how } }, { parallelism: 3 });
      await assert.rejects(run.start(), message);
    },
  );
}

test('a start in which a thread never gets ready ends at its deadline', LIMIT, async () => {
  const run = new ThreadRun({ job: 'sums', start: { 1: 'never' } }, { parallelism: 2, startDeadlineMs: 500 });
  await assert.rejects(run.start(), {
    code: 'JOB_MODULE_UNSETTLED',
    message: /has not loaded the job within 500 ms/,
  });
});

test('a start that nobody wants any more ends at once, also before it has begun', LIMIT, async () => {
  for (const afterMs of [undefined, 100]) {
    const giveUp = new AbortController();
    if (afterMs === undefined) giveUp.abort(new Error('not wanted'));
    const run = new ThreadRun(
      { job: 'sums', start: { 0: 'never' } },
      { parallelism: 2, signal: giveUp.signal },
    );
    const started = run.start();
    started.catch(() => undefined);
    if (afterMs !== undefined) {
      await passed(afterMs);
      giveUp.abort(new Error('not wanted'));
    }
    await assert.rejects(started, /not wanted/);
  }
});

test('threads end when they are told to, at any moment, also within a loop of the user', LIMIT, async () => {
  for (const [job, afterMs] of [
    ['sums', 0],
    ['sums', 3],
    ['sums', 16],
    ['endless', 50],
    ['spins', 100],
  ] as const) {
    const run = new ThreadRun({ job }, { parallelism: 2, stoppedClient: afterMs % 2 === 0 });
    run.done.catch((error: Error) => assert.fail(error));
    await run.start();
    run.deploy();
    await passed(afterMs);
    await Promise.all([run.terminate(), run.terminate()]);
    run.trigger(9, 'periodic');
    const { length } = run.lines;
    await passed(20);
    assert.equal(run.lines.length, length, 'H2: nothing arrives from a thread that was terminated');
  }
});
