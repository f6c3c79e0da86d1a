import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeShape, type TypeShape } from '../codecs/type-shape.ts';
import { t } from '../codecs/types.ts';
import { type } from '../operators/process-context.ts';
import { watermarks } from '../operators/watermarks.ts';
import { tumbling } from '../operators/window/assigners.ts';
import * as state from '../state/state.ts';
import { describeJob } from './describe.ts';
import { job, type JobFunction } from './job.ts';
import { compile } from '../graph/compile.ts';

const Visit = t.object({ user: t.string, at: t.int64 });
const Count = t.object({ user: t.string, count: t.int32 });

/** The type of each edge into a sink, by the name of the sink. */
function typesOf(build: JobFunction): Record<string, string> {
  const { graph } = compile(describeJob(job(build)), { name: 'test', parallelism: 2, chaining: false });
  return Object.fromEntries(
    graph.edges.flatMap(({ to, type: declared }) => {
      const { name } = graph.vertices[to]!.operators[0]!;
      return name.startsWith('to ') ? [[name, textOf(declared)]] : [];
    }),
  );
}

function textOf(shape: TypeShape | undefined): string {
  if (shape === undefined) return 'none';
  if (shape.kind === 'union') return shape.options.map(textOf).join(' or ');
  return shape.kind === 'object' ? shape.fields.map(({ name }) => name).join(' ') : describeShape(shape);
}

test('a union keeps the type of each stream, and what hands on all of them has any of their types', () => {
  const types = typesOf((env) => {
    const visits = env
      .fromData([{ user: 'ada', at: 1 }])
      .map((each) => each)
      .returns(Visit);
    const counts = env
      .fromData([{ user: 'ada', count: 1 }])
      .map((each) => each)
      .returns(Count);
    const others = env.fromData([{ user: 'ada' }]);
    const pass = (): boolean => true;
    visits.union(counts).filter(pass).filter(pass).print(undefined, { name: 'to both' });
    visits.union(visits).filter(pass).print(undefined, { name: 'to one' });
    visits.union(counts).filter(pass).union(visits).filter(pass).print(undefined, { name: 'to nested' });
    visits.union(others).filter(pass).print(undefined, { name: 'to unknown' });
    visits.rebalance().print(undefined, { name: 'to rebalanced' });
  });
  assert.deepEqual(types, {
    'to both': 'user at or user count',
    'to one': 'user at',
    'to nested': 'user at or user count',
    'to unknown': 'none',
    'to rebalanced': 'user at',
  });
});

test('a process function has the types that it declares: of its results by returns(), of its side outputs by type()', () => {
  const types = typesOf((env) => {
    const split = env
      .fromData(['ada 1'])
      .keyBy((line) => line)
      .process({
        uid: 'split',
        state: { seen: state.value(0) },
        outputs: { visits: type(Visit), odd: type<string>() },
        process(line, ctx) {
          ctx.output('visits', { user: line, at: 1 });
          return [{ user: line, count: 1 }];
        },
      })
      .returns(Count);
    split.print(undefined, { name: 'to main' });
    split
      .sideOutput('visits')
      .filter(() => true)
      .print(undefined, { name: 'to visits' });
    split.sideOutput('odd').print(undefined, { name: 'to odd' });
  });
  assert.deepEqual(types, { 'to main': 'user count', 'to visits': 'user at', 'to odd': 'none' });
});

test('late records have the type of the stream that they came by', () => {
  const types = typesOf((env) => {
    const read = { watermarks: watermarks.monotonous() } as const;
    const visits = env
      .fromData([{ user: 'ada', at: 1 }], read)
      .map((each) => each)
      .returns(Visit);
    const counts = env
      .fromData([{ user: 'ada', count: 1 }], read)
      .map((each) => each)
      .returns(Count);
    const windowed = visits
      .keyBy('user')
      .window(tumbling('10 s'))
      .sideOutputLateData('late')
      .process({
        uid: 'windows',
        outputs: { counts: type(Count) },
        process: (_visits, { key }) => [key],
      });
    windowed.sideOutput('late').print(undefined, { name: 'to late' });
    windowed.sideOutput('counts').print(undefined, { name: 'to counts' });
    const joined = visits
      .keyBy('user')
      .intervalJoin(counts.keyBy('user'))
      .between('-1 s', '1 s')
      .sideOutputLeftLateData('left')
      .sideOutputRightLateData('right')
      .process({ uid: 'joined', process: ({ user }) => [user] });
    joined.sideOutput('left').print(undefined, { name: 'to left' });
    joined.sideOutput('right').print(undefined, { name: 'to right' });
  });
  assert.deepEqual(types, {
    'to late': 'user at',
    'to counts': 'user count',
    'to left': 'user at',
    'to right': 'user count',
  });
});
