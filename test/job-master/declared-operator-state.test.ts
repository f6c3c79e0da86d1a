// Broadcast state and lists of an operator whose declared type has changed: read where that is safe, else refused before anything starts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, isMillraceError } from '../../src/base/errors.ts';
import type { JobResult } from '../../src/cluster/job-manager/job-result.ts';
import {
  type Codec,
  codecOf,
  files,
  generatorSource,
  job,
  type JobDefinition,
  state,
  t,
} from '../../src/index.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import { committed, SimulatedJob } from '../property/simulated-job.ts';

// biome-ignore lint/suspicious/noExplicitAny: versions of one type stand for each other here
type AnyCodec = Codec<any>;

interface Versions {
  /** Of values of a broadcast map. */
  readonly rule?: AnyCodec;
  readonly ruleKey?: AnyCodec;
  /** Of the items of a list and of a union list. */
  readonly item?: AnyCodec;
  readonly union?: AnyCodec;
  /** Declares the list as a union list. */
  readonly swapped?: boolean;
}

const Old = t.object({ limit: t.int32 });
const old = codecOf(Old) as AnyCodec;
const wider = codecOf(t.object({ limit: t.int64, note: t.string }), {
  defaults: { note: 'none' },
}) as AnyCodec;
const other = codecOf(t.object({ limit: t.string })) as AnyCodec;
const FIRST: Versions = { rule: old, ruleKey: codecOf(t.string) as AnyCodec, item: old, union: old };

/** Keeps a rule and lists, and says what it holds of them with each tick. */
function jobOf({ rule, ruleKey, item, union, swapped = false }: Versions): JobDefinition {
  return job((env) => {
    const rules = { rules: state.map<string, { limit: number }>({ ...codec(rule), ...keyCodec(ruleKey) }) };
    const items = { items: state.list<{ limit: number }>(codec(item)) };
    const unions = { unions: state.list<{ limit: number }>(codec(union)) };
    const broadcast = env.fromData([{ name: 'a', limit: 5 }], { uid: 'rules' }).broadcast(rules);
    env
      .fromSource(
        generatorSource((n) => n, { ratePerSecond: 100, splits: 1 }),
        { uid: 'ticks' },
      )
      .connect(broadcast)
      .process({
        uid: 'checks',
        operatorState: swapped
          ? { unionLists: { ...items, ...unions } }
          : { lists: items, unionLists: unions },
        local: ({ operatorState }) => ({
          items: swapped
            ? operatorState.unionList<{ limit: number }>('items')
            : operatorState.list<{ limit: number }>('items'),
          unions: operatorState.unionList<{ limit: number }>('unions'),
        }),
        process(_tick, { local, broadcast: { rules: held } }) {
          const rule0 = held.get('a');
          if (rule0 !== undefined && local.items.get().length === 0) {
            local.items.add({ limit: 1 });
            local.unions.add({ limit: 2 });
          }
          return [JSON.stringify([rule0, local.items.get()[0], local.unions.get()[0]])];
        },
        processBroadcast({ name, limit }, ctx) {
          ctx.broadcast.rules.set(name, { limit });
        },
      })
      .sinkTo(files.linesSink('/output'), { uid: 'output' });
  });
}

function codec(given: AnyCodec | undefined): { codec?: AnyCodec } {
  return given === undefined ? {} : { codec: given };
}

function keyCodec(given: AnyCodec | undefined): { keyCodec?: AnyCodec } {
  return given === undefined ? {} : { keyCodec: given };
}

/** Runs the first version to a stop, then the second one from there. */
async function continued(
  first: Versions,
  second: Versions,
): Promise<{ result: JobResult; lines: string[]; ran: boolean }> {
  const kernel = new Kernel({ seed: 11, shuffle: true });
  const options = { args: [], parallelism: 1, checkpoints: { intervalMs: 50 } };
  const before = new SimulatedJob(kernel, { ...options, definition: jobOf(first) });
  await kernel.runFor(500);
  before.master.stop();
  assert.equal((await before.end()).status, 'STOPPED');
  const written = committed(kernel, '/output');
  assert.ok(written.includes('[{"limit":5},{"limit":1},{"limit":2}]'), written.join('\n'));
  const lines = kernel.log.lines.length;
  const after = new SimulatedJob(kernel, { ...options, definition: jobOf(second) });
  await kernel.runFor(500);
  if (after.result === undefined) after.master.stop();
  const result = await after.end();
  const ran = kernel.log.lines.slice(lines).some(({ message }) => message.startsWith('the job runs'));
  return { result, lines: committed(kernel, '/output').slice(written.length), ran };
}

test('what was widened is read, in broadcast state and in lists', async () => {
  const { result, lines, ran } = await continued(FIRST, {
    ...FIRST,
    rule: wider,
    item: wider,
    union: wider,
  });
  assert.deepEqual([result.status, ran], ['STOPPED', true]);
  const value = (limit: number): object => ({ limit, note: 'none' });
  assert.ok(lines.includes(JSON.stringify([value(5), value(1), value(2)])), lines.join('\n'));
});

test('a codec that was declared later reads what the generic one wrote', async () => {
  const { result, ran } = await continued({}, FIRST);
  assert.deepEqual([result.status, ran], ['STOPPED', true]);
});

for (const [what, second, code, message] of [
  [
    'values of broadcast state',
    { rule: other },
    'STATE_SCHEMA_CHANGED',
    /broadcast state "rules".*\n.*limit/,
  ],
  [
    'keys of broadcast state',
    { ruleKey: codecOf(t.int32) as AnyCodec },
    'STATE_SCHEMA_CHANGED',
    /broadcast state "rules"/,
  ],
  ['items of a list', { item: other }, 'STATE_SCHEMA_CHANGED', /operator state "items".*\n.*limit/],
  ['items of a union list', { union: other }, 'STATE_SCHEMA_CHANGED', /operator state "unions".*\n.*limit/],
  [
    'the kind of a list',
    { swapped: true },
    'STATE_TYPE_CHANGED',
    /"items" is declared as a union list, but is a list/,
  ],
] as const satisfies readonly (readonly [string, Versions, ErrorCode, RegExp])[]) {
  test(`${what} that cannot be read are refused before anything starts`, async () => {
    const { result, lines, ran } = await continued(FIRST, { ...FIRST, ...second });
    assert.deepEqual([result.status, ran, lines], ['FAILED', false, []]);
    assert.equal(result.figures.restarts, 0);
    const { cause } = result.error as Error;
    assert.ok(isMillraceError(cause, code), String(cause));
    assert.match(cause.message, message);
    assert.equal(cause.where.uid, 'checks');
  });
}
