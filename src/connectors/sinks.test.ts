import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  RecordingContext,
  type RecordingOptions,
  RecordingState,
} from '../../test/connectors/recording-context.ts';
import { isMillraceError } from '../base/errors.ts';
import { BinaryWriter } from '../codecs/binary.ts';
import { encodeValues } from '../codecs/generic.ts';
import { PENDING_SECTION, SinkWriterOperator } from '../operators/sink-operator.ts';
import type { AlertSeverity, JobAlert, Sink } from '../operators/sink.ts';
import { Kernel } from '../testing/kernel.ts';
import { alertSink } from './alert-sink.ts';
import { atLeastOnceSink, idempotentSink } from './at-least-once.ts';
import { callbackSink, collectSink } from './callback.ts';
import { printSink } from './print.ts';
import { twoPhaseCommitSink } from './two-phase-commit.ts';

const unwatched = { alert: () => assert.fail('nothing alerts here') };

async function open<T>(sink: Sink<T>, options: RecordingOptions = {}) {
  const kernel = new Kernel({ seed: 1 });
  const context = new RecordingContext(kernel.env('task'), { info: { uid: 'sink' }, ...options });
  const operator = new SinkWriterOperator(sink);
  await operator.open(context);
  return {
    kernel,
    context,
    operator,
    write: (...values: T[]): void => {
      for (const value of values) operator.record(0, value, 0);
    },
    snapshot: (id: number): Promise<readonly Uint8Array[]> => {
      const state = new RecordingState();
      operator.snapshot(id, state);
      return state.items(PENDING_SECTION);
    },
  };
}

/** Calls that the test lets succeed or fail, one by one. */
class HeldCalls<T> {
  readonly calls: { readonly values: T; readonly done: () => void; readonly fail: (error: Error) => void }[] =
    [];

  readonly call = (values: T): Promise<void> =>
    new Promise((resolve, reject) => {
      this.calls.push({ values, done: resolve, fail: reject });
    });
}

const turn = (): Promise<void> => new Promise(setImmediate);

describe('a callback sink', () => {
  it('sends what a complete checkpoint holds, under its id, so that a repetition is known', async () => {
    const { context, operator, write, snapshot } = await open(callbackSink<unknown>(() => undefined));
    write({ a: 1, at: new Date(5) }, 'two');
    const items = await snapshot(4);
    write('later');
    assert.deepEqual(context.client.sent, []);
    await operator.checkpointComplete(4);
    const sent = [{ sink: 'sink', values: [{ a: 1, at: new Date(5) }, 'two'], sequence: '4.0.0' }];
    assert.deepEqual(context.client.sent, sent);
    const again = await open(
      callbackSink<unknown>(() => undefined),
      {
        info: { uid: 'sink', attempt: '1-2' },
        restoredCheckpointId: 4,
        restored: { [PENDING_SECTION]: items },
      },
    );
    assert.deepEqual(again.context.client.sent, sent);
  });

  it('sends what an older version left in a checkpoint, which did not say whose it is', async () => {
    const left = [['a', 'b'], [3]].map((values) => {
      const out = new BinaryWriter();
      encodeValues(values, out);
      return out.finish();
    });
    const context = new RecordingContext(new Kernel({ seed: 1 }).env('task'), { info: { uid: 'sink' } });
    await callbackSink<unknown>(() => undefined).createCommitter!(context).commit(4, left);
    assert.deepEqual(context.client.sent, [
      { sink: 'sink', values: ['a', 'b'], sequence: '4.0.0' },
      { sink: 'sink', values: [3], sequence: '4.0.1' },
    ]);
  });

  it('sends a large commit in pieces, as fast as the client takes it', async () => {
    const { kernel, context, operator, write, snapshot } = await open(callbackSink<number>(() => undefined));
    write(...Array.from({ length: 3_000 }, (_, index) => index));
    await kernel.settle(snapshot(1));
    context.client.open = false;
    const committed = operator.checkpointComplete(1);
    await kernel.runFor(50);
    assert.equal(context.client.sent.length, 0);
    context.client.open = true;
    await kernel.settle(committed);
    assert.deepEqual(
      context.client.sent.map(({ sequence }) => sequence),
      ['1.0.0', '1.0.1', '1.0.2'],
    );
    assert.equal(context.client.sent.flatMap(({ values }) => values).length, 3_000);
  });

  it('can be closed while the client takes nothing', async () => {
    const { kernel, context, operator, write, snapshot } = await open(callbackSink<number>(() => undefined));
    write(1);
    await kernel.settle(snapshot(1));
    context.client.open = false;
    const committed = operator.checkpointComplete(1);
    committed.catch(() => undefined);
    await kernel.settle(operator.close());
    await assert.rejects(committed);
    assert.deepEqual(context.failures, []);
  });

  it('sends at once without checkpoints, in batches with numbers of their own', async () => {
    const { kernel, context, write } = await open(
      callbackSink<number>(() => undefined),
      { checkpointing: false },
    );
    write(1, 2);
    await kernel.run();
    write(...Array.from({ length: 600 }, (_, index) => index));
    await kernel.run();
    assert.deepEqual(
      context.client.sent.map(({ values, sequence }) => [values.length, sequence]),
      [
        [2, '1-1.0.0'],
        [512, '1-1.0.1'],
        [88, '1-1.0.2'],
      ],
    );
  });

  it('fails the task when the port takes no more', async () => {
    const { kernel, context, write } = await open(
      callbackSink<number>(() => undefined),
      { checkpointing: false },
    );
    context.client.send = () => {
      throw new Error('full');
    };
    write(1);
    await kernel.run();
    assert.match(String(context.failures[0]), /full/);
  });

  it('fails with a remedy when it holds more than its bound', async () => {
    const { write } = await open(callbackSink<number>(() => undefined, { maxHeld: 2 }));
    write(1, 2);
    assert.throws(
      () => write(3),
      (error) => isMillraceError(error, 'SINK_BUFFER_FULL'),
    );
  });

  it('hands records to the callback one by one and waits for its promises', async () => {
    const seen: string[] = [];
    const sink = callbackSink<string>(async (value, { subtask }) => {
      seen.push(`${subtask}<${value}`);
      await turn();
      seen.push(`${value}>`);
    });
    await sink.receive?.(['a', 'b'], { subtask: 3, parallelism: 4 }, unwatched);
    assert.deepEqual(seen, ['3<a', 'a>', '3<b', 'b>']);
    const into: number[] = [];
    await collectSink(into).receive?.([1, 2], { subtask: 0, parallelism: 1 }, unwatched);
    assert.deepEqual(into, [1, 2]);
  });
});

describe('a sink of alerts', () => {
  const options = {
    message: ({ sensor }: { sensor: string }) => `${sensor} is hot`,
    severity: ({ sensor }: { sensor: string }) => (sensor === 'oven' ? 'info' : 'critical') as AlertSeverity,
    evidence: () => ({ uid: 'detect', subtask: 0, key: 'oven', steps: [] }),
  };

  it('holds alerts until their checkpoint, with when they were raised, and hands them to whoever watches', async () => {
    const context = new RecordingContext(new Kernel({ seed: 1 }).env('task'), { info: { uid: 'hot' } });
    const { sent } = context.client;
    const sink = alertSink(options);
    const writer = await sink.createWriter(context);
    writer.write({ sensor: 'oven' }, 0);
    writer.write({ sensor: 'cellar' }, 0);
    const handles = await writer.prepareCommit(7);
    assert.deepEqual(sent, [], 'nothing before the checkpoint is durable');
    await sink.createCommitter!(context).commit(7, handles);
    const shown: JobAlert[] = [];
    for (const { values } of sent)
      await sink.receive?.(
        values as never,
        { subtask: 1, parallelism: 2 },
        { alert: (alert) => shown.push(alert) },
      );
    assert.deepEqual(
      shown.map(({ message, severity, evidence }) => [message, severity, evidence?.uid]),
      [
        ['oven is hot', 'info', 'detect'],
        ['cellar is hot', 'critical', 'detect'],
      ],
    );
    assert.ok(shown.every(({ at }) => at === context.clock.now()));
  });
});

describe('a printing sink', () => {
  it('prints a line a record, as Flink does', async () => {
    const printed: string[] = [];
    const write = (text: string): void => {
      printed.push(text);
    };
    const values = ['text', { a: [1, { b: 2 }] }, 5];
    await printSink({ write }).receive?.(values, { subtask: 0, parallelism: 1 }, unwatched);
    await printSink({ write }).receive?.(['x'], { subtask: 1, parallelism: 2 }, unwatched);
    await printSink({ write, prefix: 'p' }).receive?.(['x'], { subtask: 1, parallelism: 2 }, unwatched);
    await printSink({ write, prefix: 'p' }).receive?.(['x'], { subtask: 0, parallelism: 1 }, unwatched);
    assert.deepEqual(printed, ['text\n{ a: [ 1, { b: 2 } ] }\n5\n', '2> x\n', 'p:2> x\n', 'p> x\n']);
  });

  it('has sent everything before the checkpoint is acknowledged, and stops while the client is behind', async () => {
    const { context, operator, write, snapshot } = await open(printSink<string>());
    write('a');
    await snapshot(1);
    assert.deepEqual(context.client.sent[0]?.values, ['a']);
    context.client.open = false;
    assert.equal(operator.writable(), false);
  });
});

describe('an at-least-once sink', () => {
  it('acknowledges a checkpoint only when all records before it are written', async () => {
    const held = new HeldCalls<readonly number[]>();
    const sink = atLeastOnceSink<number>({ write: held.call, batchSize: 2, maxInFlight: 2 });
    const { write, snapshot } = await open(sink);
    write(1, 2, 3);
    let acknowledged = false;
    const one = snapshot(1).then(() => (acknowledged = true));
    write(4, 5);
    assert.deepEqual(
      held.calls.map(({ values }) => values),
      [[1, 2], [3]],
    );
    held.calls[1]!.done();
    await turn();
    assert.equal(acknowledged, false);
    assert.deepEqual(held.calls[2]?.values, [4, 5]);
    held.calls[0]!.done();
    await one;
    assert.equal(acknowledged, true, 'without waiting for what came behind the barrier');
  });

  it('holds the job back while too much is in flight, and wakes it', async () => {
    const held = new HeldCalls<readonly number[]>();
    const { context, operator, write } = await open(
      atLeastOnceSink<number>({ write: held.call, batchSize: 1 }),
    );
    write(1);
    assert.equal(operator.writable(), true);
    write(2);
    assert.equal(operator.writable(), false);
    assert.equal(held.calls.length, 1);
    held.calls[0]!.done();
    await turn();
    assert.equal(operator.writable(), true);
    assert.ok(context.wakeUps > 0);
  });

  it('fails the task and the checkpoint when a batch fails, also when it throws at once', async () => {
    const held = new HeldCalls<readonly number[]>();
    const { context, write, snapshot } = await open(
      atLeastOnceSink<number>({ write: held.call, batchSize: 1 }),
    );
    write(1);
    const one = snapshot(1);
    held.calls[0]!.fail(new Error('refused'));
    await assert.rejects(one, (error) => isMillraceError(error, 'SINK_WRITE_FAILED'));
    await assert.rejects(snapshot(2), /refused/);
    assert.ok(isMillraceError(context.failures[0], 'SINK_WRITE_FAILED'));

    const throwing = await open(
      atLeastOnceSink<number>({
        write: () => {
          throw new Error('at once');
        },
      }),
    );
    throwing.write(1);
    await assert.rejects(throwing.snapshot(1), /at once/);
  });

  it('waits for the calls that run when it closes, and starts no other', async () => {
    const held = new HeldCalls<readonly number[]>();
    const { operator, write } = await open(atLeastOnceSink<number>({ write: held.call, batchSize: 1 }));
    write(1, 2);
    let closed = false;
    const closing = operator.close().then(() => (closed = true));
    await turn();
    assert.equal(closed, false);
    held.calls[0]!.done();
    await closing;
    assert.equal(held.calls.length, 1);
  });

  it('writes a batch that is not full after it lingered', async () => {
    const held = new HeldCalls<readonly number[]>();
    const { kernel, write } = await open(atLeastOnceSink<number>({ write: held.call, lingerMs: 30 }));
    write(1);
    await kernel.runFor(29);
    assert.equal(held.calls.length, 0);
    await kernel.runFor(2);
    assert.deepEqual(held.calls[0]?.values, [1]);
  });
});

describe('an idempotent sink', () => {
  it('writes the last value of each key, in order, and ends the same when it is repeated', async () => {
    const batches: unknown[] = [];
    const table = new Map<string, number>();
    const sink = idempotentSink<[string, number], string>({
      key: ([key]) => key,
      write: async (entries) => {
        batches.push(entries.map(({ key }) => key));
        for (const { key, value } of entries) table.set(key, value[1]);
      },
    });
    const values: [string, number][] = [
      ['a', 1],
      ['b', 1],
      ['a', 2],
    ];
    for (let attempt = 0; attempt < 2; attempt++) {
      const { write, snapshot } = await open(sink);
      write(...values);
      await snapshot(1);
    }
    assert.deepEqual(batches, [
      ['b', 'a'],
      ['b', 'a'],
    ]);
    assert.deepEqual(
      [...table],
      [
        ['b', 1],
        ['a', 2],
      ],
    );
  });
});

describe('a two-phase commit sink', () => {
  /** A database: rows of a transaction are seen when it is committed. */
  class Database {
    readonly open = new Map<string, string[]>();
    readonly prepared = new Map<string, string[]>();
    readonly rows: string[] = [];
    readonly committed = new Set<string>();
    failing: string | undefined;
    private count = 0;

    sink(): Sink<string> {
      return twoPhaseCommitSink<string, string, { transaction: string }>({
        batchSize: 2,
        begin: async ({ attempt }) => {
          this.#check('begin');
          const transaction = `${attempt}#${this.count++}`;
          this.open.set(transaction, []);
          return transaction;
        },
        write: async (transaction, values) => {
          this.#check('write');
          this.open.get(transaction)!.push(...values);
        },
        prepare: async (transaction) => {
          this.#check('prepare');
          this.prepared.set(transaction, this.open.get(transaction)!);
          this.open.delete(transaction);
          return { transaction };
        },
        commit: async ({ transaction }) => {
          this.#check('commit');
          if (this.committed.has(transaction)) return;
          const rows = this.prepared.get(transaction);
          if (rows === undefined) throw new Error(`${transaction} is lost`);
          this.prepared.delete(transaction);
          this.committed.add(transaction);
          this.rows.push(...rows);
        },
        abort: async (transaction) => {
          this.open.delete(transaction);
        },
        recover: async ({ attempt }) => {
          for (const transaction of this.open.keys()) {
            if (!transaction.startsWith(`${attempt}#`)) this.open.delete(transaction);
          }
        },
      });
    }

    #check(step: string): void {
      if (this.failing === step) throw new Error(`${step} failed`);
    }
  }

  it('shows rows when the checkpoint is complete, and opens no transaction without records', async () => {
    const database = new Database();
    const { operator, write, snapshot } = await open(database.sink());
    assert.deepEqual(await snapshot(1), []);
    assert.equal(database.open.size, 0);
    write('a', 'b', 'c');
    await snapshot(2);
    write('d');
    assert.deepEqual(database.rows, []);
    await operator.checkpointComplete(2);
    assert.deepEqual(database.rows, ['a', 'b', 'c']);
    await operator.close();
    assert.equal(database.open.size, 0);
  });

  it('leaves no transaction of an older attempt open, and commits what it had prepared', async () => {
    const database = new Database();
    const first = await open(database.sink());
    first.write('a');
    const items = await first.snapshot(1);
    first.write('x', 'y');
    await turn();
    assert.equal(database.open.size, 1);
    await open(database.sink(), {
      info: { uid: 'sink', attempt: '2-1' },
      restoredCheckpointId: 1,
      restored: { [PENDING_SECTION]: items },
    });
    assert.equal(database.open.size, 0);
    assert.deepEqual(database.rows, ['a']);
  });

  it('fails the task when any step fails, and shows nothing that was not committed', async () => {
    for (const step of ['begin', 'write', 'prepare']) {
      const database = new Database();
      const { context, operator, write, snapshot } = await open(database.sink());
      database.failing = step;
      write('a', 'b', 'c');
      await assert.rejects(snapshot(1), new RegExp(`${step} failed`));
      assert.ok(isMillraceError(context.failures[0], 'SINK_WRITE_FAILED'), step);
      assert.equal(context.failures.length >= 1, true);
      await operator.close();
      assert.deepEqual([database.rows, database.open.size], [[], 0], step);
    }
  });

  it('fails the task when a commit is lost', async () => {
    const database = new Database();
    const { context, operator, write, snapshot } = await open(database.sink());
    write('a');
    await snapshot(1);
    database.prepared.clear();
    await assert.rejects(operator.checkpointComplete(1), /is lost/);
    assert.match(String(context.failures[0]), /is lost/);
  });

  it('holds the job back while the system is slow', async () => {
    const held = new HeldCalls<readonly number[]>();
    const { operator, write } = await open(
      twoPhaseCommitSink<number, number, number>({
        batchSize: 1,
        begin: async () => 1,
        write: (_transaction, values) => held.call(values),
        prepare: async () => 1,
        commit: async () => undefined,
      }),
    );
    let written = 0;
    for (; operator.writable(); written++) write(written);
    assert.equal(written, 4);
    await turn();
    held.calls[0]!.done();
    await turn();
    assert.equal(operator.writable(), true);
  });
});
