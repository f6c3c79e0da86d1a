import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  RecordingContext,
  type RecordingOptions,
  RecordingState,
} from '../../test/connectors/recording-context.ts';
import { isMillraceError } from '../base/errors.ts';
import { Kernel } from '../testing/kernel.ts';
import { PENDING_SECTION, SinkWriterOperator } from './sink-operator.ts';
import type { Sink } from './sink.ts';

/** Keeps prepared and committed values by name, as an outside system would. */
class RecordingTarget {
  readonly prepared = new Map<string, readonly string[]>();
  readonly commits: string[] = [];
  readonly committed: string[] = [];
  /** What `prepareCommit` waits for, by checkpoint. */
  readonly gates = new Map<
    number,
    { open: () => void; break: (error: Error) => void; promise: Promise<void> }
  >();
  failCommits = 0;
  closed = 0;

  gate(checkpointId: number): { open: () => void; break: (error: Error) => void } {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const gate = { open: resolve, break: reject, promise };
    this.gates.set(checkpointId, gate);
    return gate;
  }

  sink(): Sink<string> {
    return {
      name: 'recording',
      guarantee: 'exactly-once',
      createWriter: ({ info }) => {
        let values: string[] = [];
        return {
          write: (value) => {
            values.push(value);
          },
          prepareCommit: async (checkpointId) => {
            const own = values;
            values = [];
            await this.gates.get(checkpointId)?.promise;
            if (own.length === 0) return [];
            const name = `${info.attempt}/${info.subtask}/${checkpointId}`;
            this.prepared.set(name, own);
            return [Buffer.from(name)];
          },
          close: () => {
            this.closed++;
          },
        };
      },
      createCommitter: () => ({
        commit: async (checkpointId, handles) => {
          if (this.failCommits > 0) {
            this.failCommits--;
            throw new Error('the outside system is away');
          }
          for (const handle of handles) this.commit(checkpointId, Buffer.from(handle).toString());
        },
      }),
    };
  }

  /** Idempotent. */
  commit(checkpointId: number, name: string): void {
    const values = this.prepared.get(name);
    assert.ok(values, `${name} was prepared`);
    if (this.commits.some((commit) => commit.endsWith(name))) return;
    this.commits.push(`${checkpointId}:${name}`);
    this.committed.push(...values);
  }
}

interface Opened {
  readonly operator: SinkWriterOperator<string>;
  readonly context: RecordingContext;
  readonly write: (...values: string[]) => void;
  readonly snapshot: (checkpointId: number) => Promise<readonly Uint8Array[]>;
}

async function open(target: RecordingTarget, options: RecordingOptions = {}): Promise<Opened> {
  const context = new RecordingContext(new Kernel({ seed: 1 }).env('task'), options);
  const operator = new SinkWriterOperator(target.sink());
  await operator.open(context);
  return {
    operator,
    context,
    write: (...values) => {
      for (const value of values) operator.record(0, value, 0);
    },
    snapshot: (checkpointId) => {
      const state = new RecordingState();
      operator.snapshot(checkpointId, state);
      assert.equal(state.redistributions.get(PENDING_SECTION), 'split');
      return state.items(PENDING_SECTION);
    },
  };
}

async function restore(
  target: RecordingTarget,
  checkpointId: number,
  items: readonly Uint8Array[],
  options: RecordingOptions = {},
): Promise<Opened> {
  return open(target, {
    info: { attempt: '2-1' },
    restoredCheckpointId: checkpointId,
    restored: { [PENDING_SECTION]: items },
    ...options,
  });
}

describe('a sink operator', () => {
  it('commits what stands before a barrier when its checkpoint is complete, and nothing else', async () => {
    const target = new RecordingTarget();
    const { operator, write, snapshot } = await open(target);
    write('a', 'b');
    await snapshot(1);
    write('c');
    assert.deepEqual(target.committed, []);
    await operator.checkpointComplete(1);
    assert.deepEqual(target.committed, ['a', 'b']);
  });

  it('commits all that is pending up to a checkpoint, oldest first, when notifications are skipped', async () => {
    const target = new RecordingTarget();
    const { operator, write, snapshot } = await open(target);
    for (const id of [1, 2, 3]) {
      write(`v${id}`);
      await snapshot(id);
    }
    write('v4');
    await snapshot(4);
    await operator.checkpointComplete(3);
    assert.deepEqual(target.committed, ['v1', 'v2', 'v3']);
  });

  it('takes late and repeated notifications without an effect', async () => {
    const target = new RecordingTarget();
    const { operator, context, write, snapshot } = await open(target);
    write('a');
    await snapshot(1);
    write('b');
    await snapshot(2);
    await operator.checkpointComplete(2);
    await operator.checkpointComplete(1);
    await operator.checkpointComplete(2);
    await operator.checkpointComplete(9);
    assert.deepEqual(target.commits, ['1:1-1/0/1', '2:1-1/0/2']);
    assert.deepEqual(context.failures, []);
  });

  it('lets the commit of an aborted checkpoint ride with the next one', async () => {
    const target = new RecordingTarget();
    const { operator, write, snapshot } = await open(target);
    write('a');
    await snapshot(1);
    write('b');
    const items = await snapshot(2);
    assert.equal(items.length, 2);
    await operator.checkpointComplete(2);
    assert.deepEqual(target.committed, ['a', 'b']);
  });

  it('acknowledges a checkpoint only after every commit that it inherits is prepared', async () => {
    const target = new RecordingTarget();
    const { write, snapshot } = await open(target);
    const first = target.gate(1);
    write('a');
    const one = snapshot(1);
    write('b');
    let acknowledged = false;
    const two = snapshot(2).then((items) => {
      acknowledged = true;
      return items;
    });
    await new Promise(setImmediate);
    assert.equal(acknowledged, false);
    first.open();
    assert.equal((await one).length, 1);
    assert.equal((await two).length, 2);
  });

  it('fails the task and every later checkpoint when preparing fails', async () => {
    const target = new RecordingTarget();
    const { context, write, snapshot } = await open(target);
    const gate = target.gate(1);
    write('a');
    const one = snapshot(1);
    const two = snapshot(2);
    gate.break(new Error('no room'));
    await assert.rejects(one, /no room/);
    await assert.rejects(two, /no room/);
    assert.match(String(context.failures[0]), /no room/);
  });

  it('fails the task when a commit fails, and keeps it pending', async () => {
    const target = new RecordingTarget();
    const { operator, context, write, snapshot } = await open(target);
    write('a');
    const items = await snapshot(1);
    target.failCommits = 1;
    await assert.rejects(operator.checkpointComplete(1), /away/);
    assert.equal(context.failures.length, 1);
    await assert.rejects(operator.checkpointComplete(1), /away/);
    await operator.close();
    assert.deepEqual(target.committed, []);
    await restore(target, 1, items);
    assert.deepEqual(target.committed, ['a']);
  });

  it('commits what a checkpoint names when it is restored, as often as that happens', async () => {
    const target = new RecordingTarget();
    const first = await open(target);
    first.write('a');
    await first.snapshot(1);
    first.write('b');
    const items = await first.snapshot(2);
    first.write('lost with the process');
    for (let attempt = 0; attempt < 3; attempt++) {
      const again = await restore(target, 2, items, { info: { attempt: `${attempt + 2}-1` } });
      assert.deepEqual(target.committed, ['a', 'b']);
      await again.operator.close();
    }
  });

  it('fails to open when a restored commit fails', async () => {
    const target = new RecordingTarget();
    const first = await open(target);
    first.write('a');
    const items = await first.snapshot(1);
    target.failCommits = 1;
    await assert.rejects(restore(target, 1, items), /away/);
  });

  it('commits what other subtasks had pending', async () => {
    const target = new RecordingTarget();
    const left = await open(target, { info: { subtask: 0, parallelism: 2 } });
    const right = await open(target, { info: { subtask: 1, parallelism: 2 } });
    left.write('left');
    right.write('right');
    const items = [...(await right.snapshot(5)), ...(await left.snapshot(5))];
    const one = await restore(target, 5, items);
    assert.deepEqual(target.committed.toSorted(), ['left', 'right']);
    one.write('next');
    await one.snapshot(6);
    await one.operator.checkpointComplete(6);
    assert.equal(target.committed.at(-1), 'next');
  });

  it('does not keep what it committed in later checkpoints', async () => {
    const target = new RecordingTarget();
    const { operator, write, snapshot } = await open(target);
    write('a');
    await snapshot(1);
    await operator.checkpointComplete(1);
    assert.deepEqual(await snapshot(2), []);
  });

  it('asks the fence before each commit and commits nothing beyond it', async () => {
    const target = new RecordingTarget();
    let fenced = false;
    const { operator, write, snapshot } = await open(target, {
      checkFence: () => (fenced ? Promise.reject(new Error('fenced')) : Promise.resolve()),
    });
    write('a');
    await snapshot(1);
    await operator.checkpointComplete(1);
    write('b');
    const items = await snapshot(2);
    fenced = true;
    await assert.rejects(operator.checkpointComplete(2), /fenced/);
    assert.deepEqual(target.committed, ['a']);
    await assert.rejects(
      restore(target, 2, items, { checkFence: () => Promise.reject(new Error('fenced')) }),
      /fenced/,
    );
    assert.deepEqual(target.committed, ['a']);
  });

  it('ignores notifications after it was closed', async () => {
    const target = new RecordingTarget();
    const { operator, context, write, snapshot } = await open(target);
    write('a');
    await snapshot(1);
    await operator.close();
    await operator.checkpointComplete(1);
    assert.deepEqual(target.committed, []);
    assert.deepEqual(context.failures, []);
    assert.equal(target.closed, 1);
  });

  it('waits for the commit that is under way when it closes, and tells that the others were not done', async () => {
    const target = new RecordingTarget();
    const { operator, write, snapshot } = await open(target);
    write('a');
    await snapshot(1);
    write('b');
    await snapshot(2);
    const committed = operator.checkpointComplete(2);
    // Let the first commit begin.
    await Promise.resolve();
    await Promise.resolve();
    const closed = operator.close();
    await assert.rejects(committed, (error) => isMillraceError(error, 'SINK_CLOSED'));
    await closed;
    assert.deepEqual(target.committed, ['a']);
  });

  it('refuses a sink that prepares commits and has nobody to commit them', async () => {
    const target = new RecordingTarget();
    const sink = target.sink();
    const headless: Sink<string> = {
      name: sink.name,
      guarantee: sink.guarantee,
      createWriter: (context) => sink.createWriter(context),
    };
    const context = new RecordingContext(new Kernel({ seed: 1 }).env('task'));
    const operator = new SinkWriterOperator(headless);
    await operator.open(context);
    operator.record(0, 'a', 0);
    const state = new RecordingState();
    operator.snapshot(1, state);
    await state.items(PENDING_SECTION);
    assert.match(String(context.failures[0]), /no committer/);
  });
});
