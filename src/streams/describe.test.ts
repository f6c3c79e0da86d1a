import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type ErrorCode, isMillraceError } from '../base/errors.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { describeJob, describeModule } from './describe.ts';
import type { StreamExecutionEnvironment } from './environment.ts';
import { executionEnvironment, isJobDefinition, job, type JobFunction } from './job.ts';
import { type JobExecutionResult, type JobRunner, setJobRunner } from './job-runner.ts';

const one = job((env, args) => {
  env.fromSequence(1, args.number('last', 3)).print();
});

function failsWith(code: ErrorCode, message: RegExp) {
  return (error: unknown): boolean => isMillraceError(error, code) && message.test(error.message);
}

/** To be called within a group, whose tests find the place empty: a hook of the file would also run after all others. */
function keepsRunner(): void {
  let before: JobRunner | undefined;
  beforeEach(() => {
    before = setJobRunner(undefined);
  });
  afterEach(() => {
    assert.equal(setJobRunner(before), undefined, 'the place of the runner is left as it was found');
  });
}

describe('describing a job function', () => {
  keepsRunner();

  it('gives a graph of its own each time', () => {
    const graph = describeJob(one);
    assert.deepEqual(
      graph.nodes.map(({ kind }) => kind),
      ['source', 'sink'],
    );
    assert.notEqual(describeJob(one), graph);
  });

  it('hands the arguments over and refuses those that the job does not ask for', () => {
    describeJob(one, { args: ['--last', '9'] });
    assert.throws(
      () => describeJob(one, { args: ['--lats', '9'] }),
      failsWith('JOB_ARGUMENT_UNKNOWN', /Did you mean '--last'/),
    );
  });

  it('takes the name as what the job sets in code', () => {
    const named = job({ name: 'logins', build: (env) => void env.fromData([1]).print() });
    assert.deepEqual(describeJob(named).configuration, { 'pipeline.name': 'logins' });
  });

  it('refuses an asynchronous function, and one that executes', () => {
    const build = async (env: StreamExecutionEnvironment): Promise<void> => void env.fromData([1]).print();
    const later = job(build as JobFunction);
    assert.throws(() => describeJob(later), failsWith('JOB_MODULE_INVALID', /asynchronous/));
    const both = async (env: StreamExecutionEnvironment): Promise<void> => void (await env.execute());
    assert.throws(
      () => describeJob(job(both as JobFunction)),
      failsWith('JOB_MODULE_INVALID', /asynchronous/),
    );
    const eager = job((env) => void env.execute());
    assert.throws(() => describeJob(eager), failsWith('JOB_MODULE_INVALID', /inside job/));
  });
});

describe('describing a module', () => {
  keepsRunner();

  it('takes its default export', async () => {
    const graph = await describeModule(async () => ({ default: one }), { args: ['--last', '5'] });
    assert.equal(graph.nodes.length, 2);
  });

  it('takes the default export of a module that was compiled to CommonJS', async () => {
    const graph = await describeModule(async () => ({ default: { default: one } }));
    assert.equal(graph.nodes.length, 2);
  });

  it('takes what a script executes at its top level, and never goes on behind it', async () => {
    let wentOn = false;
    const script = async (): Promise<unknown> => {
      const env = executionEnvironment();
      env.fromSequence(1, env.args.number('last')).print();
      await env.execute('numbers');
      wentOn = true;
      return {};
    };
    const graph = await describeModule(script, { args: ['--last', '5'] });
    assert.equal(graph.nodes.length, 2);
    assert.deepEqual(graph.configuration, { 'pipeline.name': 'numbers' });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(wentOn, false);
  });

  it('takes what a script executes without waiting for it', async () => {
    const graph = await describeModule(async () => {
      const env = executionEnvironment();
      env.fromData([1]).print();
      void env.execute();
      return {};
    });
    assert.equal(graph.nodes.length, 2);
  });

  it('tells a script that mistakes its arguments', async () => {
    const script = async (): Promise<unknown> => {
      const env = executionEnvironment();
      env.fromData([1]).print();
      return env.execute();
    };
    await assert.rejects(
      describeModule(script, { args: ['--x'] }),
      failsWith('JOB_ARGUMENT_UNKNOWN', /no argument --x/),
    );
  });

  it('tells it also to one that does not wait for its job, and once only', async () => {
    const clock = new ManualClock();
    let told: unknown;
    const script = async (): Promise<unknown> => {
      const env = executionEnvironment();
      env.fromData([1]).print();
      const execution = env.execute();
      await execution.catch((error: unknown) => {
        told = error;
      });
      return {};
    };
    await assert.rejects(
      describeModule(script, { args: ['--x'], clock }),
      failsWith('JOB_ARGUMENT_UNKNOWN', /no argument --x/),
    );
    assert.ok(isMillraceError(told, 'JOB_ARGUMENT_UNKNOWN'));
    const careless = async (): Promise<unknown> => {
      const env = executionEnvironment();
      env.fromData([1]).print();
      void env.execute();
      return {};
    };
    await assert.rejects(
      describeModule(careless, { args: ['--x'], clock }),
      failsWith('JOB_ARGUMENT_UNKNOWN', /no argument --x/),
    );
    clock.advance(1_000);
    assert.equal(clock.pending, 0);
  });

  it('passes on what the module throws', async () => {
    await assert.rejects(
      describeModule(async () => {
        throw new Error('cannot be loaded');
      }),
      /cannot be loaded/,
    );
  });

  it('gives a module a minute to load, and runs no job of one that comes later', async () => {
    const clock = new ManualClock();
    const late = Promise.withResolvers<void>();
    let told: unknown;
    const described = describeModule(
      async () => {
        await late.promise;
        const env = executionEnvironment();
        env.fromData([1]).print();
        try {
          await env.execute();
        } catch (error) {
          told = error;
        }
      },
      { clock },
    );
    described.catch(() => undefined);
    await Promise.resolve();
    clock.advance(59_999);
    assert.equal(clock.pending, 1);
    clock.advance(1);
    await assert.rejects(described, failsWith('JOB_MODULE_UNSETTLED', /within 60 s/));
    late.resolve();
    await new Promise(setImmediate);
    assert.ok(isMillraceError(told, 'JOB_MODULE_UNSETTLED'));
    setJobRunner(undefined);
  });

  it('waits for a module no longer than it takes', async () => {
    const clock = new ManualClock();
    await describeModule(async () => ({ default: one }), { clock });
    await assert.rejects(
      describeModule(async () => ({}), { clock }),
      failsWith('JOB_MODULE_INVALID', /./),
    );
    assert.equal(clock.pending, 0);
  });

  for (const [what, module, message] of [
    ['exports nothing', {}, /no default export and does not call env.execute/],
    ['exports a plain function', { default: () => {} }, /plain function/],
    ['exports something else', { default: 5 }, /is no job/],
  ] as const) {
    it(`refuses a module that ${what}`, async () => {
      await assert.rejects(
        describeModule(async () => module),
        failsWith('JOB_MODULE_INVALID', message),
      );
    });
  }
});

describe('running a script', () => {
  keepsRunner();

  it('hands the graph to the runner of the thread', async () => {
    const result: JobExecutionResult = {
      jobId: 'id',
      jobName: 'numbers',
      status: 'FINISHED' as const,
      accumulators: {},
      runtimeMs: 1,
      checkpoints: { total: 0, completed: 0, failed: 0, averageBytes: 0, averageDurationMs: 0 },
    };
    let nodes = 0;
    setJobRunner({
      args: ['--last', '4'],
      execute: async (describe) => {
        nodes = describe().nodes.length;
        return result;
      },
    });
    try {
      const env = executionEnvironment();
      env.fromSequence(1, env.args.number('last')).print();
      assert.equal(await env.execute(), result);
      assert.equal(nodes, 2);
    } finally {
      setJobRunner(undefined);
    }
  });

  it('rejects when an argument was given that nobody asked for, and throws nothing', async () => {
    setJobRunner({
      args: ['--lsat', '4'],
      execute: async (describe) => {
        describe();
        assert.fail('such a job is not run');
      },
    });
    try {
      const env = executionEnvironment();
      env.fromSequence(1, 3).print();
      const execution = env.execute();
      await assert.rejects(execution, failsWith('JOB_ARGUMENT_UNKNOWN', /no argument --lsat/));
    } finally {
      setJobRunner(undefined);
    }
  });

  it('says so when there is no runner', () => {
    assert.throws(executionEnvironment, failsWith('JOB_MODULE_INVALID', /nobody to run a job/));
  });
});

it('knows a job definition of another copy of Millrace', () => {
  assert.equal(isJobDefinition({ [Symbol.for('millrace.job')]: true, build: () => {} }), true);
  for (const other of [undefined, null, {}, () => {}, 'job']) assert.equal(isJobDefinition(other), false);
});
