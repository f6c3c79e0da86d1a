import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compile } from '../graph/compile.ts';
import {
  type DataStream,
  type DeadLetter,
  executionEnvironment,
  evictors,
  job,
  session,
  type TaggedUnion,
  triggers,
  tumbling,
} from '../index.ts';
import { describeJob } from './describe.ts';

interface Order {
  readonly id: number;
  readonly user: string;
}

interface Refund {
  readonly order: number;
}

type Equal<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;
const same = <Same extends true>(_same?: Same): void => {};
type RecordOf<S> = S extends DataStream<infer T> ? T : never;

/** What is left of a stream whose type does not matter. */
interface Printable {
  print(): unknown;
}

function graphOf(build: (orders: DataStream<Order>, refunds: DataStream<Refund>) => Printable) {
  return describeJob(
    job((env) => {
      build(env.fromData<Order>([{ id: 1, user: 'ada' }]), env.fromData<Refund>([{ order: 1 }])).print();
    }),
  );
}

describe('window joins in a job', () => {
  it('have types that are found without annotations', () => {
    graphOf((orders, refunds) => {
      const joined = orders
        .join(refunds)
        .where('id')
        .equalTo((refund) => refund.order)
        .window(tumbling('1s'))
        .sideOutputLateData('late')
        .apply(
          (order, refund, { key }) => {
            same<Equal<typeof order, Order>>();
            same<Equal<typeof refund, Refund>>();
            same<Equal<typeof key, number>>();
            return [{ user: order.user, key }];
          },
          { uid: 'joined' },
        );
      same<Equal<RecordOf<typeof joined>, { user: string; key: number }>>();
      const late = joined.sideOutput('late');
      same<Equal<RecordOf<typeof late>, TaggedUnion<Order, Refund>>>();
      return joined;
    });
    graphOf((orders, refunds) => {
      const grouped = orders
        .coGroup(refunds)
        .where((order) => order.id)
        .equalTo('order')
        .window(session((tagged) => (tagged.side === 'left' ? tagged.value.id : tagged.value.order)))
        .trigger(triggers.count(2))
        .evictor(evictors.count(10))
        .apply(
          (left, right) => {
            same<Equal<typeof left, readonly Order[]>>();
            same<Equal<typeof right, readonly Refund[]>>();
            return [left.length - right.length];
          },
          { uid: 'grouped', onError: 'dead-letter' },
        );
      const dead = grouped.sideOutput('dead-letter');
      same<Equal<typeof dead, DataStream<DeadLetter<Order | Refund>>>>();
      return grouped;
    });
  });

  it('compare keys of one type, and need a uid, by type', () => {
    graphOf((orders, refunds) => {
      const join = orders.join(refunds).where('user');
      // @ts-expect-error: a text is never a number
      join.equalTo('order');
      // @ts-expect-error: a text is never a number
      join.equalTo((refund) => refund.order);
      const windowed = join.equalTo((refund) => `${refund.order}`).window(tumbling(1));
      // @ts-expect-error: no uid
      return windowed.apply(() => [], {});
    });
  });

  it('are one operator that reads both streams by their keys', () => {
    const { graph } = compile(
      graphOf((orders, refunds) =>
        orders
          .join(refunds)
          .where('id')
          .equalTo('order')
          .window(tumbling('1s'))
          .apply((order) => [order], { uid: 'joined' }),
      ),
      { name: 'joins', parallelism: 2, maxParallelism: undefined, chaining: true },
    );
    const operators = graph.vertices.flatMap(({ operators: each }) => each);
    const joined = operators.find(({ uid }) => uid === 'joined');
    assert.equal(joined?.name, 'Window Join (tumbling)');
  });

  it('refuse streams of two environments, and session windows whose trigger cannot merge', () => {
    const one = executionEnvironment().fromData([1]);
    const other = executionEnvironment().fromData([1]);
    assert.throws(() => one.join(other), { code: 'STREAM_INVALID', message: /^join\(\)/ });
    assert.throws(() => one.coGroup(other), { code: 'STREAM_INVALID', message: /^coGroup\(\)/ });
    const sessions = one
      .join(one)
      .where((n) => n)
      .equalTo((n) => n)
      .window(session(1));
    const trigger = { onElement: () => 'fire' as const };
    assert.throws(() => sessions.trigger(trigger).apply(() => [], { uid: 'joined' }), {
      code: 'WINDOW_INVALID',
    });
  });
});
