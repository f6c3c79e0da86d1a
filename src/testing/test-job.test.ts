// A whole job in a test: inputs and outputs, the clock of its functions, state, crashes.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMillraceError } from '../base/errors.ts';
import { files } from '../connectors/files/files.ts';
import { atLeastOnceSink } from '../connectors/at-least-once.ts';
import { type } from '../operators/process-context.ts';
import { watermarks } from '../operators/watermarks.ts';
import { map, value } from '../state/state.ts';
import { job } from '../streams/job.ts';
import { filledState } from './job-state.ts';
import { CRASH } from './scripted-source.ts';
import { testJob } from './test-job.ts';

interface Visit {
  readonly user: string;
  readonly at: number;
}

const RealDate = Date;
const declaration = { count: value(0) };

const visits = job((env) => {
  env
    .fromSource(files.jsonLines<Visit>('/visits'), {
      uid: 'visits',
      watermarks: watermarks.boundedOutOfOrderness<Visit>(10).withTimestamps(({ at }: Visit) => at),
    })
    .keyBy('user')
    .process({
      uid: 'count',
      state: declaration,
      process({ at }, ctx) {
        ctx.state.count.update(ctx.state.count.value() + 1);
        ctx.timers.registerEventTime(at + 100);
        return [`${ctx.key} ${ctx.state.count.value()}`];
      },
      onTimer: (time, ctx) => [`${ctx.key} at ${time}`],
    })
    .sinkTo(files.linesSink('/counts'), { uid: 'counts' });
});

const inputs = { visits: type<Visit>() };
const outputs = { counts: type<string>() };

describe('testJob', () => {
  it('shows what is committed, and loses and doubles nothing in a crash', async () => {
    const test = await testJob(visits, { inputs, outputs });
    await test.inputs.visits.push({ user: 'ada', at: 1 }, { user: 'bob', at: 2 });
    assert.deepEqual(test.outputs.counts.values, []);
    await test.checkpoint();
    assert.deepEqual(test.outputs.counts.take().sort(), ['ada 1', 'bob 1']);
    await test.inputs.visits.push({ user: 'ada', at: 3 });
    test.crash();
    await test.restore({ parallelism: 3 });
    const result = await test.finish();
    assert.equal(result.status, 'FINISHED');
    const expected = ['ada 2', 'ada at 101', 'ada at 103', 'bob at 102'];
    assert.deepEqual(test.outputs.counts.take().sort(), expected);
  });

  it('moves event time when time passes', async () => {
    const test = await testJob(visits, { inputs, outputs });
    await test.inputs.visits.push({ user: 'ada', at: 0 }, { user: 'bob', at: 111 });
    await test.checkpoint();
    assert.deepEqual(test.outputs.counts.take().sort(), ['ada 1', 'bob 1']);
    await test.advance('1 s');
    await test.checkpoint();
    assert.deepEqual(test.outputs.counts.take(), ['ada at 100']);
  });

  it('measures latency past windows where the configuration asks for markers', async () => {
    const configuration = { 'metrics.latency.interval': '500 ms' };
    const test = await testJob(visits, { inputs, outputs, configuration, parallelism: 2 });
    await test.inputs.visits.push({ user: 'ada', at: 0 });
    await test.advance('5 s');
    const { figures } = await test.finish();
    for (const { name, subtasks } of figures.vertices.slice(1)) {
      const seen = subtasks.flatMap(({ operators }) => operators[0]?.latency ?? []);
      assert.ok(seen.length > 0, `${name} has seen markers`);
      const markers = seen.reduce((sum, { count }) => sum + count, 0);
      assert.ok(
        markers >= 10 && markers <= 22,
        `${name}: ${markers} markers in 5 s from one or two subtasks`,
      );
    }
    const quiet = await testJob(visits, { inputs, outputs });
    await quiet.advance('5 s');
    const { vertices } = (await quiet.finish()).figures;
    assert.deepEqual(
      vertices.flatMap(({ subtasks }) => subtasks.flatMap(({ operators }) => operators[0]?.latency ?? [])),
      [],
    );
  });

  it('reads state, and begins with state that the test filled', async () => {
    const state = { count: filledState(declaration, [['ada', ({ count }) => count.update(41)]]) };
    const test = await testJob(visits, { inputs, outputs, state, parallelism: 2 });
    await test.inputs.visits.push({ user: 'ada', at: 1 }, { user: 'bob', at: 1 });
    await test.checkpoint();
    const counts = await test.state('count', declaration);
    assert.equal(counts.of('ada').count.value(), 42);
    assert.equal(counts.of('bob').count.value(), 1);
    assert.deepEqual(new Set(counts.keys('count')), new Set(['ada', 'bob']));
    await assert.rejects(test.state('cuont', declaration), /Did you mean.*count/);
  });

  it('fails where a script says so, and goes on from the latest checkpoint', async () => {
    const script = ['a', 'b', CRASH, 'c', CRASH, CRASH, 'd'].map((user) =>
      user === CRASH ? CRASH : { user: user as string, at: 0 },
    );
    const test = await testJob(visits, { inputs: { visits: script }, outputs });
    const result = await test.finish();
    assert.equal(result.figures.restarts, 3);
    const counts = test.outputs.counts.values.filter((line) => !line.includes('at'));
    assert.deepEqual(counts.sort(), ['a 1', 'b 1', 'c 1', 'd 1']);
  });

  it('is the clock and the chance of the functions of a job', async () => {
    const seen = (await clockOf(7)).concat(await clockOf(7));
    assert.deepEqual(seen.slice(0, seen.length / 2), seen.slice(seen.length / 2), 'the seed decides');
    const [first, second] = seen as [Seen, Seen];
    assert.deepEqual([first.now, first.date, first.performance], [5_000, '1970-01-01T00:00:05.000Z', 0]);
    assert.deepEqual(
      [second.now, second.date, second.performance],
      [65_000, '1970-01-01T00:01:05.000Z', 60_000],
    );
    assert.ok(first.isDate);
    assert.match(first.uuid, /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
    assert.notEqual((await clockOf(8))[0]!.uuid, first.uuid);
    assert.equal(Date, RealDate, 'outside it is the machine again');
  });

  for (const timer of ['setTimeout', 'setInterval', 'setImmediate'] as const) {
    it(`fails the task whose function left a timer behind that throws (${timer})`, async () => {
      const leaves = job((env) => {
        env.configure({ 'restart-strategy.type': 'none' });
        env
          .fromSource(files.lines('/in'), { uid: 'in' })
          .rebalance()
          .map((line) => {
            globalThis[timer](() => {
              throw new RangeError('nobody waits');
            }, 100);
            return line;
          })
          .disableChaining()
          .name('leaves')
          .sinkTo(atLeastOnceSink<string>({ write: () => Promise.resolve() }), { uid: 'out' });
      });
      const test = await testJob(leaves, {
        inputs: { in: type<string>() },
        outputs: { out: type<string>() },
      });
      await assert.rejects(
        async () => {
          await test.inputs.in.push('a');
          await test.advance('1 s');
        },
        ({ cause }: Error) => {
          assert.ok(isMillraceError(cause, 'OPERATOR_FAILED_LATER'), String(cause));
          assert.match(cause.message, /RangeError: nobody waits/);
          assert.deepEqual([cause.where.operator, cause.where.subtask], ['leaves', 0]);
          return true;
        },
      );
    });
  }

  it('is the clock of Temporal, where it exists', async (t) => {
    const temporal = engineTemporal();
    if (temporal === undefined) return t.diagnostic('this engine has no Temporal');
    const before = Object.getOwnPropertyDescriptor(globalThis, 'Temporal');
    Object.defineProperty(globalThis, 'Temporal', { configurable: true, value: temporal });
    t.after(() => {
      if (before === undefined) Reflect.deleteProperty(globalThis, 'Temporal');
      else Object.defineProperty(globalThis, 'Temporal', before);
    });
    const looks = job((env) => {
      env
        .fromSource(files.lines('/in'), { uid: 'in' })
        .map(() => {
          const { Now } = temporal;
          return [
            Now.instant(),
            Now.zonedDateTimeISO('Asia/Tokyo'),
            Now.plainDateTimeISO('UTC'),
            Now.plainDateISO('UTC'),
            Now.plainTimeISO('UTC'),
            new Date(String(Now.zonedDateTimeISO()).replace(/\[.*$/, '')).toISOString(),
          ].map(String);
        })
        .sinkTo(atLeastOnceSink<string[]>({ write: () => Promise.resolve() }), { uid: 'out' });
    });
    const test = await testJob(looks, {
      inputs: { in: type<string>() },
      outputs: { out: type<string[]>() },
      startAt: Date.UTC(2001, 1, 3, 22, 5, 6, 7),
    });
    await test.inputs.in.push('a');
    await test.advance('2 h');
    await test.inputs.in.push('b');
    assert.deepEqual(test.outputs.out.values, [
      [
        '2001-02-03T22:05:06.007Z',
        '2001-02-04T07:05:06.007+09:00[Asia/Tokyo]',
        '2001-02-03T22:05:06.007',
        '2001-02-03',
        '22:05:06.007',
        '2001-02-03T22:05:06.007Z',
      ],
      [
        '2001-02-04T00:05:06.007Z',
        '2001-02-04T09:05:06.007+09:00[Asia/Tokyo]',
        '2001-02-04T00:05:06.007',
        '2001-02-04',
        '00:05:06.007',
        '2001-02-04T00:05:06.007Z',
      ],
    ]);
    await test.finish();
    const machine = new Date(String(temporal.Now.instant()).replace(/(\.\d{3})\d*Z$/, '$1Z')).getTime();
    assert.ok(Math.abs(machine - Date.now()) < 60_000, 'outside it is the machine again');
  });

  it('has the timers of functions wait for the clock of the test', async () => {
    const asks = job((env) => {
      env
        .fromSource(files.lines('/in'), { uid: 'in' })
        .orderedWait({
          uid: 'ask',
          timeout: '1 min',
          asyncInvoke: (line: string) =>
            new Promise<string>((resolve) => setTimeout(resolve, 10_000, `${line}!`)),
        })
        .sinkTo(atLeastOnceSink({ write: () => Promise.resolve() }), { uid: 'out' });
    });
    const test = await testJob(asks, { inputs: { in: type<string>() }, outputs: { out: type<string>() } });
    await test.inputs.in.push('a');
    await test.advance(9_999);
    assert.deepEqual(test.outputs.out.values, []);
    await test.advance(1);
    assert.deepEqual(test.outputs.out.take(), ['a!']);
  });

  it('names what the job does not have, and what the test may not do now', async () => {
    await assert.rejects(testJob(visits, { inputs: { visit: type<Visit>() } }), {
      code: 'TEST_KIT_MISUSED',
      message: /no source 'visit'.*visits/,
    });
    const test = await testJob(visits, { inputs, outputs });
    await assert.rejects(test.state('count', declaration), { code: 'TEST_KIT_MISUSED' });
    await assert.rejects(test.restore(), { code: 'TEST_KIT_MISUSED' });
    test.crash();
    await assert.rejects(test.checkpoint(), { code: 'TEST_KIT_MISUSED' });
  });

  it('throws what made the job fail', async () => {
    const fails = job((env) => {
      env.configure({ 'restart-strategy.type': 'none' });
      env
        .fromSource(files.lines('/in'), { uid: 'in' })
        .map(() => {
          throw new Error('on purpose');
        })
        .print();
    });
    const test = await testJob(fails, { inputs: { in: type<string>() } });
    await assert.rejects(test.inputs.in.push('a'), /on purpose/);
  });

  it('takes ten thousand records', async (t) => {
    const start = performance.now();
    const test = await testJob(visits, { inputs, outputs, parallelism: 2 });
    const startedMs = performance.now() - start;
    const records = Array.from({ length: 10_000 }, (_, index) => ({
      user: `user ${index % 100}`,
      at: index,
    }));
    await test.inputs.visits.push(...records);
    await test.checkpoint();
    assert.equal(test.outputs.counts.values.filter((line) => !line.includes('at')).length, 10_000);
    const allMs = performance.now() - start;
    t.diagnostic(`started in ${startedMs.toFixed(1)} ms, 10,000 records in ${allMs.toFixed(0)} ms`);
  });
});

interface TemporalOfEngine {
  readonly Now: Readonly<
    Record<
      'instant' | 'zonedDateTimeISO' | 'plainDateTimeISO' | 'plainDateISO' | 'plainTimeISO',
      (zone?: string) => unknown
    >
  >;
}

/** Its own, or the one that it has behind a flag. */
function engineTemporal(): TemporalOfEngine | undefined {
  const own = (globalThis as { Temporal?: TemporalOfEngine }).Temporal;
  if (own !== undefined) return own;
  setFlagsFromString('--harmony-temporal');
  return runInNewContext('globalThis.Temporal') as TemporalOfEngine | undefined;
}

interface Seen {
  readonly now: number;
  readonly date: string;
  readonly isDate: boolean;
  readonly performance: number;
  readonly random: number;
  readonly uuid: string;
}

async function clockOf(seed: number): Promise<Seen[]> {
  const looks = job((env) => {
    env
      .fromSource(files.lines('/in'), { uid: 'in' })
      .keyBy(() => 'all')
      .process({
        uid: 'look',
        state: { seen: map<string, number>() },
        process: () => [
          {
            now: Date.now(),
            date: new Date().toISOString(),
            isDate: new Date() instanceof Date,
            performance: performance.now(),
            random: Math.random(),
            uuid: crypto.randomUUID(),
          },
        ],
      })
      .sinkTo(atLeastOnceSink<Seen>({ write: () => Promise.resolve() }), { uid: 'out' });
  });
  const test = await testJob(looks, {
    inputs: { in: type<string>() },
    outputs: { out: type<Seen>() },
    seed,
    startAt: 5_000,
  });
  await test.inputs.in.push('a');
  await test.advance('1 min');
  await test.inputs.in.push('b');
  return test.outputs.out.values;
}
