// The jobs of the tests of slot threads, by name: built alike in the test and in every worker.

import { compile } from '../../src/graph/compile.ts';
import type { CompiledJob } from '../../src/graph/job-graph.ts';
import * as state from '../../src/state/state.ts';
import { describeJob } from '../../src/streams/describe.ts';
import { job } from '../../src/streams/job.ts';

/** What a worker is told. Plain data. */
export interface ThreadLoad {
  readonly job: 'sums' | 'throws' | 'heap' | 'exits' | 'rejects' | 'endless' | 'unclonable' | 'spins';
  /** By slot: what goes wrong before the job is built. */
  readonly start?: Readonly<Record<number, 'throws' | 'exits' | 'never' | 'other-plan'>>;
}

const END = Number.MAX_SAFE_INTEGER - 1;

/** The job of a name. */
export function buildThreadJob({ job: name }: ThreadLoad, parallelism: number): CompiledJob {
  const definition = job((env) => {
    env.setParallelism(parallelism);
    const numbers = env.fromSequence(1, name === 'endless' || name === 'spins' ? 1e9 : 3_000);
    numbers
      .map((n) => broken(name, n))
      .keyBy((n) => `key ${Number(n) % 17}`)
      .process({
        uid: 'sums',
        state: { sum: state.value(0), count: state.value(0) },
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
    case 'spins':
      while (hoard.length === 0);
      return n;
    default:
      return n;
  }
}
