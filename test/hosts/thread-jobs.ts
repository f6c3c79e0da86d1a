// The jobs of the tests of slot threads, by name: built alike in the test and in every worker.

import { isMainThread } from 'node:worker_threads';
import { compile } from '../../src/graph/compile.ts';
import type { CompiledJob } from '../../src/graph/job-graph.ts';
import * as state from '../../src/state/state.ts';
import { describeJob } from '../../src/streams/describe.ts';
import { job } from '../../src/streams/job.ts';

/** What a worker is told. Plain data. */
export interface ThreadLoad {
  readonly job:
    | 'sums'
    | 'throws'
    | 'heap'
    | 'exits'
    | 'rejects'
    | 'rejects-in-open'
    | 'timer'
    | 'awaits'
    | 'stray'
    | 'endless'
    | 'unclonable'
    | 'spins';
  /** By slot: what goes wrong before the job is built. */
  readonly start?: Readonly<Record<number, 'throws' | 'exits' | 'never' | 'other-plan'>>;
}

const END = Number.MAX_SAFE_INTEGER - 1;

/** The job of a name. */
export function buildThreadJob({ job: name }: ThreadLoad, parallelism: number): CompiledJob {
  // What is loaded before the job belongs to no task.
  if (name === 'stray' && !isMainThread) setTimeout(() => void later('of nobody'), 200);
  const isEndless = name === 'endless' || name === 'spins' || name === 'stray';
  const definition = job((env) => {
    env.setParallelism(parallelism);
    const numbers = env.fromSequence(1, isEndless ? 1e9 : 3_000);
    numbers
      .map((n) => broken(name, n))
      .keyBy((n) => `key ${Number(n) % 17}`)
      .process({
        uid: 'sums',
        state: { sum: state.value(0), count: state.value(0) },
        open: ({ info }) => {
          if (name === 'rejects-in-open' && info.subtask === 1) setTimeout(() => void later(), 1);
        },
        *process(n, ctx) {
          ctx.state.sum.update(ctx.state.sum.value() + Number(n));
          ctx.state.count.update(ctx.state.count.value() + 1);
          ctx.timers.registerEventTime(END);
          if (name === 'endless') yield `number ${String(n)} ${'x'.repeat(200)}`;
        },
        *onTimer(_time, ctx) {
          yield `${ctx.key}: ${ctx.state.count.value()} ${ctx.state.sum.value()}`;
        },
      })
      .map((line) => (name === 'unclonable' ? { line, print: () => line } : line))
      .print();
  });
  return compile(describeJob(definition), { name, parallelism });
}

const hoard: unknown[] = [];

async function later(message = 'nobody waits for me'): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  throw new Error(message);
}

function broken(name: ThreadLoad['job'], n: number): unknown {
  if (n !== 1_500) return n;
  switch (name) {
    case 'throws':
      throw new TypeError('number 1500 is not for me');
    case 'heap':
      while (hoard.length >= 0) hoard.push(Array.from({ length: 1_000 }, (_, index) => ({ index })));
      return n;
    case 'exits':
      return process.exit(7);
    case 'rejects':
      void Promise.reject(new Error('nobody waits for me'));
      return n;
    case 'timer':
      setTimeout(() => {
        throw new Error('nobody waits for me');
      }, 1);
      return n;
    case 'awaits':
      void later();
      return n;
    case 'spins':
      while (hoard.length === 0);
      return n;
    default:
      return n;
  }
}
