// Savepoints without a job: read, compared, changed, written from nothing, removed; and jobs that continue from what was written.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import {
  files,
  generatorSource,
  job,
  type JobDefinition,
  numberCodec,
  state,
  stringCodec,
} from '../../src/index.ts';
import {
  changedSavepoint,
  diffSavepoints,
  disposeSavepoint,
  newSavepoint,
  openSavepoint,
  type Savepoint,
} from '../../src/savepoints/index.ts';
import { Kernel } from '../../src/testing/kernel.ts';
import { type DiskImage, loadImage, SAVEPOINT } from '../golden/disk.ts';
import { expectedLines, goldenJob } from '../golden/jobs.ts';
import { committed, SimulatedJob } from '../property/simulated-job.ts';

const IMAGE = JSON.parse(
  readFileSync(new URL('../golden/disks/savepoint-of-0.1.json', import.meta.url), 'utf8'),
) as DiskImage;

/** A kernel with the golden savepoint, and what does things on its disk. */
async function golden(): Promise<{
  kernel: Kernel;
  env: ReturnType<Kernel['env']>;
  savepoint: Savepoint;
}> {
  const kernel = new Kernel({ seed: 4, shuffle: true });
  loadImage(kernel, IMAGE);
  const env = kernel.env('people');
  return { kernel, env, savepoint: await kernel.settle(openSavepoint(SAVEPOINT, { env })) };
}

async function all<T>(kernel: Kernel, items: AsyncIterable<T>): Promise<T[]> {
  return kernel.settle(
    (async () => {
      const found: T[] = [];
      for await (const item of items) found.push(item);
      return found;
    })(),
  );
}

function continued(kernel: Kernel, definition: JobDefinition, path: string): SimulatedJob {
  return new SimulatedJob(kernel, { definition, args: [], choice: { kind: 'path', path } });
}

/** The records that were through, by key, from the output. */
function seenByKey(kernel: Kernel): Map<string, number> {
  const seen = new Map<string, number>();
  for (const line of committed(kernel, '/output')) {
    const key = line.slice(0, line.indexOf(':'));
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  return seen;
}

describe('a savepoint that is read', () => {
  it('tells its operators and what they hold, in figures', async () => {
    const { kernel, savepoint } = await golden();
    assert.deepEqual([savepoint.jobName, savepoint.isSavepoint], ['random', true]);
    const contents = await kernel.settle(savepoint.contents());
    const totals = contents.find(({ uid }) => uid === 'totals')!;
    assert.deepEqual(
      totals.states.map(({ name, kind, entries }) => [name, kind, entries]),
      [
        ['byPlace', 'map', 4],
        ['distinct', 'aggregating', 4],
        ['recent', 'map', 4],
        ['seen', 'list', 4],
        ['sum', 'reducing', 4],
        ['total', 'value', 4],
      ],
    );
    assert.deepEqual([totals.keyed, totals.parallelism, totals.maxParallelism], [true, 2, 8]);
    const numbers = contents.find(({ uid }) => uid === 'numbers')!;
    assert.deepEqual(
      numbers.sections.map(({ name, items }) => [name, items]),
      [['splits', 1]],
    );
  });

  it('gives keyed state as it is declared, also by a later version', async () => {
    const { kernel, savepoint } = await golden();
    const declared = {
      seen: state.list<number>(),
      sum: state.reducing((left: number, right: number) => left + right, { codec: numberCodec }),
      // It has a time to live where it was written.
      recent: state.map<string, number>({ keyCodec: stringCodec }),
    };
    const seen = seenByKey(kernel);
    let keys = 0;
    await kernel.settle(
      (async () => {
        for await (const { key, state: held, timers } of savepoint.keyedState('totals', declared)) {
          const numbers = held.seen.get();
          assert.equal(numbers.length, seen.get(String(key)));
          assert.equal(
            held.sum.get(),
            numbers.reduce((left, right) => left + right, 0),
          );
          assert.ok(held.recent.has('r0'));
          assert.deepEqual(timers, { eventTime: [], processingTime: [] });
          keys++;
        }
      })(),
    );
    assert.equal(keys, 4);
  });

  it('gives what windows hold without a declaration, with their namespaces', async () => {
    const { kernel, savepoint } = await golden();
    const entries = await all(kernel, savepoint.entries('per-second'));
    assert.ok(entries.length > 0);
    for (const { key, namespace, value } of entries) {
      assert.match(String(key), /^key \d$/);
      assert.ok(Array.isArray(namespace) && namespace[1]! - Number(namespace[0]) === 1_000);
      assert.ok(Number(value) > 0);
    }
  });

  it('gives operator lists, and says what is not there', async () => {
    const { kernel, savepoint } = await golden();
    const held = await kernel.settle(savepoint.operatorList<number>('windows', 'held'));
    assert.ok(held.length <= 2 && held.every((count) => count > 0));
    await assert.rejects(kernel.settle(savepoint.operatorList('window', 'held')), {
      code: 'SAVEPOINT_OPERATOR_UNKNOWN',
      message: /Did you mean 'windows'\?/,
    });
    const wrong = all(kernel, savepoint.keyedState('totals', { seen: state.value(0) }));
    await assert.rejects(wrong, { code: 'STATE_TYPE_CHANGED' });
  });

  it('refuses what is torn, damaged or nothing at all, and names the file', async () => {
    const { kernel, env } = await golden();
    const at = (path: string) => kernel.settle(openSavepoint(path, { env }));
    await assert.rejects(at('/nowhere'), { code: 'CHECKPOINT_NOT_FOUND' });
    await assert.rejects(at('/output'), { code: 'CHECKPOINT_NOT_FOUND', message: /has no _metadata/ });
    const name = kernel.disk.list(SAVEPOINT).find((each) => each.endsWith('.state'))!;
    const bytes = Buffer.from(IMAGE[`${SAVEPOINT}/${name}`]!, 'base64');
    bytes[bytes.length >> 1]! ^= 1;
    kernel.disk.remove(`${SAVEPOINT}/${name}`);
    const file = kernel.disk.create(`${SAVEPOINT}/${name}`);
    kernel.disk.append(file, bytes, name);
    const savepoint = await at(`${SAVEPOINT}/_metadata`);
    await assert.rejects(kernel.settle(savepoint.contents()), {
      code: 'CHECKPOINT_CORRUPT',
      message: new RegExp(name),
    });
  });
});

describe('a savepoint that is changed', () => {
  it('is the same when nothing is changed, and its job continues from the copy', async () => {
    const { kernel, env, savepoint } = await golden();
    const { path } = await kernel.settle(changedSavepoint(savepoint).write('/copies'));
    const copy = await kernel.settle(openSavepoint(path, { env }));
    assert.deepEqual(await kernel.settle(diffSavepoints(savepoint, copy)), []);
    assert.equal((await continued(kernel, goldenJob(2, 3), path).end()).status, 'FINISHED');
    assert.deepEqual(committed(kernel, '/output').sort(), expectedLines());
  });

  it('shows in the difference, key by key, and leaves the original alone', async () => {
    const { kernel, env, savepoint } = await golden();
    const before = [...kernel.disk.contents()].filter(([path]) => path.startsWith(SAVEPOINT));
    const declared = { seen: state.list<number>(), extra: state.value('') };
    const { path } = await kernel.settle(
      changedSavepoint(savepoint)
        .changeKeyedState('totals', {
          state: declared,
          process({ key, state: { seen, extra }, timers }) {
            if (key === 'key 1') seen.clear();
            if (key === 'key 2') seen.add(-1);
            if (key === 'key 3') extra.update('new');
            if (key === 'key 0') timers.registerEventTime(5);
          },
        })
        .removeOperator('windows')
        .changeOperatorIdentifier('per-second', 'each-second')
        .write('/copies'),
    );
    assert.deepEqual(
      [...kernel.disk.contents()].filter(([each]) => each.startsWith(SAVEPOINT)),
      before,
    );
    const copy = await kernel.settle(openSavepoint(path, { env }));
    const diffs = await kernel.settle(diffSavepoints(savepoint, copy));
    assert.deepEqual(
      diffs.map(({ uid, in: side, timers }) => [uid, side, timers]),
      [
        ['totals', 'both', 1],
        ['per-second', 'left', 0],
        ['windows', 'left', 0],
        ['each-second', 'right', 0],
      ],
    );
    const figures = diffs[0]!.states.map(({ name, added, removed, changed }) => [
      name,
      added,
      removed,
      changed,
    ]);
    assert.deepEqual(figures.sort(byText), [
      ['extra', 1, 0, 0],
      ['seen', 0, 1, 1],
    ]);
    const back = await all(kernel, copy.keyedState('totals', declared));
    assert.deepEqual(back.map(({ key, timers }) => [key, timers.eventTime]).sort(byText), [
      ['key 0', [5]],
      ['key 2', []],
      ['key 3', []],
    ]);
  });

  it('is refused with two operators of one uid or an unknown one, and nothing is written', async () => {
    const { kernel, savepoint } = await golden();
    assert.throws(() => changedSavepoint(savepoint).removeOperator('nobody'), {
      code: 'SAVEPOINT_OPERATOR_UNKNOWN',
    });
    const twice = changedSavepoint(savepoint).changeOperatorIdentifier('windows', 'totals');
    await assert.rejects(kernel.settle(twice.write('/copies')), { code: 'SAVEPOINT_EDIT_INVALID' });
    const failing = changedSavepoint(savepoint).changeKeyedState('totals', {
      state: {},
      process: () => {
        throw new RangeError('not today');
      },
    });
    // Without a state there are no keys, with one there are.
    await kernel.settle(failing.write('/copies'));
    const reading = changedSavepoint(savepoint).changeKeyedState('totals', {
      state: { seen: state.list<number>() },
      process: () => {
        throw new RangeError('not today');
      },
    });
    const copies = kernel.disk.list('/copies');
    await assert.rejects(kernel.settle(reading.write('/copies')), RangeError);
    assert.deepEqual(kernel.disk.list('/copies'), copies);
  });
});

describe('a savepoint from nothing', () => {
  /** Counts from what it finds, and fires what was registered. */
  const counting = (parallelism: number): JobDefinition =>
    job({
      name: 'random',
      build: (env) => {
        env.setParallelism(parallelism).setMaxParallelism(8);
        const limits = { limits: state.map<string, number>() };
        const rules = env.fromData<string>([], { uid: 'rules' }).broadcast(limits);
        env
          .fromSource(
            generatorSource((n) => `user ${n % 3}`, { count: 6, splits: 1 }),
            { uid: 'users' },
          )
          .keyBy((user) => user)
          .process({
            uid: 'visits',
            state: { count: state.value(0) },
            process(user, { state: { count } }) {
              count.update(count.value() + 1);
              return [`${user}: ${count.value()}`];
            },
            onTimer: (time, { key, state: { count } }) => [`${key} had ${count.value()} at ${time}`],
          })
          .connect(rules)
          .process({
            uid: 'limited',
            process: (line, { broadcast }) => [`${line} of ${broadcast.limits.get('most')}`],
            processBroadcast: () => undefined,
          })
          .sinkTo(files.linesSink('/lines'), { uid: 'lines' });
      },
    });

  for (const parallelism of [1, 3]) {
    it(`is what a job begins with, at parallelism ${parallelism}`, async () => {
      const kernel = new Kernel({ seed: 5, shuffle: true });
      const env = kernel.env('people');
      const { path } = await kernel.settle(
        newSavepoint({ jobName: 'random', maxParallelism: 8, parallelism: 2, env })
          .withKeyedState('visits', {
            state: { count: state.value(0) },
            items: [0, 1, 2, 3].map((n) => ({ user: `user ${n}`, visits: 10 * n })),
            key: ({ user }) => user,
            process({ visits }, { state: { count }, timers }) {
              count.update(visits);
              if (visits === 30) timers.registerEventTime(7);
            },
          })
          .withBroadcastState('limited', 'limits', [['most', 99]], state.map<string, number>())
          .withOperatorList('unused', 'numbers', [1, 2, 3])
          .write('/new'),
      );
      const savepoint = await kernel.settle(openSavepoint(path, { env }));
      assert.deepEqual(await kernel.settle(savepoint.operatorList('unused', 'numbers')), [1, 2, 3]);
      const rules = await kernel.settle(
        savepoint.broadcastState('limited', 'limits', state.map<string, number>()),
      );
      assert.deepEqual([...rules], [['most', 99]]);
      const running = new SimulatedJob(kernel, {
        definition: counting(parallelism),
        args: [],
        allowNonRestored: true,
        choice: { kind: 'path', path },
      });
      const { status, error } = await running.end();
      assert.equal(status, 'FINISHED', String(error?.stack));
      assert.deepEqual(committed(kernel, '/lines').sort(), [
        'user 0: 1 of 99',
        'user 0: 2 of 99',
        'user 1: 11 of 99',
        'user 1: 12 of 99',
        'user 2: 21 of 99',
        'user 2: 22 of 99',
        'user 3 had 30 at 7 of 99',
      ]);
    });
  }
});

describe('a savepoint that is disposed of', () => {
  it('takes what belongs to it and nothing else, and is gone', async () => {
    const { kernel, env } = await golden();
    const note = kernel.disk.create(`${SAVEPOINT}/note`);
    kernel.disk.sync(note);
    await kernel.settle(disposeSavepoint(SAVEPOINT, { env }));
    assert.deepEqual(kernel.disk.list(SAVEPOINT), ['note']);
    await assert.rejects(kernel.settle(disposeSavepoint(SAVEPOINT, { env })), {
      code: 'CHECKPOINT_NOT_FOUND',
    });
    await assert.rejects(kernel.settle(disposeSavepoint('/output', { env })), {
      code: 'CHECKPOINT_NOT_FOUND',
    });
  });

  it('is never a checkpoint that its job needs', async () => {
    const { kernel, env } = await golden();
    const running = new SimulatedJob(kernel, {
      definition: goldenJob(1, 2),
      args: [],
      checkpoints: { intervalMs: 10 },
      choice: { kind: 'path', path: SAVEPOINT },
    });
    await kernel.run({ until: () => running.master.figures().checkpoints.completed === 1 });
    const [checkpoint] = [...kernel.disk.contents().keys()].filter((path) =>
      /chk-\d+\/_metadata$/.test(path),
    );
    assert.ok(checkpoint !== undefined);
    await assert.rejects(kernel.settle(disposeSavepoint(checkpoint, { env })), {
      code: 'SAVEPOINT_EDIT_INVALID',
    });
  });
});

function byText(left: unknown, right: unknown): number {
  return JSON.stringify(left) < JSON.stringify(right) ? -1 : 1;
}
