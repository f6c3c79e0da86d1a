// What a job says about its operators: identity, parallelism, chaining, types, and when batches leave.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Configuration } from '../../src/base/config.ts';
import { operatorId } from '../../src/base/hash.ts';
import { seededRandom } from '../../src/base/random.ts';
import { bufferTimeoutMsOf } from '../../src/cluster/job-manager/job-settings.ts';
import type { ChannelElement, ChannelWriter } from '../../src/exchange/channel.ts';
import { explain } from '../../src/graph/explain.ts';
import { planJob } from '../../src/graph/plan.ts';
import type { ChannelEnds } from '../../src/hosts/channels.ts';
import type { SlotSettings } from '../../src/hosts/messages.ts';
import { buildPorts } from '../../src/hosts/wiring.ts';
import { job, type JobFunction, type OutputType, t, tumbling, type } from '../../src/index.ts';
import { describeJob } from '../../src/streams/describe.ts';
import { type TestJob, testJob } from '../../src/testing/index.ts';
import { compiledOf, edgesOf, operatorNamed, outputOf, planOf } from './runs.ts';

const numbers: JobFunction = (env) => {
  env
    .fromSequence(1, 10)
    .map((n) => n)
    .keyBy((n) => n)
    .process({ uid: 'keep', name: 'keep', process: (n) => [n] })
    .print();
};

describe('an operator', () => {
  it('that is forced to be non-parallel has one subtask, and another number is refused', () => {
    const plan = planOf((env) => {
      env
        .fromSequence(1, 10)
        .map((n) => n)
        .forceNonParallel()
        .print();
    });
    assert.equal(plan.vertices.find(({ name }) => name.includes('Map'))!.parallelism, 1);
    const wide = planOf((env) => void env.fromSequence(1, 10).name('numbers').forceNonParallel().print(), {
      'parallelism.default': 4,
    });
    assert.deepEqual(
      wide.vertices.map(({ parallelism }) => parallelism),
      [1, 4],
    );
    assert.throws(
      () =>
        planOf((env) => {
          env
            .fromSequence(1, 10)
            .map((n) => n)
            .forceNonParallel()
            .setParallelism(2)
            .print();
        }),
      { code: 'GRAPH_PARALLELISM_INVALID' },
    );
  });

  it('shows its description in the plan, where its name stays as it is', () => {
    const plan = planOf((env) => {
      env
        .fromSequence(1, 10)
        .map((n) => n, { description: 'leaves numbers as they are' })
        .filter((n) => n > 1)
        .setDescription('all but the first')
        .print()
        .setDescription('for people');
    });
    assert.equal(operatorNamed(plan, 'Map').description, 'leaves numbers as they are');
    assert.match(explain(plan), /\* Filter \(filter, no uid, all but the first\)/);
    assert.match(explain(plan), /\* print \(sink, no uid, for people\)/);
  });

  it('without a uid is refused when uids are not to be made up', () => {
    const strict = { 'pipeline.auto-generate-uids': false };
    assert.throws(() => planOf(numbers, strict), {
      code: 'GRAPH_UID_MISSING',
      message: /pipeline\.auto-generate-uids is false/,
    });
    const named = planOf(
      (env) => void env.fromSequence(1, 2, { uid: 'in' }).print('', { uid: 'out' }),
      strict,
    );
    assert.deepEqual(
      named.vertices.flatMap(({ operators }) => operators.map(({ id }) => id)),
      [operatorId('in'), operatorId('out')],
    );
  });

  it('finds the state of one without a uid when its hash is given as the uid, as with setUidHash', async () => {
    const derived = planOf((env) => void env.fromSequence(1, 1).print()).vertices[0]!.operators[0]!.uid;
    assert.match(derived, /^[0-9a-f]{32}$/);
    // The test finds its input by the uid, or by the name while there is none.
    const name = derived;
    const versions: readonly JobFunction[] = [
      (env) => void env.fromSequence(1, 1, { name }).print('', { uid: 'out' }),
      (env) => {
        env.fromSequence(1, 3, { uid: 'new' }).print('', { uid: 'others' });
        env.fromSequence(1, 1, { name }).print('', { uid: 'out' });
      },
      (env) => {
        env.fromSequence(1, 3, { uid: 'new' }).print('', { uid: 'others' });
        env.fromSequence(1, 1, { uid: derived }).print('', { uid: 'out' });
      },
    ];
    let version = 0;
    const changing = job((env, args) => versions[version]!(env, args));
    const started = async (): Promise<TestNumbers> => {
      version = 0;
      const test = await testJob(changing, {
        inputs: { [derived]: type<number>() },
        outputs: { out: type<number>() },
      });
      await test.inputs[derived]!.push(1, 2);
      await test.checkpoint();
      test.crash();
      return test;
    };
    const unnamed = await started();
    version = 1;
    await assert.rejects(unnamed.restore(), /holds state that the job does not claim/);
    const named = await started();
    version = 2;
    await named.restore();
    await named.inputs[derived]!.push(3);
    await named.finish();
    assert.deepEqual(named.outputs.out.take(), [1, 2, 3]);
  });

  it('is refused with a uid that is the hash of another one without a uid', () => {
    const alone = planOf((env) => void env.fromSequence(1, 2).print());
    const [source] = alone.vertices[0]!.operators;
    assert.throws(
      () =>
        planOf((env) => {
          env.fromSequence(1, 2).print();
          env.fromSequence(1, 2, { uid: source!.uid }).print();
        }),
      { code: 'GRAPH_UID_DUPLICATE' },
    );
  });

  it('with its own buffer timeout has it on all edges to other tasks, and others go by the job', () => {
    const plan = planOf((env) => {
      env
        .fromSequence(1, 10)
        .setBufferTimeout('5 ms')
        .rebalance()
        .map((n) => n)
        .setBufferTimeout(-1)
        .rebalance()
        .filter(() => true)
        .rebalance()
        .print();
    });
    assert.deepEqual(
      plan.edges.map(({ bufferTimeoutMs }) => bufferTimeoutMs),
      [5, -1, undefined],
    );
  });

  it('holds its results back while it is busy for its own buffer timeout: not at all, so long, or until a batch is full', () => {
    for (const [timeout, sent] of [
      [0, [1, 1, 1]],
      ['5 ms', [0, 0, 1]],
      [-1, [0, 0, 0]],
    ] as const) {
      const compiled = compiledOf((env) => {
        env.fromSequence(1, 10).setBufferTimeout(timeout).rebalance().print();
      });
      const written: ChannelElement[] = [];
      const port = buildPorts({
        compiled,
        settings: { bufferTimeoutMs: 1_000, freezeRecords: false } as SlotSettings,
        channels: { writer: () => recordingWriter(written) } as unknown as ChannelEnds,
        random: seededRandom(1),
        vertex: 0,
        subtask: 0,
      }).get(0)!;
      port.emit(7, 0);
      const counts = [0, 4, 5].map((now) => {
        port.flushDue(now);
        return written.length;
      });
      assert.deepEqual(counts, sent, `a timeout of ${timeout}`);
    }
  });

  it('chains with one of another max parallelism only when the job allows it', () => {
    const build: JobFunction = (env) => {
      env
        .fromSequence(1, 10)
        .map((n) => n)
        .setMaxParallelism(256)
        .print();
    };
    assert.equal(planOf(build).vertices.length, 1);
    const option = 'pipeline.operator-chaining.chain-operators-with-different-max-parallelism';
    assert.equal(planOf(build, { [option]: false }).vertices.length, 3);
  });

  it('over all records (windowAll) has one subtask whatever the job says, and another number is refused', () => {
    const build =
      (parallelism?: number): JobFunction =>
      (env) => {
        const sums = env
          .fromSequence(1, 10)
          .windowAll(tumbling(10))
          .reduce((a, b) => a + b, { uid: 'sums', name: 'sums' });
        if (parallelism !== undefined) sums.setParallelism(parallelism);
        sums.print();
      };
    const plan = planOf(build(), { 'parallelism.default': 4 });
    assert.equal(plan.vertices.find(({ name }) => name.includes('sums'))!.parallelism, 1);
    assert.throws(() => planOf(build(2)), { code: 'GRAPH_PARALLELISM_INVALID' });
  });
});

describe('a job', () => {
  it('without generic types is refused where a stream without a declared type crosses to another task', () => {
    const strict = { 'pipeline.generic-types': false };
    assert.throws(() => planOf(numbers, strict), { code: 'GRAPH_TYPE_MISSING', message: /operator "Map"/ });
    const typed: JobFunction = (env) => {
      env
        .fromSequence(1, 10)
        .map((n) => ({ n }))
        .returns(t.object({ n: t.int64 }))
        .keyBy('n')
        .process({ uid: 'keep', process: ({ n }) => [n] })
        .print();
    };
    assert.deepEqual(edgesOf(planOf(typed, strict)), ['Map -> Process: key-group']);
  });

  it('sends only full batches when the buffer timeout is off', () => {
    const described = describeJob(job((env) => void env.setBufferTimeout(-1).fromData([1]).print()));
    const { configuration } = planJob(described, Configuration.defaults, 'test');
    assert.equal(bufferTimeoutMsOf(configuration), -1);
    assert.equal(bufferTimeoutMsOf(Configuration.defaults), 100);
  });

  it('opens no source and calls no function before it is executed', async () => {
    const calls: string[] = [];
    const build = (env: Parameters<JobFunction>[0]) =>
      env
        .fromAsyncIterable<number>(
          async function* () {
            calls.push('read');
            yield 1;
          },
          { bounded: true },
        )
        .map((n) => {
          calls.push('map');
          return n;
        });
    planOf((env) => void build(env).print());
    assert.deepEqual(calls, []);
    await outputOf(build);
    assert.deepEqual(calls, ['read', 'map']);
  });
});

function recordingWriter(written: ChannelElement[]): ChannelWriter {
  return {
    tryWrite: (element) => written.push(element) > 0,
    position: () => written.length,
    writePriority: () => {},
    onWritable: () => {},
    encode: () => new Uint8Array(),
    bytes: () => undefined,
    recordsPerFrame: () => Number.POSITIVE_INFINITY,
  };
}

type TestNumbers = TestJob<
  { readonly [uid: string]: OutputType<number> },
  { readonly out: OutputType<number> }
>;
