import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compile } from '../graph/compile.ts';
import { explain } from '../graph/explain.ts';
import {
  type DataStream,
  evictors,
  globalWindow,
  job,
  type JobDefinition,
  session,
  sliding,
  state,
  triggers,
  tumbling,
  type WindowAssigner,
  type WindowedStream,
} from '../index.ts';
import { describeJob } from './describe.ts';

interface Sale {
  readonly shop: string;
  readonly amount: number;
}

/** What is left of a stream whose type does not matter. */
interface Printable {
  print(): unknown;
}

const sales: readonly Sale[] = [{ shop: 'a', amount: 1 }];

type Equal<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;
const same = <Same extends true>(_same?: Same): void => {};

function graphOf(build: (windows: WindowedStream<Sale, string>) => Printable) {
  const definition: JobDefinition = job((env) => {
    build(env.fromData(sales).keyBy('shop').window(tumbling('1s'))).print();
  });
  return describeJob(definition);
}

describe('windows in a job', () => {
  it('need a uid, by type', () => {
    // @ts-expect-error: no uid
    graphOf((windows) => windows.reduce((left) => left, {}));
    // @ts-expect-error: no uid
    graphOf((windows) => windows.process({ process: () => [] }));
  });

  it('have types that are found without annotations', () => {
    graphOf((windows) => {
      const averages = windows
        .trigger(triggers.purging(triggers.count(2)))
        .sideOutputLateData('late')
        .aggregate({
          uid: 'average',
          createAccumulator: () => ({ sum: 0, count: 0 }),
          add: (sale, { sum, count }) => ({ sum: sum + sale.amount, count: count + 1 }),
          result: ({ sum, count }) => sum / count,
        });
      same<Equal<typeof averages extends DataStream<infer T> ? T : never, number>>();
      const late = averages.sideOutput('late');
      same<Equal<typeof late, DataStream<Sale>>>();
      // @ts-expect-error: there is no such side output
      assert.throws(() => averages.sideOutput('later'), { code: 'STREAM_INVALID' });
      return averages;
    });
    graphOf((windows) => {
      const shown = windows.reduce(
        (left, right) => ({ shop: left.shop, amount: left.amount + right.amount }),
        {
          uid: 'total',
          windowState: { firings: state.value(0) },
          process: ([total], { key, window, windowState }) => [
            { key, end: window.end, total: total!.amount, firings: windowState.firings.value() },
          ],
        },
      );
      same<
        Equal<
          typeof shown extends DataStream<infer T> ? T : never,
          { key: string; end: number; total: number; firings: number }
        >
      >();
      return shown;
    });
    graphOf((windows) => {
      const applied = windows.apply((window, values, key) => [`${key} ${window.end} ${values.length}`], {
        uid: 'applied',
      });
      same<Equal<typeof applied extends DataStream<infer T> ? T : never, string>>();
      return applied;
    });
  });

  it('without a key have one subtask, and more are refused', () => {
    const definition = (parallelism?: number): JobDefinition =>
      job((env) => {
        const sums = env.fromData(sales).windowAll(sliding('1 min', '1s')).sum('amount', { uid: 'sum' });
        if (parallelism !== undefined) sums.setParallelism(parallelism);
        sums.print();
      });
    const options = { name: 'windows', parallelism: 4, maxParallelism: undefined, chaining: true };
    const { graph } = compile(describeJob(definition()), options);
    const vertex = graph.vertices.find(({ name }) => name.includes('Window'));
    assert.equal(vertex?.parallelism, 1);
    assert.throws(() => compile(describeJob(definition(2)), options), { code: 'GRAPH_PARALLELISM_INVALID' });
  });

  it('that overlap share panes where nothing forbids it, and the plan says so or why not', () => {
    const sums = {
      uid: 'sum',
      createAccumulator: () => 0,
      add: (sale: Sale, sum: number) => sum + sale.amount,
      result: (sum: number) => sum,
    };
    const merging = { ...sums, merge: (left: number, right: number) => left + right };
    const noteOf = (
      build: (sliding: WindowedStream<Sale, string>) => Printable,
      assigner: WindowAssigner<unknown> = sliding('1 h', '1 s'),
    ): string | undefined => {
      const definition = job((env) => {
        build(env.fromData(sales).keyBy('shop').window(assigner)).print();
      });
      const { graph } = compile(describeJob(definition), { name: 'windows', parallelism: 1 });
      const [, said] = /\* Window \(\w+\) \(window, uid sum, keyed, state(?:, )?(.*)\)/.exec(explain(graph))!;
      return said;
    };
    const shared = (windows: WindowedStream<Sale, string>): Printable => windows.aggregate(merging);
    assert.equal(noteOf(shared), 'shared panes');
    assert.equal(noteOf(shared, tumbling('1 h')), '');
    assert.equal(noteOf(shared, sliding('1 s', '1 s')), '');
    assert.equal(
      noteOf(shared, sliding('1 h', '1 s', { time: 'processing' })),
      'no shared panes: windows of processing time',
    );
    assert.equal(noteOf(shared, { ...sliding('1 h', '1 s') }), '', 'an assigner of the user is not known');
    assert.equal(
      noteOf((windows) => windows.trigger(triggers.count(2)).aggregate(merging)),
      'no shared panes: a trigger',
    );
    assert.equal(
      noteOf((windows) => windows.evictor(evictors.count(2)).aggregate(merging)),
      'no shared panes: an evictor',
    );
    assert.equal(
      noteOf((windows) => windows.allowedLateness(1).aggregate(merging)),
      'no shared panes: allowed lateness',
    );
    assert.equal(
      noteOf((windows) => windows.process({ uid: 'sum', process: () => [] })),
      'no shared panes: the function sees all records',
    );
    assert.equal(
      noteOf((windows) => windows.sum('amount', { uid: 'sum' })),
      'no shared panes: a reduction may depend on the order of its records',
    );
    assert.equal(
      noteOf((windows) => windows.aggregate(sums)),
      'no shared panes: the aggregation has no merge',
    );
  });

  it('that merge refuse what cannot be merged', () => {
    const refused = (build: (windows: WindowedStream<Sale, string>) => Printable): void => {
      const definition = job((env) => {
        build(env.fromData(sales).keyBy('shop').window(session('1s'))).print();
      });
      assert.throws(() => describeJob(definition), { code: 'WINDOW_INVALID' });
    };
    refused((windows) => windows.trigger(triggers.delta(1, () => 2)).sum('amount', { uid: 'sum' }));
    refused((windows) =>
      windows.process({ uid: 'windows', windowState: { n: state.value(0) }, process: () => [] }),
    );
    refused((windows) =>
      windows.aggregate({
        uid: 'count',
        createAccumulator: () => 0,
        add: (_sale, n) => n + 1,
        result: (n) => n,
      }),
    );
  });

  it('refuse a name for late records that a function has taken', () => {
    assert.throws(
      () => graphOf((windows) => windows.sideOutputLateData('dead-letter').sum('amount', { uid: 'sum' })),
      { code: 'STREAM_INVALID' },
    );
    assert.throws(() => triggers.count(0), { code: 'WINDOW_INVALID' });
    assert.throws(() => triggers.continuousEventTime(0), { code: 'WINDOW_INVALID' });
    assert.equal(globalWindow().name, 'global');
  });
});
