// What a chaos run does to processes does what it says: calls fail, take long and work again; nothing gets to who
// is cut off; processes die at named steps and for the memory that they take, and their clocks jump.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { breakCalls, brokenCallsRefused, type BrokenCalls } from '../../chaos/calls.ts';
import type { ThreadMemory } from '../../chaos/flat.ts';
import { MemoryGroup } from '../../chaos/memory.ts';
import { ProcessFaults } from '../../chaos/processes.ts';
import { cleanUp, eventually, temporaryFolder } from '../e2e/processes.ts';

const NETWORK = new URL('../../chaos/network.ts', import.meta.url).href;
const FAILPOINTS_FILE = new URL('../../src/base/failpoints.ts', import.meta.url).href;

/** Says a line for each name that it makes and makes last: how that ended, and whether it took long. */
const WRITER = `
  const { open, mkdir } = require('node:fs/promises');
  (async () => {
    for (let index = 0; ; index++) {
      const from = performance.now();
      const said = [];
      const file = await open(process.argv[1] + '/file', 'w');
      await file.sync().catch(({ code }) => said.push('sync ' + code));
      await file.close();
      await mkdir(process.argv[1] + '/' + index).catch(({ code }) => said.push('mkdir ' + code));
      if (performance.now() - from > 1_500) said.push('late');
      console.log(said.join() || 'well');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
`;

const EXPECTED: Readonly<Record<BrokenCalls, string>> = {
  io: 'sync EIO',
  'read-only': 'sync EROFS,mkdir EROFS',
  slow: 'late',
};

for (const how of ['io', 'read-only', 'slow'] as const) {
  test(`calls of a process that are ${how} are so until they are mended`, {
    skip: brokenCallsRefused(),
  }, async (context) => {
    const folder = temporaryFolder(context);
    const child = spawn(process.execPath, ['--eval', WRITER, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const until = async (line: string): Promise<void> => {
      for (let next = await lines.next(); next.value !== line; next = await lines.next())
        assert.ok(next.done !== true, 'the process goes on');
    };
    try {
      await until('well');
      const mend = await breakCalls(child.pid!, how);
      assert.ok(mend !== undefined, 'strace is attached');
      await until(EXPECTED[how]);
      await mend();
      await until('well');
    } finally {
      // Before its folder is removed.
      child.kill('SIGKILL');
      await ended;
    }
  });
}

test('calls of a process that is gone are not broken', { skip: brokenCallsRefused() }, async () => {
  const child = spawn(process.execPath, ['--eval', ''], { stdio: 'ignore' });
  await once(child, 'close');
  assert.equal(await breakCalls(child.pid!, 'io'), undefined);
});

/** Two TaskManagers in namespaces of their own: one sends back what it hears, the other one's cable does not matter. */
const NETWORK_RUN = `
  import { spawn } from 'node:child_process';
  import { once } from 'node:events';
  import { connect } from 'node:net';
  import process from 'node:process';
  import { entered, OwnNetwork } from ${JSON.stringify(NETWORK)};
  const within = await entered();
  if (within !== undefined) process.exit(within.code);
  const endings = [];
  const network = new OwnNetwork({ after: (run) => endings.push(run) });
  const said = { refused: network.refused };
  if (network.refused === undefined) {
    const [command, ...words] = await network.inside('taskmanager-1');
    await network.inside('taskmanager-2');
    const echo = "require('net').createServer((socket) => socket.pipe(socket)).listen(7000, '127.0.0.11', () => console.log('up'))";
    const server = spawn(command, [...words, process.execPath, '--eval', echo], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(server.stdout, 'data');
    const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const client = connect(7000, '127.0.0.11');
    let heard = '';
    let ended;
    client.on('data', (bytes) => { heard += bytes; });
    client.on('error', ({ code }) => { ended = code; });
    await once(client, 'connect');
    const until = async (text) => { while (!heard.endsWith(text)) await pause(10); };
    client.write('before');
    await until('before');
    for (const direction of ['to', 'from', 'both']) {
      const heal = network.cut('taskmanager-1', direction);
      client.write(direction);
      await pause(400);
      said[direction] = heard.endsWith(direction);
      heal();
      await until(direction);
    }
    const fast = network.slow('taskmanager-1');
    const from = performance.now();
    client.write('x'.repeat(100_000) + 'slow');
    await until('slow');
    said.slow = performance.now() - from > 400;
    fast();
    said.reset = network.reset('taskmanager-1');
    while (ended === undefined) await pause(10);
    said.ended = ended;
    server.kill();
  }
  for (const end of endings.reverse()) end();
  console.log(JSON.stringify(said));
  process.exit();
`;

/** Whether this machine allows networks of their own is told by the run itself. */
const network = spawnSync('unshare', ['--net', 'true'], { encoding: 'utf8' });
const refused = network.status === 0 ? undefined : (network.error?.message ?? network.stderr.trim());

test('a TaskManager is cut off in each direction until it is healed; its cable is slow, and its connections are reset', {
  skip: refused,
}, (context) => {
  const file = join(temporaryFolder(context), 'run.mjs');
  writeFileSync(file, NETWORK_RUN);
  const { stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
  assert.notEqual(stdout, '', stderr);
  const said = JSON.parse(stdout) as { readonly refused?: string };
  if (said.refused !== undefined) return context.skip(said.refused);
  assert.deepEqual(said, {
    to: false,
    from: false,
    both: false,
    slow: true,
    reset: 1,
    ended: 'ECONNRESET',
  });
});

const group = new MemoryGroup();
group.remove();

test('a process that takes more memory than it may is ended by its kernel', {
  skip: group.refused,
}, async (context) => {
  const own = new MemoryGroup();
  cleanUp(context, () => own.remove());
  const text = 'const all = []; setInterval(() => all.push(Buffer.alloc(300_000, 1)), 10); console.log("up")';
  const child = spawn(process.execPath, ['--eval', text], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanUp(context, () => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  own.limit(child.pid!, 4 * 1024 * 1024);
  assert.deepEqual(await ended, [null, 'SIGKILL']);
});

/** Comes by two steps in turn, and says what its wall clock says. */
const STEPS_RUN = `
  import { failpoint } from ${JSON.stringify(FAILPOINTS_FILE)};
  const from = Date.now();
  setInterval(() => {
    failpoint('part.written');
    failpoint('part.synced');
    console.log(Math.abs(Date.now() - from) > 1_800_000 ? 'wrong' : 'right');
  }, 5);
`;

test('a process dies at the step that was armed, and only then another one at the step after it', async (context) => {
  const faults = new ProcessFaults(temporaryFolder(context));
  const run = (): ChildProcess => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', STEPS_RUN], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...faults.environment },
    });
    cleanUp(context, () => child.kill('SIGKILL'));
    return child;
  };
  const first = run();
  const firstEnded = once(first, 'exit');
  faults.arm({ first: 'part.synced', next: 'part.written' });
  assert.deepEqual(await firstEnded, [null, 'SIGKILL']);
  assert.equal(faults.struck, 1);
  assert.deepEqual(await once(run(), 'exit'), [null, 'SIGKILL']);
  assert.equal(faults.struck, 2);
  faults.arm({ first: 'sink.committed' });
  await faults.disarm();
  assert.equal(faults.struck, 0);
  // What is not armed any more ends nobody; and a clock jumps, and comes back.
  const last = run();
  const lines = createInterface({ input: last.stdout! })[Symbol.asyncIterator]();
  const until = async (line: string): Promise<void> => {
    for (let next = await lines.next(); next.value !== line; next = await lines.next())
      assert.ok(next.done !== true, 'the process goes on');
  };
  await until('right');
  faults.jumpClock(last.pid!, 3_600_000);
  await until('wrong');
  faults.setClock();
  await until('right');
});

/** A thread besides the main one, and two million numbers that one of them keeps. */
const MEMORY_RUN = `
  const { isMainThread, Worker } = require('node:worker_threads');
  if (isMainThread) new Worker(__filename);
  else globalThis.kept = Array.from({ length: 2_000_000 }, (_, index) => index + 0.5);
  globalThis.buffer = new SharedArrayBuffer(isMainThread ? 5 * 1024 * 1024 : 0);
  const garbage = () => Array.from({ length: 100_000 }, (_, index) => [index]);
  setInterval(garbage, 5);
`;

test('each thread of a process tells what is alive in it, and not its garbage', async (context) => {
  const folder = temporaryFolder(context);
  const file = join(folder, 'run.cjs');
  writeFileSync(file, MEMORY_RUN);
  const faults = new ProcessFaults(join(folder, 'faults'), { aliveEveryMs: 200, heapMibMax: 128 });
  const child = spawn(process.execPath, [file], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...faults.environment },
  });
  cleanUp(context, () => child.kill('SIGKILL'));
  let [main, worker] = [] as ThreadMemory[];
  await eventually(() => {
    [main, worker] = faults.memoryOf(child.pid!);
    return main !== undefined && main.buffers >= 5 && worker !== undefined && worker.heap > 16;
  }, 'both threads tell what they keep');
  assert.ok(main!.heap < 16, `${main!.heap} MiB are alive in the main thread`);
  assert.ok(worker!.heap < 32, `${worker!.heap} MiB are alive in the other one`);
  assert.ok(worker!.heapLimit < 1_024, `the heap of a thread is limited to ${worker!.heapLimit} MiB`);
  assert.ok(main!.known >= main!.buffers, 'buffers are known of');
  assert.deepEqual(faults.memoryOf(process.pid), [], 'who is not asked tells nothing');
});
