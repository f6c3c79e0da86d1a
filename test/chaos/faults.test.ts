// What a chaos run does to processes does what it says: calls fail, take long and work again; nothing gets to who is cut off.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { breakCalls, brokenCallsRefused, type BrokenCalls } from '../../chaos/calls.ts';
import { temporaryFolder } from '../e2e/processes.ts';

const NETWORK = new URL('../../chaos/network.ts', import.meta.url).href;

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

const ping = spawnSync('unshare', ['--net', 'ip', 'link', 'set', 'lo', 'up'], { encoding: 'utf8' });
const refused = ping.status === 0 ? undefined : (ping.error?.message ?? ping.stderr.trim());

test('nothing gets to who is cut off until it is healed, and what was sent meanwhile comes then', {
  skip: refused,
}, () => {
  const text = `
    import { once } from 'node:events';
    import { connect, createServer } from 'node:net';
    import { hostOf, OwnNetwork } from ${JSON.stringify(NETWORK)};
    const [network, host] = [new OwnNetwork(), hostOf('taskmanager-1')];
    const heard = [];
    const server = createServer((socket) => socket.on('data', (bytes) => heard.push(String(bytes))));
    server.listen(0, host);
    await once(server, 'listening');
    const { port } = server.address();
    const client = connect(port, host);
    await once(client, 'connect');
    const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    network.cut(host);
    client.write('meanwhile');
    const refused = await once(connect(port, host), 'error').then(([{ code }]) => code);
    await pause(500);
    const before = heard.length;
    network.heal(host);
    while (heard.length === 0) await pause(20);
    console.log(JSON.stringify({ why: network.refused, refused, before, heard }));
    process.exit();
  `;
  const words = ['--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', process.execPath];
  const { stdout, stderr } = spawnSync('unshare', [...words, '--input-type=module', '--eval', text], {
    encoding: 'utf8',
    env: { ...process.env, MILLRACE_CHAOS_NETWORK: 'own' },
  });
  assert.notEqual(stdout, '', stderr);
  assert.deepEqual(JSON.parse(stdout), { refused: 'EINVAL', before: 0, heard: ['meanwhile'] });
});
