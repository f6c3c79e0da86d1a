import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Files, FilesError } from '../base/env.ts';
import { isMillraceError } from '../base/errors.ts';
import { nodeFiles } from '../base/files.ts';
import { seededRandom } from '../base/random.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { type FileOperation, memoryFiles } from './simulated-files.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function write(files: Files, path: string, text: string): Promise<void> {
  const handle = await files.open(path, 'create');
  await handle.write(bytes(text));
  await handle.close();
}

async function outcome(run: () => Promise<unknown>): Promise<unknown> {
  try {
    const result = await run();
    return result instanceof Uint8Array ? new TextDecoder().decode(result) : result;
  } catch (error) {
    if (error instanceof FilesError) return { error: error.kind };
    throw error;
  }
}

// Paths of a small world, so that operations meet each other.
const path = fc
  .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })
  .map((names) => `/${names.join('/')}`);
const step = fc.oneof(
  fc.tuple(fc.constant('write' as const), path, fc.constantFrom('', 'x', 'yz')),
  fc.tuple(fc.constant('read' as const), path),
  fc.tuple(fc.constant('status' as const), path),
  fc.tuple(fc.constant('list' as const), path),
  fc.tuple(fc.constant('makeDirectory' as const), path),
  fc.tuple(fc.constant('claimDirectory' as const), path),
  fc.tuple(fc.constant('rename' as const), path, path),
  fc.tuple(fc.constant('link' as const), path, path),
  fc.tuple(fc.constant('remove' as const), path),
  fc.tuple(fc.constant('removeTree' as const), path),
  fc.tuple(fc.constant('syncDirectory' as const), path),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

function perform(files: Files, root: string, [name, first, second]: Step): Promise<unknown> {
  const at = root + first;
  return outcome(async () => {
    switch (name) {
      case 'write':
        return write(files, at, second);
      case 'status': {
        const status = await files.stat(at);
        return status?.kind === 'file' ? [status.kind, status.size] : status?.kind;
      }
      case 'rename':
        return files.rename(at, root + second);
      case 'link':
        return files.link(at, root + second);
      default:
        return files[name](at);
    }
  });
}

test('behaves as the file system of this machine, operation by operation', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-conformance-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  const real = nodeFiles();
  const numRuns = 150;
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const simulated = memoryFiles();
      const root = `${folder}/${run++}`;
      await real.makeDirectory(root);
      await simulated.makeDirectory(root);
      for (const [index, one] of steps.entries()) {
        const expected = await perform(real, root, one);
        assert.deepEqual(await perform(simulated, root, one), expected, `step ${index}: ${one.join(' ')}`);
      }
      assert.equal(simulated.openHandles, 0);
    }),
    { seed: 5, numRuns },
  );
  console.log(`cases: simulated files against real ones ${numRuns} (minimum 150)`);
});

test('what was synchronized, file and directory, survives every loss of power', async () => {
  for (let seed = 0; seed < 200; seed++) {
    const disk = new SimulatedDisk();
    const files = memoryFiles(disk);
    await files.makeDirectory('/d');
    await files.syncDirectory('/');
    const handle = await files.open('/d/tmp', 'create');
    await handle.write(bytes('durable'));
    await handle.sync();
    await handle.write(bytes(' perhaps'));
    await files.rename('/d/tmp', '/d/file');
    await files.syncDirectory('/d');
    disk.losePower(seededRandom(seed));
    assert.deepEqual(await files.list('/d'), ['file']);
    const text = new TextDecoder().decode(await files.read('/d/file'));
    assert.ok(text === 'durable' || text === 'durable perhaps', text);
    assert.equal(disk.usedBytes, text.length);
  }
});

test('a name that was synchronized away does not come back with an older step', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const files = memoryFiles();
    for (const directory of ['/out', '/aside']) await files.makeDirectory(directory);
    await files.syncDirectory('/');
    await write(files, '/out/temporary', 'x');
    await files.rename('/out/temporary', '/out/part');
    await files.rename('/out/part', '/aside/part');
    await files.syncDirectory('/aside');
    await files.syncDirectory('/out');
    files.disk.losePower(seededRandom(seed));
    assert.deepEqual([files.disk.list('/out'), files.disk.list('/aside')], [[], ['part']]);
  }
});

test('what was not synchronized is kept, lost or torn, and every way happens', async () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 300; seed++) {
    const disk = new SimulatedDisk();
    const files = memoryFiles(disk);
    await files.makeDirectory('/d');
    await files.syncDirectory('/');
    await write(files, '/d/a', 'a'.repeat(2_000));
    await files.rename('/d/a', '/d/b');
    disk.losePower(seededRandom(seed));
    const names = await files.list('/d');
    const length = names[0] === undefined ? undefined : (await files.stat(`/d/${names[0]}`))!.size;
    seen.add(
      `${names.join(' ')} ${length === undefined || length === 0 || length === 2_000 ? length : 'torn'}`,
    );
  }
  assert.deepEqual([...seen].sort(), [' undefined', 'a 0', 'a 2000', 'a torn', 'b 0', 'b 2000', 'b torn']);
});

test('a lost write in the middle leaves a hole of zeros, never other bytes', async () => {
  for (let seed = 0; seed < 100; seed++) {
    const disk = new SimulatedDisk();
    const files = memoryFiles(disk);
    const handle = await files.open('/f', 'create');
    await files.syncDirectory('/');
    for (const letter of 'abc') await handle.write(bytes(letter.repeat(512)));
    disk.losePower(seededRandom(seed));
    const left = await files.read('/f');
    for (const [index, byte] of left.entries())
      assert.ok(byte === 0 || byte === 'abc'.charCodeAt(index / 512));
    assert.equal(left.length % 512, 0);
  }
});

test('a process that is killed leaves everything that it was told is written', async () => {
  const disk = new SimulatedDisk();
  await write(memoryFiles(disk), '/f', 'not synchronized');
  assert.equal(new TextDecoder().decode(await memoryFiles(disk).read('/f')), 'not synchronized');
});

test('a sync after a failed one makes nothing durable, and the handle refuses to go on', async () => {
  const disk = new SimulatedDisk();
  const faults = {
    random: seededRandom(1),
    onOperation: ({ operation }: { operation: FileOperation }) =>
      operation === 'sync' ? ('io' as const) : undefined,
  };
  const files = memoryFiles(disk, faults);
  const handle = await files.open('/f', 'create');
  await handle.write(bytes('x'));
  await assert.rejects(() => handle.sync(), FilesError);
  await assert.rejects(
    async () => handle.sync(),
    (error) => isMillraceError(error, 'ASSERTION_FAILED'),
  );
  await assert.rejects(
    async () => handle.write(bytes('y')),
    (error) => isMillraceError(error, 'ASSERTION_FAILED'),
  );
  await handle.close();
  const file = disk.open('/f');
  disk.sync(file);
  disk.syncDirectory('/');
  assert.equal(file.unsynced.length, 1);
});

test('faults by plan: with an effect, without one, or half of one', async () => {
  const plan = new Map<number, 'io' | 'unknown-with-effect' | 'unknown-without-effect' | 'no-space'>([
    [1, 'unknown-with-effect'],
    [2, 'unknown-without-effect'],
    [3, 'io'],
    [5, 'no-space'],
  ]);
  const files = memoryFiles(new SimulatedDisk(), {
    random: seededRandom(2),
    onOperation: ({ count }) => plan.get(count),
  });
  await assert.rejects(() => files.makeDirectory('/1'), { kind: 'unknown' });
  await assert.rejects(() => files.makeDirectory('/2'), { kind: 'unknown' });
  await assert.rejects(() => files.makeDirectory('/3'), { kind: 'io' });
  const handle = await files.open('/f', 'create');
  await assert.rejects(() => handle.write(bytes('0123456789')), { kind: 'no-space', path: '/f' });
  await handle.close();
  assert.deepEqual(await files.list('/'), ['1', 'f']);
  assert.match(new TextDecoder().decode(await files.read('/f')), /^0?1?2?3?4?5?6?7?8?9?$/);
});

test('faults by chance happen about as often as asked for', async () => {
  const files = memoryFiles(new SimulatedDisk(), {
    random: seededRandom(3),
    io: 0.1,
    unknown: 0.2,
    noSpace: 0.3,
  });
  const counts = new Map<unknown, number>();
  for (let index = 0; index < 2_000; index++) {
    const result = await outcome(async () => (await files.open(`/${index}`, 'create')).close());
    const kind = JSON.stringify(result);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  assert.ok(Math.abs(counts.get('{"error":"no-space"}')! - 600) < 100);
  // Closing fails too.
  assert.ok(Math.abs(counts.get('{"error":"io"}')! - 280) < 100);
});

test('a full disk takes what fits and says so', async () => {
  const files = memoryFiles(new SimulatedDisk({ capacityBytes: 5 }));
  const handle = await files.open('/f', 'create');
  await handle.write(bytes('123'));
  await assert.rejects(() => handle.write(bytes('4567')), { kind: 'no-space' });
  await handle.close();
  assert.equal(new TextDecoder().decode(await files.read('/f')), '12345');
  await files.remove('/f');
  await write(files, '/g', '12345');
});

test('reads come short when asked to, and never empty before the end', async () => {
  const files = memoryFiles(new SimulatedDisk(), { random: seededRandom(4), shortRead: 0.9 });
  await write(files, '/f', 'x'.repeat(1_000));
  const handle = await files.open('/f', 'read');
  const into = new Uint8Array(400);
  const counts: number[] = [];
  let at = 0;
  for (let count = await handle.read(into, 0); count > 0; count = await handle.read(into, at)) {
    counts.push(count);
    at += count;
  }
  assert.equal(at, 1_000);
  assert.ok(counts.length > 3 && counts.some((count) => count < 400));
});

test('a handle refuses two things at a time, and everything after it was closed', async () => {
  const files = memoryFiles();
  const handle = await files.open('/f', 'create');
  const first = handle.write(bytes('x'));
  await assert.rejects(
    async () => handle.write(bytes('y')),
    (error) => isMillraceError(error, 'ASSERTION_FAILED'),
  );
  await first;
  await handle.close();
  await assert.rejects(() => handle.read(new Uint8Array(1), 0), { kind: 'io' });
});
