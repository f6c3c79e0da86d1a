// A declared type makes a stream faster and nothing else: whole jobs over random types, their records left alone, encoded
// without a type, and encoded by their type, give the same records to every function and every sink.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TypeShape } from '../../src/codecs/type-shape.ts';
import { collectSink, type DataType, execute, job, state, t } from '../../src/index.ts';
import { anyShape, valueOfShape } from '../codecs/described-values.ts';

const CASES = 25;
const SEED = 53;
const RECORDS_MAX = 40;

interface Item {
  readonly k: number;
  readonly v: unknown;
}

interface Case {
  readonly shape: TypeShape;
  readonly items: readonly Item[];
}

const cases: fc.Arbitrary<Case> = anyShape.chain((shape) => {
  const item = fc.record({ k: fc.nat(3), v: valueOfShape(shape) }, { noNullPrototype: true });
  return fc.array(item, { minLength: 1, maxLength: RECORDS_MAX }).map((items) => ({ shape, items }));
});

function itemType(shape: TypeShape): DataType<Item> {
  const { fields } = t.object({ k: t.int32, v: t.unknown }).shape as Extract<TypeShape, { kind: 'object' }>;
  const described: TypeShape = { kind: 'object', fields: [fields[0]!, { ...fields[1]!, type: shape }] };
  return { ...(t.unknown as DataType<Item>), shape: described };
}

/** What each branch of the job gave, in order: one subtask each, and a queue before each operator. */
async function run(
  { shape, items }: Case,
  typed: boolean,
  alwaysEncode: boolean,
): Promise<Record<string, Item[]>> {
  const found: Record<string, Item[]> = {};
  const type = typed ? itemType(shape) : (t.unknown as DataType<Item>);
  const definition = job((env) => {
    env.setParallelism(1).disableOperatorChaining();
    const read = env.fromData(items, { name: 'items' }).returns(type);
    const keyed = read.keyBy('k');
    const branches = {
      source: read,
      map: read.map(({ k, v }) => ({ k: k + 1, v })).returns(type),
      'flat-map': read.flatMap((item) => [item, { k: item.k, v: item.v }]).returns(type),
      filter: read.filter(({ k }) => k !== 1),
      process: read.process({ process: (item) => (item.k === 0 ? [] : [item]) }).returns(type),
      rebalance: read
        .rebalance()
        .map((item) => ({ ...item }))
        .returns(type),
      broadcast: read
        .broadcast()
        .map((item) => item)
        .returns(type),
      union: read.filter(({ k }) => k === 0).union(read.filter(({ k }) => k !== 0)),
      keyed: keyed
        .process({
          uid: 'keyed',
          state: { last: state.value<Item | null>(null) },
          process(item, ctx) {
            const last = ctx.state.last.value();
            ctx.state.last.update(item);
            return last === null ? [item] : [last, item];
          },
        })
        .returns(type),
      reduce: keyed.reduce((_, item) => item, { uid: 'reduce' }).returns(type),
      window: keyed
        .countWindow(2)
        .reduce((_, item) => item, { uid: 'window' })
        .returns(type),
      connected: read
        .connect(read)
        .map({ map1: (item) => item, map2: ({ k }) => ({ k, v: 'other' }) })
        .filter(({ v }) => v !== 'other'),
    };
    for (const [name, stream] of Object.entries(branches)) {
      // The job is described more than once; one of the descriptions has the sink that is written to.
      found[name] ??= [];
      stream.sinkTo(collectSink(found[name]), { uid: `sink of ${name}` });
    }
  });
  await execute(definition, {
    host: 'in-process',
    alwaysEncode,
    configuration: { 'log.level': 'silent' },
  });
  // Which of its inputs a union reads first depends on when their records come; of each of them it keeps the order.
  found['union']!.sort((one, other) => Math.min(one.k, 1) - Math.min(other.k, 1));
  return found;
}

// Deep equality does not look at the order of keys.
function keysOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return undefined;
  if (value instanceof Map) return [...value].flat().map(keysOf);
  if (value instanceof Set) return [...value].map(keysOf);
  return Object.keys(value).map((key) => [key, keysOf((value as Record<string, unknown>)[key])]);
}

function json(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? `${inner}n` : inner));
}

test('every operator gives the same with and without encoding, with and without a type', async () => {
  let runs = 0;
  const checked = fc.asyncProperty(cases, async (one) => {
    const plain = await run(one, false, false);
    assert.deepEqual(plain['source'], one.items);
    for (const typed of [false, true]) {
      const encoded = await run(one, typed, true);
      assert.deepEqual(encoded, plain);
      assert.deepEqual(keysOf(encoded), keysOf(plain));
      assert.equal(json(encoded), json(plain));
      runs++;
    }
  });
  await fc.assert(checked, { seed: SEED, numRuns: CASES });
  console.log(`cases: typed streams ${runs} (minimum ${2 * CASES})`);
});
