/** Links made into code of their own do what the plain links do. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PlannedOperator } from '../graph/job-graph.ts';
import { FilterOperator } from '../operators/filter.ts';
import { MapOperator } from '../operators/map.ts';
import type { Operator } from '../operators/operator.ts';
import { ChainLink } from './chain-link.ts';
import { ChainOutput, type Downstream } from './chain-output.ts';
import { FrameStack } from './frames.ts';
import { fuse } from './fused.ts';

const RUNS = 500;
const SEED = 44;

type Step = { readonly kind: 'map' | 'filter'; readonly amount: number; readonly throwsAt: number };

function operatorOf({ kind, amount, throwsAt }: Step): Operator {
  const check = (value: number): void => {
    if (value % 17 === throwsAt) throw new RangeError(`not ${value}`);
  };
  if (kind === 'map') {
    return new MapOperator((value: number) => {
      check(value);
      return value + amount;
    });
  }
  return new FilterOperator((value: number) => {
    check(value);
    return (value + amount) % 3 !== 0;
  });
}

/** The links, the first of which is delivered to; all that comes out; how often each was asked. */
function linksOf(steps: readonly Step[], fused: boolean) {
  const frames = new FrameStack();
  const out: [unknown, number][] = [];
  let next: Downstream = {
    deliver: (value, timestamp) => void out.push([value, timestamp]),
    walkWatermark: () => [],
    walkStatus: () => [],
  };
  const links: ChainLink[] = [];
  for (const [index, step] of [...steps.entries()].reverse()) {
    const output = new ChainOutput({ frames, freeze: false, wakeUp: () => {} });
    output.connect({ links: [next], ports: [] }, new Map());
    const operator = operatorOf(step);
    void operator.open({ output } as never);
    const link = new ChainLink({
      planned: { uid: `step ${index}`, poison: 'fail' } as PlannedOperator,
      operator,
      output,
      backend: undefined,
      keySelectors: [],
      frames,
      // The innermost operator names itself, as in a chain.
      locate: (error, { uid }) =>
        error instanceof Error && error.cause !== undefined ? error : new Error(uid, { cause: error }),
      onPoison: () => {},
    });
    if (fused) assert.ok(link.fuse('a job'));
    links.unshift(link);
    next = link;
  }
  return { links, out };
}

function outcome(steps: readonly Step[], values: readonly number[], fused: boolean) {
  const { links, out } = linksOf(steps, fused);
  const errors: string[] = [];
  for (const [index, value] of values.entries()) {
    try {
      links[0]!.deliver(value, index);
    } catch (error) {
      errors.push(`${index} ${(error as Error).message}: ${String((error as Error).cause)}`);
    }
  }
  const counts = links.map((link) => [link.recordsIn, link.output.recordsOut]);
  return { out, errors, counts };
}

test('a chain made into code gives what the plain chain gives: records, times, counts, errors and their places', () => {
  const step = fc.record<Step>({
    kind: fc.constantFrom('map', 'filter'),
    amount: fc.integer({ min: -3, max: 9 }),
    throwsAt: fc.integer({ min: 0, max: 60 }),
  });
  let seen = 0;
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 6 }),
      fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 40, size: 'max' }),
      (steps, values) => {
        const made = outcome(steps, values, true);
        assert.deepEqual(made, outcome(steps, values, false));
        seen += made.errors.length;
      },
    ),
    { seed: SEED, numRuns: RUNS },
  );
  assert.ok(seen > RUNS / 10, 'some functions threw');
  console.log(`cases: chains made into code ${RUNS} (minimum ${RUNS})`);
});

test('a made function is named in stack traces, whatever job and operator are called', () => {
  const made = fuse({
    pure: { kind: 'map', call: () => 1 },
    link: { recordsIn: 0 },
    output: { recordsOut: 0 },
    next: () => {
      throw new Error('behind');
    },
    locate: (error) => error as Error,
    job: "it's\n*/ globalThis.broken = 1 //",
    uid: '\u2028`${x}`',
  });
  let stack = '';
  try {
    made!(1, 1);
  } catch (error) {
    stack = (error as Error).stack ?? '';
  }
  assert.match(stack, /millrace\/it's%0A\*%2F%20globalThis\.broken/);
  assert.equal('broken' in globalThis, false);
});

test('a name that was cut within an emoji stops nothing', () => {
  const out: unknown[] = [];
  const made = fuse({
    pure: { kind: 'map', call: (value: number) => value + 1 },
    link: { recordsIn: 0 },
    output: { recordsOut: 0 },
    next: (value) => void out.push(value),
    locate: (error) => error as Error,
    job: '\ud800',
    uid: 'cut \ud83d',
  });
  made!(1, 0);
  assert.deepEqual(out, [2]);
});

test('where code generation is forbidden nothing is made', () => {
  const script = `
    import { fuse } from ${JSON.stringify(new URL('./fused.ts', import.meta.url).href)};
    const none = () => {};
    console.log(fuse({ pure: { kind: 'map', call: none }, link: {}, output: {}, next: none, locate: none, job: 'j', uid: 'u' }));
  `;
  const flags = ['--disallow-code-generation-from-strings', '--input-type=module', '--eval', script];
  const { stdout, stderr } = spawnSync(process.execPath, flags, { encoding: 'utf8' });
  assert.equal(stdout.trim(), 'undefined', stderr);
});
