import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Env } from '../base/env.ts';
import { Kernel } from './kernel.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);

/** A small program that uses every seam: two threads tick, one appends lines and publishes them by renaming. */
function startProgram(env: (thread: string) => Env, trace: string[]): void {
  const { clock, random, files, log } = env('main');
  const other = env('other').clock;
  const tick = (left: number): void => {
    trace.push(`tick ${left} ${other.monotonic()}`);
    if (left > 0) other.timer(random.int(5), () => tick(left - 1), 'tick');
  };
  const publish = async (round: number): Promise<void> => {
    const path = `/${random.id()}`;
    const handle = await files.open(path, 'create');
    await handle.write(bytes(`round ${round}`));
    await handle.sync();
    await handle.close();
    await files.rename(path, '/current');
    await files.syncDirectory('/');
    trace.push(`published ${round} ${clock.now()}`);
    log.info('published', { round });
  };
  tick(5);
  for (let index = 0; index < 3; index++) clock.defer(() => trace.push(`deferred ${index}`), 'defer');
  clock.timer(1, () => void publish(1).then(() => publish(2)), 'publish');
}

async function runProgram(seed: number, shuffle: boolean): Promise<{ kernel: Kernel; trace: string[] }> {
  const kernel = new Kernel({ seed, shuffle });
  const trace: string[] = [];
  startProgram((thread) => kernel.env('a', thread), trace);
  await kernel.run();
  return { kernel, trace };
}

test('same seed, same run; another seed, another run', async () => {
  const hashes = new Set<string>();
  const numSeeds = 60;
  for (let seed = 0; seed < numSeeds; seed++) {
    const shuffle = seed % 2 === 0;
    const first = await runProgram(seed, shuffle);
    const second = await runProgram(seed, shuffle);
    assert.equal(first.kernel.hash, second.kernel.hash);
    assert.deepEqual(first.trace, second.trace);
    assert.deepEqual(first.kernel.disk.contents(), second.kernel.disk.contents());
    assert.equal(text(await readNow(first.kernel, '/current')), 'round 2');
    hashes.add(first.kernel.hash);
  }
  assert.equal(hashes.size, numSeeds);
  console.log(`cases: kernel determinism ${numSeeds} (minimum 60)`);
});

async function readNow(kernel: Kernel, path: string): Promise<Uint8Array> {
  return kernel.settle(kernel.env('reader').files.read(path));
}

test('timers run at their time, in order, and not after they were canceled', async () => {
  const kernel = new Kernel({ seed: 1 });
  const { clock } = kernel.env('a');
  const started = clock.now();
  const order: string[] = [];
  clock.timer(20, () => order.push(`late ${clock.monotonic()} ${clock.now() - started}`), 'late');
  clock.timer(-5, () => order.push('past'), 'past');
  clock.timer(5, () => order.push('first'), 'first');
  clock.timer(5, () => order.push('second'), 'second');
  const canceled = clock.timer(1, () => order.push('canceled'), 'canceled');
  canceled.cancel();
  canceled.cancel();
  await kernel.run();
  assert.deepEqual(order, ['past', 'first', 'second', 'late 20 20']);
  assert.equal(kernel.steps, 4);
});

test('what follows from an event by promises is done before the next event', async () => {
  const kernel = new Kernel({ seed: 1 });
  const { clock } = kernel.env('a');
  const order: string[] = [];
  const chain = async (): Promise<void> => {
    for (let index = 0; index < 50; index++) await Promise.resolve();
    order.push('promises');
  };
  clock.timer(1, () => void chain(), 'one');
  clock.timer(1, () => order.push('two'), 'two');
  await kernel.run();
  assert.deepEqual(order, ['promises', 'two']);
});

test('a thread that defers without end lets time pass and the others run', async () => {
  const kernel = new Kernel({ seed: 1 });
  const { clock } = kernel.env('a', 'busy');
  let isOver = false;
  const spin = (): void => {
    if (!isOver) clock.defer(spin, 'spin');
  };
  spin();
  kernel.env('a').clock.timer(3, () => (isOver = true), 'end');
  await kernel.run();
  assert.ok(kernel.now >= 3 && kernel.now < 4);
});

test('deferred calls of a thread keep their order, those of two threads mix when shuffled', async () => {
  const mixes = new Set<string>();
  for (let seed = 0; seed < 20; seed++) {
    const kernel = new Kernel({ seed, shuffle: true });
    const order: string[] = [];
    for (const index of [1, 2, 3]) {
      for (const thread of ['x', 'y'])
        kernel.env('a', thread).clock.defer(() => order.push(thread + index), 'defer');
    }
    await kernel.run();
    for (const thread of ['x', 'y']) {
      assert.deepEqual(
        order.filter((name) => name.startsWith(thread)),
        [1, 2, 3].map((index) => thread + index),
      );
    }
    mixes.add(order.join(' '));
  }
  assert.ok(mixes.size > 5);
});

test('a crash at every step leaves what was published, and the next incarnation goes on from it', async () => {
  const { kernel: whole } = await runProgram(7, true);
  const seen = new Set<string>();
  for (let step = 0; step <= whole.steps; step++) {
    const kernel = new Kernel({ seed: 7, shuffle: true });
    startProgram((thread) => kernel.env('a', thread), []);
    await kernel.run({ until: () => kernel.steps >= step });
    kernel.crash('a');
    assert.throws(() => kernel.env('a'), /crashed/);
    const stepsAtCrash = kernel.steps;
    await kernel.run();
    assert.equal(kernel.steps, stepsAtCrash);
    const { files } = kernel.restart('a');
    const status = await kernel.settle(files.stat('/current'));
    const content = status === undefined ? 'nothing' : text(await kernel.settle(files.read('/current')));
    seen.add(content);
    if (step === 0) assert.equal(content, 'nothing');
    if (step === whole.steps) assert.equal(content, 'round 2');
  }
  assert.deepEqual([...seen].sort(), ['nothing', 'round 1', 'round 2']);
});

test('an operation under way when its process is killed has happened, or in part, or not', async () => {
  const sizes = new Set<number>();
  for (let seed = 0; seed < 60; seed++) {
    const kernel = new Kernel({ seed });
    const { files } = kernel.env('a');
    const handle = await kernel.settle(files.open('/f', 'create'));
    const written = handle.write(bytes('0123456789'));
    kernel.crash('a');
    await assert.rejects(() => kernel.settle(written), /nothing is left to happen/);
    sizes.add((await readNow(kernel, '/f')).length);
  }
  assert.ok(sizes.has(0) && sizes.has(10) && sizes.size > 5, [...sizes].join(' '));
});

test('a loss of power ends all nodes and keeps what was synchronized', async () => {
  for (let seed = 0; seed < 40; seed++) {
    const kernel = new Kernel({ seed });
    startProgram((thread) => kernel.env('a', thread), []);
    const { lines } = kernel.log;
    await kernel.run({ until: () => lines.length === 1 });
    kernel.losePower();
    kernel.restart('a');
    assert.match(text(await readNow(kernel, '/current')), /^round [12]$/);
  }
});

test('a paused node sees stale timers first, in order, while the others went on', async () => {
  const kernel = new Kernel({ seed: 1 });
  const order: string[] = [];
  const a = kernel.env('a').clock;
  const b = kernel.env('b').clock;
  a.timer(20, () => order.push(`a20 at ${a.monotonic()}`), 'a20');
  a.timer(10, () => order.push(`a10 at ${a.monotonic()}`), 'a10');
  const canceled = a.timer(15, () => order.push('canceled'), 'canceled');
  b.timer(30, () => order.push(`b30 at ${b.monotonic()}`), 'b30');
  b.timer(40, () => canceled.cancel(), 'cancel');
  kernel.pause('a', 50);
  await kernel.run();
  assert.deepEqual(order, ['b30 at 30', 'a10 at 50', 'a20 at 50']);
});

test('an operation of a paused node takes effect after it goes on: the zombie that others must fence', async () => {
  const kernel = new Kernel({ seed: 1 });
  const { files } = kernel.env('old');
  const made = files.makeDirectory('/late');
  kernel.pause('old');
  const { files: others } = kernel.env('new');
  await kernel.settle(others.makeDirectory('/early'));
  await kernel.run();
  assert.deepEqual(await kernel.settle(others.list('/')), ['early']);
  kernel.resume('old');
  await kernel.settle(made);
  assert.deepEqual(await kernel.settle(others.list('/')), ['early', 'late']);
});

test('the wall clock may jump, the other clock never', async () => {
  const kernel = new Kernel({ seed: 1 });
  const { clock } = kernel.env('a');
  const before = clock.now();
  kernel.shiftWall('a', -60_000);
  assert.equal(clock.now(), before - 60_000);
  assert.equal(kernel.env('b').clock.now(), before);
  assert.equal(clock.monotonic(), 0);
  await kernel.runFor(1_500);
  assert.equal(clock.monotonic(), 1_500);
  assert.equal(clock.now(), before - 58_500);
});

test('what a crashed node left in the queue moves no clock and ends no run', async () => {
  const kernel = new Kernel({ seed: 1 });
  const order: string[] = [];
  kernel.env('a').clock.timer(5, () => order.push('dead'), 'dead');
  kernel.env('a').clock.timer(200_000_000, () => order.push('dead'), 'dead');
  kernel.env('b').clock.timer(100, () => order.push('alive'), 'alive');
  kernel.crash('a');
  await kernel.runFor(10);
  assert.deepEqual([kernel.now, order], [10, []]);
  await kernel.run({ maxEvents: 1 });
  assert.deepEqual([kernel.now, order], [100, ['alive']]);
});

test('a failure names the seed, the step, the line that replays it and the last events', async () => {
  const kernel = new Kernel({ seed: 42, replay: 'npm test -- --seed 42' });
  kernel.env('a').clock.timer(2, () => assert.fail('broken'), 'trouble');
  await assert.rejects(
    () => kernel.run(),
    /^Error: broken\n {2}at: seed 42, step 1, 2 ms\n {2}replay: npm test -- --seed 42\n {2}last events:\n {4}2\.000 ms {2}a: trouble$/,
  );
});

test('a run that hangs, spins or lasts too long is a failure', async () => {
  const kernel = new Kernel({ seed: 1 });
  const { clock } = kernel.env('a');
  kernel.pause('a');
  clock.timer(1, () => undefined, 'held');
  await assert.rejects(() => kernel.run({ until: () => false }), /nothing is left to happen.*paused: a/);
  kernel.resume('a');
  const spin = (): void => void clock.timer(10, spin, 'spin');
  spin();
  await assert.rejects(() => kernel.run({ maxEvents: 100 }), /not over after 100 events/);
  await assert.rejects(() => kernel.run({ maxVirtualMs: 1_000 }), /not over after 1000 ms/);
});

test('whoever reaches past the Env is caught, and only within events', async () => {
  for (const reach of [
    () => Date.now(),
    () => Math.random(),
    () => performance.now(),
    () => setTimeout(() => undefined, 0),
    () => setImmediate(() => undefined),
    () => queueMicrotask(() => undefined),
  ]) {
    const kernel = new Kernel({ seed: 1 });
    kernel.env('a').clock.timer(1, reach, 'reach');
    await assert.rejects(() => kernel.run({ until: () => Date.now() < 0 }), /would not repeat; use env\./);
    reach();
  }
});

test('faults are part of the seed, and a failpoint may crash a node', async () => {
  const kernel = new Kernel({
    seed: 3,
    faults: {
      onOperation: ({ operation, path }) => {
        if (operation === 'rename' && path === '/current') kernel.crash('a');
        return undefined;
      },
    },
  });
  const trace: string[] = [];
  startProgram((thread) => kernel.env('a', thread), trace);
  await kernel.run();
  assert.ok(!trace.some((line) => line.startsWith('published')));
  const outcomes = await Promise.all([1, 1, 2].map((seed) => failures(seed)));
  assert.equal(outcomes[0], outcomes[1]);
  assert.notEqual(outcomes[0], outcomes[2]);
});

async function failures(seed: number): Promise<string> {
  const kernel = new Kernel({ seed, faults: { io: 0.2, unknown: 0.2 } });
  const { files } = kernel.env('a');
  let kinds = '';
  for (let index = 0; index < 40; index++) {
    const result = files.makeDirectory(`/${index}`).then(
      () => 'fine',
      (error: { kind: string }) => error.kind,
    );
    kinds += `${await kernel.settle(result)} `;
  }
  return kinds;
}

test('threads of a node have chance and order of their own, the same after each call', () => {
  const kernel = new Kernel({ seed: 1 });
  assert.equal(kernel.env('a'), kernel.env('a'));
  assert.notEqual(kernel.env('a').random.id(), kernel.env('a', 'other').random.id());
  const first = kernel.env('a').random.id();
  kernel.crash('a');
  assert.notEqual(kernel.restart('a').random.id(), first);
});
