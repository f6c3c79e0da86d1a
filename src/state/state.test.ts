// Declarations infer their types and cannot be changed afterwards.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { numberCodec } from '../codecs/primitives.ts';
import type {
  AggregatingState,
  ListState,
  MapState,
  ReducingState,
  StateHandles,
  ValueState,
} from './descriptors.ts';
import * as state from './state.ts';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

test('types follow from what is declared', () => {
  const declared = {
    count: state.value(0),
    phase: state.value<'idle' | 'busy'>('idle'),
    last: state.list<string>(),
    visits: state.map<string, number>(),
    highest: state.reducing((left: number, right: number) => Math.max(left, right)),
    average: state.aggregating({
      createAccumulator: () => ({ sum: 0, count: 0 }),
      add: (value: number, { sum, count }) => ({ sum: sum + value, count: count + 1 }),
      result: ({ sum, count }) => `${sum / count}`,
    }),
  };
  type Handles = StateHandles<typeof declared>;
  const checks: [
    Same<Handles['count'], ValueState<number>>,
    Same<Handles['phase'], ValueState<'idle' | 'busy'>>,
    Same<Handles['last'], ListState<string>>,
    Same<Handles['visits'], MapState<string, number>>,
    Same<Handles['highest'], ReducingState<number>>,
    Same<Handles['average'], AggregatingState<number, string>>,
  ] = [true, true, true, true, true, true];
  assert.equal(checks.length, Object.keys(declared).length);
  assert.deepEqual(
    Object.values(declared).map(({ kind }) => kind),
    ['value', 'value', 'list', 'map', 'reducing', 'aggregating'],
  );
});

test('a default is frozen with all that it holds, because all keys share it', () => {
  const { initial } = state.value({ seen: [1] });
  assert.throws(() => initial.seen.push(2), TypeError);
  assert.deepEqual(initial, { seen: [1] });
});

test('a codec is kept, and a declaration cannot be changed', () => {
  const declared = state.value(0, { codec: numberCodec });
  assert.equal(declared.codec, numberCodec);
  assert.ok(Object.isFrozen(declared));
});
